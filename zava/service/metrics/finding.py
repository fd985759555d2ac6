"""Which metrics and dimensions somebody means by some words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar, get_args

from zava.data.metrics.registry import (
    DIMENSIONS,
    METRICS,
    Dimension,
    Group,
    Metric,
    dimensions_of,
)

Entry = Metric | Dimension
_E = TypeVar("_E", Metric, Dimension)

_WORD = re.compile(r"[a-z0-9]+")
# Said in several ways, and of the words only one says something by itself.
_STOCKOUT = re.compile(r"out of stock|stock[ -]?outs?")
_IDLE = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "by",
        "do",
        "for",
        "from",
        "get",
        "give",
        "had",
        "has",
        "have",
        "how",
        "i",
        "in",
        "is",
        "it",
        "its",
        "many",
        "me",
        "much",
        "my",
        "of",
        "on",
        "or",
        "our",
        "out",
        "per",
        "show",
        "than",
        "that",
        "the",
        "their",
        "there",
        "this",
        "to",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "with",
    ]
)
# A reorder is no order.
_CLOSE = 0.84
_SLIP = 2
_MAX_WORDS = 12
# Of the best one's score.
_KEPT = 0.7
_GROUPS: Mapping[Group, str] = {
    "place": "store, region, channel",
    "time": "day to year, fiscal_week to fiscal_year",
    "weekday": "weekday",
    "product": "category, type, brand, product, unit",
    "order": "hour, status, segment, new_or_returning",
    "stock": "stock_status",
}
_NAME, _WORDS, _DEFINITION = 4.0, 3.0, 1.0


def find_metrics(search: str) -> list[Metric]:
    """Return the metrics that some words speak of, the best first."""
    return _found(search, METRICS)


def find_dimensions(search: str) -> list[Dimension]:
    """Return the dimensions that some words speak of, the best first."""
    return _found(search, DIMENSIONS)


def near(name: str, known: Mapping[str, _E]) -> list[str]:
    """Return the names that may be meant by one that does not exist."""
    found: list[str] = [e.name for e in _found(name.replace("_", " "), known)]
    spelt: list[str] = difflib.get_close_matches(name.casefold(), known, 3)
    return list(dict.fromkeys([*found, *spelt]))[:5]


def described(metrics: Iterable[Metric]) -> tuple[dict[str, str], dict[str, str]]:
    """Return definitions with their units, how they add up and what they lack.

    Returns:
        Lists of dimensions that metrics are limited to, by a letter; and the metrics'
        texts by name, which tell the letter.
    """
    lists: dict[str, str] = {}
    texts: dict[str, str] = {}
    for metric in metrics:
        facts: list[str] = [metric.unit, metric.adds]
        if len(dimensions_of(metric)) < len(DIMENSIONS):
            own = (
                _GROUPS[group] for group in get_args(Group) if group in metric.groups
            )
            letter = lists.setdefault(", ".join(own), chr(ord("A") + len(lists)))
            facts.append(f"only by {letter}")
        texts[metric.name] = f"{metric.definition} [{'; '.join(facts)}]"
    return {letter: own for own, letter in lists.items()}, texts


def _found(search: str, known: Mapping[str, _E]) -> list[_E]:
    words = words_of(search)
    scores = {name: _score(words, entry) for name, entry in known.items()}
    best = max(scores.values(), default=0)
    if not best:
        return []
    names = {name for name, score in scores.items() if score >= _KEPT * best}
    # Each word that the name of one alone has is answered too.
    for word in words:
        named = [name for name in known if word in words_of(name)]
        if len(named) == 1:
            names.add(named[0])
    return [known[name] for name in sorted(names, key=lambda name: -scores[name])]


def _score(words: Iterable[str], entry: Entry) -> float:
    label = entry.label if isinstance(entry, Metric) else ""
    named = words_of(f"{entry.name} {label}")
    total = 0.0
    for word in words:
        scores = (
            _NAME * likeness(word, named),
            _WORDS * likeness(word, words_of(entry.words)),
            _DEFINITION * (word in words_of(entry.definition)),
        )
        total += max(scores)
    # Of two that have all the words the one that says little else.
    return total - 0.01 * len(named) if total else 0.0


def likeness(word: str, others: Iterable[str]) -> float:
    """Return how alike a word is to the nearest of others: 0, or 0.8 to 1."""
    # A word of another length is another word.
    alike = [one for one in others if abs(len(one) - len(word)) <= _SLIP]
    if word in alike:
        return 1.0
    best = max(
        (difflib.SequenceMatcher(None, word, one).ratio() for one in alike), default=0
    )
    return best if best >= _CLOSE else 0.0


def words_of(text: str, most: int | None = _MAX_WORDS) -> list[str]:
    """Return the words that say something, in the singular."""
    plain = _STOCKOUT.sub("stockout", text.casefold().replace("_", " "))
    words = _WORD.findall(plain)
    telling = [word for word in words if word not in _IDLE] or words
    some = telling[:most]
    return [_singular(word) for word in some]


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word.removesuffix("s") if len(word) > 3 else word
