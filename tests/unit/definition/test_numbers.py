"""Every number of a step has its range; all else is an error with its path and the range."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from indelible.actors.effects.retry_policy import retry_delay
from indelible.actors.workflow.definition.compile import compile_definition
from indelible.actors.workflow.definition.field_checks import MAX_SECONDS
from indelible.actors.workflow.definition.plan import Node
from indelible.errors import DefinitionError, Problem

STEP = {"name": "a", "type": "t"}


def short(value: object) -> str:
    """What pytest calls a case."""
    return repr(value)[:20]


def step_of(step: dict[str, Any]) -> Node:
    return compile_definition({"name": "w", "steps": [step]}, None).nodes[1]


def fault(step: dict[str, Any]) -> Problem:
    with pytest.raises(DefinitionError) as caught:
        step_of(step)
    [problem] = caught.value.problems
    return problem


INF, NAN, MANY = float("inf"), float("nan"), 10**400
NO_NUMBERS: tuple[Any, ...] = (
    *(True, False, "3", b"3", [], [3], {}, Decimal(3), INF, -INF, NAN),
    *(1e300, -1e300, MANY, -MANY, 2**63, 2**64, -1, -1e-9),
)
"""No value of any number in a definition."""


@pytest.mark.parametrize(
    "value", [*NO_NUMBERS, 0, -0.0, MAX_SECONDS + 1, MAX_SECONDS + 0.1], ids=short
)
def test_a_timeout_is_a_number_of_seconds_above_zero(value: Any) -> None:
    path, found, fix = fault(STEP | {"timeout": value})
    assert path == "steps[0].timeout"
    assert 0 < len(found) < 80
    assert fix == "write seconds, more than 0 and at most 316,224,000"


RETRY: dict[str, tuple[str, list[Any]]] = {
    "attempts": ("a whole number from 1 to 1,000,000", [0, 1.5, 2.0, 1_000_001, None]),
    "delay": ("a number from 0 to 316,224,000", [MAX_SECONDS + 1, None]),
    "backoff": ("a number from 1 to 1,000", [0, 0.5, 1_000.1, None]),
    "max_delay": ("a number from 0 to 316,224,000", [MAX_SECONDS + 1, None]),
    "jitter": ("a number from 0 to 1", [1.1, "x", 2, None]),
}


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, (_, more) in RETRY.items() for value in (*NO_NUMBERS, *more)],
    ids=short,
)
def test_each_number_of_a_retry_has_its_range(field: str, value: Any) -> None:
    path, found, fix = fault(STEP | {"retry": {"attempts": 2} | {field: value}})
    assert path == f"steps[0].retry.{field}"
    assert 0 < len(found) < 80
    assert fix == f"write {RETRY[field][0]}"


@pytest.mark.parametrize("value", [1, 0.5, 1e-9, 5e-324, MAX_SECONDS, float(MAX_SECONDS)])
def test_a_timeout_may_be_as_short_as_a_number_can_be(value: float) -> None:
    assert step_of(STEP | {"timeout": value}).timeout == value


@pytest.mark.parametrize(
    "retry",
    [
        {"attempts": 1_000_000, "delay": 0, "backoff": 1, "max_delay": 0, "jitter": 0},
        {"attempts": 2, "delay": -0.0, "backoff": 1.0, "max_delay": -0.0, "jitter": -0.0},
        {"attempts": 2, "delay": 5e-324, "backoff": 1_000, "max_delay": 5e-324, "jitter": 1},
        {"attempts": 2, "delay": MAX_SECONDS, "max_delay": MAX_SECONDS},
        {"attempts": 2, "delay": MAX_SECONDS, "backoff": 1_000, "max_delay": MAX_SECONDS},
    ],
)
def test_the_ends_of_the_ranges_of_a_retry_are_in_them(retry: dict[str, float]) -> None:
    policy = step_of(STEP | {"retry": retry}).retry
    assert {field: getattr(policy, field) for field in retry} == retry
    for attempt in (1, 2, 1_000_000):
        assert 0 <= retry_delay(policy, "run", "a", attempt) <= policy.max_delay


@pytest.mark.parametrize(
    "retry", [*(value for value in NO_NUMBERS if value != {}), 0, 2.0], ids=short
)
def test_a_retry_is_a_number_or_a_mapping(retry: Any) -> None:
    path, found, fix = fault(STEP | {"retry": retry})
    assert path == "steps[0].retry"
    assert 0 < len(found) < 80
    range_of_attempts = "write a whole number from 1 to 1,000,000"
    either = "write how many attempts in all, or {attempts: 3, delay: 1.0, …}"
    assert fix == (range_of_attempts if type(retry) is int else either)


def test_a_maximum_below_the_delay_is_an_error() -> None:
    problem = fault(STEP | {"retry": {"attempts": 2, "delay": 5, "max_delay": 4}})
    assert problem == Problem("steps[0].retry.max_delay", "4, less than the delay", "raise it")
