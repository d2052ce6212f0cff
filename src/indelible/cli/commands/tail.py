"""``indelible tail``: follow the log, for people and for programs in a pipe."""

from __future__ import annotations

from typing import Annotated

import typer

from indelible.cli.options.common_options import DEFAULT_STORE, Store

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="CURSOR",
        help="Where to begin: start, end, or a cursor, which --json and the end of this command"
        " show. Default: the end; for a new consumer the start.",
    ),
]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--types", metavar="TYPE,...", help="Only events of these types, such as run.completed."
    ),
]
Category = Annotated[
    str | None,
    typer.Option("--category", metavar="NAME", help="Only streams of this category, such as run."),
]
Streams = Annotated[
    list[str] | None,
    typer.Option("--stream", metavar="NAME", help="Only this stream. May be repeated."),
]
Follow = Annotated[
    bool, typer.Option("--follow/--no-follow", help="Wait for more events at the end of the log.")
]
ConsumerName = Annotated[
    str | None,
    typer.Option(
        "--consumer",
        metavar="NAME",
        help="Continue after the stored position of this name, and store it after each batch.",
    ),
]
JsonLines = Annotated[bool, typer.Option("--json", help="Write one JSON document per line.")]


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
    """Show events of all streams as they are committed, until Ctrl-C.

    Events of a stream come in order, and none is left out. With --json each line is one document;
    its cursor is the --from to continue after it.

    With --consumer one command of that name runs at a time; others wait. On SQLite it must own the
    store.
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
