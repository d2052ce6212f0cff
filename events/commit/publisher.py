"""Calls the listeners with each committed group, on the thread that committed it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from indelible.events.commit.shard_plan import ShardPlan
from indelible.events.model.event import RecordedEvent
from indelible.events.store import Listener

_log = logging.getLogger(__name__)


class Publisher:
    """The listeners of a store; any thread may subscribe."""

    def __init__(self) -> None:
        """Start without a listener."""
        self._lock = threading.RLock()  # a finaliser may unsubscribe, in the middle of a subscribe
        self._listeners: tuple[Listener, ...] = ()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each committed group from now on; the result ends it."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def publish(self, plans: Sequence[ShardPlan]) -> None:
        """Call each listener with the events of ``plans``; an error of a listener is logged."""
        listeners = self._listeners
        if not listeners:
            return
        group: list[RecordedEvent] = []
        for plan in plans:
            for events in plan.events:
                group += events
        if not group:
            return  # only late answers
        for listener in listeners:
            try:
                listener(group)
            except Exception:  # noqa: BLE001 - logged; a caller's mistake is not the store's
                _log.exception("a subscriber failed on a committed group; it goes on with the next")
