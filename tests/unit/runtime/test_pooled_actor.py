from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest
from pykka import ActorDeadError, ActorRegistry

from indelible.actors.runtime.mailbox import ACTIVATION
from indelible.actors.runtime.pool.dispatcher import PoolDispatcher
from indelible.actors.runtime.pooled_actor import PooledActor

EchoClass = Callable[[type[PooledActor]], type[PooledActor]]


# -- hazard one: an ask that races with a stop


@pytest.mark.usefixtures("frequent_switches")
def test_every_ask_that_races_with_a_stop_is_answered(
    echo_class: EchoClass, actor_base: type[PooledActor]
) -> None:
    echo = echo_class(actor_base)
    answered = dead = 0
    for _ in range(400):
        ref = echo.start()
        start = threading.Barrier(4)
        futures: list[pykka.Future[Any]] = []

        def ask(
            ref: pykka.ActorRef[PooledActor] = ref,
            start: threading.Barrier = start,
            futures: list[pykka.Future[Any]] = futures,
        ) -> None:
            start.wait()
            futures.extend(ref.ask(number, block=False) for number in range(10))

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        start.wait()
        stopped = ref.stop(block=False)
        for asker in askers:
            asker.join()
        assert stopped.get(timeout=50)
        for future in futures:
            try:
                future.get(timeout=50)
            except ActorDeadError:
                dead += 1
            else:
                answered += 1
    assert answered + dead == 400 * 30
    assert dead


def test_an_ask_that_passes_the_look_at_a_stopping_actor_is_answered(
    echo_class: EchoClass,
    actor_base: type[PooledActor],
) -> None:
    ref = echo_class(actor_base).start()
    ref.stop()
    ref.actor_stopped.clear()  # what an asker sees who looked just before the actor stopped
    with pytest.raises(ActorDeadError, match=f"{ref.actor_urn}"):
        ref.ask("late", timeout=50)
    assert ref.stop(timeout=50)
    with pytest.raises(ActorDeadError):
        ref.tell("late")


# -- hazard two: a start that fails


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
def test_a_failed_start_answers_the_asks_that_wait(
    actor_base: type[PooledActor], error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    gate = threading.Event()

    class Unable(actor_base):  # type: ignore[valid-type, misc]
        def on_start(self) -> None:
            gate.wait()
            raise error

    ref = Unable.start()
    futures = [ref.ask(number, block=False) for number in range(100)]
    gate.set()
    for future in futures:
        with pytest.raises(ActorDeadError):
            future.get(timeout=50)
    assert not ref.is_alive()
    assert ref not in ActorRegistry.get_all()
    assert "Unhandled exception in Unable" in caplog.text


# -- hazard three: a BaseException


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_base_exception_ends_an_unregistered_actor_alone(
    echo_class: EchoClass,
    actor_base: type[PooledActor],
    error: BaseException,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures: list[Any] = []

    class Alone(echo_class(actor_base)):  # type: ignore[misc]
        registered = False

        def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
            failures.append(exception_value)

    registered = echo_class(actor_base).start()
    sibling, actor = Alone.start(), Alone.start()
    assert ActorRegistry.get_all() == [registered]
    with pytest.raises(ActorDeadError, match="was ended by"):
        actor.ask(error, timeout=50)
    assert not actor.is_alive()
    assert failures == [error]
    assert "Unhandled exception in Alone" in caplog.text
    assert sibling.ask("still here", timeout=50) == "still here"
    assert registered.ask("still here", timeout=50) == "still here"
    assert sibling.stop()


def test_a_base_exception_stops_all_registered_actors_as_in_pykka(
    echo_class: EchoClass,
    actor_base: type[PooledActor],
) -> None:
    echo = echo_class(actor_base)
    refs = [echo.start() for _ in range(5)]
    with pytest.raises(ActorDeadError):
        refs[2].ask(SystemExit(3), timeout=50)
    assert all(ref.actor_stopped.wait(50) for ref in refs)


def test_stopping_all_does_not_wait_for_one_that_waits_for_the_crashed_actor(
    echo_class: EchoClass,
    actor_base: type[PooledActor],
) -> None:
    echo = echo_class(actor_base)
    other, crashing, waiting = echo.start(), echo.start(), echo.start()
    gate = threading.Event()
    crashing.tell(gate.wait)
    crashing.tell(SystemExit(3))

    def ask_the_crashing_one() -> Any:
        future = crashing.ask("will be dead", block=False)
        gate.set()
        return future.get(timeout=100)

    asked = waiting.ask(ask_the_crashing_one, block=False)
    with pytest.raises(ActorDeadError):
        asked.get(timeout=50)
    assert waiting.actor_stopped.wait(50)
    assert other.actor_stopped.wait(50)


def test_all_are_stopped_even_if_too_many_wait_to_stop_them_in_turn(
    echo_class: EchoClass, actor_base: type[PooledActor], monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [echo_class(actor_base).start() for _ in range(5)]
    monkeypatch.setattr("indelible.actors.runtime.pool.wait_graph.BLOCKED_LIMIT", 0)
    refs[-1].tell(SystemExit(3))
    assert all(ref.actor_stopped.wait(50) for ref in refs)


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize("hook", ["on_stop", "on_failure"])
def test_a_hook_that_raises_a_base_exception_leaves_no_ask_unanswered(
    echo_class: EchoClass, actor_base: type[PooledActor], *, hook: str, registered: bool
) -> None:
    gate = threading.Event()

    class Wild(echo_class(actor_base)):  # type: ignore[misc]
        def on_stop(self) -> None:
            if hook == "on_stop":
                raise SystemExit(3)

        def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
            if hook == "on_failure":
                raise SystemExit(3)

    Wild.registered = registered
    ref = Wild.start()
    ref.tell(gate.wait)
    if hook == "on_stop":
        ref.stop(block=False)
    else:
        ref.tell(ValueError("no"))
    crashed = ref.ask(SystemExit(3), block=False)
    future = ref.ask("too late", block=False)
    gate.set()
    for asked in (crashed, future):
        with pytest.raises(ActorDeadError):
            asked.get(timeout=50)
    assert not ref.is_alive()


# -- one message at a time, in order, in fair turns


@pytest.mark.usefixtures("frequent_switches")
def test_messages_are_handled_one_at_a_time_and_in_the_order_of_each_sender(
    actor_base: type[PooledActor],
) -> None:
    class Count(actor_base):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            super().__init__()
            self.last = dict.fromkeys(range(4), -1)
            self.inside = 0
            self.wrong: list[Any] = []

        def on_receive(self, message: Any) -> Any:
            self.inside += 1
            sender, number = message
            if self.inside != 1 or self.last[sender] != number - 1:
                self.wrong.append(message)
            self.last[sender] = number
            self.inside -= 1

    ref = Count.start()

    def send(sender: int) -> None:
        for number in range(2_000):
            ref.tell((sender, number))

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    proxy = ref.proxy()
    assert proxy.wrong.get(timeout=50) == []
    assert proxy.last.get(timeout=50) == dict.fromkeys(range(4), 1_999)


def test_an_actor_lets_others_go_first_after_64_messages(echo_class: EchoClass) -> None:
    dispatcher = PoolDispatcher("fair", threads=1, daemon=True)

    class Fair(PooledActor):
        registered = False

        def on_receive(self, message: Any) -> Any:
            order.append(message)

    Fair.dispatcher = dispatcher
    order: list[str] = []
    gate = threading.Event()
    echo = echo_class(Fair).start()
    busy, patient = Fair.start(), Fair.start()
    echo.tell(gate.wait)
    for _ in range(200):
        busy.tell("busy")
    patient.tell("patient")
    gate.set()
    assert dispatcher.drain(50)
    assert order.count("busy") == 200
    assert order.index("patient") <= ACTIVATION
    for ref in (echo, busy, patient):
        ref.stop()
    assert dispatcher.close()
