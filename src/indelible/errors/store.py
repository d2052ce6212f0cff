"""Errors of the event store and its database."""

from __future__ import annotations

from indelible.errors.base import IndelibleError


class StoreError(IndelibleError):
    """Base of the errors of the event store and its database."""


class StoreNotFoundError(StoreError):
    """There is no store at the address; none has been created."""

    url: str
    why: str

    def __init__(self, url: str, why: str = "check the address, or write to it first") -> None:
        """``url`` as given, without its password; ``why`` says what is wrong, or what to do."""
        super().__init__(f"no store at {url}: {why}", url=url, why=why)


class StoreLinkedError(StoreError):
    """The database's file has several names, so that two owners could damage it."""

    def __init__(self, url: str, links: int) -> None:
        """``links`` is the number of names of the file."""
        super().__init__(
            f"the file of {url} has {links} names (hard links): opened by two of them it would be "
            "spoilt; remove all but one, or make a copy of its own",
            url=url,
            links=links,
        )


class StoreOwnedError(StoreError):
    """Another process owns the store, which can only be read now."""

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
        """``since`` is microseconds UTC, ``at`` the same as text; ``here``: in this process."""
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
    """The database accepts no writes now; the store probes it and recovers by itself."""

    reason: str

    def __init__(self, reason: str) -> None:
        """``reason`` is the database's error text."""
        super().__init__(
            f"the store is unavailable ({reason}); what was not acknowledged may have happened: "
            "retry with the same id",
            reason=reason,
        )


class StoreReadOnlyError(StoreError):
    """A write to a store that was opened for reading or is on read-only media."""

    def __init__(self, url: str, why: str) -> None:
        """``why`` says why it is read-only."""
        super().__init__(f"{url} cannot be written: {why}", url=url, why=why)


class SchemaVersionError(StoreError):
    """The database's schema is not the schema of this version."""

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
    """A newer owner has taken the shard; this process must stop writing it."""

    shard: int

    def __init__(self, shard: int, epoch: int) -> None:
        """``epoch`` is the epoch that is no longer valid."""
        super().__init__(
            f"epoch {epoch} of shard {shard} is over: another process owns it now",
            shard=shard,
            epoch=epoch,
        )


class ShardNotOwnedError(StaleEpochError):
    """The stream belongs to a shard that another process writes."""

    def __init__(self, shard: int) -> None:
        """``shard`` is the number of that shard."""
        StoreError.__init__(
            self,
            f"shard {shard} is not owned by this process; send the message to its owner",
            shard=shard,
            epoch=0,
        )


class PipelineBrokenError(StoreError):
    """An earlier append of the same writer failed, so this one was not tried."""

    def __init__(self, stream: str) -> None:
        """``stream`` is the stream of the refused append."""
        super().__init__(
            f"an earlier append of this writer failed, so nothing was appended to {stream!r}; "
            "read the stream again and retry",
            stream=stream,
        )


class CursorAheadError(StoreError):
    """A cursor is after the end of the log: it is from another store, or the log was restored."""

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
    """Another process has taken over a role; uncommitted work of this process was not stored."""

    role: str

    def __init__(self, role: str) -> None:
        """``role`` is the name of the role, such as ``consumer:billing``."""
        super().__init__(
            f"another process has the role {role!r} now, because this one did not renew its lease "
            "in time; uncommitted work is done there again",
            role=role,
        )


class ConsumerFailedError(StoreError):
    """A consumer's handler failed in all its attempts; the consumer keeps its position."""

    consumer: str
    attempts: int

    def __init__(self, consumer: str, attempts: int, first: str, last: str) -> None:
        """``first`` is the cursor where the batch begins, ``last`` the newest failure."""
        super().__init__(
            f"the handler of consumer {consumer!r} failed {attempts} times on the batch that "
            f"begins at {first} (last: {last}); nothing is skipped: mend the handler and consume "
            "again",
            consumer=consumer,
            attempts=attempts,
            first=first,
            last=last,
        )
