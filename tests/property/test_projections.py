"""Views are functions of the log: live, recovered, rebuilt and computed apart, they are equal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from indelible.clock import ManualClock
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import EncodedEvent, Event, RecordedEvent
from indelible.events.model.event_types import run_event_types
from indelible.events.model.projection_events import EventRetried, EventSkipped, stream_of
from indelible.events.model.run_events import (
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    StepCompleted,
    StepFailed,
    StepOutcomeUnknown,
)
from indelible.events.store import Append
from indelible.failpoints import Failpoints
from indelible.ids import SeededIds
from indelible.projections.engine.rebuild import SUFFIX
from indelible.projections.engine.view_engine import Engine
from indelible.projections.queries.view_queries import Views
from indelible.projections.tables import CURSORS, METADATA
from indelible.projections.views.default_views import default_projections
from property.histories import T0, Log, logs

TYPES = run_event_types()


UNREADABLE = b"\x81\xa1x\x01"


class Flaky(MemoryEventStore):
    """A store that can say that a commit of views failed after it happened."""

    lose = 0

    @contextmanager
    def write_views(self) -> Iterator[sa.Connection]:
        with super().write_views() as connection:
            yield connection
        if self.lose:
            self.lose -= 1
            raise OSError("no answer")


class World:
    """A log, its views, and an engine that can be lost and started again."""

    def __init__(self, shards: int, batch: int, kept: int, log: Log, cut: list[int]) -> None:
        self.left = list(log)
        self.sizes = cycle(cut)
        self.clock = ManualClock(T0)
        self.store = Flaky(clock=self.clock, shards=shards)
        self.store.open()
        self.ids = SeededIds(1, self.clock)
        self.versions: dict[str, int] = {}
        self.batch, self.kept = batch, kept
        self.fail = 0
        self.start()

    def start(self) -> None:
        failpoints = Failpoints({"view.before": self.maybe_fail})
        self.engine = Engine(
            self.store, TYPES, default_projections(), self.clock, failpoints,
            batch=self.batch, kept=self.kept,
        )  # fmt: skip
        self.unsubscribe = self.store.subscribe(self.engine.feed.push)
        self.engine.open()

    def maybe_fail(self) -> None:
        if self.fail:
            self.fail -= 1
            raise OSError("no")

    def append(self) -> None:
        """Commit the next few events as one group."""
        size = next(self.sizes)
        for stream, event in self.left[:size]:
            self.submit(stream, event)
        del self.left[:size]
        self.store.lead()
        self.clock.advance(0.25)

    def submit(self, stream: str, event: Event | None) -> None:
        expected = self.versions.get(stream, 0)
        self.versions[stream] = expected + 1
        event_id = self.ids.uuid7()
        if event is None:
            encoded = EncodedEvent(event_id, StepCompleted.wire_name, 1, UNREADABLE)
        else:
            encoded = TYPES.encode(event, event_id)
        self.store.submit(Append(stream, expected, [encoded], _must_succeed))

    def decide(self, kind: type[EventRetried | EventSkipped], name: str) -> None:
        """About the newest event that the view has parked so far."""
        for parked in Views(self.store).parked(name)[-1:]:
            decision = kind(name, parked.shard, parked.position, T0)
            self.submit(stream_of(name), decision)
            self.store.lead()

    def do(self, action: str) -> None:
        match action.split():
            case ["append"] if self.left:
                self.append()
            case ["step"]:
                self.engine.step()
            case ["crash"]:
                self.unsubscribe()
                self.store.lose = 0
                self.start()
            case ["fail", times]:
                self.fail += int(times)
            case ["lose"]:
                self.store.lose += 1
            case ["wait"]:
                self.clock.advance(10)
            case ["rebuild", name]:
                self.engine.rebuild(name)
            case ["retry", name]:
                self.decide(EventRetried, name)
            case ["skip", name]:
                self.decide(EventSkipped, name)

    def finish(self) -> None:
        self.fail = 0
        for _ in range(200):
            self.clock.advance(10)  # past every retry
            self.engine.step()
            ends = self.store.positions()
            if self.engine.covers(ends) and not self.engine.rebuilds:
                return
        raise AssertionError("the views never catch up")


def _must_succeed(_: Append, error: BaseException | None) -> None:
    assert error is None


def dump(store: MemoryEventStore) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every view, in primary-key order."""
    with store.read_views() as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))
                if (table is not CURSORS or row.position)  # 0 says no more than no row
                and not row[0].endswith(SUFFIX)  # an interrupted rebuild's
            ]
            for table in METADATA.sorted_tables
        }


actions = st.lists(
    st.sampled_from(
        [
            *["append", "step"] * 3,
            *["crash", "fail 1", "fail 2", "lose", "wait"],
            *["rebuild metrics", "rebuild workflow_status"],
            *["retry metrics", "retry workflow_status", "skip metrics", "skip workflow_status"],
        ]
    ),
    max_size=30,
)


@given(
    log=logs(),
    todo=actions,
    shards=st.integers(1, 5),
    batch=st.integers(1, 7),
    kept=st.integers(1, 20),
    cut=st.lists(st.integers(1, 9), min_size=1),
)
def test_live_recovered_and_rebuilt_views_equal_one_fold_of_the_log(
    log: Log, todo: list[str], shards: int, batch: int, kept: int, cut: list[int]
) -> None:
    world = World(shards, batch, kept, log, cut)
    for action in todo:
        world.do(action)
    while world.left:
        world.append()
    world.finish()
    live = dump(world.store)

    for name in world.engine.names:
        world.engine.rebuild(name)
    world.finish()
    assert dump(world.store) == live

    ends = {shard: end for shard, end in world.store.positions().items() if end}
    assert [tuple(row) for row in live["projection_cursors"]] == [
        (name, shard, end, version)
        for name, version in (("metrics", 1), ("workflow_status", 2))
        for shard, end in sorted(ends.items())
    ]
    recorded = [e for shard, end in ends.items() for e in world.store.read_shard(shard, 0, end)]
    unreadable = {(e.shard, e.position) for e in recorded if e.payload == UNREADABLE}
    for name in ("metrics", "workflow_status"):
        assert {row[1:3] for row in live["parked_events"] if row[0] == name} == unreadable
    readable = [
        (e, TYPES.decode(e))
        for e in recorded
        if e.payload != UNREADABLE and e.stream.startswith("run-")
    ]
    assert live["workflow_status"] == list(expected_status(readable))
    assert {row[0]: row[1:12] for row in live["metrics"]} == expected_metrics(readable)


Readable = list[tuple[RecordedEvent, Event]]


def expected_status(log: Readable) -> Iterator[tuple[Any, ...]]:
    """The view computed from each run's whole history, without the view's own means."""
    for stream in sorted({recorded.stream for recorded, _ in log}):
        mine = sorted(
            ((recorded, event) for recorded, event in log if recorded.stream == stream),
            key=lambda pair: pair[0].version,
        )
        events: list[Any] = [event for _, event in mine]
        accepted, last = events[0], events[-1]
        final = [e for e in events if type(e) is StepFailed and e.final]
        error = (final[-1].error_type, final[-1].error_message, final[-1].path) if final else None
        unknown = unknown_steps(events)
        state = "waiting" if unknown else "running"
        outcome, finished, skipped = None, last.at, getattr(last, "skipped", 0)
        match last:
            case RunCompleted():
                state, outcome = "completed", last.outcome
            case RunFailed():
                state, outcome = "failed", "failed"
                error = (last.error_type, last.error_message, last.step)
            case RunQuarantined():
                state, outcome = "quarantined", "failed"
                error = ("Quarantined", f"cut off {last.interruptions} times", last.step)
            case _:
                finished = None
        if state == "running" and not any(getattr(e, "starts", ()) for e in events):
            state = "accepted"
        started = sum(len(getattr(e, "starts", ())) for e in events)
        yield (
            accepted.run_id,
            accepted.agent,
            accepted.workflow,
            state,
            outcome,
            accepted.steps_total,
            sum(type(e) is StepCompleted for e in events),
            len(final),
            skipped,
            len(unknown),
            started - sum(len(getattr(e, "paths", ())) for e in events),
            sum(getattr(e, "reason", "") == "retry" for e in events),
            max(getattr(e, "checkpoint", 0) for e in events),
            accepted.at,
            last.at,
            finished,
            *(error or (None, None, None)),
            mine[-1][0].version,
            mine[-1][0].position,
            *map(len, under_way(events)),
            max(getattr(e, "retry_at", 0) for e in events),
        )


def under_way(events: list[Any]) -> tuple[set[str], set[str]]:
    """The steps that run, and those that wait for a retry."""
    running, retrying = set[str](), set[str]()
    for event in events:
        running.discard(getattr(event, "path", ""))
        running -= set(getattr(event, "paths", ()))
        begun = {path for path, _ in getattr(event, "starts", ())}
        running |= begun
        retrying -= begun
        if type(event) is StepFailed and not event.final:
            retrying.add(event.path)
    return running, retrying


def unknown_steps(events: list[Any]) -> set[str]:
    """Paths that wait for a person after ``events``."""
    unknown: set[str] = set()
    for event in events:
        if type(event) is StepOutcomeUnknown:
            unknown.add(event.path)
        else:
            unknown.discard(getattr(event, "path", ""))
            unknown.difference_update(path for path, _ in getattr(event, "starts", ()))
    return unknown


def expected_metrics(log: Readable) -> dict[str, tuple[Any, ...]]:
    """Counts and sums by agent, computed by whole runs."""
    found: dict[str, tuple[Any, ...]] = {}
    agent_of = {r.stream: e.agent for r, e in log if isinstance(e, RunAccepted)}
    for agent in set(agent_of.values()):
        events: list[Any] = [e for recorded, e in log if agent_of[recorded.stream] == agent]

        def n(kind: type, events: list[Any] = events, **fields: object) -> int:
            return sum(
                type(e) is kind and all(getattr(e, k) == v for k, v in fields.items())
                for e in events
            )

        steps = [e for e in events if type(e) in (StepCompleted, StepFailed)]
        ends = [e for e in events if type(e) in (RunCompleted, RunFailed)]
        found[agent] = (
            n(RunAccepted),
            n(RunCompleted, outcome="success"),
            n(RunCompleted, outcome="partial"),
            n(RunFailed),
            n(RunQuarantined),
            n(StepCompleted),
            n(StepFailed, final=True),
            n(StepFailed) + n(RunQuarantined),
            sum(max(0, e.duration) for e in ends),
            sum(e.duration for e in steps),
            sum(e.cpu for e in steps),
        )
    return found
