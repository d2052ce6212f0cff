"""The states of ended runs that are kept: the newest, as many as fit into some memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from indelible.actors.workflow.execute import run_endings
from indelible.api.facade import access_to

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow

ONE = {"steps": [{"name": "one", "type": "give"}]}
SIZE = run_endings._BYTES_A_RUN + 2 * run_endings._BYTES_A_STEP + 100
"""Bytes of a run of one step in its block, with some for its input and result."""


def started(flow: Flow, count: int, definition: dict[str, Any]) -> list[str]:
    """Streams of runs that have ended, oldest first."""
    for number in range(count):
        flow.run(definition, f"r{number}")
    return [f"run-r{number}" for number in range(count)]


def test_the_newest_states_are_kept_as_long_as_they_fit(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.system.register_step("give", lambda context, step: 1)
    monkeypatch.setattr(run_endings, "_MAX_BYTES", 5 * SIZE)
    kept = access_to(flow.system).executor.endings
    streams = started(flow, 12, ONE)
    assert [stream for stream in streams if kept.recent(stream)] == streams[-5:]
    assert 0 < kept._size <= 5 * SIZE
    assert [flow.system.run(s.removeprefix("run-")).result(20)["result"] for s in streams] == [
        {"one": 1}
    ] * 12


def test_a_state_that_would_push_out_many_is_not_kept(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.system.register_step("give", lambda context, step: "x" * 5_000)
    monkeypatch.setattr(run_endings, "_MAX_STATE_BYTES", 3 * SIZE)
    (stream,) = started(flow, 1, ONE)
    assert access_to(flow.system).executor.endings.recent(stream) is None
    assert flow.system.run("r0").result(20)["result"] == {"one": "x" * 5_000}


def test_a_state_that_is_told_twice_counts_once(flow: Flow) -> None:
    flow.system.register_step("give", lambda context, step: 1)
    kept = access_to(flow.system).executor.endings
    (stream,) = started(flow, 1, ONE)
    state, size = kept.recent(stream), kept._size
    assert state is not None
    kept.reached(stream, state)
    assert kept._size == size
