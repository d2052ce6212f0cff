"""An inbox that no process has used costs one small query, and no write."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from indelible.events.inbox.inbox import Command
from indelible.events.opening import open_store


def test_only_a_small_query_is_made_until_the_first_command(each_url: str) -> None:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "inbox" in statement:
            statements.append(statement)

    event.listen(sa.Engine, "before_cursor_execute", note)
    store = open_store(each_url, mode="own")
    try:
        store.open()
        statements.clear()
        inbox = store.inbox
        assert not inbox.first([0], 10)
        assert not inbox.astray(1, 10)
        assert not inbox.abandoned([0], 10)
        assert inbox.forget(10) == 0
        assert set(statements) == {"SELECT EXISTS (SELECT 1 FROM inbox)"}
        assert len(statements) == 4
        inbox.submit([Command("m", 0, "counter-c", "message", b"", "s", 0)])
        assert [submitted.command.message_id for submitted in inbox.first([0], 10)] == ["m"]
        statements.clear()
        assert len(inbox.first([0], 10)) == 1
        assert len(statements) == 1
    finally:
        event.remove(sa.Engine, "before_cursor_execute", note)
        store.close()
