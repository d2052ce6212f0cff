"""Rebuilding: beside the live view, swapped at once, and interrupted without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from indelible.errors import StoreUnavailableError, UnknownProjectionError
from indelible.projections.engine.rebuild import SUFFIX
from indelible.projections.engine.view_engine import Engine
from indelible.projections.tables import METADATA, METRICS, WORKFLOW_STATUS
from indelible.projections.views.metrics import Metrics
from indelible.projections.views.workflow_status import WorkflowStatus


def names(log: Any) -> list[str]:
    """Tables and indexes of the views."""
    with log.store.read_views() as connection:
        inspector = sa.inspect(connection)
        tables = inspector.get_table_names()
        indexes = inspector.get_indexes("workflow_status")
    return sorted(tables) + sorted(str(index["name"]) for index in indexes)


def damage(log: Any) -> None:
    """Change rows behind the views' back."""
    with log.store.write_views() as connection:
        connection.execute(sa.update(WORKFLOW_STATUS).values(steps_completed=99))
        connection.execute(sa.delete(METRICS))


def finish(engine: Engine, name: str) -> list[tuple[int, int]]:
    """Rebuild and give the progress seen on the way."""
    rebuild = engine.rebuild(name)
    seen = [rebuild.progress()]
    while not rebuild.finished:
        assert engine.step()
        seen.append(rebuild.progress())
    return seen


def test_a_rebuild_repairs_rows_and_leaves_the_same_tables(log: Any) -> None:
    engine = log.engine(batch=2)
    for run in range(3):
        log.run(str(run))
    log.settle(engine)
    good, before = log.rows(), names(log)
    for _ in range(3):
        damage(log)
        finish(engine, "workflow_status")
        finish(engine, "metrics")
        assert log.rows() == good
    indexes = {str(index.name) for index in WORKFLOW_STATUS.indexes}
    assert {name.removesuffix("_2") for name in names(log)} == set(before)
    assert {name.removesuffix("_2") for name in names(log)} >= indexes


def test_a_rebuilt_view_stays_live(log: Any) -> None:
    engine = log.engine()
    log.run("1")
    log.settle(engine)
    finish(engine, "workflow_status")
    log.run("2")
    log.settle(engine)
    assert log.views.summary().completed == 2
    assert log.views.cursors()["workflow_status"] == {0: 8}


def test_the_live_view_goes_on_while_another_one_grows(log: Any) -> None:
    engine = log.engine(batch=1)
    log.run("1")
    log.settle(engine)
    rebuild = engine.rebuild("workflow_status")
    engine.step()  # makes the tables
    engine.step()
    log.run("2")
    for _ in range(4):
        engine.step()
    assert not rebuild.finished
    assert log.views.run("2").state == "completed"
    log.settle(engine)
    assert rebuild.finished
    assert log.views.run("2").state == "completed"


def test_progress_counts_events_up_to_the_end_of_the_log(log: Any) -> None:
    engine = log.engine(batch=2)
    log.run("1")
    log.settle(engine)
    assert finish(engine, "metrics") == [(0, 4), (0, 4), (2, 4), (4, 4)]


def test_asking_again_joins_the_rebuild_that_has_begun(log: Any) -> None:
    engine = log.engine()
    assert engine.rebuild("metrics") is engine.rebuild("metrics")


def resting(rows: Any) -> Any:
    """Rows of the views, without their cursors."""
    return {name: table for name, table in rows.items() if name != "projection_cursors"}


@pytest.mark.parametrize("steps", range(5))
def test_an_interrupted_rebuild_leaves_the_old_view_and_the_next_one_goes_on(
    log: Any, steps: int
) -> None:
    engine = log.engine(batch=1)
    log.run("1")
    log.settle(engine)
    before = log.rows()
    engine.rebuild("workflow_status")
    engine.rebuild("metrics")
    for _ in range(steps):
        engine.step()
    assert resting(log.rows()) == resting(before)  # the process ends here
    engine = log.engine(batch=1)
    assert log.views.cursors() == {"workflow_status": {0: 4}, "metrics": {0: 4}}
    for name in ("workflow_status", "metrics"):
        seen = finish(engine, name)
        assert (max(0, steps - 1), 4) in seen
        assert len(seen) == 7 - max(1, steps)
    assert log.rows() == before
    assert not any(SUFFIX in name for name in names(log))


def test_what_a_rebuild_of_another_version_left_behind_is_not_gone_on_with(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = log.engine(batch=1)
    log.run("1")
    log.settle(engine)
    engine.rebuild("metrics")
    for _ in range(4):
        engine.step()
    with log.store.write_views() as connection:  # rows as other rules make them
        connection.execute(sa.text(f"UPDATE metrics{SUFFIX} SET steps_completed = 99"))
    monkeypatch.setattr(Metrics, "version", 2)
    log.settle(log.engine(batch=1))
    assert log.views.metrics("etl")[0].steps_completed == 2


def test_a_swap_that_fails_leaves_the_old_view_until_it_succeeds(log: Any) -> None:
    fate: list[bool] = []  # of the next commits, the first one last

    def maybe() -> None:
        if fate and fate.pop():
            raise OSError("pulled the plug")

    engine = log.engine(view_before=maybe)
    log.run("1")
    log.settle(engine)
    good = log.rows()
    damage(log)
    damaged = log.rows()
    engine.rebuild("workflow_status")
    engine.step()  # makes the tables
    fate += [True, True, False]
    for _ in range(2):
        engine.step()  # all events; the swap fails, and again
        assert log.rows()["workflow_status"] == damaged["workflow_status"]
        log.clock.advance(10)
    assert not fate
    log.settle(engine)
    assert log.rows()["workflow_status"] == good["workflow_status"]


def test_a_swap_whose_commit_was_lost_and_happened_is_not_done_again(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = log.engine()
    log.run("1")
    log.settle(engine)
    rebuild = engine.rebuild("workflow_status")
    write_views = log.store.write_views
    lost: list[bool] = []

    @contextmanager
    def flaky() -> Iterator[sa.Connection]:
        with write_views() as connection:
            yield connection
        if rebuild.swapping and not lost:
            lost.append(True)
            engine.updaters["workflow_status"].cursor = {0: 2}  # a live view that had fallen behind
            raise StoreUnavailableError("no answer")

    monkeypatch.setattr(log.store, "write_views", flaky)
    while not lost:
        engine.step()
    log.run("2")
    log.settle(engine)
    assert rebuild.finished
    assert log.views.parked() == []
    assert {row.run_id: row.steps_completed for row in log.views.runs()} == {"1": 2, "2": 2}


def test_a_new_version_is_rebuilt_on_open_and_the_old_rows_stay_until_then(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.run("1")
    log.settle(log.engine())
    damage(log)
    monkeypatch.setattr(WorkflowStatus, "version", 3)
    engine = log.engine(batch=1)
    engine.step()
    assert not engine.covers({0: 4})
    assert log.views.run("1").steps_completed == 99
    log.settle(engine)
    assert log.views.run("1").steps_completed == 2
    assert [row[3] for row in log.rows()["projection_cursors"]] == [1, 3]
    assert not log.engine().rebuilds


def test_an_unknown_name_is_refused_with_the_names_there_are(log: Any) -> None:
    with pytest.raises(UnknownProjectionError, match="there are metrics, workflow_status"):
        log.engine().rebuild("metric")


def test_the_migrated_tables_are_the_ones_the_code_uses(log: Any) -> None:
    with log.store.read_views() as connection:
        for table in METADATA.sorted_tables:
            found = sa.Table(table.name, sa.MetaData(), autoload_with=connection)
            assert _shape(found, connection) == _shape(table, connection)


def _shape(table: sa.Table, connection: sa.Connection) -> Any:
    columns = [
        (c.name, c.type.compile(connection.dialect), c.nullable, c.primary_key)
        for c in table.columns
    ]
    indexes = sorted((str(i.name), [c.name for c in i.columns], i.unique) for i in table.indexes)
    return columns, [c.name for c in table.primary_key.columns], indexes
