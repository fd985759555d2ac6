"""Forgets a customer who asks for it: the orders stay, the person goes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from zava.admin.loading import DatabaseLoader, become_loader
from zava.data.statements import statement
from zava.errors import ConfigurationError


@dataclass(frozen=True)
class Forgotten:
    """What is left of a customer.

    Attributes:
        customer_id: The key, which the orders go on naming.
        orders: How many these are.
        was_forgotten: Whether it had been done before.
    """

    customer_id: UUID
    orders: int
    was_forgotten: bool


def forget_customer(loader: DatabaseLoader, key: str) -> Forgotten:
    """Empty everything that tells who a customer is.

    Later imports leave the row as it is then.

    Args:
        loader: The administrator's connection.
        key: The customer's source_id or customer_id.

    Raises:
        ConfigurationError: There is no such customer.
    """
    with loader.connection() as conn:
        loader.check_schema()
        with conn.transaction():
            become_loader(conn)
            found = conn.execute(statement("find_customer"), {"key": key}).fetchall()
            if len(found) != 1:
                raise ConfigurationError(
                    f"{len(found) or 'no'} customers have the source_id or customer_id"
                    f" {key!r}: nobody was forgotten"
                )
            (customer,) = found
            values = {"customer_id": customer["customer_id"]}
            conn.execute(statement("forget_customer"), values)
    return Forgotten(
        customer["customer_id"], customer["orders"], customer["was_forgotten"]
    )
