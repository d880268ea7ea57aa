"""What a review panel hears of what is committed in its kernel."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container
from weakref import WeakMethod

from mephisto_nb.data_model.changes import AddReview, AddSubmission, Changes
from mephisto_nb.data_model.reviews import Review


class News:
    """Keeps what has happened since answers were read last.

    Parameters
    ----------
    runs
        Whose answers are looked at, by their ids.
    tell_views
        Called on the loop, cheaply, whenever there is news.
    """

    def __init__(self, runs: Container[str | None], tell_views: Callable[[], None]) -> None:
        self._runs, self._tell_views = runs, tell_views
        #: Another one whenever rows have to be asked for again.
        self.rev = 0
        #: Whether answers have come, or somebody else has decided, so that all has to be read again.
        self.is_stale = False
        #: Decisions that were not taken in yet.
        self.reviews: deque[Review] = deque()

    def take_in(self, changes: Changes) -> None:
        """Hear of one step that was committed."""
        reviews = [one.review for one in changes.changes if isinstance(one, AddReview)]
        if changes.task_run_id in self._runs and any(isinstance(one, AddSubmission) for one in changes.changes):
            self.is_stale = True
        if reviews or self.is_stale:
            self.reviews.extend(reviews)
            self.tell()

    def tell(self) -> None:
        """Say that rows have to be asked for again."""
        self.rev += 1
        self._tell_views()


def only_while_there(method: Callable[[Changes], None]) -> Callable[[Changes], None]:
    """Make a listener of a method that does not keep its object: it falls silent once nobody has that any more."""
    found = WeakMethod(method)

    def listener(changes: Changes) -> None:
        if (mine := found()) is not None:
            mine(changes)

    return listener
