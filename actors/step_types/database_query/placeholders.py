"""Rewrites SQL for a driver: each ``:name`` becomes the driver's own placeholder; pure.

SQLAlchemy's ``text()`` is not used: it also finds ``:name``, ``%(name)s`` and its own marks within
literals, and does not find a name before a cast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from indelible.actors.step_types.database_query.sql import Sql, read_sql

_CACHED = 256  # cached texts: the queries of a few definitions
_STYLES = {
    "qmark": "?",
    "format": "%s",
    "pyformat": "%({name})s",
    "named": ":{name}",
    "numeric": ":{number}",
    "numeric_dollar": "${number}",
}  # the styles of PEP 249 and of SQLAlchemy
_BY_PLACE = frozenset({"qmark", "format"})
_BY_NAME = frozenset({"pyformat", "named"})
_EMPTY_LIST = " (SELECT 1 FROM (SELECT 1) AS empty_list WHERE 1 <> 1)"


class DriverSql(NamedTuple):
    """A statement in the form for a driver."""

    text: str
    slots: tuple[tuple[str, str, int], ...]  # placeholder, parameter, item of its list or -1
    by_name: bool

    def arrange(self, given: Mapping[str, Any]) -> dict[str, Any] | tuple[Any, ...]:
        """The values of ``given`` in the driver's order, or by the driver's names."""
        values = (
            (slot, given[name] if item < 0 else given[name][item])
            for slot, name, item in self.slots
        )
        return dict(values) if self.by_name else tuple(value for _, value in values)


@lru_cache(maxsize=_CACHED)
def for_driver(
    query: str, dialect: str, style: str, lists: frozenset[tuple[str, int]] = frozenset()
) -> DriverSql:
    """``query`` for a driver with placeholders of ``style``.

    ``lists`` are the list parameters with their lengths; a list in ``IN :name`` is expanded.

    >>> for_driver("SELECT ':a', :b WHERE 1 IN :c", "sqlite", "qmark", frozenset({("c", 2)}))[:1]
    ("SELECT ':a', ? WHERE 1 IN (?, ?)",)
    """
    return _Rewriting(read_sql(query, dialect), style, dict(lists)).rewrite(query)


class _Rewriting:
    """Rewrites one statement, token by token."""

    def __init__(self, sql: Sql, style: str, lists: Mapping[str, int]) -> None:
        self._sql = sql
        self._style = style
        self._lists = lists
        self._expanded = frozenset(sql.after_in())
        self._slots: list[tuple[str, str, int]] = []
        self._numbers: dict[tuple[str, int], int] = {}

    def rewrite(self, query: str) -> DriverSql:
        replaced = dict(self._empty_lists())
        parts: list[str] = []
        end = 0
        for at, token in enumerate(self._sql.tokens):
            parts.append(self._plain(query[end : token.start]))  # blanks and comments
            end = token.start + len(token.text)
            if at in replaced:
                parts.append(replaced[at])
            elif token.kind == "bind":
                parts.append(self._placeholders(at, token.text[1:]))
            elif token.kind == "escaped":
                parts.append(self._plain(token.text[1:]))
            else:
                parts.append(self._plain(token.text))
        return DriverSql("".join(parts), tuple(self._slots), self._style in _BY_NAME)

    def _plain(self, text: str) -> str:
        return text.replace("%", "%%") if self._style in {"format", "pyformat"} else text

    def _placeholders(self, at: int, name: str) -> str:
        if name in self._lists and at in self._expanded:
            marks = [self._placeholder(name, item) for item in range(self._lists[name])]
            return f"({', '.join(marks)})"
        return self._placeholder(name, -1)

    def _placeholder(self, name: str, item: int) -> str:
        """A placeholder; in styles with names or numbers, a parameter has only one."""
        number = len(self._slots)
        if self._style not in _BY_PLACE:
            number = self._numbers.setdefault((name, item), number)
        slot = f"p{number}"
        if number == len(self._slots):
            self._slots.append((slot, name, item))
        return _STYLES[self._style].format(name=slot, number=number + 1)

    def _empty_lists(self) -> Iterator[tuple[int, str]]:
        """The replacements of ``[NOT] IN :name`` for an empty list.

        PostgreSQL checks types even if there are no rows, and an empty array fits any type.
        """
        for at in self._expanded:
            if self._lists.get(self._sql.tokens[at].text[1:]) != 0:
                continue
            if self._sql.dialect != "postgresql":
                yield at, _EMPTY_LIST
                continue
            negated = self._sql.words[at - 2 : at - 1] == ["NOT"]
            if negated:
                yield at - 2, ""
            yield at - 1, "<> ALL" if negated else "= ANY"
            yield at, " ('{}')"
