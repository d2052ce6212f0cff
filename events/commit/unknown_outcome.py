"""Whether a commit of unknown outcome has happened: the database was gone before it answered."""

from __future__ import annotations

from collections.abc import Sequence

from indelible.events.commit.backend import Backend
from indelible.events.commit.shard_plan import ShardPlan


def landed(backend: Backend, plans: Sequence[ShardPlan]) -> bool:
    """Whether ``plans`` are durable: then the event ids at their places are theirs."""
    places = [
        (stream, event.version)
        for plan in plans
        for stream, events in zip(plan.ids, plan.events, strict=True)
        for event in events
    ]
    ids = [event.event_id for plan in plans for events in plan.events for event in events]
    return bool(ids) and list(backend.event_ids(places)) == ids
