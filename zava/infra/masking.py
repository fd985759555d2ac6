"""What must not be read in a log: secrets, and the values inside SQL."""

from __future__ import annotations

import re

MASK = "***"

_SECRETS = re.compile(
    r"""
    (?P<uri>\w+://[^\s:/@]*:)[^\s@]+(?=@)               # scheme://user:password@
  | (?P<key>\b[\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key|seal)[\w-]*
        ["']?\s*[=:]\s*)(?:'[^']*'|"[^"]*"|[^\s,;&)}]+)  # password=...
  | (?P<scheme>\b(?:Bearer|Basic)\s+)[\w.~+/=-]+
  | \bsk-[\w-]{8,}                                       # an OpenAI key
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LITERALS = re.compile(
    r"""
    \$(?P<tag>\w*)\$.*?\$(?P=tag)\$     # $tag$...$tag$
  | '(?:[^']|'')*(?:'|$)                # '...', cut short or not
  | \b\d+(?:\.\d+)?\b
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r'"[^"]*"')


def mask_secrets(text: str) -> str:
    """Return the text with passwords, tokens and keys blanked out."""

    def blank(found: re.Match[str]) -> str:
        kept = found["uri"] or found["key"] or found["scheme"] or ""
        return kept + MASK

    return _SECRETS.sub(blank, text)


def mask_literals(sql: str) -> str:
    """Return SQL with its strings and numbers blanked out; its shape stays."""
    return _LITERALS.sub("?", sql)


def mask_quoted(message: str) -> str:
    """Return PostgreSQL's message on a bad value without the value."""
    return _QUOTED.sub('"?"', message)
