"""Real runs, as the tests of operations have them."""

from tests.kernel.conftest import data_dir, make_operator, operator

__all__ = ["data_dir", "make_operator", "operator"]
