"""Effects that the decider of any category may return."""

from __future__ import annotations

from typing import Any, NamedTuple


class Tell(NamedTuple):
    """Send ``message`` to another actor once the events of this decision are durable.

    It is sent once; a crash between the commit and the sending loses it.
    """

    category: str
    id: str
    message: Any
