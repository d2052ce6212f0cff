"""What an accepted definition becomes: defaults, names, and a plan that its bytes give again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from indelible.actors.effects.retry_policy import RetryPolicy
from indelible.actors.step_types.base import StepTypes
from indelible.actors.step_types.functions import FunctionStep
from indelible.actors.workflow.definition.build_plan import plan_from_encoded
from indelible.actors.workflow.definition.compile import compile_definition
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.definition.size_limits import MAX_BLOCKS
from indelible.errors import DefinitionError
from indelible.events.codec.values import encode_value

STEP = {"name": "a", "type": "t"}


def plan_of(*steps: Any, **root: Any) -> Plan:
    return compile_definition({"name": "w", "steps": list(steps)} | root, None)


def test_defaults_are_filled_in() -> None:
    plan = plan_of(STEP)
    node = plan.nodes[1]
    assert (plan.checkpoint_steps, plan.checkpoint_seconds, plan.steps_total) == (5, 300, 1)
    assert (node.timeout, node.retry, node.on_unknown) == (None, RetryPolicy(), "retry")
    assert plan.nodes[0].kind == "sequential"
    assert {**node.source, "params": node.params} == {"name": "a", "type": "t", "params": {}}


def test_every_field_reaches_the_plan() -> None:
    retry = {"attempts": 3, "delay": 2, "backoff": 3, "max_delay": 9, "jitter": 0.5}
    plan = plan_of(
        STEP | {"timeout": 30, "retry": retry, "on_unknown_outcome": "ask", "params": {"x": 1}},
        format=1,
        pattern="parallel",
        policy="collect",
        width=7,
        checkpoint={"every_steps": 2, "every_seconds": 9},
    )
    root, node = plan.nodes
    written = root.source
    assert (root.kind, written["policy"], written["width"]) == ("parallel", "collect", 7)
    assert (plan.checkpoint_steps, plan.checkpoint_seconds) == (2, 9)
    assert node.retry == RetryPolicy(3, 2.0, 3.0, 9.0, 0.5)
    assert (node.timeout, node.on_unknown, node.params) == (30.0, "ask", {"x": 1})


def test_retry_may_be_a_number_of_attempts() -> None:
    assert plan_of(STEP | {"retry": 3}).nodes[1].retry == RetryPolicy(attempts=3)


def test_a_delay_above_the_usual_maximum_raises_that() -> None:
    assert plan_of(STEP | {"retry": {"attempts": 2, "delay": 90}}).nodes[1].retry.max_delay == 90.0


def test_steps_without_a_name_are_called_by_their_place() -> None:
    plan = plan_of({"type": "t"}, {"steps": [STEP, {"type": "t"}]}, {"type": "t"})
    assert [node.name for node in plan.nodes[1:]] == ["step_0", "step_1", "a", "step_1_1", "step_2"]


def test_paths_join_the_names_from_the_root() -> None:
    plan = plan_of({"name": "b", "pattern": "parallel", "steps": [STEP]})
    assert plan.by_path == {"": 0, "b": 1, "b/a": 2}
    assert plan.by_name == {"b": 1, "a": 2}
    assert [(n.parent, n.children, n.order, n.end) for n in plan.nodes] == [
        (-1, (1,), 0, 3),
        (0, (2,), 0, 3),
        (1, (), 0, 3),
    ]


def test_flat_parameters_are_parameters() -> None:
    assert plan_of(STEP | {"file": "x", "params": {"n": 1}}) == plan_of(
        STEP | {"params": {"n": 1, "file": "x"}}
    )


def test_equal_definitions_have_equal_bytes_however_they_are_written() -> None:
    long = {
        "steps": [{"retry": {"attempts": 1}, "params": {"b": {"y": 1, "x": 2}, "a": 1}} | STEP],
        "pattern": "sequential",
        "checkpoint": {"every_steps": 5},
        "format": 1,
        "name": "w",
    }
    short = plan_of(STEP | {"a": 1, "b": {"x": 2, "y": 1}})
    assert compile_definition(long, None).encoded == short.encoded
    assert compile_definition(long, None).digest == short.digest


def test_a_stored_plan_is_rebuilt_without_its_step_types() -> None:
    types = StepTypes()
    types.register(FunctionStep(lambda context, step: None, "t"))
    plan = compile_definition({"name": "w", "steps": [STEP | {"x": {"ref": "input.x"}}]}, types)
    again = plan_from_encoded(plan.encoded)
    assert again == plan
    assert hash(again) == hash(plan)
    for mine, other in zip(plan.nodes, again.nodes, strict=True):
        for field in mine.__struct_fields__:
            assert getattr(mine, field) == getattr(other, field)


def test_a_live_plan_holds_what_a_recovered_one_would() -> None:
    instant = datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=1), "a name that is not stored"))
    plan = plan_of(STEP | {"at": instant})
    assert repr(plan.nodes[1].params) == repr(plan_from_encoded(plan.encoded).nodes[1].params)


def test_a_plan_of_another_format_is_refused_by_name() -> None:
    with pytest.raises(DefinitionError, match="runs format 1"):
        plan_from_encoded(encode_value({"format": 2, "name": "w"}))


def test_a_plan_is_a_copy_of_its_source() -> None:
    rows = [1]
    source = {"name": "w", "steps": [STEP | {"rows": rows}]}
    plan = compile_definition(source, None)
    rows.append(2)
    assert plan.nodes[1].params == {"rows": [1]}


def test_a_wide_and_a_deep_definition_compile() -> None:
    assert (
        plan_of(*({"type": "t"} for _ in range(10_000)), pattern="parallel").steps_total == 10_000
    )
    steps: list[Any] = [STEP]
    for _ in range(MAX_BLOCKS - 1):
        steps = [{"steps": steps}]
    assert plan_of(*steps).steps_total == 1
