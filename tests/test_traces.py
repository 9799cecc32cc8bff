"""Traces: what they hold, what they refuse, and their JSONL form on disk."""

import gzip
import json
import os
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prmlab import traces
from prmlab.traces import Problem, Trace

PROBLEM = Problem("p-1", "Solve 2x + 5 = 15.", "5", "equations", {"x": 5})
STEPS = ("Subtract 5 from both sides: 2x = 10", "Divide both sides by 2: x = 5", "Answer: 5")
TRACE = Trace(PROBLEM, STEPS, True, (1, 0, None), "by hand")


def test_a_trace_holds_tuples_and_is_frozen():
    trace = Trace(PROBLEM, list(STEPS), labels=[1, 0, 0.5])
    assert trace.steps == STEPS
    assert trace.labels == (1, 0, 0.5)
    assert not trace.finished
    with pytest.raises(AttributeError):
        trace.steps = ()


def test_the_answer_is_that_of_a_finished_trace():
    assert TRACE.answer == "5"
    assert Trace(PROBLEM, STEPS).answer is None
    assert Trace(PROBLEM, STEPS[:2], True).answer is None
    assert Trace(PROBLEM, (), True).answer is None


def test_prefixes():
    assert TRACE.prefix(2) == Trace(PROBLEM, STEPS[:2], False, None, "by hand")
    assert TRACE.prefix(0).steps == ()
    assert TRACE.prefix(3).finished is False
    for wrong in (-1, 4):
        with pytest.raises(ValueError, match=f"n_steps must be 0 to 3, got {wrong}"):
            TRACE.prefix(wrong)


def test_with_labels():
    labelled = TRACE.with_labels([1, 1, -1], "exact")
    assert (labelled.labels, labelled.source, labelled.steps) == ((1, 1, -1), "exact", STEPS)


def test_text_and_steps():
    assert TRACE.text == "\n".join(STEPS)
    assert traces.split_steps(f"\n{TRACE.text}\r\n\n  \n") == STEPS
    assert traces.split_steps(" \n") == ()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Trace(PROBLEM, "2x = 10"), "steps must be a sequence of texts, got one text; split it"),
    (lambda: Trace(PROBLEM, ("2x = 10", 7)), "step 1 must be text, got int"),
    (lambda: Trace(PROBLEM, STEPS, labels=(1, 1)),
     r"one label per step: got 3 steps, 2 labels \(problem 'p-1'\)"),
    (lambda: TRACE.with_labels([], "exact"), "one label per step: got 3 steps, 0 labels"),
    (lambda: Trace.from_dict([]), "a trace must be a JSON object, got list"),
    (lambda: Trace.from_dict({}), "trace has no 'problem'"),
    (lambda: Trace.from_dict({"problem": "?"}), "trace.problem must be Mapping, got str"),
    (lambda: Trace.from_dict({"problem": {}}), "problem has no 'text'"),
    (lambda: Trace.from_dict({"problem": {"text": 5}}), "problem.text must be str, got int"),
    (lambda: Trace.from_dict({"problem": {"text": "?", "answer": 5}}),
     "problem.answer must be text or null, got 5"),
    (lambda: Trace.from_dict({"problem": {"text": "?", "facts": [1]}}),
     "problem.facts must be an object, got list"),
    (lambda: Trace.from_dict({"problem": {"text": "?"}}), "trace has no 'steps'"),
    (lambda: Trace.from_dict({"problem": {"text": "?"}, "steps": "x"}),
     "trace.steps must be list, got str"),
    (lambda: Trace.from_dict({"problem": {"text": "?"}, "steps": [None]}),
     "step 0 must be text, got NoneType"),
    (lambda: Trace.from_dict({"problem": {"text": "?"}, "steps": ["x"], "labels": 1}),
     "labels must be a list or null, got int"),
    (lambda: Trace.from_dict({"problem": {"text": "?"}, "steps": ["x"], "labels": [2]}),
     "label of step 0 must be null or a number from -1 to 1, got 2"),
    (lambda: Trace.from_dict({"problem": {"text": "?"}, "steps": ["x"], "labels": [True]}),
     "label of step 0 must be null or a number from -1 to 1, got True"),
    (lambda: Trace.from_dict({"problem": {"text": "?"}, "steps": ["x"], "labels": []}),
     "one label per step: got 1 steps, 0 labels"),
])
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()


TEXT = st.text(max_size=30)  # with line ends, NUL, quotes, any letters
PROBLEMS = st.builds(Problem, TEXT, TEXT, st.none() | TEXT, TEXT, st.dictionaries(
    TEXT, st.none() | st.integers() | TEXT | st.lists(st.booleans(), max_size=2), max_size=3))
LABELS = st.none() | st.sampled_from([-1, 0, 1]) | st.floats(0, 1)


@st.composite
def any_trace(draw):
    steps = draw(st.lists(TEXT, max_size=4))
    labels = draw(st.none() | st.lists(LABELS, min_size=len(steps), max_size=len(steps)))
    return Trace(draw(PROBLEMS), steps, draw(st.booleans()), labels, draw(TEXT))


@settings(deadline=None)
@given(any_trace())
def test_a_trace_survives_json(trace):
    assert Trace.from_dict(json.loads(json.dumps(trace.to_dict()))) == trace


@settings(deadline=None, max_examples=30)
@given(st.lists(any_trace(), max_size=4))
def test_traces_survive_a_file(tmp_path_factory, some):
    path = tmp_path_factory.mktemp("traces") / "some.jsonl"
    assert traces.write_jsonl(path, some) == len(some)
    assert traces.read_jsonl(path) == some
    assert path.read_bytes().count(b"\n") == len(some)
    assert [p.name for p in path.parent.iterdir()] == ["some.jsonl"]  # no part is left behind


def test_writing_again_gives_the_same_bytes(tmp_path):
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    traces.write_jsonl(one, [TRACE, TRACE.prefix(1)])
    traces.write_jsonl(other, traces.iter_jsonl(one))
    assert one.read_bytes() == other.read_bytes()


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path):
    path = tmp_path / "traces.jsonl"
    traces.write_jsonl(path, [TRACE])

    def broken():
        yield TRACE
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError):
        traces.write_jsonl(path, broken())
    assert traces.read_jsonl(path) == [TRACE]


def test_empty_lines_are_skipped(tmp_path):
    path = tmp_path / "traces.jsonl"
    line = json.dumps(TRACE.to_dict())
    path.write_text(f"\n{line}\n   \n{line}", encoding="utf-8")
    assert traces.read_jsonl(path) == [TRACE, TRACE]
    path.write_text("", encoding="utf-8")
    assert traces.read_jsonl(path) == []


HOSTILE = [b"{", b"null", b"5", b'"text"', b"[]", b"{}", b'{"problem": {}}', b"\xff\xfe{}", b"\0",
           b'{"problem": {"text": "?"}, "steps": ["x"], "labels": [NaN]}',
           b'{"problem": {"text": "?"}, "steps": ["x"], "labels": [Infinity]}',
           b'{"problem": {"text": "?"}, "steps": ["x"], "labels": ["1"]}',
           b'{"problem": {"text": "?"}, "steps": ["x"], "labels": [1, 1]}',
           b'{"problem": {"text": "?"}, "steps": {"0": "x"}}', b"[" * 100_000, b"1" * 100_000,
           b'{"problem": {"text": "?"}, "steps": ["x"]} {"more": 1}']


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_a_wrong_line_is_named_by_file_and_number(tmp_path, line):
    path = tmp_path / "traces.jsonl"
    good = json.dumps(TRACE.to_dict()).encode()
    path.write_bytes(good + b"\n\n" + line + b"\n" + good)
    read = traces.iter_jsonl(path)
    assert next(read) == TRACE  # what comes before is read
    with pytest.raises(ValueError, match=r"line 3: not a trace: .*Mend or remove") as error:
        next(read)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 2000


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no such file: .*absent\.jsonl; give the path of"):
        traces.read_jsonl(tmp_path / "absent.jsonl")
    with pytest.raises(ValueError, match="no such file"):
        traces.read_jsonl(tmp_path)


def test_to_frame():
    pytest.importorskip("pandas")
    frame = traces.to_frame([TRACE, Trace(PROBLEM, STEPS[:1]), Trace(PROBLEM, ())])
    assert list(frame.columns) == ["trace", "problem", "family", "step", "text", "label",
                                   "finished", "source"]
    assert list(frame["trace"]) == [0, 0, 0, 1]
    assert list(frame["step"]) == [0, 1, 2, 0]
    assert list(frame["label"].fillna(-9)) == [1, 0, -9, -9]
    assert list(frame["text"]) == [*STEPS, STEPS[0]]
    assert list(traces.to_frame([]).columns) == list(frame.columns)


def test_a_device_is_written_into_and_never_replaced(tmp_path):
    """As root, `prmlab label traces.jsonl /dev/null` made an ordinary file of the machine's /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert traces.write_jsonl(pipe, [TRACE]) == 1
    assert stat.S_ISFIFO(pipe.stat().st_mode) and [p.name for p in tmp_path.iterdir()] == ["pipe"]
    assert json.loads(os.read(reader, 1 << 16)) == TRACE.to_dict()
    os.close(reader)


def test_a_link_to_a_file_stays_a_link(tmp_path):
    (tmp_path / "store").mkdir()
    real, link = tmp_path / "store" / "real.jsonl", tmp_path / "link.jsonl"
    real.write_text("")
    link.symlink_to(real)
    traces.write_jsonl(link, [TRACE])
    assert link.is_symlink() and traces.read_jsonl(real) == [TRACE]


def test_a_folder_that_is_not_there_is_named_before_the_work(tmp_path):
    with pytest.raises(ValueError, match=r"no such folder: .*absent; make it"):
        traces.write_jsonl(tmp_path / "absent" / "x.jsonl", (1 / 0 for _ in "x"))


@pytest.mark.parametrize(("content", "mend"), [
    (gzip.compress(b'{"problem": {}}'), "gunzip"),
    (b"PK\x03\x04...", "unpack it first"),
    ('{"problem": 1}'.encode("utf-16"), "save it as UTF-8"),
    (b'[{"problem": {}}]', r"jq -c '\.\[\]'"),
    (b"[\n{", r"jq -c '\.\[\]'"),
    (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    (b'{"question": {}, "label": {}}', r"prm800k\.read\('.*', neutral='keep'\)"),
    (b'{"input": "", "label": ""}', r"math_shepherd\.read\('"),
    (b'{"prompt": "", "completions": [], "labels": []}', r"stepwise\.read"),
    (b'{"id": "", "problem": "", "steps": [], "label": -1}', r"processbench\.read"),
    (b'{"problem": {"text": "?"}, "steps": ["x" "y"]}', "Expecting ',' delimiter at its character"),
], ids=range(11))
def test_a_file_of_another_kind_is_told_by_its_first_line(tmp_path, content, mend):
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=mend) as error:
        traces.read_jsonl(path)
    assert str(error.value).startswith(f"{path}, line 1: not a trace: ")
