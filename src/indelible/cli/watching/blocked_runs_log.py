"""What a service says of runs that cannot go on by themselves: which, and what a person can do."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.cli.options.common_options import CommandLine
from indelible.cli.render.advice import asked
from indelible.cli.render.console import count
from indelible.cli.render.service_log import note
from indelible.errors import StoreUnavailableError
from indelible.events.model.event import RecordedEvent
from indelible.events.model.run_events import StepOutcomeUnknown

_RUNS = 20
"""Runs that one look names: after a crash of many, a line each would hide the rest of the log."""


class BlockedRunsLog:
    """Logs each run that comes to wait for a person, and each step type that is missing, once."""

    def __init__(self, system: ActorSystem, place: str) -> None:
        """Follow the commits of ``system``, which is open on ``place``; read nothing yet."""
        self._system = system
        self._line = CommandLine(place)
        self._waiting: dict[str, None] = {}  # streams to be looked at, as an ordered set
        self._types: set[str] = set()  # step types that were named
        self._begun = False  # whether it is known what waited before
        system.store.subscribe(self._see)

    def look(self) -> None:
        """Log what is new; it reads the runs that have come to wait.

        Raises:
            StoreError: A run cannot be read; the next look has the rest.
        """
        self._say_what_lacks()
        if not self._begun:
            store = self._system.store
            self._waiting |= {
                head.stream: None for head in store.heads("run", ["waiting"], store.owned())
            }
            self._begun = True
        for _ in range(min(_RUNS, len(self._waiting))):
            stream = next(iter(self._waiting))
            del self._waiting[stream]
            try:
                self._say_what_asks(stream.removeprefix("run-"))
            except StoreUnavailableError:
                self._waiting[stream] = None
                raise
        if self._waiting:
            command = self._line.command("runs", "--state", "waiting")
            more = count(len(self._waiting), "more run")
            note("waiting", f"{more} may wait for a person; see {command}", logging.WARNING)
            self._waiting.clear()

    def _see(self, group: Sequence[RecordedEvent]) -> None:
        """Take note of a commit; on the thread that led it."""
        for recorded in group:
            if recorded.type == StepOutcomeUnknown.wire_name:
                self._waiting[recorded.stream] = None

    def _say_what_asks(self, run_id: str) -> None:
        for run, step in asked(access_to(self._system).reader.describe(run_id)):
            command = self._line.command("resolve", run, step, "retry")
            note(
                "waiting",
                f"the outcome of step {step!r} of run {run!r} is unknown; say how it ended (retry,"
                f" fail, or complete with --result): {command}",
                logging.WARNING,
            )

    def _say_what_lacks(self) -> None:
        lacking = access_to(self._system).executor.unregistered.by_type()
        for step_type in lacking.keys() - self._types:
            steps, one = lacking[step_type]
            note(
                "waiting",
                f"{count(steps, 'step')} of type {step_type!r} cannot run here, such as"
                f" {one.step!r} of {one.stream!r}: {one.words}; start this service anew with it",
                logging.WARNING,
            )
        self._types = set(lacking)
