"""Retrying and skipping parked events: through the store's service, or without one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from indelible.cli.tasks.open_system import client_of
from indelible.cli.tasks.rebuild_views import has_service, views_without_system
from indelible.clock import SystemClock
from indelible.events.model.event_types import EventTypes
from indelible.events.store import Cursor, EventStore
from indelible.ids import Ids
from indelible.projections.queries.view_queries import Views
from indelible.projections.views.custom import Projection
from indelible.readers.parked_events import ParkedEvents, RetryEvent, SkipEvent, event_of


@contextmanager
def opened_parked_events(url: str, own: Sequence[Projection]) -> Iterator[ParkedEvents]:
    """The parked events of the store at ``url``; no run is resumed.

    Raises:
        StoreNotFoundError: There is no store; none was created.
        StoreOwnedError: Another process owns the store, and does not serve it.
    """
    if has_service(url):
        with client_of(url) as system:
            yield system.parked
        return
    clock = SystemClock()
    with views_without_system(url, own) as (store, runner, types):

        def record(stream: str, message: RetryEvent | SkipEvent, _timeout: float) -> Cursor:
            return append(store, types, stream, message)

        yield ParkedEvents(Views(store, [one.name for one in own]), runner, clock, record)


def append(
    store: EventStore, types: EventTypes, stream: str, message: RetryEvent | SkipEvent
) -> Cursor:
    """Record ``message`` in a store that this process owns; return the event's position."""
    head = store.head(stream)
    encoded = types.encode(event_of(message), Ids().uuid7())
    [event] = store.append(stream, [encoded], expected=head.version if head else 0)
    return {event.shard: event.position}
