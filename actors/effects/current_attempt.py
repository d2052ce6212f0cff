"""The attempt that runs on this thread or task: the context of a step or of an actor's call."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

RUNNING: ContextVar[Any] = ContextVar("indelible.running")
"""The only context variable that an attempt starts with.  Its value has an ``envelope``."""
