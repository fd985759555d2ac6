"""The spelling of a question: words that the catalogue lacks become near ones."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from zava.data.products import known_words, list_vocabulary
from zava.data.provider import PostgreSQLProvider
from zava.infra.ai import AIClient
from zava.models import Identity
from zava.service.spelling import Vocabulary

_VOCABULARY_SECONDS = 600.0
# A longer text is not a question with typing errors.
_MOST_CORRECTIONS = 20
_WORD = re.compile(r"[^\W\d_]+")


class QuestionSpelling:
    """Mends questions by the catalogue's words, which it reads now and then.

    Args:
        provider: Where the words come from.
        ai_client: What knows words besides, None for nothing.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        provider: PostgreSQLProvider,
        ai_client: AIClient | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._ai_client = ai_client
        self._clock = clock
        self._vocabulary: tuple[float, Vocabulary] | None = None

    def mend(self, question: str, identity: Identity) -> str:
        """Return the question as it was meant to be spelt.

        Raises:
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        vocabulary = self._current_vocabulary(identity)
        unknown = vocabulary.unknown(_WORD.findall(question))[:_MOST_CORRECTIONS]
        client = self._ai_client
        meant = {
            word: near
            for word in unknown
            if not (client and client.knows(word))
            and (near := vocabulary.nearest(word))
        }
        if not meant:
            return question
        # A plural or a verb's form may be known by its stem. PostgreSQL is asked
        # last, and about what is left: it is the one look that takes a round trip.
        for word in known_words(self._provider.fetch_all, list(meant), identity):
            del meant[word]
        return _WORD.sub(lambda word: meant.get(word[0].lower(), word[0]), question)

    def _current_vocabulary(self, identity: Identity) -> Vocabulary:
        now = self._clock()
        if self._vocabulary is None or now - self._vocabulary[0] > _VOCABULARY_SECONDS:
            words = list_vocabulary(self._provider.fetch_all, identity)
            self._vocabulary = (now, Vocabulary(words))
        return self._vocabulary[1]
