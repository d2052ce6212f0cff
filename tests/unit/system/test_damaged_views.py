"""Damage in the rows of views and of shards, and in events that are read but not understood."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from indelible import ActorSystem, Decider, step
from indelible.cli.app import app
from indelible.errors import (
    EventDecodeError,
    EventNotFoldedError,
    StoreCorruptError,
    ViewDamagedError,
)
from indelible.events.model.event import Event
from indelible.events.model.event_types import EVENT_LIMIT
from postgres_server import connect

NO_TEXT = "CAST(x'72F2' AS TEXT)"
WORK = {"name": "w", "steps": [{"name": "s", "type": "now"}]}


class Named(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "pet.named"
    name: str


class Pet(Decider[str]):
    category = "pet"
    event_types = (Named,)
    known: ClassVar[dict[str, str]] = {"rex": "Rex", "tom": "Tom"}

    def initial_state(self) -> str:
        return ""

    def decide(self, state: str, message: Any) -> Sequence[Event]:
        return [Named(message)]

    def evolve(self, state: str, event: Any) -> str:
        return self.known[event.name]


@step("now")
def now() -> str:
    return "done"


def system_on(url: str, **options: Any) -> ActorSystem:
    return ActorSystem(url, steps=[now], actors=[Pet()], drain=5.0, **options)


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/store.db"
    fill(url)
    return url


def fill(url: str) -> None:
    with system_on(url) as system:
        agent = system.workflow_agent("a")
        for run in ("good", "bad", "worse"):
            agent.start(WORK, run_id=run).result(timeout=30)
        for pet in ("x", "y"):
            for name in ("rex", "tom"):
                system.actor("pet", pet).ask(name)
        assert system.caught_up(timeout=30)


def edit(url: str, statement: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        assert connection.execute(statement).rowcount > 0


@pytest.mark.parametrize("value", [NO_TEXT, "x'00'"])
def test_a_damaged_row_of_a_view_says_how_to_make_the_view_anew(url: str, value: str) -> None:
    edit(url, f"UPDATE workflow_status SET workflow = {value} WHERE run_id = 'bad'")
    edit(url, "UPDATE workflow_status SET attempts = 'x', state = 'y' WHERE run_id = 'worse'")
    edit(url, f"UPDATE metrics SET runs_succeeded = {value}")
    with system_on(url) as system:
        views = system.views
        asked: Any = (views.runs, lambda: views.run("bad"), lambda: views.run("worse"))
        for ask in asked:
            with pytest.raises(ViewDamagedError, match="`indelible rebuild workflow_status`"):
                ask()
        with pytest.raises(StoreCorruptError, match="`indelible rebuild metrics`"):
            views.metrics()
        good = views.run("good")
        assert good is not None
        assert good.state == "completed"
        for view in ("workflow_status", "metrics"):
            system.rebuild(view)
        assert [run.state for run in views.runs()] == ["completed"] * 3
        assert [one.succeeded for one in views.metrics()] == [3]


def test_a_damaged_row_of_parked_events_is_told_as_that(url: str) -> None:
    insert = "INSERT INTO parked_events SELECT 'metrics', 0, 1, 'run-bad', 1, 'x', {}, 1, 'parked'"
    edit(url, insert.format(NO_TEXT))
    with system_on(url) as system:
        with pytest.raises(ViewDamagedError):
            system.parked.list()
        assert system.run("good").result(timeout=30)["status"] == "success"


@pytest.mark.parametrize("value", ["1", "'x'", "x'00'"])
def test_a_counter_of_streams_that_was_set_back_is_named(url: str, value: str) -> None:
    edit(url, f"UPDATE shards SET streams = {value}")
    with pytest.raises(StoreCorruptError, match=r"shards\.streams of shard 0 is .* below .* 5"):
        system_on(url).open()
    with system_on(url, mode="read") as system:
        assert system.run("good").status()["state"] == "completed"


def test_a_counter_of_streams_that_was_set_back_is_named_on_postgresql(postgres_url: str) -> None:
    fill(postgres_url)
    with system_on(postgres_url, mode="read") as system:
        shard = system.store.shard_of("run-good")
    with connect(postgres_url) as connection:
        connection.execute(f"UPDATE shards SET streams = 0 WHERE shard = {shard}".encode())
    with system_on(postgres_url) as system:
        aside = system.store.set_aside()
    assert list(aside) == [shard]
    assert f"shards.streams of shard {shard} is 0, below" in str(aside[shard])


LOST = [
    "DELETE FROM projection_cursors WHERE projection = 'metrics'",
    *(
        f"UPDATE projection_cursors SET {column} = {value} WHERE projection = 'metrics'"
        for column, value in (
            *(("position", value) for value in ("'x'", NO_TEXT, "x'00'", "-1", "0.5", "1 << 62")),
            *(("shard", value) for value in ("'x'", NO_TEXT, "-1", "1 << 62")),
            *(("version", value) for value in ("'x'", NO_TEXT, "-1")),
            *(("projection", value) for value in ("'x'", NO_TEXT, "x'00'", "''")),
        )
    ),
]


def test_a_view_that_has_lost_its_place_is_made_anew(url: str) -> None:
    with system_on(url) as system:
        wanted = [system.views.metrics(), system.views.runs()]
    for damage in LOST:
        edit(url, damage)
        with system_on(url) as system:
            assert system.caught_up(timeout=30)
            assert [system.views.metrics(), system.views.runs()] == wanted, damage
            assert not system.parked.list(), damage


@pytest.mark.parametrize(
    "change", ["bucket = 9223372036854775807", "bucket = 'x'", "bucket = -1", "runs = 0.5"]
)
def test_counts_that_are_none_are_damage_of_their_view(url: str, change: str) -> None:
    one = "rowid = (SELECT min(rowid) FROM metrics_response_times)"
    edit(url, f"UPDATE metrics_response_times SET {change} WHERE {one}")
    with system_on(url) as system:
        with pytest.raises(ViewDamagedError, match="rebuild metrics"):
            system.views.metrics()
        system.rebuild("metrics")
        assert [one.succeeded for one in system.views.metrics()] == [3]


@pytest.mark.parametrize("value", ["'x'", "x'00'", "CAST(x'00' AS TEXT)"])
def test_health_bears_damaged_rows(url: str, value: str) -> None:
    edit(url, "INSERT INTO processes VALUES ('p', 'n', 'h', 1, 1, 1, x'80', 1)")
    for column in ("report", "reported_at", "lease_until", "pid", "name", "host"):
        edit(url, f"UPDATE processes SET {column} = {value}")
    edit(url, f"UPDATE streams SET wake_at = {value} WHERE name = 'run-bad'")
    health = CliRunner().invoke(app, ["health", "--store", url])
    assert "process" in health.stdout
    assert health.exception is None or isinstance(health.exception, SystemExit)


def test_an_event_that_evolve_fails_on_is_named(url: str) -> None:
    which = "stream_id = (SELECT id FROM streams WHERE name = 'pet-x') AND version = 2"
    edit(url, f"UPDATE events SET payload = replace(payload, 'tom', 'tim') WHERE {which}")
    edit(url, f"UPDATE events SET payload = CAST(payload AS BLOB) WHERE {which}")
    with system_on(url) as system:
        pet = system.actor("pet", "x")
        asked: Any = (pet.state, lambda: pet.ask("rex"))
        for ask in asked:
            with pytest.raises(EventNotFoldedError) as caught:
                ask()
            assert (caught.value.stream, caught.value.version) == ("pet-x", 2)
            assert "KeyError('tim')" in str(caught.value)
        assert system.actor("pet", "y").state() == "Tom"


def test_readers_bear_columns_of_other_types(url: str) -> None:
    place = "stream_id = (SELECT id FROM streams WHERE name = 'run-bad')"
    edit(url, f"UPDATE events SET payload = 7, recorded_at = 'x' WHERE {place} AND version = 2")
    edit(url, f"UPDATE events SET metadata = 7, chain = 'x' WHERE {place} AND version = 1")
    with system_on(url, mode="read") as system:
        events = [delivery for batch in system.events(live=False) for delivery in batch]
        assert len(events) == system.store.positions()[0]
        bad = [one for one in events if one.recorded.stream == "run-bad"]
        with pytest.raises(EventDecodeError):
            _ = bad[1].event
        with pytest.raises(StoreCorruptError) as caught:
            system.run("bad").status(as_of=datetime(2100, 1, 1, tzinfo=UTC))
        assert caught.value.stream == "run-bad"
    for arguments in (["events", "bad"], ["events", "bad", "--json"], ["replay", "bad"]):
        result = CliRunner().invoke(app, [*arguments, "--store", url])
        assert result.exit_code
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "run-bad" in result.output


def test_what_is_too_large_on_postgresql_is_not_loaded(postgres_url: str) -> None:
    fill(postgres_url)
    size = EVENT_LIMIT + 1
    with connect(postgres_url) as connection:
        for run, column, value in (
            ("bad", "payload", f"decode(repeat('00', {size}), 'hex')"),
            ("worse", "type", "'run.unknown'"),
        ):
            connection.execute(
                f"UPDATE events SET {column} = {value} FROM streams WHERE stream_id = id"
                f" AND name = 'run-{run}' AND events.version = 1".encode()
            )
        blob = "decode(repeat('00', 67108865), 'hex')"
        connection.execute(f"INSERT INTO blobs VALUES (decode('00', 'hex'), {blob})".encode())
    with system_on(postgres_url) as system:
        with pytest.raises(EventDecodeError, match="larger than 4,194,304") as caught:
            system.run("bad").status()
        assert (caught.value.stream, caught.value.version) == ("run-bad", 1)
        [event] = [e for batch in system.events(streams=["run-bad"], live=False) for e in batch][:1]
        assert event.recorded.payload == b""
        with pytest.raises(StoreCorruptError, match="blob 00 has more than 67,108,864 bytes"):
            system.store.blob(b"\0")
        system.rebuild("workflow_status")
        assert "run-bad" in {one.stream for one in system.parked.list("workflow_status")}
        good = system.views.run("good")
        assert good is not None
        assert good.state == "completed"
