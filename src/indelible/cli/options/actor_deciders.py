"""``--actors``: the deciders of the user's own event-sourced actors."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from indelible.cli.options.step_modules import import_named

if TYPE_CHECKING:
    from indelible.actors.decider import Decider


def load_deciders(names: Sequence[str] | None) -> list[Decider[Any]]:
    """The deciders at ``package.module:attribute``: an instance, a class, or a list of these.

    Raises:
        typer.BadParameter: A module cannot be imported, or the attribute is something else.
    """
    if names and (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return [decider for name in names or () for decider in _deciders(name)]


def _deciders(name: str) -> list[Decider[Any]]:
    from indelible.actors.decider import Decider

    module_name, colon, attribute = name.partition(":")
    if not module_name or not colon or not attribute:
        _refuse(f"{name!r} is not MODULE:NAME, such as bank.actors:ACTORS")
    module = import_named(module_name, "--actors")
    if not hasattr(module, attribute):
        _refuse(f"{module_name} has no {attribute}")
    value: Any = getattr(module, attribute)
    made: list[Decider[Any]] = []
    for given in value if isinstance(value, Iterable) else [value]:
        one = given() if isinstance(given, type) and issubclass(given, Decider) else given
        if not isinstance(one, Decider):
            _refuse(f"{name} is {type(one).__name__}; make it a Decider, or a list of them")
        made.append(one)
    return made


def _refuse(why: str) -> NoReturn:
    raise typer.BadParameter(why, param_hint="--actors")
