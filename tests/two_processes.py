"""Trainings in two processes with a sharded model, then each of them in one process, whole.

python two_processes.py FOLDER PORT: what `test_sharding` compares. Each training leaves in
FOLDER/NAME/whole and FOLDER/NAME/sharded what it saved, and beside it what each process saw, as
whole-0.json, sharded-0.json and sharded-1.json. Gloo between them, as `torchrun --nproc_per_node 2`
sets it up.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from functools import partial
from pathlib import Path

import torch
from tiny import tiny

from prmlab import block_masks, checker, muon, problems, sharding, tokens, training
from prmlab.rewards import ORM, PRM
from prmlab.traces import Trace

TOKENIZER = tokens.build()
LM = training.new_policy(TOKENIZER, seed=3, hidden=16, layers=2, heads=2, kv_heads=1, mlp=24)
SOLVED = [problems.solve(p) for p in problems.make("equations", 10, seed=5)]
TRACES = checker.labelled(Trace(t.problem, (*t.steps[:-1], t.steps[-1] + "7" * i), True)
                          for t in SOLVED for i in range(3))
PARTS = {"tokens_at_once": 60, "together": 3}  # several parts a step, not as many in each process
OPTIONS = {
    "parts": PARTS | {"orm_weight": 0.5},
    "padded": {"packed": False, "tokens_at_once": 60},
    "one_trace": {"batch_size": 1},  # the other process has none
    "flex": {"packed": "flex", "together": 3},
    "compiled": {"packed": False, "compiled": True, "batch_size": 15},
    "half": {"precision": "bf16"},
}


def fit(base, sharded, fit_one=training.fit_prm, **options):
    """The records of a training with AdamW, a batch of 7 a step if not said otherwise."""
    return fit_one(TRACES, base=base, device="cpu", sharded=sharded,
                   **{"batch_size": 7, "warmup": 2, "optimizer": muon.adamw, "lr": 1e-3} | options)


def new(lm=LM):
    """A PRM to train."""
    return PRM.from_backbone(lm, tokenizer=TOKENIZER, seed=1)


def figures(losses, model):
    """What this process saw: losses, elements of the model it holds, and scores."""
    held = sum((p.to_local() if hasattr(p, "to_local") else p).numel()
               for p in model.model.parameters())
    return {"losses": losses, "held": held, "fingerprint": model.fingerprint,
            "scores": [s.tolist() for s in model.score(TRACES[:5])]}


def one(name, folder, sharded):
    """Train with the options of that name, and save."""
    prm = new()
    records = list(fit(prm, sharded, **OPTIONS[name]))
    prm.save(folder)
    last = {"tokens": records[-1].tokens, "padding": records[-1].padding}
    return figures([r.loss for r in records], prm) | last


def again(_name, folder, sharded):
    """Layers run again in the backward pass."""
    prm = new()
    prm.model.base_model.activation_checkpointing_enable()
    losses = [r.loss for r in fit(prm, sharded, **PARTS)]
    prm.save(folder)
    return figures(losses, prm)


def descent(model, *, lr, weight_decay):
    """Plain gradient descent, which unlike AdamW moves by as much as the gradient is long."""
    return torch.optim.SGD(model.parameters(), lr=lr)


def clipped(_name, folder, sharded, share=1.0):
    """One step of descent at rate 1, where the gradient is longer than 1."""
    prm = new(tiny("GPT2", len(TOKENIZER), max_position_embeddings=600, attn_pdrop=0, embd_pdrop=0,
                   resid_pdrop=0, initializer_range=0.1))
    prm.model.base_model.ln_f.weight.data.mul_(share)
    before = [p.detach().clone() for p in prm.model.parameters()]
    losses = [r.loss for r in fit(prm, sharded, **PARTS | {
        "optimizer": descent, "lr": 1.0, "batch_size": 30, "warmup": 1})]
    prm.save(folder)
    moved = sum((sharding.whole(p) - b).square().sum().item()
                for p, b in zip(prm.model.parameters(), before, strict=True)) ** 0.5
    return figures(losses, prm) | {"moved": moved}


def summed(name, folder, sharded):
    """The same where it is shorter: nothing hides by which factor it is wrong."""
    return clipped(name, folder, sharded, share=0.02)


def outcomes(_name, folder, sharded):
    """An ORM."""
    orm = ORM.from_backbone(LM, tokenizer=TOKENIZER, seed=1)
    losses = [r.loss for r in fit(orm, sharded, training.fit_orm, **PARTS)]
    orm.save(folder)
    return figures(losses, orm.as_step_scorer().orm) | {"scores": orm.score(TRACES).tolist()}


def policy(_name, folder, sharded):
    """A policy, which is a plain transformers model."""
    lm = training.new_policy(TOKENIZER, seed=3, hidden=16, layers=2, heads=2, kv_heads=1, mlp=24)
    losses = [r.loss for r in fit(lm, sharded, training.fit_policy, tokenizer=TOKENIZER, **PARTS)]
    sharding.save(lm, folder)
    return {"losses": losses}


def twice(_name, folder, sharded):
    """A finished training is loaded, asked for scores, and trained on, in pieces as it is."""
    run = folder.parent / f"run-{folder.name}"
    for _ in fit(new(), sharded, orm_weight=0.1, checkpoint=run):
        pass
    prm = new()
    (last,) = fit(prm, sharded, orm_weight=0.1, checkpoint=run)
    prm.score(TRACES[:3])
    losses = [last.loss, *(r.loss for r in fit(prm, False, orm_weight=0.1))]
    prm.save(folder)
    return figures(losses, prm)


def resumed(_name, folder, sharded):
    """Left after three steps, resumed here, and by one process from a copy; with a best so far."""
    ends = {"validate": training.step_figures(TRACES[:9]), "validate_every": 1, "patience": 4,
            "watch": "loss", "epochs": 2} | PARTS
    undisturbed, run = new(), folder.parent / f"run-{folder.name}"
    losses = [r.loss for r in fit(undisturbed, sharded, **ends)]
    for record in fit(new(), sharded, checkpoint=run, checkpoint_every=2, **ends):
        if record.step == 3:
            break
    left = sorted(f.name for f in run.iterdir())
    if sharding.is_first():
        shutil.copytree(run, folder.parent / f"left-{folder.name}")
    prm = new()
    rest = [r.loss for r in fit(prm, sharded, checkpoint=run, checkpoint_every=100, **ends)]
    equal = all(torch.equal(sharding.whole(p), sharding.whole(q)) for p, q in zip(
        prm.model.parameters(), undisturbed.model.parameters(), strict=True))
    prm.save(folder)
    return figures(losses, prm) | {"left": left, "rest": rest, "equal": equal}


def refused(_name, _folder, sharded):
    """What cannot be sharded says so, and is not touched."""
    said = []
    tied = tiny("Llama", len(TOKENIZER), max_position_embeddings=600, tie_word_embeddings=True)
    opt = ORM.from_backbone(tiny("OPT", len(TOKENIZER), max_position_embeddings=600),
                            tokenizer=TOKENIZER)
    for run in (fit(tied, sharded, training.fit_policy, tokenizer=TOKENIZER),
                fit(opt, sharded, training.fit_orm)):
        try:
            next(run)
        except ValueError as error:
            said.append(str(error))
    return {"said": said, "touched": sharding.is_sharded(tied) or sharding.is_sharded(opt.model)}


CASES = dict.fromkeys(OPTIONS, one) | {case.__name__: case for case in (
    again, clipped, summed, outcomes, policy, twice, resumed, refused)}


def every(folder, rank, sharded):
    """Run all cases; each writes what this process saw."""
    kind = "sharded" if sharded else "whole"
    for name, case in CASES.items():
        (folder / name).mkdir(exist_ok=True)
        seen = case(name, folder / name / kind, sharded)
        (folder / name / f"{kind}-{rank}.json").write_text(json.dumps(seen))


def main(folder, port):
    """Both processes, then one; a process that fails ends the other."""
    torch.set_num_threads(1)
    block_masks.compiled = partial(block_masks.compiled, backend="eager")  # no C++ compiler
    children = []
    for rank in range(2):
        children.append(os.fork())
        if not children[-1]:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                           "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                           "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
            code = 1
            try:
                every(folder, rank, True)
                code = 0
            finally:  # a forked process ends here, whatever happened
                if code:
                    traceback.print_exc()
                os._exit(code)
    while children:
        ended, status = os.wait()
        children.remove(ended)
        if status:
            for other in children:
                os.kill(other, signal.SIGKILL)
            sys.exit("one of the two processes failed")
    every(folder, 0, False)
    for kind in ("whole", "sharded"):  # what two processes left, one goes on with
        prm, left = new(), folder / "resumed" / f"left-{kind}"
        ends = {"validate": training.step_figures(TRACES[:9]), "validate_every": 1, "patience": 4,
                "watch": "loss", "epochs": 2} | PARTS
        losses = [r.loss for r in fit(prm, False, checkpoint=left, **ends)]
        (folder / "resumed" / f"alone-{kind}.json").write_text(json.dumps(figures(losses, prm)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
