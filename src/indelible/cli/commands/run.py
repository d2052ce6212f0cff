"""``indelible run``: start a run, or continue it, and wait for its end."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from indelible.cli.options.common_options import (
    DEFAULT_STORE,
    AsJson,
    By,
    CommandLine,
    ConnectionUrls,
    StepModules,
    Store,
    Why,
    parse_input,
)
from indelible.cli.options.step_modules import load_equipment

RunId = Annotated[
    str | None,
    typer.Option("--run-id", metavar="ID", help="Id of the run; an existing run continues."),
]
Input = Annotated[
    str, typer.Option("--input", metavar="JSON", help="The run's input, usually a JSON object.")
]
Agent = Annotated[
    str | None,
    typer.Option(
        "--agent", metavar="NAME", help="Agent of the run; by default the workflow's name."
    ),
]
CrashStep = Annotated[
    str | None,
    typer.Option(
        "--crash-after",
        metavar="STEP",
        help="End this process with kill -9 once STEP is durably complete, to try recovery.",
    ),
]


def run_workflow(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Definition in YAML or JSON.")],
    *,
    store: Store = DEFAULT_STORE,
    run_id: RunId = None,
    given: Input = "{}",
    steps: StepModules = None,
    connection: ConnectionUrls = None,
    agent: Agent = None,
    by: By = None,
    why: Why = None,
    crash_after: CrashStep = None,
    as_json: AsJson = False,
) -> None:
    """Run a workflow and show its result; exit code 0 only on success.

    With the --run-id of an earlier call and the same contents the command continues that run, or
    shows its outcome. The output of steps goes to stderr.
    """
    value = parse_input(given)
    with redirect_stdout(sys.stderr):
        equipment = load_equipment(steps, connection)

    from indelible.arguments.context_arguments import checked
    from indelible.arguments.ids_and_timeouts import check_id
    from indelible.cli.options.crash_after import paths_to_complete
    from indelible.cli.render.advice import advise, unknown_outcomes
    from indelible.cli.tasks.run_job import RunJob, prepare
    from indelible.cli.watching.execution_place import ExecutionPlace
    from indelible.ids import Ids

    place = ExecutionPlace.of(store)
    # Nothing is created or changed before this line.
    definition, plan = prepare(file, equipment, value, place)
    run_id = Ids().text() if run_id is None else run_id
    check_id("run id", run_id)
    agent = plan.name if agent is None else agent
    check_id("agent name", agent)
    checked(by=by, why=why)
    crash_paths = paths_to_complete(plan, crash_after, store, run_id) if crash_after else ()
    job = RunJob(
        place=place,
        equipment=equipment,
        definition=definition,
        run_id=run_id,
        given=value,
        agent=agent,
        by=by,
        why=why,
        crash_paths=crash_paths,
        line=CommandLine(store, steps, connection),
        whole=as_json,
    )
    ending = job.execute()
    if as_json:
        ending.write_json()
    else:
        ending.show()
    advise(unknown_outcomes(ending.status), ending.reasons, job.line, served=ending.served)
    raise typer.Exit(0 if ending.succeeded else 1)
