"""What a researcher hands over to be worked on."""

from __future__ import annotations

from dataclasses import dataclass, field

from mephisto_nb._typing import JSONObject


@dataclass(slots=True)
class InitializationData:
    """The data of one assignment.

    Parameters
    ----------
    shared
        What every worker of the assignment sees.
    unit_data
        One object a unit: its length is the number of different workers wanted.
    """

    shared: JSONObject
    unit_data: list[JSONObject] = field(default_factory=lambda: [{}])
