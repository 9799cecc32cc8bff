"""Equations: the checker by hand, by mutation, and on text that nobody would expect."""

import time
from fractions import Fraction
from random import Random

import mutations_algebra
import mutations_equations
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prmlab import problems
from prmlab.families import equations, equations_reading
from prmlab.traces import Problem
from prmlab.verdicts import REASONS


def problem(text):
    return Problem("by-hand", text, None, "equations")  # the truth is in the text


TEXTBOOK = problem("Solve 2x + 5 = 15.")
BRACKET = problem("Solve 2(x - 9) - 12 = 3x - 19.")  # x = -11


def reasons(*steps, of=TEXTBOOK):
    return [verdict.reason for verdict in equations.check(of, steps)]


def labels(*steps, of=TEXTBOOK):
    return [verdict.label for verdict in equations.check(of, steps)]


def last(*steps, of=TEXTBOOK):
    return equations.check(of, steps)[-1]


def test_reference_trace():
    assert reasons("Subtract 5 from both sides: 2x = 10", "Divide both sides by 2: x = 5",
                   "Answer: 5") == ["right"] * 3


@pytest.mark.parametrize("first", ["2x = 20", "Subtract 5 from both sides: 2x = 20"])
def test_the_textbook_error_is_at_the_first_step(first):
    verdicts = equations.check(TEXTBOOK, (first, "Divide both sides by 2: x = 10", "Answer: 10"))
    assert [v.reason for v in verdicts] == ["slip", "carried error", "wrong answer"]
    assert [v.carried for v in verdicts] == [False, True, True]
    assert [v.label for v in verdicts] == [-1, -1, -1]


@pytest.mark.parametrize("step", [
    "Subtract 5 from both sides: 2x = 10", "subtracting 5 on both sides gives 2x = 10",
    "Subtract 5: 10 = 2x", "So we subtract 5 from each side of the equation, and get 2x = 10.",
    "2x = 10 (subtract 5 from both sides)", "2x = 15 - 5 = 10", "2x=10", "10=x·2", "x * 2 = 10",
    "Subtract 5 from both sides: 2x + 5 - 5 = 15 - 5", "Divide both sides by 2: x + 2.5 = 7.5",
    "dividing by 2, x + 5/2 = 15/2", "Multiply both sides by ½: x + 5/2 = 7½", "x = 5", "x = (15 - 5) / 2", "Therefore x = 5!",
    "Subtract 5 and divide by 2: x = 5", "Move the 5 to the other side: 2x = 15 - 5",
    "STEP 1: SUBTRACT 5 FROM BOTH SIDES: 2X = 10", "1. Subtract 5 from both sides: 2x = 10",
    "Subtract 5 from both sides: (2x) = [10]", "Subtract 5 from both sides: 2x + 0 = 10",
    "2x is 10", "Add −5 to both sides: 2x = 10", "Add (3 - 8) to both sides → 2x = 10",
])
def test_right_first_steps(step):
    assert (last(step).label, last(step).reason) == (1, "right")


@pytest.mark.parametrize(("step", "label", "reason", "note"), [
    ("Subtract 5 from both sides: 2x = 20", -1, "slip",
     "subtracting 5 from both sides of 2x + 5 = 15 gives 2x = 10, not 2x = 20"),
    ("2x = 15 - 5 = 20", -1, "slip", "15 - 5 is not 20"),
    ("x = 6", -1, "slip", "x = 6 does not follow from 2x + 5 = 15"),
    ("15 - 5 = 20", -1, "slip", "15 - 5 is not 20"),
    ("3 = 5", -1, "slip", "3 is not 5"),
    ("Divide both sides by 2: x = x", -1, "slip",
     "dividing by 2 both sides of 2x + 5 = 15 gives x + 5/2 = 15/2, not x = x"),
    ("Subtract 5 from both sides: 2x + 10 = 20", -1, "wrong operation",
     "subtracting 5 from both sides of 2x + 5 = 15 gives 2x = 10, not 2x + 10 = 20"),
    ("Add 5 to both sides: 2x = 10", -1, "wrong operation",
     "adding 5 to both sides of 2x + 5 = 15 gives 2x + 10 = 20, not 2x = 10"),
    ("Subtract 5 from both sides: x = 5", -1, "wrong operation",
     "subtracting 5 from both sides of 2x + 5 = 15 gives 2x = 10, not x = 5"),
    ("Expand the brackets: 2x = 10", -1, "wrong operation",
     "expanding the brackets of 2x + 5 = 15 gives 2x + 5 = 15, not 2x = 10"),
    ("Divide both sides by 0: 2x = 10", -1, "wrong operation",
     "dividing by 0 both sides of 2x + 5 = 15 is not possible"),
    ("Divide both sides by x: 2x = 10", -1, "wrong operation",
     "dividing by x both sides of 2x + 5 = 15 is not possible"),
    ("Answer: 5", -1, "unsupported", "no step before it shows 5"),
    ("Answer: 6", -1, "wrong answer", "the answer is 5, not 6"),
    ("Add 3 to both sides: 2x + 8 = 18", 0, "not needed", ""),
    ("Multiply both sides by 3: 6x + 15 = 45", 0, "not needed", ""),
    ("Subtract 15 from both sides: 2x - 10 = 0", 0, "not needed", ""),
    ("3 = 3", 0, "not needed", ""), ("x = x", 0, "not needed", ""),
    ("15 - 5 = 10", 0, "not needed", ""),
    ("2x + 5 = 15", 0, "repeated", ""), ("15 = 5 + 2*x", 0, "repeated", ""),
    ("Combine like terms: 2x + 5 = 15", 0, "repeated", ""),
])
def test_other_first_steps(step, label, reason, note):
    verdict = last(step)
    assert (verdict.label, verdict.reason, verdict.note) == (label, reason, note)
    assert not verdict.carried


@pytest.mark.parametrize("step", mutations_equations.NONSENSE)
def test_nonsense(step):
    assert (last(step).label, last(step).reason) == (-1, "nonsense")


def test_brackets_and_like_terms():
    expanded = "Expand the brackets: 2x - 18 - 12 = 3x - 19"
    combined = "Combine like terms: 2x - 30 = 3x - 19"
    assert reasons(expanded, combined, of=BRACKET) == ["right", "right"]
    assert reasons("Expand the brackets: 2x - 30 = 3x - 19", of=BRACKET) == ["right"]
    assert reasons(combined, of=BRACKET) == ["right"]  # a side may be rewritten freely
    assert reasons("Combine like terms: 2x - 18 - 12 = 3x - 19", of=BRACKET) == ["wrong operation"]
    assert reasons(expanded, "Expand the brackets: 2x - 30 = 3x - 19", of=BRACKET) == [
        "right", "wrong operation"]
    assert reasons("Expand the brackets: 2x - 9 - 12 = 3x - 19", of=BRACKET) == ["slip"]
    assert last("Expand the brackets: 2x - 9 - 12 = 3x - 19", of=BRACKET).note == (
        "expanding the brackets of 2(x - 9) - 12 = 3x - 19 gives 2x - 30 = 3x - 19, "
        "not 2x - 9 - 12 = 3x - 19")


def test_a_minus_before_a_bracket():
    minus = problem("Solve 10 - (x + 2) = 3.")
    assert reasons("Expand the brackets: 10 - x - 2 = 3", "Combine like terms: 8 - x = 3",
                   "Add x to both sides: 8 = 3 + x", "x = 5", "Answer: 5", of=minus) == ["right"] * 5
    assert reasons("Expand the brackets: 10 - x + 2 = 3", of=minus) == ["slip"]


def test_any_order_that_gets_on_is_right():
    both = problem("Solve 8x - 7 = 4x + 13.")
    assert reasons("Add 7 to both sides: 8x = 4x + 20", "Subtract 4x from both sides: 4x = 20",
                   "Divide both sides by 4: x = 5", "Answer: 5", of=both) == ["right"] * 4
    assert reasons("Subtract 8x from both sides: -7 = -4x + 13",
                   "Subtract 13 from both sides: -20 = -4x", "Divide by -4: 5 = x", "Answer: 5",
                   of=both) == ["right"] * 4


def test_a_step_may_go_back_to_any_equation_before():
    aside = "Add 3 to both sides: 2x + 8 = 18"
    assert reasons(aside, "Subtract 5 from both sides: 2x = 10") == ["not needed", "right"]
    assert reasons(aside, "Subtract 8 from both sides: 2x = 10") == ["not needed", "right"]
    assert reasons(aside, "Subtract 3 from both sides: 2x + 5 = 15") == ["not needed", "repeated"]


def test_a_wrong_trace_that_mends_itself():
    assert reasons("2x = 20", "2x = 10", "x = 5", "Answer: 5") == ["slip"] + ["right"] * 3
    assert reasons("2x = 20", "Subtract 5 from both sides: 2x = 10") == ["slip", "right"]
    assert reasons("2x = 20", "Divide both sides by 2: x = 5") == ["slip", "slip"]
    assert reasons("2x = 20", "Answer: 5") == ["slip", "unsupported"]
    assert reasons("2x = 20", "2x + 5 = 15", "x = 5") == ["slip", "repeated", "right"]


def test_own_error_in_a_step_that_follows_a_wrong_one():
    assert reasons("2x = 20", "Divide both sides by 2: x = 11") == ["slip", "slip"]
    assert reasons("2x = 20", "Subtract 2 from both sides: x = 10") == ["slip", "wrong operation"]
    assert reasons("2x = 20", "x = 11", "Answer: 11") == ["slip", "slip", "wrong answer"]
    assert last("2x = 20", "x = 10", "Answer: 9").carried is False


def test_a_misdescribed_equation_that_is_true_is_a_foundation():
    assert reasons("Add 5 to both sides: 2x = 10", "Divide both sides by 2: x = 5",
                   "Answer: 5") == ["wrong operation", "right", "right"]


def test_the_answer_may_come_one_move_early():
    assert reasons("2x = 10", "Answer: 5") == ["right", "right"]
    assert reasons("Answer: -6", of=problem("Solve 6x = -36.")) == ["right"]
    assert reasons("Answer: 5", of=problem("Solve 3x = 2x + 5.")) == ["unsupported"]


@pytest.mark.parametrize("answer", ["Answer: 5", "The answer is 5.", "answer: x = 5", "Answer: 10/2",
                                    "So the final answer is 5", "Answer: 5.0", "Answer: (5)",
                                    "#### 5", "The answer is equal to 5"])
def test_answers_in_other_words(answer):
    assert reasons("x = 5", answer) == ["right", "right"]


def test_after_the_answer():
    assert reasons("x = 5", "Answer: 5", "Answer: 5", "2x = 10", "x = 6", "hm", "Answer: 6") == [
        "right", "right", "after the answer", "after the answer", "slip", "nonsense",
        "wrong answer"]


def test_several_claims_in_one_step():
    assert reasons("Subtract 5 from both sides: 2x = 10, so x = 5. Answer: 5") == ["right"]
    assert reasons("Subtract 5 from both sides: 2x = 10, so x = 6") == ["slip"]
    assert reasons("Subtract 5 from both sides: 2x = 20, so x = 10") == ["slip"]


def test_fractions_are_exact():
    third = problem("Solve 3x = 1.")
    assert labels("x = 0.333333333333333333", of=third) == [-1]
    assert labels("x = 1/3", "Answer: 2/6", of=third) == [1, 1]


@pytest.mark.parametrize("text", ["", "Solve this.", "Solve x = x.", "Solve 2x = 2x + 1.", "Solve x*x = 4.",
                                  "Solve 2x + 5 = 15 and x = 5.", "Solve 2x + = 5.", "Compute 3 + 4."])
def test_a_problem_that_is_none_is_named(text):
    with pytest.raises(ValueError, match="must hold one linear equation in x with exactly one"):
        equations.check(problem(text), ["x = 5"])


def test_the_text_holds_the_same_truth_as_the_facts():
    for made in problems.make("equations", 200, seed=3, difficulty=range(1, 9)):
        assert equations_reading.parse_problem(made.text).solution == made.facts["x"]


@pytest.mark.parametrize("difficulty", range(1, 9))
def test_reference_solutions_are_right(difficulty):
    for made in problems.make("equations", 60, seed=5, difficulty=difficulty):
        steps = equations.solve(made)
        assert labels(*steps, of=made) == [1] * (difficulty + 1)


@pytest.mark.parametrize("kind", mutations_equations.HARMFUL)
def test_every_mutation_is_caught_at_its_step(kind):
    found = 0
    for i, made in enumerate(problems.make("equations", 60, seed=11, difficulty=range(1, 9))):
        reference = mutations_equations.Reference(made, list(equations.solve(made)))
        mutation = mutations_equations.HARMFUL[kind](reference, Random(i))
        if mutation:
            found += 1
            verdicts = equations.check(made, mutation.steps)
            at = verdicts[mutation.index]
            assert all(v.label == 1 for v in verdicts[:mutation.index]), (mutation, verdicts)
            assert at.label == -1, (mutation, verdicts)
            assert at.reason in mutation.reasons, (mutation, verdicts)
            if mutation.labels:
                assert [v.label for v in verdicts] == list(mutation.labels), mutation
            assert all(verdicts[j].carried for j in mutation.carried), (mutation, verdicts)
    assert found > 5


def test_harmless_changes_are_not_flagged():
    for i, made in enumerate(problems.make("equations", 300, seed=12, difficulty=range(1, 9))):
        steps, expected = mutations_algebra.harmless(made, equations.solve(made), Random(i))
        assert labels(*steps, of=made) == list(expected), (made.text, steps, expected)


TERM = st.one_of(st.integers(0, 99).map(str), st.just("x"), st.integers(0, 99).map("{}x".format),
                 st.integers(1, 9).map("x / {}".format),
                 st.builds("{}(x {} {})".format, st.integers(0, 9), st.sampled_from("+-"),
                           st.integers(0, 99)))
SIDE = st.lists(TERM, min_size=1, max_size=5).flatmap(
    lambda terms: st.lists(st.sampled_from((" + ", " - ")), min_size=len(terms) - 1,
                           max_size=len(terms) - 1).map(
        lambda signs: "".join(a + b for a, b in zip(terms, [*signs, ""], strict=True)))
).flatmap(lambda side: st.sampled_from((side, f"-{side}")))
MOVES = st.sampled_from(("Subtract 5 from both sides", "Add 3x to both sides", "Add x to both sides",
                         "Divide both sides by -2", "Multiply both sides by 0",
                         "Expand the brackets", "Combine like terms"))


@settings(deadline=None)
@given(SIDE)
def test_the_fast_reading_of_a_side_is_the_slow_one(side):
    assert equations_reading.plain_side(side) == equations_reading.any_side(side)


@settings(deadline=None)
@given(MOVES, SIDE, SIDE)
def test_the_fast_reading_of_a_step_is_the_slow_one(said, left, right):
    text = f"{said}: {left} = {right}"
    fast = equations_reading.read(text)
    assert fast == equations_reading.any_step(text)
    assert equations_reading._PLAIN_STEP.fullmatch(text)


@settings(deadline=None)
@given(SIDE, SIDE, st.integers(-9, 9))
def test_lines_keep_what_a_side_comes_to(left, right, x):
    (a, b), (c, d) = (equations_reading.side(text).line for text in (left, right))
    line = mutations_equations.line
    assert (a, b) == line(left)
    solution = equations_reading.equate(*map(equations_reading.side, (left, right))).solution
    if not isinstance(solution, str):
        assert a * solution + b == c * solution + d
    else:
        assert a == c
        assert (solution == "any") == (b == d)
    assert isinstance(x + Fraction(0), Fraction)


STEPS = st.one_of(st.text(max_size=60), st.text("0123456789x+-*/=(). :", max_size=60),
                  st.builds("{}: {} = {}".format, MOVES, SIDE, SIDE))


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=6))
def test_any_text_gets_a_verdict(steps):
    verdicts = equations.check(TEXTBOOK, steps)
    assert len(verdicts) == len(steps)
    assert all(v.reason in REASONS for v in verdicts)


HOSTILE = ["1" * 100_000, "(" * 10_000, "(" * 10_000 + "x = 1" + ")" * 10_000, "9**9**9 = x",
           "x" * 100_000, "\0" * 100, "😀" * 1000, " " * 100_000 + "x", "a " * 50_000, "= " * 900,
           "x = " * 400 + "5", "2x + 5 = 15 and " * 60 + "x = 5", "-" * 1900, "(x+1)*" * 150 + "0 = 1",
           "((((x+1)^2)^2)^2) = 0", "x / 0 = 1", "1," * 900, "x = 1\n" * 400, "½" * 900, "²" * 900]


@pytest.mark.parametrize("step", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_costs_little(step):
    begun = time.process_time()
    verdict = last("2x = 10", step)
    assert time.process_time() - begun < 1
    assert verdict.label <= 0 or verdict.reason == "right"
