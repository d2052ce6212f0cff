"""Anchors: the ends of all shards at some moment, as text that is kept outside the store.

A hash chain shows changes only to a reader that knows its end.  A person who can write the database
can compute the whole chain anew, or cut off its end; an anchor that is stored where this person
cannot write shows both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from indelible.errors import AnchorError

FORMAT = "indelible-anchor-1"

_CHAIN = 32  # bytes


class AnchoredEnd(NamedTuple):
    """The end of a shard: its last position, and the hash chain up to it."""

    position: int
    chain: bytes


Anchor = Mapping[int, AnchoredEnd]
"""The ends of all shards that held an event."""


def format_anchor(anchor: Anchor, now: int) -> str:
    """Return ``anchor`` as one line of JSON; ``now``, in microseconds UTC, is for people to read.

    The line counts the events, so that the anchor of an empty store differs from a truncated one.

    >>> format_anchor({}, 0)
    '{"format": "indelible-anchor-1", "time": "1970-01-01T00:00:00Z", "events": 0, "shards": {}}'
    """
    time = datetime.fromtimestamp(now // 1_000_000, UTC)
    shards = {
        str(shard): {"position": end.position, "chain": end.chain.hex()}
        for shard, end in sorted(anchor.items())
    }
    head = {"format": FORMAT, "time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "events": events_of(anchor)}
    return json.dumps(head | {"shards": shards})


def events_of(anchor: Anchor) -> int:
    """Return how many events the log had: positions have no gaps.

    >>> events_of({0: AnchoredEnd(7, bytes(32)), 5: AnchoredEnd(2, bytes(32))}), events_of({})
    (9, 0)
    """
    return sum(end.position for end in anchor.values())


def parse_anchor(text: str | bytes) -> Anchor:
    """Parse a text of :func:`format_anchor`; older texts do not count the events.

    Raises:
        AnchorError: ``text`` has another form, or has lost shards.
    """
    try:
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']!r:.80}")
        anchor = dict(_ends(value["shards"]))
        _check_complete(anchor, value.get("events"))
        return anchor
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise AnchorError(f"{type(error).__name__}: {error}") from error


def _ends(shards: Mapping[str, Any]) -> Iterable[tuple[int, AnchoredEnd]]:
    for shard, end in shards.items():
        position, chain = end["position"], bytes.fromhex(end["chain"])
        if type(position) is not int or position < 1 or len(chain) != _CHAIN:
            raise ValueError(f"shard {shard} has no such place")
        if int(shard) < 0 or str(int(shard)) != shard:  # 00 would hide 0
            raise ValueError(f"shard {shard!r:.80} is no number from 0")
        yield int(shard), AnchoredEnd(position, chain)


def _check_complete(anchor: Anchor, events: Any) -> None:
    """Refuse an anchor that every log would match, or one that has lost shards."""
    has = events_of(anchor)
    if events is None and not anchor:
        raise ValueError("it says nothing: no shard, and not that there was no event")
    if events is not None and (type(events) is not int or events != has):
        raise ValueError(f"it is of {events!r:.80} events, and its shards have {has}")
