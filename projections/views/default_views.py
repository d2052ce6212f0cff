"""The views that every system has."""

from __future__ import annotations

from indelible.projections.views.metrics import Metrics
from indelible.projections.views.view import View
from indelible.projections.views.workflow_status import WorkflowStatus


def default_projections() -> tuple[View, ...]:
    """Return new instances of the views that every system has; each runner needs its own."""
    return (WorkflowStatus(), Metrics())
