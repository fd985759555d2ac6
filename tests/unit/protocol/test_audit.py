"""The audit lines of what is no tool."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from zava.errors import AuditError, UnavailableError
from zava.infra.audit_file import AuditFile
from zava.protocol.audit import Auditor


async def read() -> str:
    return "größer"


async def leave() -> str:
    raise asyncio.CancelledError


async def fail() -> str:
    raise UnavailableError("away")


def size(text: str) -> int:
    return len(text.encode())


def recorded(path: Path, call: Any, *, sync: bool = False) -> dict[str, Any]:
    """The line of one call."""
    file = AuditFile(path, sync=sync)
    file.open()
    auditor = Auditor(file, "ann", lambda: "a role", is_required=True)
    with suppress(asyncio.CancelledError, UnavailableError):
        anyio.run(auditor.watch_read, "read_person", call, size)
    file.close()
    (line,) = map(json.loads, path.read_text("utf-8").splitlines())
    return dict(line)


@pytest.mark.parametrize("sync", [False, True])
def test_a_reading_is_a_line_with_its_bytes(tmp_path: Path, sync: bool) -> None:
    line = recorded(tmp_path / "audit.jsonl", read, sync=sync)
    assert (line["tool"], line["outcome"], line["bytes"]) == ("read_person", "ok", 8)


@pytest.mark.parametrize(
    ("call", "outcome"), [(leave, "CANCELLED"), (fail, "UNAVAILABLE")]
)
def test_what_does_not_end_well_says_how(
    tmp_path: Path, call: Any, outcome: str
) -> None:
    line = recorded(tmp_path / "audit.jsonl", call)
    assert (line["outcome"], line["bytes"]) == (outcome, 0)


@pytest.mark.parametrize("call", [read, fail])
def test_without_its_line_nothing_is_read(tmp_path: Path, call: Any) -> None:
    file = AuditFile(tmp_path / "audit.jsonl", sync=False)
    file.open()
    file.close()
    (tmp_path / "audit.jsonl").unlink()
    (tmp_path / "audit.jsonl").mkdir()
    auditor = Auditor(file, "ann", lambda: None, is_required=True)
    with pytest.raises(AuditError):
        anyio.run(auditor.watch_read, "read_person", call, size)
