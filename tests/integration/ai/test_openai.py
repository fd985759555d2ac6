"""Embeddings of a service, through the real openai package."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.embedding_service import (
    EmbeddingService,
    body,
    embedding_service,
    hang,
    status,
    vector_of,
)
from tests.fakes import FakeClock
from tests.patience import PATIENCE
from zava.ai.breaker import CircuitBreaker, Persistence
from zava.ai.client import AISettings, create_ai_client
from zava.ai.openai import OpenAIClient
from zava.errors import ConfigurationError, EmbeddingError
from zava.settings import Settings

pytestmark = [pytest.mark.thorough, pytest.mark.once]

KEY = "sk-a-key-that-nobody-may-see"
SMALL = "text-embedding-3-small"


class Cancelled(BaseException):
    """What the event loop would raise in a cancelled call."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingService]:
    for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    with embedding_service() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def clients(clock: FakeClock) -> Iterator[Any]:
    """Make clients whose waits pass on the fake clock; close them at the end."""
    made: list[OpenAIClient] = []

    def make(model: str = SMALL, **options: Any) -> OpenAIClient:
        breaker = CircuitBreaker(failures=3, pause=30, clock=clock)
        persistence = Persistence(
            options.pop("attempts", 3), 10.0, breaker, clock.advance, clock
        )
        settings: dict[str, Any] = {
            "azure_api_version": None,
            "max_dimensions": 1536,
            "timeout": PATIENCE,
            "check_cancelled": lambda: None,
            **options,
        }
        made.append(OpenAIClient(model, persistence, **settings))
        return made[-1]

    yield make
    for client in made:
        client.close()


def near(vector: list[float], text: str) -> bool:
    expected = vector_of(text, len(vector))
    return all(abs(a - b) < 1e-6 for a, b in zip(vector, expected, strict=True))


def test_each_text_gets_its_own_vector(service: EmbeddingService, clients: Any) -> None:
    first, second = clients().embed(["paint", "brush"])
    assert len(first) == 1536
    assert near(first, "paint")
    assert near(second, "brush")
    ((path, headers, sent),) = service.requests
    assert path == "/v1/embeddings"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert (sent["model"], sent["dimensions"]) == (SMALL, 1536)


def test_a_model_of_another_family_is_not_asked_for_dimensions(
    service: EmbeddingService, clients: Any
) -> None:
    service.dimensions = 768
    (vector,) = clients("nomic-embed-text").embed(["paint"])
    assert len(vector) == 768
    assert "dimensions" not in service.requests[0][2]


def test_a_busy_service_is_asked_again_when_it_says(
    service: EmbeddingService, clients: Any, clock: FakeClock
) -> None:
    service.script = [status(429, Retry_After="7")]
    started = clock.now
    assert clients().embed(["paint"])
    assert clock.now - started == 7
    assert len(service.requests) == 2


def test_a_service_that_wants_to_be_left_alone_for_long_is(
    service: EmbeddingService, clients: Any, clock: FakeClock
) -> None:
    service.script = [status(429, Retry_After="3600")]
    started = clock.now
    with pytest.raises(EmbeddingError, match="busy"):
        clients().embed(["paint"])
    assert clock.now == started
    assert len(service.requests) == 1


def test_a_quota_that_is_used_up_is_told_at_once(
    service: EmbeddingService, clients: Any
) -> None:
    service.script = [status(429, "insufficient_quota")]
    with pytest.raises(EmbeddingError, match="quota is used up"):
        clients().embed(["paint"])
    assert len(service.requests) == 1


def test_a_date_says_when_to_ask_again(
    service: EmbeddingService, clients: Any, clock: FakeClock
) -> None:
    service.script = [status(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")]
    started = clock.now
    assert clients().embed(["paint"])
    assert clock.now == started


def test_a_failure_is_tried_again_with_growing_waits(
    service: EmbeddingService, clients: Any, clock: FakeClock
) -> None:
    waits: list[float] = []
    advance = clock.advance

    def note(seconds: float) -> None:
        waits.append(seconds)
        advance(seconds)

    clock.advance = note  # type: ignore[method-assign]
    service.script = [status(500), status(502), status(503)]
    assert clients(attempts=4).embed(["paint"])
    assert len(waits) == 3
    assert 0.125 <= waits[0] <= 0.25 <= waits[1] <= 0.5 <= waits[2] <= 1.0


def test_the_breaker_opens_after_three_calls_and_closes_after_one_that_succeeds(
    service: EmbeddingService, clients: Any, clock: FakeClock
) -> None:
    client = clients(attempts=1)
    service.script = [status(500)] * 4
    for _ in range(3):
        with pytest.raises(EmbeddingError, match="500"):
            client.embed(["paint"])
    with pytest.raises(EmbeddingError, match="several times in a row"):
        client.embed(["paint"])
    assert len(service.requests) == 3
    clock.advance(31)
    with pytest.raises(EmbeddingError, match="500"):
        client.embed(["paint"])  # the one that tries
    with pytest.raises(EmbeddingError, match="several times in a row"):
        client.embed(["paint"])
    assert len(service.requests) == 4
    clock.advance(31)
    assert client.embed(["paint"])
    assert client.embed(["brush"])
    assert len(service.requests) == 6


def test_a_service_that_hangs_is_given_up(
    service: EmbeddingService, clients: Any
) -> None:
    service.script = [hang]
    with pytest.raises(EmbeddingError, match="in time"):
        clients(attempts=1, timeout=0.1).embed(["paint"])


def test_a_cancelled_call_does_not_wait_for_a_service_that_hangs(
    service: EmbeddingService, clients: Any
) -> None:
    asked = threading.Event()

    def hang_visibly(handler: Any) -> None:
        asked.set()
        hang(handler)

    def check_cancelled() -> None:
        if asked.is_set():
            raise Cancelled

    service.script = [hang_visibly]
    client = clients(timeout=60.0, check_cancelled=check_cancelled)
    with pytest.raises(Cancelled):
        client.embed(["paint"])
    assert client.embed(["brush"])  # and says nothing against the service


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<html>gateway</html>", id="not JSON"),
        pytest.param(b"{}", id="no data"),
        pytest.param(b'{"data": []}', id="no vectors"),
        pytest.param(b'{"data": [{"index": 0, "embedding": "%%%"}]}', id="no numbers"),
        pytest.param(b'{"data": [{"index": 0, "embedding": null}]}', id="null"),
        pytest.param(b'{"data": [{"index": 0, "embedding": [1, "a"]}]}', id="a word"),
        pytest.param(b'{"data": [{"index": 0, "embedding": [NaN]}]}', id="NaN"),
        pytest.param(b"[1, 2", id="cut off"),
    ],
)
def test_an_answer_that_is_none_is_tried_again_and_then_an_error(
    service: EmbeddingService, clients: Any, content: bytes
) -> None:
    service.script = [body(content), body(content)]
    client = clients(attempts=2)
    with pytest.raises(EmbeddingError):
        client.embed(["paint"])
    assert len(service.requests) == 2
    assert client.embed(["paint"])


def test_a_wrong_dimension_is_an_error_that_names_the_setting(
    service: EmbeddingService, clients: Any
) -> None:
    service.dimensions = 1024
    with pytest.raises(EmbeddingError, match=r"1024, 1536.*ZAVA_EMBEDDING_MODEL"):
        clients().embed(["paint"])


def test_a_model_of_too_many_dimensions_is_refused(
    service: EmbeddingService, clients: Any
) -> None:
    service.dimensions = 3072
    with pytest.raises(ConfigurationError, match="3072"):
        clients("large-model").embed(["paint"])


def test_a_model_that_changes_its_dimensions_is_noticed(
    service: EmbeddingService, clients: Any
) -> None:
    client = clients("own-model")
    service.dimensions = 768
    client.embed(["paint"])
    service.dimensions = 1024
    with pytest.raises(EmbeddingError, match="768, 1024"):
        client.embed(["paint"])


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_tried_again_and_does_not_open_the_breaker(
    service: EmbeddingService, clients: Any, code: int
) -> None:
    client = clients()
    service.script = [status(code)] * 4
    for _ in range(4):
        with pytest.raises(ConfigurationError):
            client.embed(["paint"])
    assert len(service.requests) == 4
    assert client.embed(["paint"])


def test_the_key_is_in_no_error_and_in_no_log(
    service: EmbeddingService, clients: Any, caplog: pytest.LogCaptureFixture
) -> None:
    service.script = [status(401), status(500)]
    with caplog.at_level(logging.DEBUG):
        client = clients(attempts=1)
        for _ in range(2):
            with pytest.raises((ConfigurationError, EmbeddingError)) as caught:
                client.embed(["paint"])
            assert KEY not in str(caught.value)
            assert "127.0.0.1" not in str(caught.value)
    assert KEY not in caplog.text


def test_a_service_that_is_not_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, clients: Any
) -> None:
    with embedding_service() as gone:
        pass
    monkeypatch.setenv("OPENAI_BASE_URL", gone.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(EmbeddingError, match="cannot be reached"):
        clients(attempts=2).embed(["paint"])


@pytest.mark.parametrize(
    ("variable", "header"),
    [
        ("AZURE_OPENAI_API_KEY", "api-key"),
        ("AZURE_OPENAI_AD_TOKEN", "authorization"),
    ],
)
def test_azure_is_asked_by_deployment_and_version(
    service: EmbeddingService,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    header: str,
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", service.url.removesuffix("/v1"))
    monkeypatch.setenv(variable, KEY)
    settings = Settings.load(embedding_model="shop-embeddings")
    client = create_ai_client(
        settings,
        AISettings(),
        sleep=lambda _seconds: None,
        check_cancelled=lambda: None,
    )
    assert client is not None
    assert client.model == "shop-embeddings"
    (vector,) = client.embed(["paint"])
    client.close()
    assert near(vector, "paint")
    ((path, headers, _sent),) = service.requests
    assert path == (
        "/openai/deployments/shop-embeddings/embeddings?api-version=2024-10-21"
    )
    assert KEY in headers[header]
