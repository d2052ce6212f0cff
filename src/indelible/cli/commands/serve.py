"""``indelible serve``: a process that owns a store, or shards of it, until a stop signal."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from indelible.cli.options.actor_deciders import load_deciders
from indelible.cli.options.common_options import (
    DEFAULT_STORE,
    Actors,
    ConnectionUrls,
    StepModules,
    Store,
)
from indelible.cli.options.own_projections import Projections, load_projections
from indelible.cli.options.step_modules import load_equipment
from indelible.cli.render.service_log import journal

Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="Name of this process in `health`.")
]
Drain = Annotated[
    float,
    typer.Option(
        "--drain",
        metavar="SECONDS",
        min=0.0,
        max=2_592_000.0,
        help="How long running steps may take to return.",
    ),
]
Lease = Annotated[
    float | None,
    typer.Option(
        "--lease",
        metavar="SECONDS",
        min=1.0,
        max=600.0,
        show_default="10",
        help="PostgreSQL: after a crash other processes take over after this time.",
    ),
]
MaxThreads = Annotated[
    int, typer.Option("--max-threads", metavar="N", min=1, help="Blocking steps that run at once.")
]
Standby = Annotated[
    bool,
    typer.Option("--standby", help="If another process owns the store, wait and take over."),
]
ReadyFile = Annotated[
    Path | None,
    typer.Option(
        "--ready-file",
        metavar="PATH",
        help="A file that exists while the service is ready; it holds the process id.",
    ),
]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Write each log line to stdout as a JSON object.")
]


def serve_store(
    *,
    store: Store = DEFAULT_STORE,
    steps: StepModules = None,
    connection: ConnectionUrls = None,
    actors: Actors = None,
    projections: Projections = None,
    name: Name = "",
    drain: Drain = 30.0,
    lease: Lease = None,
    max_threads: MaxThreads = 64,
    standby: Standby = False,
    ready_file: ReadyFile = None,
    as_json: JsonLines = False,
) -> None:
    """Own the store, continue unfinished runs, and accept commands until a stop signal.

    SIGTERM or Ctrl-C: no step begins any more, and running steps and calls have --drain seconds to
    return; a second signal ends the process at once. In both cases no acknowledged work is lost.

    Exit code 0: all steps had returned; 3: some had not, and run again at the next start; 4:
        another
    process has taken the store; 1: the store could not be opened; 130 or 143: ended at once.

    `indelible health` shows the health of the service. The output of steps goes to stderr.
    """
    if ready_file is not None and not ready_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"no directory {ready_file.parent}", param_hint="--ready-file")
    if lease is not None:
        _check_has_leases(store)
    if name and (len(name) > 255 or not name.isprintable()):
        raise typer.BadParameter("use at most 255 printable characters", param_hint="--name")
    with redirect_stdout(sys.stderr):
        equipment = load_equipment(steps, connection)
        equipment.step_types()
        deciders = load_deciders(actors)
        views = load_projections(projections)
    with journal(as_json=as_json), redirect_stdout(sys.stderr):
        from indelible.cli.tasks.service_life import ServiceLife

        service = ServiceLife(
            store=store,
            equipment=equipment,
            deciders=deciders,
            projections=views,
            name=name,
            drain=drain,
            lease=lease,
            max_threads=max_threads,
            standby=standby,
            ready_file=ready_file,
            as_json=as_json,
        )
        code = service.serve()
    raise typer.Exit(code)


def _check_has_leases(store: str) -> None:
    from indelible.events.postgres.address import is_postgres  # with SQLAlchemy: slow for --help

    if not is_postgres(store):
        why = "only PostgreSQL has leases; elsewhere the next process begins the moment one ends"
        raise typer.BadParameter(why, param_hint="--lease")
