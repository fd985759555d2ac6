"""The spelling of a question: words that the catalogue lacks become near ones."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping

from zava.ai.client import AIClient
from zava.data.product_data import known_words, list_vocabulary
from zava.data.provider import PostgreSQLProvider
from zava.models import Identity

# Shorter words have too many neighbours to guess.
MIN_LETTERS = 5
# Words of so many letters may differ by two.
_LONG = 8
# One product in so many has a word that another one is corrected to: what fewer
# have is likely a misspelling itself.
_PRODUCTS_PER_WORD = 20_000
# Words that the search reads as units of measure, whether or not a product has them.
_UNITS = frozenset(
    {"gallon", "gallons", "ounce", "ounces", "pound", "pounds", "quart", "quarts"}
    | {"pint", "pints", "liter", "liters", "litre", "litres", "count", "packs"}
    | {"piece", "pieces", "inches", "yards", "grams", "volts", "watts", "percent"}
)


class Vocabulary:
    """The catalogue's words, to look up and to find neighbours in.

    A neighbour begins with the same letter and differs by one letter left out,
    added, changed, or swapped with the next; by two in a long word.

    Args:
        products: Word -> how many products have it.
        size: Products of the whole catalogue. A word that hardly any has is no
            neighbour.
    """

    def __init__(self, products: Mapping[str, int], size: int = 0) -> None:
        self._words = _UNITS.union(products)
        least = 1 + size // _PRODUCTS_PER_WORD
        # By first letter, the commonest first: among equals that one is meant.
        self._by_letter: dict[str, list[tuple[str, int]]] = {}
        for word in sorted(products, key=lambda w: (-products[w], w)):
            if word.isalpha() and products[word] >= least:
                entry = (word, _letters(word))
                self._by_letter.setdefault(word[0], []).append(entry)

    def unknown(self, words: Iterable[str]) -> list[str]:
        """Return those words, in lower case, that are long enough and not here."""
        lowered = dict.fromkeys(word.lower() for word in words)
        return [
            word
            for word in lowered
            if len(word) >= MIN_LETTERS and word.isalpha() and word not in self._words
        ]

    def nearest(self, word: str) -> str | None:
        """Return the neighbour of a word in lower case, None if there is none."""
        limit = 2 if len(word) >= _LONG else 1
        letters = _letters(word)
        best: tuple[int, str] | None = None
        for candidate, its_letters in self._by_letter.get(word[:1], ()):
            # Each difference changes the set of letters by two at most.
            if abs(len(candidate) - len(word)) > limit:
                continue
            if (letters ^ its_letters).bit_count() > 2 * limit:
                continue
            differences = distance(word, candidate)
            if differences <= limit and (best is None or differences < best[0]):
                best = (differences, candidate)
        return None if best is None else best[1]


def distance(one: str, other: str) -> int:
    """Return how many letters were left out, added, changed or swapped."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, its in enumerate(other, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (letter != its))
            swapped = i > 1 and j > 1 and letter == other[j - 2] and its == one[i - 2]
            row.append(min(cost, before[j - 2] + 1) if swapped else cost)
        before, last = last, row
    return last[-1]


def _letters(word: str) -> int:
    """The set of a word's letters as bits."""
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) % 64)
    return bits


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
            words, size = list_vocabulary(self._provider.fetch_all, identity)
            self._vocabulary = (now, Vocabulary(words, size))
        return self._vocabulary[1]
