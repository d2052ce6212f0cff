"""How many shards each living process is to have; pure, and the same seen from everywhere."""

from __future__ import annotations

from collections.abc import Sequence


def fair_share(shards: int, living: Sequence[str], process: str) -> int:
    """The shards that ``process`` is to have, of those ``living`` in the order of their coming.

    All shares together are all shards.  The earliest have one more where it does not come out even,
    so that one who joins or leaves changes little for the others.

    >>> [fair_share(64, ["a", "b", "c"], one) for one in "abc"], fair_share(64, ["a"], "z")
    ([22, 21, 21], 0)
    """
    if process not in living:
        return 0
    least, more = divmod(shards, len(living))
    return least + (living.index(process) < more)
