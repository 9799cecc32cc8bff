"""Training: losses by hand, exact resume after SIGKILL, and what bad input is told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from prmlab import checker, problems, tokens, training
from prmlab.rewards import ORM, PRM
from prmlab.traces import Trace

ROOT = Path(__file__).resolve().parent.parent
TINY = {"hidden": 16, "layers": 2, "heads": 2, "kv_heads": 1, "mlp": 24}


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.build()


@pytest.fixture
def policy(tokenizer):
    return training.new_policy(tokenizer, seed=3, **TINY)


@pytest.fixture
def solved():
    return [problems.solve(p) for p in problems.make("stories", 30, seed=5)]


def with_slips(traces):
    """Every other trace with its first step's last digit changed, labelled by the checker."""
    changed = []
    for i, t in enumerate(traces):
        first = t.steps[0][:-1] + str((int(t.steps[0][-1]) + 1) % 10)
        changed.append(Trace(t.problem, (first, *t.steps[1:]) if i % 2 else t.steps, True))
    return checker.labelled(changed)


@pytest.mark.parametrize(("labels", "options", "expected"), [
    ([1, 0, -1, None], {}, [1.0, 1.0, 0.0, None]),
    ([1, 0, -1, None], {"neutral": 0.0}, [1.0, 0.0, 0.0, None]),
    ([1, 0, -1, None], {"neutral": None}, [1.0, None, 0.0, None]),
    ([0.0, 0.7, None, 1.0], {"label_kind": "soft"}, [0.0, 0.7, None, 1.0]),
])
def test_targets(labels, options, expected):
    assert training.step_targets(labels, **options) == expected


@pytest.mark.parametrize(("labels", "options", "message"), [
    ([1, 0.5], {}, 'label of step 1 must be -1, 0, 1 or None, got 0.5.*label_kind="soft"'),
    ([1, -1], {"label_kind": "soft"}, "label of step 1 must be a probability, got -1"),
    ([1], {"label_kind": "fuzzy"}, "label_kind must be"),
])
def test_targets_that_do_not_fit(labels, options, message):
    with pytest.raises(ValueError, match=message):
        training.step_targets(labels, **options)


def test_soft_labels_stay_soft(policy, tokenizer, solved):
    """TRL passed labels through int(), so 0.7 became 0 and Monte Carlo targets were lost."""
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    labels = [[0.7, None, 0.2, *[None] * (len(t.steps) - 3)] for t in solved if len(t.steps) > 3]
    traces = [t.with_labels(y, "soft") for t, y in zip(
        [t for t in solved if len(t.steps) > 3], labels, strict=True)]
    scores = prm.score(traces)
    by_hand = np.mean([-(y * np.log(s[i]) + (1 - y) * np.log(1 - s[i]))
                       for s in scores for i, y in ((0, 0.7), (2, 0.2))])
    record = next(training.fit_prm(traces, base=prm, label_kind="soft", batch_size=100))
    assert record.loss == pytest.approx(by_hand, rel=1e-5)


def test_hard_neutral_and_masked_labels(policy, tokenizer, solved):
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    first = [1 if i % 3 == 0 else -1 for i in range(len(solved))]
    traces = [t.with_labels([y, 0, *[None] * (len(t.steps) - 2)], "hand")
              for y, t in zip(first, solved, strict=True)]
    scores = prm.score(traces)
    p_first = [s[0] if y > 0 else 1 - s[0] for y, s in zip(first, scores, strict=True)]
    wrong_alone = -np.mean(np.log(p_first))
    with_neutral = -np.mean(np.log([*p_first, *(s[1] for s in scores)]))
    for neutral, by_hand in ((None, wrong_alone), (1.0, with_neutral)):
        fresh = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
        record = next(training.fit_prm(traces, base=fresh, neutral=neutral, batch_size=100))
        assert record.loss == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("every_step", [True, False])
def test_outcome_loss(policy, tokenizer, solved, every_step):
    orm = ORM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    traces = [Trace(t.problem, (*t.steps[:-1], "Answer: 777" if i % 3 else t.steps[-1]), True)
              for i, t in enumerate(solved)]
    kept = slice(None) if every_step else slice(-1, None)
    by_hand = np.mean([-np.log(p if i % 3 == 0 else 1 - p) for i, s in enumerate(
        orm.as_step_scorer().score(traces)) for p in s[kept]])
    record = next(training.fit_orm(traces, base=orm, every_step=every_step, batch_size=100))
    assert record.loss == pytest.approx(by_hand, rel=1e-5)


def test_policy_loss_is_on_the_solution_alone(policy, tokenizer, solved):
    trace = solved[0]
    ids = [*tokens.encode(tokenizer, trace).ids, tokenizer.eos_token_id]
    start = len(tokens.prompt_ids(tokenizer, trace.problem))
    with torch.no_grad():
        log_p = torch.log_softmax(policy(torch.tensor([ids])).logits[0], -1)
    by_hand = -np.mean([log_p[i - 1, ids[i]].item() for i in range(start, len(ids))])
    record = next(training.fit_policy([trace], base=policy, tokenizer=tokenizer))
    assert record.loss == pytest.approx(by_hand, rel=1e-5)


def test_a_prm_learns_and_the_same_seed_gives_the_same_weights(policy, tokenizer, solved):
    traces, weights = with_slips(solved), []
    for _ in range(2):
        prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
        losses = [r.loss for r in training.fit_prm(traces, base=prm, epochs=15, batch_size=7,
                                                   warmup=2, seed=4)]
        weights.append(prm.model.score.weight.detach().clone())
    assert len(losses) == 15 * 5 and np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert torch.equal(*weights)


def test_records_tell_where_training_is(policy, tokenizer, solved):
    records = list(training.fit_policy(solved, base=policy, tokenizer=tokenizer, batch_size=8,
                                       validate=lambda model: {"half": 0.5}, validate_every=3))
    assert [r.step for r in records] == [1, 2, 3, 4] and records[-1].n_traces == len(solved)
    assert [r.validation for r in records] == [None, None, {"half": 0.5}, {"half": 0.5}]
    total = sum(len(e.ids) + 1 for e in tokens.encode_many(tokenizer, solved))
    assert records[-1].tokens == total and not policy.training
    assert "model" not in records[-1].to_dict() and json.dumps(records[-1].to_dict())


RUN = """
import sys
from prmlab import problems, tokens, training
from safetensors.torch import save_file
tokenizer = tokens.build()
model = training.new_policy(tokenizer, seed=3, hidden=16, layers=2, heads=2, kv_heads=1, mlp=24)
traces = [problems.solve(p) for p in problems.mix(120, seed=5)]
for r in training.fit_policy(traces, base=model, tokenizer=tokenizer, epochs=3, batch_size=4,
                             checkpoint=sys.argv[1], checkpoint_every=10):
    print(r.step, flush=True)
save_file({k: v.contiguous() for k, v in model.state_dict().items()}, sys.argv[2])
"""


def run(folder: Path, out: Path) -> subprocess.Popen:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", RUN, str(folder), str(out)], env=env,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_killed_training_ends_at_the_same_weights(tmp_path):
    assert run(tmp_path / "a", tmp_path / "a.safetensors").wait() == 0
    for stop in (7, 23, 57, 88):
        killed = run(tmp_path / "b", tmp_path / "b.safetensors")
        for line in killed.stdout:
            if int(line) >= stop:
                time.sleep(0.003 * (stop % 5))
                killed.send_signal(signal.SIGKILL)
                break
        killed.wait()
    assert run(tmp_path / "b", tmp_path / "b.safetensors").wait() == 0
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_checkpoint_of_another_run_is_refused(policy, tokenizer, solved, tmp_path):
    for _ in training.fit_policy(solved, base=policy, tokenizer=tokenizer, checkpoint=tmp_path):
        pass
    with pytest.raises(ValueError, match="belongs to another run .*lr: 0.01 there, 0.5 now"):
        next(training.fit_policy(solved, base=policy, tokenizer=tokenizer, checkpoint=tmp_path,
                                 lr=0.5))
    (next(tmp_path.glob("step-*")) / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ValueError, match="is damaged .*remove that folder"):
        next(training.fit_policy(solved, base=policy, tokenizer=tokenizer, checkpoint=tmp_path))


def test_bad_input_is_named(policy, tokenizer, solved):
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    with pytest.raises(ValueError, match="no traces to train on"):
        next(training.fit_prm([], base=prm))
    with pytest.raises(ValueError, match="has no labels; label it"):
        next(training.fit_prm(solved, base=prm))
    empty = [t.with_labels([None] * len(t.steps), "none") for t in solved]
    with pytest.raises(ValueError, match="none of the 30 traces has a labelled step"):
        next(training.fit_prm(empty, base=prm))
    record = next(training.fit_prm([*empty, *with_slips(solved[:2])], base=prm))
    assert record.n_skipped == 30
    with pytest.raises(ValueError, match="must be .cpu. or .cuda., got 'nowhere'"):
        next(training.fit_prm(with_slips(solved), base=prm, device="nowhere"))
    long = Trace(solved[0].problem, ("1 + 1 = 2",) * 300, True)
    with pytest.raises(ValueError, match="the model's limit is 512"):
        next(training.fit_policy([long], base=policy, tokenizer=tokenizer))


def test_a_loss_that_is_no_number_stops_at_once(policy, tokenizer, solved):
    policy.model.embed_tokens.weight.data[:] = float("nan")
    with pytest.raises(ValueError, match="the loss of step 0 is nan; lower lr"):
        next(training.fit_policy(solved, base=policy, tokenizer=tokenizer))
