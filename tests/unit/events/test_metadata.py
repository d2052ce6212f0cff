"""The envelope: only what is there is stored, and damage is an error."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from indelible.errors import EventDecodeError, PayloadTooLargeError, ValueNotStorableError
from indelible.events.metadata import (
    METADATA_LIMIT,
    Metadata,
    decode_metadata,
    encode_metadata,
)

FULL = Metadata("c", "d", "agent-etl", "ann", "asked for", "00-trace")


def test_an_envelope_comes_back() -> None:
    assert decode_metadata(encode_metadata(FULL)) == FULL


def test_empty_fields_are_absent() -> None:
    assert encode_metadata(Metadata()) == b"\x80"
    assert msgpack.unpackb(encode_metadata(Metadata(actor="a"))) == {"actor": "a"}
    assert decode_metadata(b"\x80") == Metadata()


def test_fields_of_a_later_version_are_ignored() -> None:
    data = msgpack.packb({"actor": "a", "tenant": "b"})
    assert decode_metadata(data) == Metadata(actor="a")


@pytest.mark.parametrize("actor", [1, None, b"x", "half \ud800"])
def test_only_text_is_stored(actor: str) -> None:
    with pytest.raises(ValueNotStorableError):
        encode_metadata(Metadata(actor=actor))


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\xc1", b"\x01", b"\x81\xa5actor\x01", b"\x81\x01\x01", b"\x81\x90\x01"),
        *(b"\xa1\xff", "\x80"),
    ],
)
def test_damage_is_an_error(data: Any) -> None:
    with pytest.raises(EventDecodeError):
        decode_metadata(data)


def test_the_size_is_limited_both_ways() -> None:
    with pytest.raises(PayloadTooLargeError):
        encode_metadata(Metadata(reason="x" * METADATA_LIMIT))
    with pytest.raises(PayloadTooLargeError):
        decode_metadata(msgpack.packb({"reason": "x" * METADATA_LIMIT}))
