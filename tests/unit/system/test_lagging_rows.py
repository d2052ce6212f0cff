"""An actor or a run whose row in streams ends too early is set aside at its first append."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from at_rest import edit
from deciders import Piecemeal
from gate import Gate
from indelible import ActorSystem, RunHandle
from indelible.errors import StoreCorruptError
from indelible.events.codec.values import encode_value
from indelible.events.opening import open_store
from indelible.events.snapshots import Taken, keep_snapshots
from indelible.testing.contract.builders import url_of


class Account(Piecemeal):
    snapshot_every: ClassVar[int] = 5


GATED = {"name": "gated", "steps": [{"name": "one", "type": "gate"}]}


def opened(url: str, gate: Gate | None = None) -> ActorSystem:
    return ActorSystem(url, actors=[Account()], steps=gate.steps() if gate else (), drain=0.1)


def move_end(url: str, stream: str, by: int) -> None:
    edit(url, f"UPDATE streams SET version = version + {by} WHERE name = '{stream}'")


def test_an_actor_is_set_aside_at_its_first_append_and_others_go_on(url: str) -> None:
    with opened(url) as system:
        for name in ("low", "whole"):
            system.actor("account", name).ask(4)
    move_end(url, "account-low", -2)
    with opened(url) as system:
        before = system.store.positions()
        low = system.actor("account", "low")
        assert low.state() == 4
        for _ in range(2):
            with pytest.raises(StoreCorruptError, match="'account-low' at version 3") as caught:
                low.ask(1)
            found = caught.value
            assert (found.stream, found.version) == ("account-low", 3)
            assert (found.shard, found.position) == (0, 3)
            assert "its version in streams is 2" in found.found
        assert low.state() == 4, "its events are whole"
        assert system.store.positions() == before, "nothing was appended"
        whole = system.actor("account", "whole")
        whole.ask(1)
        assert whole.state() == 5
    move_end(url, "account-low", 2)
    with opened(url) as system:
        system.actor("account", "low").ask(1)
        assert system.actor("account", "low").state() == 5


def test_all_who_ask_at_once_are_told(url: str) -> None:
    with opened(url) as system:
        system.actor("account", "low").ask(4)
    move_end(url, "account-low", -1)
    with opened(url) as system:
        low = system.actor("account", "low")

        async def ask_all() -> list[Any]:
            asking = (low.ask_async(1, timeout=30) for _ in range(100))
            return await asyncio.gather(*asking, return_exceptions=True)

        assert {type(answer) for answer in asyncio.run(ask_all())} == {StoreCorruptError}


def test_a_run_is_set_aside_at_once_and_others_end(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = Gate()
    with opened(url, first) as system:
        for run_id in ("low", "whole"):
            system.workflow_agent("agent").start(GATED, run_id=run_id)
            assert first.waiting.acquire(timeout=30)
    with closing(open_store(url, mode="read")) as store:
        before = list(store.read("run-low"))
    move_end(url, "run-low", -1)
    then = Gate(is_open=True)
    with opened(url, then) as system:
        assert system.run("whole").result(timeout=30)["status"] == "success"
        for asked in (RunHandle.result, RunHandle.status):
            with pytest.raises(StoreCorruptError) as caught:
                asked(system.run("low"))
            last = before[-1]
            assert (caught.value.stream, caught.value.version) == ("run-low", last.version)
            assert caught.value.position == last.position
        assert list(system.store.read("run-low")) == before
    assert then.came == ["whole"]
    errors = [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]
    said = [words for words in errors if "run-low" in words]
    assert len(said) == 1
    assert said[0].startswith("run-low is set aside: ")


def test_an_actor_is_set_aside_even_if_the_event_behind_its_row_is_lost(tmp_path: Path) -> None:
    url = url_of(tmp_path / "store.db")
    with opened(url) as system:
        system.actor("account", "low").ask(100)
        keep_snapshots(system.store, [Taken("account-low", 100, "1", 0, encode_value(100))])
    edit(url, "DELETE FROM events WHERE position = 99")
    move_end(url, "account-low", -2)
    with opened(url) as system:
        low = system.actor("account", "low")
        with pytest.raises(StoreCorruptError, match="is 98, although it has reached 100") as caught:
            low.ask(1)
        assert (caught.value.version, caught.value.position) == (99, 0)
