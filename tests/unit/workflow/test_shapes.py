"""Patterns on real threads: what steps see, what comes out, and that the counts add up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from indelible import Outcome

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow, Gate


def sequential(*steps: Any, **options: Any) -> dict[str, Any]:
    return {"pattern": "sequential", "steps": list(steps), **options}


def parallel(*steps: Any, **options: Any) -> dict[str, Any]:
    return {"pattern": "parallel", "steps": list(steps), **options}


def see(context: Any, step: Any) -> Any:
    return {"name": step["name"], "sees": sorted(context)}


async def see_async(context: Any, step: Any) -> Any:
    await asyncio.sleep(0)
    return see(context, step)


def fail(context: Any, step: Any) -> None:
    raise ValueError(f"{step['name']} is broken")


def s(name: str, kind: str = "see", **options: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **options}


@pytest.fixture(autouse=True)
def steps(flow: Flow) -> None:
    for function in (see, see_async, fail):
        flow.step(function)


@pytest.mark.parametrize("kind", ["see", "see_async"])
def test_a_step_sees_the_input_and_every_earlier_result(flow: Flow, kind: str) -> None:
    outcome = flow.run(sequential(s("one", kind), s("two", kind), s("three", kind)), input={"k": 1})
    assert outcome["result"]["three"]["sees"] == [
        "k",
        "one",
        "step_0_result",
        "step_1_result",
        "two",
    ]
    assert outcome["status"] == "success"
    flow.check()


def test_the_context_knows_run_step_attempt_key_and_input(flow: Flow) -> None:
    @flow.step
    def look(context: Any, step: Any) -> dict[str, Any]:
        return {
            "run": context.run_id,
            "name": context.step_name,
            "attempt": context.attempt,
            "key": context.idempotency_key,
            "input": context.input,
            "k": context["k"],
            "first": context["first"],
            "same": context["step_0_result"] == context["first"],
            "cancelled": context.cancelled,
            "length": len(context),
            "has": ["k" in context, "nope" in context],
            "step": step["params"],
        }

    outcome = flow.run(
        sequential(s("first"), s("look", "look", params={"x": 1})), "id", input={"k": [1]}
    )
    assert outcome["result"]["look"] == {
        "run": "id",
        "name": "look",
        "attempt": 1,
        "key": "id/look",
        "input": {"k": [1]},
        "k": [1],
        "first": {"name": "first", "sees": ["k"]},
        "same": True,
        "cancelled": False,
        "length": 3,
        "has": [True, False],
        "step": {"x": 1},
    }


def test_the_context_is_read_only_and_copies_are_isolated(flow: Flow) -> None:
    @flow.step
    def vandal(context: Any, step: Any) -> list[str]:
        context["first"]["sees"].append("graffiti")
        context.input["k"].append("graffiti")
        step["params"]["rows"].append("graffiti")
        errors = []
        attacks: tuple[Callable[[], object], ...] = (
            lambda: context.__setitem__("first", 1),
            lambda: context.update(first=1),
            lambda: step.__setitem__("name", "x"),
        )
        for attack in attacks:
            try:
                attack()
            except (TypeError, AttributeError) as error:
                errors.append(type(error).__name__)
        return errors

    @flow.step
    def after(context: Any, step: Any) -> Any:
        return [context["first"]["sees"], context.input["k"], step["params"]["rows"]]

    rows = {"rows": {"ref": "steps.first.sees"}}
    outcome = flow.run(
        sequential(
            s("first"),
            parallel(*(s(f"v{i}", "vandal", params=rows) for i in range(5)), name="p"),
            s("after", "after", params=rows),
        ),
        input={"k": [1]},
    )
    assert outcome["result"]["after"] == [["k"], [1], ["k"]]
    assert len(outcome["result"]["p"]["v0"]) >= 2


def test_a_name_that_a_step_does_not_see_is_a_key_error_that_lists_those_it_does(
    flow: Flow,
) -> None:
    @flow.step
    def wrong(context: Any, step: Any) -> Any:
        return context["tow"]

    error = flow.run(sequential(s("two"), s("wrong", "wrong")), input={"k": 1})["error"]
    assert error is not None
    assert error["type"] == "KeyError"
    assert "'tow': this step sees k, two, step_0_result" in error["message"]


def test_parallel_steps_do_not_see_each_other_and_their_block_is_seen_later(flow: Flow) -> None:
    outcome = flow.run(
        sequential(s("one"), parallel(s("l"), s("r", "see_async"), name="both"), s("last"))
    )
    both = outcome["result"]["both"]
    assert both["l"]["sees"] == both["r"]["sees"] == ["one", "step_0_result"]
    assert outcome["result"]["last"]["sees"] == sorted(
        ["one", "both", "l", "r", "step_0_result", "step_1_result"]
    )
    flow.check()


def test_a_failed_parallel_step_is_an_entry_and_the_outcome_is_partial(flow: Flow) -> None:
    outcome = flow.run(parallel(s("good"), s("bad", "fail"), s("fine", "see_async")))
    assert outcome["status"] == "partial"
    assert outcome["result"]["bad"] == {
        "failed": True,
        "error_type": "ValueError",
        "error": "bad is broken",
    }
    assert outcome["result"]["good"]["name"] == "good"
    bad = {"step": "bad", "type": "ValueError", "message": "bad is broken"}
    assert outcome["error"] == {**bad, "steps": [bad]}
    assert counts(outcome) == [
        2,
        1,
        0,
        3,
    ]
    flow.check()


def test_a_failed_sequential_step_ends_the_run_and_the_rest_is_skipped(flow: Flow) -> None:
    outcome = flow.run(sequential(s("one"), s("two", "fail"), s("three"), s("four")))
    assert outcome["status"] == "failed"
    two = {"step": "two", "type": "ValueError", "message": "two is broken"}
    assert outcome["error"] == {**two, "steps": [two]}
    assert outcome["result"]["one"]["name"] == "one"
    assert outcome["result"]["two"]["failed"]
    assert outcome["result"]["three"] == {"skipped": True, "reason": "an earlier step failed"}
    assert counts(outcome) == [
        1,
        1,
        2,
        4,
    ]
    flow.check()


def test_blocks_nest_both_ways(flow: Flow) -> None:
    outcome = flow.run(
        sequential(
            parallel(
                sequential(s("a1"), s("a2"), name="a"),
                sequential(s("b1"), s("b2", "fail"), s("b3"), name="b"),
                parallel(s("c1", "see_async"), s("c2", "fail"), name="c"),
                s("d"),
                name="wide",
            ),
            sequential(parallel(s("e1"), name="e"), s("f"), name="deep"),
        )
    )
    result = outcome["result"]
    assert outcome["status"] == "partial"
    assert result["wide"]["a"]["a2"]["sees"] == ["a1", "step_0_result"]
    assert result["wide"]["b"] == {
        "failed": True,
        "error_type": "ValueError",
        "error": "b2 is broken",
    }
    assert result["wide"]["c"]["c2"]["failed"]
    assert result["deep"]["e"]["e1"]["name"] == "e1"
    assert "d" in result["deep"]["f"]["sees"]
    assert counts(outcome) == [
        7,
        2,
        1,
        10,
    ]
    flow.check()


def test_a_block_whose_inside_fails_fails_the_sequence_around_it(flow: Flow) -> None:
    outcome = flow.run(sequential(sequential(s("x", "fail"), s("y"), name="in"), s("z")))
    error = outcome["error"]
    assert error is not None
    assert (outcome["status"], error["step"]) == ("failed", "in/x")
    assert outcome["result"]["z"]["skipped"]
    assert outcome["steps_skipped"] == 2
    flow.check()


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("width", [1, 3])
def test_never_more_steps_are_in_flight_than_the_width(flow: Flow, width: int, kind: str) -> None:
    lock, now, most = threading.Lock(), 0, 0
    full = threading.Barrier(width)  # so many do run together

    def enter() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)

    def leave() -> None:
        nonlocal now
        with lock:
            now -= 1

    def sync(context: Any, step: Any) -> None:
        enter()
        full.wait(20)
        leave()

    async def asynchronous(context: Any, step: Any) -> None:
        enter()
        await asyncio.get_running_loop().run_in_executor(None, full.wait, 20)
        leave()

    flow.system.register_step("work", sync if kind == "sync" else asynchronous)
    steps = [s(f"s{i}", "work") for i in range(4 * width)]
    assert flow.run(parallel(*steps, width=width))["status"] == "success"
    assert most == width


def test_width_counts_blocks_not_the_steps_inside(flow: Flow, gate: Gate) -> None:
    @flow.step
    def held(context: Any, step: Any) -> None:
        gate()

    blocks = [parallel(s(f"x{i}", "held"), s(f"y{i}", "held"), name=f"b{i}") for i in range(3)]
    run = flow.start(parallel(*blocks, width=1))
    gate.wait(2)
    running = [step["name"] for step in run.status()["steps"] if step["state"] == "running"]
    assert running == ["x0", "y0"]
    gate.go.set()
    assert run.result(20)["steps_completed"] == 6


def test_a_step_may_take_its_parameters_by_name(flow: Flow) -> None:
    @flow.step
    def add(left: int, right: int = 10, *, context: Any) -> dict[str, Any]:
        return {"sum": left + right, "run": context.run_id}

    outcome = flow.run(
        sequential(
            s("one", "add", left=1),
            s("two", "add", params={"left": {"ref": "steps.one.sum"}, "right": {"ref": "input.r"}}),
        ),
        input={"r": 5},
    )
    assert outcome["result"] == {"one": {"sum": 11, "run": "r"}, "two": {"sum": 16, "run": "r"}}


def test_a_reference_that_does_not_resolve_fails_the_step_by_name(flow: Flow) -> None:
    params = {"x": {"ref": "steps.one.sees.7"}}
    outcome = flow.run(sequential(s("one"), s("two", params=params)))
    assert outcome["status"] == "failed"
    error = outcome["error"]
    assert error is not None
    assert error["step"] == "two"
    assert "steps.one.sees.7" in error["message"]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ({"success": False, "error": "no rows"}, "no rows"),
        ({"success": False, "message": "sorry"}, "sorry"),
        ({"success": False}, "{'success': False}"),
    ],
)
def test_a_step_that_says_it_has_not_succeeded_has_failed(
    flow: Flow, returned: Any, said: str
) -> None:
    flow.system.register_step("honest", lambda context, step: returned)
    error = flow.run(sequential(s("one", "honest")))["error"]
    assert error is not None
    assert (error["type"], error["message"]) == (
        "StepFailedError",
        f"step 'one' reported failure: {said}",
    )


@pytest.mark.parametrize("returned", [{"success": True}, {"success": None}, {"success": 0}, False])
def test_anything_else_is_a_result(flow: Flow, returned: Any) -> None:
    flow.system.register_step("odd", lambda context, step: returned)
    assert flow.run(sequential(s("one", "odd")))["result"]["one"] == returned


def test_ten_thousand_parallel_steps_run_in_one_run(flow: Flow) -> None:
    flow.system.register_step("nothing", lambda context, step: None)
    outcome = flow.run(parallel(*(s(f"s{i}", "nothing") for i in range(10_000))))
    assert outcome["steps_completed"] == 10_000
    assert flow.store.verify() == len(flow.events())


def test_checkpoints_are_marks_on_every_fifth_completion(flow: Flow) -> None:
    outcome = flow.run(sequential(*(s(f"s{i}") for i in range(12))))
    marks = [event.checkpoint for event in flow.events() if getattr(event, "checkpoint", 0)]
    assert marks == [1, 2, 3]
    assert outcome["checkpoints_created"] == 3
    assert flow.types()[5] == "step_completed"
    assert flow.events()[5].checkpoint == 2


def counts(outcome: Outcome) -> list[int]:
    """How many steps completed, failed, were skipped, and were there."""
    return [
        outcome["steps_completed"],
        outcome["steps_failed"],
        outcome["steps_skipped"],
        outcome["steps_total"],
    ]
