"""What every module of the package has in common."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

import zava
from tests.conftest import ROOT
from tests.patience import PATIENCE

PACKAGE = Path(zava.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# A contract of setup.cfg, the libraries that it is about, and who may import them.
ABROAD = {
    "psycopg": ({"psycopg", "psycopg_pool"}, {"zava.data", "zava.admin"}),
    "mcp": ({"mcp", "mcp_types"}, {"zava.protocol", "zava.cli.demo"}),
}

# What a module may not do while it is imported; open() is for reading only.
IMPORT_ALL = """
import sys

FORBIDDEN = (
    "socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo",
    "subprocess.Popen", "os.system", "os.fork", "os.exec", "os.mkdir", "os.remove",
    "os.rename", "os.rmdir", "sqlite3.connect", "os.putenv",
)
seen = []

def watch(event, args):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if event in FORBIDDEN or writes:
        seen.append(f"{event} {args[:2]}")

import importlib
names = sys.argv[1:]
sys.dont_write_bytecode = True
sys.addaudithook(watch)
for name in names:
    importlib.import_module(name)
import threading
seen += [f"thread {t.name}" for t in threading.enumerate() if t.name != "MainThread"]
print("\\n".join(seen), file=sys.stderr)
"""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def is_within(name: str, packages: Iterable[str]) -> bool:
    """Whether a module is one of some packages or stands in one."""
    return any(name == one or name.startswith(f"{one}.") for one in packages)


def test_a_module_says_what_it_owns() -> None:
    silent = [module_name(p) for p in MODULES if not ast.get_docstring(tree_of(p))]
    assert silent == []


def test_no_two_modules_have_one_name() -> None:
    by_name = defaultdict(list)
    for path in MODULES:
        if path.stem != "__init__":
            by_name[path.stem].append(module_name(path))
    assert [names for names in by_name.values() if len(names) > 1] == []


@cache
def layers() -> list[set[str]]:
    """The layers of setup.cfg, top down; those on one line are level."""
    text = setup_cfg()["importlinter:contract:layers"]["layers"]
    return [set(re.split(r"\s*[:|]\s*", line)) for line in text.split("\n") if line]


def layer_of(name: str) -> int:
    """How far down a module stands; the package itself is below all."""
    ranks = [rank for rank, level in enumerate(layers()) if is_within(name, level)]
    return ranks[0] if ranks else len(layers())


@cache
def imported_by(path: Path) -> frozenset[str]:
    """Modules that a module names in an import, wherever that stands."""
    names = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def test_every_module_stands_in_a_layer() -> None:
    placed = {name for level in layers() for name in level}
    # The package itself is the version and what everything may import.
    outside = [module_name(p) for p in MODULES if not is_within(module_name(p), placed)]
    assert outside == ["zava"]


@pytest.mark.acceptance("A1", "A8")
def test_imports_go_down_the_layers() -> None:
    upwards = [
        (module_name(path), other)
        for path in MODULES
        for other in sorted(imported_by(path))
        if is_within(other, {"zava"}) and layer_of(other) < layer_of(module_name(path))
    ]
    assert upwards == []


@pytest.mark.acceptance("A1", "A8")
@pytest.mark.parametrize("contract", ABROAD)
def test_a_library_is_imported_in_its_own_layers_alone(contract: str) -> None:
    libraries, homes = ABROAD[contract]
    elsewhere = [
        module_name(path)
        for path in MODULES
        if {other.partition(".")[0] for other in imported_by(path)} & libraries
        and not is_within(module_name(path), homes)
    ]
    assert elsewhere == []


@pytest.mark.parametrize("contract", ABROAD)
def test_the_import_rules_forbid_a_library_everywhere_else(contract: str) -> None:
    libraries, homes = ABROAD[contract]
    rule = setup_cfg()[f"importlinter:contract:{contract}"]
    assert set(rule["forbidden_modules"].split()) == libraries
    forbidden = set(rule["source_modules"].split())
    free = {
        module_name(path)
        for path in MODULES
        if not is_within(module_name(path), forbidden)
    }
    # A rule about a package is one about all that is in it, so these cannot be named.
    above = {one.rpartition(".")[0] for one in homes} | {"zava", "zava.__main__"}
    assert free - above == {
        module_name(path) for path in MODULES if is_within(module_name(path), homes)
    }


@pytest.mark.acceptance("A1")
def test_the_four_layers_stand_one_above_the_other() -> None:
    four = ("zava.protocol", "zava.service", "zava.data", "zava.infra")
    ranks = [layer_of(name) for name in four]
    assert ranks == sorted(set(ranks))
    assert max(ranks) < len(layers())


def test_nothing_opens_at_import(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *map(module_name, MODULES)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.strip() == ""


def test_setup_cfg_lists_every_package() -> None:
    listed = setup_cfg()["options"]["packages"].split()
    folders = {path.parent for path in MODULES}
    # schema.sql and seed/ stand at the top level and travel as zava.database.
    expected = {
        ".".join(folder.relative_to(PACKAGE.parent).parts) for folder in folders
    }
    assert sorted(listed) == sorted(expected | {"zava.database"})


def test_every_package_folder_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    assert [f for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_setup_cfg_takes_every_file_of_statements_along() -> None:
    taken = setup_cfg()["options.package_data"]
    folders = {path.parent for path in PACKAGE.rglob("*.sql")}
    names = {".".join(folder.relative_to(PACKAGE.parent).parts) for folder in folders}
    # In the wheel these are there, and in the checkout at the top level.
    names -= {"zava.database", "zava.database.migrations", "zava.database.seed"}
    assert names
    assert names == {name for name, files in taken.items() if files == "*.sql"}


def test_the_files_of_the_schema_are_where_the_wheel_takes_them_from() -> None:
    files = ("schema.sql", "seed/seed.sql", "seed/stores.csv")
    assert [name for name in files if not (ROOT / name).is_file()] == []
    assert (PACKAGE / "py.typed").is_file()
