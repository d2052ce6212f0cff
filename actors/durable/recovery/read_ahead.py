"""Reading short streams together: many actors that wake at once cost few statements.

A batch of streams is read just before its actors are woken, or by the first of them that recovers:
memory holds only batches whose actors are recovering, each as large as a page of a long stream.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

from indelible.actors.durable.recovery.state_from_log import SHORT
from indelible.events.model.event import RecordedEvent
from indelible.events.read.stream_gaps import gapless
from indelible.events.store import EventStore, StreamHead

_EVENTS = 1_000
"""Events of one batch: as many as one statement reads from a long stream."""


class ReadAhead:
    """The events of a batch of streams; the actor of each takes them once.

    Attributes:
        streams: Their versions by name.
    """

    def __init__(self, store: EventStore, streams: Mapping[str, int]) -> None:
        """Read nothing yet; only this process may write to ``streams`` (versions by name)."""
        self.streams = streams
        self._store = store
        self._lock = threading.Lock()
        self._read: dict[str, Sequence[RecordedEvent]] | None = None

    def load(self) -> None:
        """Read the events, unless an actor of the batch has read them already.

        Raises:
            StoreError: The log cannot be read now.
        """
        with self._lock:
            self._loaded()

    def _loaded(self) -> dict[str, Sequence[RecordedEvent]]:
        if self._read is None:
            self._read = dict(self._store.read_firsts(list(self.streams), SHORT))
        return self._read

    def take(self, stream: str) -> Sequence[RecordedEvent] | None:
        """All events of ``stream``; ``None`` if its actor must read the stream separately.

        This is so if the stream is too long or has gaps: the separate read reports the gap.

        Raises:
            StoreError: The log cannot be read now.
        """
        with self._lock:
            events = self._loaded().pop(stream, ())
        count = len(events)
        if not max(1, self.streams[stream]) <= count < SHORT:
            return None
        return events if gapless([event.version for event in events], 0) == count else None


def read_together(
    store: EventStore, heads: Sequence[StreamHead]
) -> Iterator[tuple[str, ReadAhead | None]]:
    """The streams of ``heads`` in order, each with its batch; ``None`` for long streams."""
    ahead = dict(_batches(store, [head for head in heads if head.version < SHORT]))
    for head in heads:
        yield head.stream, ahead.get(head.stream)


def _batches(store: EventStore, heads: Sequence[StreamHead]) -> Iterator[tuple[str, ReadAhead]]:
    versions: dict[str, int] = {}
    events = 0
    for head in heads:
        if versions and events + head.version > _EVENTS:
            yield from _batch(store, versions).items()
            versions, events = {}, 0
        versions[head.stream] = head.version
        events += head.version
    yield from _batch(store, versions).items()


def _batch(store: EventStore, versions: Mapping[str, int]) -> Mapping[str, ReadAhead]:
    return dict.fromkeys(versions, ReadAhead(store, versions))
