"""What a new owner does with work that a crash has cut off (R29)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from indelible.actors.durable.actor_host import ActorHost
from indelible.actors.workflow.run_effects import Begin
from indelible.actors.workflow.run_messages import Resolution, Resolve
from indelible.api.facade import access_to
from indelible.errors import (
    DefinitionError,
    RefusedError,
    ResultTimeoutError,
    ValueNotStorableError,
)
from indelible.events.codec.values import encode_value

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow, Gate


@pytest.fixture
def killed(flow: Flow, gate: Gate) -> Any:
    """Starts a run of three steps and kills the system while the second one runs."""
    ran: list[str] = []

    @flow.step
    def note(context: Any, step: Any) -> Any:
        ran.append(f"{context.step_name} {context.attempt}")
        return f"{context.step_name} {context.attempt}"

    @flow.step
    def risky(context: Any, step: Any) -> Any:
        if context.attempt == 1:
            gate()
        return note(context, step)

    def kill(**options: Any) -> list[str]:
        steps = [
            {"name": "one", "type": "note"},
            {"name": "two", "type": "risky", **options},
            {"name": "three", "type": "note"},
        ]
        flow.start({"steps": steps})
        gate.wait()
        flow.cut_off()
        gate.go.set()
        return ran

    return kill


def test_by_default_a_step_that_was_cut_off_runs_again_and_completed_ones_do_not(
    flow: Flow, killed: Any
) -> None:
    ran = killed()
    with flow.make() as system:
        outcome = system.run("r").result(20)
        assert outcome["result"]["two"] == "two 2"
        assert outcome["steps_completed"] == 3
        flow.check()
    assert [one for one in ran if one != "two 1"] == ["one 1", "two 2", "three 1"]
    assert [(e.reason, e.starts) for e in flow.events() if hasattr(e, "reason")] == [
        ("recovered", (("two", 2),))
    ]


def test_an_attempt_that_was_cut_off_does_not_use_up_the_retries(flow: Flow, killed: Any) -> None:
    killed(retry={"attempts": 2, "delay": 0})
    tries = []

    def risky(context: Any, step: Any) -> str:
        tries.append(context.attempt)
        if len(tries) == 1:
            raise RuntimeError("fails by itself")
        return "done"

    flow.steps["risky"] = risky
    with flow.make() as system:
        assert system.run("r").result(20)["status"] == "success"
    assert tries == [2, 3]


def test_a_step_whose_policy_is_to_fail_does_not_run_again(flow: Flow, killed: Any) -> None:
    ran = killed(on_unknown_outcome="fail", retry=5)
    with flow.make() as system:
        outcome = system.run("r").result(20)
        flow.check()
    assert outcome["status"] == "failed"
    error = outcome["error"]
    assert error is not None
    assert error["type"] == "OutcomeUnknownError"
    assert [one for one in ran if one != "two 1"] == ["one 1"]


def test_a_step_whose_policy_is_to_ask_waits_for_a_person_visibly(flow: Flow, killed: Any) -> None:
    killed(on_unknown_outcome="ask")
    for _ in range(2):  # it goes on waiting, however often the system is opened
        with flow.make() as system:
            run = system.run("r")
            status = run.status()
            assert status["state"] == "waiting"
            assert status["steps"][1]["state"] == "unknown"
            says = (
                "step 'two': its outcome is unknown, call resolve_step()"
                " or `indelible resolve r two retry|fail|complete`"
            )
            assert status["waiting_for"] == [says]
            with pytest.raises(ResultTimeoutError, match="its outcome is unknown") as late:
                run.result(0.01)
            assert late.value.waiting_for == (says,)
            head = flow.store.head("run-r")
            assert head is not None
            assert head.status == "waiting"
            flow.check()
    assert flow.types().count("step_outcome_unknown") == 1


def test_a_command_that_comes_while_a_run_is_read_back_finds_it_resumed(
    flow: Flow, killed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(on_unknown_outcome="ask")
    asked = threading.Event()
    recover = ActorHost.recover

    def read(*args: Any) -> Any:
        found = recover(*args)
        assert asked.wait(20)
        return found

    monkeypatch.setattr(ActorHost, "recover", read)
    with flow.make() as system:
        answer = access_to(system).send(
            "run-r", Resolve("two", "complete", "ann", encode_value("seen"), now=1)
        )
        asked.set()
        answer.get(timeout=20)
        assert system.run("r").result(20)["result"]["two"] == "seen"


@pytest.mark.parametrize(
    ("action", "status", "two"),
    [
        ("retry", "success", "two 2"),
        ("complete", "success", {"by": "hand"}),
        ("fail", "failed", None),
    ],
)
def test_a_person_resolves_a_step_of_unknown_outcome(
    flow: Flow, killed: Any, action: Resolution, status: str, two: Any
) -> None:
    killed(on_unknown_outcome="ask")
    with flow.make() as system:
        run = system.run("r")
        calls: tuple[Callable[[], object], ...] = (
            lambda: run.resolve_step("one", "retry", by="ann"),
            lambda: run.resolve_step("nope", "retry", by="ann"),
            lambda: run.resolve_step("two", "explode", by="ann"),  # type: ignore[arg-type]
            lambda: run.resolve_step("two", action, by=""),
            lambda: run.resolve_step("two", action, by=None),  # type: ignore[arg-type]
            lambda: run.resolve_step("two", action, by="\ud800"),
            lambda: run.resolve_step(["two"], action, by="ann"),  # type: ignore[arg-type]
        )
        for wrong in calls:
            with pytest.raises(RefusedError):
                wrong()
        with pytest.raises(ValueNotStorableError):
            run.resolve_step("two", "complete", by="ann", result={1})
        assert run.status()["waiting_for"]
        run.resolve_step("two", action, by="ann", result={"by": "hand"})
        outcome = run.result(20)
        assert outcome["status"] == status
        if two is not None:
            assert outcome["result"]["two"] == two
        flow.check()
        with pytest.raises(RefusedError, match="does not wait"):
            run.resolve_step("two", action, by="ben")
    assert [event.by for event in flow.events() if getattr(event, "by", "")] == ["ann"]


def test_resolving_works_without_blocking_too(flow: Flow, killed: Any) -> None:
    import asyncio

    killed(on_unknown_outcome="ask")

    async def use() -> Any:
        async with flow.make() as system:
            run = await system.run_async("r")
            await run.resolve_step_async("two", "complete", by="ann", result=1)
            return await run.result_async(20)

    assert asyncio.run(use())["result"]["two"] == 1


def test_a_step_that_cuts_the_process_off_ten_times_sets_its_run_aside(
    flow: Flow, gates: Any
) -> None:
    begun: list[int] = []
    here: list[Any] = [gates()]

    @flow.step
    def deadly(context: Any, step: Any) -> None:
        begun.append(context.attempt)
        here[-1]()

    flow.start({"steps": [{"name": "s", "type": "deadly"}]})
    for number in range(1, 11):
        here[-1].wait()
        flow.cut_off()
        here[-1].go.set()
        if number < 10:
            here.append(gates())
        flow.make().open()
    outcome = flow.system.run("r").result(20)
    assert outcome["status"] == "failed"
    error = outcome["error"]
    assert error is not None
    assert error["type"] == "Quarantined"
    assert "cut off 10 times" in error["message"]
    assert begun == list(range(1, 11))
    assert flow.system.run("r").status()["state"] == "quarantined"
    flow.check()


def test_progress_elsewhere_in_the_run_forgives_interruptions(flow: Flow, gates: Any) -> None:
    here: list[Any] = [gates()]

    @flow.step
    def deadly(context: Any, step: Any) -> None:
        here[-1]()

    steps = [{"name": f"s{i}", "type": "deadly"} for i in range(4)]
    flow.start({"steps": steps})
    for _ in range(4):  # each step is cut off four times, then completes
        for _ in range(4):
            here[-1].wait()
            flow.cut_off()
            here[-1].go.set()
            here.append(gates())
            flow.make().open()
        here[-1].wait()
        old = here[-1]
        here.append(gates())
        old.go.set()
    assert flow.system.run("r").result(20)["status"] == "success"


# -- step types that are not there yet


@pytest.mark.parametrize("policy", ["retry", "ask", "fail"])
def test_a_run_whose_step_type_is_missing_waits_visibly_and_goes_on_when_it_comes(
    flow: Flow, policy: str
) -> None:
    @flow.step
    def one(context: Any, step: Any) -> int:
        return 1

    @flow.step
    def two(context: Any, step: Any) -> int:
        return 2

    flow.system.close()
    with flow.make(drain=0) as system:
        access_to(system).parts.executor.hold()  # accept, and start nothing
        steps = [
            {"name": name, "type": name, "on_unknown_outcome": policy} for name in ("one", "two")
        ]
        flow.start({"steps": steps})
    del flow.steps["two"]
    for _ in range(2):
        with flow.make() as system:
            run = system.run("r")
            settled(flow, "step_completed")
            says = "step 'two': its type 'two' is not registered, call register_step()"
            wait_for(run, says)
            with pytest.raises(ResultTimeoutError, match="not registered") as late:
                run.result(0.01)
            assert late.value.waiting_for == (says,)
            with pytest.raises(DefinitionError):
                flow.start({"steps": [{"name": "x", "type": "two"}]}, "x")
    with flow.make() as system:
        system.register_step("two", two)
        assert system.run("r").result(20)["result"] == {"one": 1, "two": 2}
        assert system.run("r").status()["waiting_for"] == []
        flow.check()


def settled(flow: Flow, kind: str) -> None:
    """Until the run's stream holds an event of that type."""
    there = threading.Event()
    end = flow.store.subscribe(lambda _: there.set() if kind in flow.types() else None)
    if kind not in flow.types():
        assert there.wait(20)
    end()


def wait_for(run: Any, says: str) -> None:
    """Until the status names what is missing: each look goes through the run's mailbox."""
    for _ in range(1_000):
        if says in run.status()["waiting_for"]:
            return
    raise AssertionError(run.status())


def test_types_that_come_one_after_the_other_start_each_step_once(
    flow: Flow, together: Any
) -> None:
    names = [f"t{i}" for i in range(8)]
    ran: list[str] = []

    def make(name: str) -> Any:
        def function(context: Any, step: Any) -> str:
            ran.append(f"{context.step_name} {context.attempt}")
            return name

        return function

    for name in names:
        flow.steps[name] = make(name)
    flow.system.close()
    with flow.make(drain=0):
        steps = [{"name": name, "type": name} for name in names]
        # as if killed there
        access_to(flow.system).parts.host.effects.register_builtin(
            {Begin: lambda _actor, _begin: None}
        )
        flow.start({"pattern": "parallel", "steps": steps})
        flow.cut_off()
    missing = dict(flow.steps)
    for name in names:
        del flow.steps[name]
    with flow.make() as system:
        together([lambda n=n: system.register_step(n, missing[n]) for n in names])
        assert system.run("r").result(20)["status"] == "success"
    assert sorted(ran) == [f"{name} 2" for name in names]


@pytest.fixture
def together() -> Any:
    def run(functions: Any) -> None:
        start = threading.Barrier(len(functions))

        def call(function: Any) -> None:
            start.wait(10)
            function()

        threads = [threading.Thread(target=call, args=(one,)) for one in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    return run


def test_a_type_that_comes_while_its_run_is_being_read_is_not_missed(
    flow: Flow, monkeypatch: Any
) -> None:
    @flow.step
    def late(context: Any, step: Any) -> int:
        return 1

    with flow.system as system:
        access_to(system).parts.host.effects.register_builtin({Begin: lambda _actor, _begin: None})
        flow.start({"steps": [{"name": "s", "type": "late"}]})
        flow.cut_off()
    del flow.steps["late"]
    system = flow.make()
    from indelible.actors.workflow.execute.executor import Executor

    resumption = Executor.resumption

    def slowly(self: Any, *args: Any) -> Any:
        message = resumption(self, *args)  # it knows the types of this moment
        system.register_step("late", late)
        return message

    monkeypatch.setattr(Executor, "resumption", slowly)
    with system:
        assert system.run("r").result(20)["result"] == {"s": 1}


def test_a_resumed_step_may_use_its_system_at_once(flow: Flow) -> None:
    @flow.step
    def self_aware(context: Any, step: Any) -> str:
        return flow.system.run(context.run_id).run_id

    access_to(flow.system).parts.host.effects.register_builtin({Begin: lambda _actor, _begin: None})
    flow.start({"steps": [{"name": "s", "type": "self_aware"}]})
    flow.cut_off()
    with flow.make() as system:
        assert system.run("r").result(20)["result"] == {"s": "r"}
