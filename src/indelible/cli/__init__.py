"""The command line; importing it loads neither typer nor the library behind the commands."""

from __future__ import annotations

import errno
import sys

_EXTRA = frozenset({"rich", "typer"})


def main() -> None:
    """Run the command that ``sys.argv`` names; the console script ``indelible``."""
    from indelible.cli.standard_streams import prepare

    output = prepare()
    try:
        try:
            _run()
        finally:
            output.flush()  # while its failure can still be reported
    except KeyboardInterrupt:  # before a command has begun; then typer handles it
        sys.exit(130)
    except OSError as error:
        if error is not output.failure:
            raise
        if error.errno != errno.EPIPE:  # the reader has closed the pipe itself
            sys.stderr.write(f"error: stdout cannot be written ({error.strerror})\n")
        sys.exit(1)


def _run() -> None:
    try:
        from indelible.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        from indelible.errors import MissingExtraError

        sys.stderr.write(f"error: {MissingExtraError('cli', 'the command line')}\n")
        sys.exit(1)
    app(prog_name="indelible")
