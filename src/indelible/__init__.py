"""The names a user needs, each imported on first use; everything else is reached by subpackage."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indelible.actor import ActorHandle
    from indelible.actors.decider import Decider, Decision
    from indelible.actors.durable.effects import (
        Alert,
        Call,
        CallFailed,
        CallReturned,
        CancelTimer,
        Later,
        Reply,
        RunEnded,
        StartRun,
        Tell,
        TimerAt,
    )
    from indelible.actors.effects.retry import RetryPolicy
    from indelible.actors.step_types.functions import step
    from indelible.actors.workflow.context import StepContext, current_step
    from indelible.agent import WorkflowAgent
    from indelible.alerts import Alerted
    from indelible.errors import (
        DefinitionError,
        IndelibleError,
        RefusedError,
        ResultTimeoutError,
        RunExistsError,
        StoreOwnedError,
        StoreUnavailableError,
        UnknownRunError,
    )
    from indelible.events.as_of import Position
    from indelible.events.context import Context, MessageContext
    from indelible.events.event import Event, RecordedEvent
    from indelible.outcome import Outcome
    from indelible.projections.custom import Projection
    from indelible.results import RunError, RunRow, RunStatus, StepStatus, SystemHealth
    from indelible.run import RunHandle
    from indelible.system import ActorSystem

_HOME = {
    "ActorHandle": "indelible.actor",
    "ActorSystem": "indelible.system",
    "Alert": "indelible.actors.durable.effects",
    "Alerted": "indelible.alerts",
    "Call": "indelible.actors.durable.effects",
    "CallFailed": "indelible.actors.durable.effects",
    "CallReturned": "indelible.actors.durable.effects",
    "CancelTimer": "indelible.actors.durable.effects",
    "Context": "indelible.events.context",
    "Decider": "indelible.actors.decider",
    "Decision": "indelible.actors.decider",
    "DefinitionError": "indelible.errors",
    "Event": "indelible.events.event",
    "IndelibleError": "indelible.errors",
    "Later": "indelible.actors.durable.effects",
    "MessageContext": "indelible.events.context",
    "Outcome": "indelible.outcome",
    "Position": "indelible.events.as_of",
    "Projection": "indelible.projections.custom",
    "RecordedEvent": "indelible.events.event",
    "RefusedError": "indelible.errors",
    "Reply": "indelible.actors.durable.effects",
    "ResultTimeoutError": "indelible.errors",
    "RetryPolicy": "indelible.actors.effects.retry",
    "RunEnded": "indelible.actors.durable.effects",
    "RunError": "indelible.results",
    "RunExistsError": "indelible.errors",
    "RunHandle": "indelible.run",
    "RunRow": "indelible.results",
    "RunStatus": "indelible.results",
    "StartRun": "indelible.actors.durable.effects",
    "StepContext": "indelible.actors.workflow.context",
    "StepStatus": "indelible.results",
    "StoreOwnedError": "indelible.errors",
    "StoreUnavailableError": "indelible.errors",
    "SystemHealth": "indelible.results",
    "Tell": "indelible.actors.durable.effects",
    "TimerAt": "indelible.actors.durable.effects",
    "UnknownRunError": "indelible.errors",
    "WorkflowAgent": "indelible.agent",
    "current_step": "indelible.actors.workflow.context",
    "step": "indelible.actors.step_types.functions",
}

__all__ = [
    "ActorHandle",
    "ActorSystem",
    "Alert",
    "Alerted",
    "Call",
    "CallFailed",
    "CallReturned",
    "CancelTimer",
    "Context",
    "Decider",
    "Decision",
    "DefinitionError",
    "Event",
    "IndelibleError",
    "Later",
    "MessageContext",
    "Outcome",
    "Position",
    "Projection",
    "RecordedEvent",
    "RefusedError",
    "Reply",
    "ResultTimeoutError",
    "RetryPolicy",
    "RunEnded",
    "RunError",
    "RunExistsError",
    "RunHandle",
    "RunRow",
    "RunStatus",
    "StartRun",
    "StepContext",
    "StepStatus",
    "StoreOwnedError",
    "StoreUnavailableError",
    "SystemHealth",
    "Tell",
    "TimerAt",
    "UnknownRunError",
    "WorkflowAgent",
    "current_step",
    "step",
]

# Without it Python prints warnings of a logger that nobody has configured to stderr.
logging.getLogger("indelible").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """Import ``name`` from its home (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'indelible' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
