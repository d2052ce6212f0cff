"""A command or a query on its way to a durable actor, with its context and its asker's future.

Results and timers have no envelope: they belong to work that their actor has begun.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pykka

from indelible.events.model.message_context import Context


class Envelope(msgspec.Struct, eq=False):
    """A message from outside the actor, as the mailbox holds it.

    Attributes:
        message: The message for ``decide``.
        reply_to: The future of the answer; ``None`` if no asker waits.
        context: Context for the events that the message causes; ``None`` if there is none.
    """

    message: Any
    reply_to: pykka.Future[Any] | None = None
    context: Context | None = None
