"""`zava bundle`: an installer for people who never see a configuration file."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import click

import zava
from zava.cli.command import explain_errors
from zava.cli.connect import DEFAULT_NAME, name_option
from zava.errors import ConfigurationError

DESCRIPTION = "Sales, customers, stock and products of a retail chain, from PostgreSQL"
"""At most 100 characters: the registry's limit."""

_PYTHON = ">=3.10 <3.14"
_SOURCES = "src"
# Of the extras, for people who cannot install anything later: the model that finds
# products by meaning, charts, and typed tables.
_EXTRAS = ("wordllama", "vl-convert-python", "XlsxWriter")
# Every build of one version has the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_GITHUB = re.compile(
    r"https://github\.com/([A-Za-z0-9-]+)/([A-Za-z0-9._-]+?)(?:\.git)?/?"
)

_START = """\
from zava.cli import main

main(["serve"])
"""

_PROJECT = """\
[project]
name = "zava-bundle"
version = {version}
requires-python = {python}
dependencies = {dependencies}

[tool.uv]
package = false
"""


def _check_repository(
    _context: click.Context, _parameter: click.Parameter, url: str | None
) -> str | None:
    if url is not None and not _GITHUB.fullmatch(url):
        raise click.BadParameter("not the address of a repository on github.com")
    return url


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@name_option
@click.option("--host", default="", help="Host that the form proposes.")
@click.option("--port", type=click.IntRange(1, 65535), default=5432, show_default=True)
@click.option("--database", default="", help="Database that the form proposes.")
@click.option(
    "--sslmode",
    type=click.Choice(
        ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
    ),
    default="prefer",
    show_default=True,
    help="How the connection is encrypted.",
)
@click.option(
    "--repository",
    metavar="URL",
    callback=_check_repository,
    help="GitHub repository whose release will hold FILE: also writes server.json.",
)
@explain_errors
def bundle(
    file: Path,
    name: str,
    host: str,
    port: int,
    database: str,
    sslmode: str,
    repository: str | None,
) -> None:
    """Write an MCP bundle (.mcpb) that installs zava with a double click.

    It holds this zava, no password and no data. The client shows a form for the
    connection and the person, keeps the password safe, and installs what zava needs.

    \b
    Example:
      zava bundle zava.mcpb --host db.example --database retail
    """
    proposed = {"host": host, "port": str(port), "database": database}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in sorted(_contents(name, proposed, sslmode)):
            entry = zipfile.ZipInfo(member, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    _write(file, written.getvalue())
    if repository is not None:
        described = json.dumps(server_json(file, repository), indent=2)
        _write(file.with_name("server.json"), f"{described}\n".encode())


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as exc:
        raise ConfigurationError(f"{file} cannot be written: {exc.strerror}") from None
    click.echo(f"wrote {file}, {len(content):,} bytes")


def _contents(
    name: str, proposed: dict[str, str], sslmode: str
) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the bundle: name and content."""
    from zava.data.statements import database_file

    yield (
        "manifest.json",
        f"{json.dumps(manifest(name, proposed, sslmode), indent=2)}\n".encode(),
    )
    yield "pyproject.toml", _project().encode()
    yield "icon.png", icon()
    yield f"{_SOURCES}/server.py", _START.encode()
    package = Path(str(resources.files(zava)))
    database = package / "database"
    for path in package.rglob("*"):
        is_own = "__pycache__" not in path.parts and not path.is_relative_to(database)
        if is_own and path.is_file():
            member = path.relative_to(package).as_posix()
            yield f"{_SOURCES}/zava/{member}", path.read_bytes()
    # What `zava serve` compares a database with.
    schema = database_file("schema.sql").read_bytes()
    yield f"{_SOURCES}/zava/database/schema.sql", schema


def icon() -> bytes:
    """Return zava's picture, a PNG of 512 by 512 points."""
    return resources.files(zava).joinpath("icon.png").read_bytes()


def _project() -> str:
    """Return the pyproject.toml from which uv installs what zava needs."""
    required = metadata.requires("zava") or []
    needed = [one for one in required if "extra ==" not in one]
    needed += [one.split(";")[0] for one in required if one.startswith(_EXTRAS)]
    return _PROJECT.format(
        version=json.dumps(zava.__version__),
        python=json.dumps(_PYTHON.replace(" ", ", ")),
        dependencies=json.dumps(list(dict.fromkeys(needed)), indent=2),
    )


def manifest(name: str, proposed: dict[str, str], sslmode: str) -> dict[str, Any]:
    """Return the bundle's manifest, of version 0.4.

    Args:
        name: What the client calls the server.
        proposed: Values that the form begins with, by field.
        sslmode: libpq's word for how the connection is encrypted.
    """
    from zava.protocol.tools import DECLARED

    def field(title: str, description: str, **more: Any) -> dict[str, Any]:
        return {
            "type": "string",
            "title": title,
            "description": description,
            "required": True,
            **more,
        }

    fields = {
        "host": field("Database server", "Its name or address, such as db.example"),
        "port": field("Port", "5432 unless your administrator says otherwise"),
        "database": field("Database", "The name of the database, such as retail"),
        "login": field(
            "Login", "The database login that `zava login add` made for you"
        ),
        "password": field("Password", "The password of this login", sensitive=True),
        "person": field("User id", "Who you are, as `zava users` lists it"),
    }
    for of, value in proposed.items():
        if value:
            fields[of]["default"] = value
    variables = {
        "ZAVA_DB_HOST": "host",
        "ZAVA_DB_PORT": "port",
        "ZAVA_DB_NAME": "database",
        "ZAVA_DB_USER": "login",
        "ZAVA_DB_PASSWORD": "password",
        "ZAVA_RLS_USER_ID": "person",
    }
    taken = {one: f"${{user_config.{of}}}" for one, of in variables.items()}
    title = "Zava Retail Analytics"
    entry_point = f"{_SOURCES}/server.py"
    return {
        "manifest_version": "0.4",
        "name": name,
        "display_name": title if name == DEFAULT_NAME else f"{title} ({name})",
        "version": zava.__version__,
        "description": DESCRIPTION,
        "author": {"name": "The zava developers"},
        "license": "MIT",
        "icon": "icon.png",
        "icons": [{"src": "icon.png", "size": "512x512"}],
        "keywords": ["retail", "postgresql", "analytics", "sales"],
        "server": {
            "type": "uv",
            "entry_point": entry_point,
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", entry_point],
                "env": {**taken, "PGSSLMODE": sslmode},
            },
        },
        "tools": [
            {"name": each.function.__name__, "description": each.title}
            for each in DECLARED
        ],
        "user_config": fields,
        "compatibility": {
            "platforms": ["darwin", "win32", "linux"],
            "runtimes": {"python": _PYTHON},
        },
    }


def server_json(file: Path, repository: str) -> dict[str, Any]:
    """Return what the MCP registry is told of a release that holds the bundle.

    Args:
        file: The bundle.
        repository: Address of the repository on GitHub.
    """
    found = _GITHUB.fullmatch(repository)
    owner, project = found.groups() if found else ("", "")
    home = f"https://github.com/{owner}/{project}"
    tag = f"v{zava.__version__}"
    raw = f"https://raw.githubusercontent.com/{owner}/{project}/{tag}/zava"
    return {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": f"io.github.{owner}/{project}",
        "title": "Zava Retail Analytics",
        "description": DESCRIPTION,
        "version": zava.__version__,
        "repository": {"url": home, "source": "github"},
        "icons": [
            {"src": f"{raw}/icon.png", "mimeType": "image/png", "sizes": ["512x512"]},
            {"src": f"{raw}/icon.svg", "mimeType": "image/svg+xml", "sizes": ["any"]},
        ],
        "packages": [
            {
                "registryType": "mcpb",
                "identifier": f"{home}/releases/download/{tag}/{file.name}",
                "version": zava.__version__,
                "fileSha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "transport": {"type": "stdio"},
            }
        ],
    }
