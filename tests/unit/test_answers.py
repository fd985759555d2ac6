"""The questions of bench/answers are complete and well-formed; none is asked here."""

from __future__ import annotations

import jmespath
import pytest

from bench.answers.questions import (
    DATABASES,
    Question,
    read_questions,
    read_truth,
    read_values,
)

QUESTIONS = [
    pytest.param(database, question, id=question.name)
    for database in DATABASES
    for question in read_questions(database)
]


def test_there_are_sixty_questions_and_each_has_its_own_name() -> None:
    names = [parameters.id for parameters in QUESTIONS]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("database", DATABASES)
def test_every_question_has_its_truth_and_every_truth_its_question(
    database: str,
) -> None:
    assert {question.name for question in read_questions(database)} == set(
        read_truth(database)
    )


def test_the_rows_of_every_truth_are_recorded() -> None:
    assert set(read_values()) == {parameters.id for parameters in QUESTIONS}


@pytest.mark.parametrize(("database", "question"), QUESTIONS)
def test_a_truth_is_one_query(database: str, question: Question) -> None:
    assert read_truth(database)[question.name].strip().count(";") == 1


@pytest.mark.parametrize("database", DATABASES)
def test_every_conversation_has_a_person_with_a_user_id(database: str) -> None:
    questions = read_questions(database)
    assert {conversation.person for conversation in questions.conversation} == set(
        questions.people
    )


@pytest.mark.parametrize("database", DATABASES)
def test_a_question_calls_a_tool_or_remembers_an_earlier_answer(database: str) -> None:
    for conversation in read_questions(database).conversation:
        answered: set[str] = set()
        for question in conversation.question:
            jmespath.compile(question.value)
            if question.after is None:
                assert question.call, question.name
                answered.add(question.name)
            else:
                assert not question.call, question.name
                assert question.after in answered, question.name
