"""Samples on disk: what was written is read, to half a level of a logit, in the same bytes."""

import doctest
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab import catalog, samples, scoring
from prmlab.samples import Samples

DRAWN = Samples(  # 2 problems, 5 samples each, 3 and 1 distinct traces
    ids=np.array(["stories-1-0", "equations-1-7"]), families=np.array(["stories", "equations"]),
    difficulties=np.array([3, 5]), problem=np.array([0, 0, 0, 1]),
    count=np.array([3, 1, 1, 5]), answer=np.array([1, -1, 0, 0]),
    right=np.array([True, False, False, False]),
    reason=np.array(["", "nonsense", "slip", "carried error"]), n_steps=np.array([4, 1, 3, 2]),
    scores={"orm": np.array([0.9, 0.2, 0.0, 1.0]), "prm min": np.array([0.5, 0.99999, 0.1, 0.3])})


def test_doctests():
    assert doctest.testmod(samples).failed == 0


def test_each_repeats_a_trace_as_often_as_it_was_drawn():
    assert DRAWN.n_samples == 5
    assert DRAWN.each("right").tolist() == [[True] * 3 + [False] * 2, [False] * 5]
    assert DRAWN.each("orm")[0].tolist() == [0.9, 0.9, 0.9, 0.2, 0.0]
    assert DRAWN.each(DRAWN.n_steps * 2)[0].tolist() == [8, 8, 8, 2, 6]
    assert DRAWN.answers() == [[1, 1, 1, None, 0], [0] * 5]
    with pytest.raises(ValueError, match="no column 'prm'; there are problem, .*, prm min"):
        DRAWN.each("prm")


def test_one_problem_of_many():
    one = DRAWN.of(1)
    assert one.ids.tolist() == ["equations-1-7"]
    assert one.each("orm").tolist() == [[1.0] * 5]


def test_what_was_written_is_read_in_the_same_bytes(tmp_path):
    samples.write(tmp_path / "a.npz", DRAWN)
    samples.write(tmp_path / "b.npz", samples.join([DRAWN.of(0), DRAWN.of(1)]))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.npz", "b.npz"}
    found = samples.read(tmp_path / "a.npz")
    for name in ("ids", "families", "difficulties", "problem", "count", "answer", "right",
                 "reason", "n_steps"):
        assert getattr(found, name).tolist() == getattr(DRAWN, name).tolist()
    for name, scores in DRAWN.scores.items():
        assert found.scores[name] == pytest.approx(scores, abs=1e-4)


@given(st.lists(st.floats(0, 1), min_size=2))
def test_scores_are_kept_to_less_than_a_ten_thousandth_and_in_order(scores):
    scores = np.sort(scores)
    found = samples.decode(samples.encode(scores))
    assert np.abs(found - scores).max() < 1e-4
    assert (np.diff(found) >= 0).all()


def test_scores_near_one_stay_apart():
    """A maximum over 1,860 samples decides between such; in float16 they would be equal."""
    close = np.array([0.99990, 0.99991, 0.99992, 0.999999])
    assert len(np.unique(samples.encode(close))) == 4
    assert len(np.unique(close.astype(np.float16))) < 4


@pytest.mark.parametrize(("change", "message"), [
    ({"n_steps": np.array([1])}, "equally long, got .*'n_steps': 1"),
    ({"scores": {"orm": np.zeros(3)}}, "equally long, got .*'orm': 3"),
    ({"count": np.array([3, 1, 1, 4])}, r"add up to \[5. 4.\]"),
    ({"problem": np.array([0, 0, 1, 0])}, "rows must lie together by problem"),
])
def test_columns_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(DRAWN, **change)


def test_a_file_that_is_none_says_how_to_make_one(tmp_path):
    (tmp_path / "text.npz").write_text("no")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    samples.write(tmp_path / "cut.npz", DRAWN)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:300])
    for name in ("text.npz", "other.npz", "cut.npz", "missing.npz"):
        with pytest.raises(ValueError, match=f"{name} holds no samples .*record_best_of_n.py"):
            samples.read(tmp_path / name)


def test_the_recording_holds_the_64_samples_recorded_before():
    """Same policy, problems and seed: what 64 samples hold is among the 1,860."""
    drawn = samples.read(catalog.path("runs/best_of_1860.npz"))
    assert drawn.n_samples == 1860
    assert len(drawn.ids) >= 100
    lines = catalog.path("runs/best_of_64.jsonl").read_text("utf-8").splitlines()
    for p in range(0, len(drawn.ids), 7):
        few, many = json.loads(lines[p]), drawn.of(p)
        assert few["problem"] == many.ids[0]
        flawed = ["-" in labels for labels in few["labels"]]
        for ok in (False, True):
            for wrong in (False, True):
                n = sum(r == ok and f == wrong for r, f in zip(few["right"], flawed, strict=True))
                assert n <= many.count[(many.right == ok) & ((many.reason != "") == wrong)].sum()
        for name, values in (("orm", few["orm"]), ("prm-large last", [
                scoring.aggregate(s, "last") for s in few["prm-large"]])):
            known = many.scores[name]
            assert all(np.abs(known - value).min() < 2e-4 for value in values)
