"""What a definition may say, and for everything else an error: the place, what is there, a fix."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from indelible.actors.step_types.base import StepTypes
from indelible.actors.step_types.functions import FunctionStep
from indelible.actors.workflow.definition import compile as compiling
from indelible.actors.workflow.definition import size_limits
from indelible.actors.workflow.definition.compile import compile_definition
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.definition.size_limits import MAX_BLOCKS
from indelible.errors import DefinitionError, Problem

STEP = {"name": "a", "type": "t"}


def plan_of(*steps: Any, **root: Any) -> Plan:
    return compile_definition({"name": "w", "steps": list(steps)} | root, None)


def faults(*steps: Any, **root: Any) -> list[Problem]:
    return faults_in({"name": "w", "steps": list(steps)} | root)


def faults_in(definition: Any, types: StepTypes | None = None) -> list[Problem]:
    with pytest.raises(DefinitionError) as caught:
        compile_definition(definition, types)
    return list(caught.value.problems)


def fault(*steps: Any, **root: Any) -> str:
    [problem] = faults(*steps, **root)
    return ": ".join(problem)


def types(*names: str) -> StepTypes:
    known = StepTypes()
    for name in names:
        known.register(FunctionStep(lambda context, step: None, name))
    return known


def test_all_problems_are_named_at_once() -> None:
    found = faults_in(
        {
            "name": "",
            "stpes": [],
            "checkpoint": {"every_steps": 0},
            "steps": [
                {"name": "a/b", "type": "t", "timeout": -1},
                {"name": "a", "type": 3, "retry": 0},
                {"name": "a", "pattern": "parallel", "width": 0, "policy": "quorum", "steps": []},
            ],
        }
    )
    assert {problem.path for problem in found} == {
        "name",
        "stpes",
        "checkpoint.every_steps",
        "steps[0].name",
        "steps[0].timeout",
        "steps[1].type",
        "steps[1].retry",
        "steps[2].name",
        "steps[2].width",
        "steps[2].policy",
        "steps[2].steps",
    }
    assert all(problem.found and problem.fix for problem in found)


def test_hundreds_of_problems_are_cut_and_counted() -> None:
    found = faults(*[3] * 250)
    assert len(found) == 101
    assert found[-1].found == "150 more"


NOTHING: dict[str, Any] = {"name": None, "timeout": None, "retry": None}


def test_nothing_stands_for_not_given_in_a_name_a_timeout_a_retry_and_the_checkpoint() -> None:
    assert plan_of({"type": "t"} | NOTHING, checkpoint=None) == plan_of({"type": "t"})


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ({"type": None}, "steps[0].type"),
        ({"params": None}, "steps[0].params"),
        ({"on_unknown_outcome": None}, "steps[0].on_unknown_outcome"),
        ({"retry": {"attempts": 2, "delay": None}}, "steps[0].retry.delay"),
    ],
)
def test_nothing_is_an_error_in_any_other_key_of_a_step(where: dict[str, Any], path: str) -> None:
    assert fault(STEP | where).startswith(f"{path}: nothing: ")


@pytest.mark.parametrize("key", ["format", "pattern", "name", "steps"])
def test_nothing_is_an_error_in_any_other_key_of_a_definition(key: str) -> None:
    [problem] = faults_in({"name": "w", "steps": [STEP], key: None})
    assert problem[:2] == (key, "nothing")


@pytest.mark.parametrize("key", ["width", "policy"])
def test_nothing_is_an_error_in_any_other_key_of_a_parallel_block(key: str) -> None:
    block = {"pattern": "parallel", "steps": [STEP], key: None}
    assert fault(block).startswith(f"steps[0].{key}: nothing: ")


@pytest.mark.parametrize("key", ["every_steps", "every_seconds"])
def test_nothing_is_an_error_in_the_keys_of_a_checkpoint(key: str) -> None:
    assert fault(STEP, checkpoint={key: None}).startswith(f"checkpoint.{key}: nothing: ")


@pytest.mark.parametrize("width", [0, 10_001, True, 2.0, "8", None])
def test_a_width_is_a_whole_number_in_its_range(width: Any) -> None:
    assert fault(STEP, pattern="parallel", width=width).startswith("width: ")


@pytest.mark.parametrize("key", ["width", "policy"])
def test_what_only_parallel_blocks_have_is_an_error_elsewhere(key: str) -> None:
    assert "only a parallel block" in fault(STEP, **{key: 3})


@pytest.mark.parametrize("policy", ["fail_fast", "quorum"])
def test_a_policy_to_come_says_so(policy: str) -> None:
    assert "not available yet: write collect" in fault(STEP, pattern="parallel", policy=policy)


@pytest.mark.parametrize("pattern", ["loop", "fan_out_fan_in"])
def test_a_pattern_to_come_says_so(pattern: str) -> None:
    assert "not available yet" in fault(STEP, pattern=pattern)


@pytest.mark.parametrize("value", [None, "list", {}, [], "abc"])
def test_steps_are_a_list_of_at_least_one(value: Any) -> None:
    [problem] = faults_in({"name": "w", "steps": value})
    assert problem.path == "steps"


@pytest.mark.parametrize("value", [2, 0, True, "1", None, 1.0])
def test_another_format_says_which_are_known(value: Any) -> None:
    assert "knows format 1" in fault(STEP, format=value)


@pytest.mark.parametrize(
    "name", ["", "a/b", "a.b", "a\n", "x" * 201, 3, "\ud800", "step_0_result", "step_12_result"]
)
def test_a_name_that_cannot_be_used_is_an_error(name: Any) -> None:
    assert fault(STEP | {"name": name}).startswith("steps[0].name: ")


@pytest.mark.parametrize("name", [None, "", 3, "a\tb", "x" * 201, "\ud800"])
def test_the_workflow_needs_a_name(name: Any) -> None:
    [problem] = faults_in({"name": name, "steps": [STEP]})
    assert problem.path == "name"


def test_a_name_stands_once_in_the_whole_definition() -> None:
    assert fault(STEP, {"name": "b", "steps": [STEP]}) == (
        "steps[1].steps[0].name: 'a': steps[0] has this name too; "
        "names are unique in the whole definition"
    )


def test_a_name_that_another_step_gets_by_its_place_is_taken() -> None:
    assert "give this step another one" in fault({"name": "step_1", "type": "t"}, {"type": "t"})


def test_a_slip_in_a_field_is_asked_about() -> None:
    assert "did you mean 'timeout'?" in fault(STEP | {"timout": 3})
    assert "did you mean 'width'?" in fault(STEP, pattern="parallel", widht=3)
    for child in (STEP, {"steps": [STEP]}):
        for slip in ("els", "esle", "elze"):
            assert "did you mean 'else'?" in fault(child | {slip: True}, pattern="conditional")
    assert "did you mean 'attempts'?" in fault(STEP | {"retry": {"attemps": 3}})
    assert "did you mean 'every_steps'?" in fault(STEP, checkpoint={"every_step": 3})
    assert "did you mean 'pattern'?" in fault({"name": "b", "patern": "parallel", "steps": [STEP]})


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("if", "write the condition under condition"),
        ("when", "write the condition under condition"),
        ("elif", "write else: true, and the condition under condition"),
        ("else_if", "write else: true, and the condition under condition"),
    ],
)
def test_a_word_of_another_language_is_no_parameter_in_a_conditional_block(
    word: str, fix: str
) -> None:
    condition = {"path": "input.x", "op": "is_null"}
    for child in (STEP, {"steps": [STEP]}):
        assert fix in fault(child | {word: condition}, pattern="conditional")
    assert plan_of(STEP | {word: 1}).nodes[1].params == {word: 1}


def test_a_parameter_that_looks_like_a_slip_may_stand_under_params() -> None:
    assert plan_of(STEP | {"params": {"timout": 3}}).nodes[1].params == {"timout": 3}


def test_a_flat_parameter_that_stands_under_params_too_is_an_error() -> None:
    assert "under params, too" in fault(STEP | {"x": 1, "params": {"x": 1}})


@pytest.mark.parametrize("key", ["condition", "over", "width", "checkpoint", "max_iterations"])
def test_a_key_of_the_engine_is_never_taken_for_a_parameter(key: str) -> None:
    assert f"steps[0].{key}: a key of the engine" in fault(STEP | {key: 1})


def test_a_block_has_no_fields_of_steps() -> None:
    assert "only steps have it" in fault({"steps": [STEP], "timeout": 3})
    assert "not available yet" in fault({"steps": [STEP], "over": {}})
    for child in (STEP, {"steps": [STEP]}):
        assert "only children of a conditional block have it" in fault(child | {"else": True})


def test_a_key_that_is_no_text_is_an_error() -> None:
    assert fault(STEP | {3: 1}).startswith("steps[0].3: the key 3")
    assert "steps[0].params" in fault(STEP | {"params": {3: 1}})


def test_a_key_that_nobody_can_see_is_quoted() -> None:
    assert fault(STEP, **{"": 1}).startswith("'': an unknown field")
    assert fault(STEP | {"retry": {" ": 1}}).startswith("steps[0].retry.' ': an unknown field")


def test_an_unknown_step_type_lists_the_known_ones() -> None:
    [problem] = faults_in({"name": "w", "steps": [{"type": "lod"}]}, types("load", "clean"))
    assert problem == Problem(
        "steps[0].type",
        "the unknown step type 'lod'",
        "did you mean 'load'?; or register it: system.register_step",
    )
    [problem] = faults_in({"name": "w", "steps": [{"type": "zzz"}]}, types("load", "clean"))
    assert "clean, load" in problem.fix


def test_a_step_without_a_type_says_so() -> None:
    assert fault({"name": "a"}).startswith("steps[0].type: nothing")


def test_problems_of_a_step_type_come_with_their_place() -> None:
    known = StepTypes()
    known.register(FunctionStep(lambda n: n, "t"))
    found = faults_in(
        {"name": "w", "steps": [{"type": "t", "m": 1}, {"type": "t", "params": {"n": 1, "m": 1}}]},
        known,
    )
    assert [problem.path for problem in found] == [
        "steps[0].params.n",
        "steps[0].m",
        "steps[1].params.m",
    ]


NAIVE = datetime(2013, 1, 1)  # noqa: DTZ001 - a naive one is what cannot be stored


@pytest.mark.parametrize("value", [1j, {1}, object(), NAIVE, 2**63, "\ud800", {1: 2}])
def test_a_value_that_the_log_cannot_hold_is_named_with_its_place(value: Any) -> None:
    assert fault(STEP | {"params": {"x": [0, value]}}).startswith("steps[0].params.x[1]")
    assert fault(STEP | {"x": [0, value]}).startswith("steps[0].x[1]")


def test_values_of_several_steps_are_all_named() -> None:
    found = faults(STEP | {"x": {1}}, {"name": "b", "type": "t", "y": ({2},)})
    assert [problem.path for problem in found] == ["steps[0].x", "steps[1].y[0]"]


def test_a_mapping_that_contains_itself_is_an_error() -> None:
    step: dict[str, Any] = {"name": "a", "steps": []}
    step["steps"].append(step)
    assert "contains itself" in fault(step)
    params: dict[str, Any] = {}
    params["me"] = [params]
    assert "contains itself" in fault(STEP | {"params": params})


def test_a_part_may_stand_in_two_places() -> None:
    shared = {"x": [1, 2]}
    plan = plan_of({"type": "t", "params": shared}, {"type": "t", "params": shared})
    assert plan.nodes[1].params == plan.nodes[2].params == shared


def test_blocks_nested_too_deep_are_an_error() -> None:
    steps: list[Any] = [STEP]
    for _ in range(MAX_BLOCKS):
        steps = [{"steps": steps}]
    assert f"more than {MAX_BLOCKS} blocks" in fault(*steps)
    for _ in range(10 * MAX_BLOCKS):
        steps = [{"steps": steps}]
    assert "levels" in fault(*steps)


def test_too_many_steps_are_an_error() -> None:
    assert "more than 100,000 steps and blocks" in fault(*[STEP] * 100_001)


@pytest.mark.parametrize("value", ["x" * 100_000, "\N{GRINNING FACE}" * 25_000, b"x" * 100_000])
def test_a_definition_too_large_to_store_is_an_error(value: Any) -> None:
    assert "16,777,216" in fault(STEP | {"x": [value] * 170})


@pytest.mark.parametrize("module", [compiling, size_limits])
def test_a_definition_of_many_small_values_is_measured_too(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1_000)
    assert plan_of(STEP | {"x": [date(2013, 1, 1)] * 10}).steps_total == 1
    assert "1,000" in fault(STEP | {"x": [0.5] * 150})
    assert "1,000" in fault(STEP | {"x": [date(2013, 1, 1)] * 1_000})


@pytest.mark.parametrize("value", [[], 3, "x", [["a", 1]]])
def test_what_is_a_mapping_may_be_nothing_else(value: Any) -> None:
    assert fault(STEP | {"params": value}).startswith("steps[0].params: ")
    assert fault(STEP, checkpoint=value).startswith("checkpoint: ")


def test_parameters_nested_too_deep_below_blocks_are_an_error() -> None:
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    steps: list[Any] = [STEP | {"x": deep}]
    for _ in range(30):
        steps = [{"steps": steps}]
    assert "levels" in fault(*steps)


def test_all_parameters_at_once_cannot_be_a_reference() -> None:
    assert "refer from single parameters" in fault(STEP | {"params": {"ref": "input.all"}})
    plan = plan_of(STEP | {"params": {"ref": "A-1"}})
    assert (plan.nodes[1].params, plan.nodes[1].has_refs) == ({"ref": "A-1"}, False)
