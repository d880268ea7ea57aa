"""The garbage collector, kept out of where much is made that will stay.

Stands alone because storage and the kernel both build what stays.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Let the collector wait for a moment.

    Thousands of objects that all stay make it look through all there is, again and again, and find nothing: a fifth
    of the time that a large launch takes.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
