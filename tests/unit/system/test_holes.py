"""An actor or a run whose stream has lost an event is set aside; all others go on (invariant 4)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from at_rest import close_up, lose
from deciders import Piecemeal
from gate import Gate
from indelible import ActorSystem, RunHandle
from indelible.api.actor_handle import ActorHandle as Handle
from indelible.errors import StoreCorruptError, VerificationError
from indelible.events.codec.values import encode_value
from indelible.events.opening import open_store
from indelible.events.snapshots import Taken, drop_snapshots, keep_snapshots
from indelible.testing.contract.builders import url_of


class Account(Piecemeal):
    snapshot_every: ClassVar[int] = 150


GATED = {
    "name": "gated",
    "steps": [
        {"name": "one", "type": "note"},
        {"name": "two", "type": "note"},
        {"name": "three", "type": "gate"},
    ],
}
SHORT = {"name": "short", "steps": [{"name": "one", "type": "note"}]}


def opened(url: str, gate: Gate | None = None) -> ActorSystem:
    return ActorSystem(url, actors=[Account()], steps=gate.steps() if gate else (), drain=0.1)


def lose_from(url: str, stream: str, *versions: int) -> None:
    """Lose events of a stream, but not the last of the log, without which no store opens."""
    with opened(url) as system:
        system.actor("account", "last").ask(1)
    store = open_store(url, mode="read")
    lose(store, stream, *versions)
    store.close()


def test_an_actor_with_a_hole_answers_nobody_and_others_go_on(url: str) -> None:
    holes = {"first": 1, "middle": 2, "last": 5}
    with opened(url) as system:
        for name in (*holes, "whole"):
            system.actor("account", name).ask(5)
    for name, lost in holes.items():
        lose_from(url, f"account-{name}", lost)
    with opened(url) as system:
        before = system.store.positions()
        for name, lost in holes.items():
            broken = system.actor("account", name)
            for asked in (lambda a: a.ask(1), lambda a: a.ask(1), Handle.state, Handle.events):
                with pytest.raises(StoreCorruptError) as caught:
                    asked(broken)
                found = caught.value
                assert (found.stream, found.version) == (f"account-{name}", lost)
                assert found.position > 0
            with pytest.raises(StoreCorruptError):
                broken.state(as_of=5)
        assert system.store.positions() == before, "nothing was appended"
        whole = system.actor("account", "whole")
        whole.ask(1)
        assert whole.state() == 6


@pytest.fixture
def long(tmp_path: Path) -> str:
    """The address of a store with an account of 400 events and a snapshot at 300."""
    url = url_of(tmp_path / "store.db")
    with opened(url) as system:
        for _ in range(4):
            system.actor("account", "long").ask(100)
    store = open_store(url)
    drop_snapshots(store)
    keep_snapshots(store, [Taken("account-long", 300, "1", 0, encode_value(300))])
    store.close()
    return url


@pytest.mark.parametrize("lost", [50, 300, 350, 400])
def test_a_hole_behind_a_snapshot_at_it_or_near_the_beginning_is_found_on_waking(
    long: str, lost: int
) -> None:
    lose_from(long, "account-long", lost)
    with opened(long) as system:
        account = system.actor("account", "long")
        with pytest.raises(StoreCorruptError, match=f"version {lost}"):
            account.ask(1)
        with pytest.raises(StoreCorruptError, match=f"version {lost}"):
            account.state()


def test_a_hole_before_a_snapshot_spoils_no_answer_and_is_found_where_it_would(long: str) -> None:
    lose_from(long, "account-long", 200)
    with opened(long) as system:
        account = system.actor("account", "long")
        assert account.state() == 400, "the snapshot has counted the lost event"
        account.ask(1)
        assert account.state() == 401
        for asked in (lambda: account.state(as_of=250), account.events, system.store.verify):
            with pytest.raises((StoreCorruptError, VerificationError)):
                asked()


def test_a_hole_in_one_stream_keeps_no_other_from_its_snapshot(long: str) -> None:
    lose_from(long, "account-long", 400)
    with opened(long) as system:
        system.actor("account", "other").ask(100)
        taken = [Taken(f"account-{n}", v, "1", 0, b"") for n, v in (("long", 400), ("other", 100))]
        assert keep_snapshots(system.store, taken) == 1


def test_a_run_with_a_hole_repeats_no_step_and_other_runs_end(url: str) -> None:
    first, holes = Gate(), {"first": 1, "middle": 2, "last": 3}
    with opened(url, first) as system:
        agent = system.workflow_agent("agent")
        for run_id in (*holes, "whole"):
            agent.start(GATED, run_id=run_id)
            assert first.waiting.acquire(timeout=30)
    for run_id, lost in holes.items():
        lose_from(url, f"run-{run_id}", lost)
    then = Gate(is_open=True)
    with opened(url, then) as system:
        assert system.run("whole").result(timeout=30)["status"] == "success"
        agent = system.workflow_agent("agent")
        for run_id, lost in holes.items():
            for asked in (RunHandle.result, RunHandle.status, RunHandle.events):
                with pytest.raises(StoreCorruptError) as caught:
                    asked(system.run(run_id))
                assert (caught.value.stream, caught.value.version) == (f"run-{run_id}", lost)
            with pytest.raises(StoreCorruptError):
                agent.start(GATED, run_id=run_id)
    assert then.ran == []


def test_an_ended_run_with_a_hole_has_no_result(url: str) -> None:
    holes = {"middle": 2, "last": 3}
    with opened(url, Gate()) as system:
        for run_id in holes:
            system.workflow_agent("agent").start(SHORT, run_id=run_id).result(timeout=30)
    for run_id, lost in holes.items():
        lose_from(url, f"run-{run_id}", lost)
    again = Gate()
    for mode in ("own", "read"):
        with ActorSystem(url, mode=mode, steps=again.steps()) as system:
            for run_id, lost in holes.items():
                for asked in (RunHandle.result, RunHandle.status):
                    with pytest.raises(StoreCorruptError, match=f"run-{run_id}' at version {lost}"):
                        asked(system.run(run_id))
    assert again.ran == []


def test_views_miss_an_event_whose_position_was_closed_up_and_its_handle_and_verify_find_it(
    url: str,
) -> None:
    with opened(url, Gate()) as system:
        system.workflow_agent("agent").start(SHORT, run_id="r").result(timeout=30)
        system.actor("account", "last").ask(1)
        anchor = system.anchor()
    store = open_store(url, mode="read")
    close_up(store, "run-r", 2)
    store.close()
    with opened(url) as system:
        system.actor("account", "last").ask(1)  # now the log is as long again as views have come
        system.rebuild("workflow_status")
        row = system.views.run("r")
        assert row is not None
        assert (row.state, row.steps_completed, row.version) == ("completed", 0, 3)
        assert system.parked.list() == []
        batches = system.events(streams=["run-r"], live=False)
        assert [one.recorded.version for batch in batches for one in batch] == [1, 3]
        for asked in (RunHandle.result, RunHandle.status, RunHandle.events):
            with pytest.raises(StoreCorruptError, match="run-r' at version 2"):
                asked(system.run("r"))
        for given in (None, anchor):
            with pytest.raises(VerificationError):
                system.verify(anchor=given)
