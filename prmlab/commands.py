"""The commands that work on files of traces: label, train-prm, score, evaluate.

Each is a thin way to a function of the package. Traces are JSONL, one a line, as
`traces.write_jsonl` writes them. People get lines of text; with `--json` every line of standard
output is one JSON record. What a caller got wrong is one sentence on standard error, exit code 2;
Ctrl-C ends with 130, and with a journal or checkpoint the same command goes on. Packages are loaded by the
commands that need them, and not before: the doctor must start where they are missing.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prmlab import traces

Run = Callable[[argparse.Namespace], int]

LABEL = """\
Give every step of the traces a label, and write the traces with their labels to OUT.

  exact         the checker's truth: for problems of the built-in families
  monte-carlo   rollouts of --policy from each prefix: a step's value is the share of them that
                reach the right answer. Measures whether this policy still gets there, not truth.

example:
  python -m prmlab label sampled.jsonl labelled.jsonl --method monte-carlo --policy policy
      --rollouts 16 --kind soft --journal labels.journal"""
TRAIN = """\
Train a process reward model: P(step is right | the steps before it), read at each step's end.

DATA holds traces with labels. --base is a PRM to go on from, or a causal LM that gets a new head: a
name of the catalogue, a folder, or a hub id. Traces of a problem share their prompt: with
--together 8 up to eight stay in one batch and what they share is computed once. They teach alike:
a pass takes less time and teaches a little less (README, "Beside TRL"). --checkpoint makes the run
resumable: killed at any instant, the same command ends at the same weights. On several processes or
GPUs:  accelerate launch --multi_gpu --num_processes 8 -m prmlab train-prm ...
Each keeps a copy of the model; with --sharded, which takes --optimizer adamw, a piece of it.

examples:
  python -m prmlab train-prm labelled.jsonl --base verifier-base --out my-prm
      --validation held_out.jsonl --lr 0.002 --warmup 20
  python -m prmlab train-prm soft.jsonl --base Qwen/Qwen2.5-0.5B --out my-prm --label-kind soft
      --together 8 --optimizer adamw --lr 1e-5 --checkpoint run"""
SCORE = """\
Score every step of the traces with a PRM. One line a trace: the problem's id, the step scores, and
their aggregate.

example:
  python -m prmlab score sampled.jsonl --prm prm --aggregate product --json > scores.jsonl"""
EVALUATE = """\
Compare a PRM with the labels of held-out traces: first-error F1 (ProcessBench's metric), AUROC and
calibration error over steps. Choose the threshold on other traces (--choose-on), not on these.

example:
  python -m prmlab evaluate test.jsonl --prm my-prm --choose-on validation.jsonl"""


def add(commands: Any) -> None:
    """Add the four commands to argparse's sub-parsers."""
    for name, run, short, text, arguments in (
            ("label", label, "label the steps of traces", LABEL, _label_arguments),
            ("train-prm", train_prm, "train a process reward model on labelled traces", TRAIN,
             _train_arguments),
            ("score", score, "score the steps of traces with a PRM", SCORE, _score_arguments),
            ("evaluate", evaluate, "first-error F1, AUROC and calibration of a PRM", EVALUATE,
             _evaluate_arguments)):
        parser = commands.add_parser(name, help=short, description=text,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("data", type=Path, metavar="DATA", help="JSONL, one trace a line")
        arguments(parser)
        parser.add_argument("--json", action="store_true", help="one JSON record a line")
        parser.set_defaults(run=_guarded(run))


def label(args: argparse.Namespace) -> int:
    """Label the traces of a file."""
    from prmlab import labels

    data = traces.iter_jsonl(args.data)
    if args.method == "exact":
        if args.journal or args.adaptive:
            raise ValueError("--journal and --adaptive belong to --method monte-carlo; exact labels "
                             "ask no policy")
        found = labels.exact(data)
    else:
        from prmlab.sampling import LocalPolicy

        found = labels.monte_carlo(
            data, LocalPolicy.load(args.policy, device=args.device), n_rollouts=args.rollouts,
            seed=args.seed, adaptive=args.adaptive, journal=args.journal)
    counts = {"traces": 0, "steps": 0, "wrong": 0, "generations": 0}

    def counted():
        for one in found:
            for name, n in (("traces", 1), ("steps", len(one.steps)),
                            ("wrong", one.labels.count(-1.0)),
                            ("generations", one.cost.generations)):
                counts[name] += n
            yield one.soft if args.kind == "soft" else one.hard

    traces.write_jsonl(args.out, counted())
    _tell(args, {**counts, "out": str(args.out)},
          "{traces:,} traces, {steps:,} steps, {wrong:,} of them wrong, {generations:,} rollouts; "
          "written to {out}")
    return 0


def _label_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="where the labelled traces go")
    add("--method", choices=("exact", "monte-carlo"), default="exact")
    add("--kind", choices=("hard", "soft"), default="hard",
        help="hard: +1, 0, -1; soft: the value, in [0, 1] (train with --label-kind soft)")
    add("--policy", default="policy", help="monte-carlo: who continues the prefixes")
    add("--rollouts", type=_count, default=16, help="monte-carlo: of each prefix (%(default)s)")
    add("--adaptive", action="store_true", help="monte-carlo: stop a prefix once it is decided")
    add("--journal", type=Path, help="monte-carlo: a file to go on from after an interruption")
    add("--seed", type=int, default=0)
    add("--device", help="cpu or cuda; a GPU if there is one by default")


def train_prm(args: argparse.Namespace) -> int:
    """Train a PRM on the traces of a file, and save it."""
    from prmlab import muon, training

    if args.compiled and args.packed is True:
        raise ValueError("--compiled needs --flex: without it every batch is another graph")
    if args.lr is None and args.optimizer == "adamw":
        raise ValueError("--optimizer adamw needs --lr: 1e-5 suits a large pretrained model")
    args.lr = 0.002 if args.lr is None else args.lr
    neutral, validate = {"right": 1.0, "wrong": 0.0, "leave-out": None}[args.neutral], None
    if args.validation:
        validate = training.step_figures(_labelled(args.validation), label_kind=args.label_kind,
                                         neutral=neutral)
    args.out.mkdir(parents=True, exist_ok=True)  # what cannot be written is told before the work
    given = ("epochs", "seed", "lr", "batch_size", "together", "warmup", "decay", "label_kind",
             "orm_weight", "class_weight", "device", "precision", "on_long", "checkpoint",
             "checkpoint_every", "validate_every", "patience", "watch", "tokens_at_once", "packed", "compiled",
             "sharded")
    records = training.fit_prm(
        traces.read_jsonl(args.data), base=args.base, neutral=neutral, validate=validate,
        optimizer={"muon": muon.Muon, "adamw": muon.adamw}[args.optimizer],
        **{name: getattr(args, name) for name in given})
    for record in records:
        if _processes()[0] == 0 and (args.json or record.validation or record.step % args.every == 0
                                     or record.step == record.n_steps):
            _tell(args, record.to_dict(), _line(record))
    rank, n_processes = _processes()
    if args.sharded or rank == 0:  # a sharded model is saved by all of them
        record.model.save(args.out)
    if rank == 0:
        _tell(args, {"out": str(args.out), "processes": n_processes}, "saved to {out}")
    return 0


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--base", required=True, help="a PRM or causal LM: a name, a folder, or a hub id")
    add("--out", type=Path, required=True, help="folder for the trained PRM")
    add("--validation", type=Path, help="labelled traces to measure on as it goes")
    add("--epochs", type=_count, default=1)
    add("--batch-size", type=_count, default=32, help="traces an optimizer step (%(default)s)")
    add("--together", type=_count, default=1, help="traces of a problem kept in one batch")
    add("--optimizer", choices=("muon", "adamw"), default="muon")
    add("--lr", type=float, help="peak rate (0.002 for muon; adamw needs one: on a large model 1e-5)")
    add("--warmup", type=int, default=20, help="steps over which the rate rises (%(default)s)")
    add("--decay", type=float, default=0.9, help="last share of steps over which it falls")
    add("--label-kind", choices=("hard", "soft"), default="hard")
    add("--neutral", choices=("right", "wrong", "leave-out"), default="right",
        help="what a label 0 counts as")
    add("--class-weight", type=_weights, help='"balanced", or two numbers "WRONG,RIGHT"')
    add("--orm-weight", type=float, default=0.0, help="of a joint loss on the answer")
    add("--on-long", choices=("error", "skip"), default="error",
        help="a trace over the model's limit; skipped ones are counted, none is cut")
    add("--checkpoint", type=Path, help="folder to resume from and to write to")
    add("--checkpoint-every", type=_count, default=200, help="steps (%(default)s)")
    add("--validate-every", type=_count, default=200, help="steps (%(default)s)")
    add("--patience", type=_count, help="stop after so many validations without a better one")
    add("--watch", choices=("f1", "auroc", "loss"), default="f1", help="better in which figure")
    add("--tokens-at-once", type=_count, help="a larger batch is run in parts: less memory")
    add("--precision", choices=("no", "bf16"), help="bf16 on a GPU by default")
    add("--flex", dest="packed", action="store_const", const="flex", default=True,
        help="FlexAttention under a block mask, for a GPU; with --compiled")
    add("--compiled", action="store_true", help="compile the layers first: minutes, then faster")
    add("--sharded", action="store_true", help="each process keeps a piece of the model "
        "(FSDP2); with --optimizer adamw, under accelerate launch")
    add("--device", help="cpu or cuda; a GPU if there is one by default")
    add("--seed", type=int, default=0)
    add("--every", type=_count, default=10, help="steps between lines of text (%(default)s)")


def score(args: argparse.Namespace) -> int:
    """Score the traces of a file."""
    from prmlab import scoring
    from prmlab.rewards import PRM

    prm = PRM.load(args.prm, device=args.device)
    data = traces.read_jsonl(args.data)
    for trace, scores in zip(data, prm.score(data, on_long=args.on_long), strict=True):
        row: dict[str, Any] = {"problem": trace.problem.id, "scores": None, args.aggregate: None}
        if scores is not None:
            row |= {"scores": [round(float(s), 6) for s in scores],
                    args.aggregate: float(scoring.aggregate(scores, args.aggregate))}
        text = "too long" if scores is None else "  ".join((
            " ".join(f"{s:.2f}" for s in scores), f"{args.aggregate} {row[args.aggregate]:.3f}"))
        _tell(args, row, f"{trace.problem.id}  {text}".replace("{", "{{").replace("}", "}}"))
    return 0


def _score_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--prm", default="prm", help="a name, a folder, or a hub id (%(default)s)")
    add("--aggregate", default="product", help="min, product, mean, last, ... (%(default)s)")
    add("--on-long", choices=("error", "skip"), default="error")
    add("--device", help="cpu or cuda; a GPU if there is one by default")


def evaluate(args: argparse.Namespace) -> int:
    """Measure a PRM on labelled traces."""
    import numpy as np

    from prmlab import metrics, scoring, thresholds
    from prmlab.rewards import PRM

    prm = PRM.load(args.prm, device=args.device)
    data, threshold = _labelled(args.data), args.threshold
    if any(y is not None and 0 < y < 1 for t in data for y in t.labels):
        raise ValueError(f"{args.data} has soft labels; evaluate compares with hard ones, +1, 0, -1 "
                         "(prmlab label --kind hard)")
    if args.choose_on:
        known = _known(*_scored(prm, _labelled(args.choose_on), args.on_long)[:2])
        threshold = thresholds.choose_threshold(
            [s for _, s in known], [_first_error(t) for t, _ in known]).threshold
    data, scores, too_long = _scored(prm, data, args.on_long)
    known = _known(data, scores)
    f1 = metrics.first_error_f1([scoring.first_error(s, threshold=threshold) for _, s in known],
                                [_first_error(t) for t, _ in known],
                                groups=[t.problem.id for t, _ in known])
    pairs = [(p, y >= 0) for s, t in zip(scores, data, strict=True)
             for p, y in zip(s, t.labels, strict=True) if y is not None]
    p, right = (np.array(column) for column in zip(*pairs, strict=True))
    row = {"traces": len(data), "problems": len({t.problem.id for t in data}), "steps": len(p),
           "threshold": threshold, "f1": f1.f1, "f1_low": f1.low, "f1_high": f1.high,
           "acc_error": f1.acc_error, "acc_correct": f1.acc_correct,
           "auroc": float(metrics.auroc(p, right)) if 0 < right.sum() < len(right) else None,
           "ece": float(metrics.calibration(p, right).ece), "too_long": too_long,
           "undecided": len(data) - len(known)}
    auroc = "none, all steps are of one kind" if row["auroc"] is None else f"{row['auroc']:.3f}"
    _tell(args, row, "{traces:,} traces of {problems:,} problems, {steps:,} steps; too long and left "
          "out: {too_long:,}\nfirst-error F1 {f1:.3f} [{f1_low:.3f}, {f1_high:.3f}] at threshold "
          "{threshold:.3f}, interval over problems; first error not known: {undecided:,}\n"
          "  with an error {acc_error:.3f}, without {acc_correct:.3f}\n"
          f"AUROC over steps {auroc}, calibration error {{ece:.3f}}")
    return 0


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--prm", default="prm", help="a name, a folder, or a hub id (%(default)s)")
    add("--threshold", type=float, default=0.5, help="a step below it is wrong (%(default)s)")
    add("--choose-on", type=Path, help="labelled traces on which to choose the threshold")
    add("--on-long", choices=("error", "skip"), default="error",
        help="a trace over the model's limit; skipped ones are counted, none is cut")
    add("--device", help="cpu or cuda; a GPU if there is one by default")


def _labelled(path: Path) -> list[traces.Trace]:
    data = traces.read_jsonl(path)
    for i, trace in enumerate(data, start=1):
        if trace.labels is None:
            raise ValueError(f"{path}: trace {i} (problem {trace.problem.id!r}) has no labels to "
                             "compare with; label the file first, with: prmlab label")
    return data


def _scored(prm: Any, data: list[traces.Trace], on_long: str
            ) -> tuple[list[traces.Trace], list[Any], int]:
    """The traces that fit the model, their scores, and how many do not."""
    scores = prm.score(data) if on_long == "error" else prm.score(data, on_long=on_long)
    fitting = [trace for trace, one in zip(data, scores, strict=True) if one is not None]
    return fitting, [one for one in scores if one is not None], len(data) - len(fitting)


def _first_error(trace: traces.Trace) -> int | None:
    return next((i for i, y in enumerate(trace.labels) if y is not None and y < 0), None)


def _known(data: list[traces.Trace], scores: list) -> list[tuple[traces.Trace, Any]]:
    """Traces and their scores where the first error is known: no label is missing before it."""
    return [(t, s) for t, s in zip(data, scores, strict=True)
            if None not in t.labels[:_first_error(t)]]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, got {text!r}")
    return int(text)


def _weights(text: str) -> str | tuple[float, ...]:
    try:
        return text if text == "balanced" else tuple(float(x) for x in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError('must be balanced, or two numbers for wrong and right steps '
                                         f"such as 3,1; got {text!r}") from None


def _line(record: Any) -> str:
    figures = "".join(f"  {name} {value:.3f}" for name, value in (record.validation or {}).items())
    peak = "" if record.peak_share is None else f"  {record.peak_share:.0%} of peak"
    return (f"step {record.step:,} of {record.n_steps:,}  loss {record.loss:.4f}  "
            f"{record.tokens_per_s:,.0f} tokens/s{peak}  {record.memory_mb:,.0f} MB{figures}"
            + ("  stopped: no better" if record.stopped else ""))


def _processes() -> tuple[int, int]:
    """Which process of how many this is."""
    from accelerate.state import PartialState

    state = PartialState()
    return state.process_index, state.num_processes


def _tell(args: argparse.Namespace, record: dict[str, Any], text: str) -> None:
    print(json.dumps(_plain(record), allow_nan=False) if args.json else text.format(**record),
          flush=True)


def _plain(value: Any) -> Any:
    """What JSON can say: a number that is none becomes null."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _guarded(run: Run) -> Run:
    """The command with a caller's mistake as one sentence, and Ctrl-C as 130."""
    def guarded(args: argparse.Namespace) -> int:
        try:
            return run(args)
        except BrokenPipeError:  # whoever read the output has left, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except (ValueError, OSError) as error:
            print(f"prmlab: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            flag = {label: "journal", train_prm: "checkpoint"}.get(run)
            print("stopped" + ("" if flag is None else "; the same command goes on from what is on "
                  "disk" if getattr(args, flag) else f"; nothing was kept: with --{flag} the same "
                  "command would go on from here"), file=sys.stderr)
            return 130
    return guarded
