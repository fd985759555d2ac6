"""The MCP bundle: what it declares, and that its server starts from its own files."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from psycopg.conninfo import conninfo_to_dict

import zava as package
from tests.conftest import ROOT
from tests.e2e.command_line import refusal, zava
from tests.e2e.stdio_process import environment
from tests.patience import PATIENCE
from tests.people import SEATTLE

pytestmark = [pytest.mark.thorough, pytest.mark.once]

OWNER = "https://github.com/example-chain/zava"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    proposed = ("--host", "db.example", "--database", "retail")
    ran = zava(folder, "bundle", "zava.mcpb", *proposed, "--repository", OWNER)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("wrote zava.mcpb, ")
    return folder / "zava.mcpb"


@pytest.fixture(scope="module")
def manifest(bundle: Path) -> dict[str, Any]:
    with zipfile.ZipFile(bundle) as archive:
        return dict(json.loads(archive.read("manifest.json")))


def test_the_manifest_is_one_of_version_0_4_that_uv_installs(
    manifest: dict[str, Any], bundle: Path
) -> None:
    assert manifest["manifest_version"] == "0.4"
    assert manifest["version"] == package.__version__
    server = manifest["server"]
    assert server["type"] == "uv"
    assert server["mcp_config"]["command"] == "uv"
    assert server["mcp_config"]["args"][-1] == server["entry_point"]
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
        picture = archive.read(manifest["icon"])
    assert {server["entry_point"], "pyproject.toml", "icon.png"} <= names
    assert picture == (ROOT / "zava" / "icon.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    # The validator reads the versions as npm does: a space, no comma.
    assert manifest["compatibility"]["runtimes"]["python"] == ">=3.10 <3.14"


def test_the_form_asks_for_the_connection_and_the_person(
    manifest: dict[str, Any],
) -> None:
    fields = manifest["user_config"]
    assert list(fields) == ["host", "port", "database", "login", "password", "person"]
    defaults = {name: field.get("default") for name, field in fields.items()}
    assert defaults["host"] == "db.example"
    assert defaults["database"] == "retail"
    assert defaults["port"] == "5432"
    assert defaults["password"] is None
    assert [name for name, field in fields.items() if field.get("sensitive")] == [
        "password"
    ]
    variables = manifest["server"]["mcp_config"]["env"]
    used = set(re.findall(r"\$\{user_config\.(\w+)\}", json.dumps(variables)))
    assert used == set(fields)


def test_the_bundle_needs_what_zava_needs_and_holds_no_other_file(
    bundle: Path,
) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
        project = archive.read("pyproject.toml").decode()
    assert '"mcp' in project
    assert '"wordllama' in project
    assert "extra ==" not in project
    assert '"vl-convert-python' in project
    where = Path(package.__file__).parent
    own = {
        f"src/zava/{path.relative_to(where).as_posix()}"
        for path in where.rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and where / "database" not in path.parents
    }
    added = {"manifest.json", "pyproject.toml", "icon.png", "src/server.py"}
    assert set(names) == own | added | {"src/zava/database/schema.sql"}


def test_two_bundles_of_one_version_are_the_same_bytes(
    bundle: Path, tmp_path: Path
) -> None:
    proposed = ("--host", "db.example", "--database", "retail")
    assert zava(tmp_path, "bundle", "again.mcpb", *proposed).returncode == 0
    assert (tmp_path / "again.mcpb").read_bytes() == bundle.read_bytes()
    assert not (tmp_path / "server.json").exists()


@pytest.mark.anyio
async def test_the_bundle_s_server_answers_with_what_the_form_gave(
    bundle: Path, manifest: dict[str, Any], server_conninfo: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path)
    parts = conninfo_to_dict(server_conninfo)
    given = {
        "host": str(parts["host"]),
        "port": str(parts.get("port", "")),
        "database": str(parts["dbname"]),
        "login": str(parts["user"]),
        "password": "",  # an optional field that nobody filled in
        "person": SEATTLE,
    }
    variables = {
        name: re.sub(r"\$\{user_config\.(\w+)\}", lambda found: given[found[1]], value)
        for name, value in manifest["server"]["mcp_config"]["env"].items()
    }
    # uv would make an environment of its own; this one has all that is in it.
    parameters = StdioServerParameters(
        command=sys.executable,
        args=[manifest["server"]["entry_point"]],
        env={**environment(), **variables},
        cwd=tmp_path,
    )
    async with Client(parameters) as session:
        arguments = {"postgresql_query": "SELECT name FROM retail.stores"}
        answer = await session.call_tool("execute_sales_query", arguments)
        tools = (await session.list_tools()).tools
    assert answer.structured_content is not None
    assert answer.structured_content["rows"] == [["Zava Retail Seattle"]]
    declared = [tool["name"] for tool in manifest["tools"]]
    assert sorted(declared) == sorted(tool.name for tool in tools)


def test_the_bundle_s_server_is_its_own_zava(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path)
    asked = tmp_path / "src" / "asked.py"
    asked.write_text("import zava; print(zava.__file__)", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(asked)],
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout.strip() == str(tmp_path / "src" / "zava" / "__init__.py")


def test_the_registry_is_told_of_the_bundle_by_its_hash(bundle: Path) -> None:
    told = json.loads(bundle.with_name("server.json").read_text("utf-8"))
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", told["name"])
    assert told["name"] == "io.github.example-chain/zava"
    assert told["version"] == package.__version__
    assert 1 <= len(told["description"]) <= 100
    assert told["repository"] == {"url": OWNER, "source": "github"}
    assert {icon["mimeType"] for icon in told["icons"]} == {
        "image/png",
        "image/svg+xml",
    }
    for icon in told["icons"]:
        assert icon["src"].startswith("https://")
        assert len(icon["src"]) <= 255
        assert re.fullmatch(r"\d+x\d+|any", icon["sizes"][0])
    (one,) = told["packages"]
    assert one["registryType"] == "mcpb"
    assert one["identifier"] == (
        f"{OWNER}/releases/download/v{package.__version__}/zava.mcpb"
    )
    assert one["fileSha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert one["transport"] == {"type": "stdio"}


def test_a_second_database_has_a_bundle_of_another_name(tmp_path: Path) -> None:
    assert zava(tmp_path, "bundle", "b.mcpb", "--name", "outlet").returncode == 0
    with zipfile.ZipFile(tmp_path / "b.mcpb") as archive:
        told = json.loads(archive.read("manifest.json"))
    assert told["name"] == "outlet"
    assert told["display_name"] == "Zava Retail Analytics (outlet)"
    assert "default" not in told["user_config"]["host"]


def test_a_bundle_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    ran = zava(tmp_path, "bundle", "no-such-folder/zava.mcpb")
    assert "no-such-folder/zava.mcpb cannot be written" in refusal(ran)
    elsewhere = ("--repository", "https://example.com/zava")
    assert zava(tmp_path, "bundle", "zava.mcpb", *elsewhere).returncode == 2
