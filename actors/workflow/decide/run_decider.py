"""The decider of the category ``run``: maps each message to the function that decides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from indelible.actors.decider import Decider, Decision
from indelible.actors.durable.commit.promises import AT_ONCE
from indelible.actors.workflow import run_messages
from indelible.actors.workflow.decide.accept_run import start_run
from indelible.actors.workflow.decide.attempt_result import step_raised, step_returned
from indelible.actors.workflow.decide.choose_branch import condition_answered
from indelible.actors.workflow.decide.may_sleep import only_waits
from indelible.actors.workflow.decide.resume_run import proceed, release, resolve, resume, retry_due
from indelible.actors.workflow.decide.unreadable_step import step_unread
from indelible.actors.workflow.definition.plan_cache import PlanCache
from indelible.actors.workflow.state.describe import describe
from indelible.actors.workflow.state.evolve import evolve
from indelible.actors.workflow.state.run_snapshot import SCHEMA, from_value, to_value
from indelible.actors.workflow.state.run_state import RunState
from indelible.events.model.event import Event
from indelible.events.model.run_events import RUN_EVENTS


class RunDecider(Decider[RunState]):
    """One stream holds one execution of a workflow."""

    category: ClassVar[str] = "run"
    event_types: ClassVar[Sequence[type[Event]]] = RUN_EVENTS
    snapshot_schema: ClassVar[str] = SCHEMA
    inherits: ClassVar[bool] = True

    def __init__(self, plans: PlanCache | None = None) -> None:
        """Find compiled definitions in ``plans``, by default in an own cache."""
        self.plan_of = (PlanCache() if plans is None else plans).stored

    def initial_state(self) -> RunState:
        """A run that has not been accepted."""
        return RunState()

    def evolve(self, state: RunState, event: Any) -> RunState:
        """``state`` after ``event``, changed in place."""
        return evolve(state, event, self.plan_of)

    def decide(self, state: RunState, message: Any) -> Decision:
        """Events, effects and the reply that ``message`` causes."""
        decide = _DECIDE.get(type(message))
        if decide is not None:
            return decide(state, message)
        assert type(message) is run_messages.AcceptRun
        return start_run(state, message, self.plan_of(message.definition))

    def unfinished(self, state: RunState) -> tuple[str, int]:
        """Status word of the run, and when to wake it (microseconds UTC).

        The time is 0 if the run has work under way, or waits only for a person.  A run that waits
        for a person and has work under way is woken at once if it is not in memory.
        """
        if state.accepted is None:
            return "", 0
        if state.end is not None:
            return state.end.wire_name.removeprefix("run."), 0
        word = "waiting" if state.unknown else "running"
        if (state.retry_at or state.unknown) and only_waits(state):  # rare
            return word, min(state.retry_at.values(), default=0)
        return word, AT_ONCE if state.unknown else 0

    def at_rest(self, state: RunState) -> bool:
        """Whether no work of the run needs its state in memory."""
        return state.accepted is None or state.end is not None or only_waits(state)

    def snapshot(self, state: RunState) -> dict[str, Any]:
        """``state`` without its plan, which follows from the definition."""
        return to_value(state)

    def restore(self, value: Any) -> RunState:
        """The state from which ``value`` was made."""
        return from_value(value, self.plan_of)


def _describe(state: RunState, _message: run_messages.Describe) -> Decision:
    return Decision(reply=describe(state) if state.accepted else None)


def _get_end(state: RunState, _message: run_messages.GetEnd) -> Decision:
    return Decision(reply=state if state.end is not None else None)


_DECIDE: dict[type, Callable[[RunState, Any], Decision]] = {
    run_messages.StepReturned: step_returned,
    run_messages.StepRaised: step_raised,
    run_messages.StepUnread: step_unread,
    run_messages.RetryDue: retry_due,
    run_messages.Resume: resume,
    run_messages.Proceed: proceed,
    run_messages.Release: release,
    run_messages.ConditionAnswered: condition_answered,
    run_messages.Resolve: resolve,
    run_messages.Describe: _describe,
    run_messages.GetEnd: _get_end,
}
