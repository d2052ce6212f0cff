"""Verifying a system's store compares status, wake_at and snapshots with the fold; resuming too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from typer.testing import CliRunner

from at_rest import drop_entry, edit
from deciders import SnapshotAccount
from gate import Gate
from indelible import ActorSystem
from indelible.cli.app import app
from indelible.cli.commands.runs import STATES
from indelible.cli.watching.run_progress import RemoteRunProgress
from indelible.errors import AnchorError, ResultTimeoutError, VerificationError
from indelible.events.codec.values import encode_value
from indelible.events.opening import open_store
from indelible.events.snapshots import Taken, keep_snapshots
from indelible.events.verification.row_reader import RowReader


class Account(SnapshotAccount):
    def unfinished(self, state: int) -> tuple[str, int]:
        return ("rich" if state > 4 else "poor"), state


SHORT = {"name": "short", "steps": [{"name": "one", "type": "note"}]}
LONG = {"name": "long", "steps": [*SHORT["steps"], {"name": "two", "type": "gate"}]}


@pytest.fixture
def gate() -> Gate:
    return Gate(result="x" * 100_000)


@pytest.fixture
def url(each_url: str, gate: Gate) -> str:
    """A store with an ended run and one cut off, an account, and a snapshot of it."""
    if each_url.startswith("postgresql"):
        open_store(each_url, shards=2).close()
    with opened(each_url, gate) as system:
        agent = system.workflow_agent("agent")
        agent.start(SHORT, run_id="ended").result(timeout=30)
        agent.start(LONG, run_id="cut")
        assert gate.waiting.acquire(timeout=30)
        for amount in (1, 2, 3):
            system.actor("account", "a").ask(amount)
    store = open_store(each_url)
    keep_snapshots(store, [Taken("account-a", 2, "1", 0, encode_value(3))])
    store.close()
    gate.is_open = True
    return each_url


def opened(url: str, gate: Gate, mode: Any = "own") -> ActorSystem:
    return ActorSystem(url, actors=[Account()], steps=gate.steps(), mode=mode, drain=0.1)


def found_in(url: str, gate: Gate) -> str:
    with opened(url, gate, "read") as system, pytest.raises(VerificationError) as caught:
        system.verify()
    return str(caught.value)


CUT = "WHERE name = 'run-cut'"


def test_rows_of_streams_and_snapshots_say_what_the_fold_says(url: str, gate: Gate) -> None:
    with opened(url, gate, "read") as system:
        verified = system.verify(anchor=system.anchor())
        assert (verified.streams, verified.snapshots, verified.unfolded) == (3, 1, ())
        assert verified.events == verified.anchored == sum(system.store.positions().values())
        with pytest.raises(AnchorError):
            system.verify(anchor="{}")
    with ActorSystem(url, mode="read") as system:
        verified = system.verify()
        assert (verified.anchored, verified.unfolded) == (0, ("account",))
    for change, back, words in (
        (
            "status = 'completed'",
            "status = 'running'",
            "status 'completed' and wake_at 0, the fold",
        ),
        ("status = ''", "status = 'running'", "the fold of its events 'running'"),
        ("wake_at = 5", "wake_at = 0", "wake_at 5"),
    ):
        edit(url, f"UPDATE streams SET {change} {CUT}")
        assert words in found_in(url, gate)
        edit(url, f"UPDATE streams SET {back} {CUT}")
    edit(url, "UPDATE streams SET status = 'poor' WHERE name = 'account-a'")
    assert "'account-a'" in found_in(url, gate)
    edit(url, "UPDATE streams SET status = 'rich' WHERE name = 'account-a'")
    edit(url, "UPDATE snapshots SET taken_at = 9, version = 3")
    assert "'account-a' at version 3 is damaged" in found_in(url, gate)
    with opened(url, gate, "read") as system, pytest.raises(VerificationError, match="damaged"):
        system.store.verify()


@pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)
def test_a_run_that_its_name_does_not_lead_to_is_named(url: str, gate: Gate) -> None:
    drop_entry(url, "sqlite_autoindex_streams_1", last=True)
    with opened(url, gate, "read") as system, pytest.raises(VerificationError) as caught:
        system.verify()
    assert "index sqlite_autoindex_streams_1: " in caught.value.found
    assert "shard 0: stream 'run-ended' ends at version 3, by its name" in caught.value.others[0]
    verified = CliRunner().invoke(app, ["verify", "--store", url])
    assert verified.exit_code == 1
    assert "REINDEX sqlite_autoindex_streams_1" in verified.output


def test_a_snapshot_that_was_forged_whole_is_not_what_its_events_say(url: str, gate: Gate) -> None:
    store = open_store(url)
    keep_snapshots(store, [Taken("account-a", 2, "1", 0, encode_value(1_000))])
    store.close()
    assert "'account-a' at version 2 is not what its events say" in found_in(url, gate)
    with ActorSystem(url, mode="read") as system:
        assert system.verify().snapshots == 1, "a checksum is all that it can check"


@pytest.mark.parametrize("change", ["status = 'completed'", "status = ''", "category = 'account'"])
def test_a_run_whose_row_was_edited_goes_on_when_it_is_asked_for(
    url: str, gate: Gate, change: str
) -> None:
    edit(url, f"UPDATE streams SET {change} {CUT}")
    with opened(url, gate, "read") as reader, pytest.raises(ResultTimeoutError):
        reader.run("cut").result(timeout=0)
    gate.ran.clear()
    with opened(url, gate) as system:
        assert system.run("cut").result(timeout=30)["status"] == "success"
    assert gate.ran == []


@pytest.mark.parametrize(
    "change", ["status = ''", "status = 'completed'", "status = 'x'", "category = 'account'"]
)
def test_a_run_whose_row_was_edited_goes_on_by_itself(url: str, gate: Gate, change: str) -> None:
    gate.ran.clear()
    edit(url, f"UPDATE streams SET {change} {CUT}")
    with opened(url, gate):
        assert gate.waiting.acquire(timeout=30)
    assert gate.ran == []


@pytest.mark.parametrize("change", ["state = 'running'", "run_id = 'lost', state = 'running'"])
def test_a_view_that_knows_no_end_of_a_run_is_not_believed(
    url: str, gate: Gate, change: str
) -> None:
    edit(url, f"UPDATE workflow_status SET {change} WHERE run_id = 'ended'")
    gate.ran.clear()
    with opened(url, gate) as system:
        assert gate.waiting.acquire(timeout=30), "the unfinished one goes on"
        assert system.run("ended").result(timeout=30)["status"] == "success"
        assert system.run("cut").result(timeout=30)["status"] == "success"
    assert gate.ran == []


def test_commands_take_a_run_that_has_lost_its_status_for_unfinished(url: str, gate: Gate) -> None:
    edit(url, f"UPDATE streams SET status = '' {CUT}")
    with opened(url, gate, "read") as system:
        watch = RemoteRunProgress(system, ["run-cut", "run-ended"])
        watch.refresh()
        assert (watch.pending, watch.ended) == ({"run-cut"}, {"run-ended"})
        for state in ("accepted", "running", "waiting"):
            heads = system.store.heads("run", STATES[state])
            assert [head.stream for head in heads] == ["run-cut"]
    health = CliRunner().invoke(app, ["health", "--store", url])
    assert "1 without status" in health.stdout
    recovered = CliRunner().invoke(app, ["recover", "--store", url])
    assert "cut" in recovered.stdout
    assert "no unfinished run" not in recovered.stdout


def test_a_store_is_verified_while_it_is_written(
    url: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, left = RowReader.page, list(range(6))
    with opened(url, gate) as system:

        def write_after(rows_of: RowReader, *args: Any, **values: Any) -> Any:
            rows = read(rows_of, *args, **values)
            if left:
                for name in ("a", f"new-{left.pop()}"):
                    system.actor("account", name).ask(1)
            return rows

        monkeypatch.setattr(RowReader, "page", write_after)
        anchor = asyncio.run(system.anchor_async())
        verified = asyncio.run(system.verify_async(anchor=anchor))
        assert not left
        assert verified.streams == 9
