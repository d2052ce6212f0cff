"""Views of the past are what the live views were then."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import sqlalchemy as sa

from indelible.errors import AsOfError
from indelible.events.model.event import Event
from indelible.events.model.run_events import RunAccepted, RunCompleted, StepCompleted
from indelible.events.read.as_of import Position
from indelible.projections.queries.view_queries import Views
from indelible.projections.queries.views_as_of import TimedViews
from indelible.projections.views.custom import CustomView, Projection
from indelible.projections.views.default_views import default_projections
from indelible.projections.views.view import Pair

if TYPE_CHECKING:
    from unit.projections.conftest import Log

T0 = 1_700_000_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def answers(views: Views) -> Any:
    return (
        views.runs(),
        views.summary(),
        views.metrics(),
        views.parked(),
        views.cursors(),
        views.run("a"),
    )


def then(log: Log, *projections: CustomView) -> TimedViews:
    return TimedViews(log.store, log.types, lambda: (*default_projections(), *projections))


def time_of(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def accepted(run_id: str, agent: str) -> RunAccepted:
    return RunAccepted(run_id, agent, "w", b"d", b"i", 2, T0, (("s0", 1),), 1)


def test_views_of_the_past_are_what_the_live_views_were_then(log: Log) -> None:
    engine = log.engine()
    appends: list[tuple[str, Any]] = [
        ("a", accepted("a", "etl")),
        ("b", accepted("b", "other")),
        ("a", StepCompleted("s0", 1, T0 + 5, 10, cpu=3, starts=(("s1", 1),))),
        ("b", log.unreadable()),
        ("a", StepCompleted("s1", 1, T0 + 7, 11)),
        ("a", RunCompleted(T0 + 9, "success", 2, 0, 0, 2_000, 100, "etl")),
        ("b", StepCompleted("s0", 1, T0 + 11, 10)),
    ]
    seen = []
    for run_id, event in appends:
        log.clock.advance(1)
        log.append(run_id, event)
        log.settle(engine)
        seen.append((log.store.positions(), log.clock.now(), answers(log.views)))
    timed = then(log)
    for cursor, now, live in seen:
        assert answers(timed.as_of(cursor)) == live
        assert answers(timed.as_of(Position(0, cursor[0]))) == live
        assert answers(timed.as_of(time_of(now))) == live
        assert answers(timed.as_of(time_of(now + 999_999))) == live
    assert answers(timed.as_of(time_of(T0 + 10**15))) == seen[-1][2]
    assert timed.as_of(time_of(T0)).runs() == []
    assert timed.as_of({}).runs() == timed.as_of(Position(0, 0)).runs() == []
    assert answers(timed) == seen[-1][2]


def test_views_of_the_past_lag_behind_nothing(log: Log) -> None:
    log.run("a")
    views = then(log).as_of({0: 2})
    assert {name: lag.events for name, lag in views.lag().items()} == {
        "metrics": 0,
        "workflow_status": 0,
    }


def test_more_than_one_batch_is_folded(log: Log) -> None:
    for number in range(30):
        log.append(f"r{number}", accepted(f"r{number}", "etl"), *[_step(n) for n in range(60)])
    views = then(log).as_of({0: 1_799})
    assert sum(row.steps_completed for row in views.runs()) == 1_799 - 30


def _step(number: int) -> StepCompleted:
    return StepCompleted(f"s{number}", 1, T0 + number, 10)


class Counts(Projection):
    """How many steps each run has completed."""

    name: ClassVar[str] = "counts"
    tables: ClassVar[sa.MetaData] = sa.MetaData()
    handles: ClassVar[Sequence[type[Event]]] = (StepCompleted,)
    counts: ClassVar[sa.Table] = sa.Table(
        "counts",
        tables,
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("steps", sa.BigInteger, nullable=False),
    )

    def apply(self, connection: sa.Connection, events: Sequence[Pair]) -> None:
        table = self.table("counts")
        for recorded, _ in events:
            moved = table.update().where(table.c.stream == recorded.stream)
            if not connection.execute(moved.values(steps=table.c.steps + 1)).rowcount:
                connection.execute(table.insert().values(stream=recorded.stream, steps=1))


def test_a_view_of_your_own_has_a_past_too(log: Log) -> None:
    log.run("a", steps=3)
    log.run("b", steps=3)
    with then(log, CustomView(Counts())).as_of({0: 7}).connection() as connection:
        found = connection.execute(sa.select(Counts.counts).order_by("stream")).all()
    assert [tuple(row) for row in found] == [("run-a", 3), ("run-b", 1)]


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        (3, "is a version"),
        (Position(0, 99), "ends at position 4"),
        (Position(7, 1), "does not exist"),
        ({0: 5}, "ends at position 4"),
        ({0: -1}, "no position -1"),
        ({0: 1.5}, "is no position"),
        ("2026-01-01", "is no moment"),
        (datetime(2026, 1, 1), "no time zone"),  # noqa: DTZ001 - that is the point
    ],
)
def test_a_moment_that_is_none_is_refused(log: Log, moment: Any, why: str) -> None:
    log.run("a")
    with pytest.raises(AsOfError, match=why):
        then(log).as_of(moment)


def test_a_past_that_nobody_holds_is_forgotten(log: Log) -> None:
    log.run("a")
    views = then(log).as_of({0: 4})
    past = weakref.ref(views._store)
    del views
    gc.collect()
    assert past() is None


class Picky(Counts):
    """Takes no step that is called bad."""

    def apply(self, connection: sa.Connection, events: Sequence[Pair]) -> None:
        if any(isinstance(event, StepCompleted) and event.path == "bad" for _, event in events):
            raise ValueError("a bad step")
        super().apply(connection, events)


def test_what_could_not_be_applied_then_is_parked_in_the_past_too(log: Log) -> None:
    for number, path in enumerate(["good", "bad", "good"]):
        log.append(f"r{number}", accepted(f"r{number}", "etl"), StepCompleted(path, 1, T0, 1))
    views = then(log, CustomView(Picky())).as_of(log.store.positions())
    assert [(one.projection, one.stream) for one in views.parked()] == [("counts", "run-r1")]
    assert len(views.runs()) == 3
    with views.connection() as connection:
        found = connection.execute(sa.select(Counts.counts.c.stream).order_by("stream")).scalars()
        assert list(found) == ["run-r0", "run-r2"]
