"""Kill a training again and again, and see that it ends at the weights of an undisturbed one.

    python scripts/kill_training.py [--kills 30] [--json FILE]

A process trains a tiny PRM, with dropout, joint outcome head, validation, patience and checkpoints,
and gets SIGKILL at a random instant; the next one goes on from what it finds. A run that comes to
its end must leave the bytes of the undisturbed run's weights; then a new run begins, until all kills
are spent. No kill may leave a folder that the next process refuses. Exits with 1 if any differs.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save
from transformers import Qwen3Config, Qwen3ForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prmlab import checker, problems, tokens, training  # noqa: E402
from prmlab.rewards import PRM  # noqa: E402
from prmlab.traces import Trace  # noqa: E402

SEED = 0


def material(n_problems: int) -> list[Trace]:
    """Labelled traces, three a problem: right, with a slip in the first step, with one in the last."""
    found = []
    for solved in map(problems.solve, problems.mix(n_problems, seed=SEED)):
        for i in (None, 0, -1):
            steps = list(solved.steps)
            if i is not None:
                steps[i] = steps[i][:-1] + str((int("0" + steps[i][-1:]) + 1) % 10) if (
                    steps[i][-1:].isdigit()) else steps[i] + " 1"
            found.append(Trace(solved.problem, tuple(steps), True))
    return checker.labelled(found)


def train(folder: Path, data: list[Trace]) -> bytes:
    """Train to the end, or go on; the weights as bytes."""
    tokenizer = tokens.build()
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        lm = Qwen3ForCausalLM(Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, head_dim=16, attention_dropout=0.1,
            pad_token_id=tokenizer.pad_token_id, tie_word_embeddings=False))
    prm = PRM.from_backbone(lm, tokenizer=tokenizer, seed=SEED)
    for _ in training.fit_prm(data[:-30], base=prm, epochs=3, seed=SEED, batch_size=6, together=3,
                              warmup=5, orm_weight=0.3, checkpoint=folder, checkpoint_every=2,
                              validate=training.step_figures(data[-30:]), validate_every=10,
                              patience=50, device="cpu"):
        pass
    return save({name: p.detach().contiguous() for name, p in prm.model.named_parameters()})


def spawn(folder: Path, data: list[Trace], out: Path) -> int:
    """A process that trains; it has all imports already, so that kills hit the training."""
    process = os.fork()
    if process:
        return process
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        out.write_bytes(train(folder, data))
    except (OSError, ValueError, RuntimeError) as error:
        out.with_suffix(".error").write_text(repr(error))
    finally:
        os._exit(0)


def kill_often(kills: int, data: list[Trace], rng: random.Random, folder: Path) -> dict:
    """What that many kills did."""
    began = time.monotonic()
    os.waitpid(spawn(folder / "whole", data, folder / "whole.bytes"), 0)
    life, whole = time.monotonic() - began, (folder / "whole.bytes").read_bytes()
    spent = midway = run = 0
    wrong: list[str] = []
    while spent < kills or (folder / str(run)).exists():
        out = folder / f"{run}.bytes"
        process, end = spawn(folder / str(run), data, out), time.monotonic() + (
            rng.uniform(0, life) if spent < kills else 60 + 20 * life)
        while not (ended := os.waitpid(process, os.WNOHANG)[0]) and time.monotonic() < end:
            time.sleep(0.002)
        if not ended:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            spent += 1
            midway += any((folder / str(run)).glob("step-*"))
            continue
        if out.with_suffix(".error").exists():
            wrong.append(out.with_suffix(".error").read_text())
        elif not out.exists() or out.read_bytes() != whole:
            wrong.append(f"run {run} ended at other weights")
        run += 1
    return {"kills": spent, "kills with a checkpoint on disk": midway, "runs to their end": run,
            "seconds undisturbed": round(life, 2), "bytes of weights": len(whole), "wrong": wrong}


def main() -> int:
    """Kill, and tell."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", type=Path, help="write what was found there, too")
    options = parser.parse_args()
    torch.set_num_threads(1)  # threads would not survive a fork
    with tempfile.TemporaryDirectory() as folder:
        found = kill_often(options.kills, material(30), random.Random(options.seed), Path(folder))
    print(f"{found['kills']} kills, {found['runs to their end']} runs came to their end; "
          + ("; ".join(found["wrong"]) or "all at the weights of the undisturbed run"))
    if options.json:
        record = {"command": "python " + " ".join(sys.argv), "seed": options.seed, **found}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
