"""The pictures of ``top``: processes, rates since the last picture, and active runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.cli.render.console import count, duration, facts, one_line, out, plain, state_text
from indelible.cli.render.fitted_table import Column, FittedTable
from indelible.cli.render.survey_text import log_facts, state, verdict
from indelible.cli.watching.stop_signals import Stop
from indelible.errors import StoreError
from indelible.projections.queries.view_queries import RunRow
from indelible.service.process_rows import Process
from indelible.service.survey import Survey, take_survey

_RUNS = 15
"""Runs shown: with the processes above them they fill a usual terminal."""


class Sample(NamedTuple):
    """The data of one picture; ``at`` is seconds of the monotonic clock."""

    at: float
    survey: Survey
    runs: Sequence[RunRow]
    runs_ended: int
    steps_ended: int


class TopScreen:
    """Reads the store and draws pictures, on the caller's thread."""

    def __init__(self, system: ActorSystem, interval: float) -> None:
        """Show ``system``, which only reads, every ``interval`` seconds."""
        self._system = system
        self._interval = interval

    def show(self, stop: Stop, *, once: bool) -> None:
        """Draw until a stop signal, or once.

        Raises:
            StoreError: The store cannot be read for the first picture.
        """
        console = out()
        first = self._sample()
        before: Sample | None = first
        if console.is_terminal and not once:
            with Live(draw(None, first), console=console, auto_refresh=False, screen=True) as live:
                while self._pause(stop):
                    picture, before = self._next(before)
                    live.update(picture, refresh=True)
            return
        while self._pause(stop):
            picture, before = self._next(before)
            console.print(picture)
            if once:
                return
            console.print()

    def _next(self, before: Sample | None) -> tuple[RenderableType, Sample | None]:
        """The next picture and its data; if the store fails, the picture is the error."""
        try:
            now = self._sample()
        except StoreError as error:
            return Text(plain(str(error)), "red"), None
        return draw(before, now), now

    def _pause(self, stop: Stop) -> bool:
        """Wait until the next picture is due; ``False`` after a stop signal."""
        stop.wait(self._interval)
        return not stop.requested

    def _sample(self) -> Sample:
        views = self._system.views
        metrics = views.metrics()
        return Sample(
            at=time.monotonic(),
            survey=take_survey(access_to(self._system).parts),
            runs=[*views.runs(_RUNS, "running"), *views.runs(_RUNS, "waiting")][:_RUNS],
            runs_ended=sum(agent.requests for agent in metrics),
            steps_ended=sum(agent.steps_completed + agent.steps_failed for agent in metrics),
        )


def draw(before: Sample | None, now: Sample) -> RenderableType:
    """One picture; rates need the sample ``before``."""
    rates = Text("rates come with the next picture")
    if before is not None:
        seconds = max(now.at - before.at, 0.001)
        rates = Text.assemble(
            _rate((now.runs_ended - before.runs_ended) / seconds, "runs/s"),
            ", ",
            _rate((now.steps_ended - before.steps_ended) / seconds, "steps/s"),
            f"; {count(now.runs_ended, 'run')} and {count(now.steps_ended, 'step')} so far",
        )
    survey = now.survey
    parts: list[RenderableType] = [
        verdict(survey),
        facts([*log_facts(survey.log), ("ended", rates)]),
        Text(),
        _processes(survey.processes),
    ]
    if now.runs:
        parts += [Text(), _runs(now.runs, survey.at)]
    return Group(*parts)


def _rate(rate: float, unit: str) -> tuple[str, str]:
    return f"{rate:,.0f} {unit}" if rate >= 10 or not rate else f"{rate:,.1f} {unit}", "bold"


_PROCESS = (
    Column("process"),
    Column("state"),
    Column("shards", 1, right=True),
    Column("running", 2, right=True),
    Column("queued", 4, right=True),
    Column("messages", 5, right=True),
    Column("threads", 6, right=True),
    Column("late", 3, right=True),
)
_RUN = (
    Column("run"),
    Column("workflow", 3),
    Column("state", 1),
    Column("steps"),
    Column("since", 2, right=True),
)


def _processes(processes: Sequence[Process]) -> RenderableType:
    rows = []
    for process in processes:
        health = process.health if process.alive else None
        name = f" {plain(process.name)}" if process.name else ""
        cells = [""] * (len(_PROCESS) - 2)
        if health is not None:
            cells = [
                f"{process.shards}/{health.shards.of}",
                f"{health.steps.running:,}",
                f"{health.steps.queued:,}",
                f"{health.mailboxes.messages:,}",
                f"{health.threads}",
                duration(health.timers.late_s * 1e6),
            ]
        identity = Text(f"{process.pid}@{plain(process.host)}{name}")
        rows.append([identity, state(process), *map(Text, cells)])
    return FittedTable(_PROCESS, rows)


def _runs(runs: Sequence[RunRow], now: int) -> RenderableType:
    rows = []
    for run in runs:
        done = run.steps_completed + run.steps_failed + run.steps_skipped
        rows.append(
            [
                Text(plain(run.run_id)),
                Text(one_line(run.workflow, 20)),
                state_text(run.state),
                Text(f"{done:,}/{run.steps_total:,}"),
                Text(duration(max(0, now - run.started_at))),
            ]
        )
    return FittedTable(_RUN, rows)
