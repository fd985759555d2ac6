"""A test that needs no database gets none."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def cluster() -> None:
    """Refuse what every fixture of a database stands on."""
    pytest.fail("the tests in tests/unit run without PostgreSQL")
