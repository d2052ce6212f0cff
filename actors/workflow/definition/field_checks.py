"""Checks of single fields of a definition: each reports the fault and the correction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from indelible.actors.workflow.definition.references import UNKNOWN
from indelible.errors import Problem

MAX_SECONDS = 10 * 366 * 86_400
"""Ten years: a longer wait is a mistake, and ten years in microseconds fit 64 bits."""

_MAX_PROBLEMS = 100  # a person corrects the first ones; 100,000 lines of error do not help
_SHOWN = 60  # characters of a value in an error
_NAMES = 20  # names that an error lists


class Problems:
    """Collects problems, in the order in which they are found."""

    def __init__(self) -> None:
        """Start without problems."""
        self._found: list[Problem] = []
        self._more = 0

    def __bool__(self) -> bool:
        """Whether there are problems."""
        return bool(self._found)

    def add(self, path: str, found: str, fix: str) -> None:
        """Keep a problem, or only count it if there are a hundred already."""
        if len(self._found) < _MAX_PROBLEMS:
            self._found.append(Problem(path, found, fix))
        else:
            self._more += 1

    def all(self) -> list[Problem]:
        """The first hundred problems, and the number of others."""
        if not self._more:
            return list(self._found)
        return [*self._found, Problem("definition", f"{self._more:,} more", "correct these first")]


def describe(value: Any) -> str:
    """``value`` in a few words.

    >>> describe(True), describe([1, 2]), describe("x")
    ('True', 'a list of 2', "'x'")
    """
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return "a mapping"
    if value is UNKNOWN:
        return "a reference"
    if type(value) is int and value.bit_length() > 64:
        return "an integer of more than 64 bits"
    if type(value) not in (bool, int, float, str, bytes):
        return f"a value of type {type(value).__name__}"
    text = repr(value[:_SHOWN] if isinstance(value, str | bytes) else value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def close_to(name: object, known: Iterable[str]) -> str:
    """``did you mean …?`` if a known name is close, otherwise the known names."""
    names = sorted(known)
    close = get_close_matches(str(name), names, 1)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f", … ({len(names)} in all)" if len(names) > _NAMES else ""
    return f"known are {', '.join(names[:_NAMES])}{more}" if names else "none are known"


def only(problems: Problems, place: str, source: Mapping[Any, Any], known: Collection[str]) -> None:
    """Check that every key of ``source`` is one of ``known``."""
    for key in source:
        if key not in known:
            problems.add(join(place, key), "an unknown field", close_to(key, known))


def integer(problems: Problems, path: str, value: Any, low: int, high: int) -> int | None:
    """Check for a whole number from ``low`` to ``high``; a truth value is not one."""
    if type(value) is int and low <= value <= high:
        return value
    problems.add(path, describe(value), f"write a whole number from {low:,} to {high:,}")
    return None


def number(problems: Problems, path: str, value: Any, low: float, high: float) -> float | None:
    """Check for a number from ``low`` to ``high``, returned as float; a truth value is not one."""
    if type(value) in (int, float) and low <= value <= high:
        return float(value)
    problems.add(path, describe(value), f"write a number from {low:,} to {high:,}")
    return None


def seconds(problems: Problems, path: str, value: Any) -> float | None:
    """Check for a duration in seconds, more than 0."""
    if type(value) in (int, float) and 0 < value <= MAX_SECONDS:
        return float(value)
    problems.add(path, describe(value), f"write seconds, more than 0 and at most {MAX_SECONDS:,}")
    return None


def choice(
    problems: Problems, path: str, value: Any, known: Collection[str], later: Collection[str] = ()
) -> str | None:
    """Check for one of ``known``; for one of ``later`` the problem says that it is planned."""
    if isinstance(value, str) and value in known:
        return value
    names = " or ".join(known)
    if isinstance(value, str) and value in later:
        problems.add(path, f"{value!r}, which is not available yet", f"write {names}")
    else:
        problems.add(path, describe(value), f"write {names}")
    return None


def join(place: str, key: object) -> str:
    """The path of ``key`` in the mapping at ``place``; the root's place is empty.

    >>> join("steps[0]", "retry"), join("", " ")
    ('steps[0].retry', "' '")
    """
    name = key if isinstance(key, str) and key.strip() else repr(key)
    return f"{place}.{name}" if place else name
