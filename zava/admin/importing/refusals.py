"""What an import refuses: rows at fault by their reason, and what falls with them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from zava.admin.importing.report import ImportReport, Reject, RejectGroup
from zava.admin.importing.staging import FILE_BITS

IS_EMPTY = "is empty"

_EXAMPLES = 2
# What differs between two reasons of one kind.
_PARTICULAR = re.compile(r'"[^"]*"|\b0x[0-9A-F]{2}\b|\d+')


class Refusals:
    """The refused rows of one import.

    Args:
        paths: The files, by their number.
        report: Holds what is refused.
        most: So many rejects are kept at most.
    """

    def __init__(self, paths: Sequence[Path], report: ImportReport, most: int) -> None:
        self._paths = paths
        self._report = report
        self._most = most
        self._seen: set[tuple[int, str, str, str]] = set()
        self._rows: set[int] = set()
        self._empty: dict[int, set[str]] = {}
        self._groups: dict[tuple[str, str, str], RejectGroup] = {}

    @property
    def is_over(self) -> bool:
        """Whether there are more than can be kept."""
        return self._report.is_cut or len(self._report.rejects) > self._most

    def place(self, row: int) -> str:
        """Return file and line of a row."""
        file, line = self._place(row)
        return f"{file}:{line}"

    def line(self, row: int, other: int) -> str:
        """Return the place of a row as one of another row's file says it."""
        if row >> FILE_BITS == other >> FILE_BITS:
            return f"line {self._place(row)[1]}"
        return self.place(row)

    def _place(self, row: int) -> tuple[str, int]:
        return self._paths[row >> FILE_BITS].name, row & ((1 << FILE_BITS) - 1)

    def add(
        self,
        row: int,
        table: str,
        column: str,
        value: Any,
        reason: str,
        *,
        sources: Collection[str] = (),
    ) -> None:
        """Refuse a row.

        Args:
            row: Its number.
            table: What it is meant for, "" for none.
            column: As the mapping calls it.
            value: What the file says.
            reason: Why.
            sources: The columns of the file that are empty, if that is the reason: an
                empty field is told once, whatever it is meant for.
        """
        self._rows.add(row)
        if (row, table, column, reason) in self._seen:
            return
        self._seen.add((row, table, column, reason))
        if sources:
            if self._empty.setdefault(row, set()) & set(sources):
                return
            self._empty[row] |= set(sources)
        group = self._count(table, column, reason, 1)
        if len(self._report.rejects) > self._most:
            self._report.is_cut = True
            return
        text = "" if value is None else str(value)
        reject = Reject(*self._place(row), table, column, text, reason)
        self._report.rejects.append(reject)
        if len(group.examples) < _EXAMPLES:
            group.examples.append(reject)

    def add_more(self, table: str, column: str, reason: str, number: int) -> None:
        """Count rows of a reason that are not told one by one."""
        self._count(table, column, reason, number)
        self._report.is_cut = True

    def _count(self, table: str, column: str, reason: str, number: int) -> RejectGroup:
        key = table, column, _PARTICULAR.sub("…", reason)
        if key not in self._groups:
            self._groups[key] = RejectGroup(*key)
            self._report.reject_groups.append(self._groups[key])
        self._groups[key].count += number
        return self._groups[key]

    def withhold(self, row: int, table: str, reason: str) -> None:
        """Note a row that is not at fault itself."""
        if row not in self._rows:
            self._rows.add(row)
            reject = Reject(*self._place(row), table, "", "", reason)
            self._report.withheld.append(reject)

    def stop(self, why: str) -> None:
        """Note why nothing can be loaded, whatever may be rejected."""
        if why not in self._report.obstacles:
            self._report.obstacles.append(why)
