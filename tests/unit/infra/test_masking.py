"""What must not be read in a log: secrets, and the values inside SQL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zava.infra.masking import _SECRETS, MASK, mask_literals, mask_quoted, mask_secrets

SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("postgresql://zava:hunter2@db/zava", id="uri"),
        pytest.param("postgres://:hunter2@db", id="uri-without-user"),
        pytest.param("redis://u:a:hunter2@db", id="uri-with-colon"),
        pytest.param("postgresql://db/zava?password=hunter2&x=1", id="uri-query"),
        pytest.param("host=db password=hunter2 user=x", id="conninfo"),
        pytest.param("password='my hunter2' user=x", id="conninfo-quoted"),
        pytest.param("password = hunter2", id="spaces"),
        pytest.param('{"password": "hunter2"}', id="json"),
        pytest.param("{'db_password': 'hunter2'}", id="repr"),
        pytest.param("PGPASSWORD=hunter2", id="libpq-variable"),
        pytest.param("ZAVA_DB_PASSWORD=hunter2", id="zava-variable"),
        pytest.param("passwd: hunter2", id="passwd"),
        pytest.param("pwd=hunter2;", id="pwd"),
        pytest.param("OPENAI_API_KEY=hunter2", id="api-key"),
        pytest.param("api-key: hunter2", id="api-key-header"),
        pytest.param("apikey=hunter2", id="apikey"),
        pytest.param("AZURE_OPENAI_AD_TOKEN=hunter2", id="token"),
        pytest.param("client_secret=hunter2", id="secret"),
        pytest.param("SET LOCAL app.current_rls_seal = 'hunter2'", id="seal"),
        pytest.param("Authorization: Bearer hunter2", id="bearer"),
        pytest.param("authorization: basic hunter2==", id="basic"),
        pytest.param("Incorrect API key provided: sk-hunter2hunter2", id="openai"),
        pytest.param("the key sk-proj-hunter2_hunter2.", id="openai-project"),
        pytest.param(
            "postgresql://zava:p@hunter2@db/zava",
            id="uri-with-at",
        ),
        pytest.param(
            r"password='it\'s hunter2'",
            id="conninfo-escaped",
        ),
        pytest.param(
            "ALTER ROLE zava_server PASSWORD 'hunter2'",
            id="alter-role",
        ),
    ],
)
def test_a_secret_is_blanked_out(text: str) -> None:
    masked = mask_secrets(text)
    assert SECRET not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("MCP server startup complete", id="plain"),
        pytest.param("the database refused the login: check its password", id="word"),
        pytest.param("metrics at http://127.0.0.1:9187", id="address"),
        pytest.param("postgresql://db/zava", id="uri-without-password"),
        pytest.param("rows=3 ms=1.5", id="facts"),
        pytest.param("ask-me and risk-free", id="sk"),
        pytest.param("", id="empty"),
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_secrets(text) == text


@pytest.mark.thorough
@given(
    st.from_regex(
        r"(?i)\w{0,5}(passwd|password|pwd|secret|token|apikey|api_key|seal)[=:]\w{1,9}"
        r"|(Bearer|Basic) \w{1,9}|\bsk-\w{8,12}|\w{1,9}://\w{0,9}:\w{1,9}@",
        fullmatch=True,
    )
)
def test_a_secret_is_seen_in_whatever_case_it_is_spelt(text: str) -> None:
    found = _SECRETS.search(text)
    assert found is None or MASK in mask_secrets(text)


def test_what_stands_around_a_secret_stays() -> None:
    assert (
        mask_secrets("host=db password=hunter2 user=zava")
        == f"host=db password={MASK} user=zava"
    )
    assert mask_secrets("postgresql://zava:x@db/z") == f"postgresql://zava:{MASK}@db/z"


@given(st.from_regex(r"[A-Za-z0-9_.~!#%^+/=-]{1,40}", fullmatch=True))
def test_no_password_of_a_uri_survives(password: str) -> None:
    text = f"connection to postgresql://zava:{password}@db.example/zava failed"
    expected = f"connection to postgresql://zava:{MASK}@db.example/zava failed"
    assert mask_secrets(text) == expected


@pytest.mark.parametrize(
    ("sql", "masked"),
    [
        pytest.param("x = 'jane'", "x = ?", id="string"),
        pytest.param("x = ''", "x = ?", id="empty"),
        pytest.param("x = 'o''hara'", "x = ?", id="doubled-quote"),
        pytest.param("x = 'two\nlines'", "x = ?", id="two-lines"),
        pytest.param("x = 'cut sho", "x = ?", id="cut"),
        pytest.param("x = 'cut''", "x = ?", id="cut-in-a-doubled-quote"),
        pytest.param("x = $$jane$$", "x = ?", id="dollar"),
        pytest.param("x = $t$it's $$ jane$t$", "x = ?", id="dollar-tag"),
        pytest.param("x = 42 AND y < 4.20", "x = ? AND y < ?", id="numbers"),
        pytest.param("x IN (1,2,-3)", "x IN (?,?,-?)", id="list"),
        pytest.param("SELECT a1, t2.b FROM t2", "SELECT a1, t2.b FROM t2", id="names"),
    ],
)
def test_a_literal_becomes_a_question_mark(sql: str, masked: str) -> None:
    assert mask_literals(sql) == masked


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("x = $$private", id="cut-dollar"),
        pytest.param("x = $t$private$t", id="cut-dollar-tag"),
        pytest.param(r"x = E'it\'s private'", id="backslash"),
        pytest.param("""SELECT "it's" = 'private'""", id="quote-in-a-name"),
        pytest.param("-- it's\nx = 'private'", id="quote-in-a-comment"),
        pytest.param("/* it's */ x = 'private'", id="quote-in-a-block-comment"),
        pytest.param("-- private", id="comment"),
    ],
)
def test_a_literal_of_a_harder_spelling_does_not_survive(sql: str) -> None:
    assert "private" not in mask_literals(sql)


@pytest.mark.parametrize("number", ["1e10", "4.2e-1", "1_000_000", "0x2A", "0b101"])
def test_a_number_of_another_spelling_does_not_survive(number: str) -> None:
    assert mask_literals(f"x = {number}") == "x = ?"


WORDS = st.sampled_from(["SELECT", "name", "FROM", "retail.customers", "=", "(", ","])
VALUES = st.text(alphabet="Q' \n%{}é", min_size=1, max_size=12).map(lambda t: f"Q{t}Q")
LITERALS = st.one_of(
    VALUES.map(lambda text: "'" + text.replace("'", "''") + "'"),
    VALUES.map(lambda text: f"$${text}$$"),
    VALUES.map(lambda text: f"$tag${text}$tag$"),
    st.integers(0).map(str),
    st.decimals(0, 10**6, places=2).map(str),
)


@given(st.lists(st.tuples(WORDS, LITERALS), min_size=1, max_size=6))
def test_no_literal_of_a_generated_query_survives(
    parts: list[tuple[str, str]],
) -> None:
    sql = " ".join(f"{word} {literal}" for word, literal in parts)
    expected = " ".join(f"{word} ?" for word, _ in parts)
    assert mask_literals(sql) == expected


STRINGS = VALUES.map(lambda text: "'" + text.replace("'", "''") + "'")


@given(st.lists(st.tuples(WORDS, STRINGS), min_size=1, max_size=6), st.data())
def test_no_string_survives_where_the_query_is_cut(
    parts: list[tuple[str, str]], data: st.DataObject
) -> None:
    sql = " ".join(f"{word} {literal}" for word, literal in parts)
    cut = sql[: data.draw(st.integers(0, len(sql)))]
    assert "Q" not in mask_literals(cut)


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        pytest.param('invalid uuid: "jane"', 'invalid uuid: "?"', id="value"),
        pytest.param('"a" and "b"', '"?"', id="two"),
        pytest.param("division by zero", "division by zero", id="none"),
    ],
)
def test_what_postgresql_quotes_is_blanked_out(message: str, masked: str) -> None:
    assert mask_quoted(message) == masked
