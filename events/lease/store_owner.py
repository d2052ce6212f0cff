"""The owner of a store, or of some of its shards, as other processes see it."""

from __future__ import annotations

import msgspec


class StoreOwner(msgspec.Struct, frozen=True):
    """A process, as it has described itself; ``since`` in microseconds UTC."""

    owner: str
    host: str
    pid: int
    since: int
