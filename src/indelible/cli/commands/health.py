"""``indelible health``: the processes that serve a store, and their health."""

from __future__ import annotations

import typer

from indelible.cli.options.common_options import DEFAULT_STORE, AsJson, Store
from indelible.cli.tasks.open_system import reading


def show_health(*, store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show the health of the processes that serve a store, and figures of the log.

    Exit code 0: ready processes hold all shards, and no process is unhealthy; 1: a process is not
    ready, or ready processes do not hold all shards; 2: no process serves the store. The command
    only reads the database, so it also shows a process that hangs. --json has the same, as
    documented in docs/running.md.
    """
    with reading(store) as system:
        from indelible.api.facade import access_to
        from indelible.service.survey import take_survey

        survey = take_survey(access_to(system).parts)
    if as_json:
        import msgspec

        from indelible.cli.render.values import write_json

        write_json(msgspec.to_builtins(survey))
    else:
        from indelible.cli.render.console import out
        from indelible.cli.render.survey_text import picture

        out().print(picture(survey))
    raise typer.Exit(survey.verdict)
