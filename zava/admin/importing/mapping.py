"""Which file feeds which table, and the SQL expression of each column.

A mapping is one TOML file. Without one, files that are named like the tables are
taken as they are.
"""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zava.admin.importing.tables import TABLES, TABLES_BY_NAME, nearest
from zava.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAPPING_FILE = "mapping.toml"
"""The mapping of a folder, if none is named."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,50}")
_ENDINGS = (".csv", ".csv.gz", ".parquet")
_FILE_KEYS = {
    *("path", "encoding", "delimiter", "quote", "null", "columns", "optional"),
}
_TABLE_KEYS = {"file", "where", "columns"}


@dataclass(frozen=True)
class FileFormat:
    """A kind of file.

    Attributes:
        name: What expressions and `file` call it.
        pattern: Of the names of such files.
        encoding: As Python calls it.
        delimiter: Between two fields.
        quote: Around a field; "" for none.
        null: Fields that mean: no value.
        columns: Names of the columns, None if the first row has them.
        is_optional: Whether a folder may be without such a file.
    """

    name: str
    pattern: str
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    quote: str = '"'
    null: frozenset[str] = frozenset({""})
    columns: tuple[str, ...] | None = None
    is_optional: bool = False


@dataclass(frozen=True)
class TableMapping:
    """What feeds a table.

    Attributes:
        file: Name of the `FileFormat`.
        expressions: SQL of each column, by name; None takes the columns of the file
            that are named like the table's.
        where: SQL condition on the rows of the file, "" for all.
    """

    table: str
    file: str
    expressions: Mapping[str, str] | None
    where: str = ""


@dataclass(frozen=True)
class Mapping_:  # noqa: N801 - the word is taken
    """A whole mapping."""

    files: Mapping[str, FileFormat]
    tables: Sequence[TableMapping]


@dataclass(frozen=True)
class Plan:
    """The files that are there, and what they feed.

    Attributes:
        files: Each kind of file with the files themselves, in the order of names.
        tables: In the order in which they are loaded.
        missing: Patterns that no file has.
        unread: Files of the folders that no pattern names, each with a near name.
    """

    files: Mapping[str, tuple[FileFormat, tuple[Path, ...]]]
    tables: Sequence[TableMapping]
    missing: tuple[str, ...] = field(default=())
    unread: tuple[str, ...] = field(default=())


def read_mapping(path: Path) -> Mapping_:
    """Read a mapping file.

    Raises:
        ConfigurationError: It cannot be read, or says what means nothing.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as exc:
        raise ConfigurationError(f"{path} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigurationError(
            f"{path} is not TOML: {exc}{_mixed_headings(path)}"
        ) from exc
    _only(content, {"files", "tables"}, str(path))
    files = {
        name: _file(name, entry, path)
        for name, entry in _table(content.get("files", {}), f"{path}: files").items()
    }
    tables = [
        _table_mapping(name, entry, files, path)
        for name, entries in _table(
            content.get("tables", {}), f"{path}: tables"
        ).items()
        for entry in (entries if isinstance(entries, list) else [entries])
    ]
    if not tables:
        raise ConfigurationError(f"{path} maps no table: it has no [tables.…]")
    return Mapping_(files, tables)


def default_mapping() -> Mapping_:
    """Return the mapping of files that are named like the tables."""
    return Mapping_(
        {table.name: FileFormat(table.name, table.name, is_optional=True)
         for table in TABLES},
        [TableMapping(table.name, table.name, None) for table in TABLES],
    )  # fmt: skip


def _mixed_headings(path: Path) -> str:
    """Return a hint at tables that stand in single and in double brackets."""
    text = path.read_text("utf-8", "replace")
    single = set(re.findall(r"^\s*\[tables\.(\w+)\]", text, re.MULTILINE))
    double = set(re.findall(r"^\s*\[\[tables\.(\w+)\]\]", text, re.MULTILINE))
    return "".join(
        f"; write [[tables.{name}]] each time" for name in sorted(single & double)
    )


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where} has to be a table of TOML")
    return value


def _only(entry: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in entry:
        if key not in known:
            raise ConfigurationError(f"{where}: unknown key {key}{nearest(key, known)}")


def _text(entry: Mapping[str, Any], key: str, where: str, default: str = "") -> str:
    value = entry.get(key, default)
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}: {key} has to be a text")
    return value


def _texts(value: Any, key: str, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
        raise ConfigurationError(f"{where}: {key} has to be a list of texts")
    return value


def _file(name: str, entry: Any, path: Path) -> FileFormat:
    where = f"{path}: files.{name}"
    if not _NAME.fullmatch(name) or name.startswith("zava_"):
        raise ConfigurationError(
            f"{where}: a name of a file has small letters, digits and _ only"
        )
    entry = _table(entry, where)
    _only(entry, _FILE_KEYS, where)
    delimiter, quote = _text(entry, "delimiter", where, ","), entry.get("quote", '"')
    if len(delimiter) != 1 or not isinstance(quote, str) or len(quote) > 1:
        raise ConfigurationError(
            f"{where}: delimiter is one character, quote is one or an empty text"
        )
    encoding = _text(entry, "encoding", where, "utf-8")
    try:
        "".encode(encoding)
    except LookupError:
        raise ConfigurationError(f"{where}: unknown encoding {encoding}") from None
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"  # a mark at the start is no part of a name
    columns = entry.get("columns")
    return FileFormat(
        name,
        _text(entry, "path", where, name),
        encoding,
        delimiter,
        quote,
        frozenset(_texts(entry.get("null", [""]), "null", where)),
        None if columns is None else tuple(_texts(columns, "columns", where)),
        bool(entry.get("optional", False)),
    )


def _table_mapping(
    name: str, entry: Any, files: Mapping[str, FileFormat], path: Path
) -> TableMapping:
    where = f"{path}: tables.{name}"
    if name not in TABLES_BY_NAME:
        raise ConfigurationError(
            f"{where}: there is no such table{nearest(name, TABLES_BY_NAME)}"
        )
    entry = _table(entry, where)
    _only(entry, _TABLE_KEYS, where)
    file = _text(entry, "file", where, name)
    if file not in files:
        raise ConfigurationError(
            f"{where}: there is no [files.{file}]{nearest(file, files)}"
        )
    expressions = entry.get("columns")
    if expressions is not None:
        expressions = _table(expressions, f"{where}.columns")
        for column, expression in expressions.items():
            if not isinstance(expression, str) or not expression.strip():
                raise ConfigurationError(
                    f"{where}.columns.{column} has to be SQL in quotes"
                )
    return TableMapping(name, file, expressions, _text(entry, "where", where))


def make_plan(paths: Sequence[Path], mapping: Mapping_, *, is_default: bool) -> Plan:
    """Find the files of a mapping.

    Args:
        paths: Folders, which have to hold every file that is not optional, and files,
            which are taken alone.
        mapping: What they feed.
        is_default: Whether it is `default_mapping`.

    Raises:
        ConfigurationError: A file is missing, or nothing says what it feeds.
    """
    found: dict[str, list[Path]] = {}
    unread: list[str] = []
    is_folder = False
    for path in paths:
        if path.is_dir():
            is_folder = True
            files = sorted(p for p in path.iterdir() if not p.is_dir())
        elif path.exists():
            files = [path]
        else:
            raise ConfigurationError(f"there is no file or folder {path}")
        for file in files:
            matched = [
                f.name for f in mapping.files.values() if _matches(file.name, f.pattern)
            ]
            for name in matched:
                found.setdefault(name, []).append(file)
            if not matched and path.is_dir() and file.name.endswith(_ENDINGS):
                near = nearest(file.name.split(".")[0], mapping.files)
                unread.append(file.name + (near if is_default else ""))
            if not matched and not path.is_dir():
                raise ConfigurationError(_strange(file, mapping, is_default=is_default))
    missing = tuple(
        f.pattern for f in mapping.files.values() if f.name not in found
    )  # fmt: skip
    required = [
        f.pattern
        for f in mapping.files.values()
        if f.name not in found and not f.is_optional
    ]
    where = ", ".join(map(str, paths))
    if is_folder and required:
        raise ConfigurationError(
            f"{where} has no {', '.join(required)}: deliver it, name the files one by"
            " one, or mark it optional = true"
        )
    if not found:
        raise ConfigurationError(
            f"{where} holds nothing to load: no file is named"
            f" {', '.join(f.pattern for f in mapping.files.values())}"
        )
    order = [table.name for table in TABLES]
    return Plan(
        {
            name: (mapping.files[name], tuple(sorted(set(files))))
            for name, files in found.items()
        },
        sorted(
            (table for table in mapping.tables if table.file in found),
            key=lambda table: order.index(table.table),
        ),
        missing,
        tuple(unread),
    )


def _matches(name: str, pattern: str) -> bool:
    if fnmatch.fnmatchcase(name, pattern):
        return True
    return any(fnmatch.fnmatchcase(name, pattern + ending) for ending in _ENDINGS)


def _strange(file: Path, mapping: Mapping_, *, is_default: bool) -> str:
    if is_default:
        known = [table.name for table in TABLES]
        return (
            f"{file} is named like no table{nearest(file.name.split('.')[0], known)}"
            " (name it like one, or give --mapping)"
        )
    patterns = ", ".join(f.pattern for f in mapping.files.values())
    return f"the mapping has no file of the name {file.name}, only {patterns}"
