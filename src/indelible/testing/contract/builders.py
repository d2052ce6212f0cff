"""Builders of events and appends with default values, for tests of stores."""

from __future__ import annotations

import threading
from pathlib import Path
from urllib.parse import quote

from indelible.errors import StoreUnavailableError
from indelible.events.model.event import EncodedEvent
from indelible.events.store import Append, EventStore, Pipeline
from indelible.ids import Ids

_ids = Ids()


def some_event(payload: bytes = b"\x80", event_type: str = "thing.happened") -> EncodedEvent:
    """One encoded event with a new id."""
    return EncodedEvent(_ids.uuid7(), event_type, 1, payload)


def some_events(count: int) -> list[EncodedEvent]:
    """``count`` such events."""
    return [some_event() for _ in range(count)]


def url_of(database: Path) -> str:
    """The address of the store in a SQLite file."""
    return f"sqlite:///{quote(str(database))}"


class Outcomes:
    """Collects the outcomes of appends; :meth:`on_done` is their callback."""

    def __init__(self) -> None:
        """Begin without outcomes."""
        self.completed: list[tuple[Append, BaseException | None]] = []
        self._count = threading.Semaphore(0)

    def on_done(self, append: Append, error: BaseException | None) -> None:
        """Record one outcome."""
        self.completed.append((append, error))
        self._count.release()

    def wait_for(self, number: int) -> None:
        """Wait until ``number`` more outcomes are recorded; at most 30 s."""
        for _ in range(number):
            if not self._count.acquire(timeout=30):
                raise AssertionError(
                    f"{len(self.completed)} outcomes in 30 s; {number} were wanted"
                )

    def errors(self) -> list[BaseException | None]:
        """The outcomes in the order in which they were recorded."""
        return [error for _, error in self.completed]


def submit_all(
    store: EventStore,
    appends: list[tuple[str, int, int]],
    *,
    pipeline: Pipeline | None = None,
) -> Outcomes:
    """Submit appends of (stream, expected, event count) as a group; commit it on this thread."""
    outcomes = Outcomes()
    for stream, expected, count in appends:
        events = some_events(count)
        store.submit(Append(stream, expected, events, outcomes.on_done, pipeline=pipeline))
    store.lead()
    return outcomes


def append_when_available(store: EventStore, stream: str, *, expected: int) -> None:
    """Append one event; retry while the store is unavailable."""
    while True:
        try:
            store.append(stream, [some_event()], expected=expected)
        except StoreUnavailableError:
            continue
        return
