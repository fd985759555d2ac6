"""What pip installs is whole, and it is what the tests test."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import psycopg
import pytest

import zava as package
from tests.conftest import ROOT
from tests.e2e.stdio_process import StdioProcess, environment
from tests.people import SEATTLE
from zava.admin.embedded import EmbeddedServer

pytestmark = [pytest.mark.thorough, pytest.mark.once]

PATIENCE = 300  # seconds; only a hanging test takes them


def installed() -> list[importlib.metadata.PackagePath]:
    """The package's installed files; none where an installation is editable."""
    # Not what an editable installation has left in the checkout.
    here = [sysconfig.get_path("purelib")]
    (found,) = importlib.metadata.distributions(name="zava", path=here)
    return [file for file in found.files or () if file.parts[0] == "zava"]


def test_what_is_tested_is_what_is_installed() -> None:
    own = [file for file in installed() if str(file) == "zava/__init__.py"]
    expected = own[0].locate() if own else ROOT / "zava" / "__init__.py"
    assert Path(package.__file__) == Path(str(expected)).resolve()


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a wheel's files, as site-packages would.

    Of the wheel that is tested, or of one that is built here.
    """
    folder = tmp_path_factory.mktemp("wheel")
    if files := installed():
        for file in files:
            if file.suffix != ".pyc":
                copy = folder / "site" / file
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), copy)
        return folder / "site"
    source = folder / "source"
    # A copy: building leaves files behind.
    unwanted = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, ignore=unwanted)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
    built = subprocess.run(
        [*pip, "-w", str(folder), str(source)],
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("zava-*.whl")
    target = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def test_a_wheel_sets_up_a_database_and_serves_from_an_empty_folder(
    unpacked: Path, tmp_path: Path, cluster: EmbeddedServer, empty_database: str
) -> None:
    from_wheel = {"PYTHONPATH": str(unpacked)}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment(**from_wheel, ZAVA_ADMIN_URL=empty_database),
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    names = ("schema.sql", "migrations/2_retail_model.sql", "seed")
    files = "from zava.data.statements import database_file as f; import zava"
    found = run("-c", f"{files}; print(zava.__file__, *map(f, {names}), sep='\\n')")
    assert list(map(Path, found.splitlines())) == [
        unpacked / "zava" / "__init__.py",
        *(unpacked / "zava" / "database" / name for name in names),
    ]
    said = run("-m", "zava", "init", "--scale", "0.0001", "--as-of", "2026-06-30")
    assert said.startswith("schema: loaded\nseed: loaded\n")

    with psycopg.connect(empty_database) as conn:
        dbname = conn.info.dbname
    server = cluster.conninfo(dbname=dbname, user="zava_server")
    variables = {**from_wheel, "ZAVA_DATABASE_URL": server, "ZAVA_LOG_LEVEL": "ERROR"}
    with StdioProcess(SEATTLE, tmp_path, variables) as process:
        process.initialize()
        answer = process.query("SELECT name FROM retail.stores")
        assert answer.structured["rows"] == [["Zava Retail Seattle"]]
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_holds_the_package_and_nothing_of_the_tests(unpacked: Path) -> None:
    tops = {path.name for path in unpacked.iterdir() if path.suffix != ".dist-info"}
    assert tops == {"zava"}
    in_checkout = {
        path.relative_to(ROOT)
        for path in (ROOT / "zava").rglob("*")
        if path.suffix in (".py", ".sql", ".typed")
    }
    in_wheel = {path.relative_to(unpacked) for path in unpacked.rglob("*")}
    assert in_checkout <= in_wheel
    assert {"schema.sql", "migrations", "seed"} == {
        path.name for path in (unpacked / "zava" / "database").iterdir()
    }
