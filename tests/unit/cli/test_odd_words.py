"""Words that name nothing, or are no text: one message, never a traceback or a wait for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem, step
from indelible.events.sqlite.address import parse_address

BAD = "a\udcff"  # how Python gives an argument that is no UTF-8
STORE = ("--store", "sqlite:///s.db")


@pytest.fixture
def store(commands: Any) -> Any:
    """A store with one finished run: r1."""
    commands.invoke("run", "block.json", "--steps", "mysteps", "--run-id", "r1", *STORE)
    return commands


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", BAD), 1, "no run"),
        (("events", BAD), 1, "no stream"),
        (("resolve", BAD, "x", "retry"), 1, "is not text"),
        (("tail", "--no-follow", "--stream", BAD), 0, "there is no stream"),
        (("tail", "--no-follow", "--consumer", BAD), 2, "printable characters"),
        (("tail", "--no-follow", "--consumer", ""), 2, "printable characters"),
        (("tail", "--types", ","), 2, "it names no type"),
        (("tail", "--types", ""), 2, "it names no type"),
        (("parked", "list", BAD), 0, "no view"),
        (("parked", "list", "metric"), 0, "no view 'metric' has run on this store; there are metr"),
        (("parked", "retry", BAD, "0", "1"), 2, "is no text"),
        (("parked", "skip", "metrics", "0", "1", "--reason", BAD), 2, "is no text"),
        (("serve", "--name", BAD), 2, "printable characters"),
        (("serve", "--drain", "inf"), 2, "less than or equal"),
        (("top", "--once", "--interval", "inf"), 2, "less than or equal"),
    ],
)
def test_a_word_that_cannot_be_is_one_message(
    store: Any, words: tuple[str, ...], code: int, said: str
) -> None:
    result = store.invoke(*words, *STORE)
    shown = " ".join(result.stderr.replace("│", " ").split())
    assert result.exit_code == code, result.output
    assert said in shown
    assert "Traceback" not in shown
    assert isinstance(result.exception, SystemExit | None)


def test_a_file_whose_name_is_no_utf_8_can_be_a_store(tmp_path: Path) -> None:
    address = parse_address(f"sqlite:///{tmp_path}/{BAD}.db")
    assert address.uri("rw").endswith("/a%FF.db?mode=rw")


def test_a_run_is_shown_by_the_name_of_its_stream_too(store: Any) -> None:
    for command in ("show", "replay"):
        by_stream = store.invoke(command, "run-r1", "--json", *STORE)
        assert by_stream.exit_code == 0
        assert by_stream.stdout == store.invoke(command, "r1", "--json", *STORE).stdout
    assert "no run 'run-r2'" in store.invoke("show", "run-r2", *STORE).stderr


def test_a_service_that_lacks_a_step_type_is_to_be_started_with_it(commands: Any) -> None:
    with ActorSystem(STORE[1]):
        result = commands.invoke("run", "block.json", *STORE)
    assert result.exit_code == 1
    assert "start the process that owns the store with --steps MODULE" in result.stderr


@pytest.mark.parametrize("then", [False, True])
def test_on_many_shards_too_the_run_accepted_last_comes_first(
    commands: Any, postgres_url: str, *, then: bool
) -> None:
    @step("one")
    def one() -> int:
        return 1

    runs = [f"r{number}" for number in range(8)]
    definition = {"name": "w", "steps": [{"name": "a", "type": "one"}]}
    with ActorSystem(postgres_url, steps=[one]) as system:
        for run in runs:
            system.workflow_agent("a").start(definition, run_id=run).result(20)
        shards = {system.store.shard_of(f"run-{run}") for run in runs}
    assert len(shards) > 1
    moment = ("--as-of", "2100-01-01T00:00Z") if then else ()
    words = ("runs", "--json", "--store", postgres_url, *moment)
    listed = json.loads(commands.invoke(*words).stdout)
    assert [row["run_id"] for row in listed] == runs[::-1]
    limited = commands.invoke(*words, "--limit", "2", "--state", "success")
    assert [row["run_id"] for row in json.loads(limited.stdout)] == runs[:-3:-1]
