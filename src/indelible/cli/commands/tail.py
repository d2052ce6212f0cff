"""``indelible tail``: the log as it grows, for people and for programs in a pipe."""

from __future__ import annotations

from typing import Annotated

import typer

from indelible.cli.options.common_options import DEFAULT_STORE, Store

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="CURSOR",
        help="Where to begin: start, end, or a cursor as --json and the end of this command"
        " show it. By default the end; for a new consumer the start.",
    ),
]
Types = Annotated[
    list[str] | None,
    typer.Option("--types", metavar="TYPE,...", help="Only these, such as run.completed."),
]
Category = Annotated[
    str | None, typer.Option("--category", metavar="NAME", help="Only its streams, such as run.")
]
Streams = Annotated[
    list[str] | None,
    typer.Option("--stream", metavar="NAME", help="Only this stream. May be repeated."),
]
Follow = Annotated[
    bool, typer.Option("--follow/--no-follow", help="Wait for more at the end of the log.")
]
ConsumerName = Annotated[
    str | None,
    typer.Option(
        "--consumer",
        metavar="NAME",
        help="Go on where this name has ended, and store how far it is after each batch.",
    ),
]
JsonLines = Annotated[bool, typer.Option("--json", help="Write one JSON document a line.")]


def tail_events(
    *,
    store: Store = DEFAULT_STORE,
    begin: From = None,
    types: Types = None,
    category: Category = None,
    stream: Streams = None,
    follow: Follow = True,
    consumer: ConsumerName = None,
    as_json: JsonLines = False,
) -> None:
    """Show events of all streams as they are committed; Ctrl-C ends it.

    Events of a stream come in its order, and none is left out. With --json each line is a document
    of its own, whose cursor is where to go on after it.

    With --consumer only one such command runs at a time; another waits for it. On SQLite it needs
    the store for itself.
    """
    from indelible.cli.tasks.follow_log import beginning, tail

    names = None if types is None else [name for text in types for name in text.split(",") if name]
    if names == []:
        raise typer.BadParameter("it names no type, such as run.completed", param_hint="--types")
    tail(
        store,
        beginning(begin, new=consumer is not None),
        names,
        category,
        stream,
        follow=follow,
        consumer=consumer,
        as_json=as_json,
    )
