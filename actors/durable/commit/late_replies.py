"""The askers that wait for a late reply of one actor.

Those of this process exist only in memory.  The others, and those with a message id, are rows of
the inbox, which no crash loses; the database finds them by stream and key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from indelible.actors.durable.commit.in_flight import PendingReply
from indelible.actors.durable.commit.promises import check_key
from indelible.actors.durable.commit.stored_answers import StoredAnswer
from indelible.actors.effects.effect_types import Later, Reply
from indelible.errors import IndelibleError, LateReplyError, MailboxFullError, RefusedError
from indelible.events.model.stream_names import is_text
from indelible.events.store import EventStore

MAX_ASKERS = 10_000
"""Askers in memory, and rows, that may wait for one actor: as many as commands may."""

Asker = Any  # the PooledFuture of an ask


def check_later(later: Later, asker: Asker | None, stream: str, store: EventStore) -> None:
    """Check that ``asker`` can wait for a late reply of the actor of ``stream``.

    Raises:
        RefusedError: The key is not valid.
        LateReplyError: About as many rows as may wait for one actor do so already.
    """
    check_reply_key("the key of a Later", later.key)
    if type(asker) is not StoredAnswer or not asker.awaited:
        return
    try:
        rows = store.inbox.awaiting(stream, MAX_ASKERS)
    except IndelibleError:
        return  # the append will fail, too
    if rows >= MAX_ASKERS:
        raise LateReplyError(stream, MAX_ASKERS)


def check_reply_key(what: str, key: object) -> None:
    """Refuse a ``key`` that cannot be stored; ``what`` names it.

    Raises:
        RefusedError: It is not text of 1 to 200 characters without NUL.
    """
    check_key(what, key)
    if not is_text(key):
        raise RefusedError(f"{what} is text without NUL: {key!a:.80}")


class Askers:
    """Futures of this process by key; used only on the actor's thread.

    A future is removed when the batch that replies to it has been submitted: a batch that fails
    before is decided again.
    """

    def __init__(self, actor: str) -> None:
        """Start without askers of ``actor``."""
        self._actor = actor
        self._waiting: dict[str, list[Asker]] = {}
        self._taken: dict[str, list[Asker]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many askers wait."""
        return self._count

    def begin(self) -> None:
        """Begin a batch; the replies of an earlier batch that was not submitted are undone."""
        for key, askers in self._taken.items():
            self._waiting[key] = askers + self._waiting.get(key, [])
        self._taken = {}

    def keep(self, later: Later, asker: Asker) -> Any:
        """Let ``asker`` wait, and return the reply for now: ``later`` itself means none yet."""
        askers = self._waiting.setdefault(later.key, [])
        if any(one is asker for one in askers):  # decided again
            return later
        if self._count >= MAX_ASKERS:
            return MailboxFullError(self._actor, MAX_ASKERS)
        askers.append(asker)
        self._count += 1
        return later

    def replies_for(self, reply: Reply) -> Sequence[PendingReply]:
        """The value of ``reply`` for each asker that waits for it."""
        askers = self._waiting.pop(reply.key, [])
        if askers:
            self._taken.setdefault(reply.key, []).extend(askers)
        return [(asker, reply.value) for asker in askers if not asker.done()]

    def sent(self) -> None:
        """The batch has been submitted, with its replies."""
        if self._taken:
            self._count -= sum(map(len, self._taken.values()))
            self._taken = {}

    def fail_all(self, error: BaseException) -> None:
        """Fail all waiting askers with ``error``: this actor will not reply."""
        self.begin()
        for askers in self._waiting.values():
            for asker in askers:
                if not asker.done():
                    asker.set_exception((type(error), error, error.__traceback__))
        self._waiting, self._count = {}, 0
