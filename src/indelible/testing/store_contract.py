"""The contract of an event store, as tests: subclass it, create your store in it, run pytest."""
# ruff: noqa: D102 - tests: their names say what they check

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indelible.clock import ManualClock
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.testing.contract.group_contract import GroupContract
from indelible.testing.contract.late_contract import LateContract
from indelible.testing.contract.log_contract import LogContract
from indelible.testing.faults import Fault


class EventStoreContract(LogContract, GroupContract, LateContract):
    """The tests; a subclass overrides :meth:`make_store`."""

    def make_store(self, path: Path, clock: ManualClock, failpoints: Failpoints) -> EventStore:
        """A closed store that keeps its files below ``path``."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def before_commit(self) -> Fault:
        return Fault()

    @pytest.fixture
    def after_commit(self) -> Fault:
        return Fault()

    @pytest.fixture
    def store(
        self, tmp_path: Path, clock: ManualClock, before_commit: Fault, after_commit: Fault
    ) -> Iterator[EventStore]:
        failpoints = Failpoints({"commit.before": before_commit, "commit.after": after_commit})
        store = self.make_store(tmp_path, clock, failpoints)
        store.open()
        yield store
        store.close()
