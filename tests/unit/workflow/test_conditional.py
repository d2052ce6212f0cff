"""Conditional blocks: who begins, who is left out and why, and what nobody can answer."""

from __future__ import annotations

from typing import Any

import pytest

from indelible import ActorSystem, DefinitionError, step
from indelible.actors.workflow.definition.compile import compile_definition
from indelible.actors.workflow.state.condition_values import ConditionValues, answer_of
from indelible.actors.workflow.state.node_status import SKIPPED
from indelible.actors.workflow.state.run_state import RunState
from indelible.events.codec.values import encode_value
from indelible.events.model.run_events import RunAccepted

BIG = "x" * 100_000


@step("note")
def note(context: Any, step: Any) -> dict[str, Any]:
    return {"by": step["name"], "n": step["params"].get("n"), "text": step["params"].get("text")}


def at(name: str, condition: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if condition is None else {"condition": condition}
    return {"name": name, "type": "note", **given, **more}


def block(name: str, condition: Any, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "condition": condition, "steps": list(steps)}


def over(path: str, value: Any = 5) -> dict[str, Any]:
    return {"path": path, "op": "gt", "value": value}


def run(*steps: dict[str, Any], pattern: str = "conditional", **given: Any) -> Any:
    definition = {"name": "w", "pattern": pattern, "steps": list(steps)}
    with ActorSystem("memory://", steps=[note]) as system:
        handle = system.workflow_agent("a").start(definition, input=given)
        outcome = handle.result(20)
        states = {one["name"]: (one["state"], one["reason"]) for one in handle.status()["steps"]}
        assert system.verify().events == len(handle.events())
        return outcome, states


LEFT_OUT = ("skipped", "condition_not_met")
DONE = ("completed", "")


def counts_of(outcome: Any) -> list[int]:
    return [outcome[f"steps_{word}"] for word in ("completed", "failed", "skipped", "total")]


@pytest.mark.parametrize(("total", "chosen"), [(7, "much"), (5, "some"), (1, "little")])
def test_if_else_if_and_else_open_one_of_them(total: int, chosen: str) -> None:
    outcome, states = run(
        at("much", over("input.total")),
        at("some", over("input.total", 2)) | {"else": True},
        at("little") | {"else": True},
        total=total,
    )
    assert {name for name, state in states.items() if state == DONE} == {chosen}
    assert {state for name, state in states.items() if name != chosen} == {LEFT_OUT}
    assert (outcome["status"], counts_of(outcome)) == ("success", [1, 0, 2, 3])


def test_children_without_else_are_asked_one_by_one() -> None:
    _, states = run(
        at("a", over("input.n")),
        at("b") | {"else": True},
        at("c", over("input.n", 1)),
        at("d") | {"else": True},
        at("e"),
        n=3,
    )
    assert [name for name, state in states.items() if state == DONE] == ["b", "c", "e"]


def test_a_run_of_which_nothing_begins_has_succeeded() -> None:
    outcome, states = run(at("a", over("input.n")), block("b", over("input.n"), at("c")), n=1)
    assert states == {"a": LEFT_OUT, "c": LEFT_OUT}
    assert (outcome["status"], counts_of(outcome)) == ("success", [0, 0, 2, 2])
    assert outcome["result"]["b"] == {"skipped": True, "reason": "condition_not_met"}


def test_a_condition_sees_results_and_one_in_a_blob_too() -> None:
    choice = {
        "name": "choice",
        "pattern": "conditional",
        "steps": [
            at("big", params={"text": BIG}),
            at("yes", {"path": "steps.big.text", "op": "starts_with", "value": "xx"}),
            at("no", {"not": over("steps.first.n")}),
            at("after", {"type": "context_key_exists", "key": "yes"}),
            at("absent", {"type": "context_key_exists", "key": "no"}),
            at("later", {"path": "steps.big.text", "op": "contains", "value": "y"}),
            at("at last", {"path": "steps.big.text", "op": "contains", "value": "x"}),
        ],
    }
    _, states = run(at("first", params={"n": 9}), choice, at("last"), pattern="sequential")
    left_out = [name for name, state in states.items() if state == LEFT_OUT]
    assert left_out == ["no", "absent", "later"]
    assert states["at last"] == states["last"] == DONE


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (over("steps.first.nowhere"), "has no 'nowhere'"),
        (over("steps.first.by"), "which is not gt 5"),
        (over("input.absent"), "has no 'absent'"),
        (over("steps.left.n"), "was skipped: condition_not_met; ask {type: context_key_exists"),
    ],
)
def test_what_cannot_be_answered_fails_the_child(condition: Any, words: str) -> None:
    first, left = at("first", params={"n": 9}), at("left", over("steps.first.n", 99))
    outcome, states = run(first, left, at("it", condition), at("z"))
    assert (states["it"][0], states["z"]) == ("failed", ("skipped", "an earlier step failed"))
    assert (outcome["status"], outcome["error"]["step"]) == ("failed", "it")
    assert words in outcome["error"]["message"]
    assert counts_of(outcome) == [1, 1, 2, 4]


def test_a_block_whose_condition_cannot_be_answered_fails() -> None:
    outcome, states = run(block("inner", over("input.absent"), at("x"), at("y")), at("z"))
    assert {state for state, _ in states.values()} == {"skipped"}
    assert (outcome["status"], outcome["error"]["step"]) == ("failed", "inner")
    assert counts_of(outcome) == [0, 0, 3, 3]


def test_a_run_names_what_failed_by_itself_and_not_the_blocks_around() -> None:
    inner = {"name": "c", "pattern": "conditional", "steps": [at("x", over("input.no"))]}
    outcome, _ = run(inner, at("z"), pattern="parallel")
    assert outcome["status"] == "partial"
    assert [one["step"] for one in outcome["error"]["steps"]] == ["c/x"]


@pytest.mark.parametrize("width", [1, 3, 10])
def test_conditional_children_of_a_wide_block_each_go_their_way(width: int) -> None:
    blocks = [
        {"name": f"b{n}", "pattern": "conditional", "steps": [at(f"s{n}", over("input.n", n))]}
        for n in range(10)
    ]
    whole = {"name": "all", "pattern": "parallel", "width": width, "steps": blocks}
    outcome, states = run(whole, n=5)
    assert [name for name, state in states.items() if state == DONE] == [f"s{n}" for n in range(5)]
    assert outcome["status"] == "success"


@pytest.mark.parametrize(
    ("child", "path", "words"),
    [
        (at("a", {"type": "sometimes"}), "condition.type", "known are always_true"),
        (at("a", {"type": "iteration_limit"}), "condition.type", "always_true"),
        (at("a", {}), "condition.path", "refer to a value"),
        (at("a", {"pth": "input.n", "op": "gt"}), "condition.pth", "did you mean 'path'"),
        (at("a", {"column": "n"}), "condition.column", "known are"),
        (at("a", {"path": "input.n"}), "condition.op", "write one of eq, ne"),
        (at("a", over("input.n", {"ref": "steps.c"})), "condition.value", "no step is named"),
        (at("a", 3), "condition", "write {path"),
        (at("a", {"all": []}), "condition.all", "a list of conditions"),
        (at("a", over("steps.b.n")), "condition.path", "comes later"),
        (at("a", over("nowhere")), "condition.path", "steps.NAME"),
        (at("a", {"path": "input.n", "op": "near", "value": 1}), "condition.op", "did you mean"),
        (at("a", {"path": "input.n", "op": "gt"}), "condition.value", "give a value"),
        (at("a") | {"else": True}, "else", "put it after"),
        (at("a") | {"else": "yes"}, "else", "write else: true"),
        (at("a", {"type": "context_key_exists"}), "condition.key", "name a key"),
        (at("a", {"type": "context_key_exists", "key": "input.n"}), "condition.key", "alone: n"),
    ],
)
def test_a_condition_that_is_none_is_refused_with_its_place(
    child: dict[str, Any], path: str, words: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        run(child, at("b"))
    [problem] = caught.value.problems
    assert problem.path == f"steps[0].{path}"
    assert words in problem.fix


EARLY = (at("big", params={"text": BIG, "n": 9}), at("small"))


def with_blob(name: str, value: int) -> dict[str, Any]:
    """A conditional block of one step, whose condition looks into a blob."""
    condition = {"path": "steps.big.n", "op": "eq", "value": value}
    return {"name": name, "pattern": "conditional", "steps": [at(f"{name}s", condition)]}


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("value", [1, 9])
def test_a_wide_block_goes_on_behind_conditions_on_blobs(width: int, value: int) -> None:
    blocks = [with_blob(f"b{n}", value) for n in range(4)]
    wide = {"name": "p", "pattern": "parallel", "width": width, "steps": [*blocks, at("last")]}
    around = {"name": "around", "pattern": "conditional", "steps": [wide]}
    outcome, states = run(*EARLY, around, pattern="sequential")
    assert (outcome["status"], states["last"]) == ("success", DONE)
    assert {states[f"b{n}s"] for n in range(4)} == {DONE if value == 9 else LEFT_OUT}


def test_a_wide_block_goes_on_behind_a_condition_on_a_blob_without_an_answer() -> None:
    unanswered = {"steps": [at("x", over("steps.big.nowhere"))], "pattern": "conditional"}
    wide = {"name": "p", "pattern": "parallel", "width": 1, "steps": [unanswered, at("last")]}
    outcome, states = run(*EARLY, wide, pattern="sequential")
    assert (outcome["status"], states["x"][0], states["last"]) == ("partial", "failed", DONE)


def test_a_block_that_fails_by_its_condition_leaves_its_run_partial() -> None:
    alone = block("p", over("input.no"), at("x"))
    inner = {"name": "d", "pattern": "conditional", "steps": [alone]}
    outcome, _ = run(inner, at("o"), pattern="parallel")
    assert outcome["status"] == "partial"
    assert [one["step"] for one in outcome["error"]["steps"]] == ["d/p"]


def test_the_value_of_a_condition_may_be_a_reference_or_a_literal() -> None:
    def equal(value: Any) -> dict[str, Any]:
        return {"path": "input.n", "op": "eq", "value": value}

    _, states = run(
        at("a", equal({"ref": "input.n"})),
        at("b", equal({"literal": 3})),
        at("c", equal({"ref": "input.other"})),
        at("d", {"path": "input.n", "op": "in", "value": {"ref": "input.several"}}),
        n=3,
        other=4,
        several=[2, 3],
    )
    assert [name for name, state in states.items() if state == DONE] == ["a", "b", "d"]


def test_what_may_be_left_out_needs_no_input() -> None:
    there, needs = {"type": "context_key_exists", "key": "k"}, {"n": {"ref": "input.k"}}
    guarded, inner = at("a", there, params=needs), block("b", there, at("c", params=needs))
    _, states = run(guarded, inner, at("d") | {"else": True})
    assert [name for name, state in states.items() if state == DONE] == ["d"]


class Counted(list[Any]):
    """Nodes that count how often they are read."""

    reads = 0

    def __getitem__(self, index: Any) -> Any:
        type(self).reads += 1
        return super().__getitem__(index)


@pytest.mark.parametrize("length", [10, 1_000])
def test_a_child_of_a_long_chain_is_answered_without_a_walk_along_the_chain(length: int) -> None:
    never = {"path": "input.never", "op": "eq", "value": 1}
    chain = [at("s0", never), *(at(f"s{n}", never, **{"else": True}) for n in range(1, length))]
    plan = compile_definition({"name": "w", "pattern": "conditional", "steps": chain}, None)
    state = RunState()
    given = encode_value({"never": 0})
    state.begin(RunAccepted("r", "a", "w", plan.encoded, given, length, 1), plan)
    state.status[1:length] = bytes((SKIPPED,)) * (length - 1)
    state.nodes, Counted.reads = Counted(plan.nodes), 0
    values = ConditionValues(state.values, length)
    assert answer_of(state, length, values) == "condition_not_met"
    assert Counted.reads < 10
