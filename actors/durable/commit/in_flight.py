"""Appends on their way to the disk, and what waits for each of them (invariants 2 and 5)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import pykka

from indelible.actors.effects.effect_types import Later
from indelible.events.store import Pipeline
from indelible.forks import process_wide

Owed = tuple[pykka.Future[Any], Any]
"""Who asked, and the answer; an exception is raised at the asker, a ``Later`` is none yet."""


def answer(replies: Sequence[Owed]) -> None:
    """Give each asker its answer."""
    for future, value in replies:
        if type(value) is Later:
            continue  # the asker waits on
        if isinstance(value, BaseException):
            future.set_exception((type(value), value, value.__traceback__))
        else:
            future.set(value)


class PendingAppend(msgspec.Struct, gc=False, eq=False):
    """One append under way.

    Attributes:
        replies: Answers that may go out once it is durable.
        effects: Effects that may be performed once it is durable.
        messages: What caused it; put back if it fails and nobody waits for an answer.
        snapshot: Version and encoded state that may be kept once it is durable.
        behind: The one that was sent after it, while both are under way.
    """

    replies: Sequence[Owed]
    effects: Sequence[Any]
    messages: Sequence[Any]
    snapshot: tuple[int, bytes] | None = None
    behind: PendingAppend | None = None


CROWDED = 1_000
"""Appends of one actor under way, from which on it waits: as many events as one group takes."""


class InFlight(Pipeline):
    """The appends of one actor, oldest first; one thread adds, the commit's leader removes.

    After one has failed all later ones fail, too; the actor then begins anew.

    They are linked to each other, not held in a queue, and those of all actors share one lock: most
    actors are small and live shortly, and there are many.  It is re-entrant, for a finaliser may
    come to another actor's appends at any place.

    Attributes:
        error: Why the first one failed.
        landing: Whether the leader is still busy with one that it has removed.
    """

    __slots__ = ("_count", "_first", "_last", "_parked", "error", "landing")

    lock: ClassVar = process_wide(threading.RLock())

    def __init__(self) -> None:
        """Nothing is under way."""
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
    def over(self) -> bool:
        """Whether nothing is under way, and nothing of what has landed is still to be done."""
        return not self._count and not self.landing

    def add(self, pending_append: PendingAppend) -> None:
        """Add the newest."""
        with self.lock:
            if self._last is None:
                self._first = pending_append
            else:
                self._last.behind = pending_append
            self._last = pending_append
            self._count += 1

    def landed(self, error: BaseException | None) -> PendingAppend:
        """Remove the oldest: its append is durable, or has failed with ``error``.

        The leader takes back :attr:`landing` when he has done what waited for it.
        """
        with self.lock:
            self.landing = True
            if self.error is None:
                self.error = error
            pending_append = self._first
            assert pending_append is not None
            self._first, pending_append.behind = pending_append.behind, None
            if self._first is None:
                self._last = None
            self._count -= 1
            return pending_append

    def park(self) -> bool:
        """Whether too many are under way; then :meth:`unpark` will say when to go on."""
        if self._count < CROWDED:
            return False
        with self.lock:
            self._parked = self._count >= CROWDED
            return self._parked

    def unpark(self) -> bool:
        """Whether an actor is parked and may go on; says so once."""
        if not self._parked or self._count > CROWDED // 2:
            return False
        with self.lock:
            parked, self._parked = self._parked, False
            return parked

    def join_last(self, pending_append: PendingAppend) -> bool:
        """Let an append without events wait for the newest one; ``False`` if none is under way."""
        with self.lock:
            last = self._last
            if last is None:
                return False
            last.replies = (*last.replies, *pending_append.replies)
            last.effects = (*last.effects, *pending_append.effects)
            last.messages = (*last.messages, *pending_append.messages)
            return True
