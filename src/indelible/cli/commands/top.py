"""``indelible top``: the processes and runs of a store, refreshed at intervals."""

from __future__ import annotations

from typing import Annotated

import typer

from indelible.cli.options.common_options import DEFAULT_STORE, Store
from indelible.cli.tasks.open_system import reading

Once = Annotated[bool, typer.Option("--once", help="Show one picture, then end.")]
Interval = Annotated[
    float,
    typer.Option(
        "--interval", metavar="SECONDS", min=0.1, max=86_400.0, help="Time between two pictures."
    ),
]


def show_top(*, store: Store = DEFAULT_STORE, once: Once = False, interval: Interval = 1.0) -> None:
    """Watch runs, steps and processes, until Ctrl-C.

    Rates are computed from the views, since the last picture. In a pipe or a file each picture is
    plain text.
    """
    with reading(store) as system:
        from indelible.cli.render.top_screen import TopScreen
        from indelible.cli.watching.stop_signals import Stop

        with Stop() as stop:
            TopScreen(system, interval).show(stop, once=once)
