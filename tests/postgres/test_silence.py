"""When a connection goes silent: it is given up within a lease, and made anew; nothing hangs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from indelible.clock import SystemClock
from indelible.errors import StoreUnavailableError
from indelible.events.postgres.connect import long_statements
from indelible.events.postgres.connect.engines import Engines
from indelible.events.postgres.connect.long_statements import while_server_works
from indelible.events.postgres.connect.watchdog import CHECKS, Watchdog
from indelible.testing.contract.builders import append_when_available, some_event
from members import LONG, PATIENCE, SHARDS, SHORT, Members, stream_in
from postgres_server import PostgresServer, connect
from silent_proxy import SilentProxy

LEASE = 6.0


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[SilentProxy]:
    with SilentProxy(postgres_url) as proxy:
        yield proxy


@pytest.fixture
def members(proxy: SilentProxy) -> Iterator[Members]:
    with Members(proxy.url) as members:
        yield members


def shorten_limits(watchdog: Watchdog) -> None:
    """Look so often, from now on, that what is silent now is given up at once.

    Connections that are made from now on may be silent for as long as ever, and no lease ends: on
    a busy machine nothing but the silence is too long.
    """
    with watchdog._changed:
        watchdog.interval, watchdog._check_at = 0.05, 0
        watchdog._changed.notify_all()


def test_connections_that_go_silent_are_replaced(members: Members, proxy: SilentProxy) -> None:
    member = members.open(lease=LONG)
    member.store.append(stream_in(0), [some_event()], expected=0)
    proxy.silence()
    shorten_limits(member.store._watchdog)
    append_when_available(member.store, stream_in(0), expected=1)
    assert [event.version for event in member.store.read(stream_in(0))] == [1, 2]
    member.wait_for_share(SHARDS)


def test_a_silent_connection_leaves_time_to_renew_a_lease_on_a_new_one() -> None:
    for lease in (3.0, LEASE, 10.0, 600.0):
        engines = Engines(sa.make_url("postgresql+psycopg://h/d"), lease, SystemClock(), "none")
        noticed = engines.watchdog.interval * (CHECKS + 1)
        assert lease / 3 + noticed < 0.9 * lease  # asked at the next renewal, and in vain


def test_a_commit_whose_answer_never_comes_is_found_by_its_event_ids(
    members: Members, proxy: SilentProxy
) -> None:
    store = members.open(lease=LONG).store
    for version in range(2):  # the second prepares what the third is written with
        store.append(stream_in(0), [some_event()], expected=version)
    proxy.silence(answers_only=True)
    shorten_limits(store._watchdog)
    [recorded] = store.append(stream_in(0), [some_event()], expected=2)
    assert recorded.version == 3
    assert store.verify() == 3


def test_a_database_that_takes_connections_and_says_nothing_is_unavailable_until_it_speaks(
    members: Members, proxy: SilentProxy
) -> None:
    member = members.open(lease=LEASE)
    member.store.append(stream_in(0), [some_event()], expected=0)
    proxy.silence(newcomers=True)
    member.wait_for_share(0)  # no lease could be renewed
    assert member.store.trouble != ""
    with pytest.raises(StoreUnavailableError):
        list(member.store.read(stream_in(0)))
    proxy.speak()
    member.wait_for_share(SHARDS)
    append_when_available(member.store, stream_in(0), expected=1)
    while member.store.trouble:
        pass  # until an answer has come back


def test_a_server_process_that_is_stopped_costs_its_connection_and_no_more(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    if not postgres_server.is_throwaway:
        return  # the processes of a server of one's own may be elsewhere
    with Members(postgres_url) as members, connect(postgres_url) as behind:
        member = members.open(lease=LONG)
        member.store.append(stream_in(0), [some_event()], expected=0)
        pids = "SELECT pid FROM pg_stat_activity WHERE application_name = 'indelible'"
        pids = f"{pids} AND datname = current_database()"
        stopped = [int(str(row[0])) for row in behind.execute(pids.encode()).fetchall()]
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            shorten_limits(member.store._watchdog)
            append_when_available(member.store, stream_in(0), expected=1)
            assert [event.version for event in member.store.read(stream_in(0))] == [1, 2]
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        member.wait_for_share(SHARDS)
        assert member.store.verify() == 2


def test_a_listener_whose_connection_went_silent_listens_again(
    members: Members, proxy: SilentProxy
) -> None:
    heard = threading.Event()
    store = members.open(lease=SHORT).store
    store.on_remote(heard.set)
    assert heard.wait(PATIENCE)
    proxy.silence()
    heard.clear()
    assert heard.wait(PATIENCE)  # as after each connecting: hints may have been missed


def test_closing_keeps_its_limit_when_the_database_never_answers(
    members: Members, proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.events.postgres.store.CLOSING", 0.2)
    store = members.open(lease=LONG).store
    store.append(stream_in(0), [some_event()], expected=0)
    proxy.silence(newcomers=True)
    closing = threading.Thread(target=store.close)
    closing.start()
    closing.join(LONG / 4)  # less than the database has for one answer
    assert not closing.is_alive()


@pytest.fixture
def engines(proxy: SilentProxy) -> Iterator[Engines]:
    engines = Engines(sa.make_url(proxy.url), LONG, SystemClock(), "watchdog of a test")
    engines.watchdog.start()
    yield engines
    engines.watchdog.stop()


def pass_a_lease(watchdog: Watchdog, thread: int) -> None:
    """Look at what ``thread`` waits for as often as in more than a lease, in no time."""
    for _ in range(10 * CHECKS):
        watchdog.check([one for one in watchdog._connections if one.thread == thread])


@contextmanager
def a_held_lock(url: str) -> Iterator[Callable[[], object]]:
    """Have statements that ask for LOCK wait in the server until the function is called."""
    with connect(url) as connection:
        connection.execute("SELECT pg_advisory_lock(7)")
        yield lambda: connection.execute("SELECT pg_advisory_unlock(7)")


LOCK = "pg_advisory_xact_lock_shared(7)"
WAITING = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def test_a_statement_that_the_server_works_on_may_take_long_in_its_block(
    engines: Engines, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, answers, ended = threading.get_ident(), list[bool](), threading.Event()
    works = long_statements._is_active

    def ask(others: sa.Engine, process: int) -> bool:
        answers.append(works(others, process))
        pass_a_lease(engines.watchdog, me)
        if len(answers) == 5:
            let_go()
            assert ended.wait(PATIENCE)  # no question comes between its end and hearing of it
        return answers[-1] and len(answers) % 2 == 0  # each other question gets no answer

    monkeypatch.setattr(long_statements, "_is_active", ask)
    engine = engines.transactions()
    with a_held_lock(postgres_url) as let_go, engine.connect() as connection:
        with while_server_works(connection, engine, 0.05):
            assert connection.exec_driver_sql(f"SELECT {LOCK}").all() == [("",)]
        ended.set()
    engine.dispose()
    assert answers == [True] * 5


def test_verifying_may_read_a_whole_table_for_longer_than_a_lease(
    members: Members, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = members.open(lease=LONG).store
    store.append(stream_in(0), [some_event()], expected=0)
    slow = f"SELECT shard, count(*) FROM events{{}}, {LOCK} GROUP BY shard"
    monkeypatch.setattr("indelible.events.verification.log_tables._COUNTS", slow)
    threads: list[int] = []

    def verify() -> int:
        threads.append(threading.get_ident())
        return store.verify()

    with (
        a_held_lock(postgres_url) as let_go,
        connect(postgres_url) as behind,
        ThreadPoolExecutor() as pool,
    ):
        verified = pool.submit(verify)
        while not behind.execute(WAITING).fetchall():
            assert not verified.done()
        pass_a_lease(store._watchdog, threads[0])
        let_go()
        assert verified.result() == 1


def test_a_long_statement_that_has_ended_unheard_is_given_up(
    engines: Engines, proxy: SilentProxy
) -> None:
    engine = engines.transactions()
    with engine.connect() as connection, while_server_works(connection, engine, 0.05):
        proxy.silence(answers_only=True)
        with pytest.raises(OperationalError, match="has not answered"):
            connection.exec_driver_sql("SELECT 1")
    engine.dispose()


@pytest.mark.parametrize("kind", ["writing", "transactions"])
def test_a_connection_that_cannot_be_reset_is_one_line_of_log(
    engines: Engines, proxy: SilentProxy, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    engine: sa.Engine = getattr(engines, kind)()
    connection = engine.raw_connection()
    connection.cursor().execute("BEGIN")
    proxy.silence()
    shorten_limits(engines.watchdog)
    connection.close()
    engine.dispose()
    [record] = caplog.records
    assert (record.name, record.exc_info) == ("indelible.connections", None)
    assert record.getMessage().startswith("a connection is given up: OperationalError: ")
    assert "\n" not in record.getMessage()
