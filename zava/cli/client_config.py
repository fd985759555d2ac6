"""What to paste into an MCP client so that it starts the server."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

from zava.ai.client import AISettings, provider_of
from zava.infra.manager import NO_FILE
from zava.settings import PREFIX, Settings, variables

CONFIG_FILES = {
    "claude-desktop": "claude_desktop_config.json (Settings, Developer, Edit Config)",
    "vscode": ".vscode/mcp.json",
    "cursor": ".cursor/mcp.json",
}
"""Where each client keeps its configuration."""


def client_config(client: str, settings: Settings) -> dict[str, Any]:
    """Return the configuration of one of `CONFIG_FILES`, in that client's form."""
    command = _command()
    server: dict[str, Any] = {
        "command": command[0],
        "args": [*command[1:], "serve", "--user", settings.rls_user_id],
    }
    # The client starts the server with an environment and in a folder of its own.
    environment = settings.environment(
        *(name for name in Settings.model_fields if name not in _NOT_FOR_CLIENTS)
    )
    for name in ("data_dir", "log_file", "audit_file"):
        variable = f"{PREFIX}{name.upper()}"
        path = environment.get(variable)
        if path is not None and path != NO_FILE:
            environment[variable] = _whole(path)
    environment |= variables(*_PLACES)
    ai = AISettings()
    if provider_of(settings, ai) in ("openai", "azure"):
        environment |= ai.environment() | variables(*_NETWORK)
    if not settings.is_embedded:
        environment |= variables(*_LIBPQ)
    for variable in _PATHS & environment.keys():
        environment[variable] = _whole(environment[variable])
    if environment:
        server["env"] = environment
    if client == "vscode":
        return {"servers": {"zava": {"type": "stdio", **server}}}
    return {"mcpServers": {"zava": server}}


_NOT_FOR_CLIENTS = ("admin_url", "rls_user_id")
# Where the data folder and the log are by default.
_PLACES = ("XDG_DATA_HOME", "XDG_STATE_HOME")
# Variables of others that name a file or a folder.
_PATHS = frozenset(
    {
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "PGPASSFILE", "PGSERVICEFILE"),
        *("PGSYSCONFDIR", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL"),
        "PGSSLCRLDIR",
    }
)
# What the AI service's client reads of the environment.
_NETWORK = (
    *("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
_LIBPQ = frozenset(
    {
        *("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"),
        *("PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSSLMODE", "PGSSLROOTCERT"),
        *("PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGREQUIREAUTH", "PGCHANNELBINDING"),
        *("PGTARGETSESSIONATTRS", "PGGSSENCMODE", "PGKRBSRVNAME", "PGSSLNEGOTIATION"),
        *("PGSYSCONFDIR", "PGSSLCRLDIR", "PGSSLSNI", "PGSSLCERTMODE", "PGGSSLIB"),
        *("PGSSLMINPROTOCOLVERSION", "PGSSLMAXPROTOCOLVERSION", "PGREQUIRESSL"),
        *("PGOPTIONS", "PGLOADBALANCEHOSTS", "PGMINPROTOCOLVERSION"),
    }
)


def _command() -> tuple[str, ...]:
    """What starts this very zava.

    `python -m` would look into the client's project first, where a `click.py` may
    lie; a script looks beside itself, and `-I` nowhere but where packages are.
    """
    name = "zava.exe" if os.name == "nt" else "zava"
    asked = Path(sys.argv[0]).absolute()
    # The one that was asked comes first: it may belong to the user's own packages,
    # which `-I` leaves out.
    for script in (asked, Path(sysconfig.get_path("scripts"), name)):
        if script.name.lower() == name and script.is_file():
            return (str(script),)
    return (sys.executable, "-I", "-m", "zava")


def _whole(path: str) -> str:
    """A path as it is meant from whatever folder; `system` is libpq's own word."""
    return path if path == "system" else str(Path(path).expanduser().absolute())
