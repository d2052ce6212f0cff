"""kill -9 around a snapshot: the state is what all events say, and no snapshot is ahead of them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from forked import Forked
from indelible import ActorSystem
from indelible.actors.decider import fold
from indelible.actors.durable.recovery.state_from_log import recover
from indelible.api.facade import access_to
from indelible.events.snapshots import SNAPSHOTS

CHILD = Path(__file__).with_name("snapshot_child.py")


@pytest.mark.parametrize("place", ["snapshot.before", "snapshot.after", "commit.after"])
def test_a_kill_around_a_snapshot_costs_no_more_than_the_snapshot(
    tmp_path: Path, place: str
) -> None:
    store, last = tmp_path / "sum.db", 0
    for kill_at in (1, 3, 7):
        heard = heard_until_killed(store, place, kill_at)
        assert all(before < after for before, after in zip([last, *heard], heard, strict=False))
        last = heard[-1] if heard else last
        check(store, last)


def check(store: Path, acknowledged: int) -> None:
    """Snapshot and tail give the fold of all events, as of every version that has one."""
    decider = sum_decider()
    with ActorSystem(f"sqlite:///{store}", actors=[decider], mode="read") as system:
        types, log = access_to(system).parts.types, system.store
        events = [types.decode(event) for event in log.read("sum-a")]
        with log.read_views() as connection:
            versions = list(connection.execute(sa.select(SNAPSHOTS.c.version)).scalars())
        assert len(versions) <= 2
        assert max(versions, default=0) <= len(events)
        for until in {*versions, len(events)}:
            whole = fold(decider, decider.initial_state(), events[:until])
            found = recover(log, types, decider, "sum-a", until=until)
            assert found.state == whole
            if until > decider.snapshot_every:  # below that nobody looks
                assert found.snapshot == max((v for v in versions if v <= until), default=0)
        assert system.actor("sum", "a").state()["sum"] >= acknowledged


def heard_until_killed(store: Path, place: str, kill_at: int) -> list[int]:
    """What a child acknowledges until it kills itself there."""
    child = Forked("crash.snapshot_child", [str(store), place, str(kill_at)])
    said, _ = child.communicate(timeout=50)
    assert child.returncode == -9
    return [int(line) for line in said.splitlines()]


def sum_decider() -> Any:
    spec = importlib.util.spec_from_file_location("snapshot_child", CHILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["snapshot_child"] = module  # where msgspec looks annotations up
    spec.loader.exec_module(module)
    return module.Sum()
