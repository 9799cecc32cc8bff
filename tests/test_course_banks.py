"""The banks themselves: complete, in step with the notebooks, and their numbers computed."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from prmlab import agreement, banks, budget, curves, metrics, rules, scoring, search, toys
from prmlab.checks import nb01, nb02, nb03, nb04, nb05, nb06
from prmlab.evidence import StepLabel

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "data" / "course").glob("*.json"))
QUESTIONS = [(n, q) for n in NOTEBOOKS for q in banks.load(n).quiz]


def test_the_first_five_notebooks_have_banks():
    assert {"00", "01", "02", "03", "07"} <= set(NOTEBOOKS)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_enough_is_asked_and_every_section_listed_once(notebook):
    bank = banks.load(notebook)
    assert bank.notebook == notebook
    assert len(bank.exercises) >= 2
    assert len(bank.quiz) >= 8
    assert len(set(bank.sections)) == len(bank.sections)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", section) for section in bank.sections)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_sections_exist_in_the_notebook_source(notebook):
    """A heading whose words make the slug, or an anchor `id="slug"`, in notebooks/src."""
    sources = list((ROOT / "notebooks" / "src").glob(f"{notebook}_*.py"))
    if not sources:
        pytest.skip(f"notebooks/src/{notebook}_*.py is not written yet")
    text = sources[0].read_text("utf-8")
    headings = re.findall(r"^# #+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") for heading in headings}
    anchors = set(re.findall(r'id="([a-z0-9-]+)"', text))
    bank = banks.load(notebook)
    asked = {item.section for item in bank.exercises} | {q["section"] for q in bank.quiz}
    assert asked <= slugs | anchors, f"no heading for {sorted(asked - slugs - anchors)}"


def test_the_right_choice_is_not_given_away_by_its_place_or_length():
    """Of the questions with one right choice, it is rarely the first or longest."""
    ones = [q["choices"] for _, q in QUESTIONS if q["kind"] == "single"]
    places = [[c["right"] for c in choices].index(True) for choices in ones]
    lengths = [[len(c["text"]) for c in choices] for choices in ones]
    longest = sum(row[place] == max(row) for row, place in zip(lengths, places))
    assert all(places.count(place) < 0.5 * len(ones) for place in range(4))
    assert longest <= 0.6 * len(ones)


def test_choices_differ_and_explanations_say_something():
    for notebook, question in QUESTIONS:
        texts = [choice["text"] for choice in question.get("choices", ())]
        assert len(set(texts)) == len(texts), (notebook, question["id"])
        whys = [c["why"] for c in question.get("choices", ())] + [question.get("why", "-" * 15)]
        assert all(len(why) >= 15 for why in whys), (notebook, question["id"])


def trap(n):
    return nb03._trapped(0.05, n)


def first_round(beam_width, branching):
    """Steps that a beam draws in its first round, by what it asks for."""
    walk = search.beam(toys.make(1), toys.ToyPolicy(), toys.Truth(), beam_width=beam_width,
                       branching=branching, max_steps=1)[0]
    return int(walk.tree.drawn[1:].sum())


NUMBERS = {  # every question whose answer is a number, computed by the package
    "00/q_count": lambda: sum(s < 0.5 for s in (0.97, 0.41, 0.88, 0.50, 0.12)),
    "00/q_first": lambda: [1, 1, 0, -1, 1, -1].index(-1),
    "01/q_product": lambda: scoring.aggregate([0.9, 0.9, 0.5, 0.9], "product"),
    "01/q_mean": lambda: scoring.aggregate([0.98] * 9 + [0.02], "mean"),
    "01/q_lucky": lambda: 100 * nb01._lucky(
        [[-1]] * 3 + [[1]] * 37 + [[-1]] * 55 + [[1]] * 5, [True] * 40 + [False] * 60),
    "02/q_kappa": lambda: agreement.cohen_kappa(
        [1] * 85 + [-1] * 5 + [1] * 5 + [-1] * 5, [1] * 85 + [-1] * 5 + [-1] * 5 + [1] * 5,
        draws=2).kappa,
    "03/q_ln2": lambda: nb03._loss([0.0, 0.0], [1, -1], "hard"),
    "03/q_ece": lambda: metrics.calibration([0.9] * 100, [1] * 70 + [0] * 30).ece,
    "03/q_trap": lambda: trap(32),
    "04/q_missed": lambda: nb04._called_wrong(0.1, 8),
    "04/q_se": lambda: StepLabel(1, 0.25, 16).standard_error,
    "04/q_bisect": lambda: math.ceil(math.log2(15 + 1)),
    "04/q_generations": lambda: budget.Plan(1000, 8, 6, 16, tokens=1).generations / 1000,
    "05/q_middle": lambda: nb05._best_of([False, True, False], [0.1, 0.5, 0.9], 2),
    "05/q_spread": lambda: nb05._spread([0.5] * 100),
    "05/q_weighted": lambda: float(*nb05._vote(["5", "5", "7", None], [0.3, 0.4, 0.6, 0.9])),
    "06/q_first_round": lambda: first_round(4, 4),
    "06/q_read": lambda: nb06._read(40, [10] * 4, False),
    "07/q_textbook": lambda: scoring.find_error_step([0.95, 0.88, 0.72, 0.05, 0.02]),
    "07/q_half": lambda: scoring.find_error_step([0.9, 0.8, 0.4, 0.1]),
    "07/q_chances": lambda: rules.chances(np.array([0.9, 0.5, 0.8]))[1],
    "07/q_f1": lambda: float(metrics.harmonic_mean(0.6, 0.9)),
    "07/q_average": lambda: sum([82.4, 77.6, 67.5, 66.3]) / 4,
    "10/q_index": lambda: min(step for step in (4, 3, 9) if step <= 6) - 1,
    "10/q_memory": lambda: 7.6e9 * 2 / 1e9,
}


def test_every_number_is_computed():
    asked = {f"{n}/{q['id']}": q for n, q in QUESTIONS if q["kind"] == "number"}
    assert set(asked) == set(NUMBERS)
    for name, compute in NUMBERS.items():
        question = asked[name]
        error = abs(compute() - question["answer"])
        assert error <= max(question["tolerance"], 1e-9), (name, compute())
        for choice in question["choices"]:  # the wrong numbers must not pass for right
            assert abs(float(choice["text"]) - question["answer"]) > question["tolerance"]


def test_numbers_in_the_choices_and_explanations():
    """What the prose of the banks claims, recomputed."""
    assert scoring.aggregate([0.9] * 8, "product") == pytest.approx(0.43, abs=0.001)
    assert scoring.aggregate([0.7, 0.75], "product") == pytest.approx(0.525)
    assert scoring.find_error_step([0.04, 0.03, 0.03]) == -1
    assert scoring.first_error([0.9, 0.5, 0.3, 0.2]) == 2
    assert scoring.find_error_step([0.9, 0.5, 0.3, 0.2]) == -1
    put_right = [0.95, 0.10, 0.90, 0.95]
    assert [scoring.first_error(put_right, rule=rule) for rule in rules.RULES] == [1, 1, None, 1]
    assert rules.change(np.array(put_right))[1] == pytest.approx(0.65 / 0.975)
    assert trap(8) == pytest.approx(0.34, abs=0.005)
    assert trap(64) == pytest.approx(0.96, abs=0.005)
    assert nb02._kappa([1, 1, 1, -1, -1], [1, 1, -1, -1, -1]) == pytest.approx(0.615, abs=0.001)
    assert nb02._claim("-9 - 5 = -14") is True
    assert nb03._ends(4, [3, 2], 1) == [7, 10]
    assert metrics.first_error_f1([None] * 10, [None] * 7 + [0] * 3).f1 == 0.0
    classifier = 2 * 0.7 * 1.0 / (0.7 + 1.0)  # the other F1, of q_never
    assert classifier == pytest.approx(0.82, abs=0.005)
    assert 0.5 * 0.5 < 0.3 * 0.9
    assert 0.6 * 0.6 > 0.3 * 0.9
    assert math.prod([0.9, 0.5, 0.8]) == pytest.approx(0.36)


def test_the_trap_is_what_best_of_n_falls_into():
    """Five of 100 samples are overrated: the closed form is the curve's limit, and near it."""
    correct = [[i >= 5 for i in range(100)]]
    scores = [[1.0 if i < 5 else 0.5 for i in range(100)]]
    curve = curves.best_of_n_curve(correct, scores, [1, 8])
    assert 1 - curve.mean[0] == pytest.approx(trap(1))
    assert 1 - curve.mean[1] == pytest.approx(trap(8), abs=0.02)
