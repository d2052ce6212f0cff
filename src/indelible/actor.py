"""A handle of one of your own event-sourced actors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from indelible.events.event import RecordedEvent

if TYPE_CHECKING:
    from indelible.system import ActorSystem


class ActorHandle:
    """Speaks to the actor behind one stream; any thread may use it.

    Attributes:
        stream: Name of the actor's stream, ``category-id``.
    """

    def __init__(self, system: ActorSystem, stream: str) -> None:
        """Point at an identity; it need not exist yet."""
        self.stream = stream
        self._system = system

    def __repr__(self) -> str:
        """Name the stream."""
        return f"<ActorHandle {self.stream!r}>"

    def ask(self, message: Any, *, timeout: float | None = None) -> Any:
        """Send ``message`` and return the reply, once all that it rests on is durable.

        Args:
            message: What the actor's ``decide`` understands.
            timeout: Seconds; the system's default is 30.

        Raises:
            RefusedError: The actor said no; nothing changed.
            AskTimeoutError: No reply in time; it may have happened.
            StoreUnavailableError: The commit failed; it may have happened.
            MailboxFullError, ActorQuarantinedError, ActorStoppedError: It was not taken.
        """
        self._system.check_may_block("ask", "ask_async")
        return self._system.ask(self.stream, message, timeout=timeout)

    async def ask_async(self, message: Any, *, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as ask()
        """Do what :meth:`ask` does without blocking the event loop."""
        return await self._system.ask_async(self.stream, message, timeout=timeout)

    def tell(self, message: Any) -> None:
        """Send ``message`` without an answer; it is lost if the process dies before its commit.

        What cannot be handled, or kept any longer while the store is unavailable, is a dead letter.

        Raises:
            MailboxFullError, ActorStoppedError: It was not taken.
        """
        self._system.directory.tell(self.stream, message)

    def state(self, *, until: int | None = None) -> Any:
        """The fold of the stored events up to version ``until`` (``None`` is all there are)."""
        self._system.check_may_block("state", "state_async")
        return self._system.fold(self.stream, until)

    async def state_async(self, *, until: int | None = None) -> Any:
        """Do what :meth:`state` does without blocking the event loop."""
        return await asyncio.to_thread(self.state, until=until)

    def events(self) -> Sequence[RecordedEvent]:
        """Every event of the stream so far, in order."""
        self._system.check_may_block("events", "events_async")
        return list(self._system.store.read(self.stream))

    async def events_async(self) -> Sequence[RecordedEvent]:
        """Do what :meth:`events` does without blocking the event loop."""
        return await asyncio.to_thread(self.events)
