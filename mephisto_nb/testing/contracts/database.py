"""What every `Database` has to do; stands alone because it is the door to the parts of this contract.

To test an adapter, subclass `DatabaseContract`, and give it the fixture `open_database`::

    class TestMyDatabase(DatabaseContract):
        @pytest.fixture
        def open_database(self, tmp_path):
            return lambda: MyDatabase(tmp_path / "my.db")

Failures tell more when a conftest.py says, before anything of this package is imported,
``pytest.register_assert_rewrite("mephisto_nb.testing.contracts")``.
"""

from __future__ import annotations

from mephisto_nb.testing.contracts._database_people import (
    MessagesContract,
    PeopleActsContract,
    PeopleContract,
    StepsAboutPeopleContract,
    TextContract,
)
from mephisto_nb.testing.contracts._database_reviews import ReviewsContract
from mephisto_nb.testing.contracts._database_runs import GatesContract, RunsContract
from mephisto_nb.testing.contracts._database_steps import (
    ChangesContract,
    GuardsContract,
    SharingContract,
    SteeringContract,
)
from mephisto_nb.testing.contracts._database_visits import VisitsContract


class DatabaseContract(
    RunsContract,
    GatesContract,
    VisitsContract,
    PeopleContract,
    PeopleActsContract,
    StepsAboutPeopleContract,
    ReviewsContract,
    MessagesContract,
    TextContract,
    ChangesContract,
    GuardsContract,
    SteeringContract,
    SharingContract,
):
    """All that is asked of a `Database`; a subclass supplies the fixture `open_database`.

    That fixture gives a function without parameters, which opens one and the same database each time it is called.
    The database is empty at the start of each test. What is opened is closed by the contract.
    """
