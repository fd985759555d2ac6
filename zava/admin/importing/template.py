"""Writes files to fill in: a header and two example rows each, and what they mean."""

from __future__ import annotations

import csv
from pathlib import Path

from zava.admin.importing.tables import TABLES, Shape, read_shapes
from zava.admin.loading import DatabaseLoader
from zava.errors import ConfigurationError

PAGE = "COLUMNS.md"

_HEAD_OFFICE = "0b7f1c9e-4a58-4d0e-9a3b-5f0d3a7c1e01"
_REGION = "0b7f1c9e-4a58-4d0e-9a3b-5f0d3a7c1e02"

EXAMPLES: dict[str, tuple[dict[str, str], ...]] = {
    "chain": (
        {
            "name": "Corner Shops",
            "currency": "USD",
            "default_time_zone": "America/New_York",
        },
    ),
    "stores": (
        {"source_id": "1", "name": "Corner Shop North", "location": "Boston, MA"},
        {"source_id": "2", "name": "Corner Shop Online", "is_online": "true"},
    ),
    "categories": (
        {"source_id": "food", "name": "Food"},
        {"source_id": "dairy", "name": "Dairy", "parent_category": "food"},
    ),
    "product_types": (
        {"source_id": "milk", "name": "Milk", "category": "dairy"},
        {"source_id": "cheese", "name": "Cheese", "category": "dairy"},
    ),
    "products": (
        {
            "source_id": "10",
            "sku": "M-1",
            "name": "Whole milk 1 gal",
            "category": "dairy",
            "type": "milk",
            "unit": "piece",
            "base_price": "3.49",
            "attributes": '{"size": "1 gal"}',
        },
        {
            "source_id": "11",
            "sku": "C-1",
            "name": "Cheddar",
            "category": "dairy",
            "type": "cheese",
            "unit": "lb",
            "base_price": "8.99",
        },
    ),
    "customers": (
        {"source_id": "c1", "store": "1", "first_name": "Ann", "loyalty_number": "7"},
        {"source_id": "c2", "signed_up_on": "2026-01-31"},
    ),
    "orders": (
        {
            "source_id": "o1",
            "store": "1",
            "customer": "c1",
            "order_date": "2026-03-05 17:30",
            "total_amount": "6.98",
            "status": "completed",
        },
        {
            "source_id": "r1",
            "store": "1",
            "order_date": "2026-03-09T15:00:00Z",
            "total_amount": "-3.49",
            "status": "completed",
            "returns_order": "o1",
        },
    ),
    "order_items": (
        {
            "source_id": "o1-1",
            "order": "o1",
            "product": "10",
            "quantity": "2",
            "unit_price": "3.49",
            "total_amount": "6.98",
            "line_kind": "sale",
        },
        {
            "source_id": "r1-1",
            "order": "r1",
            "product": "10",
            "quantity": "-1",
            "unit_price": "3.49",
            "total_amount": "-3.49",
            "line_kind": "return",
        },
    ),
    "inventory": (
        {"store": "1", "product": "10", "stock_level": "40"},
        {"store": "1", "product": "11", "stock_level": "12.5"},
    ),
    "regional_managers": (
        {"user_id": _HEAD_OFFICE, "name": "Head Office"},
        {"user_id": _REGION, "name": "Region North"},
    ),
    "regional_manager_stores": (
        {"user_id": _HEAD_OFFICE, "store": "1"},
        {"user_id": _HEAD_OFFICE, "store": "2"},
    ),
}
"""Two rows of each table, one of the chain, which load as they are."""


def write_template(loader: DatabaseLoader, folder: Path) -> list[Path]:
    """Write a file for each table, and a page that explains each column.

    Args:
        loader: A connection to the database, whose comments the page repeats.
        folder: Made if it is not there; what it has already stays.

    Returns:
        What was written.

    Raises:
        ConfigurationError: A file is there already, or cannot be written.
    """
    with loader.connection() as conn:
        loader.check_schema()
        shapes = read_shapes(conn)
    paths = [folder / f"{table.name}.csv" for table in TABLES]
    paths.append(folder / PAGE)
    if there := [str(path) for path in paths if path.exists()]:
        raise ConfigurationError(
            f"{', '.join(there)} is there already: name an empty folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table in TABLES:
            _write(folder / f"{table.name}.csv", shapes[table.name])
        page = "\n".join(_page(shapes[table.name]) for table in TABLES)
        (folder / PAGE).write_text(f"# Columns\n\n{page}", encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(
            f"{folder} cannot be written to: {exc.strerror}"
        ) from exc
    return paths


def _write(path: Path, shape: Shape) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, list(shape.columns), restval="")
        rows.writeheader()
        rows.writerows(EXAMPLES[shape.table.name])


def _page(shape: Shape) -> str:
    lines = [f"## {shape.table.name}", "", f"{shape.description}.", ""]
    lines += ["| column | type | needed | meaning |", "|---|---|---|---|"]
    for column in shape.columns.values():
        needed = "yes" if column.name in shape.required else ""
        length = f"({column.length})" if column.length else ""
        if column.precision:
            length = f"({column.precision},{column.scale})"
        meaning = column.description.replace("|", "/")
        lines.append(
            f"| {column.name} | {column.type}{length} | {needed} | {meaning} |"
        )
    return "\n".join([*lines, ""])
