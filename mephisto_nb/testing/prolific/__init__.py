"""A stand-in of Prolific: a server on this computer that behaves as it does, for tests and rehearsals.

Here is what Prolific is and does (`world`, `studies`, `submissions`, `bonuses`, `hooks`), what is answered at which
address (`study_routes`, `account_routes`), what goes wrong on the way (`mishaps`), who takes part (`participants`), and
what all of it costs (`books`). No more than what is known of Prolific is in it; what had to be guessed is said in the
guide on rehearsals.
"""

from mephisto_nb.testing.prolific.mishaps import Mishap, Mishaps
from mephisto_nb.testing.prolific.participants import Crowd, CrowdReport, Habit, Participant
from mephisto_nb.testing.prolific.standin import ProlificStandIn
from mephisto_nb.testing.prolific.world import StandInSettings

__all__ = ["Crowd", "CrowdReport", "Habit", "Mishap", "Mishaps", "Participant", "ProlificStandIn", "StandInSettings"]
