"""A browser, and a page that is a host of MCP Apps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, sync_playwright

from tests.e2e.stdio_process import INITIALIZE, StdioProcess
from tests.people import SEATTLE

APPS = "io.modelcontextprotocol/ui"
URI = "ui://zava/answer.html"
HOST = Path(__file__).with_name("host.html")
_OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)

Show = Callable[..., "View"]


class View:
    """An answer as its host shows it.

    Attributes:
        page: The host's page.
        frame: The view.
        troubles: What the console said, and every address that was asked for.
    """

    def __init__(self, page: Page, troubles: list[str]) -> None:
        self.page = page
        self.frame: FrameLocator = page.frame_locator("iframe")
        self.troubles = troubles

    def says(self, script: str) -> Any:
        """Run JavaScript in the view."""
        return self.page.frames[1].evaluate(script)


@pytest.fixture(scope="module")
def server(
    server_conninfo: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StdioProcess]:
    """A server for the Seattle manager whose client shows views."""
    variables = {"ZAVA_DATABASE_URL": server_conninfo, "ZAVA_MAX_ROWS": "20000"}
    variables["ZAVA_MAX_RESULT_BYTES"] = "4000000"
    capabilities = {
        "extensions": {APPS: {"mimeTypes": ["text/html;profile=mcp-app"]}},
    }
    with StdioProcess(SEATTLE, tmp_path_factory.mktemp("cwd"), variables) as process:
        process.request("initialize", {**INITIALIZE, "capabilities": capabilities})
        process.notify("notifications/initialized")
        yield process


@pytest.fixture(scope="module")
def document(server: StdioProcess) -> str:
    """The view, as the server gives it."""
    (content,) = server.request("resources/read", {"uri": URI})["contents"]
    assert content["mimeType"] == "text/html;profile=mcp-app"
    return str(content["text"])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Browser, server: StdioProcess, document: str) -> Iterator[Show]:
    """Call a tool and show its answer; what goes wrong in the view fails the test."""
    pages: list[tuple[Page, list[str]]] = []

    def shown(
        tool: str, /, theme: str = "light", width: int = 820, **arguments: Any
    ) -> View:
        answer = server.call(tool, **arguments)
        page = browser.new_page(viewport={"width": width, "height": 680})
        troubles: list[str] = []
        pages.append((page, troubles))
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: _note(request.url, troubles))
        page.expose_function(
            "call_tool", lambda name, given: server.call(name, **given).result
        )
        page.goto(HOST.as_uri())
        given = [document, theme, tool, arguments, answer.result]
        page.evaluate("given => open_view(...given)", given)
        view = View(page, troubles)
        view.frame.locator("#title").filter(has_text=" ").wait_for()
        return view

    yield shown
    for page, troubles in pages:
        page.close()
        assert troubles == []


def _note(url: str, troubles: list[str]) -> None:
    if not url.startswith(("file:", "data:", "blob:", "about:")):
        troubles.append(url)
