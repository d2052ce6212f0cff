"""The life of a service: wait for the store, serve, drain, end; one log line for each phase."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from indelible.actors.decider import Decider
from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.assembly.lifecycle import GRACE
from indelible.cli.options.step_modules import StepEquipment
from indelible.cli.render.console import count
from indelible.cli.render.service_log import note, write_final_line
from indelible.cli.watching.blocked_runs_log import BlockedRunsLog
from indelible.cli.watching.stop_signals import Stop
from indelible.errors import StoreError, StoreOwnedError, SystemClosedError
from indelible.projections.views.custom import Projection
from indelible.reports import Reporter
from indelible.service.health import take_calls
from indelible.service.health_report import Health

if TYPE_CHECKING:
    from indelible.assembly.system_parts import SystemParts

_POLL = 1.0
"""Seconds between two checks whether this process still owns the store."""

_RETRY = 0.25
"""Seconds between two tries to own a store that another process owns."""

_LISTED = 10
"""Number of steps and calls that a line lists: people would not read more."""

STOPPED, LEFT_BEHIND, STORE_LOST = 0, 3, 4
"""Exit codes."""


class ServiceLife(NamedTuple):
    """The arguments of ``serve``, and its execution."""

    store: str
    equipment: StepEquipment
    deciders: Sequence[Decider[Any]]
    name: str
    drain: float
    max_threads: int
    standby: bool
    ready_file: Path | None
    as_json: bool
    projections: Sequence[Projection] = ()
    lease: float | None = None

    @property
    def place(self) -> str:
        """The address of the store, without its password."""
        try:
            return sa.make_url(self.store).render_as_string()
        except (ArgumentError, ValueError):
            return self.store  # opening it raises the reason

    def serve(self) -> int:
        """Serve the store and return the exit code.

        Raises:
            StoreOwnedError: Another process owns the store, and ``standby`` is not set.
            IndelibleError: The store cannot be opened.
        """
        system = ActorSystem(
            self.store,
            steps=self.equipment.steps,
            connections=self.equipment.connections,
            functions=self.equipment.functions,
            actors=self.deciders,
            projections=self.projections,
            drain=self.drain,
            lease=self.lease,
            max_threads=self.max_threads,
        )
        readiness = Readiness(self.ready_file)
        with ServiceStop(lambda: self._end_at_once(system, readiness)) as stop:
            note("start", f"process {os.getpid()} on {self.place}")
            if not self._open(system, stop):
                note("stop", "while standing by; nothing was begun")
                return STOPPED
            with system, Reporter(system, self.name, readiness.update) as reporter:
                lost = self._wait(system, stop)
                readiness.end()
                left = [] if lost else self._drain(system, reporter)
            return self._report_end(left, lost=lost)

    def _open(self, system: ActorSystem, stop: ServiceStop) -> bool:
        """Open ``system`` as soon as the store is free; ``False`` if a stop signal comes first."""
        noted = False
        while not stop.requested:
            try:
                system.open()
                return True
            except StoreOwnedError as owned:
                if not self.standby:
                    raise
                if not noted:
                    owner = f"process {owned.pid} on {owned.host} owns {self.place}"
                    note("standby", f"{owner}; taking over when it ends")
                noted = True
            stop.wait(_RETRY)
        return False

    def _wait(self, system: ActorSystem, stop: ServiceStop) -> bool:
        """Wait for a signal to stop; ``True`` if the store is lost before."""
        blocked_runs = BlockedRunsLog(system, self.place)
        while not stop.requested:
            if system.store.state == "closed":
                return True
            # After an error the next check reads the rest, or the system has closed.
            with suppress(StoreError, SystemClosedError), system.store.within(_POLL):
                blocked_runs.check()
            stop.wait(_POLL)
        return False

    def _drain(self, system: ActorSystem, reporter: Reporter) -> list[str]:
        work = access_to(system).work
        work.hold()  # before the message: no attempt begins after it
        reporter.report_now()  # so that no new requests are routed to this process
        system.store.end_within(self.drain + GRACE)
        running = _running(access_to(system).parts)
        text = f"{running} running, {self.drain:g} s to return; a second signal ends it at once"
        note("drain", text if running else "no step or call runs")
        left = system.drain(self.drain)
        system.store.end_within(GRACE)
        return left

    def _report_end(self, left: list[str], *, lost: bool) -> int:
        if lost:
            note("stop", f"{self.place} was taken away from this process", logging.ERROR)
            return STORE_LOST
        if left:
            note("stop", f"{_left_behind(left)}; to run again at the next start", logging.WARNING)
            return LEFT_BEHIND
        note("stop", "all steps and calls had returned")
        return STOPPED

    def _end_at_once(self, system: ActorSystem, readiness: Readiness) -> None:
        """Write the names of running steps and calls; called in the second signal's handler."""
        left: list[str] = []
        with suppress(SystemClosedError):
            left = access_to(system).work.running()
        readiness.remove()
        text = f"at once; {_left_behind(left)}" if left else "at once; no step or call was running"
        write_final_line("stop", text, as_json=self.as_json)


class Readiness:
    """Logs when the service becomes ready or unready, and keeps the ready file."""

    def __init__(self, file: Path | None) -> None:
        """Begin as not ready; remove the file of a killed process."""
        self._file = file
        self._ready = False
        self._ended = False
        self.remove()

    def update(self, health: Health) -> None:
        """Handle a report; called on the reporter's thread."""
        if self._ended or health.ready == self._ready:
            return
        self._ready = health.ready
        if health.ready:
            if self._file is not None:
                self._file.write_text(f"{os.getpid()}\n")
            shards = f"{health.shards.held} of {count(health.shards.of, 'shard')}"
            note("ready", f"{shards}, {count(health.actors, 'actor')} in memory")
        else:
            self.remove()
            note("unready", "; ".join(health.why), logging.WARNING)

    def end(self) -> None:
        """Become not ready; ignore later reports."""
        self._ended = True
        self.remove()

    def remove(self) -> None:
        """Remove the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink()


class ServiceStop(Stop):
    """A stop that calls a function before the second signal ends the process."""

    def __init__(self, before_end: Callable[[], object]) -> None:
        """``before_end`` is called in the second signal's handler."""
        super().__init__()
        self._before_end = before_end

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            self._before_end()
        super()._note(number, frame)


def _running(parts: SystemParts) -> str:
    """Number of running steps and calls, as text; empty if none runs."""
    both = (len(parts.executor.running()), "step"), (take_calls(parts).running, "call")
    return " and ".join(count(number, noun) for number, noun in both if number)


def _left_behind(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return f"left behind: {', '.join(names[:_LISTED])}{more}"
