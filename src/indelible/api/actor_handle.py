"""A handle to one of your own event-sourced actors."""

from __future__ import annotations

from collections.abc import Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Generic

from indelible.actors.decider import R, S
from indelible.actors.runtime.future import PooledFuture
from indelible.arguments.ids_and_timeouts import check_timeout
from indelible.assembly.system_access import SystemAccess
from indelible.events.model.event import RecordedEvent
from indelible.events.model.message_context import Context
from indelible.events.read.as_of import AsOf
from indelible.remote.remote_future import ASK_TIMEOUT


class ActorHandle(Generic[S, R]):
    """Sends messages to the actor of one stream; any thread may use it.

    The types in ``ActorHandle[State, Reply]`` are those of the actor's Decider.

    Attributes:
        stream: Name of the actor's stream, ``category-id``.
    """

    if not TYPE_CHECKING:
        __class_getitem__ = classmethod(GenericAlias)  # as Decider

    def __init__(self, access: SystemAccess, stream: str) -> None:
        """Refer to the actor of ``stream``, which need not have events yet."""
        self.stream = stream
        self._access = access

    def __repr__(self) -> str:
        """Name the stream."""
        return f"<ActorHandle {self.stream!r}>"

    def ask(
        self,
        message: Any,
        *,
        timeout: float | None = None,
        message_id: str | None = None,
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> R:
        """Send ``message`` and return the reply, once every event behind the reply is durable.

        Args:
            message: A message for the actor's ``decide``: a storable value, or of one of the types
                that its decider lists as ``message_types``.  An object of another class can be sent
                to an actor of this process only.
            timeout: Seconds; the system's default is 30.
            message_id: For 7 days the same id with the same message is handled once, and later
                calls
                get the first answer: so a retry after an error is safe.
            by: The principal on whose behalf you call; recorded in every event that the message
                causes.
            why: The reason; recorded likewise.
            correlation_id: The request to which the message belongs; recorded likewise.

        Raises:
            RefusedError: The actor refused the message, or ``by``, ``why`` or an id is not valid
                text; nothing has changed.
            ValueNotStorableError: The message would arrive changed in another process, as a tuple
                would, or cannot be sent to the one that has the actor; nothing has changed.
            AskTimeoutError: No reply in time; the message may have been handled.
            StoreUnavailableError: The commit failed; the message may have been handled.
            MailboxFullError, ActorQuarantinedError, ActorStoppedError: The message was not
                accepted.
            MessageExistsError: ``message_id`` belongs to another message.
            ActorFailedError: The actor, in another process, failed on the message or refused it
                outside of ``decide``; nothing has changed.
        """
        self._access.check_may_block("ask", "ask_async")
        timeout = check_timeout(timeout)
        self._access.check_message(self.stream, message)
        context = self._access.calling(by, why, correlation_id, message_id)
        reply: R = self._access.ask(
            self.stream, message, timeout=timeout, message_id=message_id, context=context
        )
        return reply

    async def ask_async(
        self,
        message: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as ask()
        message_id: str | None = None,
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> R:
        """Do what :meth:`ask` does without blocking the event loop."""
        timeout = check_timeout(timeout)
        self._access.check_message(self.stream, message)
        context = self._access.calling(by, why, correlation_id, message_id)
        reply: R = await self._access.ask_async(
            self.stream, message, timeout=timeout, message_id=message_id, context=context
        )
        return reply

    def tell(
        self,
        message: Any,
        *,
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Send ``message`` without waiting; it is lost if the process dies before its commit.

        The parameters are those of :meth:`ask`.
        A message that cannot be handled, or not kept while the store is unavailable, becomes a dead
        letter.  In mode ``client`` the call returns when the message is durable in the store's
        inbox.

        Raises:
            RefusedError, ValueNotStorableError, MailboxFullError, ActorStoppedError: The message
                was not accepted.
            BlockingCallError: Called on the system's event loop in mode ``client``.
        """
        self._access.check_message(self.stream, message)
        context = self._access.calling(by, why, correlation_id)
        if self._access.tell_remotely:
            self._access.check_may_block("tell", "tell_async")
            self._access.wait_for_answer(self._tell_remotely(message, context), self.stream)
        else:
            self._access.directory.tell(self.stream, message, context)

    async def tell_async(
        self,
        message: Any,
        *,
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Do what :meth:`tell` does without blocking the event loop."""
        self._access.check_message(self.stream, message)
        context = self._access.calling(by, why, correlation_id)
        if self._access.tell_remotely:
            await self._access.await_answer(self._tell_remotely(message, context), self.stream)
        else:
            self._access.directory.tell(self.stream, message, context)

    def _tell_remotely(self, message: Any, context: Context | None) -> PooledFuture[Any]:
        tell = self._access.inbox_client.tell
        return tell(self.stream, message, ASK_TIMEOUT, context=context)

    def state(self, *, as_of: AsOf | None = None) -> S:
        """The actor's state: the fold of all stored events, or of those stored ``as_of`` a moment.

        Args:
            as_of: A version of the stream, a position or cursor, or a time; ``None`` is now.

        Raises:
            AsOfError: There is no such moment.
        """
        self._access.check_may_block("state", "state_async")
        state: S = self._access.fold(self.stream, as_of)
        return state

    async def state_async(self, *, as_of: AsOf | None = None) -> S:
        """Do what :meth:`state` does without blocking the event loop."""
        return await self._access.parts.async_calls.call(self.state, as_of=as_of)

    def events(self, *, as_of: AsOf | None = None) -> Sequence[RecordedEvent]:
        """Every event of the stream now, or ``as_of`` a moment, in order."""
        self._access.check_may_block("events", "events_async")
        return self._access.read_stream(self.stream, as_of)

    async def events_async(self, *, as_of: AsOf | None = None) -> Sequence[RecordedEvent]:
        """Do what :meth:`events` does without blocking the event loop."""
        return await self._access.parts.async_calls.call(self.events, as_of=as_of)
