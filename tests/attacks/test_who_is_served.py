"""Class 18, identity: whoever is nobody is served nothing, over the real process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.attacks.setting import STORE_MANAGER, Attacked, Target
from tests.e2e.stdio_process import StdioProcess
from tests.people import SEATTLE, STRANGER

pytestmark = pytest.mark.thorough

NOBODY = {
    "stranger": STRANGER,
    "sql": f"{SEATTLE}'; SET ROLE zava_owner; --",
    "store": "the id of a store, put in below",
}

Processes = dict[str, StdioProcess]


@pytest.fixture(scope="module")
def processes(
    target: Target, attacked: Attacked, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Processes]:
    """A process for everybody who is nobody, all started at once."""
    store = attacked.people[STORE_MANAGER].stores[0]
    folder = tmp_path_factory.mktemp("nobody")
    variables = {"ZAVA_DATABASE_URL": target.conninfo, **target.settings}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(StdioProcess(user, folder, variables))
            for name, user in {**NOBODY, "store": store}.items()
        }


@pytest.mark.parametrize("name", NOBODY)
def test_nobody_is_served(processes: Processes, name: str) -> None:
    process = processes[name]
    assert process.wait() == 1
    assert process.rest() == []
    assert "`zava users`" in process.stderr
