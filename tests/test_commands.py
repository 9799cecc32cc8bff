"""The command line on tiny inputs: once in a process of its own, else in this one."""

import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from prmlab import __main__, checker, problems, traces
from prmlab.traces import Trace

ROOT = Path(__file__).resolve().parent.parent


def prmlab(*arguments, cwd, alone=False):
    """Run a command, in a process of its own if `alone`; its exit code and output as text."""
    if alone:
        return subprocess.run([sys.executable, "-m", "prmlab", *map(str, arguments)], cwd=cwd,
                              capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    with chdir(cwd), redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = __main__.main([*map(str, arguments)])
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def records(done):
    """The JSON records on standard output."""
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with traces, half of which have a slip, and a tiny causal LM."""
    from prmlab import tokens, training

    path = tmp_path_factory.mktemp("commands")
    solved = [problems.solve(p) for p in problems.make("equations", 12, seed=1)]
    made = [Trace(t.problem, (*t.steps[:-1], t.steps[-1] + "1") if i % 2 else t.steps, True)
            for i, t in enumerate(solved)]
    traces.write_jsonl(path / "sampled.jsonl", made)
    traces.write_jsonl(path / "traces.jsonl", checker.labelled(made))
    tokenizer = tokens.build()
    policy = training.new_policy(tokenizer, hidden=16, layers=2, heads=2, kv_heads=1, mlp=24)
    policy.save_pretrained(path / "lm")
    tokenizer.save_pretrained(path / "lm")
    return path


def test_label_train_score_and_evaluate(folder):
    done = prmlab("label", "sampled.jsonl", "labelled.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("12 traces") and "6 of them wrong" in done.stdout
    assert all(t.labels for t in traces.read_jsonl(folder / "labelled.jsonl"))
    train = ("train-prm", "labelled.jsonl", "--base", "lm", "--out", "prm", "--batch-size", 4,
             "--warmup", 1, "--validation", "labelled.jsonl", "--checkpoint", "run", "--json")
    found = records(prmlab(*train, cwd=folder, alone=True))
    assert [r.get("step") for r in found] == [1, 2, 3, None] and found[-1]["out"] == "prm"
    assert set(found[2]["validation"]) == {"loss", "auroc", "f1"} and found[2]["device"] == "cpu"
    again = records(prmlab(*train, cwd=folder))  # finished: it only saves
    assert [r.get("step") for r in again] == [3, None] and again[0]["loss"] == found[2]["loss"]
    scored = records(prmlab("score", "sampled.jsonl", "--prm", "prm", "--json", cwd=folder))
    assert len(scored) == 12 and all(0 <= p <= 1 for row in scored for p in row["scores"])
    (figures,) = records(prmlab("evaluate", "labelled.jsonl", "--prm", "prm", "--choose-on",
                                "labelled.jsonl", "--json", cwd=folder))
    assert 0 <= figures["f1_low"] <= figures["f1"] <= figures["f1_high"] <= 1
    assert (figures["traces"], figures["problems"]) == (12, 12)
    (folder / "copied.jsonl").write_text((folder / "labelled.jsonl").read_text() * 4)
    (copied,) = records(prmlab("evaluate", "copied.jsonl", "--prm", "prm", "--choose-on",
                               "labelled.jsonl", "--json", cwd=folder))  # no more witnesses
    assert (copied["traces"], copied["problems"]) == (48, 12)
    for name in ("f1", "f1_low", "f1_high"):
        assert copied[name] == pytest.approx(figures[name])
    text = prmlab("evaluate", "labelled.jsonl", "--prm", "prm", cwd=folder)
    assert "first-error F1" in text.stdout and "at threshold 0.500" in text.stdout


def test_traces_too_long_for_the_prm_are_left_out_and_counted(folder, monkeypatch, capsys):
    from prmlab.rewards import PRM

    monkeypatch.chdir(folder)
    labelled = checker.labelled(traces.read_jsonl("sampled.jsonl"))
    prm = PRM.from_backbone("lm", device="cpu")
    prm.max_length = sorted(len(e.ids) for e in prm.encode(labelled))[8]
    fitting = sum(map(prm.fits, labelled))
    traces.write_jsonl("long.jsonl", labelled)
    prm.save("short")
    command = ("evaluate", "long.jsonl", "--prm", "short", "--choose-on", "long.jsonl", "--json")
    assert __main__.main(command) == 2 and "leave it out" in capsys.readouterr().err
    assert __main__.main((*command, "--on-long", "skip")) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["traces"], figures["too_long"]) == (fitting, 12 - fitting)
    assert 9 <= fitting < 12


def test_monte_carlo_labels(folder):
    done = prmlab("label", "sampled.jsonl", "soft.jsonl", "--method", "monte-carlo", "--policy",
                  "lm", "--rollouts", 2, "--kind", "soft", "--journal", "j", "--json", cwd=folder)
    assert records(done)[0]["generations"] > 0
    assert all(0 <= y <= 1 for t in traces.read_jsonl(folder / "soft.jsonl") for y in t.labels)


@pytest.mark.parametrize(("arguments", "message"), [
    (("score", "nothing.jsonl"), "prmlab: no such file: nothing.jsonl"),
    (("train-prm", "sampled.jsonl", "--base", "lm", "--out", "x"), "has no labels; label it"),
    (("train-prm", "traces.jsonl", "--base", "lm", "--out", "x", "--sharded"), "Muon needs whole"),
    (("train-prm", "traces.jsonl", "--base", "lm", "--out", "x", "--sharded", "--optimizer",
      "adamw", "--lr", "1e-5"), "this is the only one; start it with accelerate launch"),
    (("evaluate", "sampled.jsonl", "--prm", "nowhere"), "prmlab: "),
])
def test_mistakes_are_one_sentence(folder, arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert __main__.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("prmlab: ") and error.count("\n") == 1


def test_help_teaches(capsys):
    for command in ("label", "train-prm", "score", "evaluate"):
        with pytest.raises(SystemExit):
            __main__.main([command, "--help"])
        text = capsys.readouterr().out
        assert "example" in text and f"python -m prmlab {command}" in text


def test_the_doctor_starts_where_nothing_is_installed():
    code = "import sys, prmlab.__main__; print({'numpy', 'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def launched(*arguments, cwd):
    """A command on two processes of a CPU, by `accelerate launch`.

    `--multi_gpu` is how it starts several processes at all; with `--cpu` it starts one.
    """
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
         "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
         "-m", "prmlab", *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})


@pytest.mark.parametrize("sharded", [(), ("--sharded",)], ids=["copies", "sharded"])
def test_launched_on_two_processes_the_prm_is_that_of_one(folder, sharded):
    """Only the first process writes and speaks; a sharded model, which needs two, it writes whole."""
    train = ("train-prm", "traces.jsonl", "--base", "lm", "--batch-size", 4, "--warmup", 1,
             "--json", "--device", "cpu", *(("--optimizer", "adamw", "--lr", 0.002) if sharded else ()))
    one = records(prmlab(*train, "--out", "one", cwd=folder))
    two = records(launched(*train, *sharded, "--out", "two", cwd=folder))
    assert [r.get("step") for r in two] == [r.get("step") for r in one] == [1, 2, 3, None]
    assert (one[-1]["processes"], two[-1]["processes"]) == (1, 2)
    assert two[2]["loss"] == pytest.approx(one[2]["loss"], rel=1e-4)
    a, b = (load_file(folder / name / "model.safetensors") for name in ("one", "two"))
    assert a.keys() == b.keys()
    for name, weight in a.items():
        assert torch.allclose(weight.float(), b[name].float(), rtol=1e-2, atol=1e-3), name


@pytest.mark.parametrize(("arguments", "message"), [
    (("train-prm", "sampled.jsonl", "--base", "lm", "--out", "x"), "has no labels"),
    (("train-prm", "LABELLED", "--base", "lm", "--out", "lm/config.json"), "File exists"),
    (("train-prm", "LABELLED", "--base", "lm", "--out", "x", "--checkpoint", "lm/config.json"),
     "must be a folder"),
    (("train-prm", "LABELLED", "--base", "lm", "--out", "x", "--optimizer", "adamw"),
     "--optimizer adamw needs --lr"),
    (("train-prm", "LABELLED", "--base", "lm", "--out", "x", "--lr", "nan"),
     "lr must be a number of 0 or more"),
    (("label", "sampled.jsonl", "lm"), "lm is a folder"),
    (("label", "sampled.jsonl", "x.jsonl", "--adaptive"), "belong to --method monte-carlo"),
    (("label", "half.jsonl", "x.jsonl"), "half.jsonl, line 1: not a trace"),
])
def test_what_cannot_work_is_told_before_the_work(folder, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    good = traces.read_jsonl("sampled.jsonl")
    traces.write_jsonl("LABELLED", [t.with_labels([1.0] * (len(t.steps) - 1) + [(-1.0) ** i],
                                                  "made up") for i, t in enumerate(good)])
    cut = json.loads(Path("sampled.jsonl").read_text("utf-8").splitlines()[0])
    cut["steps"][0] += "\ud83d"
    Path("half.jsonl").write_text(json.dumps(cut) + "\n", "utf-8")
    assert __main__.main(list(arguments)) == 2
    said = capsys.readouterr()
    assert message in said.err and "Traceback" not in said.err and "step" not in said.out
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_counts_are_whole_numbers_of_one_or_more(value, capsys):
    with pytest.raises(SystemExit):
        __main__.main(["train-prm", "x", "--base", "y", "--out", "z", "--batch-size", value])
    assert "must be a whole number of 1 or more" in capsys.readouterr().err


def test_an_interrupt_says_what_is_kept_and_json_is_json(folder, capsys, monkeypatch):
    from prmlab import commands, labels

    def stopped(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(labels, "exact", stopped)
    monkeypatch.chdir(folder)
    assert __main__.main(["label", "sampled.jsonl", "x.jsonl"]) == 130
    assert "nothing was kept: with --journal" in capsys.readouterr().err
    commands._tell(SimpleNamespace(json=True), {"a": {"b": float("nan")}, "c": 1.5}, "")
    assert json.loads(capsys.readouterr().out) == {"a": {"b": None}, "c": 1.5}
