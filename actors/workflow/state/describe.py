"""A run's status as a plain mapping for people and programs: copies only, safe for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from indelible.actors.workflow.definition.plan import Node
from indelible.actors.workflow.state.instances import in_order
from indelible.actors.workflow.state.node_status import PENDING
from indelible.actors.workflow.state.node_status import WORDS as STEP_WORDS
from indelible.actors.workflow.state.run_state import NODE_TIMES, RunState, get_times
from indelible.actors.workflow.state.run_values import Failure
from indelible.events.model.run_events import RunCompleted, RunQuarantined

if TYPE_CHECKING:
    from indelible.actors.workflow.state.status_types import (
        FailedStep,
        OutcomeWord,
        RunError,
        RunStatus,
        RunWord,
        StepError,
        StepStatus,
    )

MAX_TRACEBACKS = 100
"""Steps whose tracebacks and causes a status has: further failures are mostly similar."""


def state_word(state: RunState) -> RunWord:
    """The state as a word: accepted, running, waiting, completed, failed or quarantined."""
    if state.end is not None:
        return cast("RunWord", state.end.wire_name.removeprefix("run."))
    if state.unknown:
        return "waiting"
    return "accepted" if state.status[0] == PENDING else "running"


def describe(state: RunState) -> RunStatus:
    """Status of the run and of each of its steps.

    Instants (``…_at``) are microseconds UTC, 0 where there is none yet; ``duration_us`` is
    microseconds.  The first hundred steps with an error have its traceback and causes.
    """
    accepted = state.accepted
    assert accepted is not None
    end = state.end
    trails = iter(range(MAX_TRACEBACKS))
    return {
        "run_id": accepted.run_id,
        "workflow": accepted.workflow,
        "agent_id": accepted.agent,
        "state": state_word(state),
        "outcome": outcome_word(state),
        "version": state.version,
        "steps_total": state.steps_total,
        "steps_completed": state.completed,
        "steps_failed": state.failed,
        "steps_skipped": state.steps_total - state.completed - state.failed
        if end
        else state.skipped,
        "checkpoints_created": state.checkpoints,
        "accepted_at": accepted.at,
        "finished_at": end.at if end else 0,
        "error": error_of(state),
        "waiting_for": waiting_for(state),
        "steps": [_step(state, node, trails) for node in in_order(state) if node.kind == "step"],
    }


def outcome_word(state: RunState) -> OutcomeWord | None:
    """The outcome as a word: success, partial or failed; ``None`` until the run has ended."""
    if isinstance(state.end, RunCompleted):
        return cast("OutcomeWord", state.end.outcome)
    return "failed" if state.end else None


def error_of(state: RunState) -> RunError | None:
    """The error that ended a failed run, or the first failed step of a partial run.

    "First" is in the order of the definition; ``steps`` are the first ten failed steps in this
    order.
    """
    end = state.end
    if isinstance(end, RunQuarantined):
        words = f"the step was cut off {end.interruptions} times without other progress"
        error: FailedStep = {"step": end.step, "type": "Quarantined", "message": words}
        return {**error, "steps": [error]}
    if end is None or not end.failures:
        return None
    steps: list[FailedStep] = [
        {"step": failed.step, "type": failed.error_type, "message": failed.error_message}
        for failed in end.failures
    ]
    if isinstance(end, RunCompleted):
        return {**steps[0], "steps": steps} if steps else None
    return {
        "step": end.step,
        "type": end.error_type,
        "message": end.error_message,
        "steps": steps,
    }


def waiting_for(state: RunState) -> list[str]:
    """What the run waits for, as texts; empty if steps are running or the run has ended."""
    nodes = state.nodes
    unknown = [_unknown(state, nodes[index].label) for index in sorted(state.unknown)]
    retries = [
        f"step {nodes[index].label!r}: attempt {state.attempts[index] + 1} is due"
        for index in sorted(state.retry_at)
    ]
    return unknown + retries


def _unknown(state: RunState, step: str) -> str:
    import shlex

    run = state.accepted.run_id if state.accepted else ""
    line = shlex.join(["indelible", "resolve", run, step])
    how = f"call resolve_step() or `{line} retry|fail|complete`"
    return f"step {step!r}: its outcome is unknown, {how}"


def _step(state: RunState, node: Node, trails: Iterator[int]) -> StepStatus:
    index = node.index
    started, finished, duration = get_times(state.times, NODE_TIMES * index)
    error, settled = state.errors.get(index), state.settled[index]
    return {
        "name": node.label,
        "path": node.path,
        "type": node.type,
        "state": STEP_WORDS[state.status[index]],
        "attempts": state.attempts[index],
        "failures": state.failures.get(index, 0),
        "interruptions": state.interruptions.get(index, 0),
        "started_at": started,
        "finished_at": finished,
        "duration_us": duration,
        "retry_at": state.retry_at.get(index, 0),
        "error": None if error is None else _failure(error, next(trails, None) is not None),
        "reason": settled if isinstance(settled, str) else "",
    }


def _failure(error: Failure, whole: bool) -> StepError:
    return {
        "type": error.error_type,
        "message": error.message,
        "traceback": error.traceback if whole else "",
        "causes": [
            {
                "relation": cause.relation,
                "depth": cause.depth,
                "type": cause.error_type,
                "message": cause.error_message,
                "at": cause.at,
            }
            for cause in (error.causes if whole else ())
        ],
    }
