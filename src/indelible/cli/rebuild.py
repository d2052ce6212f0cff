"""``indelible rebuild``: compute views anew from the log."""

from __future__ import annotations

from typing import Annotated

import typer

from indelible.cli.options import DEFAULT_STORE, AsJson, Store


def rebuild_views(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The view; all of them if not given.")
    ] = None,
    *,
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Compute a view anew from the log, beside the old one, and put it in its place.

    Needs the store for itself. No run is resumed by it.
    """
    from indelible.cli.rebuilding import rebuild

    done = rebuild(store, name)
    if as_json:
        from indelible.cli.values import write_json

        write_json([{"view": view, "events": events} for view, events in done.items()])
        return

    from indelible.cli.output import count, out

    for view, events in done.items():
        out().print(f"{view}: rebuilt from {count(events, 'event')}")
