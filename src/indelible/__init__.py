"""The public names, each imported on first use; import all other names from their subpackages."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indelible.actors.decider import Decider, Decision
    from indelible.actors.effects.effect_types import (
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
    from indelible.actors.effects.retry_policy import RetryPolicy
    from indelible.actors.step_types.functions import step
    from indelible.actors.workflow.execute.step_context import StepContext, current_step
    from indelible.api.actor_handle import ActorHandle
    from indelible.api.agent import WorkflowAgent
    from indelible.api.run_handle import RunHandle
    from indelible.api.system import ActorSystem
    from indelible.effect_handlers.alerts import Alerted
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
    from indelible.events.model.event import Event, RecordedEvent
    from indelible.events.model.message_context import Context, MessageContext
    from indelible.events.read.as_of import Position
    from indelible.projections.views.custom import Projection
    from indelible.results import RunError, RunRow, RunStatus, StepStatus, SystemHealth
    from indelible.runs.outcome import Outcome

_HOME = {
    "ActorHandle": "indelible.api.actor_handle",
    "ActorSystem": "indelible.api.system",
    "Alert": "indelible.actors.effects.effect_types",
    "Alerted": "indelible.effect_handlers.alerts",
    "Call": "indelible.actors.effects.effect_types",
    "CallFailed": "indelible.actors.effects.effect_types",
    "CallReturned": "indelible.actors.effects.effect_types",
    "CancelTimer": "indelible.actors.effects.effect_types",
    "Context": "indelible.events.model.message_context",
    "Decider": "indelible.actors.decider",
    "Decision": "indelible.actors.decider",
    "DefinitionError": "indelible.errors",
    "Event": "indelible.events.model.event",
    "IndelibleError": "indelible.errors",
    "Later": "indelible.actors.effects.effect_types",
    "MessageContext": "indelible.events.model.message_context",
    "Outcome": "indelible.runs.outcome",
    "Position": "indelible.events.read.as_of",
    "Projection": "indelible.projections.views.custom",
    "RecordedEvent": "indelible.events.model.event",
    "RefusedError": "indelible.errors",
    "Reply": "indelible.actors.effects.effect_types",
    "ResultTimeoutError": "indelible.errors",
    "RetryPolicy": "indelible.actors.effects.retry_policy",
    "RunEnded": "indelible.actors.effects.effect_types",
    "RunError": "indelible.results",
    "RunExistsError": "indelible.errors",
    "RunHandle": "indelible.api.run_handle",
    "RunRow": "indelible.results",
    "RunStatus": "indelible.results",
    "StartRun": "indelible.actors.effects.effect_types",
    "StepContext": "indelible.actors.workflow.execute.step_context",
    "StepStatus": "indelible.results",
    "StoreOwnedError": "indelible.errors",
    "StoreUnavailableError": "indelible.errors",
    "SystemHealth": "indelible.results",
    "Tell": "indelible.actors.effects.effect_types",
    "TimerAt": "indelible.actors.effects.effect_types",
    "UnknownRunError": "indelible.errors",
    "WorkflowAgent": "indelible.api.agent",
    "current_step": "indelible.actors.workflow.execute.step_context",
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

# Without a handler Python prints the warnings of an unconfigured logger to stderr.
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
