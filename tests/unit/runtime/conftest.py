"""A dispatcher for one test, and actors and jobs that run on it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pykka import ActorRegistry

from indelible.actors.runtime.pool.dispatcher import PoolDispatcher
from indelible.actors.runtime.pooled_actor import PooledActor


@pytest.fixture
def dispatcher() -> Iterator[PoolDispatcher]:
    dispatcher = PoolDispatcher("test", threads=2, daemon=True)
    yield dispatcher
    assert dispatcher.close(timeout=50)


@pytest.fixture
def actor_base(dispatcher: PoolDispatcher) -> Iterator[type[PooledActor]]:
    class Base(PooledActor):
        pass

    Base.dispatcher = dispatcher
    yield Base
    ActorRegistry.stop_all()


@pytest.fixture
def echo_class() -> Callable[[type[PooledActor]], type[PooledActor]]:
    """Derives a class of actors that call or raise what they are sent, or answer with it."""

    def derive(base: type[PooledActor]) -> type[PooledActor]:
        class Echo(base):  # type: ignore[valid-type, misc]
            def on_receive(self, message: Any) -> Any:
                if callable(message):
                    return message()
                if isinstance(message, BaseException):
                    raise message
                return message

        return Echo

    return derive


class Job:
    """Runs a function and says so."""

    def __init__(self, function: Callable[[], object] = lambda: None, name: str = "job") -> None:
        self.function = function
        self.name = name
        self.done = threading.Event()

    def __str__(self) -> str:
        return self.name

    def run_activation(self) -> None:
        try:
            self.function()
        finally:
            self.done.set()


@pytest.fixture
def new_job() -> type[Job]:
    return Job


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Let threads interleave as finely as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def unraised(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have ended a thread."""
    raised: list[Any] = []
    monkeypatch.setattr("threading.excepthook", raised.append)
    return raised
