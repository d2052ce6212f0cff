"""A row of ``streams`` that ends before its stream: damage that looks like another writer."""

from __future__ import annotations

from typing import TypeGuard

from indelible.errors import StoreCorruptError, WrongExpectedVersionError
from indelible.events.store import EventStore


def may_lag(error: BaseException) -> TypeGuard[WrongExpectedVersionError]:
    """Whether an append was refused because its stream ends before what was read of it."""
    return isinstance(error, WrongExpectedVersionError) and error.actual < error.expected


def check_row(store: EventStore, error: BaseException | None, version: int) -> None:
    """See that a stream whose append ``error`` has refused ends now where its row says.

    ``version`` is where it ended when it was read again after that.

    Raises:
        StoreCorruptError: It ends where it had ended before, so the row is wrong.
    """
    if error is None or not may_lag(error) or version < error.expected:
        return
    stream, ends = error.stream, error.actual
    found = f"its version in streams is {ends}, although it has reached {version}"
    place = {"version": ends + 1}
    for event in store.read(stream, ends, ends + 1):  # none if that one is lost, too
        place |= {"shard": event.shard, "position": event.position}
    raise StoreCorruptError(store.url, found, stream=stream, **place)
