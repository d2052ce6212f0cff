"""What an event is: a typed fact, its encoded form, and its recorded form (invariant 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, dataclass_transform

import msgspec

from indelible.errors import EventDecodeError, PayloadTooLargeError
from indelible.errors.error_text import message_of
from indelible.events.codec.metadata import decode_metadata
from indelible.events.model.message_context import Context


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Base of all typed events: an immutable fact, named in the past tense.

    A subclass is immutable without saying so.  It sets ``wire_name`` (stable, never a class path)
    and raises ``schema`` when its fields change.  Fields hold what msgpack can hold; user values
    go in as encoded bytes.

    Attributes:
        upcasts: For each older schema the function that leads to the next; it is given the plain
            fields as a mapping of its own, and returns them.
    """

    wire_name: ClassVar[str] = ""
    schema: ClassVar[int] = 1
    upcasts: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}


class EncodedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event on its way into the log.

    Attributes:
        event_id: 16 bytes, UUIDv7; the same id is the same event.
        type: Wire name.
        schema: Version of the payload's fields, from 1.
        payload: msgpack bytes.
        data: The typed event that was encoded, for live readers; never stored.
        metadata: msgpack bytes of its context; empty if that of the append is its own.
    """

    event_id: bytes
    type: str
    schema: int
    payload: bytes
    data: Any = None
    metadata: bytes = b""


class RecordedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event in the log.

    Attributes:
        shard: Part of the log that orders it.
        position: Place in its shard, from 1, without gaps, in commit order.
        stream: Name, such as ``run-2013-01``; the category ends at the first dash.
        version: Place in its stream, from 1.
        event_id: 16 bytes, UUIDv7.
        epoch: Fencing token of the owner that wrote it.
        type: Wire name.
        schema: Version of the payload's fields.
        payload: msgpack bytes, as stored.
        metadata: msgpack bytes of the context, as stored.
        recorded_at: Microseconds UTC, never falling within a shard.
        chain: 32 bytes, the shard's hash chain up to and with this event.
        data: The typed event where the reader has it already, else ``None``.
    """

    shard: int
    position: int
    stream: str
    version: int
    event_id: bytes
    epoch: int
    type: str
    schema: int
    payload: bytes
    metadata: bytes
    recorded_at: int
    chain: bytes
    data: Any = None

    @property
    def context(self) -> Context:
        """Where the event comes from: who, why, for which request; decoded at each use.

        Raises:
            EventDecodeError: It is damaged.
        """
        try:
            return decode_metadata(self.metadata)
        except (EventDecodeError, PayloadTooLargeError, TypeError) as error:
            place: dict[str, Any] = {
                name: getattr(self, name) for name in ("stream", "version", "shard", "position")
            }
            why = f"its metadata: {message_of(error)}"
            raise EventDecodeError(self.type, self.schema, why, **place) from error


UNREADABLE = "(unreadable)"
"""Stands for a stream's name or an event's type that is no text: no filter passes over it."""


class DamagedEvent(RecordedEvent, frozen=True, gc=False):
    """An event whose row cannot be read as it was written; what can be read stands in its place.

    It has no payload, so that it is never decoded, and no chain fits it.

    Attributes:
        found: What is wrong with the row.
    """

    found: str = ""


def by_stream(events: Iterable[RecordedEvent]) -> dict[str, list[RecordedEvent]]:
    """``events`` of several streams, each stream's in the order in which they came."""
    streams: dict[str, list[RecordedEvent]] = {}
    for event in events:
        streams.setdefault(event.stream, []).append(event)
    return streams
