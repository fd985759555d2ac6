"""Attacks that a .sql file cannot show: control characters and generated text."""

from __future__ import annotations

from tests.attacks.corpus import ANSWER, Text

_SCANNER = "5 text that a scanner misreads"
_EXHAUSTION = "13 exhaustion"
_SYNTAX = frozenset({"SYNTAX_ERROR", "INVALID_CURSOR_DEFINITION"})
_REFUSED = frozenset({"VALIDATION_ERROR", "CHARACTER_NOT_IN_REPERTOIRE", *_SYNTAX})
_DEPTH = frozenset(
    {
        *("STATEMENT_TOO_COMPLEX", "SYNTAX_ERROR", "PROGRAM_LIMIT_EXCEEDED"),
        *("VALIDATION_ERROR", "BUSY", "QUERY_TIMEOUT", "TOO_MANY_COLUMNS"),
        *("TOO_MANY_ARGUMENTS", "FEATURE_NOT_SUPPORTED", ANSWER),
    }
)
_DELETE = "DELETE FROM retail.orders"


def _scanner(name: str, sql: str, *more: str) -> Text:
    return Text(name, sql, _SCANNER, _REFUSED | frozenset(more))


def _deep(name: str, sql: str) -> Text:
    return Text(name, sql, _EXHAUSTION, _DEPTH, slow=True)


ODDITIES = [
    _scanner("nul-in-the-middle", f"SELECT 1\0; {_DELETE}"),
    _scanner("nul-in-front", f"\0{_DELETE}"),
    _scanner("nul-in-a-literal", f"SELECT 'a\0b'; {_DELETE}"),
    # A line comment ends at a line feed or a carriage return, and nowhere else.
    _scanner("comment-ended-by-a-carriage-return", f"SELECT 1; -- a\r{_DELETE}"),
    _scanner("comment-begins-and-a-carriage-return-ends-it", f"-- a\r{_DELETE}"),
    _scanner("comment-not-ended-by-a-line-separator", f"SELECT 1; -- a\u2028{_DELETE}", ANSWER),
    _scanner("comment-not-ended-by-a-next-line", f"SELECT 1; -- a\x85{_DELETE}", ANSWER),
    _scanner("comment-not-ended-by-a-vertical-tab", f"SELECT 1; -- a\v{_DELETE}", ANSWER),
    _scanner("comment-not-ended-by-a-form-feed", f"SELECT 1; -- a\f{_DELETE}", ANSWER),
    _scanner("line-separator-as-a-blank", f"SELECT 1;\u2028{_DELETE}"),
    _scanner("no-break-space", f"{_DELETE}".replace(" ", "\u00a0")),
    _scanner("form-feed-as-a-blank", f"{_DELETE}".replace(" ", "\f")),
    _scanner("vertical-tab-as-a-blank", f"{_DELETE}".replace(" ", "\v")),
    _scanner("byte-order-mark", f"\ufeff{_DELETE}"),
    _scanner("zero-width-space-in-a-verb", "DE\u200bLETE FROM retail.orders"),
    _scanner("full-width-semicolon", f"SELECT 1\uff1b {_DELETE}", "UNDEFINED_COLUMN"),
    _scanner("full-width-quotes", f"SELECT \uff071\uff07; {_DELETE}"),
    _scanner("right-to-left-override", f"SELECT 1 /* \u202e */; {_DELETE} /* */"),
    _scanner("curly-quotes", f"SELECT \u2018a\u2019; {_DELETE}"),
    _scanner("backspaces", f"SELECT 1;\b\b\b\b {_DELETE}"),
    _scanner("escape-sequence", f"SELECT 1;\x1b[2K {_DELETE}"),
    _scanner("overlong-dollar-tag", f"SELECT ${'t' * 200}$; ${'t' * 200}$; {_DELETE}"),
    _deep("nested-parentheses", "SELECT " + "(" * 20000 + "1" + ")" * 20000),
    _deep("nested-subqueries", "SELECT * FROM " + "(SELECT * FROM " * 3000 + "retail.stores" + ") AS x" * 3000),
    _deep("nested-functions", "SELECT " + "lower(" * 9000 + "'A'" + ")" * 9000),
    _deep("nested-cases", "SELECT " + "CASE WHEN true THEN " * 3000 + "1" + " END" * 3000),
    _deep("nested-arrays", "SELECT " + "ARRAY[" * 10000 + "1" + "]" * 10000),
    _deep("nested-comments", "SELECT 1 " + "/*" * 20000 + "*/" * 20000),
    _deep("long-sum", "SELECT 1" + " + 1" * 20000),
    _deep("long-or", "SELECT 1 WHERE false" + " OR 1 = 2" * 9000),
    _deep("long-not", "SELECT " + "NOT " * 20000 + "true"),
    _deep("long-concatenation", "SELECT ''" + " || 'x'" * 12000),
    _deep("huge-in-list", f"SELECT count(*) FROM retail.products WHERE length(name) IN ({', '.join(map(str, range(15000)))})"),
    _deep("huge-in-list-of-expressions", f"SELECT count(*) FROM retail.products WHERE 1 IN ({', '.join(['length(name)'] * 6000)})"),
    _deep("huge-values", "SELECT count(*) FROM (VALUES " + ", ".join(["(1)"] * 16000) + ") AS v"),
    _deep("many-unions", " UNION ALL ".join(["SELECT 1"] * 5000)),
    _deep("many-joins", "SELECT count(*) FROM retail.stores AS s0" + "".join(f" JOIN retail.stores AS s{n} USING (store_id)" for n in range(1, 60))),
    _deep("many-implicit-joins", "SELECT count(*) FROM " + ", ".join(f"retail.categories AS c{n}" for n in range(30))),
    _deep("many-withs", "WITH w0 AS (SELECT 1 AS x)" + "".join(f", w{n} AS (SELECT a.x FROM w{n - 1} AS a, w{n - 1} AS b)" for n in range(1, 40)) + " SELECT count(*) FROM w39"),
    _deep("many-columns", "SELECT " + ", ".join(["1"] * 2000)),
    _deep("many-arguments", "SELECT concat(" + ", ".join(["1"] * 500) + ")"),
    _deep("long-identifier", 'SELECT 1 AS "' + "x" * 50000 + '"'),
    _deep("long-literal", "SELECT length('" + "x" * 90000 + "')"),
    _deep("long-array-literal", "SELECT cardinality('{" + ",".join("1" * 40000) + "}'::int[])"),
    _deep("deep-document-literal", "SELECT '" + "[" * 40000 + "]" * 40000 + "'::jsonb"),
    _deep("text-longer-than-the-ceiling", "SELECT '" + "x" * 200000 + "'"),
    _deep("aliases-that-double", "SELECT " + ", ".join(f"md5('{n}') AS a{n}" for n in range(1600))),
]  # fmt: skip
"""Attacks of the classes 5 and 13."""
