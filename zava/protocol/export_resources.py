"""The exports of this process as resources: zava://exports/NAME."""

from __future__ import annotations

from urllib.parse import quote

from mcp_types import Resource

from zava.service.exports.formats import MIME_TYPES
from zava.service.exports.service import Export, ExportService

EXPORTS_URI = "zava://exports"


def export_uri(export: Export) -> str:
    """Return the URI of an export."""
    return f"{EXPORTS_URI}/{quote(export.file.path.name)}"


def export_resource(export: Export) -> Resource:
    """Return what a list of resources says of an export."""
    return Resource(
        uri=export_uri(export),
        name=export.file.path.name,
        mime_type=MIME_TYPES[export.format],
        size=export.file.size,
    )


def read_export(exports: ExportService, name: str) -> tuple[str | bytes, str]:
    """Return the content of an export and its MIME type; CSV is text.

    Raises:
        ExportError: There is no such export, or its file is gone or too large.
    """
    export, content = exports.read(name)
    kind = MIME_TYPES[export.format]
    return (content.decode("utf-8-sig") if export.format == "csv" else content), kind
