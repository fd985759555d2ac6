"""Embeddings of a service that speaks OpenAI's protocol, or of Azure's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from zava.ai.breaker import RefusalError
from zava.errors import ConfigurationError, EmbeddingError

if TYPE_CHECKING:
    from openai import APIStatusError


import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from zava.ai.breaker import Persistence

if TYPE_CHECKING:
    from openai import OpenAI

# Of a vector. A float of PostgreSQL holds the square of what lies between.
_SHORTEST, _LONGEST = 1e-12, 1e12
_REFUSED = {
    400: "the embedding service rejects the request; check ZAVA_EMBEDDING_MODEL",
    401: "the embedding service refused the key; check OPENAI_API_KEY, or Azure's",
    403: "the embedding service refused the key; check OPENAI_API_KEY, or Azure's",
    404: "the embedding service has no such model; check ZAVA_EMBEDDING_MODEL",
}


def vectors_of(answer: Any) -> list[list[float]]:
    """Return the vectors of an answer, in the order of the texts.

    Raises:
        ValueError: They are none that PostgreSQL could compare; other errors
            where the answer is of another shape.
    """
    items: Iterable[Any] = sorted(answer.data, key=lambda item: int(item.index))
    vectors = [[float(x) for x in item.embedding] for item in items]
    for vector in vectors:
        if not _SHORTEST < math.hypot(*vector) < _LONGEST:  # false for NaN
            raise ValueError("no vector")
    return vectors


def refusal(exc: Exception) -> Exception:
    """Return what a failed request means: ask again, or mend the configuration.

    The text of `exc` may name the endpoint or a key, so its class alone is told.
    """
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(exc, APIStatusError):
        return _refused_by_status(exc)
    if isinstance(exc, APITimeoutError | FutureTimeout):
        return RefusalError("the embedding service did not answer in time")
    if isinstance(exc, APIConnectionError):
        kind = type(exc.__cause__ or exc).__name__
        return RefusalError(
            f"the embedding service cannot be reached ({kind}); check the network,"
            " OPENAI_BASE_URL or AZURE_OPENAI_ENDPOINT, and HTTPS_PROXY and ALL_PROXY"
        )
    return RefusalError("the embedding service gave no usable answer")


def no_client(exc: Exception) -> ConfigurationError:
    """Return why the variables of the service make no client."""
    if isinstance(exc, ImportError):
        advice = (
            "ALL_PROXY or HTTPS_PROXY names a SOCKS proxy, which needs the package"
            " socksio: unset the variable, or install it"
        )
    elif isinstance(exc, OSError):
        advice = "check the files that SSL_CERT_FILE and SSL_CERT_DIR name"
    else:
        advice = (
            "check the key, OPENAI_BASE_URL or AZURE_OPENAI_ENDPOINT, and HTTPS_PROXY"
            " and ALL_PROXY"
        )
    kind = type(exc).__name__
    return ConfigurationError(
        f"the variables of the AI service do not fit together ({kind}): {advice}"
    )


def _refused_by_status(exc: APIStatusError) -> Exception:
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


T = TypeVar("T")

_HEALTH_SECONDS = 3.0
_POLL_SECONDS = 0.05
# Requests that were given up may still hold a thread each.
_MOST_IN_FLIGHT = 32
# Models of this family are asked for as many dimensions as the table holds.
_SHORTENED = "text-embedding-3-"


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
        self._in_flight = threading.BoundedSemaphore(_MOST_IN_FLIGHT)

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
            ConfigurationError: There can be no client with these variables.
        """
        client = self._connect()
        try:
            self._watched(
                lambda: client.models.list(timeout=_HEALTH_SECONDS), _HEALTH_SECONDS
            )
        except Exception as exc:
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
        client = self._connect()
        options: dict[str, Any] = {}
        if self.model.startswith(_SHORTENED):
            options["dimensions"] = self._max_dimensions

        def ask() -> list[list[float]]:
            answer = client.embeddings.create(
                model=self.model, input=texts, timeout=self._timeout, **options
            )
            return vectors_of(answer)

        try:
            vectors = self._watched(ask, self._timeout)
        except RefusalError:
            raise
        except Exception as exc:
            # Whatever goes wrong on the way to a service goes wrong here, and a
            # search goes on without it.
            raise refusal(exc) from exc
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

    def _watched(self, call: Callable[[], T], seconds: float) -> T:
        """Make a blocking call that a cancellation need not wait for.

        The package's own timeout starts again with every byte, so an answer that
        trickles would never end; this one is over after `seconds`.
        """
        outcome: Future[T] = Future()
        deadline = time.monotonic() + seconds

        def run() -> None:
            try:
                outcome.set_result(call())
            except BaseException as exc:  # noqa: BLE001 - raised where it is awaited
                outcome.set_exception(exc)
            finally:
                self._in_flight.release()

        if not self._in_flight.acquire(blocking=False):
            raise RefusalError("the embedding service has not ended earlier requests")
        threading.Thread(target=run, daemon=True, name="zava-embedding").start()
        while True:
            try:
                return outcome.result(timeout=_POLL_SECONDS)
            except FutureTimeout:
                if outcome.done():
                    raise
                self._check_cancelled()
                if time.monotonic() > deadline:
                    raise

    def _connect(self) -> OpenAI:
        with self._lock:
            if self._client is None:
                # Endpoint, key and the rest are read by the package from its own
                # variables, as its documentation says.
                version = self._azure_api_version
                try:
                    from openai import AzureOpenAI, OpenAI

                    if version is None:
                        self._client = OpenAI(max_retries=0)
                    else:
                        self._client = AzureOpenAI(max_retries=0, api_version=version)
                except Exception as exc:
                    raise no_client(exc) from exc
            return self._client
