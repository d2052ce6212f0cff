"""Answers that are stored for askers in other processes.

Keeps invariant 2 between processes: the answer to a command that caused events is part of their
append, so that a reader never finds the one without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from indelible.actors.durable.commit.in_flight import PendingReply
from indelible.actors.runtime.future import PooledFuture
from indelible.events.inbox.late_answers import AwaitsReply
from indelible.events.store import Append


class StoredAnswer(PooledFuture[Any]):
    """The future of an answer to a message from an inbox.

    Attributes:
        message_id: Of the message.
        encode: Turns a reply or an exception into bytes; never raises.  Returns ``None`` if no
            asker will read the answer, so that the message can be deleted.
        awaited: Whether an asker waits for the answer.
        stored: Whether an append that is durable has the answer, or the key of a late one.
    """

    def __init__(
        self, message_id: str, encode: Callable[[Any], bytes | None], *, awaited: bool = True
    ) -> None:
        """Start without an answer."""
        super().__init__()
        self.message_id = message_id
        self.encode = encode
        self.awaited = awaited
        self.stored = False


def answers_among(replies: Sequence[PendingReply]) -> Sequence[tuple[str, bytes | None]]:
    """The answers among ``replies`` for an append to store: (message id, encoded answer)."""
    return [
        (future.message_id, future.encode(reply))
        for future, reply in replies
        if type(future) is StoredAnswer and type(reply) is not AwaitsReply
    ]


def mark_stored(append: Append, replies: Sequence[PendingReply]) -> None:
    """Mark the futures of ``replies`` that ``append`` stored; others joined it later."""
    stored = {message_id for message_id, _ in append.answers}
    stored.update(late.message_id for late in append.late if type(late) is AwaitsReply)
    for future, _ in replies:
        if type(future) is StoredAnswer and future.message_id in stored:
            future.stored = True
