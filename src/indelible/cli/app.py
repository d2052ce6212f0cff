"""The typer application: the list of commands, and the output of their errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from indelible.cli.commands.events import show_events
from indelible.cli.commands.health import show_health
from indelible.cli.commands.parked import PARKED
from indelible.cli.commands.rebuild import rebuild_views
from indelible.cli.commands.recover import recover_runs
from indelible.cli.commands.resolve import resolve_step
from indelible.cli.commands.run import run_workflow
from indelible.cli.commands.runs import list_runs
from indelible.cli.commands.serve import serve_store
from indelible.cli.commands.show import replay_run, show_run
from indelible.cli.commands.tail import tail_events
from indelible.cli.commands.top import show_top
from indelible.cli.commands.verify import anchor_store, verify_store
from indelible.cli.render.console import fail, out
from indelible.errors import IndelibleError

COMMANDS: Mapping[str, Callable[..., None]] = {
    "run": run_workflow,
    "recover": recover_runs,
    "serve": serve_store,
    "health": show_health,
    "top": show_top,
    "runs": list_runs,
    "show": show_run,
    "events": show_events,
    "tail": tail_events,
    "replay": replay_run,
    "resolve": resolve_step,
    "rebuild": rebuild_views,
    "verify": verify_store,
    "anchor": anchor_store,
}


class Commands(TyperGroup):
    """Turns the library's own errors into one message and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; with ``--debug`` an error keeps its traceback."""
        try:
            return super().invoke(ctx)
        except IndelibleError as error:
            if ctx.params.get("debug"):
                raise
            fail(str(error))


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        out().print(f"indelible {version('indelible')}")
        raise typer.Exit


def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, not only its message.")
    ] = False,
) -> None:
    """Durable workflows in one append-only log: run, recover, inspect, replay.

    Results go to stdout, progress and errors to stderr. With --json stdout holds exactly one
    document: instants are microseconds UTC (0: not yet), durations say their unit, a datetime,
    date or Decimal is text, and bytes are {"bytes": BASE64}.
    """


def _unwrapped(function: Callable[..., None]) -> str:
    """The docstring with each paragraph on one line, so that the help can wrap it."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


app.callback(help=_unwrapped(options))(options)
for name, command in COMMANDS.items():
    app.command(name, help=_unwrapped(command))(command)
parked = typer.Typer(
    no_args_is_help=True,
    help="Events that a view could not apply: list them, retry them, or skip them.",
)
for name, command in PARKED.items():
    parked.command(name, help=_unwrapped(command))(command)
app.add_typer(parked, name="parked")
