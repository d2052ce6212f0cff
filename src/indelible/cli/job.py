"""One run from its start to its end, with progress; what it had to show is read before closing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from indelible.actors.workflow.definition.compile import check_input, compile_definition
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.definition.source import parse
from indelible.actors.workflow.state import UNFINISHED
from indelible.cli.ending import Ending
from indelible.cli.modules import Equipment
from indelible.cli.output import count, say
from indelible.cli.progress import Display
from indelible.cli.stopping import Stop
from indelible.cli.waiting import held, what_holds
from indelible.cli.watch import CrashAfter, Watch
from indelible.errors import DefinitionError, StoreUnavailableError
from indelible.run import RunHandle
from indelible.system import ActorSystem

LOOK = 0.1
"""Seconds between looks: what a person takes for at once."""

_SHARE = 20  # looks take at most one part in so many of the time: a wide run's status is long


def prepare(file: Path, equipment: Equipment, value: Any) -> tuple[dict[str, Any], Plan]:
    """The definition in ``file`` and its plan, wholly checked.

    Raises:
        DefinitionError: It cannot be run, or not with the input ``value``.
        MissingExtraError: It is YAML, and the ``yaml`` extra is not installed.
        typer.BadParameter: The steps of ``equipment`` cannot be registered.
    """
    definition = parse(file)
    plan = compile_definition(definition, equipment.step_types())
    if problems := check_input(plan, value):
        raise DefinitionError(plan.name, problems)
    return definition, plan


class Job(NamedTuple):
    """What ``run`` was asked to do."""

    store: str
    equipment: Equipment
    definition: Mapping[str, Any]
    run_id: str
    given: Any
    agent: str
    crash_paths: Sequence[str]
    again: str  # the command that finishes it
    whole: bool  # read all results, not just the last

    def execute(self) -> Ending:
        """Do it; a signal to stop ends the process with 130 or 143.

        Raises:
            IndelibleError: The store cannot be opened, or the run cannot be started or read.
        """
        with Stop() as stop:
            with redirect_stdout(sys.stderr), self._system() as system:
                try:
                    ending = self._run(system, stop)
                except StoreUnavailableError:
                    say(f"once that is mended, go on with\n  {self.again}")
                    raise
                if ending is None:
                    stop.announce()
            if ending is None:
                stop.leave(f"run {self.run_id} has stopped; go on with\n  {self.again}")
        assert ending is not None
        return ending

    def _system(self) -> ActorSystem:
        return ActorSystem(
            self.store,
            steps=self.equipment.steps,
            connections=self.equipment.connections,
            functions=self.equipment.functions,
        )

    def _run(self, system: ActorSystem, stop: Stop) -> Ending | None:
        stream = f"run-{self.run_id}"
        if self.crash_paths:  # before the watch: nobody is to see an end that was to be a crash
            words = f"killed as asked; go on with\n  {self.again}"
            CrashAfter(system, stream, self.crash_paths, words)
        watch = Watch(system, [stream])
        run = system.workflow_agent(self.agent).start(
            self.definition, run_id=self.run_id, input=self.given
        )
        with Display(f"run {self.run_id}", "step") as display:
            reasons = _follow(run, watch, stop, display)
        if watch.pending and not reasons:
            return None
        others = len(system.store.heads("run", UNFINISHED)) - bool(reasons)
        if others:
            say(f"{count(others, 'other run')} unfinished; `indelible recover` finishes them")
        if self.crash_paths:
            say("the step of --crash-after did not complete, so nothing was killed")
        return Ending.read(system, self.run_id, reasons, whole=self.whole)


def _follow(run: RunHandle, watch: Watch, stop: Stop, display: Display) -> list[str]:
    """Show how ``run`` goes on until it has ended, or is held, for the reasons returned."""
    look_at = 0.0
    while not watch.done.is_set() and not stop.requested:
        began = time.monotonic()
        if began >= look_at:
            status = run.status()
            _show(status, display)
            if status["outcome"] is not None:
                watch.settle(f"run-{run.run_id}")
            elif held(status) and (reasons := what_holds(run)):
                return reasons
            look_at = began + _SHARE * (time.monotonic() - began)
        watch.done.wait(LOOK)
    return []


def _show(status: Mapping[str, Any], display: Display) -> None:
    done = sum(status[f"steps_{word}"] for word in ("completed", "failed", "skipped"))
    busy = [step["name"] for step in status["steps"] if step["state"] in {"running", "retrying"}]
    more = f" and {len(busy) - 3:,} more" if len(busy) > 3 else ""
    display.update(done, status["steps_total"], ", ".join(busy[:3]) + more)
