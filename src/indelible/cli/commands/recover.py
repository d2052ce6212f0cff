"""``indelible recover``: finish every run that a crash or a stop has cut off."""

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
    """Finish every unfinished run and show what came of each.

    Exit code 0 only if all of them ended in success. A run that waits for a step type which no
    module given by --steps has, or for a person, is listed with what it needs and stays as it is.
    So does one that is quarantined: it has ended.
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
    recovered.say_what_is_left(line)
    raise typer.Exit(0 if recovered.succeeded else 1)
