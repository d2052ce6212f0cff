"""Kill -9 and stop processes that write to PostgreSQL: what was acknowledged is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from indelible.events.model.event import RecordedEvent
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.testing.contract.builders import some_event
from killing import Child, end_leases
from members import LONG, SHARDS, Members, stream_in
from postgres_server import connect

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

SCALE = 10 if os.environ.get("INDELIBLE_FAULTS") == "1" else 1
KILLS_AT_EACH_FAILPOINT = 2 * SCALE
RANDOM_KILLS = 6 * SCALE
STOPS = 2 * SCALE
STOPPED_LEASE = 2.0  # seconds; what one stop costs


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    child = Child()
    yield child
    child.close()


def check(url: str, acknowledged: list[list[str]]) -> None:
    """Look at everything, as any process may."""
    store = open_store(url, mode="read")
    try:
        events = read_all(store)
        assert store.verify() == len(events)
        there = {(e.stream, e.version, e.event_id.hex()) for e in events}
        for stream, version, _position, event_id in acknowledged:
            assert (stream, int(version), event_id) in there
        versions: dict[str, int] = {}
        for event in sorted(events, key=lambda event: event.version):
            assert event.version == versions.get(event.stream, 0) + 1
            versions[event.stream] = event.version
        assert {head.stream: head.version for head in store.heads("run")} == versions
    finally:
        store.close()


def read_all(store: EventStore) -> list[RecordedEvent]:
    """All events, shard by shard; positions have no gap and epochs never fall."""
    found: list[RecordedEvent] = []
    for shard in store.positions():
        events: list[Any] = []
        while page := store.read_shard(shard, len(events), 1_000):
            events += page
        assert [event.position for event in events] == list(range(1, len(events) + 1))
        epochs = [event.epoch for event in events]
        assert epochs == sorted(epochs)
        found += events
    return found


@pytest.mark.parametrize(
    "failpoint", ["append.queued", "commit.begun", "commit.before", "commit.after", "ack.after"]
)
def test_killed_at_a_failpoint_nothing_acknowledged_is_lost(
    child: Child, postgres_url: str, failpoint: str
) -> None:
    draw = random.Random(random.getrandbits(64))  # noqa: S311 - when to kill
    acknowledged: list[list[str]] = []
    for kill in range(KILLS_AT_EACH_FAILPOINT):
        count = draw.randint(1, 40)
        pid = child.order(
            "append", postgres_url, failpoint=failpoint, count=count, seed=kill, lease=LONG
        )
        more, status = child.acknowledged_until_dead(pid, None)
        assert status == signal.SIGKILL
        acknowledged += more
        check(postgres_url, acknowledged)
        end_leases(postgres_url)


def test_killed_at_random_moments_nothing_acknowledged_is_lost(
    child: Child, postgres_url: str
) -> None:
    draw = random.Random(random.getrandbits(64))  # noqa: S311 - when to kill
    open_store(postgres_url, shards=4).close()
    acknowledged: list[list[str]] = []
    for kill in range(RANDOM_KILLS):
        pid = child.order("append", postgres_url, seed=kill, lease=LONG)
        more, status = child.acknowledged_until_dead(pid, draw.choice([0, 1, 5, 25, 60, 120]))
        assert status == signal.SIGKILL
        acknowledged += more
        check(postgres_url, acknowledged)
        end_leases(postgres_url)


@pytest.mark.parametrize("failpoint", ["migrate.before", "migrate.inside"])
def test_killed_while_it_makes_the_schema_the_database_is_empty(
    child: Child, postgres_url: str, failpoint: str
) -> None:
    pid = child.order("open", postgres_url, failpoint=failpoint)
    _, status = child.acknowledged_until_dead(pid, None)
    assert status == signal.SIGKILL
    with connect(postgres_url) as connection:
        tables = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchall() == []
    store = open_store(postgres_url)
    assert store.verify() == 0
    store.close()


STOPPED = """
import sys, threading
from indelible.clock import ManualClock, SystemClock
from indelible.errors import StoreError
from indelible.events.opening import open_store
from indelible.testing.contract.builders import some_event
clock = {"runs": SystemClock, "stands still": ManualClock}[sys.argv[3]]()
store = open_store(sys.argv[1], lease=float(sys.argv[2]), clock=clock)
streams = sys.argv[4:]
lost = threading.Event()
store.on_ownership(lambda _gained, gone: gone and lost.set())
print("open", flush=True)
accepted = [store.head(stream).version if store.head(stream) else 0 for stream in streams]
while not lost.is_set():
    for number, stream in enumerate(streams):
        try:
            [recorded] = store.append(stream, [some_event()], expected=accepted[number])
        except StoreError as error:
            continue
        accepted[number] += 1
        print("A", recorded.stream, recorded.version, recorded.event_id.hex(), flush=True)
print("lost", flush=True)
sys.stdin.readline()
store.close()
"""


@pytest.mark.parametrize("clock", ["runs", "stands still"])  # the epoch alone must do
def test_a_process_that_was_stopped_past_its_lease_is_refused_and_stops(
    postgres_url: str, clock: str
) -> None:
    streams = [stream_in(shard) for shard in range(SHARDS)]
    with Members(postgres_url) as members:
        members.open().store.close()
        for _ in range(STOPS):
            stop_past_its_lease(members, clock, streams)


def stop_past_its_lease(members: Members, clock: str, streams: list[str]) -> None:
    words = [sys.executable, "-c", STOPPED, members.url, str(STOPPED_LEASE), clock, *streams]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as stopped:
        try:
            stop_and_take_over(members, stopped, streams)
        finally:
            stopped.kill()


def stop_and_take_over(
    members: Members, stopped: subprocess.Popen[str], streams: list[str]
) -> None:
    assert stopped.stdout is not None
    said: list[str] = []
    while sum(line.startswith("A") for line in said) < 3 * len(streams):
        said.append(stopped.stdout.readline())
    stopped.send_signal(signal.SIGSTOP)
    other = members.open(lease=LONG)
    other.wait_for_shards(*range(SHARDS))
    for stream in streams[::2]:  # in the other shards nothing but the epoch has changed
        head = other.store.head(stream)
        assert head is not None
        other.store.append(stream, [some_event()], expected=head.version)
    before = other.store.positions()
    with connect(members.url) as connection:
        rows: Any = connection.execute("SELECT shard, epoch FROM shards").fetchall()
        epochs = dict(rows)
    stopped.send_signal(signal.SIGCONT)
    while (line := stopped.stdout.readline()) != "lost\n":
        assert line, "the process that was stopped has failed"
        said.append(line)
    events = read_all(other.store)
    for event in events:
        assert event.position <= before[event.shard] or event.epoch >= epochs[event.shard]
    there = {(e.stream, str(e.version), e.event_id.hex()) for e in events}
    for line in said:
        if line.startswith("A"):
            assert tuple(line.split()[1:]) in there
    other.store.close()
    stopped.communicate("end\n")
    assert stopped.returncode == 0
