"""``indelible show`` and ``indelible replay``: one run, now or as of a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from indelible.cli.options.as_of import Moment, parse_as_of
from indelible.cli.options.common_options import (
    DEFAULT_STORE,
    AsJson,
    CommandLine,
    Full,
    Store,
    Until,
)
from indelible.cli.tasks.open_system import reading

if TYPE_CHECKING:
    from indelible.events.read.as_of import AsOf
    from indelible.runs.run_reader import RunReader

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]


def show_run(
    run: RunArgument,
    *,
    store: Store = DEFAULT_STORE,
    as_of: Moment = None,
    full: Full = False,
    as_json: AsJson = False,
) -> None:
    """Show the steps, times, attempts, results, checkpoints and errors of a run.

    With --json the results are always whole.
    """
    replayed = as_of is not None
    _show(store, run, parse_as_of(as_of), full=full, as_json=as_json, replayed=replayed)


def replay_run(
    run: RunArgument,
    *,
    store: Store = DEFAULT_STORE,
    until: Until = None,
    as_of: Moment = None,
    full: Full = False,
    as_json: AsJson = False,
) -> None:
    """Show a run as it was at a moment of the past, computed from its events alone.

    `indelible events run-RUN` lists the versions. With --json the results are always whole.
    """
    if until is not None and as_of is not None:
        raise typer.BadParameter("give --until or --as-of, not both", param_hint="--as-of")
    moment = parse_as_of(as_of) if until is None else until
    _show(store, run, moment, full=full, as_json=as_json, replayed=True)


def _show(
    store: str,
    run: str,
    as_of: AsOf | None,
    *,
    full: bool,
    as_json: bool,
    replayed: bool,
) -> None:
    from indelible.api.facade import access_to
    from indelible.cli.render.advice import advise, unknown_outcomes
    from indelible.cli.render.run_detail import RunDetail

    with reading(store) as system:
        reader = access_to(system).reader
        run = _id_of(reader, run)
        until = reader.version(run, as_of)
        detail = RunDetail.read(system, run, until, whole=full or as_json)
    if as_json:
        detail.write_json()
    else:
        detail.show(full=full, replayed=replayed)
    if not replayed:
        advise(unknown_outcomes(detail.status), (), CommandLine(store), served=False)


def _id_of(reader: RunReader, run: str) -> str:
    """``run``, or the id in it if it is a stream's name, as `indelible events` takes both."""
    run_id = run.removeprefix("run-")
    return run_id if not reader.exists(run) and reader.exists(run_id) else run
