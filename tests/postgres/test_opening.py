"""Opening a database: whose it is, of which version, by several at once."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa

from indelible.errors import (
    MissingExtraError,
    SchemaVersionError,
    StoreCorruptError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreUnavailableError,
    SystemClosedError,
)
from indelible.events.opening import open_store
from indelible.events.postgres import address
from indelible.events.postgres.connect import engines
from indelible.events.postgres.store import PostgresEventStore
from indelible.failpoints import Failpoints
from indelible.migrations import alembic_config, head_revision, upgrade
from indelible.testing.contract.builders import some_event
from members import Members, stream_in
from postgres_server import a_server, connect


def test_an_address_may_leave_the_driver_out(postgres_url: str) -> None:
    store = open_store(postgres_url.replace("+psycopg", ""), shards=2)
    assert store.owned() == {0, 1}
    store.close()


def test_a_password_is_not_shown() -> None:
    store = PostgresEventStore("postgresql://someone:secret@localhost/somewhere")
    assert "secret" not in store.url


@pytest.mark.parametrize(
    "url", ["postgresql+asyncpg://localhost/a", "postgresql://localhost", "postgresql:"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(StoreNotFoundError):
        open_store(url)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"indelible\[postgres\]"):
        open_store("postgresql://localhost/a")


@pytest.mark.parametrize(("shards", "lease"), [(0, 1), (1, 0)])
def test_no_shards_or_no_lease_is_a_mistake(shards: int, lease: int) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        open_store("postgresql://localhost/a", shards=shards, lease=lease)


@pytest.mark.parametrize("mode", ["own", "read", "client"])
def test_a_database_that_does_not_exist_is_not_made(members: Members, mode: str) -> None:
    url = sa.make_url(members.url).set(database="indelible_nowhere")
    store = PostgresEventStore(url.render_as_string(hide_password=False), mode=mode)  # type: ignore[arg-type]
    with pytest.raises(StoreNotFoundError):
        store.open()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailableError):
        open_store("postgresql://someone@/somewhere?host=/nowhere")


@pytest.mark.parametrize("mode", ["read", "client"])
def test_an_empty_database_has_nothing_to_read(members: Members, mode: str) -> None:
    with pytest.raises(StoreNotFoundError):
        members.make(mode=mode).open()
    with connect(members.url) as connection:
        tables = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchall() == []


def test_a_database_of_something_else_is_left_alone(members: Members) -> None:
    with connect(members.url) as connection:
        connection.execute("CREATE TABLE flights (n INTEGER)")
    for mode in ("own", "read"):
        with pytest.raises(StoreCorruptError, match="flights"):
            members.make(mode=mode).open()


@pytest.mark.parametrize(
    ("change", "words"),
    [("version_num = '9999'", "newer"), ("version_num = 'x'", "something else")],
)
def test_another_schema_is_named(members: Members, change: str, words: str) -> None:
    members.open().store.close()
    with connect(members.url) as connection:
        connection.execute(f"UPDATE alembic_version SET {change}".encode())
    for mode in ("own", "read"):
        with pytest.raises((SchemaVersionError, StoreCorruptError), match=words):
            members.make(mode=mode).open()


def test_an_old_schema_is_migrated_by_who_owns_and_named_to_who_reads(members: Members) -> None:
    from alembic import command

    members.open().store.close()
    command.downgrade(alembic_config(members.url), "0001")
    with pytest.raises(SchemaVersionError, match="open it once for writing"):
        members.make(mode="read").open()
    members.open()
    members.make(mode="read").open()


def test_a_schema_made_by_the_command_line_gets_its_shards_at_the_first_opening(
    members: Members,
) -> None:
    upgrade(members.url)
    with pytest.raises(StoreNotFoundError):
        members.make(mode="read").open()
    assert len(members.open(shards=3).store.owned()) == 3


@pytest.mark.usefixtures("alembic_migrates")
def test_a_migration_leaves_logging_alone(members: Members) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    members.open()
    assert (root.level, list(root.handlers)) == before


OPENER = """
import sys
from indelible.events.opening import open_store
sys.stdin.readline()
store = open_store(sys.argv[1], lease=60)
print(len(store.owned()), flush=True)
sys.stdin.readline()
store.close()
"""


def test_processes_that_open_an_empty_database_at_once_all_succeed(postgres_url: str) -> None:
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, postgres_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    try:
        for opener in openers:
            assert opener.stdin is not None
            opener.stdin.write("go\n")
            opener.stdin.flush()
        for opener in openers:
            assert opener.stdout is not None
            assert opener.stdout.readline().strip().isdecimal()
        with connect(postgres_url) as connection:
            assert connection.execute("SELECT count(*) FROM shards").fetchall() == [(64,)]
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
                (head_revision(),)
            ]
            assert connection.execute("SELECT count(*) FROM processes").fetchall() == [(3,)]
    finally:
        for opener in openers:
            opener.communicate("end\n")
    assert [opener.returncode for opener in openers] == [0, 0, 0]


def test_who_comes_while_another_migrates_waits_and_finds_it_done(members: Members) -> None:
    upgrade(members.url, "0002")  # the next one adds a column, which works but once
    inside, go_on = threading.Event(), threading.Event()

    def stand_still() -> None:
        inside.set()
        go_on.wait()

    first = members.make(failpoints=Failpoints({"migrate.inside": stand_still}))
    second = members.make()
    errors: list[BaseException] = []
    threads = [threading.Thread(target=open_one, args=(one, errors)) for one in (first, second)]
    try:
        threads[0].start()
        assert inside.wait(30)
        threads[1].start()
        with connect(members.url) as connection:
            while not connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
                assert not errors
    finally:
        go_on.set()
        for thread in threads:
            thread.join()
    assert errors == []


def open_one(store: PostgresEventStore, errors: list[BaseException]) -> None:
    try:
        store.open()
    except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
        errors.append(error)


def test_threads_that_open_an_empty_database_at_once_all_succeed(members: Members) -> None:
    stores = [members.make() for _ in range(4)]
    errors: list[BaseException] = []
    threads = [threading.Thread(target=open_one, args=(store, errors)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_server_that_does_not_sync_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with a_server() as server:
        if not server.is_throwaway:
            return  # one's own server keeps its settings
        url = server.create_database()
        open_store(url).close()
        assert "fsync" not in caplog.text
        server.execute("ALTER SYSTEM SET fsync = off")
        with connect(url) as connection:
            before = connection.execute("SHOW fsync").fetchall()
            connection.execute("SELECT pg_reload_conf()")
            while connection.execute("SHOW fsync").fetchall() == before:
                pass
        open_store(url).close()
        assert "fsync=off" in caplog.text


def test_a_server_that_is_too_old_is_refused(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_OLDEST", 99)
    with pytest.raises(StoreUnavailableError, match="99 is needed"):
        members.make().open()


def test_a_reader_cannot_write(members: Members) -> None:
    owner = members.open().store
    owner.append(stream_in(0), [some_event()], expected=0)
    for mode in ("read", "client"):
        store = members.make(mode=mode)
        store.open()
        assert store.state == "reading"
        assert store.verify() == 1
        with pytest.raises(StoreReadOnlyError):
            store.append(stream_in(0), [some_event()], expected=1)
        with pytest.raises(StoreReadOnlyError), store.read_views() as connection:
            connection.exec_driver_sql("DELETE FROM events")
    reader = members.make(mode="read")
    reader.open()
    with pytest.raises(StoreReadOnlyError):
        _ = reader.inbox
    with pytest.raises(StoreReadOnlyError), reader.write_views():
        pass
    reader.close()
    with pytest.raises(SystemClosedError):
        reader.positions()


def test_commits_are_at_full_durability_whatever_the_database_s_default(members: Members) -> None:
    name = sa.make_url(members.url).database
    with connect(members.url) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off'.encode())
    store = members.open().store
    cursor = store._member.writer._open()
    assert cursor.execute("SHOW synchronous_commit").fetchall() == [("on",)]
    with store._write() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
    with store.write_views() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "off"
    with store._write() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
