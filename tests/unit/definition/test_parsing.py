"""Definitions from text and files: JSON, YAML, and everything that is neither."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from indelible.actors.workflow.definition.compile import compile_definition
from indelible.actors.workflow.definition.parse import parse
from indelible.actors.workflow.definition.size_limits import MAX_BYTES
from indelible.errors import DefinitionError, MissingExtraError

YAML = """
name: flights
steps:
  - {name: load, type: noop, params: {file: a.csv}}
  - name: extract
    pattern: parallel
    steps:
      - {name: jfk, type: noop}
"""
JSON = """{"name": "flights", "steps": [
  {"name": "load", "type": "noop", "params": {"file": "a.csv"}},
  {"name": "extract", "pattern": "parallel", "steps": [{"name": "jfk", "type": "noop"}]}]}"""


def fault(source: Any) -> str:
    """The one problem of ``source``, which no other exception may stand for."""
    with pytest.raises(DefinitionError) as caught:
        compile_definition(source, None)
    [problem] = caught.value.problems
    return f"{problem.path}: {problem.found}; {problem.fix}"


def test_yaml_json_and_a_mapping_give_the_same_plan() -> None:
    plans = [compile_definition(source, None) for source in (YAML, JSON, parse(JSON))]
    assert plans[0] == plans[1] == plans[2]
    assert len({plan.encoded for plan in plans}) == 1


@pytest.mark.parametrize(("name", "text"), [("a.yaml", YAML), ("a.YML", YAML), ("a.json", JSON)])
def test_a_file_is_read_by_the_kind_that_its_name_says(
    tmp_path: Path, name: str, text: str
) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8-sig")
    assert compile_definition(file, None) == compile_definition(JSON, None)


def test_a_file_that_is_missing_of_another_kind_or_no_text_is_named(tmp_path: Path) -> None:
    assert "No such file" in fault(tmp_path / "gone.yaml")
    (tmp_path / "a.txt").write_text(YAML)
    assert "name it .yaml" in fault(tmp_path / "a.txt")
    (tmp_path / "b.yaml").write_bytes(b"name: \xff\xfe")
    assert "not UTF-8" in fault(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").mkdir()
    assert "c.yaml" in fault(tmp_path / "c.yaml")


def test_a_text_never_names_a_file() -> None:
    assert "pathlib.Path" in fault("flights.yaml")


def test_a_key_that_stands_twice_is_an_error_in_both_languages() -> None:
    assert "'name' is used twice" in fault("name: a\nname: b\nsteps: []")
    assert "'name' is used twice" in fault('{"name": "a", "name": "b"}')
    assert "'b' is used twice in a[1].c" in fault('{"a": [0, {"c": {"b": 1, "b": 2}}]}')
    assert "line 3, column 12 (the key 'b'" in fault("a:\n  - c\n  - {b: 1, b: 2}\nb: 1\n")


def test_a_merge_key_may_be_overridden() -> None:
    text = "name: a\nsteps:\n- &x {name: a, type: t, timeout: 3}\n- {<<: *x, name: b}"
    assert compile_definition(text, None).nodes[2].timeout == 3.0


@pytest.mark.parametrize(
    "text",
    [
        "[1",
        "{",
        '{"name": NaN}',
        '{"name": ' + "1" * 5_000 + "}",
        "when: 2013-99-99",
        "x: !!python/object/apply:os.system [ls]",
        "? [a]\n: 1",
        "\x00",
        "a: b: c",
        "--- 1\n--- 2",
        "x: *unknown",
    ],
)
def test_malformed_text_says_where(text: str) -> None:
    assert "malformed" in fault(text)


@pytest.mark.parametrize("text", ["", "just words", "- a", "3", "[]"])
def test_text_that_is_no_mapping_says_what_to_write(text: str) -> None:
    assert "write a mapping" in fault(text)


@pytest.mark.parametrize("source", [None, 3, [], b"name: x", object()])
def test_something_that_is_no_source_is_an_error(source: Any) -> None:
    assert "give a mapping" in fault(source)


@pytest.mark.parametrize(
    "text", ["- " * 100_000 + "x", "[" * 100_000, '{"a":' * 100_000, "x: " + "{a: " * 300]
)
def test_endless_nesting_is_an_error_and_not_a_crash(text: str) -> None:
    assert "levels" in fault(text)


def test_text_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    assert "limit" in fault("x" * (MAX_BYTES + 1))
    file = tmp_path / "large.yaml"
    with file.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    assert "smaller" in fault(file)


def test_an_alias_that_contains_itself_is_named() -> None:
    assert "contains itself" in fault(
        "name: a\nsteps: &s\n- {name: b, pattern: parallel, steps: *s}"
    )


def test_nested_aliases_that_stand_for_billions_of_values_are_too_large() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "more than 16,777,216 bytes" in fault("name: x\nsteps: []\n" + "\n".join(lines))


def test_yaml_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match=r"indelible\[yaml\]"):
        parse(YAML)
    assert parse(JSON)["name"] == "flights"
