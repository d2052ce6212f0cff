"""The port of the event store, implemented in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import msgspec

from indelible.errors import StoreCorruptError
from indelible.events.inbox.inbox import Command, Inbox
from indelible.events.inbox.late_answers import Late
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.model.event import EncodedEvent, RecordedEvent

if TYPE_CHECKING:
    import sqlalchemy as sa

    from indelible.events.verification.anchor import Anchor


class Pipeline:
    """Appends that one writer sends without waiting: after a failed one all later ones fail.

    Otherwise an append could match the head by chance after its predecessor was refused.
    """

    __slots__ = ("broken",)

    def __init__(self) -> None:
        """Start unbroken."""
        self.broken = False


class Append(msgspec.Struct, gc=False, eq=False):
    """One atomic write: events of one stream, its head, its status, its blobs, and messages.

    Attributes:
        stream: Name of the stream.
        expected: Version that the writer has read; 0 is a new stream.
        events: At least one, unless there is an entry in ``late``.
        metadata: msgpack bytes of the context of each event that has none of its own.
        status: What is unfinished about the stream; ``None`` leaves it unchanged.
        wake_at: Microseconds UTC at which to wake the stream; 0 is never, ``None`` leaves it
            unchanged.
        blobs: Content-addressed payloads, (sha256, bytes).
        pipeline: Shared by the appends of one writer, see :class:`Pipeline`.
        on_done: Called once, on the leader's thread, with this append and ``None`` or the error,
            after the commit (or the failure) and outside every lock; quick, and never raises.
        recorded: The recorded events; empty until the commit has succeeded.
        answers: Answers to inbox messages, (message id, encoded answer), in the same commit.
            The answer ``None`` deletes the message.
        commands: Commands that it submits to the inbox, in the same commit; they never expire.
            The commit wakes the owners in other processes; in this process the writer must.
        late: Commands of the inbox that are handled now and answered later, and late answers, in
            the order in which they were decided, in the same commit.
    """

    stream: str
    expected: int
    events: Sequence[EncodedEvent]
    on_done: Callable[[Append, BaseException | None], None]
    metadata: bytes = b"\x80"
    status: str | None = None
    wake_at: int | None = None
    blobs: Sequence[tuple[bytes, bytes]] = ()
    pipeline: Pipeline | None = None
    recorded: Sequence[RecordedEvent] = ()
    answers: Sequence[tuple[str, bytes | None]] = ()
    commands: Sequence[Command] = ()
    late: Sequence[Late] = ()


class StreamHead(msgspec.Struct, frozen=True, gc=False):
    """The version of a stream, its status and its wake-up time."""

    stream: str
    category: str
    version: int
    status: str
    wake_at: int  # microseconds UTC; 0 is never


Place = tuple[int, int]
"""The place of a stream in the order of wake-ups: its wake_at, and its id."""

FIRST: Place = (0, 0)

NEVER = 2**63 - 1
"""The last instant, and the highest id."""


class Sleepers(msgspec.Struct, frozen=True):
    """A page of the streams with a wake-up time.

    Attributes:
        heads: The earliest first.
        place: The next page begins after this place; ``None`` if there is no next page.
    """

    heads: Sequence[StreamHead]
    place: Place | None


Cursor = dict[int, int]
"""The positions that a reader has applied, one for each shard; a missing shard is position 0."""

Listener = Callable[[Sequence[RecordedEvent]], None]
"""Called on the leader's thread after each committed group, before any ``on_done``."""


OwnershipListener = Callable[[frozenset[int], frozenset[int]], None]
"""Called on the store's own thread with the shards gained and the shards lost."""


class EventStore(Protocol):
    """An append-only log of streams; every method may be called from any thread."""

    url: str

    @property
    def state(self) -> str:
        """One of "closed", "open", "reading" and "unavailable"."""
        ...

    def open(self) -> None:
        """Take ownership, migrate and raise the epoch; or open for reading, as the mode says."""
        ...

    def close(self) -> None:
        """Finish queued appends, refuse later ones, give up ownership; may be called twice."""
        ...

    @property
    def trouble(self) -> str:
        """Why appends are not committed now, as text; empty if no trouble is known.

        Sends nothing to the database: it knows the latest answers, and how long one is overdue.
        """
        ...

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Limit how long this thread waits for the database in the block.

        A call that takes longer fails with StoreUnavailableError; its outcome is unknown.
        """
        ...

    def end_within(self, seconds: float) -> None:
        """Limit how long any thread waits for the database from now on: the store is closing.

        A second call may shorten the limit; opening removes it.
        """
        ...

    # -- writing

    def submit(self, append: Append) -> None:
        """Queue ``append``; a call of :meth:`lead` or :meth:`wake` must follow soon.

        The order within a stream is kept.  Never blocks, never raises: ``on_done`` gets a refusal.
        """
        ...

    def lead(self, *, once: bool = False) -> bool:
        """Commit the queued appends on this thread, unless another thread is the leader.

        With ``once`` it stops after one group.  Returns whether appends are left without a leader;
        then the caller must make another thread lead.
        For the system's own worker threads only: never a caller's thread or an event loop.
        """
        ...

    def wake(self) -> None:
        """Have the store's own thread lead; for threads that must not lead."""
        ...

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

        Raises:
            WrongExpectedVersionError: Another writer has appended; nothing was appended here.
            StoreUnavailableError: The database failed; the append may have happened.
            StoreReadOnlyError: The store is open for reading.
        """
        ...

    # -- shards: on PostgreSQL several processes write, and each owns some shards

    @property
    def shards(self) -> int:
        """The number of shards, which never changes; 1 if one process writes."""
        ...

    def shard_of(self, stream: str) -> int:
        """The shard of a stream, whether or not it exists."""
        ...

    def owned(self) -> frozenset[int]:
        """The shards that this process may write now."""
        ...

    def closed(self) -> Mapping[int, str]:
        """The shards of this process in which no stream can begin, and why, as text.

        Opening missed some rows of their streams; a new stream could have the name of one of them.
        """
        ...

    def set_aside(self) -> Mapping[int, StoreCorruptError]:
        """The shards that this process leases but cannot write, with the damage of their ends.

        They can be read; commands to their streams are answered with that error.
        """
        ...

    def holds(self, stream: str) -> bool:
        """Whether this process may act for ``stream`` at this instant, by the monotonic clock.

        Called before an effect begins: it is the first to tell a process that was paused past the
        end of its lease.  Once it returns ``False`` the shard is lost.
        """
        ...

    def on_ownership(self, listener: OwnershipListener) -> Callable[[], None]:
        """Call ``listener`` with shards gained and lost from now on; the result ends it."""
        ...

    def on_drain(self, drain: Callable[[frozenset[int]], None]) -> None:
        """Call ``drain`` before this process gives shards away, on the store's own thread.

        ``drain`` returns when nothing will be appended to these shards any more.
        """
        ...

    # -- other processes

    @property
    def process(self) -> str:
        """Id of this process's row in ``processes``; empty if it has none."""
        ...

    @property
    def inbox(self) -> Inbox:
        """The inbox: commands of other processes, for the owners of the shards.

        Raises:
            StoreReadOnlyError: The store is open for reading.
            SystemClosedError: The store is not open.
        """
        ...

    def owners(self) -> Sequence[StoreOwner]:
        """Return the processes that own shards now, as far as is known; for people to read."""
        ...

    # -- reading

    def read(
        self, stream: str, after: int = 0, until: int | None = None
    ) -> Iterable[RecordedEvent]:
        """Return the events of ``stream`` with ``after < version <= until``, in order.

        Empty if the stream does not exist.
        """
        ...

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """Return the first ``limit`` events of each of ``streams`` that has any, in one query.

        All these events are in memory at once: the caller bounds their number.
        """
        ...

    def read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Return at most ``limit`` events of ``shard`` after position ``after``, in order."""
        ...

    def event_id(self, stream: str, version: int) -> bytes | None:
        """Return the id of the event at ``version``, ``None`` if there is no such event."""
        ...

    def head(self, stream: str) -> StreamHead | None:
        """Return the head of ``stream``, ``None`` if it has no event."""
        ...

    def heads(
        self,
        category: str,
        statuses: Sequence[str] | None = None,
        shards: Collection[int] | None = None,
        *,
        wake_at: int | None = None,
    ) -> Sequence[StreamHead]:
        """Return the heads of a category's streams, in order of their creation within a shard.

        Arguments that are given filter the streams by status, by shard and by that ``wake_at``.
        """
        ...

    def heads_of(self, streams: Collection[str]) -> Mapping[str, StreamHead]:
        """Return the heads of ``streams``, in one query; damaged or unknown ones are left out."""
        ...

    def sleeping(
        self,
        shards: Collection[int] | None = None,
        *,
        after: Place = FIRST,
        until: int = NEVER,
        limit: int = 1_000,
    ) -> Sleepers:
        """Return at most ``limit`` streams with a wake-up time, in the order of these times.

        They come after ``after``, not later than ``until`` (microseconds UTC), and belong to
        ``shards`` if these are given.
        """
        ...

    def blob(self, digest: bytes) -> bytes:
        """Return the payload with this sha256.

        Raises:
            StoreCorruptError: The blob is missing, or its content does not match.
        """
        ...

    def positions(self) -> Cursor:
        """Return the last committed position of every shard."""
        ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each group committed from now on; the result ends it."""
        ...

    def anchor(self) -> Anchor:
        """Return the ends of all shards now, to keep outside the store; not verified.

        Raises:
            VerificationError: A shard's row contradicts its last event.
        """
        ...

    def verify(self, anchor: Anchor | None = None) -> int:
        """Verify that the store holds what was written, and return the number of its events.

        Checks the hash chains and epochs, both indexes, the rows of streams and shards against
        the events, blobs, the inbox and snapshots.  With an ``anchor`` it also checks that this is
        the log of which the anchor was taken.

        Raises:
            VerificationError: It holds the first finding, and in ``others`` the rest, up to a
                hundred.
        """
        ...

    # -- views, in the same database

    def write_views(self) -> AbstractContextManager[sa.Connection]:
        """Open a transaction for views and cursors; it excludes appends on SQLite."""
        ...

    def read_views(self) -> AbstractContextManager[sa.Connection]:
        """Open a read-only connection."""
        ...
