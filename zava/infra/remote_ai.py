"""Embeddings of a service that speaks OpenAI's protocol, or of Azure's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from zava.errors import ConfigurationError, EmbeddingError
from zava.infra.persistence import Persistence, RefusalError

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

T = TypeVar("T")

_HEALTH_SECONDS = 3.0
_POLL_SECONDS = 0.05
# Models of this family are asked for as many dimensions as the table holds.
_SHORTENED = "text-embedding-3-"
_REFUSED = {
    400: "the embedding service rejects the request; check ZAVA_EMBEDDING_MODEL",
    401: "the embedding service refused the key; check OPENAI_API_KEY, or Azure's",
    403: "the embedding service refused the key; check OPENAI_API_KEY, or Azure's",
    404: "the embedding service has no such model; check ZAVA_EMBEDDING_MODEL",
}


class OpenAIClient:
    """The openai package's client, made when it is first needed.

    Args:
        model: The model, or the deployment of Azure.
        persistence: How often one request is tried.
        azure_api_version: Of Azure's service; None for OpenAI's protocol itself.
        max_dimensions: Of a vector that can be used.
        timeout: Seconds that one attempt may take.
        check_cancelled: Raises if the call was cancelled.
    """

    reads_misspellings = True

    def __init__(
        self,
        model: str,
        persistence: Persistence,
        *,
        azure_api_version: str | None,
        max_dimensions: int,
        timeout: float,
        check_cancelled: Callable[[], None],
    ) -> None:
        self.model = model
        self._persistence = persistence
        self._azure_api_version = azure_api_version
        self._max_dimensions = max_dimensions
        self._timeout = timeout
        self._check_cancelled = check_cancelled
        self._client: OpenAI | None = None
        self._dimensions: int | None = None
        self._lock = threading.Lock()

    def knows(self, word: str) -> bool:
        """False: the service does not tell."""
        return False

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text.

        Raises:
            EmbeddingError: The service failed, or is left alone for now.
            ConfigurationError: It refuses what it was configured with.
        """
        return self._persistence.call(lambda: self._attempt(list(texts)))

    def health_check(self) -> None:
        """List the models, which costs nothing.

        Raises:
            EmbeddingError: The service does not answer, or refuses.
        """
        from openai import OpenAIError

        client = self._connect()
        try:
            self._watched(lambda: client.models.list(timeout=_HEALTH_SECONDS))
        except OpenAIError as exc:
            # Its text may name the endpoint; its class says enough.
            kind = type(exc).__name__
            raise EmbeddingError(f"the AI service failed: {kind}") from exc

    def close(self) -> None:
        """Close the connections; a second time does nothing."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _attempt(self, texts: list[str]) -> list[list[float]]:
        """Ask once; a RefusalError where it may help to ask again."""
        from openai import APIConnectionError, APIStatusError, OpenAIError

        client = self._connect()
        options: dict[str, Any] = {}
        if self.model.startswith(_SHORTENED):
            options["dimensions"] = self._max_dimensions
        try:
            answer = self._watched(
                lambda: client.embeddings.create(
                    model=self.model, input=texts, timeout=self._timeout, **options
                )
            )
            vectors = _vectors(answer)
        except APIStatusError as exc:
            raise _refusal(exc) from exc
        except APIConnectionError as exc:  # a timeout is one of these
            raise RefusalError(
                "the embedding service cannot be reached in time"
            ) from exc
        except (OpenAIError, ValueError, TypeError, AttributeError, KeyError) as exc:
            raise RefusalError("the embedding service gave no usable answer") from exc
        self._check(vectors, len(texts))
        return vectors

    def _check(self, vectors: list[list[float]], expected: int) -> None:
        if len(vectors) != expected:
            raise RefusalError("the embedding service gave another number of vectors")
        sizes = {len(vector) for vector in vectors}
        if self._dimensions is not None:
            sizes.add(self._dimensions)
        elif self.model.startswith(_SHORTENED):
            sizes.add(self._max_dimensions)
        if len(sizes) > 1:
            raise EmbeddingError(
                "the embedding service gave vectors of different lengths:"
                f" {', '.join(map(str, sorted(sizes)))}; check ZAVA_EMBEDDING_MODEL"
            )
        (size,) = sizes
        if not 1 <= size <= self._max_dimensions:
            raise ConfigurationError(
                f"the embedding model gives {size} dimensions and at most"
                f" {self._max_dimensions} can be stored; set another"
                " ZAVA_EMBEDDING_MODEL"
            )
        self._dimensions = size

    def _watched(self, call: Callable[[], T]) -> T:
        """Make a blocking call that a cancellation need not wait for."""
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(call())
            except BaseException as exc:  # noqa: BLE001 - raised where it is awaited
                outcome.set_exception(exc)

        threading.Thread(target=run, daemon=True, name="zava-embedding").start()
        while True:
            try:
                return outcome.result(timeout=_POLL_SECONDS)
            except FutureTimeout:
                if outcome.done():
                    raise
                self._check_cancelled()

    def _connect(self) -> OpenAI:
        with self._lock:
            if self._client is None:
                from openai import AzureOpenAI, OpenAI, OpenAIError

                # Endpoint, key and the rest are read by the package from its own
                # variables, as its documentation says.
                version = self._azure_api_version
                try:
                    if version is None:
                        self._client = OpenAI(max_retries=0)
                    else:
                        self._client = AzureOpenAI(max_retries=0, api_version=version)
                except (OpenAIError, ValueError) as exc:
                    raise ConfigurationError(
                        "the variables of the AI service do not fit together"
                    ) from exc
            return self._client


def _vectors(answer: Any) -> list[list[float]]:
    """The vectors of an answer, in the order of the texts."""
    items: Iterable[Any] = sorted(answer.data, key=lambda item: int(item.index))
    vectors = [[float(x) for x in item.embedding] for item in items]
    for vector in vectors:
        if not vector or any(x - x != 0 for x in vector):
            raise ValueError("no numbers")
    return vectors


def _refusal(exc: APIStatusError) -> Exception:
    """What a status says: ask again, or mend the configuration."""
    status = exc.status_code
    if status == 429 and exc.code != "insufficient_quota":
        return RefusalError("the embedding service is busy", _retry_after(exc))
    if status >= 500 or status in (408, 409):
        return RefusalError(
            f"the embedding service failed ({status})", _retry_after(exc)
        )
    if status == 429:
        return EmbeddingError("the embedding service's quota is used up")
    advice = _REFUSED.get(status, f"the embedding service refused ({status})")
    return ConfigurationError(advice)


def _retry_after(exc: APIStatusError) -> float | None:
    """Seconds of the Retry-After header, which may be a number or a date."""
    text = exc.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())
