"""pykka's actor on a pool of threads: the same semantics, and every ask gets an answer.

At most one thread at a time runs an actor; each activation may be on another thread.
"""

from __future__ import annotations

import logging
import queue
import sys
from contextlib import suppress
from functools import cache
from types import TracebackType
from typing import Any, ClassVar, Self

from pykka import Actor, ActorRef, ActorRegistry
from pykka._envelope import Envelope

from indelible.actors.runtime.actor_inbox import ActorInbox, refuse
from indelible.actors.runtime.future import PooledFuture
from indelible.actors.runtime.mailbox import ACTIVATION
from indelible.actors.runtime.pool.dispatcher import Dispatcher, PoolDispatcher
from indelible.actors.runtime.stopped_flag import StoppedFlag
from indelible.errors import DeadlockError

NEWEST = 64  # entries at the end of pykka's registry, where stop_all() takes actors from

logger = logging.getLogger("pykka")  # the logger where pykka's users expect these records


@cache
def default_dispatcher(*, daemon: bool) -> PoolDispatcher:
    """The dispatcher of the process, for plain pykka programs, whose registry is global too."""
    name = "PooledActor-daemon" if daemon else "PooledActor"
    return PoolDispatcher(name, threads=4, daemon=daemon)


class PooledActor(Actor):
    """A :class:`pykka.Actor` that needs no thread of its own.

    It behaves as pykka documents.  Hooks and messages run one after the other on threads of the
    dispatcher, not always on the same thread.  Beyond pykka: an ask that races with the actor's
    end, or waits while ``on_start`` fails, is answered with :class:`pykka.ActorDeadError`.
    """

    use_daemon_thread: ClassVar[bool] = False
    """Whether the process may end while the actor lives, if ``dispatcher`` is not given."""

    dispatcher: ClassVar[Dispatcher | None] = None
    """The dispatcher for actors of the class, by default the dispatcher of the process.

    Read from the class, since actors of a pykka program may have an attribute of the same name.
    """

    registered: ClassVar[bool] = True
    """False keeps actors of the class out of pykka's registry; a ``BaseException`` in such an actor
    then ends only this actor.
    """

    actor_inbox: ActorInbox  # type: ignore[assignment]  # pykka ignores what put() returns

    @classmethod
    def start(  # pyright: ignore[reportIncompatibleMethodOverride]  # the same as pykka's
        cls, *args: Any, **kwargs: Any
    ) -> ActorRef[Self]:
        """Start an actor; see :meth:`pykka.Actor.start`.

        Raises:
            ThreadUnavailableError: There is no thread to run it; the actor was removed again.
        """
        if cls.registered:
            return super().start(*args, **kwargs)
        actor = cls(*args, **kwargs)
        actor._start_actor_loop()
        return actor.actor_ref

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create the actor on the caller's thread; see :meth:`pykka.Actor.start`."""
        super().__init__(*args, **kwargs)
        self.actor_stopped = self._actor_ref.actor_stopped = StoppedFlag()

    @staticmethod
    def _create_actor_inbox() -> ActorInbox:  # type: ignore[override]  # as above
        return ActorInbox()

    @staticmethod
    def _create_future() -> PooledFuture[Any]:
        return PooledFuture()

    def _start_actor_loop(self) -> None:
        try:
            dispatcher = self._choose_dispatcher()
            dispatcher.retain()
        except BaseException:
            self._unregister()
            raise
        try:
            self.actor_inbox.open(self, dispatcher)
        except BaseException:
            self._abandon()  # answers asks of callers that found the actor in the registry
            raise

    def _choose_dispatcher(self) -> Dispatcher:
        """The dispatcher that runs this actor; called once, by :meth:`start`."""
        dispatcher = type(self).dispatcher
        if dispatcher is None:
            return default_dispatcher(daemon=self.use_daemon_thread)
        return dispatcher

    # -- one activation, on the thread that holds the inbox's flag

    def run_activation(self) -> None:
        """Start, or handle at most 64 messages; the caller holds the inbox's flag."""
        try:
            self._activate()
        except BaseException:  # noqa: BLE001 - raised by a hook; other actors need this thread
            self._handle_failure(*sys.exc_info())
            self._end()

    def _abandon(self) -> None:
        """End without running again, because the dispatcher is closed; no hook is called."""
        self._unregister()
        self.actor_stopped.set()
        self._end()

    def _activate(self) -> None:
        inbox, stopped = self.actor_inbox, self.actor_stopped
        if not inbox.started:
            inbox.started = True
            self._actor_loop_setup()
        for _ in range(ACTIVATION):
            if stopped.is_set():
                break
            try:
                envelope = inbox.take()
            except IndexError:
                break
            self._handle(envelope)
        if stopped.is_set():
            self._end()
        elif inbox.release():
            inbox.schedule()

    def _handle(self, envelope: Envelope[Any]) -> None:
        reply_to = envelope.reply_to
        try:
            response = self._handle_receive(envelope.message)
            if reply_to is not None:
                reply_to.set(response)
        except Exception:
            if reply_to is None:
                self._fail()
                return
            logger.info("Exception returned from %s to caller:", self, exc_info=True)
            with suppress(queue.Full):  # the asker has set the future itself
                reply_to.set_exception()
        except BaseException as error:  # noqa: BLE001 - other actors need this thread
            self._crash(envelope, error)

    def _fail(self) -> None:
        self._handle_failure(*sys.exc_info())
        try:
            self.on_failure(*sys.exc_info())
        except Exception:  # noqa: BLE001 - logged as pykka does
            self._handle_failure(*sys.exc_info())

    def _crash(self, envelope: Envelope[Any], error: BaseException) -> None:
        registered = type(self).registered
        try:
            if not registered:
                self._fail()
            else:
                logger.debug("%r in %s. Stopping all actors.", error, self)
                if not self.actor_stopped.is_set():
                    self._stop()
        finally:
            refuse(envelope, f"{self.actor_ref} was ended by {error!r}")
        if registered:
            self._end()  # first: an actor that waits for this actor could not stop
            try:
                ActorRegistry.stop_all()
            except DeadlockError:  # too many actors wait: do not wait for each to stop
                ActorRegistry.stop_all(block=False)

    # -- the end

    def _stop(self) -> None:
        self._unregister()
        self.actor_stopped.set()
        logger.debug("Stopped %s", self)
        try:
            self.on_stop()
        except Exception:  # noqa: BLE001 - logged as pykka does
            self._handle_failure(*sys.exc_info())

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        logger.error(
            "Unhandled exception in %s:",
            self,
            exc_info=(exception_type, exception_value, traceback),  # type: ignore[arg-type]
        )
        self._unregister()
        self.actor_stopped.set()

    def _end(self) -> None:
        """Refuse waiting messages; the flag is kept, so that no thread runs this actor again."""
        if self.actor_inbox.closed:
            return
        for envelope in self.actor_inbox.end():
            refuse(envelope, f"{self.actor_ref} stopped before handling the message")

    def _unregister(self) -> None:
        """Leave pykka's registry; pykka's search from the front would make stop_all() quadratic."""
        if not type(self).registered:
            return
        with ActorRegistry._actor_refs_lock:
            refs = ActorRegistry._actor_refs
            for back in range(1, min(NEWEST, len(refs)) + 1):
                if refs[-back] is self._actor_ref:
                    del refs[-back]
                    logger.debug("Unregistered %s", self._actor_ref)
                    return
        ActorRegistry.unregister(self._actor_ref)
