"""Runs as the log has them: folded from their streams, for readers that own nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf
from typing import Any

from indelible.actors.durable.recovery import recover
from indelible.actors.workflow.decide import RunDecider
from indelible.actors.workflow.describe import describe
from indelible.actors.workflow.state import UNFINISHED, RunState
from indelible.errors import (
    AsOfError,
    ResultTimeoutError,
    StoreError,
    StoreUnavailableError,
    UnknownRunError,
)
from indelible.events.as_of import AsOf, version_at
from indelible.events.store import EventStore
from indelible.events.types import EventTypes

_FIRST_POLL = 0.010
_SLOWEST_POLL = 0.250
"""Seconds between looks at a run that another process executes: quick at first, then gentle."""

MORE = 1.0
"""Seconds beyond a time-out that saying what a run waits for may take."""


class RunReader:
    """Reads runs from a store, whoever owns it; any thread may use it."""

    def __init__(self, store: EventStore, types: EventTypes, decider: RunDecider) -> None:
        """Read from ``store``."""
        self._store = store
        self._types = types
        self._decider = decider

    def exists(self, run_id: str) -> bool:
        """Whether the store has a run with this id."""
        return self._store.head(f"run-{run_id}") is not None

    def version(self, run_id: str, as_of: AsOf | None) -> int | None:
        """The version that the run had then; ``None`` stays ``None``.

        Raises:
            UnknownRunError: There is no such run.
            AsOfError: There is no such moment, or the run did not exist then.
        """
        if as_of is None:
            return None
        if not self.exists(run_id):
            raise UnknownRunError(run_id, self._store.url)
        version = version_at(self._store, f"run-{run_id}", as_of)
        if not version:
            fix = "`indelible events` shows when it was accepted"
            raise AsOfError(f"run {run_id!r} did not exist yet", fix)
        return version

    def state(self, run_id: str, until: int | None = None) -> RunState:
        """The run's state as of version ``until``; ``None`` is all there is.

        Raises:
            UnknownRunError: There is no such run.
        """
        stream = f"run-{run_id}"
        state: RunState = recover(
            self._store, self._types, self._decider, stream, until=until
        ).state
        if state.accepted is None:
            raise UnknownRunError(run_id, self._store.url)
        return state

    def describe(self, run_id: str, until: int | None = None) -> dict[str, Any]:
        """The run's status as of version ``until``.

        Raises:
            UnknownRunError: There is no such run.
        """
        return describe(self.state(run_id, until))

    def wait_for_end(self, run_id: str, timeout: float | None) -> RunState:
        """Look at the run's head until another process has ended it.

        A head that says so is believed when the run's events do, too.

        Raises:
            UnknownRunError: There is no such run.
            ResultTimeoutError: It has not ended within ``timeout`` seconds.
        """
        if timeout is None:
            return self._poll(run_id, inf)
        end = time.monotonic() + timeout
        try:
            with self._store.within(timeout):
                return self._poll(run_id, end)
        except TimeoutError:
            pass
        except StoreUnavailableError:
            if time.monotonic() < end:
                raise
        raise ResultTimeoutError(run_id, timeout, self._waiting_for(run_id))

    def _poll(self, run_id: str, end: float) -> RunState:
        pause, folded = _FIRST_POLL, 0
        while True:
            head = self._store.head(f"run-{run_id}")
            if head is None:
                raise UnknownRunError(run_id, self._store.url)
            if head.status not in UNFINISHED and head.version != folded:
                state, folded = self.state(run_id), head.version
                if state.end is not None:
                    return state
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            time.sleep(min(pause, left))
            pause = min(pause * 2, _SLOWEST_POLL)

    def _waiting_for(self, run_id: str) -> Sequence[str]:
        try:
            with self._store.within(MORE):
                waiting: Sequence[str] = self.describe(run_id)["waiting_for"]
        except StoreError:
            return ()  # the database does not say in time
        return waiting
