"""Makes those transactions of views wait for the disk that are not repeated after a crash.

If a crash of the server undoes a batch, it is applied again from the stored cursor.  Creating or
swapping tables is not repeated.
"""

from __future__ import annotations

import sqlalchemy as sa


def wait_for_disk(connection: sa.Connection) -> None:
    """Make the commit of ``connection`` wait until it, and all before it, would survive a crash.

    No effect on SQLite, where a crash of the process undoes no commit.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
