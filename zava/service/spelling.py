"""Spelling: the catalogue's word that somebody meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# Shorter words have too many neighbours to guess.
MIN_LETTERS = 5
# Words of so many letters may differ by two.
_LONG = 8


class Vocabulary:
    """The catalogue's words, to look up and to find neighbours in.

    A neighbour begins with the same letter and differs by one letter left out,
    added, changed, or swapped with the next; by two in a long word.

    Args:
        products: Word -> how many products have it.
    """

    def __init__(self, products: Mapping[str, int]) -> None:
        self._words = frozenset(products)
        # By first letter, the commonest first: among equals that one is meant.
        self._by_letter: dict[str, list[tuple[str, int]]] = {}
        for word in sorted(products, key=lambda w: (-products[w], w)):
            if word.isalpha():
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
