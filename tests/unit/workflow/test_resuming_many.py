"""Many unfinished runs wake in few reads, each in the state that its events give (invariant 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from indelible.actors.durable.recovery.read_ahead import ReadAhead, read_together
from indelible.actors.durable.recovery.state_from_log import SHORT
from indelible.errors import StoreUnavailableError
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import RecordedEvent
from indelible.testing.contract.builders import some_event, some_events

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow, Gate

RUNS = 300
TWO = [{"name": "one", "type": "note"}, {"name": "two", "type": "stuck"}]


class Counting(MemoryEventStore):
    """Notes what is read, alone and together."""

    def __init__(self) -> None:
        super().__init__()
        self.alone: list[str] = []
        self.batches: list[Sequence[str]] = []
        self.failing = 0
        self.error: Exception = StoreUnavailableError("a test says so")
        self._within = False

    def read(
        self, stream: str, after: int = 0, until: int | None = None
    ) -> Iterable[RecordedEvent]:
        if not self._within:
            self.alone.append(stream)
        return super().read(stream, after, until)

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        if self.failing:
            self.failing -= 1
            raise self.error
        self.batches.append(streams)
        self._within = True
        try:
            return super().read_firsts(streams, limit)
        finally:
            self._within = False


@pytest.fixture
def log() -> Counting:
    log = Counting()
    log.open()
    return log


def test_the_runs_of_a_dead_process_are_read_in_batches_and_all_go_on(
    flow: Flow, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.system.close()
    flow.store = log = Counting()
    flow.make().open()
    ran: list[str] = []

    @flow.step
    def note(context: Any, step: Any) -> None:
        ran.append(context.run_id)

    @flow.step
    def stuck(context: Any, step: Any) -> None:
        gate()

    names = [f"r{number}" for number in range(RUNS)]
    definition = {"name": "w", "steps": TWO}
    flow.system.workflow_agent("a").start_many([(name, None) for name in names], definition)
    gate.wait(20)  # as many as may run at once, or fewer
    flow.cut_off()
    gate.go.set()
    log.alone.clear()
    flow.steps["stuck"] = note
    unread: list[str] = []
    take = ReadAhead.take

    def noted(ahead: ReadAhead, stream: str) -> Sequence[RecordedEvent] | None:
        if ahead._read is None:
            unread.append(stream)
        return take(ahead, stream)

    monkeypatch.setattr(ReadAhead, "take", noted)
    with flow.make() as system:
        assert {system.run(name).result(20)["status"] for name in names} == {"success"}
        for name in names[::50]:
            flow.check(name)
    waking = [stream for batch in log.batches for stream in batch]
    assert sorted(waking) == sorted(f"run-{name}" for name in names)
    assert len(log.batches) <= 4
    assert not unread  # no actor waits for a batch on a thread of its own
    assert len(ran) == 2 * RUNS  # what was complete did not run again


def test_a_batch_is_read_when_its_first_stream_is_wanted_and_only_once(log: Counting) -> None:
    for number in range(3):
        log.append(f"run-{number}", some_events(number + 1), expected=0)
    found = dict(read_together(log, log.heads("run")))
    assert log.batches == []
    for number in (2, 0, 1):
        ahead = found[f"run-{number}"]
        assert ahead is not None
        events = ahead.take(f"run-{number}")
        assert events is not None
        assert [event.version for event in events] == list(range(1, number + 2))
    assert log.batches == [["run-0", "run-1", "run-2"]]


def test_what_was_taken_is_not_kept(log: Counting) -> None:
    log.append("run-1", [some_event()], expected=0)
    ahead = ReadAhead(log, {"run-1": 1})
    assert ahead.take("run-1") is not None
    assert ahead.take("run-1") is None


def test_a_batch_holds_no_more_events_than_a_page(log: Counting) -> None:
    for number in range(30):
        log.append(f"run-{number}", some_events(SHORT - 1), expected=0)
    for stream, ahead in read_together(log, log.heads("run")):
        assert ahead is not None
        ahead.take(stream)
    assert [len(batch) for batch in log.batches] == [10, 10, 10]


def test_long_streams_are_read_by_themselves(log: Counting) -> None:
    log.append("run-long", some_events(SHORT), expected=0)
    log.append("run-short", some_events(2), expected=0)
    assert [ahead is None for _, ahead in read_together(log, log.heads("run"))] == [True, False]


def test_a_stream_that_has_become_long_meanwhile_is_not_taken_for_whole(log: Counting) -> None:
    log.append("run-1", some_events(SHORT - 1), expected=0)
    [(stream, ahead)] = read_together(log, log.heads("run"))
    log.append("run-1", some_events(2), expected=SHORT - 1)
    assert ahead is not None
    assert ahead.take(stream) is None


def test_a_batch_that_cannot_be_read_is_tried_again_by_the_next(log: Counting) -> None:
    log.append("run-1", [some_event()], expected=0)
    ahead = ReadAhead(log, {"run-1": 1})
    log.failing = 1
    with pytest.raises(StoreUnavailableError):
        ahead.take("run-1")
    assert ahead.take("run-1") is not None


@pytest.mark.parametrize("error", [StoreUnavailableError("no answer"), RuntimeError("a bug")])
def test_a_run_whose_batch_cannot_be_read_goes_on_by_itself(
    flow: Flow, gate: Gate, error: Exception
) -> None:
    flow.system.close()
    flow.store = log = Counting()
    log.error = error
    flow.make().open()

    @flow.step
    def stuck(context: Any, step: Any) -> None:
        gate()

    flow.start({"steps": TWO[1:]})
    gate.wait()
    flow.cut_off()
    gate.go.set()
    log.failing = 1
    with flow.make() as system:
        assert system.run("r").result(20)["status"] == "success"
    assert not log.failing


def test_a_run_that_is_read_again_later_is_read_from_the_log(flow: Flow, gate: Gate) -> None:
    """What was read ahead is used once: the actor has appended since."""

    @flow.step
    def stuck(context: Any, step: Any) -> None:
        gate()

    flow.start({"steps": [*TWO[1:], {"name": "three", "type": "stuck"}]})
    gate.wait()
    flow.cut_off()
    with flow.make() as system:
        gate.wait()
        flow.fault.arm(1)  # the commit that follows fails, and its actor reads its stream again
        gate.go.set()
        assert system.run("r").result(20)["status"] == "success"
        flow.check()
