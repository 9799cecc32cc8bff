"""Notebook 01's checks: planted wrong answers are named, right ones pass."""

import pytest
from planted import (
    assert_bank_is_answerable,
    assert_known_mistakes_are_told_apart,
    assert_planted,
)

from prmlab.checks import nb01
from prmlab.scoring import aggregate as package_aggregate


@pytest.fixture(autouse=True)
def _progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "progress.json"))


def test_starters_are_blank_and_solutions_pass():
    assert_bank_is_answerable("01")


def test_known_mistakes_are_told_apart(monkeypatch):
    n = assert_known_mistakes_are_told_apart(nb01, "01", monkeypatch, skip=["aggregate"])
    assert n >= 15


def swapped(how, wrong):
    """The right aggregate, except for one rule."""
    return lambda s, rule: wrong(s) if rule == how else package_aggregate(s, rule)


def test_aggregate():
    def by_branches(s, how):
        if how == "min":
            return sorted(s)[0]
        if how == "product":
            total = 1.0
            for x in s:
                total *= x
            return total
        return sum(s) / len(s) if how == "mean" else s[len(s) - 1]

    assert_planted("01", "aggregate", right=[package_aggregate, by_branches],
        wrong=[(lambda s, how: min(s), "whatever `how` says"),
               (swapped("min", lambda s: sum(s) / len(s)), "how='min' you averaged the steps"),
               (swapped("product", sum), "how='product' you added"),
               (swapped("product", lambda s: 0.0), "started the product at 0"),
               (swapped("mean", sum), "how='mean' you added"),
               (swapped("last", lambda s: s[0]), "how='last' you took the first"),
               (swapped("last", lambda s: None), "how='last' your function returns nothing"),
               (lambda s: min(s), "TypeError")])


def test_every_known_wrong_aggregate_is_told_apart():
    for how, mistakes in nb01._INSTEAD.items():
        for text, wrong in mistakes:
            assert nb01.aggregate(swapped(how, wrong)) == f"For how={how!r} {text}."


def test_pick_best():
    def loop(traces, how):
        best = 0
        for i in range(1, len(traces)):
            if how(traces[i]) > how(traces[best]):
                best = i
        return best

    assert_planted("01", "pick_best",
        right=[loop, lambda t, how: [how(x) for x in t].index(max(how(x) for x in t))],
        wrong=[(lambda t, how: min(range(len(t)), key=lambda i: how(t[i])), "lowest aggregate"),
               (lambda t, how: max(how(x) for x in t), "the winning aggregate"),
               (lambda t, how: max(t, key=how), "the winning trace"),
               (lambda t, how: loop(t, max), "best single step"),
               (lambda t, how: max((how(x), i) for i, x in enumerate(t))[1], "took the last")])


def test_lucky():
    def loop(labels, right):
        n = lucky = 0
        for row, ok in zip(labels, right):
            if ok:
                n += 1
                lucky += any(label == -1 for label in row)
        return lucky / n if n else 0.0

    assert_planted("01", "lucky", right=[loop, lambda labels, right: loop(labels, right) + 0],
        wrong=[(lambda y, r: sum(ok and -1 in s for s, ok in zip(y, r)) / len(r),
                "divided by all traces"),
               (lambda y, r: loop([[-1 if x < 1 else 1 for x in s] for s in y], r), "neutral"),
               (lambda y, r: sum(ok and -1 in s for s, ok in zip(y, r)), "returned a count"),
               (lambda y, r: 1 - loop(y, r) if any(r) else 0.0, "are the others"),
               (lambda y, r: sum(ok and -1 in s for s, ok in zip(y, r)) / sum(r),
                "ZeroDivisionError")])


def test_orm_or_prm():
    right = {"rerank": "ORM", "prune": "PRM", "explain": "PRM", "grade": "neither"}
    assert_planted("01", "orm_or_prm",
        right=[right, {key: value.lower() for key, value in reversed(right.items())}],
        wrong=[(right | {"rerank": "PRM"}, "Not PRM for `rerank`"),
               (right | {"prune": "ORM"}, "Not ORM for `prune`"),
               (right | {"explain": "neither"}, "Not neither for `explain`"),
               (right | {"rerank": "neither"}, "in use nobody knows the right answer"),
               (right | {"prune": "neither"}, "before any has an answer"),
               (right | {"grade": "ORM"}, "could only be wrong more often"),
               (right | {"grade": "both"}, '"ORM", "PRM" or "neither" for `grade`'),
               ({"rerank": "ORM"}, "Answer rerank, prune, explain, grade"),
               (["ORM", "PRM", "PRM", "neither"], "must be a dictionary")])
