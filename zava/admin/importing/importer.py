"""The import itself: one transaction from the files to the tables.

Each kind of file becomes a temporary table of text. Each entry of the mapping becomes
a temporary table of typed rows, is compared with what is there, checked and merged by
a statement each. Nothing is written before its checks.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from zava.admin.importing.conflicts import (
    kept_checks,
    key_check,
    own_reference_checks,
    part_check,
)
from zava.admin.importing.entries import (
    DAY,
    MOMENT,
    Entry,
    aliased,
    columns_needed,
    columns_read,
    expressions_of,
    given_sql,
    group_of_line,
    group_of_row,
    inserted_columns,
    keys,
    keys_equal,
    listed,
    named,
    names_statement,
    placeholder_statement,
    rows_statement,
    type_name,
    typed_columns,
    updated_columns,
)
from zava.admin.importing.mapping import Plan
from zava.admin.importing.reading import UNREADABLE
from zava.admin.importing.refusals import IS_EMPTY, Refusals
from zava.admin.importing.replacing import Days, replace_days
from zava.admin.importing.report import (
    ImportReport,
    TableReport,
    write_rejects,
)
from zava.admin.importing.row_checks import (
    Check,
    checks_of,
    columns_equal,
    uniques_of,
)
from zava.admin.importing.staging import Stage, fill_stage
from zava.admin.importing.tables import (
    nearest,
    read_shapes,
)
from zava.admin.loading import DatabaseLoader, become_loader, is_administrator
from zava.data.statements import statement
from zava.errors import ConfigurationError, DatabaseError

Conn = psycopg.Connection[dict[str, Any]]

OnProgress = Callable[[str, float, int], None]
"""Told of what is done, of how much of the whole (0 to 1), and of rows read."""

_MOST_SHOWN = 1000
# So many lines whose expressions fail are looked for, one by one.
_MOST_COUNTED = 10_000
_READING = 0.25
_LARGE_LOAD = 10_000
# A time without a zone is never that of whoever imports, and 01/02/2017 is refused, not
# guessed.
_SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "search_path": "pg_catalog, pg_temp",
    "statement_timeout": "0",
    "lock_timeout": "60s",
    "work_mem": "128MB",
    "temp_buffers": "64MB",
    "jit": "off",
    "application_name": "zava import",
}
# As JSON writes it.
_UNREADABLE = json.dumps(UNREADABLE).strip('"')
# No clock of any country is so far from UTC: every day is another one there.
_ELSEWHERE = "<zava>-25:01"
_UNKNOWN_COLUMN = re.compile(r'column "(.+?)" does not exist')


@dataclass(frozen=True)
class Options:
    """How to import.

    Attributes:
        reject_file: Where rejects go, None to load nothing if there is one.
        max_rejects: So many are loaded around at most.
        makes_placeholders: Whether an unknown product, customer or store gets a row.
        replace_days: First and last of the business days to replace.
        replaces_empty_days: Whether also days go of which the files have no order.
    """

    reject_file: Path | None = None
    max_rejects: int = 1000
    makes_placeholders: bool = False
    replace_days: Days | None = None
    replaces_empty_days: bool = False


DEFAULT_OPTIONS = Options()


def import_files(
    loader: DatabaseLoader,
    plan: Plan,
    options: Options,
    on_progress: OnProgress,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> ImportReport:
    """Load files in one transaction.

    Readers wait for nothing. An import that fails, or is killed, leaves everything as
    it was.

    Args:
        loader: The administrator's connection, or that of a member of zava_loader.
        plan: The files, and what they feed.
        options: How to import.
        on_progress: Told how far it is.
        clock: Monotonic seconds.

    Returns:
        What was done; its status says whether anything was.

    Raises:
        ConfigurationError: The mapping does not fit the files or the tables.
        DatabaseError: Another import is at work, or PostgreSQL refused a statement.
        KeyboardInterrupt: With what became of the load.
    """
    started = clock()
    run: Run | None = None
    try:
        with open_import(loader, plan, on_progress, options) as run:
            run.load()
    except KeyboardInterrupt as exc:
        if run is None or not run.may_commit:
            raise KeyboardInterrupt("nothing was loaded") from exc
        raise KeyboardInterrupt(
            "nobody knows whether it was loaded: run it again, the same files twice"
            " change nothing"
        ) from exc
    run.report.seconds = clock() - started
    return run.report


@contextmanager
def open_import(
    loader: DatabaseLoader,
    plan: Plan,
    on_progress: OnProgress,
    options: Options = DEFAULT_OPTIONS,
) -> Iterator[Run]:
    """Begin the transaction of an import, read its files and yield the rest of it.

    It ends with a commit if `Run.load` says so, and leaves everything as it was
    otherwise.

    Raises:
        ConfigurationError: The mapping does not fit the files or the tables.
        DatabaseError: Another import is at work.
    """
    with loader.connection() as conn:
        loader.check_schema()
        with conn.transaction() as transaction:
            begin(conn)
            run = Run(conn, plan, on_progress, options)
            run.stage()
            run.prepare()
            yield run
            if not run.may_commit:
                raise psycopg.Rollback(transaction)


def begin(conn: Conn) -> None:
    """Take the role and the settings of an import, and be the only one.

    Raises:
        ConfigurationError: The login may not load.
        DatabaseError: Another import is at work.
    """
    holder = ""
    try:
        with conn.transaction():
            row = conn.execute(statement("import_lock_holder")).fetchone()
            holder = row["holder"] if row else ""
    except psycopg.errors.InsufficientPrivilege:
        pass  # only an administrator sees other sessions
    become_loader(conn)
    for name, value in _SETTINGS.items():
        conn.execute(
            named("import_set", name=sql.Identifier(name), value=_setting(value))
        )
    taken = conn.execute(statement("import_lock")).fetchone()
    if not taken or not taken["is_taken"]:
        raise DatabaseError(
            f"another import is at work ({holder or 'an administrator sees whose'}):"
            " nothing was loaded; run this again when it has ended"
        )


def _setting(value: str) -> sql.Composable:
    """Return a value; a list of names is no text in quotes."""
    return listed(sql.Literal(part) for part in value.split(", "))


class Run:
    """One import within its transaction."""

    def __init__(
        self, conn: Conn, plan: Plan, on_progress: OnProgress, options: Options
    ) -> None:
        self.conn = conn
        self.report = ImportReport(
            missing_files=list(plan.missing), unread_files=list(plan.unread)
        )
        self.entries: list[Entry] = []
        self.stages: dict[str, Stage] = {}
        self.may_commit = False
        self._plan = plan
        self._on_progress = on_progress
        self._options = options
        self._paths = [path for _, paths in plan.files.values() for path in paths]
        self._most = (
            _MOST_SHOWN if options.reject_file is None else max(options.max_rejects, 0)
        )
        self._refusals = Refusals(self._paths, self.report, self._most)
        # The orders, and the keys of other tables, that are refused as a whole: by
        # what they are of, the row that is at fault of each.
        self._spoiled: dict[str, dict[str, int]] = {}
        # The row at fault of each refused row, by table and source_id.
        self._refused: dict[tuple[str, str], int] = {}
        self._must_repeat = False
        self._steps = 0

    # Reading ------------------------------------------------------------------

    def stage(self) -> None:
        """Read every file into its temporary table."""
        self.shapes = read_shapes(self.conn)
        sizes = [max(path.stat().st_size, 1) for path in self._paths]
        number = 0
        for name, (form, paths) in self._plan.files.items():
            files = dict(enumerate(paths, number))
            number += len(paths)
            before = self.report.lines

            def on_rows(
                position: int,
                rows: int,
                done: int = sum(sizes[: number - len(paths)]),
                before: int = before,
            ) -> None:
                share = min((done + position) / sum(sizes), 1)
                self._on_progress("reading", share * _READING, before + rows)

            self.stages[name] = fill_stage(
                self.conn, form, files, on_rows, self._most + 1
            )
            self.report.lines += self.stages[name].lines
            self.report.empty_files += self.stages[name].empty_files

    # Preparing ----------------------------------------------------------------

    def prepare(self) -> None:
        """Make sure that every expression means something.

        Raises:
            ConfigurationError: One does not.
        """
        for number, mapping in enumerate(self._plan.tables):
            stage = self.stages[mapping.file]
            shape = self.shapes[mapping.table]
            if not stage.columns:
                continue
            if shape.table.is_about_access and not is_administrator(self.conn):
                raise ConfigurationError(
                    f"this login may not load {mapping.table}: who may see what is an"
                    " administrator's to say"
                )
            entry = Entry(
                number, mapping, shape, stage, expressions_of(mapping, shape, stage)
            )
            self._probe(entry)
            self.entries.append(entry)

    def _probe(self, entry: Entry) -> None:
        sums = set()
        for column, expression in entry.expressions.items():
            given = given_sql(expression)
            place = f"tables.{entry.table}.columns.{column}"
            entry.types[column] = self._describe(entry, given, place)
            if self._means("import_probe_constant", entry, given):
                continue
            if self._means("import_probe_aggregate", entry, given):
                sums.add(column)
        if entry.mapping.where:
            self._describe(entry, entry.condition, f"tables.{entry.table}.where")
        entry.sums = frozenset(sums)
        entry.is_grouped = entry.table != "order_items" or bool(sums)
        if entry.time_column:
            entry.time_type = entry.types[entry.time_column]
            if entry.time_type != MOMENT and not entry.has("store"):
                raise ConfigurationError(
                    f"mapping, tables.{entry.table}: {entry.time_column} needs store,"
                    " because a time without a zone is the local time of its store"
                )

    def _describe(self, entry: Entry, expression: sql.Composable, place: str) -> str:
        """Return the type of an expression."""
        try:
            with self.conn.transaction():
                cursor = self.conn.execute(
                    named(
                        "import_probe",
                        expression=expression,
                        stage=sql.Identifier(entry.stage.form.name),
                    )
                )
        except psycopg.Error as exc:
            if exc.sqlstate is None or exc.sqlstate[:2] in ("57", "08"):
                raise
            message = exc.diag.message_primary or str(exc)
            found = _UNKNOWN_COLUMN.search(message)
            hint = nearest(found[1], entry.stage.columns) if found else ""
            raise ConfigurationError(f"mapping, {place}: {message}{hint}") from exc
        assert cursor.description is not None  # noqa: S101 - a SELECT
        code = cursor.description[0].type_code
        info = self.conn.adapters.types.get(code)
        return type_name(code, info.name if info else "unknown")

    def _means(self, name: str, entry: Entry, expression: sql.Composable) -> bool:
        try:
            with self.conn.transaction():
                self.conn.execute(
                    named(
                        name,
                        expression=expression,
                        stage=sql.Identifier(entry.stage.form.name),
                    )
                )
        except psycopg.errors.Error as exc:
            if exc.sqlstate is None or exc.sqlstate[:2] in ("57", "08"):
                raise
            return False
        return True

    # Casting ------------------------------------------------------------------

    def cast_all(self) -> None:
        """Make the typed rows of every entry; a line at fault takes no part at all."""
        for stage in self.stages.values():
            self._refuse_unreadable(stage)
        stale = self.entries
        while stale:
            for entry in stale:
                self._step(f"computing {entry.table}")
                self._cast(entry)
            stale = [e for e in self.entries if e.cast_version != e.stage.version]
        for entry in self.entries:
            self._require_fixed_times(entry)

    def _refuse_unreadable(self, stage: Stage) -> None:
        """Refuse the rows that are not divided into fields, or are no text."""
        self.report.is_cut |= stage.has_more_faults
        stage.left_out += len(stage.unreadable)
        for row, fault in stage.unreadable.items():
            self._refusals.add(row, "", "", fault.value, fault.reason)
            place = self._refusals.place(row)
            if fault.may_hide_rows:
                self._refusals.stop(
                    f"{place}: nobody knows how many rows are lost: mend the file"
                )
            elif any(self._needs_groups(e) for e in self._entries_of(stage)):
                self._refusals.stop(
                    f"{place}: nobody knows which order lacks this row: mend the file"
                )
        for row, fault in stage.damaged.items():
            self._refusals.add(row, "", "", fault.value, fault.reason)
        if stage.damaged:
            self._take_out(stage, list(stage.damaged))

    def _entries_of(self, stage: Stage) -> list[Entry]:
        return [entry for entry in self.entries if entry.stage is stage]

    def _needs_groups(self, entry: Entry) -> bool:
        """Whether a line that is missing makes other lines wrong."""
        is_replaced = self._options.replace_days is not None and entry.is_about_orders
        return bool(entry.sums) or entry.numbers_lines or is_replaced

    def _require_fixed_times(self, entry: Entry) -> None:
        """Refuse an expression that means another time in another session.

        Raises:
            ConfigurationError: There is one.
        """
        hashes = []
        for name, expression in entry.expressions.items():
            if entry.shape.columns[name].type not in (DAY, MOMENT):
                continue
            if expression.strip().strip('"') in entry.stage.columns:
                continue  # the text of the file
            value = given_sql(expression)
            if entry.types[name] == MOMENT:
                value = sql.SQL("extract(epoch FROM {})").format(value)
            value = sql.SQL("hashtextextended(coalesce({}::text, ''), {})").format(
                value, sql.SQL("0" if name in entry.sums else "zava_row")
            )
            if name not in entry.sums:
                value = sql.SQL("bit_xor({})").format(value)
            hashes.append(aliased(value, name))
        if not hashes:
            return
        query = named(
            "import_zone_hashes",
            hashes=listed(hashes),
            stage=sql.Identifier(entry.stage.form.name),
            condition=entry.condition,
        )
        here = self._one(query)
        self._set_time_zone(_ELSEWHERE)
        elsewhere = self._one(query)
        self._set_time_zone(_SETTINGS["timezone"])
        for name, value in here.items():
            if value != elsewhere[name]:
                raise ConfigurationError(
                    f"mapping, tables.{entry.table}.columns.{name}: the value depends"
                    " on the time zone of the session. Write (…)::timestamp for the"
                    " local time of the store, or (…)::timestamp AT TIME ZONE '…' for"
                    " the time of a zone"
                )

    def _set_time_zone(self, zone: str) -> None:
        self.conn.execute(
            named(
                "import_set", name=sql.Identifier("timezone"), value=sql.Literal(zone)
            )
        )

    def _cast(self, entry: Entry) -> None:
        make = self._cast_statement(entry)
        while True:
            self.conn.execute(named("import_drop", table=entry.casts))
            try:
                with self.conn.transaction():
                    self.conn.execute(make)
                break
            except psycopg.Error as exc:
                if exc.sqlstate is None or exc.sqlstate[:2] not in (
                    *("20", "21", "22", "23", "2F", "42", "P0", "54", "39"),
                ):
                    raise
                if not self._take_out_faults(entry):
                    raise ConfigurationError(
                        f"mapping, tables.{entry.table}:"
                        f" {exc.diag.message_primary or exc}"
                    ) from exc
        entry.cast_version = entry.stage.version
        self.conn.execute(named("import_analyze", table=entry.casts))

    def _cast_statement(self, entry: Entry) -> sql.Composed:
        columns = typed_columns(entry)
        names = [sql.Identifier(name) for name, _, _ in columns]
        expressions = listed(
            aliased(expression, name) for name, expression, _ in columns
        )
        parts = {
            "cast": entry.casts,
            "stage": sql.Identifier(entry.stage.form.name),
            "condition": entry.condition,
            "expressions": expressions,
        }
        if entry.sums:
            # Two columns stand before these.
            plain = [n for n, (_, _, is_sum) in enumerate(columns, 3) if not is_sum]
            ordinals = listed(sql.Literal(n) for n in plain)
            return named(
                "import_cast_aggregated",
                ordinals=ordinals if plain else sql.SQL("()"),
                **parts,
            )
        if entry.is_grouped:
            return named("import_cast_grouped", names=listed(names), **parts)
        return named("import_cast_lines", **parts)

    def _take_out_faults(self, entry: Entry) -> bool:
        """Refuse the lines whose expressions fail; return whether there were any."""
        columns = typed_columns(entry)
        plain = [(n, e) for n, e, is_sum in columns if not is_sum]
        sums = [(n, e) for n, e, is_sum in columns if is_sum]
        faults = self._find_faults(
            sql.SQL("pg_temp.{}").format(sql.Identifier(entry.stage.form.name)),
            plain,
            sums,
            entry.condition,
        )
        if not faults:
            return False
        for fault, value in self._with_values(entry, faults):
            name = fault["name"]
            column = entry.time_column if name.startswith("zava_") else name
            self._refusals.add(
                fault["faulty_row"], entry.table, column, value, fault["reason"]
            )
        self._take_out(entry.stage, sorted({fault["faulty_row"] for fault in faults}))
        return True

    def _take_out(self, stage: Stage, rows: list[int]) -> None:
        """Take lines out, and note which orders and keys lack them."""
        for entry in self._entries_of(stage):
            if entry.sums or entry.is_about_orders:
                self._spoil_lines(entry, rows)
        self.conn.execute(
            named("import_delete_lines", stage=sql.Identifier(stage.form.name)),
            {"rows": rows},
        )
        stage.version += 1
        stage.left_out += len(rows)

    def _spoil_lines(self, entry: Entry, rows: list[int]) -> None:
        self.conn.execute(statement("import_make_group_finder"))
        relation = sql.SQL("pg_temp.{}").format(sql.Identifier(entry.stage.form.name))
        found = self.conn.execute(
            named(
                "import_groups_of_lines",
                relation=self._as_text(relation),
                key=self._as_text(group_of_line(entry)),
                condition=self._as_text(entry.condition),
                lines=sql.Literal(rows),
            )
        ).fetchall()
        for row in found:
            group = row["zava_group"]
            if group is not None and _UNREADABLE not in group:
                self._spoil(entry, group, row["zava_row"])
            elif self._needs_groups(entry):
                self._refusals.stop(
                    f"{self._refusals.place(row['zava_row'])}: nobody knows which row"
                    f" of {entry.table} lacks this line: mend the file"
                )

    def _spoil(self, entry: Entry, group: str, row: int) -> None:
        """Note an order, or a key of another table, that is refused as a whole."""
        self._spoiled.setdefault(_kind(entry), {}).setdefault(group, row)

    def _as_text(self, composable: sql.Composable) -> sql.Literal:
        return sql.Literal(composable.as_string(self.conn))

    def _find_faults(
        self,
        relation: sql.Composable,
        plain: Sequence[tuple[str, sql.Composable]],
        sums: Sequence[tuple[str, sql.Composable]],
        condition: sql.Composable,
    ) -> list[dict[str, Any]]:
        text = self._as_text

        def array(parts: Iterable[sql.Composable]) -> sql.Composed:
            return sql.SQL("ARRAY[{}]::text[]").format(listed(parts))

        self.conn.execute(statement("import_make_fault_finder"))
        most = max(self._most + 1, _MOST_COUNTED)
        found = self.conn.execute(
            named(
                "import_find_faults",
                relation=text(relation),
                names=array(sql.Literal(name) for name, _ in (*plain, *sums)),
                plain=array(text(expression) for _, expression in plain),
                sums=array(text(expression) for _, expression in sums),
                condition=text(condition),
                most=sql.Literal(most),
            )
        ).fetchall()
        self.report.is_cut |= len(found) >= most
        return found

    def _with_values(
        self, entry: Entry, faults: Sequence[dict[str, Any]]
    ) -> Iterable[tuple[dict[str, Any], str]]:
        """Yield each fault with what the file says where its expression looks."""
        used = {
            name: columns_read(
                entry, entry.time_column if name.startswith("zava_") else name
            )
            for name in {fault["name"] for fault in faults}
        }
        wanted = sorted({column for columns in used.values() for column in columns})
        said: dict[int, dict[str, Any]] = {}
        if wanted:
            rows = self.conn.execute(
                named(
                    "import_fields",
                    stage=sql.Identifier(entry.stage.form.name),
                    columns=listed(map(sql.Identifier, wanted)),
                ),
                {"rows": [fault["faulty_row"] for fault in faults]},
            ).fetchall()
            said = {row["zava_row"]: row for row in rows}
        for fault in faults:
            columns, row = used[fault["name"]], said.get(fault["faulty_row"], {})
            if len(columns) == 1:
                yield fault, row.get(columns[0]) or ""
            else:
                yield fault, ", ".join(f"{c}={row.get(c) or ''}" for c in columns)

    # Loading ------------------------------------------------------------------

    def load(self) -> None:
        """Compute, compare, check and merge every entry; decide whether it may stay.

        Raises:
            ConfigurationError: The mapping does not fit the files or the tables.
            DatabaseError: PostgreSQL refused a statement.
        """
        self.cast_all()
        self.load_rows()

    def load_rows(self) -> None:
        """Do what `load` does after `cast_all`."""
        if self._options.reject_file is None:
            self._load_entries()
        else:
            self._load_whole_orders()
        if self._options.replace_days is not None and self._can_stay:
            self._step("replacing days")
            replace_days(
                self.conn,
                self.report,
                self._options.replace_days,
                with_empty=self._options.replaces_empty_days,
                refused=[
                    group
                    for order in self._spoiled.get("orders", ())
                    for group in json.loads(order)
                ],
            )
        self._step("comparing totals")
        self._reconcile()
        self._decide()

    @property
    def _can_stay(self) -> bool:
        """Whether something can be loaded, after what was found so far."""
        if self.report.obstacles or self._refusals.is_over:
            return False
        return not self.report.rejects or self._options.reject_file is not None

    def _load_whole_orders(self) -> None:
        """Load until no order is among the loaded ones of which a line was refused."""
        steps, is_whole = self._steps, False
        while not is_whole:
            self._must_repeat, self._steps = False, steps
            self.report.tables.clear()
            with self.conn.transaction() as attempt:
                self._load_entries()
                is_whole = not (self._must_repeat and self._can_stay)
                if not is_whole:
                    raise psycopg.Rollback(attempt)

    def _load_entries(self) -> None:
        self.conn.execute(statement("import_make_orders"))
        self.conn.execute(statement("import_make_lines"))
        for entry in self.entries:
            self._load(entry)

    def _load(self, entry: Entry) -> None:
        options = self._options
        done = TableReport(
            entry.table,
            [path.name for path in entry.stage.files.values()],
            read=entry.stage.lines,
        )
        self.report.tables.append(done)
        self._step(f"checking {entry.table}")
        if entry.has("total_amount"):
            done.amount_in_files = self._answer(
                named(
                    "import_amount",
                    column=sql.Identifier("total_amount"),
                    table=entry.casts,
                )
            )
            done.left_out = entry.stage.left_out
        done.rows = self._answer(named("import_count", table=entry.casts))
        done.rejected = self._withhold(entry, entry.casts)
        if options.makes_placeholders:
            done.placeholders = self._make_placeholders(entry)
        if entry.table == "orders" and entry.has("store"):
            self.conn.execute(named("import_lock_stores", cast=entry.casts))
        self._make_rows(entry)
        rows, refused = self._check(entry)
        done.rows, done.rejected = done.rejected + rows, done.rejected + refused
        self._require(entry)
        for name, count in self._one(named("import_outcome", rows=entry.rows)).items():
            setattr(done, name, count)
        self._step(f"loading {entry.table}")
        self._merge(entry, done)
        if entry.table == "orders" or entry.has("order"):
            self._keep_orders(entry)
        if entry.table == "order_items" and options.replace_days:
            self.conn.execute(named("import_keep_lines", rows=entry.rows))

    def _earlier(self, entry: Entry) -> list[Entry]:
        """Return the entries that feed the same table before this one."""
        return [
            e
            for e in self.entries
            if e.table == entry.table and e.number < entry.number
        ]

    def _withhold(self, entry: Entry, table: sql.Identifier) -> int:
        """Take out the rows of what is refused as a whole; return how many."""
        spoiled = self._spoiled.get(_kind(entry))
        if not spoiled:
            return 0
        found = self.conn.execute(
            named("import_withhold", table=table, group=group_of_row(entry, "c")),
            {"groups": list(spoiled)},
        ).fetchall()
        what = "the order" if entry.is_about_orders else "the row"
        for row in sorted(found, key=lambda row: row["zava_row"]):
            group = row["zava_group"]
            self._note_refused(entry, group, spoiled[group])
            key = ", ".join(map(str, json.loads(group)))
            where = self._refusals.line(spoiled[group], row["zava_row"])
            self._refusals.withhold(
                row["zava_row"],
                entry.table,
                f"{what} {key} is refused as a whole: see {where}",
            )
        return len(found)

    def _make_rows(self, entry: Entry) -> None:
        """Make the rows as they will stand, with those that they name."""
        for reference in entry.shape.table.references:
            if entry.has(reference.name):
                self.conn.execute(names_statement(entry, reference))
                self.conn.execute(named("import_analyze", table=entry.names(reference)))
        self.conn.execute(rows_statement(entry, self._earlier(entry)))
        self.conn.execute(named("import_analyze", table=entry.rows))

    def _keep_orders(self, entry: Entry) -> None:
        """Note the orders that the entry is about, with their stores."""
        knows_stores = entry.has("store") or entry.has("order")
        orders: sql.Composable = sql.SQL("pg_temp.{}").format(entry.rows)
        if not knows_stores:
            orders = named("import_orders_there", rows=entry.rows)
        self.conn.execute(named("import_keep_orders", orders=orders))
        self.conn.execute(named("import_analyze", table=sql.Identifier("zava_orders")))

    def _answer(self, query: sql.Composed) -> Any:
        return next(iter(self._one(query).values()))

    def _one(self, query: sql.Composed) -> dict[str, Any]:
        row = self.conn.execute(query).fetchone()
        assert row is not None  # noqa: S101 - an aggregate has one row
        return row

    def _make_placeholders(self, entry: Entry) -> list[str]:
        made = []
        for reference in entry.shape.table.references:
            if reference.can_be_made and entry.has(reference.name):
                rows = self.conn.execute(placeholder_statement(entry, reference))
                made += [f"{reference.name} {row['source_id']}" for row in rows]
        return made

    # Checking -----------------------------------------------------------------

    def _check(self, entry: Entry) -> tuple[int, int]:
        """Refuse bad rows; return how many rows there are, and how many are bad."""
        refused = self._check_keys(entry)
        checks = checks_of(entry)
        rows, has_faults = self._survey(entry, checks)
        rows += refused
        bad: set[int] = set()
        for check in checks:
            if check.condition is None or has_faults:
                bad |= self._find(entry, check.query, check.fallback)
        for query in kept_checks(entry):
            bad |= self._find(entry, query, None)
        refused += self._take_out_rows(entry, bad)
        for query in own_reference_checks(entry):
            while bad := self._find(entry, query, None):
                refused += self._take_out_rows(entry, bad)
        return rows, refused + self._withhold(entry, entry.rows)

    def _check_keys(self, entry: Entry) -> int:
        """Refuse rows that differ from another one of their key."""
        bad: set[int] = set()
        # A line that is known by its place shares its key with none.
        if not entry.numbers_lines and self._answer(
            named("import_has_double_keys", rows=entry.rows, keys=keys(entry))
        ):
            bad |= self._find(entry, key_check(entry), None)
        for earlier in self._earlier(entry):
            if query := part_check(entry, earlier):
                bad |= self._find(entry, query, None)
        return self._take_out_rows(entry, bad, spoils=bool(entry.sums))

    def _take_out_rows(
        self, entry: Entry, bad: set[int], *, spoils: bool = False
    ) -> int:
        """Delete bad rows; return how many.

        Args:
            entry: Whose rows.
            bad: Their numbers.
            spoils: Whether other rows of the same key fall with them; an order does
                anyway.
        """
        if not bad:
            return 0
        rows = {"rows": sorted(bad)}
        self._note_groups(entry, rows, spoils=entry.is_about_orders or spoils)
        self.conn.execute(named("import_delete_rows", rows=entry.rows), rows)
        return len(bad)

    def _survey(self, entry: Entry, checks: Sequence[Check]) -> tuple[int, bool]:
        """Return how many rows there are, and whether a check of one row finds any."""
        conditions = sql.SQL(" OR ").join(
            sql.SQL("({})").format(check.condition)
            for check in checks
            if check.condition is not None
        )
        try:
            with self.conn.transaction():
                found = self._one(
                    named("import_survey", rows=entry.rows, conditions=conditions)
                )
        except psycopg.DataError:
            return self._answer(named("import_count", table=entry.rows)), True
        return found["rows"], found["has_faults"]

    def _note_groups(
        self, entry: Entry, rows: dict[str, list[int]], *, spoils: bool
    ) -> None:
        query = named(
            "import_groups_of_rows", rows=entry.rows, group=group_of_row(entry, "r")
        )
        for row in self.conn.execute(query, rows).fetchall():
            group = row["zava_group"]
            if None in json.loads(group):
                if self._options.replace_days is not None and entry.is_about_orders:
                    self._refusals.stop(
                        f"{self._refusals.place(row['zava_row'])}: nobody knows which"
                        " order this is, so its day cannot be replaced: mend the file"
                    )
                continue
            self._note_refused(entry, group, row["zava_row"])
            if not spoils:
                continue
            if entry.is_about_orders and group not in self._spoiled.get("orders", {}):
                # Rows of the order may be loaded already.
                self._must_repeat |= bool(self._earlier_orders(entry))
            self._spoil(entry, group, row["zava_row"])

    def _note_refused(self, entry: Entry, group: str, row: int) -> None:
        if entry.group == ["source_id"]:
            (key,) = json.loads(group)
            self._refused.setdefault((entry.table, key), row)

    def _earlier_orders(self, entry: Entry) -> list[Entry]:
        return [
            e for e in self.entries if e.is_about_orders and e.number < entry.number
        ]

    def _find(
        self,
        entry: Entry,
        query: sql.Composed,
        fallback: tuple[str, sql.Composable] | None,
    ) -> set[int]:
        """Note what a check finds; one that fails itself is made row by row."""
        limited = named("import_limited", query=query, most=sql.Literal(self._most + 1))
        try:
            with self.conn.transaction():
                found = self.conn.execute(limited).fetchall()
        except psycopg.DataError:
            if fallback is None:
                raise
            column, expression = fallback
            faults = self._find_faults(
                sql.SQL("pg_temp.{}").format(entry.rows),
                [(column, expression)],
                [],
                sql.SQL("true"),
            )
            found = [
                {
                    "zava_row": fault["faulty_row"],
                    "column": column,
                    "value": None,
                    "reason": fault["reason"],
                    "zava_found": len(faults),
                }
                for fault in faults
            ]
        for row in found:
            reason = row.get("reason") or self._difference(row)
            reference = entry.shape.table.reference(row["column"])
            if reference and (reference.table, row["value"]) in self._refused:
                cause = self._refused[reference.table, row["value"]]
                reason = (
                    f"is refused: see {self._refusals.line(cause, row['zava_row'])}"
                )
            self._refusals.add(
                row["zava_row"],
                entry.table,
                row["column"],
                row["value"],
                reason,
                sources=columns_read(entry, row["column"])
                if reason == IS_EMPTY
                else (),
            )
        bad = {row["zava_row"] for row in found}
        if found and (more := found[0]["zava_found"] - len(found)):
            self._refusals.add_more(entry.table, found[0]["column"], reason, more)
            self.conn.execute(
                named("import_delete_found", rows=entry.rows, query=query)
            )
        return bad

    def _difference(self, row: dict[str, Any]) -> str:
        where = self._refusals.line(row["zava_first"], row["zava_row"])
        if not row["zava_differing"]:
            return f"is the same row as {where} once more"
        return f"differs from {where} of the same key in {row['zava_differing']}"

    def _require(self, entry: Entry) -> None:
        lacking = columns_needed(entry)
        if lacking and not self._answer(named("import_only_known", rows=entry.rows)):
            raise ConfigurationError(
                f"mapping, tables.{entry.table}: a new row needs {', '.join(lacking)},"
                f" and {entry.mapping.file} gives none"
            )

    # Merging ------------------------------------------------------------------

    def _merge(self, entry: Entry, done: TableReport) -> None:
        table = sql.Identifier(entry.table)
        # Lines that are numbered are in the order of their orders already.
        order = sql.SQL("" if entry.numbers_lines else "ORDER BY zava_row")
        try:
            with self.conn.transaction():
                if done.updated:
                    self._park(entry)
                    assignments = listed(
                        sql.SQL("{0} = r.{0}").format(sql.Identifier(column))
                        for column in updated_columns(entry)
                    )
                    self.conn.execute(
                        named(
                            "import_update",
                            table=table,
                            assignments=assignments,
                            rows=entry.rows,
                            match=keys_equal(entry, "t", "r"),
                        )
                    )
                if done.inserted:
                    self.conn.execute(
                        named(
                            "import_insert",
                            table=table,
                            columns=listed(
                                map(sql.Identifier, inserted_columns(entry))
                            ),
                            rows=entry.rows,
                            order=order,
                        )
                    )
        except psycopg.errors.InsufficientPrivilege as exc:
            raise ConfigurationError(
                f"this login may not load a column of {entry.table} that the mapping"
                " gives: who may see what is an administrator's to say"
            ) from exc
        except psycopg.IntegrityError as exc:
            detail = exc.diag.message_detail or ""
            raise DatabaseError(
                f"{entry.table} was not loaded: {exc.diag.message_primary}. {detail}"
            ) from exc

    def _park(self, entry: Entry) -> None:
        """Free the unique values that rows of the entry take over from each other."""
        for columns, nulls_equal in uniques_of(entry):
            # A reference says which rows share the value; the value is another column.
            column = next(c for c in columns if c in entry.shape.columns)
            is_required = entry.shape.columns[column].is_required
            self.conn.execute(
                named(
                    "import_park",
                    table=sql.Identifier(entry.table),
                    column=sql.Identifier(column),
                    parked=sql.SQL(
                        "'zava ' || gen_random_uuid()" if is_required else "NULL"
                    ),
                    rows=entry.rows,
                    same=columns_equal(entry, columns, nulls_equal=nulls_equal),
                    match=keys_equal(entry, "t", "r"),
                )
            )

    # Reconciling --------------------------------------------------------------

    def _reconcile(self) -> None:
        for entry, done in zip(self.entries, self.report.tables, strict=True):
            if done.amount_in_files is not None:
                self._compare_amounts(entry, done)
        row = self._one(named("import_days"))
        self.report.first_day, self.report.last_day = row["first_day"], row["last_day"]
        self.report.stores = row["stores"]
        if self.report.first_day is None:
            return
        silent = self.conn.execute(
            statement("import_silent_stores"),
            {"first": self.report.first_day, "last": self.report.last_day},
        ).fetchall()
        self.report.silent_stores = [row["name"] for row in silent]
        row = self._one(named("import_wrong_totals"))
        self.report.wrong_totals = row["orders"]
        self.report.wrong_total_examples = row["examples"] or []

    def _compare_amounts(self, entry: Entry, done: TableReport) -> None:
        """Read the sum of what was loaded, when everything is."""
        sums = self._one(
            named(
                "import_amount_there",
                table=sql.Identifier(entry.table),
                rows=entry.rows,
                match=keys_equal(entry, "t", "r"),
            )
        )
        if sums["loaded"] != sums["there"]:
            raise DatabaseError(
                f"{entry.table}: the total_amount of the loaded rows is"
                f" {sums['loaded']}, and of the same rows in the database"
                f" {sums['there']}. Nothing was loaded: does a trigger change them?"
            )
        done.amount_loaded = done.amount_in_database = sums["there"]

    def _decide(self) -> None:
        reject_file, rejects = self._options.reject_file, self.report.rejects
        if rejects and reject_file is not None:
            try:
                write_rejects(reject_file, [*rejects, *self.report.withheld])
            except OSError as exc:
                raise ConfigurationError(
                    f"{reject_file} cannot be written: {exc.strerror};"
                    " nothing was loaded"
                ) from exc
        if not self._can_stay:
            self.report.undo()
            return
        self.report.status = "loaded_with_rejects" if rejects else "loaded"
        self.may_commit = True

    def _step(self, name: str) -> None:
        self._steps += 1
        steps = 3 * len(self.entries) + 2
        share = _READING + (1 - _READING) * min(self._steps / steps, 1)
        self._on_progress(name, share, self.report.lines)


def _kind(entry: Entry) -> str:
    """Return what the rows of an entry stand or fall with."""
    return "orders" if entry.is_about_orders else f"entry {entry.number}"


def needs_statistics(report: ImportReport) -> bool:
    """Whether so much was loaded that the planner has to know."""
    return report.changed_rows >= _LARGE_LOAD
