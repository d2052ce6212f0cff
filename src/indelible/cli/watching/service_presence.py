"""Messages on stderr when the process that serves the store ends, or one serves it again."""

from __future__ import annotations

import threading

from indelible.cli.render.console import say
from indelible.errors import SystemClosedError
from indelible.events.store import EventStore
from indelible.service.service_watch import CHECK_INTERVAL, ServiceWatch
from indelible.threads import start_now


def announce(service: ServiceWatch, store: EventStore) -> None:
    """Check ``service`` until ``store`` is closed, on a daemon thread.

    Raises:
        ThreadUnavailableError: The host gives no thread.
    """
    name = "indelible-service-watch"
    start_now(threading.Thread(target=_run, args=[service, store], name=name, daemon=True))


def _run(service: ServiceWatch, store: EventStore) -> None:
    pause = threading.Event()  # never set: the thread ends with its store
    while store.state != "closed":
        try:
            text = service.check()
        except SystemClosedError:
            return
        if text:
            say(text)
        pause.wait(CHECK_INTERVAL)
