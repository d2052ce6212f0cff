"""Views go on from what the database has kept, whatever failed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from indelible.clock import ManualClock
from indelible.errors import StoreUnavailableError
from indelible.projections.queries.view_queries import Views
from indelible.projections.tables import (
    CURSORS,
)
from indelible.projections.views.metrics import Metrics
from view_processes import NAMES, NewMetrics, Processes, engine_of, settle


@pytest.fixture
def processes(postgres_url: str) -> Iterator[Processes]:
    with ExitStack() as stack:
        yield Processes(postgres_url, stack)


def failing_once(monkeypatch: pytest.MonkeyPatch, store: Any, method: str, call: int) -> None:
    """Let the ``call``-th use of a transaction of ``store`` fail."""
    real: Callable[[], AbstractContextManager[sa.Connection]] = getattr(store, method)
    calls: list[bool] = []

    def flaky() -> AbstractContextManager[sa.Connection]:
        calls.append(True)
        if len(calls) == call:
            raise StoreUnavailableError("the server was away for a moment")
        return real()

    monkeypatch.setattr(store, method, flaky)


def test_views_whose_stand_could_not_be_read_are_moved_later(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, clock = processes.open(), ManualClock()
    failing_once(monkeypatch, store, "read_views", 2)
    engine = engine_of(store, "here", (), clock)
    assert not engine.updaters
    clock.advance(1.0)
    engine.step()
    assert set(engine.updaters) == NAMES


def test_a_view_that_could_not_be_left_to_newer_code_is_left_later(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = processes.open(), processes.open()
    processes.write("1")
    newer, clock = engine_of(first, "newer", [NewMetrics()]), ManualClock()
    settle(newer)
    newer.close()
    failing_once(monkeypatch, second, "write_views", 2)
    older = engine_of(second, "older", [Metrics()], clock)
    assert older.moves("metrics")
    clock.advance(1.0)
    older.step()
    assert not older.moves("metrics")
    assert set(engine_of(first, "again", [NewMetrics()]).updaters) == {"metrics"}


def test_tables_that_a_rebuild_makes_or_swaps_wait_for_the_disk(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = processes.open()
    engine = engine_of(store, "here")
    processes.write(*(str(n) for n in range(8)))
    settle(engine)
    real, ended = store.write_views, list[str]()

    @contextmanager
    def seen() -> Iterator[sa.Connection]:
        with real() as connection:
            yield connection
            ended.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar_one())

    monkeypatch.setattr(store, "write_views", seen)
    rebuild = engine.rebuild("metrics")
    while not rebuild.finished:
        engine.step()
    assert ended[-1] == "on"  # the swap
    assert ended.count("on") == 2  # and what made the tables; batches do not wait
    assert ended.count("off") > 8


def lose_all(processes: Processes) -> None:
    """As a server that crashed before it had written anything of the views."""
    with processes.stores[0].write_views() as connection:
        connection.execute(sa.delete(CURSORS))
        for table in ("workflow_status", "metrics", "metrics_response_times"):
            if sa.inspect(connection).has_table(table):
                connection.exec_driver_sql(f"DELETE FROM {table}")


def test_what_a_crash_of_the_server_took_from_the_views_is_applied_again(
    processes: Processes,
) -> None:
    engine = engine_of(processes.open(), "here", (), ManualClock())
    processes.write(*(str(n) for n in range(8)))
    settle(engine)
    lose_all(processes)
    processes.write(*(str(n) for n in range(8, 24)))  # some in each shard
    settle(engine)
    assert engine.covers(processes.ends())
    assert Views(processes.stores[0]).summary().completed == 24
    assert Views(processes.stores[0]).metrics("etl")[0].succeeded == 24


def test_what_a_crash_of_the_server_took_is_applied_without_a_new_event(
    processes: Processes,
) -> None:
    clock = ManualClock()
    engine = engine_of(processes.open(), "here", (), clock)
    processes.write("1", "2", "3")
    settle(engine)
    lose_all(processes)
    clock.advance(4)
    settle(engine)
    assert Views(processes.stores[0]).summary().completed == 3
