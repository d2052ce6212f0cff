"""kill -9 of the process that moves the views of a shared database: another goes on with them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa

from crash.view_rows import LEASE, SHARDS, TYPES, folded, rows_of, write_run
from forked import Forked
from indelible.clock import SystemClock
from indelible.errors import RebuildUnderWayError
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.projections.engine.rebuild import SUFFIX
from indelible.projections.engine.runner import ProjectionRunner
from indelible.projections.tables import CURSORS
from indelible.projections.views.default_views import default_projections

FAULTS = os.environ.get("INDELIBLE_FAULTS") == "1"
COMMITS = range(1, 41) if FAULTS else (1, 4, 11)
RUNS = range(1, 301, 30) if FAULTS else (20, 90)
PATIENCE = 30.0  # seconds; nothing takes as long unless it hangs


@pytest.mark.parametrize("commit", COMMITS)
def test_views_go_on_after_their_process_was_killed_at_a_commit(
    postgres_url: str, commit: int
) -> None:
    with Forked("crash.view_child", [postgres_url, "killed", str(commit)]) as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        with another(postgres_url) as (store, runner):
            child.communicate()
            assert child.returncode == -signal.SIGKILL
            check(store, runner)


@pytest.mark.parametrize("runs", RUNS)
def test_views_go_on_after_their_process_was_killed_at_any_time(
    postgres_url: str, runs: int
) -> None:
    with Forked("crash.view_child", [postgres_url, "killed", "0"]) as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        with another(postgres_url) as (store, runner):
            for _ in range(runs):
                assert child.stdout.readline()
            child.kill()
            child.communicate()
            check(store, runner)


@contextmanager
def another(url: str) -> Iterator[tuple[EventStore, ProjectionRunner]]:
    """This process, which writes runs all the time and would move the views, too."""
    with closing(open_store(url, shards=SHARDS, lease=LEASE)) as store:
        runner = ProjectionRunner(
            store,
            TYPES,
            default_projections(),
            SystemClock(),
            Failpoints(),
            owner="another",
            lease=LEASE,
        )
        runner.start()
        over = threading.Event()
        writer = threading.Thread(target=write, args=(store, over))
        writer.start()
        try:
            yield store, runner
        finally:
            over.set()
            writer.join()
            runner.stop(PATIENCE)


def write(store: EventStore, over: threading.Event) -> None:
    number = 0
    while not over.wait(0.005):
        write_run(store, f"another-{number}", f"agent {number % 3}")
        number += 1


def check(store: EventStore, runner: ProjectionRunner) -> None:
    """This process moves the views by now, and they equal a fold; so do those built anew."""
    assert runner.caught_up(store.positions(), PATIENCE)
    for name in runner._engine.names:
        while not runner._engine.moves(name):  # its old process was killed while it swapped it
            assert runner.caught_up(store.positions(), PATIENCE)
        equal_folds(store)
        rebuild(runner, name)
    equal_folds(store)
    with store.read_views() as connection:
        tables = sa.inspect(connection).get_table_names()
    assert not [table for table in tables if table.endswith(SUFFIX)]


def rebuild(runner: ProjectionRunner, name: str) -> None:
    """Rebuild a view, once the lease of the one that is dead has ended."""
    while True:
        try:
            runner.rebuild(name)
        except RebuildUnderWayError:
            continue
        return


def equal_folds(store: EventStore) -> None:
    """Compare each view with a fold of the log up to where it stands."""
    for view in default_projections():
        with store.read_views() as connection:  # rows and cursor of one moment
            rows = rows_of(connection, view)
            query = sa.select(CURSORS).where(CURSORS.c.projection == view.name)
            stand = {row.shard: row.position for row in connection.execute(query)}
        assert rows == folded(store, view, stand)
