"""Who owns a store, or some shards of it, as far as it can be seen from another process."""

from __future__ import annotations

import msgspec


class StoreOwner(msgspec.Struct, frozen=True):
    """A process, as it says itself; ``since`` in microseconds UTC."""

    owner: str
    host: str
    pid: int
    since: int
