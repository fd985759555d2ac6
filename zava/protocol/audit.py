"""The audit record: one line for each call, written before the answer leaves."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from loguru import logger
from mcp_types import CallToolResult, TextContent

from zava.errors import AuditError, MCPError
from zava.infra.audit_file import AuditFile
from zava.protocol.results import ERROR_META, QUERY_META, error_result, query_digest

_OK, _CANCELLED = "ok", "CANCELLED"

T = TypeVar("T")


class Auditor:
    """Writes one audit line for each call of one person.

    Args:
        file: Where the lines go.
        user_id: Who is served.
        role_name: Returns that person's role, or None before it is resolved.
        is_required: Whether a failed write turns the answer into an error.
    """

    def __init__(
        self,
        file: AuditFile,
        user_id: str,
        role_name: Callable[[], str | None],
        *,
        is_required: bool,
    ) -> None:
        self._file = file
        self._user_id = user_id
        self._role_name = role_name
        self._is_required = is_required
        self._disk: anyio.CapacityLimiter | None = None

    async def watch(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        call: Callable[[], Awaitable[CallToolResult]],
    ) -> CallToolResult:
        """Run a call, write its audit line, and return its result.

        zava logs a failed write. If the audit is required, the result becomes an
        AUDIT error.
        """
        started = time.perf_counter()
        try:
            result = await call()
        except BaseException:  # a cancellation: failures are results, not exceptions
            entry = self._entry(tool, arguments, started, None)
            self._attempt(entry)
            raise
        entry = self._entry(tool, arguments, started, result)
        if not await self._is_recorded(entry):
            return error_result(AuditError())
        return result

    async def watch_read(
        self,
        operation: str,
        read: Callable[[], Awaitable[T]],
        size: Callable[[T], int],
    ) -> T:
        """Run what is no tool, write its audit line, and return what it returns.

        Args:
            operation: What the line calls it.
            read: Fails by an exception.
            size: How many bytes of text or content it returned.

        Raises:
            AuditError: The audit is required and the line was not written.
        """
        started = time.perf_counter()
        try:
            content = await read()
        except MCPError as exc:
            entry = self._line(operation, started, exc.error_code)
            if not await self._is_recorded(entry):
                raise AuditError from exc
            raise
        except BaseException:  # a cancellation, or a fault that the SDK found
            self._attempt(self._line(operation, started, _CANCELLED))
            raise
        entry = self._line(operation, started, _OK, size(content))
        if not await self._is_recorded(entry):
            raise AuditError
        return content

    async def _is_recorded(self, entry: Mapping[str, Any]) -> bool:
        """Write a line; return whether the call may be answered."""
        if self._file.sync:
            # fsync may take long, and the event loop must answer pings meanwhile.
            if self._disk is None:
                self._disk = anyio.CapacityLimiter(1)
            is_recorded = await anyio.to_thread.run_sync(
                self._attempt, entry, limiter=self._disk
            )
        else:
            is_recorded = self._attempt(entry)
        return is_recorded or not self._is_required

    def _attempt(self, entry: Mapping[str, Any]) -> bool:
        try:
            self._file.write(entry)
        except OSError as exc:
            logger.error("a call was not recorded: {}", exc.strerror)
            return False
        return True

    def _entry(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        started: float,
        result: CallToolResult | None,
    ) -> dict[str, Any]:
        structured = (result.structured_content if result else None) or {}
        query = arguments.get("postgresql_query")
        digest = query_digest(query) if isinstance(query, str) else None
        if digest is None and result is not None:
            digest = (result.meta or {}).get(QUERY_META)  # the query behind a handle
        entry = {
            **self._line(
                tool,
                started,
                _outcome(result) if result else _CANCELLED,
                _size(result) if result else 0,
            ),
            "query_sha256": digest,
            "rows": structured.get("row_count"),
            "cached": structured.get("cached"),
        }
        if isinstance(path := structured.get("path"), str):
            entry["file"] = Path(path).name
            entry["file_bytes"] = structured.get("bytes")
        return entry

    def _line(
        self, tool: str, started: float, outcome: str, size: int = 0
    ) -> dict[str, Any]:
        """What is known of every call, with a place for what only some have."""
        return {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "user_id": self._user_id,
            "role": self._role_name(),
            "tool": tool,
            "query_sha256": None,
            "rows": None,
            "bytes": size,
            "ms": round((time.perf_counter() - started) * 1000, 3),
            "outcome": outcome,
            "cached": None,
        }


def _size(result: CallToolResult) -> int:
    texts = (block.text for block in result.content if isinstance(block, TextContent))
    return sum(len(text.encode()) for text in texts)


def _outcome(result: CallToolResult) -> str:
    if not result.is_error:
        return _OK
    return str((result.meta or {}).get(ERROR_META, {}).get("code", "MCP_ERROR"))
