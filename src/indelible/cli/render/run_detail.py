"""One run in full: its state as of a version, its checkpoints, and the results of its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from indelible.actors.decider import fold
from indelible.actors.workflow.state.describe import describe
from indelible.actors.workflow.state.instances import in_order
from indelible.actors.workflow.state.node_results import value_of
from indelible.actors.workflow.state.node_status import COMPLETED
from indelible.actors.workflow.state.run_state import RunState
from indelible.actors.workflow.state.run_values import EARLIER_FAILURE
from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.cli.commands.events import origin_of
from indelible.cli.render.console import (
    NOTHING,
    count,
    duration,
    facts,
    instant,
    line,
    local_time,
    offset,
    one_line,
    out,
    plain,
    state_text,
    time_of_day,
    word_of,
)
from indelible.cli.render.fitted_table import Column, UncutTable
from indelible.cli.render.run_ending import errors_of, steps_text
from indelible.cli.render.tracebacks import show_failures
from indelible.cli.render.values import brief, dumped, write_json
from indelible.errors import UnknownRunError
from indelible.events.codec.values import decode_value
from indelible.events.model.event import Event, RecordedEvent

_ROWS = 200
"""Steps in the table; ``--full`` and ``--json`` show all."""

_MARKS = 10
"""Checkpoints that are shown; ``--json`` has all."""

_COLUMNS = (
    Column("step"),
    Column("type", 3),
    Column("state"),
    Column("attempts", 1, right=True),
    Column("started", 4),
    Column("took", 2, right=True),
)


class RunDetail(NamedTuple):
    """A run as of a version.

    Attributes:
        status: The result of ``run.status()``.
        given: The run's input.
        results: The result of each completed step, by path; as text if shortened.
        checkpoints: Number, time, version and completed steps of each checkpoint.
        last: The last event that was applied.
        versions: Number of all events of the run.
        origin: The context of the run's start: principal, reason and so on, if set.
    """

    status: Mapping[str, Any]
    given: Any
    results: Mapping[str, Any]
    checkpoints: Sequence[Mapping[str, int]]
    last: RecordedEvent
    versions: int
    origin: Mapping[str, str]

    @classmethod
    def read(cls, system: ActorSystem, run_id: str, until: int | None, *, whole: bool) -> RunDetail:
        """Fold the run's events up to version ``until``; unless ``whole``, shorten results.

        Raises:
            UnknownRunError: There is no such run.
        """
        stream = f"run-{run_id}"
        head = system.store.head(stream)
        if head is None:
            raise UnknownRunError(run_id, system.url)
        parts = access_to(system).parts
        recorded = list(system.store.read(stream, until=until))
        events = [parts.types.decode(event) for event in recorded]
        state: RunState = fold(parts.deciders["run"], RunState(), events)
        assert state.accepted is not None
        return cls(
            status=describe(state),
            given=decode_value(state.accepted.input),
            results=_results(state, system.store.blob, whole=whole),
            checkpoints=_checkpoints(events),
            last=recorded[-1],
            versions=head.version,
            origin=origin_of(recorded[0]),
        )

    def write_json(self) -> None:
        """Write everything as one mapping."""
        write_json(
            {
                **self.status,
                "input": self.given,
                "results": self.results,
                "checkpoints": self.checkpoints,
                "origin": self.origin,
            }
        )

    def show(self, *, full: bool, replayed: bool) -> None:
        """Write tables; ``full`` omits nothing, ``replayed`` adds the version shown."""
        console, status = out(), self.status
        console.print(
            Text.assemble(
                "run ", (plain(status["run_id"]), "bold"), "  ", state_text(word_of(status))
            ),
            soft_wrap=True,
        )
        console.print(facts(self._facts(replayed)))
        console.print()
        _show_steps(console, status["steps"], full=full)
        show_failures(console, status["steps"], full=full)
        if self.results:
            console.print("\nresults")
            for path, value in self.results.items():
                text = dumped(value) if full else value
                if full:
                    console.print(Text(f"  {plain(path)}: {plain(text)}"), soft_wrap=True)
                else:
                    line(console, f"  {plain(path)}: {plain(text)}")

    def _facts(self, replayed: bool) -> list[tuple[str, str | Text]]:
        status = self.status
        pairs: list[tuple[str, str | Text]] = []
        if replayed:
            of = f"version {self.last.version:,} of {self.versions:,}"
            pairs.append(("as of", f"{of}, {self.last.type}, {instant(self.last.recorded_at)}"))
        finished = instant(status["finished_at"])
        if status["finished_at"]:
            finished += f" (after {duration(status['finished_at'] - status['accepted_at'])})"
        pairs += [
            ("workflow", f"{status['workflow']} (agent {status['agent_id']})"),
            ("steps", steps_text(status)),
            *((name, plain(text)) for name, text in self.origin.items()),
            ("input", brief(self.given, 200)),
            ("accepted", instant(status["accepted_at"])),
            ("finished", finished),
        ]
        if len(self.checkpoints) > _MARKS:
            pairs.append(("checkpoints", f"{len(self.checkpoints):,}, the last of them"))
        for mark in self.checkpoints[-_MARKS:]:
            when = time_of_day(mark["at"])
            at = f"version {mark['version']:,}, {count(mark['steps_completed'], 'step')} completed"
            pairs.append((f"checkpoint {mark['number']:,}", f"{when} {at}"))
        pairs += [("waits for", reason) for reason in status["waiting_for"]]
        pairs += [("error", text) for text in errors_of(status)]
        pairs.append(("times", f"local, UTC{offset(local_time(status['accepted_at']))}"))
        return pairs


def _results(state: RunState, blob: Callable[[bytes], bytes], *, whole: bool) -> dict[str, Any]:
    nodes = [n for n in in_order(state) if n.kind == "step" and state.status[n.index] == COMPLETED]
    values = state.values
    if whole:
        return {node.path: value_of(values, node.index, blob) for node in nodes}
    return {node.path: brief(value_of(values, node.index, blob), 200) for node in nodes[:_ROWS]}


def _checkpoints(events: Sequence[Event]) -> list[dict[str, int]]:
    """The checkpoints among ``events``, whose versions count from 1."""
    marks = []
    completed = 0
    for version, event in enumerate(events, 1):
        completed += event.wire_name == "run.step_completed"
        if number := getattr(event, "checkpoint", 0):
            at: int = getattr(event, "at", 0)
            marks.append(
                {"number": number, "at": at, "version": version, "steps_completed": completed}
            )
    return marks


def _show_steps(console: Console, steps: Sequence[Mapping[str, Any]], *, full: bool) -> None:
    shown = steps if full else steps[:_ROWS]
    columns = [column._replace(rank=0) for column in _COLUMNS] if full else _COLUMNS
    UncutTable(columns, [_cells(step) for step in shown]).write(console)
    if len(shown) < len(steps):
        console.print(f"and {count(len(steps) - len(shown), 'more step')}; --full shows all")


def _state(step: Mapping[str, Any]) -> Text:
    text = state_text(step["state"])
    if step["reason"] not in ("", EARLIER_FAILURE):
        text.append(f" ({step['reason'].replace('_', ' ')})")
    return text


def _cells(step: Mapping[str, Any]) -> Sequence[Text]:
    return (
        Text(plain(step["path"])),
        Text(one_line(step["type"], 18)),
        _state(step),
        Text(f"{step['attempts']:,}" if step["attempts"] else NOTHING),
        Text(time_of_day(step["started_at"])),
        Text(duration(step["duration_us"]) if step["finished_at"] else NOTHING),
    )
