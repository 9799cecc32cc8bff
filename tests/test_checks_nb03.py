"""Notebook 03's checks: planted wrong answers are named, right ones pass."""

import math

import numpy as np
import pytest
from planted import (
    assert_bank_is_answerable,
    assert_known_mistakes_are_told_apart,
    assert_planted,
)

from prmlab import metrics, problems
from prmlab.checks import nb03


@pytest.fixture(autouse=True)
def _progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "progress.json"))


def test_starters_are_blank_and_solutions_pass():
    assert_bank_is_answerable("03")


def test_known_mistakes_are_told_apart(monkeypatch):
    assert assert_known_mistakes_are_told_apart(nb03, "03", monkeypatch) >= 20


def test_step_ends():
    def cumulated(n_prompt, step_lengths, n_separator):
        return list(n_prompt - 1 + np.cumsum(np.array(step_lengths) + n_separator))

    assert_planted("03", "step_ends", right=[nb03._ends, cumulated],
        wrong=[(lambda n, s, k: [e + 1 for e in nb03._ends(n, s, k)], "one too far"),
               (lambda n, s, k: [e - k for e in nb03._ends(n, s, k)], "the step itself"),
               (lambda n, s, k: nb03._ends(0, s, k), "forgot the prompt"),
               (lambda n, s, k: nb03._ends(n, s, 0), "forgot the separators"),
               (lambda n, s, k: [n + x + k - 1 for x in s], "did not add up")])


@pytest.mark.torch
def test_the_positions_are_the_packages():
    """`tokens.encode` reads a step's score where the exercise says."""
    tokens = pytest.importorskip("prmlab.tokens", reason="needs transformers")
    trace = problems.solve(problems.make("stories", 1, seed=5, difficulty=3)[0])
    tokenizer = tokens.build()
    encoded = tokens.encode(tokenizer, trace)
    lengths = [len(tokens.plain_ids(tokenizer, step)) for step in trace.steps]
    assert list(encoded.step_ends) == nb03._ends(encoded.n_prompt, lengths, 1)


def test_step_loss():
    def by_logs(z, labels, kind):
        kept = [(a, b if kind == "soft" else float(b >= 0)) for a, b in zip(z, labels)
                if b is not None]
        if not kept:
            return 0.0
        logit, y = np.array(kept).T
        return float(np.mean(y * np.log1p(np.exp(-logit)) + (1 - y) * (logit + np.log1p(
            np.exp(-logit)))))

    def clipped(z, labels, kind):
        p = np.clip(1 / (1 + np.exp(-np.array(z))), 1e-7, 1 - 1e-7)
        terms = [-y * math.log(q) - (1 - y) * math.log(1 - q) for q, y in zip(
            p, [None if y is None else y if kind == "soft" else float(y >= 0) for y in labels])
            if y is not None]
        return sum(terms) / len(terms) if terms else 0.0

    assert_planted("03", "step_loss", right=[nb03._loss, by_logs],
        wrong=[(clipped, "You clipped"),
               (lambda z, y, kind: by_logs(z, [None if t is None else int(t) for t in y], kind),
                "rounded soft labels down"),
               (lambda z, y, kind: by_logs(
                   z, [-1 if kind == "hard" and t == 0 else t for t in y], kind),
                "neutral steps as wrong"),
               (lambda z, y, kind: by_logs(z, y, kind) * sum(t is not None for t in y) / len(y),
                "divided by all steps"),
               (lambda z, y, kind: -by_logs(z, y, kind), "sign"),
               (lambda z, y, kind: np.mean([t * x for x, t in zip(z, y)]), "TypeError")])


def test_ece():
    def package(p, y, bins):
        return metrics.calibration(p, y, bins=bins).ece

    def mean_gap(p, y, bins):
        rows = nb03._bins(p, y, bins)
        return sum(abs(a - b) for _, a, b in rows) / len(rows)

    def without_ones(p, y, bins):  # int(1.0 * bins) is a bin that no loop comes to
        p, y = np.array(p), np.array(y)
        own = (p * bins).astype(int)
        return sum(abs(p[own == m].mean() - y[own == m].mean()) * (own == m).mean()
                   for m in range(bins) if (own == m).any())

    assert_planted("03", "ece", right=[package, nb03._ece],
        wrong=[(mean_gap, "over the bins"),
               (lambda p, y, n: max(abs(a - b) for _, a, b in nb03._bins(p, y, n)), "MCE"),
               (lambda p, y, bins: abs(np.mean(p) - np.mean(y)), "one bin"),
               (lambda p, y, bins: np.mean((np.array(p) - y) ** 2), "Brier"),
               (without_ones, "exactly 1"),
               (lambda p, y, bins: package(p, y, bins) * len(p), "did not divide")])


def test_trap_chance():
    assert_planted("03", "trap_chance",
        right=[lambda q, n: 1 - (1 - q) ** n, lambda q, n: -math.expm1(n * math.log1p(-q))
               if q < 1 else 1.0],
        wrong=[(lambda q, n: q * n, "expected number"), (lambda q, n: q**n, "all n samples"),
               (lambda q, n: (1 - q) ** n, "none is of that kind"),
               (lambda q, n: min(1, q * n), "Samples overlap"),
               (lambda q, n: n * q * (1 - q) ** (n - 1), "exactly one")])
