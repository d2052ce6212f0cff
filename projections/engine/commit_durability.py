"""Which transactions of views wait for the disk: those that the log alone does not make again.

A batch is applied again from the stored cursor if a crash of the server has undone it.  Tables that
were made, or put in the place of others, are not looked for again.
"""

from __future__ import annotations

import sqlalchemy as sa


def wait_for_disk(connection: sa.Connection) -> None:
    """Let the transaction of ``connection`` end only when it, and all before it, outlives a crash.

    SQLite keeps every transaction of a store so.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
