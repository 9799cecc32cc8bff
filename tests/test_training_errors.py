"""What goes wrong in training is told, and what was learned until then is kept."""

import json
import math
import resource
import signal
from dataclasses import replace

import pytest
import torch
from tiny import equations, tiny

from prmlab import __main__, encoding, gauges, muon, problems, tokens, training
from prmlab.rewards import PRM
from prmlab.stepping import Stepper
from prmlab.traces import Trace, write_jsonl

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.build()


@pytest.fixture(scope="module")
def traces():
    """36 traces of 12 problems, two of each three with a wrong last step."""
    return equations(12, 3)


@pytest.fixture
def fresh(tokenizer):
    """A function that gives the PRM to begin with."""
    return lambda kind="Llama": PRM.from_backbone(
        tiny(kind, len(tokenizer), max_position_embeddings=600), tokenizer=tokenizer, seed=1)


def trained(prm, data, **options):
    """All records of a run on the CPU."""
    return list(training.fit_prm(data, base=prm, **{
        "warmup": 1, "device": "cpu", "batch_size": 6, "optimizer": muon.adamw, "lr": 1e-3} | options))


def flat(prm):
    return torch.cat([p.detach().flatten() for p in prm.model.parameters()])


def test_what_the_environment_says_of_accumulation_does_not_count(fresh, traces, monkeypatch):
    """`accelerate launch` sets it from a config file; each gradient was divided by it."""
    losses = {}
    for steps in ("1", "4"):
        monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", steps)
        losses[steps] = [r.loss for r in trained(fresh(), traces, optimizer=lambda m, lr, weight_decay:
                                                 torch.optim.SGD(m.parameters(), lr=lr), lr=0.01)]
    assert losses["1"] == losses["4"]


def test_a_figure_that_is_no_number_cannot_say_when_to_stop(fresh, traces):
    """Held-out traces that are all right have no first-error F1: training stopped as if it got no
    better, and put the weights of the first validation back."""
    right = training.step_figures(traces[::3])
    for watch in ("f1", "auroc"):
        with pytest.raises(ValueError, match=f"'{watch}' is not a number on these held-out traces"):
            trained(fresh(), traces, validate=right, validate_every=1, patience=2, watch=watch)
    assert trained(fresh(), traces, validate=right, validate_every=1, patience=9, watch="loss")
    with pytest.raises(ValueError, match="'f1' is not a number on these held-out traces"):
        trained(fresh(), traces, validate=lambda _: {"f1": math.nan}, validate_every=1, patience=2)
    figures = iter([0.5, math.nan, 0.6, 0.7, 0.8, 0.9])  # later on it is no better than the best
    records = trained(fresh(), traces, validate=lambda _: {"f1": next(figures)}, validate_every=1,
                      patience=2)
    assert len(records) == 6


@pytest.mark.parametrize(("options", "message"), [
    ({"orm_weight": -0.5}, "orm_weight must be a number of 0 or more, got -0.5"),
    ({"orm_weight": math.nan}, "orm_weight must be a number of 0 or more"),
    ({"class_weight": (0, 0)}, "class_weight must be None"),
    ({"class_weight": (math.nan, 1)}, "class_weight must be None"),
    ({"decay": math.nan}, "decay a share of them, from 0 to 1"),
    ({"decay": -1.0}, "decay a share of them, from 0 to 1"),
    ({"warmup": -3}, "warmup must be a number of steps, 0 or more"),
    ({"validate": lambda _: None, "validate_every": 1}, "validate must return figures by name"),
])
def test_options_that_mean_nothing_are_refused(fresh, traces, options, message):
    with pytest.raises(ValueError, match=message):
        trained(fresh(), traces, **options)


def test_more_traces_than_there_are(fresh, traces, tokenizer):
    with pytest.raises(ValueError, match="n_traces is 40, and there are 36 traces"):
        next(training.fit_policy(traces, base=tiny("Llama", len(tokenizer)), tokenizer=tokenizer,
                                 n_traces=40, device="cpu"))


def test_traces_all_of_which_are_too_long(fresh, traces):
    long = [replace(t, steps=t.steps * 80, labels=t.labels * 80) for t in traces[:4]]
    with pytest.raises(ValueError, match="none of the 4 traces is within the model's limit of 600"):
        trained(fresh(), long, on_long="skip")


def test_false_is_not_neutral(fresh, traces):
    """`False == 0`, so what TRL's data calls wrong was taught as right, or left out."""
    booleans = [t.with_labels([y > 0 for y in t.labels], "booleans") for t in traces]
    with pytest.raises(ValueError, match='for True and False .* pass label_kind="soft"'):
        trained(fresh(), booleans)
    losses = [[r.loss for r in trained(fresh(), some, label_kind=kind)]
              for some, kind in ((booleans, "soft"), (traces, "hard"))]
    assert losses[0] == losses[1]


def test_a_full_device_leaves_a_checkpoint_that_smaller_parts_go_on_from(
        fresh, traces, tmp_path, monkeypatch):
    whole = fresh()
    wanted = trained(whole, traces)[-1]
    backward, calls = Stepper._backward, []

    def full(self, *part):
        calls.append(part)
        if len(calls) > 3:
            backward(self, *part)  # some gradients are there already
            raise torch.OutOfMemoryError("CUDA out of memory")
        return backward(self, *part)

    monkeypatch.setattr(Stepper, "_backward", full)
    with pytest.raises(ValueError, match="no room for step 3 with tokens_at_once=4096; pass a "
                                         "smaller one .*CUDA out of memory"):
        trained(fresh(), traces, checkpoint=tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["step-00000003"]
    monkeypatch.setattr(Stepper, "_backward", backward)
    rest = fresh()
    records = trained(rest, traces, checkpoint=tmp_path, tokens_at_once=100)
    assert [r.step for r in records] == [4, 5, 6]
    assert records[-1].loss == pytest.approx(wanted.loss, rel=1e-4)
    assert torch.allclose(flat(rest), flat(whole), atol=1e-4)


def test_a_gradient_that_is_no_number_moves_nothing(fresh, traces, tmp_path):
    """The loss is a number all the same; weights were lost, and at a run's end nobody was told."""
    prm, seen = fresh(), []
    weight = prm.model.base_model.layers[0].mlp.up_proj.weight
    weight.register_hook(lambda g: g * (math.nan if len(seen) == 3 else 1))
    records = training.fit_prm(traces, base=prm, device="cpu", batch_size=6, warmup=1,
                               optimizer=muon.adamw, lr=1e-3, checkpoint=tmp_path,
                               checkpoint_every=1)
    with pytest.raises(ValueError, match="the loss of step 3 is .*, and its gradient is no number"):
        seen.extend(records)
    assert torch.isfinite(flat(prm)).all()
    assert [f.name for f in tmp_path.iterdir()] == ["step-00000003"]


def test_another_meaning_of_neutral_is_another_run(fresh, traces, tmp_path):
    """However late the first neutral step comes."""
    last = traces[-1].with_labels([0.0] * len(traces[-1].steps), "neutral")
    some = [*traces, *traces, last]
    trained(fresh(), some, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="belongs to another run .examples"):
        trained(fresh(), some, checkpoint=tmp_path, neutral=0.0)


def test_a_long_separator_counts(tokenizer):
    trace = Trace(problems.make("equations", 1, seed=1)[0], ("x = 1",) * 20)
    separator = "\n" * 40
    n = len(tokens.encode(tokenizer, trace, separator=separator).ids)
    assert n > 800 and encoding._bound(trace, separator) >= n


def test_what_a_block_mask_is_not_for_is_told_with_what_is(fresh, traces):
    with pytest.raises(ValueError, match='packed="flex": traces cannot be packed for GPT2Model.*'
                                         "leave packed at True"):
        trained(fresh("GPT2"), traces, packed="flex")


def test_figures_may_be_tensors_and_records_stay_json(fresh, traces):
    *_, record = trained(fresh(), traces, validate=lambda _: {"f1": torch.tensor(0.25)})
    assert json.loads(json.dumps(record.to_dict()))["validation"] == {"f1": 0.25}


def test_a_gpu_is_asked_for_this_runs_peak_and_a_part_of_one_has_none(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", asked.append)
    gauges.begin(torch.device("cpu"))
    gauges.begin(torch.device("cuda"))
    assert [device.type for device in asked] == ["cuda"]
    assert gauges.peak_of("NVIDIA H200 NVL") == 835e12 and gauges.peak_of("NVIDIA H200") == 989e12
    assert gauges.peak_of("NVIDIA H200 MIG 1g.18gb") is None


def test_how_much_is_scored_at_once_follows_the_model(fresh):
    """One made on a CPU and trained on a GPU went on in a CPU's small lots there."""
    prm = fresh()
    on_cpu = prm.batch_tokens
    prm.model.to("meta")
    assert (on_cpu, prm.batch_tokens) == (2**12, 2**16)


def test_a_full_disk_at_the_end_is_one_sentence(fresh, traces, tmp_path, monkeypatch, capsys):
    """safetensors' own error is no OSError: the command ended with a traceback."""
    lm = tiny("Llama", len(tokens.build()), max_position_embeddings=600)
    lm.save_pretrained(tmp_path / "lm")
    tokens.build().save_pretrained(tmp_path / "lm")
    write_jsonl(tmp_path / "data.jsonl", traces)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, limits[1]))
        code = __main__.main(["train-prm", "data.jsonl", "--base", "lm", "--out", "out", "--device",
                              "cpu"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    said = capsys.readouterr().err
    assert code == 2 and "prmlab: the model cannot be written to out" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("name", "message"), [
    ("gpu", 'device must be "cpu" or "cuda", got \'gpu\''),
    ("cuda", "device 'cuda' is not at hand here"),
])
def test_a_device_that_is_not_there_is_one_sentence(name, message, tmp_path, traces, monkeypatch,
                                                    capsys):
    """Of score and evaluate, which ended with torch's traceback."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    write_jsonl(tmp_path / "data.jsonl", traces)
    for command in ("score", "evaluate"):
        assert __main__.main([command, str(tmp_path / "data.jsonl"), "--device", name]) == 2
        assert f"prmlab: {message}" in capsys.readouterr().err


def test_an_empty_validation_file_is_told_before_the_first_step(tmp_path, traces, capsys):
    write_jsonl(tmp_path / "data.jsonl", traces)
    (tmp_path / "none.jsonl").write_text("")
    assert __main__.main(["train-prm", str(tmp_path / "data.jsonl"), "--base", "verifier-base",
                          "--out", str(tmp_path / "out"), "--device", "cpu", "--validation",
                          str(tmp_path / "none.jsonl")]) == 2
    said = capsys.readouterr()
    assert "none.jsonl holds no traces" in said.err and "step" not in said.out


def test_class_weights_that_are_no_numbers(capsys):
    with pytest.raises(SystemExit):
        __main__.main(["train-prm", "x", "--base", "y", "--out", "z", "--class-weight", "a,b"])
    assert "two numbers for wrong and right steps such as 3,1; got 'a,b'" in capsys.readouterr().err


def test_the_command_watches_another_figure(tmp_path, traces, capsys):
    """Held-out traces of one kind have no F1, and there was no other to choose."""
    write_jsonl(tmp_path / "data.jsonl", traces)
    write_jsonl(tmp_path / "right.jsonl", traces[::3])
    command = ["train-prm", str(tmp_path / "data.jsonl"), "--base", "verifier-base", "--out",
               str(tmp_path / "out"), "--device", "cpu", "--lr", "0", "--validate-every", "1",
               "--batch-size", "9", "--patience", "2", "--validation", str(tmp_path / "right.jsonl")]
    assert __main__.main(command) == 2
    assert "'f1' is not a number on these" in capsys.readouterr().err
    assert __main__.main([*command, "--watch", "loss"]) == 0
    assert "step 3 of 4" in (said := capsys.readouterr().out) and "stopped: no better" in said


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("at", [lambda n: (n,), lambda n: (-1,), lambda n: (n - 2, n - 1)])
def test_a_position_outside_the_trace_is_told(fresh, traces, at, packed):
    """In padded rows the next position belongs to another trace, and was learned from."""
    def example(trace, encoded):
        return training.Example(encoded.ids, at(len(encoded.ids)), (min(trace.labels) / 2 + 0.5,))

    with pytest.raises(ValueError, match="as many targets .* as positions, each from 0 to"):
        trained(fresh(), traces, make_example=example, packed=packed)


@pytest.mark.parametrize("failing", [2, 4, 6])
def test_a_validation_that_fails_costs_no_step(fresh, traces, tmp_path, failing):
    """It is due again when the run goes on, which ends as if nothing had been; 6 is the last step."""
    def run(prm, fails, **options):
        def validate(model):
            if fails and len(losses) + 1 == failing:
                raise RuntimeError("out of memory")
            return {"loss": float(flat(model).square().mean())}

        losses = []
        for record in training.fit_prm(traces, base=prm, device="cpu", batch_size=6, warmup=1, lr=1e-3,
                                       optimizer=muon.adamw, validate=validate, validate_every=2,
                                       patience=5, watch="loss", **options):
            losses.append((record.step, record.loss, record.validation))
        return losses

    whole = fresh()
    wanted = run(whole, False)
    with pytest.raises(RuntimeError, match="out of memory") as told:
        run(fresh(), True, checkpoint=tmp_path)
    assert f"Step {failing} is kept in" in told.value.__notes__[0]
    again = fresh()
    assert run(again, False, checkpoint=tmp_path) == wanted[failing - 1:]
    assert torch.equal(flat(again), flat(whole))
