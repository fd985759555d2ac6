"""What makes an MCP client start the server: command, variables, links to install."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from zava.ai.client import AISettings, provider_of
from zava.infra.manager import NO_FILE
from zava.infra.masking import MASK, mask_secrets
from zava.settings import PREFIX, Settings, variables


def server_config(settings: Settings) -> dict[str, Any]:
    """Return `command`, `args` and, where there is any, `env` of a server.

    Args:
        settings: What the server is to have; `rls_user_id` is the person it serves.
    """
    command = _command()
    server: dict[str, Any] = {
        "command": command[0],
        "args": [*command[1:], "serve", "--user", settings.rls_user_id],
    }
    # The client starts the server with an environment and in a folder of its own.
    environment = settings.environment(
        *(name for name in Settings.model_fields if name not in _NOT_FOR_CLIENTS)
    )
    for name in ("data_dir", "log_file", "audit_file", "export_dir"):
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
    return server


_NOT_FOR_CLIENTS = ("admin_url", "rls_user_id")
# Where the data folder, the log and the exports are by default.
_PLACES = ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DOCUMENTS_DIR")
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

_URL = f"{PREFIX}DATABASE_URL"
_PASSWORD = "PGPASSWORD"  # noqa: S105 - libpq's variable
_SECRET_NAME = re.compile(r"PASSWORD|KEY|TOKEN|SECRET", re.IGNORECASE)


def masked(variables: Mapping[str, str], former: Mapping[str, str]) -> dict[str, str]:
    """Return variables as they can be shown, without secrets.

    Args:
        variables: Names and values.
        former: What they were before; a secret that is another now is marked.
    """
    shown = {}
    for name, value in variables.items():
        mark = MASK if former.get(name, value) == value else f"{MASK} (changed)"
        if name == _URL:
            plain, password = _split(value)
            shown[name] = f"{plain} password={mark}" if password else plain
        elif _is_secret(name, value):
            shown[name] = mark
        else:
            shown[name] = value
    return shown


def _split(url: str) -> tuple[str, str]:
    """Return a connection string without its password, and the password."""
    from zava.data.pool import without_password

    return without_password(url)


def _is_secret(name: str, value: str) -> bool:
    names_secret = _SECRET_NAME.search(name) and name not in _PATHS
    return bool(names_secret) or mask_secrets(value) != value


def _without_secrets(server: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Return a server's variables without secrets, and the names of those."""
    public: dict[str, str] = {}
    secret = []
    for name, value in server.get("env", {}).items():
        if name == _URL:
            public[name], password = _split(value)
            if password:
                secret.append(_PASSWORD)
        elif _is_secret(name, value):
            secret.append(name)
        else:
            public[name] = value
    return public, secret


def install_link(client: str, name: str, server: Mapping[str, Any]) -> str:
    """Return a link that installs the server in a client, without secrets.

    VS Code asks for the secrets; Cursor takes them from its own environment.

    Args:
        client: Its name; for others than VS Code and Cursor there is no link.
        name: What the client calls the server.
        server: As of `server_config`.

    Returns:
        The link, "" where there is none.
    """
    public, secret = _without_secrets(server)
    if client == "cursor":
        taken = {variable: f"${{env:{variable}}}" for variable in secret}
        config = {**server, "env": {**public, **taken}}
        encoded = base64.b64encode(_compact(config).encode()).decode()
        return (
            "cursor://anysphere.cursor-deeplink/mcp/install"
            f"?name={quote(name, safe='')}&config={quote(encoded, safe='')}"
        )
    if client != "vscode":
        return ""
    ids = {variable: f"{name}-{variable.lower()}" for variable in secret}
    asked = {variable: f"${{input:{id_}}}" for variable, id_ in ids.items()}
    config = {"name": name, "type": "stdio", **server, "env": {**public, **asked}}
    if ids:
        config["inputs"] = [
            {
                "type": "promptString",
                "id": id_,
                "description": _MEANING.get(variable, variable),
                "password": True,
            }
            for variable, id_ in ids.items()
        ]
    return f"vscode:mcp/install?{quote(_compact(config), safe='')}"


_MEANING = {_PASSWORD: "Password of the database login"}


def _compact(config: Mapping[str, Any]) -> str:
    return json.dumps(config, separators=(",", ":"))


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
