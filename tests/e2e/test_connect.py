"""`zava client-config --write` and `--remove`, with each client's own file."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from mcp import Client, StdioServerParameters

from tests.e2e.command_line import Ran, refusal, zava
from tests.e2e.stdio_process import environment
from tests.people import REDMOND, SEATTLE
from zava.cli.clients import CLIENTS

SECRET = "s3cr\\'et \"pw"  # in libpq's quoting
URL = f"user=seattle password='{SECRET}' host=db.example dbname=retail"
FILES = {
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "claude-code": ".claude.json",
    "vscode": ".config/Code/User/mcp.json",
    "cursor": ".cursor/mcp.json",
    "windsurf": ".codeium/windsurf/mcp_config.json",
    "zed": ".config/zed/settings.json",
    "gemini-cli": ".gemini/settings.json",
    "codex": ".codex/config.toml",
    "lm-studio": ".lmstudio/mcp.json",
    "goose": ".config/goose/config.yaml",
}
# What stands in each file before zava comes: comments where the language has them.
THERE = {
    "codex": '# mine\nmodel = "o3"  # the best\n\n[mcp_servers.other]\ncommand = "x"\n',
    "goose": "# mine\nGOOSE_MODEL: gpt\nextensions:\n  other:\n    cmd: x  # mine\n",
}


def there(client: str) -> str:
    table = CLIENTS[client].table
    comment = "// mine\n" if client in ("vscode", "zed") else ""
    other = '{\n      "command": "x",\n      "env": {"API_KEY": "of-another"}\n    }'
    text = f'{{\n  "a": [1],\n  "{table}": {{\n    "other": {other}\n  }}\n}}\n'
    return THERE.get(client, comment + text)


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `zava client-config` of somebody whose home is the test's folder."""

    def run_one(*arguments: str, **variables: str) -> Ran:
        known = {"HOME": str(tmp_path), "ZAVA_DATABASE_URL": URL, **variables}
        return zava(tmp_path, "client-config", *arguments, **known)

    return run_one


def entry(file: Path, client: str, name: str = "zava") -> dict[str, Any]:
    """What a client reads of its file."""
    found = CLIENTS[client].language.parse(file.read_text("utf-8"))
    return dict(found[CLIENTS[client].table][name])


def started_by(written: dict[str, Any]) -> tuple[str, list[str], dict[str, str]]:
    """Command, arguments and variables of an entry, as the client calls them."""
    return (
        written.get("command") or written["cmd"],
        written["args"],
        written.get("env") or written["envs"],
    )


def placed(tmp_path: Path, client: str, mode: int = 0o600) -> Path:
    """A client's file as it is before zava comes."""
    file = tmp_path / FILES[client]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(there(client), encoding="utf-8")
    file.chmod(mode)
    return file


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.thorough
@pytest.mark.once
@pytest.mark.parametrize("client", FILES)
def test_an_entry_goes_into_a_client_s_file_and_out_of_it(
    run: Run, tmp_path: Path, client: str
) -> None:
    file = placed(tmp_path, client)
    wrote = run("--write", client, "--user", SEATTLE)
    assert wrote.returncode == 0, wrote.stderr
    assert f"wrote {file}; what it was before is in {file.name}.zava-1.bak" in (
        wrote.stderr
    )
    assert wrote.stdout.startswith(f"--- {file}\n+++ {file}\n@@ ")
    assert "+" in wrote.stdout
    assert "***" in wrote.stdout
    for secret in ("s3cr", "et \\", "of-another"):
        assert secret not in wrote.stdout + wrote.stderr
    written = entry(file, client)
    assert (written.get("env") or written["envs"])["ZAVA_DATABASE_URL"] == URL
    assert written["args"][-3:] == ["serve", "--user", SEATTLE]
    assert entry(file, client, "other")
    backup = file.with_name(f"{file.name}.zava-1.bak")
    assert backup.read_text("utf-8") == there(client)

    again = run("--write", client, "--user", SEATTLE)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == (
        f"{CLIENTS[client].title} starts zava like this already; {file} is unchanged\n"
    )

    removed = run("--remove", client)
    assert removed.returncode == 0, removed.stderr
    assert "s3cr" not in removed.stdout
    assert file.read_text("utf-8") == there(client)
    once_more = run("--remove", client)
    assert once_more.returncode == 0
    assert once_more.stdout == f"{file} has no server zava: it is unchanged\n"
    assert len(list(file.parent.glob(f"{file.name}.zava-*.bak"))) == 2


@pytest.mark.thorough
@pytest.mark.once
@pytest.mark.parametrize("client", FILES)
def test_a_new_file_is_private_and_says_to_every_client_the_same(
    run: Run, tmp_path: Path, server_conninfo: str, client: str
) -> None:
    wrote = run("--write", client, "--user", SEATTLE, ZAVA_DATABASE_URL=server_conninfo)
    assert wrote.returncode == 0, wrote.stderr
    file = tmp_path / FILES[client]
    assert wrote.stderr.splitlines()[-2:] == [
        f"wrote {file}",
        f"restart {CLIENTS[client].title} to use it",
    ]
    assert mode(file) == 0o600
    printed = run("cursor", "--user", SEATTLE, ZAVA_DATABASE_URL=server_conninfo)
    assert started_by(entry(file, client)) == started_by(
        json.loads(printed.stdout)["mcpServers"]["zava"]
    )


@pytest.mark.thorough
@pytest.mark.once
@pytest.mark.anyio
async def test_what_a_file_says_starts_a_server_that_answers(
    run: Run, tmp_path: Path, server_conninfo: str
) -> None:
    wrote = run(
        "--write", "cursor", "--user", SEATTLE, ZAVA_DATABASE_URL=server_conninfo
    )
    assert wrote.returncode == 0, wrote.stderr
    command, args, env = started_by(entry(tmp_path / FILES["cursor"], "cursor"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    parameters = StdioServerParameters(
        command=command, args=args, env={**environment(), **env}, cwd=elsewhere
    )
    async with Client(parameters) as session:
        assert session.server_info is not None
        assert session.server_info.name == "Zava Retail Analytics"


def test_two_databases_have_two_names_in_one_client(run: Run, tmp_path: Path) -> None:
    file = placed(tmp_path, "cursor")
    assert run("--write", "cursor", "--user", SEATTLE).returncode == 0
    second = run("--write", "cursor", "--user", REDMOND, "--name", "other-chain")
    assert second.returncode == 0, second.stderr
    assert entry(file, "cursor")["args"][-1] == SEATTLE
    assert entry(file, "cursor", "other-chain")["args"][-1] == REDMOND
    asked = run("--remove", "cursor", "--name", "third")
    assert "zava's are zava, other-chain: --name" in asked.stdout
    assert run("--remove", "cursor").returncode == 0
    assert entry(file, "cursor", "other-chain")["args"][-1] == REDMOND
    wrong = run("--write", "cursor", "--user", SEATTLE, "--name", "a b")
    assert wrong.returncode == 2


def test_a_new_password_shows_as_a_change_without_either_password(
    run: Run, tmp_path: Path
) -> None:
    placed(tmp_path, "codex")
    old, new = (URL.replace(SECRET, word) for word in ("former", "latter"))
    assert run("--write", "codex", "--user", SEATTLE, ZAVA_DATABASE_URL=old).stdout
    changed = run("--write", "codex", "--user", SEATTLE, ZAVA_DATABASE_URL=new)
    shown = [line for line in changed.stdout.splitlines()[2:] if line[0] in "+-"]
    assert len(shown) == 2
    assert shown[1].endswith('password=*** (changed)"')
    assert "former" not in changed.stdout
    assert "latter" not in changed.stdout


def test_what_a_person_added_to_the_entry_stays(run: Run, tmp_path: Path) -> None:
    file = placed(tmp_path, "gemini-cli")
    assert run("--write", "gemini-cli", "--user", SEATTLE).returncode == 0
    data = json.loads(file.read_text("utf-8"))
    data["mcpServers"]["zava"]["trust"] = True
    file.write_text(json.dumps(data, indent=4), encoding="utf-8")
    assert run("--write", "gemini-cli", "--user", REDMOND).returncode == 0
    assert entry(file, "gemini-cli")["trust"] is True
    assert entry(file, "gemini-cli")["args"][-1] == REDMOND


def test_a_dry_run_shows_the_change_and_makes_none(run: Run, tmp_path: Path) -> None:
    file = placed(tmp_path, "zed")
    ran = run("--write", "zed", "--user", SEATTLE, "--dry-run")
    assert ran.returncode == 0
    assert '+    "zava": {' in ran.stdout
    assert file.read_text("utf-8") == there("zed")
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    new = run("--write", "windsurf", "--user", SEATTLE, "--dry-run")
    assert new.returncode == 0
    assert not (tmp_path / FILES["windsurf"]).parent.exists()


def test_a_file_keeps_its_mode_and_a_link_stays_one(run: Run, tmp_path: Path) -> None:
    file = placed(tmp_path, "vscode", 0o640)
    target = tmp_path / "dotfiles.json"
    file.rename(target)
    file.symlink_to(target)
    wrote = run("--write", "vscode", "--user", SEATTLE)
    assert wrote.returncode == 0, wrote.stderr
    assert file.is_symlink()
    assert mode(target) == 0o640
    assert mode(target.with_name("dotfiles.json.zava-1.bak")) == 0o640
    assert f"other people of this machine can read the password in {target}" in (
        wrote.stderr
    )


def test_another_file_can_be_named(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "project" / ".vscode" / "mcp.json"
    ran = run("--write", "vscode", "--user", SEATTLE, "--file", str(file))
    assert ran.returncode == 0, ran.stderr
    assert entry(file, "vscode")["type"] == "stdio"
    assert not (tmp_path / FILES["vscode"]).exists()


def test_the_mark_and_the_line_ends_of_windows_stay(run: Run, tmp_path: Path) -> None:
    file = placed(tmp_path, "vscode")
    raw = b"\xef\xbb\xbf" + there("vscode").replace("\n", "\r\n").encode()
    file.write_bytes(raw)
    assert run("--write", "vscode", "--user", SEATTLE).returncode == 0
    written = file.read_bytes()
    assert written.startswith(b"\xef\xbb\xbf// mine\r\n")
    assert written.count(b"\n") == written.count(b"\r\n") > raw.count(b"\n")
    assert run("--remove", "vscode").returncode == 0
    assert file.read_bytes() == raw


@pytest.mark.parametrize(
    ("client", "raw", "told"),
    [
        ("cursor", b'{"mcpServers": {', "cannot be edited: Expecting"),
        ("cursor", b'{"mcpServers": []}', "mcpServers does not hold servers"),
        ("cursor", b"\xff\xfe{", "is not UTF-8"),
        ("codex", b"mcp_servers = 1 1\n", "cannot be edited: "),
        ("codex", b"mcp_servers = {a = {command = 'x'}}\n", "a form that zava"),
        ("goose", b"extensions: [\n", "cannot be edited: "),
        (
            "cursor",
            b'{"mcpServers": {"zava": {"command": "npx", "args": ["zava"]}}}',
            "is not zava's",
        ),
    ],
)
def test_what_cannot_be_edited_is_refused_and_left_alone(
    run: Run, tmp_path: Path, client: str, raw: bytes, told: str
) -> None:
    file = placed(tmp_path, client)
    file.write_bytes(raw)
    line = refusal(run("--write", client, "--user", SEATTLE))
    assert told in line
    assert "it is unchanged" in line
    assert file.read_bytes() == raw
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_folder_in_the_file_s_place_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / FILES["cursor"]).mkdir(parents=True)
    assert "Cursor" in refusal(run("--write", "cursor", "--user", SEATTLE))


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("claude", "claude-desktop or claude-code?"),
        ("codex-cli", "codex?"),
        ("vs-code", "vscode?"),
        ("LM Studio", "lm-studio?"),
    ],
)
def test_a_client_that_is_not_known_is_answered_with_those_near_it(
    run: Run, asked: str, near: str
) -> None:
    ran = run("--write", asked, "--user", SEATTLE)
    assert ran.returncode == 2
    assert f"did you mean {near} known are claude-desktop, " in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--write", "--remove"), ("--dry-run",), ("--file", "x.json")],
    ids=" ".join,
)
def test_options_that_mean_nothing_together_are_refused(
    run: Run, arguments: tuple[str, ...]
) -> None:
    assert run("cursor", "--user", SEATTLE, *arguments).returncode == 2


def link_of(ran: Ran) -> str:
    (link,) = (line for line in ran.stderr.splitlines() if "mcp/install?" in line)
    assert "s3cr" not in unquote(link)
    return link


@pytest.mark.once
@pytest.mark.thorough
@pytest.mark.parametrize("client", FILES)
def test_what_is_printed_is_what_would_be_written(
    run: Run, tmp_path: Path, client: str
) -> None:
    printed = run(client, "--user", SEATTLE)
    assert printed.returncode == 0
    assert run("--write", client, "--user", SEATTLE).returncode == 0
    assert (tmp_path / FILES[client]).read_text("utf-8") == printed.stdout


def test_the_link_for_vs_code_asks_for_the_password(run: Run) -> None:
    ran = run("vscode", "--user", SEATTLE, "--name", "shop", OPENAI_API_KEY="sk-s3cr")
    scheme, _, encoded = link_of(ran).partition("?")
    assert scheme == "vscode:mcp/install"
    config = json.loads(unquote(encoded))
    assert config["name"] == "shop"
    assert config["env"]["PGPASSWORD"] == "${input:shop-pgpassword}"
    assert config["env"]["OPENAI_API_KEY"] == "${input:shop-openai_api_key}"
    assert config["env"]["ZAVA_DATABASE_URL"] == (
        "user=seattle dbname=retail host=db.example"
    )
    asked = {one["id"]: one for one in config["inputs"]}
    assert set(asked) == {"shop-pgpassword", "shop-openai_api_key"}
    assert {one["type"] for one in asked.values()} == {"promptString"}
    assert all(one["password"] for one in asked.values())


@pytest.mark.thorough
@pytest.mark.once
@pytest.mark.anyio
async def test_the_link_for_cursor_starts_a_server_with_the_password_from_outside(
    run: Run, server_conninfo: str, tmp_path: Path
) -> None:
    url = f"{server_conninfo} password=unused-s3cr"
    ran = run("cursor", "--user", SEATTLE, ZAVA_DATABASE_URL=url)
    parts = urlsplit(link_of(ran))
    assert (parts.scheme, parts.netloc + parts.path) == (
        "cursor",
        "anysphere.cursor-deeplink/mcp/install",
    )
    query = parse_qs(parts.query)
    assert query["name"] == ["zava"]
    config = json.loads(base64.b64decode(query["config"][0]))
    assert config["env"]["PGPASSWORD"] == "${env:PGPASSWORD}"
    variables = {**environment(), **config["env"], "PGPASSWORD": "unused"}
    parameters = StdioServerParameters(
        command=config["command"], args=config["args"], env=variables, cwd=tmp_path
    )
    async with Client(parameters) as session:
        arguments = {"postgresql_query": "SELECT name FROM retail.stores"}
        answer = await session.call_tool("execute_sales_query", arguments)
    assert answer.structured_content is not None
    assert answer.structured_content["rows"] == [["Zava Retail Seattle"]]
