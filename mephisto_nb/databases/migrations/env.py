"""Alembic's entry: it runs the migrations on the connection that `migrate` holds."""

from alembic import context

from mephisto_nb.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
