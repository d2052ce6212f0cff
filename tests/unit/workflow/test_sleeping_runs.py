"""A run that only waits leaves memory, and nobody sees a difference but in what it costs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from indelible import ResultTimeoutError, RunHandle
from indelible.actors.durable.commit.promises import AT_ONCE
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.run_messages import RetryDue
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from until import eventually

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow, Gate

HOUR = 3_600
RETRIED = {"attempts": 3, "delay": HOUR, "max_delay": HOUR, "jitter": 0}
ONE = {"steps": [{"name": "s", "type": "flaky", "retry": RETRIED}]}


@pytest.fixture
def clock(flow: Flow) -> ManualClock:
    """Time as the system on the flow's store sees it, which is opened anew."""
    flow.system.close()
    clock = ManualClock(now=1_700_000_000_000_000)
    flow.make(clock=clock).open()
    return clock


@pytest.fixture
def tried(flow: Flow, clock: ManualClock) -> list[str]:
    """Attempts at the step ``flaky``, whose second one returns."""
    tried: list[str] = []

    @flow.step
    def flaky(context: Any, step: Any) -> str:
        tried.append(f"{context.run_id} {context.attempt}")
        if context.attempt == 1:
            raise ValueError("not yet")
        return "done"

    return tried


def parts_of(flow: Flow) -> Any:
    return access_to(flow.system).parts


def sleep(flow: Flow, clock: ManualClock, *run_ids: str) -> None:
    """Wait until the runs have left memory, which takes a moment and no idle time."""

    idle = clock.now() + 10_000_000  # none has been idle for long before

    def have_left() -> bool:
        if clock.now() < idle:
            clock.advance(0.1)
        return all(parts_of(flow).directory.live(f"run-{run_id}") is None for run_id in run_ids)

    for run_id in run_ids:
        eventually(lambda run_id=run_id: flow.types(run_id)[-1] == "step_failed")  # type: ignore[misc]
    eventually(have_left)


def test_a_run_that_waits_for_a_retry_leaves_memory_with_its_timer(
    flow: Flow, clock: ManualClock, tried: list[str]
) -> None:
    run = flow.start(ONE)
    sleep(flow, clock, "r")
    assert not len(parts_of(flow).executor._retries)
    head = flow.store.head("run-r")
    assert head is not None
    assert head.status == "running"
    assert head.wake_at > clock.now()
    clock.advance(HOUR - 100)
    assert tried == ["r 1"]
    clock.advance(100)
    assert run.result(20)["result"] == {"s": "done"}
    assert tried == ["r 1", "r 2"]
    assert flow.types() == [
        *("accepted", "step_failed", "steps_started", "step_completed", "completed")
    ]
    flow.check()


def test_who_waits_for_a_run_that_sleeps_gets_its_result(
    flow: Flow, clock: ManualClock, tried: list[str]
) -> None:
    run = flow.start(ONE)
    sleep(flow, clock, "r")
    with pytest.raises(ResultTimeoutError) as late:
        run.result(timeout=0.01)
    assert late.value.waiting_for == ("step 's': attempt 2 is due",)
    sleep(flow, clock, "r")
    clock.advance(HOUR)
    assert run.result(20)["status"] == "success"


def test_many_that_fail_at_once_do_not_pile_up(
    flow: Flow, clock: ManualClock, tried: list[str]
) -> None:
    names = [f"r{number}" for number in range(300)]
    agent = flow.system.workflow_agent("a")
    agent.start_many([(name, None) for name in names], {"name": "w", **ONE})
    sleep(flow, clock, *names)
    assert not len(parts_of(flow).directory)
    assert len(parts_of(flow).runtime.timers) <= 3  # of the system itself
    clock.advance(HOUR)
    assert {flow.system.run(name).result(20)["status"] for name in names} == {"success"}
    assert sorted(tried) == sorted(f"{name} {attempt}" for name in names for attempt in (1, 2))


def test_a_retry_that_is_due_as_its_run_leaves_begins_once(
    flow: Flow, clock: ManualClock, tried: list[str]
) -> None:
    run = flow.start(ONE)
    sleep(flow, clock, "r")
    clock.advance(HOUR)  # the wake service brings it back, and so do these
    for _ in range(3):
        parts_of(flow).directory.remind("run-r", RetryDue(1, clock.now()))
    assert run.result(20)["status"] == "success"
    assert tried == ["r 1", "r 2"]


def test_its_status_is_the_same_awake_and_asleep(
    flow: Flow, clock: ManualClock, tried: list[str]
) -> None:
    run = flow.start(ONE)
    eventually(lambda: flow.types()[-1] == "step_failed")
    awake = run.status()
    sleep(flow, clock, "r")
    assert run.status() == awake
    assert awake["state"] == "running"
    assert flow.system.caught_up(timeout=20)
    row = flow.system.views.run("r")
    assert row is not None
    assert row.state == "running"
    assert flow.system.health()["actors"] == 1  # as it was asked


def test_a_run_with_a_step_under_way_stays(
    flow: Flow, clock: ManualClock, tried: list[str], gate: Gate
) -> None:
    @flow.step
    async def slow(context: Any, step: Any) -> None:
        await asyncio.to_thread(gate)  # holds none of the steps' threads

    steps = [*ONE["steps"], {"name": "t", "type": "slow"}]
    run = flow.start({"steps": [{"name": "p", "pattern": "parallel", "steps": steps}]})
    gate.wait()
    eventually(lambda: flow.types()[-1] == "step_failed")
    actor = parts_of(flow).directory.live("run-r")
    assert not parts_of(flow).directory.passivate(actor)
    head = flow.store.head("run-r")
    assert head is not None
    assert (head.status, head.wake_at) == ("running", 0)
    gate.go.set()
    eventually(lambda: flow.types()[-1] == "step_completed")
    eventually(lambda: parts_of(flow).directory.passivate(actor))
    clock.advance(HOUR)
    assert run.result(20)["status"] == "success"


def test_the_next_process_wakes_it_when_it_is_due(
    flow: Flow, clock: ManualClock, tried: list[str]
) -> None:
    flow.start(ONE)
    sleep(flow, clock, "r")
    flow.cut_off()
    clock.advance(HOUR - 60)
    with flow.make(clock=clock) as system:
        clock.advance(60)
        assert system.run("r").result(20)["status"] == "success"
    assert tried == ["r 1", "r 2"]


def cut_off_at_a_question(flow: Flow, gate: Gate) -> RunHandle:
    @flow.step
    def ask(context: Any, step: Any) -> None:
        gate()

    run = flow.start({"steps": [{"name": "s", "type": "ask", "on_unknown_outcome": "ask"}]})
    gate.wait()
    flow.cut_off()
    gate.go.set()
    return run


def test_a_run_that_waits_for_a_person_leaves_memory_and_is_answered(
    flow: Flow, clock: ManualClock, gate: Gate
) -> None:
    cut_off_at_a_question(flow, gate)
    with flow.make(clock=clock) as system:
        run = system.run("r")
        eventually(lambda: flow.types()[-1] == "step_outcome_unknown")
        directory = parts_of(flow).directory
        eventually(lambda: directory.passivate(directory.live("run-r")))
        assert run.status()["state"] == "waiting"
        run.resolve_step("s", "complete", by="ada", result=5)
        assert run.result(20)["result"] == {"s": 5}


def test_a_row_says_that_something_goes_on_beside_what_waits() -> None:
    from unit.workflow.test_decisions import ACCEPTED, FAILED_ONCE, state_after

    decider = RunDecider()
    waits = state_after(ACCEPTED, FAILED_ONCE)
    assert decider.at_rest(waits)
    asked = state_after(ACCEPTED, FAILED_ONCE)
    asked.unknown[1] = 1
    assert decider.unfinished(asked) == ("waiting", 10_000_200)
    asked.status[1] = 1  # RUNNING
    assert decider.unfinished(asked) == ("waiting", AT_ONCE)
    assert not decider.at_rest(asked)


def counting(ran: Counter[str], name: str) -> Callable[..., None]:
    def count(context: Any, step: Any) -> None:
        ran[name] += 1

    return count


def lacking(flow: Flow, clock: ManualClock, policy: str) -> Counter[str]:
    """Leave behind a run whose first step is there, and whose second step's type is not."""
    ran = Counter[str]()
    flow.steps |= {name: counting(ran, name) for name in ("one", "two")}

    flow.system.close()
    with flow.make(clock=clock, drain=0):
        parts_of(flow).executor.hold()  # accept, and start nothing
        steps = [{"name": n, "type": n, "on_unknown_outcome": policy} for n in ("one", "two")]
        flow.start({"steps": steps})
    del flow.steps["two"]
    return ran


def until_it_sleeps(flow: Flow, clock: ManualClock) -> None:
    idle = clock.now() + 10_000_000  # as above

    def has_left() -> bool:
        if clock.now() < idle:
            clock.advance(0.1)
        waits = len(parts_of(flow).executor.unregistered) == 1
        return waits and parts_of(flow).directory.live("run-r") is None

    eventually(has_left)


SAYS = "step 'two': its type 'two' is not registered, call register_step()"


@pytest.mark.parametrize("policy", ["retry", "ask", "fail"])
def test_a_run_whose_step_type_is_missing_leaves_memory_and_goes_on_when_it_comes(
    flow: Flow, clock: ManualClock, policy: str
) -> None:
    ran = lacking(flow, clock, policy)
    with flow.make(clock=clock) as system:
        until_it_sleeps(flow, clock)
        events = flow.types()
        for _ in range(12):  # asking wakes it, and changes nothing
            status = system.run("r").status()
            assert (status["state"], status["waiting_for"]) == ("running", [SAYS])
            assert system.health()["steps"]["unregistered"] == 1
            until_it_sleeps(flow, clock)
        assert flow.types() == events
        system.register_step("two", counting(ran, "two"))
        eventually(lambda: flow.types()[-1] == "completed")  # nobody has asked for it
        assert system.run("r").result(20)["status"] == "success"
        assert not len(parts_of(flow).executor.unregistered)
        assert flow.types().count("steps_started") == 1
    assert ran == {"one": 1, "two": 1}


@pytest.mark.parametrize("policy", ["retry", "ask", "fail"])
def test_what_has_not_begun_in_a_run_that_sleeps_is_given_back_when_the_system_closes(
    flow: Flow, clock: ManualClock, policy: str
) -> None:
    ran = lacking(flow, clock, policy)
    for _ in range(2):
        with flow.make(clock=clock):
            until_it_sleeps(flow, clock)
        assert flow.types()[-1] == "steps_released"
    flow.steps["two"] = counting(ran, "two")
    with flow.make(clock=clock) as system:
        assert system.run("r").result(20)["status"] == "success"
    assert ran == {"one": 1, "two": 1}
