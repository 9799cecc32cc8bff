"""Train the tiny models of `data/models`, a stage at a time: python scripts/make_models.py STAGE.

Stages, in order: `policy` (one run, a snapshot every 500 steps), `pick` (policy-weak, policy and
policy-strong among the snapshots), `traces` (sampled from policy, labelled by the checker),
`surprises` (where policy-strong would not have written them), `base` (what verifiers start from),
`prm`, `orm`, `prm-large` (wider, on three times the traces). Each is reproducible from its seed on the same
machine with as many processes, resumes where it was cut off (checkpoints in `runs/`), and its
models leave a `training.json` with command, seed, hardware, minutes and curve; what each stage took
is added to `runs/minutes.jsonl`. A GPU is used if there is one. On several cores or GPUs:
torchrun --nproc_per_node 2 scripts/...
"""

import argparse
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import torch
from lessons import (
    LOOK_UPS,
    RETELLINGS,
    SPOTTING_SEEDS,
    lessons,
    noticing,
    solved,
    spotting,
    surprises,
)
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from prmlab import checker, metrics, problems, scoring, tokens, traces, training
from prmlab.rewards import PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Problem, Trace

ROOT = Path(__file__).resolve().parent.parent
MODELS, RUNS = ROOT / "data" / "models", ROOT / "runs"
SEED = 0
REWARD_SEEDS = 2_000_000  # training problems from here on are the reward models'
REWARD_MIX = {"stories": 600, "equations": 400}
REWARD = {"lr": 0.002, "batch_size": 32, "decay": 0.9, "warmup": 50}
BASE = {"lr": 0.01, "batch_size": 32, "decay": 0.5, "warmup": 50}
POLICY = {"lr": 0.02, "batch_size": 32, "decay": 0.3, "warmup": 100}
WIDE = 1216  # prm-large: with this wide an MLP a step takes 1.7 times as long, at 2.5 times the parameters
PICKED = {"policy-weak": "01500", "policy": "02000", "policy-strong": "06890"}


def greedy_accuracy(model, tokenizer, *, n: int = 150, difficulties=(1, 2, 3, 4, 5)) -> dict:
    """Share of validation problems whose reference solution is the likeliest token by token."""
    figures = {}
    for family in problems.FAMILIES:
        for level in difficulties:
            made = problems.make(family, n, seed=SEED, difficulty=level, split="validation")
            right = 0
            for problem in made:
                ids = [*tokens.encode(tokenizer, problems.solve(problem)).ids,
                       tokenizer.eos_token_id]
                start = len(tokens.prompt_ids(tokenizer, problem))
                with torch.no_grad():
                    best = model(torch.tensor([ids], device=model.device)).logits[0].argmax(-1).tolist()
                right += best[start - 1:-1] == ids[start:]
            figures[f"{family}-{level}"] = right / n
    return figures


def hardware() -> dict:
    """What the run was made on."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines()
                  if line.startswith("model name")]
        name = models[0] if models else name
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": name, "threads": torch.get_num_threads(), "gpu": gpu,
            "processes": int(os.environ.get("WORLD_SIZE", 1)),
            "torch": torch.__version__, "python": platform.python_version()}


def is_main() -> bool:
    """Whether this is the only process, or the first of several (`accelerate launch`)."""
    return int(os.environ.get("RANK", 0)) == 0


def write_card(folder: Path, **card) -> None:
    """The JSON sidecar of a model."""
    card = {"command": "python " + " ".join(sys.argv), "seed": SEED, "hardware": hardware(), **card}
    (folder / "training.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")


def make_policy(n_traces: int) -> None:
    """One run from random weights over `n_traces` problems; a snapshot every 500 steps."""
    tokenizer, began = tokens.build(), time.time()
    model = training.new_policy(tokenizer, seed=SEED)
    for record in training.fit_policy(lessons(n_traces), base=model, tokenizer=tokenizer,
                                      n_traces=LOOK_UPS + RETELLINGS + n_traces, seed=SEED, checkpoint=RUNS / "policy",
                                      checkpoint_every=500, validate_every=500,
                                      validate=lambda m: greedy_accuracy(m, tokenizer, n=40),
                                      **POLICY):
        if not is_main():
            continue
        if record.step % 50 == 0 or record.validation:
            with (RUNS / "policy.jsonl").open("a") as log:
                log.write(json.dumps(record.to_dict()) + "\n")
        if record.step % 500 == 0 or record.step == record.n_steps:
            folder = RUNS / "snapshots" / f"{record.step:05d}"
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            write_card(folder, step=record.step, traces=record.n_traces, tokens=record.tokens,
                       arguments=POLICY, minutes=round((time.time() - began) / 60, 1))


def pick_policies() -> None:
    """Name three snapshots, and write beside each its pass@1 on validation problems."""
    made = problems.mix(300, seed=SEED, split="validation")
    for name, snapshot in PICKED.items():
        folder = RUNS / "snapshots" / snapshot
        shutil.copytree(folder, MODELS / name, dirs_exist_ok=True)
        policy = LocalPolicy.load(MODELS / name, max_new_tokens=160)
        rows = policy.complete([Trace(p, ()) for p in made], 2, seed=SEED)
        outcomes = [training.outcome(t) for row in rows for t in row]
        card = json.loads((folder / "training.json").read_text())
        lines = (RUNS / "policy.jsonl").read_text().splitlines()
        card |= {"snapshot": snapshot, "validation pass@1": round(float(np.mean(outcomes)), 4),
                 "curve": [json.loads(line) for line in lines][::4]}
        (MODELS / name / "training.json").write_text(
            json.dumps(card, indent=1, sort_keys=True) + "\n")
        print(f"{name}: pass@1 {np.mean(outcomes):.3f} on {len(made)} validation problems")


def reward_problems(n: int, *, part: int) -> list[Problem]:
    """`n` training problems of the reward models' families, none of which the policy was taught."""
    made: list[Problem] = []
    seed = REWARD_SEEDS + 1000 * part
    while len(made) < n:
        chunk = [p for family, share in REWARD_MIX.items()
                 for p in problems.make(family, share, seed=seed, split="train")]
        Random(seed).shuffle(chunk)
        made += chunk
        seed += 1
    return made[:n]


def make_traces(n_problems: int, n_samples: int, parts: Sequence[int]) -> None:
    """Sample and label training traces; part k of the data is the same whoever makes it."""
    policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=160)
    (RUNS / "traces").mkdir(parents=True, exist_ok=True)
    for part in parts:
        path = kept("traces", part)
        if path.exists():
            continue
        prefixes = [Trace(p, ()) for p in reward_problems(n_problems, part=part)]
        sampled = [t for row in policy.complete(prefixes, n_samples, seed=SEED) for t in row]
        traces.write_jsonl(path, checker.labelled(t for t in sampled if t.steps))
        right = sum(training.outcome(t) for t in sampled)
        print(f"{path.name}: {len(sampled)} traces, {right / len(sampled):.1%} right answers, "
              f"{sum(not t.steps for t in sampled)} without steps left out, {policy.usage}")


def kept(stage: str, part: int) -> Path:
    """Where the stage "traces" or "surprises" keeps a part."""
    return RUNS / stage / f"part-{part:02d}.{'jsonl' if stage == 'traces' else 'json'}"


def require(stage: str, parts: Sequence[int]) -> None:
    """Stop, and say what comes first, where a part of "traces" or "surprises" was not made yet."""
    missing = [part for part in parts if not kept(stage, part).is_file()]
    if missing:
        raise SystemExit(f"{kept(stage, missing[0]).relative_to(ROOT)} is not there; first: python "
                         f"scripts/make_models.py {stage} --parts {' '.join(map(str, missing))}")


def training_traces(parts: Sequence[int]) -> list[Trace]:
    """The labelled traces of these parts."""
    require("traces", parts)
    return [t for part in parts for t in traces.read_jsonl(kept("traces", part))]


def validation_traces(n_problems: int, n_samples: int = 8) -> list[Trace]:
    """Labelled traces of validation problems, sampled from the same policy."""
    policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=160)
    made = problems.mix(n_problems, seed=SEED, families=tuple(REWARD_MIX), split="validation")
    rows = policy.complete([Trace(p, ()) for p in made], n_samples, seed=SEED)
    return checker.labelled(t for row in rows for t in row if t.steps)


def step_figures(prm: PRM, held_out: Sequence[Trace]) -> dict[str, float]:
    """AUROC over steps, first-error F1 at threshold 0.5, and choice by product."""
    scores = prm.score(held_out)
    right = [y >= 0 for t in held_out for y in t.labels]
    f1 = metrics.first_error_f1([scoring.first_error(s) for s in scores],
                                [first_wrong(t.labels) for t in held_out])
    return {"step auroc": metrics.auroc(np.concatenate(scores), right), "f1": f1.f1,
            "acc_error": f1.acc_error, "acc_correct": f1.acc_correct,
            **choice_figures(held_out, [scoring.aggregate(s, "product") for s in scores])}


def first_wrong(labels: Sequence[float]) -> int | None:
    """The index of the first label below zero."""
    return next((i for i, y in enumerate(labels) if y < 0), None)


def choice_figures(held_out: Sequence[Trace], values: Sequence[float]) -> dict[str, float]:
    """AUROC within a problem, and accuracy of its highest value, beside pass@1."""
    outcomes = [training.outcome(t) for t in held_out]
    ids = [t.problem.id for t in held_out]
    by_problem: dict[str, list[tuple[float, bool]]] = {}
    for name, value, right in zip(ids, values, outcomes, strict=True):
        by_problem.setdefault(name, []).append((float(value), right))
    return {"auroc within": metrics.grouped_auroc(values, outcomes, ids),
            "best": float(np.mean([max(rows)[1] for rows in by_problem.values()])),
            "pass@1": float(np.mean(outcomes))}


def grown(name: str, **larger: int) -> PreTrainedModel:
    """The model with a larger config; layers and neurons that are new are silent at first.

    Args:
        larger: `num_hidden_layers` (the fresh ones come on top), `intermediate_size`.
    """
    small = AutoModelForCausalLM.from_pretrained(MODELS / name, local_files_only=True)
    config = type(small.config)(**{name: value for name, value in small.config.to_dict().items()
                                   if name != "layer_types"} | larger)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        large = type(small)(config)
    with torch.no_grad():
        for layer in large.model.layers:
            layer.mlp.down_proj.weight.zero_()
        for layer in large.model.layers[small.config.num_hidden_layers:]:
            layer.self_attn.o_proj.weight.zero_()
        for name, old in small.state_dict().items():
            large.state_dict()[name][tuple(slice(n) for n in old.shape)] = old
    return large


def store_in_half(folder: Path) -> None:
    """Keep weights as float16; config.json goes on to say float32, so that is what they load as."""
    path = folder / "model.safetensors"
    weights = {name: weight.half() for name, weight in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})


def make_surprises(parts: Sequence[int]) -> None:
    """Where the strong policy is surprised by the training traces; no label is looked at."""
    model = AutoModelForCausalLM.from_pretrained(MODELS / "policy-strong", local_files_only=True)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    (RUNS / "surprises").mkdir(parents=True, exist_ok=True)
    for part in parts:
        path = kept("surprises", part)
        if not path.exists():
            path.write_text(json.dumps(surprises(training_traces([part]), model, tokens.build())))


def make_base(n_traces: int, parts: Sequence[int], *, layers: int = 7) -> None:
    """What verifiers start from: the strong policy, deeper, after lessons without any label.

    Its own layers are needed to predict the next token; to compare the token that came with that
    prediction, and to carry what was found to the step's end, takes depth above them. Labels at step
    ends alone teach this slowly: a digit exchanged in a step went unnoticed after 72,000 traces.
    """
    require("traces", parts)
    require("surprises", parts)
    tokenizer = tokens.build()
    prm = PRM.from_backbone(grown("policy-strong", num_hidden_layers=layers), tokenizer=tokenizer, seed=SEED)
    exchanged = list(solved(n_traces, Random(f"spotting/{SEED}"), easy=0.0,
                            first_seed=SPOTTING_SEEDS))
    sampled = training_traces(parts)
    at = [i for part in parts for i in json.loads(kept("surprises", part).read_text())]
    found = {(t.problem.id, t.steps): i for t, i in zip(sampled, at, strict=True)}
    spotted = lesson("spotting", prm, exchanged, spotting(tokenizer, seed=SEED))
    noticed = lesson("noticing", prm, sampled, noticing(found))
    again = lesson("noticing-again", prm, sampled, noticing(found), seed=SEED + 1, lr=0.006,
                   decay=0.9)
    if is_main():
        causal = grown("policy-strong", num_hidden_layers=layers)
        causal.model.load_state_dict(prm.model.base_model.state_dict())
        causal.save_pretrained(MODELS / "verifier-base")
        tokenizer.save_pretrained(MODELS / "verifier-base")
        write_card(MODELS / "verifier-base", layers=layers, start="policy-strong",
                   arguments=BASE, spotting=spotted, noticing=noticed, noticing_again=again)


def lesson(name: str, prm: PRM, data: Sequence[Trace], make_example: training.MakeExample,
           *, seed: int = SEED, **changed: float) -> dict:
    """Train the PRM on a lesson; its figures, the loss averaged over 50 steps."""
    began, losses, log = time.time(), [], RUNS / f"{name}.jsonl"
    for record in training.fit_prm(data, base=prm, seed=seed, checkpoint=RUNS / name,
                                   make_example=make_example, **(BASE | changed)):
        losses.append(record.loss)
        if is_main() and record.step % 50 == 0:
            with log.open("a") as lines:
                lines.write(json.dumps({"step": record.step,
                                        "loss": round(float(np.mean(losses[-50:])), 4),
                                        "minutes": round((time.time() - began) / 60, 1)}) + "\n")
    return {"traces": len(data), **changed, "curve": [json.loads(row) for row in log.open()]}


def make_reward(name: str, parts: Sequence[int]) -> None:
    """Train "prm", "orm" or "prm-large" from the verifiers' base."""
    data, held_out = training_traces(parts), validation_traces(150)
    base = MODELS / "verifier-base"
    if name == "orm":
        fit, validate = training.fit_orm, lambda orm: choice_figures(held_out,
                                                                     orm.score(held_out))
    else:
        fit, validate = training.fit_prm, lambda prm: step_figures(prm, held_out)
    if name == "prm-large":
        base = PRM.from_backbone(grown("verifier-base", intermediate_size=WIDE),
                                 tokenizer=tokens.build(), seed=SEED)
    curve, began = [], time.time()
    for record in fit(data, base=base, seed=SEED, checkpoint=RUNS / name,
                      checkpoint_every=500, validate=validate, validate_every=250, **REWARD):
        if is_main() and (record.step % 100 == 0 or record.validation):
            curve.append(record.to_dict())
            with (RUNS / f"{name}.jsonl").open("a") as log:
                log.write(json.dumps(record.to_dict()) + "\n")
    if not is_main():
        return
    record.model.save(MODELS / name)
    store_in_half(MODELS / name)
    write_card(MODELS / name, traces=len(data), labels=sum(len(t.steps) for t in data),
               parts=list(parts), arguments=REWARD, curve=curve,
               minutes=round((time.time() - began) / 60, 1))


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("policy", "pick", "traces", "surprises", "base",
                                          "prm", "orm", "prm-large"))
    parser.add_argument("--traces", type=int, help="for policy (200,000) and base (48,000)")
    parser.add_argument("--parts", type=int, nargs="+",
                        help="parts of 3,000 problems x 4 traces (0 to 3; for prm-large 0 to 11)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    parts = args.parts or list(range(12 if args.stage == "prm-large" else 4))
    RUNS.mkdir(exist_ok=True)
    began = time.time()
    if args.stage == "policy":
        make_policy(args.traces or 200_000)
    elif args.stage == "pick":
        pick_policies()
    elif args.stage == "base":
        make_base(args.traces or 48_000, parts)
    elif args.stage == "traces":
        make_traces(3000, 4, parts)
    elif args.stage == "surprises":
        make_surprises(parts)
    else:
        make_reward(args.stage, parts)
    if is_main():
        took = {"stage": args.stage, "minutes": round((time.time() - began) / 60, 1), **hardware()}
        with (RUNS / "minutes.jsonl").open("a") as log:
            log.write(json.dumps(took) + "\n")
        print(f"{args.stage}: {took['minutes']} minutes on {took['gpu'] or took['cpu']}")


if __name__ == "__main__":
    main()
