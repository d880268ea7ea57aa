"""Real runs, as the tests of operations have them."""

from tests.kernel.conftest import clock, data_dir, make_operator, operator, timed_operator

__all__ = ["clock", "data_dir", "make_operator", "operator", "timed_operator"]
