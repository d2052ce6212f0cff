"""Answers that are stored: beside the events that they rest on, or by themselves.

Keeps invariant 2 between processes: the answer to a command that caused events is part of their
append, so that nobody finds the one without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from indelible.actors.durable.commit.in_flight import Owed
from indelible.actors.runtime.future import PooledFuture


class StoredAnswer(PooledFuture[Any]):
    """The future of an answer to a message from an inbox.

    Attributes:
        message_id: Of the message.
        encode: Turns a reply, or an exception that is one, into bytes; never raises.  ``None`` if
            nobody will ask for them, and the message is to be deleted.
        awaited: Whether anybody waits for it.
        stored: Whether the answer was in the same append as the events, which is durable.
    """

    def __init__(
        self, message_id: str, encode: Callable[[Any], bytes | None], *, awaited: bool = True
    ) -> None:
        """Nothing is answered yet."""
        super().__init__()
        self.message_id = message_id
        self.encode = encode
        self.awaited = awaited
        self.stored = False


def answers_among(replies: Sequence[Owed]) -> Sequence[tuple[str, bytes | None]]:
    """What an append is to store of ``replies``: (message id, encoded answer)."""
    return [
        (future.message_id, future.encode(reply))
        for future, reply in replies
        if type(future) is StoredAnswer
    ]


def mark_stored(answers: Sequence[tuple[str, bytes | None]], replies: Sequence[Owed]) -> None:
    """Say of ``replies`` which are durable with their append; others have joined it since."""
    stored = {message_id for message_id, _ in answers}
    for future, _ in replies:
        if type(future) is StoredAnswer and future.message_id in stored:
            future.stored = True
