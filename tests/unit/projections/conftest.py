"""A log in memory with short ways to fill it, and its views in rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from indelible.clock import ManualClock
from indelible.events.model.event import EncodedEvent, Event
from indelible.events.model.event_types import run_event_types
from indelible.events.model.run_events import RunAccepted, RunCompleted, StepCompleted
from indelible.events.opening import open_store
from indelible.events.store import Append
from indelible.failpoints import Failpoints
from indelible.ids import SeededIds
from indelible.projections.engine.view_engine import Engine
from indelible.projections.queries.view_queries import Views
from indelible.projections.tables import METADATA
from indelible.projections.views.custom import CustomView, Projection
from indelible.projections.views.default_views import default_projections

T0 = 1_700_000_000_000_000


class Log:
    """A store and engines that a test moves by hand."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock(T0)
        self.store = open_store(url, clock=self.clock, shards=1, lease=1e6)  # of a clock that leaps
        self.types = run_event_types()
        self.views = Views(self.store)
        self._ids = SeededIds(1, self.clock)
        self._versions: dict[str, int] = {}

    def engine(
        self,
        *,
        own: Sequence[Projection] = (),
        kept: int = 1_000,
        batch: int = 1_000,
        **actions: Any,
    ) -> Engine:
        """An open engine that follows the log; ``actions`` arm failpoints, _ for the dot."""
        failpoints = Failpoints({name.replace("_", "."): act for name, act in actions.items()})
        engine = Engine(
            self.store,
            self.types,
            (*default_projections(), *map(CustomView, own)),
            self.clock,
            failpoints,
            kept=kept,
            batch=batch,
        )
        self.store.subscribe(engine.feed.push)
        engine.open()
        return engine

    def append(self, run_id: str, *events: Event | EncodedEvent) -> None:
        """Commit ``events`` of one run as a group."""
        self.append_to(f"run-{run_id}", *events)

    def append_to(self, stream: str, *events: Event | EncodedEvent) -> None:
        """Commit ``events`` of one stream as a group."""
        encoded = [
            event if isinstance(event, EncodedEvent) else self.types.encode(event, self.uuid())
            for event in events
        ]
        expected = self._versions.get(stream, 0)
        self._versions[stream] = expected + len(encoded)
        errors: list[BaseException | None] = []
        append = Append(stream, expected, encoded, lambda _, error: errors.append(error))
        self.store.submit(append)
        self.store.lead()
        assert errors == [None]

    def uuid(self) -> bytes:
        return self._ids.uuid7()

    def unreadable(self, kind: str = "run.step_completed") -> EncodedEvent:
        """An event whose payload is none."""
        return EncodedEvent(self.uuid(), kind, 1, b"\x81\xa1x\x01", None)

    def run(self, run_id: str, steps: int = 2, agent: str = "etl") -> None:
        """Commit a whole run, event by event."""
        self.append(run_id, accepted(run_id, steps, agent))
        for _ in range(steps):
            self.append(run_id, completed())
        self.append(run_id, RunCompleted(T0 + 9, "success", steps, 0, 0, 2_000, 100, agent))

    def settle(self, engine: Engine) -> None:
        """Step until there is nothing to do; time passes, so that failures are tried again."""
        for _ in range(100):
            engine.step()
            if engine.covers(self.store.positions()) and not engine.rebuilds:
                return
            self.clock.advance(10)
        raise AssertionError("the views never catch up")

    def rows(self) -> dict[str, list[Sequence[Any]]]:
        """All views, in primary-key order."""
        with self.store.read_views() as connection:
            return {
                table.name: [
                    tuple(row)
                    for row in connection.execute(
                        sa.select(table).order_by(*table.primary_key.columns)
                    )
                ]
                for table in METADATA.sorted_tables
            }


def accepted(run_id: str, steps: int = 2, agent: str = "etl") -> RunAccepted:
    return RunAccepted(run_id, agent, "w", b"d", b"i", steps, T0, (("s0", 1),), 1)


def completed(path: str = "s0") -> StepCompleted:
    return StepCompleted(path, 1, T0 + 5, 10, cpu=3, starts=(("s1", 1),))


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    if request.param == "postgres":
        log = Log(request.getfixturevalue("postgres_url"))
    else:
        log = Log("memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/log.db")
    yield log
    log.store.close()
