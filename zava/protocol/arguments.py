"""What a client sends and is told: arguments and schemas in the plainest form.

Clients and gateways differ in what they understand of JSON Schema, and models in
what they send. A schema is told without references and without alternatives; what
is sent is taken for what is meant where that is plain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST_NOTE = 200


def plain_schema(
    schema: Mapping[str, Any], *, of_output: bool = False
) -> dict[str, Any]:
    """Return a schema without `$ref`, `$defs`, `anyOf` and `null`.

    An argument that may be null is told by its other type, because null means the
    default. A result that may be null is told without a type.
    """
    definitions = schema.get("$defs", {})

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            return [plain(item) for item in part]
        if not isinstance(part, Mapping):
            return part
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            rest = {key: value for key, value in part.items() if key != "$ref"}
            return plain({**definitions[name], **rest})
        if "anyOf" in part:
            others = [one for one in part["anyOf"] if one.get("type") != "null"]
            rest = {key: value for key, value in part.items() if key != "anyOf"}
            if of_output or len(others) != 1:
                return plain(rest)
            return plain({**others[0], **rest})
        return {
            key: plain(value)
            for key, value in part.items()
            if key != "$defs" and not (key == "default" and value is None)
        }

    made: dict[str, Any] = plain(schema)
    return made


def meant_arguments(
    schema: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments that a tool has, and the names of those that it has not.

    Null is the default, a number is its text where a text is meant, and one text is
    a list of one where a list is meant.

    Args:
        schema: The tool's, as `plain_schema` makes it.
        arguments: What was sent.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    required = schema.get("required", ())
    meant: dict[str, Any] = {}
    unknown = []
    for name, value in arguments.items():
        if name not in properties:
            unknown.append(name[:_LONGEST_NOTE])
        elif value is not None or name in required:
            meant[name] = _meant(properties[name], value)
    return meant, unknown


def _meant(schema: Mapping[str, Any], value: Any) -> Any:
    kind = schema.get("type")
    if kind == "array" and isinstance(value, list):
        return [_meant(schema.get("items", {}), item) for item in value]
    if kind == "string" and type(value) in (int, float):
        is_whole = isinstance(value, float) and value.is_integer()
        return str(int(value) if is_whole else value)
    if (
        kind == "array"
        and isinstance(value, str)
        and not value.lstrip().startswith("[")
    ):
        return [value]
    return value
