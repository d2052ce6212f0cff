"""``indelible verify`` and ``indelible anchor``: whether a store holds the written data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indelible.cli.options.actor_deciders import load_deciders
from indelible.cli.options.common_options import DEFAULT_STORE, Actors, AsJson, Store
from indelible.cli.render.console import count, out, say
from indelible.errors import VerificationError

if TYPE_CHECKING:
    from indelible.api.verification import Verified

AnchorFile = Annotated[
    Path | None,
    typer.Option(
        "--anchor",
        metavar="FILE",
        help="An earlier output of `anchor`; verify that the log still contains that end.",
        exists=True,
        dir_okay=False,
        readable=True,
    ),
]


def verify_store(
    *,
    store: Store = DEFAULT_STORE,
    anchor: AnchorFile = None,
    actors: Actors = None,
    as_json: AsJson = False,
) -> None:
    """Check that the store holds the data as written: log, streams, blobs, inbox, snapshots.

    Only with an anchor that was kept elsewhere does it find a log whose end was cut off, or that
    was rewritten as a whole.
    """
    from indelible.api.system import ActorSystem

    text = None if anchor is None else anchor.read_bytes()
    with ActorSystem(store, mode="read", actors=load_deciders(actors)) as system:
        try:
            verified = system.verify(anchor=text)
        except VerificationError as error:
            for other in error.others:
                say(other)
            raise
    if as_json:
        from indelible.cli.render.values import write_json

        write_json(
            {
                "events": verified.events,
                "streams": verified.streams,
                "snapshots": verified.snapshots,
                "unfolded": list(verified.unfolded),
                "anchored": bool(verified.anchored),
                "intact": True,
            }
        )
    else:
        _show(verified)
    if anchor is not None and not verified.anchored:
        say(
            "the anchor is of the empty store, which any log holds; write one now",
            "yellow",
        )


def _show(verified: Verified) -> None:
    held = "the hash chain is intact" + (" and holds the anchor" if verified.anchored else "")
    others = f"{count(verified.streams, 'stream')} and {count(verified.snapshots, 'snapshot')} fit"
    out().print(f"{count(verified.events, 'event')}, {held}; {others}", soft_wrap=True)
    if verified.unfolded:
        names = ", ".join(verified.unfolded)
        say(f"not folded, as --actors names no decider: {names}", "yellow")


def anchor_store(*, store: Store = DEFAULT_STORE) -> None:
    """Write the current end of the log as one line of JSON; keep it where others cannot write."""
    from indelible.cli.tasks.open_system import reading

    with reading(store) as system:
        text = system.anchor()
    typer.echo(text)
