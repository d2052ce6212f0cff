"""Closing in the middle of things: what runs is drained, what has not begun is given back."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from indelible.api.facade import access_to

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow, Gate

POLICIES = ["retry", "ask", "fail"]


def test_a_running_step_is_drained_and_its_successor_starts_at_the_next_open(
    flow: Flow, gate: Gate, closing: Any
) -> None:
    ran = []

    @flow.step
    def held(context: Any, step: Any) -> str:
        ran.append(context.step_name)
        if context.step_name == "one":
            gate()
        return "done"

    steps = [
        {"name": name, "type": "held", "on_unknown_outcome": "fail"} for name in ("one", "two")
    ]
    flow.start({"steps": steps})
    gate.wait()
    with closing(flow.system) as holding:
        holding.wait()
        gate.go.set()
    assert flow.types() == ["accepted", "step_completed"]
    assert flow.events()[1].starts == ()
    with flow.make() as system:
        assert system.run("r").result(20)["status"] == "success"
    assert ran == ["one", "two"]
    assert flow.types()[2:] == ["steps_started", "step_completed", "completed"]
    assert flow.events()[2].reason == "ready"


@pytest.fixture
def closing() -> Any:
    """Closes a system on another thread; the event says when nothing begins any more."""
    from contextlib import contextmanager

    @contextmanager
    def close(system: Any) -> Any:
        holding = threading.Event()
        executor: Any = access_to(system).parts.executor
        finish = executor.finish

        def noticed(timeout: float) -> Any:
            holding.set()
            return finish(timeout)

        executor.finish = noticed
        thread = threading.Thread(target=system.close)
        thread.start()
        yield holding
        thread.join(30)
        assert not thread.is_alive()

    return close


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_attempts_that_never_began_are_given_back_and_not_unknown(
    flow: Flow, gate: Gate, closing: Any, policy: str, kind: str
) -> None:
    ran = []

    def held(context: Any, step: Any) -> str:
        ran.append(context.step_name)
        gate()
        return "done"

    async def held_async(context: Any, step: Any) -> str:
        return held(context, step)  # blocks the loop, so that the others cannot begin

    flow.system.close()
    flow.steps["held"] = held if kind == "sync" else held_async
    width = 2 if kind == "sync" else 1
    with flow.make(max_threads=2) as system:
        steps = [{"name": f"s{i}", "type": "held", "on_unknown_outcome": policy} for i in range(10)]
        flow.start({"pattern": "parallel", "steps": steps})
        gate.wait(width)
        with closing(system) as holding:
            holding.wait()
            gate.go.set()
    assert len(ran) == width
    released = [path for event in flow.events() for path in getattr(event, "paths", ())]
    assert sorted([*released, *ran]) == [f"s{i}" for i in range(10)]
    with flow.make() as system:
        outcome = system.run("r").result(20)
    assert outcome["status"] == "success"
    assert sorted(ran) == [f"s{i}" for i in range(10)]
    assert "step_outcome_unknown" not in flow.types()


def test_a_step_that_is_left_behind_counts_as_cut_off_and_is_told(flow: Flow, gate: Gate) -> None:
    contexts = []

    @flow.step
    def held(context: Any, step: Any) -> str:
        contexts.append(context)
        if len(contexts) == 1:
            gate()
        return f"attempt {context.attempt}"

    flow.start({"steps": [{"name": "s", "type": "held"}]})
    gate.wait()
    executor = access_to(flow.system).parts.executor
    ended = ending(executor)
    flow.system._drain = 0.01
    flow.system.close()
    assert contexts[0].cancelled
    with flow.make() as system:
        assert system.run("r").result(20)["result"] == {"s": "attempt 2"}
        version = len(flow.events())
        gate.go.set()
        assert ended.wait(20)
        assert len(flow.events()) == version
    assert executor.late_results == 1


def ending(executor: Any) -> threading.Event:
    """Set when the executor has done with what a step returned."""
    done = threading.Event()
    ended = executor.ended

    def noticed(*args: Any) -> None:
        ended(*args)
        done.set()

    executor.ended = noticed
    return done


def test_a_late_result_never_reaches_a_store_that_others_have_opened(
    flow: Flow, gate: Gate
) -> None:
    """The step's type is missing at the reopening, so that the versions would still match."""

    @flow.step
    def held(context: Any, step: Any) -> str:
        gate()
        return "late"

    flow.start({"steps": [{"name": "s", "type": "held"}]})
    gate.wait()
    ended = ending(access_to(flow.system).parts.executor)
    flow.system._drain = 0.01
    flow.system.close()
    del flow.steps["held"]
    with flow.make() as system:
        gate.go.set()
        assert ended.wait(20)
        assert system.run("r").status()["steps_completed"] == 0
        assert flow.types() == ["accepted"]


def test_an_async_step_is_cancelled_when_the_drain_is_over_and_runs_again(flow: Flow) -> None:
    begun, cancelled, runs = threading.Event(), threading.Event(), []

    @flow.step
    async def sleeper(context: Any, step: Any) -> int:
        runs.append(context.attempt)
        if len(runs) == 1:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
        return context.attempt  # type: ignore[no-any-return]

    flow.start({"steps": [{"name": "s", "type": "sleeper"}]})
    assert begun.wait(20)
    flow.system._drain = 0.01
    flow.system.close()
    assert cancelled.is_set()
    assert flow.types() == ["accepted"]
    with flow.make() as system:
        assert system.run("r").result(20)["result"] == {"s": 2}


def test_closing_does_not_wait_for_a_step_that_has_timed_out(flow: Flow, gate: Gate) -> None:
    @flow.step
    def hang(context: Any, step: Any) -> None:
        gate()

    step = {"name": "s", "type": "hang", "timeout": 0.01, "retry": {"attempts": 2, "delay": 3_000}}
    run = flow.start({"steps": [step]})
    gate.wait()
    failed = threading.Event()
    end = flow.store.subscribe(
        lambda events: failed.set() if any(e.type == "run.step_failed" for e in events) else None
    )
    if "step_failed" in flow.types():
        failed.set()
    assert failed.wait(20)
    end()
    assert run.status()["steps"][0]["state"] == "retrying"
    flow.system._drain = 25.0  # the test's own time-out is 60 s, and this is one of many
    closer = threading.Thread(target=flow.system.close)
    closer.start()
    closer.join(15)
    assert not closer.is_alive()


def test_a_system_may_be_closed_twice_and_opened_again(flow: Flow) -> None:
    flow.system.close()
    flow.system.close()
    flow.system.open()
    assert flow.system.open() is flow.system
    flow.step(one)
    assert flow.run({"steps": [{"name": "s", "type": "one"}]})["status"] == "success"


def one(context: Any, step: Any) -> int:
    return 1


def test_many_runs_are_closed_and_reopened_again_and_again_until_all_have_ended(flow: Flow) -> None:
    ran: list[tuple[str, str]] = []
    flow.step(one)

    @flow.step
    def note(context: Any, step: Any) -> int:
        ran.append((context.run_id, context.step_name))
        return len(ran)

    steps = [{"name": f"s{i}", "type": "note", "on_unknown_outcome": "fail"} for i in range(10)]
    runs: list[tuple[str, Any]] = [(f"r{i}", {}) for i in range(50)]
    flow.system.workflow_agent("a").start_many(runs, {"name": "w", "steps": steps})
    for _ in range(5):
        flow.system.close()
        flow.make().open()
    for run_id, _ in runs:
        assert flow.system.run(run_id).result(20)["status"] == "success"
        flow.check(run_id)
    assert sorted(ran) == sorted((run_id, f"s{i}") for run_id, _ in runs for i in range(10))
