"""Why an actor must read its stream again, and what waits until it has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from indelible.actors.durable import mailbox as inboxes
from indelible.actors.durable.commit.in_flight import answer
from indelible.actors.durable.envelope import Envelope
from indelible.errors import ActorStoppedError, StaleEpochError
from indelible.errors.texts import message_of

WAKE = object()
"""A message that does nothing but have the actor look around."""


class RecoveryStash:
    """Exists only while an actor has no state to decide on; most actors never have one.

    Attributes:
        error: What happened; ``None`` if the state has just not been read yet.
        returned: Messages whose append failed; older than the stash.  The commit's leader adds.
        stash: Messages that came meanwhile.  The actor's own thread adds.
        paused: Whether the stream cannot be read now, and a timer will wake the actor.
    """

    __slots__ = ("error", "paused", "returned", "stash")

    def __init__(self, error: BaseException | None) -> None:
        """Nothing waits yet."""
        self.error = error
        self.paused = False
        self.returned: deque[Any] = deque()
        self.stash: deque[Any] = deque()

    def take_all(self) -> list[Any]:
        """Remove and return what waits, oldest first."""
        waiting = [*self.returned, *self.stash]
        self.returned.clear()
        self.stash.clear()
        return waiting

    def keep(self, items: Iterable[Any]) -> None:
        """Let ``items`` wait."""
        self.stash.extend(items)

    def turn_away(self, items: Iterable[Any], bury: Callable[[Any, str], None]) -> None:
        """Answer the askers while the log cannot be read; keep everything else, within bounds.

        What is too much goes to ``bury``, with the reason.
        """
        for item in items:
            if type(item) is Envelope and item.reply_to is not None:
                answer([(item.reply_to, self.error)])
            elif type(item) is Envelope and len(self.stash) >= inboxes.COMMANDS:
                bury(item.message, str(self.error))
            elif item is not WAKE:
                self.keep((item,))


def refuse(items: Iterable[Any], why: BaseException, bury: Callable[[Any, str], None]) -> None:
    """Answer the askers among ``items`` with ``why``; everything else goes to ``bury``.

    Results and timers of a stream that has left this process are the new owner's matter.
    """
    left = isinstance(why, StaleEpochError | ActorStoppedError)
    for item in items:
        if type(item) is Envelope and item.reply_to is not None:
            answer([(item.reply_to, why)])
        elif item is not WAKE and not (left and type(item) is not Envelope):
            bury(item.message if type(item) is Envelope else item, message_of(why))


def in_order(arrived: Sequence[Any], resumption: Any) -> Sequence[Any]:
    """What an actor that was read back takes first of what has ``arrived`` meanwhile.

    A result comes before ``resumption``, since its attempt was not cut off; a command or a
    question after it, since it means a run that goes on.
    """
    if resumption is None:
        return arrived
    asked = [item for item in arrived if type(item) is Envelope]
    return [*(item for item in arrived if type(item) is not Envelope), resumption, *asked]
