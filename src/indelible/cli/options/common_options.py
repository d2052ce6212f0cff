"""Options that several commands share, and parsing of their texts to values."""

from __future__ import annotations

import getpass
import os
import shlex
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, NoReturn

import typer

DEFAULT_STORE = "sqlite:///indelible.db"

Store = Annotated[str, typer.Option("--store", metavar="URL", help="Address of the store.")]
StepModules = Annotated[
    list[str] | None,
    typer.Option(
        "--steps",
        metavar="MODULE",
        help="Module with functions marked by @step, and optionally CONNECTIONS and FUNCTIONS;"
        " the current directory is searched first. May be repeated.",
    ),
]
ConnectionUrls = Annotated[
    list[str] | None,
    typer.Option(
        "--connection",
        metavar="NAME=URL",
        help="A database for steps; overrides one of a module. May be repeated.",
    ),
]
Actors = Annotated[
    list[str] | None,
    typer.Option(
        "--actors",
        metavar="MODULE:NAME",
        help="A Decider of your own actors, or a list of them. May be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout.")]
Until = Annotated[
    int | None,
    typer.Option("--until", metavar="VERSION", min=1, help="As of this version of the stream."),
]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="On whose behalf; recorded in every event."),
]
Why = Annotated[
    str | None, typer.Option("--why", metavar="TEXT", help="The reason; recorded in every event.")
]
Full = Annotated[bool, typer.Option("--full", help="Show whole results, not shortened.")]


def parse_connections(given: Sequence[str] | None) -> dict[str, str]:
    """``NAME=URL`` pairs as a mapping.

    Raises:
        typer.BadParameter: A text is not such a pair.
    """
    connections: dict[str, str] = {}
    for text in given or ():
        name, equals, url = text.partition("=")
        if not name or not equals or not url:
            _refuse("--connection", f"{text!r} is not NAME=URL, such as db=sqlite:///data.db")
        connections[name] = url
    return connections


def parse_input(text: str) -> Any:
    """The value of ``--input``.

    Raises:
        typer.BadParameter: ``text`` is not JSON.
    """
    return parse_json("--input", text)


def parse_json(option: str, text: str) -> Any:
    """The value of an option that is JSON.

    Raises:
        typer.BadParameter: ``text`` is not JSON.
    """
    from indelible.actors.workflow.definition.strict_json import loads  # slow for --help

    try:
        return loads(text)
    except ValueError as error:
        _refuse(option, f'not JSON ({error}); write such as \'{{"day": "2013-01-01"}}\'')
    except RecursionError:
        _refuse(option, "nested too deep")


class CommandLine(NamedTuple):
    """The options of a command that another command needs to find the same store and steps."""

    store: str
    modules: Sequence[str] | None = None
    connections: Sequence[str] | None = None

    def command(self, *words: str) -> str:
        """A line for the shell: the command ``words`` with these options.

        >>> CommandLine("sqlite:///a b.db", ["mysteps"]).command("resolve", "r1", "pay", "retry")
        "indelible resolve r1 pay retry --store 'sqlite:///a b.db' --steps mysteps"
        """
        line = ["indelible", *words]
        if self.store != DEFAULT_STORE:
            line += ["--store", self.store]
        for module in self.modules or ():
            line += ["--steps", module]
        for connection in self.connections or ():
            line += ["--connection", connection]
        return shlex.join(line)


def user_name() -> str:
    """The name of the user who gives a command, to be recorded with a decision."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in a container
        return f"uid {os.getuid()}"


def _refuse(option: str, why: str) -> NoReturn:
    raise typer.BadParameter(why, param_hint=option)
