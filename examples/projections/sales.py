"""A shop whose orders are event-sourced actors, and a custom view: the orders of each customer.

Run it with ``python examples/projections/sales.py``; it writes ``sales.db`` here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from indelible import ActorSystem, Decider, Event, Projection, RecordedEvent, RefusedError

# -- the events


class OrderPlaced(Event, frozen=True):
    """A customer has placed the order."""

    wire_name = "order.placed"

    customer: str
    cents: int


class OrderCancelled(Event, frozen=True):
    """The customer has cancelled the order."""

    wire_name = "order.cancelled"


# -- the actor


class Place(msgspec.Struct, frozen=True):
    """Place the order for ``cents``."""

    customer: str
    cents: int


class Cancel(msgspec.Struct, frozen=True):
    """Cancel the order."""


class Order(Decider[str]):
    """One order: the state is ``""``, ``placed`` or ``cancelled``."""

    category = "order"
    event_types = (OrderPlaced, OrderCancelled)
    message_types = (Place, Cancel)

    def initial_state(self) -> str:
        """Not placed yet."""
        return ""

    def decide(self, state: str, message: Any) -> list[Event]:
        """Accept one placement, then one cancellation."""
        if isinstance(message, Place) and not state:
            return [OrderPlaced(message.customer, message.cents)]
        if isinstance(message, Cancel) and state == "placed":
            return [OrderCancelled()]
        raise RefusedError(f"an order that is {state or 'new'} takes no {type(message).__name__}")

    def evolve(self, state: str, event: Event) -> str:  # noqa: ARG002 - the event alone decides
        """The state after ``event``."""
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
    """A view with one row for each order."""

    name = "sales"
    version = 1
    tables = TABLES
    handles = (OrderPlaced, OrderCancelled)

    def apply(
        self, connection: sa.Connection, events: Sequence[tuple[RecordedEvent, Event]]
    ) -> None:
        """Insert an order, or mark it as cancelled."""
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
    """Place some orders and print the totals."""
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
