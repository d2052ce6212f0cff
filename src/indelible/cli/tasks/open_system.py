"""Opens a store that another process may own, without creating, migrating or owning it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indelible.api.system import ActorSystem


@contextmanager
def reading(store: str) -> Iterator[ActorSystem]:
    """A system that only reads ``store``, which another process may own.

    Raises:
        StoreNotFoundError: There is no store; none was created.
        StoreError: The store cannot be read.
    """
    from indelible.api.system import ActorSystem

    with ActorSystem(store, mode="read") as system:
        yield system


@contextmanager
def client_of(store: str) -> Iterator[ActorSystem]:
    """A client of the process that serves ``store``; says on stderr when that ends or returns.

    Raises:
        StoreError: The store cannot be read.
        ThreadUnavailableError: The host gives no thread.
    """
    from indelible.api.facade import access_to
    from indelible.api.system import ActorSystem
    from indelible.cli.watching.service_presence import announce

    with ActorSystem(store, mode="client") as system:
        announce(access_to(system).parts.service, system.store)
        yield system
