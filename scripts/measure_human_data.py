"""How far the small world reaches: judges on traces that people marked, and a recorded run.

    python scripts/measure_human_data.py FOLDER [--prm NAME] [--json FILE]

FOLDER holds the files as `prmlab.datasets.public.fetch` or their authors name them: BIG-Bench-
Mistake (`*multistep_arithmetic.jsonl` and its like), PRMBench (`*prmbench*.jsonl`), and a recorded
best-of-N run (`crucible*.json`); what is not there is left out, and said. Judged are the first
error (ProcessBench's F1), every step (PRMScore) and the order of steps (AUROC), by four judges
that read nothing, by the arithmetic checker, and with --prm by a PRM: on the traces that it can
read, which are counted, with two of the others beside it on those same traces. Every result has a
95 % bootstrap interval over traces or problems (an accuracy Wilson's); the two halves of PRMScore
have none. Who is ahead is asked of the difference, on the traces that both judges read, redrawn for
both together (`ahead`). Without a PRM it takes ten seconds of a core, with ours forty. What is
written holds figures, names of files and their hashes, and no text of the data.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from prmlab import answers, benchmarks, catalog, claims, metrics, scoring
from prmlab.datasets import bigbench_mistake, prmbench, recorded, rows
from prmlab.intervals import Estimate, bootstrap_mean, percentiles, wilson
from prmlab.traces import Trace

MISTAKES = ("multistep_arithmetic", "tracking_shuffled_objects", "word_sorting",
            "logical_deduction", "dyck_languages")
# P(right) of every step, [S] a trace; None for a trace that the judge cannot read
Scored = Sequence[np.ndarray | None]
Judge = Callable[[Sequence[Trace]], list[np.ndarray | None]]


def always_right(traces: Sequence[Trace]) -> list[np.ndarray]:
    """Every step scores 1."""
    return [np.ones(len(t.steps)) for t in traces]


def always_step_0(traces: Sequence[Trace]) -> list[np.ndarray]:
    """The first step scores 0, the others 1."""
    return [np.r_[0.0, np.ones(len(t.steps) - 1)] for t in traces]


def random_place(traces: Sequence[Trace]) -> list[np.ndarray]:
    """One step, or none, drawn evenly, scores 0."""
    rng = np.random.default_rng(0)
    return [np.where(np.arange(len(t.steps)) == rng.integers(-1, len(t.steps)), 0.0, 1.0)
            for t in traces]


def later_worse(traces: Sequence[Trace]) -> list[np.ndarray]:
    """The later a step stands, the lower its score, evenly from 1 to 0; no step is read."""
    return [1 - np.arange(len(t.steps)) / len(t.steps) for t in traces]


def arithmetic(traces: Sequence[Trace]) -> list[np.ndarray]:
    """A step with a false arithmetic claim scores 0, any other 1."""
    return [np.array([float(all(c.holds or c.misprint for c in found))
                      for found in claims.read(t.steps, t.problem.text)]) for t in traces]


BLIND: dict[str, Judge] = {"always right": always_right, "always step 0": always_step_0,
                           "random place": random_place, "the later the worse": later_worse}
READERS = ("arithmetic checker", "prm")  # asked whether they are ahead of those


def prm_judges(name: str) -> dict[str, Judge]:
    """A PRM, and two other judges on the traces that this PRM can read."""
    from prmlab.rewards import PRM  # torch, for those who ask

    prm, known = PRM.load(name), {}

    def judge(traces: Sequence[Trace]) -> list[np.ndarray | None]:
        new = [t for t in traces if id(t) not in known]
        known.update({id(t): (t, s) for t, s in zip(new, prm.score(new, on_long="skip"))})
        return [known[id(t)][1] for t in traces]

    def beside(other: Judge, traces: Sequence[Trace]) -> list[np.ndarray | None]:
        return [s if said is not None else None
                for s, said in zip(other(traces), judge(traces), strict=True)]

    return {"prm": judge,
            "arithmetic checker on what the prm can read": partial(beside, arithmetic),
            "the later the worse on what the prm can read": partial(beside, later_worse)}


def numbers(estimate: Estimate) -> dict[str, float]:
    """An estimate for JSON."""
    return {"value": round(estimate.value, 4), "low": round(estimate.low, 4),
            "high": round(estimate.high, 4)}


def share(value: float, n: int) -> dict[str, float]:
    """A share of `n` for JSON, with Wilson's interval."""
    return numbers(Estimate(value, *wilson(round(value * n), n)))


def readable(scores: Sequence[np.ndarray | None], *others: Sequence) -> tuple[list, ...]:
    """The scores of the traces that were read, and what stands beside them in the others."""
    at = [i for i, s in enumerate(scores) if s is not None]
    return tuple([row[i] for i in at] for row in (scores, *others))


def first_errors(scores: Sequence[np.ndarray | None], true: Sequence[int | None]) -> dict:
    """ProcessBench's F1 and its two accuracies; what is defined of it where one kind is missing."""
    scores, true = readable(scores, true)
    if not scores:
        return {"n": 0}
    said = [scoring.first_error(s) for s in scores]
    if any(t is None for t in true) and any(t is not None for t in true):
        r = metrics.first_error_f1(said, true)
        return {"f1": numbers(Estimate(r.f1, r.low, r.high)),
                "acc_error": share(r.acc_error, r.n_error), "n_error": r.n_error,
                "acc_correct": share(r.acc_correct, r.n_correct), "n_correct": r.n_correct}
    hits = [float(a == b) for a, b in zip(said, true, strict=True)]
    kind = "acc_correct" if true[0] is None else "acc_error"
    return {"f1": None, kind: numbers(bootstrap_mean(hits)), "n": len(hits)}


def order(scores: Sequence[np.ndarray | None], traces: Sequence[Trace]) -> dict | None:
    """AUROC over the labelled steps; None where only right or only wrong steps were read."""
    scores, traces = readable(scores, traces)
    known = [[i for i, label in enumerate(t.labels) if label is not None] for t in traces]
    right = [[t.labels[i] >= 0 for i in at] for t, at in zip(traces, known, strict=True)]
    if len({x for row in right for x in row}) < 2:
        return None
    return numbers(benchmarks.step_auroc(
        [s[at] for s, at in zip(scores, known, strict=True)], right))


def ahead(judge: Scored, other: Scored, draw: Callable[[Sequence, Sequence], np.ndarray],
          true: Sequence) -> dict | None:
    """How far a judge is ahead of another on the traces that both read; None if undefined there.

    Args:
        judge, other: the step scores of each trace.
        draw: of scores and truths the measure of bootstrap draws, [draws], in pairs by draw; the
            first of them of all traces as they are.
        true: what is to be found, of each trace.
    """
    judge, other, true = readable(judge, other, true)
    other, judge, true = readable(other, judge, true)
    if not true:
        return None
    gaps = draw(judge, true) - draw(other, true)
    if np.isnan(gaps[0]):
        return None
    low, high = percentiles(gaps[1:], 0.95)
    return numbers(Estimate(float(gaps[0]), float(low), float(high))) | {"traces": len(true)}


def f1_draws(scores: Sequence[np.ndarray], true: Sequence[int | None]) -> np.ndarray:
    """First-error F1 as it is, then of every draw."""
    said = [scoring.first_error(s) for s in scores]
    if len({t is None for t in true}) < 2:
        return np.full(2, np.nan)
    return np.r_[metrics.first_error_f1(said, true, draws=1).f1, metrics.drawn_f1s(said, true)]


def prm_score_draws(scores: Sequence[np.ndarray], right: Sequence[Sequence[bool]]) -> np.ndarray:
    """PRMScore as it is, then of every draw; NaN where no step is wrong."""
    if all(all(row) for row in right):
        return np.full(2, np.nan)
    judged = [s >= 0.5 for s in scores]
    return np.r_[benchmarks.prm_bench(judged, right, draws=1).score.value,
                 benchmarks.drawn_prm_scores(judged, right)]


def mistakes(folder: Path, judges: Mapping[str, Judge]) -> dict:
    """BIG-Bench-Mistake by task and over all, and thresholds carried from the first task on."""
    sets = {task: list(bigbench_mistake.read(path)) for task in MISTAKES
            for path in sorted(folder.glob(f"*{task}.jsonl"))}
    if not sets:
        return {"left out": f"no *{MISTAKES[0]}.jsonl in the folder"}
    true = {task: [rows.first_error(t) for t in traces] for task, traces in sets.items()}
    found = {"traces": {task: len(traces) for task, traces in sets.items()},
             "right traces": {task: sum(x is None for x in true[task]) for task in sets}}
    given, all_true = {}, [x for task in sets for x in true[task]]
    for name, judge in judges.items():
        scores = {task: judge(traces) for task, traces in sets.items()}
        every = [t for traces in sets.values() for t in traces]
        flat = given[name] = [s for rows_ in scores.values() for s in rows_]
        kept = {task: readable(scores[task], true[task]) for task in sets}
        both = [task for task, (_, truth) in kept.items()
                if 0 < sum(x is None for x in truth) < len(truth)]
        found[name] = {
            "traces read": {task: len(kept[task][0]) for task in sets},
            "all": first_errors(flat, all_true) | {
                "auroc": order(flat, every)},
            "tasks": {task: first_errors(scores[task], true[task]) | {
                "auroc": order(scores[task], sets[task])} for task in sets}}
        if both:
            found[name] |= averages(*({task: kept[task][k] for task in both} for k in (0, 1)))
    found["ahead of"] = {name: {blind: {"f1": ahead(given[name], given[blind], f1_draws, all_true)}
                                for blind in BLIND} for name in READERS if name in given}
    return found


def averages(scores: Mapping[str, Sequence], true: Mapping[str, Sequence]) -> dict:
    """ProcessBench's average over subsets at 0.5, and F1 at a threshold from the first subset."""
    carried = benchmarks.process_bench_scores(scores, true, chosen_on=next(iter(scores)))
    at_half = benchmarks.process_bench_scores(scores, true, threshold=0.5)
    return {"average of tasks with both kinds": numbers(at_half.average),
            "threshold chosen on": carried.chosen_on, "threshold": round(carried.threshold, 4),
            "f1 at it": {task: round(r.f1, 4) for task, r in carried.subsets.items()}}


def prm_bench(folder: Path, judges: Mapping[str, Judge]) -> dict:
    """PRMBench: PRMScore by class, AUROC, and first-error F1 with right processes as controls."""
    paths, traces, controls, beyond = sorted(folder.glob("*prmbench*.jsonl")), [], [], 0
    if not paths:
        return {"left out": "no *prmbench*.jsonl in the folder"}
    for path in paths:
        reading = prmbench.read(path)
        traces += reading
        beyond += reading.notes[prmbench.OUT_OF_RANGE]
        controls += [t for t in prmbench.read(path, process="original")
                     if t.problem.facts["classification"] == "redundency"]
    classes = [t.problem.facts["classification"] for t in traces]
    right = [[label > 0 for label in t.labels] for t in traces]
    found = {"traces": len(traces), "steps": sum(map(len, right)),
             "wrong steps": sum(not x for row in right for x in row),
             "error steps beyond their trace": beyond, "controls": len(controls),
             "classes": Counter(classes)}
    true = [rows.first_error(t) for t in [*traces, *controls]]
    given = {}
    for name, judge in judges.items():
        scores = judge(traces)
        given[name] = scores, [*scores, *judge(controls)]
        kept, *beside = readable(scores, right, classes)
        if not kept:
            found[name] = {"traces read": 0}
            continue
        result = benchmarks.prm_bench([s >= 0.5 for s in kept], *beside)
        found[name] = {
            "traces read": len(kept),
            "prm_score": numbers(result.score), "f1_right": round(result.counts.f1_right, 4),
            "f1_wrong": round(result.counts.f1_wrong, 4), "auroc": order(scores, traces),
            "classes": {c: numbers(e) for c, e in result.classes.items()},
            "first error": first_errors(given[name][1], true)}
    found["ahead of"] = {name: {blind: {
        "f1": ahead(given[name][1], given[blind][1], f1_draws, true),
        "prm_score": ahead(given[name][0], given[blind][0], prm_score_draws, right),
        "classes": {c: ahead(*([s for s, own in zip(given[j][0], classes, strict=True) if own == c]
                               for j in (name, blind)), prm_score_draws,
                             [row for row, own in zip(right, classes, strict=True) if own == c])
                    for c in sorted(set(classes))}}
        for blind in BLIND} for name in READERS if name in given}
    return found


def run_figures(folder: Path) -> dict:
    """pass@1, majority, best by recorded PRM score, oracle: by our grading and as recorded."""
    paths = sorted(folder.glob("crucible*.json"))
    if not paths:
        return {"left out": "no crucible*.json in the folder"}
    problems: dict[str, list[Trace]] = {}
    for trace in recorded.read(paths[0]):
        problems.setdefault(trace.problem.id, []).append(trace)
    found: dict = {"problems": len(problems), "traces": sum(map(len, problems.values()))}
    given = {name: [answers.extract(t.text) for t in sampled]
             for name, sampled in problems.items()}
    ours = {name: [answers.equal(a, sampled[0].problem.answer) for a in given[name]]
            for name, sampled in problems.items()}
    flags = {name: [t.problem.facts["correct"] for t in sampled]
             for name, sampled in problems.items()}
    for kind, right in (("our grading", ours), ("recorded flags", flags)):
        each = {how: np.array([choose(right[name], given[name], problems[name])
                               for name in problems]) for how, choose in CHOICES.items()}
        found[kind] = {how: numbers(bootstrap_mean(values)) for how, values in each.items()}
        found[f"PRM minus majority, {kind}"] = numbers(bootstrap_mean(
            each["best by recorded PRM score"] - each["majority"]))
    found["right by us"] = sum(map(sum, ours.values()))
    found["right as recorded"] = sum(map(sum, flags.values()))
    found["differences"] = [
        {"problem": name, "trace": i, "by us": bool(us), "recorded": flag,
         "why": why(us, answer, t.problem.answer, t.text)}
        for name in problems for i, (t, answer, us, flag) in enumerate(
            zip(problems[name], given[name], ours[name], flags[name], strict=True)) if us != flag]
    found["reasons"] = Counter(d["why"] for d in found["differences"])
    return found


def why(right: bool, answer: str | None, gold: str, text: str) -> str:
    """In which way our grading differs from the flag."""
    if not right:
        last = re.findall(r"-?\d[\d,.]*", text)[-1:]
        if answer is None and last and answers.equal(last[0].rstrip(".,"), gold):
            return "no answer stated, the last number is the right one: wrong by us"
        return "no answer stated: wrong by us" if answer is None else "another answer found by us"
    for sign, kind in ((r"\\\$", "a money sign"), (r"\\left|\\right|\s", r"\left and \right")):
        if re.sub(sign, "", answer) == re.sub(sign, "", gold):
            return f"equal but for {kind}: right by us"
    return "equal in another spelling: right by us"


def majority(right: Sequence[bool], given: Sequence[str | None], _: Sequence[Trace]) -> float:
    """Share of right ones in the largest group of equal answers; equal groups count alike."""
    groups = [group for group in answers.group(given) if given[group[0]] is not None]
    largest = max((len(group) for group in groups), default=0)
    best = [np.mean([right[i] for i in group]) for group in groups if len(group) == largest]
    return float(np.mean(best)) if best else 0.0


CHOICES = {
    "pass@1": lambda right, given, traces: float(np.mean(right)),
    "majority": majority,
    "best by recorded PRM score": lambda right, given, traces: float(
        right[int(np.argmax([t.problem.facts["prm_score"] for t in traces]))]),
    "oracle": lambda right, given, traces: float(any(right)),
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prm", help="a PRM: a name of the catalogue, a folder, or a hub id")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    if not args.folder.is_dir():
        parser.error(f"no folder {args.folder}")
    began = time.time()
    judges: dict[str, Judge] = {**BLIND, "arithmetic checker": arithmetic}
    if args.prm:
        judges |= prm_judges(args.prm)
    command = "".join(["python scripts/measure_human_data.py FOLDER",
                       f" --prm {args.prm}" if args.prm else "",
                       " --json data/runs/human_data.json"])
    patterns = [*(f"*{task}.jsonl" for task in MISTAKES), "*prmbench*.jsonl", "crucible*.json"]
    result = {"command": command, "prm": args.prm,
              "files": {p.name: catalog.sha256(p) for pattern in patterns
                        for p in sorted(args.folder.glob(pattern))},
              "bigbench_mistake": mistakes(args.folder, judges),
              "prmbench": prm_bench(args.folder, judges), "recorded_run": run_figures(args.folder)}
    result["seconds"] = round(time.time() - began, 1)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
