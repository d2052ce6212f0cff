"""The names of streams: what is allowed, and what they say."""

from __future__ import annotations

from indelible.errors import ValueNotStorableError

NAME_LIMIT = 255
"""Characters of a stream's name: a category, a dash and an id of 200."""


def category_of(name: str) -> str:
    """What stands before the first dash.

    >>> category_of("run-2013-01")
    'run'
    """
    return name.partition("-")[0]


def check_name(name: str) -> None:
    """See that a new stream may be called ``name``.

    Raises:
        ValueNotStorableError: It is empty, too long, or not printable.
    """
    if not is_text(name) or not 1 <= len(name) <= NAME_LIMIT or not name.isprintable():
        raise ValueNotStorableError(
            "the stream's name", f"{name!a:.80}", f"use 1 to {NAME_LIMIT} printable characters"
        )


def is_text(name: object) -> bool:
    r"""Whether ``name`` is a str of valid Unicode, as every database demands.

    >>> is_text("run-1"), is_text("run-\ud800")
    (True, False)
    """
    if not isinstance(name, str):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
