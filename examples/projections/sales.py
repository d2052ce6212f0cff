"""A shop whose orders are events, and a view of its own: what each customer has bought.

Run it with ``python examples/projections/sales.py``; it keeps ``sales.db`` beside you.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from indelible import ActorSystem, Decider, Event, Projection, RecordedEvent, RefusedError

# -- the facts


class OrderPlaced(Event, frozen=True):
    """A customer has ordered."""

    wire_name = "order.placed"

    customer: str
    cents: int


class OrderCancelled(Event, frozen=True):
    """The customer does not want it any more."""

    wire_name = "order.cancelled"


# -- who writes them


class Place(msgspec.Struct, frozen=True):
    """Order for ``cents``."""

    customer: str
    cents: int


class Cancel(msgspec.Struct, frozen=True):
    """Take the order back."""


class Order(Decider[str]):
    """One order: the state is ``""``, ``placed`` or ``cancelled``."""

    category = "order"
    event_types = (OrderPlaced, OrderCancelled)
    message_types = (Place, Cancel)

    def initial_state(self) -> str:
        """Nothing is ordered."""
        return ""

    def decide(self, state: str, message: Any) -> list[Event]:
        """Place once, cancel what is placed."""
        if isinstance(message, Place) and not state:
            return [OrderPlaced(message.customer, message.cents)]
        if isinstance(message, Cancel) and state == "placed":
            return [OrderCancelled()]
        raise RefusedError(f"an order that is {state or 'new'} takes no {type(message).__name__}")

    def evolve(self, state: str, event: Event) -> str:  # noqa: ARG002 - the last fact says it
        """Placed, then perhaps cancelled."""
        return "placed" if isinstance(event, OrderPlaced) else "cancelled"


# -- the view

TABLES = sa.MetaData()
ORDERS = sa.Table(
    "sales_orders",
    TABLES,
    sa.Column("order_id", sa.Text, primary_key=True),
    sa.Column("customer", sa.Text, nullable=False, index=True),
    sa.Column("cents", sa.BigInteger, nullable=False),
    sa.Column("cancelled", sa.Boolean, nullable=False),
)


class Sales(Projection):
    """One row an order."""

    name = "sales"
    version = 1
    tables = TABLES
    handles = (OrderPlaced, OrderCancelled)

    def apply(
        self, connection: sa.Connection, events: Sequence[tuple[RecordedEvent, Event]]
    ) -> None:
        """Insert an order, or mark it."""
        orders = self.table("sales_orders")
        for recorded, event in events:
            order_id = recorded.stream.removeprefix("order-")
            if isinstance(event, OrderPlaced):
                row = {"order_id": order_id, "customer": event.customer, "cents": event.cents}
                connection.execute(sa.insert(orders), {**row, "cancelled": False})
            else:
                mine = orders.c.order_id == order_id
                connection.execute(sa.update(orders).where(mine).values(cancelled=True))

    def erase(self, connection: sa.Connection, stream: str) -> bool:
        """Remove the row of one order, so that its events can be applied again."""
        orders = self.table("sales_orders")
        order_id = stream.removeprefix("order-")
        connection.execute(sa.delete(orders).where(orders.c.order_id == order_id))
        return True


def totals(system: ActorSystem) -> dict[str, int]:
    """Cents that each customer has spent."""
    spent = sa.func.sum(ORDERS.c.cents).label("spent")
    query = sa.select(ORDERS.c.customer, spent).where(~ORDERS.c.cancelled)
    with system.views.connection() as connection:
        rows = connection.execute(query.group_by(ORDERS.c.customer).order_by(ORDERS.c.customer))
        return {row.customer: int(row.spent) for row in rows}


def main(url: str) -> None:
    """Sell something, and say to whom."""
    with ActorSystem(url, actors=[Order()], projections=[Sales()]) as system:
        for number, (customer, cents) in enumerate(
            [("ada", 1_250), ("bob", 300), ("ada", 4_000)], start=1
        ):
            order = system.actor("order", str(number))
            if order.state() == "":
                order.ask(Place(customer, cents))
        if system.actor("order", "2").state() == "placed":
            system.actor("order", "2").ask(Cancel())
        system.caught_up()
        for customer, cents in totals(system).items():
            sys.stdout.write(f"{customer}: {cents / 100:.2f}\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sqlite:///sales.db")
