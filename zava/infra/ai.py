"""The AI service: an OpenAI-compatible endpoint, if one is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from zava.errors import UnavailableError

if TYPE_CHECKING:
    from openai import OpenAI

_HEALTH_SECONDS = 3.0


class AISettings(BaseSettings):
    """What the openai package reads itself; here only whether it is there counts."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    openai_api_key: SecretStr = SecretStr("")
    azure_openai_endpoint: str = ""
    azure_openai_api_key: SecretStr = SecretStr("")
    azure_openai_ad_token: SecretStr = SecretStr("")

    @property
    def is_azure(self) -> bool:
        """Whether an Azure deployment is configured; it goes before OpenAI itself."""
        key = self.azure_openai_api_key.get_secret_value()
        token = self.azure_openai_ad_token.get_secret_value()
        return bool(self.azure_openai_endpoint and (key or token))

    @property
    def is_configured(self) -> bool:
        """Whether there is an AI service at all."""
        return self.is_azure or bool(self.openai_api_key.get_secret_value())


class AIClient(Protocol):
    """What the server needs of an AI service."""

    def health_check(self) -> None:
        """See that the service answers; raises an MCPError if not."""

    def close(self) -> None:
        """Close its connections."""


class OpenAIClient:
    """The openai package's client, made when it is first needed."""

    def __init__(self, settings: AISettings) -> None:
        self._settings = settings
        self._client: OpenAI | None = None

    def health_check(self) -> None:
        """List the models, which costs nothing.

        Raises:
            UnavailableError: The service does not answer, or refuses.
        """
        from openai import OpenAIError

        try:
            self._connect().models.list(timeout=_HEALTH_SECONDS)
        except OpenAIError as exc:
            # Its text may name the endpoint; its class says enough.
            kind = type(exc).__name__
            raise UnavailableError(f"the AI service failed: {kind}") from exc

    def close(self) -> None:
        """Close the connections; a second time does nothing."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connect(self) -> OpenAI:
        if self._client is None:
            from openai import AzureOpenAI, OpenAI

            # Endpoint, key and the rest are read by the package from its own
            # variables, as its documentation says.
            azure = self._settings.is_azure
            self._client = (
                AzureOpenAI(max_retries=0) if azure else OpenAI(max_retries=0)
            )
        return self._client


def create_ai_client(settings: AISettings) -> AIClient | None:
    """Return a client for what is configured, or None."""
    return OpenAIClient(settings) if settings.is_configured else None
