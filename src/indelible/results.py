"""Types of the arguments and results of handles, systems and views, for annotations.

Mappings are TypedDicts with exactly the keys listed; rows of views are immutable structs.
"""

from __future__ import annotations

from indelible.actors.workflow.run_messages import Resolution
from indelible.actors.workflow.state.node_status import StepWord
from indelible.actors.workflow.state.status_types import (
    ErrorCause,
    FailedStep,
    OutcomeWord,
    RunError,
    RunStatus,
    RunWord,
    StepError,
    StepStatus,
)
from indelible.api.system_health import (
    CallHealth,
    HealthWord,
    MailboxHealth,
    ShardHealth,
    StepHealth,
    SystemHealth,
    TimerHealth,
    ViewHealth,
)
from indelible.api.verification import Verified
from indelible.projections.queries.view_queries import AgentMetrics, ParkedEvent, RunRow, Summary
from indelible.runs.outcome import Outcome

__all__ = [
    "AgentMetrics",
    "CallHealth",
    "ErrorCause",
    "FailedStep",
    "HealthWord",
    "MailboxHealth",
    "Outcome",
    "OutcomeWord",
    "ParkedEvent",
    "Resolution",
    "RunError",
    "RunRow",
    "RunStatus",
    "RunWord",
    "ShardHealth",
    "StepError",
    "StepHealth",
    "StepStatus",
    "StepWord",
    "Summary",
    "SystemHealth",
    "TimerHealth",
    "Verified",
    "ViewHealth",
]
