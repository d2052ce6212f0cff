"""The context as bytes: only what is there is stored, and damage is an error."""

from __future__ import annotations

from typing import Any

import msgpack
import msgspec
import pytest

from indelible.errors import EventDecodeError, PayloadTooLargeError, ValueNotStorableError
from indelible.events.codec.metadata import (
    METADATA_LIMIT,
    correlated,
    decode_metadata,
    encode_metadata,
)
from indelible.events.model.event import RecordedEvent
from indelible.events.model.message_context import Context

FULL = Context(*(f"{name} é" for name in Context.__struct_fields__))


def recorded(metadata: Any) -> RecordedEvent:
    return RecordedEvent(
        3, 7, "run-1", 2, bytes(16), 1, "run.failed", 1, b"", metadata, 0, bytes(32)
    )


def test_a_context_comes_back() -> None:
    assert decode_metadata(encode_metadata(FULL)) == FULL
    assert recorded(encode_metadata(FULL)).context == FULL


def test_empty_fields_are_absent() -> None:
    assert encode_metadata(Context()) == b"\x80"
    assert msgpack.unpackb(encode_metadata(Context(agent="a"))) == {"agent": "a"}
    assert decode_metadata(b"\x80") == Context()


@pytest.mark.parametrize("name", Context.__struct_fields__)
def test_a_field_costs_its_text_and_its_name_and_nothing_else(name: str) -> None:
    without = encode_metadata(msgspec.structs.replace(FULL, **{name: ""}))
    cost = len(encode_metadata(FULL)) - len(without)
    assert cost == len(msgpack.packb(name)) + len(msgpack.packb(getattr(FULL, name)))


def test_the_short_way_for_a_correlation_id_gives_the_same_bytes() -> None:
    for text in ("42", "x" * 31, "x" * 32, "x" * 200, "é", ""):
        assert correlated(text) == encode_metadata(Context(correlation_id=text))


def test_fields_of_a_later_version_are_ignored() -> None:
    data = msgpack.packb({"agent": "a", "mood": "b"})
    assert decode_metadata(data) == Context(agent="a")


@pytest.mark.parametrize("agent", [1, None, b"x", "half \ud800"])
def test_only_text_is_stored(agent: Any) -> None:
    with pytest.raises(ValueNotStorableError):
        encode_metadata(Context(agent=agent))


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\xc1", b"\x01", b"\x81\xa5agent\x01", b"\x81\x01\x01", b"\x81\x90\x01"),
        *(b"\xa1\xff", "\x80"),
    ],
)
def test_damage_is_an_error(data: Any) -> None:
    with pytest.raises(EventDecodeError):
        decode_metadata(data)


@pytest.mark.parametrize("data", [b"\xc1", 7, b"\x80" * (METADATA_LIMIT + 1)])
def test_damage_of_a_recorded_event_has_its_place(data: Any) -> None:
    with pytest.raises(EventDecodeError, match="metadata") as raised:
        _ = recorded(data).context
    assert (raised.value.stream, raised.value.version) == ("run-1", 2)
    assert (raised.value.shard, raised.value.position) == (3, 7)


def test_the_size_is_limited_both_ways() -> None:
    with pytest.raises(PayloadTooLargeError):
        encode_metadata(Context(reason="x" * METADATA_LIMIT))
    with pytest.raises(PayloadTooLargeError):
        decode_metadata(msgpack.packb({"reason": "x" * METADATA_LIMIT}))
