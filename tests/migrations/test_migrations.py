"""The schema: where it comes from, that it is whole, and that alembic leaves the host alone."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from indelible.events.commit.shard_plan import shard_of
from indelible.events.inbox.inbox import Command
from indelible.events.opening import open_store
from indelible.migrations import head_revision, migrate, revisions, upgrade

pytestmark = pytest.mark.usefixtures("alembic_migrates")

COLUMNS = {
    "events": [
        "shard",
        "position",
        "stream_id",
        "version",
        "event_id",
        "epoch",
        "type",
        "schema",
        "payload",
        "metadata",
        "recorded_at",
        "chain",
    ],
    "streams": ["id", "name", "category", "version", "status", "wake_at"],
    "shards": [
        "shard",
        "epoch",
        "head",
        "chain",
        "streams",
        "owner",
        "host",
        "pid",
        "since",
        "lease_until",
    ],
    "blobs": ["digest", "content"],
}


def inspect(database: Path) -> sa.Inspector:
    engine = sa.create_engine(f"sqlite:///{database}", poolclass=sa.NullPool)
    return sa.inspect(engine)


def test_the_columns_of_the_log_are_final(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'a.db'}")
    inspector = inspect(tmp_path / "a.db")
    for table, columns in COLUMNS.items():
        assert [column["name"] for column in inspector.get_columns(table)] == columns
        assert not any(column["nullable"] for column in inspector.get_columns(table))


def test_positions_and_versions_are_unique(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'a.db'}")
    inspector = inspect(tmp_path / "a.db")
    assert inspector.get_pk_constraint("events")["constrained_columns"] == ["position"]
    unique = [one["column_names"] for one in inspector.get_unique_constraints("events")]
    assert unique == [["stream_id", "version"]]
    assert [one["column_names"] for one in inspector.get_unique_constraints("streams")] == [
        ["name"]
    ]


def test_the_command_line_and_the_store_make_the_same_schema(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'a.db'}")
    open_store(f"sqlite:///{tmp_path / 'b.db'}").close()
    a, b = (schema(tmp_path / name) for name in ("a.db", "b.db"))
    assert a == b
    assert len(a) > len(COLUMNS)


def schema(database: Path) -> list[tuple[str, str]]:
    engine = sa.create_engine(f"sqlite:///{database}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name")
        return [(row[0], row[1]) for row in rows]


def test_the_revisions_are_a_chain_and_the_names_of_the_files_tell_it() -> None:
    from alembic.script import ScriptDirectory

    from indelible.migrations import alembic_config

    script = ScriptDirectory.from_config(alembic_config("sqlite://"))
    found = tuple(one.revision for one in reversed(list(script.walk_revisions())))
    assert found == revisions()
    assert script.get_current_head() == head_revision()


def test_every_migration_can_be_taken_back(tmp_path: Path) -> None:
    from alembic import command

    from indelible.migrations import alembic_config

    url = f"sqlite:///{tmp_path / 'a.db'}"
    upgrade(url)
    command.downgrade(alembic_config(url), "base")
    assert inspect(tmp_path / "a.db").get_table_names() == ["alembic_version"]


def test_a_failed_migration_leaves_nothing() -> None:
    engine = sa.create_engine(
        "sqlite://", poolclass=sa.StaticPool, connect_args={"isolation_level": None}
    )

    def fail() -> None:
        raise ZeroDivisionError

    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(ZeroDivisionError):
            migrate(connection, inside=fail)
        connection.exec_driver_sql("ROLLBACK")
        assert sa.inspect(connection).get_table_names() == []
    engine.dispose()


def test_a_migration_leaves_logging_alone(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("indelible").disabled)
    open_store(f"sqlite:///{tmp_path / 'a.db'}").close()
    assert (root.level, list(root.handlers), logging.getLogger("indelible").disabled) == before


def test_a_store_that_is_up_to_date_opens_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_store(url).close()
    program = (
        "import sys; from indelible.events.opening import open_store; "
        f"open_store({url!r}).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_two_stores_are_migrated_at_the_same_time(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def make(name: str) -> None:
        try:
            open_store(f"sqlite:///{tmp_path / name}").close()
        except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
            errors.append(error)

    threads = [threading.Thread(target=make, args=(f"{n}.db",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_commands_that_wait_in_an_older_store_are_handled_by_the_newer_version(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    is_file = kind == "sqlite"
    url = f"sqlite:///{tmp_path / 'a.db'}" if is_file else request.getfixturevalue("postgres_url")
    upgrade(url, "0003")
    shard = shard_of("run-1", 1 if is_file else 64)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(_WAITING_BEFORE_0004), {"shard": shard, "body": b"\x80"})
    engine.dispose()
    store = open_store(url)
    try:
        [found] = store.inbox.first({shard}, 10)
        wanted = Command("m-1", shard, "run-1", "run.describe", b"\x80", "a test")
        assert (found.command, found.damage) == (wanted, "")
    finally:
        store.close()


_WAITING_BEFORE_0004 = """
    INSERT INTO inbox (message_id, shard, stream, kind, body, sender, submitted_at, deadline,
        answered_at)
    VALUES ('m-1', :shard, 'run-1', 'run.describe', :body, 'a test', 1, 0, 0)
"""
