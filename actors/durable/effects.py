"""Effects that the decider of any category may return."""

from __future__ import annotations

from typing import Any, NamedTuple

from indelible.events.context import Context


class Tell(NamedTuple):
    """Send ``message`` to another actor once the events of this decision are durable.

    It is sent once; a crash between the commit and the sending loses it.
    """

    category: str
    id: str
    message: Any


class Caused(NamedTuple):
    """An effect on its way to its handler, and what goes with all that it causes."""

    effect: Any
    context: Context
