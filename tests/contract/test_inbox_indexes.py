"""Commands that wait for late answers may be many: what looks for others does not read them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from indelible.events.inbox.late_answers import AwaitsReply, LateAnswer
from indelible.events.opening import open_store
from indelible.events.store import Append, EventStore
from indelible.testing.contract.builders import some_event, url_of
from indelible.testing.contract.inbox_contract import command


def look_for_commands(store: EventStore) -> None:
    store.inbox.first([0], 10)
    store.inbox.waiting([0], 10)


def count(store: EventStore) -> None:
    store.inbox.awaiting("run-1", 10)


def find_abandoned(store: EventStore) -> None:
    store.inbox.abandoned([0], 10)


@pytest.mark.parametrize(
    ("act", "index"),
    [
        (look_for_commands, "inbox_answered (answered_at=? AND awaits=?)"),
        (count, "inbox_awaiting (stream=? AND awaits>?)"),
        (find_abandoned, "inbox_answered (answered_at=? AND awaits>?)"),
    ],
)
def test_a_query_reads_only_the_rows_that_it_is_for(
    tmp_path: Path, act: Callable[[EventStore], None], index: str
) -> None:
    statements: list[tuple[str, Any]] = []

    def note(_: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        statements.append((statement, parameters))

    store = open_store(url_of(tmp_path / "s.db"))
    try:
        store.inbox.submit([command("a")])
        event.listen(sa.Engine, "before_cursor_execute", note)
        act(store)
    finally:
        event.remove(sa.Engine, "before_cursor_execute", note)
        store.close()
    found = [(text, values) for text, values in statements if "FROM inbox" in text]
    plans = [plan(tmp_path / "s.db", *one) for one in found if "EXISTS" not in one[0]]
    assert plans
    assert all(index in words for words in plans), plans


@pytest.mark.parametrize("number", [1, 3])
def test_late_answers_find_their_rows_by_stream_and_key(tmp_path: Path, number: int) -> None:
    statements: list[str] = []
    store = open_store(url_of(tmp_path / "s.db"))
    store.inbox.submit([command("a")])
    answers = [LateAnswer(f"k{n}", b"") for n in range(number)]
    for version, late in enumerate(([AwaitsReply("a", "k0")], answers)):
        store.submit(
            Append("run-1", version, [some_event()], lambda *_: None, late=late)  # type: ignore[arg-type]
        )
        if version:
            store._writer.connection().connection.driver_connection.set_trace_callback(  # type: ignore[attr-defined]
                statements.append
            )
        store.lead()
    store.close()
    [text] = [text for text in statements if "awaits <> " in text]
    assert "inbox_awaiting (stream=? AND awaits=?)" in plan(tmp_path / "s.db", text, ())


def plan(database: Path, statement: str, parameters: Any) -> str:
    with closing(sqlite3.connect(database)) as lite:
        rows = lite.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    return "; ".join(row[3] for row in rows)
