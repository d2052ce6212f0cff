"""Calls of users' own actors: attempts, time-outs, retries, and what a crash cuts off."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorHandle, ActorSystem, Call, Context, RefusedError, RetryPolicy
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.errors import WrongPendingError
from indelible.testing.hold import Hold
from orders import Order
from until import until

SOON = RetryPolicy(attempts=3, delay=0.0)


def ended(order: ActorHandle[Any, Any]) -> dict[str, Any]:
    """The state of ``order`` once nothing is outstanding."""
    until(order, lambda: order.state()["is"] not in ("new", "placed"))
    return dict(order.state())


def types(order: ActorHandle[Any, Any]) -> list[str]:
    return [event.type for event in order.events()]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/orders.db"


class Till:
    """A function to be called, which keeps what it was called with."""

    def __init__(self, act: Callable[[Any, int], Any] = lambda context, amount: f"ch_{amount}"):
        self.act = act
        self.calls: list[tuple[str, int, int]] = []

    def charge(self, context: Any, amount: int) -> Any:
        self.calls.append((context.idempotency_key, context.attempt, amount))
        return self.act(context, amount)

    async def charge_async(self, context: Any, amount: int) -> Any:
        return self.charge(context, amount)


@pytest.mark.parametrize("name", ["charge", "charge_async"])
def test_what_a_function_returns_comes_back_as_a_message(url: str, name: str) -> None:
    till = Till()
    with ActorSystem(url, actors=[Order()], calls={"charge": getattr(till, name)}) as system:
        order = system.actor(Order, "1")
        assert order.ask(5, by="ada", timeout=10) == "placed"
        assert ended(order) == {"is": "charged", "receipt": "ch_5"}
        assert till.calls == [("order-1/1/0", 1, 5)]
        assert types(order) == ["order.placed", "order.charged"]
        *_, charged = order.events()
        assert charged.context == Context("1", "order-1/1", principal="ada")
        head = system.store.head("order-1")
        assert head is not None
        assert head.wake_at == 0
        system.verify()


def test_a_function_may_take_the_argument_alone(url: str) -> None:
    with ActorSystem(url, actors=[Order()], calls={"charge": lambda n: f"ch_{n}"}) as system:
        order = system.actor(Order, "1")
        order.ask(5, timeout=10)
        assert ended(order)["receipt"] == "ch_5"


@pytest.mark.parametrize("name", ["charge", "charge_async"])
def test_what_fails_is_tried_again_as_its_policy_says(url: str, name: str) -> None:
    def fails(context: Any, amount: int) -> str:
        if context.attempt < amount:
            raise ValueError("no money")
        return "ok"

    till = Till(fails)
    calls = {"charge": getattr(till, name)}
    with ActorSystem(url, actors=[Order(SOON)], calls=calls) as system:
        third, never = system.actor(Order, "3"), system.actor(Order, "4")
        third.ask(3, timeout=10)
        never.ask(4, timeout=10)
        assert ended(third) == {"is": "charged", "receipt": "ok"}
        assert ended(never) == {"is": "unpaid", "why": "ValueError: no money"}
        tries = ["call.attempt_failed", "call.began"] * 2
        assert types(third) == ["order.placed", *tries, "order.charged"]
        assert types(never) == ["order.placed", *tries, "order.unpaid"]
        assert [call for call in till.calls if call[2] == 3] == [
            ("order-3/1/0", attempt, 3) for attempt in (1, 2, 3)
        ]
        system.verify()


def test_a_retry_waits_until_it_is_due_whatever_happens_meanwhile(url: str) -> None:
    def fails(context: Any, amount: int) -> str:
        if context.attempt < 2:
            raise ValueError("no money")
        return "ok"

    clock, till = ManualClock(), Till(fails)
    policy = RetryPolicy(attempts=3, delay=3_600.0, max_delay=3_600.0, jitter=0.0)
    how: dict[str, Any] = {"actors": [Order(policy)], "calls": {"charge": till.charge}}
    with ActorSystem(url, clock=clock, **how) as system:
        order = system.actor(Order, "1")
        order.ask(1, timeout=10)
        until(order, lambda: len(order.events()) == 2)
        clock.advance(3_500)
    with ActorSystem(url, clock=clock, **how) as system:
        order = system.actor(Order, "1")
        assert order.state()["is"] == "placed"
        assert len(till.calls) == 1
        clock.advance(101)
        assert ended(order)["receipt"] == "ok"
    assert [attempt for _, attempt, _ in till.calls] == [1, 2]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_call_that_takes_too_long_has_failed(url: str, kind: str) -> None:
    free = threading.Event()

    def waits(context: Any, amount: int) -> str:
        free.wait(60)
        return "late"

    async def waits_async(context: Any, amount: int) -> str:
        await asyncio.sleep(60)
        return "late"

    calls = {"charge": waits if kind == "sync" else waits_async}
    with ActorSystem(url, actors=[Order(timeout=0.05)], calls=calls, drain=60) as system:
        order = system.actor(Order, "1")
        order.ask(5, timeout=10)
        state = ended(order)
        free.set()
        assert state["why"] == "CallTimeoutError: 'charge' did not return within 0.05 s"
    with ActorSystem(url, actors=[Order()], mode="read") as system:
        assert types(system.actor(Order, "1")) == ["order.placed", "order.unpaid"]


@pytest.mark.parametrize(
    ("value", "words"),
    [({1, 2}, "ValueNotStorableError: .* is a set"), (asyncio.sleep, "ValueNotStorableError")],
)
def test_a_result_that_cannot_be_stored_is_a_failure_and_not_tried_again(
    url: str, value: Any, words: str
) -> None:
    till = Till(lambda _context, _amount: value)
    with ActorSystem(url, actors=[Order(SOON)], calls={"charge": till.charge}) as system:
        order = system.actor(Order, "1")
        order.ask(5, timeout=10)
        import re

        assert re.match(words, ended(order)["why"].replace("\n", " "))
        assert len(till.calls) == 1


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (Call("k", "chrage"), "no such function: did you mean 'charge'"),
        (Call("", "charge"), "a call's key has 1 to 200 characters"),
        (Call("k", "charge", timeout=0), "a call's timeout is seconds, more than 0: 0"),
        (Call("k", "charge", retry=0), "a call's retry is 1 or more attempts: 0"),
        (Call("k", "charge", on_unknown_outcome="ask"), "'retry' or 'fail': 'ask'"),  # type: ignore[arg-type]
    ],
)
def test_a_call_that_cannot_be_made_is_refused_before_anything_is_stored(
    url: str, monkeypatch: Any, call: Call, match: str
) -> None:
    monkeypatch.setattr(Order, "call", lambda _self, _amount: call)
    with ActorSystem(url, actors=[Order()], calls={"charge": Till().charge}) as system:
        order = system.actor(Order, "1")
        with pytest.raises(RefusedError, match=match):
            order.ask(5, timeout=10)
        assert order.events() == []


@pytest.mark.parametrize("function", [5, lambda: None, lambda a, b, c: None])
def test_a_function_that_cannot_be_called_is_refused_when_the_system_is_made(function: Any) -> None:
    with pytest.raises(TypeError, match="calls: 'charge'"):
        ActorSystem("memory://", calls={"charge": function})


def test_a_call_that_stays_pending_when_it_has_come_back_is_named(
    url: str, monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.setattr(Order, "pending", lambda self, state: [self.call(state["amount"])])
    monkeypatch.setattr(Order, "evolve", lambda _self, state, _event: {**state, "amount": 5})
    with ActorSystem(url, actors=[Order()], calls={"charge": Till().charge}) as system:
        system.actor(Order, "1").ask(5, timeout=10)
        while not any(
            record.exc_info and record.exc_info[0] is WrongPendingError for record in caplog.records
        ):
            time.sleep(0.002)
        assert types(system.actor(Order, "1")) == ["order.placed"]


class TestCutOff:
    """A process that ends in the middle of a call."""

    @pytest.fixture
    def left(self, url: str) -> Callable[..., None]:
        """Leave a call behind that has begun and did not return."""

        def leave(decider: Order) -> None:
            began, free = threading.Event(), threading.Event()

            def hangs(context: Any, amount: int) -> str:
                began.set()
                free.wait(60)
                return "late"

            with ActorSystem(url, actors=[decider], calls={"charge": hangs}, drain=0) as system:
                order = system.actor(Order, "1")
                if not order.events():  # else it is made again by itself
                    order.ask(5, by="ada", timeout=10)
                assert began.wait(60)
            free.set()

        return leave

    def test_it_is_made_again_with_the_same_idempotency_key(
        self, url: str, left: Callable[..., None]
    ) -> None:
        left(Order())
        till = Till()
        with ActorSystem(url, actors=[Order()], calls={"charge": till.charge}) as system:
            order = system.actor(Order, "1")
            assert ended(order)["receipt"] == "ch_5"
            assert till.calls == [("order-1/1/0", 2, 5)]
            assert types(order) == ["order.placed", "call.began", "order.charged"]
            assert {event.context.principal for event in order.events()} == {"ada"}
            system.verify()

    def test_it_does_not_use_the_policy_up_and_ten_end_it(
        self, url: str, left: Callable[..., None]
    ) -> None:
        for _ in range(10):
            left(Order())
        till = Till()
        with ActorSystem(url, actors=[Order()], calls={"charge": till.charge}) as system:
            order = system.actor(Order, "1")
            assert "attempt 10 was cut off, and its outcome is unknown" in ended(order)["why"]
            assert till.calls == []
            *_, last = order.events()
            assert access_to(system).parts.types.decode(last).unknown  # type: ignore[attr-defined]

    def test_it_fails_if_its_policy_says_so(self, url: str, left: Callable[..., None]) -> None:
        left(Order(on_unknown_outcome="fail"))
        till = Till()
        how = {"actors": [Order(on_unknown_outcome="fail")], "calls": {"charge": till.charge}}
        with ActorSystem(url, **how) as system:  # type: ignore[arg-type]
            order = system.actor(Order, "1")
            assert "attempt 1 was cut off" in ended(order)["why"]
            assert till.calls == []


def test_a_call_that_had_not_begun_when_its_system_closed_was_not_cut_off(url: str) -> None:
    began, free = threading.Event(), threading.Event()

    def holds_the_thread(context: Any, amount: int) -> str:
        began.set()
        free.wait(60)
        return "ok"

    how: dict[str, Any] = {"actors": [Order()], "calls": {"charge": holds_the_thread}}
    system = ActorSystem(url, max_threads=1, drain=60, **how)
    with system:
        system.actor(Order, "1").ask(5, timeout=10)
        assert began.wait(60)
        system.actor(Order, "2").ask(5, timeout=10)
        threading.Timer(0.05, free.set).start()
    with ActorSystem(url, **how) as system:
        assert ended(system.actor(Order, "1")) == ended(system.actor(Order, "2"))
        second = system.actor(Order, "2").events()
        assert [event.type for event in second] == [
            "order.placed",
            "call.released",
            "call.began",
            "order.charged",
        ]
        assert access_to(system).parts.types.decode(second[-1]).attempt == 1  # type: ignore[attr-defined]


def test_a_result_of_an_attempt_that_is_not_the_last_one_is_passed_over(url: str) -> None:
    from indelible.actors.effects.calls.call_decisions import CallOver

    clock, till = ManualClock(), Till()

    def fails(context: Any, amount: int) -> str:
        raise ValueError("no money")

    till.act = fails
    order = Order(RetryPolicy(attempts=2, delay=60.0))
    how: dict[str, Any] = {"actors": [order], "calls": {"charge": till.charge}}
    with ActorSystem(url, clock=clock, **how) as system:
        actor = system.actor(Order, "1")
        actor.ask(5, timeout=10)
        until(actor, lambda: len(actor.events()) == 2)
        live = access_to(system).parts.directory.live("order-1")
        assert live is not None
        for id_, attempt in [("order-1/1/0", 0), ("order-1/1/0", 2), ("order-1/9/0", 1)]:
            live.deliver(CallOver("charge", id_, attempt, 0, b"\xa2ok"))
        live.deliver(CallOver("other", "order-1/1/0", 1, 0, b"\xa2ok"))
        with pytest.raises(RefusedError, match="is placed"):
            actor.ask(5, timeout=10)
        assert types(actor) == ["order.placed", "call.attempt_failed"]


class Fragile(Order):
    """Fails at the message ``boom``."""

    def decide(self, state: dict[str, Any], message: Any) -> Any:
        if message == "boom":
            raise ValueError("boom")
        return super().decide(state, message)


def test_a_call_under_way_is_left_alone_when_its_actor_fails_or_is_idle(url: str) -> None:
    began, free = threading.Event(), threading.Event()

    def holds(_context: Any, _amount: int) -> str:
        began.set()
        free.wait(60)
        return "ok"

    till = Till(holds)
    with ActorSystem(url, actors=[Fragile()], calls={"charge": till.charge}) as system:
        order, directory = system.actor(Fragile, "1"), access_to(system).parts.directory
        order.ask(5, timeout=10)
        assert began.wait(60)
        with pytest.raises(ValueError, match="boom"):
            order.ask("boom", timeout=10)
        with pytest.raises(RefusedError, match="is placed"):
            order.ask(5, timeout=10)
        live = directory.live("order-1")
        assert live is not None
        assert not directory.passivate(live)  # its result would not find it
        free.set()
        assert ended(order)["receipt"] == "ok"
        assert len(till.calls) == 1
        assert types(order) == ["order.placed", "order.charged"]


class Counting(Order):
    """Counts how often it is asked what it waits for."""

    asked = 0

    def pending(self, state: dict[str, Any]) -> list[Call]:
        self.asked += 1
        return super().pending(state)


def test_each_state_is_asked_once_what_it_waits_for(url: str) -> None:
    order = Counting()
    with ActorSystem(url, actors=[order], calls={"charge": Till().charge}) as system:
        assert system.actor(order, "1").ask(5, timeout=10) == "placed"
        assert ended(system.actor(order, "1"))["is"] == "charged"
        assert order.asked == 3  # new, placed, charged


def test_calls_that_are_made_and_calls_that_wait_for_a_thread_are_counted(url: str) -> None:
    hold = Hold()
    hold.close()
    calls = {"charge": lambda amount: hold()}
    with ActorSystem(url, actors=[Order()], calls=calls, max_threads=1, drain=20) as system:
        assert system.health()["calls"] == {"running": 0, "queued": 0}
        for name in "123":
            system.actor(Order, name).ask(5, timeout=10)
        hold.wait()
        assert system.health()["calls"] == {"running": 1, "queued": 2}
        assert access_to(system).work.running() == ["order-1/charge"]
        hold.open()
