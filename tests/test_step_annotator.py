"""The step annotator without a browser: what goes over, what is saved, what comes back."""

import json
import os
import random
import re
import signal
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("anywidget")

from test_markup import DARK, LIGHT, contrast

from prmlab.datasets import prm800k, stepwise
from prmlab.markup import COLOURS
from prmlab.traces import Problem, Trace
from prmlab.widgets.step_annotator import STATIC, StepAnnotator

TRACES = [
    Trace(Problem("a", "Solve 2x + 5 = 15.", "5", "equations"),
          ("2x = 10", "x = 5", "Answer: 5"), finished=True),
    Trace(Problem("b", "2 + 2?", "4", "expressions"), ("<img src=x>\x1b", "5"), finished=True),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labels" / "mine.jsonl"


def read(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_labels_are_saved_at_once_in_prm800k_s_schema(path):
    annotator = StepAnnotator(TRACES, path, labeler="me")
    assert not path.exists()
    annotator.labels = [[1, 0, -1], [None, None]]
    (record,) = read(path)
    assert record["question"]["problem"] == "Solve 2x + 5 = 15."
    assert record["question"]["ground_truth_answer"] == "5"
    assert record["labeler"] == "me"
    assert record["timestamp"].endswith("+00:00")
    assert record["label"]["finish_reason"] == "found_error"
    assert [step["completions"] for step in record["label"]["steps"]] == [
        [{"text": text, "rating": rating, "flagged": False}]
        for text, rating in zip(TRACES[0].steps, (1, 0, -1))]
    assert all(step["chosen_completion"] == 0 for step in record["label"]["steps"])
    assert annotator.saved == f"3 saved in {path}"
    assert annotator.error == ""
    assert [p.name for p in path.parent.iterdir()] == ["mine.jsonl"]


@pytest.mark.parametrize(("row", "reason"), [
    ([1, 1, 0], "solution"), ([1, None, 1], None), ([1, -1, None], "found_error")])
def test_finish_reason(path, row, reason):
    annotator = StepAnnotator(TRACES, path)
    annotator.labels = [row, [None, None]]
    assert read(path)[0]["label"]["finish_reason"] == reason


def test_equal_traces_keep_a_label_each(path):
    twice = [TRACES[0], TRACES[0], TRACES[1]]
    StepAnnotator(twice, path).labels = [[1, 0, -1], [-1, None, None], [None, None]]
    assert StepAnnotator(twice, path).labels == [[1, 0, -1], [-1, None, None], [None, None]]


def test_labels_survive_a_restart_and_other_records_are_kept(path):
    first = StepAnnotator(TRACES[:1], path)
    first.labels = [[1, 1, None]]
    stamp = read(path)[0]["timestamp"]
    # Another notebook, other traces, the same file; then the first one again.
    StepAnnotator(TRACES[1:], path).labels = [[1, -1]]
    again = StepAnnotator(TRACES, path)
    assert again.labels == [[1, 1, None], [1, -1]]
    assert again.current == 0
    again.labels = [[1, 1, None], [0, -1]]
    assert len(read(path)) == 2
    assert read(path)[0]["timestamp"] == stamp


def test_a_cleared_trace_leaves_the_file(path):
    annotator = StepAnnotator(TRACES, path)
    annotator.labels = [[1, 1, 1], [1, 1]]
    annotator.labels = [[1, 1, 1], [None, None]]
    assert len(read(path)) == 1


def test_labelled_traces_and_initial_labels(path):
    annotator = StepAnnotator(TRACES, path, labels=[[1.0, 0, -1], [None, None]])
    (trace,) = annotator.labelled_traces()
    assert trace.labels == (1, 0, -1)
    assert trace.source == "reader"
    assert annotator.current == 1
    assert not path.exists()


def test_text_goes_over_printable_and_is_saved_as_it_was(path):
    annotator = StepAnnotator(TRACES, path)
    assert annotator.traces[1]["steps"][0] == "<img src=x>␛"
    annotator.labels = [[None] * 3, [1, None]]
    assert read(path)[0]["label"]["steps"][0]["completions"][0]["text"] == "<img src=x>\x1b"


def test_a_damaged_line_is_named_and_never_overwritten(path):
    StepAnnotator(TRACES, path).labels = [[1, 1, 1], [1, 1]]
    damaged = path.read_text("utf-8") + '{"question": {\n'
    path.write_text(damaged, "utf-8")
    annotator = StepAnnotator(TRACES, path)
    assert f"{path}, line 3 is not a PRM800K record" in annotator.error
    annotator.labels = [[-1, 1, 1], [1, 1]]
    assert "line 3" in annotator.error
    assert annotator.saved == ""
    assert path.read_text("utf-8") == damaged


@pytest.mark.parametrize("line", ["[]", '{"question": {}}', '{"label": {"steps": [{}]}}', "7"])
def test_records_of_another_kind_are_named(path, line):
    path.parent.mkdir()
    path.write_text(line + "\n", "utf-8")
    assert "line 1 is not a PRM800K record" in StepAnnotator(TRACES, path).error


def test_a_place_that_cannot_be_written_is_told_in_the_widget(tmp_path):
    (tmp_path / "file").write_text("")
    annotator = StepAnnotator(TRACES, tmp_path / "file" / "labels.jsonl")
    annotator.labels = [[1, 1, 1], [1, 1]]
    assert "cannot be saved" in annotator.error
    assert "a folder you may write to" in annotator.error
    assert len(annotator.labelled_traces()) == 2


def test_labels_from_the_browser_are_checked(path):
    annotator = StepAnnotator(TRACES, path)
    annotator.labels = [[1, 1], [1, 1]]
    assert "trace 0 has 3 steps, 2 labels" in annotator.error
    assert not path.exists()


def test_callbacks_on_many_threads_leave_a_whole_file(path):
    annotator = StepAnnotator(TRACES, path)
    rows = [[[label, None, None], [other, 1]] for label in (1, 0, -1) for other in (1, 0, -1)]

    def work(row):
        for _ in range(5):
            annotator.labels = row

    threads = [threading.Thread(target=work, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    annotator.labels = [[0, 0, 0], [0, 0]]
    assert StepAnnotator(TRACES, path).labels == [[0, 0, 0], [0, 0]]


def test_output_says_what_it_is_where_no_widget_runs(path):
    annotator = StepAnnotator(TRACES, path, labels=[[1, None, None], [None, None]])
    data, _ = annotator._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == "Step annotator: 1 of 5 steps labelled, 2 traces."
    assert "<table" in data["text/html"]
    assert "<img" not in data["text/html"]
    one, _ = StepAnnotator(TRACES[:1], path.with_name("one.jsonl"))._repr_mimebundle_()
    assert one["text/plain"] == "Step annotator: 0 of 3 steps labelled, 1 trace."


def test_static_twin_is_small_offline_and_inert(path):
    page = StepAnnotator(TRACES * 200, path).to_html()
    assert len(page) < 60_000
    assert "more traces in the notebook" in page
    assert "<img" not in page
    assert not re.search(r"https?://", page.replace("http://www.w3.org", ""))
    assert page.count("</script>") == 2


@pytest.mark.parametrize(("arguments", "message"), [
    (([], "x"), "`traces` is empty"),
    ((TRACES, "x", [[1, 1, 1]]), "one list of labels per trace: got 2 and 1"),
    ((TRACES, "x", [[1, 1], [1, 1]]), "trace 0 has 3 steps, 2 labels"),
    ((TRACES, "x", [[1, 1, 2], [1, 1]]), "a label is .1, 0, -1 or None; trace 0 has 2"),
    ((TRACES, "x", [[1, 1, True], [1, 1]]), "trace 0 has True"),
])
def test_messages(arguments, message):
    traces, path, *labels = arguments
    with pytest.raises(ValueError, match=message):
        StepAnnotator(traces, path, labels=labels[0] if labels else None)


@pytest.mark.parametrize("css", sorted(STATIC.glob("*.css")), ids=lambda p: p.name)
def test_colours_of_every_widget_are_the_theme_s_and_have_contrast(css):
    text = Path(css).read_text("utf-8")
    pairs = dict(re.findall(r"--(\w+): light-dark\((#\w{6}, #\w{6})\)", text))
    pairs = {name: pair.split(", ") for name, pair in pairs.items()}
    for name in pairs.keys() & COLOURS.keys():
        assert tuple(pairs[name]) == (COLOURS[name].light, COLOURS[name].dark)
    for theme, page in enumerate((LIGHT, DARK)):
        grounds = [pairs["ground"][theme], pairs["raised"][theme]]
        for name in pairs.keys() - {"ground", "raised", "line"}:
            assert min(contrast(pairs[name][theme], g) for g in grounds) >= 4.5, (name, theme)
        assert contrast(pairs["ground"][theme], page[0]) < 1.3
    # Every rule stays under the widget's own class: its CSS lands on the whole page.
    own = f".prm-{css.stem.replace('_', '-')}"
    frames = r"@keyframes ([\w-]+)\s*\{(?:[^{}]*\{[^{}]*\})*\s*\}"
    assert all(f".{name}".startswith(own) for name in re.findall(frames, text))
    rules = re.findall(r"([^{}]+)\{",
                       re.sub(r"@[a-z][^{]*", "", re.sub(frames, "", text)))
    for selector in re.split(r",(?![^()]*\))", ",".join(rules)):  # not within :is(a, b)
        assert own in selector or not selector.strip(), selector


def test_the_most_uncertain_trace_comes_first(path):
    annotator = StepAnnotator(TRACES, path, scores=[[0.9, 1, 0], [0.4, 1]],
                              labels=[[1, None, None], [-1, None]])
    assert [row["problem"] for row in annotator.traces] == ["2 + 2?", "Solve 2x + 5 = 15."]
    assert annotator.labels == [[-1, None], [1, None, None]]
    assert [t.problem.id for t in annotator.labelled_traces()] == ["b", "a"]
    assert "0.4" not in json.dumps(annotator.get_state(), default=str)  # no score is shown
    with pytest.raises(ValueError, match=r"one number per step .* got lists of \[3, 1\]"):
        StepAnnotator(TRACES, path, scores=[[0.9, 1, 0], [0.4]])


def test_exports_are_read_again_by_the_datasets(path, tmp_path):
    annotator = StepAnnotator(TRACES, path, labels=[[1, 0, -1], [None, None]], labeler="me")
    assert annotator.export(tmp_path / "trl", form="trl", neutral="wrong") == 1
    (trl,) = stepwise.read(tmp_path / "trl")
    assert (trl.steps, trl.labels) == (TRACES[0].steps, (1, -1, -1))
    assert annotator.export(tmp_path / "openai", form="prm800k") == 1
    (openai,) = prm800k.read(tmp_path / "openai", neutral="keep")
    assert (openai.labels, openai.source) == ((1, 0, -1), "me")
    with pytest.raises(ValueError, match='form must be "prm800k", or "trl" with neutral'):
        annotator.export(tmp_path / "x", form="trl")
    annotator.labels = [[None] * 3, [None] * 2]
    with pytest.raises(ValueError, match="nothing to export"):
        annotator.export(tmp_path / "x", form="prm800k")
    assert not (tmp_path / "x").exists()


def label_on_and_on(path, pipe):
    """Take up the labels on disk and add one after the other, telling `pipe` of each."""
    annotator = StepAnnotator([Trace(Problem(str(i), f"problem {i}", "1", "x"), tuple("abcdefghij"))
                               for i in range(40)], path)
    rows = [list(row) for row in annotator.labels]
    n = sum(label is not None for row in rows for label in row)
    while n < 400:
        os.write(pipe, b"%d\n" % n)
        rows[n // 10][n % 10] = (n * n) % 3 - 1
        n += 1
        annotator.labels = [list(row) for row in rows]
        assert not annotator.error


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_twenty_kills_in_mid_save_lose_nothing(path):
    """After each SIGKILL the file holds all labels reported as saved, and at most one more."""
    rng, n_saved = random.Random(4), 0
    for _ in range(20):
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            label_on_and_on(path, theirs)
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as said:
            begun = int(said.readline())
            assert begun == n_saved  # what the last one left is taken up
            for _ in range(rng.randrange(4)):
                begun = int(said.readline())
            time.sleep(rng.random() * 0.01)
            os.kill(child, signal.SIGKILL)
            reported = int((said.read().split() or [begun])[-1])
        os.waitpid(child, 0)
        found = [] if not path.exists() else [
            step["completions"][0]["rating"] for line in read(path)
            for step in line["label"]["steps"]]
        labels = [label for label in found if label is not None]
        n_saved = len(labels)
        assert reported <= n_saved <= reported + 1
        assert labels == [(n * n) % 3 - 1 for n in range(n_saved)]
    assert n_saved > 20
