"""A PRM in SmolLM2-135M's shape on a million labelled steps: python scripts/record_gpu_training.py.

It writes data/runs/gpu_training.json: tokens/s (all, and distinct), share of the device's bf16 peak,
memory, loss curve, validation figures, and the hardware's name. The weights begin at random: what is
recorded is speed, and that the loop learns at this size. Traces are labelled by construction, so
that a million steps take no sampling: solutions of the built-in families, --together of each
problem, all but one of them with a slip from some step on; steps from the slip on are wrong.

Every way of running a batch is tried first for a few steps, and the fastest is kept: distinct tokens
gathered for attention, distinct tokens under a block mask with compiled layers, padded rows, padded
rows with compiled layers. If that one fails further on, the next fastest begins anew.

    --steps       labelled steps to train on (1,000,000)
    --shape       135m, or tiny for a trial on a CPU
    --ways        those to try
    --seconds     stop after this long, and record what came until then
    --trial-seconds  how long a way may take to be tried (180)

What is known so far lies beside the result, in a .part file, until the run is over.
"""

import argparse
import json
import math
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from prmlab import gauges, muon, problems, starting, tokens, training  # noqa: E402
from prmlab.rewards import PRM  # noqa: E402
from prmlab.traces import Trace  # noqa: E402

SEED = 0
WAYS: dict[str, dict[str, Any]] = {"gathered": {"packed": True}, "padded": {"packed": False},
                                   "block mask": {"packed": "flex", "compiled": True},
                                   "padded, compiled": {"packed": False, "compiled": True}}


def smollm2_shape(tokenizer, *, seed: int, tiny: bool = False) -> LlamaForCausalLM:
    """Random weights in the shape of SmolLM2-135M with this tokenizer: 106 M in its matrices."""
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2} if tiny else {
        "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(LlamaConfig(
            vocab_size=len(tokenizer), max_position_embeddings=2048, initializer_range=0.04,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id, **shape))


def slipped(solved: Trace, at: int, rng: Random) -> Trace:
    """The solution with another last number in step `at`; it and all after it are labelled wrong."""
    def other(match: re.Match) -> str:
        return str(int(match.group()) + rng.randrange(1, 10))

    steps = list(solved.steps)
    steps[at] = re.sub(r"\d+(?=\D*$)", other, steps[at])
    labels = [1.0] * at + [-1.0] * (len(steps) - at)
    return Trace(solved.problem, tuple(steps), True).with_labels(labels, "by construction")


def material(n_steps: int, together: int, *, split: str) -> Iterator[Trace]:
    """Labelled traces with at least that many steps, `together` a problem."""
    rng, made, seed = Random(f"{split}/{SEED}"), 0, 0
    while made < n_steps:
        for problem in problems.mix(1_000, seed=seed, split=split):
            solved = problems.solve(problem)
            yield solved.with_labels([1.0] * len(solved.steps), "by construction")
            for _ in range(together - 1):
                yield slipped(solved, rng.randrange(len(solved.steps)), rng)
            made += together * len(solved.steps)
            if made >= n_steps:
                break
        seed += 1


def fresh(options: argparse.Namespace) -> PRM:
    """The PRM to begin with."""
    tokenizer = tokens.build()
    lm = smollm2_shape(tokenizer, seed=SEED, tiny=options.shape == "tiny")
    return PRM.from_backbone(lm, tokenizer=tokenizer, seed=SEED)


def fitted(options: argparse.Namespace, made: Sequence[Trace], way: str, prm: PRM, **more: Any
           ) -> Iterator[training.Record]:
    """The training's records."""
    optimizer = {"muon": muon.Muon, "adamw": muon.adamw}[options.optimizer]
    return training.fit_prm(
        made, base=prm, seed=SEED, lr=options.lr, warmup=options.warmup, decay=0.9,
        batch_size=options.batch_size, together=options.together, optimizer=optimizer,
        tokens_at_once=options.tokens_at_once, device=options.device, **WAYS[way], **more)


def tried(options: argparse.Namespace) -> dict[str, dict]:
    """Speed of each way over `--trial` steps, or what kept it from running.

    Each runs in a process of its own: a device that fails once is of no use to that process.
    """
    found = {}
    for way in options.ways:
        try:
            done = subprocess.run([sys.executable, *sys.argv, "--one", way], capture_output=True,
                                  text=True, timeout=options.trial_seconds)
            said = done.stdout.splitlines() or [""]
            if done.returncode:
                print(done.stderr[-4000:], file=sys.stderr)
            found[way] = {"error": reason(done.stderr)} if done.returncode else json.loads(said[-1])
        except subprocess.TimeoutExpired:
            found[way] = {"error": f"not done after {options.trial_seconds:.0f} s"}
        print(way, json.dumps(found[way]), file=sys.stderr, flush=True)
        keep(options, ways=found)
    return found


def reason(said: str) -> str:
    """The error in what a process said last: after it, compilers give advice."""
    lines = said.strip().splitlines() or ["killed"]
    return next((x for x in reversed(lines) if re.match(r"[\w.]*(Error|Exception|Unsupported)\b", x)),
                lines[-1])[:300]


def keep(options: argparse.Namespace, **known: Any) -> None:
    """What is known so far, for a run that is cut off."""
    part = options.json.with_suffix(".part")
    part.write_text(json.dumps({"hardware": hardware(options.device), **known}, default=str) + "\n")


def trial(options: argparse.Namespace) -> dict:
    """Speed and memory of one way."""
    some = list(islice(material(options.steps, options.together, split="train"),
                       options.trial * options.batch_size))
    speeds, began = [], time.perf_counter()
    for one in fitted(options, some, options.one, fresh(options)):
        speeds.append((one.step, one.tokens, time.perf_counter()))
    return {"steady tokens_per_s": steady(speeds),
            "distinct": round(one.unique_tokens_per_s / one.tokens_per_s, 4),
            "padding": round(one.padding, 4), "memory_mb": round(one.memory_mb),
            "seconds to the first step": round(speeds[0][2] - began, 1)}


def record(options: argparse.Namespace) -> dict:
    """Train, and keep what the records say."""
    made = list(material(options.steps, options.together, split="train"))
    held_out = list(material(2_000 if options.shape == "135m" else 100, 4, split="validation"))
    ways = tried(options)
    for best in sorted((way for way in ways if "error" not in ways[way]), reverse=True,
                       key=lambda way: ways[way]["steady tokens_per_s"] or 0):
        try:
            return {**followed(options, made, held_out, best, ways), "ways": ways, "way": best}
        except (RuntimeError, ValueError) as error:  # out of memory, no number
            ways[best]["error"] = f"{type(error).__name__}: {error}"[:300]
            print(best, ways[best]["error"], file=sys.stderr, flush=True)
    raise SystemExit(f"none of the ways ran: {ways}")


def followed(options: argparse.Namespace, made: Sequence[Trace], held_out: Sequence[Trace],
             way: str, ways: dict) -> dict:
    """The training itself, one way."""
    prm, n_steps = fresh(options), math.ceil(len(made) / options.batch_size)
    curve, began, speeds, last = [], time.perf_counter(), [], None
    for one in fitted(options, made, way, prm, validate=training.step_figures(held_out),
                      validate_every=max(1, n_steps // 5)):
        speeds.append((one.step, one.tokens, time.perf_counter()))
        if one.step % max(1, n_steps // 200) == 0 or one.validation:
            curve.append({k: v for k, v in one.to_dict().items() if v is not None})
            print(json.dumps(curve[-1]), file=sys.stderr, flush=True)
            keep(options, ways=ways, way=way, curve=curve)
        last = one
        if options.seconds and time.perf_counter() - began > options.seconds:
            break
    speed, n = steady(speeds) or 0, gauges.matrix_parameters(prm.model)
    return {"shape": options.shape, "parameters": prm.model.num_parameters(),
            "matrix parameters": n, "traces": len(made),
            "labels": sum(len(t.steps) for t in made),
            "share trained on": round(last.n_traces / len(made), 4), "optimizer": options.optimizer,
            "arguments": {"lr": options.lr, "batch_size": options.batch_size,
                          "together": options.together, "warmup": options.warmup,
                          "tokens_at_once": options.tokens_at_once, "products": str(
                              starting.rounding(None, prm.model.device) or torch.float32)},
            "seconds": round(time.perf_counter() - began, 1),
            "steady tokens_per_s": speed, "steady share of peak": gauges.share_of_peak(
                n, speed * last.unique_tokens_per_s / last.tokens_per_s, prm.model.device),
            "last": last.to_dict(), "curve": curve}


def steady(speeds: Sequence[tuple[int, int, float]]) -> int | None:
    """Tokens a second by the median step, which neither the start nor validation is in; None
    before there are three."""
    if len(speeds) < 3:
        return None
    pairs = zip(speeds, speeds[1:], strict=False)
    rates = sorted((b[1] - a[1]) / (b[2] - a[2]) for a, b in pairs)
    return round(rates[len(rates) // 2])


def hardware(device: str | None) -> dict:
    """What it ran on."""
    on_gpu = torch.cuda.is_available() and device != "cpu"
    return {"device": torch.cuda.get_device_name() if on_gpu else platform.machine(),
            "torch": torch.__version__, "transformers": transformers.__version__,
            "cuda": torch.version.cuda}


def main() -> int:
    """Record a run."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--shape", choices=("135m", "tiny"), default="135m")
    parser.add_argument("--together", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    parser.add_argument("--trial", type=int, default=12, help="steps to try each way for")
    parser.add_argument("--trial-seconds", type=float, default=180)
    parser.add_argument("--tokens-at-once", type=int, default=2**15)
    parser.add_argument("--optimizer", choices=("muon", "adamw"), default="adamw")
    parser.add_argument("--lr", type=float, default=0.0005)
    parser.add_argument("--warmup", type=int, default=50)
    parser.add_argument("--seconds", type=float, help="stop after this long")
    parser.add_argument("--device")
    parser.add_argument("--one", choices=tuple(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="data/runs/gpu_training.json by default")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(trial(options)))
        return 0
    options.json = options.json or ROOT / "data/runs/gpu_training.json"
    options.json.parent.mkdir(parents=True, exist_ok=True)
    found = {"command": "python " + " ".join(sys.argv), "seed": SEED, "hardware": hardware(options.device),
             **record(options)}
    options.json.write_text(json.dumps(found, indent=1, default=str) + "\n")
    options.json.with_suffix(".part").unlink(missing_ok=True)
    print(f"{found['share trained on']:.0%} of {found['labels']:,} labelled steps in {found['seconds']:.0f} s, "
          f"{found['steady tokens_per_s']:,} tokens/s by {found['way']}, share of peak "
          f"{found['steady share of peak']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
