"""``indelible resolve``: a person decides the outcome of an attempt that a crash interrupted."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from indelible.cli.options.common_options import (
    DEFAULT_STORE,
    CommandLine,
    ConnectionUrls,
    StepModules,
    Store,
    Why,
    parse_json,
    user_name,
)
from indelible.cli.options.step_modules import load_equipment

if TYPE_CHECKING:
    from indelible.actors.workflow.run_messages import Resolution

ACTIONS = ("retry", "fail", "complete")

Action = Annotated[
    str,
    typer.Argument(
        metavar="|".join(ACTIONS), help="Run the step again, fail it, or complete it with --result."
    ),
]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who decides; recorded. Default: the user's name."),
]
Result = Annotated[
    str | None,
    typer.Option(
        "--result",
        metavar="JSON",
        help="The step's result; required for complete, null for no result.",
    ),
]


def resolve_step(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    step: Annotated[str, typer.Argument(metavar="STEP", help="Name of the waiting step.")],
    action: Action,
    *,
    by: By = None,
    why: Why = None,
    result: Result = None,
    store: Store = DEFAULT_STORE,
    steps: StepModules = None,
    connection: ConnectionUrls = None,
) -> None:
    """Decide the outcome of a step that a crash interrupted and whose policy is to ask.

    The process that owns the store records the decision and continues the run. If no process owns
    it, this command records the decision, and `indelible recover` finishes the run.
    """
    if action not in ACTIONS:
        raise typer.BadParameter(f"no action {action!r}; there are {', '.join(ACTIONS)}")
    value = _value(action, result)
    with redirect_stdout(sys.stderr):
        equipment = load_equipment(steps, connection)

    line = CommandLine(store, steps, connection)

    from indelible.cli.render.console import out, say
    from indelible.cli.tasks.resolve_step import record
    from indelible.cli.watching.execution_place import ExecutionPlace
    from indelible.errors import StoreNotFoundError

    place = ExecutionPlace.of(store)
    if not place.exists:
        raise StoreNotFoundError(store)
    with redirect_stdout(sys.stderr), place.open(equipment) as system:
        resolution, name = cast("Resolution", action), user_name() if by is None else by
        record(system, run, step, resolution, by=name, why=why, result=value, line=line)
        owns = system.owns
    out().print(f"step {step} of run {run}: {action}", soft_wrap=True)
    if owns:
        say(f"go on with\n  {line.command('recover')}")


def _value(action: str, result: str | None) -> Any:
    """The value of ``--result``, which only ``complete`` takes."""
    if action == "complete" and result is None:
        why = "complete needs the step's result; give null for no result"
        raise typer.BadParameter(why, param_hint="--result")
    if action != "complete" and result is not None:
        raise typer.BadParameter(f"{action} takes none; only complete does", param_hint="--result")
    return None if result is None else parse_json("--result", result)
