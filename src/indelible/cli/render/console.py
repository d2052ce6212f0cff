"""Console output: harmless text, times, durations, tables.

Text from the log or from a step is shown plain: without markup and control characters.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

STATE_STYLES = {
    "success": "green",
    "completed": "green",
    "partial": "yellow",
    "waiting": "yellow",
    "retrying": "yellow",
    "unknown": "yellow",
    "failed": "red",
    "quarantined": "red",
    "running": "cyan",
}
NOTHING = "-"


def out() -> Console:
    """Stdout, for results."""
    return Console(highlight=False, markup=False, emoji=False)


def err() -> Console:
    """Stderr, for progress and messages."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(message: str, style: str = "") -> None:
    """Write a message to stderr; lines stay whole, so that commands in it can be copied."""
    err().print(Text(plain(message), style), soft_wrap=True)


def fail(message: str) -> NoReturn:
    """Write an error to stderr and end with exit code 1."""
    console = err()
    console.print(Text.assemble(("error: ", "bold red"), plain(message)), soft_wrap=True)
    raise typer.Exit(1)


def plain(text: str) -> str:
    r"""``text`` without characters that control a terminal; line ends and tabs stay.

    >>> plain("a\x1b[31mb\n")
    'a\\x1b[31mb\n'
    """
    if text.isprintable():
        return text
    kept = (c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
    return "".join(kept)


def one_line(text: str, width: int) -> str:
    r"""The beginning of ``text``, as one line of at most ``width`` characters.

    >>> one_line("ValueError:\n  no such day", 20)
    'ValueError: no such…'
    """
    line = plain(" ".join(text[: 4 * width].split()))
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def instant(at: int) -> str:
    """An instant in local time with its offset; ``at`` is microseconds UTC, 0 for none."""
    if not at:
        return NOTHING
    local = local_time(at)
    return f"{local:%Y-%m-%d %H:%M:%S} {offset(local)}"


def offset(local: datetime) -> str:
    """The UTC offset of a local time, such as ``+01:00``."""
    return f"{local:%z}"[:3] + ":" + f"{local:%z}"[3:5]


def time_of_day(at: int) -> str:
    """The local time of an instant to milliseconds, for tables whose heading has the date."""
    return f"{local_time(at):%H:%M:%S.%f}"[:-3] if at else NOTHING


def local_time(at: int) -> datetime:
    """The instant ``at`` (microseconds UTC) in local time."""
    seconds, microseconds = divmod(at, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds).astimezone()


def duration(microseconds: float) -> str:
    """A duration for people.

    >>> [duration(us) for us in (0, 870, 12_300, 1_234_000, 75_000_000, 7_380_000_000)]
    ['0 ms', '0.9 ms', '12 ms', '1.2 s', '1 min 15 s', '2 h 3 min']
    """
    milliseconds = microseconds / 1_000
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms".replace("0.0 ms", "0 ms")
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 59_950:
        return f"{milliseconds / 1_000:.1f} s"
    seconds = round(milliseconds / 1_000)
    if seconds < 3_600:
        return f"{seconds // 60} min {seconds % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "run"), count(27_004, "event")
    ('1 run', '27,004 events')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def word_of(status: Mapping[str, Any]) -> str:
    """The outcome of a run, or else its state; ``quarantined`` says more than its outcome."""
    state: str = status["state"]
    return state if state == "quarantined" else status["outcome"] or state


def state_text(word: str) -> Text:
    """A state word in its colour."""
    return Text(word, STATE_STYLES.get(word, ""))


def line(console: Console, *parts: str | tuple[str, str]) -> None:
    """Write one line, cut to the width of a terminal; elsewhere it stays whole."""
    text = Text.assemble(*parts)
    if console.is_terminal:
        console.print(text, no_wrap=True, overflow="ellipsis")
    else:
        console.print(text, soft_wrap=True)


def facts(pairs: Sequence[tuple[str, str | Text]]) -> Table:
    """Names and values, one pair a line."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, value if isinstance(value, Text) else Text(plain(value)))
    return made


def restore_cursor() -> None:
    """Show the cursor that a progress bar hides, before a process ends at once."""
    if sys.stderr.isatty():
        os.write(2, b"\x1b[?25h\n")
