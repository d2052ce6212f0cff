"""Queries of the built-in views; the answers are as of the views' cursors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, TypeVar, get_args

import msgspec
import sqlalchemy as sa

from indelible.errors import (
    StoreCorruptError,
    UnknownFilterError,
    UnknownProjectionError,
    ViewDamagedError,
)
from indelible.events.store import Cursor, EventStore
from indelible.projections.engine import view_cursors
from indelible.projections.engine.rebuild import SUFFIX
from indelible.projections.queries.view_lag import LagMeter, ViewLag
from indelible.projections.tables import METRICS, METRICS_RESPONSE_TIMES, PARKED, WORKFLOW_STATUS
from indelible.projections.views.histogram import check_counted, percentiles

T = TypeVar("T", bound=msgspec.Struct)

ACTIVE = ("accepted", "running", "waiting")
"""States of runs that are not over."""

RunStateWord = Literal["accepted", "running", "waiting", "completed", "failed", "quarantined"]
ParkedWord = Literal["parked", "skipped"]


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as of event ``version`` of its stream; instants in microseconds UTC.

    ``outcome`` is ``success``, ``partial``, ``failed`` or, before the end, ``None``.
    ``attempts`` counts those that began, ``retries`` those that followed a failure.
    The error is the newest one that its step did not recover from; after the end it is that of
    ``run.result()``.
    """

    run_id: str
    agent: str
    workflow: str
    state: str
    outcome: str | None
    steps_total: int
    steps_completed: int
    steps_failed: int
    steps_skipped: int
    steps_unknown: int
    attempts: int
    retries: int
    checkpoints: int
    started_at: int
    updated_at: int
    finished_at: int | None
    error_type: str | None
    error_message: str | None
    error_step: str | None
    version: int
    position: int

    @property
    def execution_time_ms(self) -> float | None:
        """From acceptance to the end, ``None`` before it."""
        if self.finished_at is None:
            return None
        return max(0, self.finished_at - self.started_at) / 1_000


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of runs: ``active + completed + failed == total`` (R32).

    ``failed`` counts all runs that ended without a result, failed and quarantined ones;
    ``by_state`` counts them separately.
    """

    active: int
    completed: int
    failed: int
    total: int
    by_state: dict[str, int]


class AgentMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of an agent since its first event; ``None`` if nothing was measured.

    ``response_*`` are milliseconds from acceptance to the end of completed and failed runs; the
    percentiles are within 0.8 % (see ``histogram``).  ``success_rate`` is a percentage of
    ``requests``, the runs that ended; a partial outcome does not count as success.  ``errors``
    counts failed attempts and quarantined runs.  ``memory_mb`` is the encoded state at the end of
    the last run (10**6 bytes), ``cpu_s`` the processor time of blocking steps.
    """

    agent: str
    requests: int
    succeeded: int
    partial: int
    failed: int
    quarantined: int
    active: int
    success_rate: float | None
    errors: int
    response_mean_ms: float | None
    response_p50_ms: float | None
    response_p95_ms: float | None
    response_p99_ms: float | None
    steps_completed: int
    steps_failed: int
    step_time_s: float
    steps_per_minute: float | None
    memory_mb: float
    memory_max_mb: float
    cpu_s: float
    first_at: int
    last_at: int

    def uptime_hours(self, now: int) -> float:
        """Hours from the first event to ``now``, microseconds UTC."""
        return max(0, now - self.first_at) / 3.6e9


class ParkedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a view could not apply, and the error.

    ``parked_at`` is when the event was recorded; ``state`` is ``parked``, or ``skipped`` if a
    person has decided that the view leaves it out.
    """

    projection: str
    shard: int
    position: int
    stream: str
    version: int
    type: str
    error: str
    parked_at: int
    state: str


class Views:
    """Queries of the views of one store; for any thread.

    Answers may lag behind the log: after ``ProjectionRunner.caught_up`` they include the caller's
    own writes, and :meth:`lag` tells how far they are behind.  If the store is open for reading,
    the views are as its owner left them.

    Every method raises ``StoreUnavailableError`` if the database does not answer, and
    ``ViewDamagedError`` if rows cannot be read.
    """

    def __init__(self, store: EventStore, names: Collection[str] = ()) -> None:
        """Query ``store``, which must be open at each query.

        ``names`` are those of your own views, which may not have run on the store yet.
        """
        self._store = store
        self._names = frozenset((WORKFLOW_STATUS.name, METRICS.name, *names))

    def connection(self) -> AbstractContextManager[sa.Connection]:
        """Open a read-only connection for your own queries, for example of your own views."""
        return self._store.read_views()

    @contextmanager
    def _reading(self, view: str) -> Iterator[sa.Connection]:
        """Open a connection for rows of ``view``; damage raises an error that names the view."""
        try:
            with self._store.read_views() as connection:
                yield connection
        except StoreCorruptError as error:
            raise ViewDamagedError(view, self._store.url, error.found) from error
        except (msgspec.ValidationError, TypeError) as error:
            raise ViewDamagedError(view, self._store.url, str(error)) from error

    def runs(
        self,
        limit: int = 50,
        state: RunStateWord | None = None,
        agent: str | None = None,
        after: RunRow | None = None,
    ) -> list[RunRow]:
        """Return at most ``limit`` runs, the one accepted last first.

        ``after`` is the last row of the previous page.  Runs of one instant are ordered by run id.

        Raises:
            UnknownFilterError: There is no such ``state``.
        """
        _check_word("state", state, get_args(RunStateWord))
        columns = WORKFLOW_STATUS.c
        query = sa.select(WORKFLOW_STATUS).limit(limit)
        query = query.order_by(columns.started_at.desc(), columns.run_id.desc())
        if state is not None:
            query = query.where(columns.state == state)
        if agent is not None:
            query = query.where(columns.agent == agent)
        if after is not None:
            key = sa.tuple_(columns.started_at, columns.run_id)
            query = query.where(key < sa.tuple_(after.started_at, after.run_id))
        with self._reading("workflow_status") as connection:
            return [_read(row, RunRow) for row in connection.execute(query)]

    def run(self, run_id: str) -> RunRow | None:
        """Return the run with this id, ``None`` if the view does not have it (yet)."""
        query = sa.select(WORKFLOW_STATUS).where(WORKFLOW_STATUS.c.run_id == run_id)
        with self._reading("workflow_status") as connection:
            row = connection.execute(query).one_or_none()
            return None if row is None else _read(row, RunRow)

    def summary(self, agent: str | None = None) -> Summary:
        """Return the numbers of runs, of one agent or of all."""
        columns = WORKFLOW_STATUS.c
        query = sa.select(columns.state, sa.func.count()).group_by(columns.state)
        if agent is not None:
            query = query.where(columns.agent == agent)
        with self._reading("workflow_status") as connection:
            by_state = {row[0]: row[1] for row in connection.execute(query)}
        total = sum(by_state.values())
        active = sum(by_state.get(state, 0) for state in ACTIVE)
        completed = by_state.get("completed", 0)
        return Summary(
            active=active,
            completed=completed,
            failed=total - active - completed,
            total=total,
            by_state=by_state,
        )

    def metrics(self, agent: str | None = None) -> list[AgentMetrics]:
        """Return the figures of one agent or of all, in the order of names."""
        agents = sa.select(METRICS).order_by(METRICS.c.agent)
        times = sa.select(METRICS_RESPONSE_TIMES)
        if agent is not None:
            agents = agents.where(METRICS.c.agent == agent)
            times = times.where(METRICS_RESPONSE_TIMES.c.agent == agent)
        counts: dict[str, dict[int, int]] = {}
        with self._reading("metrics") as connection:
            rows = connection.execute(agents).all()
            for name, bucket, runs in connection.execute(times):
                check_counted(bucket, runs)
                counts.setdefault(name, {})[bucket] = runs
            return [_metrics(row, counts.get(row.agent, {})) for row in rows]

    def parked(
        self, projection: str | None = None, limit: int = 50, state: ParkedWord | None = None
    ) -> list[ParkedEvent]:
        """Return at most ``limit`` events that views could not apply, by view and position.

        Raises:
            UnknownProjectionError: There is no view ``projection``.
            UnknownFilterError: There is no such ``state``.
        """
        _check_word("state", state, get_args(ParkedWord))
        key = (PARKED.c.projection, PARKED.c.shard, PARKED.c.position)
        query = sa.select(PARKED).order_by(*key).limit(limit)
        if projection is None:
            query = query.where(~PARKED.c.projection.endswith(SUFFIX, autoescape=True))
        else:
            query = query.where(PARKED.c.projection == projection)
        if state is not None:
            query = query.where(PARKED.c.state == state)
        with self._reading("parked_events") as connection:
            found = [_read(row, ParkedEvent) for row in connection.execute(query)]
        if not found and projection is not None:
            self._check_name(projection)
        return found

    def parked_at(self, projection: str, shard: int, position: int) -> ParkedEvent | None:
        """Return the event that is parked at a position, ``None`` if it is not parked.

        Raises:
            UnknownProjectionError: There is no view ``projection``.
        """
        place = (PARKED.c.projection == projection, PARKED.c.shard == shard)
        query = sa.select(PARKED).where(*place, PARKED.c.position == position)
        with self._reading("parked_events") as connection:
            row = connection.execute(query).one_or_none()
            if row is not None:
                return _read(row, ParkedEvent)
        self._check_name(projection)
        return None

    def _check_name(self, name: str) -> None:
        """Refuse a view that is unknown and has never run on the store."""
        if name not in self._names:
            known = self._names.union(self.cursors())
            if name not in known:
                raise UnknownProjectionError(name, sorted(known))

    def cursors(self) -> dict[str, Cursor]:
        """Return the cursor of each view, by its name; a view that never ran is missing."""
        with self._store.read_views() as connection:
            found = view_cursors.read_view_cursors(connection)
        return {name: one.cursor for name, one in found.items() if not name.endswith(SUFFIX)}

    def rebuilt(self, name: str) -> int:
        """Return how many events the rebuild of the view ``name`` has applied, 0 without one.

        Raises:
            UnknownProjectionError: There is no such view.
        """
        with self._store.read_views() as connection:
            view_cursor = view_cursors.read_view_cursors(connection).get(name + SUFFIX)
        if view_cursor is None:
            self._check_name(name)
            return 0
        return sum(view_cursor.cursor.values())

    def lag(self) -> dict[str, ViewLag]:
        """Return how far each view of :meth:`cursors` is behind the log, by its name."""
        covered = self.cursors()  # read before the end of the log, which only grows
        meter = LagMeter(self._store)
        return {name: meter.lag(cursor) for name, cursor in covered.items()}


def _check_word(name: str, given: str | None, known: Sequence[str]) -> None:
    if given is not None and given not in known:
        raise UnknownFilterError(name, given, known)


def _read(row: sa.Row[Any], kind: type[T]) -> T:
    """Convert a row and check its types: SQLite takes any type for any column."""
    return msgspec.convert({name: row._mapping[name] for name in kind.__struct_fields__}, kind)


def _metrics(row: sa.Row[tuple[int | str, ...]], response_times: dict[int, int]) -> AgentMetrics:
    timed = row.runs_succeeded + row.runs_partial + row.runs_failed
    ended = timed + row.runs_quarantined
    p50, p95, p99 = (
        None if value is None else value / 1_000
        for value in percentiles(response_times, (50, 95, 99))
    )
    minutes = (row.last_at - row.first_at) / 60e6
    return AgentMetrics(
        agent=row.agent,
        requests=ended,
        succeeded=row.runs_succeeded,
        partial=row.runs_partial,
        failed=row.runs_failed,
        quarantined=row.runs_quarantined,
        active=row.runs_accepted - ended,
        success_rate=100 * row.runs_succeeded / ended if ended else None,
        errors=row.errors,
        response_mean_ms=row.response_us / timed / 1_000 if timed else None,
        response_p50_ms=p50,
        response_p95_ms=p95,
        response_p99_ms=p99,
        steps_completed=row.steps_completed,
        steps_failed=row.steps_failed,
        step_time_s=row.step_us / 1e6,
        steps_per_minute=row.steps_completed / minutes if minutes else None,
        memory_mb=row.state_bytes_last / 1e6,
        memory_max_mb=row.state_bytes_max / 1e6,
        cpu_s=row.cpu_us / 1e6,
        first_at=row.first_at,
        last_at=row.last_at,
    )
