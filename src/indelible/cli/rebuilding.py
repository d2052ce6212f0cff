"""Rebuilds views of a store without a system around it, so that no run is resumed meanwhile."""

from __future__ import annotations

from contextlib import closing

from indelible.cli.opening import reading
from indelible.cli.progress import Display
from indelible.cli.stopping import Stop
from indelible.clock import SystemClock
from indelible.errors import SchemaVersionError, UnknownProjectionError
from indelible.events.opening import open_store
from indelible.events.types import run_event_types
from indelible.failpoints import Failpoints
from indelible.projections.defaults import default_projections
from indelible.projections.runner import ProjectionRunner


def rebuild(url: str, name: str | None) -> dict[str, int]:
    """Rebuild the view ``name``, or all, and return from how many events each was made.

    Raises:
        UnknownProjectionError: There is no such view; nothing has been opened.
        StoreNotFoundError: There is no store; none was created.
        StoreOwnedError: Another process owns the store.
    """
    projections = default_projections()
    known = [projection.name for projection in projections]
    if name is not None and name not in known:
        raise UnknownProjectionError(name, known)
    try:
        with reading(url):
            pass
    except SchemaVersionError:
        pass  # opening it to write migrates it, or says why not
    done: dict[str, int] = {}
    with Stop() as stop, closing(open_store(url, mode="own")) as store:
        types = run_event_types()
        runner = ProjectionRunner(store, types, projections, SystemClock(), Failpoints())
        runner.start()
        try:
            for view in known if name is None else [name]:
                with Display(view, "event") as display:

                    def progress(events: int, total: int, display: Display = display) -> None:
                        display.update(events, total)
                        stop.leave("stopped; the view stays as it was")

                    done[view] = runner.rebuild(view, progress)
        finally:
            runner.stop()
    return done
