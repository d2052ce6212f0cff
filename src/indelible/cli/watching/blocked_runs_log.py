"""Log lines of a service about blocked runs, with the command that a person can give."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.cli.options.common_options import CommandLine
from indelible.cli.render.advice import unknown_outcomes
from indelible.cli.render.console import count
from indelible.cli.render.service_log import note
from indelible.errors import StoreUnavailableError
from indelible.events.model.event import RecordedEvent
from indelible.events.model.run_events import StepOutcomeUnknown

_RUNS = 20
"""Runs listed by one check: after a crash of many, more lines would hide the rest of the log."""


class BlockedRunsLog:
    """Logs each run that begins to wait for a person, and each missing step type, once."""

    def __init__(self, system: ActorSystem, place: str) -> None:
        """Follow the commits of ``system``, whose store is ``place``; read nothing yet."""
        self._system = system
        self._line = CommandLine(place)
        self._waiting: dict[str, None] = {}  # streams to check, as an ordered set
        self._types: set[str] = set()  # step types that were logged
        self._begun = False  # whether the runs that waited before were read
        system.store.subscribe(self._on_commit)

    def check(self) -> None:
        """Log newly blocked runs and missing step types.

        Raises:
            StoreError: A run cannot be read; the next check continues with the rest.
        """
        self._note_missing_types()
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
                self._note_unknown_outcomes(stream.removeprefix("run-"))
            except StoreUnavailableError:
                self._waiting[stream] = None
                raise
        if self._waiting:
            command = self._line.command("runs", "--state", "waiting")
            more = count(len(self._waiting), "more run")
            note("waiting", f"{more} may wait for a person; see {command}", logging.WARNING)
            self._waiting.clear()

    def _on_commit(self, group: Sequence[RecordedEvent]) -> None:
        """Find unknown outcomes in a commit; called on the thread that led it."""
        for recorded in group:
            if recorded.type == StepOutcomeUnknown.wire_name:
                self._waiting[recorded.stream] = None

    def _note_unknown_outcomes(self, run_id: str) -> None:
        for run, step in unknown_outcomes(access_to(self._system).reader.describe(run_id)):
            command = self._line.command("resolve", run, step, "retry")
            note(
                "waiting",
                f"the outcome of step {step!r} of run {run!r} is unknown; say how it ended (retry,"
                f" fail, or complete with --result): {command}",
                logging.WARNING,
            )

    def _note_missing_types(self) -> None:
        missing = access_to(self._system).executor.unregistered.by_type()
        for step_type in missing.keys() - self._types:
            steps, one = missing[step_type]
            note(
                "waiting",
                f"{count(steps, 'step')} of type {step_type!r} cannot run here, such as"
                f" {one.step!r} of {one.stream!r}: {one.words}; start this service anew with it",
                logging.WARNING,
            )
        self._types = set(missing)
