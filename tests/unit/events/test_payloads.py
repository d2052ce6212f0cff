"""Payloads are the same bytes whichever way they are encoded."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Literal

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.events.codec.payloads import _ENCODER, encoder_of
from indelible.events.model.call_events import EFFECT_EVENTS
from indelible.events.model.event import Event
from indelible.events.model.projection_events import PROJECTION_EVENTS
from indelible.events.model.run_events import RUN_EVENTS


class Part(msgspec.Struct, omit_defaults=True):
    name: str
    inside: list[Part] = []


class Plain(Event):
    wire_name: ClassVar[str] = "test.plain"

    text: str
    number: int
    share: float
    raw: bytes
    yes: bool
    some: int | None
    word: Literal["a", "b"]
    row: tuple[str, int]
    rows: tuple[int, ...]
    table: dict[str, list[float]]
    part: Part
    later: str = ""


class Colour(Enum):
    RED = "red"


def by_plain_values(event: Event) -> bytes:
    payload: bytes = msgpack.packb(msgspec.to_builtins(event, builtin_types=(bytes,)))
    return payload


INTS = st.integers(-(2**63), 2**64 - 1)
FLOATS = st.floats(allow_nan=False)


@given(
    st.builds(
        Plain,
        text=st.text(),
        number=INTS,
        share=FLOATS,
        raw=st.binary(),
        yes=st.booleans(),
        some=st.none() | INTS,
        word=st.sampled_from(["a", "b"]),
        row=st.tuples(st.text(), INTS),
        rows=st.lists(INTS).map(tuple),
        table=st.dictionaries(st.text(), st.lists(FLOATS)),
        part=st.builds(Part, st.text(), st.lists(st.builds(Part, st.text()))),
        later=st.just("") | st.text(),
    )
)
def test_both_ways_give_the_same_bytes(event: Plain) -> None:
    encode = encoder_of(Plain)
    assert encode == _ENCODER.encode
    assert encode(event) == by_plain_values(event)


@pytest.mark.parametrize("cls", [*RUN_EVENTS, *PROJECTION_EVENTS, *EFFECT_EVENTS])
def test_events_of_the_engine_take_the_short_way(cls: type[Event]) -> None:
    assert encoder_of(cls) == _ENCODER.encode


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (datetime, datetime(2026, 1, 2, tzinfo=UTC)),
        (Decimal, Decimal("1.50")),
        (Colour, Colour.RED),
        (Any, datetime(2026, 1, 2, tzinfo=UTC)),
        (set[int], {1}),
        (dict[int, str], {1: "a"}),
        (list[datetime], [datetime(2026, 1, 2, tzinfo=UTC)]),
        (int | Decimal, Decimal("1.50")),
    ],
)
def test_what_msgspec_encodes_in_its_own_way_goes_by_plain_values(kind: Any, value: Any) -> None:
    cls: Any = msgspec.defstruct("Other", [("value", kind)], bases=(Event,), frozen=True)
    event = cls(value)
    assert encoder_of(cls)(event) == by_plain_values(event)
    assert encoder_of(cls) != _ENCODER.encode
