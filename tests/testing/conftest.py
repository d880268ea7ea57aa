"""The stand-in of Prolific, and its client."""

from __future__ import annotations

from tests.prolific import api, ask, naps, prolific, settings

__all__ = ["api", "ask", "naps", "prolific", "settings"]
