"""Detects SQL that changes its session: settings, temporary tables, attached files, locks; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_VERBS = frozenset(
    {"ATTACH", "CALL", "DEALLOCATE", "DECLARE", "DETACH", "DISCARD", "DO", "EXEC", "EXECUTE"}
    | {"LISTEN", "LOAD", "PRAGMA", "PREPARE", "RESET", "SET", "UNLISTEN", "USE"}
)
_TEMPORARY = frozenset({"TEMP", "TEMPORARY"})
_FUNCTIONS = frozenset({"GET_LOCK", "SET_CONFIG", "SETSEED", "DBLINK_CONNECT"})
_OF_THE_TRANSACTION = frozenset({"LOCAL", "CONSTRAINTS", "TRANSACTION"})
_PREFIXES = ("PG_ADVISORY_LOCK", "PG_TRY_ADVISORY_LOCK", "PG_TEMP")


def changes_session(words: Sequence[str], quoted: Iterable[str]) -> bool:
    """Whether a statement's words, in upper case, or its quoted names show a lasting change.

    Changes made inside functions of the database are not detected.

    >>> changes_session(["SET", "SEARCH_PATH", "=", "A"], []), changes_session(["SET", "LOCAL"], [])
    (True, False)
    """
    first, second = (*words, "", "")[:2]
    if first in _VERBS and not (first == "SET" and second in _OF_THE_TRANSACTION):
        return True
    names = {*words, *(name.strip('"[]`').upper() for name in quoted)}
    return bool(names & (_TEMPORARY | _FUNCTIONS)) or any(n.startswith(_PREFIXES) for n in names)
