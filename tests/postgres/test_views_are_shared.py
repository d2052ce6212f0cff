"""Views on a database that several processes write: one moves a view, another takes over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import sqlalchemy as sa

from indelible.clock import ManualClock, SystemClock
from indelible.errors import RebuildUnderWayError
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.projections.engine import view_cursors
from indelible.projections.engine.runner import ProjectionRunner
from indelible.projections.engine.view_engine import Engine
from indelible.projections.queries.view_queries import Views
from indelible.projections.tables import CURSORS
from indelible.projections.views.default_views import default_projections
from indelible.projections.views.metrics import Metrics
from view_processes import NAMES, TYPES, NewMetrics, Processes, engine_of, settle

LONG = 40.0  # seconds; nothing waits that long unless it hangs


def execute(store: EventStore, statement: str) -> Any:
    with store.write_views() as connection:
        return connection.execute(sa.text(statement))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def processes(postgres_url: str, stack: ExitStack) -> Processes:
    return Processes(postgres_url, stack)


def runner_of(store: EventStore, owner: str, stack: ExitStack) -> ProjectionRunner:
    runner = ProjectionRunner(
        store, TYPES, default_projections(), SystemClock(), Failpoints(), owner=owner
    )
    runner.start()
    stack.callback(runner.stop, LONG)
    return runner


def test_one_process_moves_the_views_and_the_other_sees_its_own_writes_in_them(
    processes: Processes, stack: ExitStack
) -> None:
    first, second = processes.open(), processes.open()
    one, other = runner_of(first, "one", stack), runner_of(second, "other", stack)
    processes.write(*(str(n) for n in range(10)))
    for runner in (one, other):
        assert runner.caught_up(processes.ends(), LONG)
    assert Views(second).summary().completed == 10
    owners = execute(first, "SELECT owner FROM roles WHERE lease_until > 0").scalars().all()
    assert len(owners) == 2


def test_when_one_stops_the_other_goes_on_from_there(
    processes: Processes, stack: ExitStack
) -> None:
    first, second = processes.open(), processes.open()
    one = runner_of(first, "one", stack)
    processes.write("1")
    assert one.caught_up(processes.ends(), LONG)
    other = runner_of(second, "other", stack)
    one.stop(LONG)
    processes.write("2")
    assert other.caught_up(processes.ends(), LONG)
    assert other.covers(processes.ends())  # itself
    assert Views(first).metrics("etl")[0].succeeded == 2


def test_events_of_shards_that_another_process_owns_are_polled(processes: Processes) -> None:
    _, second = processes.open(), processes.open()
    engine = engine_of(second, "other")
    processes.write(*(str(n) for n in range(8)))  # in process nobody hears of it
    ends = processes.ends()
    while not engine.covers(ends):
        engine.step()
    assert Views(second).summary().completed == 8


def test_while_another_process_commits_a_flood_hints_are_not_followed(processes: Processes) -> None:
    processes.open()
    store, clock = processes.open(), ManualClock()
    engine = Engine(
        store, TYPES, default_projections(), clock, Failpoints(), owner="here", batch=1_000
    )
    engine.open()
    processes.write(*(f"flood-{n}" for n in range(300)))  # not heard of here, as if elsewhere
    clock.advance(0.05)
    engine.hint()
    settle(engine)
    processes.write("later")
    ends = processes.ends()
    engine.hint()
    settle(engine)
    assert not engine.covers(ends)
    assert 0 < (engine.due_in() or 0) <= 0.25
    clock.advance(0.3)
    settle(engine)
    assert engine.covers(ends)


def test_a_few_events_of_another_process_are_seen_at_each_hint(processes: Processes) -> None:
    processes.open()
    store, clock = processes.open(), ManualClock()
    engine = Engine(store, TYPES, default_projections(), clock, Failpoints(), owner="here")
    engine.open()
    for run in ("1", "2", "3"):
        processes.write(run)
        engine.hint()
        settle(engine)
        assert engine.covers(processes.ends())


def test_what_others_have_written_is_seen_by_the_one_that_stays_alone(
    processes: Processes, stack: ExitStack
) -> None:
    first = processes.open()
    second = stack.enter_context(closing(open_store(processes.url, shards=4)))
    processes.stores.append(second)
    engine = engine_of(first, "here")
    settle(engine)
    processes.write(*(str(n) for n in range(8)))
    ends = processes.ends()
    second.close()
    processes.stores.remove(second)
    while len(first.owned()) < first.shards:
        pass
    while not engine.covers(ends):
        engine.step()
    assert Views(first).summary().completed == 8


def test_what_a_process_has_written_that_came_and_went_unseen_is_found(
    processes: Processes,
) -> None:
    first = processes.open()
    engine = engine_of(first, "here")
    processes.write("1")
    settle(engine)
    with closing(open_store(processes.url, shards=4)) as second:
        processes.stores.append(second)
        while not second.owned():
            pass
        processes.write(*(str(n) for n in range(2, 10)))
    processes.stores.remove(second)
    while len(first.owned()) < first.shards:
        pass
    ends = processes.ends()  # the engine has not looked since
    while not engine.covers(ends):
        engine.step()
    assert Views(first).summary().completed == 9


def test_a_process_whose_lease_was_taken_writes_nothing_more(processes: Processes) -> None:
    first, second = processes.open(), processes.open()
    stale = engine_of(first, "stale")
    processes.write("1")
    settle(stale)
    assert set(stale.updaters) == NAMES
    execute(first, "UPDATE roles SET lease_until = 1")  # it was paused for that long
    newer = engine_of(second, "newer")
    assert set(newer.updaters) == NAMES
    processes.write("2")
    ends = processes.ends()
    while not newer.covers(ends):
        newer.step()
    before = Views(first).metrics()
    settle(stale)
    assert not stale.updaters
    assert not any(stale.moves(name) for name in NAMES)
    assert Views(first).metrics() == before
    assert before[0].succeeded == 2
    processes.write("3")
    settle(stale)
    assert Views(first).metrics()[0].succeeded == 2


def test_a_lease_that_lasts_is_not_taken(processes: Processes) -> None:
    first, second = processes.open(), processes.open()
    holder = engine_of(first, "holder")
    assert set(holder.updaters) == NAMES
    assert not engine_of(second, "other").updaters


def test_a_process_that_does_not_move_a_view_rebuilds_it_and_moves_it_then(
    processes: Processes,
) -> None:
    first, second = processes.open(), processes.open()
    holder, other = engine_of(first, "holder"), engine_of(second, "other")
    processes.write("1", "2")
    settle(holder)
    execute(first, "UPDATE workflow_status SET steps_completed = 99")
    rebuild = other.rebuild("workflow_status")
    while not rebuild.finished:
        other.step()
        holder.step()  # it lives, and keeps its lease
    assert Views(first).run("1").steps_completed == 1  # type: ignore[union-attr]
    processes.write("3")
    while set(holder.updaters) != {"metrics"}:
        holder.step()
    assert set(other.updaters) == {"workflow_status"}
    ends = processes.ends()
    while not other.covers(ends, ["workflow_status"]):
        other.step()
    assert Views(first).summary().completed == 3


def test_two_processes_do_not_rebuild_the_same_view(processes: Processes, stack: ExitStack) -> None:
    first, second = processes.open(), processes.open()
    holder = engine_of(first, "holder")
    processes.write(*(str(n) for n in range(20)))
    settle(holder)
    holder.rebuild("metrics")
    holder.step()
    other = runner_of(second, "other", stack)
    with pytest.raises(RebuildUnderWayError):
        other.rebuild("metrics")
    settle(holder)
    assert other.rebuild("metrics") == 60


def test_a_rebuild_that_died_with_its_process_is_gone_on_with_elsewhere(
    processes: Processes,
) -> None:
    first, second = processes.open(), processes.open()
    holder = engine_of(first, "holder")
    processes.write(*(str(n) for n in range(10)))
    settle(holder)
    rebuild = holder.rebuild("metrics")
    while sum(rebuild.updater.cursor.values()) < 10:
        holder.step()
    execute(first, "UPDATE roles SET lease_until = 1")
    other = engine_of(second, "other")
    again = other.rebuild("metrics")
    while not again.finished:
        other.step()
    assert again.resumed >= 10
    assert Views(first).metrics()[0].succeeded == 10
    with first.read_views() as connection:
        names = connection.execute(sa.select(CURSORS.c.projection)).scalars().all()
    assert set(names) == NAMES


def version_of(store: EventStore) -> int:
    with store.read_views() as connection:
        return view_cursors.read_view_cursors(connection)["metrics"].version


def test_older_code_leaves_a_view_to_the_newer_that_has_made_it(processes: Processes) -> None:
    first, second = processes.open(), processes.open()
    processes.write("1", "2")
    newer, clock = engine_of(first, "newer", [NewMetrics()]), ManualClock()
    settle(newer)
    assert version_of(first) == 2
    newer.close()
    older = engine_of(second, "older", [Metrics()], clock)
    settle(older)
    assert not older.updaters
    assert not older.rebuilds
    assert not older.moves("metrics")
    again = engine_of(first, "again", [NewMetrics()])
    assert set(again.updaters) == {"metrics"}  # the older one does not keep it from others
    again.close()
    clock.advance(60)
    settle(older)
    assert version_of(first) == 2
    assert not older.updaters


def test_older_code_moves_what_it_has_been_told_to_rebuild(processes: Processes) -> None:
    first, second = processes.open(), processes.open()
    processes.write("1", "2")
    newer = engine_of(first, "newer", [NewMetrics()])
    settle(newer)
    older = engine_of(second, "older", [Metrics()])
    rebuild = older.rebuild("metrics")
    while not rebuild.finished:
        older.step()
    assert version_of(first) == 1
    assert set(older.updaters) == {"metrics"}
    processes.write("3")
    while newer.updaters:
        newer.step()
    assert version_of(first) == 1


def test_newer_code_rebuilds_the_view_when_the_older_has_gone(processes: Processes) -> None:
    first, second = processes.open(), processes.open()
    older, clock = engine_of(first, "older", [Metrics()]), ManualClock()
    processes.write("1", "2")
    settle(older)
    newer = engine_of(second, "newer", [NewMetrics()], clock)
    settle(newer)
    assert version_of(first) == 1
    processes.write("3")
    while not older.covers(processes.ends()):
        older.step()
    assert Views(first).metrics()[0].succeeded == 3  # it goes on until it goes
    older.close()
    clock.advance(2)
    while version_of(first) != 2:
        newer.step()
    assert Views(first).metrics()[0].succeeded == 3


def test_newer_code_takes_a_view_over_when_it_has_rebuilt_it(processes: Processes) -> None:
    first, second = processes.open(), processes.open()
    older, newer = (
        engine_of(store, owner, [view])
        for store, owner, view in ((first, "older", Metrics()), (second, "newer", NewMetrics()))
    )
    processes.write("1", "2")
    settle(older)
    rebuild = newer.rebuild("metrics")
    while not rebuild.finished:
        newer.step()
        older.step()
    assert version_of(first) == 2
    processes.write("3")
    while older.updaters:
        older.step()
    while not newer.covers(processes.ends()):
        newer.step()
    settle(older)
    assert version_of(first) == 2
    assert Views(first).metrics()[0].succeeded == 3
