"""Notebook 02's checks: planted wrong answers are named, right ones pass."""

import re

import pytest
from planted import (
    assert_bank_is_answerable,
    assert_known_mistakes_are_told_apart,
    assert_planted,
)

from prmlab import agreement, traces
from prmlab.checks import nb02


@pytest.fixture(autouse=True)
def _progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "progress.json"))


def test_starters_are_blank_and_solutions_pass():
    assert_bank_is_answerable("02")


def test_known_mistakes_are_told_apart(monkeypatch):
    assert assert_known_mistakes_are_told_apart(nb02, "02", monkeypatch) >= 20


def test_split_steps():
    assert_planted("02", "split_steps",
        right=[traces.split_steps, lambda t: list(filter(None, map(str.strip, t.split("\n"))))],
        wrong=[(lambda t: t.split("\n"), "kept empty lines and the space"),
               (lambda t: [x for x in t.splitlines() if x.strip()], "kept the space"),
               (lambda t: [x.strip() for x in t.split("\n\n") if x.strip()],
                "blank lines only"),
               (lambda t: [x.strip() for x in t.split(".") if x.strip()], "full stops"),
               (lambda t: t.strip(), "must return a list of 3")])


def row(problem, steps, ratings, *, stop=True, chosen_at_error=None, reason=None, rate=int,
        flagged=False, human=None):
    """A PRM800K row with one thing to get wrong at a time."""
    end = ratings.index(-1) + 1 if stop and -1 in ratings else len(steps)
    rows = [{"completions": [{"text": text, "rating": rate(rating), "flagged": flagged}],
             "human_completion": human,
             "chosen_completion": chosen_at_error if rating == -1 else 0}
            for text, rating in zip(steps[:end], ratings[:end])]
    reason = reason or ("found_error" if -1 in ratings else "solution")
    return {"question": {"problem": problem}, "label": {"steps": rows, "finish_reason": reason}}


def test_prm800k_row():
    def with_more(problem, steps, ratings):
        made = row(problem, steps, ratings)
        return {**made, "labeler": "me", "timestamp": "2026", "generation": None}

    def flat(problem, steps, ratings):
        rows = [{"text": s, "rating": r} for s, r in zip(steps, ratings)]
        return {"question": {"problem": problem},
                "label": {"finish_reason": "solution", "steps": rows}}

    def without(name):
        def attempt(problem, steps, ratings):
            made = row(problem, steps, ratings)
            for step in made["label"]["steps"]:
                step.pop(name, None)
                step["completions"][0].pop(name, None)
            return made
        return attempt

    assert_planted("02", "prm800k_row", right=[row, with_more],
        wrong=[(lambda *a: row(*a, stop=False), "stops there"),
               (lambda *a: row(*a, chosen_at_error=0), "not chosen to go on from"),
               (lambda *a: row(*a, reason="solution"), 'must be "found_error"'),
               (lambda *a: row(*a, rate=lambda r: max(r, 0)), "0 is neutral, not wrong"),
               (flat, "look at 'completions'"),
               (lambda p, s, r: row(p, s[:r.index(-1)] if -1 in r else s, r), "left out"),
               (lambda p, s, r: row(s[0], s, r), "question.problem must be"),
               (without("flagged"), "look at 'flagged'"),
               (without("human_completion"), "look at 'human_completion'"),
               (lambda *a: row(*a, flagged=None), "flagged must be False"),
               (lambda *a: row(*a, human="x = 2"), "human_completion must be None"),
               (lambda *a: "a row", "PRM800K's shape")])


def test_targets():
    def by_dictionary(ratings, neutral):
        return list(map({1: 1, -1: 0, 0: neutral}.get, ratings))

    def loop(ratings, neutral):
        out = []
        for rating in ratings:
            out.append(rating if rating is None else float(rating > 0))
            if rating == 0:
                out[-1] = neutral
        return out

    assert_planted("02", "targets", right=[by_dictionary, loop],
        wrong=[(lambda r, n: [t for t in loop(r, n) if t is not None], "dropped the steps"),
               (lambda r, n: loop(r, 1.0), "counted neutral steps as right"),
               (lambda r, n: loop(r, 0.0), "opposite of Let's Verify"),
               (lambda r, n: [0.0 if x is None else loop([x], n)[0] for x in r], "(None)"),
               (lambda r, n: loop(r, 0.5), "0.5")])


@pytest.mark.torch
def test_the_right_targets_are_the_trainers():
    """The package's own rule must agree with what the exercise teaches."""
    training = pytest.importorskip("prmlab.training", reason="needs torch")
    for ratings, neutral in nb02._RATINGS:
        wanted = training.step_targets(ratings, neutral=neutral)
        assert nb02._targets(ratings, neutral) == wanted


def test_kappa():
    def package(a, b):
        return agreement.cohen_kappa(a, b, draws=2).kappa

    def by_hand(a, b):
        labels, n = sorted({*a, *b}), len(a)
        table = {(x, y): 0 for x in labels for y in labels}
        for pair in zip(a, b):
            table[pair] += 1
        observed = sum(table[x, x] for x in labels) / n
        expected = sum(sum(table[x, y] for y in labels) * sum(table[y, x] for y in labels)
                       for x in labels) / n**2
        return (observed - expected) / (1 - expected)

    def plain(a, b):
        return sum(x == y for x, y in zip(a, b)) / len(a)

    assert_planted("02", "kappa", right=[package, by_hand],
        wrong=[(plain, "plain agreement"),
               (lambda a, b: (plain(a, b) - 0.5) / 0.5 if len({*a, *b}) == 2
                else (plain(a, b) - 1 / 3) / (2 / 3), "1 / (number of labels)"),
               (lambda a, b: (plain(a, b) - 0.5) / 0.5, "one half"),
               (lambda a, b: (plain(a, b) - nb02._kappa(a, b)), "yours returned"),
               (lambda a, b: [plain(a, b)], "must return one number"),
               (lambda a, b: a.count(2) / b.count(2), "ZeroDivisionError")])


def test_check_claim():
    def parts(text):
        try:
            left, right = text.split("=")
            for sign in "*/":
                if sign in left:
                    a, b = map(int, left.split(sign))
                    c = int(right)
                    return a * b == c if sign == "*" else b != 0 and a == b * c
            cut = max(left.rfind(" + "), left.find("+"))
            if cut < 0:
                cut = left.rstrip().find("-", 1)
                return int(left[:cut]) - int(left[cut + 1:]) == int(right)
            a, b = left[:cut].rstrip(" +"), left[cut:].lstrip(" +")
            return int(a) + int(b) == int(right)
        except ValueError:
            return None

    def evaluated(text):
        left, right = text.split("=")
        return eval(left) == int(right)  # noqa: S307 - this is what the check must refuse

    def compiled(text):
        match = re.compile(r"\s*(-?\d+)\s*([-+*/])\s*(-?\d+)\s*=\s*(-?\d+)\s*").fullmatch(text)
        if match is None:
            return None
        a, b, c = int(match[1]), int(match[3]), int(match[4])
        if match[2] == "/":
            return b != 0 and a == b * c
        return {"+": a + b, "-": a - b, "*": a * b}[match[2]] == c

    assert_planted("02", "check_claim", right=[nb02._claim, parts, compiled],
        wrong=[(evaluated, "You used `eval`"),
               (lambda t: nb02._claim(t, read=nb02._CLAIM.search), "inside a longer text"),
               (lambda t: nb02._claim(t, read=nb02._CLAIM.match), "ignored the rest"),
               (lambda t: nb02._claim(t, floor=True), "`//`"),
               (lambda t: bool(nb02._claim(t)), "False accuses"),
               (lambda t: None if nb02._claim(t) is None else True, "every claim true"),
               (lambda t: None if "/ 0" in t else nb02._claim(t), "has no value"),
               (lambda t: int(t.split("=")[1]) > 0, "IndexError")])
