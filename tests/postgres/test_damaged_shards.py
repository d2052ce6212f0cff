"""A shard whose end is damaged is set aside, with its streams; all other shards are written."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import pytest

from at_rest import edit
from deciders import Account
from indelible import ActorSystem, step
from indelible.errors import (
    StaleEpochError,
    StoreCorruptError,
    StoreUnavailableError,
    VerificationError,
)
from indelible.events.commit.shard_plan import shard_of
from indelible.events.postgres.store import PostgresEventStore
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import append_when_available, some_event, some_events
from indelible.testing.faults import Fault

SHARDS = 3
HERE = next(f"h{n}" for n in range(99) if shard_of(f"run-h{n}", SHARDS) == 1)
THERE = next(f"t{n}" for n in range(99) if shard_of(f"run-t{n}", SHARDS) == 2)
ENDED = next(f"e{n}" for n in range(99) if shard_of(f"run-e{n}", SHARDS) == 1)
ACCOUNT = next(f"a{n}" for n in range(99) if shard_of(f"account-a{n}", SHARDS) == 1)
OF_SHARD = "WHERE shard = 1"
LAST = f"{OF_SHARD} AND position = (SELECT max(position) FROM events {OF_SHARD})"


@step("gate")
async def shut() -> None:
    await asyncio.Event().wait()


@step("gate")
async def ajar() -> None:
    return None


WAITS = {"name": "waits", "steps": [{"name": "s", "type": "gate"}]}


def system(url: str, gate: Any = ajar, **more: Any) -> ActorSystem:
    return ActorSystem(url, steps=[gate], actors=[Account()], drain=0.1, **more)


@pytest.fixture
def url(postgres_url: str) -> str:
    """A store whose shard 1 has an ended run, an unfinished one, and an account."""
    with system(postgres_url) as opened:
        opened.workflow_agent("agent").start(WAITS, run_id=ENDED).result(timeout=30)
    with system(postgres_url, shut) as opened:
        for run in (HERE, THERE):
            opened.workflow_agent("agent").start(WAITS, run_id=run)
        for amount in (1, 2, 3):
            opened.actor("account", ACCOUNT).ask(amount)
    return postgres_url


@pytest.fixture(autouse=True)
def few_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indelible.events.postgres.store.SHARDS", SHARDS)


DAMAGE = {
    f"DELETE FROM events {LAST}": "the events behind that are lost",
    f"UPDATE shards SET head = head - 1 {OF_SHARD}": "the row is older than the log",
    f"UPDATE shards SET chain = '' {OF_SHARD}": "hold different hashes",
    f"UPDATE events SET chain = chain || '\\x00' {LAST}": "hold different hashes",
    f"UPDATE shards SET streams = 1 {OF_SHARD}": "shards.streams of shard 1 is 1, below the",
    f"UPDATE shards SET epoch = 0 {OF_SHARD}": "its row in shards says 0",
    f"UPDATE events SET recorded_at = -1 {LAST}": "recorded_at in its last event is -1",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_other_shards_are_written_and_the_damaged_one_is_named(url: str, damage: str) -> None:
    for table in ("events", "shards"):
        edit(url, f"CREATE TABLE kept_{table} AS SELECT * FROM {table}", touch=False)
    edit(url, damage)
    with system(url) as opened:
        assert opened.run(THERE).result(timeout=30)["status"] == "success"
        assert opened.run(ENDED).result(timeout=30)["status"] == "success"
        assert opened.store.owned() == {0, 2}
        for ask in (
            lambda: opened.run(HERE).result(timeout=30),
            lambda: opened.workflow_agent("agent").start(WAITS, run_id=HERE),
            lambda: opened.actor("account", ACCOUNT).ask(4, timeout=30),
        ):
            with pytest.raises(StoreCorruptError, match=r"of shard 1 of .* is damaged") as caught:
                ask()
            assert DAMAGE[damage] in str(caught.value)
        health = opened.health()
        assert (health["ready"], health["shards"]["held"]) == (True, 2)
        assert any("shard 1 is set aside" in why for why in health["why"])
        with pytest.raises(VerificationError, match="shard 1"):
            opened.verify()
    for table in ("events", "shards"):
        edit(url, f"DELETE FROM {table} {OF_SHARD}")
        edit(url, f"INSERT INTO {table} SELECT * FROM kept_{table} {OF_SHARD}")
    with system(url) as opened:
        assert opened.run(HERE).result(timeout=30)["status"] == "success"
        opened.actor("account", ACCOUNT).ask(4, timeout=30)
        assert opened.actor("account", ACCOUNT).state() == 10
        assert opened.verify().events == sum(opened.store.positions().values())


def test_a_shard_whose_end_is_damaged_while_it_is_written_is_set_aside(postgres_url: str) -> None:
    fault = Fault()
    points = Failpoints({"commit.before": fault})
    with closing(PostgresEventStore(postgres_url, shards=SHARDS, failpoints=points)) as store:
        store.open()
        for stream in (f"run-{HERE}", f"run-{THERE}"):
            store.append(stream, some_events(3), expected=0)
        edit(postgres_url, f"DELETE FROM events {LAST}")
        fault.arm()  # after a commit of unknown outcome a writer looks where its shards end
        with pytest.raises(StoreUnavailableError):
            store.append(f"run-{THERE}", [some_event()], expected=3)
        append_when_available(store, f"run-{THERE}", expected=3)
        with pytest.raises(StoreCorruptError, match="the events behind that are lost"):
            append_when_owned(store, f"run-{HERE}", 3)
        assert store.owned() == {0, 2}


def append_when_owned(store: PostgresEventStore, stream: str, expected: int) -> None:
    """Append an event, as often as the shard is said to be another's."""
    while True:
        try:
            store.append(stream, [some_event()], expected=expected)
        except StaleEpochError:
            continue
        return
