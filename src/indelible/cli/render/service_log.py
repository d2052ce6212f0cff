"""The log of a service: one record a line, for people on stderr or as JSON on stdout."""

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
    """Log a change of the service; ``event`` is one word for programs."""
    logger.log(level, "%s: %s", event, message, extra={"event": event})


@contextmanager
def journal(*, as_json: bool) -> Iterator[None]:
    """Write all log records, unless the user's modules have configured logging themselves."""
    root, library_logger = logging.getLogger(), logging.getLogger("indelible")
    level = library_logger.level
    if level == logging.NOTSET:
        library_logger.setLevel(logging.INFO)
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
        library_logger.setLevel(level)


def write_final_line(event: str, message: str, *, as_json: bool) -> None:
    """Write a line in a signal handler, without the logging handlers and their locks."""
    record = logging.LogRecord(
        logger.name, logging.WARNING, "", 0, "%s: %s", (event, message), None
    )
    record.event = event
    line = (JsonLines() if as_json else Lines()).format(record)
    with suppress(OSError):
        os.write(1 if as_json else 2, f"{line}\n".encode(errors="replace"))


class Lines(logging.Formatter):
    """Local time with its offset, the level if above info, and the message on one line."""

    def __init__(self) -> None:
        """Show the full date: a service may run for months."""
        super().__init__("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S%z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The line of ``record``, without control characters; a traceback follows below it."""
        if record.levelno > logging.INFO:
            record.message = f"{record.levelname.lower()}: {record.message}"
        return plain(super().formatMessage(record).replace("\n", " "))


class JsonLines(logging.Formatter):
    """One object a line: ``at`` (microseconds UTC), level, logger, event if any, and message.

    The record of a failed attempt also has ``run``, ``step`` and ``attempt``.
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
    """The stream of the log; a failed write to it does not end the service."""
    stdout: TextIO = sys.stdout.for_messages() if isinstance(sys.stdout, Output) else sys.stdout
    return stdout if as_json else sys.stderr
