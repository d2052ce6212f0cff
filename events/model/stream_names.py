"""Checks names of streams and types of events, and finds a stream's category."""

from __future__ import annotations

from functools import lru_cache

from indelible.errors import ValueNotStorableError

NAME_LIMIT = 255
"""Characters of a stream's name: a category, a dash and an id of 200."""

KIND_LIMIT = 255
"""Characters of the wire name of an event."""


def category_of(name: str) -> str:
    """Return the part of a stream's name before the first dash.

    >>> category_of("run-2013-01")
    'run'
    """
    return name.partition("-")[0]


def check_name(name: str) -> None:
    """Check that a new stream may have ``name``.

    Raises:
        ValueNotStorableError: The name is empty, too long, or not printable.
    """
    if not is_text(name) or not 1 <= len(name) <= NAME_LIMIT or not name.isprintable():
        raise ValueNotStorableError(
            "the stream's name", f"{name!a:.80}", f"use 1 to {NAME_LIMIT} printable characters"
        )


@lru_cache(maxsize=1_000)
def check_kind(wire_name: str, schema: int) -> None:
    """Check that every database can store an event's type and schema number.

    Raises:
        ValueNotStorableError: The name is not text, or the number not a positive 32-bit integer.
    """
    if not is_text(wire_name) or len(wire_name) > KIND_LIMIT:
        wanted = f"use at most {KIND_LIMIT} characters without NUL"
        raise ValueNotStorableError("an event's type", f"{wire_name!a:.80}", wanted)
    if not 0 <= schema < 2**31:
        raise ValueNotStorableError("an event's schema", str(schema), "use 0 to 2147483647")


def is_text(name: object) -> bool:
    r"""Whether ``name`` is a str of valid Unicode without NUL, which every database accepts.

    >>> is_text("run-1"), is_text("run-\ud800"), is_text("run-\0")
    (True, False, False)
    """
    if not isinstance(name, str) or "\0" in name:
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
