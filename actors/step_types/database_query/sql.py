"""What SQL text says about itself: its parameters, and whether it only reads; all of it pure."""

from __future__ import annotations

import re

_BIND = re.compile(r"(?<![:\w\\]):(\w+)(?![:\w])")  # as SQLAlchemy's text() reads them
_EXPANDED = re.compile(r"\bIN\s+:(\w+)", re.IGNORECASE)
_LISTED = re.compile(r"\bIN\s*\(\s*:(\w+)\s*\)", re.IGNORECASE)
_SILENT = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/", re.DOTALL
)
_FIRST = re.compile(r"[\s(]*(\w+)")
_WRITING = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|REPLACE\s+INTO)\b", re.IGNORECASE)
_READING = frozenset({"SELECT", "VALUES", "EXPLAIN", "PRAGMA", "SHOW", "DESCRIBE"})


def bind_names(query: str) -> frozenset[str]:
    r"""Names that stand as ``:name``; ``\:name`` and ``::type`` are none.

    >>> sorted(bind_names("SELECT :a, x::int, '12:30' FROM t WHERE b = :b"))
    ['a', 'b']
    """
    return frozenset(_BIND.findall(query))


def expanded_names(query: str) -> frozenset[str]:
    """Names in ``IN :name``, which take a list.

    >>> expanded_names("SELECT 1 WHERE x IN :xs")
    frozenset({'xs'})
    """
    return frozenset(_EXPANDED.findall(query))


def listed_names(query: str) -> frozenset[str]:
    """Names in ``IN (:name)``, which take one value.

    >>> listed_names("SELECT 1 WHERE x IN (:x)")
    frozenset({'x'})
    """
    return frozenset(_LISTED.findall(query))


def reads_only(query: str) -> bool:
    r"""Whether ``query`` surely changes nothing; in doubt it is taken to write.

    >>> reads_only("WITH a AS (SELECT 1) SELECT * FROM a"), reads_only("-- all\nDELETE FROM t")
    (True, False)
    """
    text = _SILENT.sub(" ", query)
    first = _FIRST.match(text)
    word = first[1].upper() if first else ""
    return word in _READING or (word == "WITH" and not _WRITING.search(text))
