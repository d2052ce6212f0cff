"""The command line, as a module that can be run: see :mod:`forked`."""

from __future__ import annotations

from indelible.cli import main

if __name__ == "__main__":
    main()
