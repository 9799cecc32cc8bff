"""Every format read from files written by hand, and from the real samples where they are."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from prmlab import checker
from prmlab.datasets import (
    bigbench_mistake,
    gsm8k_solutions,
    math_shepherd,
    omegaprm,
    prm800k,
    prmbench,
    processbench,
    recorded,
    rows,
    stepwise,
)
from prmlab.traces import Problem, Trace

SAMPLES = Path(__file__).parent / "data" / "datasets"
SHARED = Path(os.environ.get("PRMLAB_REAL_DATA")
              or next((p / "shared" / "data" for p in Path(__file__).resolve().parents
                       if (p / "shared" / "data").is_dir()), "shared/data"))
real = pytest.mark.skipif(not SHARED.is_dir(), reason=(
    f"no folder {SHARED} with samples of the public sets; set PRMLAB_REAL_DATA to one"))


def test_prm800k_paths_labels_and_what_is_left_out():
    reading = prm800k.read(SAMPLES / "prm800k.jsonl", neutral="keep")
    pens, sums, tea = reading
    assert pens.steps == ("The book costs 2 * 3 = 6.", "Both cost 3 + 6 = 9.",
                          "So it is 9.\n\n# Answer\n\n9")
    assert (pens.labels, pens.finished, pens.answer, pens.source) == ((1, 1, 1), True, "9", "ana")
    assert (sums.labels, sums.finished, sums.source) == ((1, 0, -1), False, "ben")
    assert (tea.steps, tea.labels) == (("2 * 4 = 8", "The total is 9."), (None, -1))
    assert (reading.n_rows, reading.n_traces, reading.n_skipped) == (5, 3, 0)
    assert reading.left_out == {"is_quality_control_question": 1,
                                "is_initial_screening_question": 1}
    assert reading.notes == {"step written by the labeller": 1, "completion without a rating": 1}
    assert "3 traces" in repr(reading)
    assert "1 left out: is_initial" in repr(reading)


@pytest.mark.parametrize(("neutral", "label"), [
    ("keep", 0), ("right", 1), ("wrong", -1), ("unlabelled", None)])
def test_prm800k_neutral_is_asked_for(neutral, label):
    traces = list(prm800k.read(SAMPLES / "prm800k.jsonl", neutral=neutral, human="unlabelled"))
    assert traces[1].labels == (1, label, -1)
    assert traces[0].labels == (1, None, 1)


def test_prm800k_alternatives_branch_off_the_path():
    reading = prm800k.read(SAMPLES / "prm800k.jsonl", neutral="keep", alternatives=True,
                           quality_control=True)
    traces = list(reading)
    assert [len(t.steps) for t in traces] == [3, 2, 2, 3, 3, 2, 1, 1, 1]
    assert traces[3].steps[-1] == "Let me check that."
    assert traces[3].labels == (1, 1, 0)
    assert not traces[3].finished


def test_prm800k_keeps_what_was_labelled_before_a_gap(tmp_path):
    (row,) = (json.loads(x) for x in
              (SAMPLES / "prm800k.jsonl").read_text("utf-8").splitlines()[:1])
    gap = {"completions": [{"text": "?", "rating": -1}], "human_completion": None,
           "chosen_completion": None}
    row["label"]["steps"].insert(1, gap)
    empty = json.loads(json.dumps(row))
    empty["label"] |= {"steps": [{"completions": None}], "finish_reason": "bad_problem"}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(empty), "utf-8")
    reading = prm800k.read(path, neutral="keep")
    (trace,) = reading
    assert trace.labels == (1, -1)
    assert reading.notes == {"steps after one without a choice": 1}
    assert reading.left_out == {"nothing labelled": 1}


def test_prm800k_refuses_unknown_policies():
    for options, words in (
            ({"neutral": "positive"},
             "neutral must be one of keep, right, wrong, unlabelled; got 'positive'"),
            ({"neutral": "right", "human": "maybe"},
             "human must be one of right, unlabelled; got 'maybe'")):
        with pytest.raises(ValueError, match=f"^{words}$"):
            prm800k.read(SAMPLES / "prm800k.jsonl", **options)
    with pytest.raises(TypeError, match="neutral"):
        prm800k.read(SAMPLES / "prm800k.jsonl")


def test_math_shepherd_reads_signs_in_place_of_tags():
    nuts, train = math_shepherd.read(SAMPLES / "math_shepherd.jsonl")
    assert nuts.problem.text == "Tom has 4 bags of 6 nuts and eats 5. How many are left?"
    assert nuts.steps[0] == "He has 4 * 6 = <<4*6=24>>24 nuts."
    assert (nuts.labels, nuts.answer, nuts.problem.facts) == ((1, 1), "19", {"task": "GSM8K"})
    assert train.labels == (1, -1, -1)


@pytest.mark.parametrize(("row", "complaint"), [
    ({"input": "Q Step 1: a ки\nb ки", "label": "Q Step 1: a +\nb +"}, "must begin with"),
    ({"input": "Q Step 1: a\nStep 2: b ки", "label": "Q Step 1: a\nStep 2: b +"}, "no sign"),
    ({"input": "Q Step 1: a ки tail", "label": "Q Step 1: a + tail"}, "nothing after the last"),
    ({"input": "Q Step 1: a ки", "label": "Q Step 1: b +"}, "differs at step 0"),
    ({"input": "Q Step 1: a", "label": "Q Step 1: a"}, "holds no tag"),
    ({"input": "Q a ки", "label": "Q a +"}, 'exactly one "Step 1:"'),
    ({"input": "Q Step 1: a ки"}, "no 'label'"),
])
def test_math_shepherd_complains(row, complaint, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row), "utf-8")
    reading = math_shepherd.read(path, strict=False)
    assert not list(reading)
    assert complaint in reading.bad_rows[0].reason


def test_stepwise_labels_hard_and_soft():
    right, wrong, soft = stepwise.read(SAMPLES / "stepwise.jsonl")
    assert right.labels == (1, 1)
    assert (wrong.labels, wrong.finished, wrong.answer) == ((1, -1, -1), True, "2")
    assert (soft.labels, soft.source) == ((0.75,), "stepwise soft")


@pytest.mark.parametrize("name", ["processbench.jsonl", "processbench.json"])
def test_processbench_labels_stop_at_the_first_error(name):
    reading = processbench.read(SAMPLES / name)
    right, wrong = reading
    assert (right.labels, wrong.labels) == ((1, 1, 1), (1, -1, None))
    assert [rows.first_error(t) for t in (right, wrong)] == [None, 1]
    assert wrong.problem.facts == {"generator": "b-model", "final_answer_correct": False,
                                   "subset": "gsm8k"}
    assert checker.first_arithmetic_error(wrong.steps) == 1
    assert reading.line == (2 if name.endswith("l") else 14)


def test_prmbench_counts_from_one_and_notes_what_lies_beyond():
    reading = prmbench.read(SAMPLES / "prmbench.jsonl")
    confident, redundant, other = reading
    assert confident.labels == (1, -1, -1)
    assert redundant.labels == (1, -1, 1)
    assert redundant.problem.facts["out_of_range"] == [4]
    assert other.labels == (1, 1)
    assert reading.notes == {prmbench.OUT_OF_RANGE: 1}
    assert str(reading.noted[0]).endswith(
        "prmbench.jsonl, line 2: error step beyond the trace: 4 of 3 steps")
    controls = list(prmbench.read(SAMPLES / "prmbench.jsonl", process="original"))
    assert [t.labels for t in controls] == [(1, 1, 1), (1, 1), (1,)]
    with pytest.raises(ValueError, match='"modified" or "original"'):
        prmbench.read(SAMPLES / "prmbench.jsonl", process="both")


def test_bigbench_mistake():
    wrong, right = bigbench_mistake.read(SAMPLES / "bigbench_mistake.jsonl")
    assert (wrong.labels, wrong.problem.answer, wrong.answer) == ((1, -1, None), "20", "25")
    assert (right.labels, right.problem.facts) == ((1, 1), {"answer": "-2"})


def test_gsm8k_solutions_one_trace_a_model():
    reading = gsm8k_solutions.read(SAMPLES / "gsm8k_solutions.jsonl")
    small, large, cut = reading
    assert (small.source, small.problem.facts) == ("gsm8k 6b_finetuning", {"is_correct": False})
    assert (large.answer, large.problem.answer, large.labels) == ("6", "6", None)
    assert not cut.finished
    assert reading.notes == {"solution without words": 1}


@pytest.mark.parametrize("name", ["omegaprm_tree", "omegaprm_flat"])
def test_omegaprm_paths_with_values(name):
    reading = omegaprm.read(SAMPLES / f"{name}.jsonl")
    found = {t.steps: (t.labels, t.finished) for t in reading}
    assert found == {
        ("2 * 3 = 6", "6 + 4 = 10, so \\boxed{10}"): ((0.75, 1.0), True),
        ("2 * 3 = 6", "6 + 4 = 11"): ((0.75, 0.0), False),
        ("3 + 4 = 7",): ((0.0,), False)}
    assert reading.notes == ({"prefix with two values": 1} if name.endswith("flat") else {})


def test_a_recorded_run():
    traces = list(recorded.read(SAMPLES / "recorded.json"))
    assert [t.problem.id for t in traces] == ["sums-0"] * 3 + ["sums-1"]
    assert traces[0].steps == ("1/4 + 1/4", "is \\boxed{0.5}")
    assert [t.finished for t in traces] == [True, True, False, True]
    assert traces[1].problem.facts["prm_score"] == 0.25


def test_prm800k_round_trip(tmp_path):
    def read(path):
        return list(prm800k.read(path, neutral="keep", quality_control=True))

    before, path = read(SAMPLES / "prm800k.jsonl"), tmp_path / "out.jsonl"
    assert prm800k.write(path, before) == 5
    assert read(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_stepwise_round_trip(tmp_path):
    traces, path = list(stepwise.read(SAMPLES / "stepwise.jsonl")), tmp_path / "out.jsonl"
    assert stepwise.write(path, traces[:2], neutral="wrong") == 2
    lines = (SAMPLES / "stepwise.jsonl").read_text("utf-8").splitlines()[:2]
    assert [json.loads(x) for x in path.read_text("utf-8").splitlines()] == [
        json.loads(x) for x in lines]
    assert list(stepwise.read(path)) == traces[:2]
    with pytest.raises(ValueError, match="'stepwise-.*' has the label 0.75: TRL's"):
        stepwise.write(path, traces, neutral="wrong")
    assert list(stepwise.read(path)) == traces[:2]  # left as it was
    assert list(tmp_path.iterdir()) == [path]
    assert stepwise.record(traces[2], neutral="wrong", threshold=0.5)["labels"] == [True]


def test_hand_labels_go_to_both_formats(tmp_path):
    """As the step annotator gives them: whole ratings, None where not labelled yet."""
    problem = Problem("p", "Solve 2x + 5 = 15.", "5", "equations", {"x": 5})
    trace = Trace(problem, ("2x = 10", "2x is even", "x = 4", "Answer: 4"), True,
                  (1, 0, -1, None), "reader")
    prm800k.write(tmp_path / "a.jsonl", [trace])
    (again,) = prm800k.read(tmp_path / "a.jsonl", neutral="keep")
    assert (again.steps, again.labels, again.source, again.finished) == (
        trace.steps, trace.labels, "reader", True)
    assert (again.problem.text, again.problem.answer) == (problem.text, "5")
    for neutral, labels in (("right", [True, True, False]), ("wrong", [True, False, False]),
                            ("cut", [True])):
        row = stepwise.record(trace, neutral=neutral)
        assert (row["labels"], len(row["completions"])) == (labels, len(labels))


@pytest.mark.parametrize(("write", "labels", "source", "complaint"), [
    (lambda t: stepwise.record(t, neutral="right"), (None, 1), "", "no label at its first step"),
    (lambda t: stepwise.record(t, neutral="yes"), (1, 1), "", "neutral must be right, wrong"),
    (lambda t: stepwise.record(t, neutral="cut", threshold=0.5), (1, -1), "", "label -1"),
    (prm800k.record, (1, 0.5), "", "label 0.5 at step 1"),
    (prm800k.record, (1.0, 0.0), "rollouts soft", "turn soft labels into hard"),
])
def test_writers_refuse_what_a_format_cannot_say(write, labels, source, complaint):
    trace = Trace(Problem("p", "?", None, ""), ("a", "b"), False, labels, source)
    with pytest.raises(ValueError, match=complaint):
        write(trace)


def test_bad_rows_are_errors_or_counted(tmp_path):
    good = (SAMPLES / "stepwise.jsonl").read_text("utf-8").splitlines()[0]
    path = tmp_path / "rows.jsonl"
    path.write_text("\ufeff" + good + '\n\n{"prompt": "x"}\n[]\n' + good, "utf-8")
    with pytest.raises(ValueError, match=r"rows.jsonl, line 3: the row has no 'completions'; .*"
                                         r"Mend or remove that row, or pass strict=False"):
        list(stepwise.read(path))
    told = []
    reading = stepwise.read(path, strict=False, on_finding=told.append)
    assert len(list(reading)) == 2
    assert (reading.n_rows, reading.n_skipped) == (4, 2)
    assert [f.line for f in told] == [3, 4]
    assert reading.bad_rows == told
    assert told[1].reason == "a row must be a JSON object, got array"
    with pytest.raises(ValueError, match="no such file: nowhere.jsonl; give the path"):
        stepwise.read("nowhere.jsonl")


@pytest.mark.parametrize(("name", "text", "traces", "complaint"), [
    ("a.jsonl", "version https://git-lfs.github.com/spec/v1\noid", 0, "pointer of Git LFS"),
    ("a.json", "[GOOD,\n GOOD]\n", 2, None),
    ("a.json", " [ ] ", 0, None),
    ("a.json", "[GOOD\n, 7, GOOD]", 2, "must be a JSON object, got number"),
    ("a.json", "[GOOD,\n{broken},\nGOOD]", 1, "line 2: not JSON"),
    ("a.json", "[GOOD,\nGOOD", 2, "cannot be read"),
    ("a.json", "[GOOD]\nGOOD", 1, "text after the end"),
    ("a.json", "GOOD\nGOOD\n", 2, None),
    ("a.jsonl", "[1]\nGOOD\n", 1, "got array"),
    ("a.jsonl", '{"prompt": NaN}\nGOOD', 1, "NaN is no number of JSON"),
    ("a.jsonl", GOOD_NUL := '{"prompt": "a\\u0000", "completions": ["x"], "labels": [true]}', 0,
     "'prompt' holds a NUL"),
    ("a.jsonl", GOOD_NUL.replace("0000", "d800"), 0, "half a surrogate pair"),
])
def test_files_of_rows(name, text, traces, complaint, tmp_path):
    good = (SAMPLES / "stepwise.jsonl").read_text("utf-8").splitlines()[0]
    path = tmp_path / name
    path.write_text(text.replace("GOOD", good), "utf-8")
    reading = stepwise.read(path, strict=False)
    assert len(list(reading)) == traces
    assert reading.n_skipped == (complaint is not None)
    assert complaint is None or complaint in str(reading.bad_rows[0])


def test_an_array_larger_than_a_piece_is_read_in_pieces(tmp_path):
    row = {"prompt": "é" * 50_000, "completions": ["ü"], "labels": [True]}
    path = tmp_path / "long.json"
    path.write_text(json.dumps([row] * 30, ensure_ascii=False, indent=1), "utf-8")
    assert len(list(stepwise.read(path))) == 30


def test_a_tree_that_would_explode_is_a_bad_row(tmp_path):
    node = {"text": "a", "mc_value": 1, "children": [
        {"text": "b", "mc_value": 0, "children": []}] * 1000}
    for _ in range(200):
        node = {"text": "a", "mc_value": 1, "children": [node] + [
            {"text": "c", "mc_value": 1, "children": []}] * 100}
    chain = "?" + "".join("\nx" for _ in range(1500))
    flat = [{"solution_prefix": chain[:1 + 2 * i], "mc_value": 1} for i in range(1501)]
    flat += [{"solution_prefix": chain[:1 + 2 * i] + "\ny", "mc_value": 1} for i in range(1501)]
    path = tmp_path / "trees.jsonl"
    path.write_text("\n".join(json.dumps({"question": "?", "reasoning_steps": tree})
                              for tree in (node, flat)))
    reading = omegaprm.read(path, strict=False)
    assert sum(1 for _ in reading) == 0
    assert all("1,000,000 steps together" in f.reason for f in reading.bad_rows)
    assert reading.n_skipped == 2


@real
def test_real_bigbench_mistake():
    """Counts of the README: 100 of each; each trace's first mistake comes back as it was."""
    for path in sorted(SHARED.glob("bbm_*.jsonl")):
        traces = list(bigbench_mistake.read(path))
        raw = [json.loads(line)["mistake_index"] for line in path.open(encoding="utf-8")]
        assert len(traces) == 100
        assert [rows.first_error(t) for t in traces] == raw


@real
def test_real_gsm8k_solutions():
    """400 problems of 4 solutions."""
    reading = gsm8k_solutions.read(SHARED / "gsm8k_model_solutions_400.jsonl")
    traces = list(reading)
    assert (reading.n_rows, len(traces), reading.notes) == (400, 1600, {})
    assert Counter(t.source for t in traces).most_common()[-1][1] == 400
    assert len({t.problem.id for t in traces}) == 400


@real
def test_real_prmbench():
    """394 rows in nine classes."""
    reading = prmbench.read(SHARED / "prmbench_394.jsonl")
    traces = list(reading)
    assert reading.n_rows == len(traces) == 394
    classes = Counter(t.problem.facts["classification"] for t in traces)
    assert sorted(classes.values()) == [10] + [48] * 8
    raw = [json.loads(x) for x in (SHARED / "prmbench_394.jsonl").open(encoding="utf-8")]
    beyond = sum(n > len(r["modified_process"]) for r in raw for n in r["error_steps"])
    assert reading.notes[prmbench.OUT_OF_RANGE] == beyond > 0
    assert sum(t.labels.count(-1) for t in traces) + beyond == sum(
        len(r["error_steps"]) for r in raw)
    assert len(list(prmbench.read(SHARED / "prmbench_394.jsonl", process="original"))) == 394


@real
def test_real_openr_samples(tmp_path):
    """6, 7, 3 and 3 rows; PRM800K comes back whole from its writer."""
    for name, module, n_rows in (("math-shepherd", math_shepherd, 7), ("math-aps", omegaprm, 3),
                                 ("math-aps-tree", omegaprm, 3)):
        reading = module.read(SHARED / f"openr_{name}.jsonl")
        assert all(t.labels for t in reading)
        assert (reading.n_rows, reading.n_skipped) == (n_rows, 0)

    def read(path):
        return list(prm800k.read(path, neutral="keep", quality_control=True))

    traces = read(SHARED / "openr_prm800k.jsonl")
    assert len(traces) == 6
    prm800k.write(tmp_path / "again.jsonl", traces)
    again = read(tmp_path / "again.jsonl")
    assert [(t.problem, t.steps, t.labels, t.source, t.finished) for t in again] == [
        (t.problem, t.steps, t.labels, t.source, t.finished) for t in traces]
    stepwise.write(tmp_path / "trl.jsonl", traces, neutral="right")
    assert sum(1 for _ in stepwise.read(tmp_path / "trl.jsonl")) == 6


@real
def test_real_recorded_run():
    """40 problems of 8 traces."""
    reading = recorded.read(SHARED / "crucible_math500_bestofn_seed0.json")
    found = Counter(t.problem.id for t in reading)
    assert (reading.n_rows, set(found.values())) == (40, {8})


def test_the_step_annotators_file_is_read_as_it_is(tmp_path):
    pytest.importorskip("anywidget")
    from prmlab.widgets.step_annotator import StepAnnotator

    trace = Trace(Problem("p", "1 + 1?", "2", ""), ("1 + 1 = 3", "3 is odd", "so 3"), True)
    annotator = StepAnnotator([trace], tmp_path / "hand.jsonl", labeler="ana")
    annotator.labels = [[-1, 0, None]]
    (read,), (own,) = prm800k.read(tmp_path / "hand.jsonl", neutral="keep"), (
        annotator.labelled_traces())
    assert (read.steps, read.labels, read.source, read.finished) == (
        own.steps, own.labels, "ana", True)
    (line,) = map(json.loads, (tmp_path / "hand.jsonl").read_text("utf-8").splitlines())
    assert prm800k.record(own) == line | {"timestamp": None}  # the same row, but for the time
