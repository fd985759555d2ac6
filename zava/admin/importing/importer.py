"""The import itself: one transaction from the files to the tables.

Each kind of file becomes a temporary table of text. Each entry of the mapping becomes
a temporary table of typed rows, is compared with what is there, checked and merged by
a statement each. Nothing is written before its checks.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from zava.admin.importing.entries import (
    Entry,
    aliased,
    expressions_of,
    given_sql,
    inserted_columns,
    keys,
    keys_equal,
    listed,
    named,
    names_statement,
    placeholder_statement,
    rows_statement,
    shown_key,
    type_name,
    typed_columns,
    updated_columns,
)
from zava.admin.importing.mapping import Plan
from zava.admin.importing.report import (
    ImportReport,
    Reject,
    TableReport,
    write_rejects,
)
from zava.admin.importing.row_checks import (
    Check,
    checks_of,
    columns_equal,
    uniques_of,
)
from zava.admin.importing.staging import FILE_BITS, Stage, fill_stage
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
_READING = 0.25
_LARGE_LOAD = 10_000
_WORDS = re.compile(r'"((?:[^"]|"")+)"|(\w+)')
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
_UNKNOWN_COLUMN = re.compile(r'column "(.+?)" does not exist')


@dataclass(frozen=True)
class Options:
    """How to import.

    Attributes:
        reject_file: Where rejects go, None to load nothing if there is one.
        max_rejects: So many are loaded around at most.
        makes_placeholders: Whether an unknown product, customer or store gets a row.
        replace_days: First and last of the business days to replace.
    """

    reject_file: Path | None = None
    max_rejects: int = 1000
    makes_placeholders: bool = False
    replace_days: tuple[date, date] | None = None


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
    """
    started = clock()
    with open_import(loader, plan, on_progress) as run:
        run.load(options)
        report = run.report
    report.seconds = clock() - started
    return report


@contextmanager
def open_import(
    loader: DatabaseLoader, plan: Plan, on_progress: OnProgress
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
            run = Run(conn, plan, on_progress)
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

    def __init__(self, conn: Conn, plan: Plan, on_progress: OnProgress) -> None:
        self.conn = conn
        self.report = ImportReport(missing_files=list(plan.missing))
        self.entries: list[Entry] = []
        self.stages: dict[str, Stage] = {}
        self.may_commit = False
        self._plan = plan
        self._on_progress = on_progress
        self._paths = [path for _, paths in plan.files.values() for path in paths]
        self._most = _MOST_SHOWN
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
                self.conn, form, files, self._refuse_line, on_rows
            )
            self.report.lines += self.stages[name].lines
            self.report.empty_files += self.stages[name].empty_files

    def _refuse_line(self, row: int, value: str, reason: str) -> None:
        self._refuse(row, "", "", value, reason)

    def _refuse(
        self, row: int, table: str, column: str, value: Any, reason: str
    ) -> None:
        if len(self.report.rejects) > self._most:
            self.report.is_cut = True
            return
        path = self._paths[row >> FILE_BITS]
        line = row & ((1 << FILE_BITS) - 1)
        text = "" if value is None else str(value)
        self.report.rejects.append(Reject(path.name, line, table, column, text, reason))

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
        stale = self.entries
        while stale:
            for entry in stale:
                self._step(f"computing {entry.table}")
                self._cast(entry)
            stale = [e for e in self.entries if e.cast_version != e.stage.version]

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
        rows = sorted({fault["faulty_row"] for fault in faults})
        for fault, value in self._with_values(entry, faults):
            name = fault["name"]
            column = entry.time_column if name.startswith("zava_") else name
            self._refuse(
                fault["faulty_row"], entry.table, column, value, fault["reason"]
            )
        self.conn.execute(
            named("import_delete_lines", stage=sql.Identifier(entry.stage.form.name)),
            {"rows": rows},
        )
        entry.stage.version += 1
        return True

    def _find_faults(
        self,
        relation: sql.Composable,
        plain: Sequence[tuple[str, sql.Composable]],
        sums: Sequence[tuple[str, sql.Composable]],
        condition: sql.Composable,
    ) -> list[dict[str, Any]]:
        def text(composable: sql.Composable) -> sql.Literal:
            return sql.Literal(composable.as_string(self.conn))

        def array(parts: Iterable[sql.Composable]) -> sql.Composed:
            return sql.SQL("ARRAY[{}]::text[]").format(listed(parts))

        self.conn.execute(statement("import_make_fault_finder"))
        return self.conn.execute(
            named(
                "import_find_faults",
                relation=text(relation),
                names=array(sql.Literal(name) for name, _ in (*plain, *sums)),
                plain=array(text(expression) for _, expression in plain),
                sums=array(text(expression) for _, expression in sums),
                condition=text(condition),
                most=sql.Literal(self._most + 1),
            )
        ).fetchall()

    def _with_values(
        self, entry: Entry, faults: Sequence[dict[str, Any]]
    ) -> Iterable[tuple[dict[str, Any], str]]:
        """Yield each fault with what the file says where its expression looks."""
        used: dict[str, list[str]] = {}
        for name in {fault["name"] for fault in faults}:
            column = entry.time_column if name.startswith("zava_") else name
            text = entry.mapping.where if name == "where" else entry.expressions[column]
            words = {a.replace('""', '"') or b for a, b in _WORDS.findall(text)}
            used[name] = [c for c in entry.stage.columns if c in words]
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

    def load(self, options: Options) -> None:
        """Compare, check and merge every entry, and decide whether it may stay."""
        if options.reject_file is not None:
            self._most = max(options.max_rejects, 0)
        self.cast_all()
        self.conn.execute(statement("import_make_orders"))
        self.conn.execute(statement("import_make_lines"))
        for entry in self.entries:
            self._load(entry, options)
        if options.replace_days is not None:
            self._replace(options.replace_days)
        self._step("comparing totals")
        self._reconcile()
        self._decide(options)

    def _load(self, entry: Entry, options: Options) -> None:
        done = TableReport(
            entry.table,
            [path.name for path in entry.stage.files.values()],
            read=entry.stage.lines,
        )
        self.report.tables.append(done)
        self._step(f"checking {entry.table}")
        if options.makes_placeholders:
            done.placeholders = self._make_placeholders(entry)
        if entry.has("total_amount"):
            done.amount_in_files = self._answer(
                named(
                    "import_amount",
                    column=sql.Identifier("total_amount"),
                    table=entry.casts,
                )
            )
        if entry.table == "orders" and entry.has("store"):
            self.conn.execute(named("import_lock_stores", cast=entry.casts))
        self._make_rows(entry)
        done.rows, done.rejected = self._check(entry)
        self._require(entry)
        for name, count in self._one(named("import_outcome", rows=entry.rows)).items():
            setattr(done, name, count)
        self._step(f"loading {entry.table}")
        self._merge(entry, done)
        if done.amount_in_files is not None:
            done.amount_in_database = self._answer(
                named(
                    "import_amount_there",
                    table=sql.Identifier(entry.table),
                    rows=entry.rows,
                    match=keys_equal(entry, "t", "r"),
                )
            )
        if entry.table == "orders" or entry.has("order"):
            self._keep_orders(entry)
        if entry.table == "order_items" and options.replace_days:
            self.conn.execute(named("import_keep_lines", rows=entry.rows))

    def _make_rows(self, entry: Entry) -> None:
        """Make the rows as they will stand, with those that they name."""
        for reference in entry.shape.table.references:
            if entry.has(reference.name):
                self.conn.execute(names_statement(entry, reference))
                self.conn.execute(named("import_analyze", table=entry.names(reference)))
        self.conn.execute(rows_statement(entry))
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
        checks = checks_of(entry)
        rows, has_faults = self._survey(entry, checks)
        bad: set[int] = set()
        for check in checks:
            if check.condition is None or has_faults:
                bad |= self._find(entry, check.query, check.fallback)
        # A line that is known by its place shares its key with none.
        if not entry.numbers_lines and self._answer(
            named("import_has_double_keys", rows=entry.rows, keys=keys(entry))
        ):
            shown = [sql.Identifier("c", name) for name in shown_key(entry)]
            query = named(
                "import_check_keys",
                name=sql.Literal(", ".join(shown_key(entry))),
                shown=listed(shown),
                keys=keys(entry),
                rows=entry.rows,
            )
            bad |= self._find(entry, query, None)
        if bad:
            self.conn.execute(
                named("import_delete_rows", rows=entry.rows), {"rows": sorted(bad)}
            )
        return rows, len(bad)

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

    def _find(
        self,
        entry: Entry,
        query: sql.Composed,
        fallback: tuple[str, sql.Composable] | None,
    ) -> set[int]:
        """Note what a check finds; one that fails itself is made row by row."""
        bad = set()
        try:
            with self.conn.transaction():
                found = self.conn.execute(query).fetchall()
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
                }
                for fault in faults
            ]
        for row in found:
            bad.add(row["zava_row"])
            self._refuse(
                row["zava_row"], entry.table, row["column"], row["value"], row["reason"]
            )
        return bad

    def _require(self, entry: Entry) -> None:
        lacking = [name for name in entry.shape.required if not entry.has(name)]
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

    def _replace(self, days: tuple[date, date]) -> None:
        """Delete what the files do not name of the days of their stores."""
        self._step("replacing days")
        span = {"first": days[0], "last": days[1]}
        orders = [t for t in self.report.tables if t.table == "orders"]
        if not orders:
            raise ConfigurationError(
                "--replace-days needs a file of orders: it says which orders there are"
            )
        if row := self.conn.execute(
            statement("import_replaced_returns"), span
        ).fetchone():
            raise DatabaseError(
                f"the order {row['going']} would go, and the return {row['staying']}"
                " of another day brings it back: load that day as well, or name the"
                " order. Nothing was loaded"
            )
        lines = [t for t in self.report.tables if t.table == "order_items"]
        if lines:
            cursor = self.conn.execute(statement("import_replace_lines"), span)
            lines[-1].deleted = cursor.rowcount
        self.conn.execute(statement("import_defer"))
        orders[-1].deleted = self.conn.execute(
            statement("import_replace_orders"), span
        ).rowcount

    # Reconciling --------------------------------------------------------------

    def _reconcile(self) -> None:
        row = self._one(named("import_days"))
        self.report.first_day, self.report.last_day = row["first_day"], row["last_day"]
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

    def _decide(self, options: Options) -> None:
        rejects = self.report.rejects
        too_many = options.reject_file is None or len(rejects) > options.max_rejects
        if rejects and options.reject_file is not None:
            try:
                write_rejects(options.reject_file, rejects)
            except OSError as exc:
                raise ConfigurationError(
                    f"{options.reject_file} cannot be written: {exc.strerror};"
                    " nothing was loaded"
                ) from exc
        if rejects and too_many:
            self.report.status = "nothing_loaded"
            return
        self.report.status = "loaded_with_rejects" if rejects else "loaded"
        self.may_commit = True

    def _step(self, name: str) -> None:
        self._steps += 1
        steps = 3 * len(self.entries) + 2
        share = _READING + (1 - _READING) * min(self._steps / steps, 1)
        self._on_progress(name, share, self.report.lines)


def needs_statistics(report: ImportReport) -> bool:
    """Whether so much was loaded that the planner has to know."""
    return report.changed_rows >= _LARGE_LOAD
