"""The registry of a system's event classes; it encodes and decodes events (invariant 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgpack
import msgspec

from indelible.errors import (
    EventDecodeError,
    PayloadTooLargeError,
    UnknownEventTypeError,
    ValueNotStorableError,
)
from indelible.errors.error_text import message_of, type_name
from indelible.events.codec.payloads import encoder_of
from indelible.events.model.call_events import EFFECT_EVENTS
from indelible.events.model.event import (
    UNREADABLE,
    DamagedEvent,
    EncodedEvent,
    Event,
    RecordedEvent,
)
from indelible.events.model.projection_events import PROJECTION_EVENTS
from indelible.events.model.run_events import RUN_EVENTS
from indelible.events.model.stream_names import KIND_LIMIT

EVENT_LIMIT = 4 * 1024 * 1024
"""Bytes of one payload: a definition and an input of 1 MiB each, and the other fields."""

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""Converts the plain fields of one schema to the next; pure, may change its argument."""

_BYTES = (bytes,)


class _Entry(msgspec.Struct, frozen=True):
    cls: type[Event]
    wire_name: str
    schema: int
    upcasts: Mapping[int, Upcast]
    decode: Callable[[bytes], Event]  # of payloads in the newest schema
    encode: Callable[[Event], bytes]


class EventTypes:
    """The event classes of one system, by wire name; register all before threads start."""

    def __init__(self, classes: Iterable[type[Event]] = ()) -> None:
        """Register ``classes``."""
        self._by_name: dict[str, _Entry] = {}
        self._by_class: dict[type[Event], _Entry] = {}
        for cls in classes:
            self.register(cls)

    def register(self, cls: type[Event], upcasts: Mapping[int, Upcast] | None = None) -> None:
        """Register ``cls``; ``upcasts`` defaults to the upcasts of the class.

        Raises:
            ValueError: There is no wire name, another class has it, or an upcast is missing.
        """
        name, schema = cls.wire_name, cls.schema
        if not name.isprintable() or not 0 < len(name) <= KIND_LIMIT:
            wanted = f"a wire_name of 1 to {KIND_LIMIT} characters, such as 'order.placed'"
            raise ValueError(f"{cls.__qualname__} needs {wanted}")
        known = self._by_name.get(name)
        if known is not None and known.cls is not cls:
            raise ValueError(f"{name!r} is already the wire name of {known.cls.__qualname__}")
        upcasts = dict(cls.upcasts if upcasts is None else upcasts)
        if sorted(upcasts) != list(range(1, schema)):
            raise ValueError(
                f"{name!r} has schema {schema}: give one upcast for each of the schemas "
                f"{list(range(1, schema))}, not {sorted(upcasts)}"
            )
        decode = msgspec.msgpack.Decoder(cls).decode
        entry = _Entry(cls, name, schema, upcasts, decode, encoder_of(cls))
        self._by_name[name] = self._by_class[cls] = entry

    def classes(self) -> list[type[Event]]:
        """All classes, by wire name."""
        return [self._by_name[name].cls for name in sorted(self._by_name)]

    def encode(self, event: Event, event_id: bytes, metadata: bytes = b"") -> EncodedEvent:
        """Encode ``event`` and check its fields, which the constructor of a Struct does not do.

        ``metadata`` is its encoded context; empty means the context of its append.

        Raises:
            UnknownEventTypeError: Its class is not registered.
            ValueNotStorableError: A field has another type than declared, or cannot be stored.
            PayloadTooLargeError: More than :data:`EVENT_LIMIT` bytes.
        """
        entry = self._by_class.get(type(event))
        if entry is None:
            raise UnknownEventTypeError(event.wire_name or type(event).__qualname__, event.schema)
        try:
            payload = entry.encode(event)
            entry.decode(payload)
        except (TypeError, ValueError, OverflowError) as error:
            raise _not_storable(entry.wire_name, error) from error
        if len(payload) > EVENT_LIMIT:
            raise PayloadTooLargeError(f"an event {entry.wire_name}", len(payload), EVENT_LIMIT)
        return EncodedEvent(event_id, entry.wire_name, entry.schema, payload, event, metadata)

    def decode(self, recorded: RecordedEvent) -> Event:
        """Return the typed event in its newest schema; a live event is not decoded again.

        Both errors hold the place of the event.

        Raises:
            UnknownEventTypeError: No class has this name, or the event has a newer schema.
            EventDecodeError: The payload does not fit the class, or the row is damaged.
        """
        data = recorded.data
        if data is not None:
            typed: Event = data
            return typed
        try:
            return self.decode_payload(recorded.type, recorded.schema, recorded.payload)
        except (EventDecodeError, UnknownEventTypeError) as error:
            raise _placed(error, recorded) from error.__cause__

    def decode_payload(self, wire_name: str, schema: int, payload: bytes) -> Event:
        """Decode a payload, as :meth:`decode` does."""
        entry = self._by_name.get(wire_name)
        if entry is None:
            raise UnknownEventTypeError(wire_name, schema)
        if schema != entry.schema and schema not in range(1, entry.schema):
            raise UnknownEventTypeError(wire_name, schema, known=f"1 to {entry.schema}")
        try:
            if len(payload) > EVENT_LIMIT:
                raise ValueError(f"its {len(payload):,} bytes are too many")
            if schema == entry.schema:  # nearly every event; this is three times as fast
                return entry.decode(payload)
            fields = msgpack.unpackb(payload)
            for step in range(schema, entry.schema):
                fields = entry.upcasts[step](fields)
            return msgspec.convert(fields, entry.cls, builtin_types=_BYTES)
        except Exception as error:
            why = message_of(error) or type_name(error)  # an upcast may raise anything
            raise EventDecodeError(wire_name, schema, why) from error


def run_event_types() -> EventTypes:
    """Return a new registry with the engine's own events: of runs, views and calls."""
    return EventTypes((*RUN_EVENTS, *PROJECTION_EVENTS, *EFFECT_EVENTS))


def _placed(
    error: EventDecodeError | UnknownEventTypeError, recorded: RecordedEvent
) -> EventDecodeError | UnknownEventTypeError:
    """Return ``error`` with the event's place and the damage found in its row."""
    place: dict[str, Any] = {
        "stream": "" if recorded.stream == UNREADABLE else recorded.stream,
        "version": recorded.version,
        "shard": recorded.shard,
        "position": recorded.position,
    }
    if isinstance(recorded, DamagedEvent):
        return EventDecodeError(recorded.type, recorded.schema, recorded.found, **place)
    if isinstance(error, UnknownEventTypeError):
        return UnknownEventTypeError(error.type, error.schema, error.known, **place)
    why = error.why
    if not recorded.payload:  # a store returns an empty payload if it is too large to load
        why = f"its payload is empty, or larger than {EVENT_LIMIT:,} bytes"
    return EventDecodeError(error.type, error.schema, why, **place)


def _not_storable(wire_name: str, error: Exception) -> ValueNotStorableError:
    found, _, path = str(error).partition(" - at `")  # the wording of msgspec
    path = path.rstrip("`") or "$"
    return ValueNotStorableError(f"{wire_name} {path}", found, "build the event with its types")
