"""Prices in words: what a question says of the price, apart from what it asks for."""

from __future__ import annotations

import re
from typing import NamedTuple

_S = " ?"
_NUMBER = r"\d{1,3}(?:,\d{3}){1,2}(?:\.\d{1,2})?|\d{1,7}(?:\.\d{1,2})?"
# A bare number may be a size or a part of a model's name, so a price has a currency.
_CURRENCY = r"(?:[$€£]|(?:us )?dollars?\b|bucks\b|usd\b|euros?\b|eur\b|gbp\b)"
_AMOUNT = rf"(?:[$€£]{_S}(?:{_NUMBER})(?![\w%])|(?:{_NUMBER}){_S}{_CURRENCY})"
_MOST = (
    r"under|below|less than|cheaper than|at most|up to|within|not over|not above"
    r"|(?:no|not) more than|max(?:imum)?(?: of)?"
)
_LEAST = r"over|above|more than|at least|from|starting at|min(?:imum)?(?: of)?"
_OR_LESS = r"(?:or|and) (?:less|under|below|cheaper)|at most|max(?:imum)?|tops"
_OR_MORE = r"(?:or|and) (?:more|over|above|up)|at least|min(?:imum)?"
_ASIDE = r"(?:(?:that|which|is|are|for|at|costs?|costing|prices?|priced|sells?) ){0,3}"
# As in `$5 to 10 in. wide`.
_NO_SIZE = (
    r"(?![\w/\"'%]"
    r"| ?(?:in|inch|inches|ft|foot|feet|lbs?|oz|mm|cm|m|gal|pack|pieces?)\b)"
)
_PHRASES = tuple(
    re.compile(rf"(?<![\w$€£./-])(?:{_ASIDE})(?:{phrase})", re.IGNORECASE)
    for phrase in (
        rf"(?:between|from){_S}(?P<low>{_AMOUNT}|(?:{_NUMBER})){_S}(?:and|to|-){_S}(?P<high>{_AMOUNT})",
        rf"(?P<low>{_AMOUNT}){_S}(?:-|\u2013|to|and){_S}(?P<high>{_AMOUNT}|(?:{_NUMBER}){_NO_SIZE})",
        rf"(?P<low>(?:{_NUMBER})){_S}(?:-|\u2013|to){_S}(?P<high>{_AMOUNT})",
        rf"(?:{_MOST}){_S}(?P<high>{_AMOUNT})",
        rf"(?P<high>{_AMOUNT}){_S}(?:{_OR_LESS})\b",
        rf"(?:{_LEAST}){_S}(?P<low>{_AMOUNT})",
        rf"(?P<low>{_AMOUNT}){_S}(?:{_OR_MORE})\b",
    )
)


class PriceInWords(NamedTuple):
    """What a question says of the price.

    Attributes:
        rest: The question without it.
        low: The least price, None if nothing is said of it.
        high: The highest price, likewise.
    """

    rest: str
    low: float | None
    high: float | None


def read_price(text: str) -> PriceInWords:
    """Find limits of the price such as `under 40 dollars`, `$10 to $20`, `$5 or less`.

    A number without a currency is no price. Where nothing but the price is asked for,
    the text is left as it is, without limits.
    """
    lows: list[float] = []
    highs: list[float] = []

    def noted(match: re.Match[str]) -> str:
        found = match.groupdict()
        low, high = _number(found.get("low")), _number(found.get("high"))
        if low is not None and high is not None:
            low, high = min(low, high), max(low, high)
        lows.extend([] if low is None else [low])
        highs.extend([] if high is None else [high])
        return " "

    rest = " ".join(text.split())
    for phrase in _PHRASES:
        rest = phrase.sub(noted, rest)
    rest = re.sub(r" ([,;:.?!])", r"\1", " ".join(rest.split())).strip(" ,;:")
    rest = rest.removesuffix(" and").removesuffix(" but")
    low, high = max(lows, default=None), min(highs, default=None)
    is_none = low is not None and high is not None and low > high
    if not re.search(r"\w", rest) or is_none or not (lows or highs):
        return PriceInWords(text, None, None)
    return PriceInWords(rest, low, high)


def limits_in_words(low: float | None, high: float | None) -> str:
    """Return limits of the price as `10 to 20`, `at most 40` or `at least 5`."""
    if low is None:
        return f"at most {high:,.10g}"
    if high is None:
        return f"at least {low:,.10g}"
    return f"{low:,.10g} to {high:,.10g}"


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    return float(re.sub(r"[^\d.]", "", text))
