"""Who waits for whom: a group under way holds up no renewal, a stopped process no take-over."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from indelible.errors import StaleEpochError, StoreUnavailableError
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import some_event
from members import LONG, SHARDS, SHORT, Member, Members, stream_in

ALL = frozenset(range(SHARDS))


class Gate:
    """Stops the first group at a failpoint until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self._armed = False

    def arm(self) -> None:
        self._armed = True

    def __call__(self) -> None:
        if self._armed:
            self._armed = False
            self.reached.set()
            self.opened.wait()


@contextmanager
def a_group_that_stands_still(
    members: Members, gate: Gate, lease: float
) -> Iterator[tuple[Member, list[BaseException | None]]]:
    """A process that has written a group to shard 0 and does not come to its COMMIT."""
    member = members.open(lease=lease, failpoints=Failpoints({"commit.before": gate}))
    outcomes: list[BaseException | None] = []

    def append() -> None:
        try:
            member.store.append(stream_in(0), [some_event()], expected=0)
        except (StaleEpochError, StoreUnavailableError) as error:
            outcomes.append(error)
        else:
            outcomes.append(None)

    gate.arm()
    thread = threading.Thread(target=append)
    thread.start()
    try:
        assert gate.reached.wait(30)
        yield member, outcomes
    finally:
        gate.opened.set()
        thread.join()


def test_a_group_under_way_holds_up_no_renewal(members: Members) -> None:
    with a_group_that_stands_still(members, Gate(), LONG) as (member, outcomes):
        leases = member.store._member._leases
        assert leases is not None
        view = leases.renew(ALL)
        assert view.renewed == ALL - {0}
        assert view.mine == ALL
    assert outcomes == [None]
    assert member.store.owned() == ALL


def test_a_process_that_stops_inside_a_transaction_is_taken_over_all_the_same(
    members: Members,
) -> None:
    with a_group_that_stands_still(members, Gate(), SHORT) as (member, outcomes):
        keeper = member.store._member._keeper
        assert keeper is not None
        keeper.stop()
        other = members.open(lease=LONG)
        other.wait_for_shards(*ALL)
        [recorded] = other.store.append(stream_in(0), [some_event()], expected=0)
        assert recorded.epoch == 2
    assert isinstance(outcomes[0], (StaleEpochError, StoreUnavailableError))
    assert other.store.verify() == 1


FORKS = """
import os, sys
from indelible.errors import SystemClosedError
from indelible.events.opening import open_store
from indelible.testing.contract.builders import some_event
store = open_store(sys.argv[1], shards=1)
store.append("run-1", [some_event()], expected=0)
store.positions()
child = os.fork()
if child == 0:
    for attempt in (lambda: store.append("run-1", [some_event()], expected=1), store.positions):
        try:
            attempt()
        except SystemClosedError:
            continue
        os._exit(1)
    os._exit(0)
_, status = os.waitpid(child, 0)
store.append("run-1", [some_event()], expected=1)
assert store.verify() == 2
store.close()
sys.exit(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_touches_nothing_of_its_parent_s(members: Members) -> None:
    done = subprocess.run([sys.executable, "-c", FORKS, members.url], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("close_first", [True, False])
def test_closing_gives_everything_back_whoever_closes_first(
    members: Members, close_first: bool
) -> None:
    first, second = members.open(), members.open()
    second.wait_for_share(SHARDS // 2)
    leaver, stayer = (first, second) if close_first else (second, first)
    leaver.store.close()
    stayer.wait_for_shards(*ALL)
