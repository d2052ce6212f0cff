"""The view ``metrics``: counts, sums and response times of every agent (R4).

Each figure is a sum, a minimum, a maximum or a last value by (recorded_at, stream, version), in
whole microseconds and bytes, so that the order between shards does not matter.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from indelible.errors import UnknownRunError
from indelible.events.model.event import RecordedEvent
from indelible.events.model.run_events import (
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    StepCompleted,
    StepFailed,
)
from indelible.projections.sql.multi_row import insert
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.tables import METRICS, METRICS_RESPONSE_TIMES, METRICS_RUNS, renamed
from indelible.projections.views.histogram import bucket_of
from indelible.projections.views.view import Pair

_REMEMBERED = 20_000
"""Runs whose agent is kept in memory, some 3 MiB; the table has the agents of all runs."""

_LOOKUP = 500
"""Runs looked up in one statement, far below SQLite's limit of 32,766 parameters."""


class AgentChange(msgspec.Struct, gc=False):
    """The change of one agent by a batch; the fields are the columns of its row, in order."""

    agent: str
    runs_accepted: int = 0
    runs_succeeded: int = 0
    runs_partial: int = 0
    runs_failed: int = 0
    runs_quarantined: int = 0
    steps_completed: int = 0
    steps_failed: int = 0
    errors: int = 0
    response_us: int = 0
    step_us: int = 0
    cpu_us: int = 0
    state_bytes_max: int = 0
    state_bytes_last: int = 0
    state_recorded_at: int = 0
    state_stream: str = ""
    state_version: int = 0
    first_at: int = 0
    last_at: int = 0


class Changes(msgspec.Struct):
    """The changes of the view by a batch."""

    agents: dict[str, AgentChange] = {}
    runs: dict[str, str] = {}  # stream -> agent, of runs accepted in the batch
    response_times: dict[tuple[str, int], int] = {}  # (agent, bucket) -> runs
    unresolved: list[Pair] = []  # events of runs whose agent is not in memory


class Metrics:
    """Sums and response times of every agent.

    Only ``run.accepted`` names the agent; for other events the view's own table has it.
    """

    name = "metrics"
    version = 1
    event_types = frozenset(
        event.wire_name
        for event in (
            RunAccepted,
            RunCompleted,
            RunFailed,
            RunQuarantined,
            StepCompleted,
            StepFailed,
        )
    )

    def __init__(self, suffix: str = "") -> None:
        """Keep the rows in tables whose names end in ``suffix``."""
        self.tables = renamed((METRICS, METRICS_RESPONSE_TIMES, METRICS_RUNS), suffix)
        agents, response_times, self._runs = self.tables
        self._insert_runs = insert(self._runs)
        self._add_agents = insert(agents, _merge(agents))
        self._add_response_times = insert(
            response_times,
            f"ON CONFLICT (agent, bucket) DO UPDATE SET runs = {response_times.name}.runs"
            " + excluded.runs",
        )
        self._agent_of: OrderedDict[str, str] = OrderedDict()  # a run's agent never changes

    def beside(self, suffix: str) -> Metrics:
        """Return the same view on other tables."""
        return Metrics(suffix)

    def erase(self, connection: sa.Connection, stream: str) -> bool:  # noqa: ARG002 - the port's
        """Return ``False``: a run's part of a sum is not known, and need not be."""
        return False

    def fold(self, events: Sequence[Pair]) -> Changes:
        """Return the changes of each agent by ``events``."""
        changes = Changes()
        _add(changes, events, self._agent_of, changes.unresolved)
        return changes

    def write(self, statements: PipelinedStatements, changes: Changes) -> None:
        """Add ``changes`` to the rows.

        Raises:
            UnknownRunError: This view has not applied the acceptance of a run.
        """
        known = self._agent_of
        if changes.unresolved:
            found = self._look_up(
                statements.connection, {pair[0].stream for pair in changes.unresolved}
            )
            _add(changes, changes.unresolved, found, [])
            known.update(found)
        agents = map(msgspec.structs.astuple, changes.agents.values())
        times = [(*key, runs) for key, runs in changes.response_times.items()]
        statements.add(self._insert_runs, list(changes.runs.items()))
        statements.add(self._add_agents, list(agents))
        statements.add(self._add_response_times, times)
        known.update(changes.runs)
        while len(known) > _REMEMBERED:
            known.popitem(last=False)

    def _look_up(self, connection: sa.Connection, streams: set[str]) -> dict[str, str]:
        table = self._runs
        wanted = sorted(streams)
        found: dict[str, str] = {}
        for start in range(0, len(wanted), _LOOKUP):
            part = wanted[start : start + _LOOKUP]
            rows = connection.execute(
                sa.select(table.c.stream, table.c.agent).where(table.c.stream.in_(part))
            )
            found.update((row.stream, row.agent) for row in rows)
        if len(found) < len(wanted):
            raise UnknownRunError(min(streams.difference(found)), table.name)
        return found


def _add(
    changes: Changes,
    events: Iterable[Pair],
    agent_of: Mapping[str, str],
    unresolved: list[Pair],
) -> None:
    agents, runs = changes.agents, changes.runs
    of_stream: dict[str, AgentChange] = {}
    for pair in events:
        recorded, event = pair
        stream = recorded.stream
        change = of_stream.get(stream)
        if change is None:
            if type(event) is RunAccepted:
                agent = runs[stream] = event.agent
            else:
                agent = runs.get(stream) or agent_of.get(stream) or ""
            if not agent:
                unresolved.append(pair)
                continue
            change = agents.get(agent)
            if change is None:
                change = agents[agent] = AgentChange(agent, first_at=recorded.recorded_at)
            of_stream[stream] = change
        at = recorded.recorded_at
        if at > change.last_at:
            change.last_at = at
        if at < change.first_at:
            change.first_at = at
        _APPLY[type(event)](changes, change, recorded, event)


def _merge(agents: sa.Table) -> str:
    """Return the SQL that merges an agent's new row into its old one."""
    name = agents.name
    columns = [column.name for column in agents.columns if column.name != "agent"]
    later = (
        "(excluded.state_recorded_at, excluded.state_stream, excluded.state_version)"
        f" > ({name}.state_recorded_at, {name}.state_stream, {name}.state_version)"
    )
    rules = {column: f"{name}.{column} + excluded.{column}" for column in columns}
    for column in ("state_bytes_last", "state_recorded_at", "state_stream", "state_version"):
        rules[column] = f"CASE WHEN {later} THEN excluded.{column} ELSE {name}.{column} END"
    for column, sign in (("state_bytes_max", ">"), ("first_at", "<"), ("last_at", ">")):
        rules[column] = (
            f"CASE WHEN excluded.{column} {sign} {name}.{column}"
            f" THEN excluded.{column} ELSE {name}.{column} END"
        )
    assignments = ", ".join(f"{column} = {rules[column]}" for column in columns)
    return f"ON CONFLICT (agent) DO UPDATE SET {assignments}"


# -- the changes by each event


def _accepted(_: Changes, change: AgentChange, __: RecordedEvent, ___: RunAccepted) -> None:
    change.runs_accepted += 1


def _step_completed(
    _: Changes, change: AgentChange, __: RecordedEvent, event: StepCompleted
) -> None:
    change.steps_completed += 1
    change.step_us += event.duration
    change.cpu_us += event.cpu


def _step_failed(_: Changes, change: AgentChange, __: RecordedEvent, event: StepFailed) -> None:
    change.errors += 1
    change.steps_failed += event.final
    change.step_us += event.duration
    change.cpu_us += event.cpu


def _run_completed(
    changes: Changes, change: AgentChange, recorded: RecordedEvent, event: RunCompleted
) -> None:
    if event.outcome == "success":
        change.runs_succeeded += 1
    else:
        change.runs_partial += 1
    _ended(changes, change, recorded, event)


def _run_failed(
    changes: Changes, change: AgentChange, recorded: RecordedEvent, event: RunFailed
) -> None:
    change.runs_failed += 1
    _ended(changes, change, recorded, event)


def _run_quarantined(
    _: Changes, change: AgentChange, __: RecordedEvent, ___: RunQuarantined
) -> None:
    change.runs_quarantined += 1
    change.errors += 1


def _ended(
    changes: Changes,
    change: AgentChange,
    recorded: RecordedEvent,
    event: RunCompleted | RunFailed,
) -> None:
    duration = max(0, event.duration)  # the wall clock may have been set back
    change.response_us += duration
    key = (change.agent, bucket_of(duration))
    changes.response_times[key] = changes.response_times.get(key, 0) + 1
    if event.state_bytes > change.state_bytes_max:
        change.state_bytes_max = event.state_bytes
    last = (change.state_recorded_at, change.state_stream, change.state_version)
    this = (recorded.recorded_at, recorded.stream, recorded.version)
    if this > last:
        change.state_bytes_last = event.state_bytes
        change.state_recorded_at, change.state_stream, change.state_version = this


_APPLY: dict[type, Callable[[Changes, AgentChange, RecordedEvent, Any], None]] = {
    RunAccepted: _accepted,
    StepCompleted: _step_completed,
    StepFailed: _step_failed,
    RunCompleted: _run_completed,
    RunFailed: _run_failed,
    RunQuarantined: _run_quarantined,
}
