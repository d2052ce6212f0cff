"""Many writers in several processes, killed, stopped and held up, while others read along.

No reader misses an event, sees one out of order or twice, or sees one of a stale epoch.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from typing import Any

import pytest

from forked import PIPE, Forked
from indelible.clock import SystemClock
from indelible.events.lease.role_holder import RoleHolder
from indelible.events.model.event_types import EventTypes
from indelible.events.subscribe.consumers import Consumer
from indelible.events.subscribe.log_followers import LogFollowers
from indelible.events.subscribe.subscription import Following, Subscription
from members import SHARDS, Members

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

FAULTS = 30 if os.environ.get("INDELIBLE_FAULTS") == "1" else 4  # half of each kind
PROCESSES, THREADS = 4, 4
LEASE = 1.0
PATIENCE = 45.0


class Writer:
    """A process that writes, and what it has said to be durable."""

    def __init__(self, url: str, number: int) -> None:
        words = [url, f"w{number}", str(LEASE), str(THREADS)]
        self.process = Forked("crash.many_writers_child", words, stdin=PIPE)
        self.acknowledged: list[str] = []
        self.open = threading.Event()
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, _, event_id = line.strip().partition(" ")
            if word == "A" and len(event_id) == 32:  # the last line of a killed process may be cut
                self.acknowledged.append(event_id)
            elif word == "open":
                self.open.set()
        self.open.set()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self._hearing.join(PATIENCE)


class Reader:
    """Notes what comes, in its order, by shard; a consumer also commits."""

    def __init__(self, following: Following) -> None:
        self.following = following
        self.seen: dict[int, list[tuple[int, int, str]]] = {}
        self.changed = threading.Condition()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for batch in self.following:
                with self.changed:
                    for item in batch:
                        event = item.recorded
                        place = (event.position, event.epoch, event.event_id.hex())
                        self.seen.setdefault(event.shard, []).append(place)
                    self.changed.notify_all()
                if isinstance(self.following, Consumer):
                    self.following.commit(batch.cursor)
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self.error = error
            with self.changed:
                self.changed.notify_all()

    def wait_for(self, positions: dict[int, int]) -> None:
        """Wait until it has come so far."""
        ends = {shard: position for shard, position in positions.items() if position}
        with self.changed:
            self.changed.wait_for(lambda: self.error is not None or self._ends() == ends, PATIENCE)
        if self.error is not None:
            raise self.error
        assert self._ends() == ends
        self.following.close()
        self._thread.join(PATIENCE)

    def _ends(self) -> dict[int, int]:
        return {shard: places[-1][0] for shard, places in self.seen.items()}


@pytest.mark.timeout(120 + 10 * FAULTS)
def test_whatever_becomes_of_the_writers_readers_see_every_event_once_and_in_order(
    postgres_url: str,
) -> None:
    chance = random.Random(1)  # noqa: S311 - the order of faults
    pause = threading.Event()  # never set
    with Members(postgres_url) as members:
        members.open().store.close()  # the schema is there, and no shard is owned
        store = members.make(mode="client")
        store.open()
        roles = RoleHolder(store, "the test", SystemClock())
        followers = LogFollowers(store)
        readers = [
            Reader(Subscription(followers, EventTypes(), max_batch=37)),
            Reader(Consumer(followers, EventTypes(), roles, "billing")),
        ]
        writers = [Writer(members.url, number) for number in range(PROCESSES)]
        gone: list[Writer] = []
        for writer in writers:
            assert writer.open.wait(PATIENCE)
        for fault in range(FAULTS):
            pause.wait(chance.uniform(0.2, 1.0))
            index = chance.randrange(PROCESSES)
            if fault % 2:
                writers[index].signal(signal.SIGSTOP)
                pause.wait(2.5 * LEASE)  # others have its shards by then, as a rule
                writers[index].signal(signal.SIGCONT)
            else:
                writers[index].signal(signal.SIGKILL)
                gone.append(writers[index])
                writers[index] = Writer(members.url, PROCESSES + len(gone))
                assert writers[index].open.wait(PATIENCE)
        for writer in gone + writers:
            writer.end()
        positions = store.positions()
        for reader in readers:
            reader.wait_for(positions)
        roles.close()
        there = read_all(store, positions)
        assert store.verify() == sum(positions.values())
    acknowledged = {one for writer in gone + writers for one in writer.acknowledged}
    assert len(there) > 100
    for reader in readers:
        for places in reader.seen.values():
            assert [position for position, *_ in places] == list(range(1, len(places) + 1))
            epochs = [epoch for _, epoch, _ in places]
            assert epochs == sorted(epochs)  # nothing was accepted from a stale owner
        ids = [event_id for places in reader.seen.values() for *_, event_id in places]
        assert len(ids) == len(set(ids)) == len(there)
        assert set(ids) == there
    assert acknowledged <= there


def read_all(store: Any, positions: dict[int, int]) -> set[str]:
    """Ids of all events, straight from the rows."""
    assert len(positions) == SHARDS
    found: set[str] = set()
    for shard, end in positions.items():
        after = 0
        while after < end:
            page = store.read_shard(shard, after, 1_000)
            found |= {event.event_id.hex() for event in page}
            after = page[-1].position
    return found
