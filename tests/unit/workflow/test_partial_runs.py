"""A run that goes on without some of its steps says which failed, everywhere the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from indelible import ActorSystem
from indelible.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

    from unit.workflow.conftest import Flow


def fail(context: Any, step: Any) -> None:
    raise ValueError(f"{step['name']} is broken")


def steps_of(count: int) -> list[dict[str, Any]]:
    return [{"name": f"s{i}", "type": "fail"} for i in range(count)]


GOOD = {"name": "good", "type": "good"}


def test_the_outcome_of_a_partial_run_names_its_first_failures_within_bounds(flow: Flow) -> None:
    flow.step(fail)
    flow.system.register_step("good", lambda: 1)
    outcome = flow.run({"pattern": "parallel", "steps": [*steps_of(30), GOOD]})
    error = outcome["error"]
    assert error is not None
    assert (error["step"], error["type"]) == ("s0", "ValueError")
    assert [failed["step"] for failed in error["steps"]] == [f"s{i}" for i in range(10)]
    assert error["steps"][7]["message"] == "s7 is broken"
    assert outcome["steps_failed"] == 30


def test_a_step_that_recovered_is_no_failure_of_its_run(flow: Flow) -> None:
    def shaky(context: Any, step: Any) -> int:
        if context.attempt == 1:
            raise ValueError("not yet")
        return 1

    flow.step(fail)
    flow.step(shaky)
    retry = {"attempts": 2, "delay": 0.001}
    steps = [{"name": "shaky", "type": "shaky", "retry": retry}, *steps_of(1)]
    outcome = flow.run({"pattern": "parallel", "steps": steps})
    error = outcome["error"]
    assert error is not None
    assert [failed["step"] for failed in error["steps"]] == ["s0"]
    assert flow.run({"steps": [steps[0]]}, "well")["error"] is None


def test_the_message_of_a_failure_is_cut_where_the_end_of_its_run_names_it(flow: Flow) -> None:
    def verbose() -> None:
        raise ValueError("x" * 5_000)

    flow.system.register_step("verbose", verbose)
    flow.system.register_step("good", lambda: 1)
    steps = [{"name": "v", "type": "verbose"}, GOOD]
    outcome = flow.run({"pattern": "parallel", "steps": steps})
    error = outcome["error"]
    assert error is not None
    assert error["message"] == "x" * 512 + "…"
    assert len(outcome["result"]["v"]["error"]) == 5_000


@pytest.mark.parametrize("good", [True, False], ids=["partial", "failed"])
def test_api_command_line_and_views_agree_on_the_error_of_a_run(
    tmp_path: Path, *, good: bool
) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    pattern = "parallel" if good else "sequential"
    definition = {"name": "w", "pattern": pattern, "steps": [*steps_of(2), GOOD]}
    with ActorSystem(url) as system:
        system.register_step("fail", fail)
        system.register_step("good", lambda: 1)
        run = system.workflow_agent("a").start(definition, run_id="r")
        wanted = run.result(20)["error"]
        assert run.status()["error"] == wanted
        assert system.caught_up(timeout=20)
        row = system.views.run("r")
        assert row is not None
        seen = (row.error_step, row.error_type, row.error_message)
        assert wanted is not None
        assert seen == (wanted["step"], wanted["type"], wanted["message"])
    assert wanted["steps"][0] == {"step": "s0", "type": "ValueError", "message": "s0 is broken"}
    for command in (["runs", "--json"], ["show", "r", "--json"]):
        ran = CliRunner().invoke(app, [*command, "--store", url])
        told = json.loads(ran.stdout)
        assert (told[0] if isinstance(told, list) else told)["error"] == wanted
