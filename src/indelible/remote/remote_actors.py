"""How the actors of this process reach those of others: by the inbox client, without waiting."""

from __future__ import annotations

from functools import partial
from typing import Any

from indelible.actors.durable.actor_host import ActorHost
from indelible.actors.runtime.future import PooledFuture
from indelible.events.model.message_context import Context
from indelible.remote.inbox_client import InboxClient
from indelible.remote.remote_future import ASK_TIMEOUT


class InboxRemoteActors:
    """Asks and tells through the inbox; any thread may use it."""

    def __init__(self, inbox_client: InboxClient, host: ActorHost) -> None:
        """Send by ``inbox_client``; what cannot be sent is buried with ``host``."""
        self._inbox_client = inbox_client
        self._host = host

    def ask(self, stream: str, message: Any, context: Context | None = None) -> PooledFuture[Any]:
        """Send ``message`` and return the future of its answer."""
        return self._inbox_client.ask(stream, message, ASK_TIMEOUT, context=context)

    def tell(self, stream: str, message: Any, context: Context | None = None) -> None:
        """Send ``message``, to be handled whenever its actor has an owner.

        Nobody waits for it: one that could not be made durable in 30 s, or at all, is a dead
        letter.
        """
        sent = self._inbox_client.tell(stream, message, ASK_TIMEOUT, context=context)
        sent.add_done_callback(partial(self._bury_unsent, stream, message))

    def _bury_unsent(self, stream: str, message: Any, sent: Any) -> None:
        try:
            sent.get(timeout=0)
        except Exception as error:  # noqa: BLE001 - whatever kept it from being sent
            self._host.dead_letter(stream, message, str(error))
