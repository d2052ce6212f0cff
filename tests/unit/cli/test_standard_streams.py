"""Stdout and stderr of any encoding, closed, or on a full disk: no traceback, nothing lost."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from indelible.cli import main
from indelible.cli.render.service_log import journal, note
from indelible.cli.standard_streams import Messages, Output

RUN = ("run", "uni.json", "--steps", "mysteps", "--run-id", "ü☃")
UNI = {
    "name": "größe",
    "steps": [{"name": "erste Stufe", "type": "note", "params": {"text": "naïve ☃ 日本"}}],
}
COMMANDS: list[tuple[str, ...]] = [
    RUN,
    ("runs",),
    ("runs", "--json"),
    ("show", "ü☃", "--full"),
    ("events", "ü☃"),
    ("replay", "ü☃", "--json"),
    ("tail", "--no-follow", "--from", "start"),
    ("tail", "--no-follow", "--from", "start", "--json"),
    ("parked", "list"),
    ("verify",),
    ("recover",),
    ("--help",),
]
Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(commands: Any, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the command line as the console script does; exit code and stderr."""
    (commands.home / "uni.json").write_text(json.dumps(UNI))

    def run(words: tuple[str, ...], stdout: Any, stderr: Any = None) -> tuple[int, str]:
        kept = io.TextIOWrapper(io.BytesIO(), "utf-8") if stderr is None else stderr
        monkeypatch.setattr(sys, "argv", ["indelible", *words])
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", kept)
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        assert isinstance(code, int)
        if stderr is not None:
            return code, ""
        kept.flush()
        return code, kept.buffer.getvalue().decode()

    return run


def in_memory(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding)


def text_of(stream: io.TextIOWrapper) -> str:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(stream.encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_lacks_is_shown_by_its_number(call: Call, encoding: str) -> None:
    for words in COMMANDS:
        code, stderr = call(words, in_memory(encoding))
        assert code == 0, (words, stderr)
        assert "Traceback" not in stderr
    runs, shown = in_memory(encoding), in_memory(encoding)
    call(("runs",), runs)
    call(("show", "ü☃", "--full"), shown)
    assert "\\u2603" in text_of(runs)
    assert "─" not in text_of(runs)
    assert "the report says na" in text_of(shown)
    documents = in_memory(encoding)
    call(("show", "ü☃", "--json"), documents)
    assert json.loads(text_of(documents))["workflow"] == "größe"


def test_a_full_disk_under_stdout_is_one_line_and_exit_code_1(call: Call, commands: Any) -> None:
    for words in COMMANDS:
        with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - no file to be kept
            code, stderr = call(words, full)
        assert code == 1
        assert (
            stderr.splitlines()[-1] == "error: stdout cannot be written (No space left on device)"
        )
        assert "Traceback" not in stderr
    [row] = json.loads(commands.invoke("runs", "--json").stdout)
    assert row["outcome"] == "success"  # as if it had been shown


def test_a_reader_of_stdout_that_has_left_is_met_in_silence(call: Call) -> None:
    call(RUN, in_memory("utf-8"))
    for words in (("runs",), ("runs", "--json"), ("events", "ü☃")):
        reads, writes = os.pipe()
        os.close(reads)
        with os.fdopen(writes, "w", encoding="utf-8") as pipe:
            assert call(words, pipe) == (1, "")


def test_a_process_without_stdout_and_stderr_does_its_work(call: Call, commands: Any) -> None:
    for words in COMMANDS:
        code, _ = call(words, None)
        assert code == 0, words
    assert commands.notes() == ["erste", "Stufe"]


def test_what_steps_print_and_progress_may_be_lost_but_not_the_run(
    call: Call, commands: Any
) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    left = os.fdopen(writes, "w", 1, encoding="utf-8")
    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", 1, encoding="utf-8")
    for number, stderr in enumerate((full, left)):
        stdout = in_memory("utf-8")
        code, _ = call((*RUN[:5], f"r{number}"), stdout, stderr)
        assert code == 0, text_of(stdout)
        assert "success" in text_of(stdout)
        code, _ = call(("show", "nosuch"), in_memory("utf-8"), stderr)
        assert code == 1
        with pytest.raises(OSError, match=r"No space|Broken pipe"):
            stderr.close()


def test_a_service_goes_on_though_its_log_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Disk(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    disk, stderr = Disk(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", Output(disk))
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with journal(as_json=True):
        note("ready", "lost")
        disk.full = False
        note("ready", "kept")
    assert "kept" in disk.getvalue()
    assert "lost" not in disk.getvalue()
    assert stderr.getvalue() == ""


def test_a_stream_is_what_it_stands_before(capfd: pytest.CaptureFixture[str]) -> None:
    stream = Messages(sys.__stdout__)
    print("as it is", file=stream, flush=True)
    assert stream.fileno() == 1
    assert capfd.readouterr().out == "as it is\n"


def test_ctrl_c_before_a_command_has_begun_ends_with_130(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("indelible.cli.app.app", interrupted)
    assert call(("runs",), in_memory("utf-8")) == (130, "")
