"""Expected counts of rows: compared with the actual counts, never used as results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from indelible.actors.workflow.definition.references import UNKNOWN
from indelible.errors import Problem, StepDataError

_FIX = "write a whole number from 0, or {min: …, max: …}"


def validate_expectation(path: str, expected: Any) -> Iterator[Problem]:
    """Problems of an expectation: a number, or a mapping with ``min``, ``max`` or both."""
    if expected is UNKNOWN or _is_count(expected):
        return
    if not isinstance(expected, Mapping) or not expected or expected.keys() - {"min", "max"}:
        yield Problem(path, f"{expected!r:.60}", _FIX)
        return
    for key, bound in expected.items():
        if bound is not UNKNOWN and not _is_count(bound):
            yield Problem(f"{path}.{key}", f"{bound!r:.60}", "write a whole number from 0")
    low, high = expected.get("min", 0), expected.get("max", 0)
    if "max" in expected and _is_count(low) and _is_count(high) and low > high:
        yield Problem(path, f"min {low} above max {high}", "exchange them")


def check_expectation(step: str, what: str, expected: Any, count: int) -> None:
    """Compare ``count`` with ``expected``.

    Raises:
        StepDataError: The count is not as expected.

    >>> check_expectation("load", "rows", {"min": 1, "max": 3}, 2)
    """
    for problem in validate_expectation(what, expected):
        raise StepDataError(step, f"{problem.path} is {problem.found}", problem.fix)
    if isinstance(expected, Mapping):
        low, high = expected.get("min", 0), expected.get("max")
        wanted = f"at least {low}" if high is None else f"{low} to {high}"
    else:
        low = high = expected
        wanted = str(expected)
    if count < low or (high is not None and count > high):
        fix = "look at the data, or change the expectation"
        raise StepDataError(step, f"{count:,} {what} where {wanted} were expected", fix)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0
