"""Waiting for what events lead to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from indelible import ActorHandle

_PATIENCE = 60


def until(actor: ActorHandle[Any, Any], holds: Callable[[], object]) -> None:
    """Look at each commit, and return when ``holds`` says so.

    Raises:
        AssertionError: Nothing is committed any more, and it does not.
    """
    committed = threading.Event()
    unsubscribe = actor._access.store.subscribe(lambda *_: committed.set())
    try:
        while not holds():
            assert committed.wait(_PATIENCE), f"{actor} is {actor.state()!r}"
            committed.clear()
    finally:
        unsubscribe()


def eventually(is_so: Callable[[], bool]) -> None:
    """Return when ``is_so``: for what no event tells of, as an actor that leaves memory.

    Raises:
        AssertionError: It is not, for a minute.
    """
    end = time.monotonic() + _PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.002)
