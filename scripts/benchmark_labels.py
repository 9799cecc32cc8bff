"""Tokens and labels a second, four ways: python scripts/benchmark_labels.py [--json FILE].

The same model draws rollouts from the same prefixes of the same traces, as Monte Carlo labels need:

    textbook   one `generate` call a rollout, the whole prefix read again each time
    generate   HF `generate` on batches: all prefixes of some traces, left-padded, a prefix's
               rollouts by num_return_sequences; the fastest of several sizes and caches, tried first
    here       `LocalPolicy.complete` on all prefixes at once
    floor      one plain forward pass over the tokens that `here` ran and drew (each prompt that
               begins no other once, each drawn token once, so that no rollout sees its prefix), in
               batches of equal length, so without padding, of the fastest size, tried first; no
               sampling, no text

A label is one prefix with all its rollouts. The textbook is timed on some rollouts, `generate` on
the prefixes of some traces, drawn anew each time: rates are scaled from them. All but the floor end
with the rollouts as text, split into steps. Figures are medians of the runs, [least, most] beside
them; the runs of the ways alternate, so that what else the machine does hits all of them. `here`
may beat the floor: equal beginnings of a prefix's rollouts it runs once ("merged"). With --clock
cpu the processor's time counts, all threads together: for a busy machine, with --threads 1.

    --model tiny   the course's policy
    --model 100m   random weights, 113 M parameters, llama-shaped; it ends a trace with chance about
                   1/89 a token
    --quick        six traces, one run: whether it works, no figures to keep
"""

import argparse
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prmlab import problems, tokens  # noqa: E402
from prmlab.sampling import LocalPolicy  # noqa: E402
from prmlab.traces import Trace  # noqa: E402

FLOOR_BATCHES = (16, 32, 64, 128, 256)
GENERATE_TRACES = (1, 4, 16)
WAYS = ("textbook", "generate", "here", "floor")


def big(like: LocalPolicy, device: str) -> LocalPolicy:
    """A policy of 113 M random parameters with the tiny one's tokenizer."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=like.model.config.vocab_size, hidden_size=768, intermediate_size=3072,
        num_hidden_layers=12, num_attention_heads=12, max_position_embeddings=1024,
        bos_token_id=like.tokenizer.bos_token_id, eos_token_id=like.tokenizer.eos_token_id,
        pad_token_id=like.tokenizer.pad_token_id))
    return LocalPolicy(model.to(device), like.tokenizer, source="100m")


def prefixes_of(policy: LocalPolicy, n_traces: int) -> list[list[Trace]]:
    """For each of some test problems the prefixes of one trace of the policy, but the whole."""
    begun = [Trace(p, ()) for p in problems.mix(n_traces, seed=7, split="test")]
    rows = policy.complete(begun, 1, seed=7)
    return [[trace.prefix(n) for n in range(1, len(trace.steps))]
            for [trace] in rows if len(trace.steps) > 1]


class Ways:
    """The four ways over one model and one set of prefixes; each returns (new tokens, labels).

    Args:
        traces: of each trace its prefixes.
        n: rollouts of each prefix.
        textbook: rollouts that the textbook is timed on.
        generate: traces that `generate` is timed on.
    """

    def __init__(self, policy: LocalPolicy, traces: Sequence[list[Trace]], n: int, textbook: int,
                 generate: int):
        self.policy, self.model, self.tokenizer = policy, policy.model, policy.tokenizer
        self.traces, self.n, self.n_textbook = traces, n, textbook
        self.n_generate = min(generate, len(traces))
        self.prefixes = [prefix for row in traces for prefix in row]
        self.rng = np.random.default_rng(0)
        self.options: dict[str, Any] = {}

    def ids(self, prefixes: Sequence[Trace]) -> list[tuple[int, ...]]:
        return [e.ids for e in tokens.encode_many(self.tokenizer, prefixes)]

    def generate_ids(self, prompts: Sequence[tuple[int, ...]], n: int, **options: Any) -> int:
        """New tokens of one `generate` call, after splitting what was drawn into steps."""
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), self.tokenizer.pad_token_id)
        for row, prompt in zip(ids, prompts, strict=True):
            row[width - len(prompt):] = torch.tensor(prompt)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        made = self.model.generate(
            ids.to(self.model.device), attention_mask=mask.to(self.model.device), do_sample=True,
            top_k=0, num_return_sequences=n, max_new_tokens=self.policy.max_new_tokens,
            pad_token_id=self.tokenizer.pad_token_id, **options)[:, width:].tolist()
        end, n_new = self.tokenizer.eos_token_id, 0
        for row in made:
            tokens.split_ids(self.tokenizer, row)
            n_new += row.index(end) + 1 if end in row else len(row)
        return n_new

    def textbook(self) -> tuple[int, float]:
        chosen = self.rng.integers(len(self.prefixes), size=self.n_textbook)
        new = sum(self.generate_ids(self.ids([self.prefixes[i]]), 1) for i in chosen)
        return new, self.n_textbook / self.n

    def generate(self) -> tuple[int, float]:
        chosen = self.rng.choice(len(self.traces), self.n_generate, replace=False)
        traces, new = [self.traces[i] for i in chosen], 0
        at_once, cache = self.options["generate"]
        ordered = sorted(traces, key=lambda row: len(self.ids(row[-1:])[0]))
        for first in range(0, len(ordered), at_once):
            prompts = self.ids([p for row in ordered[first:first + at_once] for p in row])
            new += self.generate_ids(prompts, self.n, cache_implementation=cache)
        return new, sum(map(len, traces))

    def here(self) -> tuple[int, float]:
        before = self.policy.usage
        rows = self.policy.complete(self.prefixes, self.n, seed=int(self.rng.integers(2**31)))
        self.usage = self.policy.usage - before
        self.last = rows
        return self.usage.new_tokens, len(self.prefixes)

    def sequences(self) -> list[int]:
        """Lengths of what `here` ran last: each prompt that begins no other, each rollout's own."""
        prompts = sorted(set(self.ids(self.prefixes)))
        ends = [a for a, b in zip(prompts, [*prompts[1:], ()], strict=True) if b[:len(a)] != a]
        known = [len(ids) for ids in self.ids(self.prefixes) for _ in range(self.n)]
        whole = self.ids([trace for row in self.last for trace in row])
        # A finished one drew its end, too, and lacks the separator that `encode` ends with.
        return [*map(len, ends), *(max(1, len(w) - k) for w, k in zip(whole, known, strict=True))]

    def floor(self) -> tuple[int, float]:
        for length, n in Counter(self.sequences()).items():
            for first in range(0, n, self.options["floor"]):
                ids = torch.full((min(self.options["floor"], n - first), length), 5,
                                 device=self.model.device)
                with torch.inference_mode():
                    self.model(input_ids=ids, use_cache=False)
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()
        return self.usage.new_tokens, len(self.prefixes)

    def tune(self, clock: Callable[[], float]) -> None:
        """Choose the batch sizes of `generate` and the floor by one run each."""
        best: dict[str, tuple[float, Any]] = {}

        def tried(name: str, option: Any, work: Callable[[], tuple[int, float]]) -> None:
            self.options[name] = option
            begun = clock()
            new, labels = work()
            rate = labels / (clock() - begun)
            print(f"tried {name} {option}: {rate:,.2f} labels/s", file=sys.stderr)
            best[name] = max(best.get(name, (0.0, None)), (rate, option), key=lambda x: x[0])

        self.here()
        for at_once in GENERATE_TRACES:
            for cache in (None, "static"):
                if at_once <= self.n_generate:
                    tried("generate", (at_once, cache), self.generate)
        for at_once in FLOOR_BATCHES:
            tried("floor", at_once, self.floor)
        self.options = {name: option for name, (_, option) in best.items()}


def hardware(device: str) -> str:
    """What the figures were measured on, in words."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return (f"{names[0] if names else platform.processor() or platform.machine()}, "
            f"{torch.get_num_threads()} thread(s), {torch.backends.cpu.get_cpu_capability()}")


def measure(ways: Ways, runs: int, clock: Callable[[], float]
            ) -> Iterator[tuple[str, float, float]]:
    """(way, tokens/s, labels/s) of every run, the ways in turn."""
    for _ in range(runs):
        for name in ("here", "floor", "generate", "textbook"):
            begun = clock()
            new, labels = getattr(ways, name)()
            spent = clock() - begun
            yield name, new / spent, labels / spent


def table(rates: dict[str, list[tuple[float, float]]]) -> Iterator[str]:
    """The lines of the table, with how many times faster each way is than the textbook's."""
    base = np.median([labels for _, labels in rates["textbook"]])
    yield f"{'way':10} {'new tokens/s':>28} {'labels/s':>28} {'x textbook':>11}"
    for name in WAYS:
        cells = []
        for column in zip(*rates[name], strict=True):
            cells.append(f"{np.median(column):,.1f} [{min(column):,.1f}, {max(column):,.1f}]")
        median = np.median([labels for _, labels in rates[name]])
        yield f"{name:10} {cells[0]:>28} {cells[1]:>28} {median / base:11,.1f}"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", choices=("tiny", "100m"), default="tiny")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="float32", help="of the weights, such as bfloat16")
    parser.add_argument("--threads", type=int, help="of torch; by default all cores")
    parser.add_argument("--traces", type=int, help="by default 200, or 4 for 100m")
    parser.add_argument("--rollouts", type=int, default=16, help="of each prefix")
    parser.add_argument("--textbook", type=int, help="rollouts timed; by default 64, 8 for 100m")
    parser.add_argument("--generate", type=int, help="traces timed; by default 16, 4 for 100m")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--quick", action="store_true", help="small, one run: does it work")
    parser.add_argument("--json", type=Path, help="write all figures there, too")
    options = parser.parse_args()
    if options.quick:
        options.runs, sizes = 1, (6, 4, 2)
    else:
        sizes = (200, 64, 16) if options.model == "tiny" else (4, 8, 4)
    for name, size in zip(("traces", "textbook", "generate"), sizes, strict=True):
        setattr(options, name, getattr(options, name) or size)
    return options


def main() -> int:
    """Measure and print the table."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    policy = LocalPolicy.load("policy", device=options.device)
    traces = prefixes_of(policy, options.traces)
    if options.model == "100m":
        policy = big(policy, options.device)
    policy.model.to(getattr(torch, options.dtype))
    ways = Ways(policy, traces, options.rollouts, options.textbook, options.generate)
    n = len(ways.prefixes)
    where = (f"{hardware(options.device)}; torch {torch.__version__}, transformers "
             f"{transformers.__version__}, {options.dtype}, {options.clock} clock")
    print(f"{options.model}: {policy.model.num_parameters() / 1e6:.1f} M parameters; "
          f"{len(traces)} traces, {n} prefixes, {n * options.rollouts:,} rollouts\n{where}")
    ways.tune(clock)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for name, *rate in measure(ways, options.runs, clock):
        rates[name].append(tuple(rate))
        print(f"{name}: {rate[0]:,.1f} new tokens/s, {rate[1]:,.2f} labels/s", file=sys.stderr)
    print("\n".join(table(rates)))
    here, floor, generate = (np.median([x for _, x in rates[name]])
                             for name in ("here", "floor", "generate"))
    merged = ways.usage.merged / ways.usage.new_tokens
    print(f"here is {here / generate:.1f} times generate {ways.options['generate']}, and takes "
          f"{floor / here:.2f} times the floor (batches of {ways.options['floor']}); "
          f"{merged:.1%} of its tokens were merged")
    if options.json:
        options.json.write_text(json.dumps({
            "model": options.model, "hardware": where, "traces": len(traces), "prefixes": n,
            "rollouts": options.rollouts, "options": ways.options, "merged": merged,
            "timed on": {"textbook": f"{options.textbook} rollouts",
                         "generate": f"{ways.n_generate} traces"},
            "new_tokens_per_s": {k: [t for t, _ in v] for k, v in rates.items()},
            "labels_per_s": {k: [x for _, x in v] for k, v in rates.items()}},
            indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
