"""Computes how many shards each living process should have; pure, so all processes agree."""

from __future__ import annotations

from collections.abc import Sequence


def fair_share(shards: int, living: Sequence[str], process: str) -> int:
    """Return how many shards ``process`` should have, one of the ``living`` in order of joining.

    The shares add up to all shards.  If they cannot be equal, the earliest processes have one more,
    so that a process that joins or leaves changes few shares.

    >>> [fair_share(64, ["a", "b", "c"], one) for one in "abc"], fair_share(64, ["a"], "z")
    ([22, 21, 21], 0)
    """
    if process not in living:
        return 0
    least, more = divmod(shards, len(living))
    return least + (living.index(process) < more)
