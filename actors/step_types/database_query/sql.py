"""Analyses SQL text: its parameters, its effect, and forbidden statements; pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache

from indelible.actors.step_types.database_query.lexer import tokens
from indelible.actors.step_types.database_query.session import changes_session

_CACHED = 256  # cached texts: the queries of a few definitions
_READING = frozenset({"SELECT", "VALUES", "TABLE", "EXPLAIN", "SHOW", "DESCRIBE", "DESC"})
_COUNTED = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
_MAIN = _COUNTED | {"SELECT", "VALUES", "TABLE"}
_BATCHED = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE"})
_CONTROL = frozenset(
    {"ABORT", "BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "START"}
)
_READING_PRAGMAS = frozenset(
    {"FOREIGN_KEY_CHECK", "FOREIGN_KEY_LIST", "INDEX_INFO", "INDEX_LIST", "INDEX_XINFO"}
    | {"INTEGRITY_CHECK", "QUICK_CHECK", "TABLE_INFO", "TABLE_LIST", "TABLE_XINFO"}
)
"""Pragmas of SQLite that take an argument and only read."""

_ROUTINES = frozenset({"TRIGGER", "FUNCTION", "PROCEDURE", "EVENT"})


class Sql:
    """The text of a query, as a database of a dialect reads it.

    Attributes:
        dialect: SQLAlchemy's name of the kind of database; empty if it is not known.
        query: The text itself.
        tokens: All tokens except comments and final semicolons.
        words: For each token: a word or mark in upper case, or empty text.
    """

    def __init__(self, query: str, dialect: str) -> None:
        """Split ``query`` into tokens."""
        found = [token for token in tokens(query, dialect) if token.kind != "comment"]
        while found and found[-1].text == ";":
            found.pop()
        self.query = query
        self.tokens = found
        self.dialect = dialect
        self.words = [token.upper for token in found]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the parameters, written ``:name``."""
        return frozenset(token.text[1:] for token in self.tokens if token.kind == "bind")

    @cached_property
    def expanded(self) -> frozenset[str]:
        """The parameters in ``IN :name``, which take a list."""
        return frozenset(self.tokens[at].text[1:] for at in self.after_in())

    @cached_property
    def enclosed(self) -> frozenset[str]:
        """The parameters in ``IN (:name)``, which take one value."""
        return frozenset(
            self.tokens[at].text[1:]
            for at in self._after(("IN", "("))
            if self.words[at + 1 : at + 2] == [")"]
        )

    @cached_property
    def verb(self) -> str:
        """The main verb of the statement; empty if there is no statement."""
        words = [word for word in self.words if word != "("]
        first = words[0] if words else ""
        if first != "WITH":
            return first
        return next((word for word in _outside_parentheses(self.words) if word in _MAIN), first)

    @cached_property
    def writes(self) -> bool:
        """Whether the statement may change data; true in doubt."""
        if self.verb == "PRAGMA":
            return "=" in self.words or ("(" in self.words and not _READING_PRAGMAS & {*self.words})
        return self.verb not in _READING or (self.words[:1] == ["WITH"] and self._writes_within)

    @property
    def is_counted(self) -> bool:
        """Whether the statement itself inserts, updates or deletes rows."""
        return self.verb in _COUNTED

    @property
    def has_unknown_count(self) -> bool:
        """Whether a part of a reading statement writes: the number of rows is then unknown."""
        return self.writes and self.verb in _READING

    @property
    def is_batch(self) -> bool:
        """Whether drivers can execute it for many rows of values at once, without results."""
        return self.words[:1] != ["WITH"] and self.verb in _BATCHED and not self._returns

    @cached_property
    def is_several(self) -> bool:
        """Whether the text is more than one statement."""
        depth = 0
        routine = self.verb in {"CREATE", "ALTER"} and not _ROUTINES.isdisjoint(self.words)
        for word in self.words:
            if routine and word in {"BEGIN", "CASE"}:
                depth += 1
            elif routine and word == "END":
                depth -= 1
            elif word == ";" and depth <= 0:
                return True
        return False

    @cached_property
    def control(self) -> str:
        """The word of a statement that begins or ends a transaction; empty for others."""
        first, second = (*self.words, "", "")[:2]
        if first in _CONTROL:
            return first
        if (first, second) == ("PREPARE", "TRANSACTION"):
            return "PREPARE TRANSACTION"
        return ""

    @cached_property
    def stray(self) -> str:
        """The first mark, other than ``:name``, that SQLite would take for a parameter."""
        if self.dialect != "sqlite":
            return ""
        return next((word for word in self.words if word in {"?", "@", "$"}), "")

    @cached_property
    def has_session_state(self) -> bool:
        """Whether its words show a change of the session beyond the transaction."""
        return changes_session(self.words, [t.text for t in self.tokens if t.kind == "quoted"])

    def after_in(self) -> Iterator[int]:
        """The parameters in ``IN :name``, as indexes of tokens."""
        return self._after(("IN",))

    def _after(self, words: tuple[str, ...]) -> Iterator[int]:
        """The parameters directly after ``words``, as indexes of tokens."""
        count = len(words)
        for at, token in enumerate(self.tokens):
            if token.kind == "bind" and tuple(self.words[max(at - count, 0) : at]) == words:
                yield at

    @property
    def _returns(self) -> bool:
        return "RETURNING" in self.words or "OUTPUT" in self.words

    @property
    def _writes_within(self) -> bool:
        pairs = zip(self.words, [*self.words[1:], ""], strict=True)
        return any(
            word in _COUNTED and (word != "REPLACE" or after == "INTO") for word, after in pairs
        )


def _outside_parentheses(words: list[str]) -> Iterator[str]:
    """The words outside of parentheses."""
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if depth == 0:
            yield word


@lru_cache(maxsize=_CACHED)
def read_sql(query: str, dialect: str) -> Sql:
    r"""``query``, analysed for ``dialect``.

    >>> read_sql("WITH a AS (SELECT 1) SELECT * FROM a", "sqlite").writes
    False
    >>> read_sql("-- all\nDELETE FROM t", "sqlite").writes
    True
    """
    return Sql(query, dialect)
