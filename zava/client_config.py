"""What to paste into an MCP client so that it starts the server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from zava.infra.ai import AISettings, provider_of
from zava.infra.manager import NO_FILE
from zava.settings import PREFIX, Settings

CONFIG_FILES = {
    "claude-desktop": "claude_desktop_config.json (Settings, Developer, Edit Config)",
    "vscode": ".vscode/mcp.json",
    "cursor": ".cursor/mcp.json",
}
"""Where each client keeps its configuration."""


def client_config(client: str, settings: Settings) -> dict[str, Any]:
    """Return the configuration of one of `CONFIG_FILES`, in that client's form."""
    server: dict[str, Any] = {
        "command": sys.executable,
        "args": ["-m", "zava", "serve", "--user", settings.rls_user_id],
    }
    # The client starts the server with an environment and in a folder of its own.
    environment = settings.environment(
        *(name for name in Settings.model_fields if name not in _NOT_FOR_CLIENTS)
    )
    for name in ("data_dir", "log_file"):
        variable = f"{PREFIX}{name.upper()}"
        path = environment.get(variable)
        if path is not None and path != NO_FILE:
            environment[variable] = str(Path(path).absolute())
    ai = AISettings()
    if provider_of(settings, ai) in ("openai", "azure"):
        environment |= ai.environment()
    if environment:
        server["env"] = environment
    if client == "vscode":
        return {"servers": {"zava": {"type": "stdio", **server}}}
    return {"mcpServers": {"zava": server}}


_NOT_FOR_CLIENTS = ("admin_url", "rls_user_id")
