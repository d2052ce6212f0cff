"""Plain functions as step types: marked by a decorator, wrapped once, called directly."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any, TypeVar

from indelible.actors.step_types.base import check_name
from indelible.actors.step_types.result_annotations import check_result
from indelible.errors import Problem

_MARK = "__indelible_step__"
_ENGINE = ("context", "step")
_EMPTY = inspect.Parameter.empty

Function = TypeVar("Function", bound=Callable[..., Any])
Run = Callable[[Any, Mapping[str, Any]], Any]


def step(name: str) -> Callable[[Function], Function]:
    """Mark a function, sync or async, as the step type ``name``; it stays the same function.

    It does not register the function: pass the function to a system.

    Raises:
        TypeError: Used without a name, or on an object that takes no mark.
        ValueError: ``name`` is not 1 to 200 printable characters.

    >>> @step("double")
    ... def double(value):
    ...     return 2 * value
    >>> double(4), FunctionStep(double).name
    (8, 'double')
    """
    if callable(name):
        raise TypeError('a step needs a name: write @step("name")')
    check_name(name)

    def mark(function: Function) -> Function:
        if not callable(function):
            raise TypeError(f"{function!r} cannot be called; mark a function")
        try:
            setattr(function, _MARK, name)
        except AttributeError as error:
            raise TypeError(
                f"{function!r} takes no mark; use system.register_step({name!r}, ...) instead"
            ) from error
        return function

    return mark


def is_marked(thing: object) -> bool:
    """Whether :func:`step` has marked ``thing``."""
    return callable(thing) and isinstance(getattr(thing, _MARK, None), str)


class FunctionStep:
    """A function as a step type.

    A function of exactly ``(context, step)``, or of ``(*args, **kwargs)``, is called with these
    two.  Any other function gets the step's parameters by name, and the engine's ``context`` and
    ``step`` if it has parameters of these names.

    Attributes:
        name: The ``type`` that a definition names.
        blocking: Whether it is an ordinary function; ``False`` for a coroutine function.
        run: Calls the function; a function of ``(context, step)`` is used unchanged.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Inspect ``function``; ``name`` defaults to its mark, then to the function's own name.

        Raises:
            TypeError: It cannot be called, is a generator, has parameters that cannot be passed, or
                has a return annotation that cannot be stored.
            ValueError: It has no valid name.
        """
        self.name: str = _name_of(function) if name is None else name
        check_name(self.name)
        self.blocking = not _is_coroutine(function, self.name)
        check_result(function, self.name)
        parameters = _parameters(function, self.name)
        self._open = any(p.kind is p.VAR_KEYWORD for p in parameters)
        named = [p for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}]
        self._names = frozenset(p.name for p in named if p.name not in _ENGINE)
        self._required = frozenset(p.name for p in named if p.default is _EMPTY) & self._names
        self._wants = frozenset(p.name for p in named) & frozenset(_ENGINE)
        self.run: Run
        if _takes_two(parameters):
            self._open, self._required, self._wants = True, frozenset(), frozenset()
            self.run = function
        else:
            self.run = _by_name(function, self._wants)

    def validate(self, params: Mapping[str, Any]) -> Iterator[Problem]:
        """Report missing parameters, and parameters that the function does not have."""
        for name in sorted(self._required - params.keys()):
            yield Problem(name, "nothing", f"{self.name} needs this parameter")
        strange = params.keys() & self._wants if self._open else params.keys() - self._names
        for name in sorted(map(str, strange)):
            yield Problem(name, "an unknown parameter", self._advise(name))

    def _advise(self, name: str) -> str:
        if name in self._wants:
            return f"{name} is given to the function by the engine; rename the parameter"
        close = get_close_matches(name, self._names, 1)
        if close:
            return f"{self.name} has no such parameter; did you mean {close[0]!r}?"
        has = ", ".join(sorted(self._names)) or "none; to get it, take (context, step)"
        return f"{self.name} has no such parameter; it has {has}"


def _name_of(function: Callable[..., Any]) -> str:
    marked = getattr(function, _MARK, None)
    if marked is not None:
        return str(marked)
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or name == "<lambda>":
        raise ValueError(
            f"{function!r} has no name; mark it with step(name), or register it under one"
        )
    return name


def _is_coroutine(function: Callable[..., Any], name: str) -> bool:
    if not callable(function):
        raise TypeError(f"step {name!r} cannot be called: {function!r}; give a function")
    plain: Any = function
    while isinstance(plain, partial):
        plain = plain.func
    if not inspect.isroutine(plain) and not inspect.isclass(plain):
        plain = getattr(plain, "__call__", plain)  # noqa: B004 - the method itself is looked at
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise TypeError(f"step {name!r} is a generator; return a list instead of yielding")
    return inspect.iscoroutinefunction(plain)


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"step {name!r} has no signature to look at; wrap it in a function of (context, step)"
        ) from error
    if not _takes_two(parameters):
        for parameter in parameters:
            if parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is _EMPTY:
                raise TypeError(
                    f"step {name!r} takes {parameter.name!r} by position only, parameters come "
                    "by name; wrap it in a function of (context, step)"
                )
    return parameters


def _takes_two(parameters: Iterable[inspect.Parameter]) -> bool:
    """Whether to call the function as ``function(context, step)``."""
    shape = [(p.name, p.kind) for p in parameters]
    kinds = [kind for _, kind in shape]
    if kinds[:1] == [inspect.Parameter.VAR_POSITIONAL]:
        return kinds[1:] in ([], [inspect.Parameter.VAR_KEYWORD])
    return tuple(name for name, _ in shape) == _ENGINE and not (
        set(kinds) & {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    )


def _by_name(function: Callable[..., Any], wants: frozenset[str]) -> Run:
    if wants == {"context", "step"}:
        return lambda context, step: function(context=context, step=step, **step["params"])
    if wants == {"context"}:
        return lambda context, step: function(context=context, **step["params"])
    if wants == {"step"}:
        return lambda _, step: function(step=step, **step["params"])
    return lambda _, step: function(**step["params"])
