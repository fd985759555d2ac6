"""Every attack of the corpus, by each person, over the real process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attacks import corpus
from tests.attacks.conftest import Outcomes, Witnesses
from tests.attacks.corpus import ANSWER, Text
from tests.attacks.oddities import ODDITIES
from tests.attacks.setting import (
    EVERY_ROW,
    PEOPLE,
    STORE_MANAGER,
    TOOL,
    WITNESS,
    Attacked,
    Servers,
    Target,
    ask_all,
    fingerprint,
    found,
    is_at_rest,
)
from tests.e2e.stdio_process import Answer, StdioProcess, poll

pytestmark = pytest.mark.thorough

ATTACKS = [*corpus.read("corpus"), *ODDITIES]
QUICK = [attack for attack in ATTACKS if not attack.slow]
SLOW = [attack for attack in ATTACKS if attack.slow]
# A ceiling is soon met.
CEILINGS = {
    "ZAVA_STATEMENT_TIMEOUT": "0.1",
    "ZAVA_POOL_MAX_SIZE": "2",
    "ZAVA_LOG_LEVEL": "ERROR",
}


@pytest.fixture(scope="module")
def before(attacked: Attacked, servers: Servers) -> dict[str, str]:
    """The state of the database before any attack."""
    return fingerprint(attacked.owner)


def outcome(answer: Answer) -> str:
    if answer.is_error:
        return "refused"
    return "own rows only" if answer.structured["row_count"] else "no rows"


def assert_harmless(
    attack: Text, answer: Answer, attacked: Attacked, name: str
) -> None:
    values = attacked.values[name]
    sql = attack.filled(values)
    assert (name, attacked.oracles[name].find(found(answer), sql)) == (name, [])
    sees_it = values["other_store"] in attacked.people[name].stores
    expected = attack.expect | (attack.expect_of_own if sees_it else set())
    code = answer.error["code"] if answer.is_error else ANSWER
    if code not in expected:
        pytest.fail(f"{name}: {answer.text[:500]}")


def test_the_corpus_is_large_and_every_attack_has_a_name_of_its_own() -> None:
    assert len(ATTACKS) >= 600
    assert len({str(attack) for attack in ATTACKS}) == len(ATTACKS)
    numbers = {int(attack.group.partition(" ")[0]) for attack in ATTACKS}
    assert numbers == set(range(1, 18))


@pytest.mark.parametrize("attack", QUICK, ids=str)
@pytest.mark.acceptance("A91", "D4", "D5")
def test_an_attack_is_refused_or_answered_with_own_rows_and_changes_nothing(
    attacked: Attacked,
    before: dict[str, str],
    servers: Servers,
    witnesses: Witnesses,
    outcomes: Outcomes,
    attack: Text,
) -> None:
    answers = ask_all(
        servers, {name: attack.filled(attacked.values[name]) for name in PEOPLE}
    )
    for name, answer in answers.items():
        assert_harmless(attack, answer, attacked, name)
    after = ask_all(servers, dict.fromkeys(PEOPLE, WITNESS))
    assert {n: answer.structured["rows"] for n, answer in after.items()} == witnesses
    for name, answer in answers.items():
        outcomes[f"attacks as {name}", outcome(answer)] += 1


@pytest.fixture(
    scope="module",
    params=list(PEOPLE),
)
def exhausted(
    request: pytest.FixtureRequest,
    target: Target,
    attacked: Attacked,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, StdioProcess, dict[str, Answer]]]:
    """A person, their server and its answers to all slow attacks at once."""
    name = request.param
    variables = {"ZAVA_DATABASE_URL": target.conninfo, **CEILINGS, **target.settings}
    folder = tmp_path_factory.mktemp("exhausted")
    with StdioProcess(attacked.people[name].user_id, folder, variables) as process:
        process.initialize()
        # The ceiling is low for whoever asks first, on a machine that is slow.
        poll(lambda: not process.query(WITNESS).is_error, "it serves")
        asked = {
            attack.name: process.ask_tool(
                TOOL, postgresql_query=attack.sql, max_rows=EVERY_ROW
            )
            for attack in SLOW
        }
        answers = {
            of: Answer(process.receive(request_id)["result"])
            for of, request_id in asked.items()
        }
        yield name, process, answers


@pytest.mark.parametrize("attack", SLOW, ids=str)
def test_an_attempt_to_exhaust_the_server_meets_a_ceiling(
    attacked: Attacked,
    exhausted: tuple[str, StdioProcess, dict[str, Answer]],
    outcomes: Outcomes,
    attack: Text,
) -> None:
    name, _, answers = exhausted
    answer = answers[attack.name]
    assert_harmless(attack, answer, attacked, name)
    outcomes[f"attacks as {name}", outcome(answer)] += 1


def test_after_all_attempts_to_exhaust_it_the_server_answers(
    exhausted: tuple[str, StdioProcess, dict[str, Answer]], witnesses: Witnesses
) -> None:
    name, process, _ = exhausted
    answers: list[Answer] = []

    def is_answered() -> bool:
        answers.append(process.query(WITNESS, fresh=True))
        return not answers[-1].is_error

    poll(is_answered, "it serves")
    assert answers[-1].structured["rows"] == witnesses[name]


def test_after_all_attacks_the_database_is_as_it_was(
    attacked: Attacked, before: dict[str, str]
) -> None:
    # What cannot be interrupted may still be at work, although its server has ended.
    poll(lambda: is_at_rest(attacked.owner), "no transaction is open")
    # Before them a server may still have been at its start.
    assert fingerprint(attacked.owner) == {**before, "open transactions": ""}


NEEDS_A_LOCK = [a for a in ATTACKS if a.expect == {"INSUFFICIENT_PRIVILEGE"}]


@pytest.mark.parametrize("attack", NEEDS_A_LOCK, ids=str)
def test_only_a_missing_right_stops_an_attack_that_is_refused_for_it(
    attacked: Attacked, attack: Text
) -> None:
    # A superuser's server plans it: no misspelt name lets it pass for refused.
    sql = attack.filled(attacked.values[STORE_MANAGER])
    with attacked.owner.transaction(force_rollback=True):
        attacked.owner.execute("SET LOCAL search_path = retail, public")
        attacked.owner.execute(f"EXPLAIN {sql}".encode())
