"""A PRM trained four ways: python scripts/benchmark_training.py --peer-python PYTHON [--json FILE].

Same base, same labelled traces (8 a problem, sampled from the policy), same epochs, optimizer steps,
AdamW, rate and clipping; each training is a process of its own.

    trl         TRL 1.13's PRMTrainer, the last there was: no gradient checkpointing, traces sorted by
                length where that is faster, in the fastest of several batch sizes (gradients
                accumulated to the same optimizer batch); tried first, on some of the traces
    padded      the plain loop: shuffled, padded batches, forward, backward, step
    ours        `training.fit_prm(together=8, optimizer=adamw)`: a problem's traces in one batch
    ours apart  the same with together=1: a problem's traces wherever the order puts them
    ours compiled  on a GPU: distinct tokens under a block mask, layers compiled; the seconds to the first
                step, nearly all of them the compiler's, count, and stand beside as well

TRL needs an environment of its own: one with torch and transformers as here, `trl==1.13.0` and
`datasets`, named by --peer-python; without it that way is left out. Validation loss and first-error
F1 (at 0.5, and at the best threshold) are of the same held-out traces by the same function. --seeds
trainings of each way (another head, another order) tell a difference of ways from luck: it is shown
with a 95 % t interval over the seeds that both have. With --clock cpu the processor's time counts:
for a busy machine, with --threads 1. The time is that of training alone (TRL's without its
tokenizing, the others' with it); memory is the process's peak, or the GPU's.

    --shape tiny      from verifier-base, 1.5 M parameters
    --shape 100m      106 M parameters in SmolLM2-135M's shape, of which verifier-base's are a part
                      that computes what it did (`grown`)
    --precision bf16  products in bfloat16, of all ways
    --device cuda     on a GPU; batches must be large there, as in: --shape 100m --precision bf16
                      --batch-size 512 --rows 128 --epochs 1 --trial 1024 --seeds 3 --data FILE,
                      where elsewhere --sample FILE --problems 2048 has written it
"""

import argparse
import json
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import AutoModelForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from grown import grown  # noqa: E402

from prmlab import (  # noqa: E402
    catalog,
    checker,
    muon,
    pretrained,
    problems,
    thresholds,
    tokens,
    traces,
    training,
)
from prmlab.rewards import PRM  # noqa: E402
from prmlab.sampling import LocalPolicy  # noqa: E402
from prmlab.traces import Trace  # noqa: E402

SEED = 0  # of the data; trainings have seeds 0, 1, ...
TRIALS = [(size, how) for how in ("random", "group_by_length") for size in (8, 32, 128, 512)]
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}  # by the number of seeds
# The best of 3e-5, 1e-4, 3e-4 and 1e-3 for 100m, on traces of training problems not learned from.
SETTINGS = {"tiny": {"lr": 0.001, "warmup": 4}, "100m": {"lr": 0.001, "warmup": 4}}


def fresh(options: argparse.Namespace) -> PRM:
    """The model that all ways begin with: of one body, with the seed's head."""
    lm, tokenizer = pretrained.load(AutoModelForCausalLM, "ForCausalLM", "verifier-base",
                                    device="cpu")
    if options.shape == "100m":
        lm = grown(lm, seed=SEED)
    prm = PRM.from_backbone(lm, tokenizer=tokenizer, seed=options.seed)
    prm.model.to(options.device)
    return prm


def sampled(n_problems: int, n_samples: int = 8) -> list[Trace]:
    """Labelled traces of training problems of the reward models' families."""
    policy = LocalPolicy.load("policy", max_new_tokens=160, device="cpu")
    made = problems.mix(n_problems, seed=SEED + 5, families=("stories", "equations"))
    rows = policy.complete([Trace(p, ()) for p in made], n_samples, seed=SEED)
    return checker.labelled(t for row in rows for t in row if t.steps)


def train_ours(prm: PRM, data: Sequence[Trace], options: argparse.Namespace, *,
               together: int = 8, **how: Any) -> dict:
    """`fit_prm`, traces of a problem together; what its records say."""
    began, first = clock_of(options)(), None
    for record in training.fit_prm(
            data, base=prm, epochs=options.epochs, seed=options.seed, decay=1.0,
            batch_size=options.batch_size, together=together, weight_decay=0.0,
            optimizer=muon.adamw, device=options.device, precision=options.precision,
            **how, **SETTINGS[options.shape]):
        first = clock_of(options)() - began if first is None else first
    return {"first_step": round(first, 2), "padding": round(record.padding, 4),
            "distinct": round(record.unique_tokens_per_s / record.tokens_per_s, 4),
            "peak_share": record.peak_share}


def train_padded(prm: PRM, data: Sequence[Trace], options: argparse.Namespace) -> dict:
    """The loop that one writes first."""
    model, n, step = prm.model.train(), options.batch_size, 0
    half = options.precision == "bf16"
    optimizer = muon.adamw(model, lr=1.0, weight_decay=0.0)
    n_steps = options.epochs * -(-len(data) // n)
    for epoch in range(options.epochs):
        order = list(data)
        Random(f"{options.seed}/{epoch}").shuffle(order)
        for first in range(0, len(order), n):
            batch = order[first:first + n]
            optimizer.param_groups[0]["lr"] = training.learning_rate(
                step, n_steps, decay=1.0, **SETTINGS[options.shape])
            n_labels = sum(len(t.steps) for t in batch)
            for some in (batch[i:i + options.rows] for i in range(0, len(batch), options.rows)):
                rows = padded(prm, some, options.device)
                with torch.autocast(options.device, dtype=torch.bfloat16, enabled=half):
                    loss = model(**rows).loss
                (loss * (sum(len(t.steps) for t in some) / n_labels)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
    return {}


def padded(prm: PRM, batch: Sequence[Trace], device: str) -> dict[str, torch.Tensor]:
    """Ids, mask and labels of these traces, [B, T] each."""
    encoded = [tokens.encode(prm.tokenizer, t) for t in batch]
    ids = torch.zeros(len(batch), max(len(e.ids) for e in encoded), dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (trace, e) in enumerate(zip(batch, encoded, strict=True)):
        ids[row, :len(e.ids)] = torch.tensor(e.ids)
        mask[row, :len(e.ids)] = 1
        labels[row, list(e.step_ends)] = torch.tensor([int(y >= 0) for y in trace.labels])
    return {name: x.to(device) for name, x in (
        ("input_ids", ids), ("attention_mask", mask), ("labels", labels))}


def train_trl(prm: PRM, data: Sequence[Trace], options: argparse.Namespace, *,
              size: int = 32, sampling: str = "random") -> dict:
    """PRMTrainer, whose rows must be ours; the seconds without its tokenizing."""
    from datasets import Dataset
    from trl.experimental.prm import PRMConfig, PRMTrainer

    rows = Dataset.from_dict({"prompt": [t.problem.text for t in data],
                              "completions": [list(t.steps) for t in data],
                              "labels": [[y >= 0 for y in t.labels] for t in data]})
    settings = SETTINGS[options.shape]
    with tempfile.TemporaryDirectory() as folder:
        config = PRMConfig(
            output_dir=folder, per_device_train_batch_size=size,
            gradient_accumulation_steps=max(1, options.batch_size // size),
            train_sampling_strategy=sampling, num_train_epochs=options.epochs,
            learning_rate=settings["lr"], warmup_steps=settings["warmup"],
            lr_scheduler_type="linear", weight_decay=0.0, optim="adamw_torch_fused",
            gradient_checkpointing=False, bf16=options.precision == "bf16",
            use_cpu=options.device == "cpu", max_length=4096,
            save_strategy="no", report_to=[], disable_tqdm=True, logging_steps=10**6,
            seed=options.seed)
        trainer = PRMTrainer(model=prm.model, args=config, train_dataset=rows,
                             processing_class=prm.tokenizer)
        ours = {e.ids for e in tokens.encode_many(prm.tokenizer, data)}
        theirs = {tuple(row) for row in trainer.train_dataset["input_ids"]}
        if ours != theirs:
            raise RuntimeError("TRL's rows are not ours: the comparison would not be fair")
        clock, began = clock_of(options), clock_of(options)()
        trainer.train()
        settled(options)
        return {"seconds": clock() - began}


def tuned_trl(data: Sequence[Trace], options: argparse.Namespace) -> list[dict]:
    """Seconds of each setting on some of the traces, the fastest first."""
    tried, first = [], options.device == "cuda"  # a GPU's first training loads libraries as well
    for size, how in TRIALS[:first] + [row for row in TRIALS if row[0] <= options.batch_size]:
        try:
            seconds = train_trl(fresh(options), data[:options.trial], options, size=size,
                                sampling=how)["seconds"]
        except torch.OutOfMemoryError:
            continue
        tried.append({"size": size, "sampling": how, "seconds": round(seconds, 2)})
    tried = tried[first:]
    return sorted(tried, key=lambda row: row["seconds"])


WAYS: dict[str, Callable] = {"trl": train_trl, "padded": train_padded, "ours": train_ours,
                             "ours apart": partial(train_ours, together=1),
                             "ours compiled": partial(train_ours, packed="flex", compiled=True)}


def clock_of(options: argparse.Namespace) -> Callable[[], float]:
    """The clock asked for."""
    return time.process_time if options.clock == "cpu" else time.perf_counter


def settled(options: argparse.Namespace) -> None:
    """Wait for what a GPU was asked to do."""
    if options.device == "cuda":
        torch.cuda.synchronize()


def measure(options: argparse.Namespace) -> dict:
    """Train one way in this process; what it took and what came of it."""
    torch.set_num_threads(options.threads)
    clock = clock_of(options)
    data, prm = list(traces.read_jsonl(options.data)), fresh(options)
    chosen = json.loads(options.chosen)
    if options.way == "trl" and not chosen:
        tried = tuned_trl(data, options)
        chosen = {"size": tried[0]["size"], "sampling": tried[0]["sampling"]}
        return {"tried": tried, "chosen": chosen}
    n_tokens = sum(len(e.ids) for e in tokens.encode_many(prm.tokenizer, data)) * options.epochs
    began = clock()
    said = WAYS[options.way](prm, data, options, **chosen)
    settled(options)
    spent = said.pop("seconds", None) or clock() - began
    peak = torch.cuda.max_memory_allocated() / 2**20 if options.device == "cuda" else (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return {"seed": options.seed, "seconds": round(spent, 2),
            "tokens_per_s": round(n_tokens / spent, 1), "peak_mb": round(peak), **said,
            **validated(prm, options.validate)}


def validated(prm: PRM, n: int) -> dict:
    """Figures on the first `n` validation traces; none for 0."""
    if not n:
        return {}
    held_out = list(traces.read_jsonl(catalog.path("traces/validation.jsonl")))[:n]
    prm.model.eval()
    first = [next((i for i, y in enumerate(t.labels) if y < 0), None) for t in held_out]
    figures = training.step_figures(held_out)(prm)
    best = thresholds.choose_threshold(prm.score(held_out), first)
    return {**{name: round(x, 4) for name, x in figures.items()}, "best f1": round(best.f1, 4)}


def spawn(way: str, seed: int, chosen: dict, options: argparse.Namespace, data: Path) -> dict:
    """`measure` in a process of its own; what the .part file has already is not run again."""
    given = {"way": way, "seed": seed, "chosen": json.dumps(chosen)} | {
        name: getattr(options, name.replace("-", "_")) for name in (
            "shape", "problems", "epochs", "threads", "batch-size", "rows", "clock", "validate",
            "trial", "device", "precision")}
    part = options.json.with_suffix(".part") if options.json else None
    known = [json.loads(line) for line in part.open()] if part and part.exists() else []
    of = str(options.data or "")  # whose traces; none are named where they follow from the seed
    if found := next((row["found"] for row in known
                      if row["given"] == given and row.get("data", "") == of), None):
        return found
    python = options.peer_python if way == "trl" else sys.executable
    done = subprocess.run([python, __file__, "--data", data, *(
        x for name, value in given.items() for x in (f"--{name}", str(value)))],
        stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(way, json.dumps(found), file=sys.stderr, flush=True)
    if part:
        with part.open("a") as file:
            file.write(json.dumps({"given": given, "data": of, "found": found}) + "\n")
    return found


def compare(options: argparse.Namespace, folder: Path) -> dict:
    """All ways, seed by seed: one after the other, or by the processor's clock two at once."""
    data = options.data or folder / "data.jsonl"
    made = traces.read_jsonl(data) if options.data else sampled(options.problems)
    if not options.data:
        traces.write_jsonl(data, made)
    absent = {"trl": not options.peer_python, "ours compiled": options.device == "cpu"}
    ways = [way for way in options.ways if not absent.get(way)]
    tuned = spawn("trl", 0, {}, options, data) if "trl" in ways else {"chosen": {}}
    seeds = {way: min(options.seeds, options.padded_seeds) if way == "padded" else options.seeds
             for way in ways}
    with ThreadPoolExecutor(2 if options.clock == "cpu" else 1) as pool:
        jobs = {(way, seed): pool.submit(spawn, way, seed, tuned["chosen"] if way == "trl" else {},
                                         options, data)
                for seed in range(options.seeds) for way in ways if seed < seeds[way]}
        found = {way: [jobs[way, seed].result() for seed in range(seeds[way])] for way in ways}
    n_steps = options.epochs * -(-len(made) // options.batch_size)
    return {"shape": options.shape, "traces": len(made), "labels": sum(len(t.steps) for t in made),
            "epochs": options.epochs, "steps": n_steps, "batch_size": options.batch_size,
            "clock": options.clock, "threads": options.threads, "device": options.device,
            "precision": options.precision, "settings": SETTINGS[options.shape], "trl": tuned,
            "summary": {way: summary(rows, found["ours"]) for way, rows in found.items()},
            "ways": found}


def summary(rows: Sequence[dict], ours: Sequence[dict]) -> dict:
    """Medians of speed and means of figures over the seeds; differences as ours less this way."""
    found = {name: statistics.median(row[name] for row in rows)
             for name in ("seconds", "tokens_per_s", "peak_mb")}
    found["ours is faster by"] = round(statistics.median(
        a["seconds"] / b["seconds"] for a, b in zip(rows, ours, strict=False)), 2)
    if "first_step" in rows[0]:
        found["first_step"] = statistics.median(row["first_step"] for row in rows)
    for name in ("loss", "f1", "best f1") if "loss" in rows[0] else ():
        found[name] = round(statistics.mean(row[name] for row in rows), 4)
        found[f"ours less this: {name}"] = less(ours, rows, name)
    return found


def less(rows: Sequence[dict], others: Sequence[dict], name: str) -> list[float | None]:
    """Mean difference of a figure over the seeds that both have, and its 95 % t interval."""
    gaps = [a[name] - b[name] for a, b in zip(rows, others, strict=False)]
    mean = statistics.mean(gaps)
    if len(gaps) < 2:
        return [round(mean, 4), None, None]
    wide = T_95[len(gaps)] * statistics.stdev(gaps) / len(gaps) ** 0.5
    return [round(mean, 4), round(mean - wide, 4), round(mean + wide, 4)]


def table(found: dict) -> list[str]:
    """A line a way: its medians and means, and what ours is beside it."""
    lines = [f"{'':14}{'seconds':>9}{'tokens/s':>10}{'MB':>7}{'ours faster':>12}{'loss':>7}"
             f"{'F1':>7}{'best F1':>9}   ours less this: loss"]
    for way, row in found["summary"].items():
        gap = [float("nan") if x is None else x
               for x in row.get("ours less this: loss", [None] * 3)]
        lines.append(f"{way:14}{row['seconds']:9.1f}{row['tokens_per_s']:10,.0f}"
                     f"{row['peak_mb']:7,}{row['ours is faster by']:11.1f}x"
                     f"{row.get('loss', 0):7.3f}{row.get('f1', 0):7.3f}{row.get('best f1', 0):9.3f}"
                     f"   {gap[0]:+.3f} ({gap[1]:+.3f} to {gap[2]:+.3f})"
                     + (f"   first step {row['first_step']:.1f} s" if "first_step" in row else ""))
    return lines


def main() -> int:
    """Compare the ways, or measure one."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=tuple(SETTINGS), default="tiny")
    parser.add_argument("--peer-python", help="the Python of an environment with trl==1.13.0")
    parser.add_argument("--problems", type=int, default=128, help="8 traces each")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32, help="traces an optimizer step")
    parser.add_argument("--rows", type=int, default=64, help="of the padded loop at once")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    parser.add_argument("--trial", type=int, default=128, help="traces to choose TRL's settings on")
    parser.add_argument("--validate", type=int, default=400, help="held-out traces")
    parser.add_argument("--seeds", type=int, default=5, choices=range(1, 9), metavar="1..8")
    parser.add_argument("--padded-seeds", type=int, default=8, help="of the slowest way, at most")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("no", "bf16"), default="no")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--json", type=Path, help="write what was found there, too; until all "
                        "is done each training lies in a .part file beside it, from which a run "
                        "that was cut off goes on")
    parser.add_argument("--data", type=Path, help="train on these labelled traces instead of sampling "
                        "some, which takes a CPU a minute for 400 problems")
    parser.add_argument("--sample", type=Path, help="sample the traces into this file, and stop")
    for hidden, kind in (("way", str), ("seed", int), ("chosen", str)):
        parser.add_argument(f"--{hidden}", type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sample:
        print(traces.write_jsonl(options.sample, sampled(options.problems)), "traces written")
        return 0
    if options.way:
        print(json.dumps(measure(options)))
        return 0
    if "ours" not in options.ways:
        parser.error("--ways must hold ours, with which the others are compared")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        found = compare(options, Path(folder))
    print("\n".join(table(found)))
    if options.json:
        record = {"command": "python " + shlex.join(
            "PYTHON" if x == options.peer_python else x for x in sys.argv), "seed": SEED,
            "hardware": torch.cuda.get_device_name() if options.device == "cuda" else (
                platform.processor() or platform.machine()), "torch": torch.__version__, **found}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
        options.json.with_suffix(".part").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
