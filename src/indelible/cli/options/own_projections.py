"""``--projections``: the user's own views."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from indelible.cli.options.step_modules import import_named

if TYPE_CHECKING:
    from indelible.projections.views.custom import Projection

_OPTION = "--projections"

Projections = Annotated[
    list[str] | None,
    typer.Option(
        _OPTION,
        metavar="MODULE:NAME",
        help="A Projection of your own, or a list of them. May be repeated.",
    ),
]


def load_projections(names: Sequence[str] | None) -> list[Projection]:
    """The views at ``package.module:attribute``: an instance, a class, or a list of these.

    Raises:
        typer.BadParameter: A module cannot be imported, or the attribute is something else.
    """
    if names and (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return [one for name in names or () for one in _projections(name)]


def _projections(name: str) -> list[Projection]:
    from indelible.projections.views.custom import Projection, check_projections

    module_name, colon, attribute = name.partition(":")
    if not module_name or not colon or not attribute:
        _refuse(f"{name!r} is not MODULE:NAME, such as shop.views:VIEWS")
    module = import_named(module_name, _OPTION)
    if not hasattr(module, attribute):
        _refuse(f"{module_name} has no {attribute}")
    value = getattr(module, attribute)
    values: list[Any] = list(value) if isinstance(value, Iterable) else [value]
    found: list[Projection] = []
    for one in values:
        made = one() if isinstance(one, type) and issubclass(one, Projection) else one
        if not isinstance(made, Projection):
            _refuse(f"{name} is {type(made).__name__}; make it a Projection, or a list of them")
        found.append(made)
    try:
        check_projections(found)
    except ValueError as error:
        _refuse(str(error))
    return found


def _refuse(why: str) -> NoReturn:
    raise typer.BadParameter(why, param_hint=_OPTION)
