"""A group of appends, parted by shard: one plan each, written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from indelible.errors import StaleEpochError
from indelible.events.commit.append_outcomes import fresh
from indelible.events.commit.shard_plan import Closed, Head, ShardPlan, make_plan, shard_of
from indelible.events.lease.owned_shards import OwnedShards
from indelible.events.store import Append


class GroupPlan:
    """What becomes of one group.

    Attributes:
        plans: What is written, one a shard.
        refused: Appends that fail alone, each with its error.
        left: Appends for the next group, in order.
    """

    __slots__ = ("left", "plans", "refused")

    def __init__(self) -> None:
        """Nothing is planned."""
        self.plans: list[ShardPlan] = []
        self.refused: list[tuple[Append, BaseException]] = []
        self.left: list[Append] = []

    def give_up(self, stale: StaleEpochError) -> bool:
        """Refuse what was planned for a shard that has another owner; ``False`` if nothing was."""
        for plan in self.plans:
            if plan.before.number == stale.shard:
                self.plans.remove(plan)
                self.refuse(plan.accepted, stale)
                return True
        return False

    def refuse(self, appends: Sequence[Append], error: BaseException) -> None:
        """Let ``appends`` fail with ``error``, and what their writers send after them."""
        for append in appends:
            if append.pipeline is not None:
                append.pipeline.broken = True
            self.refused.append((append, fresh(error)))


def part(
    group: Sequence[Append],
    shards: int,
    owned_shards: OwnedShards,
    heads: Mapping[str, Head],
    now: int,
    closed: Mapping[int, Closed],
    late: Callable[[], bool],
) -> GroupPlan:
    """Plan ``group`` over the owned shards, by :func:`make_plan` for each."""
    parts = GroupPlan()
    for number, appends in _by_shard(group, shards).items():
        shard = owned_shards.shards.get(number)
        if shard is None:
            parts.refuse(appends, owned_shards.why_not(number))
            continue
        plan = make_plan(appends, shard, heads, now, closed=closed.get(number), late=late)
        parts.left += appends[plan.taken :]
        parts.refused += plan.refused
        if plan.accepted:
            parts.plans.append(plan)
    return parts


def _by_shard(group: Sequence[Append], shards: int) -> dict[int, Sequence[Append]]:
    if shards == 1:
        return {0: group}
    found: dict[int, list[Append]] = {}
    for append in group:
        found.setdefault(shard_of(append.stream, shards), []).append(append)
    return dict(found)
