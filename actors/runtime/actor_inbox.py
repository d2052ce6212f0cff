"""pykka's inbox on a mailbox: a message wakes its actor, and none is left without an answer."""

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
    """The actor behind an inbox."""

    def _abandon(self) -> None:
        """End at once: nothing will run this actor any more; the caller holds the flag."""
        ...


class ActorInbox(Mailbox):
    """The mailbox of a pooled actor; its flag is held until the actor has started."""

    __slots__ = ("_dispatcher", "_name", "_owner", "started")

    _dispatcher: Dispatcher

    def __init__(self) -> None:
        """Collect messages, but run nothing yet."""
        super().__init__()
        self._owner: InboxRunner | None = None
        self._name = ""
        self.started = False  # whether on_start has been called; for the flag's holder
        self.try_acquire()

    def open(self, owner: InboxRunner, dispatcher: Dispatcher) -> None:
        """Begin to run ``owner`` on ``dispatcher``.

        Raises:
            ThreadUnavailableError: There is no thread to run it, and the host gives none.
        """
        self._dispatcher = dispatcher
        self._owner = owner
        try:
            dispatcher.begin(owner)
        except ActorStoppedError:
            owner._abandon()

    def end(self) -> list[Envelope[Any]]:
        """Close, let go of the actor and return what it has not handled; for the flag's holder."""
        self._name = str(self._owner)
        left = self.close()
        self._owner = None
        self._dispatcher.release()
        return left

    def put(self, envelope: Envelope[Any], /) -> bool:
        """Add ``envelope`` and see that the actor runs.

        Returns:
            False if the actor has ended; an ask has then got its answer.

        Raises:
            ActorDeadError: The actor has ended, and nobody waits for an answer.
        """
        owner = self._owner
        if envelope.reply_to is not None:
            envelope.reply_to.asked = owner  # type: ignore[attr-defined]  # names deadlocks
        if not super().put(envelope):
            refuse(envelope, f"{self._name} not found")
            if envelope.reply_to is None:
                raise ActorDeadError(f"{self._name} not found")
            return False
        if owner is not None and self.try_acquire():
            self.schedule()
        return True

    def get(self) -> Envelope[Any]:
        """Remove and return the oldest envelope; for the flag's holder.

        Raises:
            IndexError: None waits.
        """
        envelope: Envelope[Any] = self.take()
        return envelope

    def empty(self) -> bool:
        """Whether no envelope waits."""
        return not len(self)

    def schedule(self) -> None:
        """Have the actor run; for the flag's holder, who gives the flag away."""
        owner = self._owner
        if owner is None:
            return
        try:
            self._dispatcher.schedule(owner)
        except ActorStoppedError:  # its dispatcher is closed: what waits must be answered here
            owner._abandon()


def refuse(envelope: Envelope[Any], why: str) -> None:
    """Answer ``envelope`` without handling it: a stop with success, an ask with ``why``."""
    if envelope.reply_to is None:
        return
    with suppress(queue.Full):  # the asker has set an answer himself
        if isinstance(envelope.message, _ActorStop):
            envelope.reply_to.set(None)
        else:
            envelope.reply_to.set_exception((ActorDeadError, ActorDeadError(why), None))
