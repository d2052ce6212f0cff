"""``indelible health``: whether a store is served, by whom, and how they are."""

from __future__ import annotations

import typer

from indelible.cli.options.common_options import DEFAULT_STORE, AsJson, Store
from indelible.cli.tasks.open_system import reading


def show_health(*, store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Show how the processes are that serve a store, and what the log itself says.

    Exit code 0: ready processes hold all shards, and none is unwell; 1: one is not ready, or has
    not reported for 5 s, and others do not make up for it; 2: nobody serves. No process is asked,
    so a hanging one is seen, too; --json has the same as documented in docs/running.md.
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
