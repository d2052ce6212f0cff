"""Roles whose leases end with time: taken, renewed, lost, released."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from indelible.errors import RoleLostError, StoreUnavailableError
from indelible.events.connections.database_clock import SQLITE
from indelible.events.lease import role_holder, role_rows
from indelible.events.lease.role_holder import Role, RoleHolder

SECOND = 1_000_000_000


def nothing(*_: Any) -> None:
    """Do nothing."""


@pytest.fixture
def leased(log: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A log whose roles are leased, as on a database of several processes; time is the test's."""
    log.db_now = 1_000_000
    monkeypatch.setattr(role_holder, "is_leased", lambda _: True)
    monkeypatch.setattr(RoleHolder, "_begin", nothing)  # the test renews
    monkeypatch.setitem(role_rows._FREE, "sqlite", role_rows._FREE["postgresql"])

    class Now(dict[str, str]):
        def __getitem__(self, _: str) -> str:
            return str(log.db_now)

    monkeypatch.setattr(role_rows, "NOW", Now())

    def advance(seconds: float) -> None:
        log.db_now += round(seconds * 1e6)
        log.clock.advance(seconds)

    log.advance = advance
    return log


def take(holder: RoleHolder, on_change: Callable[[], None] = nothing) -> Role | float:
    return holder.take("consumer:billing", on_change, nothing)


def taken(holder: RoleHolder, on_change: Callable[[], None] = nothing) -> Role:
    role = take(holder, on_change)
    assert isinstance(role, Role)
    return role


def test_a_role_is_taken_over_when_its_lease_has_ended_and_not_before(leased: Any) -> None:
    one, other = leased.process("one"), leased.process("other")
    first = taken(one)
    assert take(other) == 1.0  # look again soon: it may be released
    leased.advance(9.5)
    assert take(other) == pytest.approx(0.5)
    leased.advance(0.6)
    second = taken(other)
    assert second.epoch == first.epoch + 1


def test_the_holder_stops_before_anybody_else_may_begin(leased: Any) -> None:
    one, other = leased.process("one"), leased.process("other")
    role = taken(one)
    leased.advance(8.9)
    assert not role.lost
    leased.advance(0.2)
    assert role.lost
    assert not isinstance(take(other), Role)
    with pytest.raises(RoleLostError), role.writing():
        pytest.fail("a lost role wrote")


def test_a_renewed_lease_goes_on(leased: Any) -> None:
    one, other = leased.process("one"), leased.process("other")
    role = taken(one)
    for _ in range(10):
        leased.advance(5)
        one.renew()
        assert not role.lost
        assert not isinstance(take(other), Role)


def test_what_is_written_in_a_role_extends_its_lease(leased: Any) -> None:
    role = taken(leased.process("one"))
    for _ in range(10):
        leased.advance(5)
        with role.writing():
            pass
    assert not role.lost
    assert not isinstance(take(leased.process("other")), Role)


def test_the_time_of_a_renewal_counts_from_before_it_was_sent(
    leased: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = taken(leased.process("one"))
    write = leased.store.write_views

    @contextmanager
    def slowly() -> Iterator[sa.Connection]:
        with write() as connection:
            yield connection
        leased.clock.advance(8)  # the answer takes that long

    monkeypatch.setattr(leased.store, "write_views", slowly)
    with role.writing():
        pass
    leased.clock.advance(1.1)
    assert role.lost


def test_the_time_of_a_role_counts_from_before_it_was_asked_for(
    leased: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = leased.store.write_views

    @contextmanager
    def slowly() -> Iterator[sa.Connection]:
        leased.clock.advance(8)  # the question takes that long
        with write() as connection:
            yield connection

    monkeypatch.setattr(leased.store, "write_views", slowly)
    role = taken(leased.process("one"))
    assert not role.lost
    leased.clock.advance(1.1)
    assert role.lost


def test_a_process_that_was_paused_past_its_lease_writes_nothing(leased: Any) -> None:
    one, other = leased.process("one"), leased.process("other")
    told: list[str] = []
    role = taken(one, lambda: told.append("lost"))
    leased.db_now += 11_000_000  # the paused process has not seen this time pass
    taken(other)
    assert not role.lost
    with pytest.raises(RoleLostError), role.writing() as connection:
        connection.execute(sa.text("DELETE FROM roles"))
    assert role.lost
    assert told == ["lost"]
    with leased.store.read_views() as connection:
        rows = connection.execute(sa.text("SELECT owner, epoch FROM roles")).all()
    assert [tuple(row) for row in rows] == [("other", 2)]


def test_a_renewal_that_comes_too_late_tells_the_holder(leased: Any) -> None:
    one, other = leased.process("one"), leased.process("other")
    told: list[str] = []
    taken(one, lambda: told.append("lost"))
    leased.db_now += 11_000_000
    taken(other)
    one.renew()
    one.renew()
    assert told == ["lost"]


def test_a_failed_renewal_is_tried_again_while_there_is_time(
    leased: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = leased.process("one")
    role = taken(one)
    with monkeypatch.context() as away:

        def fail() -> Any:
            raise StoreUnavailableError("gone")

        away.setattr(leased.store, "write_views", fail)
        leased.advance(4)
        one.renew()
        assert not role.lost
    one.renew()
    leased.advance(8)
    assert not role.lost


def test_a_released_role_is_free_at_once_everywhere(leased: Any) -> None:
    one, other = leased.process("one"), leased.process("other")
    role = taken(one)
    role.release()
    role.release()
    assert role.lost
    second = taken(other)
    with pytest.raises(RoleLostError), role.writing():
        pass
    assert not second.lost


def test_a_renewal_under_way_does_not_bring_back_a_released_role(leased: Any) -> None:
    one = leased.process("one")
    role = taken(one)
    role.release()
    role._lost = False  # the renewal had looked before
    with pytest.raises(RoleLostError), role.writing():
        pass
    taken(leased.process("other"))


def test_within_a_process_one_has_a_role_and_others_are_told_of_its_end(leased: Any) -> None:
    one = leased.process("one")
    told: list[str] = []
    role = taken(one)
    assert take(one, lambda: told.append("now")) == 1.0
    assert told == []
    role.release()
    assert told == ["now"]
    taken(one)


def test_a_role_whose_time_ran_out_here_is_taken_anew_by_the_same_process(leased: Any) -> None:
    one = leased.process("one")
    first = taken(one)
    leased.advance(9.5)
    assert first.lost
    second = taken(one)
    assert second.epoch == first.epoch + 1
    first.lose()
    assert not second.lost
    assert take(one) == 1.0  # the end of the first one changes nothing for the second


def test_closing_releases_all_roles(leased: Any) -> None:
    one, other = leased.process("one"), leased.process("other")
    role = taken(one)
    one.close()
    one.close()
    assert role.lost
    taken(other)


def test_what_fails_with_taking_a_role_takes_none(leased: Any) -> None:
    one = leased.process("one")

    def fail(_: sa.Connection) -> None:
        raise ValueError("no such row")

    with pytest.raises(ValueError, match="no such row"):
        one.take("consumer:billing", nothing, fail)
    assert isinstance(take(leased.process("other")), Role)


def test_the_thread_renews_until_it_is_closed(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role_holder, "is_leased", lambda _: True)
    holder = RoleHolder(log.store, "one", log.clock, lease=0.003)
    renewed = threading.Semaphore(0)
    write = log.store.write_views

    def count() -> Any:
        renewed.release()
        return write()

    role = taken(holder)
    monkeypatch.setattr(log.store, "write_views", count)
    for _ in range(3):
        assert renewed.acquire(timeout=30)
    holder.close()
    assert role.lost
    assert [t.name for t in threading.enumerate() if t.name == "indelible-roles"] == []


def test_the_database_clock_is_about_now(log: Any) -> None:
    with log.store.read_views() as connection:
        clock = sa.text(f"SELECT {SQLITE} - 1000000 * CAST(strftime('%s') AS INT)")
        assert -1_000_000 < connection.execute(clock).scalar_one() < 1_001_000
