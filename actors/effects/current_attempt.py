"""What runs here: the context of a step, or of an actor's call; others are empty."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

RUNNING: ContextVar[Any] = ContextVar("indelible.running")
"""Each attempt begins without any other variable.  What it holds has an ``envelope``."""
