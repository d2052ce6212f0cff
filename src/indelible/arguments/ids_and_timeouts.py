"""Checks of ids, names, categories and time-outs."""

from __future__ import annotations

from collections.abc import Iterable

from indelible.errors import RefusedError

CATEGORY_LIMIT = 50
"""Characters of a category: with a dash and an id of 200 it is a stream's name, at most 255."""

MAX_SECONDS = 1e8
"""Seconds, three years: threads accept little more (``threading.TIMEOUT_MAX``)."""

_OWN = ("run", "projection")  # the categories of the engine's streams


def check_id(what: str, text: str) -> None:
    """Refuse an id that cannot be part of a stream's name.

    Raises:
        RefusedError: ``text`` is not text of 1 to 200 printable characters.
    """
    if not isinstance(text, str) or not 1 <= len(text) <= 200 or not text.isprintable():
        raise RefusedError(f"{what} {text!r:.300} is not text of 1 to 200 printable characters")


def check_seconds(timeout: float) -> float:
    """``timeout``, or if it is longer, such as infinity, the longest that threads can wait.

    Raises:
        RefusedError: ``timeout`` is not a number, or below 0.

    >>> check_seconds(2.5), check_seconds(float("inf"))
    (2.5, 100000000.0)
    """
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not number or not timeout >= 0:  # NaN is neither
        raise RefusedError(f"timeout {timeout!r} is no number of seconds: give 0 or more")
    return min(timeout, MAX_SECONDS)


def check_timeout(timeout: float | None) -> float | None:
    """As :func:`check_seconds`; ``None`` stays ``None``.

    Raises:
        RefusedError: ``timeout`` is not a number, or below 0.
    """
    return None if timeout is None else check_seconds(timeout)


def check_categories(categories: Iterable[str]) -> None:
    """Refuse categories that cannot begin a stream's name, or are taken.

    Raises:
        ValueError: A category cannot be used.
    """
    seen: set[str] = set(_OWN)
    for category in categories:
        if category in seen:
            taken = "is the engine's own" if category in _OWN else "is given twice"
            raise ValueError(f"the actor category {category!r} {taken}; choose another")
        if (
            not category.isprintable()
            or "-" in category
            or not 1 <= len(category) <= CATEGORY_LIMIT
        ):
            raise ValueError(
                f"{category!r} is no category: set Decider.category to 1 to {CATEGORY_LIMIT} "
                "printable characters without a dash, which ends a category"
            )
        seen.add(category)
