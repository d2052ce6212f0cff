"""Waits until every unfinished run has ended or cannot go on, and keeps what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import NamedTuple

from indelible.actors.workflow.state.run_state import RESUMED
from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.cli.options.common_options import CommandLine
from indelible.cli.options.step_modules import StepEquipment
from indelible.cli.render.console import count
from indelible.cli.render.progress_bar import Display
from indelible.cli.render.recovery_report import RecoveredRun, RecoveryReport
from indelible.cli.tasks.run_job import LOOK
from indelible.cli.watching.blocked_runs import what_holds
from indelible.cli.watching.execution_place import ExecutionPlace
from indelible.cli.watching.run_progress import RunProgress
from indelible.cli.watching.run_progress import watch as watch_of
from indelible.cli.watching.stop_signals import Stop
from indelible.errors import SchemaVersionError

_QUIET = 1.0
"""Seconds without a completed step after which runs are asked what they wait for."""


class Recovery(NamedTuple):
    """What ``recover`` was asked to do."""

    store: str
    equipment: StepEquipment
    line: CommandLine

    def execute(self) -> RecoveryReport:
        """Do it; a signal to stop ends the process with 130 or 143.

        Raises:
            StoreNotFoundError: There is nothing to recover; none was created.
            IndelibleError: The store cannot be opened or read.
        """
        streams, quarantined = self._found()
        with Stop() as stop:
            place = ExecutionPlace.of(self.store)
            with redirect_stdout(sys.stderr), place.open(self.equipment) as system:
                watch, held = self._wait(system, stop, streams)
                access = access_to(system)
                rows = [
                    RecoveredRun.of(
                        access.reader.describe(stream.removeprefix("run-")), held.get(stream, ())
                    )
                    for stream in streams
                ]
                served = not system.owns
                stopped = bool(watch.pending.difference(held))
                if stopped and system.owns:
                    access.work.hold()  # first: nothing begins once it is said
                    stop.announce()
                elif stopped:
                    stop.leave(place.goes_on(system, count(len(watch.pending), "run")))
            if stopped:
                left = count(len(watch.pending), "run")
                stop.leave(
                    f"stopped with {left} unfinished; go on with\n  {self.line.command('recover')}"
                )
        return RecoveryReport(rows, served, quarantined)

    def _found(self) -> tuple[dict[str, None], int]:
        """Streams of unfinished runs, as an ordered set, while nothing runs yet.

        And how many runs are quarantined.
        """
        try:
            with ActorSystem(self.store, mode="read") as system:
                heads = system.store.heads("run", RESUMED)
                quarantined = len(system.store.heads("run", ["quarantined"]))
        except SchemaVersionError:
            return {}, 0  # opening it to write migrates it, or says why not
        return {head.stream: None for head in heads}, quarantined

    def _wait(
        self, system: ActorSystem, stop: Stop, streams: dict[str, None]
    ) -> tuple[RunProgress, dict[str, Sequence[str]]]:
        """Follow all ``streams``, and those found now, until they have ended or are held."""
        watch, service = watch_of(system, streams), access_to(system).parts.service
        now = [head.stream for head in system.store.heads("run", RESUMED)]
        for stream in now:
            streams[stream] = None
            watch.add(stream)
        for stream in watch.pending.difference(now):
            watch.settle(stream)  # it ended before it was watched
        held: dict[str, Sequence[str]] = {}
        with Display("recovering", "run") as display:
            steps, quiet_since = -1, 0.0
            while watch.pending and not stop.requested:
                watch.refresh()
                done = len(streams) - len(watch.pending)
                display.update(done, len(streams), watch.progress())
                if watch.steps != steps:
                    steps, quiet_since = watch.steps, time.monotonic()
                elif time.monotonic() - quiet_since >= _QUIET and service.served:
                    held = _held(system, watch)
                    if len(held) == len(watch.pending):
                        break
                    quiet_since = time.monotonic()
                watch.done.wait(LOOK)
        return watch, held


def _held(system: ActorSystem, watch: RunProgress) -> dict[str, Sequence[str]]:
    """What holds each pending run; empty as soon as one of them goes on."""
    held: dict[str, Sequence[str]] = {}
    for stream in list(watch.pending):
        reasons = what_holds(system.run(stream.removeprefix("run-")))
        if not reasons and stream in watch.pending:
            return {}
        held[stream] = reasons
    return held
