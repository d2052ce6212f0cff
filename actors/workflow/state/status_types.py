"""The types of a run's status: mappings with fixed keys, safe for JSON.

Instants (``…_at``) are microseconds UTC, 0 where there is none yet.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from indelible.actors.workflow.state.node_status import StepWord

RunWord = Literal["accepted", "running", "waiting", "completed", "failed", "quarantined"]
"""The state of a run; the last three are final."""

OutcomeWord = Literal["success", "partial", "failed"]
"""The outcome of a run; ``partial`` means that it completed with failed steps."""


class ErrorCause(TypedDict):
    """A cause of the error of a step.

    Keys:
        relation: Relation to the error above it: its cause, its context, or a member of its group.
        depth: How many links it is from the step's own error, from 1.
        type: Name of its class.
        message: Its text, cut if it is long.
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
        message: Its text, cut if it is long.
        traceback: Its traceback; empty if it is not stored.
        causes: Its causes, the nearest first.
    """

    type: str
    message: str
    traceback: str
    causes: list[ErrorCause]


class StepStatus(TypedDict):
    """One step of a run.

    Keys:
        name: Its name; its path, if its block repeats it.
        path: Its place in the run, such as ``load/orders[17]/clean``.
        type: Its step type.
        state: Its state.
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
    """The error that ended a run, or the first failure of a partial run.

    Keys:
        steps: The first ten failed steps, in the order of the definition.
    """

    steps: list[FailedStep]


class RunStatus(TypedDict):
    """A run and each of its steps at one moment.

    Keys:
        run_id: Id of the run.
        workflow: Name of its definition.
        agent_id: Name of the agent that started it.
        state: Its state.
        outcome: Its outcome, ``None`` before the end.
        version: Version of its stream.
        steps_total: Steps of the definition, of repeated ones all instances; the sum of the next
            three never exceeds it.
        steps_completed: Steps with a result.
        steps_failed: Steps that failed for good.
        steps_skipped: Steps that will never begin.
        checkpoints_created: Checkpoints so far.
        accepted_at: When its start became durable.
        finished_at: When it ended.
        error: The error that ended it, or the first failure of a partial run.
        waiting_for: What the run waits for, as texts; empty if it does not wait.
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
