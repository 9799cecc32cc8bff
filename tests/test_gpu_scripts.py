"""The scripts that a GPU is for, as far as a machine without one can try them."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

import benchmark_training  # noqa: E402
import make_models  # noqa: E402
import record_gpu_training  # noqa: E402

from prmlab import catalog, tokens, traces  # noqa: E402

pytestmark = pytest.mark.torch


def test_a_way_that_fails_after_its_trial_gives_way_to_the_next(tmp_path, monkeypatch, capsys):
    """A lease of minutes has no second run: what was found stays, a hang ends, the next one begins."""
    speeds = {"gathered": 2, "padded": 1, "block mask": 3}

    def run(command, *, timeout, **_):
        way = command[command.index("--one") + 1]
        if way == "padded, compiled":
            raise record_gpu_training.subprocess.TimeoutExpired(command, timeout)
        return SimpleNamespace(returncode=0, stderr="", stdout=json.dumps(
            {"steady tokens_per_s": speeds[way]}))

    fitted, begun = record_gpu_training.fitted, []

    def failing(options, made, way, prm, **more):
        begun.append(way)
        if way == "block mask":
            raise torch.OutOfMemoryError("no room")
        return fitted(options, made, way, prm, **more)

    monkeypatch.setattr(record_gpu_training.subprocess, "run", run)
    monkeypatch.setattr(record_gpu_training, "fitted", failing)
    out = tmp_path / "not there yet" / "run.json"
    monkeypatch.setattr(sys, "argv", ["record_gpu_training.py", "--shape", "tiny", "--steps", "160",
                                      "--batch-size", "8", "--together", "4", "--device", "cpu",
                                      "--seconds", "0.0001", "--json", str(out)])
    assert record_gpu_training.main() == 0
    found = json.loads(out.read_text())
    assert begun == ["block mask", "gathered"] and found["way"] == "gathered"
    assert found["ways"]["block mask"]["error"] == "OutOfMemoryError: no room"
    assert found["ways"]["padded, compiled"]["error"] == "not done after 180 s"
    assert found["hardware"]["cuda"] is None or found["last"]["device"] == "cpu"
    assert 0 < found["share trained on"] < 1 and found["arguments"]["products"] == "torch.float32"
    assert re.search(r"\d+% of \d+ labelled steps", capsys.readouterr().out)
    assert not out.with_suffix(".part").exists()


def test_the_reason_is_the_error_and_not_the_advice_after_it():
    said = "Traceback\n  File x\ntorch._inductor.exc.InductorError: no\n\nSet TORCHDYNAMO_VERBOSE=1"
    assert record_gpu_training.reason(said) == "torch._inductor.exc.InductorError: no"
    assert record_gpu_training.reason("") == "killed"


def test_a_policys_figures_are_asked_where_it_lies():
    """Its ids were made on the CPU: the first stage of `make models` ended at step 500 on a GPU."""
    def elsewhere(ids):
        assert ids.device.type == "meta"
        return SimpleNamespace(logits=torch.zeros(*ids.shape, 5))

    elsewhere.device = torch.device("meta")
    found = make_models.greedy_accuracy(elsewhere, tokens.build(), n=1, difficulties=(1,))
    assert set(found.values()) == {0.0}


def test_surprises_are_asked_where_the_model_lies():
    from lessons import chances

    from prmlab import problems

    def elsewhere(ids):
        assert ids.device.type == "meta"
        return SimpleNamespace(logits=torch.zeros(*ids.shape, 400, device="cpu"))

    elsewhere.device = torch.device("meta")
    made = [problems.solve(p) for p in problems.mix(2, seed=0)]
    assert len(chances(made, elsewhere, tokens.build())) == 2


def test_the_benchmark_says_what_the_first_step_took(tmp_path):
    """On a GPU that is the compiler's part of the wall time, which counts."""
    some = traces.read_jsonl(catalog.path("traces/validation.jsonl"))[:16]
    traces.write_jsonl(tmp_path / "data.jsonl", some)
    options = SimpleNamespace(way="ours", seed=0, chosen="{}", data=tmp_path / "data.jsonl",
                              shape="tiny", epochs=2, batch_size=8, device="cpu", precision="no",
                              clock="wall", threads=1, validate=0)
    found = benchmark_training.measure(options)
    assert 0 < found["first_step"] <= found["seconds"] and 0 < found["distinct"] <= 1


@pytest.mark.parametrize(("device", "asked"), [
    ("cpu", {"padded", "ours", "ours apart"}),
    ("cuda", {"padded", "ours", "ours apart", "ours compiled"}),
])
def test_layers_are_compiled_on_a_gpu_only_and_beside_those_that_are_not(
        tmp_path, monkeypatch, device, asked):
    ways = []

    def spawn(way, seed, *_):
        ways.append(way)
        return {"seconds": 2.0, "tokens_per_s": 9.0, "peak_mb": 1, "first_step": 1.5}

    monkeypatch.setattr(benchmark_training, "spawn", spawn)
    monkeypatch.setattr(benchmark_training, "sampled", lambda n: [])
    found = benchmark_training.compare(SimpleNamespace(
        ways=list(benchmark_training.WAYS), peer_python=None, device=device, problems=1, seeds=1,
        padded_seeds=1, clock="wall", epochs=1, batch_size=8, shape="tiny", threads=1,
        precision="no", data=None), tmp_path)
    assert set(ways) == asked == set(found["summary"])
    assert "first step 1.5 s" in benchmark_training.table(found)[-1]


@pytest.mark.parametrize(("device", "calls"), [("cpu", 6), ("cuda", 7)])
def test_the_peer_is_tried_warm_and_in_sizes_that_fit(monkeypatch, device, calls):
    seen = []

    def train_trl(prm, data, options, *, size, sampling):
        seen.append((size, sampling))
        if size == 128:
            raise torch.OutOfMemoryError("full")
        return {"seconds": 9.0 if len(seen) == 1 else 1 / size}

    monkeypatch.setattr(benchmark_training, "train_trl", train_trl)
    monkeypatch.setattr(benchmark_training, "fresh", lambda options: None)
    tried = benchmark_training.tuned_trl([], SimpleNamespace(device=device, batch_size=128, trial=8))
    assert len(seen) == calls and {row["size"] for row in tried} == {8, 32} and len(tried) == 4
    assert tried[0]["size"] == 32 and (device == "cpu" or max(t["seconds"] for t in tried) < 1)


def test_traces_can_be_sampled_where_time_is_cheap(tmp_path, monkeypatch):
    """A lease's minutes are for training: sampling 16,000 traces takes a CPU five of them."""
    some = traces.read_jsonl(catalog.path("traces/validation.jsonl"))[:3]
    monkeypatch.setattr(benchmark_training, "sampled", lambda n: some[:n])
    monkeypatch.setattr(sys, "argv", ["benchmark_training.py", "--sample", str(tmp_path / "t.jsonl"),
                                      "--problems", "3"])
    assert benchmark_training.main() == 0
    monkeypatch.setattr(benchmark_training, "sampled", None)  # not asked again
    monkeypatch.setattr(benchmark_training, "spawn", lambda *_: {
        "seconds": 2.0, "tokens_per_s": 9.0, "peak_mb": 1})
    found = benchmark_training.compare(SimpleNamespace(
        ways=["ours"], peer_python=None, device="cpu", data=tmp_path / "t.jsonl", seeds=1,
        padded_seeds=1, clock="wall", epochs=1, batch_size=2, shape="tiny", threads=1,
        precision="no"), tmp_path)
    assert (found["traces"], found["steps"]) == (3, 2)


def test_what_was_found_with_other_traces_is_not_taken_for_these(tmp_path, monkeypatch):
    runs = []

    def run(command, **_):
        runs.append(command)
        return SimpleNamespace(stdout=json.dumps({"seconds": len(runs)}))

    monkeypatch.setattr(benchmark_training.subprocess, "run", run)
    given = dict.fromkeys(("shape", "problems", "epochs", "threads", "batch_size", "rows", "clock",
                           "validate", "trial", "device", "precision", "peer_python"), 1)
    found = [benchmark_training.spawn("ours", 0, {}, SimpleNamespace(
        **given, json=tmp_path / "x.json", data=data), tmp_path / "made.jsonl")["seconds"]
        for data in (None, None, Path("a"), Path("a"), Path("b"))]
    assert found == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(("records", "way", "other", "said"), [
    (("100m", "100m_batch_32"), "ours", "trl", "+0.011 (0.001 to 0.021)"),
    (("12000",), "ours apart", "trl", "(-0.010, -0.039 to 0.018)"),
    (("12000_batch_128",), "ours", "trl", "+0.001 (-0.051 to 0.053)"),
])
def test_the_differences_the_readme_speaks_of_are_those_of_the_records(records, way, other, said):
    found = [json.loads(catalog.path(f"runs/benchmark_training_{name}.json").read_text())["ways"]
             for name in records]
    rows, beside = ([row for ways in found for row in ways[name]] for name in (way, other))
    gap, low, high = benchmark_training.summary(beside, rows)["ours less this: loss"]
    numbers = [float(x) for x in re.findall(r"[+-]?\d\.\d+", said)]
    assert numbers == [round(x, 3) for x in (gap, low, high)]
    readme = (Path(__file__).resolve().parent.parent / "README.md").read_text()
    assert said in " ".join(readme.split())


README_ROWS = {  # the record behind each row of the table beside TRL, by how the row begins
    "tiny": "| 1.5 M parameters, 1,024 traces twice", "tiny_2_threads": "| the same by the clock, on two threads",
    "12000": "| 1.5 M, 12,000 traces once",
    "12000_batch_128": "| the same, 128 a step", "100m": "| 106 M, bf16, 1,280 traces once",
    "100m_batch_128": "| 106 M, bf16, 1,920 traces once",
    "100m_batch_32": "| 106 M, bf16, 640 traces once"}


def _as_printed(text: str, number: float) -> bool:
    """Whether a number rounds to `text`, of as many digits as `text` has."""
    digits = text.lstrip("+-").replace(",", "")
    step = 10.0 ** -len(digits.partition(".")[2])
    if "." not in digits:
        step = 10.0 ** (len(digits) - len(digits.rstrip("0")))
    return abs(float(text.replace(",", "")) - number) <= step * 0.55


@pytest.mark.parametrize(("name", "begins"), README_ROWS.items())
def test_each_row_of_the_readmes_table_is_its_record(name, begins):
    record = json.loads(catalog.path(f"runs/benchmark_training_{name}.json").read_text())
    ours, trl = record["ways"]["ours"], record["ways"]["trl"]
    beside = benchmark_training.summary(trl, ours)
    wanted = [benchmark_training.summary(ours, ours)["tokens_per_s"],
              beside["tokens_per_s"], beside["ours is faster by"]]
    if padded := record["ways"].get("padded"):
        slow = benchmark_training.summary(padded, ours)
        wanted += [slow["tokens_per_s"], slow["ours is faster by"]]
    wanted += beside["ours less this: loss"] + beside["ours less this: best f1"]
    readme = (Path(__file__).resolve().parent.parent / "README.md").read_text()
    (row,) = [line for line in readme.splitlines() if line.startswith(begins)]
    printed = re.findall(r"[+-]?\d[\d,]*(?:\.\d+)?", row.split(" | ", 1)[1])
    assert len(printed) == len(wanted), (printed, wanted)
    assert [p for p, x in zip(printed, wanted) if not _as_printed(p, x)] == []
