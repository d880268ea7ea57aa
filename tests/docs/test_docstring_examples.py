"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.source_tree import package

#: One starts a stand-in.
pytestmark = pytest.mark.slow


def test_the_examples_in_docstrings_give_what_they_say() -> None:
    finder, runner = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    for module in package():
        if "\n    >>> " not in module.text and "\n>>> " not in module.text:
            continue
        for example in finder.find(importlib.import_module(module.name)):
            runner.run(example, out=said.append)
    assert "".join(said) == ""
    assert runner.tries > 150
