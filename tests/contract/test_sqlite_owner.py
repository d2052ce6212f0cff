"""One owner of a store on SQLite: named to others, fenced when stale, replaced when dead."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from indelible.clock import ManualClock
from indelible.errors import (
    StaleEpochError,
    StoreCorruptError,
    StoreOwnedError,
    SystemClosedError,
)
from indelible.events.opening import open_store
from indelible.events.sqlite.store import SqlEventStore
from indelible.testing.contract.builders import (
    some_event,
    submit_all,
    url_of,
)


def test_a_second_opening_in_the_same_process_is_refused(
    store: SqlEventStore, database: Path
) -> None:
    with pytest.raises(StoreOwnedError) as caught:
        open_store(url_of(database))
    error = caught.value
    assert (error.owner, error.pid) == ("the service", os.getpid())
    assert "the service" in str(error)
    store.append("run-1", [some_event()], expected=0)


def test_the_lock_is_free_after_closing(store: SqlEventStore, database: Path) -> None:
    store.close()
    other = open_store(url_of(database))
    other.close()


def test_a_failed_opening_gives_the_lock_back(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE flights (n INTEGER)")
    connection.close()
    for _ in range(2):
        with pytest.raises(StoreCorruptError):
            open_store(url_of(database))


def test_a_lock_file_that_says_nothing_still_locks(store: SqlEventStore, database: Path) -> None:
    Path(f"{database}-owner").write_text("{")
    with pytest.raises(StoreOwnedError, match="a process"):
        open_store(url_of(database))


OWNER = """
import os, sys
from indelible.events.opening import open_store
from indelible.testing.contract.builders import some_event
store = open_store(sys.argv[1], owner="another service")
store.append("run-1", [some_event()], expected=0)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def test_another_process_is_named_and_is_taken_over_from_when_it_dies(database: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, url_of(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        with pytest.raises(StoreOwnedError) as caught:
            open_store(url_of(database))
        assert (caught.value.owner, caught.value.pid) == ("another service", pid)
        assert caught.value.host
        reader = open_store(url_of(database), mode="read")
        assert len(list(reader.read("run-1"))) == 1
        reader.close()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        store = open_store(url_of(database))
        [recorded] = store.append("run-1", [some_event()], expected=1)
        assert recorded.epoch == 2
        store.close()


def test_a_stale_owner_is_fenced(store: SqlEventStore, database: Path) -> None:
    store.append("run-1", [some_event()], expected=0)
    with sqlite3.connect(database) as other:
        other.execute("UPDATE shards SET epoch = epoch + 1")
    other.close()
    outcomes = submit_all(store, [("run-1", 1, 1), ("run-2", 0, 1)])
    assert [type(error) for error in outcomes.errors()] == [StaleEpochError, StaleEpochError]
    assert store.state == "closed"
    assert [type(e) for e in submit_all(store, [("run-3", 0, 1)]).errors()] == [StaleEpochError]
    assert len(store.read_shard(0, 0, 10)) == 1
    with pytest.raises(SystemClosedError, match="another owner"), store.write_views():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_neither_keeps_the_lock_nor_writes(database: Path) -> None:
    program = """
import os, sys
from indelible.errors import SystemClosedError
from indelible.events.opening import open_store
from indelible.testing.contract.builders import some_event
store = open_store(sys.argv[1])
store.append("run-1", [some_event()], expected=0)
child = os.fork()
if child == 0:
    for attempt in (lambda: store.append("run-1", [some_event()], expected=1), store.positions):
        try:
            attempt()
        except SystemClosedError:
            continue
        os._exit(1)
    os.write(1, b"refused\\n")
    sys.stdin.read()
    os._exit(0)
store.append("run-1", [some_event()], expected=1)
os.write(1, b"parent\\n")
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, url_of(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        said = {parent.stdout.readline().strip(), parent.stdout.readline().strip()}
        assert said == {"refused", "parent"}
        with pytest.raises(StoreOwnedError):
            open_store(url_of(database))
        parent.kill()  # the child lives on
        parent.wait()
        store = open_store(url_of(database))
        assert store.verify() == 2
        store.close()
        parent.stdin.close()


def test_what_the_lock_file_says_is_json(store: SqlEventStore, database: Path) -> None:
    said = json.loads(Path(f"{database}-owner").read_text())
    assert sorted(said) == ["host", "owner", "pid", "since"]


def test_the_owner_stands_in_the_shard(database: Path) -> None:
    clock = ManualClock()
    store = SqlEventStore(url_of(database), clock=clock, owner="me")
    store.open()
    with store.read_views() as connection:
        row = connection.exec_driver_sql("SELECT owner, pid, since FROM shards").one()
    assert tuple(row) == ("me", os.getpid(), clock.now())
    store.close()
    with pytest.raises(SystemClosedError):
        store.positions()
