"""``indelible parked``: list, retry and skip events that a view could not apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from indelible.cli.options.common_options import DEFAULT_STORE, AsJson, Store, user_name
from indelible.cli.options.own_projections import Projections, load_projections

View = Annotated[str, typer.Argument(help="The view, such as metrics.")]
Shard = Annotated[int, typer.Argument(min=0, help="Shard of the event, from the list.")]
Position = Annotated[int, typer.Argument(min=1, help="Position of the event, from the list.")]
Reason = Annotated[str, typer.Option("--reason", help="The reason; recorded.")]


def list_parked(
    view: Annotated[str | None, typer.Argument(help="The view; all if not given.")] = None,
    *,
    store: Store = DEFAULT_STORE,
    skipped: Annotated[bool, typer.Option("--skipped", help="List skipped events.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="List at most N events.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the events that views could not apply, with the errors."""
    from indelible.cli.render.console import say
    from indelible.cli.tasks.open_system import reading

    with reading(store) as system:
        known = system.views.cursors()
        if view is None or view in known:
            rows = system.parked.list(view, limit=limit, skipped=skipped)
        else:
            rows = []
            say(f"no view {view!r} has run on this store; there are {', '.join(sorted(known))}")
    if as_json:
        from msgspec import to_builtins

        from indelible.cli.render.values import write_json

        write_json([to_builtins(row) for row in rows])
        return

    from rich.text import Text

    from indelible.cli.render.console import instant, line, one_line, out, plain

    console = out()
    if not rows:
        console.print("nothing was skipped" if skipped else "nothing is parked")
    for row in rows:
        what = f"{plain(row.type)} of {plain(row.stream)} ({row.version})"
        where = (f"{plain(row.projection)} {row.shard} {row.position}", "bold")
        text = Text.assemble(where, f"  {what}, {instant(row.parked_at)}")
        console.print(text, soft_wrap=True)  # not cut, so that the arguments of retry can be copied
        line(console, f"  {one_line(row.error, 2_000)}")


def retry_parked(
    view: View,
    shard: Shard,
    position: Position,
    *,
    store: Store = DEFAULT_STORE,
    reason: Reason = "",
    projections: Projections = None,
) -> None:
    """Have the view try the event again, after the cause is fixed.

    A view with rows of each stream folds all events of that stream again, in order; a view without
    applies this event now. Your name and the reason are recorded first.
    """
    from indelible.cli.render.console import out
    from indelible.cli.tasks.decide_parked import opened_parked_events

    _check_text(view, reason)
    with opened_parked_events(store, load_projections(projections)) as events:
        events.retry(view, shard, position, by=user_name(), reason=reason)
    out().print(f"{view}: applied position {position} of shard {shard}")


def skip_parked(
    view: View,
    shard: Shard,
    position: Position,
    *,
    store: Store = DEFAULT_STORE,
    reason: Reason = "",
    projections: Projections = None,
) -> None:
    """Record that the view goes on without the event.

    The list shows it with --skipped from then on, and it can still be retried.
    """
    from indelible.cli.render.console import out
    from indelible.cli.tasks.decide_parked import opened_parked_events

    _check_text(view, reason)
    with opened_parked_events(store, load_projections(projections)) as events:
        events.skip(view, shard, position, by=user_name(), reason=reason)
    out().print(f"{view}: skipped position {position} of shard {shard}")


def _check_text(*texts: str) -> None:
    from indelible.events.model.stream_names import is_text

    for text in texts:
        if not is_text(text):
            raise typer.BadParameter(f"{text!a} is no text")


PARKED: Mapping[str, Callable[..., None]] = {
    "list": list_parked,
    "retry": retry_parked,
    "skip": skip_parked,
}
