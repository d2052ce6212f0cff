"""Holds the messages of an actor, and the failure before, while it must read its stream again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from indelible.actors.durable import mailbox
from indelible.actors.durable.commit.in_flight import answer
from indelible.actors.durable.envelope import Envelope
from indelible.errors import ActorStoppedError, StaleEpochError
from indelible.errors.error_text import message_of

Messages = list[Any] | tuple[()]
"""A list only if there are messages: the garbage collector need not look into empty tuples."""

WAKE = object()
"""A message without content: it makes the actor run an activation."""


class RecoveryStash:
    """Exists only while an actor has no state to decide on; most new actors never need one.

    Thousands exist while a store is opened, nearly all of them empty.

    Attributes:
        error: The failure; ``None`` if the state was never read.
        returned: Messages whose append failed, older than ``stash``; added by the commit's leader.
        stash: Messages that arrived since; added by the actor's own thread.
        paused: Whether the stream cannot be read now; a timer will wake the actor.
    """

    __slots__ = ("error", "paused", "returned", "stash")

    def __init__(self, error: BaseException | None) -> None:
        """Start empty."""
        self.error = error
        self.paused = False
        self.returned: Messages = ()
        self.stash: Messages = ()

    def take_all(self) -> list[Any]:
        """Remove and return all messages, oldest first."""
        waiting = [*self.returned, *self.stash]
        self.returned = self.stash = ()
        return waiting

    def give_back(self, items: Sequence[Any]) -> None:
        """Add ``items``, whose append has failed, to those that were returned."""
        self.returned = _extended(self.returned, items)

    def keep(self, items: Sequence[Any]) -> None:
        """Add ``items`` to the stash."""
        self.stash = _extended(self.stash, items)

    def refuse_or_keep(self, items: Iterable[Any], dead_letter: Callable[[Any, str], None]) -> None:
        """Fail all asks while the log cannot be read; keep other messages, up to the bound.

        Messages beyond the bound go to ``dead_letter``, with the reason.
        """
        kept: list[Any] = []
        for item in items:
            if type(item) is Envelope and item.reply_to is not None:
                answer([(item.reply_to, self.error)])
            elif type(item) is Envelope and len(self.stash) + len(kept) >= mailbox.COMMANDS:
                dead_letter(item.message, str(self.error))
            elif item is not WAKE:
                kept.append(item)
        self.keep(kept)


def _extended(kept: Messages, items: Sequence[Any]) -> Messages:
    if not isinstance(kept, tuple):
        kept.extend(items)
        return kept
    return list(items) if items else ()


def refuse(
    items: Iterable[Any], why: BaseException, dead_letter: Callable[[Any, str], None]
) -> None:
    """Fail all asks among ``items`` with ``why``; other messages go to ``dead_letter``.

    Results and timers of a stream that has left this process are dropped: its new owner has them.
    """
    left = isinstance(why, StaleEpochError | ActorStoppedError)
    for item in items:
        if type(item) is Envelope and item.reply_to is not None:
            answer([(item.reply_to, why)])
        elif item is not WAKE and not (left and type(item) is not Envelope):
            dead_letter(item.message if type(item) is Envelope else item, message_of(why))


def in_order(arrived: Sequence[Any], resumption: Any) -> Sequence[Any]:
    """The order in which a recovered actor handles the messages that have ``arrived``.

    Results come before ``resumption``, because their attempts were not cut off; commands and
    queries come after it, because they expect a resumed run.
    """
    if resumption is None:
        return arrived
    asked = [item for item in arrived if type(item) is Envelope]
    return [*(item for item in arrived if type(item) is not Envelope), resumption, *asked]
