"""The text of any error, also if its own code raises, or the text is too long or not encodable.

These functions never raise, so that users' errors can be answered, stored and logged.
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
    """The error's text, or why it cannot be read."""
    return guarded(lambda: clean(str(error), limit), unreadable)


def in_words(error: BaseException) -> str:
    """The name of the error's class, and its text.

    >>> in_words(ValueError("no such day"))
    'ValueError: no such day'
    """
    return f"{type_name(error)}: {message_of(error)}"


def clean(text: str, limit: int) -> str:
    r"""The beginning of ``text``, with characters replaced that cannot be encoded.

    >>> clean("half a pair: \ud800", 20), clean("x" * 30, 10)
    ('half a pair: ?', 'xxxxxxxxxx … (30 characters in all)')
    """
    length = str.__len__(text)  # a subclass may return a wrong length
    kept = str.__getitem__(text, slice(limit)).encode(errors="replace").decode()
    return kept if length <= limit else f"{kept} … ({length:,} characters in all)"


def guarded(make: Callable[[], _Made], otherwise: Callable[[str], _Made]) -> _Made:
    """The result of ``make``; if it raises, ``otherwise`` of the name of the error's class."""
    try:
        return make()
    except BaseException as failed:  # noqa: BLE001 - also SystemExit, which may not end a thread
        return otherwise(type(failed).__name__)


def unreadable(why: str) -> str:
    """The replacement for a text that cannot be read."""
    return f"its text cannot be read: {why}"
