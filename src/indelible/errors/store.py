"""What can go wrong between the system and its database."""

from __future__ import annotations

from collections.abc import Sequence

from indelible.errors.base import IndelibleError


class StoreError(IndelibleError):
    """Base of what can go wrong between the system and its database."""


class StoreNotFoundError(StoreError):
    """There is no store where one was expected; none has been created."""

    url: str
    why: str

    def __init__(self, url: str, why: str = "check the address, or write to it first") -> None:
        """``url`` as given, without its password; ``why`` says what is wrong, or what to do."""
        super().__init__(f"no store at {url}: {why}", url=url, why=why)


class StoreLinkedError(StoreError):
    """The database's file has several names, by which several owners would spoil it."""

    def __init__(self, url: str, links: int) -> None:
        """``links`` is how many names the file has."""
        super().__init__(
            f"the file of {url} has {links} names (hard links): opened by two of them it would be "
            "spoilt; remove all but one, or make a copy of its own",
            url=url,
            links=links,
        )


class StoreOwnedError(StoreError):
    """Another process owns the store; reading works, what needs ownership does not."""

    owner: str
    host: str
    pid: int
    since: int

    def __init__(
        self,
        url: str,
        *,
        owner: str,
        host: str,
        pid: int,
        since: int,
        at: str,
        here: bool = False,
    ) -> None:
        """``since`` is microseconds UTC, ``at`` the same instant for people; ``here``: by us."""
        super().__init__(
            f"{url} is owned by {owner or 'a process'} (host {host}, pid {pid}, since {at}); "
            'stop it, work with it through mode="client", or wait: the lock is free '
            "the moment that process ends"
            if not here
            else f"{url} is open already in this process{f', by {owner}' * bool(owner)} "
            f"(host {host}, pid {pid}, since {at}); use that one, or close it first",
            url=url,
            owner=owner,
            host=host,
            pid=pid,
            since=since,
        )


class StoreUnavailableError(StoreError):
    """The database does not take writes now; the store probes it and recovers by itself."""

    reason: str

    def __init__(self, reason: str) -> None:
        """``reason`` is the database's own words."""
        super().__init__(
            f"the store is unavailable ({reason}); what was not acknowledged may have happened: "
            "retry with the same id",
            reason=reason,
        )


class StoreReadOnlyError(StoreError):
    """A write was asked of a store that was opened for reading or lies on read-only media."""

    def __init__(self, url: str, why: str) -> None:
        """``why`` says what makes it read-only."""
        super().__init__(f"{url} cannot be written: {why}", url=url, why=why)


class StoreCorruptError(StoreError):
    """The file is not a store, or its contents contradict each other.

    Where ``stream`` or ``position`` says where the damage is, it stays there: that stream is set
    aside, and all others go on.
    """

    found: str
    stream: str
    version: int
    shard: int
    position: int

    def __init__(
        self,
        url: str,
        found: str,
        *,
        stream: str = "",
        version: int = 0,
        shard: int = -1,
        position: int = 0,
    ) -> None:
        """``found`` says what contradicts what.

        ``stream`` and ``version``, and ``shard`` and ``position``, are the place of the damage;
        they are "", 0, -1 and 0 where they cannot be told.
        """
        where = _place(stream, version, shard, position)
        super().__init__(
            f"{where} of {url} is damaged: {found}; nothing else is touched by it: run verify, and "
            "restore this from a backup"
            if where
            else f"{url} is not a usable store: {found}; restore a backup or give another file",
            url=url,
            found=found,
            stream=stream,
            version=version,
            shard=shard,
            position=position,
        )


class SchemaVersionError(StoreError):
    """The database's schema is not the one this version works with."""

    def __init__(self, url: str, found: str, known: str, fix: str) -> None:
        """``found`` and ``known`` are migration revisions."""
        super().__init__(
            f"{url} has schema {found}, this version works with {known}; {fix}",
            url=url,
            found=found,
            known=known,
        )


class WrongExpectedVersionError(StoreError):
    """The stream was not at the version that the writer had read; nothing was appended."""

    stream: str
    expected: int
    actual: int

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        """Versions count from 1; 0 is an empty stream."""
        super().__init__(
            f"stream {stream!r} is at version {actual}, not {expected}; read it again and retry",
            stream=stream,
            expected=expected,
            actual=actual,
        )


class StaleEpochError(StoreError):
    """A newer owner has taken the shard; this one must stop writing."""

    shard: int

    def __init__(self, shard: int, epoch: int) -> None:
        """``epoch`` is the one that is no longer valid."""
        super().__init__(
            f"epoch {epoch} of shard {shard} is over: another process owns it now",
            shard=shard,
            epoch=epoch,
        )


class ShardNotOwnedError(StaleEpochError):
    """The stream belongs to a shard that another process writes."""

    def __init__(self, shard: int) -> None:
        """``shard`` is the one that is not owned."""
        StoreError.__init__(
            self,
            f"shard {shard} is not owned by this process; send the message to its owner",
            shard=shard,
            epoch=0,
        )


class PipelineBrokenError(StoreError):
    """An earlier append of the same writer failed, so this one was not tried."""

    def __init__(self, stream: str) -> None:
        """``stream`` is the one that the refused append was for."""
        super().__init__(
            f"an earlier append of this writer failed, so nothing was appended to {stream!r}; "
            "read the stream again and retry",
            stream=stream,
        )


class UnknownEventTypeError(StoreError):
    """The log holds an event that this code does not know."""

    type: str
    schema: int
    known: str
    stream: str
    version: int
    shard: int
    position: int

    def __init__(
        self,
        type: str,  # noqa: A002 - the field's name
        schema: int,
        known: str = "",
        *,
        stream: str = "",
        version: int = 0,
        shard: int = -1,
        position: int = 0,
    ) -> None:
        """``known`` lists the schemas that are known of this type.

        The place is that of :class:`StoreCorruptError`; an event that is not in the log has none.
        """
        where = _place(stream, version, shard, position)
        super().__init__(
            (f"{where}: " if where else "")
            + f"no event type {type!r} schema {schema} is registered"
            + (f" (known: {known})" if known else "")
            + "; register its class, or run the version that wrote it",
            type=type,
            schema=schema,
            known=known,
            stream=stream,
            version=version,
            shard=shard,
            position=position,
        )


class EventDecodeError(StoreCorruptError):
    """Stored bytes do not fit the event type that they claim to be."""

    type: str
    schema: int
    why: str

    def __init__(
        self,
        type: str,  # noqa: A002 - the field's name
        schema: int,
        why: str,
        *,
        stream: str = "",
        version: int = 0,
        shard: int = -1,
        position: int = 0,
    ) -> None:
        """``why`` is the decoder's own message, the place that of :class:`StoreCorruptError`."""
        where = _place(stream, version, shard, position)
        StoreError.__init__(
            self,
            (f"{where}: " if where else "")
            + f"event {type!r} schema {schema} cannot be read: {why}; run verify on the store",
            url="",
            found=why,
            type=type,
            schema=schema,
            why=why,
            stream=stream,
            version=version,
            shard=shard,
            position=position,
        )


class ValueDecodeError(StoreError):
    """Stored bytes are not a value that this library has encoded."""

    def __init__(self, why: str) -> None:
        """``why`` is the decoder's own message."""
        super().__init__(f"a stored value cannot be read: {why}; run verify on the store", why=why)


class VerificationError(StoreError):
    """The store does not hold what was written: something was changed, removed, inserted, moved."""

    shard: int
    position: int
    found: str

    def __init__(self, shard: int, position: int, found: str) -> None:
        """``position`` is the first one that does not fit; 0 and shard -1 if there is none."""
        where = f"shard {shard}" + (f" breaks at position {position}" if position else "")
        super().__init__(
            f"{where if shard >= 0 else 'the store'}: {found}",
            shard=shard,
            position=position,
            found=found,
        )


class AnchorError(StoreError):
    """What was given as an anchor is none; nothing was verified."""

    def __init__(self, why: str) -> None:
        """``why`` says what is wrong with it."""
        super().__init__(
            f"this is no anchor ({why}); give what `indelible anchor` or system.anchor() wrote",
            why=why,
        )


class EventGapError(StoreCorruptError):
    """An event that is known to be in the log cannot be read; readers go no further."""

    after: int

    def __init__(self, shard: int, after: int, positions: Sequence[int]) -> None:
        """``positions`` are the first ones that were read behind ``after``."""
        found = f"position {positions[0]}" if positions else "nothing"
        StoreError.__init__(
            self,
            f"shard {shard} has {found} behind position {after}, where {after + 1} was wanted; "
            "run verify on the store. To read on without that event, begin behind it",
            url="",
            found=found,
            stream="",
            version=0,
            shard=shard,
            position=after + 1,
            after=after,
        )


class CursorAheadError(StoreError):
    """A cursor says more than the log holds: it is another store's, or the log was restored."""

    shard: int
    position: int
    last: int

    def __init__(self, url: str, shard: int, position: int, last: int) -> None:
        """``last`` is the shard's last position."""
        super().__init__(
            f"the cursor is at position {position} of shard {shard}, and {url} ends there at "
            f"{last}; use the store that the cursor comes from, or begin again without it",
            url=url,
            shard=shard,
            position=position,
            last=last,
        )


class RoleLostError(StoreError):
    """Another process has taken over what this one did; nothing of it was stored."""

    role: str

    def __init__(self, role: str) -> None:
        """``role`` is what it is called, such as ``consumer:billing``."""
        super().__init__(
            f"another process is {role!r} by now, as this one had not renewed its lease in time; "
            "what was not committed is done there again",
            role=role,
        )


class ConsumerFailedError(StoreError):
    """A consumer's handler failed as often as it may; the consumer stands where it stood."""

    consumer: str
    attempts: int

    def __init__(self, consumer: str, attempts: int, first: str, last: str) -> None:
        """``first`` is where the batch begins, ``last`` the newest failure."""
        super().__init__(
            f"the handler of consumer {consumer!r} failed {attempts} times on the batch that "
            f"begins at {first} (last: {last}); nothing is skipped: mend the handler and consume "
            "again",
            consumer=consumer,
            attempts=attempts,
            first=first,
            last=last,
        )


def _place(stream: str, version: int, shard: int, position: int) -> str:
    """Where an event is, for people; empty if that cannot be told."""
    places = []
    if stream:
        places.append(f"stream {stream!r}" + (f" at version {version}" if version else ""))
    if position:
        places.append(f"position {position} of shard {shard}")
    return ", ".join(places)
