"""Resources that the SDK reads, such as the view."""

from __future__ import annotations

import anyio
import pytest
from mcp.server.mcpserver.resources import FunctionResource
from mcp.shared.exceptions import MCPError as SdkError

from tests.fakes import server_with
from zava.errors import ChartError


def refuse() -> str:
    raise ChartError("it cannot be drawn")


def test_a_resource_that_fails_says_why_with_its_code() -> None:
    server = server_with()
    server.add_resource(FunctionResource(uri="ui://test/x", name="x", fn=refuse))
    with pytest.raises(SdkError) as caught:
        anyio.run(server.read_resource, "ui://test/x")
    assert caught.value.error.code == -32603
    assert caught.value.error.message == "[CHART_ERROR] it cannot be drawn"
