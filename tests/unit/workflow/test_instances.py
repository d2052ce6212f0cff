"""Blocks that repeat their steps: each instance has its own path, attempts, results and end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from indelible import RefusedError, current_step
from indelible.actors.decider import fold
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.definition.compile import compile_definition
from indelible.actors.workflow.run_messages import AcceptRun
from indelible.actors.workflow.state.run_snapshot import from_value, to_value
from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import DefinitionError
from indelible.events.codec.values import decode_value, encode_value
from repeating import repeating_patterns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unit.workflow.conftest import Flow

BIG = "x" * 100_000


@pytest.fixture(autouse=True)
def patterns() -> Iterator[None]:
    with repeating_patterns():
        yield


class Told:
    """What the steps have seen, and which of them fail, by path and attempt."""

    def __init__(self, flow: Flow) -> None:
        self.keys: list[str] = []
        self.seen: dict[str, list[str]] = {}
        self.failing: set[tuple[str, int]] = set()
        self.flow = flow
        flow.step(self.note)

    def note(self, context: Any, step: Any) -> Any:
        path = context.idempotency_key.partition("/")[2]
        self.keys.append(path)
        self.seen[path] = sorted(context)
        if (path, context.attempt) in self.failing:
            raise ValueError(f"no {path}")
        return {"path": path, **step["params"]}


@pytest.fixture
def told(flow: Flow) -> Told:
    return Told(flow)


def note(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "note", **more}


def repeat(name: str, times: Any, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "pattern": "repeat", "times": times, "steps": [*steps], **more}


def each(name: str, items: Any, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "pattern": "each", "items": items, "steps": [*steps], **more}


def counts_of(outcome: Any) -> list[int]:
    return [outcome[f"steps_{word}"] for word in ("completed", "failed", "skipped", "total")]


def error_of(outcome: Any) -> Any:
    return outcome["error"]


def states_of(flow: Flow, run_id: str = "r") -> dict[str, str]:
    return {step["path"]: step["state"] for step in flow.system.run(run_id).status()["steps"]}


def restored(state: RunState) -> RunState:
    return from_value(decode_value(encode_value(to_value(state))), RunDecider().plan_of)


def check(flow: Flow, run_id: str = "r") -> None:
    """The live state is the fold; with a snapshot after any event it is the same."""
    flow.check(run_id)
    events = flow.events(run_id)
    whole = to_value(fold(RunDecider(), RunState(), events))
    for split in range(1, len(events) + 1):
        state = restored(fold(RunDecider(), RunState(), events[:split]))
        assert to_value(fold(RunDecider(), state, events[split:])) == whole


PAIR = (note("load"), note("clean", params={"of": {"ref": "steps.load.path"}}))


def test_each_instance_has_its_own_path_and_reads_its_own_sibling(flow: Flow, told: Told) -> None:
    outcome = flow.run({"steps": [repeat("poll", 3, *PAIR), note("last")]})
    assert told.keys == [
        *(f"poll#{turn}/{step}" for turn in range(3) for step in ("load", "clean")),
        "last",
    ]
    assert outcome["result"]["poll"][2] == {
        "load": {"path": "poll#2/load"},
        "clean": {"path": "poll#2/clean", "of": "poll#2/load"},
    }
    assert counts_of(outcome) == [7, 0, 0, 7]
    check(flow)


def test_instances_that_open_at_once_end_on_their_own(flow: Flow, told: Told) -> None:
    told.failing = {("orders[1]/load", 1)}
    outcome = flow.run(
        {"steps": [each("orders", {"ref": "input.ids"}, *PAIR)]}, input={"ids": [7, 8, 9]}
    )
    assert [set(item) for item in outcome["result"]["orders"]] == [
        {"load", "clean"},
        {"failed", "error_type", "error"},
        {"load", "clean"},
    ]
    assert outcome["status"] == "partial"
    assert counts_of(outcome) == [4, 1, 1, 6]
    assert states_of(flow)["orders[1]/clean"] == "skipped"
    assert error_of(outcome)["step"] == "orders[1]/load"
    check(flow)


def test_the_first_failed_round_ends_a_block_whose_rounds_follow_each_other(
    flow: Flow, told: Told
) -> None:
    told.failing = {("poll#1/clean", 1)}
    outcome = flow.run({"steps": [repeat("poll", 4, *PAIR), note("last")]})
    assert outcome["status"] == "failed"
    assert counts_of(outcome) == [3, 1, 5, 9]
    check(flow)


def test_one_instance_is_tried_again_and_no_other(flow: Flow, told: Told) -> None:
    told.failing = {("orders[1]/load", 1), ("orders[1]/load", 2)}
    step = note("load", retry={"attempts": 3, "delay": 0.001, "jitter": 0})
    outcome = flow.run({"steps": [each("orders", 3, step)]})
    assert outcome["status"] == "success"
    assert Counter(told.keys) == {"orders[0]/load": 1, "orders[1]/load": 3, "orders[2]/load": 1}
    [attempts] = [
        one["attempts"]
        for one in flow.system.run("r").status()["steps"]
        if one["path"] == "orders[1]/load"
    ]
    assert attempts == 3
    check(flow)


def test_blocks_that_repeat_may_repeat_others(flow: Flow, told: Told) -> None:
    inner = each("lines", {"ref": "steps.head.n"}, note("line"))
    outcome = flow.run(
        {"steps": [repeat("pages", 2, note("head", params={"n": 2}), inner, note("foot"))]}
    )
    assert sorted(told.keys) == sorted(
        f"pages#{page}/{step}"
        for page in range(2)
        for step in ("head", "lines[0]/line", "lines[1]/line", "foot")
    )
    assert outcome["result"]["pages"][1]["lines"][0] == {"line": {"path": "pages#1/lines[0]/line"}}
    assert counts_of(outcome) == [8, 0, 0, 8]
    assert list(states_of(flow)) == [
        f"pages#{page}/{step}"
        for page in range(2)
        for step in ("head", "lines[0]/line", "lines[1]/line", "foot")
    ]
    check(flow)


def test_a_whole_workflow_does_not_repeat_its_steps() -> None:
    definition = {"name": "w", "pattern": "repeat", "times": 2, "steps": [note("a")]}
    with pytest.raises(DefinitionError, match="put the steps to repeat into a block"):
        compile_definition(definition, None)


@pytest.mark.parametrize("items", [0, []])
def test_a_block_without_anything_to_repeat_completes(flow: Flow, told: Told, items: Any) -> None:
    steps = [
        each("orders", items, *PAIR),
        each("more", 1, note("one")),
        repeat("end", 0, note("x")),
    ]
    outcome = flow.run({"steps": steps})
    assert outcome["result"] == {
        "orders": [],
        "more": [{"one": {"path": "more[0]/one"}}],
        "end": [],
    }
    assert (outcome["status"], counts_of(outcome)) == ("success", [1, 0, 0, 1])
    check(flow)


def test_how_often_may_stand_in_a_blob(flow: Flow, told: Told) -> None:
    big = note("big", params={"items": [BIG, BIG]})
    steps = [big, note("next"), each("orders", {"ref": "steps.big.items"}, *PAIR)]
    outcome = flow.run({"steps": steps})
    assert len(outcome["result"]["orders"]) == 2
    assert flow.types().count("steps_started") == 1  # after the blob was read
    check(flow)


def test_a_block_that_cannot_know_how_often_fails(flow: Flow, told: Told) -> None:
    steps = [note("one", params={"n": "many"}), repeat("poll", {"ref": "steps.one.n"}, *PAIR)]
    outcome = flow.run({"steps": steps})
    assert outcome["status"] == "failed"
    assert error_of(outcome)["step"] == "poll"
    assert counts_of(outcome) == [1, 0, 0, 1]
    check(flow)


def test_more_instances_than_a_run_can_have_fail_the_block(flow: Flow, told: Told) -> None:
    outcome = flow.run({"steps": [each("orders", 10**6, *PAIR)]})
    assert error_of(outcome)["step"] == "orders"
    assert "1,000,000 times" in error_of(outcome)["message"]


def test_a_crash_repeats_the_instances_that_ran_and_no_other(
    flow: Flow, told: Told, gate: Any
) -> None:
    def hold() -> None:
        step = current_step()
        assert step is not None
        held.append(step.idempotency_key)
        if step.idempotency_key == "r/poll#1/hold" and len(held) == 2:
            gate()

    held: list[str] = []
    flow.step(hold)
    flow.start({"steps": [repeat("poll", 3, note("load"), {"name": "hold", "type": "hold"})]})
    gate.wait()
    flow.cut_off()
    gate.go.set()
    flow.make().open()
    outcome = flow.system.run("r").result(20)
    assert outcome["status"] == "success"
    assert held == ["r/poll#0/hold", "r/poll#1/hold", "r/poll#1/hold", "r/poll#2/hold"]
    assert Counter(told.keys) == {f"poll#{turn}/load": 1 for turn in range(3)}
    check(flow)


def test_a_person_speaks_of_one_instance(flow: Flow, told: Told, gate: Any) -> None:
    def ask() -> str:
        if not gate.go.is_set():
            gate()
        return "done"

    flow.step(ask)
    step = {"name": "ask", "type": "ask", "on_unknown_outcome": "ask"}
    flow.start({"steps": [each("orders", 3, step), note("last")]})
    gate.wait(3)
    flow.cut_off()
    gate.go.set()
    flow.make().open()
    run = flow.system.run("r")
    waiting = [f"orders[{number}]/ask" for number in range(3)]
    assert [path for path, state in states_of(flow).items() if state == "unknown"] == waiting
    assert all(
        f"'{path}'" in reason
        for path, reason in zip(waiting, run.status()["waiting_for"], strict=True)
    )
    with pytest.raises(RefusedError, match=r"it waits for 'orders\[0\]/ask', 'orders\[1\]/ask'"):
        run.resolve_step("ask", "retry", by="me")
    run.resolve_step("orders[1]/ask", "complete", by="me", result="by hand")
    run.resolve_step("orders[2]/ask", "fail", by="me")
    assert states_of(flow)["orders[0]/ask"] == "unknown"
    run.resolve_step("orders[0]/ask", "retry", by="me")
    outcome = run.result(20)
    assert [item.get("ask") for item in outcome["result"]["orders"]] == ["done", "by hand", None]
    assert counts_of(outcome) == [3, 1, 0, 4]
    check(flow)


def test_an_instance_sees_its_own_siblings_and_what_was_before_its_block(
    flow: Flow, told: Told
) -> None:
    steps = [note("first"), each("orders", 1, *PAIR), note("last")]
    flow.run({"steps": steps}, input={"day": 1})
    places = ["step_0_result"]
    assert told.seen["orders[0]/load"] == ["day", "first"]
    assert told.seen["orders[0]/clean"] == sorted(["day", "first", "load", *places])
    assert told.seen["last"] == sorted(["day", "first", "orders", *places, "step_1_result"])


def test_a_block_that_would_repeat_its_steps_may_be_left_out(flow: Flow, told: Told) -> None:
    absent = {"type": "context_key_exists", "key": "absent"}
    chain = [each("orders", 2, *PAIR, condition=absent), note("other", **{"else": True})]
    outcome = flow.run({"pattern": "conditional", "steps": chain})
    assert outcome["result"]["orders"] == {"skipped": True, "reason": "condition_not_met"}
    assert outcome["result"]["other"] == {"path": "other"}
    assert counts_of(outcome) == [1, 0, 0, 1]
    check(flow)


@pytest.mark.parametrize("ref", ["steps.load", "steps.clean.path"])
def test_what_a_block_repeats_is_hidden_from_outside(ref: str) -> None:
    steps = [each("orders", 2, *PAIR), note("last", params={"x": {"ref": ref}})]
    with pytest.raises(DefinitionError, match=r"'orders' repeats it; refer to steps\.orders"):
        compile_definition({"name": "w", "steps": steps}, None)


def test_a_reference_leads_into_the_list_of_results(flow: Flow, told: Told) -> None:
    told.failing = {("orders[0]/load", 1)}
    last = note("last", params={"x": {"ref": "steps.orders.1.clean.of"}})
    failed = note("failed", params={"x": {"ref": "steps.orders.0.clean.of"}})
    outcome = flow.run({"steps": [each("orders", 2, *PAIR), last, failed]})
    assert outcome["result"]["last"]["x"] == "orders[1]/load"
    assert "'orders[0]' failed" in error_of(outcome)["message"]


@pytest.mark.parametrize("name", ["a[3]", "a#1", "b[]", "#"])
def test_no_name_ends_like_an_instance(name: str) -> None:
    with pytest.raises(DefinitionError, match="stand for what a block repeats"):
        compile_definition({"name": "w", "steps": [note(name)]}, None)


def test_a_run_that_repeats_nothing_shares_its_nodes_with_its_plan() -> None:
    state, plan = RunState(), compile_definition({"name": "w", "steps": [note("a")]}, None)
    decider = RunDecider()
    message = AcceptRun(
        run_id="r", agent="a", definition=plan.encoded, input=encode_value({}), now=1
    )
    [event] = decider.decide(state, message).events
    state = decider.evolve(state, event)
    assert state.nodes is state.plan.nodes
    assert state.by_path is state.plan.by_path
