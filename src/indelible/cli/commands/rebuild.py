"""``indelible rebuild``: compute views again from the log."""

from __future__ import annotations

from typing import Annotated

import typer

from indelible.cli.options.common_options import DEFAULT_STORE, AsJson, Store
from indelible.cli.options.own_projections import Projections, load_projections


def rebuild_views(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The view; all of them if not given.")
    ] = None,
    *,
    store: Store = DEFAULT_STORE,
    projections: Projections = None,
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="Drop all snapshots instead; new ones are taken.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild a view from the log beside the old one, then replace the old one.

    If a process serves the store, that process rebuilds the view. Otherwise this command does,
    without resuming any run; name your own views with --projections. An interrupted rebuild leaves
    the old view in use, and the next rebuild continues where it stopped.
    """
    if snapshots:
        if name is not None:
            raise typer.BadParameter("give a view or --snapshots, not both")
        _drop_snapshots(store, as_json=as_json)
        return

    from indelible.cli.tasks.rebuild_views import rebuild

    done = rebuild(store, name, load_projections(projections))
    if as_json:
        from indelible.cli.render.values import write_json

        write_json([{"view": view, "events": events} for view, events in done.items()])
        return

    from indelible.cli.render.console import count, out

    for view, events in done.items():
        out().print(f"{view}: rebuilt from {count(events, 'event')}")


def _drop_snapshots(store: str, *, as_json: bool) -> None:
    from indelible.cli.tasks.drop_snapshots import drop_all_snapshots

    dropped = drop_all_snapshots(store)
    if as_json:
        from indelible.cli.render.values import write_json

        write_json({"snapshots_dropped": dropped})
        return

    from indelible.cli.render.console import count, out

    out().print(f"{count(dropped, 'snapshot')} dropped")
