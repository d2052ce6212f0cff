"""The page about the context of events says what is so."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from indelible import ActorHandle, ActorSystem, Context, RunHandle, WorkflowAgent
from pages import Page, output_of

PAGE = Page("docs/context.md")


def test_the_example_prints_what_it_says(tmp_path: Path) -> None:
    [code] = PAGE.blocks("python")
    beside = re.findall(r"print\(.*\)  # (.*)$", code, re.MULTILINE)
    below = re.findall(r"^ +# (run\..*)$", code, re.MULTILINE)
    assert sorted(output_of(code, tmp_path)) == sorted([*beside, *below])


def test_the_fields_are_those_that_an_event_has() -> None:
    [table] = re.findall(r"\| `event\.context\.` \|.*?\n\n", PAGE.text, re.DOTALL)
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(
        Context.__struct_fields__
    )


def test_the_calls_that_the_page_names_take_the_parameters_that_it_names() -> None:
    [named] = re.findall(r"are parameters of (.*?) and their async twins", PAGE.text, re.DOTALL)
    calls = re.findall(r"`(\w+)`", named)
    assert len(calls) == 6
    for name in calls:
        for call in (name, f"{name}_async"):
            [found] = [
                getattr(cls, call)
                for cls in (ActorHandle, RunHandle, WorkflowAgent)
                if hasattr(cls, call)
            ]
            assert {"by", "why", "correlation_id"} <= set(inspect.signature(found).parameters)


def test_a_block_takes_what_the_page_says() -> None:
    named = set(re.findall(r"`system\.context\((\w+)=\)`|`(by|why|correlation_id)=`", PAGE.text))
    taken = set(inspect.signature(ActorSystem.context).parameters) - {"self"}
    assert {block or parameter for block, parameter in named} == taken
