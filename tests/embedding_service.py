"""A service on loopback that speaks the protocol of OpenAI's embeddings.

What it does is set by the test: `script` holds what happens to the next requests,
one each; when it is used up, requests are answered properly.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class EmbeddingService:
    """What a test sets, and what it can look at afterwards.

    Attributes:
        url: Of the service, for OPENAI_BASE_URL.
        dimensions: Of its vectors.
        script: What happens to the next requests: each is called with the handler.
        requests: Path, headers (in lower case) and body of every request.
        gate: A request that hangs waits for it.
    """

    url: str = ""
    dimensions: int = 1536
    script: list[Callable[[Any], None]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(
        default_factory=list
    )
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def texts(self) -> list[str]:
        """Every text that was sent to be embedded."""
        return [text for _, _, body in self.requests for text in body["input"]]


def status(
    code: int, error_code: str | None = None, **headers: str
) -> Callable[[Any], None]:
    """Refuse a request with a status, and the service's own code for it."""

    def act(handler: Any) -> None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.reply(
            code,
            json.dumps({"error": {"message": "no", "code": error_code}}).encode(),
            names,
        )

    return act


def body(content: bytes) -> Callable[[Any], None]:
    """Answer a request with these bytes."""
    return lambda handler: handler.reply(200, content)


def hang(handler: Any) -> None:
    """Leave a request without an answer until the gate opens."""
    handler.service.gate.wait(30)
    handler.close_connection = True


def vector_of(text: str, dimensions: int) -> list[float]:
    """Return numbers that depend on the text alone."""
    digest = hashlib.sha256(text.encode()).digest()
    return [(digest[n % 32] - 127) / 127 for n in range(dimensions)]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: EmbeddingService

    def do_GET(self) -> None:
        """List no models."""
        self.reply(200, b'{"object": "list", "data": []}')

    def do_POST(self) -> None:
        """Embed what was sent, unless the script says otherwise."""
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.service.requests.append((self.path, headers, sent))
        if self.service.script:
            self.service.script.pop(0)(self)
            return
        data = [
            {
                "object": "embedding",
                "index": number,
                "embedding": self._encoded(text, sent.get("encoding_format")),
            }
            # In no particular order: the index says which is which.
            for number, text in reversed(list(enumerate(sent["input"])))
        ]
        answer = {"object": "list", "model": sent["model"], "data": data}
        self.reply(200, json.dumps(answer).encode())

    def _encoded(self, text: str, encoding: str | None) -> Any:
        vector = vector_of(text, self.service.dimensions)
        if encoding != "base64":
            return vector
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()

    def reply(
        self, code: int, content: bytes, headers: dict[str, str] | None = None
    ) -> None:
        """Send an answer."""
        self.send_response(code)
        for name, value in {
            "Content-Type": "application/json",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def embedding_service() -> Iterator[EmbeddingService]:
    """Serve on loopback until the block ends."""
    service = EmbeddingService()
    handler = type("Handler", (_Handler,), {"service": service})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        service.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            service.gate.set()
            server.shutdown()
            thread.join()
