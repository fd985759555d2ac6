"""What must not be read in a log: secrets, and the values inside SQL."""

from __future__ import annotations

import re

MASK = "***"

_SECRETS = re.compile(
    r"""
    (?P<uri>\b\w{1,20}://[^\s:/@]{0,200}:)[^\s]{1,500}(?=@)               # scheme://user:password@
  | (?P<key>\b[\w-]{0,40}
        (?:password|passwd|pwd|secret|token|api[_-]?key|seal)[\w-]{0,40}
        (?:["']?\s{0,5}[=:]\s{0,5}|\s{1,5}(?=')))
        (?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s,;&)}]+)  # password=...
  | (?P<scheme>\b(?:Bearer|Basic)\s+)[\w.~+/=-]+
  | \bsk-[\w-]{8,}                                       # an OpenAI key
    """,
    re.VERBOSE | re.IGNORECASE,
)
# One of these is in every match of _SECRETS, in whatever case. Most lines hold none,
# and that is found out in a twentieth of the time.
_HINTS = (
    "://", "passw", "pwd", "secret", "token", "key", "seal", "bearer", "basic", "sk-",
)  # fmt: skip
_LITERALS = re.compile(
    r"""
    (?P<comment>--[^\n]* | /\*.*?(?:\*/|\Z))
  | (?P<name>"(?:[^"]|"")*")
  | \$(?P<tag>[A-Za-z_]\w*|)\$ .*? (?:\$(?P=tag)\$|\Z)  # $tag$...$tag$, or cut short
  | \b[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)
  | '(?:[^']|'')*(?:'|\Z)
  | \b\d(?:[\w.]|(?<=[eE])[+-])*
    """,
    re.VERBOSE | re.DOTALL,
)
# From the first quote to the last: the value may hold quotes of its own.
_QUOTED = re.compile(r'".*"', re.DOTALL)


def mask_secrets(text: str) -> str:
    """Return the text with passwords, tokens and keys blanked out."""
    folded = text.casefold()
    if not any(hint in folded for hint in _HINTS):
        return text

    def blank(found: re.Match[str]) -> str:
        kept = found["uri"] or found["key"] or found["scheme"] or ""
        return kept + MASK

    return _SECRETS.sub(blank, text)


def mask_literals(sql: str) -> str:
    """Return SQL with strings, numbers and comments blanked out; its shape stays."""
    return _LITERALS.sub(lambda found: found["name"] or "?", sql)


def mask_quoted(message: str) -> str:
    """Return PostgreSQL's message on a bad value without the value."""
    return _QUOTED.sub('"?"', message)
