"""Steps that wait for runs of their system: they get replaced, or an error names the chain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from indelible import ActorSystem
from indelible.actors.runtime.pool.wait_graph import BLOCKED_LIMIT
from indelible.results import StepError

if TYPE_CHECKING:
    from indelible import RunHandle


class Family:
    """A system whose steps of type ``child`` each run a workflow and wait for its end."""

    def __init__(self, max_threads: int) -> None:
        self.system = ActorSystem("memory://", max_threads=max_threads)
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.system.register_step("child", self.child)
        self.system.register_step("leaf", self.leaf)
        self.system.register_step("leaf on the loop", self.leaf_on_loop)
        self.system.register_step("await", self.wait_for)

    def child(self, number: int, leaf: str, context: Any) -> Any:
        definition = {"name": "child", "steps": [{"name": "leaf", "type": leaf}]}
        agent = self.system.workflow_agent("child")
        self.begun.release()
        return agent.execute_workflow(definition, run_id=f"{context.run_id}-{number}")["status"]

    def leaf(self) -> None:
        assert self.go.wait(50)

    async def leaf_on_loop(self) -> None:
        assert await asyncio.to_thread(self.go.wait, 50)

    def wait_for(self, run: str) -> Any:
        assert self.go.wait(50)
        return self.system.run(run).result()["status"]

    def start(self, run_id: str, *steps: dict[str, Any]) -> RunHandle:
        block = {"name": "all", "pattern": "parallel", "steps": [*steps]}
        definition = {"name": "parent", "steps": [block]}
        return self.system.workflow_agent("parent").start(definition, run_id=run_id)

    def start_many(self, number: int, leaf: str = "leaf") -> RunHandle:
        each = [{"number": n, "leaf": leaf} for n in range(number)]
        steps = [{"name": f"k{n}", "type": "child", "params": each[n]} for n in range(number)]
        return self.start("p", *steps)


@pytest.fixture
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    family = Family(getattr(request, "param", 2))
    with family.system:
        yield family
        family.go.set()


@pytest.mark.parametrize("family", [1, 64], indirect=True)
def test_sixty_four_steps_that_wait_for_runs_leave_threads_for_these(family: Family) -> None:
    family.go.set()
    run = family.start_many(BLOCKED_LIMIT)
    assert run.result(50)["status"] == "success"


def test_a_step_too_many_that_waits_fails_with_the_chain_and_health_says_so(
    family: Family,
) -> None:
    run = family.start_many(BLOCKED_LIMIT + 8, "leaf on the loop")
    for _ in range(BLOCKED_LIMIT + 8):
        assert family.begun.acquire(timeout=50)
    health = family.system.health()
    family.go.set()
    errors = errors_of(run)
    assert not health["ready"]
    assert "steps wait for runs or actors of this system" in health["why"][0]
    assert {error["type"] for error in errors} == {"DeadlockError"}
    assert any("65 steps already block" in error["message"] for error in errors)
    assert any("p/all/k" in e["message"] and " -> run-p-" in e["message"] for e in errors)
    assert family.system.health()["ready"]


def test_a_step_that_waits_for_its_own_run_for_ever_fails_at_once(family: Family) -> None:
    family.go.set()
    run = family.start("p", {"name": "s", "type": "await", "params": {"run": "p"}})
    (error,) = errors_of(run)
    assert error["type"] == "DeadlockError"
    assert error["message"].startswith("steps would wait in a cycle")
    assert "the wait chain is p/all/s -> run-p;" in error["message"]


def test_runs_that_wait_for_each_other_s_end_fail_with_the_cycle(family: Family) -> None:
    runs = [
        family.start(one, {"name": f"of-{one}", "type": "await", "params": {"run": other}})
        for one, other in ("pq", "qp")
    ]
    family.go.set()
    errors = [error for run in runs for error in errors_of(run)]
    assert [error["type"] for error in errors] == ["DeadlockError"]
    assert "p/all/of-p -> q/all/of-q -> run-p;" in errors[0]["message"] or (
        "q/all/of-q -> p/all/of-p -> run-q;" in errors[0]["message"]
    )


def test_a_run_of_the_same_name_in_another_system_is_no_cycle(family: Family) -> None:
    other = Family(2)
    with other.system:
        waited = threading.Event()

        def wait_there() -> Any:
            waited.set()
            return other.system.run("p").result()["status"]

        family.system.register_step("there", wait_there)
        there = other.start_many(1)
        here = family.start("p", {"name": "s", "type": "there"})
        assert waited.wait(50)
        other.go.set()
        assert there.result(50)["status"] == "success"
        assert here.result(50)["status"] == "success"


def test_a_wait_that_a_time_out_of_the_step_ends_is_no_deadlock(family: Family) -> None:
    step = {"name": "s", "type": "await", "params": {"run": "p"}, "timeout": 0.05}
    family.go.set()
    assert [error["type"] for error in errors_of(family.start("p", step))] == ["StepTimeoutError"]


def errors_of(run: RunHandle) -> list[StepError]:
    """The errors of its steps, when it has ended."""
    run.result(50)
    return [step["error"] for step in run.status()["steps"] if step["error"] is not None]
