"""A forked child is told that what it inherited is its parent's, and leaves all of it alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from postgres_server import connect
from silent_proxy import SilentProxy

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

TESTS = Path(__file__).parents[1]


def said_by(program: str, *arguments: str) -> dict[str, Any]:
    """What a program of this folder prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", f"crash.{program}", *arguments],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def address(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """The address of a fresh store."""
    if kind == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return "memory://" if kind == "memory" else f"sqlite:///{folder}/store.db"


@pytest.mark.parametrize(
    ("kind", "modes"),
    [("memory", ()), ("sqlite", ("client", "read")), ("postgres", ("client",))],
)
def test_every_call_in_a_forked_child_fails_at_once_whatever_lock_was_held(
    kind: str, modes: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    said = said_by("fork_child", address(kind, tmp_path, request), *modes)
    assert said.pop("parent") == "success"
    assert int(said.pop("locks")) > 50
    assert len(said) > 70 * (1 + len(modes))
    assert {call: came for call, came in said.items() if came != "ForkedError"} == {}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_child_forked_by_a_step_ends_with_it_and_its_parent_goes_on(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    said = said_by("fork_exits_child", "steps", address(kind, tmp_path, request))
    assert said == {
        # of each run: its outcome, the exit status of the child, and the events of its stream
        "plain-returns": ["success", 0, 3],
        "plain-raises": ["success", 1, 3],
        "plain-exits": ["success", 3, 3],
        "async-returns": ["success", 0, 3],
        "async-raises": ["success", 1, 3],
        "async-exits": ["success", 3, 3],
        "awaits-waits": ["success", 1, 3],
        "multiprocessing-asks": ["success", 4, 3],
        "handler": 1,
        "main": 5,
        "verified": True,
    }


def outliving_child(url: str, parent: str) -> subprocess.Popen[str]:
    """A child that lives on, until its input ends, when its ``parent`` "closes" or "dies"."""
    child = subprocess.Popen(
        [sys.executable, "-m", "crash.fork_exits_child", "outlives", url, parent],
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.wait()
    return child


def end(child: subprocess.Popen[str]) -> None:
    """Let the child end, and wait for that."""
    child.communicate()


DIES = """
import os, signal, sys
from indelible.events.opening import open_store
from indelible.testing.contract.builders import some_event
open_store(sys.argv[1]).append("run-late", [some_event()] * 5, expected=0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_that_outlives_its_parent_takes_nothing_of_the_next_owner_s(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    child = outliving_child(url, "closes")
    subprocess.run([sys.executable, "-c", DIES, url], check=False)
    before = (tmp_path / "store.db-wal").stat().st_size
    end(child)
    assert (tmp_path / "store.db-wal").stat().st_size == before > 0


OPENS = """
import json, multiprocessing, sys
from indelible import ActorSystem, step
from indelible.errors import ForkedError

ONE = {"name": "w", "steps": [{"name": "s", "type": "one"}]}

def came_to(url, mode):
    system = ActorSystem(url, mode=mode, steps=[step("one")(lambda: 1)])
    try:
        with system:
            if mode == "read":
                return len(system.views.runs())
            return system.workflow_agent("a").execute_workflow(ONE)["status"]
    except ForkedError as error:
        return str(error)

def tell(said, *what):
    said.put({f"{url} {mode}": came_to(url, mode) for url, mode in what})

def in_child(*what):
    said = fork.SimpleQueue()
    child = fork.Process(target=tell, args=(said, *what))
    child.start()
    told = said.get()
    child.join()
    return told

url, other = sys.argv[1:]
fork = multiprocessing.get_context("fork")
every = [(url, mode) for mode in ("own", "client", "read")] + [(other, "own"), ("memory://", "own")]
with ActorSystem(url, steps=[step("one")(lambda: 1)]):
    before = in_child(*every)
after = in_child((url, "own"), (url, "read"), (other, "own"))
print(json.dumps([before, after]))
"""


def test_a_child_opens_no_sqlite_store_if_one_was_open_when_it_was_forked(tmp_path: Path) -> None:
    url, other = f"sqlite:///{tmp_path}/store.db", f"sqlite:///{tmp_path}/other.db"
    done = subprocess.run(
        [sys.executable, "-c", OPENS, url, other], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout)
    assert len(before) == 5
    for error in before.values():
        assert f"opened {url}, and this process was forked from it" in error
        assert '"spawn"' in error
    assert after == {f"{url} own": "success", f"{url} read": 1, f"{other} own": "success"}


FREES = """
import gc, os, sys
from pathlib import Path
from indelible.events.sqlite.address import parse_address
from indelible.events.sqlite.engines import reading_engine, use_wal, writing_engine
address = parse_address(sys.argv[1])
writing = writing_engine(address)
connection = writing.connect()
use_wal(connection)
connection.exec_driver_sql("CREATE TABLE t (a)")
reading = reading_engine(address)
reading.connect().close()
child = os.fork()
if child:
    connection.close()
    # another process, which has the database now, and has died
    if not (other := os.fork()):
        os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], sys.argv[1]])
    os.waitpid(other, 0)
    print("died", flush=True)
    os._exit(0)
sys.stdin.readline()
del connection, reading, writing
for _ in range(3):
    gc.collect()
os._exit(0)
"""
WRITES = """
import os, signal, sys
from indelible.events.sqlite.address import parse_address
from indelible.events.sqlite.engines import writing_engine
connection = writing_engine(parse_address(sys.argv[1])).connect()
connection.exec_driver_sql("INSERT INTO t VALUES (1)")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_child_frees_closes_no_connection_of_its_parent(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/plain.db"
    child = subprocess.Popen(
        [sys.executable, "-c", FREES, url, WRITES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "died\n"
    child.wait()
    end(child)
    assert (tmp_path / "plain.db-wal").exists()  # in it is what the other one has committed


def wait_for_the_last_connection_to_end(url: str) -> None:
    """Return when nobody is connected to a database."""
    count = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    with connect(url) as server:
        while server.execute(count).fetchall() != [(0,)]:
            server.execute("SELECT pg_sleep(0.01)")


def test_a_child_keeps_no_connection_to_the_server_alive(postgres_url: str) -> None:
    child = outliving_child(postgres_url, "dies")
    wait_for_the_last_connection_to_end(postgres_url)
    end(child)


CONNECTS = """
import os, signal, sys, threading
import sqlalchemy as sa
from indelible.actors.step_types.databases import Database
from indelible.clock import SystemClock
from indelible.events.connections import unfinished_connections as connecting
from indelible.events.postgres.connect import engines
whose, url = sys.argv[1:]
connecting.FORK_WAITS = engines.CONNECT_SECONDS = 600
if whose == "store":
    engine = engines.Engines(sa.make_url(url), 1800, SystemClock(), "watchdog").writing()
else:
    engine = Database(url).engine
os.register_at_fork(before=lambda: print("forks", flush=True))
connections = []
thread = threading.Thread(target=lambda: connections.append(engine.connect()))
thread.start()
sys.stdin.readline()
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
thread.join()
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("whose", ["store", "step"])
def test_a_fork_leaves_no_connection_to_its_child_that_is_just_being_made(
    whose: str, postgres_url: str
) -> None:
    with SilentProxy(postgres_url) as proxy:
        proxy.silence(newcomers=True)
        child = subprocess.Popen(
            [sys.executable, "-c", CONNECTS, whose, proxy.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        proxy.wait_for_newcomer()
        child.stdin.write("fork\n")
        child.stdin.flush()
        assert child.stdout.readline() == "forks\n"
        proxy.speak()
        assert child.stdout.readline() == "ready\n"
        child.wait()
        wait_for_the_last_connection_to_end(postgres_url)
        end(child)
