"""The store fails under load: nothing is lost, nothing runs twice, everything goes on by itself."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from indelible import ActorSystem
from indelible.actors.workflow.run_effects import Begin
from indelible.api.facade import access_to
from indelible.errors import StoreUnavailableError
from indelible.failpoints import Failpoints

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow, Gate

ERRORS = [
    OSError(28, "No space left on device"),
    sqlite3.OperationalError("database or disk is full"),
]


class Trouble:
    """Raises an error at a failpoint for as long as it is armed."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.hit = threading.Event()

    def __call__(self) -> None:
        if self.error is not None:
            self.hit.set()
            raise self.error


@pytest.fixture
def ran(flow: Flow) -> Counter[str]:
    """What ran how often."""
    ran: Counter[str] = Counter()

    @flow.step
    def note(context: Any, step: Any) -> str:
        ran[context.idempotency_key] += 1
        return str(context.step_name)

    return ran


STEPS = [
    {"name": f"s{i}", "type": "note", "on_unknown_outcome": policy}
    for i, policy in enumerate(["retry", "ask", "fail"] * 3)
]


@pytest.mark.parametrize("place", ["commit.begun", "commit.before", "commit.after"])
@pytest.mark.parametrize("error", ERRORS, ids=["OSError", "sqlite3"])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_runs_outlive_a_disk_that_is_full_for_a_while(
    place: str, error: Any, kind: str, tmp_path: Any
) -> None:
    trouble, ran, started = Trouble(), Counter[str](), threading.Event()

    def note(context: Any, step: Any) -> str:
        assert started.wait(20)
        ran[context.idempotency_key] += 1
        if len(ran) == 60:
            trouble.error = error
        return str(context.step_name)

    url = f"sqlite:///{tmp_path}/runs.db" if kind == "sqlite" else "memory://"
    system = ActorSystem(url, failpoints=Failpoints({place: trouble}))
    system.register_step("note", note)
    with system:
        agent = system.workflow_agent("a")
        runs = agent.start_many([(f"r{i}", {}) for i in range(20)], {"name": "w", "steps": STEPS})
        started.set()
        assert trouble.hit.wait(20)
        refusals = 0
        for number in range(3):
            try:
                agent.start({"name": "w", "steps": STEPS}, run_id=f"late{number}")
            except StoreUnavailableError:
                refusals += 1
        trouble.error = None
        assert refusals == 3 or place == "commit.after"  # where some commits do happen
        outcomes = [run.result(30) for run in runs]
        assert {outcome["status"] for outcome in outcomes} == {"success"}
        late = persist(lambda: agent.start({"name": "w", "steps": STEPS}, run_id="late0"))
        assert late.result(30)["status"] == "success"
        events = sum(head.version for head in system.store.heads("run"))
        assert system.store.verify() == events
    again = {key: count for key, count in ran.items() if count > 1 and key.startswith("r")}
    assert again == {}  # no result was lost, so nothing ran again


def persist(call: Any) -> Any:
    """Do as the error says: retry with the same id."""
    for _ in range(10_000):
        try:
            return call()
        except StoreUnavailableError:
            time.sleep(0.002)  # else this thread would keep the store's from coming back
    raise AssertionError("the store does not come back")


def test_failures_of_the_store_do_not_count_as_failures_of_the_actors(
    flow: Flow, ran: Counter[str]
) -> None:
    for number in range(30):
        flow.fault.arm(1)
        persist(lambda n=number: flow.start({"steps": STEPS}, f"r{n}"))
    for number in range(30):
        assert flow.system.run(f"r{number}").result(20)["status"] == "success"
    assert set(ran.values()) == {1}


def test_one_run_meets_fifteen_failed_commits_and_runs_each_step_once(
    flow: Flow, ran: Counter[str]
) -> None:
    @flow.step
    def unlucky(context: Any, step: Any) -> int:
        ran[context.idempotency_key] += 1
        flow.fault.arm(1)
        return 1

    steps = [{"name": f"s{i}", "type": "unlucky", "on_unknown_outcome": "fail"} for i in range(15)]
    outcome = flow.run({"steps": steps})
    assert outcome["steps_completed"] == 15
    assert set(ran.values()) == {1}
    flow.check()


def test_a_commit_of_unknown_outcome_that_happened_counts_once(
    flow: Flow, ran: Counter[str]
) -> None:
    flow.lost.arm(1)
    run = flow.start({"steps": STEPS})
    flow.lost.arm(1)
    assert run.result(20)["status"] == "success"
    assert set(ran.values()) == {1}
    flow.check()


def test_an_outcome_that_is_durable_but_seemed_to_fail_is_told_all_the_same(
    flow: Flow, ran: Counter[str], monkeypatch: Any
) -> None:
    """The commit happens, and the database cannot even be asked about it for a while."""
    load, refusals = flow.store._memory.load, [3]

    def unreachable() -> Any:
        if flow.types()[-1:] == ["completed"] and refusals[0]:
            refusals[0] -= 1
            raise OSError("unreachable")
        return load()

    def lose() -> None:
        if flow.types()[-1:] == ["completed"] and refusals[0]:
            raise OSError("connection lost")

    monkeypatch.setattr(flow.store._memory, "load", unreachable)
    flow.places["commit.after"] = lose
    flow.store._memory._failpoints = Failpoints(flow.places)
    outcome = flow.run({"steps": STEPS})
    assert outcome["status"] == "success"
    assert refusals == [0]
    assert set(ran.values()) == {1}


def test_attempts_whose_record_seemed_to_fail_never_began_and_are_not_unknown(
    flow: Flow, ran: Counter[str], monkeypatch: Any
) -> None:
    """As above, in the middle: what was recorded there has not begun, whatever its policy."""
    load, refusals = flow.store._memory.load, {len(flow.types()) + n: 2 for n in (2, 3, 5, 7)}

    def unreachable() -> Any:
        version = len(flow.types())
        if refusals.get(version, 0):
            refusals[version] -= 1
            raise OSError("unreachable")
        return load()

    def lose() -> None:
        if refusals.get(len(flow.types()), 0):
            raise OSError("connection lost")

    monkeypatch.setattr(flow.store._memory, "load", unreachable)
    flow.places["commit.after"] = lose
    flow.store._memory._failpoints = Failpoints(flow.places)
    outcome = flow.run({"steps": STEPS})
    assert outcome["status"] == "success", flow.types()
    assert set(refusals.values()) == {0}
    assert set(ran.values()) == {1}
    assert "step_outcome_unknown" not in flow.types()
    assert "steps_started" not in flow.types()
    flow.check()


def test_a_recovery_that_is_interrupted_by_the_store_starts_nothing_twice(
    flow: Flow, ran: Counter[str]
) -> None:
    # as if killed there
    access_to(flow.system).parts.host.effects.register_builtin({Begin: lambda _actor, _begin: None})
    steps = [{"name": f"s{i}", "type": "note"} for i in range(5)]
    flow.start({"pattern": "parallel", "steps": steps})
    flow.cut_off()
    system = flow.make()
    flow.commit.close(failing)
    with system:
        flow.commit.wait()  # the attempts of the recovery are being recorded
        flow.commit.open()
        assert system.run("r").result(20)["status"] == "success"
        flow.check()
    assert ran == {f"r/s{i}": 1 for i in range(5)}
    assert flow.types().count("steps_started") == 1


@pytest.mark.parametrize("kind", ["held", "held_async"])
@pytest.mark.parametrize("policy", ["retry", "ask", "fail"])
def test_a_step_that_is_running_when_its_run_is_read_again_is_left_alone(
    flow: Flow, ran: Counter[str], gate: Gate, policy: str, kind: str
) -> None:
    @flow.step
    def held(context: Any, step: Any) -> int:
        ran["held"] += 1
        gate()
        return context.attempt  # type: ignore[no-any-return]

    @flow.step
    async def held_async(context: Any, step: Any) -> int:
        return await asyncio.to_thread(held, context, step)

    @flow.step
    def fail_the_commit(context: Any, step: Any) -> int:
        gate.wait()
        flow.fault.arm(1)
        return 1

    steps = [
        {"name": "held", "type": kind, "on_unknown_outcome": policy},
        {"name": "other", "type": "fail_the_commit"},
    ]
    run = flow.start({"pattern": "parallel", "steps": steps})
    until_completed(flow, "other")
    gate.go.set()
    assert run.result(20)["result"] == {"held": 1, "other": 1}
    assert ran["held"] == 1
    assert flow.types() == ["accepted", "step_completed", "step_completed", "completed"]


def until_completed(flow: Any, path: str) -> None:
    there = threading.Event()

    def look(_: object) -> None:
        if any(getattr(event, "path", "") == path for event in flow.events()):
            there.set()

    end = flow.store.subscribe(look)
    look(None)
    assert there.wait(20)
    end()


def failing() -> None:
    raise OSError("the disk is gone")


def test_who_waits_for_a_run_that_is_set_aside_is_told(
    flow: Flow, ran: Counter[str], monkeypatch: Any
) -> None:
    from indelible.actors.workflow.decide import run_decider
    from indelible.actors.workflow.run_messages import StepReturned
    from indelible.errors import ActorQuarantinedError

    def broken(state: Any, message: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(run_decider._DECIDE, StepReturned, broken)
    run = flow.start({"steps": [{"name": "s", "type": "note"}]})
    with pytest.raises(ActorQuarantinedError, match="a bug"):
        run.result(20)
    with pytest.raises(ActorQuarantinedError):
        run.result(20)
    assert ran == {"r/s": 1}  # the result that made all the trouble was kept
