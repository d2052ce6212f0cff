"""References: which are accepted, which names a step sees, and what they resolve to."""

from __future__ import annotations

from typing import Any

import pytest

from indelible.actors.workflow.definition.compile import check_input, compile_definition
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.definition.references import blank_refs, parse_ref, resolve
from indelible.errors import DefinitionError, StepDataError


def leaf(name: str, ref: Any = None) -> dict[str, Any]:
    params = {} if ref is None else {"params": {"x": [{"ref": ref}]}}
    return {"name": name, "type": "t"} | params


def block(name: str, pattern: str, *steps: Any) -> dict[str, Any]:
    return {"name": name, "pattern": pattern, "steps": list(steps)}


def compiled(*steps: Any) -> Plan:
    return compile_definition({"name": "w", "steps": list(steps)}, None)


def fault(*steps: Any) -> str:
    with pytest.raises(DefinitionError) as caught:
        compiled(*steps)
    [problem] = caught.value.problems
    return ": ".join(problem)


TREE = (
    leaf("a"),
    block("b", "parallel", leaf("c"), block("d", "sequential", leaf("e"), leaf("f"), leaf("g"))),
    leaf("h"),
    leaf("i"),
)


@pytest.mark.parametrize(
    ("reader", "names"),
    [
        ("a", ""),
        ("b", "a step_0_result"),
        ("c", "a step_0_result"),
        ("e", "a"),
        ("f", "a e step_0_result"),
        ("g", "a e f step_0_result step_1_result"),
        ("h", "a b c d e f g step_0_result step_1_result"),
        ("i", "a b c d e f g h step_0_result step_1_result step_2_result"),
    ],
)
def test_a_step_sees_what_is_surely_finished(reader: str, names: str) -> None:
    plan = compiled(*TREE)
    index = plan.by_name[reader]
    assert list(plan.visible(index)) == names.split()
    known = {*plan.by_name, *(f"step_{i}_result" for i in range(9)), "w", "", "nothing"}
    assert {name for name in known if plan.find(index, name) is not None} == set(names.split())


def test_a_result_by_place_counts_in_the_innermost_sequential_block() -> None:
    plan = compiled(*TREE)
    assert plan.find(plan.by_name["g"], "step_1_result") == plan.by_name["f"]
    assert plan.find(plan.by_name["c"], "step_0_result") == plan.by_name["a"]
    assert plan.find(plan.by_name["i"], "step_1_result") == plan.by_name["b"]
    alone = compile_definition({"name": "w", "pattern": "parallel", "steps": [leaf("a")]}, None)
    assert alone.find(1, "step_0_result") is None
    for name in (
        "step_01_result",
        "step_²_result",
        "step_-1_result",
        "step_" + "9" * 5_000 + "_result",
    ):
        assert plan.find(plan.by_name["i"], name) is None


@pytest.mark.parametrize(
    "ref",
    [
        "steps.a",
        "steps.c.rows.0.x",
        "steps.step_1_result.d",
        "input",
        "input.a.b",
        "steps.step_0_result",
    ],
)
def test_a_reference_that_resolves_is_accepted(ref: str) -> None:
    plan = compiled(*TREE, leaf("reader", ref))
    assert plan.nodes[-1].has_refs
    assert plan.input_refs == (((plan.by_name["reader"], ref),) if ref.startswith("input") else ())


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("steps.me", "cannot refer to itself"),
        ("steps.later", "comes later"),
        ("steps.below", "comes later"),
        ("steps.beside", "runs in parallel with it"),
        ("steps.under", "runs in parallel with it"),
        ("steps.around", "block that it is part of"),
        ("steps.befor", "did you mean 'before'?"),
        ("steps.step_1_result", "no such step before this one"),
        ("steps", "write steps.NAME.path or input.path"),
        ("steps.", "between two dots is empty"),
        ("steps.before..x", "between two dots is empty"),
        ("before", "a reference begins with"),
        ("", "a reference begins with"),
        (3, "a reference is text"),
        (None, "a reference is text"),
        ({"ref": "input"}, "a reference is text"),
    ],
)
def test_a_reference_that_cannot_resolve_says_why(ref: Any, words: str) -> None:
    params = {"x": [{"ref": ref}]}
    found = fault(
        leaf("before"),
        block(
            "around",
            "parallel",
            {"name": "me", "type": "t", "params": params},
            leaf("beside"),
            block("other", "sequential", leaf("under")),
        ),
        block("later", "sequential", leaf("below")),
    )
    assert found.startswith("steps[1].steps[0].params.x[0]: ")
    assert words in found


def test_a_reference_with_other_keys_is_an_error_that_names_the_escape() -> None:
    step = {"name": "a", "type": "t", "row": {"ref": "A-1", "n": 2}}
    assert '{"literal": {…}}' in fault(step)
    step["row"] = {"literal": {"ref": "A-1", "n": 2}}
    assert compiled(step).nodes[1].has_refs


def test_nothing_is_said_of_references_to_names_that_have_a_problem_of_their_own() -> None:
    assert fault({"name": "x/y", "type": "t"}, leaf("b", "steps.x/y")).startswith("steps[0].name")
    assert fault(leaf("a"), leaf("a"), leaf("b", "steps.a")).startswith("steps[1].name")


def test_resolving_replaces_references_and_bares_literals() -> None:
    params = {
        "rows": {"ref": "steps.load.rows"},
        "first": {"ref": "steps.load.rows.0.n"},
        "file": [{"ref": "input.file"}],
        "data": {"literal": {"ref": "not one"}},
        "plain": [1, {"a": None}],
    }
    results = {"load": {"rows": [{"n": 7}]}}
    assert resolve(params, results.__getitem__, {"file": "a.csv"}) == {
        "rows": [{"n": 7}],
        "first": 7,
        "file": ["a.csv"],
        "data": {"ref": "not one"},
        "plain": [1, {"a": None}],
    }


def test_resolving_gives_fresh_containers() -> None:
    given = {"list": [1]}
    params = {"a": [{"b": []}], "c": {"literal": [[]]}, "d": {"ref": "input"}}
    nothing: dict[str, Any] = {}
    result = resolve(params, nothing.__getitem__, given)
    result["a"][0]["b"].append(1)
    result["c"][0].append(1)
    result["d"]["list"].append(2)
    assert params == {"a": [{"b": []}], "c": {"literal": [[]]}, "d": {"ref": "input"}}
    assert given == {"list": [1]}


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("steps.load.row", "no 'row': there is only 'rows', 'n'"),
        ("steps.load.rows.2", "no '2': there is a list of 2"),
        ("steps.load.rows.-1", "no '-1': there is a list of 2"),
        ("steps.load.rows.x", "no 'x': there is a list of 2"),
        ("steps.load.rows." + "9" * 5_000, "there is a list of 2"),
        ("steps.load.rows.\N{ARABIC-INDIC DIGIT ONE}", "there is a list of 2"),
        ("steps.load.n.x", "no 'x': there is a value of type int"),
        ("input.file", "no 'file': there is an empty mapping"),
        ("steps.bad.rows", "only the failure of that step (KeyError: no such thing)"),
    ],
)
def test_a_path_that_leads_nowhere_lists_what_is_there(ref: str, words: str) -> None:
    failure = {"failed": True, "error_type": "KeyError", "error": "no such thing"}
    results = {"load": {"rows": [1, 2], "n": 3}, "bad": failure}
    with pytest.raises(StepDataError) as caught:
        resolve({"x": {"ref": ref}}, results.__getitem__, {}, "reader")
    assert words in str(caught.value)
    assert caught.value.__dict__["step"] == "reader"


def test_blanking_keeps_everything_but_references() -> None:
    blank = blank_refs({"a": {"ref": "input"}, "b": [1, {"literal": {"ref": 1}}]})
    assert repr(blank) == "{'a': a reference, 'b': [1, {'ref': 1}]}"


def test_a_reference_falls_apart_at_its_dots() -> None:
    assert parse_ref("input").keys == ()
    assert parse_ref("steps.a.b.0") == ("a", ("b", "0"))


def test_an_input_key_may_not_hide_a_step() -> None:
    plan = compiled(leaf("load"), block("b", "parallel", leaf("c")))
    assert check_input(plan, {"file": 1, "w": 2, "": 3}) == []
    paths = [problem.path for problem in check_input(plan, {"load": 1, "c": 2, "step_7_result": 3})]
    assert paths == ["input.load", "input.c", "input.step_7_result"]


def test_an_input_must_hold_what_steps_refer_to() -> None:
    plan = compiled(leaf("a", "input.file.name"), leaf("b", "input"))
    assert check_input(plan, {"file": {"name": "x"}}) == []
    [problem] = check_input(plan, {"file": {"nam": "x"}})
    assert "'nam'" in problem.found
    assert "'a'" in problem.fix


@pytest.mark.parametrize("given", [None, [], "x", 3])
def test_an_input_is_a_mapping(given: Any) -> None:
    [problem] = check_input(compiled(leaf("a")), given)
    assert problem.fix == "give a mapping"
