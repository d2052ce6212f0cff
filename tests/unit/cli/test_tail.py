"""`indelible tail`: what is there, what comes, from where one was, as text and as JSON lines."""

from __future__ import annotations

import json
import logging
import os
import signal
from typing import Any

import pytest
import sqlalchemy as sa

from indelible import ActorSystem
from indelible.cli.tasks import follow_log
from indelible.events.opening import open_store
from indelible.testing.contract.builders import some_event

RUN = ("--steps", "mysteps", "--run-id", "r1", "--input", '{"text": "x"}')
AGAIN = (*RUN[:3], "r2", *RUN[4:])


@pytest.fixture
def finished(commands: Any) -> Any:
    """A store with one finished run."""
    assert commands.invoke("run", "two.json", *RUN).exit_code == 0
    return commands


def documents(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_whole_log_is_shown_line_by_line(finished: Any) -> None:
    result = finished.invoke("tail", "--from", "start", "--no-follow")
    assert result.exit_code == 0
    day, *lines = result.stdout.splitlines()
    assert "local time" in day
    assert "run-r1 1  run.accepted" in lines[0]
    assert "run.completed" in lines[-1]
    assert result.stderr == ""


def test_json_is_a_document_a_line_whose_cursor_goes_on_after_it(finished: Any) -> None:
    tail = ("tail", "--no-follow", "--json", "--from")
    events = documents(finished.invoke(*tail, "start").stdout)
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["payload"]["definition"]["name"] == "two"
    for number, event in enumerate(events, 1):
        assert documents(finished.invoke(*tail, event["cursor"]).stdout) == events[number:]
    assert finished.invoke(*tail, "end").stdout == ""


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--types", "run.accepted,run.completed"), 2),
        (("--types", "run.accepted", "--types", "run.completed"), 2),
        (("--types", "run.nonsense"), 0),
        (("--stream", "run-r1", "--types", "run.accepted"), 1),
        (("--stream", "run-r2"), 0),
        (("--category", "agent"), 0),
        (("--category", "run", "--types", "run.accepted"), 1),
    ],
)
def test_events_are_selected_by_type_category_and_stream(
    finished: Any, words: tuple[str, ...], count: int
) -> None:
    result = finished.invoke("tail", "--from", "start", "--no-follow", "--json", *words)
    assert len(documents(result.stdout)) == count


@pytest.mark.parametrize("text", ["now", "0", "0:x"])
def test_what_is_no_cursor_is_a_mistake_of_the_command(finished: Any, text: str) -> None:
    result = finished.invoke("tail", "--from", text)
    assert result.exit_code == 2
    assert "SHARD:POSITION" in result.stderr


def test_a_cursor_of_another_store_is_an_error(finished: Any) -> None:
    result = finished.invoke("tail", "--from", "0:1000", "--no-follow")
    assert result.exit_code == 1
    assert "begin again without it" in result.stderr


@pytest.mark.parametrize("words", [(), ("--consumer", "c")])
def test_a_mistyped_file_is_an_error_and_no_new_database(
    commands: Any, words: tuple[str, ...]
) -> None:
    before = sorted(commands.home.iterdir())
    result = commands.invoke("tail", "--store", "sqlite:///typo.db", *words)
    assert result.exit_code == 1
    assert "no store at" in result.stderr
    assert sorted(commands.home.iterdir()) == before


def test_a_signal_while_a_connection_goes_back_to_its_pool_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connection = sa.create_engine("sqlite://").connect()
    monkeypatch.setattr(
        "sqlalchemy.pool.base._ConnectionFairy._reset",
        lambda *_args, **_options: follow_log._leave(signal.SIGINT, None),
    )
    pool = logging.getLogger("sqlalchemy.pool")
    level = pool.level
    try:
        with pytest.raises(SystemExit):
            connection.close()
    finally:
        pool.setLevel(level)
    assert not caplog.records


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_follows_another_process_until_a_signal_and_says_where_to_go_on(
    finished: Any, wait_for: Any, number: signal.Signals
) -> None:
    tail = finished.start("tail", "--from", "start")
    wait_for(tail.stdout, "run.completed")
    assert finished.invoke("run", "two.json", *AGAIN).exit_code == 0
    wait_for(tail.stdout, "run-r2 1  run.accepted")
    wait_for(tail.stdout, "run.completed")
    tail.send_signal(number)
    _, said = tail.communicate(timeout=50)
    assert tail.returncode == 128 + number
    assert "Traceback" not in said
    cursor = said.split("--from ")[1].strip()
    assert finished.invoke("tail", "--no-follow", "--from", cursor, "--json").stdout == ""


@pytest.mark.parametrize("words", [(), ("--consumer", "audit")])
def test_it_says_when_no_process_serves_the_store_that_it_follows(
    commands: Any, postgres_url: str, wait_for: Any, words: tuple[str, ...]
) -> None:
    url = postgres_url if words else "sqlite:///indelible.db"
    open_store(url).close()
    code = (
        "import indelible.cli.watching.service_presence as a, indelible.service.service_watch as w"
    )
    tail = commands.start_fresh(
        "tail", "--store", url, *words, code=f"{code}\na.CHECK_INTERVAL = w.CHECK_INTERVAL = 0.01"
    )
    wait_for(tail.stderr, "no process serves")
    with ActorSystem(url):
        wait_for(tail.stderr, f"process {os.getpid()} on")
    wait_for(tail.stderr, "which served")
    tail.send_signal(signal.SIGINT)
    tail.communicate(timeout=50)
    assert tail.returncode == 130


def test_a_consumer_goes_on_where_it_ended(finished: Any) -> None:
    tail = ("tail", "--consumer", "audit", "--no-follow", "--json")
    assert len(documents(finished.invoke(*tail).stdout)) > 2
    assert finished.invoke(*tail).stdout == ""
    finished.invoke("run", "two.json", *AGAIN)
    streams = {event["stream"] for event in documents(finished.invoke(*tail).stdout)}
    assert streams == {"run-r2"}


def test_a_consumer_that_is_killed_is_given_again_what_it_had_not_finished(
    commands: Any, wait_for: Any
) -> None:
    store = open_store(f"sqlite:///{commands.home}/indelible.db")
    store.append("thing-1", [some_event() for _ in range(700)], expected=0)  # two batches
    store.close()
    # The process dies between the output of the second batch and its commit.
    code = """
from indelible.events.subscribe.consumers import Consumer
commit, done = Consumer.commit, []
def commit_once(self, cursor):
    if done:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(commit(self, cursor))
Consumer.commit = commit_once
"""
    tail = ("tail", "--consumer", "audit", "--no-follow", "--json")
    killed = commands.call(*tail, code=code)
    assert killed.returncode == -signal.SIGKILL
    seen = [event["position"] for event in documents(killed.stdout)]
    again = [event["position"] for event in documents(commands.call(*tail).stdout)]
    assert seen == list(range(1, 701))
    assert again == list(range(501, 701))


def test_a_consumer_needs_the_store_for_itself_on_sqlite(finished: Any) -> None:
    store = open_store(f"sqlite:///{finished.home}/indelible.db")
    result = finished.call("tail", "--consumer", "audit")
    store.close()
    assert result.returncode == 1
    assert "is owned by" in result.stderr


def test_a_pipe_whose_reader_has_left_ends_it_quietly(finished: Any) -> None:
    with finished.start_fresh("tail", "--from", "start", "--json") as tail:
        tail.stdout.readline()
        tail.stdout.close()
        assert finished.invoke("run", "two.json", *AGAIN).exit_code == 0
        assert "Traceback" not in tail.stderr.read()
        assert tail.wait(timeout=50) == 1
