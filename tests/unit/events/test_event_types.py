"""Event classes, their names and schemas: checked when written, upcast when read (invariant 7)."""

from __future__ import annotations

from typing import Any, ClassVar

import msgpack
import pytest

from indelible.errors import (
    EventDecodeError,
    PayloadTooLargeError,
    UnknownEventTypeError,
    ValueNotStorableError,
)
from indelible.events.model import event_types
from indelible.events.model.call_events import EFFECT_EVENTS
from indelible.events.model.event import EncodedEvent, Event, RecordedEvent
from indelible.events.model.event_types import EventTypes, run_event_types
from indelible.events.model.projection_events import PROJECTION_EVENTS
from indelible.events.model.run_events import RUN_EVENTS, RunQuarantined, StepsReleased


class Paid(Event, frozen=True, gc=False, omit_defaults=True):
    wire_name: ClassVar[str] = "order.paid"
    schema: ClassVar[int] = 3

    cents: int
    currency: str
    note: str = ""


def to_cents(fields: dict[str, Any]) -> dict[str, Any]:
    fields["cents"] = fields.pop("euros") * 100
    return fields


def with_currency(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "currency": "EUR"}


@pytest.fixture
def known() -> EventTypes:
    known = EventTypes()
    known.register(Paid, {1: to_cents, 2: with_currency})
    return known


def recorded(encoded: EncodedEvent, *, data: Any = None) -> RecordedEvent:
    return RecordedEvent(
        0,
        1,
        "order-1",
        1,
        encoded.event_id,
        1,
        encoded.type,
        encoded.schema,
        encoded.payload,
        b"\x80",
        0,
        bytes(32),
        data,
    )


def test_an_event_comes_back_typed(known: EventTypes) -> None:
    event = Paid(cents=150, currency="EUR")
    encoded = known.encode(event, bytes(16))
    assert (encoded.type, encoded.schema, encoded.data) == ("order.paid", 3, event)
    assert msgpack.unpackb(encoded.payload) == {"cents": 150, "currency": "EUR"}
    assert known.decode(recorded(encoded)) == event


def test_a_live_event_is_the_one_that_was_encoded(known: EventTypes) -> None:
    event = Paid(cents=150, currency="EUR")
    assert known.decode(recorded(known.encode(event, bytes(16)), data=event)) is event


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        (1, {"euros": 2}),
        (2, {"cents": 200}),
        (3, {"cents": 200, "currency": "EUR", "added_later": 1}),
    ],
)
def test_old_schemas_are_upcast_one_at_a_time(
    known: EventTypes, schema: int, fields: dict[str, Any]
) -> None:
    event = known.decode_payload("order.paid", schema, msgpack.packb(fields))
    assert event == Paid(cents=200, currency="EUR")


@pytest.mark.parametrize(
    ("event", "where"),
    [
        (Paid(cents="x", currency="EUR"), "$.cents"),  # type: ignore[arg-type]
        (Paid(cents=True, currency="EUR"), "$.cents"),
        (Paid(cents=1, currency=None), "$.currency"),  # type: ignore[arg-type]
        (Paid(cents=1.5, currency="EUR"), "$.cents"),  # type: ignore[arg-type]
        (Paid(cents=1, currency=object()), "$"),  # type: ignore[arg-type]
        (Paid(cents=2**70, currency="EUR"), "$"),
        (Paid(cents=1, currency="half \ud800"), "$"),
    ],
)
def test_encoding_checks_what_the_constructor_does_not(
    known: EventTypes, event: Paid, where: str
) -> None:
    with pytest.raises(ValueNotStorableError) as caught:
        known.encode(event, bytes(16))
    assert caught.value.path == f"order.paid {where}"


def test_a_class_that_is_not_registered_is_not_written(known: EventTypes) -> None:
    with pytest.raises(UnknownEventTypeError):
        known.encode(RunQuarantined(at=1, step="x", interruptions=1), bytes(16))


def test_an_unknown_type_or_schema_is_not_read(known: EventTypes) -> None:
    for name, schema in (("order.lost", 1), ("order.paid", 4), ("order.paid", 0)):
        with pytest.raises(UnknownEventTypeError):
            known.decode_payload(name, schema, b"\x80")


@pytest.mark.parametrize(
    ("schema", "payload"),
    [
        (3, b""),
        (3, b"\xc1"),
        (3, b"\x80"),
        (3, b"\x93\x01\x02\x03"),
        (3, msgpack.packb({"cents": "x", "currency": "EUR"})),
        (1, b"\x80"),
        (1, b"\xc0"),
    ],
)
def test_bytes_that_do_not_fit_are_an_error_of_their_own(
    known: EventTypes, schema: int, payload: bytes
) -> None:
    with pytest.raises(EventDecodeError):
        known.decode_payload("order.paid", schema, payload)


def test_the_size_is_limited_both_ways(monkeypatch: pytest.MonkeyPatch, known: EventTypes) -> None:
    event = Paid(cents=1, currency="x" * 100)
    payload = known.encode(event, bytes(16)).payload
    monkeypatch.setattr(event_types, "EVENT_LIMIT", 50)
    with pytest.raises(PayloadTooLargeError):
        known.encode(event, bytes(16))
    with pytest.raises(EventDecodeError):
        known.decode_payload("order.paid", 3, payload)


def test_a_registration_that_leaves_gaps_is_refused() -> None:
    class Nameless(Event, frozen=True):
        pass

    class Impostor(Event, frozen=True):
        wire_name: ClassVar[str] = "order.paid"

    known = EventTypes()
    with pytest.raises(ValueError, match="wire_name"):
        known.register(Nameless)
    for upcasts in ({}, {1: to_cents}, {2: with_currency}, {1: to_cents, 2: to_cents, 3: to_cents}):
        with pytest.raises(ValueError, match="one upcast"):
            known.register(Paid, upcasts)
    known.register(Paid, {1: to_cents, 2: with_currency})
    known.register(Paid, {1: to_cents, 2: with_currency})
    with pytest.raises(ValueError, match="already"):
        known.register(Impostor)
    assert known.classes() == [Paid]


def test_two_registries_know_nothing_of_each_other(known: EventTypes) -> None:
    assert run_event_types().classes() != known.classes()
    assert set(run_event_types().classes()) == {*RUN_EVENTS, *PROJECTION_EVENTS, *EFFECT_EVENTS}


def test_a_list_in_a_decoded_event_is_its_own() -> None:
    known = run_event_types()
    event = StepsReleased(at=1, paths=[])
    payload = known.encode(event, bytes(16)).payload
    first = known.decode_payload("run.steps_released", 1, payload)
    second = known.decode_payload("run.steps_released", 1, payload)
    assert isinstance(first, StepsReleased)
    assert isinstance(second, StepsReleased)
    first.paths.append("b")
    assert second.paths == []
