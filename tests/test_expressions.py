"""Expressions: the checker by hand, by mutation, and on text that nobody would expect."""

import time
from random import Random

import mutations_algebra
import mutations_expressions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prmlab import problems
from prmlab.arithmetic import DivisionByZero, evaluate, parse
from prmlab.families import expressions, forms
from prmlab.families.expressions_check import _Expressions, reductions
from prmlab.families.expressions_reading import parse_problem
from prmlab.families.ledger import Ledger
from prmlab.traces import Problem
from prmlab.verdicts import REASONS


def problem(text):
    return Problem("by-hand", text, None, "expressions")  # the truth is in the text


NESTED = problem("Compute (3 + -4) * (2 - 5).")  # 3
MIXED = problem("Compute 2 + 3 * 4 - 1.")  # 13


def reasons(*steps, of=NESTED):
    return [verdict.reason for verdict in expressions.check(of, steps)]


def labels(*steps, of=NESTED):
    return [verdict.label for verdict in expressions.check(of, steps)]


def last(*steps, of=NESTED):
    return expressions.check(of, steps)[-1]


def test_reference_trace():
    assert reasons("3 + -4 = -1, leaving -1 * (2 - 5)", "2 - 5 = -3, leaving -1 * -3",
                   "-1 * -3 = 3, leaving 3", "Answer: 3") == ["right"] * 4


@pytest.mark.parametrize("step", [
    "2 - 5 = -3, leaving (3 + -4) * -3", "-4 + 3 = -1, leaving (2 - 5) * -1", "3 - 4 = -1",
    "3 + -4 = -1 and 2 - 5 = -3, leaving -1 * -3", "-1 * -3", "= -1 * (2 - 5)", "3", "= 3",
    "(3 + -4) * (2 - 5) = -1 * -3 = 3", "3 + -4 is equal to -1, so -1 × (2 − 5)", "2 - 5 = -3",
    "3 + (-4) = -1; which leaves ((-1)) * [2 - 5].", "  3+-4=-1,   leaving -1*(2-5)  ",
    "-1 * -3 = 3, leaving 3", "Step 1: 2 - 5 = -3 → -3 * (3 + -4)", "We get -1 * (2 - 5)",
    "3 + -4 = -1, leaving (2 - 5) * -1", "2 - 5 = -3, leaving 3",
])
def test_right_first_steps(step):
    assert (last(step).label, last(step).reason) == (1, "right")


@pytest.mark.parametrize(("step", "label", "reason", "note"), [
    ("3 + -4 = 1, leaving 1 * (2 - 5)", -1, "slip", "3 + -4 is -1, not 1"),
    ("3 + -4 = 1, leaving -1 * (2 - 5)", -1, "slip", "3 + -4 is -1, not 1"),
    ("3 + -4 = 1", -1, "slip", "3 + -4 is -1, not 1"),
    ("7 + 1 = 9", -1, "slip", "7 + 1 is 8, not 9"),
    ("= 4", -1, "slip", "(3 + -4) * (2 - 5) is 3, not 4"),
    ("1 * (2 - 5)", -1, "slip", "3 + -4 is not 1"),
    ("3 + -4 = -1, leaving -1 * (2 - 6)", -1, "wrong quantity",
     "-1 * (2 - 6) is not what that leaves of (3 + -4) * (2 - 5)"),
    ("3 + -4 = -1, leaving -1", -1, "wrong quantity",
     "-1 is not what that leaves of (3 + -4) * (2 - 5)"),
    ("3 + -4 = -1, leaving -1 * (2 + 5)", -1, "wrong operation",
     "-1 * (2 + 5) is not what that leaves of (3 + -4) * (2 - 5)"),
    ("3 + -4 = -1, leaving -1 * 2 - 5", -1, "wrong operation",
     "-1 * 2 - 5 is not what that leaves of (3 + -4) * (2 - 5)"),
    ("3 * -4 = -12, leaving -12 * (2 - 5)", -1, "wrong operation",
     "3 * -4 does not stand in (3 + -4) * (2 - 5)"),
    ("5 - 2 = 3, leaving (3 + -4) * 3", -1, "wrong operation",
     "(3 + -4) * 3 is not what that leaves of (3 + -4) * (2 - 5)"),
    ("-4 * 2 = -8, leaving 3 + -8 - 5", -1, "wrong operation",
     "in (3 + -4) * (2 - 5) something else comes before -4 * 2"),
    ("6 + 7 = 13, leaving -1 * (2 - 5)", -1, "unsupported",
     "6 + 7 does not stand in (3 + -4) * (2 - 5)"),
    ("Answer: 3", -1, "unsupported", "no step before it shows 3"),
    ("Answer: 4", -1, "wrong answer", "the answer is 3, not 4"),
    ("6 + 7 = 13", 0, "not needed", ""), ("13 = 6 + 7", 0, "not needed", ""),
    ("1 + 2", 0, "not needed", ""),  # true, and no part of the expression worked out
    ("(2 - 5) * (3 - 4)", 0, "repeated", ""), ("(3 + -4) * (2 - 5)", 0, "repeated", ""),
])
def test_other_first_steps(step, label, reason, note):
    verdict = last(step)
    assert (verdict.label, verdict.reason, verdict.note) == (label, reason, note)
    assert not verdict.carried


@pytest.mark.parametrize("step", mutations_expressions.NONSENSE)
def test_nonsense(step):
    assert (last(step).label, last(step).reason) == (-1, "nonsense")


def test_precedence():
    assert reasons("2 + 3 = 5, leaving 5 * 4 - 1", "5 * 4 = 20, leaving 20 - 1", of=MIXED) == [
        "wrong operation", "carried error"]
    assert reasons("4 - 1 = 3, leaving 2 + 3 * 3", of=MIXED) == ["wrong operation"]
    assert reasons("3 * 4 = 12", "12 - 1 = 11, leaving 2 + 11", of=MIXED) == ["right", "right"]
    assert reasons("4 + 5 = 9, leaving 10 - 9", of=problem("Compute 10 - 4 + 5.")) == [
        "wrong operation"]
    assert reasons("4 + 5 = 9, leaving 10 - 9", of=problem("Compute 10 - 4 - 5.")) == ["right"]


def test_an_error_is_carried_on_to_the_answer():
    verdicts = expressions.check(NESTED, (
        "3 + -4 = 1, leaving 1 * (2 - 5)", "2 - 5 = -3, leaving 1 * -3", "1 * -3 = -3", "Answer: -3"))
    assert [v.reason for v in verdicts] == ["slip", "carried error", "carried error",
                                            "wrong answer"]
    assert [v.carried for v in verdicts] == [False, True, True, True]


def test_a_part_that_the_error_has_not_touched_is_right():
    assert reasons("3 + -4 = 1", "2 - 5 = -3", "Answer: -3") == ["slip", "right", "wrong answer"]


def test_a_wrong_trace_that_mends_itself():
    assert reasons("3 + -4 = 1, leaving 1 * (2 - 5)", "3 + -4 = -1, leaving -1 * (2 - 5)",
                   "-1 * -3", "Answer: 3") == ["slip", "right", "right", "right"]
    assert reasons("3 + -4 = 1, leaving 1 * (2 - 5)", "Answer: 3") == ["slip", "unsupported"]


def test_claims_without_what_is_left():
    assert reasons("3 + -4 = -1", "2 - 5 = -3", "-1 * -3 = 3", "Answer: 3") == ["right"] * 4
    twice = problem("Compute (2 + 2) * 3 - (2 + 2) * 5.")  # which 2 + 2 is open until it is used
    assert reasons("2 + 2 = 4", "4 * 3 = 12, leaving 12 - (2 + 2) * 5", of=twice) == ["right"] * 2
    assert reasons("2 + 2 = 4", "4 * 5 = 20, leaving (2 + 2) * 3 - 20", of=twice) == ["right"] * 2


def test_saying_something_again_does_not_lose_the_place():
    assert reasons("3 + -4 = -1, leaving -1 * (2 - 5)", "(3 + -4) * (2 - 5)",
                   "2 - 5 = -3, leaving -1 * -3") == ["right", "repeated", "right"]
    first, second = "3 + -4 = -1, leaving -1 * (2 - 5)", "2 - 5 = -3, leaving -1 * -3"
    assert reasons(first, second, first, "-1 * -3 = 3", first, second) == [
        "right", "right", "repeated", "right", "repeated", "repeated"]
    assert reasons(first, second, "3 * -4 = -12, leaving -1 * (2 - 5)")[2] == "unsupported"


def test_division_and_powers():
    divided = problem("What is 12 / 4 * 3 - 2^3?")  # 1
    assert reasons("12 / 4 = 3, leaving 3 * 3 - 2^3", "2^3 = 8", "3 * 3 = 9, leaving 9 - 8",
                   "Answer: 1", of=divided) == ["right"] * 4
    assert reasons("4 * 3 = 12, leaving 12 / 12 - 2^3", of=divided) == ["wrong operation"]
    assert reasons("12 / 4 = 4", of=divided) == ["slip"]


def test_after_the_answer():
    assert reasons("-1 * -3", "Answer: 3", "= 3", "Answer: 3", "1 + 1 = 2", "1 + 1 = 3", "?",
                   "Answer: 4") == ["right", "right", "after the answer", "after the answer",
                                    "after the answer", "slip", "nonsense", "wrong answer"]


@pytest.mark.parametrize("text", ["", "Compute.", "Compute 3 +.", "Compute 3 and 4.", "Compute x.",
                                  "Compute 1 / 0.", "Solve 2x = 4.", "Compute 9**9**9."])
def test_a_problem_that_is_none_is_named(text):
    with pytest.raises(ValueError, match="must hold one arithmetic expression, got"):
        expressions.check(problem(text), ["3"])


def test_the_text_holds_the_same_truth_as_the_facts():
    for made in problems.make("expressions", 200, seed=3, difficulty=range(1, 9)):
        assert parse_problem(made.text).value == expressions.value(made.facts["expression"])


@pytest.mark.parametrize("difficulty", range(1, 9))
def test_reference_solutions_are_right(difficulty):
    for made in problems.make("expressions", 60, seed=5, difficulty=difficulty):
        steps = expressions.solve(made)
        assert labels(*steps, of=made) == [1] * (difficulty + 1)


@pytest.mark.parametrize("kind", mutations_expressions.HARMFUL)
def test_every_mutation_is_caught_at_its_step(kind):
    found = 0
    for i, made in enumerate(problems.make("expressions", 80, seed=11, difficulty=range(1, 9))):
        reference = mutations_expressions.Reference(made, list(expressions.solve(made)))
        mutation = mutations_expressions.HARMFUL[kind](reference, Random(i))
        if mutation:
            found += 1
            verdicts = expressions.check(made, mutation.steps)
            at = verdicts[mutation.index]
            assert all(v.label == 1 for v in verdicts[:mutation.index]), (mutation, verdicts)
            assert at.label == -1, (mutation, verdicts)
            assert at.reason in mutation.reasons, (mutation, verdicts)
            if mutation.labels:
                assert [v.label for v in verdicts] == list(mutation.labels), mutation
            assert all(verdicts[j].carried for j in mutation.carried), (mutation, verdicts)
    assert found > 2


def test_harmless_changes_are_not_flagged():
    for i, made in enumerate(problems.make("expressions", 300, seed=12, difficulty=range(1, 9))):
        steps, expected = mutations_algebra.harmless(made, expressions.solve(made), Random(i))
        assert labels(*steps, of=made) == list(expected), (made.text, steps, expected)


def test_the_fast_verdicts_are_the_slow_ones():
    class Slow(_Expressions):
        def step(self, text):
            return Ledger.step(self, text)

    for i, made in enumerate(problems.make("expressions", 200, seed=13, difficulty=range(1, 9))):
        steps = list(expressions.solve(made))
        broken = mutations_algebra.mutate(made, steps, Random(i)).steps
        shuffled = Random(i).sample(steps, len(steps))
        for trace in (steps, broken, steps[:2] + steps, shuffled, steps[:-1] + steps):
            assert expressions.check(made, trace) == Slow(parse_problem(made.text)).check(trace)


def test_reductions_keep_to_precedence():
    assert list(reductions("2 + 3 * 4", "2 + 3", "5")) == []
    assert list(reductions("2 * 3 + 4", "3 + 4", "7")) == []
    assert list(reductions("(2 + 3) * 4", "2 + 3", "5")) == ["5 * 4"]
    assert list(reductions("12 + 3 - (2 + 3)", "2 + 3", "5")) == ["12 + 3 - 5"]
    assert list(reductions("1 - -2 * 3", "-2 * 3", "-6")) == ["1 - -6"]
    assert list(reductions("4 * 4 + 4 * 4", "4 * 4", "16")) == ["16 + 4 * 4", "4 * 4 + 16"]


LEAF = st.integers(0, 12).map(str)
EXPRESSION = st.recursive(LEAF, lambda inner: st.one_of(
    st.builds("{} {} {}".format, inner, st.sampled_from("+-*/"), inner),
    inner.map("({})".format), inner.map("-({})".format)), max_leaves=9)


@settings(max_examples=200, deadline=None)
@given(EXPRESSION)
def test_forms_keep_the_value_and_can_be_written(text):
    try:
        truth = evaluate(parse(text))
    except DivisionByZero:
        return
    form = forms.canonical(parse(text))
    assert forms.value(form) == truth
    assert forms.canonical(parse(forms.show(form))) == form
    assert forms.derives(form, form)
    assert forms.derives(form, forms.number(truth))
    assert not forms.derives(form, forms.number(truth + 1))
    assert forms.value(forms.negated(form)) == -truth


@settings(max_examples=200, deadline=None)
@given(EXPRESSION, LEAF, st.sampled_from("+-*"), LEAF)
def test_what_is_replaced_keeps_the_value(text, a, op, b):
    part = forms.canonical(parse(f"{a} {op} {b}"))
    try:
        form = forms.canonical(parse(f"{text} - ({a} {op} {b}) * 7"))
        truth = forms.value(form)
    except DivisionByZero:
        return
    found = list(forms.replaced(form, part, forms.number(forms.value(part))))
    assert found
    assert all(forms.value(new) == truth for new in found)


STEPS = st.one_of(st.text(max_size=60), st.text("0123456789+-*/=() ,", max_size=60), EXPRESSION,
                  st.builds("{} = {}, leaving {}".format, EXPRESSION, EXPRESSION, EXPRESSION))


@settings(max_examples=300, deadline=None)
@given(EXPRESSION, st.lists(STEPS, max_size=5))
def test_any_text_gets_a_verdict_and_no_wrong_value_is_right(text, steps):
    try:
        of = problem(f"Compute {text}.")
        truth = parse_problem(of.text).value
    except ValueError:
        return
    for step, verdict in zip(steps, expressions.check(of, steps), strict=True):
        assert verdict.reason in REASONS
        stated = step.rpartition("leaving ")[2]
        if verdict.label >= 0 and "leaving" in step:
            assert evaluate(parse(stated)) == truth


HOSTILE = ["1" * 100_000, "(" * 10_000, "(" * 10_000 + "1" + ")" * 10_000, "9**9**9", "2 ^ 4096 = 5",
           "1+" * 900 + "1", "1 + " * 190 + "1", "1 * " * 190 + "1 = 1, leaving 7", "\0" * 50,
           "😀" * 1000, "a " * 50_000, "= " * 900, "- " * 800 + "1", "1/0 = 0", "answer " * 200,
           "-(" * 90 + "1" + ")" * 90, " and ".join(["1 + 1 = 2"] * 150),
           "+".join(map(str, range(150))), "*".join(map(str, range(1, 150))), "½" * 900, "5%" * 400]


@pytest.mark.parametrize("step", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_costs_little(step):
    begun = time.process_time()
    long = problem("Compute (3 + -4) * (2 - 5) + 2 * 3 - 4 * (1 + 1 - (2 + 2)) + 7.")
    verdicts = expressions.check(long, ["2 - 5 = -3", step, step])
    assert time.process_time() - begun < 1
    assert verdicts[1].label <= 0 or verdicts[1].reason == "right"


@pytest.mark.parametrize("text", [" + ".join(str(i % 9 + 1) for i in range(190)),
                                  " * ".join(str(i % 3 + 1) for i in range(150)),
                                  "(1 + 1) * " * 60 + "1"], ids=["sum", "product", "brackets"])
def test_long_problems_cost_little(text):
    begun = time.process_time()
    steps = [f"1 + 2 = 3, leaving {text.replace('1 + 2', '3', 1)}", "40 + 60", "1 + 2 + 3 = 6",
             "7 * 8 = 56, leaving 5", "= 10 + 10 + 10", f"12 + 13 = 25, leaving {text}"]
    expressions.check(problem(f"Compute {text}."), steps)
    assert time.process_time() - begun < 3
