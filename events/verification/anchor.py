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


class Place(NamedTuple):
    """Where a shard ended: its last position, and the hash chain up to there."""

    position: int
    chain: bytes


Anchor = Mapping[int, Place]
"""The places of all shards that held an event."""


def format_anchor(anchor: Anchor, now: int) -> str:
    """``anchor`` as one line of JSON; ``now`` is microseconds UTC, for people.

    >>> format_anchor({0: Place(7, bytes(32))}, 0)[:78]
    '{"format": "indelible-anchor-1", "time": "1970-01-01T00:00:00Z", "shards": {"0'
    """
    time = datetime.fromtimestamp(now // 1_000_000, UTC)
    shards = {
        str(shard): {"position": place.position, "chain": place.chain.hex()}
        for shard, place in sorted(anchor.items())
    }
    return json.dumps({"format": FORMAT, "time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "shards": shards})


def parse_anchor(text: str | bytes) -> Anchor:
    """The anchor that :func:`format_anchor` wrote.

    Raises:
        AnchorError: It is something else.
    """
    try:
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']!r:.80}")
        return dict(_places(value["shards"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise AnchorError(f"{type(error).__name__}: {error}") from error


def _places(shards: Mapping[str, Any]) -> Iterable[tuple[int, Place]]:
    for shard, place in shards.items():
        position, chain = place["position"], bytes.fromhex(place["chain"])
        if type(position) is not int or position < 1 or len(chain) != _CHAIN or int(shard) < 0:
            raise ValueError(f"shard {shard} has no such place")
        yield int(shard), Place(position, chain)
