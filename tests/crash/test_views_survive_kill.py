"""kill -9 while views are written and rebuilt: what stands is a fold of the log, and goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import sqlalchemy as sa

from crash.view_rows import folded, rows_of
from forked import PIPE, Forked
from indelible.clock import SystemClock
from indelible.events.model.event_types import run_event_types
from indelible.events.opening import open_store
from indelible.failpoints import Failpoints
from indelible.projections.engine.rebuild import SUFFIX
from indelible.projections.engine.view_engine import Engine
from indelible.projections.tables import CURSORS
from indelible.projections.views.default_views import default_projections

FAULTS = os.environ.get("INDELIBLE_FAULTS") == "1"
COMMITS = range(1, 51) if FAULTS else (1, 2, 3, 5, 9, 16)
RUNS = range(1, 301, 15) if FAULTS else (1, 30, 120)


@pytest.mark.parametrize("commit", COMMITS)
def test_a_process_killed_at_a_commit_of_a_view_leaves_views_that_equal_a_fold(
    tmp_path: Path, commit: int
) -> None:
    url = f"sqlite:///{tmp_path}/killed.db"
    for life in ("a", "b"):
        child = Forked("crash.view_child", [url, life, str(commit)], stderr=PIPE)
        _, said = child.communicate()
        assert child.returncode == -signal.SIGKILL, said
    check(url)


@pytest.mark.parametrize("runs", RUNS)
def test_a_process_killed_at_any_time_leaves_views_that_equal_a_fold(
    tmp_path: Path, runs: int
) -> None:
    url = f"sqlite:///{tmp_path}/killed.db"
    for life in ("a", "b"):
        with Forked("crash.view_child", [url, life, "0"]) as child:
            assert child.stdout is not None
            for _ in range(runs):
                assert child.stdout.readline()
            child.kill()
    check(url)


def check(url: str) -> None:
    """The views equal a fold up to their cursors, and after a new start to the log's end.

    So do the rows of an interrupted rebuild, and the next one goes on from there.
    """
    store = open_store(url)
    try:
        end = store.positions()[0]
        with store.read_views() as connection:
            stands = {
                row.projection: row.position for row in connection.execute(sa.select(CURSORS))
            }
            for view in default_projections():
                assert rows_of(connection, view) == folded(
                    store, view, {0: stands.get(view.name, 0)}
                )
                begun = stands.get(view.name + SUFFIX)
                if begun is not None:
                    beside = view.beside(SUFFIX)
                    assert rows_of(connection, beside) == folded(store, view, {0: begun})
        engine = Engine(
            store, run_event_types(), default_projections(), SystemClock(), Failpoints()
        )
        engine.open()
        while engine.step():
            pass
        rebuilds = {view.name: engine.rebuild(view.name) for view in default_projections()}
        while engine.step():
            pass
        with store.read_views() as connection:
            for view in default_projections():
                assert rebuilds[view.name].finished
                assert rebuilds[view.name].resumed == stands.get(view.name + SUFFIX, 0)
                assert rows_of(connection, view) == folded(store, view, {0: end})
            tables = sa.inspect(connection).get_table_names()
        assert not [name for name in tables if name.endswith(SUFFIX)]
    finally:
        store.close()
