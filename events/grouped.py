"""The writing half that stores share: appends by group commit, blocking or not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from indelible.events.event import EncodedEvent, RecordedEvent
from indelible.events.group import GroupCommit
from indelible.events.store import Append, Listener


class GroupedStore:
    """Base of a store whose appends go through a :class:`~indelible.events.group.GroupCommit`."""

    _group: GroupCommit

    @property
    def state(self) -> str:
        """One of "closed", "open", "reading" and "unavailable"."""
        return self._group.state

    def submit(self, append: Append) -> None:
        """Queue ``append``; a call of :meth:`lead` or :meth:`wake` must follow soon."""
        self._group.submit(append)

    def lead(self, *, once: bool = False) -> bool:
        """Commit what is queued on this thread, unless another thread does it already."""
        return self._group.lead(once=once)

    def wake(self) -> None:
        """Have the store's own thread lead."""
        self._group.wake()

    def append(
        self,
        stream: str,
        events: Sequence[EncodedEvent],
        *,
        expected: int,
        metadata: bytes = b"\x80",
        status: str | None = None,
        wake_at: int | None = None,
        blobs: Sequence[tuple[bytes, bytes]] = (),
    ) -> Sequence[RecordedEvent]:
        """Append all of ``events`` or none and return them once they are durable.

        Waits for the store's own thread, so not for a subscriber or an ``on_done``.

        Raises:
            WrongExpectedVersionError: Another writer got there first; nothing was appended.
            StoreUnavailableError: The database failed; the append may have happened.
            StoreReadOnlyError: Opened for reading.
            SystemClosedError: Not open.
        """
        done = threading.Lock()
        done.acquire()
        outcome: list[BaseException | None] = []

        def on_done(_: Append, error: BaseException | None) -> None:
            outcome.append(error)
            done.release()

        append = Append(stream, expected, events, on_done, metadata, status, wake_at, blobs=blobs)
        self._group.submit(append)
        self._group.wake()
        done.acquire()
        error = outcome[0]
        if error is not None:
            raise error
        return append.recorded

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each group committed from now on; the result ends it."""
        return self._group.subscribe(listener)
