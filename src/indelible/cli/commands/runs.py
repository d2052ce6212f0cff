"""``indelible runs``: the list of runs and their states."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from indelible.cli.options.as_of import LogMoment, parse_as_of
from indelible.cli.options.common_options import DEFAULT_STORE, AsJson, Store
from indelible.cli.render.console import (
    count,
    duration,
    instant,
    one_line,
    out,
    plain,
    say,
    state_text,
    word_of,
)
from indelible.cli.render.fitted_table import Column, UncutTable
from indelible.cli.tasks.open_system import reading

if TYPE_CHECKING:
    from indelible.api.system import ActorSystem
    from indelible.events.read.as_of import AsOf

_UNFINISHED = ("accepted", "running", "waiting")
STATES = {
    **dict.fromkeys(_UNFINISHED, (*_UNFINISHED, "")),  # a row's status does not tell them apart
    "completed": ("completed",),
    "success": ("completed",),
    "partial": ("completed",),
    "failed": ("failed", "quarantined"),
    "quarantined": ("quarantined",),
}
"""States and outcomes of runs, each with the values of ``streams.status`` that it may have.

Written out here, so that ``--help`` does not import the actors.
"""

_SURE = ("completed", "failed", "quarantined")
"""States that ``streams.status`` alone decides."""

State = Annotated[
    str | None,
    typer.Option(
        "--state", metavar="STATE", help=f"Only runs whose state or outcome is {', '.join(STATES)}."
    ),
]
Limit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, help="Show the N runs accepted last.")
]

_FIELDS = (
    "run_id",
    "workflow",
    "agent_id",
    "state",
    "outcome",
    "steps_total",
    "steps_completed",
    "steps_failed",
    "steps_skipped",
    "checkpoints_created",
    "accepted_at",
    "finished_at",
    "error",
    "version",
)

_COLUMNS = (
    Column("run"),
    Column("workflow", 1),
    Column("state"),
    Column("steps"),
    Column("accepted (local)", 3),
    Column("took", 2),
)


def list_runs(
    *,
    store: Store = DEFAULT_STORE,
    state: State = None,
    as_of: LogMoment = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List the runs, the last accepted first."""
    if state is not None and state not in STATES:
        message = f"no state {state!r}; there are {', '.join(STATES)}"
        raise typer.BadParameter(message, param_hint="--state")
    moment = parse_as_of(as_of)
    with reading(store) as system:
        rows, earlier = (
            _current(system, state, limit)
            if moment is None
            else _as_of(system, moment, state, limit)
        )
    if as_json:
        from indelible.cli.render.values import write_json

        write_json(rows)
        return
    if not rows:
        out().print("no runs" if state is None else f"no runs that are {state}")
        return
    UncutTable(_COLUMNS, [_cells(row) for row in rows]).write(out())
    if earlier:
        sure = state is None or (moment is None and state in _SURE)
        looked = "shown" if sure else "looked at"
        say(f"{count(earlier, 'earlier run')} not {looked}; see --limit", "dim")


def _cells(row: Mapping[str, Any]) -> Sequence[Text]:
    took = row["finished_at"] - row["accepted_at"] if row["finished_at"] else None
    return (
        Text(plain(row["run_id"])),
        Text(one_line(row["workflow"], 16)),
        state_text(word_of(row)),
        Text(f"{row['steps_completed']:,}/{row['steps_total']:,}"),
        Text(instant(row["accepted_at"])[:16]),
        Text("" if took is None else duration(took)),
    )


def _current(
    system: ActorSystem, state: str | None, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """The current runs, and the number of earlier runs that were left out."""
    heads = system.store.heads("run", None if state is None else STATES[state])
    looked: list[str] = []

    def rows(names: Sequence[str]) -> Iterator[dict[str, Any]]:
        for name in reversed(names):
            looked.append(name)
            yield _row(system, name)

    shards = _by_shard(system, (head.stream for head in heads))
    found = _first(map(rows, shards), state, limit)
    seen = found if state is None or state in _SURE else looked
    return found, len(heads) - len(seen)


def _by_shard(system: ActorSystem, streams: Iterable[str]) -> Sequence[Sequence[str]]:
    """The streams of each shard, in the order of their creation."""
    shards: dict[int, list[str]] = {}
    for stream in streams:
        shards.setdefault(system.store.shard_of(stream), []).append(stream)
    return list(shards.values())


def _first(
    shards: Iterable[Iterator[dict[str, Any]]], state: str | None, limit: int
) -> list[dict[str, Any]]:
    """The first ``limit`` rows of a state; ``shards`` has the rows of each shard, newest first."""
    rows = merge(*shards, key=itemgetter("accepted_at"), reverse=True)
    return list(islice((r for r in rows if state in (None, r["state"], r["outcome"])), limit))


def _row(system: ActorSystem, stream: str, until: int | None = None) -> dict[str, Any]:
    """One run, computed from the log, because views may lag after a kill of the owner."""
    from indelible.api.facade import access_to

    reader = access_to(system).reader
    status: Mapping[str, Any] = reader.describe(stream.removeprefix("run-"), until)
    return {field: status[field] for field in _FIELDS}


def _as_of(
    system: ActorSystem, moment: AsOf, state: str | None, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """The runs at ``moment``, and the number of earlier runs that were left out.

    A run is folded only if it may be shown: its state at that moment is not stored.
    """
    from indelible.events.read.as_of import cursor_at, version_at

    store = system.store
    cursor = cursor_at(store, moment)
    looked: list[str] = []

    def rows(names: Sequence[str]) -> Iterator[dict[str, Any]]:
        for name in reversed(names):
            looked.append(name)
            yield _row(system, name, version_at(store, name, cursor))

    existing = []
    for names in _by_shard(system, (head.stream for head in store.heads("run"))):
        # in order of creation, so the runs that existed at the moment come first
        count_then = bisect_right(
            names, 0, key=lambda name: 0 if version_at(store, name, cursor) else 1
        )
        existing.append(names[:count_then])
    found = _first(map(rows, existing), state, limit)
    return found, sum(map(len, existing)) - len(found if state is None else looked)
