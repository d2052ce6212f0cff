"""Opens a store that others may own: nothing is created, migrated, owned or resumed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indelible.api.system import ActorSystem


@contextmanager
def reading(store: str) -> Iterator[ActorSystem]:
    """A system that only reads ``store``, whoever owns it.

    Raises:
        StoreNotFoundError: There is none; none was created.
        StoreError: It cannot be read.
    """
    from indelible.api.system import ActorSystem

    with ActorSystem(store, mode="read") as system:
        yield system


@contextmanager
def asking(store: str) -> Iterator[ActorSystem]:
    """A client of the process that serves ``store``; stderr is told when that is gone or back.

    Raises:
        StoreError: It cannot be read.
        ThreadUnavailableError: The host gives no thread.
    """
    from indelible.api.facade import access_to
    from indelible.api.system import ActorSystem
    from indelible.cli.watching.service_presence import announce

    with ActorSystem(store, mode="client") as system:
        announce(access_to(system).parts.service, system.store)
        yield system
