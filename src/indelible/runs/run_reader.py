"""Reading runs from the log, by folding their streams, without owning them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from indelible.actors.durable.recovery.state_from_log import recover
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.state.describe import describe
from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import AsOfError, StoreError, UnknownRunError
from indelible.events.model.event_types import EventTypes
from indelible.events.read.as_of import AsOf, version_at
from indelible.events.store import EventStore
from indelible.remote.remote_future import STATUS_GRACE

if TYPE_CHECKING:
    from indelible.actors.workflow.state.status_types import RunStatus


class RunReader:
    """Reads runs from a store that any process may own; any thread may use it."""

    def __init__(self, store: EventStore, types: EventTypes, decider: RunDecider) -> None:
        """Read from ``store``."""
        self._store = store
        self._types = types
        self._decider = decider

    def exists(self, run_id: str) -> bool:
        """Whether the store has a run with this id."""
        return self._store.head(f"run-{run_id}") is not None

    def version(self, run_id: str, as_of: AsOf | None) -> int | None:
        """The version that the run had at a moment; ``None`` stays ``None``.

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
        """The run's state as of version ``until``; ``None`` is the latest version.

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

    def describe(self, run_id: str, until: int | None = None) -> RunStatus:
        """The run's status as of version ``until``.

        Raises:
            UnknownRunError: There is no such run.
        """
        return describe(self.state(run_id, until))

    def waiting_for(self, run_id: str) -> Sequence[str]:
        """What the run waits for, by the log; empty if the database does not answer soon."""
        try:
            with self._store.within(STATUS_GRACE):
                waiting: Sequence[str] = self.describe(run_id)["waiting_for"]
        except StoreError:
            return ()  # the database does not answer in time
        return waiting
