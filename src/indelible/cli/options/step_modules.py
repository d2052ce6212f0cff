"""``--steps``: step functions, connections and row functions of Python modules.

Only modules named on the command line are imported, never a stored name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import typer

from indelible.cli.options.common_options import parse_connections

if TYPE_CHECKING:
    from indelible.actors.step_types.base import StepTypes


_OPTION = "--steps"


class StepEquipment(NamedTuple):
    """Arguments of ``ActorSystem`` that come from modules: steps, connections, functions."""

    steps: list[Callable[..., Any]]
    connections: dict[str, str]
    functions: dict[str, Callable[..., Any]]

    def step_types(self) -> StepTypes:
        """The step types of a system with this equipment.

        Raises:
            typer.BadParameter: Two functions are marked with one name, or one cannot be a step.
        """
        from indelible.assembly.step_registry import StepRegistry

        steps = StepRegistry(dict(self.connections), dict(self.functions))
        for function in self.steps:
            try:
                steps.register(function)
            except (TypeError, ValueError) as error:
                _refuse(str(error))
        return steps.types


def load_equipment(
    modules: Sequence[str] | None, connections: Sequence[str] | None
) -> StepEquipment:
    """Import ``modules``, in order, and collect their steps, connections and functions.

    A later module's connections and functions replace earlier ones of the same name, and
    connections given on the command line replace both.

    Raises:
        typer.BadParameter: A module cannot be imported, or has nothing usable.
    """
    given = parse_connections(connections)
    equipment = StepEquipment([], {}, {})
    if modules and (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    for name in modules or ():
        module = import_named(name)
        found = _marked(module)
        equipment.steps.extend(f for f in found if f not in equipment.steps)
        equipment.connections.update(_mapping(module, "CONNECTIONS"))
        equipment.functions.update(_mapping(module, "FUNCTIONS"))
        if not found and not hasattr(module, "CONNECTIONS") and not hasattr(module, "FUNCTIONS"):
            _refuse(f"{name} has no function marked by @step, no CONNECTIONS and no FUNCTIONS")
    equipment.connections.update(given)
    return equipment


def import_named(name: str, option: str = _OPTION) -> ModuleType:
    """Import the module that ``option`` names.

    Raises:
        typer.BadParameter: The module cannot be imported.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            _refuse(f"{name} needs the module {error.name!r}, which is not installed", option)
        _refuse(
            f"no module {error.name!r}; give it as package.module, without .py, and run the"
            " command in the directory that holds the package",
            option,
        )
    except Exception as error:  # noqa: BLE001 - a module may raise anything; its author reads the message
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        at = f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})" if trace else ""
        _refuse(f"{name} cannot be imported: {type(error).__name__}: {error}{at}", option)


def _marked(module: ModuleType) -> list[Callable[..., Any]]:
    """The marked functions of ``module``, each once, in the order of the module."""
    from indelible.actors.step_types.functions import is_marked

    found: dict[int, Callable[..., Any]] = {}
    for value in vars(module).values():
        if is_marked(value):
            found[id(value)] = value
    return list(found.values())


def _mapping(module: ModuleType, name: str) -> Mapping[str, Any]:
    value = getattr(module, name, {})
    if not isinstance(value, Mapping):
        _refuse(f"{module.__name__}.{name} is {type(value).__name__}; make it a mapping by name")
    return value


def _refuse(why: str, option: str = _OPTION) -> NoReturn:
    raise typer.BadParameter(why, param_hint=option)
