"""kill -9 while views are written and rebuilt: what stands is a fold of the log, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from indelible.clock import SystemClock
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.events.types import run_event_types
from indelible.failpoints import Failpoints
from indelible.projections.defaults import default_projections
from indelible.projections.engine import Engine
from indelible.projections.projection import Projection
from indelible.projections.rebuild import SUFFIX
from indelible.projections.tables import CURSORS, METADATA

FAULTS = os.environ.get("INDELIBLE_FAULTS") == "1"
COMMITS = range(1, 51) if FAULTS else (1, 2, 3, 5, 9, 16)
RUNS = range(1, 301, 15) if FAULTS else (1, 30, 120)

CHILD = """
import sys, threading
from indelible.clock import SystemClock
from indelible.events.opening import open_store
from indelible.events.run_events import RunAccepted, RunCompleted, StepCompleted
from indelible.events.types import run_event_types
from indelible.failpoints import Failpoints, KillAt
from indelible.ids import Ids
from indelible.projections.defaults import default_projections
from indelible.projections.runner import ProjectionRunner

url, life, kill = sys.argv[1], sys.argv[2], int(sys.argv[3])
clock, ids, types = SystemClock(), Ids(), run_event_types()
store = open_store(url)
failpoints = Failpoints({"view.before": KillAt(kill)} if kill else {})
runner = ProjectionRunner(store, types, default_projections(), clock, failpoints)
runner.start()

def rebuild(name):
    while True:
        runner.rebuild(name)

for name in ("metrics", "workflow_status"):
    threading.Thread(target=rebuild, args=(name,), daemon=True).start()
for number in range(100_000):
    run, now = f"{life}-{number}", clock.now()
    def put(version, *events):
        encoded = [types.encode(event, ids.uuid7()) for event in events]
        store.append(f"run-{run}", encoded, expected=version)
    put(0, RunAccepted(run, f"agent {number % 3}", "w", b"", b"", 1, now, [("s", 1)]))
    put(1, StepCompleted("s", 1, now, number), RunCompleted(now, "success", 1, 0, 0, number, 9))
    print(number, flush=True)
"""


def rows_of(connection: sa.Connection, projection: Projection) -> list[Any]:
    return [
        [tuple(row) for row in connection.execute(sa.select(t).order_by(*t.primary_key.columns))]
        for t in projection.tables
    ]


def folded(store: EventStore, projection: Projection, until: int) -> list[Any]:
    """The rows that the first ``until`` events give, made apart from any runner."""
    types = run_event_types()
    events = store.read_shard(0, 0, until) if until else []
    pairs = [(e, types.decode(e)) for e in events if e.type in projection.event_types]
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        METADATA.create_all(connection)
        projection.write(connection, projection.fold(pairs))
        rows = rows_of(connection, projection)
    engine.dispose()
    return rows


@pytest.mark.parametrize("commit", COMMITS)
def test_a_process_killed_at_a_commit_of_a_view_leaves_views_that_equal_a_fold(
    tmp_path: Path, commit: int
) -> None:
    url = f"sqlite:///{tmp_path}/killed.db"
    for life in ("a", "b"):
        command = [sys.executable, "-c", CHILD, url, life, str(commit)]
        child = subprocess.run(command, capture_output=True, check=False)
        assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    check(url)


@pytest.mark.parametrize("runs", RUNS)
def test_a_process_killed_at_any_time_leaves_views_that_equal_a_fold(
    tmp_path: Path, runs: int
) -> None:
    url = f"sqlite:///{tmp_path}/killed.db"
    for life in ("a", "b"):
        command = [sys.executable, "-c", CHILD, url, life, "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
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
                assert rows_of(connection, view) == folded(store, view, stands.get(view.name, 0))
                begun = stands.get(view.name + SUFFIX)
                if begun is not None:
                    beside = view.beside(SUFFIX)
                    assert rows_of(connection, beside) == folded(store, view, begun)
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
                assert rows_of(connection, view) == folded(store, view, end)
            tables = sa.inspect(connection).get_table_names()
        assert not [name for name in tables if name.endswith(SUFFIX)]
    finally:
        store.close()
