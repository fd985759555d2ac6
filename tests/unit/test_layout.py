"""What every module of the package has in common."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zava
from tests.conftest import ROOT

PACKAGE = Path(zava.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 300

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


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_says_what_it_owns(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_can_be_read_in_one_go(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES


def layers() -> list[set[str]]:
    """The layers of setup.cfg, top down; those on one line are level."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    text = config["importlinter:contract:layers"]["layers"]
    return [set(re.split(r"\s*[:|]\s*", line)) for line in text.split("\n") if line]


def layer_of(name: str) -> int:
    """How far down a module stands; the package itself is below all."""
    ranks = [
        rank
        for rank, level in enumerate(layers())
        for module in level
        if name == module or name.startswith(f"{module}.")
    ]
    return ranks[0] if ranks else len(layers())


def imported_by(path: Path) -> set[str]:
    """Modules that a module names in an import, wherever that stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.acceptance("A1", "A8")
@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_go_down_the_layers(path: Path) -> None:
    name = module_name(path)
    ours = {other for other in imported_by(path) if other.startswith("zava.")}
    assert {other for other in ours if layer_of(other) < layer_of(name)} == set()
    outside = {other.partition(".")[0] for other in imported_by(path)}
    if not name.startswith(("zava.data", "zava.embedded")):
        assert not outside & {"psycopg", "psycopg_pool"}
    if not name.startswith(("zava.protocol", "zava.demo")):
        assert not outside & {"mcp", "mcp_types"}


@pytest.mark.acceptance("A1")
def test_the_four_layers_stand_one_above_the_other() -> None:
    four = ("zava.protocol", "zava.service", "zava.data", "zava.infra")
    ranks = [layer_of(name) for name in four]
    assert ranks == sorted(set(ranks))


def test_nothing_opens_at_import(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *map(module_name, MODULES)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.strip() == ""


def test_setup_cfg_lists_every_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = config["options"]["packages"].split()
    folders = {path.parent for path in MODULES}
    # schema.sql and seed/ stand at the top level and travel as zava.database.
    expected = {
        ".".join(folder.relative_to(PACKAGE.parent).parts) for folder in folders
    }
    assert sorted(listed) == sorted(expected | {"zava.database"})


def test_every_package_folder_is_a_package() -> None:
    for path in MODULES:
        assert (path.parent / "__init__.py").is_file(), path


def test_the_files_of_the_schema_are_where_the_wheel_takes_them_from() -> None:
    for name in ("schema.sql", "seed/seed.sql", "seed/stores.csv"):
        assert (ROOT / name).is_file()
    for name in ("py.typed", "data/queries.sql"):
        assert (PACKAGE / name).is_file()
