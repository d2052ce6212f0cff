"""The text of any error, whatever its own code does: it may raise, be endless, or have no encoding.

Nothing here raises, so that a user's error is told, stored and logged like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

MESSAGE_LIMIT = 8_192
"""Characters of an error's text that are kept: a page or two."""

_NAME = 512  # characters of a class's name

_Made = TypeVar("_Made")


def type_name(error: BaseException) -> str:
    """The name of the error's class."""
    return guarded(lambda: clean(type(error).__name__, _NAME), lambda _: "Exception")


def message_of(error: BaseException, limit: int = MESSAGE_LIMIT) -> str:
    """What the error says, or why it says nothing."""
    return guarded(lambda: clean(str(error), limit), unreadable)


def in_words(error: BaseException) -> str:
    """The error's class and what it says.

    >>> in_words(ValueError("no such day"))
    'ValueError: no such day'
    """
    return f"{type_name(error)}: {message_of(error)}"


def clean(text: str, limit: int) -> str:
    r"""The beginning of ``text``, as text that has an encoding.

    >>> clean("half a pair: \ud800", 20), clean("x" * 30, 10)
    ('half a pair: ?', 'xxxxxxxxxx … (30 characters in all)')
    """
    length = str.__len__(text)  # a subclass may say anything
    kept = str.__getitem__(text, slice(limit)).encode(errors="replace").decode()
    return kept if length <= limit else f"{kept} … ({length:,} characters in all)"


def guarded(make: Callable[[], _Made], otherwise: Callable[[str], _Made]) -> _Made:
    """What ``make`` gives; if it raises, what ``otherwise`` makes of the error's class name."""
    try:
        return make()
    except BaseException as failed:  # noqa: BLE001 - SystemExit in an error's text ends no thread
        return otherwise(type(failed).__name__)


def unreadable(why: str) -> str:
    """What stands for a text that raises."""
    return f"its text cannot be read: {why}"
