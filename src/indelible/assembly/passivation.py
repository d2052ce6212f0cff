"""Which actors leave memory, and when: those that say so soon, others when they have been idle."""

from __future__ import annotations

import threading
from collections.abc import Callable

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.directory import Directory
from indelible.actors.runtime.pool.dispatcher import Dispatcher
from indelible.actors.runtime.timers import Timers
from indelible.clock import Clock
from indelible.errors import ActorStoppedError

IDLE = 30_000_000
"""Microseconds between looks for actors that have been idle for that long."""

_SHORTLY = 1_000_000
"""Microseconds until an actor that only waits leaves: what is under way has landed by then."""


class Passivation:
    """Has actors leave memory, on the threads of the dispatcher: their rows may be looked at."""

    def __init__(
        self, directory: Directory, dispatcher: Dispatcher, timers: Timers, clock: Clock
    ) -> None:
        """Nobody leaves before :meth:`begin`, but who asks for it."""
        self._directory = directory
        self._dispatcher = dispatcher
        self._timers = timers
        self._clock = clock
        self._lock = threading.Lock()
        self._leaving: dict[DurableActor, None] = {}

    def begin(self) -> None:
        """Look for idle actors from now on."""
        self._timers.at(self._clock.now() + IDLE, "idle", lambda: self._do(self._idle))

    def shortly(self, actor: DurableActor) -> None:
        """Have ``actor``, which only waits, leave memory if it still does in a moment."""
        with self._lock:
            first = not self._leaving
            self._leaving[actor] = None
        if first:
            due = self._clock.now() + _SHORTLY
            self._timers.at(due, "leaving", lambda: self._do(self._let_leave))

    def _let_leave(self) -> None:
        with self._lock:
            passivation, self._leaving = self._leaving, {}
        for actor in passivation:
            self._directory.passivate(actor)

    def _idle(self) -> None:
        """Let actors leave memory that nobody has spoken to for a while."""
        for actor in self._directory:
            if actor.touched:
                actor.touched = False
            else:
                self._directory.passivate(actor)
        self.begin()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            self._dispatcher.schedule(_Work(work))
        except ActorStoppedError:
            return  # the system is closing


class _Work:
    """A piece of work for a dispatcher."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.run_activation = work

    def __str__(self) -> str:
        return "who leaves memory"
