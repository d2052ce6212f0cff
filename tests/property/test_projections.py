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
from indelible.events.event import Event
from indelible.events.memory import MemoryEventStore
from indelible.events.run_events import (
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    StepCompleted,
    StepFailed,
    StepOutcomeUnknown,
    StepsReleased,
    StepsStarted,
)
from indelible.events.store import Append
from indelible.events.types import run_event_types
from indelible.failpoints import Failpoints
from indelible.ids import SeededIds
from indelible.projections.defaults import default_projections
from indelible.projections.engine import Engine
from indelible.projections.tables import METADATA

T0 = 1_700_000_000_000_000
TYPES = run_event_types()
small = st.integers(0, 5_000_000)


class History:
    """Writes the events of one run, as the runtime may; perhaps not to its end."""

    def __init__(self, draw: st.DrawFn, run_id: str) -> None:
        self.draw = draw
        self.agent = draw(st.sampled_from(["etl", "ops", "zürich"]))
        self.total = draw(st.integers(1, 4))
        self.at = T0 + draw(st.integers(0, 10))
        self.completed = self.failed = 0
        self.attempt = 1
        held = draw(st.booleans())
        starts = () if held else (("s0", 1),)
        accepted = RunAccepted(
            run_id, self.agent, "w", b"d", b"i", self.total, self.at, starts, int(held)
        )
        self.events: list[Event] = [accepted]
        self.begun = not held or draw(st.booleans())
        if held and self.begun:
            self.events.append(StepsStarted(self.at + 1, (("s0", 1),), "ready"))

    def steps(self) -> list[Event]:
        for number in range(self.total if self.begun else 0):
            last = number + 1 == self.total
            self.path, self.attempt = f"s{number}", 1
            self.following = () if last else ((f"s{number + 1}", 1),)
            what = True
            while what:
                self.at += self.draw(st.integers(0, 2_000_000))
                kinds = ("completes", "completes", "fails", "retries", "unknown", "released")
                what = getattr(self, self.draw(st.sampled_from((*kinds, "quarantined"))))()
                if what is None:
                    return self.events
        if self.begun and self.draw(st.integers(0, 3)):
            outcome = "partial" if self.failed else "success"
            duration, size = self.draw(st.integers(-5, 10**9)), self.draw(small)
            counts = (self.completed, self.failed, 0)
            self.events.append(RunCompleted(self.at, outcome, *counts, duration, size, self.agent))
        return self.events

    # Each says whether the step goes on; None ends the history.

    def completes(self, by: str = "") -> bool | None:
        duration, cpu, mark = self.draw(small), self.draw(small), self.draw(st.integers(0, 9))
        what = (self.path, self.attempt, self.at, duration)
        following = self.following
        self.events.append(StepCompleted(*what, cpu=cpu, starts=following, checkpoint=mark, by=by))
        self.completed += 1
        return False

    def fails(self, by: str = "") -> bool | None:
        ends = self.draw(st.booleans())
        following = () if ends else self.following
        what = (self.path, self.attempt, self.at, self.draw(small), "E", f"no {self.path}")
        self.events.append(StepFailed(*what, final=True, starts=following, by=by))
        self.failed += 1
        if not ends:
            return False
        skipped = self.total - self.completed - self.failed
        counts = (self.completed, self.failed, skipped)
        sizes = (self.draw(small), self.draw(small))
        self.events.append(RunFailed(self.at, self.path, "E", "no", *counts, *sizes, self.agent))
        return None

    def retries(self) -> bool | None:
        self.events.append(
            StepFailed(self.path, self.attempt, self.at, 5, "E", "again", final=False, retry_at=1)
        )
        return self.begins_again("retry")

    def released(self) -> bool | None:
        self.events.append(StepsReleased(self.at, [self.path]))
        return self.begins_again("recovered")

    def unknown(self) -> bool | None:
        self.events.append(StepOutcomeUnknown(self.path, self.attempt, self.at))
        match self.draw(st.sampled_from(["waits", "begins", "completes", "fails"])):
            case "begins":
                return self.begins_again("resolved", "me")
            case "completes":
                return self.completes("me")
            case "fails":
                return self.fails("me")
        return None

    def begins_again(self, reason: str, by: str = "") -> bool:
        self.attempt += 1
        self.events.append(StepsStarted(self.at, ((self.path, self.attempt),), reason, by))
        return True

    def quarantined(self) -> bool | None:
        if self.draw(st.integers(0, 3)):
            return True
        self.events.append(RunQuarantined(self.at, self.path, 10))
        return None


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, Event]]:
    """Histories of several runs, interleaved at random."""
    waiting = [
        [(f"run-{i}", event) for event in History(draw, str(i)).steps()]
        for i in range(draw(st.integers(1, 6)))
    ]
    log = []
    while waiting:
        queue = draw(st.sampled_from(waiting))
        log.append(queue.pop(0))
        if not queue:
            waiting.remove(queue)
    return log


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

    def __init__(self, batch: int, kept: int, log: list[tuple[str, Event]], cut: list[int]) -> None:
        self.left = list(log)
        self.sizes = cycle(cut)
        self.clock = ManualClock(T0)
        self.store = Flaky(clock=self.clock)
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
            expected = self.versions.get(stream, 0)
            self.versions[stream] = expected + 1
            encoded = TYPES.encode(event, self.ids.uuid7())
            self.store.submit(Append(stream, expected, [encoded], _must_succeed))
        del self.left[:size]
        self.store.lead()
        self.clock.advance(0.25)

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
            ]
            for table in METADATA.sorted_tables
        }


actions = st.lists(
    st.sampled_from(
        [
            *["append", "step"] * 3,
            *["crash", "fail 1", "fail 2", "lose", "wait"],
            *["rebuild metrics", "rebuild workflow_status"],
        ]
    ),
    max_size=30,
)


@given(
    log=logs(),
    todo=actions,
    batch=st.integers(1, 7),
    kept=st.integers(1, 20),
    cut=st.lists(st.integers(1, 9), min_size=1),
)
def test_live_recovered_and_rebuilt_views_equal_one_fold_of_the_log(
    log: list[tuple[str, Event]], todo: list[str], batch: int, kept: int, cut: list[int]
) -> None:
    world = World(batch, kept, log, cut)
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

    assert live["parked_events"] == []
    assert [tuple(row) for row in live["projection_cursors"]] == [
        ("metrics", 0, len(log), 1),
        ("workflow_status", 0, len(log), 1),
    ]
    assert live["workflow_status"] == list(expected_status(log))
    assert {row[0]: row[1:12] for row in live["metrics"]} == expected_metrics(log)


def expected_status(log: list[tuple[str, Event]]) -> Iterator[tuple[Any, ...]]:
    """The view computed from each run's whole history, without the view's own means."""
    for stream in sorted({stream for stream, _ in log}):
        events: list[Any] = [event for name, event in log if name == stream]
        position = max(n for n, (name, _) in enumerate(log, 1) if name == stream)
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
            len(events),
            position,
        )


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


def expected_metrics(log: list[tuple[str, Event]]) -> dict[str, tuple[Any, ...]]:
    """Counts and sums by agent, computed by whole runs."""
    found: dict[str, tuple[Any, ...]] = {}
    agent_of = {s: e.agent for s, e in log if isinstance(e, RunAccepted)}
    for agent in set(agent_of.values()):
        events: list[Any] = [event for stream, event in log if agent_of[stream] == agent]

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
