"""Accepts a run, unless it exists already (pure)."""

from __future__ import annotations

from typing import Any

from indelible.actors.decider import Decision
from indelible.actors.workflow.decide.begin_steps import later_events, starts_for
from indelible.actors.workflow.decide.frontier import first_steps
from indelible.actors.workflow.decide.look_ahead import begin_ready
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.run_effects import Begin, Ended
from indelible.actors.workflow.run_messages import AcceptRun
from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import RunExistsError
from indelible.events.codec.values import decode_value, encode_value
from indelible.events.model.run_events import Open, RunAccepted, Skip, Start


def start_run(state: RunState, message: AcceptRun, plan: Plan) -> Decision:
    """Accept the run with its first starts; the reply is ``False`` if the same run exists."""
    if state.accepted is not None:
        differs = _differences(state.accepted, message)
        return Decision(reply=RunExistsError(message.run_id, differs) if differs else False)
    if plan.chooses and not message.hold:
        return _accept_choosing(state, message, plan)
    nodes = [] if message.hold else first_steps(plan)
    accepted = _accepted(message, plan, tuple([(plan.nodes[node].path, 1) for node in nodes]))
    return Decision((accepted,), reply=True, effects=[Begin(node, 1) for node in nodes])


def _accept_choosing(state: RunState, message: AcceptRun, plan: Plan) -> Decision:
    """Accept a run whose first steps may be skipped."""
    played = RunState()
    played.begin(_accepted(message, plan), plan)
    following = begin_ready(played)
    starts, effects = starts_for(played, following)
    accepted = _accepted(message, plan, starts, following.skips, following.opens)
    more, effects = later_events(played, following, effects, message.now)
    if following.ended:
        effects = (Ended(state),)
    return Decision((accepted, *more), reply=True, effects=effects)


def _accepted(
    message: AcceptRun,
    plan: Plan,
    starts: tuple[Start, ...] = (),
    skips: tuple[Skip, ...] = (),
    opens: tuple[Open, ...] = (),
) -> RunAccepted:
    return RunAccepted(
        run_id=message.run_id,
        agent=message.agent,
        workflow=plan.name,
        definition=plan.encoded,
        input=message.input,
        steps_total=plan.steps_total,
        at=message.now,
        starts=starts,
        checkpoint=1,
        skips=skips,
        opens=opens,
    )


def _differences(accepted: RunAccepted, message: AcceptRun) -> list[str]:
    same = {
        "agent": accepted.agent == message.agent,
        "definition": accepted.definition == message.definition,
        "input": accepted.input == message.input or _sorted(accepted) == _sorted(message),
    }
    return [name for name, is_same in same.items() if not is_same]


def _sorted(given: RunAccepted | AcceptRun) -> bytes:
    """The encoded input with its keys in order."""
    return encode_value(_in_order(decode_value(given.input)))


def _in_order(value: Any) -> Any:
    if type(value) is dict:
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(item) for item in value] if type(value) is list else value
