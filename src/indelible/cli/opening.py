"""Opens a store for a command that reads: nothing is created, migrated, owned or resumed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indelible.system import ActorSystem


@contextmanager
def reading(store: str) -> Iterator[ActorSystem]:
    """A system that only reads ``store``, whoever owns it.

    Raises:
        StoreNotFoundError: There is none; none was created.
        StoreError: It cannot be read.
    """
    from indelible.system import ActorSystem

    with ActorSystem(store, mode="read") as system:
        yield system
