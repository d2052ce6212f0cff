"""Views of one's own in a system, and what it says and does about parked events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from indelible import ActorSystem, Decider, Event, Projection
from indelible.api.facade import access_to
from indelible.errors import (
    ParkedAgainError,
    StoreReadOnlyError,
    UnknownParkedEventError,
    UnknownProjectionError,
)
from indelible.projections.views.view import Pair

TABLES = sa.MetaData()
TOTALS = sa.Table(
    "totals",
    TABLES,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("cents", sa.BigInteger, nullable=False),
)


class Paid(Event, frozen=True):
    """Money came in."""

    wire_name = "account.paid"

    cents: int


class Account(Decider[int]):
    """Adds up."""

    category = "account"
    event_types = (Paid,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> list[Event]:
        return [Paid(message)]

    def evolve(self, state: int, event: Paid) -> int:
        return state + event.cents


class Totals(Projection):
    """What each account holds."""

    name = "totals"
    tables = TABLES
    handles: ClassVar[Sequence[type[Event]]] = (Paid,)
    mended = True

    def apply(self, connection: sa.Connection, events: Sequence[Pair]) -> None:
        table = self.table("totals")
        for recorded, event in events:
            assert isinstance(event, Paid)
            if event.cents == 13 and not Totals.mended:
                raise ValueError("unlucky")
            mine = table.c.account == recorded.stream
            more = sa.update(table).where(mine).values(cents=table.c.cents + event.cents)
            if not connection.execute(more).rowcount:
                row = {"account": recorded.stream, "cents": event.cents}
                connection.execute(sa.insert(table), row)

    def erase(self, connection: sa.Connection, stream: str) -> bool:
        table = self.table("totals")
        connection.execute(sa.delete(table).where(table.c.account == stream))
        return True


def rows(system: ActorSystem) -> dict[str, int]:
    with system.views.connection() as connection:
        return {row.account: row.cents for row in connection.execute(sa.select(TOTALS))}


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/own.db"


def opened(url: str, **more: Any) -> ActorSystem:
    return ActorSystem(url, actors=[Account()], projections=[Totals()], **more)


def test_a_view_of_ones_own_follows_catches_up_and_is_rebuilt(url: str) -> None:
    with opened(url) as system:
        for cents in (5, 6, 7):
            system.actor("account", "a").ask(cents)
        assert system.caught_up(cursor=system.store.positions())
        assert rows(system) == {"account-a": 18}
        assert system.rebuild("totals") == 3
        assert rows(system) == {"account-a": 18}
        assert system.views.lag()["totals"].events == 0


def test_a_parked_event_is_retried_or_skipped_and_both_are_recorded(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Totals, "mended", False)
    with opened(url) as system:
        account = system.actor("account", "a")
        for cents in (5, 13, 7):
            account.ask(cents)
        assert system.caught_up()
        [event] = system.parked.list()
        where = (event.projection, event.shard, event.position)
        assert (event.error, event.version) == ("ValueError: unlucky", 2)
        with pytest.raises(ParkedAgainError, match="unlucky"):
            system.parked.retry(*where, by="me", reason="hope")
        system.parked.skip(*where, by="me", reason="never mind")
        assert system.parked.list() == []
        assert [row.state for row in system.parked.list(skipped=True)] == ["skipped"]
        monkeypatch.setattr(Totals, "mended", True)
        system.parked.retry(*where, by="me", reason="mended")
        assert system.parked.list(skipped=True) == []
        assert rows(system) == {"account-a": 25}
        with pytest.raises(UnknownParkedEventError):
            system.parked.retry(*where)
        decisions = [
            access_to(system).parts.types.decode(e) for e in system.store.read("projection-totals")
        ]
        assert [(type(d).__name__, d.by, d.reason) for d in decisions] == [  # type: ignore[attr-defined]
            ("EventRetried", "me", "hope"),
            ("EventSkipped", "me", "never mind"),
            ("EventRetried", "me", "mended"),
        ]
        contexts = [event.context for event in system.store.read("projection-totals")]
        assert [(c.principal, c.reason) for c in contexts] == [(d.by, d.reason) for d in decisions]  # type: ignore[attr-defined]


async def _decide(system: ActorSystem) -> None:
    [event] = await system.parked.list_async()
    where = (event.projection, event.shard, event.position)
    await system.parked.skip_async(*where, reason="later")
    Totals.mended = True
    await system.parked.retry_async(*where)
    assert await system.parked.list_async(skipped=True) == []


def test_the_same_without_blocking_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Totals, "mended", False)
    with opened("memory://") as system:
        system.actor("account", "a").ask(13)
        assert system.caught_up()
        asyncio.run(_decide(system))
        assert rows(system) == {"account-a": 13}


def test_a_reader_lists_and_does_not_decide(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Totals, "mended", False)
    url = f"sqlite:///{tmp_path}/own.db"
    with opened(url) as system:
        system.actor("account", "a").ask(13)
        assert system.caught_up()
    with opened(url, mode="read") as reader:
        [event] = reader.parked.list("totals")
        assert reader.caught_up(5)
        with pytest.raises(StoreReadOnlyError):
            reader.parked.skip("totals", event.shard, event.position)
        with pytest.raises(StoreReadOnlyError):
            reader.rebuild("totals")


CALLS: dict[str, Callable[[ActorSystem, str], Any]] = {
    "parked.list": lambda system, name: system.parked.list(name),
    "parked.list skipped": lambda system, name: system.parked.list(name, skipped=True),
    "parked.list_async": lambda system, name: asyncio.run(system.parked.list_async(name)),
    "parked.retry": lambda system, name: system.parked.retry(name, 0, 1),
    "parked.retry_async": lambda system, name: asyncio.run(system.parked.retry_async(name, 0, 1)),
    "parked.skip": lambda system, name: system.parked.skip(name, 0, 1),
    "parked.skip_async": lambda system, name: asyncio.run(system.parked.skip_async(name, 0, 1)),
    "views.parked": lambda system, name: system.views.parked(name),
    "views.parked_at": lambda system, name: system.views.parked_at(name, 0, 1),
    "views.rebuilt": lambda system, name: system.views.rebuilt(name),
    "views.as_of": lambda system, name: system.views.as_of({}).parked(name),
    "rebuild": lambda system, name: system.rebuild(name),
    "rebuild_async": lambda system, name: asyncio.run(system.rebuild_async(name)),
}


@pytest.fixture(scope="module")
def idle() -> Iterator[ActorSystem]:
    with opened("memory://") as system:
        yield system


@pytest.mark.parametrize("call", CALLS)
def test_a_view_that_does_not_exist_is_refused_with_the_nearest_name(
    idle: ActorSystem, call: str
) -> None:
    with pytest.raises(UnknownProjectionError, match=r"'metrics'\? there are .*totals") as refused:
        CALLS[call](idle, "metric")
    assert sorted(vars(refused.value)["known"]) == ["metrics", "totals", "workflow_status"]


def test_a_name_near_to_none_is_refused_without_a_suggestion(idle: ActorSystem) -> None:
    with pytest.raises(UnknownProjectionError) as refused:
        idle.parked.list("nope")
    assert str(refused.value) == (
        "no projection 'nope'; there are metrics, totals, workflow_status"
    )


def test_a_view_that_exists_and_has_parked_nothing_has_an_empty_list(idle: ActorSystem) -> None:
    for name in ("metrics", "totals", "workflow_status"):
        assert idle.parked.list(name) == idle.views.as_of({}).parked(name) == []
        assert idle.views.rebuilt(name) == 0
        with pytest.raises(UnknownParkedEventError):
            idle.parked.skip(name, 0, 1)


def test_a_view_of_another_program_is_known_once_it_has_run(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/own.db"
    with opened(url) as system:
        system.actor("account", "a").ask(5)
        assert system.caught_up()
    with ActorSystem(url, mode="read") as reader:
        assert reader.parked.list("totals") == []
        with pytest.raises(UnknownProjectionError, match="mean 'totals'"):
            reader.parked.list("total")


def test_the_engines_own_category_and_names_are_taken() -> None:
    class Mine(Account):
        category = "projection"

    with pytest.raises(ValueError, match="the engine's own"):
        ActorSystem("memory://", actors=[Mine()])
    with pytest.raises(ValueError, match="exists already"):
        ActorSystem("memory://", projections=[Totals(), Totals()])
