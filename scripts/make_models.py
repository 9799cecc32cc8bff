"""Train the tiny models of `data/models`, each stage on its own: python scripts/make_models.py STAGE.

Stages, in order: `policy` (one run; its snapshots are policy-weak, policy and policy-strong),
`traces` (sampled from the policy and labelled by the checker), `prm`, `orm`, `prm-large`.
Each is reproducible from its seed on the same machine, resumes where it was cut off (checkpoints in
`runs/`), and leaves a `training.json` with command, seed, hardware, minutes and validation curve.
"""

import argparse
import itertools
import json
import platform
import sys
import time
from pathlib import Path
from random import Random

import torch

from prmlab import problems, tokens, training
from prmlab.traces import Trace

ROOT = Path(__file__).resolve().parent.parent
MODELS, RUNS = ROOT / "data" / "models", ROOT / "runs"
SEED = 0
MIX = {"stories": 500, "equations": 250, "expressions": 250}
EASY, EASY_SHARE = (1, 2), 0.3  # learning to bind a name to its fact is quicker on short stories
POLICY = {"lr": 0.02, "batch_size": 32, "decay": 0.3, "warmup": 200}


def held_out_texts() -> frozenset[str]:
    """The texts of the validation and test problems: no training problem may equal one."""
    return frozenset(p.text for split in ("validation", "test") for number in range(3)
                     for p in problems.mix(3000, seed=problems.split_seed(split, number)))


def training_problems(n: int):
    """`n` training problems: half stories, short ones first, the rest from all trained lengths."""
    exclude, made = held_out_texts(), 0
    for number in itertools.count():
        seed = problems.split_seed("train", number)
        levels = EASY if made < EASY_SHARE * n else problems.TRAINED_DIFFICULTIES
        chunk = [p for family, share in MIX.items()
                 for p in problems.make(family, share, seed=seed, difficulty=levels)]
        Random(seed).shuffle(chunk)
        for problem in chunk:
            if problem.text not in exclude:
                yield problem
                made += 1
                if made == n:
                    return


def solved(n: int, seed: int = SEED):
    """Reference traces of `n` training problems; one quantity in ten aside is derived."""
    rng = Random(f"solve/{seed}")
    for problem in training_problems(n):
        yield Trace(problem, problems.family_of(problem).solve(problem, rng), True)


def greedy_accuracy(model, tokenizer, *, n: int = 150, difficulties=(1, 2, 3, 4, 5)) -> dict:
    """Share of validation problems whose reference solution is the likeliest token by token."""
    figures = {}
    for family in problems.FAMILIES:
        for level in difficulties:
            made = problems.make(family, n, seed=problems.split_seed("validation"),
                                 difficulty=level)
            right = 0
            for problem in made:
                ids = [*tokens.encode(tokenizer, problems.solve(problem)).ids,
                       tokenizer.eos_token_id]
                start = len(tokens.prompt_ids(tokenizer, problem))
                with torch.no_grad():
                    best = model(torch.tensor([ids])).logits[0].argmax(-1).tolist()
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
            "torch": torch.__version__, "python": platform.python_version()}


def write_card(folder: Path, **card) -> None:
    """The JSON sidecar of a model."""
    card = {"command": "python " + " ".join(sys.argv), "seed": SEED, "hardware": hardware(), **card}
    (folder / "training.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")


def make_policy(n_traces: int, snapshots: dict[str, int]) -> None:
    """One run over `n_traces` problems; snapshots by name after so many steps, the end is strong."""
    tokenizer = tokens.build()
    model = training.new_policy(tokenizer, seed=SEED)
    curve, began = [], time.time()
    wanted = {step: name for name, step in snapshots.items()}
    for record in training.fit_policy(solved(n_traces), base=model, tokenizer=tokenizer, n_traces=n_traces,
                                      seed=SEED, checkpoint=RUNS / "policy", checkpoint_every=1000,
                                      validate=lambda m: greedy_accuracy(m, tokenizer, n=50),
                                      validate_every=1500, **POLICY):
        if record.step % 50 == 0 or record.validation:
            curve.append(record.to_dict())
            with (RUNS / "policy.jsonl").open("a") as log:
                log.write(json.dumps(record.to_dict()) + "\n")
        name = "policy-strong" if record.step == record.n_steps else wanted.get(record.step)
        if name or record.step % 1000 == 0:
            folder = MODELS / name if name else RUNS / "snapshots" / f"{record.step:06d}"
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            write_card(folder, step=record.step, traces=record.n_traces, tokens=record.tokens,
                       minutes=round((time.time() - began) / 60, 1), arguments=POLICY,
                       curve=curve[-1:])


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("policy",))
    parser.add_argument("--traces", type=int, default=240_000)
    args = parser.parse_args()
    RUNS.mkdir(exist_ok=True)
    if args.stage == "policy":
        make_policy(args.traces, {})


if __name__ == "__main__":
    main()
