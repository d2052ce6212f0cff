"""A failure does not become data by accident: references to it, blocks without any result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from indelible.actors.workflow.definition.compile import compile_definition
from indelible.errors import DefinitionError

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow


def step(name: str, kind: str = "same", **params: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "params": params}


def ref(text: str, **options: Any) -> dict[str, Any]:
    return {"ref": text, **options}


def block(name: str, *steps: Any, pattern: str = "parallel") -> dict[str, Any]:
    return {"name": name, "pattern": pattern, "steps": list(steps)}


@pytest.fixture(autouse=True)
def steps(flow: Flow) -> None:
    def boom() -> None:
        raise ValueError("nope")

    flow.system.register_step("boom", boom)
    flow.system.register_step("same", lambda v: v)
    flow.system.register_step(
        "context", lambda context, step: {name: context[name] for name in "xp"}
    )


SOME = block("p", step("x", "boom"), step("z", v=1))
CUT_OFF = block(
    "p", block("q", step("x", "boom"), step("y", v=1), pattern="sequential"), step("z", v=1)
)


@pytest.mark.parametrize(
    "text",
    [
        "steps.x",
        "steps.x.rows",
        "steps.x.failed",
        "steps.p.x",
        "steps.p.x.error",
        "steps.step_0_result.x",
    ],
)
def test_a_reference_to_a_failed_step_fails_the_step_that_has_it(flow: Flow, text: str) -> None:
    steps = [SOME, step("charge", v=[ref(text)])]
    outcome = flow.run({"steps": steps})
    assert outcome["status"] == "failed"
    error = outcome["error"]
    assert error is not None
    assert (error["step"], error["type"]) == ("charge", "FailedReferenceError")
    for word in ("'charge'", text, "'x'", "ValueError: nope", '"failed": "pass"'):
        assert word in error["message"]
    flow.check()


def test_such_a_step_is_not_tried_again(flow: Flow) -> None:
    charge = {**step("charge", v=ref("steps.x")), "retry": {"attempts": 5, "delay": 1000}}
    assert flow.run({"steps": [SOME, charge]})["status"] == "failed"


@pytest.mark.parametrize("text", ["steps.y", "steps.p.q.y", "steps.q"])
def test_so_does_a_reference_to_a_step_that_was_skipped_or_a_block_that_failed(
    flow: Flow, text: str
) -> None:
    outcome = flow.run({"steps": [CUT_OFF, step("charge", v=ref(text))]})
    error = outcome["error"]
    assert error is not None
    assert error["type"] == "FailedReferenceError"
    assert ("was skipped" in error["message"]) == (text == "steps.y")


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("steps.x", {"failed": True, "error_type": "ValueError", "error": "nope"}),
        ("steps.p.x.error", "nope"),
        ("steps.z", 1),
        ("steps.p.z", 1),
    ],
)
def test_a_reference_that_lets_failures_pass_gets_the_entry(
    flow: Flow, text: str, passed: Any
) -> None:
    outcome = flow.run({"steps": [SOME, step("charge", v=ref(text, failed="pass"))]})
    assert outcome["status"] == "partial"
    assert outcome["result"]["charge"] == passed


def test_a_block_that_collects_shows_its_failed_steps_as_entries(flow: Flow) -> None:
    entry = {"failed": True, "error_type": "ValueError", "error": "nope"}
    outcome = flow.run({"steps": [SOME, step("all", v=ref("steps.p")), step("seen", "context")]})
    assert outcome["result"]["all"] == {"x": entry, "z": 1}
    assert outcome["result"]["seen"] == {"x": entry, "p": {"x": entry, "z": 1}}


def test_a_key_that_is_named_as_a_failed_step_is_no_step(flow: Flow) -> None:
    steps = [SOME, step("load", v={"x": 7}), step("charge", v=ref("steps.load.x"))]
    assert flow.run({"steps": steps})["result"]["charge"] == 7


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"ref": "steps.z", "failed": "skip"}, "write failed: pass"),
        ({"ref": "steps.z", "failed": True}, "write failed: pass"),
        ({"ref": "input.v", "failed": "pass"}, "only a reference to a step"),
        ({"ref": "steps.z", "failde": "pass"}, "ref alone"),
        ({"ref": "steps.z", "failed": "pass", "more": 1}, "ref alone"),
    ],
)
def test_what_a_reference_may_say_of_failures_is_checked_when_it_is_compiled(
    written: Any, words: str
) -> None:
    definition = {"name": "w", "steps": [step("z", v=1), step("charge", v=[written])]}
    with pytest.raises(DefinitionError) as caught:
        compile_definition(definition, None)
    [problem] = caught.value.problems
    assert words in problem.fix
    assert problem.path == "steps[1].params.v[0]"


def test_a_block_of_which_every_step_failed_has_failed(flow: Flow) -> None:
    p = block("p", step("x", "boom"), step("y", "boom"))
    outcome = flow.run({"steps": [p, step("after", v=1)]})
    assert outcome["status"] == "failed"
    error = outcome["error"]
    assert error is not None
    assert error["step"] in ("p/x", "p/y")
    assert [failed["step"] for failed in error["steps"]] == ["p/x", "p/y"]
    assert outcome["result"]["p"]["error_type"] == "ValueError"
    assert "all 2 steps of 'p' failed" in outcome["result"]["p"]["error"]
    assert outcome["result"]["after"]["skipped"]
    flow.check()


def test_such_a_block_is_an_entry_of_the_block_around_it(flow: Flow) -> None:
    inner = block("p", step("x", "boom"), block("q", step("y", "boom"), pattern="sequential"))
    outcome = flow.run({"pattern": "parallel", "steps": [inner, step("z", v=1)]})
    assert outcome["status"] == "partial"
    assert outcome["result"]["p"]["failed"]
    flow.check()


def test_a_parallel_workflow_of_which_every_step_failed_has_failed(flow: Flow) -> None:
    steps = [step(f"s{i}", "boom") for i in range(5)]
    assert flow.run({"pattern": "parallel", "width": 2, "steps": steps})["status"] == "failed"
    flow.check()
