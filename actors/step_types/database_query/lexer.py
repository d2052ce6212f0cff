r"""The tokens of SQL text that matter for parameters, quotes and statements; pure.

Databases quote differently: brackets are an identifier on SQLite and a subscript on PostgreSQL;
PostgreSQL has nested comments and dollar quotes; MySQL escapes with backslashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

Kind = Literal["literal", "comment", "quoted", "bind", "escaped", "word", "mark"]

_LITERAL = r"'(?:[^']++|'')*+(?:'|\Z)"
_BACKSLASHED = r"'(?:[^'\\]++|''|\\.)*+(?:'|\Z)"
_DOLLARS = r"(?<![\w$])(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?:(?P=tag)|\Z)"
_COMMENT = r"--[^\n]*|/\*.*?(?:\*/|\Z)"
_QUOTED = r'"(?:[^"]++|"")*+(?:"|\Z)'
_REST = r"""
    (?P<bind>(?<![:\w\\]):\w+)
  | (?P<escaped>\\:\w*)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<mark>::|:=|\d[\w.]*|[^\s\ufeff])
"""
_BRACKETS = frozenset({"sqlite", "mssql"})
_BACKTICKS = frozenset({"sqlite", "mysql", "mariadb"})
_BACKSLASHES = frozenset({"mysql", "mariadb"})


class Token(NamedTuple):
    """A piece of SQL; blanks between pieces, and a byte order mark, are not tokens."""

    kind: Kind
    text: str
    start: int

    @property
    def upper(self) -> str:
        """The text of a word or mark in upper case; empty for other tokens."""
        return self.text.upper() if self.kind in {"word", "mark"} else ""


def tokens(query: str, dialect: str) -> Iterator[Token]:
    r"""The tokens of ``query``, in order, as a database of ``dialect`` reads them.

    >>> [token.text for token in tokens("SELECT ':a', x::int -- :b", "sqlite")]
    ['SELECT', "':a'", ',', 'x', '::', 'int', '-- :b']
    """
    pattern = _pattern(dialect)
    at = 0
    while match := pattern.search(query, at):
        at = match.end()
        kind: Kind = match.lastgroup  # type: ignore[assignment] # the names of the groups
        if dialect == "postgresql" and match[0].startswith("/*"):
            at = _end_of_comment(query, match.start())
        yield Token(kind, query[match.start() : at], match.start())


def _end_of_comment(query: str, start: int) -> int:
    """The end of a comment that may contain other comments."""
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(query, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(query)


@cache
def _pattern(dialect: str) -> re.Pattern[str]:
    literal, comment, quoted = _LITERAL, _COMMENT, _QUOTED
    if dialect == "postgresql":
        literal = rf"(?<![\w$])[eE]{_BACKSLASHED}|{_DOLLARS}|{_LITERAL}"
    if dialect in _BACKSLASHES:
        literal, comment = _BACKSLASHED, rf"{_COMMENT}|\#[^\n]*"
    if dialect in _BRACKETS:
        quoted += r"|\[[^\]]*+(?:\]|\Z)"
    if dialect in _BACKTICKS:
        quoted += r"|`(?:[^`]++|``)*+(?:`|\Z)"
    groups = f"(?P<comment>{comment})|(?P<literal>{literal})|(?P<quoted>{quoted})|{_REST}"
    return re.compile(groups, re.DOTALL | re.VERBOSE)
