"""Real operators, some of whose time passes when a test says so."""

from tests.kernel.conftest import clock, data_dir, make_operator, operator, timed_operator

__all__ = ["clock", "data_dir", "make_operator", "operator", "timed_operator"]
