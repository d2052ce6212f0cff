"""Every error keeps its parts, says them, and survives a trip between processes."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Sequence
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from indelible import errors
from indelible.errors import DefinitionError, IndelibleError, Problem, StoreCorruptError

BASES = {"ActorError", "IndelibleError", "StoreError"}
CLASSES = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, IndelibleError) and found.__name__ not in BASES
]


def example(name: str, hint: Any) -> Any:
    """A value that a parameter of this type could have; text carries the parameter's name."""
    if get_origin(hint) in {Sequence, list, tuple}:
        return [example(name, get_args(hint)[0])]
    if isinstance(hint, type) and issubclass(hint, tuple):
        return Problem("steps[0].type", "nothing", "give a type")
    values = {str: f"the-{name}", int: 7, float: 2.5, bool: True, bytes: b"\x00\x01"}
    return values.get(hint, f"the-{name}")


def build(cls: type[IndelibleError]) -> IndelibleError:
    """An instance with every named argument given."""
    hints = get_type_hints(cls.__init__)
    arguments = {
        name: example(name, hints[name])
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
    }
    return cls(**arguments)


@pytest.fixture(params=CLASSES, ids=lambda cls: cls.__name__)
def error(request: pytest.FixtureRequest) -> IndelibleError:
    """One instance of each class."""
    return build(request.param)


def test_there_are_errors_to_look_at() -> None:
    assert len(CLASSES) > 20


def test_error_is_the_same_after_pickling(error: IndelibleError) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own bytes
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)
        assert again.args == error.args


def test_error_is_the_same_after_copying(error: IndelibleError) -> None:
    again = copy.copy(error)
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_error_keeps_parts_and_says_something(error: IndelibleError) -> None:
    assert str(error).strip()
    assert vars(error), "an error carries its parts as attributes"
    assert "None" not in str(error)


def test_error_says_each_of_its_texts(error: IndelibleError) -> None:
    for name, part in vars(error).items():
        if isinstance(part, str):
            assert part in str(error), name


def test_error_is_caught_by_the_one_base(error: IndelibleError) -> None:
    with pytest.raises(IndelibleError):
        raise error


def test_a_definition_error_lists_every_problem() -> None:
    error = DefinitionError(
        "etl",
        [
            Problem("steps[0].type", "no type", "give one"),
            Problem("steps[1].name", "'a' twice", "rename one"),
        ],
    )
    assert "2 problem(s)" in str(error)
    assert "steps[0].type: no type; give one" in str(error)
    assert "steps[1].name: 'a' twice; rename one" in str(error)
    assert [problem.path for problem in error.problems] == ["steps[0].type", "steps[1].name"]


def test_damage_says_where_it_is_as_far_as_that_is_known() -> None:
    whole = StoreCorruptError("sqlite:///a.db", "it holds no table")
    assert (whole.stream, whole.version, whole.shard, whole.position) == ("", 0, -1, 0)
    assert "sqlite:///a.db is not a usable store: it holds no table" in str(whole)
    event = StoreCorruptError("sqlite:///a.db", "it is missing", stream="run-1", version=2, shard=3)
    assert "stream 'run-1' at version 2 of sqlite:///a.db is damaged: it is missing" in str(event)
    placed = StoreCorruptError("sqlite:///a.db", "it is missing", shard=3, position=41)
    assert "position 41 of shard 3 of sqlite:///a.db" in str(placed)
    assert (placed.shard, placed.position) == (3, 41)
