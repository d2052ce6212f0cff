"""Finds out whether a commit happened whose outcome the database did not report."""

from __future__ import annotations

from collections.abc import Sequence

from indelible.events.commit.backend import Backend
from indelible.events.commit.shard_plan import ShardPlan


def is_durable(backend: Backend, plans: Sequence[ShardPlan]) -> bool:
    """Whether ``plans`` are durable: their event ids then stand at their streams and versions."""
    places = [
        (stream, event.version)
        for plan in plans
        for stream, events in zip(plan.ids, plan.events, strict=True)
        for event in events
    ]
    ids = [event.event_id for plan in plans for events in plan.events for event in events]
    return bool(ids) and list(backend.event_ids(places)) == ids
