"""Short ways to build what stores take, for tests that care about little of it."""

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
    """One encoded event with an id of its own."""
    return EncodedEvent(_ids.uuid7(), event_type, 1, payload)


def some_events(count: int) -> list[EncodedEvent]:
    """``count`` of them."""
    return [some_event() for _ in range(count)]


def url_of(database: Path) -> str:
    """The address of the store in a SQLite file."""
    return f"sqlite:///{quote(str(database))}"


class Outcomes:
    """Collects what becomes of appends: a source of ``on_done`` callbacks."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self.told: list[tuple[Append, BaseException | None]] = []
        self._count = threading.Semaphore(0)

    def on_done(self, append: Append, error: BaseException | None) -> None:
        """Note one outcome."""
        self.told.append((append, error))
        self._count.release()

    def wait_for(self, number: int) -> None:
        """Until ``number`` more outcomes have been told, by any thread; no longer than 30 s."""
        for _ in range(number):
            if not self._count.acquire(timeout=30):
                raise AssertionError(f"{len(self.told)} outcomes in 30 s; {number} were wanted")

    def errors(self) -> list[BaseException | None]:
        """The outcomes in the order in which they were told."""
        return [error for _, error in self.told]


def submit_all(
    store: EventStore,
    appends: list[tuple[str, int, int]],
    *,
    pipeline: Pipeline | None = None,
) -> Outcomes:
    """Submit appends of (stream, expected, number of events) as one group; lead on this thread."""
    outcomes = Outcomes()
    for stream, expected, count in appends:
        events = some_events(count)
        store.submit(Append(stream, expected, events, outcomes.on_done, pipeline=pipeline))
    store.lead()
    return outcomes


def append_when_available(store: EventStore, stream: str, *, expected: int) -> None:
    """Append one event, as often as the store says that it is unavailable."""
    while True:
        try:
            store.append(stream, [some_event()], expected=expected)
        except StoreUnavailableError:
            continue
        return
