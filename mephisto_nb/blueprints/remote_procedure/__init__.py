"""Tasks whose page calls Python functions while a worker works."""

from mephisto_nb.blueprints.remote_procedure.blueprint import RemoteProcedureBlueprint, RemoteProcedureBlueprintArgs

__all__ = ["RemoteProcedureBlueprint", "RemoteProcedureBlueprintArgs"]
