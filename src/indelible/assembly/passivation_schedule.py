"""When actors leave memory: actors at rest after a second, idle actors after half a minute."""

from __future__ import annotations

import threading
from collections.abc import Callable

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.directory import Directory
from indelible.actors.runtime.pool.dispatcher import Dispatcher, schedule_unless_closed
from indelible.actors.runtime.timers import Timers
from indelible.clock import Clock

IDLE = 30_000_000
"""Microseconds between two checks for actors that were idle since the last check."""

_REST_DELAY = 1_000_000
"""Microseconds until an actor at rest leaves: its pending appends are committed by then."""


class PassivationSchedule:
    """Passivates actors, on the threads of the dispatcher, because it may read their rows."""

    def __init__(
        self, directory: Directory, dispatcher: Dispatcher, timers: Timers, clock: Clock
    ) -> None:
        """Passivate no idle actor before :meth:`begin`."""
        self._directory = directory
        self._dispatcher = dispatcher
        self._timers = timers
        self._clock = clock
        self._lock = threading.Lock()
        self._leaving: dict[DurableActor, None] = {}

    def begin(self) -> None:
        """Check for idle actors from now on."""
        self._timers.at(
            self._clock.now() + IDLE, "idle", lambda: self._schedule(self._passivate_idle)
        )

    def passivate_soon(self, actor: DurableActor) -> None:
        """Passivate ``actor``, which is at rest, if it still is after a second."""
        with self._lock:
            first = not self._leaving
            self._leaving[actor] = None
        if first:
            due = self._clock.now() + _REST_DELAY
            self._timers.at(due, "leaving", lambda: self._schedule(self._passivate_leaving))

    def _passivate_leaving(self) -> None:
        with self._lock:
            leaving, self._leaving = self._leaving, {}
        for actor in leaving:
            self._directory.passivate(actor)

    def _passivate_idle(self) -> None:
        """Passivate the actors that got no message since the last check."""
        for actor in self._directory:
            if actor.touched:
                actor.touched = False
            else:
                self._directory.passivate(actor)
        self.begin()

    def _schedule(self, work: Callable[[], None]) -> None:
        schedule_unless_closed(self._dispatcher, _Work(work))


class _Work:
    """A task for the dispatcher."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.run_activation = work

    def __str__(self) -> str:
        return "passivation"
