"""``indelible runs``: which runs there are and how they stand."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from indelible.cli.as_of import LogMoment, parse_as_of
from indelible.cli.opening import reading
from indelible.cli.options import DEFAULT_STORE, AsJson, Store
from indelible.cli.output import (
    count,
    duration,
    instant,
    one_line,
    out,
    plain,
    say,
    state_text,
    table,
    word_of,
)

if TYPE_CHECKING:
    from indelible.events.as_of import AsOf
    from indelible.system import ActorSystem

_UNFINISHED = ("accepted", "running", "waiting")
STATES = {
    **dict.fromkeys(_UNFINISHED, _UNFINISHED),  # heads are coarser than states
    "completed": ("completed",),
    "success": ("completed",),
    "partial": ("completed",),
    "failed": ("failed", "quarantined"),
    "quarantined": ("quarantined",),
}
"""States and outcomes of runs, and the status words in ``streams`` of the runs that may be so."""

_SURE = ("completed", "failed", "quarantined")
"""Words that are true of every run with such a status."""

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


def list_runs(
    *,
    store: Store = DEFAULT_STORE,
    state: State = None,
    as_of: LogMoment = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List the runs, the one accepted last first."""
    if state is not None and state not in STATES:
        words = f"no state {state!r}; there are {', '.join(STATES)}"
        raise typer.BadParameter(words, param_hint="--state")
    moment = parse_as_of(as_of)
    with reading(store) as system:
        rows, earlier = (
            _now(system, state, limit) if moment is None else _then(system, moment, state, limit)
        )
    if as_json:
        from indelible.cli.values import write_json

        write_json(rows)
        return
    if not rows:
        out().print("no runs" if state is None else f"no runs that are {state}")
        return
    made = table("run", "workflow", "state", "steps", "accepted (local)", "took", whole=("run",))
    for row in rows:
        made.add_row(
            Text(plain(row["run_id"])),
            Text(one_line(row["workflow"], 16)),
            state_text(word_of(row)),
            f"{row['steps_completed']:,}/{row['steps_total']:,}",
            instant(row["accepted_at"])[:16],
            duration(row["finished_at"] - row["accepted_at"]) if row["finished_at"] else "",
        )
    out().print(made)
    if earlier:
        looked = "shown" if state is None or state in _SURE else "looked at"
        say(f"{count(earlier, 'earlier run')} not {looked}; see --limit", "dim")


def _now(system: ActorSystem, state: str | None, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The runs that there are, and how many earlier ones were not looked at."""
    heads = system.store.heads("run", None if state is None else STATES[state])
    rows: list[dict[str, Any]] = []
    left = len(heads)
    for head in reversed(heads):
        if len(rows) == limit:
            break
        row = _row(system, head.stream)
        left -= 1
        if state in (None, row["state"], row["outcome"]):
            rows.append(row)
    return rows, left


def _row(system: ActorSystem, stream: str, until: int | None = None) -> dict[str, Any]:
    """One run as the log has it: views lag behind where an owner was killed."""
    status = system.reader.describe(stream.removeprefix("run-"), until)
    return {field: status[field] for field in _FIELDS}


def _then(
    system: ActorSystem, moment: AsOf, state: str | None, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """The runs that there were at ``moment``, and how many earlier ones (at least) were left out.

    A run is looked at only if it may be shown: its state of then is not written down anywhere.
    """
    from indelible.events.as_of import cursor_at, version_at

    store = system.store
    cursor = cursor_at(store, moment)
    streams: dict[int, list[str]] = {}
    for head in store.heads("run"):
        streams.setdefault(store.shard_of(head.stream), []).append(head.stream)
    rows: list[dict[str, Any]] = []
    earlier = 0
    for names in streams.values():  # each in order of creation: those of then come first
        there = bisect_right(names, 0, key=lambda name: 0 if version_at(store, name, cursor) else 1)
        found = 0
        for name in reversed(names[:there]):
            if found == limit:
                break
            row = _row(system, name, version_at(store, name, cursor))
            there -= 1
            if state in (None, row["state"], row["outcome"]):
                rows.append(row)
                found += 1
        earlier += there
    rows.sort(key=lambda row: row["accepted_at"], reverse=True)
    return rows[:limit], earlier + len(rows[limit:])
