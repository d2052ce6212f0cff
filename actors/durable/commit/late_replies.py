"""Those who wait for a late reply of one actor: in memory, as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from indelible.actors.durable.commit.in_flight import Owed
from indelible.actors.durable.commit.promises import check_key
from indelible.actors.durable.commit.stored_answers import StoredAnswer
from indelible.actors.effects.effect_types import Later, Reply
from indelible.errors import LateReplyError, MailboxFullError

MOST = 10_000
"""Askers that may wait for one actor: as many as commands."""

Asker = Any  # a PooledFuture, as every asker of a durable actor has


def check_later(decider: object, later: Later, asker: Asker | None) -> None:
    """See that ``asker`` can be kept waiting.

    Raises:
        RefusedError: The key is none.
        LateReplyError: It is in another process, where nobody would answer it after a crash.
    """
    check_key("the key of a Later", later.key)
    if type(asker) is StoredAnswer and asker.awaited:
        raise LateReplyError(type(decider).__name__)


class Askers:
    """Futures by key; for the actor's thread, between a batch and the next.

    What a batch answers is taken from here when it has been sent: one that fails before that is
    decided again.
    """

    def __init__(self, actor: str) -> None:
        """Nobody waits for ``actor``."""
        self._actor = actor
        self._waiting: dict[str, list[Asker]] = {}
        self._taken: dict[str, list[Asker]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    def begin(self) -> None:
        """A batch begins; one before it that was not sent has answered nobody."""
        for key, askers in self._taken.items():
            self._waiting[key] = askers + self._waiting.get(key, [])
        self._taken = {}

    def keep(self, later: Later, asker: Asker) -> Any:
        """Have ``asker`` wait, and return what to answer now: ``later`` itself is no answer."""
        if type(asker) is StoredAnswer:
            return None  # of a message that nobody awaits
        askers = self._waiting.setdefault(later.key, [])
        if any(one is asker for one in askers):  # decided again
            return later
        if self._count >= MOST:
            return MailboxFullError(self._actor, MOST)
        askers.append(asker)
        self._count += 1
        return later

    def owed(self, effects: Sequence[Any]) -> Sequence[Owed]:
        """The replies that are among ``effects``, each with who waits for it."""
        owed: list[Owed] = []
        for effect in effects:
            if type(effect) is Reply:
                askers = self._waiting.pop(effect.key, [])
                if askers:
                    self._taken.setdefault(effect.key, []).extend(askers)
                owed += [(asker, effect.value) for asker in askers if not asker.done()]
        return owed

    def sent(self) -> None:
        """The batch is on its way, with its answers."""
        if self._taken:
            self._count -= sum(map(len, self._taken.values()))
            self._taken = {}

    def let_go(self, error: BaseException) -> None:
        """Tell all who wait that this actor answers no more."""
        self.begin()
        for askers in self._waiting.values():
            for asker in askers:
                if not asker.done():
                    asker.set_exception((type(error), error, error.__traceback__))
        self._waiting, self._count = {}, 0
