"""Identities: a message finds its actor by the stream's name, in memory or not (passivation)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

from pykka._envelope import Envelope

from indelible.actors.durable.actor import WAKE, DurableActor
from indelible.actors.durable.host import Host
from indelible.actors.runtime.future import PooledFuture
from indelible.errors import ActorStoppedError

logger = logging.getLogger("indelible.actors")


class Directory:
    """The live actors of a system, by stream.  Any thread may use it.

    An actor that is not in memory is made when a message comes for it, and reads its stream
    before it handles that message.
    """

    def __init__(self, host: Host) -> None:
        """Start with nobody in memory."""
        self._host = host
        self._lock = threading.Lock()
        self._actors: dict[str, DurableActor] = {}
        self._closed = False

    def __len__(self) -> int:
        """How many actors are in memory."""
        return len(self._actors)

    def __iter__(self) -> Iterator[DurableActor]:
        """The actors in memory at this moment."""
        return iter(list(self._actors.values()))

    def ask(self, stream: str, message: Any, *, presume_new: bool = False) -> PooledFuture[Any]:
        """Send ``message`` and return the future of its answer.

        Raises (through the future):
            MailboxFullError: The actor's bound is reached; the message was not taken.
            ActorStoppedError: The system is closing.
        """
        future: PooledFuture[Any] = PooledFuture()
        try:
            self._deliver(stream, Envelope(message, reply_to=future), presume_new=presume_new)
        except Exception as error:  # noqa: BLE001 - the asker gets it
            future.set_exception((type(error), error, error.__traceback__))
        return future

    def tell(self, stream: str, message: Any) -> None:
        """Send ``message`` without waiting for an answer.

        Raises:
            MailboxFullError: The actor's bound is reached; the message was not taken.
            ActorStoppedError: The system is closing.
        """
        self._deliver(stream, Envelope(message))

    def wake(self, stream: str) -> None:
        """Bring the actor into memory and have it go on with what is unfinished."""
        self._deliver(stream, WAKE)

    def live(self, stream: str) -> DurableActor | None:
        """The actor of ``stream`` if it is in memory."""
        return self._actors.get(stream)

    def passivate(self, actor: DurableActor) -> bool:
        """Drop ``actor`` from memory if it is idle; its next message brings it back."""
        inbox = actor.actor_inbox
        if not inbox.try_acquire():
            return False
        if len(inbox) or not _rests(actor):
            if inbox.release():
                actor.go()
            return False
        with self._lock:  # whoever finds the mailbox closed waits here for the successor
            left = inbox.close()
            if not left:
                del self._actors[actor.stream]
                return True
            successor = DurableActor(actor.stream, self._host, presume_new=False)
            for item in left:  # came at the last moment; later ones find the successor
                successor.actor_inbox.add(item)
            self._actors[actor.stream] = successor
        successor.deliver(WAKE)
        return True

    def close(self) -> None:
        """Take no message from now on; what is under way goes on."""
        self._closed = True

    def _deliver(self, stream: str, item: Any, *, presume_new: bool = False) -> None:
        while True:
            actor = self._actors.get(stream)
            if actor is None:
                actor = self._admit(stream, presume_new=presume_new)
            if actor.actor_inbox.put_command(item, stream):
                return
            with self._lock:  # it left memory between the look-up and the put
                continue

    def _admit(self, stream: str, *, presume_new: bool) -> DurableActor:
        if self._closed:
            raise ActorStoppedError(stream, "the system is closing")
        with self._lock:
            actor = self._actors.get(stream)
            if actor is None:
                actor = DurableActor(stream, self._host, presume_new=presume_new)
                self._actors[stream] = actor
            return actor


def _rests(actor: DurableActor) -> bool:
    try:
        return actor.at_rest()
    except Exception:
        logger.exception("%s stays in memory: its decider cannot say whether it rests", actor)
        return False
