"""Edits one server's entry in a client's configuration file, and nothing else of it.

A file is changed as text, so that comments, order and spacing stay. Each language's
own parser then reads the result, and `changed` refuses a result that differs from the
old data by anything but the entry.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from zava.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Data = dict[str, Any]


class Language(Protocol):
    """How one kind of file is read and edited.

    `table` names the object of the top level that holds all servers, by their names.
    """

    def parse(self, text: str) -> Data:
        """Return what the text says.

        Raises:
            ValueError: It is not of this language, or not an object.
        """

    def put(self, text: str, table: str, name: str, entry: Data) -> str:
        """Return the text with this entry, in place of an older one of that name."""

    def drop(self, text: str, table: str, name: str) -> str:
        """Return the text without the entry, which is there."""


def changed(
    language: Language, text: str, table: str, name: str, entry: Data | None
) -> str:
    """Return a file's text with the entry, or without it if `entry` is None.

    Raises:
        ValueError: The text cannot be read, or the entry cannot be edited in the form
            in which the file has it.
    """
    before = language.parse(text)
    servers = before.get(table)
    if servers is not None and not isinstance(servers, dict):
        raise ValueError(f"{table} does not hold servers by their names")
    expected = copy.deepcopy(before)
    if entry is None:
        del expected[table][name]
        result = language.drop(text, table, name)
    else:
        expected[table] = {**(servers or {}), name: entry}
        result = language.put(text, table, name, entry)
    try:
        after = language.parse(result)
    except ValueError:
        after = {}
    if _without_empty(after, table) != _without_empty(expected, table):
        raise ValueError(f"{table} is written in a form that zava does not edit")
    return result


def _without_empty(data: Data, table: str) -> Data:
    """A table without entries, and none: the last entry's removal may leave either."""
    return {key: value for key, value in data.items() if key != table or value}


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indented(block: str, prefix: str, newline: str) -> str:
    """Return lines with a prefix before each but the first."""
    return (newline + prefix).join(block.split("\n"))


# JSON, with the comments and the last commas that editors admit

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_COMMENT = re.compile(rf"{_STRING}|(?P<hidden>//[^\n]*|/\*.*?\*/)", re.DOTALL)
_LAST_COMMA = re.compile(rf"{_STRING}|(?P<hidden>,)(?=\s*[\]}}])")
_SPACE = re.compile(r"\s*")
_INDENT = "  "


def _blanked(pattern: re.Pattern[str], text: str) -> str:
    """Return the text with spaces where the pattern hides something; as long as it."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found[0]) if found["hidden"] else found[0]

    return pattern.sub(blank, text)


@dataclass(frozen=True)
class _Member:
    """One `"name": value` of an object: positions in the text."""

    name: str
    start: int
    value: int
    end: int


@dataclass(frozen=True)
class _Object:
    """An object's brackets and members: positions in the text."""

    start: int
    members: tuple[_Member, ...]
    close: int

    def member(self, name: str) -> _Member | None:
        """Return the member that a parser would take: the last of this name."""
        found = [member for member in self.members if member.name == name]
        return found[-1] if found else None


def _object(plain: str, start: int) -> _Object:
    """Read the object at `start` of a JSON text that is known to be valid."""
    decoder = json.JSONDecoder()
    members: list[_Member] = []
    position = _after_space(plain, start + 1)
    while plain[position] != "}":
        name, colon = decoder.raw_decode(plain, position)
        value = _after_space(plain, _after_space(plain, colon) + 1)
        _, end = decoder.raw_decode(plain, value)
        members.append(_Member(name, position, value, end))
        position = _after_space(plain, end)
        if plain[position] == ",":
            position = _after_space(plain, position + 1)
    return _Object(start, tuple(members), position)


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return position if found is None else found.end()


class JsonText:
    """JSON; comments and commas after a last member are taken as they are."""

    def parse(self, text: str) -> Data:
        """Return what the text says; an empty one says nothing."""
        plain = _plain(text)
        data = json.loads(plain) if plain.strip() else {}
        if not isinstance(data, dict):
            raise ValueError("it is not an object")
        return data

    def put(self, text: str, table: str, name: str, entry: Data) -> str:
        """Return the text with this entry, in the text's own indentation."""
        if not _plain(text).strip():
            gap = _newline(text) if text.strip() and not text.endswith("\n") else ""
            text = f"{text}{gap}{{}}{_newline(text)}"
        plain = _plain(text)
        root = _object(plain, plain.index("{"))
        holder = root.member(table)
        if holder is None:
            return _with_member(text, root, table, {name: entry})
        if plain[holder.value] != "{":
            return _with_value(text, holder, {name: entry})
        servers = _object(plain, holder.value)
        member = servers.member(name)
        if member is None:
            return _with_member(text, servers, name, entry)
        return _with_value(text, member, entry)

    def drop(self, text: str, table: str, name: str) -> str:
        """Return the text without the entry and the comma that went with it."""
        bare = _blanked(_COMMENT, text)
        members = _servers(text, table).members
        place = max(i for i, member in enumerate(members) if member.name == name)
        start, end = len(text[: members[place].start].rstrip()), members[place].end
        comma = _after_space(bare, end)
        if bare[comma] == ",":
            end = comma + 1
        rest = text[:start] + text[end:]
        if bare[comma] != "," and place:
            comma = bare.index(",", members[place - 1].end)
            rest = rest[:comma] + rest[comma + 1 :]
        left = _servers(rest, table)
        if rest[left.start + 1 : left.close].isspace():
            rest = rest[: left.start + 1] + rest[left.close :]
        return rest


def _plain(text: str) -> str:
    """Return the text as strict JSON; every position stays."""
    return _blanked(_LAST_COMMA, _blanked(_COMMENT, text))


def _servers(text: str, table: str) -> _Object:
    """Return the object that holds the servers, which is there."""
    plain = _plain(text)
    root = _object(plain, plain.index("{"))
    holder = root.member(table)
    return _object(plain, holder.value) if holder else root


def _with_value(text: str, member: _Member, value: Any) -> str:
    """Return the text with another value of a member; one line stays one."""
    former = text[member.value : member.end]
    in_one_line = former.startswith("{") and former != "{}" and "\n" not in former
    margin = None if in_one_line else _margin(text, member.start)
    new = _written(text, value, margin)
    return text[: member.value] + new + text[member.end :]


def _with_member(text: str, parent: _Object, name: str, value: Any) -> str:
    """Return the text with a new last member of an object."""
    newline, inside = _newline(text), text[parent.start + 1 : parent.close]
    spread = "\n" in (inside if inside.strip() else text.strip())
    spread = spread or text.strip() == "{}"
    if not spread:
        space = " " if inside.strip() else ""
        lead, margin = space, None
    elif parent.members:
        margin = _margin(text, parent.members[0].start)
        lead = newline + margin
    else:
        margin = _margin(text, parent.start) + _unit(text)
        lead = newline + margin
    new = f"{lead}{json.dumps(name)}: {_written(text, value, margin)}"
    # It goes after whatever stands last, also a comment; the comma that parts it from
    # the last member goes right after that.
    last = parent.start + 1 + len(inside.rstrip())
    if parent.members:
        end = parent.members[-1].end
        bare = _blanked(_COMMENT, text)
        if bare[_after_space(bare, end)] == ",":
            return text[:last] + new + "," + text[last:]
        return text[:end] + "," + text[end:last] + new + text[last:]
    if spread and not inside.strip():
        after = newline + _margin(text, parent.start)
        return text[:last] + new + after + text[parent.close :]
    return text[:last] + new + text[last:]


def _written(text: str, value: Any, margin: str | None) -> str:
    """Return a value as JSON: lines from `margin` on, or in one line for None."""
    if margin is None:
        return json.dumps(value, ensure_ascii=False)
    block = json.dumps(value, ensure_ascii=False, indent=_unit(text))
    return _indented(block, margin, _newline(text))


def _margin(text: str, position: int) -> str:
    """The spaces and tabs at the start of a position's line."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    """What the text is indented by."""
    found = re.search(r"^([ \t]+)[\"}\]]", text, re.MULTILINE)
    return found[1] if found else _INDENT


# TOML

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class TomlText:
    """TOML, with a table for each server."""

    def parse(self, text: str) -> Data:
        """Return what the text says."""
        data: Data = tomllib.loads(text)
        return data

    def put(self, text: str, table: str, name: str, entry: Data) -> str:
        """Return the text with the entry's tables, new ones at the end."""
        newline = _newline(text)
        block = _indented(_tables(table, name, entry), "", newline)
        spans = _spans(text, table, name)
        if spans:
            start = spans[0][0]
            rest = _without(text, spans)
            return rest[:start] + block + rest[start:]
        gap = newline if text and not text.endswith("\n") else ""
        return text + gap + (newline if text.strip() else "") + block

    def drop(self, text: str, table: str, name: str) -> str:
        """Return the text without the entry's tables."""
        spans = _spans(text, table, name)
        rest = _without(text, spans)
        newline = _newline(text)
        # The empty line that `put` has left above them.
        if spans and spans[0][0] == len(rest) and rest.endswith(newline * 2):
            rest = rest[: -len(newline)]
        return rest


def _tables(table: str, name: str, entry: Data) -> str:
    """Return an entry as TOML: a table, and one for each mapping in it."""
    lines = [f"[{table}.{_key(name)}]"]
    nested = {key: value for key, value in entry.items() if isinstance(value, dict)}
    lines += [
        f"{_key(key)} = {_toml(value)}"
        for key, value in entry.items()
        if key not in nested
    ]
    for key, value in nested.items():
        lines += ["", f"[{table}.{_key(name)}.{_key(key)}]"]
        lines += [f"{_key(inner)} = {_toml(one)}" for inner, one in value.items()]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _toml(name)


def _toml(value: Any) -> str:
    """Return a value as TOML.

    Raises:
        ValueError: It is of a type that no entry needs, as a date.
    """
    if isinstance(value, dict):
        pairs = (f"{_key(key)} = {_toml(one)}" for key, one in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        # JSON's strings are TOML's but for this one.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise ValueError(f"a value of type {type(value).__name__} is not edited")


def _spans(text: str, table: str, name: str) -> list[tuple[int, int]]:
    """Where the tables of one server stand, without the comments after them."""
    own = re.compile(
        rf"\[\s*{re.escape(table)}\s*\.\s*([\"']?){re.escape(name)}\1\s*[.\]]"
    )
    heads = [head.start() for head in re.finditer(r"^[ \t]*\[", text, re.MULTILINE)]
    spans: list[tuple[int, int]] = []
    for start, end in pairwise([*heads, len(text)]):
        if own.match(text[start:end].lstrip()):
            if spans and spans[-1][1] == start:
                start = spans.pop()[0]
            spans.append((start, end))
    return [(start, end - len(_trailer(text[start:end]))) for start, end in spans]


def _trailer(block: str) -> str:
    """The empty lines and comments at a block's end: they belong to what follows."""
    found = re.search(r"(?:^[ \t]*(?:#[^\n]*)?\r?\n)*(?:[ \t]*#[^\n]*)?\Z", block, re.M)
    return found[0] if found else ""


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in reversed(spans):
        text = text[:start] + text[end:]
    return text


# YAML

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NO_STRINGS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


class YamlText:
    """YAML in block style."""

    def parse(self, text: str) -> Data:
        """Return what the text says."""
        yaml = _yaml()
        try:
            data = yaml.safe_load(text)
        except yaml.YAMLError as exc:
            raise ValueError(" ".join(str(exc).split())) from None
        if data is None:
            return {}
        if not isinstance(data, dict):
            raise ValueError("it is not a mapping")
        return data

    def put(self, text: str, table: str, name: str, entry: Data) -> str:
        """Return the text with the entry's lines."""
        newline = _newline(text)
        holder = _pair(_yaml().compose(text), table) if text.strip() else None
        if holder is None:
            gap = newline if text and not text.endswith("\n") else ""
            block = f"{table}:\n{_block(name, entry, _INDENT)}"
            return text + gap + block.replace("\n", newline)
        key, servers = holder
        if not servers.value:  # nothing, or {}
            start, end = key.end_mark.index, servers.end_mark.index
            block = ":\n" + _block(name, entry, _INDENT).removesuffix("\n")
            return (
                text[:start]
                + block.replace("\n", newline)
                + text[max(start + 1, end) :]
            )
        pair = _pair(servers, name)
        margin = " " * servers.value[0][0].start_mark.column
        block = _block(name, entry, margin).replace("\n", newline)
        if pair is None:
            end = _line_end(text, _end(servers))
            gap = "" if text[:end].endswith("\n") else newline
            return text[:end] + gap + block + text[end:]
        start, end = _lines(text, pair)
        return text[:start] + block + text[end:]

    def drop(self, text: str, table: str, name: str) -> str:
        """Return the text without the entry's lines."""
        root = _yaml().compose(text)
        key, servers = _pair(root, table)
        start, end = _lines(text, _pair(servers, name))
        if len(servers.value) == 1:
            head = key.end_mark.index
            return text[:head] + ": {}" + text[head + 1 : start] + text[end:]
        return text[:start] + text[end:]


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise ConfigurationError(
            "a file in YAML is edited with PyYAML: pip install PyYAML"
        ) from None
    return yaml


def _pair(mapping: Any, name: str) -> Any:
    """The key and the value of a name in a mapping's nodes; None without it."""
    for key, value in mapping.value if mapping.id == "mapping" else ():
        if key.value == name:
            return key, value
    return None


def _end(node: Any) -> int:
    """Where a node's own text ends, without the comments after it."""
    if node.id == "scalar" or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if node.id == "mapping" else last)


def _line_end(text: str, position: int) -> int:
    """Where the line after a position begins."""
    if text[:position].endswith("\n"):  # a block of lines ends with its last one
        return position
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1


def _lines(text: str, pair: Any) -> tuple[int, int]:
    key, value = pair
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    return start, _line_end(text, _end(value))


def _block(name: str, entry: Mapping[str, Any], margin: str) -> str:
    """Return an entry as lines of YAML; JSON's scalars and lists are YAML's."""
    inner = margin + _INDENT
    is_word = _WORD.fullmatch(name) and name.lower() not in _NO_STRINGS
    lines = [f"{margin}{name if is_word else json.dumps(name)}:"]
    for key, value in entry.items():
        if isinstance(value, dict) and value:
            lines.append(f"{inner}{key}:")
            lines += [f"{inner}{_INDENT}{k}: {_json(v)}" for k, v in value.items()]
        else:
            lines.append(f"{inner}{key}: {_json(value)}")
    return "\n".join(lines) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\x7f")
