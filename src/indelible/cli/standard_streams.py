"""Stdout and stderr as the command line finds them: any encoding, closed, or on a full disk.

What a run has done does not depend on whether its progress or its result could be shown.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import Any

_ERRORS = "indelible.cli.plain"
_PLAIN = {"…": "...", "─": "-"}
"""What our own texts use beside ASCII; anything else is shown by its number."""


def prepare() -> Output:
    """Make both streams fit to be written to, from here to the end of the process; stdout."""
    codecs.register_error(_ERRORS, _in_plain)
    output = Output(_opened(sys.stdout))
    sys.stdout = output
    sys.stderr = Messages(_opened(sys.stderr))
    return output


class Stream:
    """A text stream whose failures are handled; all else it is goes through."""

    def __init__(self, stream: Any) -> None:
        """Stand before ``stream``."""
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """Be ``stream``."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write ``text``."""
        try:
            written: int = self._stream.write(text)
        except OSError as error:
            self._fail(error)
            return len(text)
        return written

    def flush(self) -> None:
        """Write what waits in the buffer."""
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Deal with a failed write."""
        raise NotImplementedError


class Output(Stream):
    """Stdout: the command ends where it cannot be written.

    Attributes:
        failure: What was raised last.
    """

    failure: OSError | None = None

    def for_messages(self) -> Any:
        """The same stream for what may be lost."""
        return Messages(self._stream)

    def _fail(self, error: OSError) -> None:
        with suppress(OSError, ValueError):  # or the flush at the end of the process fails, too
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        self.failure = error
        raise error


class Messages(Stream):
    """Stderr, and what steps print: what cannot be written is lost, and the work goes on."""

    def _fail(self, error: OSError) -> None:
        pass


class Nowhere(io.TextIOBase):
    """Stands for a stream that the process was begun without."""

    def write(self, text: str) -> int:
        """Forget ``text``."""
        return len(text)


def _opened(stream: Any) -> Any:
    """``stream``, so that any text can be written."""
    if stream is None:
        return Nowhere()
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    with suppress(AttributeError, OSError):  # a stream that a program has put there
        stream.reconfigure(errors="backslashreplace" if encoding.startswith("utf") else _ERRORS)
    return stream


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    plain = (
        _PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode("ascii") for c in lacking
    )
    return "".join(plain), error.end
