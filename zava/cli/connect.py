"""`zava client-config`: prints what starts the server, or enters it in a client."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import Any

import click

from zava.cli.client_files import changed
from zava.cli.clients import CLIENTS, Client, Machine
from zava.cli.command import explain_errors
from zava.cli.private_files import replace_file
from zava.errors import ConfigurationError
from zava.infra.masking import mask_secrets
from zava.settings import Settings

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
# What of an entry says how the server is started; a client may keep more beside it.
_OWN_KEYS = frozenset(("type", "source", "command", "cmd", "args", "env", "envs"))
_BOM = "\ufeff"
_PRIVATE = 0o600


class ClientName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of one of `CLIENTS`."""

    name = "client"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the name; one that is unknown is answered with those near it."""
        name = str(value)
        if name not in CLIENTS:
            asked = name.lower().replace(" ", "-")
            near = [one for one in CLIENTS if asked and (asked in one or one in asked)]
            near = near or difflib.get_close_matches(asked, CLIENTS, cutoff=0.75)
            advice = f"did you mean {' or '.join(near)}? " if near else ""
            known = ", ".join(CLIENTS)
            self.fail(
                f"there is no client {name[:60]!r}; {advice}known are {known}",
                param,
                ctx,
            )
        return name


def _check_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise click.BadParameter(
            "up to 32 letters, digits, '-' and '_', the first of them a letter"
        )
    return name


DEFAULT_NAME = "zava"
name_option = click.option(
    "--name",
    callback=_check_name,
    default=DEFAULT_NAME,
    show_default=True,
    metavar="NAME",
    help="What the client calls the server; a second database needs a second name.",
)


@click.command("client-config")
@click.argument("client", type=ClientName())
@click.option("--user", metavar="ID", help="User id to serve (ZAVA_RLS_USER_ID).")
@name_option
@click.option("--write", is_flag=True, help="Enter it in the client's own file.")
@click.option("--remove", is_flag=True, help="Take zava's entry out of that file.")
@click.option("--dry-run", is_flag=True, help="Show the change, make none.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Another file than the client's usual one, such as a project's.",
)
@explain_errors
def connect(
    client: str,
    user: str | None,
    name: str,
    write: bool,
    remove: bool,
    dry_run: bool,
    file: Path | None,
) -> None:
    """Print what makes an MCP client start the server, or enter it there.

    CLIENT is claude-desktop, claude-code, vscode, cursor, windsurf, zed, gemini-cli,
    codex, lm-studio or goose.

    \b
    Examples:
      zava client-config vscode --user f47ac10b-58cc-4372-a567-0e02b2c3d479
      zava client-config --write vscode --user f47ac10b-58cc-4372-a567-0e02b2c3d479
      zava client-config --remove vscode
    """
    if write and remove:
        raise click.UsageError("--write and --remove exclude each other")
    if not (write or remove) and (dry_run or file):
        raise click.UsageError("--dry-run and --file need --write or --remove")
    if remove:
        take_out(client, name, file=file, dry_run=dry_run)
        return
    server = _server_for(user)
    if write:
        enter(client, name, server, file=file, dry_run=dry_run)
    else:
        _print(client, name, server)


def _server_for(user: str | None) -> dict[str, Any]:
    """Return the server of one person, with what is set now."""
    from zava.admin.logins import may_act_as_anyone
    from zava.cli.client_config import server_config
    from zava.data.identity import parse_user_id

    settings = Settings.load(rls_user_id=user)
    if not settings.rls_user_id:
        raise ConfigurationError("give --user ID; `zava users` lists the ids")
    parse_user_id(settings.rls_user_id)
    if may_act_as_anyone(settings.database_url.get_secret_value(), settings.db_user):
        click.echo(
            "this connects as a login that may act as anyone: for a person's own"
            " machine give it a login of its own, `zava login add --help`",
            err=True,
        )
    return server_config(settings)


def _print(name_of_client: str, name: str, server: Mapping[str, Any]) -> None:
    from zava.cli.client_config import install_link

    client = CLIENTS[name_of_client]
    click.echo(f"paste into {client.place}:", err=True)
    entry = client.entry(name, server)
    click.echo(client.language.put("", client.table, name, entry), nl=False)
    click.echo(
        f"or let zava do it: zava client-config --write {name_of_client} --user ID",
        err=True,
    )
    link = install_link(name_of_client, name, server)
    if link:
        click.echo(
            f"or open this link in {client.title}; it has no password:", err=True
        )
        click.echo(link, err=True)


def enter(
    name_of_client: str,
    name: str,
    server: Mapping[str, Any],
    *,
    file: Path | None = None,
    dry_run: bool = False,
) -> None:
    """Enter a server in a client's file, and show what that changes.

    Args:
        name_of_client: One of `CLIENTS`.
        name: What the client calls the server.
        server: `command`, `args` and perhaps `env`.
        file: Another file than the client's usual one.
        dry_run: Whether the change is only shown.

    Raises:
        ConfigurationError: The file cannot be read or written, or has a server of
            this name that is not zava's.
    """
    client = CLIENTS[name_of_client]
    target = _File.read(client, file)
    former = target.entry(name)
    entry = client.entry(name, server)
    if former is not None:
        kept = {key: value for key, value in former.items() if key not in _OWN_KEYS}
        entry |= kept
    if entry == former:
        click.echo(
            f"{client.title} starts zava like this already; {target.path} is unchanged"
        )
        return
    after = target.changed(name, entry)
    click.echo(target.difference(name, former, entry), nl=False)
    if dry_run:
        return
    target.write(after)
    if target.is_open_to_others(_variables(entry)):
        click.echo(
            f"other people of this machine can read the password in {target.path}",
            err=True,
        )
    click.echo(f"restart {client.title} to use it", err=True)


def take_out(
    name_of_client: str, name: str, *, file: Path | None = None, dry_run: bool = False
) -> None:
    """Take zava's entry out of a client's file, and show what that changes.

    Raises:
        ConfigurationError: The file cannot be read or written, or has a server of
            this name that is not zava's.
    """
    client = CLIENTS[name_of_client]
    target = _File.read(client, file)
    former = target.entry(name)
    if former is None:
        others = [other for other, entry in target.servers() if is_of_zava(entry)]
        advice = f"; zava's are {', '.join(others)}: --name" if others else ""
        click.echo(f"{target.path} has no server {name}: it is unchanged{advice}")
        return
    after = target.changed(name, None)
    click.echo(target.difference(name, former, None), nl=False)
    if not dry_run:
        target.write(after)


def is_of_zava(entry: Mapping[str, Any]) -> bool:
    """Whether an entry starts `zava serve`, however that is written."""
    command = entry.get("command") or entry.get("cmd")
    arguments = entry.get("args")
    words = [PureWindowsPath(str(command)).name.lower()]
    words += arguments if isinstance(arguments, list) else ()
    return any(
        one in ("zava", "zava.exe") and two == "serve" for one, two in pairwise(words)
    )


def _variables(entry: Mapping[str, Any]) -> dict[str, str]:
    return dict(entry.get("env") or entry.get("envs") or {})


@dataclass(frozen=True)
class _File:
    """A client's file as it was read; `raw` is None where there is none."""

    client: Client
    path: Path
    raw: bytes | None
    text: str

    @classmethod
    def read(cls, client: Client, file: Path | None) -> _File:
        # A link stays a link: what it leads to is written.
        try:
            path = (file or Path(client.file(Machine.this()))).expanduser().resolve()
            raw = path.read_bytes()
        except FileNotFoundError:
            return cls(client, path, None, "")
        except (OSError, RuntimeError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            raise ConfigurationError(
                f"the file of {client.title} cannot be read: {reason}"
            ) from None
        try:
            return cls(client, path, raw, raw.decode().removeprefix(_BOM))
        except UnicodeDecodeError:
            raise ConfigurationError(f"{path} is not UTF-8; it is unchanged") from None

    def servers(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """The entries of the file that are objects, by their names."""
        try:
            found = self.client.language.parse(self.text).get(self.client.table)
        except (ValueError, RecursionError) as exc:
            raise self._refusal(exc) from None
        for name, entry in (found if isinstance(found, dict) else {}).items():
            if isinstance(entry, dict):
                yield str(name), entry

    def entry(self, name: str) -> dict[str, Any] | None:
        """Return zava's own entry of a name, None where there is none."""
        found = dict(self.servers()).get(name)
        if found is None:
            return None
        if not is_of_zava(found):
            raise ConfigurationError(
                f"the server {name} in {self.path} is not zava's; it is unchanged:"
                " give another --name"
            )
        return dict(found)

    def changed(self, name: str, entry: dict[str, Any] | None) -> str:
        """Return the file's text with an entry, or without for None."""
        client = self.client
        try:
            return changed(client.language, self.text, client.table, name, entry)
        except (ValueError, RecursionError) as exc:
            raise self._refusal(exc) from None

    def difference(
        self,
        name: str,
        former: Mapping[str, Any] | None,
        entry: Mapping[str, Any] | None,
    ) -> str:
        """Return a unified diff of the change without secrets, also others'."""
        old = _variables(former or {})
        # What is shown is made from entries whose secrets are masked, not by a
        # search for secrets in the text of the real ones.
        shown_before = None if former is None else _shown(former, old)
        shown_after = None if entry is None else _shown(entry, old)
        before = self.text if shown_before is None else self.changed(name, shown_before)
        after = self.changed(name, shown_after)
        lines = difflib.unified_diff(
            before.splitlines(),
            after.splitlines(),
            str(self.path),
            str(self.path),
            n=1,
            lineterm="",
        )
        own = self._lines(name, shown_before) | self._lines(name, shown_after)
        return "".join(
            f"{line if _bare(line[1:]) in own else mask_secrets(line)}\n"
            for line in lines
        )

    def _lines(self, name: str, entry: dict[str, Any] | None) -> set[str]:
        """Return the lines of an entry in a file of its own."""
        client = self.client
        if entry is None:
            return set()
        text = client.language.put("", client.table, name, entry)
        return set(map(_bare, text.splitlines()))

    def write(self, text: str) -> None:
        """Put a new text in the file's place, in one step, and say so.

        The former text stays beside it.
        """
        bom = (
            _BOM if self.raw is not None and self.raw.startswith(_BOM.encode()) else ""
        )
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.raw is None:
                told = f"wrote {self.path}"
                replace_file(self.path, (bom + text).encode(), None)
            else:
                if self.path.read_bytes() != self.raw:
                    raise ConfigurationError(
                        f"{self.path} was changed by another program just now:"
                        " try again"
                    )
                status = self.path.stat()
                backup = _backup(self.path, self.raw, stat.S_IMODE(status.st_mode))
                told = f"wrote {self.path}; what it was before is in {backup.name}"
                replace_file(self.path, (bom + text).encode(), status)
        except OSError as exc:
            raise ConfigurationError(
                f"{self.path} cannot be written: {exc.strerror}"
            ) from None
        click.echo(told, err=True)

    def is_open_to_others(self, variables: Mapping[str, str]) -> bool:
        """Whether somebody else may read a file that now holds a secret."""
        from zava.cli.client_config import masked

        has_secret = masked(variables, variables) != variables
        mode = stat.S_IMODE(self.path.stat().st_mode)
        return has_secret and os.name == "posix" and bool(mode & 0o077)

    def _refusal(self, exc: Exception) -> ConfigurationError:
        reason = " ".join(str(exc).split())[:200]
        return ConfigurationError(
            f"{self.path} cannot be edited: {reason}; it is unchanged"
        )


def _shown(entry: Mapping[str, Any], former: Mapping[str, str]) -> dict[str, Any]:
    """Return an entry without secrets; those that were others before are marked."""
    from zava.cli.client_config import masked

    return {
        key: masked(value, former) if key in ("env", "envs") and value else value
        for key, value in entry.items()
    }


def _bare(line: str) -> str:
    return line.strip().removesuffix(",")


def _backup(path: Path, raw: bytes, mode: int) -> Path:
    """Keep a file's bytes beside it, under a name that is free."""
    number = 1
    while True:
        copy = path.with_name(f"{path.name}.zava-{number}.bak")
        try:
            descriptor = os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE)
        except FileExistsError:
            number += 1
            continue
        with open(descriptor, "wb") as file:
            file.write(raw)
        copy.chmod(mode)
        return copy
