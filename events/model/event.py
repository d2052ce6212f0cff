"""The three forms of an event: typed, encoded and recorded (invariant 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any, ClassVar, dataclass_transform

import msgspec

from indelible.errors import EventDecodeError, PayloadTooLargeError
from indelible.errors.error_text import message_of
from indelible.events.codec.metadata import decode_metadata
from indelible.events.model.message_context import Context


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Base of all typed events: an immutable fact, named in the past tense.

    A subclass is immutable without ``frozen=True``.  It sets ``wire_name`` (stable, never a class
    path) and raises ``schema`` when its fields change.  The fields have types that msgpack can
    encode; user values are stored as encoded bytes.

    Attributes:
        upcasts: For each older schema, the function that converts its fields to the next schema.
            The function gets its own dict of plain fields and returns a dict.
    """

    wire_name: ClassVar[str] = ""
    schema: ClassVar[int] = 1
    upcasts: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}


class EncodedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that is encoded and not yet appended.

    Attributes:
        event_id: 16 bytes, UUIDv7; the same id is the same event.
        type: Wire name.
        schema: Version of the payload's fields, from 1.
        payload: msgpack bytes.
        data: The typed event that was encoded, for live readers; never stored.
        metadata: msgpack bytes of its context; empty if it has the context of its append.
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
        shard: Number of the shard.
        position: Position in the shard, from 1, without gaps, in commit order.
        stream: Name, such as ``run-2013-01``; the category ends at the first dash.
        version: Version in the stream, from 1.
        event_id: 16 bytes, UUIDv7.
        epoch: Fencing token of the owner that appended it.
        type: Wire name.
        schema: Version of the payload's fields.
        payload: msgpack bytes, as stored.
        metadata: msgpack bytes of the context, as stored.
        recorded_at: Microseconds UTC; within a shard it never decreases.
        chain: 32 bytes, the shard's hash chain up to and including this event.
        data: The typed event if the reader has it already, else ``None``.
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
        """The context of the event: principal, reason, request and so on; decoded at each use.

        Raises:
            EventDecodeError: The metadata is damaged.
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
"""Replaces a stream's name or an event's type that is not text; every filter lets it through."""


class DamagedEvent(RecordedEvent, frozen=True, gc=False):
    """An event whose row is damaged; it has the columns that can still be read.

    Its payload is empty, so that it is never decoded, and no chain matches it.

    Attributes:
        found: The damage, as text.
    """

    found: str = ""


def by_stream(events: Iterable[RecordedEvent]) -> dict[str, tuple[RecordedEvent, ...]]:
    """Group ``events`` by stream; those of a stream follow each other, in its order.

    Tuples of events are nothing that the garbage collector looks into, unlike lists.
    """
    return {stream: tuple(part) for stream, part in groupby(events, attrgetter("stream"))}
