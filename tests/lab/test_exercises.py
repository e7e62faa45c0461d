"""Exercises tell a right answer from a wrong one, from none, and from one that fails; all of the notebooks' do."""

from __future__ import annotations

from importlib import import_module

import pytest

from cachesim.lab.exercise import Exercise, number, value_of
from tests.lab.every import EXERCISES, LESSONS

every_exercise = pytest.mark.parametrize("name", EXERCISES)


@every_exercise
def test_its_own_answer_is_right(name):
    exercise = EXERCISES[name]
    verdict = exercise.check(value_of(exercise.answer))
    assert verdict.status == "right", verdict.text
    assert exercise.because in verdict.text


@every_exercise
def test_a_typical_mistake_is_told_with_a_hint_before_the_answer(name):
    lesson, _, exercise = name.partition(".")
    wrong = import_module(f"tests.lab.lessons.test_{lesson}").WRONG[exercise]
    verdict = EXERCISES[name].check(wrong)
    assert verdict.status == "not yet", verdict.text
    assert verdict.text
    html = verdict._repr_html_()
    assert html.index("A hint") < html.index("The answer")


@every_exercise
def test_untouched_it_asks_to_be_filled_in(name):
    assert EXERCISES[name].check(...).status == "not attempted"


@every_exercise
def test_what_is_no_answer_at_all_is_told_without_a_failure_of_ours(name):
    for nonsense in (None, "many", object()):
        assert EXERCISES[name].check(nonsense).status in ("not yet", "error")


@every_exercise
def test_its_hint_and_answer_can_be_asked_for(name):
    exercise = EXERCISES[name]
    assert exercise.clue in exercise.hint().text
    assert exercise.solution().below


def test_every_lesson_has_three():
    for lesson in LESSONS:
        assert sum(name.startswith(f"{lesson}.") for name in EXERCISES) == 3, lesson


EXERCISE = Exercise(
    judge=number(51, mistakes={50: "And the first?"}), clue="<b>", answer="\n1 + 100 * 0.5\n", because="a < b"
)


def test_a_frequent_mistake_has_its_own_words():
    assert EXERCISE.check(50).text == "And the first?"
    assert EXERCISE.check(40).text == "40 is too low."
    assert EXERCISE.check(60.0).text == "60 is too high."


@pytest.mark.parametrize("answer", ["51", None, True, [51]])
def test_what_is_no_number_is_told_so(answer):
    assert "A number is asked for" in EXERCISE.check(answer).text


def test_not_a_number_is_wrong():
    assert EXERCISE.check(float("nan")).status == "not yet"


def test_the_readers_own_exception_is_shown_as_theirs():
    def judge(answer):
        return answer()

    def answer():
        raise LookupError("no such key")

    verdict = Exercise(judge=judge, clue="", answer="0", because="").check(answer)
    assert verdict.status == "error"
    assert verdict.text == "LookupError: no such key"
    assert "test_exercises.py" in verdict.below
    assert "exercise.py&quot;, line" not in verdict.below.replace("test_exercises.py", "")


def test_text_is_text():
    for verdict in (EXERCISE.check(...), EXERCISE.check(51), EXERCISE.solution(), EXERCISE.hint()):
        assert "<b>" not in verdict._repr_html_()
        assert "a < b" not in verdict._repr_html_()
