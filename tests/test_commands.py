"""The command line on tiny inputs: once in a process of its own, else in this one."""

import json
import os
import shutil
import signal
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


def changed(folder, name, change):
    """A file of the folder's labelled traces, each as `change` makes it of index and record."""
    found = [json.loads(line) for line in (folder / "traces.jsonl").read_text("utf-8").splitlines()]
    lines = [json.dumps(change(i, one)) for i, one in enumerate(found)]
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return name


@pytest.fixture(scope="module")
def untaught(folder):
    """A PRM in the folder that has learned nothing."""
    from prmlab.rewards import PRM

    PRM.from_backbone(folder / "lm", device="cpu").save(folder / "untaught")


BAD = {
    "no labels": lambda i, one: one | ({"labels": None} if i == 7 else {}),
    "a probability": lambda i, one: one | ({"labels": [0.5] * len(one["steps"])} if i == 7 else {}),
    "no steps": lambda i, one: one | ({"steps": [], "labels": []} if i == 7 else {}),
    "too long": lambda i, one: one | ({"steps": [s * 300 for s in one["steps"]]} if i == 7 else {}),
    "zeros": lambda i, one: one | {"labels": [int(y > 0) for y in one["labels"]]},
    "soft": lambda i, one: one | {"labels": [0.9 if y > 0 else 0.2 for y in one["labels"]]},
}
TRAIN = ("--base", "lm", "--out", "unmade")


@pytest.mark.parametrize(("command", "bad", "more", "message"), [
    ("train-prm", "no labels", TRAIN, "bad.jsonl: trace 8 (problem "),
    ("train-prm", "a probability", TRAIN, "): label of step 0 must be -1, 0, 1 or None, got 0.5"),
    ("train-prm", "zeros", TRAIN, "a hard 0 is neutral, not wrong"),
    ("label", "no steps", ("unmade",), "bad.jsonl: trace 8 (problem "),
    ("score", "no steps", (), ") has no steps, so there is nothing to score"),
    ("score", "too long", (), "is longer than the model's limit of 512 ids; leave it out, or pass --on"),
    ("evaluate", "too long", (), "bad.jsonl: trace 8 (problem "),
    ("evaluate", "zeros", (), "a label 0 is neutral here: where it means wrong, write -1"),
    ("evaluate", "soft", (), "bad.jsonl has soft labels"),
    ("evaluate --choose-on", "soft", (), "bad.jsonl has soft labels"),
    ("evaluate --choose-on", "zeros", (), "bad.jsonl: of its 12 traces the first error is known of 12"),
])
def test_a_file_s_mistake_is_told_with_file_and_trace(folder, capsys, monkeypatch, command, bad, more,
                                                      message, untaught):
    monkeypatch.chdir(folder)
    shutil.rmtree("unmade", ignore_errors=True)
    changed(folder, "bad.jsonl", BAD[bad])
    name, *option = command.split()
    model = () if name in ("train-prm", "label") else ("--prm", "untaught")
    data = ("traces.jsonl", *option, "bad.jsonl") if option else ("bad.jsonl",)
    assert __main__.main([name, *data, *model, *more]) == 2
    said = capsys.readouterr().err
    assert message in said and said.startswith("prmlab: ") and said.count("\n") == 1
    assert bad == "zeros" or not (folder / "unmade").exists()  # nothing is made before the data is read


@pytest.mark.parametrize("command", ["score", "evaluate", "train-prm"])
def test_an_empty_file_is_told(folder, capsys, monkeypatch, command, untaught):
    monkeypatch.chdir(folder)
    Path("empty.jsonl").write_text("\n", "utf-8")
    more = TRAIN if command == "train-prm" else ("--prm", "untaught")
    assert __main__.main([command, "empty.jsonl", *more]) == 2
    assert capsys.readouterr().err == "prmlab: empty.jsonl holds no traces: it is empty\n"


def test_what_is_left_out_and_what_is_unknown_is_told(folder, capsys, monkeypatch):
    """A word-level tokenizer reads text of another world as nothing but its unknown id."""
    monkeypatch.chdir(folder)
    some = changed(folder, "other.jsonl", lambda i, one: BAD["no steps"](i, one | {
        "problem": one["problem"] | {"text": "Quokkas wander dunes"}}))
    assert __main__.main(["train-prm", some, "--base", "lm", "--out", "left", "--json"]) == 0
    said = capsys.readouterr()
    last = json.loads(said.out.splitlines()[-1])
    assert (last["n_skipped"], last["n_too_long"]) == (1, 0) and 0.05 < last["unknown"] < 0.5
    assert "of the tokens of these traces are unknown to the model's tokenizer" in said.err
    assert __main__.main(["train-prm", some, "--base", "lm", "--out", "left"]) == 0
    assert "traces left out of 12: 1 without a labelled step, 0 too long" in capsys.readouterr().out


def test_problems_without_ids_are_told_apart_by_their_text(folder, capsys, monkeypatch, untaught):
    monkeypatch.chdir(folder)
    nameless = changed(folder, "nameless.jsonl", lambda i, one: one | {
        "problem": {k: v for k, v in one["problem"].items() if k != "id"}})
    assert __main__.main(["evaluate", nameless, "--prm", "untaught", "--choose-on", "traces.jsonl",
                          "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["problems"] == 12 and figures["chosen_on"] == "traces.jsonl"
    with pytest.raises(SystemExit):
        __main__.main(["evaluate", nameless, "--threshold", "0.3", "--choose-on", "traces.jsonl"])
    assert "not allowed with" in capsys.readouterr().err


def test_a_checkpoint_that_cannot_be_written_is_told_before_the_work(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert __main__.main(["train-prm", "traces.jsonl", "--base", "lm", "--out", "x", "--checkpoint",
                          "traces.jsonl/run", "--json"]) == 2
    said = capsys.readouterr()
    assert not said.out and "no checkpoint can be written to traces.jsonl/run" in said.err


@pytest.mark.parametrize("ignored", [False, True], ids=["as started", "where Ctrl-C is ignored"])
def test_a_queue_s_sigterm_leaves_a_checkpoint(folder, capsys, monkeypatch, ignored):
    """Else a job of fewer steps than --checkpoint-every, ended by its queue, would begin anew for ever."""
    from prmlab import stepping

    monkeypatch.chdir(folder)
    kept = f"ended-{ignored}"
    step, before = stepping.Stepper.step, signal.getsignal(signal.SIGTERM)
    at_first = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)

    def ended(self, *given):
        done = step(self, *given)
        if ignored:
            signal.raise_signal(signal.SIGINT)  # as before: nothing comes of it
        os.kill(os.getpid(), signal.SIGTERM)
        return done

    monkeypatch.setattr(stepping.Stepper, "step", ended)
    command = ["train-prm", "traces.jsonl", "--base", "lm", "--out", "x", "--batch-size", "4",
               "--checkpoint", kept]
    try:
        assert __main__.main(command) == 143
        assert signal.getsignal(signal.SIGTERM) is before
        assert (signal.getsignal(signal.SIGINT) is signal.SIG_IGN) == ignored
    finally:
        signal.signal(signal.SIGINT, at_first)
    assert "the same command goes on from what is on disk" in capsys.readouterr().err
    assert [p.name for p in Path(kept).iterdir()] == ["step-00000001"]


def test_a_ctrl_c_that_is_ignored_ends_no_training():
    """As of `nohup` or a script's background job: the handler that is there decides."""
    from prmlab.stepping import held_interrupt

    seen = []
    at_first = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        with held_interrupt() as asked:
            signal.raise_signal(signal.SIGINT)
        assert seen == [signal.SIGINT] and not asked.is_set()
    finally:
        signal.signal(signal.SIGINT, at_first)


def test_an_interrupt_before_anything_was_kept_says_so(folder, capsys, monkeypatch):
    from prmlab import training

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit_prm", stopped)
    monkeypatch.chdir(folder)
    assert __main__.main(["train-prm", "traces.jsonl", *TRAIN, "--checkpoint", "nothing"]) == 130
    assert "begins anew, for nothing was kept yet" in capsys.readouterr().err
