"""The port of the log: what every event store offers, in memory, on SQLite and elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import msgspec

from indelible.errors import StoreCorruptError
from indelible.events.inbox.inbox import Command, Inbox
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.model.event import EncodedEvent, RecordedEvent

if TYPE_CHECKING:
    import sqlalchemy as sa

    from indelible.events.verification.anchor import Anchor


class Pipeline:
    """Appends that one writer sends without waiting: after the first failure all later ones fail.

    Without it a successor could match the head by chance after its predecessor was refused.
    """

    __slots__ = ("broken",)

    def __init__(self) -> None:
        """Start unbroken."""
        self.broken = False


class Append(msgspec.Struct, gc=False, eq=False):
    """One atomic write: events of one stream, its head, its status, its blobs, and messages.

    Attributes:
        stream: Name of the stream.
        expected: Version the writer has read; 0 is a new stream.
        events: At least one.
        metadata: msgpack bytes of the context of each event that has none of its own.
        status: What is unfinished about the stream, ``None`` leaves it as it is.
        wake_at: Microseconds UTC at which to look at it again; 0 for never, ``None`` leaves it.
        blobs: Content-addressed payloads, (sha256, bytes).
        pipeline: Shared by the appends of one writer, see :class:`Pipeline`.
        on_done: Called once, on the leader's thread, with this append and ``None`` or the error,
            after the commit (or the failure) and outside every lock; quick, and never raises.
        recorded: The recorded events; empty until the commit has succeeded.
        answers: Inbox messages that it answers, (message id, encoded answer): in the same commit.
            The answer ``None`` deletes the message.
        commands: What it submits to the inbox, in the same commit; such a one waits for ever.
            Owners in other processes are woken; in this one its writer says what it has sent.
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


class StreamHead(msgspec.Struct, frozen=True, gc=False):
    """Where a stream ends, and what is unfinished about it."""

    stream: str
    category: str
    version: int
    status: str
    wake_at: int  # microseconds UTC; 0 is never


Place = tuple[int, int]
"""Where a stream stands among those that want to be woken: its wake_at, and its number."""

FIRST: Place = (0, 0)

NEVER = 2**63 - 1
"""No instant is later, and no number higher."""


class Sleepers(msgspec.Struct, frozen=True):
    """A page of the streams that want to be woken.

    Attributes:
        heads: The earliest first.
        place: Behind which the next page begins; ``None`` if there is none.
    """

    heads: Sequence[StreamHead]
    place: Place | None


Cursor = dict[int, int]
"""Positions that a reader has applied, one a shard; a missing shard is position 0."""

Listener = Callable[[Sequence[RecordedEvent]], None]
"""Called on the leader's thread after each committed group, before its followers are told."""


OwnershipListener = Callable[[frozenset[int], frozenset[int]], None]
"""Called on the store's own thread with the shards that were gained, and those that were lost."""


class EventStore(Protocol):
    """An append-only log of streams; every method may be called from any thread."""

    url: str

    @property
    def state(self) -> str:
        """One of "closed", "open", "reading" and "unavailable"."""
        ...

    def open(self) -> None:
        """Take ownership, migrate, raise the epoch; or open for reading, if made so."""
        ...

    def close(self) -> None:
        """Finish queued appends, fail late ones, give up ownership; may be called twice."""
        ...

    @property
    def trouble(self) -> str:
        """What keeps appends from being committed now, in words; empty if nothing is known.

        Asks nothing of the database: it follows what came back lately, and what did not.
        """
        ...

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Have this thread wait no longer than that for the database in the block.

        What takes longer fails with StoreUnavailableError, its outcome unknown.
        """
        ...

    def end_within(self, seconds: float) -> None:
        """Have no thread wait longer than that for the database: it is to be closed.

        A second call may make it shorter; opening takes it back.
        """
        ...

    # -- writing

    def submit(self, append: Append) -> None:
        """Queue ``append``; a call of :meth:`lead` or :meth:`wake` must follow soon.

        Order is kept within a stream.  Never blocks, never raises: a refusal reaches ``on_done``.
        """
        ...

    def lead(self, *, once: bool = False) -> bool:
        """Commit what is queued on this thread, unless another thread does it already.

        With ``once`` it stops after a group.  The result says whether appends are left that
        nobody commits at the moment: then the caller must see that somebody leads.
        For the system's own worker threads only: never a caller's thread or an event loop.
        """
        ...

    def wake(self) -> None:
        """Have the store's own thread lead; for threads that must not."""
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
            WrongExpectedVersionError: Another writer got there first; nothing was appended.
            StoreUnavailableError: The database failed; the append may have happened.
            StoreReadOnlyError: Opened for reading.
        """
        ...

    # -- shards: where several processes write, each owns some

    @property
    def shards(self) -> int:
        """How many shards there are, for ever the same; 1 where one process writes."""
        ...

    def shard_of(self, stream: str) -> int:
        """The shard of a stream, whether or not it exists."""
        ...

    def owned(self) -> frozenset[int]:
        """The shards that this process may write now."""
        ...

    def closed(self) -> Mapping[int, str]:
        """The shards of this process in which no stream can begin, and why, in words.

        Some of their streams were not found at opening, and a new one may be one of these.
        """
        ...

    def set_aside(self) -> Mapping[int, StoreCorruptError]:
        """The shards that this process has and cannot write, as their ends are damaged, and why.

        They can be read; what is asked of their streams is answered with that error.
        """
        ...

    def holds(self, stream: str) -> bool:
        """Whether this process may act for ``stream`` at this instant, by the monotonic clock.

        Asked where something is about to begin: a process that was stopped past the end of its
        lease finds that out here before anything else tells it.  What is over is lost for good.
        """
        ...

    def on_ownership(self, listener: OwnershipListener) -> Callable[[], None]:
        """Call ``listener`` with shards gained and lost from now on; the result ends it."""
        ...

    def on_drain(self, drain: Callable[[frozenset[int]], None]) -> None:
        """Before shards are given to another process, call ``drain``, on the store's own thread.

        It returns when nothing will be appended to them any more.
        """
        ...

    # -- other processes

    @property
    def process(self) -> str:
        """Id of the row that the store keeps of this process in ``processes``; empty if none."""
        ...

    @property
    def inbox(self) -> Inbox:
        """Commands of other processes, for the owners of their shards.

        Raises:
            StoreReadOnlyError: Opened for reading.
            SystemClosedError: Not open.
        """
        ...

    def owners(self) -> Sequence[StoreOwner]:
        """The processes that own shards now, as far as can be seen; for people."""
        ...

    # -- reading

    def read(
        self, stream: str, after: int = 0, until: int | None = None
    ) -> Iterable[RecordedEvent]:
        """Events of ``stream`` with ``after < version <= until``, in order; empty if unknown."""
        ...

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """The first ``limit`` events of each of ``streams`` that has any, in one look.

        All of it is in memory at once: the caller sees to it that it is not too much.
        """
        ...

    def read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most ``limit`` events of ``shard`` behind position ``after``, in order."""
        ...

    def event_id(self, stream: str, version: int) -> bytes | None:
        """The id of one event of ``stream``, ``None`` if it has no such one."""
        ...

    def head(self, stream: str) -> StreamHead | None:
        """Where ``stream`` ends, ``None`` if it has no event."""
        ...

    def heads(
        self,
        category: str,
        statuses: Sequence[str] | None = None,
        shards: Collection[int] | None = None,
        *,
        wake_at: int | None = None,
    ) -> Sequence[StreamHead]:
        """Heads of a category's streams, in order of their creation within a shard.

        Only those with one of ``statuses``, of ``shards``, and with that ``wake_at``, if these are
        given.
        """
        ...

    def heads_of(self, streams: Collection[str]) -> Mapping[str, StreamHead]:
        """Heads of those of ``streams`` that have an event and can be read, in one look."""
        ...

    def sleeping(
        self,
        shards: Collection[int] | None = None,
        *,
        after: Place = FIRST,
        until: int = NEVER,
        limit: int = 1_000,
    ) -> Sleepers:
        """At most ``limit`` streams that want to be woken, by the time at which they do.

        Only those behind ``after``, not later than ``until`` (microseconds UTC), and of
        ``shards``, if these are given.
        """
        ...

    def blob(self, digest: bytes) -> bytes:
        """The payload with this sha256.

        Raises:
            StoreCorruptError: It is missing, or its content does not match.
        """
        ...

    def positions(self) -> Cursor:
        """The last committed position of every shard."""
        ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each group committed from now on; the result ends it."""
        ...

    def anchor(self) -> Anchor:
        """Where every shard ends now, for keeping elsewhere; not verified.

        Raises:
            VerificationError: A shard's row does not say what its last event says.
        """
        ...

    def verify(self, anchor: Anchor | None = None) -> int:
        """Verify that the store holds what was written, and return how many events it has.

        The log and all that answers questions for it: hash chains and epochs, both indexes, the
        rows of streams and shards as far as events tell, blobs, the inbox, snapshots.  Given an
        ``anchor`` it is the log that had those ends then.

        Raises:
            VerificationError: Something does not fit: the first that was found, and in ``others``
                the rest, up to a hundred.
        """
        ...

    # -- views, in the same database

    def write_views(self) -> AbstractContextManager[sa.Connection]:
        """One transaction for views and cursors, taking turns with the appends."""
        ...

    def read_views(self) -> AbstractContextManager[sa.Connection]:
        """A read-only connection."""
        ...
