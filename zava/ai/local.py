"""Embeddings without a service: static word vectors that come with a package."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zava.errors import EmbeddingError

if TYPE_CHECKING:
    from wordllama import WordLlamaInference

DIMENSIONS = 256
MEMORY = 160 * 1024 * 1024
"""Bytes that the loaded model takes in the process, numpy's buffers included."""

# Stands in the vocabulary before what begins a word.
_BEGINNING = "\N{LOWER ONE EIGHTH BLOCK}"


class LocalClient:
    """wordllama: 256 dimensions, loaded from its own wheel when first needed."""

    model = f"wordllama-{DIMENSIONS}"
    reads_misspellings = False

    def __init__(self) -> None:
        self._loaded: WordLlamaInference | None = None
        self._lock = threading.Lock()

    def knows(self, word: str) -> bool:
        """Whether the model's vocabulary has the word whole: it is a common one."""
        try:
            tokenizer = self._load().tokenizer
        except EmbeddingError:
            return False
        spellings = (word.lower(), word.capitalize())
        return any(
            tokenizer.token_to_id(_BEGINNING + spelling) is not None
            for spelling in spellings
        )

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector of length 1 for each text; of zeros if it has no words.

        Raises:
            EmbeddingError: The model cannot be loaded.
        """
        vectors = self._load().embed(list(texts), norm=False).tolist()
        return [_of_length_1(vector) for vector in vectors]

    def health_check(self) -> None:
        """Load the model, if that has not happened yet."""
        self._load()

    def close(self) -> None:
        """Forget the model."""
        self._loaded = None

    def _load(self) -> WordLlamaInference:
        with self._lock:
            if self._loaded is None:
                try:
                    import wordllama

                    # Its default looks for the tokenizer in the wrong folder, and
                    # then on the network.
                    folder = Path(wordllama.__file__).parent
                    self._loaded = wordllama.WordLlama.load(
                        dim=DIMENSIONS, cache_dir=folder, disable_download=True
                    )
                except Exception as exc:
                    kind = type(exc).__name__
                    raise EmbeddingError(
                        f"the local model cannot be loaded ({kind}): install zava"
                        " with its extra `embedded` again"
                    ) from exc
            return self._loaded


def _of_length_1(vector: list[float]) -> list[float]:
    length = math.sqrt(math.fsum(x * x for x in vector))
    if not 0 < length < math.inf:
        return [0.0] * len(vector)  # a text without words
    return [x / length for x in vector]
