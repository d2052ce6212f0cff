"""Damage in the rows of a log on SQLite: it has a place, and everything else goes on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deciders import Account
from indelible import ActorSystem, step
from indelible.errors import StoreCorruptError, UnknownEventTypeError, VerificationError

NO_TEXT = "CAST(x'72F2' AS TEXT)"
TOO_MUCH = "zeroblob(5000000)"


@step("later")
def later() -> str:
    return "done"


@step("later")
async def never() -> None:
    await asyncio.Event().wait()


WAITS = {"name": "waits", "steps": [{"name": "s", "type": "later"}]}


class Shop:
    """A store in a file with unfinished runs and an account, closed, to be damaged."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def fill(self, runs: Sequence[str]) -> None:
        with self.system(steps=[never], drain=0.0) as system:
            for run in runs:
                system.workflow_agent("shop").start(WAITS, run_id=run)
            for _ in range(3):
                system.actor("account", "x").ask(1)

    def system(self, **options: Any) -> ActorSystem:
        given = {"steps": [later], "actors": [Account()], "drain": 5.0, **options}
        return ActorSystem(f"sqlite:///{self.database}", **given)

    def edit(self, statement: str) -> None:
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            assert connection.execute(statement).rowcount > 0


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop.db")


def edit_event(shop: Shop, stream: str, change: str) -> None:
    which = f"SELECT id FROM streams WHERE name = '{stream}'"
    shop.edit(f"UPDATE events SET {change} WHERE stream_id = ({which}) AND version = 1")


OF_NO_KNOWN_TYPE = ("type = 5", "type = x'00'", "type = 'thing.unknown'", "type = ''")
"""No view asks for such an event."""

UNREADABLE = [
    *(f"{column} = {NO_TEXT}" for column in ("type", "payload", "metadata", "event_id", "chain")),
    *(f"{column} = {NO_TEXT}" for column in ("schema", "epoch", "recorded_at")),
    *(f"{column} = {TOO_MUCH}" for column in ("type", "payload", "metadata", "event_id")),
    *OF_NO_KNOWN_TYPE,
    *("schema = 'x'", "schema = 99", "schema = x'00'", "schema = -1", "schema = 0.5"),
    *("payload = 'text'", "payload = 7", "payload = 0.5", "payload = x'c1'", "payload = x''"),
    *("payload = x'80'", "payload = x'93010203'", "payload = x'DF00FFFFFF'"),
]


def test_an_unreadable_event_stops_its_own_run_alone(shop: Shop) -> None:
    victims = {f"v{number}": change for number, change in enumerate(UNREADABLE)}
    shop.fill(["before", *victims, "behind"])
    for run, change in victims.items():
        edit_event(shop, f"run-{run}", change)
    with shop.system() as system:
        for run in ("before", "behind"):
            assert system.run(run).result(timeout=30)["status"] == "success"
        assert system.actor("account", "x").ask(1) is None
        for run, change in victims.items():
            with pytest.raises((StoreCorruptError, UnknownEventTypeError)) as caught:
                system.run(run).result(timeout=30)
            error: Any = caught.value
            assert (error.stream, error.version, error.shard) == (f"run-{run}", 1, 0), change
            assert error.position > 0, change
            assert f"stream 'run-{run}' at version 1" in str(error)
        system.rebuild("workflow_status")
        parked = {one.stream for one in system.parked.list("workflow_status", limit=1_000)}
        unknown = [run for run, change in victims.items() if change in OF_NO_KNOWN_TYPE]
        assert parked == {f"run-{run}" for run in victims} - {f"run-{run}" for run in unknown}
        with pytest.raises(VerificationError):
            system.store.verify()


def test_readers_and_rebuilds_park_an_unreadable_event_and_go_on(shop: Shop) -> None:
    shop.fill(["bad", "huge", "good"])
    edit_event(shop, "run-bad", f"type = {NO_TEXT}")
    edit_event(shop, "run-huge", f"payload = {TOO_MUCH}")
    with shop.system(mode="read") as system:
        events = [delivery for batch in system.events(live=False) for delivery in batch]
        last = system.store.positions()[0]
        assert [delivery.recorded.position for delivery in events] == list(range(1, last + 1))
        bad = next(one for one in events if one.recorded.stream == "run-bad")
        with pytest.raises(StoreCorruptError, match="its type cannot be read"):
            _ = bad.event
        runs = [one for batch in system.events(types=["run.accepted"], live=False) for one in batch]
        assert [one.recorded.stream for one in runs] == ["run-bad", "run-huge", "run-good"]
        accounts = [one for batch in system.events(category="account", live=False) for one in batch]
        assert len(accounts) == 3
    with shop.system() as system:
        system.rebuild("workflow_status")
        parked = system.parked.list("workflow_status")  # and what was released at closing, if any
        assert {one.stream for one in parked} == {"run-bad", "run-huge"}
        of_huge = [one.error for one in parked if one.stream == "run-huge"]
        assert "its payload has more than" in of_huge[0]
        assert system.run("good").result(timeout=30)["status"] == "success"
        assert system.caught_up(timeout=30)
        found = {run.run_id: run.state for run in system.views.runs()}
        assert found["good"] == "completed"


def test_a_stream_whose_row_is_damaged_leaves_the_others_alone(shop: Shop) -> None:
    shop.fill(["lost", "status", "category", "kind", "good"])
    shop.edit(f"UPDATE streams SET name = {NO_TEXT} WHERE name = 'run-lost'")
    shop.edit(f"UPDATE streams SET category = {NO_TEXT} WHERE name = 'run-category'")
    shop.edit("UPDATE streams SET version = 'x' WHERE name = 'run-kind'")
    shop.edit(f"UPDATE streams SET wake_at = {NO_TEXT} WHERE name = 'run-status'")
    shop.edit("UPDATE streams SET status = x'00' WHERE name = 'account-x'")
    with shop.system() as system:
        assert system.run("good").result(timeout=30)["status"] == "success"
        for run in ("status", "category", "kind"):
            with pytest.raises(StoreCorruptError) as caught:
                system.run(run).result(timeout=30)
            assert caught.value.stream == f"run-{run}"
        with pytest.raises(StoreCorruptError) as caught:
            system.actor("account", "x").ask(1)
        assert caught.value.stream == "account-x"
        other = system.actor("account", "y")
        other.ask(2)
        assert other.state() == 2
        assert system.store.state == "open"


def test_a_stream_that_lost_its_name_leaves_the_others_alone(shop: Shop) -> None:
    names = ("''", "'zz'", "'account'", "7", "'-'", "'zz-1'")
    shop.fill([*(f"lost{number}" for number in range(len(names))), "good"])
    for number, name in enumerate(names):
        shop.edit(f"UPDATE streams SET name = {name} WHERE name = 'run-lost{number}'")
    with shop.system() as system:
        assert system.run("good").result(timeout=30)["status"] == "success"
        assert [head.stream for head in system.store.heads("run")] == ["run-good"]
        with pytest.raises(VerificationError):
            system.store.verify()


NOWHERE = {
    "position": ("-1", "-(1 << 62)"),  # the number of its row, so that SQLite takes no others
    "version": ("'x'", NO_TEXT, "x'00'", TOO_MUCH, "0.5", "-1"),
}


@pytest.mark.parametrize("column", NOWHERE)
def test_an_event_that_is_nowhere_is_missed_by_its_stream(shop: Shop, column: str) -> None:
    values = NOWHERE[column]
    shop.fill([*(f"bad{number}" for number in range(len(values))), "good"])
    for number, value in enumerate(values):
        edit_event(shop, f"run-bad{number}", f"{column} = {value}")
    with shop.system() as system:
        assert system.run("good").result(timeout=30)["status"] == "success"
        for number, value in enumerate(values):
            run = system.run(f"bad{number}")
            if column == "version":
                with pytest.raises(StoreCorruptError) as caught:
                    run.result(timeout=30)
                assert caught.value.stream == f"run-bad{number}", value
        system.rebuild("workflow_status")
        assert system.caught_up(timeout=30)
        with pytest.raises(VerificationError):
            system.verify()


EPOCHS = ("'x'", "''", NO_TEXT, "x'00'", TOO_MUCH, "0.5", "-1", "0", "9223372036854775807")


def test_an_epoch_that_cannot_be_raised_is_named(shop: Shop) -> None:
    shop.fill(["a"])
    for epoch in EPOCHS:
        shop.edit(f"UPDATE shards SET epoch = {epoch}")
        with pytest.raises(StoreCorruptError, match=r"epoch|too big"):
            shop.system().open()
        with shop.system(mode="read") as reader, pytest.raises(VerificationError, match="shard"):
            reader.verify()
    shop.edit("UPDATE shards SET epoch = 1")
    with shop.system() as system:
        assert system.run("a").result(timeout=30)["status"] == "success"


def test_a_huge_blob_is_not_loaded(shop: Shop) -> None:
    with shop.system() as system:
        digest = bytes(32)
        with system.store.write_views() as connection:
            row = (digest, 70_000_000)
            insert = "INSERT INTO blobs (digest, content) VALUES (?, zeroblob(?))"
            connection.exec_driver_sql(insert, row)
        with pytest.raises(StoreCorruptError, match=r"blob 0000.*cannot be read: .*too big"):
            system.store.blob(digest)
