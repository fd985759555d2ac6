"""An entry goes into a file and out of it, and all else stays byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zava.cli.client_files import JsonText, Language, TomlText, YamlText, changed

ENTRY: dict[str, Any] = {
    "command": "/opt/Übung/zava",
    "args": ["serve", "--user", "f47a"],
    "env": {"ZAVA_DATABASE_URL": "password='a\\'b\"c' host=db", "ODD": "\x7f\t${x} #"},
}
OTHER = {**ENTRY, "args": ["serve", "--user", "0000"], "env": {}}

JSON_FILES = {
    "spread": """{
    // the servers
    "servers": {
        "other": {"command": "x"} /* no, not "}" this */ // mine
        // the end
    },
    "inputs": [1, 2,], // a comma too many
}
""",
    "commas": """{
\t"servers": {
\t\t"other": {"command": "x"},
\t},
}""",
    "one-line": '{"a": 1, "servers": {"other": {"command": "x, }"}}, "b": [[]]}',
    "spread-with-one-line": '{\n  "servers": {"other": {}}\n}\n',
    "windows": '{\r\n  "servers": {\r\n    "other": {}\r\n  }\r\n}\r\n',
    "none-yet": '{\n  "a": {},\n  "servers": {}\n}\n',
    "none-in-one-line": '{"servers":{}}',
    "only-a-comment": '{\n  "servers": {\n    // none yet\n  }\n}\n',
    "first": '{"servers": {\n  "zavb": {},\n  "b": {}\n}}',
}
TOML_FILES = {
    "amid": """# top
model = "o3"   # mine

[mcp_servers.a]
command = "x"   # c
args = [ "1",
  "2", # [two]
]

# about the screen
[tui]
theme = 'dark'

# end
""",
    "none-yet": 'model = "o3"\n',
    "no-newline-inside": "[tui]\na = 1\n",
    "windows": '[tui]\r\na = 1\r\n\r\n[mcp_servers.a]\r\ncommand = "x"\r\n',
    "empty": "",
    "text-like-a-table": 'a = """\n[mcp_servers.b]\n"""\n',
}
YAML_FILES = {
    "amid": """# top
GOOSE_MODEL: gpt   # mine
extensions:
    developer:
        enabled: true
        # the arguments
        args: ['a',
            'b']   # two

# about the rest
rest: |
    text
""",
    "last": "extensions:\n  a:\n    type: builtin\n# end\n",
    "windows": "extensions:\r\n  a:\r\n    type: builtin\r\nrest: 1\r\n",
    "block": "extensions:\n  a:\n    about: |\n      long\n\n      text\nrest: 1\n",
    "none-yet": "a: 1\nextensions: {}\nb: 2\n",
    "alias": "extensions:\n  a: &x {b: 1}\n  c: *x\nrest: 1\n",
    "lists": "extensions:\n  a:\n    args:\n    - x\n    - y\nb: 2\n",
}


def cases() -> list[Any]:
    return [
        pytest.param(language, table, text, id=f"{name}-{case}")
        for name, language, table, texts in (
            ("json", JsonText(), "servers", JSON_FILES),
            ("toml", TomlText(), "mcp_servers", TOML_FILES),
            ("yaml", YamlText(), "extensions", YAML_FILES),
        )
        for case, text in texts.items()
    ]


@pytest.mark.parametrize(("language", "table", "text"), cases())
def test_what_is_entered_and_taken_out_again_leaves_the_file_as_it_was(
    language: Language, table: str, text: str
) -> None:
    with_entry = changed(language, text, table, "zava", ENTRY)
    before = language.parse(text)
    assert language.parse(with_entry) == {
        **before,
        table: {**before.get(table, {}), "zava": ENTRY},
    }
    assert changed(language, with_entry, table, "zava", None) == text


@pytest.mark.parametrize(("language", "table", "text"), cases())
def test_another_entry_takes_the_place_of_the_old_one(
    language: Language, table: str, text: str
) -> None:
    with_entry = changed(language, text, table, "zava", ENTRY)
    with_two = changed(language, with_entry, table, "zava-2", OTHER)
    replaced = changed(language, with_two, table, "zava", OTHER)
    assert language.parse(replaced)[table]["zava"] == OTHER
    assert changed(language, replaced, table, "zava", ENTRY) == with_two
    assert changed(language, with_two, table, "zava-2", None) == with_entry
    without_first = changed(language, with_two, table, "zava", None)
    assert set(language.parse(text).get(table, {})) | {"zava-2"} == set(
        language.parse(without_first)[table]
    )


@pytest.mark.parametrize(("language", "table", "text"), cases())
def test_no_character_of_others_is_lost_or_moved(
    language: Language, table: str, text: str
) -> None:
    after = iter(changed(language, text, table, "zava", ENTRY))
    assert all(character in after for character in text)


def test_a_comment_after_the_last_entry_stays_with_it() -> None:
    with_entry = changed(JsonText(), JSON_FILES["spread"], "servers", "zava", ENTRY)
    assert (
        '"other": {"command": "x"}, /* no, not "}" this */ // mine\n'
        '        // the end\n        "zava": {\n            "command"'
    ) in with_entry


def test_a_comment_stays_above_the_table_that_it_is_about() -> None:
    text = changed(TomlText(), TOML_FILES["amid"], "mcp_servers", "zava", ENTRY)
    text += "\n# about b\n[mcp_servers.b]\n"
    rest = changed(TomlText(), text, "mcp_servers", "zava", None)
    assert rest.endswith("# end\n\n\n# about b\n[mcp_servers.b]\n")


def test_a_new_file_has_nothing_but_the_entry() -> None:
    assert json.loads(changed(JsonText(), "", "servers", "zava", ENTRY)) == {
        "servers": {"zava": ENTRY}
    }
    assert changed(TomlText(), "", "mcp_servers", "zava", OTHER) == (
        '[mcp_servers.zava]\ncommand = "/opt/Übung/zava"\n'
        'args = ["serve", "--user", "0000"]\n\n[mcp_servers.zava.env]\n'
    )
    assert changed(YamlText(), "", "extensions", "zava", OTHER) == (
        'extensions:\n  zava:\n    command: "/opt/Übung/zava"\n'
        '    args: ["serve", "--user", "0000"]\n    env: {}\n'
    )


def test_a_file_of_comments_keeps_them() -> None:
    text = "// mine\n"
    with_entry = changed(JsonText(), text, "servers", "zava", ENTRY)
    assert with_entry.startswith("// mine\n{\n")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        pytest.param(JsonText(), '{"servers": {}', id="json-cut-short"),
        pytest.param(JsonText(), "[]", id="json-list"),
        pytest.param(JsonText(), '{"servers": []}', id="json-servers-list"),
        pytest.param(JsonText(), '{"servers": {} /* }', id="json-open-comment"),
        pytest.param(TomlText(), "servers = 1\nservers = 2\n", id="toml-twice"),
        pytest.param(TomlText(), "servers = {a = {}}\n", id="toml-inline"),
        pytest.param(YamlText(), "a: [\n", id="yaml-cut-short"),
        pytest.param(YamlText(), "- a\n", id="yaml-list"),
        pytest.param(YamlText(), "servers: {a: {x: 1}}\n", id="yaml-flow"),
        pytest.param(YamlText(), '{"servers": {}}\n', id="yaml-json"),
        pytest.param(YamlText(), "a: 1\n---\nb: 1\n", id="yaml-two-documents"),
        pytest.param(YamlText(), "a: !!python/name:os.system\n", id="yaml-tag"),
    ],
)
def test_what_cannot_be_read_or_edited_is_refused(
    language: Language, text: str
) -> None:
    with pytest.raises(ValueError, match=r"."):
        changed(language, text, "servers", "zava", ENTRY)


def test_a_name_that_yaml_would_take_for_something_else_is_quoted() -> None:
    text = changed(YamlText(), "", "extensions", "no", OTHER)
    assert YamlText().parse(text) == {"extensions": {"no": OTHER}}


names = st.text(st.characters(codec="utf-8"), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | names,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
    ),
    max_leaves=8,
)
documents = st.dictionaries(names, values, max_size=3)
servers = st.dictionaries(names.filter(lambda name: name != "zava"), documents)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents, servers, st.sampled_from([None, 1, 3, "\t"]), st.booleans())
def test_any_json_is_as_it_was_afterwards(
    document: dict[str, Any],
    there: dict[str, Any],
    indent: int | str | None,
    ascii_only: bool,
) -> None:
    document["servers"] = there
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    with_entry = changed(JsonText(), text, "servers", "zava", ENTRY)
    assert json.loads(with_entry)["servers"] == {**there, "zava": ENTRY}
    assert changed(JsonText(), with_entry, "servers", "zava", None) == text
