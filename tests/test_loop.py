"""The loop: interrupts, early stopping, processes, full disks, and what batches may hold."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny

from prmlab import checker, gauges, muon, problems, tokens, training
from prmlab.rewards import ORM, PRM
from prmlab.targets import Example, class_weights
from prmlab.traces import Trace

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.build()


@pytest.fixture(scope="module")
def policy(tokenizer):
    return training.new_policy(tokenizer, seed=3, hidden=16, layers=2, heads=2, kv_heads=1, mlp=24)


@pytest.fixture(scope="module")
def traces():
    """36 traces of 12 problems, two of each three with a wrong last step."""
    solved = [problems.solve(p) for p in problems.make("equations", 12, seed=5)]
    return checker.labelled(
        Trace(t.problem, (*t.steps[:-1], t.steps[-1] + "7" * i), True)
        for t in solved for i in range(3))


def flat(prm):
    """All weights in a row."""
    return torch.cat([p.detach().flatten() for p in prm.model.parameters()])


def test_an_interrupt_waits_for_the_step_and_the_rest_is_as_if_it_had_not_been(
        tokenizer, traces, tmp_path):
    """With dropout, which must not depend on where the run was cut."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & ignores it
    lm = tiny("GPT2", len(tokenizer), max_position_embeddings=600)
    options = {"batch_size": 6, "warmup": 1, "lr": 1e-3, "epochs": 2, "validate_every": 5}
    whole = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)
    losses = [r.loss for r in training.fit_prm(traces, base=whole, **options)]
    cut = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)

    def interrupt(_):
        signal.raise_signal(signal.SIGINT)
        return {"f1": 0.0}

    seen = []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(r.loss for r in training.fit_prm(
            traces, base=cut, checkpoint=tmp_path, validate=interrupt, **options))
    assert [f.name for f in tmp_path.iterdir()] == ["step-00000005"] and seen == losses[:4]
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
    again = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)
    rest = [r.loss for r in training.fit_prm(traces, base=again, checkpoint=tmp_path, **options)]
    assert rest == losses[5:] and torch.equal(flat(whole), flat(again))


def test_leaving_the_loop_leaves_a_checkpoint_and_a_finished_run_gives_its_last_record(
        policy, tokenizer, traces, tmp_path):
    options = {"batch_size": 6, "warmup": 1, "checkpoint": tmp_path}
    for record in training.fit_prm(
            traces, base=PRM.from_backbone(policy, tokenizer=tokenizer, seed=1), **options):
        if record.step == 2:
            break
    assert [f.name for f in tmp_path.iterdir()] == ["step-00000002"]
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    *_, last = training.fit_prm(traces, base=prm, **options)
    other = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    (again,) = training.fit_prm(traces, base=other, **options)
    assert (again.step, again.loss) == (last.step, last.loss) == (6, last.loss)
    assert torch.equal(flat(prm), flat(other))


def test_early_stopping_ends_at_the_best_weights(policy, tokenizer, traces):
    prm, kept = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1), []

    def validate(model):
        kept.append(flat(model).clone())
        return {"f1": [0.5, 0.6, 0.4, 0.3, 0.2, 0.1][len(kept) - 1]}

    records = list(training.fit_prm(traces, base=prm, batch_size=6, validate=validate,
                                    validate_every=1, patience=2, warmup=1))
    assert len(records) == 4 and [r.stopped for r in records] == [False] * 3 + [True]
    assert torch.equal(flat(prm), kept[1])
    with pytest.raises(ValueError, match="patience needs validate"):
        next(training.fit_prm(traces, base=prm, patience=2))
    with pytest.raises(ValueError, match="watch must be one of f1, got 'auroc'"):
        list(training.fit_prm(traces, base=prm, validate=lambda _: {"f1": 1.0}, patience=1,
                              watch="auroc", validate_every=1))


def test_step_figures(policy, tokenizer, traces):
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    figures = training.step_figures(traces)(prm)
    p = np.concatenate(prm.score(traces))
    y = np.array([label >= 0 for t in traces for label in t.labels])
    assert figures["loss"] == pytest.approx(-np.log(np.where(y, p, 1 - p)).mean())
    assert 0 <= figures["auroc"] <= 1 and 0 <= figures["f1"] <= 1
    one_kind = training.step_figures(traces[::3])(prm)  # all right
    assert np.isnan(one_kind["auroc"]) and np.isnan(one_kind["f1"])


def test_class_weights():
    assert class_weights([1.0, 0.0, 0.0, 0.0], "balanced") == pytest.approx((2 / 3, 2.0))
    assert class_weights([0.3, 0.3], None) == (1.0, 1.0)  # soft: not one class
    assert class_weights([1.0, 0.0], (3, 1)) == (3.0, 1.0)
    for wrong in ("even", (1, -1), (1, 2, 3)):
        with pytest.raises(ValueError, match='class_weight must be None, "balanced" or two'):
            class_weights([1.0, 0.0], wrong)


def test_a_label_set_of_one_class_is_refused(policy, tokenizer, traces):
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    with pytest.raises(ValueError, match="targets say right, so a model would learn to say right"):
        next(training.fit_prm(traces[::3], base=prm))
    orm = ORM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    with pytest.raises(ValueError, match="all 12 targets say wrong"):
        next(training.fit_orm([Trace(t.problem, ("x = 1", "Answer: 123456"), True)
                               for t in traces[::3]], base=orm))


def test_class_weight_in_the_loss(policy, tokenizer, traces):
    losses = {}
    for weight in (None, (1, 1), (5, 0)):
        prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
        scores = np.concatenate(prm.score(traces))
        losses[weight] = next(training.fit_prm(traces, base=prm, class_weight=weight,
                                               batch_size=100)).loss
    wrong = np.array([y < 0 for t in traces for y in t.labels])
    assert losses[None] == pytest.approx(losses[(1, 1)])
    assert losses[(5, 0)] == pytest.approx(-np.log(1 - scores[wrong]).mean(), rel=1e-5)


def test_orm_weight_adds_the_answers_loss(policy, tokenizer, traces):
    losses = []
    for weight in (0.0, 0.5, 1.0):
        prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
        record = next(training.fit_prm(traces, base=prm, orm_weight=weight, batch_size=100))
        losses.append(record.loss)
    assert losses[2] - losses[0] == pytest.approx(2 * (losses[1] - losses[0]), rel=1e-3)
    assert losses[2] - losses[0] == pytest.approx(np.log(2), abs=0.1)  # a head that knows nothing
    assert record.model is prm and prm.score(traces[:1])[0].shape == (len(traces[0].steps),)


def test_a_batch_without_a_target_is_named(policy, tokenizer, traces):
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    with pytest.raises(ValueError, match="none of the 8 traces of step 0 has a target to learn"):
        next(training.fit_prm(traces[:8], base=prm,
                              make_example=lambda t, e: Example(e.ids, (), ())))


def test_traces_over_the_limit_are_counted_when_asked(tokenizer, traces):
    lm = tiny("Llama", len(tokenizer), max_position_embeddings=60)
    long = [t for t in traces if len(tokens.encode(tokenizer, t).ids) > 60]
    assert 0 < len(long) < len(traces)
    prm = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)
    with pytest.raises(ValueError, match='the model\'s limit is 60; .*on_long="skip"'):
        list(training.fit_prm(traces, base=prm))
    *_, record = training.fit_prm(traces, base=prm, on_long="skip", batch_size=5)
    assert record.n_too_long == len(long) and record.n_traces == len(traces) - len(long)


def test_a_full_disk_is_told_and_an_older_checkpoint_stays(policy, tokenizer, traces, tmp_path):
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    run = training.fit_prm(traces, base=prm, batch_size=6, checkpoint=tmp_path, warmup=1,
                           checkpoint_every=2)
    next(run), next(run)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:  # no file may be longer than this, which is what a full disk looks like
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(OSError, match=r"checkpoint of step 4 cannot be written to .*make room "
                                          r"there and run again: it goes on from step-00000002"):
            list(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [f.name for f in tmp_path.iterdir()] == ["step-00000002"]


def test_half_precision_and_fused_adamw(policy, tokenizer, traces):
    losses = {}
    for precision in ("no", "bf16"):
        prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
        losses[precision] = [r.loss for r in training.fit_prm(
            traces, base=prm, precision=precision, optimizer=muon.adamw, lr=0.01, warmup=1,
            batch_size=9, epochs=4)]
    assert losses["bf16"][:4] == pytest.approx(losses["no"][:4], rel=0.03)
    assert losses["bf16"] != losses["no"]
    assert losses["no"][-1] < losses["no"][0]
    with pytest.raises(ValueError, match='precision must be "bf16" or "no", got \'fp8\''):
        next(training.fit_prm(traces, base=prm, precision="fp8"))


def test_together_changes_the_order_and_nothing_else(policy, tokenizer, traces):
    seen = {}
    for together in (1, 3):
        batches, prm = [], PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)

        def example(trace, encoded, batches=batches):
            batches.append(trace.problem.id)
            return Example(encoded.ids, encoded.step_ends[-1:], (min(trace.labels) / 2 + 0.5,))

        *_, record = training.fit_prm(traces, base=prm, make_example=example, together=together,
                                      batch_size=6)
        seen[together] = (batches, record)
    assert sorted(seen[1][0]) == sorted(seen[3][0]) and seen[1][0] != seen[3][0]
    assert all(len(set(seen[3][0][i:i + 3])) == 1 for i in range(0, 36, 3))
    assert seen[3][1].tokens == seen[1][1].tokens
    shares = {k: r.unique_tokens_per_s / r.tokens_per_s for k, (_, r) in seen.items()}
    assert shares[3] < 0.6 < shares[1] + 0.2


def test_a_run_in_another_order_is_not_gone_on_with(policy, tokenizer, traces, tmp_path):
    """Padded batches are of one length, packed ones of a problem's traces in any order."""
    def begin(**options):
        prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
        next(training.fit_prm(traces, base=prm, batch_size=6, together=3, device="cpu",
                              checkpoint=tmp_path / "run", checkpoint_every=1, **options))

    begin()
    with pytest.raises(ValueError, match="by_length: False there, True now"):
        begin(packed=False)


def test_a_checkpoint_of_other_labels_or_another_model_is_refused(policy, tokenizer, traces,
                                                                 tmp_path):
    def begin(some=traces, folder="run", **options):
        prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
        next(training.fit_prm(some, base=prm, batch_size=6, device="cpu",
                              checkpoint=tmp_path / folder, checkpoint_every=1, **options))

    begin()
    flipped = [t.with_labels([-y for y in t.labels], "flipped") for t in traces]
    for other in ({"some": flipped}, {"class_weight": (9, 1)}):
        with pytest.raises(ValueError, match="belongs to another run .examples, that is the traces or"):
            begin(**other)
    for name, other in (("precision", {"precision": "bf16"}), ("separator", {"separator": "."}),
                        ("scales", {"orm_weight": 0.5})):
        with pytest.raises(ValueError, match=f"{name}: .* there, .* now"):
            begin(**other)
    larger = training.new_policy(tokenizer, seed=3, hidden=16, layers=3, heads=2, kv_heads=1,
                                 mlp=24)
    prm = PRM.from_backbone(larger, tokenizer=tokenizer, seed=1)
    with pytest.raises(ValueError, match="is of another model .* tensors differ"):
        next(training.fit_prm(traces, base=prm, batch_size=6, device="cpu",
                              checkpoint=tmp_path / "run"))


def test_an_interrupt_while_a_batch_is_prepared_leaves_a_checkpoint(policy, tokenizer, traces,
                                                                   tmp_path):
    seen = []

    def example(trace, encoded):
        seen.append(trace)
        if len(seen) == 64 + 20:  # 36 for the digest, then batch by batch
            raise KeyboardInterrupt
        return Example(encoded.ids, encoded.step_ends[-1:], (min(trace.labels) / 2 + 0.5,))

    records, prm = [], PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    with pytest.raises(KeyboardInterrupt):
        records.extend(training.fit_prm(
            traces, base=prm, make_example=example, batch_size=6, together=3, epochs=3,
            device="cpu", checkpoint=tmp_path))
    (left,) = tmp_path.iterdir()
    assert left.name == f"step-{(64 + 20 - 36 - 1) // 6:08d}"


def test_bad_input_is_told_at_the_door(policy, tokenizer, traces):
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    with pytest.raises(ValueError, match="held-out trace 1 .* has no labels"):
        training.step_figures([traces[0], Trace(traces[0].problem, ("x",))])
    with pytest.raises(ValueError, match='device must be "cpu" or "cuda", got \'cuda:1\''):
        next(training.fit_prm(traces, base=prm, device="cuda:1"))
    with pytest.raises(ValueError, match="2 epochs need a sequence"):
        next(training.fit_policy(iter(traces), base=policy, tokenizer=tokenizer, n_traces=36,
                                 epochs=2))
    with pytest.raises(ValueError, match="the traces ended at step 6 of 8"):
        for _ in training.fit_policy(iter(traces), base=policy, tokenizer=tokenizer, n_traces=48,
                                     batch_size=6, device="cpu"):
            pass


def test_a_fingerprint_follows_training(policy, tokenizer, traces):
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    before = prm.fingerprint
    assert prm.fingerprint == before
    next(training.fit_prm(traces, base=prm, batch_size=6, device="cpu"))
    assert prm.fingerprint != before


def test_muon_leaves_tables_and_heads_to_adamw():
    lm = tiny("GPT2", 40)
    group = muon.Muon(lm, lr=0.1).param_groups[0]["params"]
    tables = {id(p) for m in lm.modules() if isinstance(m, torch.nn.Embedding)
              for p in m.parameters()}
    assert group and not tables & {id(p) for p in group}


TWO = """
import os, sys
import torch
torch.set_num_threads(1)
from prmlab import checker, problems, tokens, training
from prmlab.rewards import PRM
from prmlab.traces import Trace
from safetensors.torch import save_file

def train(name):
    tokenizer = tokens.build()
    lm = training.new_policy(tokenizer, seed=3, hidden=16, layers=2, heads=2, kv_heads=1, mlp=24)
    made = [problems.solve(p) for p in problems.make("equations", 20, seed=5)]
    data = checker.labelled(Trace(t.problem, (*t.steps[:-1], t.steps[-1] + "7" * i), True)
                            for t in made for i in range(3))
    prm = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)
    for r in training.fit_prm(data, base=prm, batch_size=7, together=3, warmup=3, device="cpu"):
        pass
    save_file({k: v.detach().contiguous() for k, v in prm.model.named_parameters()},
              f"{sys.argv[1]}/{name}.safetensors", {"loss": str(r.loss)})

for rank in range(2):
    if os.fork() == 0:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                       "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                       "MASTER_PORT": sys.argv[2], "ACCELERATE_USE_CPU": "true"}
        try:
            train(f"two-{rank}")
        finally:
            os._exit(0)
for _ in range(2):
    os.wait()
train("one")
"""


def test_two_processes_end_where_one_does(tmp_path):
    """What `torchrun --nproc_per_node 2` sets up, gloo between them."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run([sys.executable, "-c", TWO, str(tmp_path), str(port)], text=True,
                          capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT),
                                                    "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    one, first, second = (load_file(tmp_path / f"{name}.safetensors")
                          for name in ("one", "two-0", "two-1"))
    for name, weight in one.items():
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], weight, rtol=1e-3, atol=1e-5), name


def test_peaks():
    assert gauges.peak_of("NVIDIA H200") == 989e12 and gauges.peak_of("Intel") is None
    assert gauges.peak_of("NVIDIA H100 NVL") == 835e12 and gauges.peak_of("NVIDIA L40") == 181e12
    assert gauges.peak_of("NVIDIA RTX A1000") is None and gauges.peak_of("NVIDIA GB200") is None
    assert gauges.peak_of("NVIDIA A100-SXM4-80GB") == 312e12
    assert gauges.share_of_peak(100, 1e6, torch.device("cpu")) is None
    model = torch.nn.ModuleDict({"embed": torch.nn.Embedding(7, 3), "out": torch.nn.Linear(3, 2)})
    assert gauges.matrix_parameters(model) == 8
