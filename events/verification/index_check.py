"""Indexes against their tables: an entry that is lost hides a row from those who look there."""

from __future__ import annotations

import re
from collections import defaultdict

import sqlalchemy as sa

from indelible.events.verification.findings import MOST, Findings
from indelible.events.verification.rows import Connect, do_without, is_lite
from indelible.events.verification.tables import BY_TABLE, AtLength

_BY_INDEX = ("enable_seqscan", "enable_sort", "enable_incremental_sort")

_OF_POSTGRES = """
    SELECT its.relname, own.relname, pg_get_expr(x.indpred, x.indrelid), (
        SELECT string_agg(pg_get_indexdef(x.indexrelid, place, true), ', ' ORDER BY place)
        FROM generate_series(1, x.indnkeyatts) AS place
    )
    FROM pg_index AS x JOIN pg_class AS its ON its.oid = x.indrelid
    JOIN pg_class AS own ON own.oid = x.indexrelid
    WHERE x.indrelid IN ('shards'::regclass, 'streams'::regclass, 'blobs'::regclass,
        'inbox'::regclass, 'snapshots'::regclass)
    ORDER BY its.relname, own.relname
"""  # those of events are walked, and views are made anew
_SUM = "SELECT count(*), coalesce(sum(hashtextextended(ROW({keys})::text, 0)), 0) FROM {rows}"
_ROWS = "(SELECT {keys} FROM {table} WHERE {which}{order}) AS rows"

_OF_INDEX = re.compile(r"\bindex (\S+)$")
_OF_PAGE = re.compile(r"\b(?:tree|page) (?:page )?(\d+)\b", re.IGNORECASE)
_HEADING = "***"
_SHOWN = 3


def check_indexes(connect: Connect, at_length: AtLength, findings: Findings) -> None:
    """Note each index that does not have the rows which its table has.

    On SQLite whatever its own ``integrity_check`` finds in the file.  Writers go on: it reads one
    state of the database.

    Raises:
        VerificationError: Enough was found.
    """
    with connect() as connection, at_length(connection):
        if is_lite(connection):
            _check_file(connection, findings)
        else:
            _compare_scans(connection, findings)


def _check_file(connection: sa.Connection, findings: Findings) -> None:
    trees = connection.exec_driver_sql("SELECT rootpage, type, name FROM sqlite_schema").all()
    pages = {page: f"{kind} {name}" for page, kind, name in trees if page}
    found = defaultdict[str, list[str]](list)
    for (message,) in connection.exec_driver_sql(f"PRAGMA integrity_check({MOST})"):
        for line in message.splitlines():
            if line != "ok" and not line.startswith(_HEADING):
                found[_part(line, pages)].append(line)
    for part, lines in found.items():
        more = f" (and {len(lines) - _SHOWN} more)" if lines[_SHOWN:] else ""
        _note(findings, part, f"SQLite finds {', '.join(lines[:_SHOWN])}{more}", "REINDEX")


def _part(line: str, pages: dict[int, str]) -> str:
    """Which part of the database ``line`` of an integrity_check is about."""
    index = _OF_INDEX.search(line)
    if index:
        return f"index {index[1]}"
    page = _OF_PAGE.search(line)  # of a tree it is the first that is named
    return pages.get(int(page[1]), "the file") if page else "the file"


def _compare_scans(connection: sa.Connection, findings: Findings) -> None:
    for table, index, which, keys in connection.exec_driver_sql(_OF_POSTGRES).all():
        found = []
        for ways, order in ((BY_TABLE, ""), (_BY_INDEX, f" ORDER BY {keys}")):
            with connection.begin_nested() as settings:
                do_without(connection, ways)
                rows = _ROWS.format(keys=keys, table=table, which=which or "true", order=order)
                found.append(connection.exec_driver_sql(_SUM.format(keys=keys, rows=rows)).one())
                settings.rollback()
        (rows, by_table), (entries, by_index) = found
        if (rows, by_table) != (entries, by_index):
            words = f"it leads to {entries} rows, its table {table} has {rows} for it"
            words += "" if rows != entries else ", but not those"
            _note(findings, f"index {index}", words, "REINDEX INDEX")


def _note(findings: Findings, part: str, found: str, command: str) -> None:
    kind, _, name = part.partition(" ")
    mend = "restore a backup"
    if kind == "index":
        mend = f"if only indexes are damaged, {command} {name} after a backup makes it anew"
    elif kind != "table":
        mend = f"if only indexes are damaged, {command} after a backup mends it, else {mend}"
    findings.add(-1, 0, f"{part}: {found}; {mend}")
