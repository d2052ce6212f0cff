"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import indelible

# Alembic runs env.py by its path, inside a migration only.
NOT_IMPORTABLE = {"indelible.migrations.env"}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(indelible.__path__, "indelible.")
    if module.name not in NOT_IMPORTABLE and not module.name.endswith(".__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_of(name: str) -> None:
    failed, _ = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_there_are_examples_at_all() -> None:
    finder = doctest.DocTestFinder()
    examples = [test for name in MODULES for test in finder.find(import_module(name))]
    assert any(test.examples for test in examples)
