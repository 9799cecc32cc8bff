"""The journal: cut at every byte, killed, refused, out of room; nothing lost, doubled, changed."""

import errno
import json
import os
import re
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from prmlab import journal, labels, toys
from prmlab.journal import Journal, identity
from prmlab.traces import Trace

ROOT = Path(__file__).resolve().parent.parent
POLICY = toys.ToyPolicy(0.8, 0.2)
TRACES = [toys.trace(problem, moves) for problem in toys.make(3, length=3)
          for moves in ("++-", "+")][:5]
SETTINGS = {"method": "test", "seed": 3}


def run(path, traces=TRACES, **changed):
    """The labels of five traces, in chunks of two."""
    return list(labels.monte_carlo(traces, changed.pop("policy", POLICY), journal=path,
                                   **{"n_rollouts": 4, "chunk_size": 2, **changed}))


def steps(labelled):
    return [one.steps for one in labelled]


def test_labels_come_back_from_the_file(tmp_path):
    path = tmp_path / "a.jsonl"
    first = run(path)
    before = path.read_bytes()
    assert steps(run(path)) == steps(first) == steps(run(None))
    assert path.read_bytes() == before
    header, *records = map(json.loads, before.splitlines())
    assert header["n_rollouts"] == 4 and header["model"] == "ToyPolicy(keep=0.8, repair=0.2)"
    assert [record["trace"] for record in records] == [0, 1, 2, 3, 4]
    assert sum(record["cost"]["generations"] for record in records) == sum(
        one.cost.generations for one in first)


def test_cut_at_any_byte_it_ends_the_same(tmp_path):
    whole = tmp_path / "whole.jsonl"
    made = steps(run(whole))
    data = whole.read_bytes()
    path = tmp_path / "cut.jsonl"
    ends = [m.end() for m in re.finditer(b"\n", data)]
    near = {cut for end in ends for cut in (end - 2, end - 1, end, end + 1)}
    for cut in sorted((near | set(range(0, len(data), 37))) & set(range(len(data) + 1))):
        path.write_bytes(data[:cut])
        assert steps(run(path)) == made
        assert sorted(path.read_bytes().splitlines()) == sorted(data.splitlines()), cut


def test_zeros_after_a_power_cut_are_a_torn_line(tmp_path):
    path = tmp_path / "a.jsonl"
    made = steps(run(path))
    data = path.read_bytes()
    path.write_bytes(data[:-40] + b"\0" * 40)
    assert steps(run(path)) == made and path.read_bytes() == data


def test_holes_are_filled_and_what_is_there_is_kept(tmp_path):
    """As after a run of several workers: a later chunk is there, an earlier one is not."""
    path = tmp_path / "a.jsonl"
    made = steps(run(path))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[5], lines[2]]))  # traces 4 and 1
    assert steps(run(path)) == made
    after = path.read_bytes().splitlines(keepends=True)
    assert after[:3] == [lines[0], lines[5], lines[2]] and sorted(after) == sorted(lines)


def test_killed_at_random_instants_nothing_is_lost_doubled_or_changed():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "kill_labels.py", "--kills", "8", "--traces", "200"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 kills" in done.stdout and "nothing lost, doubled or changed" in done.stdout


def test_a_second_writer_is_refused_whatever_it_calls_the_file(tmp_path):
    path, other, third = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "c.jsonl"
    with Journal(path, SETTINGS):
        other.symlink_to(path)
        os.link(path, third)
        for name in (path, other, third):
            with pytest.raises(ValueError, match=f"{name.name} must have one writer at a time, "
                                                 f"and another run has it open .*{os.getpid()}"):
                Journal(name, SETTINGS).__enter__()
        code = ("from prmlab.journal import Journal\n"
                f"Journal({str(path)!r}, {SETTINGS!r}).__enter__()")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              cwd=ROOT)
        assert done.returncode and "must have one writer at a time" in done.stderr
    with Journal(path, SETTINGS) as again:
        assert len(again) == 0
    assert sorted(os.listdir(tmp_path)) == ["a.jsonl", "b.jsonl", "c.jsonl"]


class Interrupted:
    """Ctrl-C, as a policy or the disk may meet it: at the `at`-th call of `what`."""

    def __init__(self, what, at):
        self.what, self.left = what, at

    def __repr__(self):
        return repr(POLICY)

    def __call__(self, *args, **options):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return self.what(*args, **options)

    complete = __call__


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("where", ["policy", "write", "fsync", "written"])
def test_an_interrupt_leaves_the_journal_good(tmp_path, monkeypatch, where, at):
    path, real, calls = tmp_path / "a.jsonl", os.write, count(1)

    def half(handle, data):
        if next(calls) < at:  # the header's is the first
            return real(handle, data)
        real(handle, data[:len(data) // 2])
        raise KeyboardInterrupt

    policy = Interrupted(POLICY.complete, at) if where == "policy" else POLICY
    with monkeypatch.context() as patch:
        if where == "write":
            patch.setattr(journal.os, "write", half)
        elif where == "fsync":
            patch.setattr(journal.os, "fsync", Interrupted(os.fsync, at))
        elif where == "written":
            patch.setattr(Journal, "_keep", Interrupted(lambda *pair: None, at))
        with pytest.raises(KeyboardInterrupt):
            run(path, policy=policy)
    assert steps(run(path)) == steps(run(None))
    run(tmp_path / "calm")
    assert sorted(path.read_bytes().splitlines()) == sorted(
        (tmp_path / "calm").read_bytes().splitlines())


def test_a_label_run_left_in_the_middle_gives_the_file_back(tmp_path):
    path = tmp_path / "a.jsonl"
    running = labels.monte_carlo(TRACES, POLICY, n_rollouts=4, chunk_size=2, journal=path)
    next(running)
    with pytest.raises(ValueError, match="one writer at a time"):
        run(path)
    running.close()
    assert steps(run(path)) == steps(run(None))


@pytest.mark.parametrize(("changed", "message"), [
    ({"n_rollouts": 8}, "other settings: n_rollouts was 4, is 8. Give the same again"),
    ({"seed": 1}, "seed was 0, is 1"),
    ({"policy": toys.ToyPolicy(0.7, 0.2)}, "model was 'ToyPolicy.keep=0.8.* is 'ToyPolicy.keep=0.7"),
    ({"adaptive": True, "chunk_size": 3}, "adaptive was False, is {.*; chunk_size was 2, is 3|"
                                          "chunk_size was 2, is 3; .*adaptive was False"),
])
def test_other_settings_are_refused_by_name(tmp_path, changed, message):
    path = tmp_path / "a.jsonl"
    run(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        run(path, **changed)
    assert path.read_bytes() == before


def test_other_traces_are_refused_and_more_of_them_are_not(tmp_path):
    path = tmp_path / "a.jsonl"
    run(path, TRACES[:3])
    assert steps(run(path)) == steps(run(None))
    with pytest.raises(ValueError, match="another trace under number 0 than the one given"):
        run(path, TRACES[::-1])


@pytest.mark.parametrize("text", ["some notes\n", "notes", '{"problem": {}}\n', "[1]\n"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match="is no journal.*give the path of a new file"):
        run(path)
    assert path.read_text() == text


def test_damage_before_the_last_line_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    run(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"{tor\n", *lines[3:]]))
    with pytest.raises(ValueError, match="line 3 is damaged, and lines follow it"):
        run(path)
    path.write_bytes(b"".join([*lines, lines[2]]))
    with pytest.raises(ValueError, match="line 7: .*no line before has, got 1"):
        run(path)


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path, monkeypatch):
    """The disk takes half of a line of the second chunk, then has no room left."""
    path, real, left = tmp_path / "a.jsonl", os.write, [3]

    def full(handle, data):
        left[0] -= 1
        if left[0] > 0:
            return real(handle, data)
        if left[0] == 0:
            return real(handle, data[:len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(journal.os, "write", full)
        with pytest.raises(OSError, match="No space left on device. The 2 records written before "
                                          "are safe") as caught:
            run(path)
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes().count(b"\n") == 3 and path.read_bytes().endswith(b"\n")
    assert steps(run(path)) == steps(run(None))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_dev_full(tmp_path):
    path = tmp_path / "full.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device. The 0 records"):
        run(path)


def test_journals_by_hand(tmp_path):
    with Journal(tmp_path / "a", SETTINGS) as book:
        book.append([{"trace": 5, "x": 1}, {"trace": 2, "x": 2}])
        assert 5 in book and 3 not in book and 99 not in book and len(book) == 2
        assert (book.read(5)["x"], book.read(2)["x"]) == (1, 2)
        with pytest.raises(KeyError):
            book.read(3)
        with pytest.raises(ValueError, match="already has trace 2"):
            book.append([{"trace": 7}, {"trace": 2}])
        with pytest.raises(ValueError, match="already has trace 8"):
            book.append([{"trace": 8}, {"trace": 8}])
        assert 7 not in book
    with pytest.raises(ValueError, match="no such folder"):
        Journal(tmp_path / "no" / "a", SETTINGS).__enter__()


def test_identity():
    class Named:
        fingerprint = "weights 7f3a"

    assert identity(Named()) == "weights 7f3a"
    assert identity(POLICY) == "ToyPolicy(keep=0.8, repair=0.2)"


class Says:
    """A policy that always gives the same answer, and that nothing tells from another."""

    def __init__(self, answer):
        self.answer = answer

    def complete(self, prefixes, n, *, seed, temperature=1.0):
        return [[Trace(p.problem, (*p.steps, self.answer), True)] * n for p in prefixes]


def test_a_model_that_nothing_tells_from_another_is_refused_with_a_journal(tmp_path):
    """Its class's name stood for it: the labels of one were given out as those of another."""
    right, wrong = (toys.trace(p, m).steps[-1] for p in toys.make(1, length=1) for m in "+-")
    for model in (Says(right), toys.Noisy(Says(right))):
        with pytest.raises(ValueError, match="must have a `fingerprint`, a text that changes .*"
                                             "does not tell models apart: .*Says object at"):
            run(tmp_path / "a", policy=model)
    assert steps(run(None, policy=Says(right))) != steps(run(None, policy=Says(wrong)))
