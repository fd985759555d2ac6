"""Where each client's file is on each system, as text: nothing is looked up."""

from __future__ import annotations

from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import pytest

from zava.cli.clients import CLIENTS, Machine
from zava.cli.connect import is_of_zava

LINUX = Machine("linux", PurePosixPath("/home/ann"), {})
MACOS = Machine("darwin", PurePosixPath("/Users/ann"), {})
WINDOWS = Machine("win32", PureWindowsPath(r"C:\Users\ann"), {})

FILES = {
    "claude-desktop": (
        "/home/ann/.config/Claude/claude_desktop_config.json",
        "/Users/ann/Library/Application Support/Claude/claude_desktop_config.json",
        r"C:\Users\ann\AppData\Roaming\Claude\claude_desktop_config.json",
    ),
    "claude-code": (
        "/home/ann/.claude.json",
        "/Users/ann/.claude.json",
        r"C:\Users\ann\.claude.json",
    ),
    "vscode": (
        "/home/ann/.config/Code/User/mcp.json",
        "/Users/ann/Library/Application Support/Code/User/mcp.json",
        r"C:\Users\ann\AppData\Roaming\Code\User\mcp.json",
    ),
    "cursor": (
        "/home/ann/.cursor/mcp.json",
        "/Users/ann/.cursor/mcp.json",
        r"C:\Users\ann\.cursor\mcp.json",
    ),
    "windsurf": (
        "/home/ann/.codeium/windsurf/mcp_config.json",
        "/Users/ann/.codeium/windsurf/mcp_config.json",
        r"C:\Users\ann\.codeium\windsurf\mcp_config.json",
    ),
    "zed": (
        "/home/ann/.config/zed/settings.json",
        "/Users/ann/.config/zed/settings.json",
        r"C:\Users\ann\AppData\Roaming\Zed\settings.json",
    ),
    "gemini-cli": (
        "/home/ann/.gemini/settings.json",
        "/Users/ann/.gemini/settings.json",
        r"C:\Users\ann\.gemini\settings.json",
    ),
    "codex": (
        "/home/ann/.codex/config.toml",
        "/Users/ann/.codex/config.toml",
        r"C:\Users\ann\.codex\config.toml",
    ),
    "lm-studio": (
        "/home/ann/.lmstudio/mcp.json",
        "/Users/ann/.lmstudio/mcp.json",
        r"C:\Users\ann\.lmstudio\mcp.json",
    ),
    "goose": (
        "/home/ann/.config/goose/config.yaml",
        "/Users/ann/.config/goose/config.yaml",
        r"C:\Users\ann\AppData\Roaming\Block\goose\config\config.yaml",
    ),
}


def test_the_table_is_of_every_client() -> None:
    assert set(FILES) == set(CLIENTS)


@pytest.mark.parametrize("client", FILES)
def test_a_client_s_file_is_where_its_system_keeps_it(client: str) -> None:
    found = [CLIENTS[client].file(machine) for machine in (LINUX, MACOS, WINDOWS)]
    assert tuple(map(str, found)) == FILES[client]


@pytest.mark.parametrize(
    ("client", "system", "variable", "file"),
    [
        ("claude-code", "linux", "CLAUDE_CONFIG_DIR", "/x/.claude.json"),
        ("codex", "darwin", "CODEX_HOME", "/x/config.toml"),
        ("gemini-cli", "linux", "GEMINI_CLI_HOME", "/x/.gemini/settings.json"),
        ("goose", "darwin", "XDG_CONFIG_HOME", "/x/goose/config.yaml"),
        ("vscode", "linux", "XDG_CONFIG_HOME", "/x/Code/User/mcp.json"),
        ("vscode", "win32", "APPDATA", "/x/Code/User/mcp.json"),
        ("zed", "linux", "XDG_CONFIG_HOME", "/x/zed/settings.json"),
    ],
)
def test_a_variable_moves_a_client_s_file(
    client: str, system: str, variable: str, file: str
) -> None:
    machine = Machine(system, PurePosixPath("/home/ann"), {variable: "/x"})
    assert CLIENTS[client].file(machine) == PurePosixPath(file)


def test_the_packaged_claude_desktop_of_windows_reads_a_folder_of_its_own(
    tmp_path: Path,
) -> None:
    machine = Machine("win32", tmp_path, {"LOCALAPPDATA": str(tmp_path / "Local")})
    find = CLIENTS["claude-desktop"].file
    inner = "LocalCache/Roaming/Claude"
    packages = tmp_path / "Local" / "Packages"
    for name in ("Claude_a", "Claude_b", "Other"):
        (packages / name / inner).mkdir(parents=True)
    file = "claude_desktop_config.json"
    assert find(machine) == packages / "Claude_a" / inner / file
    (packages / "Claude_b" / inner / file).touch()
    assert find(machine) == packages / "Claude_b" / inner / file


def test_lm_studio_says_itself_where_it_is(tmp_path: Path) -> None:
    machine = Machine("linux", tmp_path, {})
    find = CLIENTS["lm-studio"].file
    pointer = tmp_path / ".lmstudio-home-pointer"
    pointer.write_text(f"{tmp_path / 'gone'}\n", encoding="utf-8")
    assert find(machine) == tmp_path / ".lmstudio" / "mcp.json"
    (tmp_path / "elsewhere").mkdir()
    pointer.write_text(f"{tmp_path / 'elsewhere'}\n", encoding="utf-8")
    assert find(machine) == tmp_path / "elsewhere" / "mcp.json"


@pytest.mark.parametrize(
    ("entry", "is_own"),
    [
        ({"command": "/opt/zava", "args": ["serve", "--user", "x"]}, True),
        ({"command": r"C:\py\Scripts\zava.exe", "args": ["serve"]}, True),
        ({"command": "python", "args": ["-I", "-m", "zava", "serve"]}, True),
        ({"cmd": "uvx", "args": ["zava", "serve"]}, True),
        ({"command": "zava-shop", "args": ["serve"]}, False),
        ({"command": "npx", "args": ["zava"]}, False),
        ({"command": "zava", "args": "serve"}, False),
        ({"url": "https://shop.example/mcp"}, False),
    ],
)
def test_an_entry_is_zava_s_if_it_starts_zava_serve(
    entry: dict[str, Any], is_own: bool
) -> None:
    assert is_of_zava(entry) is is_own


def test_a_machine_is_this_one() -> None:
    here = Machine.this()
    assert here.home == Path.home()
    assert isinstance(here.home, PurePath)
