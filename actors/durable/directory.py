"""Identities: a message finds its actor by the stream's name, in memory or not (passivation)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.actor_host import ActorHost
from indelible.actors.durable.envelope import Envelope
from indelible.actors.durable.recovery.read_ahead import together
from indelible.actors.durable.recovery.recovery_stash import WAKE
from indelible.actors.runtime.future import PooledFuture
from indelible.errors import ActorStoppedError, ShardNotOwnedError
from indelible.events.model.message_context import Context
from indelible.events.store import StreamHead

logger = logging.getLogger("indelible.actors")


class Elsewhere(Protocol):
    """Reaches the actors of other processes; any thread may call, and no call blocks."""

    def ask(self, stream: str, message: Any, context: Context | None, /) -> PooledFuture[Any]:
        """Send ``message`` and return the future of its answer."""
        ...

    def tell(self, stream: str, message: Any, context: Context | None, /) -> None:
        """Send ``message``: once it is submitted it waits for its actor, for ever if need be."""
        ...


Left = Callable[[str, int], None]
"""Gets a stream whose actor leaves memory, and when it is to be woken: 0 if not by us."""

_SETTLE_S = 0.005
"""Seconds between two looks whether an actor has come to rest."""


class Directory:
    """The live actors of a system, by stream.  Any thread may use it.

    An actor that is not in memory is made when a message comes for it, and reads its stream
    before it handles that message.  A message for a shard of another process goes there.
    """

    def __init__(
        self, host: ActorHost, elsewhere: Elsewhere | None = None, left: Left = lambda *_: None
    ) -> None:
        """Start with nobody in memory; without ``elsewhere`` foreign messages are refused."""
        self._host = host
        self._store = host.store
        self._elsewhere = elsewhere
        self._left = left
        self._several = host.store.shards > 1
        self._mine: frozenset[int] = frozenset()  # owned, and not about to leave
        self._lock = threading.Lock()
        self._actors: dict[str, DurableActor] = {}
        self._closed = False

    def __len__(self) -> int:
        """How many actors are in memory."""
        return len(self._actors)

    def __iter__(self) -> Iterator[DurableActor]:
        """The actors in memory at this moment."""
        return iter(list(self._actors.values()))

    def ask(
        self,
        stream: str,
        message: Any,
        *,
        context: Context | None = None,
        presume_new: bool = False,
    ) -> PooledFuture[Any]:
        """Send ``message`` and return the future of its answer.

        ``context`` goes with it to the events that it causes.

        Raises (through the future):
            MailboxFullError: The actor's bound is reached; the message was not taken.
            ActorStoppedError: The system is closing.
        """
        if self._several and self._elsewhere is not None and not self.owns(stream):
            return self._elsewhere.ask(stream, message, context)
        future: PooledFuture[Any] = PooledFuture()
        self.ask_here(stream, message, future, context=context, presume_new=presume_new)
        return future

    def ask_here(
        self,
        stream: str,
        message: Any,
        future: PooledFuture[Any],
        *,
        context: Context | None = None,
        presume_new: bool = False,
    ) -> None:
        """As :meth:`ask`, but into ``future``, and never to another process."""
        try:
            self._deliver(stream, Envelope(message, future, context), presume_new=presume_new)
        except Exception as error:  # noqa: BLE001 - the asker gets it
            future.set_exception((type(error), error, error.__traceback__))

    def tell(self, stream: str, message: Any, context: Context | None = None) -> None:
        """Send ``message`` without waiting for an answer.

        What another process is to have, and cannot be sent to it, is a dead letter here.

        Raises:
            MailboxFullError: The actor's bound is reached; the message was not taken.
            ActorStoppedError: The system is closing.
        """
        if self._several and self._elsewhere is not None and not self.owns(stream):
            self._elsewhere.tell(stream, message, context)
            return
        self._deliver(stream, Envelope(message, None, context))

    def remind(self, stream: str, item: Any) -> None:
        """Bring what a timer says to an actor of this process, in memory or not.

        No bound concerns it.  Another owner of the stream has the timer as well, and after closing
        the next one will.
        """
        with suppress(ActorStoppedError, ShardNotOwnedError):
            while True:
                actor = self._actors.get(stream) or self._admit(stream, presume_new=False)
                if actor.actor_inbox.put(item):
                    return
                with self._lock:  # as in _deliver()
                    continue

    def wake_together(self, heads: Sequence[StreamHead]) -> None:
        """Bring the actors of ``heads`` into memory, and have them go on with what is unfinished.

        Their events are read together; those of other processes are passed over.

        Raises:
            ActorStoppedError: The system is closing.
        """
        if self._closed:
            raise ActorStoppedError("sleeping streams", "the system is closing")
        with self._lock:  # all are there before the first can read for all
            missing = [h for h in heads if h.stream not in self._actors and self.owns(h.stream)]
            admitted: dict[str, DurableActor] = {}
            for stream, ahead in together(self._store, missing):
                admitted[stream] = actor = DurableActor(stream, self._host, presume_new=False)
                actor.ahead = ahead
            self._actors.update(admitted)
        for head in heads:
            self.remind(head.stream, WAKE)

    def live(self, stream: str) -> DurableActor | None:
        """The actor of ``stream`` if it is in memory."""
        return self._actors.get(stream)

    # -- shards

    def owns(self, stream: str) -> bool:
        """Whether the actor of ``stream`` lives in this process."""
        return not self._several or self._store.shard_of(stream) in self._mine

    def admit(self, shards: Collection[int]) -> None:
        """Let actors of ``shards`` live here from now on."""
        with self._lock:
            self._mine |= frozenset(shards)

    def settle(self, shards: Collection[int], timeout: float) -> bool:
        """Take no more messages for ``shards``; wait until their actors have nothing under way.

        Returns:
            False if one still had after ``timeout`` seconds.
        """
        with self._lock:
            self._mine -= frozenset(shards)
        monotonic, pause = self._host.clock.monotonic, threading.Event()
        end = monotonic() + round(timeout * 1e9)
        for actor in self._of(shards):
            while actor.busy():
                if monotonic() > end:
                    return False
                pause.wait(_SETTLE_S)
        return True

    def evict(self, shards: Collection[int]) -> None:
        """Drop the actors of ``shards`` from memory, whatever they do: they live elsewhere."""
        with self._lock:
            self._mine -= frozenset(shards)
            gone = self._of(shards)
            for actor in gone:
                self._left(actor.stream, 0)
                del self._actors[actor.stream]
        for actor in gone:
            actor.evict(ShardNotOwnedError(self._store.shard_of(actor.stream)))

    def _of(self, shards: Collection[int]) -> list[DurableActor]:
        shard_of = self._store.shard_of
        return [actor for actor in list(self._actors.values()) if shard_of(actor.stream) in shards]

    def passivate(self, actor: DurableActor) -> bool:
        """Drop ``actor`` from memory if it is idle; its next message brings it back."""
        inbox = actor.actor_inbox
        if not inbox.try_acquire():
            return False
        due = None if len(inbox) else actor.sleeps_until()
        if due is None:
            if inbox.release():
                actor.go()
            return False
        with self._lock:  # whoever finds the mailbox closed waits here for the successor
            left = inbox.close()
            if not left:
                self._left(actor.stream, due)  # before another takes its place
                self._forget(actor)
                actor.leave_snapshot()
                return True
            successor = DurableActor(actor.stream, self._host, presume_new=False)
            for item in left:  # came at the last moment; later ones find the successor
                successor.actor_inbox.add(item)
            if self._actors.get(actor.stream) is actor:  # not evicted meanwhile
                self._actors[actor.stream] = successor
        successor.deliver(WAKE)
        return True

    def _forget(self, actor: DurableActor) -> None:
        if self._actors.get(actor.stream) is actor:
            del self._actors[actor.stream]

    def let_askers_go(self) -> None:
        """Tell those who wait for late replies that the system has closed; after its threads."""
        for actor in self:
            actor.let_askers_go(ActorStoppedError(actor.stream, "the system was closed"))

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
            if not self.owns(stream):
                raise ShardNotOwnedError(self._store.shard_of(stream))
            actor = self._actors.get(stream)
            if actor is None:
                actor = DurableActor(stream, self._host, presume_new=presume_new)
                self._actors[stream] = actor
            return actor
