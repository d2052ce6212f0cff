"""Rebuilds views of a store: by the process that serves it, or here, without a system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial

from indelible.api.facade import access_to
from indelible.cli.render.console import count, say
from indelible.cli.render.progress_bar import Display
from indelible.cli.tasks.open_system import client_of, reading
from indelible.cli.watching.stop_signals import Stop
from indelible.clock import SystemClock
from indelible.errors import SchemaVersionError, UnknownProjectionError
from indelible.events.model.event_types import EventTypes, run_event_types
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.ids import Ids
from indelible.projections.engine.runner import ProjectionRunner
from indelible.projections.views.custom import CustomView, Projection
from indelible.projections.views.default_views import default_projections

_POLL = 0.25
"""Seconds between two checks of the progress of another process."""

_A_DAY = 86_400.0


def rebuild(url: str, name: str | None, own: Sequence[Projection]) -> dict[str, int]:
    """Rebuild the view ``name``, or all views; return the number of events of each.

    Raises:
        UnknownProjectionError: There is no such view; the store has not been opened.
        StoreNotFoundError: There is no store; none was created.
        StoreOwnedError: Another process owns the store, and does not serve it.
    """
    if has_service(url):
        return _by_service(url, name)
    known = [view.name for view in default_projections()] + [view.name for view in own]
    if name is not None and name not in known:
        raise UnknownProjectionError(name, known)
    done: dict[str, int] = {}
    with Stop() as stop, views_without_system(url, own) as (_, runner, _types):
        for view in known if name is None else [name]:
            with Display(view, "event") as display:
                stopped = f"stopped; {view} stays as it was, and the next rebuild goes on from here"
                progress = _progress_callback(view, display, partial(stop.leave, stopped))
                done[view] = runner.rebuild(view, progress)
    return done


def has_service(url: str) -> bool:
    """Whether another process writes the store.

    Raises:
        StoreNotFoundError: There is no store; none was created.
    """
    try:
        with reading(url) as system:
            return bool(system.store.owners())
    except SchemaVersionError:
        return False  # opening it in mode "own" migrates it, or raises the reason


@contextmanager
def views_without_system(
    url: str, own: Sequence[Projection]
) -> Iterator[tuple[EventStore, ProjectionRunner, EventTypes]]:
    """The store and its views, without a system, so that no run is resumed.

    Raises:
        StoreOwnedError: Another process owns the store.
    """
    types = run_event_types()
    for event_type in {cls for view in own for cls in view.handles}:
        types.register(event_type)
    with closing(open_store(url, mode="own")) as store:
        views = (*default_projections(), *map(CustomView, own))
        clock = SystemClock()
        runner = ProjectionRunner(store, types, views, clock, Failpoints(), owner=Ids(clock).text())
        runner.start()
        try:
            yield store, runner, types
        finally:
            runner.stop()


def _by_service(url: str, name: str | None) -> dict[str, int]:
    from indelible.cli.watching.execution_place import ExecutionPlace

    done: dict[str, int] = {}
    with Stop() as stop, client_of(url) as system:
        access = access_to(system)
        for view in sorted(system.views.cursors()) if name is None else [name]:
            say(f"{view} is rebuilt by the process that serves this store")
            future = access.inbox_client.command("rebuild", view, _A_DAY)
            with Display(view, "event") as display:
                while view not in done:
                    with suppress(TimeoutError):
                        done[view] = access.wait(future, _POLL)
                    if stop.requested:
                        stop.leave(
                            ExecutionPlace.describe_continuation(system, f"the rebuild of {view}")
                        )
                    total = sum(system.store.positions().values())
                    ran = view in system.views.cursors()  # if not, only the service knows the view
                    display.update(min(system.views.rebuilt(view), total) if ran else 0, total)
    return done


def _progress_callback(
    view: str, display: Display, check_stop: Callable[[], None]
) -> Callable[[int, int], None]:
    calls: list[int] = []

    def progress(events: int, total: int) -> None:
        if not calls and events:
            say(f"{view}: going on with an interrupted rebuild, {count(events, 'event')} are done")
        calls.append(events)
        display.update(events, total)
        check_stop()

    return progress
