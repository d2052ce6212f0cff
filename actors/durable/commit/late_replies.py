"""The askers that wait for a late reply of one actor; they exist only in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from indelible.actors.durable.commit.in_flight import PendingReply
from indelible.actors.durable.commit.promises import check_key
from indelible.actors.durable.commit.stored_answers import StoredAnswer
from indelible.actors.effects.effect_types import Later, Reply
from indelible.errors import LateReplyError, MailboxFullError

MAX_ASKERS = 10_000
"""Askers that may wait for one actor: as many as commands may."""

Asker = Any  # the PooledFuture of an ask


def check_later(decider: object, later: Later, asker: Asker | None) -> None:
    """Check that ``asker`` can wait for a late reply.

    Raises:
        RefusedError: The key is not valid.
        LateReplyError: The asker is in another process, and would get no reply after a crash.
    """
    check_key("the key of a Later", later.key)
    if type(asker) is StoredAnswer and asker.awaited:
        raise LateReplyError(type(decider).__name__)


class Askers:
    """Futures by key; used only on the actor's thread.

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
        if type(asker) is StoredAnswer:
            return None  # its sender does not wait for a reply
        askers = self._waiting.setdefault(later.key, [])
        if any(one is asker for one in askers):  # decided again
            return later
        if self._count >= MAX_ASKERS:
            return MailboxFullError(self._actor, MAX_ASKERS)
        askers.append(asker)
        self._count += 1
        return later

    def replies_for(self, effects: Sequence[Any]) -> Sequence[PendingReply]:
        """The ``Reply`` values among ``effects``, each with the askers that wait for it."""
        found: list[PendingReply] = []
        for effect in effects:
            if type(effect) is Reply:
                askers = self._waiting.pop(effect.key, [])
                if askers:
                    self._taken.setdefault(effect.key, []).extend(askers)
                found += [(asker, effect.value) for asker in askers if not asker.done()]
        return found

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
