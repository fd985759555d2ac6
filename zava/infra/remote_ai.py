"""Embeddings of a service that speaks OpenAI's protocol, or of Azure's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, TypeVar

from zava.errors import ConfigurationError, EmbeddingError
from zava.infra.persistence import Persistence, RefusalError
from zava.infra.remote_answers import no_client, refusal, vectors_of

if TYPE_CHECKING:
    from openai import OpenAI

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
