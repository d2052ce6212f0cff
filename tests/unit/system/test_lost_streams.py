"""Where rows of streams are lost no stream begins, as it may be one of them; the others go on."""

from __future__ import annotations

import logging
from contextlib import closing

import pytest

from at_rest import drop_entry, edit
from deciders import Account
from gate import Gate
from indelible import ActorSystem
from indelible.errors import StoreCorruptError
from indelible.events.commit.shard_plan import shard_of
from indelible.events.opening import open_store
from indelible.testing.contract.builders import some_events

WORK = {"name": "w", "steps": [{"name": "one", "type": "note"}, {"name": "two", "type": "gate"}]}


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def url(url: str, gate: Gate) -> str:
    """A store with one shard, two accounts, and a run of which one step has completed."""
    with opened(url, gate) as system:
        for name in ("a", "b"):
            system.actor("account", name).ask(5)
        system.workflow_agent("agent").start(WORK, run_id="cut")
        assert gate.waiting.acquire(timeout=30)
    gate.is_open = True
    gate.ran.clear()
    return url


def opened(url: str, gate: Gate) -> ActorSystem:
    return ActorSystem(url, actors=[Account()], steps=gate.steps(), drain=0.1)


def check_closed(url: str, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    """See that the lost account takes nothing, as little as a new one, and that others do."""
    told = "shard 0 takes no new streams: 1 of its 3 are not found in the table streams"
    with caplog.at_level(logging.ERROR), opened(url, gate) as system:
        for name in ("a", "z"):
            with pytest.raises(StoreCorruptError, match=f"'account-{name}'.* {told}") as caught:
                system.actor("account", name).ask(1)
            assert (caught.value.stream, caught.value.shard) == (f"account-{name}", 0)
            assert caught.value.url == system.store.url
            assert f"'account-{name}' of {system.store.url} is damaged" in str(caught.value)
        system.actor("account", "b").ask(1)
        assert system.actor("account", "b").state() == 6
        assert system.run("cut").result(timeout=30)["status"] == "success"
        health = system.health()
        assert health["ready"]
        assert health["why"] == (f"{told}; run verify, and restore a backup",)
    logged = [record.getMessage() for record in caplog.records if "takes" in record.getMessage()]
    assert logged[0] == health["why"][0]
    assert len(logged) == 3, "the two that were refused are set aside, each with a word"


def test_a_stream_whose_row_is_lost_does_not_begin_again(
    url: str, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    kept = "CREATE TABLE kept AS SELECT * FROM streams WHERE name = 'account-a'"
    edit(url, kept, touch=False)
    edit(url, "DELETE FROM streams WHERE name = 'account-a'")
    check_closed(url, gate, caplog)
    edit(url, "INSERT INTO streams SELECT * FROM kept")
    with opened(url, gate) as system:
        assert system.health()["why"] == ()
        for name in ("a", "z"):
            system.actor("account", name).ask(1)
        assert system.actor("account", "a").state() == 6


def test_a_run_whose_row_is_lost_runs_no_step_again(url: str, gate: Gate) -> None:
    edit(url, "DELETE FROM streams WHERE name = 'run-cut'")
    with opened(url, gate) as system:
        with pytest.raises(StoreCorruptError, match="takes no new streams"):
            system.workflow_agent("agent").start(WORK, run_id="cut")
        system.actor("account", "b").ask(1)
    assert gate.ran == []


@pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("damage", ["name", "index"])
def test_a_stream_that_its_name_does_not_lead_to_does_not_begin_again(
    url: str, gate: Gate, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    if damage == "name":
        edit(url, "UPDATE streams SET name = x'72F2' WHERE name = 'account-a'")
    else:
        drop_entry(url, "sqlite_autoindex_streams_1", last=False)
    check_closed(url, gate, caplog)


def test_the_other_shards_take_new_streams(postgres_url: str) -> None:
    names: dict[int, list[str]] = {0: [], 1: []}
    for number in range(40):
        names[shard_of(f"run-{number}", 2)].append(f"run-{number}")
    with closing(open_store(postgres_url, shards=2)) as store:
        for name in (*names[0][:2], *names[1][:2]):
            store.append(name, some_events(1), expected=0)
        assert store.closed() == {}
    edit(postgres_url, f"DELETE FROM streams WHERE name = '{names[1][0]}'")
    with closing(open_store(postgres_url)) as store:
        assert store.closed().keys() == {1}
        for name in (names[1][0], names[1][2]):
            with pytest.raises(StoreCorruptError, match="1 of its 2 are not found"):
                store.append(name, some_events(1), expected=0)
        store.append(names[1][1], some_events(1), expected=1)
        store.append(names[0][2], some_events(1), expected=0)
