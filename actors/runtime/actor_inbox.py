"""pykka's inbox on a mailbox: a message schedules its actor, and every ask gets an answer."""

from __future__ import annotations

import queue
from contextlib import suppress
from typing import Any, Protocol

from pykka import ActorDeadError
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from indelible.actors.runtime.mailbox import Mailbox
from indelible.actors.runtime.pool.dispatcher import Dispatcher, Runnable
from indelible.errors import ActorStoppedError


class InboxRunner(Runnable, Protocol):
    """The actor that owns an inbox."""

    def _abandon(self) -> None:
        """End at once: no thread will run this actor any more; the caller holds the flag."""
        ...


class ActorInbox(Mailbox):
    """The mailbox of a pooled actor; its flag is held until the actor has started."""

    __slots__ = ("_dispatcher", "_name", "_owner", "started")

    _dispatcher: Dispatcher

    def __init__(self) -> None:
        """Collect messages; the actor does not run yet."""
        super().__init__()
        self._owner: InboxRunner | None = None
        self._name = ""
        self.started = False  # whether on_start has been called; used under the flag
        self.try_acquire()

    def open(self, owner: InboxRunner, dispatcher: Dispatcher) -> None:
        """Begin to run ``owner`` on ``dispatcher``.

        Raises:
            ThreadUnavailableError: There is no thread, and the host refuses to start one.
        """
        self._dispatcher = dispatcher
        self._owner = owner
        try:
            dispatcher.begin(owner)
        except ActorStoppedError:
            owner._abandon()

    def end(self) -> list[Envelope[Any]]:
        """Close, drop the actor and return its unhandled messages; the caller holds the flag."""
        self._name = str(self._owner)
        left = self.close()
        self._owner = None
        self._dispatcher.release()
        return left

    def put(self, envelope: Envelope[Any], /) -> bool:
        """Add ``envelope`` and schedule the actor.

        Returns:
            False if the actor has ended; an ask was then answered with an error.

        Raises:
            ActorDeadError: The actor has ended, and the message is not an ask.
        """
        owner = self._owner
        if envelope.reply_to is not None:
            envelope.reply_to.asked_actor = owner  # type: ignore[attr-defined]  # names deadlocks
        if not super().put(envelope):
            refuse(envelope, f"{self._name} not found")
            if envelope.reply_to is None:
                raise ActorDeadError(f"{self._name} not found")
            return False
        if owner is not None and self.try_acquire():
            self.schedule()
        return True

    def get(self) -> Envelope[Any]:
        """Remove and return the oldest envelope; the caller holds the flag.

        Raises:
            IndexError: There is none.
        """
        envelope: Envelope[Any] = self.take()
        return envelope

    def empty(self) -> bool:
        """Whether there is no envelope."""
        return not len(self)

    def schedule(self) -> None:
        """Schedule the actor; the caller holds the flag and passes it on to the actor's run."""
        owner = self._owner
        if owner is None:
            return
        try:
            self._dispatcher.schedule(owner)
        except ActorStoppedError:  # its dispatcher is closed: waiting asks are answered here
            owner._abandon()


def refuse(envelope: Envelope[Any], why: str) -> None:
    """Answer ``envelope`` without handling it: a stop with success, an ask with ``why``."""
    if envelope.reply_to is None:
        return
    with suppress(queue.Full):  # the asker has set the future itself
        if isinstance(envelope.message, _ActorStop):
            envelope.reply_to.set(None)
        else:
            envelope.reply_to.set_exception((ActorDeadError, ActorDeadError(why), None))
