"""The commands that work on files of traces: label, train-prm, score, evaluate.

Each is a thin way to a function of the package. Traces are JSONL, one a line, as
`traces.write_jsonl` writes them. People get lines of text; with `--json` every line of standard
output is one JSON record. What a caller got wrong is one sentence on standard error, exit code 2;
Ctrl-C ends with 130, SIGTERM with 143, and with a journal or checkpoint the same command goes on. Packages are loaded by the
commands that need them, and not before: the doctor must start where they are missing.
"""

import argparse
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prmlab import inputs, traces

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
a pass takes half the time and teaches a little less, but with --batch-size 128 no less that could be
seen (README, "Beside TRL"). --checkpoint makes the run
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
        parser.add_argument("data", type=Path, metavar="DATA", help="JSONL, one trace a line (prmlab --help)")
        arguments(parser)
        parser.add_argument("--json", action="store_true", help="one JSON record a line")
        parser.set_defaults(run=_guarded(run))


def label(args: argparse.Namespace) -> int:
    """Label the traces of a file."""
    from prmlab import labels

    if args.method == "exact":
        if args.journal or args.adaptive:
            raise ValueError("--journal and --adaptive belong to --method monte-carlo; exact labels "
                             "ask no policy")
        found = labels.exact(inputs.begun(args.data))
    else:
        from prmlab.sampling import LocalPolicy

        found = labels.monte_carlo(
            traces.iter_jsonl(args.data), LocalPolicy.load(args.policy, device=args.device),
            n_rollouts=args.rollouts, seed=args.seed, adaptive=args.adaptive, journal=args.journal)
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
    add("--rollouts", type=inputs.count, default=16, help="monte-carlo: of each prefix (%(default)s)")
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
        validate = training.step_figures(inputs.labelled(args.validation, kind=args.label_kind),
                                         label_kind=args.label_kind, neutral=neutral)
    data = inputs.labelled(args.data, kind=args.label_kind, steps=False)
    args.out.mkdir(parents=True, exist_ok=True)  # what cannot be written is told before the work
    given = ("epochs", "seed", "lr", "batch_size", "together", "warmup", "decay", "label_kind",
             "orm_weight", "class_weight", "device", "precision", "on_long", "checkpoint",
             "checkpoint_every", "validate_every", "patience", "watch", "tokens_at_once", "packed", "compiled",
             "sharded")
    records = training.fit_prm(
        data, base=args.base, neutral=neutral, validate=validate,
        optimizer={"muon": muon.Muon, "adamw": muon.adamw}[args.optimizer],
        **{name: getattr(args, name) for name in given})
    unknown = None  # share of the tokens, once there is a model to ask
    for record in records:
        if unknown is None:
            unknown = inputs.told_unknown(data, record.model)
        if _processes()[0] == 0 and (args.json or record.validation or record.step % args.every == 0
                                     or record.step == record.n_steps):
            _tell(args, record.to_dict(), _line(record))
    rank, n_processes = _processes()
    if args.sharded or rank == 0:  # a sharded model is saved by all of them
        record.model.save(args.out)
    if rank == 0:
        left = {"n_skipped": record.n_skipped, "n_too_long": record.n_too_long}
        _tell(args, {"out": str(args.out), "processes": n_processes, "unknown": unknown, **left},
              "saved to {out}" + ("" if not any(left.values()) else "; traces left out of "
              f"{len(data):,}: {{n_skipped:,}} without a labelled step, {{n_too_long:,}} too long"))
    return 0


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--base", required=True, help="a PRM or causal LM: a name, a folder, or a hub id")
    add("--out", type=Path, required=True, help="folder for the trained PRM")
    add("--validation", type=Path, help="labelled traces to measure on as it goes")
    add("--epochs", type=inputs.count, default=1)
    add("--batch-size", type=inputs.count, default=32, help="traces an optimizer step (%(default)s)")
    add("--together", type=inputs.count, default=1, help="traces of a problem kept in one batch")
    add("--optimizer", choices=("muon", "adamw"), default="muon")
    add("--lr", type=float, help="peak rate (0.002 for muon; adamw needs one: on a large model 1e-5)")
    add("--warmup", type=int, default=20, help="steps over which the rate rises (%(default)s)")
    add("--decay", type=float, default=0.9, help="last share of steps over which it falls")
    add("--label-kind", choices=("hard", "soft"), default="hard")
    add("--neutral", choices=("right", "wrong", "leave-out"), default="right",
        help="what a label 0 counts as")
    add("--class-weight", type=inputs.weights, help='"balanced", or two numbers "WRONG,RIGHT"')
    add("--orm-weight", type=float, default=0.0, help="of a joint loss on the answer")
    add("--on-long", choices=("error", "skip"), default="error",
        help="a trace over the model's limit; skipped ones are counted, none is cut")
    add("--checkpoint", type=Path, help="folder to resume from and to write to")
    add("--checkpoint-every", type=inputs.count, default=200, help="steps (%(default)s)")
    add("--validate-every", type=inputs.count, default=200, help="steps (%(default)s)")
    add("--patience", type=inputs.count, help="stop after so many validations without a better one")
    add("--watch", choices=("f1", "auroc", "loss"), default="f1", help="better in which figure")
    add("--tokens-at-once", type=inputs.count, help="a larger batch is run in parts: less memory")
    add("--precision", choices=("no", "bf16"), help="bf16 on a GPU by default")
    add("--flex", dest="packed", action="store_const", const="flex", default=True,
        help="FlexAttention under a block mask, for a GPU; with --compiled")
    add("--compiled", action="store_true", help="compile the layers first: minutes, then faster")
    add("--sharded", action="store_true", help="each process keeps a piece of the model "
        "(FSDP2); with --optimizer adamw, under accelerate launch")
    add("--device", help="cpu or cuda; a GPU if there is one by default")
    add("--seed", type=int, default=0)
    add("--every", type=inputs.count, default=10, help="steps between lines of text (%(default)s)")


def score(args: argparse.Namespace) -> int:
    """Score the traces of a file."""
    from prmlab import scoring
    from prmlab.rewards import PRM

    prm = PRM.load(args.prm, device=args.device)
    data = inputs.read(args.data)
    inputs.told_unknown(data, prm)
    for trace, scores in zip(data, _scores(prm, args.data, data, args.on_long), strict=True):
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
    data, threshold = inputs.hard(args.data), 0.5 if args.threshold is None else args.threshold
    unknown = inputs.told_unknown(data, prm)
    if args.choose_on:
        threshold = thresholds.choose_threshold(*_judged(prm, args.choose_on, args.on_long)).threshold
    data, scores, too_long = _scored(prm, args.data, data, args.on_long)
    known = inputs.known(data, scores)
    true = [inputs.first_error(t) for t, _ in known]
    inputs.both_kinds(args.data, data, true)
    f1 = metrics.first_error_f1([scoring.first_error(s, threshold=threshold) for _, s in known],
                                true, groups=[inputs.problem(t) for t, _ in known])
    pairs = [(p, y >= 0) for s, t in zip(scores, data, strict=True)
             for p, y in zip(s, t.labels, strict=True) if y is not None]
    p, right = (np.array(column) for column in zip(*pairs, strict=True))
    row = {"traces": len(data), "problems": len({*map(inputs.problem, data)}), "steps": len(p),
           "threshold": threshold, "f1": f1.f1, "f1_low": f1.low, "f1_high": f1.high,
           "acc_error": f1.acc_error, "acc_correct": f1.acc_correct,
           "auroc": float(metrics.auroc(p, right)) if 0 < right.sum() < len(right) else None,
           "ece": float(metrics.calibration(p, right).ece), "too_long": too_long,
           "undecided": len(data) - len(known), "unknown": unknown,
           "chosen_on": None if args.choose_on is None else str(args.choose_on)}
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
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--threshold", type=float, help="a step below it is wrong (0.5)")
    one.add_argument("--choose-on", type=Path, help="labelled traces on which to choose the threshold")
    add("--on-long", choices=("error", "skip"), default="error",
        help="a trace over the model's limit; skipped ones are counted, none is cut")
    add("--device", help="cpu or cuda; a GPU if there is one by default")


def _scores(prm: Any, path: Path, data: list[traces.Trace], on_long: str) -> list[Any]:
    """The step scores of a file's traces; None for one that is too long and skipped."""
    if on_long == "skip":
        return prm.score(data, on_long=on_long)
    inputs.all_fit(path, data, prm)
    return prm.score(data)


def _scored(prm: Any, path: Path, data: list[traces.Trace], on_long: str
            ) -> tuple[list[traces.Trace], list[Any], int]:
    """The traces that fit the model, their scores, and how many do not."""
    scores = _scores(prm, path, data, on_long)
    fitting = [trace for trace, one in zip(data, scores, strict=True) if one is not None]
    return fitting, [one for one in scores if one is not None], len(data) - len(fitting)


def _judged(prm: Any, path: Path, on_long: str) -> tuple[list[Any], list[int | None]]:
    """Step scores and first errors of a file's traces, where those are known."""
    data, scores, _ = _scored(prm, path, inputs.hard(path), on_long)
    known = inputs.known(data, scores)
    errors = [inputs.first_error(t) for t, _ in known]
    inputs.both_kinds(path, data, errors)
    return [s for _, s in known], errors


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
    """The command with a caller's mistake as one sentence, Ctrl-C as 130 and SIGTERM as 143."""
    def guarded(args: argparse.Namespace) -> int:
        ended = []  # the signals that asked for an end, but for Ctrl-C
        try:
            with _ending_as_by_hand(ended):
                return run(args)
        except BrokenPipeError:  # whoever read the output has left, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except (ValueError, OSError) as error:
            print(f"prmlab: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(_stopped(run, args), file=sys.stderr)
            return 143 if ended else 130
    return guarded


@contextmanager
def _ending_as_by_hand(ended: list[int]) -> Iterator[None]:
    """Within, SIGTERM (a queue's) is a Ctrl-C, even where that is ignored (`nohup`): a step ends, a
    checkpoint is left. Not in one of several processes, whose launcher sends both."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    if (int(os.environ.get("WORLD_SIZE", "1")) > 1 or None in before
            or threading.current_thread() is not threading.main_thread()):
        yield
        return

    def by_hand(number: int, _: object) -> None:
        ended.append(number)
        signal.raise_signal(signal.SIGINT)

    def ignoring(*_: object) -> None:
        if ended:
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, by_hand)
    if before[1] is signal.SIG_IGN:
        signal.signal(signal.SIGINT, ignoring)
    try:
        yield
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)


def _stopped(run: Run, args: argparse.Namespace) -> str:
    """What an interrupt leaves of a command, and how it goes on."""
    flag = {label: "journal", train_prm: "checkpoint"}.get(run)
    if flag is None:
        return "stopped"
    where = getattr(args, flag)
    if where is None:
        return f"stopped; nothing was kept: with --{flag} the same command would go on from here"
    kept = where.is_file() or any(where.glob("step-*"))
    return "stopped; the same command " + ("goes on from what is on disk" if kept else
                                           "begins anew, for nothing was kept yet")
