"""Waits until every unfinished run has ended or cannot go on, and keeps what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, NamedTuple

from rich.text import Text

from indelible.actors.workflow.state import UNFINISHED
from indelible.cli.elsewhere import Place
from indelible.cli.ending import errors_of
from indelible.cli.job import LOOK
from indelible.cli.modules import Equipment
from indelible.cli.output import count, duration, one_line, out, plain, say, state_text, table
from indelible.cli.progress import Display
from indelible.cli.stopping import Stop
from indelible.cli.values import write_json
from indelible.cli.waiting import what_holds
from indelible.cli.watch import Watch
from indelible.cli.watch import watch as watch_of
from indelible.errors import SchemaVersionError
from indelible.system import ActorSystem

_QUIET = 1.0
"""Seconds without a completed step after which runs are asked what they wait for."""

_ROWS = 100
"""Runs that the table shows: a few screens; ``--json`` has all."""


class Row(NamedTuple):
    """What came of one run; ``execution_time_ms`` is ``None`` before its end."""

    run_id: str
    workflow: str
    status: str
    steps_completed: int
    steps_total: int
    execution_time_ms: float | None
    error: Mapping[str, Any] | None
    waiting_for: Sequence[str]
    notes: Sequence[str]


class Recovery(NamedTuple):
    """What ``recover`` was asked to do."""

    store: str
    equipment: Equipment
    again: str

    def execute(self) -> list[Row]:
        """Do it; a signal to stop ends the process with 130 or 143.

        Raises:
            StoreNotFoundError: There is nothing to recover; none was created.
            IndelibleError: The store cannot be opened or read.
        """
        streams = self._unfinished()
        with Stop() as stop:
            place = Place.of(self.store)
            with redirect_stdout(sys.stderr), place.open(self.equipment) as system:
                watch, held = self._wait(system, stop, streams)
                rows = [_row(system, stream, held.get(stream, ())) for stream in streams]
                stopped = bool(watch.pending.difference(held))
                if stopped and system.owns:
                    system.executor.hold()  # first: nothing begins once it is said
                    stop.announce()
            if stopped and place.owner is not None:
                stop.leave("the runs go on in the process that executes them")
            if stopped:
                left = count(len(watch.pending), "run")
                stop.leave(f"stopped with {left} unfinished; go on with\n  {self.again}")
        return rows

    def _unfinished(self) -> dict[str, None]:
        """Streams of unfinished runs, as an ordered set, while nothing runs yet."""
        try:
            with ActorSystem(self.store, mode="read") as system:
                heads = system.store.heads("run", UNFINISHED)
        except SchemaVersionError:
            return {}  # opening it to write migrates it, or says why not
        return {head.stream: None for head in heads}

    def _wait(
        self, system: ActorSystem, stop: Stop, streams: dict[str, None]
    ) -> tuple[Watch, dict[str, Sequence[str]]]:
        """Follow all ``streams``, and those found now, until they have ended or are held."""
        watch = watch_of(system, streams)
        now = [head.stream for head in system.store.heads("run", UNFINISHED)]
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
                elif time.monotonic() - quiet_since >= _QUIET:
                    held = _held(system, watch)
                    if len(held) == len(watch.pending):
                        break
                    quiet_since = time.monotonic()
                watch.done.wait(LOOK)
        return watch, held

    def write_json(self, rows: Sequence[Row]) -> None:
        """Write all rows as one list."""
        kept = [row._asdict() for row in rows]
        for row in kept:
            del row["notes"]
        write_json(kept)

    def show(self, rows: Sequence[Row]) -> None:
        """Write a table, then what is missing."""
        console = out()
        if not rows:
            console.print("no unfinished run")
            return
        made = table("run", "workflow", "state", "steps", "took", right=("took",), whole=("run",))
        for row in rows[:_ROWS]:
            took = row.execution_time_ms
            made.add_row(
                Text(plain(row.run_id)),
                Text(one_line(row.workflow, 20)),
                state_text(row.status),
                f"{row.steps_completed:,}/{row.steps_total:,}",
                "" if took is None else duration(took * 1_000),
            )
        console.print(made)
        if len(rows) > _ROWS:
            console.print(f"and {count(len(rows) - _ROWS, 'more run')}; --json shows all")
        for row in rows[:_ROWS]:
            for note in row.notes:
                console.print(Text(f"{plain(row.run_id)}: {plain(note)}"), soft_wrap=True)
        if any("not registered" in reason for row in rows for reason in row.waiting_for):
            say("give the modules of missing step types and functions with --steps")


def _held(system: ActorSystem, watch: Watch) -> dict[str, Sequence[str]]:
    """What holds each pending run; empty as soon as one of them goes on."""
    held: dict[str, Sequence[str]] = {}
    for stream in list(watch.pending):
        reasons = what_holds(system.run(stream.removeprefix("run-")))
        if not reasons and stream in watch.pending:
            return {}
        held[stream] = reasons
    return held


def _row(system: ActorSystem, stream: str, reasons: Sequence[str]) -> Row:
    status = system.reader.describe(stream.removeprefix("run-"))
    ended = status["outcome"] is not None
    took = max(0, status["finished_at"] - status["accepted_at"]) / 1_000
    return Row(
        run_id=status["run_id"],
        workflow=status["workflow"],
        status=status["outcome"] or ("waiting" if reasons else status["state"]),
        steps_completed=status["steps_completed"],
        steps_total=status["steps_total"],
        execution_time_ms=took if ended else None,
        error=status["error"],
        waiting_for=reasons,
        notes=errors_of(status, 1) if ended else reasons,
    )
