"""Waiting for what an actor's events lead to."""

from __future__ import annotations

import threading
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
