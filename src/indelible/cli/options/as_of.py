"""``--as-of``: a moment of the past, as text."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from indelible.events.read.as_of import AsOf

Moment = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="MOMENT",
        help="As of a version, a SHARD:POSITION, or a time such as 2013-01-31T09:00Z.",
    ),
]
LogMoment = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="MOMENT",
        help="As of a time such as 2013-01-31T09:00Z, or a SHARD:POSITION (several: 0:12,1:9).",
    ),
]

_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)
_POSITION = re.compile(r"([0-9]{1,18}):([0-9]{1,18})", re.ASCII)


def parse_as_of(text: str | None) -> AsOf | None:
    """The moment that ``text`` names; a cursor if it names several positions.

    Raises:
        typer.BadParameter: ``text`` names no moment, or a time without a zone.

    >>> parse_as_of("12"), parse_as_of("0:345")
    (12, Position(shard=0, position=345))
    >>> parse_as_of("0:12,1:9")
    {0: 12, 1: 9}
    """
    from indelible.events.read.as_of import Position

    if text is None:
        return None
    if _VERSION.fullmatch(text):
        return int(text)
    pairs = [_POSITION.fullmatch(part) for part in text.split(",")]
    found = [(int(pair[1]), int(pair[2])) for pair in pairs if pair is not None]
    if found and len(found) == len(pairs) == len(dict(found)):
        return Position(*found[0]) if len(found) == 1 else dict(found)
    return _time(text)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no moment; write a version (12), a SHARD:POSITION (0:345) or a time"
            " (2013-01-31T09:00:00Z)",
            param_hint="--as-of",
        ) from None
    if time.utcoffset() is None:
        raise typer.BadParameter(
            f"{text!r} has no time zone; write Z for UTC or an offset such as +01:00",
            param_hint="--as-of",
        )
    return time
