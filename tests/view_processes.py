"""Stores on one database as several processes have them, and engines of views over them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from indelible.clock import Clock, SystemClock
from indelible.errors import ShardNotOwnedError
from indelible.events.model.event import EncodedEvent
from indelible.events.model.event_types import run_event_types
from indelible.events.model.run_events import RunAccepted, RunCompleted, StepCompleted
from indelible.events.opening import open_store
from indelible.events.store import Cursor, EventStore
from indelible.failpoints import Failpoints
from indelible.ids import Ids
from indelible.projections.engine.view_engine import Engine
from indelible.projections.views.default_views import default_projections
from indelible.projections.views.metrics import Metrics
from indelible.projections.views.view import View

T0 = 1_700_000_000_000_000
TYPES = run_event_types()
NAMES = {"workflow_status", "metrics"}


class Processes:
    """Stores on one database, as several processes have them."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.stores: list[EventStore] = []
        self.url = url
        self._stack = stack

    def open(self) -> EventStore:
        store = open_store(self.url, shards=4)
        self._stack.callback(store.close)
        self.stores.append(store)
        return store

    def write(self, *runs: str) -> None:
        """Whole runs, each by whoever owns its shard."""
        ids = Ids()
        for run in runs:
            events = (
                RunAccepted(run, "etl", "w", b"", b"", 1, T0, (("s", 1),)),
                StepCompleted("s", 1, T0 + 1, 5),
                RunCompleted(T0 + 2, "success", 1, 0, 0, 2, 9, "etl"),
            )
            encoded = [TYPES.encode(event, ids.uuid7()) for event in events]
            while not any(_written(store, f"run-{run}", encoded) for store in self.stores):
                pass  # the shard is on its way from one to the other

    def ends(self) -> Cursor:
        return self.stores[0].positions()


def _written(store: EventStore, stream: str, encoded: Sequence[EncodedEvent]) -> bool:
    try:
        store.append(stream, encoded, expected=0)
    except ShardNotOwnedError:
        return False
    return True


class NewMetrics(Metrics):
    """As the next version of the code has them."""

    version = 2

    def beside(self, suffix: str) -> NewMetrics:
        return NewMetrics(suffix)


def engine_of(
    store: EventStore,
    owner: str,
    views: Sequence[View] = (),
    clock: Clock | None = None,
) -> Engine:
    engine = Engine(
        store,
        TYPES,
        views or default_projections(),
        clock or SystemClock(),
        Failpoints(),
        owner=owner,
        batch=2,
    )
    store.subscribe(engine.feed.push)
    engine.open()
    return engine


def settle(engine: Engine) -> None:
    while engine.step():
        pass
