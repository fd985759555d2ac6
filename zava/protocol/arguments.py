"""Tool schemas for every client, and arguments from every model.

Some clients do not understand `$ref` or `anyOf` in a JSON Schema, so zava sends
schemas without them. Some models send null for a default or a number for a text, so
zava reads such values as what they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zava.errors import ValidationError

_LONGEST_NOTE = 200
_SAYS_NOTHING = frozenset({"$defs", "title", "maxLength"})
_SEEN_IN_THE_ANSWER = frozenset(
    {"$defs", "title", "description", "additionalProperties", "required"}
)


def plain_schema(
    schema: Mapping[str, Any], *, of_output: bool = False
) -> dict[str, Any]:
    """Return a schema without `$ref`, `$defs`, `anyOf`, `null` and titles.

    A nullable argument has the schema of its other type, because null means the
    default. A nullable result has no `type`. What says nothing is left out: a title,
    which would say the name once more, a default of false, the length at which a text
    is refused. Of a result only the names and types of its parts stay: a model reads
    the answer itself, and few clients show it the schema.
    """
    left_out = _SEEN_IN_THE_ANSWER if of_output else _SAYS_NOTHING
    definitions = schema.get("$defs", {})

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            return [plain(item) for item in part]
        if not isinstance(part, Mapping):
            return part
        if of_output and part.get("type") == "array":
            return {"type": "array"}
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
            key: (
                {name: plain(field) for name, field in value.items()}
                if key == "properties"
                else plain(value)
            )
            for key, value in part.items()
            if key not in left_out
            and not (key == "default" and (value is None or value is False))
        }

    made: dict[str, Any] = plain(schema)
    return made


def meant_arguments(
    schema: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments of a tool, and the names of unknown arguments.

    Null becomes the default. A number becomes its text where the schema wants a
    string. One text becomes a list of one where the schema wants an array.

    Args:
        schema: The tool's input schema, as `plain_schema` returns it.
        arguments: The arguments that the client sent.

    Raises:
        ValidationError: A number is wanted, and true, false or a text such as 1_0 was
            sent, which pydantic would read as a number.
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
            if _is_misread(properties[name], value):
                raise ValidationError(name, value, "must be a number")
    return meant, unknown


def _is_misread(schema: Mapping[str, Any], value: Any) -> bool:
    if schema.get("type") not in ("integer", "number"):
        return False
    return isinstance(value, bool) or (isinstance(value, str) and "_" in value)


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
