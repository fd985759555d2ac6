"""The MCP clients that zava can be entered in: their files, and the form of these."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from zava.cli.client_files import JsonText, Language, TomlText, YamlText
from zava.settings import variables

Server = Mapping[str, Any]
"""What starts a server: `command`, `args`, and `env` where there is one."""

_FOLDERS = (
    *("APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME"),
    *("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME"),
)


_JSON = JsonText()


@dataclass(frozen=True)
class Machine:
    """What decides where a client keeps its file.

    Attributes:
        system: As `sys.platform` has it.
        home: The person's folder.
        variables: Those of the environment that name folders.
    """

    system: str
    home: PurePath
    variables: Mapping[str, str]

    @classmethod
    def this(cls) -> Machine:
        """Return the machine that zava runs on."""
        given = {name.upper(): value for name, value in variables(*_FOLDERS).items()}
        return cls(sys.platform, Path.home(), given)

    def folder(self, variable: str, *default: str) -> PurePath:
        """Return the folder that a variable names, else one below the person's."""
        named = self.variables.get(variable)
        return type(self.home)(named) if named else self.home.joinpath(*default)

    @property
    def settings(self) -> PurePath:
        """Where programs with windows keep their settings."""
        if self.system == "win32":
            return self.folder("APPDATA", "AppData", "Roaming")
        if self.system == "darwin":
            return self.home / "Library" / "Application Support"
        return self.folder("XDG_CONFIG_HOME", ".config")


@dataclass(frozen=True)
class Client:
    """One MCP client.

    Attributes:
        title: Its name, as its maker writes it.
        file: Returns its configuration file on a machine.
        table: What holds the servers in that file.
        entry: Returns a server in the client's own form, by the entry's name.
        language: Of the file.
        place: The file in words, for those who paste.
    """

    title: str
    file: Callable[[Machine], PurePath]
    place: str
    table: str = "mcpServers"
    entry: Callable[[str, Server], dict[str, Any]] = lambda _name, server: dict(server)
    language: Language = _JSON


def _claude_desktop(machine: Machine) -> PurePath:
    name = "claude_desktop_config.json"
    if machine.system == "win32":
        # The packaged app of Windows sees a folder of its own in place of APPDATA.
        local = Path(str(machine.folder("LOCALAPPDATA", "AppData", "Local")))
        inner = "LocalCache/Roaming/Claude"
        packaged = sorted(local.glob(f"Packages/Claude_*/{inner}"))
        with_file = [folder for folder in packaged if (folder / name).exists()]
        for folder in (*with_file, *packaged):
            return folder / name
    return machine.settings / "Claude" / name


def _zed(machine: Machine) -> PurePath:
    if machine.system == "darwin":
        return machine.home / ".config" / "zed" / "settings.json"
    folder = "Zed" if machine.system == "win32" else "zed"
    return machine.settings / folder / "settings.json"


def _lm_studio(machine: Machine) -> PurePath:
    # An installation in another folder says so in this file.
    pointer = Path(str(machine.home / ".lmstudio-home-pointer"))
    if pointer.is_file():
        folder = Path(pointer.read_text("utf-8").strip())
        if folder.is_absolute() and folder.is_dir():
            return folder / "mcp.json"
    return machine.home / ".lmstudio" / "mcp.json"


def _goose(machine: Machine) -> PurePath:
    if machine.system == "win32":
        return machine.settings / "Block" / "goose" / "config" / "config.yaml"
    folder = machine.folder("XDG_CONFIG_HOME", ".config")
    return folder / "goose" / "config.yaml"


def _stdio_entry(_name: str, server: Server) -> dict[str, Any]:
    return {"type": "stdio", **server}


def _zed_entry(_name: str, server: Server) -> dict[str, Any]:
    return {"source": "custom", **server}


def _goose_entry(name: str, server: Server) -> dict[str, Any]:
    return {
        "enabled": True,
        "type": "stdio",
        "name": name,
        "description": "Sales, customers, stock and products of a retail chain",
        "cmd": server["command"],
        "args": server["args"],
        "envs": server.get("env", {}),
        "env_keys": [],
        "timeout": 300,
    }


CLIENTS = {
    "claude-desktop": Client(
        "Claude Desktop",
        _claude_desktop,
        "claude_desktop_config.json (Settings, Developer, Edit Config)",
    ),
    "claude-code": Client(
        "Claude Code",
        lambda machine: machine.folder("CLAUDE_CONFIG_DIR") / ".claude.json",
        "~/.claude.json, or .mcp.json of a project",
        entry=_stdio_entry,
    ),
    "vscode": Client(
        "VS Code",
        lambda machine: machine.settings / "Code" / "User" / "mcp.json",
        "mcp.json (MCP: Open User Configuration), or .vscode/mcp.json of a project",
        table="servers",
        entry=_stdio_entry,
    ),
    "cursor": Client(
        "Cursor",
        lambda machine: machine.home / ".cursor" / "mcp.json",
        "~/.cursor/mcp.json, or .cursor/mcp.json of a project",
    ),
    "windsurf": Client(
        "Windsurf",
        lambda machine: machine.home / ".codeium" / "windsurf" / "mcp_config.json",
        "~/.codeium/windsurf/mcp_config.json",
    ),
    "zed": Client(
        "Zed",
        _zed,
        "settings.json (zed: open settings)",
        table="context_servers",
        entry=_zed_entry,
    ),
    "gemini-cli": Client(
        "Gemini CLI",
        lambda machine: machine.folder("GEMINI_CLI_HOME") / ".gemini" / "settings.json",
        "~/.gemini/settings.json",
    ),
    "codex": Client(
        "Codex CLI",
        lambda machine: machine.folder("CODEX_HOME", ".codex") / "config.toml",
        "~/.codex/config.toml",
        table="mcp_servers",
        language=TomlText(),
    ),
    "lm-studio": Client(
        "LM Studio",
        _lm_studio,
        "~/.lmstudio/mcp.json (Program, Install, Edit mcp.json)",
    ),
    "goose": Client(
        "Goose",
        _goose,
        "~/.config/goose/config.yaml",
        table="extensions",
        entry=_goose_entry,
        language=YamlText(),
    ),
}
"""The clients by the names that `zava client-config` takes."""
