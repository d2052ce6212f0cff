"""Says on stderr when the process that a command waits for is gone, and when one is back."""

from __future__ import annotations

import threading

from indelible.cli.render.console import say
from indelible.errors import SystemClosedError
from indelible.events.store import EventStore
from indelible.service.service_watch import EVERY, ServiceWatch
from indelible.threads import start_now


def announce(service: ServiceWatch, store: EventStore) -> None:
    """Look at ``service`` until ``store`` is closed, on a daemon thread.

    Raises:
        ThreadUnavailableError: The host gives no thread.
    """
    name = "indelible-service-watch"
    start_now(threading.Thread(target=_run, args=[service, store], name=name, daemon=True))


def _run(service: ServiceWatch, store: EventStore) -> None:
    pause = threading.Event()  # never set: the thread ends with its store
    while store.state != "closed":
        try:
            words = service.check()
        except SystemClosedError:
            return
        if words:
            say(words)
        pause.wait(EVERY)
