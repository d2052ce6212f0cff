"""Steps that hang: the first message about an attempt counts, whatever comes later."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from indelible.api.facade import access_to
from indelible.clock import ManualClock

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow, Gate


class Slow:
    """Threads are real, time moves by hand."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.clock = ManualClock()
        self.system = flow.make(clock=self.clock, max_threads=2)

    def pass_(self, seconds: float) -> None:
        self.clock.advance(seconds)
        access_to(self.system).parts.runtime.timers.run_due()

    @property
    def late(self) -> int:
        return access_to(self.system).parts.executor.late_results


@pytest.fixture
def slow(flow: Flow) -> Iterator[Slow]:
    flow.system.close()
    slow = Slow(flow)
    with slow.system:
        yield slow
        slow.system._drain = 0.5


def step(name: str = "s", kind: str = "hang", **options: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "timeout": 5, **options}


def test_a_blocking_step_that_hangs_fails_at_its_time_out(
    flow: Flow, slow: Slow, gate: Gate
) -> None:
    contexts = []
    left = threading.Event()

    @flow.step
    def hang(context: Any, step: Any) -> str:
        contexts.append(context)
        gate()
        left.set()
        return "too late"

    run = flow.start({"steps": [step()]})
    gate.wait()
    slow.pass_(4.999)
    assert not contexts[0].cancelled
    assert run.status()["state"] == "running"
    slow.pass_(0.001)
    outcome = run.result(20)
    late = {
        "step": "s",
        "type": "StepTimeoutError",
        "message": "step 's' did not return within 5 s",
    }
    assert outcome["error"] == {**late, "steps": [late]}
    assert contexts[0].cancelled
    gate.go.set()
    assert left.wait(20)
    assert flow.types() == ["accepted", "step_failed", "failed"]


def test_a_hanging_step_keeps_its_slot_and_its_late_result_is_ignored_and_counted(
    flow: Flow, slow: Slow, gates: Any
) -> None:
    gate, last = gates(), gates()

    @flow.step
    def hang(context: Any, step: Any) -> str:
        (gate if context.attempt == 1 else last)()
        return f"attempt {context.attempt}"

    run = flow.start({"steps": [step(retry={"attempts": 2, "delay": 1, "jitter": 0})]})
    gate.wait()
    slow.pass_(5)
    assert run.status()["steps"][0]["state"] == "retrying"
    slow.pass_(1)
    last.wait()  # the second attempt runs beside the first one
    gate.go.set()
    assert flow.run({"steps": [{"name": "x", "type": "data"}]}, "x")["status"] == "success"
    assert slow.late == 1
    assert run.status()["steps"][0]["state"] == "running"
    last.go.set()
    assert run.result(20)["result"] == {"s": "attempt 2"}
    assert slow.late == 1
    flow.check()


@pytest.fixture(autouse=True)
def data(flow: Flow, slow: Slow) -> None:
    """A step that the only other thread runs, after what was there before it."""
    flow.step(named("data", lambda context, step: 1))


def named(name: str, function: Any) -> Any:
    function.__name__ = name
    return function


def test_an_async_step_that_hangs_is_cancelled(flow: Flow, slow: Slow) -> None:
    begun, ended = threading.Event(), threading.Event()

    @flow.step
    async def hang(context: Any, step: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    run = flow.start({"steps": [step()]})
    assert begun.wait(20)
    slow.pass_(5)
    error = run.result(20)["error"]
    assert error is not None
    assert error["type"] == "StepTimeoutError"
    assert ended.wait(20)
    assert slow.late == 0


def test_an_async_step_that_ignores_its_cancellation_is_late_like_any_other(
    flow: Flow, slow: Slow
) -> None:
    begun, ended = threading.Event(), threading.Event()

    @flow.step
    async def hang(context: Any, step: Any) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.set()
        return "stubborn"

    run = flow.start({"steps": [step()]})
    assert begun.wait(20)
    slow.pass_(5)
    assert run.result(20)["status"] == "failed"
    assert ended.wait(20)

    @flow.step
    async def after(context: Any, step: Any) -> int:
        return 1

    flow.run({"steps": [{"name": "x", "type": "after"}]}, "x")  # the loop has got so far
    assert slow.late == 1


def test_a_result_that_comes_first_wins_against_the_time_out(
    flow: Flow, slow: Slow, gate: Gate, monkeypatch: Any
) -> None:
    @flow.step
    def hang(context: Any, step: Any) -> str:
        gate()
        return "in time"

    run = flow.start({"steps": [step()]})
    gate.wait()
    actor = access_to(flow.system).directory.live("run-r")
    assert actor is not None
    attempt = next(iter(access_to(slow.system).parts.executor._attempts.values()))
    delivered = threading.Event()
    deliver_here = actor.deliver_here

    def deliver(message: Any) -> None:
        deliver_here(message)
        delivered.set()

    monkeypatch.setattr(actor, "deliver_here", deliver)
    assert actor.actor_inbox.try_acquire()  # nobody handles messages for now
    gate.go.set()
    assert delivered.wait(20)
    executor = access_to(slow.system).parts.executor
    executor._time_out(attempt)  # its timer was firing at that very moment
    if actor.actor_inbox.release():
        actor.schedule()
    assert run.result(20)["result"] == {"s": "in time"}
    assert flow.types() == ["accepted", "step_completed", "completed"]


def test_a_step_without_a_time_out_may_take_for_ever(flow: Flow, slow: Slow, gate: Gate) -> None:
    @flow.step
    def patient(context: Any, step: Any) -> str:
        gate()
        return "done"

    run = flow.start({"steps": [{"name": "s", "type": "patient"}]})
    gate.wait()
    slow.pass_(10_000_000)
    gate.go.set()
    assert run.result(20)["result"] == {"s": "done"}


def test_waiting_in_the_queue_does_not_count_as_running(flow: Flow, slow: Slow, gate: Gate) -> None:
    @flow.step
    def hang(context: Any, step: Any) -> str:
        gate()
        return context.step_name  # type: ignore[no-any-return]

    steps = [step(f"s{i}") if i < 2 else step(f"s{i}", timeout=1) for i in range(4)]
    run = flow.start({"pattern": "parallel", "steps": steps})
    gate.wait(2)  # both threads are taken
    slow.pass_(3)
    gate.go.set()
    assert run.result(20)["status"] == "success"


def test_a_time_out_on_real_time(flow: Flow, gate: Gate, slow: Slow) -> None:
    slow.system.close()
    flow.make()
    with flow.system:

        @flow.step
        def hang_really(context: Any, step: Any) -> None:
            gate()

        error = flow.run({"steps": [step(kind="hang_really", timeout=0.02)]})["error"]
        assert error is not None
        assert error["type"] == "StepTimeoutError"
        gate.go.set()
