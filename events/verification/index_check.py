"""Compares indexes with their tables: a lost entry hides a row from readers of the index."""

from __future__ import annotations

import re
from collections import defaultdict

import sqlalchemy as sa

from indelible.events.verification.findings import LIMIT, Findings
from indelible.events.verification.log_tables import INDEX_SCANS, WithoutTimeLimit
from indelible.events.verification.row_reader import Connect, disable_plans, is_sqlite

_TABLE_SCANS = ("enable_seqscan", "enable_sort", "enable_incremental_sort")

_INDEXES = """
    SELECT its.relname, own.relname, pg_get_expr(x.indpred, x.indrelid), (
        SELECT string_agg(pg_get_indexdef(x.indexrelid, place, true), ', ' ORDER BY place)
        FROM generate_series(1, x.indnkeyatts) AS place
    )
    FROM pg_index AS x JOIN pg_class AS its ON its.oid = x.indrelid
    JOIN pg_class AS own ON own.oid = x.indexrelid
    WHERE x.indrelid IN ('shards'::regclass, 'streams'::regclass, 'blobs'::regclass,
        'inbox'::regclass, 'snapshots'::regclass)
    ORDER BY its.relname, own.relname
"""  # without events, whose indexes the walks check, and without views, which can be rebuilt
_SUM = "SELECT count(*), coalesce(sum(hashtextextended(ROW({keys})::text, 0)), 0) FROM {rows}"
_ROWS = "(SELECT {keys} FROM {table} WHERE {which}{order}) AS rows"

_INDEX_NAME = re.compile(r"\bindex (\S+)$")
_PAGE_NUMBER = re.compile(r"\b(?:tree|page) (?:page )?(\d+)\b", re.IGNORECASE)
_HEADING = "***"
_SHOWN = 3


def check_indexes(
    connect: Connect, without_time_limit: WithoutTimeLimit, findings: Findings
) -> None:
    """Add each index whose rows differ from those of its table.

    On SQLite, all that its own ``integrity_check`` finds in the file.  Writers are not blocked: it
    reads one state of the database.

    Raises:
        VerificationError: The limit of findings is reached.
    """
    with connect() as connection, without_time_limit(connection):
        if is_sqlite(connection):
            _check_file(connection, findings)
        else:
            _compare_scans(connection, findings)


def _check_file(connection: sa.Connection, findings: Findings) -> None:
    trees = connection.exec_driver_sql("SELECT rootpage, type, name FROM sqlite_schema").all()
    pages = {page: f"{kind} {name}" for page, kind, name in trees if page}
    found = defaultdict[str, list[str]](list)
    for (message,) in connection.exec_driver_sql(f"PRAGMA integrity_check({LIMIT})"):
        for line in message.splitlines():
            if line != "ok" and not line.startswith(_HEADING):
                found[_part(line, pages)].append(line)
    for part, lines in found.items():
        more = f" (and {len(lines) - _SHOWN} more)" if lines[_SHOWN:] else ""
        _add(findings, part, f"SQLite finds {', '.join(lines[:_SHOWN])}{more}", "REINDEX")


def _part(line: str, pages: dict[int, str]) -> str:
    """Return the part of the database that ``line`` of an integrity_check names."""
    index = _INDEX_NAME.search(line)
    if index:
        return f"index {index[1]}"
    page = _PAGE_NUMBER.search(line)  # the first number is the tree's root page
    return pages.get(int(page[1]), "the file") if page else "the file"


def _compare_scans(connection: sa.Connection, findings: Findings) -> None:
    for table, index, which, keys in connection.exec_driver_sql(_INDEXES).all():
        found = []
        for plans, order in ((INDEX_SCANS, ""), (_TABLE_SCANS, f" ORDER BY {keys}")):
            with connection.begin_nested() as settings:
                disable_plans(connection, plans)
                rows = _ROWS.format(keys=keys, table=table, which=which or "true", order=order)
                found.append(connection.exec_driver_sql(_SUM.format(keys=keys, rows=rows)).one())
                settings.rollback()
        (rows, by_table), (entries, by_index) = found
        if (rows, by_table) != (entries, by_index):
            words = f"it leads to {entries} rows, its table {table} has {rows} for it"
            words += "" if rows != entries else ", but not those"
            _add(findings, f"index {index}", words, "REINDEX INDEX")


def _add(findings: Findings, part: str, found: str, command: str) -> None:
    kind, _, name = part.partition(" ")
    repair = "restore a backup"
    if kind == "index":
        repair = f"if only indexes are damaged, {command} {name} after a backup makes it anew"
    elif kind != "table":
        repair = f"if only indexes are damaged, {command} after a backup mends it, else {repair}"
    findings.add(-1, 0, f"{part}: {found}; {repair}")
