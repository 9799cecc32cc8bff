"""Notebook 10's checks: planted wrong answers are named, right ones pass."""

import json
import math

import numpy as np
import pytest
from planted import (
    assert_bank_is_answerable,
    assert_known_mistakes_are_told_apart,
    assert_planted,
)

from prmlab import benchmarks, catalog, metrics, scoring
from prmlab.checks import nb10


@pytest.fixture(autouse=True)
def _progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "progress.json"))


def test_starters_are_blank_and_solutions_pass():
    assert_bank_is_answerable("10")


def test_known_mistakes_are_told_apart(monkeypatch):
    assert assert_known_mistakes_are_told_apart(nb10, "10", monkeypatch) >= 38


def spelled(kind, value, n, *, shift=1, none=None, first=min):
    if kind == "processbench":
        return none if value < 0 else value
    if kind == "prmbench":
        inside = [v for v in value if v <= n]
        return first(inside) - shift if inside else none
    if kind == "labels":
        return value.index(False) if False in value else none
    return none if value is None else value


def test_first_error_of():
    def by_loop(kind, value, n):
        wrong = {"processbench": lambda i: i == value, "mistake": lambda i: i == value,
                 "prmbench": lambda i: i + 1 in value, "labels": lambda i: not value[i]}[kind]
        found = [i for i in range(n) if wrong(i)]
        return found[0] if found else None

    assert_planted("10", "first_error_of", right=[spelled, by_loop],
        wrong=[(lambda k, v, n: spelled(k, v, n, none=-1), "Return None, not -1"),
               (lambda k, v, n: spelled(k, v, n, shift=0), "counts steps from 1"),
               (lambda k, v, n: spelled(k, v, n, first=lambda x: x[0]), "need not be in order"),
               (lambda k, v, n: spelled(k, v, 99), "beyond the end"),
               (lambda k, v, n: spelled(k, v, n) or None, "0 counts as false"),
               (lambda k, v, n: {}[k], "KeyError")])


def test_carried():
    def package(scores, true, candidates, first):
        f1 = [benchmarks.process_bench_scores({first: scores[first]}, {first: true[first]},
                                              threshold=c, draws=2).average.value
              for c in candidates]
        return benchmarks.process_bench_scores(
            scores, true, threshold=candidates[int(np.argmax(f1))], draws=2).average.value

    def own(scores, true, candidates, first):
        return np.mean([max(metrics.first_error_f1(
            [scoring.first_error(s, threshold=c) for s in scores[n]], true[n], draws=1).f1
            for c in candidates) for n in scores])

    assert_planted("10", "carried", right=[package, lambda *a: float(package(*a))],
        wrong=[(own, "every subset choose its own"),
               (lambda s, t, c, f: package(s, t, [0.5], f), "always took 0.5"),
               (lambda s, t, c, f: package({f: s[f]}, {f: t[f]}, c, f), "of `first` alone"),
               (lambda s, t, c, f: max(package(s, t, [x], f) for x in c), "best average"),
               (lambda s, t, c, f: package(s, t, c, next(iter(s))), "that `first` names"),
               (lambda s, t, c, f: c[0], "yours returned")])


def test_prm_score():
    def f1(hits, mistakes):
        return 2 * hits / (2 * hits + mistakes) if hits else 0.0

    def by_hand(j, r):
        mistakes = sum(a != b for a, b in zip(j, r))
        return (f1(sum(a and b for a, b in zip(j, r)), mistakes)
                + f1(sum(not a and not b for a, b in zip(j, r)), mistakes)) / 2

    assert_planted("10", "prm_score",
        right=[by_hand, lambda j, r: metrics.prm_score(j, r).score],
        wrong=[(lambda j, r: metrics.prm_score(j, r).f1_right, "right steps only"),
               (lambda j, r: metrics.prm_score(j, r).f1_wrong, "wrong steps only"),
               (lambda j, r: sum(a == b for a, b in zip(j, r)) / len(r), "share of steps"),
               (lambda j, r: metrics.prm_score(j, r), "must return one number")])


def test_read_scores():
    def softmax(pair, column):
        powers = [math.exp(x - max(pair)) for x in pair]
        return powers[column] / sum(powers)

    def right(logits, ids, tag, column, back=0):
        return [softmax(logits[i - back], column) for i, own in enumerate(ids)
                if own == tag and i >= back]

    assert_planted("10", "read_scores",
        right=[right, lambda *a: np.array(right(*a))],
        wrong=[(lambda x, ids, tag, c: right(x, ids, tag, 1 - c), "P(wrong)"),
               (lambda x, ids, tag, c: right(x, ids, tag, 1), "always took column 1"),
               (lambda x, ids, tag, c: right(x, ids, tag, c, back=1), "before each tag"),
               (lambda x, ids, tag, c: [softmax(p, c) for p in x], "every token"),
               (lambda x, ids, tag, c: [s for s in right(x, ids, tag, c) if s > 1e-20], "dropped")])


def test_label_hours():
    def seconds(t, s, r, k, speed, gpus):
        return t * s * r * k / speed / gpus

    assert_planted("10", "label_hours",
        right=[lambda *a: seconds(*a) / 3600, lambda *a: seconds(*a) / 60 / 60],
        wrong=[(seconds, "returned seconds"), (lambda *a: seconds(*a) / 60, "returned minutes"),
               (lambda *a: seconds(*a[:5], 1) / 3600, "one GPU"),
               (lambda *a: seconds(a[0], 1, *a[2:]) / 3600, "whole problem only")])


def test_the_record_holds_figures_alone_and_says_what_bank_and_notebook_say():
    text = catalog.path("runs/human_data.json").read_text("utf-8")
    human = json.loads(text)
    assert set(human["recorded_run"]["differences"][0]) == {"problem", "trace", "by us", "recorded",
                                                            "why"}
    assert max(map(len, text.splitlines())) < 120
    bench, run = human["prmbench"], human["recorded_run"]
    assert round(bench["always right"]["prm_score"]["value"], 2) == 0.46  # of q_blind
    assert round(bench["random place"]["prm_score"]["value"], 2) == 0.50
    assert (len(run["differences"]), run["traces"]) == (5, 320)  # of q_grade
    mistakes = human["bigbench_mistake"]
    tasks = mistakes["arithmetic checker"]["tasks"]
    assert tasks["word_sorting"]["f1"]["value"] == 0 < tasks["multistep_arithmetic"]["f1"]["low"]
    by_place = "the later the worse on what the prm can read"
    assert mistakes["prm"]["all"]["auroc"]["high"] < mistakes[by_place]["all"]["auroc"]["low"]
    assert bench["prm"]["auroc"]["high"] < bench[by_place]["auroc"]["low"]
