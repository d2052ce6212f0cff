"""The log lines of a service: one a line, for people on stderr or as JSON on stdout."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from indelible.cli.render.console import plain
from indelible.cli.standard_streams import Output

logger = logging.getLogger("indelible.serve")

_ATTRIBUTES = frozenset({"run", "step", "attempt"})


def note(event: str, message: str, level: int = logging.INFO) -> None:
    """Log what becomes of the service; ``event`` is one word for programs."""
    logger.log(level, "%s: %s", event, message, extra={"event": event})


@contextmanager
def journal(*, as_json: bool) -> Iterator[None]:
    """Write what anyone logs, unless the user's modules have set up logging in their own way."""
    root, ours = logging.getLogger(), logging.getLogger("indelible")
    level = ours.level
    if level == logging.NOTSET:
        ours.setLevel(logging.INFO)
    handler = logging.StreamHandler(_stream(as_json=as_json))
    handler.setFormatter(JsonLines() if as_json else Lines())
    installed = not root.handlers
    if installed:
        root.addHandler(handler)
    try:
        yield
    finally:
        if installed:
            root.removeHandler(handler)
        ours.setLevel(level)


def last_words(event: str, message: str, *, as_json: bool) -> None:
    """Write a line from a signal handler, where nothing else may be called."""
    record = logging.LogRecord(
        logger.name, logging.WARNING, "", 0, "%s: %s", (event, message), None
    )
    record.event = event
    line = (JsonLines() if as_json else Lines()).format(record)
    with suppress(OSError):
        os.write(1 if as_json else 2, f"{line}\n".encode(errors="replace"))


class Lines(logging.Formatter):
    """Local time with its offset, level if it is no mere note, and the message on one line."""

    def __init__(self) -> None:
        """Say the date in full: a service may run for months."""
        super().__init__("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S%z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The line of ``record``, harmless for a terminal; a traceback follows below it."""
        if record.levelno > logging.INFO:
            record.message = f"{record.levelname.lower()}: {record.message}"
        return plain(super().formatMessage(record).replace("\n", " "))


class JsonLines(logging.Formatter):
    """An object a line: ``at`` (microseconds UTC), level, logger, event if any, and message.

    A failed attempt has its ``run``, ``step`` and ``attempt``, too.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of ``record``; a traceback is in ``traceback``."""
        line = {
            "at": round(record.created * 1e6),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        event = getattr(record, "event", None)
        if event is not None:
            line["event"] = event
        for name in _ATTRIBUTES & record.__dict__.keys():
            line[name] = record.__dict__[name]
        line["message"] = record.getMessage()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _stream(*, as_json: bool) -> TextIO:
    """Where lines go: no service ends because its log cannot be written for a while."""
    stdout: TextIO = sys.stdout.for_messages() if isinstance(sys.stdout, Output) else sys.stdout
    return stdout if as_json else sys.stderr
