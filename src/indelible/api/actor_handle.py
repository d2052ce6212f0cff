"""A handle of one of your own event-sourced actors."""

from __future__ import annotations

from collections.abc import Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Generic

from indelible.actors.decider import R, S
from indelible.actors.runtime.future import PooledFuture
from indelible.api.arguments.ids_and_timeouts import check_timeout
from indelible.assembly.system_access import SystemAccess
from indelible.events.model.event import RecordedEvent
from indelible.events.model.message_context import Context
from indelible.events.read.as_of import AsOf
from indelible.remote.remote_future import ASK_TIMEOUT


class ActorHandle(Generic[S, R]):
    """Speaks to the actor behind one stream; any thread may use it.

    ``ActorHandle[State, Reply]`` has the types that its Decider declares.

    Attributes:
        stream: Name of the actor's stream, ``category-id``.
    """

    if not TYPE_CHECKING:
        __class_getitem__ = classmethod(GenericAlias)  # as Decider

    def __init__(self, access: SystemAccess, stream: str) -> None:
        """Point at an identity; it need not exist yet."""
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
        """Send ``message`` and return the reply, once all that it rests on is durable.

        Args:
            message: What the actor's ``decide`` understands.  To another process go storable
                values, and the types that the decider lists as ``message_types``.
            timeout: Seconds; the system's default is 30.
            message_id: The same id with the same message is handled once, and answered as it was
                then, for 7 days: so that asking again after an error is safe.
            by: On whose behalf; recorded with every event that the message causes.
            why: The reason; likewise.
            correlation_id: The request that it belongs to; likewise.

        Raises:
            RefusedError: The actor said no, or ``by`` and the like are no text; nothing changed.
            AskTimeoutError: No reply in time; it may have happened.
            StoreUnavailableError: The commit failed; it may have happened.
            MailboxFullError, ActorQuarantinedError, ActorStoppedError: It was not taken.
            MessageExistsError: ``message_id`` belongs to another message.
            ActorFailedError: The actor failed on it in another process, or refused it outside of
                ``decide``; nothing changed.
        """
        self._access.check_may_block("ask", "ask_async")
        timeout = check_timeout(timeout)
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
        """Send ``message`` without an answer; it is lost if the process dies before its commit.

        The parameters are those of :meth:`ask`.
        What cannot be handled, or kept any longer while the store is unavailable, is a dead letter.
        In mode ``client`` it returns once the message is durable in the inbox of the store.

        Raises:
            RefusedError, MailboxFullError, ActorStoppedError: It was not taken.
            BlockingCallError: Mode ``client``, and called on the system's event loop.
        """
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
        context = self._access.calling(by, why, correlation_id)
        if self._access.tell_remotely:
            await self._access.await_answer(self._tell_remotely(message, context), self.stream)
        else:
            self._access.directory.tell(self.stream, message, context)

    def _tell_remotely(self, message: Any, context: Context | None) -> PooledFuture[Any]:
        tell = self._access.inbox_client.tell
        return tell(self.stream, message, ASK_TIMEOUT, context=context)

    def state(self, *, as_of: AsOf | None = None) -> S:
        """The fold of the stored events, all there are or those that there were ``as_of``.

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
        return await self._access.parts.off_loop.call(self.state, as_of=as_of)

    def events(self, *, as_of: AsOf | None = None) -> Sequence[RecordedEvent]:
        """Every event of the stream so far, or of what it was ``as_of``, in order."""
        self._access.check_may_block("events", "events_async")
        return self._access.read_stream(self.stream, as_of)

    async def events_async(self, *, as_of: AsOf | None = None) -> Sequence[RecordedEvent]:
        """Do what :meth:`events` does without blocking the event loop."""
        return await self._access.parts.off_loop.call(self.events, as_of=as_of)
