"""Consumers and subscriptions of several processes on one database."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from indelible import ActorSystem
from indelible.cli.app import app
from indelible.clock import SystemClock
from indelible.errors import StoreReadOnlyError
from indelible.events.lease.role_holder import Role, RoleHolder
from indelible.events.model.event_types import EventTypes
from indelible.events.subscribe.consumers import Consumer
from indelible.events.subscribe.log_followers import LogFollowers
from indelible.events.subscribe.subscription import Subscription
from indelible.testing.contract.builders import some_events
from members import SHARDS, Members, stream_in
from postgres_server import connect

CHILD = Path(__file__).with_name("consumer_child.py")
LEASE = 1.0  # seconds
LONG = 30.0


class Child:
    """A consumer in a process of its own."""

    def __init__(self, url: str, name: str, max_batch: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), url, name, str(LEASE), str(max_batch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.hear() == ["ready"]

    def hear(self) -> list[Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the child has ended"
        heard: list[Any] = json.loads(line)
        return heard

    def batch(self) -> list[tuple[int, int]]:
        word, places = self.hear()
        assert word == "batch"
        return [tuple(place) for place in places]

    def commit(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("commit\n")
        self.process.stdin.flush()
        word: str = self.hear()[0]
        return word

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        with self.process:
            self.process.kill()


@pytest.fixture
def child(members: Members) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(name: str, max_batch: int = 5) -> Child:
        children.append(Child(members.url, name, max_batch))
        return children[-1]

    yield start
    for one in children:
        one.end()


def fill(store: Any, each: int, version: int = 0) -> list[tuple[int, int]]:
    """Append to every shard; the places."""
    for shard in range(SHARDS):
        store.append(stream_in(shard), some_events(each), expected=version)
    return [(shard, version + n) for shard in range(SHARDS) for n in range(1, each + 1)]


def test_a_killed_consumer_is_followed_by_another_which_skips_nothing(
    members: Members, child: Any
) -> None:
    places = fill(members.open().store, 3)
    first = child("first")
    done = first.batch()
    assert first.commit() == "committed"
    cut_off = first.batch()
    second = child("second", max_batch=100)  # waits
    first.kill()
    again = second.batch()
    assert second.commit() == "committed"
    assert set(cut_off) <= set(again)
    assert sorted(done + again) == sorted(places)


def test_a_consumer_that_was_stopped_past_its_lease_stores_nothing(
    members: Members, child: Any
) -> None:
    store = members.open().store
    fill(store, 3)
    first = child("first")
    first.batch()
    assert first.commit() == "committed"
    first.batch()
    first.kill(signal.SIGSTOP)
    second = child("second", max_batch=100)
    second.batch()
    assert second.commit() == "committed"
    after = stored(members.url)
    first.kill(signal.SIGCONT)
    assert first.commit() == "lost"
    assert stored(members.url) == after == dict.fromkeys(range(SHARDS), 3)


def test_a_process_that_is_stopped_inside_its_transaction_does_not_keep_the_role(
    members: Members,
) -> None:
    store = members.open().store
    one = RoleHolder(store, "one", SystemClock(), lease=LEASE)
    role = one.take("consumer:billing", lambda: None, lambda _: None)
    assert isinstance(role, Role)
    other = RoleHolder(store, "other", SystemClock(), lease=LEASE)
    taken: list[Any] = []
    inside, over = threading.Event(), threading.Event()

    def stop_inside() -> None:
        try:
            with role.writing():
                inside.set()
                assert over.wait(LONG)
        except Exception:  # noqa: BLE001 - the server has ended it
            taken.append("ended")

    one._stopped.set()  # it renews no more
    thread = threading.Thread(target=stop_inside)
    thread.start()
    assert inside.wait(LONG)
    while not isinstance(got := other.take("consumer:billing", lambda: None, lambda _: None), Role):
        pass
    over.set()
    thread.join(LONG)
    assert taken == ["ended"]
    assert not got.lost
    other.close()


def stored(url: str) -> dict[int, int]:
    with connect(url) as connection:
        rows = connection.execute("SELECT shard, position FROM consumers").fetchall()
    return {int(str(shard)): int(str(position)) for shard, position in rows}


def test_a_reader_hears_of_commits_of_another_process(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "indelible.events.subscribe.subscription._FIRST_PAUSE", 1_000.0
    )  # no looking
    monkeypatch.setattr("indelible.events.subscribe.subscription._LAST_PAUSE", 1_000.0)
    writer, reader = members.open().store, members.make(mode="read")
    reader.open()
    subscription = Subscription(LogFollowers(reader), EventTypes())
    got: list[int] = []
    seen = threading.Event()

    def read() -> None:
        for batch in subscription:
            got.append(len(batch))
            seen.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    writer.append(stream_in(3), some_events(2), expected=0)
    assert seen.wait(LONG)
    subscription.close()
    thread.join(LONG)
    assert got == [2]


def test_commits_of_another_process_are_seen_without_hints(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = members.open().store, members.make(mode="read")
    reader.open()
    monkeypatch.setattr(reader, "on_remote", lambda _: lambda: None)
    with Subscription(LogFollowers(reader), EventTypes()) as subscription:
        for number in range(3):
            writer.append(stream_in(number), some_events(1), expected=0)
            [item] = next(subscription)
            assert item.recorded.stream == stream_in(number)


def test_what_several_processes_write_at_once_comes_whole_and_in_order(members: Members) -> None:
    first, second = members.open(), members.open()
    mine, theirs = first.wait_for_share(SHARDS // 2), second.wait_for_share(SHARDS // 2)
    writers = []
    for store, shards in ((first.store, mine), (second.store, theirs)):
        for shard in shards:

            def write(store: Any = store, stream: str = stream_in(shard)) -> None:
                for version in range(0, 60, 3):
                    store.append(stream, some_events(3), expected=version)

            writers.append(threading.Thread(target=write))
    roles = RoleHolder(first.store, "one", SystemClock())
    consumer = Consumer(LogFollowers(first.store), EventTypes(), roles, "billing", max_batch=50)
    for writer in writers:
        writer.start()
    seen: dict[int, list[int]] = {}
    for batch in consumer:
        for item in batch:
            seen.setdefault(item.recorded.shard, []).append(item.recorded.position)
        consumer.commit(batch.cursor)
        if sum(map(len, seen.values())) == SHARDS * 60:
            break
    for writer in writers:
        writer.join(LONG)
    consumer.close()
    roles.close()
    assert seen == {shard: list(range(1, 61)) for shard in range(SHARDS)}
    assert stored(members.url) == dict.fromkeys(range(SHARDS), 60)


def test_a_system_that_owns_no_shard_can_be_a_consumer_and_one_that_reads_cannot(
    members: Members,
) -> None:
    fill(members.open().store, 1)
    with ActorSystem(members.url, mode="client") as client, client.consumer("billing") as one:
        batch = next(one)
        one.commit(batch.cursor)
        assert len(batch) == SHARDS
    assert stored(members.url) == dict.fromkeys(range(SHARDS), 1)
    with (
        ActorSystem(members.url, mode="read") as reader,
        pytest.raises(StoreReadOnlyError, match="keep the cursor yourself"),
    ):
        reader.consumer("billing")


def test_the_command_line_is_a_consumer_without_taking_shards(members: Members) -> None:
    store = members.open().store
    places = fill(store, 2)
    tail = ["tail", "--store", members.url, "--consumer", "audit", "--no-follow", "--json"]
    result = CliRunner().invoke(app, tail)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted((line["shard"], line["position"]) for line in lines) == sorted(places)
    assert CliRunner().invoke(app, tail).stdout == ""
    assert store.owned() == frozenset(range(SHARDS))
    assert len(store.owners()) == 1
