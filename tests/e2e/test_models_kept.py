"""Which model embeds: the one that the products were embedded with, and none unasked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.e2e.command_line import refusal, zava
from tests.e2e.conftest import Start
from tests.embedding_service import EmbeddingService, embedding_service

pytestmark = [pytest.mark.thorough, pytest.mark.once]

SMALL = ("--scale", "0.001", "--as-of", "2026-06-30")


@pytest.fixture
def service() -> Iterator[EmbeddingService]:
    with embedding_service() as service:
        yield service


def vectors(conninfo: str) -> dict[str, tuple[int, str]]:
    with psycopg.connect(conninfo) as conn:
        return {
            model: (count, digest)
            for model, count, digest in conn.execute(
                "SELECT embedding_model, count(*), md5(string_agg(description_embedding::text, '' ORDER BY product_id))"
                " FROM retail.product_description_embeddings GROUP BY 1"
            )
        }


def test_vectors_that_somebody_paid_for_are_kept_unless_a_flag_says_otherwise(
    tmp_path: Path, empty_database: str, service: EmbeddingService
) -> None:
    paid = {
        "ZAVA_ADMIN_URL": empty_database,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": service.url,
    }
    assert zava(tmp_path, "init", *SMALL, **paid).returncode == 0
    assert vectors(empty_database) == {}
    embedded = zava(tmp_path, "embed", **paid)
    assert embedded.returncode == 0, embedded.stderr
    before = vectors(empty_database)
    assert list(before) == ["text-embedding-3-small"]
    again = zava(tmp_path, "init", *SMALL, ZAVA_ADMIN_URL=empty_database)
    assert "left alone" in again.stdout
    line = refusal(zava(tmp_path, "embed", ZAVA_ADMIN_URL=empty_database))
    assert "--replace" in line
    assert vectors(empty_database) == before
    replaced = zava(tmp_path, "embed", "--replace", ZAVA_ADMIN_URL=empty_database)
    assert replaced.returncode == 0, replaced.stderr
    assert list(vectors(empty_database)) == ["wordllama-256"]


def test_auto_takes_the_model_that_the_products_were_embedded_with(
    start: Start, tmp_path: Path, searchable_conninfo: str, service: EmbeddingService
) -> None:
    (tmp_path / "keys.env").write_text(
        f"OPENAI_API_KEY=sk-test\nOPENAI_BASE_URL={service.url}\n", encoding="utf-8"
    )
    process = start(
        database_url=searchable_conninfo,
        options=("--env-file", "keys.env"),
    )
    for mode in ("semantic", "hybrid"):
        answer = process.call(
            "semantic_search_products",
            query_description="keep rain out of an outdoor outlet",
            mode=mode,
        )
        assert not answer.is_error, answer.text
        assert answer.structured["notes"] == []
        assert "Outlet" in answer.structured["products"][0]["name"]
    assert service.requests == []  # nothing was paid for


@pytest.mark.parametrize("scale", ["0.00002", "0", "-1", "nan"])
def test_a_scale_that_is_none_is_refused_before_anything_is_made(
    tmp_path: Path, empty_database: str, scale: str
) -> None:
    ran = zava(tmp_path, "init", "--scale", scale, ZAVA_ADMIN_URL=empty_database)
    assert ran.returncode != 0
    assert ran.stdout == ""
    with psycopg.connect(empty_database) as conn:
        assert conn.execute("SELECT to_regnamespace('retail') IS NULL").fetchone() == (
            True,
        )


@pytest.mark.parametrize("option", ["--admin-url", "--password"])
def test_an_option_that_is_empty_is_not_taken_for_one_that_is_left_out(
    tmp_path: Path, option: str
) -> None:
    ran = zava(tmp_path, "init", option, "", ZAVA_DATA_DIR=str(tmp_path / "data"))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert option in ran.stderr
    assert not (tmp_path / "data").exists()


def test_two_that_are_started_at_once_take_turns(
    tmp_path: Path, empty_database: str
) -> None:
    with ThreadPoolExecutor(3) as pool:
        ran = list(
            pool.map(
                lambda _: zava(tmp_path, "init", *SMALL, ZAVA_ADMIN_URL=empty_database),
                range(3),
            )
        )
    assert [one.returncode for one in ran] == [0, 0, 0], [one.stderr for one in ran]
    assert sum("seed: loaded" in one.stdout for one in ran) == 1
