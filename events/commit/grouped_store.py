"""The writing half that all stores share: appends by group commit, blocking or not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from indelible.errors import ForkedError, StoreCorruptError
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.commit.shard_plan import shard_of
from indelible.events.model.event import EncodedEvent, RecordedEvent
from indelible.events.store import Append, Listener, OwnershipListener


class GroupedStore:
    """Base of a store whose appends go through a :class:`GroupCommit`."""

    url: str
    _group: GroupCommit
    _parent = 0  # in a forked child, the process that had opened the store

    def check_process(self) -> None:
        """Check that this process has opened the store.

        Raises:
            ForkedError: This process is a forked child of the one that did.
        """
        if self._parent:
            raise ForkedError("the event store", self.url, self._parent)

    @property
    def state(self) -> str:
        """One of "closed", "open", "reading" and "unavailable"."""
        return self._group.state

    @property
    def trouble(self) -> str:
        """Why appends are not committed now, as text; empty if no trouble is known."""
        return self._group.trouble

    def within(self, seconds: float) -> AbstractContextManager[None]:  # noqa: ARG002 - no server
        """Limit how long this thread waits for the database in the block; here without effect."""
        return nullcontext()

    def end_within(self, seconds: float) -> None:
        """Limit how long any thread waits for the database; here without effect."""

    def submit(self, append: Append) -> None:
        """Queue ``append``; a call of :meth:`lead` or :meth:`wake` must follow soon."""
        self._group.submit(append)

    def lead(self, *, once: bool = False) -> bool:
        """Commit the queued appends on this thread, unless another thread is the leader."""
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

        Waits for the store's own thread: do not call it in a subscriber or an ``on_done``.

        Raises:
            WrongExpectedVersionError: Another writer has appended; nothing was appended here.
            StoreUnavailableError: The database failed; the append may have happened.
            StoreReadOnlyError: The store is open for reading.
            SystemClosedError: The store is not open.
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

    # -- shards: there is one, and this process owns it while the store is open

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return 1

    def shard_of(self, stream: str) -> int:
        """The shard of a stream."""
        return shard_of(stream, self.shards)

    def owned(self) -> frozenset[int]:
        """The shards that this process may write now."""
        return self._group.owned() if self.state in ("open", "unavailable") else frozenset()

    def closed(self) -> Mapping[int, str]:
        """The shards of this process in which no stream can begin, and why, as text."""
        closed, owned = self._group.closed, self.owned()
        return {shard: closed[shard].why for shard in closed.keys() & owned}

    def set_aside(self) -> Mapping[int, StoreCorruptError]:
        """Empty: a store with one writer does not open if the end of its shard is damaged."""
        return {}

    def holds(self, stream: str) -> bool:  # noqa: ARG002 - the owner never changes here
        """Whether this process may act for ``stream`` at this instant: always."""
        return True

    @property
    def process(self) -> str:
        """Empty: the store keeps no row of this process."""
        return ""

    def on_ownership(self, listener: OwnershipListener) -> Callable[[], None]:  # noqa: ARG002 - the owner never changes here
        """Never call ``listener``: this process owns the shard until the store is closed."""
        return _do_nothing

    def on_drain(self, drain: Callable[[frozenset[int]], None]) -> None:
        """Never call ``drain``, for the same reason."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each group committed from now on; the result ends it."""
        return self._group.subscribe(listener)


def _do_nothing() -> None:
    """End a registration that does not exist."""
