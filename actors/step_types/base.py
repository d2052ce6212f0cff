"""The port of a step type, and the registry of step types that each system has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from indelible.errors import Problem

MAX_NAME = 200

BUILT_IN = frozenset(
    {
        "agent",
        "api_call",
        "approval",
        "data_processing",
        "database_query",
        "file",
        "message_queue",
        "signal",
        "wait",
        "workflow",
    }
)
"""Names that functions may not take: the built-in types of this version and of later versions."""


class StepType(Protocol):
    """The behaviour of all steps of one type; one object serves them all, from any thread."""

    @property
    def name(self) -> str:
        """The ``type`` that a definition names."""
        ...

    @property
    def blocking(self) -> bool:
        """Whether it runs on the blocking pool; otherwise ``run`` returns an awaitable."""
        ...

    def run(self, context: Any, step: Mapping[str, Any], /) -> Any:
        """Execute the step; the references in ``step["params"]`` are resolved.

        Returns a value that the log can store, or an awaitable of such a value if not ``blocking``.
        An exception is the failure of the attempt.
        """
        ...

    def validate(self, params: Mapping[str, Any]) -> Iterable[Problem]:
        """The problems of ``params``, with references unresolved; paths are relative to it."""
        ...


class StepTypes:
    """The step types that one system knows; every method may be called from any thread."""

    def __init__(self, built_in: Iterable[StepType] = ()) -> None:
        """Start with ``built_in``, whose names may be reserved names."""
        self._lock = threading.Lock()
        self._types = {step_type.name: step_type for step_type in built_in}
        self._callbacks: list[Callable[[str], None]] = []

    def register(self, step_type: StepType) -> None:
        """Add a type, then call the callbacks of :meth:`on_register` on this thread.

        Raises:
            ValueError: The name is reserved, in use or not valid; nothing has been registered.
        """
        name = step_type.name
        check_name(name)
        if name in BUILT_IN:
            why = "is reserved for a built-in step type, of this version or a later one"
            raise ValueError(f"{name!r} {why}; choose another name")
        with self._lock:
            if name in self._types:
                raise ValueError(f"step type {name!r} is registered already; choose another name")
            self._types = {**self._types, name: step_type}
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback(name)

    def advice_for(self, name: str) -> str:
        """The advice for a definition that names an unregistered type."""
        if name in BUILT_IN:
            return "this version has none, and reserves the name: register yours under another"
        return "or register it: system.register_step"

    def get(self, name: str) -> StepType | None:
        """The type with this name; ``None`` if there is none."""
        return self._types.get(name)

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._types))

    def on_register(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call ``callback`` with each name registered from now on; the returned function ends it.

        It is called on the registering thread, without a lock, after ``get`` knows the name.
        """
        with self._lock:
            self._callbacks.append(callback)

        def end() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return end


def check_name(name: object) -> None:
    """Check for 1 to 200 printable characters.

    Raises:
        ValueError: ``name`` is not valid.
    """
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
        raise ValueError(
            f"{name!r} is no name for a step type: give 1 to {MAX_NAME} printable characters"
        )
