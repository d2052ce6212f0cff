"""What stores in a database share beside the log: their mode, the open reader, forks."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from indelible.errors import ForkedError, StoreReadOnlyError, SystemClosedError
from indelible.events.addresses import Mode, check_mode
from indelible.events.read.stored_log import Reader, StoredLog
from indelible.failpoints import Failpoints

R = TypeVar("R", bound=Reader)

CLOSING = 5.0
"""Seconds that closing may wait for the database, or for its lock; a commit takes milliseconds."""


class DatabaseStore(StoredLog, Generic[R]):
    """Base of a store that is open while it has a reader, to own or only to read."""

    def __init__(self, url: str, mode: Mode, failpoints: Failpoints | None) -> None:
        """Begin closed.

        Raises:
            UnknownModeError: There is no such mode.
        """
        check_mode(mode)
        self.url = url
        self._mode = mode
        self._failpoints = failpoints or Failpoints()
        self._opening = threading.Lock()  # held while the store is opened or closed
        self._reader: R | None = None

    @property
    def state(self) -> str:
        """One of "closed", "open", "reading" and "unavailable"."""
        if self._reader is None:
            return "closed"
        return self._group.state if self._mode == "own" else "reading"

    def _open_reader(self) -> R:
        reader = self._reader
        if reader is None:
            self.check_process()
            raise SystemClosedError("the event store", f"{self.url} is not open")
        return reader

    def _check_sends_commands(self) -> None:
        """Check that the store is open, and may write at least commands for its owners.

        Raises:
            SystemClosedError: The store is not open.
            StoreReadOnlyError: It is open for reading.
        """
        self._open_reader()
        if self._mode == "read":
            raise self._read_only()

    def _read_only(self) -> StoreReadOnlyError:
        """Return the error for writing what this mode does not write."""
        return StoreReadOnlyError(self.url, f'it is open with mode="{self._mode}"')

    def _forked(self, parent: int) -> None:
        """Close the store in a forked child, which must not use inherited locks and connections."""
        unused = self.state == "closed" and not self._opening.locked()
        self._opening = threading.Lock()
        if not unused:
            self._parent = parent
            self._abandon(ForkedError("the event store", self.url, parent))

    def _abandon(self, error: ForkedError) -> None:
        """Refuse appends with ``error``; close nothing and wait for nothing."""
        raise NotImplementedError
