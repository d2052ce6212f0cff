"""A message on its way to a durable actor: a command or a question, with where it comes from.

Results and timers have no envelope: they belong to what their actor is doing already.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pykka

from indelible.events.model.message_context import Context


class Envelope(msgspec.Struct, eq=False):
    """What a mailbox holds of a message from outside.

    Attributes:
        message: What ``decide`` is given.
        reply_to: The future of the answer, if anybody waits for one.
        context: What goes with it to the events that it causes; ``None`` is nothing.
    """

    message: Any
    reply_to: pykka.Future[Any] | None = None
    context: Context | None = None
