"""Which AI service there is, and the one that needs no network."""

from __future__ import annotations

import math
import socket
from typing import Any

import pytest

from zava.ai import client as ai
from zava.ai.client import AIClient, AISettings, create_ai_client, provider_of
from zava.ai.local import DIMENSIONS, LocalClient
from zava.errors import ConfigurationError
from zava.settings import Settings

NAMES = (
    "OPENAI_API_KEY",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_AD_TOKEN",
)
OPENAI = {"OPENAI_API_KEY": "k"}
AZURE = {"AZURE_OPENAI_ENDPOINT": "https://e.example", "AZURE_OPENAI_API_KEY": "k"}


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def create(settings: Settings) -> AIClient | None:
    return create_ai_client(
        settings, AISettings(), sleep=lambda _s: None, check_cancelled=lambda: None
    )


@pytest.mark.parametrize(
    ("variables", "local", "provider"),
    [
        pytest.param({}, True, "local", id="nothing but the extra"),
        pytest.param({}, False, "none", id="nothing"),
        pytest.param(OPENAI, True, "openai", id="a key"),
        pytest.param({**OPENAI, **AZURE}, True, "azure", id="both"),
        pytest.param(
            {"AZURE_OPENAI_ENDPOINT": "https://e.example"}, True, "local", id="half"
        ),
    ],
)
def test_auto_takes_the_first_that_is_there(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    local: bool,
    provider: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ai, "_has_local", lambda: local)
    assert provider_of(Settings.load(), AISettings()) == provider


def test_a_setting_goes_before_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert create(Settings.load(embedding_provider="none")) is None
    assert isinstance(create(Settings.load(embedding_provider="local")), LocalClient)


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("openai", "OPENAI_API_KEY"),
        ("azure", "AZURE_OPENAI_ENDPOINT"),
        ("local", "embedded"),
    ],
)
def test_a_provider_that_is_set_but_not_there_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, provider: Any, variable: str
) -> None:
    monkeypatch.setattr(ai, "_has_local", lambda: False)
    with pytest.raises(ConfigurationError, match=variable):
        create(Settings.load(embedding_provider=provider))


@pytest.fixture(scope="module")
def local() -> LocalClient:
    return LocalClient()


def test_the_local_model_needs_no_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    (vector,) = LocalClient().embed(["paint"])
    assert len(vector) == DIMENSIONS
    assert math.isclose(math.fsum(x * x for x in vector), 1, abs_tol=1e-5)


def test_the_local_model_brings_together_what_means_the_same(
    local: LocalClient,
) -> None:
    faucet, tap, hammer = local.embed(["kitchen faucet", "kitchen tap", "hammer"])

    def cosine(one: list[float], other: list[float]) -> float:
        return math.fsum(a * b for a, b in zip(one, other, strict=True))

    assert cosine(faucet, tap) > cosine(faucet, hammer) + 0.2


@pytest.mark.parametrize("text", ["", " ", "\N{HAMMER}", "\n"])
def test_a_text_without_words_has_a_vector_of_numbers(
    local: LocalClient, text: str
) -> None:
    (vector,) = local.embed([text])
    assert all(math.isfinite(x) for x in vector)


def test_the_local_model_knows_common_words_and_no_slips(local: LocalClient) -> None:
    assert local.knows("paint")
    assert local.knows("Women")
    assert not local.knows("scredriver")
