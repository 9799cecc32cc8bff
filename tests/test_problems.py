"""Problems: the same for the same seed, distinct, as difficult as asked, and solved rightly."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from prmlab import problems
from prmlab.traces import Problem, Trace

FAMILIES = tuple(problems.FAMILIES)


def test_the_families():
    assert FAMILIES == ("stories", "equations", "expressions")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_problems(family):
    made = problems.make(family, 30, seed=4)
    assert made == problems.make(family, 30, seed=4)
    assert made[:10] == problems.make(family, 10, seed=4)  # asking for fewer changes nothing
    assert made != problems.make(family, 30, seed=5)
    assert [p.id for p in made[:2]] == [f"{family}-4-0", f"{family}-4-1"]


@pytest.mark.parametrize(("family", "text"), [("stories", ""), ("equations", "Solve "),
                                              ("expressions", "Compute ")])
def test_what_a_problem_looks_like(family, text):
    (made,) = problems.make(family, 1, seed=0, difficulty=2)
    assert made.family == family
    assert made.facts["difficulty"] == 2
    assert made.text.startswith(text)
    assert made.answer == problems.solve(made).steps[-1].removeprefix("Answer: ")


def test_the_same_in_another_process():
    code = ("from prmlab import problems\n"
            "print([p.text for f in problems.FAMILIES for p in problems.make(f, 3, seed=8)])")
    texts = [p.text for family in FAMILIES for p in problems.make(family, 3, seed=8)]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).parent.parent, env={"PYTHONHASHSEED": "7"})
    assert done.stdout.strip() == str(texts)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("difficulty", range(1, 9))
def test_difficulty_is_the_number_of_steps_before_the_answer(family, difficulty):
    for made in problems.make(family, 25, seed=2, difficulty=difficulty):
        assert made.facts["difficulty"] == difficulty
        assert len(problems.solve(made).steps) == difficulty + 1, made.text


@pytest.mark.parametrize("family", FAMILIES)
def test_difficulty_is_drawn_evenly(family):
    drawn = Counter(p.facts["difficulty"] for p in problems.make(family, 600, seed=1))
    assert set(drawn) == set(problems.TRAINED_DIFFICULTIES)
    assert min(drawn.values()) > 80  # 120 each; 1e-5 is the chance of one below 80
    some = Counter(p.facts["difficulty"] for p in problems.make(family, 60, seed=1,
                                                                difficulty=[6, 8]))
    assert set(some) == {6, 8}


@pytest.mark.parametrize(("family", "share"), [("stories", 0.99), ("equations", 0.7),
                                               ("expressions", 0.8)])
def test_texts_are_mostly_distinct(family, share):
    texts = {p.text for p in problems.make(family, 1000, seed=6)}
    assert len(texts) >= 1000 * share


@pytest.mark.parametrize("family", FAMILIES)
def test_every_reference_solution_is_checked_all_right(family):
    module = problems.FAMILIES[family]
    for made in problems.make(family, 150, seed=9, difficulty=range(1, 9)):
        trace = problems.solve(made)
        assert trace.finished
        assert trace.source == "reference"
        assert {v.label for v in module.check(made, trace.steps)} == {1}, (made.text, trace.steps)
        assert trace.answer == made.answer


@pytest.mark.parametrize("family", FAMILIES)
def test_problems_survive_json(family):
    for made in problems.make(family, 20, seed=3):
        again = Problem.from_dict(made.to_dict())
        assert again == made
        assert problems.solve(again) == problems.solve(made)


@pytest.mark.parametrize("family", FAMILIES)
def test_splits_share_no_text_whatever_the_seeds(family):
    texts = {split: {p.text for seed in range(3)
                     for p in problems.make(family, 200, seed=seed, split=split)}
             for split in problems.SPLITS}
    assert all(texts.values())
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["validation"]
    assert not texts["validation"] & texts["test"]


def test_a_split_follows_from_the_text_alone():
    made = problems.mix(3000, seed=2)
    assert {problems.split_of(Problem("other", p.text, None, "")) == problems.split_of(p)
            for p in made} == {True}
    shares = Counter(problems.split_of(p) for p in made)
    assert 2250 < shares["train"] < 2550  # 2,400 expected
    assert min(shares["test"], shares["validation"]) > 220  # 300 expected
    kept = problems.make("stories", 40, seed=2, split="validation")
    assert {problems.split_of(p) for p in kept} == {"validation"}
    assert len({p.id for p in kept}) == 40


def test_a_mix_is_even_from_the_start():
    mixed = problems.mix(10, seed=0)
    assert [p.family for p in mixed[:6]] == [*FAMILIES, *FAMILIES]
    assert len(mixed) == 10


@pytest.mark.parametrize(("call", "message"), [
    (lambda: problems.make("riddles", 1, seed=0),
     "unknown family 'riddles'; known: stories, equations, expressions"),
    (lambda: problems.make("stories", 1, seed=0, difficulty=9), "difficulty must be 1 to 8, got 9"),
    (lambda: problems.make("stories", 1, seed=0, difficulty=0), "difficulty must be 1 to 8, got 0"),
    (lambda: problems.make("stories", 1, seed=0, difficulty=[2, 11]), "1 to 8, got 11"),
    (lambda: problems.make("stories", 1, seed=0, split="dev"),
     "unknown split 'dev'; known: train, validation, test"),
    (lambda: problems.solve(Problem("", "Why?", None, "")), "unknown family ''; known: stories"),
])
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_reference_trace_is_a_trace():
    assert isinstance(problems.solve(problems.make("equations", 1, seed=0)[0]), Trace)
