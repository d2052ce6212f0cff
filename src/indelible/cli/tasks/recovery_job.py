"""Waits until every unfinished run has ended or is blocked, and reports their ends."""

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
from indelible.cli.tasks.run_job import POLL
from indelible.cli.watching.blocked_runs import block_reasons
from indelible.cli.watching.execution_place import ExecutionPlace
from indelible.cli.watching.run_progress import RunProgress
from indelible.cli.watching.run_progress import watch as watch_of
from indelible.cli.watching.stop_signals import Stop
from indelible.errors import SchemaVersionError

_QUIET = 1.0
"""Seconds without a completed step after which the command checks what the runs wait for."""


class Recovery(NamedTuple):
    """The arguments of ``recover``, and its execution."""

    store: str
    equipment: StepEquipment
    line: CommandLine

    def execute(self) -> RecoveryReport:
        """Recover the runs; a signal to stop ends the process with 130 or 143.

        Raises:
            StoreNotFoundError: There is no store; none was created.
            IndelibleError: The store cannot be opened or read.
        """
        streams, quarantined = self._found()
        with Stop() as stop:
            place = ExecutionPlace.of(self.store)
            with redirect_stdout(sys.stderr), place.open(self.equipment) as system:
                watch, blocked = self._wait(system, stop, streams)
                access = access_to(system)
                rows = [
                    RecoveredRun.of(
                        access.reader.describe(stream.removeprefix("run-")), blocked.get(stream, ())
                    )
                    for stream in streams
                ]
                served = not system.owns
                stopped = bool(watch.pending.difference(blocked))
                if stopped and system.owns:
                    access.work.hold()  # before the message: no attempt begins after it
                    stop.announce()
                elif stopped:
                    stop.leave(
                        place.describe_continuation(system, count(len(watch.pending), "run"))
                    )
            if stopped:
                left = count(len(watch.pending), "run")
                stop.leave(
                    f"stopped with {left} unfinished; go on with\n  {self.line.command('recover')}"
                )
        return RecoveryReport(rows, served, quarantined)

    def _found(self) -> tuple[dict[str, None], int]:
        """Streams of unfinished runs, as an ordered set, and the number of quarantined runs.

        Reads them before any run is resumed.
        """
        try:
            with ActorSystem(self.store, mode="read") as system:
                heads = system.store.heads("run", RESUMED)
                quarantined = len(system.store.heads("run", ["quarantined"]))
        except SchemaVersionError:
            return {}, 0  # opening it in mode "own" migrates it, or raises the reason
        return {head.stream: None for head in heads}, quarantined

    def _wait(
        self, system: ActorSystem, stop: Stop, streams: dict[str, None]
    ) -> tuple[RunProgress, dict[str, Sequence[str]]]:
        """Follow ``streams``, and runs unfinished now, until all have ended or are blocked."""
        watch, service = watch_of(system, streams), access_to(system).parts.service
        now = [head.stream for head in system.store.heads("run", RESUMED)]
        for stream in now:
            streams[stream] = None
            watch.add(stream)
        for stream in watch.pending.difference(now):
            watch.settle(stream)  # it ended before the watch began
        blocked: dict[str, Sequence[str]] = {}
        with Display("recovering", "run") as display:
            steps, quiet_since = -1, 0.0
            while watch.pending and not stop.requested:
                watch.refresh()
                done = len(streams) - len(watch.pending)
                display.update(done, len(streams), watch.progress())
                if watch.steps != steps:
                    steps, quiet_since = watch.steps, time.monotonic()
                elif time.monotonic() - quiet_since >= _QUIET and service.served:
                    blocked = _blocked(system, watch)
                    if len(blocked) == len(watch.pending):
                        break
                    quiet_since = time.monotonic()
                watch.done.wait(POLL)
        return watch, blocked


def _blocked(system: ActorSystem, watch: RunProgress) -> dict[str, Sequence[str]]:
    """What blocks each pending run; empty if one of them is not blocked."""
    blocked: dict[str, Sequence[str]] = {}
    for stream in list(watch.pending):
        reasons = block_reasons(system.run(stream.removeprefix("run-")))
        if not reasons and stream in watch.pending:
            return {}
        blocked[stream] = reasons
    return blocked
