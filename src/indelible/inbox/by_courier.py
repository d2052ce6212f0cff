"""How the actors of this process reach those of others: by the courier, without waiting."""

from __future__ import annotations

from functools import partial
from typing import Any

from indelible.actors.durable.host import Host
from indelible.actors.runtime.future import PooledFuture
from indelible.events.context import Context
from indelible.inbox.courier import Courier
from indelible.inbox.waiting import ASK_TIMEOUT


class ByCourier:
    """Asks and tells through the inbox; any thread may use it."""

    def __init__(self, courier: Courier, host: Host) -> None:
        """Send by ``courier``; what cannot be sent is buried with ``host``."""
        self._courier = courier
        self._host = host

    def ask(self, stream: str, message: Any, context: Context | None = None) -> PooledFuture[Any]:
        """Send ``message`` and return the future of its answer."""
        return self._courier.ask(stream, message, ASK_TIMEOUT, context=context)

    def tell(self, stream: str, message: Any, context: Context | None = None) -> None:
        """Send ``message``, to be handled whenever its actor has an owner.

        Nobody waits for it: one that could not be made durable in 30 s, or at all, is a dead
        letter.
        """
        sent = self._courier.tell(stream, message, ASK_TIMEOUT, context=context)
        sent.add_done_callback(partial(self._bury_unsent, stream, message))

    def _bury_unsent(self, stream: str, message: Any, sent: Any) -> None:
        try:
            sent.get(timeout=0)
        except Exception as error:  # noqa: BLE001 - whatever kept it from being sent
            self._host.bury(stream, message, str(error))
