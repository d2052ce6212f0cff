"""Asks that wait, actors that end, and what pykka's programs take for granted."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pykka
import pytest
from pykka import ActorDeadError, ActorRegistry

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.runtime.pool.dispatcher import PoolDispatcher
from indelible.actors.runtime.pooled_actor import PooledActor, default_dispatcher
from indelible.errors import DeadlockError
from indelible.threads import refusals

EchoClass = Callable[[type[PooledActor]], type[PooledActor]]


# -- blocking


def test_a_chain_of_64_blocking_asks_gets_its_answer(
    echo_class: EchoClass, actor_base: type[PooledActor]
) -> None:
    refs = [echo_class(actor_base).start() for _ in range(64)]

    def ask(index: int) -> Any:
        return "end" if index == len(refs) else refs[index].ask(lambda: ask(index + 1))

    assert ask(0) == "end"


def test_a_longer_chain_fails_and_names_who_waits_for_whom(
    echo_class: EchoClass, actor_base: type[PooledActor]
) -> None:
    refs = [echo_class(actor_base).start() for _ in range(70)]

    def ask(index: int) -> Any:
        return refs[index].ask(lambda: ask(index + 1))

    with pytest.raises(DeadlockError) as caught:
        ask(0)
    names = [str(ref) for ref in refs]
    chain = list(caught.value.chain)  # one link may not have begun to wait, and then parts it
    first = names.index(chain[0])
    assert chain == names[first : first + len(chain)]
    assert len(chain) > 1
    assert refs[0].ask("goes on", timeout=50) == "goes on"


def test_actors_that_wait_for_each_other_fail_instead_of_hanging(
    echo_class: EchoClass,
    actor_base: type[PooledActor],
) -> None:
    one, two = echo_class(actor_base).start(), echo_class(actor_base).start()
    with pytest.raises(DeadlockError) as caught:
        one.ask(lambda: two.ask(lambda: one.ask("never")), timeout=50)
    assert list(caught.value.chain) in (  # the one that began to wait last is told
        [str(one), str(two), str(one)],
        [str(two), str(one), str(two)],
    )
    with pytest.raises(DeadlockError):
        one.ask(lambda: one.ask("never"), timeout=50)
    with pytest.raises(pykka.Timeout):
        one.ask(lambda: one.ask("never", timeout=0.01), timeout=50)
    assert one.ask("goes on", timeout=50) == "goes on"


def test_waiting_for_another_actor_to_stop_lets_it_run(echo_class: EchoClass) -> None:
    dispatcher = PoolDispatcher("single", threads=1, daemon=True)
    dispatcher._watcher.close()  # which would add a thread by itself, only later

    class One(PooledActor):
        registered = False

    One.dispatcher = dispatcher
    one, two = echo_class(One).start(), echo_class(One).start()
    two.tell(lambda: None)

    def stop_and_wait() -> bool:
        two.stop(block=False)
        return two.actor_stopped.wait(50)

    assert one.ask(stop_and_wait, timeout=50)
    one.stop()
    assert dispatcher.close()


# -- the end of an actor


def test_a_stopped_actor_is_collected_although_its_ref_is_kept(
    echo_class: EchoClass, actor_base: type[PooledActor], dispatcher: PoolDispatcher
) -> None:
    ref = echo_class(actor_base).start()
    actor = weakref.ref(ref._actor_weakref())
    ref.stop()
    assert dispatcher.drain(50)
    gc.collect()
    assert actor() is None
    assert not ref.is_alive()


def test_asks_of_an_actor_whose_dispatcher_is_closed_are_answered(echo_class: EchoClass) -> None:
    dispatcher = PoolDispatcher("closed", daemon=True)

    class Orphan(PooledActor):
        pass

    Orphan.dispatcher = dispatcher
    refs = [echo_class(Orphan).start() for _ in range(2)]
    assert dispatcher.close()
    with pytest.raises(ActorDeadError):
        refs[0].ask("anyone", timeout=50)
    assert not refs[0].is_alive()
    assert refs[1].stop(timeout=50)
    assert not any(ref in ActorRegistry.get_all() for ref in refs)


def test_stopping_all_does_not_search_the_registry_from_its_front(
    actor_base: type[PooledActor], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(1_000):
        actor_base.start()
    searches: list[Any] = []
    monkeypatch.setattr(ActorRegistry, "unregister", searches.append)
    assert all(ActorRegistry.stop_all())
    assert ActorRegistry.get_all() == []
    assert not searches


def test_an_actor_deep_in_the_registry_leaves_it_too(actor_base: type[PooledActor]) -> None:
    refs = [actor_base.start() for _ in range(200)]
    refs[3].stop()
    assert ActorRegistry.get_all() == refs[:3] + refs[4:]


def test_an_answer_that_the_asker_has_set_himself_does_no_harm(
    echo_class: EchoClass,
    actor_base: type[PooledActor],
) -> None:
    ref = echo_class(actor_base).start()
    gate = threading.Event()
    ref.tell(gate.wait)
    futures = [ref.ask(message, block=False) for message in ("a", ValueError("b"))]
    for future in futures:
        future.set("mine")
    gate.set()
    assert ref.ask("goes on", timeout=50) == "goes on"
    assert [future.get() for future in futures] == ["mine", "mine"]


# -- what pykka programs may rely on


def test_messages_sent_before_the_start_are_handled_after_on_start(
    actor_base: type[PooledActor],
) -> None:
    class Early(actor_base):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []
            self.actor_ref.tell("told by __init__")

        def on_start(self) -> None:
            self.seen.append("on_start")

        def on_receive(self, message: Any) -> Any:
            self.seen.append(message)

    seen = Early.start().proxy().seen.get(timeout=50)
    assert seen == ["on_start", "told by __init__"]


def test_the_inbox_can_be_read_as_pykka_reads_its_own() -> None:
    actor = PooledActor()
    assert actor.actor_inbox.empty()
    actor.actor_ref.tell("message")
    assert not actor.actor_inbox.empty()
    assert actor.actor_inbox.get().message == "message"


def test_a_program_may_use_our_names_for_its_own_attributes() -> None:
    class Session(PooledActor):
        use_daemon_thread = True

        def __init__(self) -> None:
            super().__init__()
            self.dispatcher = "its own"  # type: ignore[misc, assignment]
            self.registered = False  # type: ignore[misc]

    ref = Session.start()
    assert ref in ActorRegistry.get_all()
    assert ref.proxy().dispatcher.get(timeout=50) == "its own"
    ref.stop()
    assert ref not in ActorRegistry.get_all()


def test_futures_and_flags_are_the_light_ones(actor_base: type[PooledActor]) -> None:
    ref = actor_base.start()
    assert type(ref.ask("x", block=False)) is PooledFuture
    assert isinstance(ref.actor_stopped, threading.Event)


def test_an_actor_may_call_the_base_constructor_of_pykka(dispatcher: PoolDispatcher) -> None:
    class Old(PooledActor):
        def __init__(self) -> None:
            pykka.Actor.__init__(self)

    Old.dispatcher = dispatcher
    ref = Old.start()
    assert ref.ask("x", timeout=50) is None
    assert ref.stop()


PROGRAM = """
import sys, threading
from indelible.actors.runtime.pooled_actor import PooledActor

class Late(PooledActor):
    use_daemon_thread = {daemon}
    def on_receive(self, message):
        {wait}
        print(threading.current_thread().daemon, flush=True)
        self.stop()
    def on_stop(self):
        print("stopped", flush=True)

ref = Late.start()
ref.tell("go")
print(threading.active_count() > 1)
"""


def run(program: str) -> list[str]:
    done = subprocess.run(  # a process of its own, as its end is what is tested
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert not done.stderr
    return done.stdout.split()


def test_a_process_lives_until_its_last_actor_has_stopped() -> None:
    assert run(PROGRAM.format(daemon=False, wait="threading.main_thread().join()")) == [
        "True",
        "False",
        "stopped",
    ]


def test_a_process_does_not_wait_for_daemon_actors() -> None:
    assert run(PROGRAM.format(daemon=True, wait="threading.Event().wait()")) == ["True"]


def test_plain_programs_share_one_dispatcher_for_each_kind_of_thread() -> None:
    assert default_dispatcher(daemon=True) is default_dispatcher(daemon=True)
    assert default_dispatcher(daemon=True) is not default_dispatcher(daemon=False)


# -- a host without threads


def test_a_start_for_which_there_is_no_thread_leaves_nothing(
    echo_class: EchoClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    lone = PoolDispatcher("lone", daemon=True)

    class Lone(echo_class(PooledActor)):  # type: ignore[misc]
        dispatcher = lone

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="lone could not be started"):
            Lone.start()
        assert ActorRegistry.get_all() == []
        assert not refusals
    ref = Lone.start()
    assert ref.ask("x", timeout=50) == "x"
    ref.stop(timeout=50)
    assert lone.close()
