"""The page about effects says what is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from indelible.actors.effects import effect_types
from pages import Page, output_of

PAGE = Page("docs/effects.md")


def test_the_example_prints_what_it_says(tmp_path: Path) -> None:
    [code] = PAGE.blocks("python")
    beside = re.findall(r"print\(.*\)  # (.*)$", code, re.MULTILINE)
    below = re.findall(r"^ +# (order\..*)$", code, re.MULTILINE)
    assert sorted(output_of(code, tmp_path)) == sorted([*beside, *below])


def test_the_table_has_every_effect() -> None:
    rows = re.findall(r"^\| `(\w+)\(([\w, ]*)\)` \|", PAGE.text, re.MULTILINE)
    kinds: list[Any] = [
        effect_types.Tell,
        effect_types.TimerAt,
        effect_types.CancelTimer,
        effect_types.Call,
        effect_types.StartRun,
        effect_types.Alert,
        effect_types.Reply,
    ]
    assert dict(rows) == {kind.__name__: ", ".join(kind.__struct_fields__) for kind in kinds}
