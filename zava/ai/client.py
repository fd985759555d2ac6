"""The AI service: what turns texts into vectors, and which of those there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from zava.ai.breaker import CircuitBreaker, Persistence
from zava.ai.local import MEMORY, LocalClient
from zava.ai.openai import OpenAIClient
from zava.errors import ConfigurationError

if TYPE_CHECKING:
    from zava.settings import Settings

MAX_DIMENSIONS = 1536
"""Of a stored vector; shorter ones are padded with zeros."""

# An answer that somebody waits for, and a batch that nobody watches.
_ATTEMPTS, _PATIENCE = 3, 4.0
_BATCH_ATTEMPTS, _BATCH_PATIENCE = 8, 300.0


class AISettings(BaseSettings):
    """What the openai package reads itself; here it counts what is there."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    openai_api_key: SecretStr = SecretStr("")
    openai_base_url: str = ""
    azure_openai_endpoint: str = ""
    azure_openai_api_key: SecretStr = SecretStr("")
    azure_openai_ad_token: SecretStr = SecretStr("")
    openai_api_version: str = "2024-10-21"

    def environment(self) -> dict[str, str]:
        """Return the variables that are set, secrets in the clear."""
        plain = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in self.model_dump(exclude_defaults=True).items()
        }
        return {name.upper(): value for name, value in plain.items() if value}

    @property
    def is_azure(self) -> bool:
        """Whether an Azure deployment is configured."""
        key = self.azure_openai_api_key.get_secret_value()
        token = self.azure_openai_ad_token.get_secret_value()
        return bool(self.azure_openai_endpoint and (key or token))

    @property
    def is_openai(self) -> bool:
        """Whether OpenAI, or a service that speaks its protocol, is configured."""
        return bool(self.openai_api_key.get_secret_value())


class AIClient(Protocol):
    """What the server needs of an AI service.

    Attributes:
        model: Names what made a vector; vectors of two models do not compare.
        reads_misspellings: Whether a text is best embedded as it was typed.
    """

    model: str
    reads_misspellings: bool

    def knows(self, word: str) -> bool:
        """Whether a word is surely no misspelling; False if that cannot be told."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, all of one length, at most 1536.

        Raises:
            EmbeddingError: The service failed, or is left alone for now.
            ConfigurationError: It refuses what it was configured with.
        """

    def health_check(self) -> None:
        """See that the service answers; raises an MCPError if not."""

    def close(self) -> None:
        """Close its connections."""


def create_ai_client(
    settings: Settings,
    ai: AISettings,
    *,
    sleep: Callable[[float], None],
    check_cancelled: Callable[[], None],
    is_batch: bool = False,
) -> AIClient | None:
    """Return the client of the provider that is set, or configured; None for none.

    Args:
        settings: The provider, its model and its timeout.
        ai: What is there.
        sleep: Waits between two attempts, and ends with a cancelled call.
        check_cancelled: Raises if the call was cancelled.
        is_batch: Whether to wait long for a service that is busy.

    Raises:
        ConfigurationError: The provider that is set is not there.
    """
    provider = provider_of(settings, ai)
    if provider == "none":
        return None
    if provider == "local":
        if not _has_local():
            raise ConfigurationError(
                'the local model is not installed: pip install "zava[embedded]"'
            )
        return LocalClient()
    azure = provider == "azure"
    if azure and not ai.is_azure:
        raise ConfigurationError(
            "azure needs AZURE_OPENAI_ENDPOINT, and AZURE_OPENAI_API_KEY or"
            " AZURE_OPENAI_AD_TOKEN"
        )
    if not azure and not ai.is_openai:
        raise ConfigurationError(
            "openai needs OPENAI_API_KEY; a service of your own that asks for none"
            " takes any value, with its address in OPENAI_BASE_URL"
        )
    persistence = Persistence(
        _BATCH_ATTEMPTS if is_batch else _ATTEMPTS,
        _BATCH_PATIENCE if is_batch else _PATIENCE,
        CircuitBreaker(),
        sleep,
    )
    return OpenAIClient(
        settings.embedding_model,
        persistence,
        azure_api_version=ai.openai_api_version if azure else None,
        max_dimensions=MAX_DIMENSIONS,
        timeout=settings.embedding_timeout,
        check_cancelled=check_cancelled,
    )


def provider_of(settings: Settings, ai: AISettings) -> str:
    """Return the provider that is set, or for `auto` the first that is there."""
    if settings.embedding_provider != "auto":
        return settings.embedding_provider
    if ai.is_azure:
        return "azure"
    if ai.is_openai:
        return "openai"
    return "local" if _has_local() else "none"


def client_of_model(settings: Settings, model: str) -> AIClient | None:
    """Return the client of the model that the products were embedded with.

    None where another provider is set than `auto`, or where it takes more than is
    installed: a service is asked by its own settings only.
    """
    if settings.embedding_provider != "auto" or model != LocalClient.model:
        return None
    return LocalClient() if _has_local() else None


def memory_of_model(settings: Settings) -> int:
    """Return the bytes that a model takes in this process once it is loaded."""
    may_be_local = settings.embedding_provider in ("auto", "local") and _has_local()
    return MEMORY if may_be_local else 0


def with_local_embedding(settings: Settings) -> Settings:
    """Return the settings with the local model, or with none if it is not there."""
    provider = "local" if _has_local() else "none"
    return settings.model_copy(update={"embedding_provider": provider})


def _has_local() -> bool:
    return find_spec("wordllama") is not None
