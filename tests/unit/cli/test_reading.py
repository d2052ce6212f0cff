"""The commands that look read only, whoever owns the store, and programs can use their output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from indelible import ActorSystem

RUN = ("--steps", "mysteps", "--run-id", "r1", "--input", '{"text": "x"}')
READING = [
    ("runs",),
    ("show", "r1"),
    ("events", "run-r1"),
    ("replay", "r1"),
    ("verify",),
]


@pytest.fixture
def finished(commands: Any) -> Any:
    """A store with one finished run."""
    assert commands.invoke("run", "two.json", *RUN).exit_code == 0
    return commands


@pytest.mark.parametrize(
    "words", [*READING, ("anchor",), ("recover",), ("rebuild",)], ids=lambda w: w[0]
)
def test_a_mistyped_file_is_an_error_and_no_new_database(
    commands: Any, words: tuple[str, ...]
) -> None:
    before = sorted(commands.home.iterdir())
    result = commands.invoke(*words, "--store", "sqlite:///typo.db")
    assert result.exit_code == 1
    assert "no store at sqlite:///typo.db" in result.stderr
    assert result.stdout == ""
    assert sorted(commands.home.iterdir()) == before


@pytest.mark.parametrize("words", READING, ids=lambda w: w[0])
def test_output_fits_80_columns_and_has_no_colour_where_there_is_no_terminal(
    finished: Any, words: tuple[str, ...]
) -> None:
    result = finished.invoke(*words)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    if words[0] != "events":  # whose lines stay whole for other programs
        wide = [line for line in result.stdout.splitlines() if len(line) > 80]
        assert [line for line in wide if not line.startswith("  ")] == []


@pytest.mark.parametrize("words", READING, ids=lambda w: w[0])
def test_json_is_one_document(finished: Any, words: tuple[str, ...]) -> None:
    result = finished.invoke(*words, "--json")
    assert result.exit_code == 0
    json.loads(result.stdout)
    assert result.stderr == ""


def test_runs_lists_the_newest_first_by_state_and_up_to_a_limit(finished: Any) -> None:
    finished.invoke("run", "failing.json", "--steps", "mysteps", "--run-id", "r2")
    rows = json.loads(finished.invoke("runs", "--json").stdout)
    assert [(row["run_id"], row["outcome"]) for row in rows] == [
        ("r2", "failed"),
        ("r1", "success"),
    ]
    failed = json.loads(finished.invoke("runs", "--state", "failed", "--json").stdout)
    assert [row["run_id"] for row in failed] == ["r2"]
    limited = finished.invoke("runs", "--limit", "1")
    assert "r2" in limited.stdout
    assert "1 earlier run not shown" in limited.stderr
    wrong = finished.invoke("runs", "--state", "done")
    assert wrong.exit_code == 2
    assert "quarantined" in wrong.stderr


def test_show_has_steps_times_attempts_results_and_checkpoints(finished: Any) -> None:
    shown = json.loads(finished.invoke("show", "r1", "--json").stdout)
    assert [(s["path"], s["state"], s["attempts"]) for s in shown["steps"]] == [
        ("first", "completed", 1),
        ("last", "completed", 1),
    ]
    assert shown["results"]["last"]["text"] == "x"
    assert shown["input"] == {"text": "x"}
    assert [mark["number"] for mark in shown["checkpoints"]] == [1]
    text = finished.invoke("show", "r1").stdout
    for word in ("first", "note", "completed", "checkpoint 1", "UTC", '"text": "x"'):
        assert word in text


def test_show_shortens_results_unless_told_otherwise(commands: Any) -> None:
    commands.invoke("run", "odd.json", "--steps", "mysteps", "--run-id", "r1")
    assert "[500 items]" in commands.invoke("show", "r1").stdout
    whole = commands.invoke("show", "r1", "--full").stdout
    assert whole.count('"n": 1') == 500


def test_show_names_the_errors_of_steps(commands: Any) -> None:
    commands.invoke("run", "failing.json", "--steps", "mysteps", "--run-id", "r1")
    text = " ".join(commands.invoke("show", "r1").stdout.split())
    assert "bad: ValueError: no such day" in text
    assert "skipped" in text


def test_replay_gives_the_state_as_of_a_version(finished: Any) -> None:
    states = []
    for version in (1, 2, 3, 4):
        shown = finished.invoke("replay", "r1", "--until", str(version), "--json").stdout
        status = json.loads(shown)
        states.append((status["version"], status["steps_completed"], status["outcome"]))
    assert states == [(1, 0, None), (2, 1, None), (3, 2, None), (4, 2, "success")]
    assert (
        "version 2 of 4, run.step_completed"
        in finished.invoke("replay", "r1", "--until", "2").stdout
    )
    assert finished.invoke("replay", "r1", "--until", "0").exit_code == 2


def test_events_are_decoded_with_the_user_values_inside(finished: Any) -> None:
    events = json.loads(finished.invoke("events", "run-r1", "--json").stdout)
    assert [event["type"] for event in events] == [
        "run.accepted",
        "run.step_completed",
        "run.step_completed",
        "run.completed",
    ]
    assert events[0]["payload"]["input"] == {"text": "x"}
    assert events[0]["payload"]["definition"]["name"] == "two"
    assert events[2]["payload"]["result"]["text"] == "x"
    until = json.loads(finished.invoke("events", "r1", "--until", "2", "--json").stdout)
    assert until == events[:2], "the id of a run stands for its stream"


def test_a_result_outside_its_event_is_named_by_its_digest(commands: Any) -> None:
    given = ("--input", '{"size": 100000}')
    commands.invoke("run", "large.json", "--steps", "mysteps", "--run-id", "r1", *given)
    events = json.loads(commands.invoke("events", "r1", "--json").stdout)
    assert len(bytes.fromhex(events[1]["payload"]["blob"])) == 32
    assert "size=100005" in commands.invoke("events", "r1").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "nosuch"), "no run 'nosuch'"),
        (("replay", "nosuch"), "no run 'nosuch'"),
        (("events", "nosuch"), "no stream 'nosuch'"),
        (("rebuild", "nosuch"), "no projection 'nosuch'"),
    ],
)
def test_an_unknown_name_is_one_clean_message(
    finished: Any, words: tuple[str, ...], said: str
) -> None:
    result = finished.invoke(*words)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_reading_works_while_another_process_owns_the_store(
    commands: Any, wait_for: Callable[..., str]
) -> None:
    owner = commands.start("run", "gated.json", "--steps", "mysteps", "--run-id", "r1")
    wait_for(owner.stderr, "at the gate")
    for words in (*READING, ("rebuild",)):
        result = commands.invoke(*words)
        assert result.exit_code == 0, result.output
    shown = json.loads(commands.invoke("show", "r1", "--json").stdout)
    assert [step["state"] for step in shown["steps"]] == ["completed", "running", "pending"]
    os.close(os.open(commands.home / "gate", os.O_WRONLY))
    owner.communicate(timeout=50)
    assert owner.returncode == 0


def test_rebuild_computes_every_view_and_resumes_no_run(commands: Any) -> None:
    run = ("run", "query.json", "--steps", "mysteps", "--run-id", "r1")
    killed = commands.call(*run, "--connection", "db=sqlite://", "--crash-after", "first")
    assert killed.returncode == -9
    before = json.loads(commands.invoke("events", "r1", "--json").stdout)
    rows = json.loads(commands.invoke("rebuild", "--json").stdout)
    assert {row["view"] for row in rows} == {"workflow_status", "metrics"}
    assert {row["events"] for row in rows} == {len(before)}
    assert "metrics: rebuilt" in commands.invoke("rebuild", "metrics").stdout
    assert json.loads(commands.invoke("events", "r1", "--json").stdout) == before


def test_verify_reports_a_changed_event(finished: Any) -> None:
    import sqlite3
    from contextlib import closing

    assert json.loads(finished.invoke("verify", "--json").stdout) == {
        "events": 4,
        "streams": 1,
        "snapshots": 0,
        "unfolded": [],
        "anchored": False,
        "intact": True,
    }
    with closing(sqlite3.connect(finished.home / "indelible.db")) as database, database:
        database.execute("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 2")
        database.execute("UPDATE streams SET wake_at = -1")
    result = finished.invoke("verify")
    assert (result.exit_code, result.stdout) == (1, "")
    *others, last = result.stderr.splitlines()
    assert last.startswith("error: shard 0 breaks at position 2: ")
    assert last.endswith(f" (and {len(others)} more that do not fit)")
    assert any("its wake_at is -1" in line for line in others)


def test_an_anchor_is_written_and_compared_with(finished: Any) -> None:
    written = finished.invoke("anchor").stdout
    assert json.loads(written)["shards"]["0"]["position"] == 4
    (finished.home / "anchor.json").write_text(written)
    assert "holds the anchor" in finished.invoke("verify", "--anchor", "anchor.json").stdout
    (finished.home / "anchor.json").write_text(written.replace(": 4", ": 5"))
    behind = finished.invoke("verify", "--anchor", "anchor.json")
    assert (behind.exit_code, behind.stdout) == (1, "")
    assert "the log ends at 4, and the anchor knows of position 5" in behind.stderr
    (finished.home / "anchor.json").write_text("no JSON")
    refused = finished.invoke("verify", "--anchor", "anchor.json")
    assert (refused.exit_code, "is no anchor" in refused.stderr) == (1, True)


def test_an_anchor_that_any_log_holds_does_not_pass_for_one(finished: Any) -> None:
    with ActorSystem(f"sqlite:///{finished.home / 'empty.db'}"):
        pass
    file, name = finished.home / "anchor.json", "anchor.json"
    file.write_text(finished.invoke("anchor", "--store", "sqlite:///empty.db").stdout)
    verified = finished.invoke("verify", "--anchor", name)
    assert (verified.exit_code, "anchor" in verified.stdout) == (0, False)
    assert "the anchor is of the empty store, which any log holds; write one now" in verified.stderr
    assert not json.loads(finished.invoke("verify", "--anchor", name, "--json").stdout)["anchored"]
    file.write_text('{"format": "indelible-anchor-1", "shards": {}}')
    refused = finished.invoke("verify", "--anchor", name)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "is no anchor (ValueError: it says nothing" in refused.stderr


def test_a_reader_that_leaves_early_is_met_in_silence(commands: Any) -> None:
    given = json.dumps({"text": "x" * 300_000})  # more than a pipe holds
    commands.invoke("run", "two.json", *RUN[:4], "--input", given)
    for words in (("events", "r1", "--json"), ("show", "r1", "--full")):
        process = commands.start_fresh(*words)
        assert process.stdout is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stderr.close()
        process.wait(timeout=50)


def test_a_reader_that_has_left_before_is_met_in_silence_too(finished: Any) -> None:
    for words in (("runs", "--json"), ("runs",), ("events", "r1", "--json")):
        reads, writes = os.pipe()
        os.close(reads)
        process = finished.start_fresh(*words, stdout=writes)
        os.close(writes)
        _, stderr = process.communicate(timeout=50)
        assert stderr == ""
        assert process.returncode == 1


def test_version_and_help_work(commands: Any) -> None:
    from importlib.metadata import version

    assert commands.invoke("--version").stdout == f"indelible {version('indelible')}\n"
    assert "--crash-after" in commands.invoke("run", "--help").stdout
    assert commands.invoke().exit_code == 2


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_the_cli_extra_the_command_names_it(commands: Any, module: str) -> None:
    result = commands.call("runs", code=f"import sys; sys.modules[{module!r}] = None")
    assert result.returncode == 1
    assert "pip install 'indelible[cli]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_the_yaml_extra_a_yaml_file_names_it(commands: Any) -> None:
    (commands.home / "w.yaml").write_text("name: w\nsteps: []\n")
    result = commands.call("run", "w.yaml", code="import sys; sys.modules['yaml'] = None")
    assert result.returncode == 1
    assert "pip install 'indelible[yaml]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_reading_commands_load_no_step_code(finished: Any) -> None:
    code = (
        "import sys\nfrom indelible.cli import main\nsys.argv = ['indelible', 'show', 'r1']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nassert 'mysteps' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=finished.home, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr


def test_what_a_condition_has_left_out_is_told(commands: Any) -> None:
    never = {"path": "input.text", "op": "eq", "value": "y"}
    steps = [
        {"name": "no", "type": "note", "condition": never},
        {"name": "yes", "type": "note", "else": True},
    ]
    flow = {"name": "choice", "pattern": "conditional", "steps": steps}
    (commands.home / "choice.json").write_text(json.dumps(flow))
    assert commands.invoke("run", "choice.json", *RUN).exit_code == 0
    shown = commands.invoke("show", "r1").stdout
    assert "skipped (condition not met)" in shown
    assert "skips=no (condition_not_met)" in commands.invoke("events", "run-r1").stdout
    [first, second] = json.loads(commands.invoke("show", "r1", "--json").stdout)["steps"]
    assert (first["reason"], second["reason"]) == ("condition_not_met", "")
