"""The views that every system has."""

from __future__ import annotations

from indelible.projections.metrics import Metrics
from indelible.projections.projection import Projection
from indelible.projections.workflow_status import WorkflowStatus


def default_projections() -> tuple[Projection, ...]:
    """New instances of the views that every system has; a runner needs its own."""
    return (WorkflowStatus(), Metrics())
