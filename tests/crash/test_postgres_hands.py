"""Many writers in several processes while leases change hands: a reader misses nothing, ever."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

from indelible.events.model.event import RecordedEvent
from indelible.events.store import EventStore
from members import Members
from postgres_server import connect

LIVES = 100 if os.environ.get("INDELIBLE_FAULTS") == "1" else 10
PROCESSES = 4
PATIENCE = 45.0
SHARDS = 16
LEASE = 0.8

# Each life of a store ends in one of two ways: it leaves, or nobody keeps its leases any more while
# its threads go on writing.
WRITERS = """
import random, sys, threading
from indelible.errors import StoreError, StoreUnavailableError
from indelible.events.postgres.store import PostgresEventStore
from indelible.events.commit.shard_plan import shard_of
from indelible.testing.contract.builders import some_event

url, lease, name = sys.argv[1], float(sys.argv[2]), sys.argv[3]
draw = random.Random(name)
over, said = threading.Event(), threading.Lock()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()

def write(store, number, ended):
    version, life = 0, draw.random()
    streams = {}
    while not ended.is_set():
        owned = sorted(store.owned())
        if not owned:
            ended.wait(0.01)
            continue
        stream = f"run-{name}-{number}-{life}-{draw.randrange(40)}"
        if shard_of(stream, store.shards) not in owned:
            continue
        try:
            [event] = store.append(stream, [some_event()], expected=streams.get(stream, 0))
        except StoreError:
            continue
        streams[stream] = event.version
        ended.wait(0.02)
        with said:
            print("A", event.shard, event.position, event.event_id.hex(), flush=True)

while not over.is_set():
    store = PostgresEventStore(url, lease=lease)
    try:
        store.open()
    except StoreUnavailableError:  # a busy machine, and a short lease
        continue
    ended = threading.Event()
    threads = [threading.Thread(target=write, args=(store, n, ended)) for n in range(4)]
    for thread in threads:
        thread.start()
    over.wait(draw.uniform(0.5, 2))
    if draw.random() < 0.5:
        store._member._keeper.stop()
        over.wait(2 * lease)
    ended.set()
    for thread in threads:
        thread.join()
    store.close()
    print("over", flush=True)
"""


class Follower:
    """Reads every shard behind its cursor, again and again."""

    def __init__(self, store: EventStore) -> None:
        self.seen: dict[int, list[RecordedEvent]] = {shard: [] for shard in range(SHARDS)}
        self.wrong: list[tuple[int, int]] = []
        self._store = store
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        for shard, seen in self.seen.items():
            last = seen[-1].position if seen else 0
            for event in self._store.read_shard(shard, last, 1_000):
                if event.position != last + 1:
                    self.wrong.append((shard, event.position))
                last = event.position
                seen.append(event)

    def _work(self) -> None:
        while not self._stopped.wait(0.002):
            self.look()


def hold_and_roll_back(url: str, ended: threading.Event) -> None:
    """Have old transactions about, of which some wrote: a snapshot must not hide what comes."""
    while not ended.is_set():
        with connect(url) as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO blobs VALUES (%s, '')", (os.urandom(32),))
            ended.wait(0.3)
            connection.execute("ROLLBACK")


def test_while_leases_change_hands_nothing_is_missed_or_out_of_order(postgres_url: str) -> None:
    ended, lines, lives = threading.Event(), list[str](), threading.Semaphore(0)
    with Members(postgres_url) as members:
        members.open(shards=SHARDS).store.close()
        reader = members.make(mode="read")
        reader.open()
        words = [sys.executable, "-c", WRITERS, postgres_url, str(LEASE)]
        writers = [
            subprocess.Popen(
                [*words, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for number in range(PROCESSES)
        ]
        threads = [threading.Thread(target=hear, args=(one, lines, lives)) for one in writers]
        threads.append(threading.Thread(target=hold_and_roll_back, args=(postgres_url, ended)))
        for thread in threads:
            thread.start()
        follower = Follower(reader)
        for _ in range(LIVES):
            assert lives.acquire(timeout=PATIENCE)
        ended.set()
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.close()
        for thread in threads:
            thread.join()
        assert [writer.wait() for writer in writers] == [0] * PROCESSES
        follower.stop()
        check(reader, follower, lines)


def hear(writer: subprocess.Popen[str], lines: list[str], lives: threading.Semaphore) -> None:
    assert writer.stdout is not None
    with writer.stdout as said:
        for line in said:
            if line == "over\n":
                lives.release()
            else:
                lines.append(line)


def check(reader: EventStore, follower: Follower, lines: list[str]) -> None:
    assert follower.wrong == []
    assert reader.verify() == sum(map(len, follower.seen.values()))
    seen: dict[Any, str] = {}
    for shard, events in follower.seen.items():
        epochs = [event.epoch for event in events]
        assert epochs == sorted(epochs), "a stale epoch was accepted"
        for event in events:
            seen[shard, event.position] = event.event_id.hex()
    assert len(set(seen.values())) == len(seen)
    acknowledged = [line.split()[1:] for line in lines]
    assert acknowledged
    for shard_number, position, event_id in acknowledged:
        assert seen[int(shard_number), int(position)] == event_id
    epochs_seen = {event.epoch for events in follower.seen.values() for event in events}
    assert len(epochs_seen) > 2, "no lease changed hands"
