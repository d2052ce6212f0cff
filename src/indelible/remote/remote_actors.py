"""Messages from actors of this process to actors of other processes, by the inbox client."""

from __future__ import annotations

from functools import partial
from typing import Any

from indelible.actors.durable.actor_host import ActorHost
from indelible.actors.runtime.future import PooledFuture
from indelible.events.model.message_context import Context
from indelible.remote.inbox_client import InboxClient
from indelible.remote.remote_future import ASK_TIMEOUT


class InboxRemoteActors:
    """Sends messages through the inbox and never waits; any thread may use it."""

    def __init__(self, inbox_client: InboxClient, host: ActorHost) -> None:
        """Send by ``inbox_client``; ``host`` makes dead letters of messages that cannot be sent."""
        self._inbox_client = inbox_client
        self._host = host

    def ask(
        self,
        stream: str,
        message: Any,
        context: Context | None = None,
        timeout: float | None = None,
    ) -> PooledFuture[Any]:
        """Send ``message`` and return the future of its answer; the default time-out is 30 s."""
        timeout = ASK_TIMEOUT if timeout is None else timeout
        return self._inbox_client.ask(stream, message, timeout, context=context)

    def tell(self, stream: str, message: Any, context: Context | None = None) -> None:
        """Send ``message``, which is handled as soon as its actor has an owner.

        A message that is not durable within 30 s, or cannot be sent, becomes a dead letter.
        """
        sent = self._inbox_client.tell(stream, message, ASK_TIMEOUT, context=context)
        sent.add_done_callback(partial(self._dead_letter_unsent, stream, message))

    def _dead_letter_unsent(self, stream: str, message: Any, sent: Any) -> None:
        try:
            sent.get(timeout=0)
        except Exception as error:  # noqa: BLE001 - the dead letter says it
            self._host.dead_letter(stream, message, str(error))
