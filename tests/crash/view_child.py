"""A process that writes runs, moves the views and rebuilds them without end, until it is killed.

Arguments: the store's address, a word that its run ids begin with, and at which commit of a view it
kills itself, 0 for never.  It says a number after each run.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress

from crash.view_rows import LEASE, SHARDS, write_run
from indelible.clock import SystemClock
from indelible.errors import IndelibleError
from indelible.events.model.event_types import run_event_types
from indelible.events.opening import open_store
from indelible.failpoints import Failpoints, KillAt
from indelible.projections.engine.runner import ProjectionRunner
from indelible.projections.views.default_views import default_projections


def main(url: str, life: str, kill: int) -> None:
    """Live."""
    store = open_store(url, shards=SHARDS, lease=LEASE)
    runner = ProjectionRunner(
        store,
        run_event_types(),
        default_projections(),
        SystemClock(),
        Failpoints({"view.before": KillAt(kill)} if kill else {}),
        owner=life,
        lease=LEASE,
    )
    runner.start()
    if not runner.caught_up(store.positions(), 30):  # it moves them itself from here on
        raise RuntimeError("the views do not catch up")
    for name in ("metrics", "workflow_status"):
        threading.Thread(target=rebuild, args=(runner, name), daemon=True).start()
    for number in range(100_000):
        write_run(store, f"{life}-{number}", f"agent {number % 3}")
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


def rebuild(runner: ProjectionRunner, name: str) -> None:
    """Rebuild the view again and again."""
    while True:
        with suppress(IndelibleError):  # another process may be at it
            runner.rebuild(name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
