"""The views that every system has."""

from __future__ import annotations

from indelible.projections.views.metrics import Metrics
from indelible.projections.views.view import View
from indelible.projections.views.workflow_status import WorkflowStatus


def default_projections() -> tuple[View, ...]:
    """New instances of the views that every system has; a runner needs its own."""
    return (WorkflowStatus(), Metrics())
