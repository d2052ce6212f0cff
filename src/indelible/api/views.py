"""The views of a system: queries, catching up, rebuilding, and parked events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from indelible.api.facade import Facade
from indelible.arguments.ids_and_timeouts import check_seconds
from indelible.assembly.async_calls import in_thread
from indelible.errors import StoreReadOnlyError, StoreUnavailableError
from indelible.events.store import Cursor
from indelible.remote.remote_future import ASK_TIMEOUT

if TYPE_CHECKING:
    from indelible.projections.queries.views_as_of import TimedViews
    from indelible.readers.parked_events import ParkedEvents, RetryEvent, SkipEvent

_SLICE = 0.25
"""Seconds for which a waiting task holds a thread, before other tasks may use it."""


class ViewMethods(Facade):
    """The views of an open system; any thread may call the methods."""

    @property
    def views(self) -> TimedViews:
        """Queries over the views, as they are now or were at a moment of the past."""
        return self._access.parts.views

    @property
    def parked(self) -> ParkedEvents:
        """Events that a view could not apply."""
        from indelible.readers.parked_events import ParkedEvents

        parts = self._access.parts
        return ParkedEvents(
            parts.views, parts.projections, parts.clock, self._record, parts.async_calls.call
        )

    def _record(self, stream: str, message: RetryEvent | SkipEvent, timeout: float) -> Cursor:
        self._access.check_may_block("retry or skip", "its async twin")
        with self.store.within(timeout):
            context = self._access.calling(message.by or None, message.reason or None)
            version = self._access.ask(stream, message, timeout=timeout, context=context)
            [event] = self.store.read(stream, version - 1, version)
        return {event.shard: event.position}

    def caught_up(self, timeout: float = ASK_TIMEOUT, *, cursor: Cursor | None = None) -> bool:
        """Wait until the views show every event committed so far, or every one up to ``cursor``.

        Returns:
            ``False`` after ``timeout`` seconds.

        Raises:
            BlockingCallError: Called on the system's event loop.
        """
        self._access.check_may_block("caught_up", "caught_up_async")
        timeout = check_seconds(timeout)
        parts = self._access.parts
        monotonic = parts.clock.monotonic
        end = monotonic() + timeout * 1e9
        if cursor is None:
            cursor = self._committed(timeout)
            if cursor is None:
                return False
        return parts.projections.caught_up(cursor, max(0.0, (end - monotonic()) / 1e9))

    def _committed(self, timeout: float) -> Cursor | None:
        """The current positions; ``None`` if the database does not answer in time."""
        monotonic = self._access.parts.clock.monotonic
        end = monotonic() + timeout * 1e9
        try:
            with self.store.within(timeout):
                return self.store.positions()
        except StoreUnavailableError:
            if monotonic() < end:
                raise
            return None

    async def caught_up_async(
        self,
        timeout: float = ASK_TIMEOUT,  # noqa: ASYNC109 - as caught_up()
        *,
        cursor: Cursor | None = None,
    ) -> bool:
        """Do what :meth:`caught_up` does without blocking the event loop."""
        timeout = check_seconds(timeout)
        call, monotonic = self._access.parts.async_calls.call, self._access.parts.clock.monotonic
        end = monotonic() + timeout * 1e9
        if cursor is None:
            cursor = await call(self._committed, timeout)
        while cursor is not None:
            left = max(0.0, (end - monotonic()) / 1e9)
            if await call(self.caught_up, min(left, _SLICE), cursor=cursor):
                return True
            if left <= _SLICE:
                break
        return False

    def rebuild(self, name: str, on_progress: Callable[[int, int], None] | None = None) -> int:
        """Rebuild the view ``name`` from the log while it stays in use; return the event count.

        An interrupted rebuild, by a crash too, leaves the view unchanged, and the next rebuild
        continues where it stopped.

        Args:
            name: ``workflow_status``, ``metrics``, or one of your own.
            on_progress: Called with the number of events done, and of all events.

        Raises:
            UnknownProjectionError: There is no such view.
            RebuildUnderWayError: Another process is rebuilding it.
            StoreReadOnlyError: The system only reads.
        """
        access = self._access
        access.check_may_block("rebuild", "rebuild_async")
        if not access.owns:
            raise StoreReadOnlyError(self.url, f'the system was opened with mode="{access.mode}"')
        return access.parts.projections.rebuild(name, on_progress)

    async def rebuild_async(
        self, name: str, on_progress: Callable[[int, int], None] | None = None
    ) -> int:
        """Do what :meth:`rebuild` does without blocking the event loop."""
        self._access.check_process("rebuild_async()")
        return await in_thread(self.rebuild, name, on_progress)
