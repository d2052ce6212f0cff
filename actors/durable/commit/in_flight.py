"""Appends in flight, and the replies and effects that wait for each (invariants 2 and 5)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import pykka

from indelible.actors.effects.effect_types import Later
from indelible.events.store import Pipeline
from indelible.forks import process_wide

PendingReply = tuple[pykka.Future[Any], Any]
"""The asker's future and its reply; an exception is raised there, a ``Later`` keeps it waiting."""


def answer(replies: Sequence[PendingReply]) -> None:
    """Give each asker its reply."""
    for future, value in replies:
        if type(value) is Later:
            continue  # the asker waits on
        if isinstance(value, BaseException):
            future.set_exception((type(value), value, value.__traceback__))
        else:
            future.set(value)


class PendingAppend(msgspec.Struct, gc=False, eq=False):
    """One append in flight.

    Attributes:
        replies: Replies to give once the append is durable.
        effects: Effects to perform once the append is durable.
        messages: The messages that caused it; decided again if it fails and no asker waits.
        snapshot: Version and encoded state to store once the append is durable.
        next: The next append, while both are in flight.
    """

    replies: Sequence[PendingReply]
    effects: Sequence[Any]
    messages: Sequence[Any]
    snapshot: tuple[int, bytes] | None = None
    next: PendingAppend | None = None


MAX_IN_FLIGHT = 1_000
"""Appends in flight at which an actor pauses: as many events as one group commit takes."""


class InFlight(Pipeline):
    """The appends of one actor, oldest first; one thread adds, the commit's leader removes.

    After one append has failed all later ones fail, too; the actor then reads its stream again.

    The appends form a linked list instead of a queue, and all actors share one lock: there are many
    actors, most of them small and short-lived.  The lock is re-entrant because a finaliser may need
    another actor's appends at any point.

    Attributes:
        error: Why the first failed append failed.
        landing: Whether the leader still handles an append that it has removed.
    """

    __slots__ = ("_count", "_first", "_last", "_parked", "error", "landing")

    lock: ClassVar = process_wide(threading.RLock())

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.error: BaseException | None = None
        self.landing = False
        self._first: PendingAppend | None = None
        self._last: PendingAppend | None = None
        self._count = 0
        self._parked = False

    def __len__(self) -> int:
        """How many appends are not yet durable."""
        return self._count

    @property
    def drained(self) -> bool:
        """Whether no append is in flight, and the leader has handled all that have landed."""
        return not self._count and not self.landing

    def add(self, pending_append: PendingAppend) -> None:
        """Add the newest append."""
        with self.lock:
            if self._last is None:
                self._first = pending_append
            else:
                self._last.next = pending_append
            self._last = pending_append
            self._count += 1

    def landed(self, error: BaseException | None) -> PendingAppend:
        """Remove the oldest append: it is durable, or has failed with ``error``.

        The leader resets :attr:`landing` after it has given the replies and performed the effects.
        """
        with self.lock:
            self.landing = True
            if self.error is None:
                self.error = error
            pending_append = self._first
            assert pending_append is not None
            self._first, pending_append.next = pending_append.next, None
            if self._first is None:
                self._last = None
            self._count -= 1
            return pending_append

    def park(self) -> bool:
        """Whether too many appends are in flight; :meth:`unpark` then tells when to continue."""
        if self._count < MAX_IN_FLIGHT:
            return False
        with self.lock:
            self._parked = self._count >= MAX_IN_FLIGHT
            return self._parked

    def unpark(self) -> bool:
        """Whether the actor is parked and may continue; true only once."""
        if not self._parked or self._count > MAX_IN_FLIGHT // 2:
            return False
        with self.lock:
            parked, self._parked = self._parked, False
            return parked

    def join_last(self, pending_append: PendingAppend) -> bool:
        """Merge a batch without events into the newest append; ``False`` if none is in flight."""
        with self.lock:
            last = self._last
            if last is None:
                return False
            last.replies = (*last.replies, *pending_append.replies)
            last.effects = (*last.effects, *pending_append.effects)
            last.messages = (*last.messages, *pending_append.messages)
            return True
