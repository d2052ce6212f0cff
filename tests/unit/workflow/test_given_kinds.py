"""What steps return in other kinds is read by later steps as it was stored, live and recovered."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections import OrderedDict
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from indelible.actors.decider import fold
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.state.node_results import outcome_value
from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import DefinitionError

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Order:
    id: UUID
    lines: tuple[int, ...]
    colour: Colour


ORDER = Order(UUID(int=1), (1, 2), Colour.RED)
STORED = {"id": str(UUID(int=1)), "lines": [1, 2], "colour": "red"}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_later_steps_outcome_and_recovery_read_what_was_stored(flow: Flow, kind: str) -> None:
    def make() -> Order:
        return ORDER

    async def make_async() -> Order:
        return ORDER

    flow.system.register_step("make", make if kind == "sync" else make_async)
    flow.system.register_step("same", lambda v: v)
    flow.system.register_step("look", lambda context, step: context["make"])
    steps = [
        {"name": "make", "type": "make"},
        {"name": "whole", "type": "same", "v": {"ref": "steps.make"}},
        {"name": "part", "type": "same", "v": {"ref": "steps.make.lines.1"}},
        {"name": "look", "type": "look"},
    ]
    result = flow.run({"steps": steps})["result"]
    assert result == {"make": STORED, "whole": STORED, "part": 2, "look": STORED}
    state = fold(RunDecider(), RunState(), flow.events())
    assert outcome_value(state.values, flow.store.blob) == result


def test_a_run_takes_its_input_and_parameters_in_other_kinds_too(flow: Flow) -> None:
    flow.system.register_step("same", lambda v: v)
    steps: list[dict[str, Any]] = [
        {"name": "given", "type": "same", "v": {"ref": "input.order.lines.1"}},
        {"name": "fixed", "type": "same", "v": (Colour.RED, dt.timedelta(seconds=2))},
        {"name": "inner", "type": "same", "v": ({"ref": "steps.given"},)},
    ]
    given = {"order": ORDER}
    run = flow.start({"steps": steps}, input=given)
    assert run.result(20)["result"] == {"given": 2, "fixed": ["red", 2.0], "inner": [2]}
    assert flow.start({"steps": steps}, input=given).run_id == run.run_id  # it is the same run
    with pytest.raises(DefinitionError, match="no '7'"):
        flow.start({"steps": [{**steps[0], "v": {"ref": "input.order.7"}}]}, "other", input=given)


@dataclasses.dataclass
class Answer:
    success: bool
    error: str = "no such order"


@pytest.mark.parametrize(
    "returned",
    [Answer(success=False), OrderedDict(success=False, error="no such order")],
    ids=["dataclass", "dict"],
)
def test_what_is_stored_as_a_mapping_says_in_the_same_way_that_a_step_failed(
    flow: Flow, returned: Any
) -> None:
    flow.system.register_step("answer", lambda: returned)
    error = flow.run({"steps": [{"name": "ask", "type": "answer"}]})["error"]
    assert error is not None
    assert error["type"] == "StepFailedError"
    assert error["message"] == "step 'ask' reported failure: no such order"
    flow.system.register_step("well", lambda: Answer(success=True))
    well = flow.run({"steps": [{"name": "ask", "type": "well"}]}, "well")
    assert well["result"]["ask"] == {"success": True, "error": "no such order"}


def test_a_result_that_contains_itself_fails_its_step_with_the_path(flow: Flow) -> None:
    def tree() -> dict[str, Any]:
        root: dict[str, Any] = {}
        root["children"] = [{"parent": root} for _ in range(3)]
        return root

    flow.system.register_step("tree", tree)
    error = flow.run({"steps": [{"name": "tree", "type": "tree"}]})["error"]
    assert error is not None
    assert error["type"] == "ValueNotStorableError"
    assert "$.children[0].parent is a dict that contains itself" in error["message"]
    assert "the result of step 'tree'" in error["message"]
