"""Drops the snapshots of a store; actors then take longer to recover, until new ones exist."""

from __future__ import annotations

from contextlib import closing

from indelible.api.facade import access_to
from indelible.cli.render.console import say
from indelible.cli.tasks.open_system import client_of
from indelible.cli.tasks.rebuild_views import has_service
from indelible.events.opening import open_store
from indelible.events.snapshots import drop_snapshots
from indelible.remote.remote_future import SLACK

_TIMEOUT = 60.0
"""Seconds that a service may take: it deletes some thousands of rows a second."""


def drop_all_snapshots(url: str) -> int:
    """Remove all snapshots of the store and return their number.

    If a process serves the store, that process removes them.

    Raises:
        StoreNotFoundError: There is no store; none was created.
        StoreOwnedError: Another process owns the store, and does not serve it.
    """
    if has_service(url):
        return _by_service(url)
    with closing(open_store(url, mode="own")) as store:
        return drop_snapshots(store)


def _by_service(url: str) -> int:
    with client_of(url) as system:
        say("the process that serves this store drops them")
        access = access_to(system)
        future = access.inbox_client.command("drop_snapshots", None, _TIMEOUT)
        dropped: int = access.wait(future, _TIMEOUT + SLACK)
    return dropped
