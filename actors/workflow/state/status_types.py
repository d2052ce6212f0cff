"""The form of what is said about a run: mappings with fixed keys, safe for JSON.

Instants (``…_at``) are microseconds UTC, 0 where there is none yet.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from indelible.actors.workflow.state.node_status import StepWord

RunWord = Literal["accepted", "running", "waiting", "completed", "failed", "quarantined"]
"""Where a run is on its way; the last three are ends."""

OutcomeWord = Literal["success", "partial", "failed"]
"""How a run ended; ``partial`` is an end with steps that failed."""


class ErrorCause(TypedDict):
    """An error behind the error of a step.

    Keys:
        relation: How it led to the one above it: its cause, its context, or a part of its group.
        depth: How many steps it is from the step's own error, from 1.
        type: Name of its class.
        message: Its text, cut where it is long.
        at: Where it was raised, ``FILE:LINE in FUNCTION``; empty if it never was.
    """

    relation: str
    depth: int
    type: str
    message: str
    at: str


class StepError(TypedDict):
    """The newest failure of a step.

    Keys:
        type: Name of the error's class.
        message: Its text, cut where it is long.
        traceback: Where it was raised; empty where none is kept.
        causes: Errors behind it, the nearest first.
    """

    type: str
    message: str
    traceback: str
    causes: list[ErrorCause]


class StepStatus(TypedDict):
    """One step of a run.

    Keys:
        name: Its name, unique in its block.
        path: Its place in the definition.
        type: Its step type.
        state: Where it is on its way.
        attempts: Attempts that began.
        failures: Attempts that failed.
        interruptions: Attempts that a crash cut off.
        started_at: When the newest attempt began.
        finished_at: When the step settled.
        duration_us: Microseconds of the newest attempt.
        retry_at: When the next attempt is due.
        error: The newest failure, ``None`` if there was none.
        reason: Why it was skipped; empty if it was not.
    """

    name: str
    path: str
    type: str
    state: StepWord
    attempts: int
    failures: int
    interruptions: int
    started_at: int
    finished_at: int
    duration_us: int
    retry_at: int
    error: StepError | None
    reason: str


class FailedStep(TypedDict):
    """A step that failed for good: its name, the error's class and its text."""

    step: str
    type: str
    message: str


class RunError(FailedStep):
    """What ended a run, or the first failure of a partial one.

    Keys:
        steps: The steps that failed, in the order of the definition, the first ten of them.
    """

    steps: list[FailedStep]


class RunStatus(TypedDict):
    """A run and each of its steps at one moment.

    Keys:
        run_id: Id of the run.
        workflow: Name of its definition.
        agent_id: Name of the agent that started it.
        state: Where it is on its way.
        outcome: How it ended, ``None`` before the end.
        version: Version of its stream.
        steps_total: Steps of the definition; the next three never exceed it together.
        steps_completed: Steps with a result.
        steps_failed: Steps that failed for good.
        steps_skipped: Steps that are never to begin.
        checkpoints_created: Checkpoints so far.
        accepted_at: When its start became durable.
        finished_at: When it ended.
        error: What ended it, or the first failure of a partial one.
        waiting_for: What holds the run, in words; empty when nothing does.
        steps: Its steps in the order of the definition.
    """

    run_id: str
    workflow: str
    agent_id: str
    state: RunWord
    outcome: OutcomeWord | None
    version: int
    steps_total: int
    steps_completed: int
    steps_failed: int
    steps_skipped: int
    checkpoints_created: int
    accepted_at: int
    finished_at: int
    error: RunError | None
    waiting_for: list[str]
    steps: list[StepStatus]
