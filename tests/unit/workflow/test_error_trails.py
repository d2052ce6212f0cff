"""A failing step leaves a trail: a log record, a traceback, and the errors behind the error."""

from __future__ import annotations

import asyncio
import json
import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from indelible import ActorSystem
from indelible.actors.decider import fold
from indelible.actors.effects.attempts.error_record import CAUSES, DEPTH, TRACEBACK_LIMIT, record_of
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.state.describe import MAX_TRACEBACKS, describe
from indelible.actors.workflow.state.run_state import RunState
from indelible.cli.app import app
from indelible.cli.render.service_log import JsonLines

if TYPE_CHECKING:
    from pathlib import Path

    from unit.workflow.conftest import Flow


def deeper(mapping: dict[str, Any]) -> Any:
    return mapping["missing"]


def boom() -> None:
    try:
        deeper({})
    except KeyError as error:
        raise ValueError("no such day") from error


async def boom_async() -> None:
    boom()


def caught(function: Any) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - what was raised is the fixture
        return error
    raise AssertionError("it raised nothing")


def failures(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "indelible.steps"]


@pytest.mark.parametrize("function", [boom, boom_async])
def test_a_failing_step_is_logged_once_with_its_traceback_run_step_and_attempt(
    flow: Flow, caplog: pytest.LogCaptureFixture, function: Any
) -> None:
    flow.system.register_step("boom", function)
    flow.run({"steps": [{"name": "load", "type": "boom"}]}, "2013-01")
    [record] = failures(caplog)
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    told = record.__dict__
    assert (told["run"], told["step"], told["attempt"]) == ("2013-01", "load", 1)
    line = "step load of run 2013-01 failed in attempt 1: ValueError: no such day"
    assert record.getMessage() == line


def test_an_attempt_that_is_followed_by_another_is_a_warning(
    flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    flow.system.register_step("boom", boom)
    step = {"name": "load", "type": "boom", "retry": {"attempts": 2, "delay": 0.001}}
    flow.run({"steps": [step]})
    levels = [(record.__dict__["attempt"], record.levelname) for record in failures(caplog)]
    assert levels == [(1, "WARNING"), (2, "ERROR")]


def test_a_step_that_exceeds_its_time_out_is_logged_once(
    flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    flow.system.register_step("endless", endless)
    flow.run({"steps": [{"name": "slow", "type": "endless", "timeout": 0.001}]})
    [record] = failures(caplog)
    assert "StepTimeoutError" in record.getMessage()


def test_a_log_handler_that_raises_loses_no_run(flow: Flow) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise SystemExit(record.name)

    broken = Broken()
    logging.getLogger("indelible.steps").addHandler(broken)
    try:
        flow.system.register_step("boom", boom)
        assert flow.run({"steps": [{"type": "boom"}]})["status"] == "failed"
    finally:
        logging.getLogger("indelible.steps").removeHandler(broken)


def test_the_status_the_events_and_the_fold_have_the_traceback_and_the_causes(flow: Flow) -> None:
    flow.system.register_step("boom", boom)
    run = flow.start({"steps": [{"name": "load", "type": "boom"}]})
    run.result(20)
    error = run.status()["steps"][0]["error"]
    assert error is not None
    assert (error["type"], error["message"]) == ("ValueError", "no such day")
    assert error["traceback"].splitlines()[-1].strip().startswith("raise ValueError")
    assert "in boom" in error["traceback"]
    assert "attempt.py" not in error["traceback"]  # the engine's own frames say nothing
    [cause] = error["causes"]
    assert (cause["relation"], cause["type"], cause["message"]) == (
        "cause",
        "KeyError",
        "'missing'",
    )
    assert cause["at"].endswith("in deeper")
    [failed] = [event for event in flow.events() if event.wire_name == "run.step_failed"]
    assert failed.traceback == error["traceback"]
    assert failed.causes[0].error_type == "KeyError"
    flow.check()


def test_a_snapshot_keeps_traceback_and_causes(flow: Flow) -> None:
    flow.system.register_step("boom", boom)
    flow.run({"steps": [{"name": "load", "type": "boom"}]})
    decider = RunDecider()
    state = fold(decider, RunState(), flow.events())
    assert describe(decider.restore(decider.snapshot(state))) == describe(state)


def test_the_members_of_a_group_stand_in_its_message(flow: Flow) -> None:
    async def gather() -> None:
        async def bad() -> None:
            raise ValueError("disk 7 is full")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bad())

    flow.system.register_step("gather", gather)
    error = flow.run({"steps": [{"name": "g", "type": "gather"}]})["error"]
    assert error is not None
    assert error["type"] == "ExceptionGroup"
    assert error["message"].splitlines() == [
        "unhandled errors in a TaskGroup (1 sub-exception)",
        "  ValueError: disk 7 is full",
    ]


def test_causes_are_told_in_order_with_their_depth_and_relation() -> None:
    def chain() -> None:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise OSError("second")  # noqa: B904 - the implicit context is the fixture
        except OSError as error:
            group = ExceptionGroup("both", [error, ValueError("beside")])
            raise RuntimeError("third") from group

    told = [(c.depth, c.relation, c.error_type) for c in record_of(caught(chain)).causes]
    assert told == [
        (1, "cause", "ExceptionGroup"),
        (2, "member", "OSError"),
        (3, "context", "KeyError"),
        (2, "member", "ValueError"),
    ]


def test_a_context_that_was_suppressed_is_no_cause() -> None:
    def quiet() -> None:
        try:
            raise KeyError("unimportant")
        except KeyError:
            raise ValueError("bad") from None

    assert record_of(caught(quiet)).causes == ()


def test_notes_of_causes_are_kept() -> None:
    inner, outer = KeyError("inner"), ValueError("outer")
    inner.add_note("in row 7")
    outer.__cause__ = inner
    assert record_of(outer).causes[0].error_message == "'inner'\nin row 7"


def test_causes_are_bounded_in_count_depth_and_bytes_and_end_where_they_go_round() -> None:
    links: list[BaseException] = [ValueError("x" * 100_000) for _ in range(1_000)]
    for outer, inner in pairwise(links):
        outer.__cause__ = inner
    assert [cause.depth for cause in record_of(links[0]).causes] == list(range(1, DEPTH + 1))
    wide = ExceptionGroup("wide", [ValueError("x" * 100_000) for _ in range(1_000)])
    record = record_of(wide)
    assert len(record.causes) == CAUSES
    assert len(record.message) + sum(len(cause.error_message) for cause in record.causes) < 25_000
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert [cause.error_message for cause in record_of(one).causes] == ["two"]


def test_the_traceback_of_endless_recursion_is_its_end_within_bounds() -> None:
    def endless(n: int) -> int:
        return endless(n + 1)

    trace = record_of(caught(lambda: endless(0))).traceback
    assert 0 < len(trace) <= TRACEBACK_LIMIT + 10
    assert "in endless" in trace


def test_show_writes_traceback_and_causes_and_events_has_them_as_json(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with ActorSystem(url) as system:
        system.register_step("boom", boom)
        definition = {"name": "w", "steps": [{"name": "load", "type": "boom"}]}
        system.workflow_agent("a").start(definition, run_id="r").result(20)
    shown = CliRunner().invoke(app, ["show", "r", "--store", url]).stdout
    assert "load failed in attempt 1" in shown
    assert "in boom" in shown
    assert "caused by KeyError: 'missing'" in shown
    told = json.loads(CliRunner().invoke(app, ["events", "r", "--json", "--store", url]).stdout)
    payload = told[1]["payload"]
    assert "in boom" in payload["traceback"]
    assert payload["causes"][0]["error_type"] == "KeyError"


def test_a_line_of_a_service_s_journal_has_run_step_and_attempt() -> None:
    extra = {"run": "r", "step": "load", "attempt": 2}
    record = logging.makeLogRecord({"name": "indelible.steps", "msg": "failed", **extra})
    assert json.loads(JsonLines().format(record)).items() >= extra.items()


def test_a_status_has_the_traces_of_the_first_hundred_failures(flow: Flow) -> None:
    flow.system.register_step("boom", boom)
    steps = [{"name": f"s{i}", "type": "boom"} for i in range(MAX_TRACEBACKS + 5)]
    run = flow.start({"pattern": "parallel", "steps": steps})
    run.result(20)
    errors = [step["error"] for step in run.status()["steps"] if step["error"] is not None]
    assert {error["message"] for error in errors} == {"no such day"}
    assert [bool(error["traceback"]) for error in errors] == [True] * MAX_TRACEBACKS + [False] * 5
    assert [len(error["causes"]) for error in errors] == [1] * MAX_TRACEBACKS + [0] * 5
