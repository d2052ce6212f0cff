"""Retrying and skipping events that a view could not apply: recorded first, then carried out.

A decision is an event of the stream ``projection-NAME``, appended by the owner of its shard.  The
process that updates the view carries the decision out when the view reaches that event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec

from indelible.actors.decider import Decider, Decision
from indelible.arguments.ids_and_timeouts import check_seconds
from indelible.clock import Clock
from indelible.errors import ParkedAgainError, UnknownParkedEventError, ViewsBehindError
from indelible.events.model.event import Event
from indelible.events.model.projection_events import (
    CATEGORY,
    PROJECTION_EVENTS,
    EventRetried,
    EventSkipped,
    stream_of,
)
from indelible.events.store import Cursor
from indelible.events.subscribe.log_followers import CallOffLoop
from indelible.projections.engine.runner import ProjectionRunner
from indelible.projections.queries.view_queries import ParkedEvent, Views
from indelible.remote.remote_future import ASK_TIMEOUT


class RetryEvent(msgspec.Struct, frozen=True):
    """Have a view try a parked event again; the fields are those of the resulting event."""

    projection: str
    shard: int
    position: int
    at: int
    by: str
    reason: str


class SkipEvent(msgspec.Struct, frozen=True):
    """Have a view go on without a parked event."""

    projection: str
    shard: int
    position: int
    at: int
    by: str
    reason: str


def event_of(message: RetryEvent | SkipEvent) -> EventRetried | EventSkipped:
    """The event that records ``message``."""
    return _CAUSES[type(message)](**msgspec.structs.asdict(message))


_CAUSES: dict[type, type[EventRetried | EventSkipped]] = {
    RetryEvent: EventRetried,
    SkipEvent: EventSkipped,
}


class ViewDecider(Decider[int]):
    """Records the decisions about one view; the state is their number."""

    category: ClassVar[str] = CATEGORY
    event_types: ClassVar[Sequence[type[Event]]] = PROJECTION_EVENTS
    message_types: ClassVar[Sequence[type[msgspec.Struct]]] = (RetryEvent, SkipEvent)

    def initial_state(self) -> int:
        """No decision yet."""
        return 0

    def decide(self, state: int, message: Any) -> Decision:
        """Record the decision; the reply is its version in the stream."""
        return Decision([event_of(message)], state + 1)

    def evolve(self, state: int, event: Any) -> int:  # noqa: ARG002 - only counted
        """Count the decision."""
        return state + 1


Record = Callable[[str, RetryEvent | SkipEvent, float], Cursor]
"""Records a message in a stream within a number of seconds; returns the event's position."""


class ParkedEvents:
    """Events that views could not apply: list, retry, skip; any thread may call the methods.

    A parked event stops no other: the view applies later events, of the same stream too, as far as
    they can be applied without it.
    """

    def __init__(
        self,
        views: Views,
        projections: ProjectionRunner,
        clock: Clock,
        record: Record,
        off_loop: CallOffLoop = asyncio.to_thread,
    ) -> None:
        """Write with ``record``, then wait for ``projections``.

        ``off_loop`` runs the blocking calls of the async twins.
        """
        self._views = views
        self._projections = projections
        self._clock = clock
        self._record = record
        self._off_loop = off_loop

    def list(
        self, projection: str | None = None, *, limit: int = 50, skipped: bool = False
    ) -> Sequence[ParkedEvent]:
        """At most ``limit`` parked or skipped events, ordered by view and position.

        Raises:
            UnknownProjectionError: There is no view ``projection``.
            StoreUnavailableError: The database does not answer.
        """
        return self._views.parked(projection, limit, "skipped" if skipped else "parked")

    def retry(
        self,
        projection: str,
        shard: int,
        position: int,
        *,
        by: str = "",
        reason: str = "",
        timeout: float = ASK_TIMEOUT,
    ) -> None:
        """Have a view try an event again, after the cause is fixed; recorded in any case.

        A view with rows of each stream (``workflow_status``) folds all events of that stream again,
        in order, including its other parked events.  A view without (``metrics``) applies this
        event now, after later events.

        Args:
            projection: Name of the view.
            shard: Shard of the event, from :meth:`list`.
            position: Position of the event, from :meth:`list`.
            by: The person who decides; recorded.
            reason: The reason; recorded.
            timeout: Seconds.

        Raises:
            UnknownProjectionError: There is no view ``projection``; nothing was recorded.
            UnknownParkedEventError: The view has parked no such event; nothing was recorded.
            ParkedAgainError: The view still cannot apply the event, which stays parked.
            ViewsBehindError: The view did not reach the decision in time; it will carry it out.
            AskTimeoutError, NobodyAnswersError: The decision may have been recorded.
        """
        self._decide(RetryEvent, projection, shard, position, by, reason, timeout)
        row = self._views.parked_at(projection, shard, position)
        if row is not None:
            raise ParkedAgainError(projection, shard, position, row.error)

    def skip(
        self,
        projection: str,
        shard: int,
        position: int,
        *,
        by: str = "",
        reason: str = "",
        timeout: float = ASK_TIMEOUT,
    ) -> None:
        """Record that the view goes on without an event.

        The event is listed with the skipped events and can still be retried.  A rebuild with code
        that can apply the event applies it.  Arguments are those of :meth:`retry`.

        Raises:
            UnknownProjectionError: There is no view ``projection``; nothing was recorded.
            UnknownParkedEventError: The view has parked no such event; nothing was recorded.
            ViewsBehindError: The view did not reach the decision in time; it will carry it out.
            AskTimeoutError, NobodyAnswersError: The decision may have been recorded.
        """
        self._decide(SkipEvent, projection, shard, position, by, reason, timeout)

    async def list_async(
        self, projection: str | None = None, *, limit: int = 50, skipped: bool = False
    ) -> Sequence[ParkedEvent]:
        """Do what :meth:`list` does without blocking the event loop."""
        listed: Sequence[ParkedEvent] = await self._off_loop(
            self.list, projection, limit=limit, skipped=skipped
        )
        return listed

    async def retry_async(self, projection: str, shard: int, position: int, **options: Any) -> None:
        """Do what :meth:`retry` does without blocking the event loop."""
        await self._off_loop(self.retry, projection, shard, position, **options)

    async def skip_async(self, projection: str, shard: int, position: int, **options: Any) -> None:
        """Do what :meth:`skip` does without blocking the event loop."""
        await self._off_loop(self.skip, projection, shard, position, **options)

    def _decide(
        self,
        kind: type[RetryEvent | SkipEvent],
        projection: str,
        shard: int,
        position: int,
        by: str,
        reason: str,
        timeout: float,
    ) -> None:
        timeout = check_seconds(timeout)
        if self._views.parked_at(projection, shard, position) is None:
            raise UnknownParkedEventError(projection, shard, position)
        monotonic = self._clock.monotonic
        end = monotonic() + timeout * 1e9
        message = kind(projection, shard, position, self._clock.now(), by, reason)
        cursor = self._record(stream_of(projection), message, timeout)
        left = max(0.0, (end - monotonic()) / 1e9)
        if not self._projections.caught_up(cursor, left, projection):
            raise ViewsBehindError(projection, timeout)
