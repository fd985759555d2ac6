"""What a remote embedding service answered, and what its failures mean."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from zava.errors import ConfigurationError, EmbeddingError
from zava.infra.persistence import RefusalError

if TYPE_CHECKING:
    from openai import APIStatusError

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
