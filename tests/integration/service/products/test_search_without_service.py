"""Whatever goes wrong with the embedding service, a hybrid search answers by words."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.embedding_service import (
    EmbeddingService,
    body,
    embedding_service,
    hang,
    status,
)
from tests.patience import PATIENCE
from tests.people import SEATTLE
from zava.ai.client import AIClient, AISettings, create_ai_client
from zava.ai.local import LocalClient
from zava.data.provider import PostgreSQLProvider
from zava.errors import ConfigurationError, EmbeddingError
from zava.infra.cache import QueryCache
from zava.models import ProductQuestion
from zava.service.products.search import ProductSearch
from zava.settings import Settings

pytestmark = [pytest.mark.thorough, pytest.mark.once]

HAMMER = "HTHM001010"
PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
QUESTION = ProductQuestion("claw hammer")
BY_MEANING = ProductQuestion("claw hammer", mode="semantic")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingService]:
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with embedding_service() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-that-nobody-may-see")
        yield running


def client_of(**settings: Any) -> AIClient:
    client = create_ai_client(
        Settings.load(
            **{
                "embedding_provider": "openai",
                "embedding_timeout": PATIENCE,
                **settings,
            }
        ),
        AISettings(),
        sleep=lambda _seconds: None,
        check_cancelled=lambda: None,
    )
    assert client is not None
    return client


def check(provider: PostgreSQLProvider, client: AIClient) -> str:
    """See that words answer, and meaning alone is an error; return the note."""
    with closing(client):
        search = ProductSearch(provider, QueryCache(), client)
        answer = search.search(QUESTION, SEATTLE)
        assert answer["products"][0]["sku"] == HAMMER
        with pytest.raises((ConfigurationError, EmbeddingError)):
            search.search(BY_MEANING, SEATTLE)
    (note,) = answer["notes"]
    assert note.startswith("searched by words alone: ")
    assert "sk-a-key" not in note
    return str(note)


def vector(*numbers: float) -> bytes:
    data = [{"object": "embedding", "index": 0, "embedding": [*numbers]}]
    return json.dumps({"object": "list", "model": "m", "data": data}).encode()


def trickle(handler: Any) -> None:
    """Send an answer that has no end, a byte now and then."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    with suppress(OSError):
        while not handler.service.gate.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()
    handler.close_connection = True


def drop(handler: Any) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


@pytest.mark.parametrize(
    ("act", "why"),
    [
        pytest.param(status(400), "ZAVA_EMBEDDING_MODEL", id="400"),
        pytest.param(status(401), "OPENAI_API_KEY", id="401"),
        pytest.param(status(403), "OPENAI_API_KEY", id="403"),
        pytest.param(status(404), "ZAVA_EMBEDDING_MODEL", id="404"),
        pytest.param(status(418), "418", id="418"),
        pytest.param(status(429), "busy", id="429"),
        pytest.param(status(500), "500", id="500"),
        pytest.param(status(503, Retry_After="3600"), "503", id="503"),
        pytest.param(status(307, Location="/elsewhere"), "", id="a redirection"),
        pytest.param(hang, "in time", id="no answer"),
        pytest.param(trickle, "in time", id="an answer without end"),
        pytest.param(drop, "cannot be reached", id="a closed connection"),
        pytest.param(body(b"<html>sign in</html>"), "no usable answer", id="HTML"),
        pytest.param(body(b"[" * 100_000), "no usable answer", id="too deep"),
        pytest.param(body(vector(*[0.1] * 7)), "7, 1536", id="wrong dimensions"),
        pytest.param(body(vector(*[float("nan")] * 1536)), "no usable", id="NaN"),
        pytest.param(body(vector(*[float("inf")] * 1536)), "no usable", id="infinity"),
        pytest.param(body(vector(*[1e200] * 1536)), "no usable", id="too large"),
        pytest.param(body(vector(*[1e-200] * 1536)), "no usable", id="too small"),
        pytest.param(body(vector(*[0.0] * 1536)), "no usable", id="no direction"),
    ],
)
def test_whatever_the_service_answers_words_are_searched_and_the_note_says_why(
    service: EmbeddingService,
    searchable_provider: PostgreSQLProvider,
    act: Callable[[Any], None],
    why: str,
) -> None:
    service.script = [act] * 12
    limits = {"embedding_timeout": 0.2} if act in (hang, trickle) else {}
    assert why in check(searchable_provider, client_of(**limits))


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "ALL_PROXY"),
        ("ALL_PROXY", "nonsense://proxy", "ALL_PROXY"),
        ("HTTP_PROXY", "http://127.0.0.1:1", "HTTPS_PROXY"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "SSL_CERT_FILE"),
        ("SSL_CERT_FILE", __file__, "SSL_CERT_FILE"),
        ("OPENAI_BASE_URL", "not an address", "OPENAI_BASE_URL"),
        ("OPENAI_BASE_URL", "http://[::1", "OPENAI_BASE_URL"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:99999", "OPENAI_BASE_URL"),
        ("OPENAI_BASE_URL", "http://embeddings.invalid/v1", "cannot be reached"),
        ("OPENAI_API_KEY", "schlüssel", ""),
        ("OPENAI_API_KEY", "a key\nof two lines", ""),
    ],
)
def test_whatever_the_variables_say_words_are_searched_and_the_note_says_why(
    service: EmbeddingService,
    searchable_provider: PostgreSQLProvider,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    why: str,
) -> None:
    monkeypatch.setenv(variable, value)
    assert why in check(searchable_provider, client_of())


def test_azure_without_a_usable_endpoint_leaves_the_words(
    service: EmbeddingService,
    searchable_provider: PostgreSQLProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://[::1")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "sk-a-key-that-nobody-may-see")
    note = check(searchable_provider, client_of(embedding_provider="azure"))
    assert "AZURE_OPENAI_ENDPOINT" in note


def test_a_local_model_whose_files_are_gone_leaves_the_words(
    searchable_provider: PostgreSQLProvider,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    import wordllama

    monkeypatch.setattr(wordllama, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(wordllama.WordLlama, "load", _missing)
    assert "cannot be loaded" in check(searchable_provider, LocalClient())


def _missing(*_args: Any, **_options: Any) -> None:
    raise FileNotFoundError("tokenizer_config.json")


def test_an_answer_without_end_is_given_up_after_the_timeout(
    service: EmbeddingService,
) -> None:
    asked = threading.Event()

    def trickle_visibly(handler: Any) -> None:
        asked.set()
        trickle(handler)

    service.script = [trickle_visibly] * 12
    client = client_of(embedding_timeout=0.2)
    with closing(client), pytest.raises(EmbeddingError, match="time"):
        client.embed(["paint"])
    assert asked.wait(PATIENCE)
    assert not service.gate.is_set()  # the service was still at it


def test_vectors_of_another_model_leave_the_words(
    searchable_provider: PostgreSQLProvider,
) -> None:
    class OtherClient(LocalClient):
        model = "another-model"

        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return super().embed(texts)

    note = check(searchable_provider, OtherClient())
    assert "wordllama-256" in note
    assert "zava embed" in note
