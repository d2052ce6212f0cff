"""``indelible show`` and ``indelible replay``: one run, as it is now or as of a version."""

from __future__ import annotations

from typing import Annotated

import typer

from indelible.cli.opening import reading
from indelible.cli.options import DEFAULT_STORE, AsJson, Full, Store, Until

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]


def show_run(
    run: RunArgument, *, store: Store = DEFAULT_STORE, full: Full = False, as_json: AsJson = False
) -> None:
    """Show the steps, times, attempts, results, checkpoints and errors of a run.

    With --json the results are always whole.
    """
    _show(store, run, None, full=full, as_json=as_json)


def replay_run(
    run: RunArgument,
    *,
    store: Store = DEFAULT_STORE,
    until: Until = None,
    full: Full = False,
    as_json: AsJson = False,
) -> None:
    """Show a run as it was at a version of its stream, computed from its events alone.

    `indelible events run-RUN` lists the versions. With --json the results are always whole.
    """
    _show(store, run, until, full=full, as_json=as_json, replayed=True)


def _show(
    store: str, run: str, until: int | None, *, full: bool, as_json: bool, replayed: bool = False
) -> None:
    from indelible.cli.portrait import Portrait

    with reading(store) as system:
        portrait = Portrait.read(system, run, until, whole=full or as_json)
    if as_json:
        portrait.write_json()
    else:
        portrait.show(full=full, replayed=replayed)
