"""Stdout and stderr of the command line, which may have any encoding, be closed, or be full.

The work of a run does not depend on whether its progress or its result could be written.
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
"""Replacements for the characters beyond ASCII in our own texts; others are shown by number."""


def prepare() -> Output:
    """Replace both standard streams until the end of the process; return stdout."""
    codecs.register_error(_ERRORS, _replace_unencodable)
    output = Output(_opened(sys.stdout))
    sys.stdout = output
    sys.stderr = Messages(_opened(sys.stderr))
    return output


class Stream:
    """Wraps a text stream and handles failed writes; other attributes are those of the stream."""

    def __init__(self, stream: Any) -> None:
        """Wrap ``stream``."""
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        """Return the attribute of the wrapped stream."""
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
        """Write the buffer."""
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Handle a failed write."""
        raise NotImplementedError


class Output(Stream):
    """Stdout: a failed write ends the command.

    Attributes:
        failure: The error of the last failed write.
    """

    failure: OSError | None = None

    def for_messages(self) -> Any:
        """The same stream for messages that may be lost."""
        return Messages(self._stream)

    def _fail(self, error: OSError) -> None:
        with suppress(OSError, ValueError):  # so that the flush at the end does not fail too
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        self.failure = error
        raise error


class Messages(Stream):
    """Stderr, and the output of steps: a text that cannot be written is lost."""

    def _fail(self, error: OSError) -> None:
        pass


class NullStream(io.TextIOBase):
    """Replaces a stream that the process does not have."""

    def write(self, text: str) -> int:
        """Discard ``text``."""
        return len(text)


def _opened(stream: Any) -> Any:
    """``stream``, set so that it can encode any text."""
    if stream is None:
        return NullStream()
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    with suppress(AttributeError, OSError):  # a stream of another class
        stream.reconfigure(errors="backslashreplace" if encoding.startswith("utf") else _ERRORS)
    return stream


def _replace_unencodable(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    unencodable = error.object[error.start : error.end]
    plain = (
        _PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode("ascii") for c in unencodable
    )
    return "".join(plain), error.end
