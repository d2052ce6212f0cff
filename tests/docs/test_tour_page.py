"""Functions are called in the order in which the tour of the code links them."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from call_trace import Called, CallTrace, first_not_called
from deciders import Account
from indelible import ActorSystem, step
from tour_page import links_in_order
from until import eventually

FLOW = {"name": "hello", "steps": [{"name": "say", "type": "greet"}]}


def test_a_call_out_of_order_is_found() -> None:
    first, second = Called("indelible.ids", "first"), Called("indelible.ids", "second")
    assert first_not_called([first, second], [second, first, first, second]) is None
    assert first_not_called([first, second], [second, first]) == second


class Greeting:
    """The step of the tour, which waits until it may go on."""

    def __init__(self) -> None:
        """It may not go on yet."""
        self.came, self.may_go = threading.Event(), threading.Event()

    def steps(self) -> list[Any]:
        @step("greet")
        def greet() -> str:
            self.came.set()
            assert self.may_go.wait(60)
            return "Hello, Ada!"

        return [greet]


class RunCalls(NamedTuple):
    """Calls of one run, and of a run that goes on after a crash.

    Attributes:
        accepted: From the caller to the step's function.
        whole: From the caller to the closed system.
        resumed: From the opening of what a kill during the step has left.
    """

    accepted: Sequence[Called]
    whole: Sequence[Called]
    resumed: Sequence[Called]


@pytest.fixture(scope="module")
def run_calls(tmp_path_factory: pytest.TempPathFactory) -> RunCalls:
    folder = tmp_path_factory.mktemp("tour")
    greeting = Greeting()
    with CallTrace() as trace:
        with ActorSystem(f"sqlite:///{folder}/store.db", steps=greeting.steps()) as system:
            began = len(trace)
            run = system.workflow_agent("greeter").start(FLOW, run_id="hello-1")
            assert greeting.came.wait(60)
            accepted = trace.since(began)
            _copy(folder / "store.db", folder / "killed.db")
            greeting.may_go.set()
            run.result(timeout=60)
        whole = trace.since(began)
    with CallTrace() as trace:
        with ActorSystem(f"sqlite:///{folder}/killed.db", steps=greeting.steps()) as system:
            assert system.run("hello-1").result(timeout=60)["status"] == "success"
        resumed = trace.since()
    return RunCalls(accepted, whole, resumed)


def _copy(source: Path, target: Path) -> None:
    """What a kill at this moment would leave of a store: what is committed."""
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)
    old.close()
    new.close()


def test_a_call_comes_to_its_reply_by_the_stops_of_the_tour(run_calls: RunCalls) -> None:
    told = links_in_order("From the call to the reply")
    assert first_not_called(told, run_calls.accepted) is None


def test_a_step_runs_and_comes_back_by_the_stops_of_the_tour(run_calls: RunCalls) -> None:
    told = links_in_order("The step runs, and its result comes back")
    assert first_not_called(told, run_calls.whole) is None


def test_a_view_folds_events_by_the_stops_of_the_tour(run_calls: RunCalls) -> None:
    assert first_not_called(links_in_order("A view folds the events"), run_calls.whole) is None


def test_a_run_goes_on_after_a_crash_by_the_stops_of_the_tour(run_calls: RunCalls) -> None:
    told = links_in_order("The process dies, and the run goes on")
    assert first_not_called(told, run_calls.resumed) is None


def test_another_process_hears_of_events_by_the_stops_of_the_tour(postgres_url: str) -> None:
    told = links_in_order("Another process hears of the events")
    with (
        CallTrace() as trace,
        ActorSystem(postgres_url, actors=[Account()]) as system,
        ActorSystem(postgres_url, mode="read") as other,
        other.events() as events,
    ):
        reader = threading.Thread(target=lambda: deque(events, maxlen=0))
        reader.start()
        began = len(trace)
        system.actor(Account, "42").ask(100)
        eventually(lambda: first_not_called(told, trace.since(began)) is None)
        events.close()
        reader.join()


def test_a_message_of_another_process_goes_by_the_stops_of_the_tour(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with (
        CallTrace() as trace,
        ActorSystem(url, actors=[Account()]),
        ActorSystem(url, actors=[Account()], mode="client") as other,
    ):
        began = len(trace)
        other.actor(Account, "42").ask(100)
        calls = trace.since(began)
    assert first_not_called(links_in_order("A message from another process"), calls) is None
