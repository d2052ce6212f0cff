"""``indelible recover``: finish every run that a crash or a stop has interrupted."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import typer

from indelible.cli.options.common_options import (
    DEFAULT_STORE,
    AsJson,
    CommandLine,
    ConnectionUrls,
    StepModules,
    Store,
)
from indelible.cli.options.step_modules import load_equipment


def recover_runs(
    *,
    store: Store = DEFAULT_STORE,
    steps: StepModules = None,
    connection: ConnectionUrls = None,
    as_json: AsJson = False,
) -> None:
    """Finish every unfinished run and show the outcome of each.

    Exit code 0 only if all of them ended in success. A run that waits for a person, or for a step
    type that no module of --steps has, is listed with what it needs and does not continue. A
    quarantined run has ended and does not continue either.
    """
    with redirect_stdout(sys.stderr):
        equipment = load_equipment(steps, connection)

    from indelible.cli.tasks.recovery_job import Recovery

    line = CommandLine(store, steps, connection)
    recovered = Recovery(store, equipment, line).execute()
    if as_json:
        recovered.write_json()
    else:
        recovered.show()
    recovered.advise_on_rest(line)
    raise typer.Exit(0 if recovered.succeeded else 1)
