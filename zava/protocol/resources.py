"""The resources: what a client reads by a URI, in families of one subject each.

Whatever a resource says a tool says as well, because many hosts know tools only. To
add a family, write its functions like those below and put it into `FAMILIES`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from mcp_types import CallToolResult, Resource, ResourceTemplate, TextContent

from zava.errors import ExportError, ValidationError
from zava.infra.answer_age import told
from zava.protocol.export_resources import (
    EXPORTS_URI,
    export_resource,
    read_export,
)
from zava.protocol.pictures import PICTURES_URI, PNG, SECONDS
from zava.protocol.results import schemas_result, structured_result, told_person
from zava.protocol.tools.declaration import Services

PERSON_URI = "zava://person"
METRICS_URI = "zava://metrics"
TABLES_URI = "zava://tables"

_JSON = "application/json"
_LONGEST = 200
_NEAR = 3


class Content(NamedTuple):
    """What a resource holds: text, or bytes of another type."""

    data: str | bytes
    mime_type: str


@dataclass(frozen=True)
class Family:
    """The resources of one subject.

    Attributes:
        uri: What their URIs begin with, such as zava://tables.
        operation: What reading one is called in log, metrics and audit.
        read: Returns the content of one, by the name behind `uri`, which is "" for
            `uri` itself. Runs in a worker thread, so it may block.
        listed: Returns those that a client is told of; neither blocks nor fails.
        template: Stands for those below `uri`, where a client can know their names.
        names: Returns these names; may block.
    """

    uri: str
    operation: str
    read: Callable[[Services, str], Content]
    listed: Callable[[Services], Sequence[Resource]]
    template: ResourceTemplate | None = None
    names: Callable[[Services], Sequence[str]] | None = None


def find_resource(uri: str) -> tuple[Family, str] | None:
    """Return the family of a URI and the name behind it; None if there is none."""
    for family in FAMILIES:
        if uri == family.uri:
            return family, ""
        if uri.startswith(f"{family.uri}/"):
            return family, unquote(uri[len(family.uri) + 1 :])
    return None


def unknown_resource(uri: str, near: Sequence[str] = ()) -> ValidationError:
    """Return the error for a URI that there is not, with near ones."""
    known = [family.uri for family in FAMILIES]
    close = near or difflib.get_close_matches(uri[:_LONGEST], known, _NEAR, 0)
    return ValidationError(
        "uri", uri, f"there is no such resource; near: {', '.join(close)}"
    )


def _read_person(services: Services, name: str) -> Content:
    if name:
        raise unknown_resource(f"{PERSON_URI}/{name}", [PERSON_URI])
    return _json(structured_result(services.choices.person(services.user_id)))


def _read_metrics(services: Services, name: str) -> Content:
    if not name:
        return _json(structured_result(services.metrics.definitions()))
    defined = services.metrics.definitions(name.strip().casefold())
    if not any(defined.values()):
        near = [f"{METRICS_URI}/{one}" for one in services.metrics.near_names(name)]
        raise unknown_resource(f"{METRICS_URI}/{name}", near or [METRICS_URI])
    return _json(structured_result(defined))


def _metric_names(services: Services) -> list[str]:
    known = services.metrics.definitions()
    return [*known["metrics"], *known["dimensions"]]


def _read_tables(services: Services, name: str) -> Content:
    catalog, user_id = services.catalog, services.user_id
    if name:
        try:
            return _json(schemas_result(catalog.answer([name], user_id)))
        except ValidationError as exc:
            raise ValidationError("uri", name, exc.constraint) from exc
    found = catalog.find(None, "names", user_id)
    tables = {table: text or "" for table, (text, _) in found.tables.items()}
    person = told_person(found.person)
    return _json(
        structured_result(
            {
                "person": person,
                "tables": tables,
                "left_out": found.left_out,
                "as_of": told(found.as_of),
            }
        )
    )


def _table_names(services: Services) -> list[str]:
    found = services.catalog.find(None, "names", services.user_id)
    return [table.partition(".")[2] for table in found.tables]


def _read_picture(services: Services, name: str) -> Content:
    picture = services.pictures.get(name)
    if picture is None:
        raise ValidationError(
            "uri",
            name,
            "there is no such picture, or it is gone: the last pictures are kept for"
            f" {SECONDS // 60} minutes; call the tool with chart again",
        )
    return Content(picture.data, PNG)


def _listed_pictures(services: Services) -> list[Resource]:
    return [Resource(**picture.facts()) for picture in services.pictures.all()]


def _read_export(services: Services, name: str) -> Content:
    try:
        return Content(*read_export(services.exports, name))
    except ExportError as exc:
        raise ValidationError("uri", name, exc.message) from exc


def _listed_exports(services: Services) -> list[Resource]:
    return [export_resource(export) for export in services.exports.exports()]


def _always(
    uri: str, title: str, description: str
) -> Callable[[Services], Sequence[Resource]]:
    """List the one resource that has the URI of its family."""
    resource = Resource(
        uri=uri,
        name=uri.rpartition("/")[2],
        title=title,
        description=description,
        mime_type=_JSON,
    )
    return lambda _services: [resource]


def _each(uri: str, name: str, title: str, description: str) -> ResourceTemplate:
    return ResourceTemplate(
        uri_template=f"{uri}/{{name}}",
        name=name,
        title=title,
        description=description,
        mime_type=_JSON,
    )


def _json(result: CallToolResult) -> Content:
    texts = (block.text for block in result.content if isinstance(block, TextContent))
    return Content("".join(texts), _JSON)


FAMILIES: tuple[Family, ...] = (
    Family(
        PERSON_URI,
        "read_person",
        _read_person,
        _always(
            PERSON_URI,
            "Who I am",
            "The person served: name, role, stores with their regions, and the last"
            " business day with orders",
        ),
    ),
    Family(
        METRICS_URI,
        "read_metrics",
        _read_metrics,
        _always(
            METRICS_URI,
            "Metrics",
            "The definition of every metric and dimension of query_metrics",
        ),
        _each(
            METRICS_URI,
            "metric",
            "One metric",
            "The definition of a metric or dimension",
        ),
        _metric_names,
    ),
    Family(
        TABLES_URI,
        "read_tables",
        _read_tables,
        _always(TABLES_URI, "Tables", "The tables that SQL can read, with a line each"),
        _each(
            TABLES_URI,
            "table",
            "One table",
            "A table's columns, keys, values and sample rows, as"
            " get_multiple_table_schemas tells them",
        ),
        _table_names,
    ),
    Family(PICTURES_URI, "read_picture", _read_picture, _listed_pictures),
    Family(EXPORTS_URI, "read_export", _read_export, _listed_exports),
)
"""Every family, in the order in which clients are told of them."""
