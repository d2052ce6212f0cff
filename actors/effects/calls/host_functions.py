"""Functions of the host: those that actors may call by name, and handlers of effects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from indelible.errors import RefusedError

_WITH_CONTEXT = 2


class CallFunction(NamedTuple):
    """A function of the host, and how to call it.

    Attributes:
        function: The user's function.
        takes_context: Whether it takes the context of the call before the argument.
        blocking: Whether it runs on a thread; a coroutine function runs on the event loop.
    """

    function: Callable[..., Any]
    takes_context: bool
    blocking: bool


class CallFunctions:
    """Functions by name; any thread may read them."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        """Take ``functions`` by name.

        Raises:
            TypeError: One cannot be called with an argument, or with a context and an argument.
        """
        self._functions = {name: _check_named(name, one) for name, one in functions.items()}

    def get(self, name: str) -> CallFunction | None:
        """The function called ``name``."""
        return self._functions.get(name)

    def check(self, name: Any) -> None:
        """Check that there is a function called ``name``.

        Raises:
            RefusedError: There is none.
        """
        if name in self._functions:
            return
        known = ", ".join(sorted(self._functions)) or "none"
        close = get_close_matches(str(name), self._functions, 1)
        advice = f"did you mean {close[0]!r}?" if close else f"known are {known}"
        raise RefusedError(
            f"a Call of {name!r:.80}, and the system has no such function: {advice}; give it with "
            "ActorSystem(calls={...})"
        )


def performers_of(effects: Mapping[type, Callable[..., Any]]) -> Mapping[type, CallFunction]:
    """The performers of ``effects`` of users' own types.

    Raises:
        TypeError: A key is not a type, or a handler cannot be called with an effect, or with a
            context and an effect.
        ValueError: A type is one of the engine's own.
    """
    handlers: dict[type, CallFunction] = {}
    for kind, function in effects.items():
        if not isinstance(kind, type):
            raise TypeError(f"effects: {kind!r:.80} is no type; map types to their handlers")
        if kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
            raise ValueError(f"effects: {kind.__name__} is the engine's own; give types of yours")
        handlers[kind] = inspect_function(f"effects: {kind.__name__}", function)
    return handlers


def _check_named(name: str, function: Callable[..., Any]) -> CallFunction:
    if not isinstance(name, str) or not name:
        raise TypeError(f"calls: {name!r} is no name; give a mapping of names to functions")
    return inspect_function(f"calls: {name!r}", function)


def inspect_function(what: str, function: Callable[..., Any]) -> CallFunction:
    """Find out how to call ``function``; ``what`` names it.

    Raises:
        TypeError: It cannot be called with an argument, or with a context and an argument.
    """
    if not callable(function):
        raise TypeError(f"{what} is {function!r:.80}, which cannot be called")
    wanted = 1
    try:
        signature = inspect.signature(function)
        places = [p for p in signature.parameters.values() if p.kind in _POSITIONAL]
        wanted = min(_WITH_CONTEXT, sum(p.default is p.empty for p in places) or 1)
        signature.bind(*range(wanted))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what} must take (argument), or (context, argument)") from error
    return CallFunction(function, wanted == _WITH_CONTEXT, not _is_async(function))


def _is_async(function: Callable[..., Any]) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 - an object with async __call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
