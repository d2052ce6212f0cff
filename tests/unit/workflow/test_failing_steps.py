"""Steps that raise, whatever they raise, and those that are tried again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.ids import SeededIds
from indelible.testing.simulation import SimulatedRuntime

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow


class Odd(BaseException):
    """No Exception."""


class Mute(Exception):  # noqa: N818 - its bare name is the test's id
    def __str__(self) -> str:
        raise RuntimeError("no words")


RAISED = [
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    Odd("odd"),
    StopIteration(),
    StopAsyncIteration(),
    asyncio.CancelledError(),
    TimeoutError("slow"),
    Mute(),
    ValueError("half a pair: \ud800"),
    ExceptionGroup("several", [ValueError("x")]),
]


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("error", RAISED, ids=lambda error: repr(type(error).__name__))
def test_whatever_a_step_raises_is_that_steps_failure(flow: Flow, error: Any, kind: str) -> None:
    def bad(context: Any, step: Any) -> None:
        raise error

    async def bad_async(context: Any, step: Any) -> None:
        raise error

    flow.system.register_step("bad", bad if kind == "sync" else bad_async)
    flow.system.register_step("good", lambda context, step: 1)
    steps = [{"name": "bad", "type": "bad"}, {"name": "good", "type": "good"}]
    outcome = flow.run({"pattern": "parallel", "steps": steps})
    assert outcome["status"] == "partial"
    failed = outcome["result"]["bad"]
    lost = kind == "async" and type(error) is StopIteration  # Python makes a RuntimeError of it
    assert failed["error_type"] == ("RuntimeError" if lost else type(error).__name__)
    assert failed["error"]
    assert outcome["result"]["good"] == 1
    assert flow.run({"steps": [{"name": "good", "type": "good"}]}, "next")["status"] == "success"


def test_the_longest_message_is_cut(flow: Flow) -> None:
    @flow.step
    def verbose(context: Any, step: Any) -> None:
        raise ValueError("x" * 1_000_000)

    error = flow.run({"steps": [{"name": "v", "type": "verbose"}]})["error"]
    assert error is not None
    message = error["message"]
    assert len(message) < 8_300
    assert message.endswith("(1,000,000 characters in all)")


def test_notes_of_an_error_are_kept_and_an_empty_one_says_where(flow: Flow) -> None:
    @flow.step
    def noted(context: Any, step: Any) -> None:
        error = ValueError("bad")
        error.add_note("see the manual")
        raise error

    @flow.step
    def silent(context: Any, step: Any) -> None:
        raise LookupError

    steps = [{"name": "noted", "type": "noted"}, {"name": "silent", "type": "silent"}]
    result = flow.run({"pattern": "parallel", "steps": steps})["result"]
    assert result["noted"]["error"] == "bad\nsee the manual"
    assert "(at silent, line" in result["silent"]["error"]


class Simulated:
    """A system on one thread under a manual clock, with a step that fails as often as told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.tried: list[tuple[str, int, int]] = []  # step, attempt, microseconds since the start
        self.start = self.clock.now()
        self.system = ActorSystem(
            "memory://",
            clock=self.clock,
            ids=SeededIds(1, self.clock),
            runtime=lambda: SimulatedRuntime(1, self.clock),
        )
        self.system.register_step("shaky", self.shaky)

    def shaky(self, failures: int, context: Any) -> str:
        self.tried.append((context.step_name, context.attempt, self.clock.now() - self.start))
        if context.attempt <= failures:
            raise RuntimeError(f"attempt {context.attempt}")
        return "done"

    def run_for(self, seconds: float) -> None:
        runtime = access_to(self.system).parts.runtime
        assert isinstance(runtime, SimulatedRuntime)
        self.clock.advance(seconds)
        runtime.simulation.run_until_idle()


RETRY = {"attempts": 4, "delay": 10, "backoff": 3, "max_delay": 40, "jitter": 0}


def test_a_step_is_tried_again_after_growing_delays() -> None:
    world = Simulated()
    with world.system as system:
        step = {"name": "s", "type": "shaky", "failures": 3, "retry": RETRY}
        run = system.workflow_agent("a").start({"name": "w", "steps": [step]})
        status = run.status()
        assert status["steps"][0]["state"] == "retrying"
        assert status["steps"][0]["retry_at"] == world.start + 10_000_000
        assert status["waiting_for"] == ["step 's': attempt 2 is due"]
        for wait in (9.999_999, 0.000_001, 29, 1, 39, 1):
            world.run_for(wait)
        assert [(attempt, at // 1_000_000) for _, attempt, at in world.tried] == [
            (1, 0),
            (2, 10),
            (3, 40),
            (4, 80),
        ]
        outcome = run.result()
        assert (outcome["status"], outcome["steps_failed"]) == ("success", 0)
        described = run.status()["steps"][0]
        assert (described["attempts"], described["failures"]) == (4, 3)


def test_when_the_attempts_are_used_up_the_step_has_failed() -> None:
    world = Simulated()
    with world.system as system:
        step = {"name": "s", "type": "shaky", "failures": 9, "retry": RETRY}
        run = system.workflow_agent("a").start({"name": "w", "steps": [step]})
        for _ in range(100):
            world.run_for(1)
        assert len(world.tried) == 4
        outcome = run.result()
        assert outcome["status"] == "failed"
        error = outcome["error"]
        assert error is not None
        assert error["message"] == "attempt 4"


def test_jitter_only_shortens_a_delay_and_follows_from_run_step_and_attempt() -> None:
    delays = []
    for _ in range(2):
        world = Simulated()
        with world.system as system:
            retry = {**RETRY, "jitter": 0.5}
            steps = [
                {"name": f"s{i}", "type": "shaky", "failures": 1, "retry": retry} for i in range(5)
            ]
            definition = {"name": "w", "pattern": "parallel", "steps": steps}
            run = system.workflow_agent("a").start(definition, run_id="r")
            delays.append([s["retry_at"] - world.start for s in run.status()["steps"]])
            world.run_for(10)
            assert run.result()["status"] == "success"
    assert delays[0] == delays[1]
    assert len(set(delays[0])) == 5
    assert all(5_000_000 <= delay <= 10_000_000 for delay in delays[0])


def test_one_steps_retry_does_not_hold_up_its_siblings() -> None:
    world = Simulated()
    with world.system as system:
        steps = [
            {"name": "slow", "type": "shaky", "failures": 1, "retry": RETRY},
            *({"name": f"s{i}", "type": "shaky", "failures": 0} for i in range(5)),
        ]
        definition = {"name": "w", "pattern": "parallel", "width": 2, "steps": steps}
        run = system.workflow_agent("a").start(definition)
        assert run.status()["steps_completed"] == 5
        world.run_for(10)
        assert run.result()["status"] == "success"


def test_a_retry_that_is_due_while_nobody_looks_happens_after_reopening() -> None:
    world = Simulated()
    from indelible.events.memory.store import MemoryEventStore

    store = MemoryEventStore()
    for expected in (1, 2):
        system = ActorSystem(
            store, clock=world.clock, runtime=lambda: SimulatedRuntime(1, world.clock)
        )
        system.register_step("shaky", world.shaky)
        with system:
            step = {"name": "s", "type": "shaky", "failures": 1, "retry": RETRY}
            system.workflow_agent("a").start({"name": "w", "steps": [step]}, run_id="r")
            assert len(world.tried) == expected
        world.clock.advance(1_000_000)
    with ActorSystem(store, mode="own") as system:
        outcome = run_of(system)
    assert outcome["status"] == "success"


def run_of(system: ActorSystem) -> Any:
    return system.run("r").result(20)


def test_a_real_retry_on_real_threads(flow: Flow) -> None:
    @flow.step
    def shaky(context: Any, step: Any) -> int:
        if context.attempt < 3:
            raise RuntimeError("not yet")
        return context.attempt  # type: ignore[no-any-return]

    retry = {"attempts": 5, "delay": 0.001}
    outcome = flow.run({"steps": [{"name": "s", "type": "shaky", "retry": retry}]})
    assert outcome["result"] == {"s": 3}
    flow.check()


def test_a_step_of_more_than_five_minutes_ends_with_a_checkpoint() -> None:
    world = Simulated()

    def work(minutes: float) -> None:
        world.clock.advance(minutes * 60)

    world.system.register_step("work", work)
    with world.system as system:
        steps = [{"type": "work", "params": {"minutes": n}} for n in (1, 3, 2, 4.99, 0.02, 1)]
        run = system.workflow_agent("a").start({"name": "w", "steps": steps}, run_id="r")
        assert run.result()["status"] == "success"
        decoded = [access_to(system).parts.types.decode(event) for event in run.events()]
    marks = [getattr(event, "checkpoint", 0) for event in decoded]
    assert marks == [1, 0, 0, 2, 0, 3, 0, 0]
