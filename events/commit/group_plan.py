"""Plans a group of appends: one plan for each shard, all written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from indelible.errors import StaleEpochError
from indelible.events.commit.append_outcomes import copy_error
from indelible.events.commit.shard_plan import Closed, Head, ShardPlan, make_plan, shard_of
from indelible.events.lease.owned_shards import OwnedShards
from indelible.events.store import Append


class GroupPlan:
    """The plan for one group.

    Attributes:
        plans: The plans of the shards that the group writes to.
        refused: Appends that fail alone, each with its error.
        deferred: Appends for the next group, in order.
    """

    __slots__ = ("deferred", "plans", "refused")

    def __init__(self) -> None:
        """Start empty."""
        self.plans: list[ShardPlan] = []
        self.refused: list[tuple[Append, BaseException]] = []
        self.deferred: list[Append] = []

    def refuse_shard(self, stale: StaleEpochError) -> bool:
        """Refuse the plan of a shard that has another owner; ``False`` if there is no such plan."""
        for plan in self.plans:
            if plan.before.number == stale.shard:
                self.plans.remove(plan)
                self.refuse(plan.accepted, stale)
                return True
        return False

    def refuse(self, appends: Sequence[Append], error: BaseException) -> None:
        """Refuse ``appends`` with ``error``; later appends of their pipelines fail too."""
        for append in appends:
            if append.pipeline is not None:
                append.pipeline.broken = True
            self.refused.append((append, copy_error(error)))


def plan_group(
    group: Sequence[Append],
    shards: int,
    owned_shards: OwnedShards,
    heads: Mapping[str, Head],
    now: int,
    closed: Mapping[int, Closed],
    late: Callable[[], bool],
) -> GroupPlan:
    """Plan ``group``, by :func:`make_plan` for each owned shard."""
    group_plan = GroupPlan()
    for number, appends in _by_shard(group, shards).items():
        shard = owned_shards.shards.get(number)
        if shard is None:
            group_plan.refuse(appends, owned_shards.why_not(number))
            continue
        plan = make_plan(appends, shard, heads, now, closed=closed.get(number), late=late)
        group_plan.deferred += appends[plan.taken :]
        group_plan.refused += plan.refused
        if plan.accepted:
            group_plan.plans.append(plan)
    return group_plan


def _by_shard(group: Sequence[Append], shards: int) -> dict[int, Sequence[Append]]:
    if shards == 1:
        return {0: group}
    found: dict[int, list[Append]] = {}
    for append in group:
        found.setdefault(shard_of(append.stream, shards), []).append(append)
    return dict(found)
