"""What steps and callers give in other kinds is stored by the stated rule, or refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections import Counter, OrderedDict, defaultdict
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import msgpack
import msgspec
import pytest

from indelible.errors import PayloadTooLargeError, ValueNotStorableError
from indelible.events.codec import values
from indelible.events.codec.conversions import encode_given
from indelible.events.codec.encoded_size import SIZES
from indelible.events.codec.values import decode_value, encode_value


class Colour(enum.Enum):
    RED = "red"
    BOTH = ("red", 2)


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    YES = "yes"


class Point(NamedTuple):
    x: int
    y: Any


@dataclasses.dataclass
class Order:
    id: UUID
    lines: tuple[Point, ...]
    _note: str = ""


class Reply(msgspec.Struct):
    words: str
    at: dt.timedelta


class Model:
    """As pydantic has it."""

    model_fields: ClassVar[dict[str, Any]] = {}

    def model_dump(self) -> dict[str, Any]:
        return {"colour": Colour.RED}


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another text"


class Whole(int):
    def __int__(self) -> int:
        return 0


class Part(float):
    def __float__(self) -> float:
        return 0.0


class Moment(dt.datetime):
    """As freezegun has it."""


class Nano(dt.datetime):
    """As pandas has it: a datetime that knows more than one."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = dt.datetime.__hash__


class generic:  # noqa: N801 - numpy's name
    """As numpy has it."""

    def __init__(self, kind: str, value: Any) -> None:
        self.dtype = type("dtype", (), {"kind": kind})()
        self._value = value

    def item(self) -> Any:
        return self._value


generic.__module__ = "numpy"


class Float64(generic):
    pass


ID = UUID("12345678-1234-5678-1234-567812345678")
AT = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ((1, (2, "x")), [1, [2, "x"]]),
        (Point(1, (2,)), [1, [2]]),
        (Colour.RED, "red"),
        (Colour.BOTH, ["red", 2]),
        (Level.HIGH, 3),
        (Word.YES, "yes"),
        ({Word.YES: 1, Text("k"): 2, ID: 3}, {"yes": 1, "k": 2, str(ID): 3}),
        (ID, str(ID)),
        (PurePosixPath("/data/x"), "/data/x"),
        (dt.timedelta(minutes=1, microseconds=5), 60.000005),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"abcd")[::2], b"ac"),
        (
            Order(ID, (Point(1, 2),)),
            {"id": str(ID), "lines": [[1, 2]], "_note": ""},
        ),
        (Reply("hi", dt.timedelta(seconds=2)), {"words": "hi", "at": 2.0}),
        ([Model()], [{"colour": "red"}]),
        (Text("x"), "x"),
        (Whole(7), 7),
        (Part(1.5), 1.5),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (defaultdict(lambda: (2,), {"a": (1,)}), {"a": [1]}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (Moment(2024, 2, 29, 12, tzinfo=dt.UTC), AT),
        ([Float64("f", 1.5), Float64("U", "x")], [1.5, "x"]),
        ({"plain": [1, None, Decimal("1.20"), AT]}, {"plain": [1, None, Decimal("1.20"), AT]}),
    ],
)
def test_a_value_of_another_kind_is_stored_as_the_rule_says(given: Any, stored: Any) -> None:
    found = decode_value(encode_given(given))
    assert found == stored
    assert encode_value(found) == encode_given(given)  # what is read is what was stored
    assert exactly(found)


def exactly(value: Any) -> bool:
    """Whether no value in it is of a subclass."""
    if type(value) is list:
        return all(map(exactly, value))
    if type(value) is dict:
        return all(type(key) is str and exactly(item) for key, item in value.items())
    return type(value) in SIZES


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ({"x": {1, 2}}, "$.x", "sort it into a list"),
        ([frozenset()], "$[0]", "sort it into a list"),
        ((dt.time(1),), "$[0]", "isoformat()"),
        ([dt.datetime(2024, 1, 1)], "$[0]", "without a time zone"),  # noqa: DTZ001 - what is refused
        (Whole(2**63), "$", "beyond 64 bits"),
        (1j, "$", "two floats"),
        (range(3), "$", "list()"),
        (MappingProxyType({}), "$", "dict()"),
        (Nano(2024, 1, 1, tzinfo=dt.UTC), "$", "Nano"),
        (dt.timedelta.max, "$", "total_seconds()"),
        ([Float64("M", 1)], "$[0]", "Float64"),
        ({1: 2}, "$[1]", "a str as the key"),
        ({Level.HIGH: 2}, "$[<Level.HIGH: 3>]", "a str as the key"),
        ({Word.YES: 1, "yes": 2, ID: 1, str(ID): 2}, f"$['{ID}']", "rename"),
        (Order, "$", "a type"),
        ({"order": Order(ID, (Point(1, {2}),))}, "$.order.lines[0][1]", "sort"),
        (PurePosixPath("half \udc80"), "$", "surrogate"),
        (Colour, "$", "EnumType"),
        (object(), "$", "use None, bool"),
    ],
)
def test_what_has_no_such_kind_is_refused_with_its_path(given: Any, path: str, words: str) -> None:
    with pytest.raises(ValueNotStorableError) as caught:
        encode_given(given)
    assert caught.value.path == path
    assert words in str(caught.value)


def test_values_that_must_come_back_as_they_are_follow_no_rule() -> None:
    with pytest.raises(ValueNotStorableError, match="a tuple"):
        encode_value([(1, 2)])


def tree(children: int) -> dict[str, Any]:
    root: dict[str, Any] = {}
    root["children"] = [{"parent": root} for _ in range(children)]
    return root


@dataclasses.dataclass
class Linked:
    next: Any = None


@pytest.mark.parametrize("children", [1, 3, 1_000])
def test_a_value_that_contains_itself_is_refused_at_once_with_its_path(
    children: int, looked_at: list[Any]
) -> None:
    for encode in (encode_value, encode_given):
        with pytest.raises(ValueNotStorableError, match="contains itself") as caught:
            encode(tree(children))
        assert caught.value.path == "$.children[0].parent"
    assert len(looked_at) < 50


def test_so_is_one_that_does_through_a_dataclass_or_a_tuple() -> None:
    one = Linked()
    one.next = (Linked(one),)
    with pytest.raises(ValueNotStorableError, match=r"\$\.next\[0\]\.next is .*contains itself"):
        encode_given(one)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The single parts that were looked at or packed."""
    seen: list[Any] = []
    from indelible.events.codec import storable_check

    visit = storable_check._Fitting.visit

    def counted(self: Any, value: Any) -> Any:
        seen.append(value)
        return visit(self, value)

    monkeypatch.setattr(storable_check._Fitting, "visit", counted)
    return seen


def never(*_: Any, **__: Any) -> bytes:
    raise AssertionError("it was encoded")


@pytest.mark.parametrize(
    "large",
    [
        [["x" * 100] * 100] * 100,
        [[[1.5] * 100] * 100] * 100,
        {"rows": [{"k" * 10_000: 1}] * 100},
        [b"x" * 10_000] * 100,
        [AT] * 10_000,
        [Decimal("1." + "1" * 10_000)] * 100,
    ],
    ids=["texts", "numbers", "keys", "bytes", "times", "decimals"],
)
def test_a_value_that_is_too_large_is_refused_before_it_is_encoded(
    monkeypatch: pytest.MonkeyPatch, large: Any
) -> None:
    monkeypatch.setattr(values, "VALUE_LIMIT", 100_000)
    monkeypatch.setattr(msgpack, "packb", never)
    for encode in (encode_value, encode_given):
        with pytest.raises(PayloadTooLargeError):
            encode(large)
