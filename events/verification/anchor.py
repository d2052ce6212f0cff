"""Anchors: where every shard ended at some moment, as text that people keep elsewhere.

A hash chain shows changes to those who know its end.  Whoever can write the database can compute
all of the chain anew, or cut off its end; against that its end is kept where they cannot write.
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
    """Where a shard ended: its last position, and the hash chain up to there."""

    position: int
    chain: bytes


Anchor = Mapping[int, AnchoredEnd]
"""The places of all shards that held an event."""


def format_anchor(anchor: Anchor, now: int) -> str:
    """``anchor`` as one line of JSON; ``now`` is microseconds UTC, for people.

    It counts the events, so that the anchor of an empty store says so and is no empty one.

    >>> format_anchor({}, 0)
    '{"format": "indelible-anchor-1", "time": "1970-01-01T00:00:00Z", "events": 0, "shards": {}}'
    """
    time = datetime.fromtimestamp(now // 1_000_000, UTC)
    shards = {
        str(shard): {"position": place.position, "chain": place.chain.hex()}
        for shard, place in sorted(anchor.items())
    }
    head = {"format": FORMAT, "time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "events": events_of(anchor)}
    return json.dumps(head | {"shards": shards})


def events_of(anchor: Anchor) -> int:
    """How many events the log had: positions have no gaps.

    >>> events_of({0: AnchoredEnd(7, bytes(32)), 5: AnchoredEnd(2, bytes(32))}), events_of({})
    (9, 0)
    """
    return sum(place.position for place in anchor.values())


def parse_anchor(text: str | bytes) -> Anchor:
    """The anchor that :func:`format_anchor` wrote; its earlier ones did not count the events.

    Raises:
        AnchorError: It is something else, or has lost shards.
    """
    try:
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']!r:.80}")
        anchor = dict(_places(value["shards"]))
        _check_complete(anchor, value.get("events"))
        return anchor
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise AnchorError(f"{type(error).__name__}: {error}") from error


def _places(shards: Mapping[str, Any]) -> Iterable[tuple[int, AnchoredEnd]]:
    for shard, place in shards.items():
        position, chain = place["position"], bytes.fromhex(place["chain"])
        if type(position) is not int or position < 1 or len(chain) != _CHAIN:
            raise ValueError(f"shard {shard} has no such place")
        if int(shard) < 0 or str(int(shard)) != shard:  # 00 would hide 0
            raise ValueError(f"shard {shard!r:.80} is no number from 0")
        yield int(shard), AnchoredEnd(position, chain)


def _check_complete(anchor: Anchor, events: Any) -> None:
    """Refuse an anchor that any log would hold, or one with fewer shards than it was made of."""
    has = events_of(anchor)
    if events is None and not anchor:
        raise ValueError("it says nothing: no shard, and not that there was no event")
    if events is not None and (type(events) is not int or events != has):
        raise ValueError(f"it is of {events!r:.80} events, and its shards have {has}")
