"""``indelible runs``: which runs there are and how they stand."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

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
)

if TYPE_CHECKING:
    from indelible.events.store import StreamHead
    from indelible.system import ActorSystem

STATES = ("accepted", "running", "waiting", "completed", "failed", "quarantined")

State = Annotated[
    str | None,
    typer.Option("--state", metavar="STATE", help=f"Only runs that are {', '.join(STATES)}."),
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
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List the runs, the one accepted last first."""
    if state is not None and state not in STATES:
        raise typer.BadParameter(f"no state {state!r}; there are {', '.join(STATES)}")
    with reading(store) as system:
        heads = system.store.heads("run", None if state is None else [state])
        rows = [_row(system, head) for head in islice(reversed(heads), limit)]
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
            state_text(row["outcome"] or row["state"]),
            f"{row['steps_completed']:,}/{row['steps_total']:,}",
            instant(row["accepted_at"])[:16],
            duration(row["finished_at"] - row["accepted_at"]) if row["finished_at"] else "",
        )
    out().print(made)
    if len(heads) > len(rows):
        say(f"{count(len(heads) - len(rows), 'earlier run')} not shown; see --limit", "dim")


def _row(system: ActorSystem, head: StreamHead) -> dict[str, Any]:
    """One run as the log has it: views lag behind where an owner was killed."""
    status = system.reader.describe(head.stream.removeprefix("run-"))
    return {field: status[field] for field in _FIELDS}
