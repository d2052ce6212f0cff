"""The command line; importing it loads neither typer nor the library behind the commands."""

from __future__ import annotations

import sys

_EXTRA = frozenset({"rich", "typer"})


def main() -> None:
    """Run the command that ``sys.argv`` names; the console script ``indelible``."""
    try:
        from indelible.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        from indelible.errors import MissingExtraError

        sys.stderr.write(f"error: {MissingExtraError('cli', 'the command line')}\n")
        sys.exit(1)
    app(prog_name="indelible")
