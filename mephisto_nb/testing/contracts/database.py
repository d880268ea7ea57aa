"""What every `Database` has to do.

To test an adapter, subclass `DatabaseContract`, and give it the fixture `open_database`::

    class TestMyDatabase(DatabaseContract):
        @pytest.fixture
        def open_database(self, tmp_path):
            return lambda: MyDatabase(tmp_path / "my.db")

Failures tell more when a conftest.py says, before anything of this package is imported,
``pytest.register_assert_rewrite("mephisto_nb.testing.contracts")``.
"""

from __future__ import annotations

from mephisto_nb.testing.contracts._database_changes import ChangesContract
from mephisto_nb.testing.contracts._database_gates import GatesContract
from mephisto_nb.testing.contracts._database_guards import GuardsContract
from mephisto_nb.testing.contracts._database_people import PeopleContract
from mephisto_nb.testing.contracts._database_people_acts import PeopleActsContract
from mephisto_nb.testing.contracts._database_reads import ReadsContract
from mephisto_nb.testing.contracts._database_reviews import ReviewsContract
from mephisto_nb.testing.contracts._database_said import SaidContract
from mephisto_nb.testing.contracts._database_sharing import SharingContract
from mephisto_nb.testing.contracts._database_steering import SteeringContract
from mephisto_nb.testing.contracts._database_steps_about_people import StepsAboutPeopleContract
from mephisto_nb.testing.contracts._database_text import TextContract


class DatabaseContract(
    ChangesContract,
    GatesContract,
    GuardsContract,
    PeopleContract,
    PeopleActsContract,
    ReadsContract,
    ReviewsContract,
    SaidContract,
    SharingContract,
    SteeringContract,
    StepsAboutPeopleContract,
    TextContract,
):
    """All that is asked of a `Database`; a subclass supplies the fixture `open_database`.

    That fixture gives a function without parameters, which opens one and the same database each time it is called.
    The database is empty at the start of each test. What is opened is closed by the contract.
    """
