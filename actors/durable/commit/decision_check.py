"""Explains why a value that ``decide`` returned is not a valid decision."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from indelible.actors.decider import Decider, Decision
from indelible.errors import WrongDecisionError
from indelible.errors.error_text import clean, guarded, unreadable
from indelible.events.model.event import Event

_SHOWN = 80
"""Characters of a value in an error: enough to recognise it."""


def wrong_decision(decider: Decider[Any], decision: Any) -> WrongDecisionError | None:
    """The error for an invalid ``decision`` of ``decider``; ``None`` if it is valid.

    Called only after an exception, for which an invalid decision may be the reason.
    """
    found = _found(decision)
    return None if found is None else WrongDecisionError(type(decider).__name__, found)


def _found(decision: Any) -> str | None:
    if inspect.iscoroutine(decision):
        decision.close()  # or Python warns that it was never awaited
        return "a coroutine"
    if type(decision) is Decision:
        for part in ("events", "effects", "blobs"):
            value = getattr(decision, part)
            if not isinstance(value, Iterable):
                return f"a Decision whose {part} are {_shown(value)}"
        decision = decision.events
    if isinstance(decision, str | bytes) or not isinstance(decision, Iterable):
        return _shown(decision)
    if not isinstance(decision, tuple | list):
        return None  # an iterator may be used up already
    other = [value for value in decision if not isinstance(value, Event)]
    return f"{_shown(other[0])} among its events" if other else None


def _shown(value: Any) -> str:
    return guarded(lambda: clean(repr(value), _SHOWN), unreadable)
