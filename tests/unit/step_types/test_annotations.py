"""A function that says it returns what cannot be stored is refused when it becomes a step."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypedDict, TypeVar
from uuid import UUID

import pytest

from indelible import ActorSystem, step
from indelible.actors.step_types.functions import FunctionStep

Item = TypeVar("Item")
Name = typing.NewType("Name", str)


class Plain:
    pass


@dataclasses.dataclass
class Order:
    id: UUID


class Pair(NamedTuple):
    a: int


class Row(TypedDict):
    a: int


class Speaks(Protocol):
    def speak(self) -> str: ...


class Colour(enum.Enum):
    RED = 1


def returning(annotation: Any) -> Callable[..., Any]:
    def function() -> Any: ...

    function.__annotations__["return"] = annotation
    return function


REFUSED = [
    (set, "a set", "sort it into a list"),
    (set[int], "a set", "sort it into a list"),
    ("set[int]", "a set", "sort it into a list"),
    (dict[str, list[frozenset[str]]], "a frozenset", "sort it into a list"),
    (set[int] | None, "a set", "sort it into a list"),
    (typing.Optional[complex], "a complex", "two floats"),  # noqa: UP045 - the older form
    (dt.time, "a datetime.time", "isoformat()"),
    (range, "a range", "list()"),
    (Plain, "Plain", "a dataclass of what can be stored"),
    (tuple[int, Plain], "Plain", "a dataclass"),
    (typing.Annotated[Plain, "a note"], "Plain", "a dataclass"),
    (Iterator[int], "Iterator", "a list"),
    (Callable[[int], str], "Callable", "a list"),
    (type[int], "a type", "a list"),
]

ACCEPTED = [
    None,
    "None",
    int,
    "int",
    "NoSuchName",
    "1 +",
    Any,
    object,
    list,
    dict[str, Any],
    list[int] | None,
    tuple[int, ...],
    Mapping[str, int],
    Sequence[str],
    Decimal,
    dt.datetime,
    dt.timedelta,
    UUID,
    Path,
    bytearray,
    Colour,
    Order,
    Pair,
    Row,
    Speaks,
    Item,
    Name,
    Literal["a", 1],
    typing.Annotated[int, Plain],
    typing.NoReturn,
    typing.Union[int, str],  # noqa: UP007 - the older form
]


@pytest.mark.parametrize(("annotation", "found", "fix"), REFUSED, ids=str)
def test_a_step_that_says_it_returns_what_is_refused_is_refused_at_once(
    annotation: Any, found: str, fix: str
) -> None:
    with pytest.raises(TypeError) as caught:
        FunctionStep(returning(annotation), "load")
    assert str(caught.value).startswith("step 'load' returns ")
    assert found in str(caught.value)
    assert fix in str(caught.value)


@pytest.mark.parametrize("annotation", ACCEPTED, ids=str)
def test_a_step_of_which_that_cannot_be_said_is_registered(annotation: Any) -> None:
    FunctionStep(returning(annotation), "load")


def test_the_annotation_is_looked_at_when_the_step_is_registered() -> None:
    @step("load")
    async def load() -> set[int]:
        return set()

    with pytest.raises(TypeError, match="step 'load' returns a set"):
        ActorSystem("memory://", steps=[load])


def test_a_function_without_annotations_of_its_own_is_registered() -> None:
    class Loader:
        note: set[int]

        def __call__(self) -> int:
            return 1

    for function in (functools.partial(returning(int)), Loader(), lambda: None):
        FunctionStep(function, "load")
