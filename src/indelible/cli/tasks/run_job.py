"""One run from its start to its end, with progress; its result is read before closing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import typer

from indelible.actors.workflow.definition.compile import compile_definition
from indelible.actors.workflow.definition.parse import parse
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.state.run_state import RESUMED
from indelible.api.facade import access_to
from indelible.api.run_handle import RunHandle
from indelible.api.system import ActorSystem
from indelible.arguments.run_input import encode_input
from indelible.cli.options.common_options import CommandLine
from indelible.cli.options.step_modules import StepEquipment
from indelible.cli.render.console import count, say
from indelible.cli.render.progress_bar import Display
from indelible.cli.render.run_ending import RunEnding
from indelible.cli.watching.blocked_runs import StatusQuestion, block_reasons, block_reasons_in
from indelible.cli.watching.execution_place import ExecutionPlace
from indelible.cli.watching.run_progress import CrashAfter, RunProgress
from indelible.cli.watching.run_progress import watch as watch_of
from indelible.cli.watching.stop_signals import Stop
from indelible.errors import DefinitionError, StoreUnavailableError

POLL = 0.1
"""Seconds between two updates: a person sees them as immediate."""

_QUIET = 1.0
"""Seconds without an event after which the command asks another process for the run's status."""

_POLL_SHARE = 20  # polls use at most 1/20 of the time: the status of a wide run is long


def prepare(
    file: Path, equipment: StepEquipment, value: Any, place: ExecutionPlace
) -> tuple[dict[str, Any], Plan]:
    """The definition in ``file`` and its plan, checked; the owner process checks the step types.

    Raises:
        DefinitionError: The definition cannot be run, or not with the input ``value``.
        ValueNotStorableError, PayloadTooLargeError: The log cannot hold that input.
        MissingExtraError: The file is YAML, and the ``yaml`` extra is not installed.
        typer.BadParameter: The steps of ``equipment`` cannot be registered.
    """
    definition = parse(file)
    types = equipment.step_types()
    try:
        plan = compile_definition(definition, None if place.owner is not None else types)
    except DefinitionError as error:
        raise with_shell_advice(error, "give its module with --steps MODULE") from error
    encode_input(plan, value)
    return definition, plan


def with_shell_advice(error: DefinitionError, advice: str) -> DefinitionError:
    """``error`` with ``advice`` added to each problem about an unknown step type."""
    problems = [
        problem._replace(fix=f"{problem.fix}, or {advice}")
        if "unknown step type" in problem.found
        else problem
        for problem in error.problems
    ]
    return DefinitionError(error.workflow, problems)


class RunJob(NamedTuple):
    """The arguments of ``run``, and its execution."""

    place: ExecutionPlace
    equipment: StepEquipment
    definition: Mapping[str, Any]
    run_id: str
    given: Any
    agent: str
    by: str | None
    why: str | None
    crash_paths: Sequence[str]
    line: CommandLine
    whole: bool  # read all results, not only the last

    def execute(self) -> RunEnding:
        """Start or continue the run; a signal to stop ends the process with 130 or 143.

        Raises:
            IndelibleError: The store cannot be opened, or the run cannot be started or read.
        """
        with Stop() as stop:
            with redirect_stdout(sys.stderr), self.place.open(self.equipment) as system:
                owns = system.owns
                try:
                    ending = self._run(system, stop)
                except StoreUnavailableError:
                    say(f"once that is mended, go on with\n  {self.line.command('recover')}")
                    raise
                if ending is None and owns:
                    access_to(system).work.hold()  # before the message: no attempt begins after it
                    stop.announce()
                elif ending is None:
                    stop.leave(self.place.describe_continuation(system, f"run {self.run_id}"))
            if ending is None:
                stop.leave(
                    f"run {self.run_id} has stopped; go on with\n  {self.line.command('recover')}"
                )
        assert ending is not None
        return ending

    def _run(self, system: ActorSystem, stop: Stop) -> RunEnding | None:
        stream = f"run-{self.run_id}"
        if self.crash_paths and not system.owns:
            why = "another process executes the run, and this one's end would show nothing"
            raise typer.BadParameter(why, param_hint="--crash-after")
        if self.crash_paths:  # before the watch, so that the kill comes before the end is shown
            message = f"killed as asked; go on with\n  {self.line.command('recover')}"
            CrashAfter(system, stream, self.crash_paths, message)
        watch = watch_of(system, [stream])
        run = self._start(system)
        with Display(f"run {self.run_id}", "step") as display:
            reasons = _follow(system, run, watch, stop, display)
        if watch.pending and not reasons:
            return None
        others = len(system.store.heads("run", RESUMED)) - bool(reasons)
        if others and system.owns:
            say(f"{count(others, 'other run')} unfinished; `indelible recover` finishes them")
        if self.crash_paths:
            say("the step of --crash-after did not complete, so nothing was killed")
        return RunEnding.read(system, self.run_id, reasons, whole=self.whole)

    def _start(self, system: ActorSystem) -> RunHandle:
        agent = system.workflow_agent(self.agent)
        try:
            return agent.start(
                self.definition, run_id=self.run_id, input=self.given, by=self.by, why=self.why
            )
        except DefinitionError as error:
            if system.owns:
                raise
            advice = "start the process that owns the store with --steps MODULE"
            raise with_shell_advice(error, advice) from error


def _follow(
    system: ActorSystem, run: RunHandle, watch: RunProgress, stop: Stop, display: Display
) -> list[str]:
    """Show progress until ``run`` has ended or is blocked; return the reasons for the block."""
    next_poll, version, quiet_since = 0.0, 0, time.monotonic()
    question = StatusQuestion(system, run.run_id)
    while not watch.done.is_set() and not stop.requested:
        watch.refresh()
        began = time.monotonic()
        if began >= next_poll:
            # Ask the process that executes the run only if the log has nothing new.
            remote = not system.owns
            status = access_to(system).reader.describe(run.run_id) if remote else run.status()
            if status["version"] != version:
                version, quiet_since = status["version"], began
            elif remote and began - quiet_since >= _QUIET and (answer := question.answer()):
                status, quiet_since = answer, began
            _show(status, display)
            if status["outcome"] is not None:
                watch.settle(f"run-{run.run_id}")
            elif block_reasons_in(status) and (reasons := block_reasons(run)):
                return reasons
            next_poll = began + _POLL_SHARE * (time.monotonic() - began)
        watch.done.wait(POLL)
    return []


def _show(status: Mapping[str, Any], display: Display) -> None:
    done = sum(status[f"steps_{word}"] for word in ("completed", "failed", "skipped"))
    busy = [step["name"] for step in status["steps"] if step["state"] in {"running", "retrying"}]
    more = f" and {len(busy) - 3:,} more" if len(busy) > 3 else ""
    display.update(done, status["steps_total"], ", ".join(busy[:3]) + more)
