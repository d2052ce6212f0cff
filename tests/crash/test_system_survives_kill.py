"""kill -9 while actors answer: every balance that was acknowledged is in the log (invariant 1)."""

from __future__ import annotations

import os
import random
from pathlib import Path

from crash.system_child import Account
from forked import Forked
from inboxes import wait_until_empty
from indelible import ActorSystem

KILLS = 40 if os.environ.get("INDELIBLE_FAULTS") == "1" else 5


def test_every_acknowledged_answer_of_an_actor_survives_kill(tmp_path: Path) -> None:
    store, rng = tmp_path / "bank.db", random.Random(11)  # noqa: S311 - when to kill
    acknowledged: dict[str, int] = {}
    for _ in range(KILLS):
        for name, balance in heard_until_killed(store, lines=rng.randrange(1, 400)):
            assert balance > acknowledged.get(name, 0)  # the next process goes on from there
            acknowledged[name] = balance
    with ActorSystem(f"sqlite:///{store}", actors=[Account()]) as system:
        wait_until_empty(system.store)
        assert system.store.verify() == sum(h.version for h in system.store.heads("account"))
        for name, balance in acknowledged.items():
            account = system.actor("account", name)
            assert account.state() >= balance
            assert account.state() == len(account.events())
        total = system.actor("account", "total").state()
        promised = sum(system.actor("account", name).state() // 10 * 10 for name in acknowledged)
        assert total == promised  # an effect is neither lost nor repeated


def heard_until_killed(store: Path, lines: int) -> list[tuple[str, int]]:
    """What a child acknowledges until it is killed after so many lines."""
    heard = []
    with Forked("crash.system_child", [str(store)]) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if not line.endswith("\n"):
                break  # cut by the kill
            name, balance = line.split()
            heard.append((name, int(balance)))
            if len(heard) == lines:
                child.kill()
    return heard
