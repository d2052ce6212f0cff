"""The table ``roles``: one row for each role, which one process at a time holds.

On PostgreSQL a lease by the database's clock decides which process may take a role, and the epoch
alone which process may write in it (fencing).  On SQLite only the store's owner writes, by a kernel
lock: any other process in a row has ended, and no clock is used.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from indelible.errors import RoleLostError
from indelible.events.connections.database_clock import NOW

_TAKE = """
    INSERT INTO roles (name, owner, epoch, lease_until)
    VALUES (:name, :owner, 1, {now} + CAST(:lease AS BIGINT))
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, epoch = roles.epoch + 1,
        lease_until = excluded.lease_until
    WHERE {free}
    RETURNING epoch
"""
_LEFT = "SELECT lease_until - {now} FROM roles WHERE name = :name"
_HOLD = """
    UPDATE roles SET lease_until = {now} + ?
    WHERE name = ? AND owner = ? AND epoch = ?
"""
_HOLD_LEASED = """
    WITH standstill AS (
        SELECT set_config('idle_in_transaction_session_timeout', %s, true) AS milliseconds
    ), held AS (
        SELECT roles.name FROM standstill, roles JOIN unnest(%s::text[], %s::bigint[])
            AS wanted (name, epoch) ON roles.name = wanted.name AND roles.epoch = wanted.epoch
        WHERE roles.owner = %s AND milliseconds IS NOT NULL
        ORDER BY roles.name FOR UPDATE OF roles
    )
    UPDATE roles SET lease_until = {now} + %s::bigint
    FROM held WHERE roles.name = held.name RETURNING roles.name
"""
"""Also has the server end the transaction, and its locks, if the process is paused inside it."""

_LEAVE = """
    UPDATE roles SET owner = '', lease_until = 0
    WHERE name = :name AND owner = :owner AND epoch = :epoch
"""
_FREE = {
    "sqlite": "true",
    "postgresql": "roles.lease_until < {now} OR roles.owner = excluded.owner",
}


def is_leased(connection: sa.Connection) -> bool:
    """Whether roles have leases on this database, which their holders must renew."""
    return connection.dialect.name != "sqlite"


def take_role(
    connection: sa.Connection, name: str, owner: str, lease: int, *, by_force: bool = False
) -> int | None:
    """Take the role for ``lease`` microseconds and return its new epoch, ``None`` if it is held.

    ``by_force`` takes it from a living holder, whose later writes in the role are refused.
    """
    free = "true" if by_force else _FREE[connection.dialect.name]
    statement = _in_dialect(connection, _TAKE.replace("{free}", free))
    values = {"name": name, "owner": owner, "lease": lease}
    return connection.execute(statement, values).scalar_one_or_none()


def time_left(connection: sa.Connection, name: str) -> int:
    """Return the microseconds until the role may be taken; 0 or less is now."""
    left = connection.execute(_in_dialect(connection, _LEFT), {"name": name}).scalar_one_or_none()
    return left or 0


def hold_roles(
    connection: sa.Connection, epochs: Mapping[str, int], owner: str, lease: int
) -> None:
    """Extend the leases in a transaction that writes in the roles, and so fence it.

    Raises:
        RoleLostError: A role has a newer epoch; the transaction must not commit.
    """
    if is_leased(connection):
        statement = _HOLD_LEASED.replace("{now}", NOW["postgresql"])
        limit = str(max(100, lease // 2_000))
        wanted = (limit, list(epochs), list(epochs.values()), owner, lease)
        held = set(connection.exec_driver_sql(statement, wanted).scalars())
    else:
        statement = _HOLD.replace("{now}", NOW["sqlite"])
        held = {
            name
            for name, epoch in epochs.items()
            if connection.exec_driver_sql(statement, (lease, name, owner, epoch)).rowcount
        }
    if len(held) < len(epochs):
        raise RoleLostError(min(epochs.keys() - held))


def leave_role(connection: sa.Connection, name: str, owner: str, epoch: int) -> None:
    """Free the role, so that another process can take it; no effect if one already has."""
    connection.execute(sa.text(_LEAVE), {"name": name, "owner": owner, "epoch": epoch})


def _in_dialect(connection: sa.Connection, statement: str) -> sa.TextClause:
    return sa.text(statement.replace("{now}", NOW[connection.dialect.name]))
