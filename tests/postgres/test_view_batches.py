"""A batch of views on PostgreSQL: how often it asks the server, and what it does when one fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.event import listen, remove

from crash.view_rows import TYPES, folded, rows_of, write_run
from indelible.clock import SystemClock
from indelible.errors import RoleLostError
from indelible.events.lease.role_rows import hold_roles, take_role
from indelible.events.model.run_events import StepCompleted
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.ids import Ids
from indelible.projections.engine.view_engine import Engine
from indelible.projections.tables import PARKED
from indelible.projections.views.default_views import default_projections

LEASE = 60_000_000  # microseconds


@pytest.fixture
def store(postgres_url: str) -> Iterator[EventStore]:
    with closing(open_store(postgres_url, shards=4)) as store:
        yield store


@pytest.fixture
def engine(store: EventStore) -> Engine:
    engine = Engine(store, TYPES, default_projections(), SystemClock(), Failpoints(), owner="here")
    store.subscribe(engine.feed.push)
    engine.open()
    return engine


@contextmanager
def statements() -> Iterator[list[str]]:
    """What this thread sends through SQLAlchemy meanwhile; the store's own threads ask, too."""
    said: list[str] = []
    me = threading.get_ident()

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if threading.get_ident() == me:
            said.append(statement)

    listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        remove(sa.Engine, "before_cursor_execute", note)


def equal_folds(store: EventStore) -> None:
    for view in default_projections():
        with store.read_views() as connection:
            assert rows_of(connection, view) == folded(store, view, dict(store.positions()))


def test_a_batch_of_all_views_is_two_statements(store: EventStore, engine: Engine) -> None:
    for round_ in range(3):
        for run in range(5):
            assert write_run(store, f"{round_}-{run}", f"agent {run}")
        with statements() as said:
            engine.step()
        writing = [statement for statement in said if "shards" not in statement]
        assert len(writing) == 2  # the roles, and all rows with the cursors
        assert engine.covers(store.positions())
        equal_folds(store)


def test_what_a_view_cannot_apply_keeps_no_row_of_its_batch_and_is_parked(
    store: EventStore, engine: Engine
) -> None:
    write_run(store, "good", "agent")
    orphan = TYPES.encode(StepCompleted("s", 1, 1, 1), Ids().uuid7())
    store.append("run-orphan", [orphan], expected=0)
    write_run(store, "later", "agent")
    while not engine.covers(store.positions()):
        engine.step()
    with store.read_views() as connection:
        parked = connection.execute(sa.select(PARKED.c.projection, PARKED.c.stream)).all()
        counts = connection.exec_driver_sql(
            "SELECT (SELECT sum(runs_succeeded) FROM metrics), (SELECT count(*) FROM"
            " workflow_status WHERE state = 'completed')"
        ).one()
    assert sorted(map(tuple, parked)) == [
        ("metrics", "run-orphan"),
        ("workflow_status", "run-orphan"),
    ]
    assert tuple(counts) == (2, 2)


def test_roles_are_held_together_and_the_one_that_is_lost_is_named(store: EventStore) -> None:
    with store.write_views() as connection:
        epochs = {name: take_role(connection, name, "here", LEASE) or 0 for name in "abc"}
    with store.write_views() as connection:
        hold_roles(connection, epochs, "here", LEASE)
    with store.write_views() as connection:
        take_role(connection, "b", "there", LEASE, by_force=True)
    with pytest.raises(RoleLostError, match="'b'"), store.write_views() as connection:
        hold_roles(connection, epochs, "here", LEASE)


def test_a_transaction_of_a_role_is_ended_when_its_process_stands_still(store: EventStore) -> None:
    with store.write_views() as connection:
        epoch = take_role(connection, "a", "here", LEASE) or 0
        hold_roles(connection, {"a": epoch}, "here", LEASE)
        limit = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
    assert limit == "30s"
    with store.write_views() as connection:
        limit = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
    assert limit == "0"
