"""When connections are lost and servers crash: nothing acknowledged is lost, nothing doubled."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import psycopg
import pytest

from indelible.errors import StoreError, StoreUnavailableError, WrongExpectedVersionError
from indelible.events.commit.shard_plan import make_plan
from indelible.events.model.event import EncodedEvent
from indelible.events.postgres.store import PostgresEventStore
from indelible.events.postgres.write.group_statements import statements_of
from indelible.events.store import Append
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import append_when_available, some_event, submit_all
from indelible.testing.faults import Fault
from members import LONG, Members, stream_in
from postgres_server import PostgresServer, a_server, connect

RESTARTS = 20 if os.environ.get("INDELIBLE_FAULTS") == "1" else 3
TERMINATIONS = 60 if os.environ.get("INDELIBLE_FAULTS") == "1" else 10
WRITERS = 4

TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Writer:
    """Appends one event after the other to a stream, whatever happens to the server."""

    def __init__(self, store: PostgresEventStore, stream: str) -> None:
        self.acknowledged: list[EncodedEvent] = []
        self.errors: list[BaseException] = []
        self._store = store
        self._stream = stream
        self._progress = threading.Condition()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def advance(self, count: int) -> None:
        """Wait for ``count`` more acknowledgements."""
        with self._progress:
            wanted = len(self.acknowledged) + count
            assert self._progress.wait_for(
                lambda: len(self.acknowledged) >= wanted or self.errors, 50
            )

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopped.is_set():
            event = some_event()
            try:
                self._append(event)
            except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
                self.errors.append(error)
                return
            with self._progress:
                self.acknowledged.append(event)
                self._progress.notify_all()

    def _append(self, event: EncodedEvent) -> None:
        """Append ``event`` once; what may have happened is looked at."""
        version = len(self.acknowledged)
        while True:
            try:
                self._store.append(self._stream, [event], expected=version)
            except StoreUnavailableError:
                self._stopped.wait(0.01)  # not at once: there are four of these
                continue
            except WrongExpectedVersionError:
                [last] = self._store.read(self._stream, version)
                if last.event_id != event.event_id:
                    raise
            return


@pytest.fixture
def writers(members: Members) -> Iterator[list[Writer]]:
    store = members.open().store
    writers = [Writer(store, stream_in(shard)) for shard in range(WRITERS)]
    yield writers
    check(store, writers)


def check(store: PostgresEventStore, writers: list[Writer]) -> None:
    for writer in writers:
        writer.stop()
        assert writer.errors == []
    for shard, writer in enumerate(writers):
        stored = [event.event_id for event in store.read(stream_in(shard))]
        assert stored == [event.event_id for event in writer.acknowledged]
    assert store.verify() == sum(len(writer.acknowledged) for writer in writers)


def test_connections_that_are_ended_in_a_loop_cost_nothing(
    members: Members, writers: list[Writer]
) -> None:
    with connect(members.url) as connection:
        for _ in range(TERMINATIONS):
            [[ended]] = connection.execute(TERMINATE).fetchall()
            assert ended, "nobody was connected"
            for writer in writers:
                writer.advance(3)


def test_a_server_that_crashes_under_load_loses_and_doubles_nothing() -> None:
    with a_server() as server:
        if not server.is_throwaway:
            return  # one's own server is not crashed; the loop above is its share
        crash_under_load(server)


def crash_under_load(server: PostgresServer) -> None:
    with Members(server.create_database()) as members:
        store = members.open(lease=LONG).store
        writers = [Writer(store, stream_in(shard)) for shard in range(WRITERS)]
        try:
            for _ in range(RESTARTS):
                server.stop("immediate")
                server.start()
                for writer in writers:
                    writer.advance(20)
        finally:
            for writer in writers:
                writer.stop()
        check(store, writers)
        assert store.state == "open"


def test_a_group_that_a_lost_connection_left_behind_is_never_written(members: Members) -> None:
    store = members.open(shards=1).store
    store.append("run-1", [some_event()], expected=0)
    writer = store._member.writer
    writer._open()
    connection, cursor = writer._connection, writer._cursor
    assert cursor is not None
    [before] = writer.load().values()
    late = Append("run-1", 1, [some_event()], lambda _append, _error: None)
    plan = make_plan([late], before, {h.name: h for h in writer.find_heads(["run-1"])}, 0)
    writer._connection = writer._cursor = None  # lost for us, alive in the server
    writer._unfinished = True
    [after] = writer.load().values()
    assert after.epoch == before.epoch + 1
    statement, values = statements_of([plan], 1)[0]  # the heads come first
    with pytest.raises(psycopg.errors.DivisionByZero):
        cursor.execute(statement, values)
    assert store.positions() == {0: 1}
    assert connection is not None
    connection.close()


def test_a_lost_commit_is_found_by_its_event_ids(members: Members) -> None:
    after = Fault()
    store = members.open(failpoints=Failpoints({"commit.after": after})).store
    after.arm()
    outcomes = submit_all(store, [(stream_in(0), 0, 2), (stream_in(1), 0, 1)])
    assert outcomes.errors() == [None, None]
    append_when_available(store, stream_in(0), expected=2)
    assert store.verify() == 4


def test_text_that_postgres_cannot_hold_leaves_its_group_alone(members: Members) -> None:
    store = members.open(shards=1).store
    good = some_event()
    told: dict[str, BaseException | None] = {}

    def note(append: Append, error: BaseException | None) -> None:
        told[append.stream] = error

    huge = EncodedEvent(good.event_id, good.type, 2**40, good.payload)
    store.submit(Append("run-1", 0, [some_event(event_type="nul \0")], note))
    store.submit(Append("run-2", 0, [good], note, status="nul \0"))
    store.submit(Append("run-\0", 0, [good], note))
    store.submit(Append("run-3", 0, [huge], note))
    store.submit(Append("run-4", 0, [good], note, blobs=[("x" * 32, b"")]))  # type: ignore[list-item]
    store.submit(Append("run-5", 0, [good], note))
    store.lead()
    assert [stream for stream, error in told.items() if error is None] == ["run-5"]
    assert not any(isinstance(error, StoreError) for error in told.values())
    assert list(store.read("run-\0")) == []
    assert store.head("run-\0") is None
