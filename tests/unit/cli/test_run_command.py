"""`indelible run`: results, exit codes, and what is refused before anything starts."""

from __future__ import annotations

import json
import os
import pty
from typing import Any

import pytest

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"  # the cursor
RUN = ("--steps", "mysteps", "--run-id", "r1")


def test_a_run_shows_its_summary_and_report_and_exits_with_0(commands: Any) -> None:
    result = commands.invoke("run", "two.json", *RUN, "--input", '{"text": "all is well"}')
    assert result.exit_code == 0, result.output
    assert "run r1  success" in result.stdout
    assert "2 (2 completed)" in result.stdout
    assert "the report says all is well" in result.stdout
    assert commands.notes() == ["first", "last"]


def test_json_is_the_only_thing_on_stdout_though_modules_and_steps_print(commands: Any) -> None:
    module = commands.home / "mysteps.py"
    module.write_text("print('imported')\n" + module.read_text())
    result = commands.invoke("run", "two.json", *RUN, "--input", '{"text": "x"}', "--json")
    outcome = json.loads(result.stdout)
    assert outcome["status"] == "success"
    assert outcome["result"]["last"]["text"] == "x"
    assert outcome["steps_completed"] == outcome["steps_total"] == 2
    assert outcome["waiting_for"] == []
    assert "imported" in result.stderr
    assert "noted first" in result.stderr


def test_values_that_json_lacks_are_written_as_documented(commands: Any) -> None:
    result = commands.invoke("run", "odd.json", *RUN, "--json")
    odd = json.loads(result.stdout)["result"]["odd"]
    assert odd["price"] == "9.90"
    assert odd["raw"] == {"bytes": "YWI="}
    assert len(odd["many"]) == 500


@pytest.mark.parametrize(
    ("workflow", "status"), [("failing.json", "failed"), ("partial.json", "partial")]
)
def test_a_run_without_success_exits_with_1_and_names_the_error(
    commands: Any, workflow: str, status: str
) -> None:
    result = commands.invoke("run", workflow, *RUN)
    assert result.exit_code == 1
    assert f"run r1  {status}" in result.stdout
    assert "bad: ValueError: no such day" in " ".join(result.stdout.split())
    outcome = commands.invoke("run", workflow, *RUN, "--json")
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout)["status"] == status


def test_an_error_message_cannot_steer_the_terminal(commands: Any) -> None:
    definition = {
        "name": "evil",
        "steps": [{"name": "bad", "type": "fail", "params": {"message": "a\x1b[2J[red]b[/red]"}}],
    }
    (commands.home / "evil.json").write_text(json.dumps(definition))
    result = commands.invoke("run", "evil.json", *RUN)
    assert "\x1b" not in result.output
    assert "a\\x1b[2J[red]b[/red]" in result.stdout


def test_the_same_command_again_shows_the_same_run(commands: Any) -> None:
    words = ("run", "two.json", *RUN, "--input", '{"text": "x"}', "--json")
    first = commands.invoke(*words)
    assert commands.invoke(*words).stdout == first.stdout
    assert commands.notes() == ["first", "last"]


def test_the_same_id_with_other_contents_is_an_error_that_says_what_differs(commands: Any) -> None:
    commands.invoke("run", "two.json", *RUN, "--input", '{"text": "x"}')
    result = commands.invoke("run", "two.json", *RUN, "--input", '{"text": "y"}')
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "exists with another input" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_keeps_the_traceback(commands: Any) -> None:
    result = commands.invoke("--debug", "show", "r1")
    assert type(result.exception).__name__ == "StoreNotFoundError"


@pytest.mark.parametrize("more", [(), ("--crash-after", "wait")], ids=["end", "crash"])
def test_a_terminal_sees_a_bar_and_gets_its_cursor_back_even_from_a_crash(
    commands: Any, more: tuple[str, ...]
) -> None:
    ours, theirs = pty.openpty()
    process = commands.start("run", "gated.json", *RUN, *more, stderr=theirs)
    os.close(theirs)
    seen = read_until("1/3", ours)
    os.close(os.open(commands.home / "gate", os.O_WRONLY))
    seen += read_until(None, ours)
    os.close(ours)
    process.communicate(timeout=50)
    assert HIDE in seen
    assert HIDE not in seen[seen.rindex(SHOW) :]


def read_until(text: str | None, terminal: int) -> str:
    """What a terminal is sent until it shows ``text``, or until its other end is closed."""
    seen = b""
    while text is None or text.encode() not in seen:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # how Linux says that it ended
            part = b""
        if not part:
            break
        seen += part
    return seen.decode()


def test_agent_and_id_have_defaults(commands: Any) -> None:
    words = ("run", "two.json", "--steps", "mysteps", "--input", '{"text": "x"}', "--json")
    outcomes = [
        json.loads(commands.invoke(*words, *more).stdout) for more in ((), ("--agent", "a"))
    ]
    assert [outcome["agent_id"] for outcome in outcomes] == ["two", "a"]
    assert outcomes[0]["run_id"] != outcomes[1]["run_id"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["two.json", "--input", "{"], 2, "not JSON"),
        (["two.json", "--input", '{"n": NaN}'], 2, "NaN"),
        (["two.json", "--input", '{"n": -Infinity}'], 2, "-Infinity"),
        (["two.json", "--input", '{"n": 1e999}'], 2, "1e999 is out of range"),
        (["two.json", "--input", '{"n": 9' + "9" * 5_000 + "}"], 2, "thousands of digits"),
        (["two.json", "--input", '{"text": 99999999999999999999}'], 1, "beyond 64 bits"),
        (["two.json", "--input", '{"a": [{"b": 1, "b": 2}]}'], 2, "'b' is used twice in a[0]"),
        (["two.json", "--input", "[" * 100_000], 2, "nested too deep"),
        (["two.json", "--input", ""], 2, "not JSON"),
        (["two.json", "--input", "[1]"], 1, "give a mapping"),
        (["block.json", "--run-id", ""], 1, "run id '' is not text"),
        (["block.json", "--agent", ""], 1, "agent name '' is not text"),
        (["two.json", "--connection", "db"], 2, "NAME=URL"),
        (["block.json", "--crash-after", "let"], 2, "did you mean 'left'?"),
        (["two.json", "--steps", "nosuch"], 2, "no module 'nosuch'"),
        (["two.json", "--steps", "json"], 2, "no function marked by @step"),
        (["two.json", "--steps", "broken"], 2, "ZeroDivisionError"),
        (["two.json", "--steps", "twice"], 2, "registered already"),
        (["two.json", "--steps", "lacking"], 2, "needs the module 'nosuch'"),
        (["none.json"], 1, "none.json: No such file"),
        (["untyped.json"], 1, "unknown step type 'nosuch'"),
        (["two.json", "--nosuch"], 2, "No such option"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_made(
    commands: Any, words: list[str], code: int, said: str
) -> None:
    home = commands.home
    (home / "broken.py").write_text("1 / 0\n")
    (home / "lacking.py").write_text("import nosuch\n")
    (home / "twice.py").write_text(
        "from indelible import step\n"
        "@step('note')\ndef a(): return 1\n"
        "@step('note')\ndef b(): return 2\n"
    )
    (home / "untyped.json").write_text('{"name": "u", "steps": [{"name": "s", "type": "nosuch"}]}')
    if not any("--steps" in word for word in words):
        words = [*words, "--steps", "mysteps"]
    result = commands.invoke("run", *words)
    shown = " ".join(result.stderr.replace("│", " ").split())
    assert result.exit_code == code, result.output
    assert said in shown
    assert "Traceback" not in shown
    assert result.stdout == ""
    assert not (home / "indelible.db").exists()


def test_modules_bring_connections_and_functions_and_the_command_line_comes_first(
    commands: Any,
) -> None:
    (commands.home / "places.py").write_text(
        "CONNECTIONS = {'db': 'sqlite:////nowhere/at/all.db'}\n"
    )
    words = ("run", "query.json", "--steps", "mysteps", "--steps", "places", "--json")
    failed = json.loads(commands.invoke(*words).stdout)
    assert failed["error"]["step"] == "ask"
    result = commands.invoke(*words, "--connection", "db=sqlite://")
    assert json.loads(result.stdout)["result"]["ask"]["rows"] == [{"one": 1}]


def test_a_step_imported_by_two_modules_is_one_step(commands: Any) -> None:
    (commands.home / "more.py").write_text("from mysteps import note\n")
    result = commands.invoke("run", "block.json", "--steps", "mysteps", "--steps", "more")
    assert result.exit_code == 0, result.output
