"""The names a user may rely on change only on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

import indelible

PINNED = (Path(__file__).parent / "public_names.txt").read_text().split()


def test_public_names_are_the_pinned_ones() -> None:
    assert sorted(indelible.__all__) == PINNED, "edit public_names.txt if the change is meant"


def test_public_names_are_listed_in_order() -> None:
    assert indelible.__all__ == sorted(indelible.__all__)
    assert dir(indelible) == sorted(indelible.__all__)


@pytest.mark.parametrize("name", PINNED)
def test_public_name_resolves(name: str) -> None:
    assert getattr(indelible, name) is not None


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="'no_such_name'"):
        _ = indelible.no_such_name
