"""Finds the actor of a message by its stream's name; brings actors in and out of memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.actor_host import ActorHost
from indelible.actors.durable.envelope import Envelope
from indelible.actors.durable.recovery.batch_reader import BatchReader
from indelible.actors.durable.recovery.read_ahead import read_together
from indelible.actors.durable.recovery.recovery_stash import WAKE
from indelible.actors.runtime.future import PooledFuture
from indelible.errors import ActorStoppedError, ShardNotOwnedError
from indelible.events.model.message_context import Context
from indelible.events.store import StreamHead

logger = logging.getLogger("indelible.actors")


class RemoteActors(Protocol):
    """Reaches the actors of other processes; any thread may call, and no call blocks."""

    def ask(
        self, stream: str, message: Any, context: Context | None, timeout: float | None, /
    ) -> PooledFuture[Any]:
        """Send ``message`` and return the future of its answer; ``timeout`` is in seconds."""
        ...

    def tell(self, stream: str, message: Any, context: Context | None, /) -> None:
        """Send ``message``; it is stored until its actor handles it, without a time limit."""
        ...


OnPassivated = Callable[[str, int], None]
"""Gets the stream of an actor that leaves memory, and its wake time: 0 if this process has none."""

_SETTLE_S = 0.005
"""Seconds between two checks whether an actor is idle."""


class Directory:
    """The live actors of a system, by stream.  Any thread may use it.

    An actor that is not in memory is created when a message comes for it, and reads its stream
    before it handles that message.  A message for another process's shard is sent there.
    """

    def __init__(
        self,
        host: ActorHost,
        remote: RemoteActors | None = None,
        left: OnPassivated = lambda *_: None,
    ) -> None:
        """Start without actors; without ``remote`` messages for other shards are refused."""
        self._host = host
        self._store = host.store
        self._remote = remote
        self._on_passivated = left
        self._many_shards = host.store.shards > 1
        self._owned_shards = frozenset[int]()  # and not about to be given away
        self._lock = threading.Lock()
        self._actors: dict[str, DurableActor] = {}
        self._batch_reader = BatchReader(host.dispatcher, lambda stream: self.remind(stream, WAKE))
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
        timeout: float | None = None,
    ) -> PooledFuture[Any]:
        """Send ``message`` and return the future of its answer.

        The events that the message causes get its ``context``.  The ``timeout``, in seconds, is for
        an answer of another process.

        Raises (through the future):
            MailboxFullError: The actor's bound is reached; the message was not taken.
            ActorStoppedError: The system is closing.
        """
        if self._many_shards and self._remote is not None and not self.owns(stream):
            return self._remote.ask(stream, message, context, timeout)
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
        """As :meth:`ask`, but sets ``future``, and never sends to another process."""
        try:
            self._deliver(stream, Envelope(message, future, context), presume_new=presume_new)
        except Exception as error:  # noqa: BLE001 - the asker gets it
            future.set_exception((type(error), error, error.__traceback__))

    def tell(self, stream: str, message: Any, context: Context | None = None) -> None:
        """Send ``message`` without waiting for an answer.

        A message that cannot be sent to another process becomes a dead letter here.

        Raises:
            MailboxFullError: The actor's bound is reached; the message was not taken.
            ActorStoppedError: The system is closing.
        """
        if self._many_shards and self._remote is not None and not self.owns(stream):
            self._remote.tell(stream, message, context)
            return
        self._deliver(stream, Envelope(message, None, context))

    def remind(self, stream: str, item: Any) -> None:
        """Deliver a timer's ``item`` to an actor of this process, loading the actor if needed.

        The mailbox's bound does not apply.  If this process does not own the stream or is closing,
        the item is dropped: the stream's next owner process has the timer, too.
        """
        with suppress(ActorStoppedError, ShardNotOwnedError):
            while True:
                actor = self._actors.get(stream) or self._admit(stream, presume_new=False)
                if actor.actor_inbox.put(item):
                    return
                with self._lock:  # as in _deliver()
                    continue

    def wake_together(self, heads: Sequence[StreamHead]) -> None:
        """Load the actors of ``heads`` into memory, so that they continue unfinished work.

        Their events are read in batches; streams of other processes are skipped.

        Raises:
            ActorStoppedError: The system is closing.
        """
        if self._closed:
            raise ActorStoppedError("sleeping streams", "the system is closing")
        with self._lock:  # all are admitted before the first of them reads the whole batch
            missing = [h for h in heads if h.stream not in self._actors and self.owns(h.stream)]
            admitted: dict[str, DurableActor] = {}
            for stream, ahead in read_together(self._store, missing):
                admitted[stream] = actor = DurableActor(stream, self._host, presume_new=False)
                actor.ahead = ahead
            self._actors.update(admitted)
        for head in heads:
            if head.stream not in admitted or admitted[head.stream].ahead is None:
                self.remind(head.stream, WAKE)
        found = [actor.ahead for actor in admitted.values() if actor.ahead is not None]
        self._batch_reader.add(dict.fromkeys(found))

    def live(self, stream: str) -> DurableActor | None:
        """The actor of ``stream``, if it is in memory."""
        return self._actors.get(stream)

    # -- shards

    def owns(self, stream: str) -> bool:
        """Whether the actor of ``stream`` lives in this process."""
        return not self._many_shards or self._store.shard_of(stream) in self._owned_shards

    def admit(self, shards: Collection[int]) -> None:
        """Let actors of ``shards`` live in this process from now on."""
        with self._lock:
            self._owned_shards |= frozenset(shards)

    def settle(self, shards: Collection[int], timeout: float) -> bool:
        """Take no more messages for ``shards``, and wait until their actors are not busy.

        Returns:
            False if an actor was still busy after ``timeout`` seconds.
        """
        with self._lock:
            self._owned_shards -= frozenset(shards)
        monotonic, pause = self._host.clock.monotonic, threading.Event()
        end = monotonic() + round(timeout * 1e9)
        for actor in self._of(shards):
            while actor.busy():
                if monotonic() > end:
                    return False
                pause.wait(_SETTLE_S)
        return True

    def evict(self, shards: Collection[int]) -> None:
        """Drop the actors of ``shards`` from memory, busy or not: another process has them."""
        with self._lock:
            self._owned_shards -= frozenset(shards)
            gone = self._of(shards)
            for actor in gone:
                self._on_passivated(actor.stream, 0)
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
                actor.schedule()
            return False
        with self._lock:  # a sender that finds the mailbox closed waits here for the successor
            left = inbox.close()
            if not left:
                self._on_passivated(actor.stream, due)  # before a new actor of the stream exists
                self._forget(actor)
                actor.leave_snapshot()
                return True
            successor = DurableActor(actor.stream, self._host, presume_new=False)
            for item in left:  # later messages reach the successor by themselves
                successor.actor_inbox.add(item)
            if self._actors.get(actor.stream) is actor:  # it was not evicted meanwhile
                self._actors[actor.stream] = successor
        successor.deliver(WAKE)
        return True

    def _forget(self, actor: DurableActor) -> None:
        if self._actors.get(actor.stream) is actor:
            del self._actors[actor.stream]

    def fail_late_replies(self) -> None:
        """Fail all late replies: the system has closed.  Called after its threads have ended."""
        for actor in self:
            actor.fail_late_replies(ActorStoppedError(actor.stream, "the system was closed"))

    def close(self) -> None:
        """Take no message from now on; work under way continues."""
        self._closed = True

    def _deliver(self, stream: str, item: Any, *, presume_new: bool = False) -> None:
        while True:
            actor = self._actors.get(stream)
            if actor is None:
                actor = self._admit(stream, presume_new=presume_new)
            if actor.actor_inbox.put_command(item, stream):
                return
            with self._lock:  # the actor left memory between the look-up and the put
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
