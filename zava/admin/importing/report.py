"""What an import has read, loaded and refused."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reject:
    """What cannot be loaded, and why.

    Attributes:
        file: Name of the file.
        line: Of the file, where the row begins; in Parquet the number of the row.
        table: The table that the row is meant for, "" for a row that cannot be read.
        column: As the mapping calls it.
        value: What the file says; "" for nothing.
        reason: Why it cannot be loaded.
    """

    file: str
    line: int
    table: str
    column: str
    value: str
    reason: str


@dataclass
class RejectGroup:
    """The rejects of one reason.

    Attributes:
        column: As the mapping calls it.
        reason: Without what is particular to a row.
        count: How many there are, also of those that are not told one by one.
        examples: Some of them.
    """

    table: str
    column: str
    reason: str
    count: int = 0
    examples: list[Reject] = field(default_factory=list)


@dataclass
class ReplacedDays:
    """What became of the days that were to be replaced.

    Attributes:
        first: The first day that was asked for.
        days: Days of stores that were replaced.
        deleted_lines: Lines that went with their orders.
        kept_orders: Orders of the other days, in the stores of the files, which stay.
        other_orders: Orders of the files that are on other days.
    """

    first: date
    last: date
    days: int = 0
    deleted_lines: int = 0
    kept_orders: int = 0
    other_orders: int = 0


@dataclass
class TableReport:
    """What one entry of a mapping did.

    Attributes:
        files: Names of the files.
        read: Lines of them.
        rows: Rows of the table that they make.
        placeholders: Keys of the rows that were made up for what is not known.
        deleted: Rows of replaced days that no file names.
        amount_in_files: Sum of total_amount over the lines that can be computed.
        amount_loaded: Sum of total_amount of the rows that were, or would be, loaded.
        amount_in_database: The same, read at the end; None if nothing was loaded.
        left_out: Lines whose amount is not in `amount_in_files`.
    """

    table: str
    files: list[str]
    read: int = 0
    rows: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    deleted: int = 0
    placeholders: list[str] = field(default_factory=list)
    amount_in_files: Decimal | None = None
    amount_loaded: Decimal | None = None
    amount_in_database: Decimal | None = None
    left_out: int = 0


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        status: `loaded`, `loaded_with_rejects` or `nothing_loaded`; in the last case
            counts tell what would have been.
        checked: Of a check: the status that the load would have; "" otherwise.
        tables: What each entry of the mapping did, in the order of loading.
        rejects: What was refused, as far as it was looked for.
        reject_groups: The same by table, column and reason.
        is_cut: Whether there may be more of these.
        withheld: Rows without a fault that were refused with their order or key.
        obstacles: Why nothing can be loaded, also without the rejects.
        first_day: The first business day of the orders in the files.
        stores: How many stores these orders are of.
        silent_stores: Stores without sales on those days.
        wrong_totals: How many orders differ from their lines.
        wrong_total_examples: Keys of some.
        replaced_days: None if none were to be replaced.
        missing_files: Patterns of optional files that were not there.
        unread_files: Files of the folder that nothing names.
        empty_files: Names of files without a row, and without names of columns.
        lines: Lines that were read.
        seconds: How long it took.
    """

    status: str = "loaded"
    checked: str = ""
    tables: list[TableReport] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    reject_groups: list[RejectGroup] = field(default_factory=list)
    is_cut: bool = False
    withheld: list[Reject] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    first_day: date | None = None
    last_day: date | None = None
    stores: int = 0
    silent_stores: list[str] = field(default_factory=list)
    wrong_totals: int = 0
    wrong_total_examples: list[str] = field(default_factory=list)
    replaced_days: ReplacedDays | None = None
    missing_files: list[str] = field(default_factory=list)
    unread_files: list[str] = field(default_factory=list)
    empty_files: list[str] = field(default_factory=list)
    lines: int = 0
    seconds: float = 0.0

    @property
    def has_changed_anything(self) -> bool:
        """Whether a row of the database is new, other or gone."""
        return any(
            t.inserted + t.updated + t.deleted + len(t.placeholders)
            for t in self.tables
        )

    def undo(self) -> None:
        """Note that nothing was loaded."""
        self.status = "nothing_loaded"
        for table in self.tables:
            table.amount_in_database = None

    @property
    def reject_count(self) -> int:
        """How many rejects there are, also of those that are not told one by one."""
        return sum(group.count for group in self.reject_groups)

    @property
    def changed_rows(self) -> int:
        """How many rows are new or other."""
        return sum(t.inserted + t.updated for t in self.tables)

    @property
    def exit_status(self) -> int:
        """0, 1 for nothing loaded, 2 for loaded with rejects.

        Of a check 0 if the load would have no rejects, and 1 otherwise.
        """
        if self.checked:
            return int(self.checked != "loaded")
        return {"loaded": 0, "nothing_loaded": 1}.get(self.status, 2)

    def as_json(self) -> dict[str, Any]:
        """Return the report for a program; amounts are texts, as exact as here."""
        facts = asdict(self)
        facts["seconds"] = round(self.seconds, 3)
        for day in ("first_day", "last_day"):
            facts[day] = facts[day] and facts[day].isoformat()
        if replaced := facts["replaced_days"]:
            for day in ("first", "last"):
                replaced[day] = replaced[day].isoformat()
        for table in facts["tables"]:
            for amount in ("amount_in_files", "amount_loaded", "amount_in_database"):
                if table[amount] is not None:
                    table[amount] = str(table[amount])
        return facts


def write_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """Write rejects as CSV; the file is there whole or not at all."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "table", "column", "value", "reason"))
        for r in rejects:
            writer.writerow((r.file, r.line, r.table, r.column, r.value, r.reason))
    os.replace(unfinished, path)
