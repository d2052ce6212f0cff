"""Appends on their way to the disk, and what waits for each of them (invariants 2 and 5)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
import pykka

from indelible.events.store import Pipeline

Reply = tuple[pykka.Future[Any], Any]
"""Who asked, and the answer; an exception is raised at the asker."""


def answer(replies: Sequence[Reply]) -> None:
    """Give each asker its answer."""
    for future, value in replies:
        if isinstance(value, BaseException):
            future.set_exception((type(value), value, value.__traceback__))
        else:
            future.set(value)


class Flight(msgspec.Struct, gc=False, eq=False):
    """One append under way.

    Attributes:
        replies: Answers that may go out once it is durable.
        effects: Effects that may be performed once it is durable.
        messages: What caused it; put back if it fails and nobody waits for an answer.
        snapshot: Version and encoded state that may be kept once it is durable.
    """

    replies: Sequence[Reply]
    effects: Sequence[Any]
    messages: Sequence[Any]
    snapshot: tuple[int, bytes] | None = None


CROWDED = 1_000
"""Appends of one actor under way, from which on it waits: as many events as one group takes."""


class Flights(Pipeline):
    """The flights of one actor, oldest first; one thread adds, the commit's leader removes.

    After one has failed all later ones fail, too; the actor then begins with new flights.

    Attributes:
        error: Why the first one failed.
        landing: Whether the leader is still busy with one that it has removed.
    """

    __slots__ = ("_flights", "_parked", "error", "landing", "lock")

    def __init__(self) -> None:
        """Nothing is under way."""
        super().__init__()
        self.lock = threading.Lock()
        self.error: BaseException | None = None
        self.landing = False
        self._flights: deque[Flight] = deque()
        self._parked = False

    def __len__(self) -> int:
        """How many appends are not yet durable."""
        return len(self._flights)

    @property
    def over(self) -> bool:
        """Whether nothing is under way, and nothing of what has landed is still to be done."""
        return not self._flights and not self.landing

    def add(self, flight: Flight) -> None:
        """Add the newest; only the leader could interfere, and he looks at the other end."""
        self._flights.append(flight)

    def landed(self, error: BaseException | None) -> Flight:
        """Remove the oldest: its append is durable, or has failed with ``error``.

        The leader takes back :attr:`landing` when he has done what waited for it.
        """
        with self.lock:
            self.landing = True
            if self.error is None:
                self.error = error
            return self._flights.popleft()

    def park(self) -> bool:
        """Whether too many are under way; then :meth:`unpark` will say when to go on."""
        if len(self._flights) < CROWDED:
            return False
        with self.lock:
            self._parked = len(self._flights) >= CROWDED
            return self._parked

    def unpark(self) -> bool:
        """Whether an actor is parked and may go on; says so once."""
        if not self._parked or len(self._flights) > CROWDED // 2:
            return False
        with self.lock:
            parked, self._parked = self._parked, False
            return parked

    def join_last(self, flight: Flight) -> bool:
        """Let a flight without events wait for the newest one; ``False`` if none is under way."""
        with self.lock:
            if not self._flights:
                return False
            last = self._flights[-1]
            last.replies = (*last.replies, *flight.replies)
            last.effects = (*last.effects, *flight.effects)
            last.messages = (*last.messages, *flight.messages)
            return True
