"""What people decide about events that a view could not apply: recorded, then carried out.

A decision is an event of the stream ``projection-NAME``, by whoever owns that stream's shard; the
process that moves the view carries it out when the view comes to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec

from indelible.actors.decider import Decider, Decision
from indelible.api.arguments.ids_and_timeouts import check_seconds
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
    """Have a view try a parked event again; the fields are those of the event that it causes."""

    projection: str
    shard: int
    position: int
    at: int
    by: str
    reason: str


class SkipEvent(msgspec.Struct, frozen=True):
    """Have nobody wait for a parked event any more."""

    projection: str
    shard: int
    position: int
    at: int
    by: str
    reason: str


def event_of(message: RetryEvent | SkipEvent) -> EventRetried | EventSkipped:
    """The event that ``message`` causes."""
    return _CAUSES[type(message)](**msgspec.structs.asdict(message))


_CAUSES: dict[type, type[EventRetried | EventSkipped]] = {
    RetryEvent: EventRetried,
    SkipEvent: EventSkipped,
}


class ViewDecider(Decider[int]):
    """Records decisions about one view; the state is how many there are."""

    category: ClassVar[str] = CATEGORY
    event_types: ClassVar[Sequence[type[Event]]] = PROJECTION_EVENTS
    message_types: ClassVar[Sequence[type[msgspec.Struct]]] = (RetryEvent, SkipEvent)

    def initial_state(self) -> int:
        """None yet."""
        return 0

    def decide(self, state: int, message: Any) -> Decision:
        """Record it, and reply which version of the stream it is."""
        return Decision([event_of(message)], state + 1)

    def evolve(self, state: int, event: Any) -> int:  # noqa: ARG002 - counted, not looked at
        """One more."""
        return state + 1


Record = Callable[[str, RetryEvent | SkipEvent, float], Cursor]
"""Records a message in a stream within so many seconds, and says where it stands."""


class ParkedEvents:
    """Events that views could not apply, and what is to become of them; any thread may ask.

    A parked event stops nothing: later events, of its stream too, are applied without it as far
    as they can be.
    """

    def __init__(
        self,
        views: Views,
        projections: ProjectionRunner,
        clock: Clock,
        record: Record,
        off_loop: CallOffLoop = asyncio.to_thread,
    ) -> None:
        """``record`` is how this process writes; ``projections`` are waited for.

        ``off_loop`` makes the calls of the async twins.
        """
        self._views = views
        self._projections = projections
        self._clock = clock
        self._record = record
        self._off_loop = off_loop

    def list(
        self, projection: str | None = None, *, limit: int = 50, skipped: bool = False
    ) -> Sequence[ParkedEvent]:
        """At most ``limit`` events by view and position: those that wait, or were skipped.

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
        """Have a view try an event again, after the cause is mended; recorded either way.

        A view that can tell streams apart (``workflow_status``) folds all events of that stream
        again, in order, and so takes in others of it that are parked; another one (``metrics``)
        applies this event now, after those that followed it.

        Args:
            projection: Name of the view.
            shard: Where the event is, as :meth:`list` says.
            position: Likewise.
            by: Who asks; recorded.
            reason: Why; recorded.
            timeout: Seconds.

        Raises:
            UnknownProjectionError: There is no view ``projection``; nothing was recorded.
            UnknownParkedEventError: The view has parked no such event; nothing was recorded.
            ParkedAgainError: The view still cannot apply it; it stays parked, with the new error.
            ViewsBehindError: The view did not come to it in time; it will.
            AskTimeoutError, NobodyAnswersError: It may have been recorded.
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
        """Record that nobody waits for an event any more: the view goes without it.

        It stays listed among the skipped ones and can still be retried.  A rebuild by code that
        can apply the event applies it.  Arguments are those of :meth:`retry`.

        Raises:
            UnknownProjectionError: There is no view ``projection``; nothing was recorded.
            UnknownParkedEventError: The view has parked no such event; nothing was recorded.
            ViewsBehindError: The view did not come to it in time; it will.
            AskTimeoutError, NobodyAnswersError: It may have been recorded.
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
