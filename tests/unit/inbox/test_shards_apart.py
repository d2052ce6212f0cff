"""Two processes that own different shards speak to each other's actors without being told so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from unit.inbox.counters import TWO, Add, Counter, Total, note
from unit.system.members import Member, shared_log


class Apart:
    """The first owns the shards 0 and 1 of four, the second owns 2 and 3."""

    def __init__(self, then: ExitStack) -> None:
        log = shared_log()
        self.stores = [Member(log, "first", (0, 1)), Member(log, "second", (2, 3))]
        self.first, self.second = [
            then.enter_context(ActorSystem(store, actors=[Counter()], steps=[note], drain=2))
            for store in self.stores
        ]

    def name_in(self, shards: set[int]) -> str:
        """The id of a counter in one of ``shards``."""
        return _name_in(self.stores[0], shards)


def _name_in(store: Member, shards: set[int]) -> str:
    names = (f"c{number}" for number in range(100))
    return next(n for n in names if store.shard_of(f"counter-{n}") in shards)


@pytest.fixture
def apart() -> Iterator[Apart]:
    with ExitStack() as then:
        yield Apart(then)


def test_new_run_ids_are_of_the_process_s_own_shards(apart: Apart) -> None:
    for system, store in ((apart.first, apart.stores[0]), (apart.second, apart.stores[1])):
        runs = system.workflow_agent("a").start_many([(None, {"text": "x"})] * 20, TWO)
        assert {run.result(20)["status"] for run in runs} == {"success"}
        assert {store.shard_of(f"run-{run.run_id}") for run in runs} <= store.owned()
    assert apart.stores[0].inbox.waiting({0, 1, 2, 3}, 10) == []
    assert not apart.stores[0]._memory.inbox._rows  # nothing went that way


def test_a_process_without_shards_has_the_others_start_its_runs(apart: Apart) -> None:
    apart.stores[0].hand_over(apart.stores[1], 0, 1)
    run = apart.first.workflow_agent("a").start(TWO, input={"text": "x"})
    assert run.result(20)["status"] == "success"
    assert run.status()["outcome"] == "success"
    assert run.status() == apart.second.run(run.run_id).status()


def test_an_actor_is_asked_and_told_wherever_it_lives(apart: Apart) -> None:
    for shards in ({0, 1}, {2, 3}):
        name = apart.name_in(shards)
        one, other = apart.first.actor("counter", name), apart.second.actor("counter", name)
        assert one.ask(Add(1)) == Total(1)
        assert other.ask(Add(1)) == Total(2)
        one.tell(1)
        other.tell(1)
        while one.ask("total") < 4:  # the told ones may come after the asked one
            pass
        assert other.ask("total") == 4


def test_what_an_actor_elsewhere_is_told_waits_for_its_owner_however_long_that_takes() -> None:
    clock = ManualClock()
    log = shared_log(clock)
    owner = Member(log, "first", (0, 1))
    with ActorSystem(owner, actors=[Counter()]) as first:
        name = _name_in(owner, {2, 3})
        commands = log.inbox.watch(for_commands=True)
        first.actor("counter", name).tell(5)
        while not log.inbox.waiting({2, 3}, 1):
            commands.wait(20)
    clock.advance(24 * 3_600)
    with ActorSystem(Member(log, "second", (2, 3)), actors=[Counter()]) as second:
        while second.actor("counter", name).ask("total") < 5:
            pass


def test_what_cannot_be_sent_to_an_actor_elsewhere_is_a_dead_letter(apart: Apart) -> None:
    name = apart.name_in({2, 3})
    apart.first.actor("counter", name).tell({1, 2})
    [letter] = access_to(apart.first).parts.host.dead_letters
    assert (letter.stream, letter.message) == (f"counter-{name}", {1, 2})
    assert "set" in letter.why
