# %% [markdown]
# # 01 · Outcome and process rewards
#
# An **outcome reward model** (ORM) reads a finished trace and says how likely its
# answer is to be right. A **process reward model** (PRM) says so of every step.
# The two here have the same backbone and were trained on the same traces. They
# differ in the question they were asked, and that is the subject of this page.
#
# | | |
# | --- | --- |
# | **You will** | compare an ORM with a PRM on the same traces, write the aggregations, read best-of-N curves with their intervals, find right answers with wrong steps, choose between the two |
# | **Before this** | notebook 00 |
# | **To read** | 35 minutes |
# | **To run** | 30 seconds on two cores |
# | **Live** | all traces shown, and every score, label and curve over them |
# | **Recorded** | 64 samples for each of many test problems, and two harder sets (data/runs) |

# %%
import json
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
from IPython.display import display
from prmlab import answers, catalog, checker, curves, exercises, intervals
from prmlab import metrics, plots, problems, scoring, theme, training, votes
from prmlab.rewards import ORM, PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Trace

theme.use()
SEED = 0

# %%
policy = LocalPolicy.load("policy")
orm = ORM.load("orm")
prm = PRM.load("prm")
orm, prm

# %% [markdown]
# ## Outcome and process
#
# Both models are given a problem $x$ and steps $y_0, \dots, y_{S-1}$. They answer
# different questions:
#
# | | question | what comes out |
# | --- | --- | --- |
# | ORM | is the final answer right? | one number, $P(\text{answer right} \mid x, y_0 \dots y_{S-1})$ |
# | PRM | is step $i$ right, given what stands above it? | $S$ numbers, $P(\text{step } i \text{ right} \mid x, y_0 \dots y_i)$ |
#
# The policy now writes eight traces for each of forty problems that none of the
# models has seen. All that follows on this page, except the recorded run, is
# about these traces.

# %%
N_SAMPLES = 8
made = problems.mix(40, seed=SEED, families=("stories", "equations"), split="test")
rows = policy.complete([Trace(problem, ()) for problem in made], N_SAMPLES, seed=SEED)

traces = checker.labelled(trace for row in rows for trace in row)
right = np.array([training.outcome(trace) for trace in traces])  # the answer
flawed = np.array([-1 in trace.labels for trace in traces])  # some step is wrong
orm_scores = orm.score(traces)
prm_scores = prm.score(traces)

print(f"{len(traces)} traces, {right.mean():.0%} with the right answer")

# %% [markdown]
# We take the first problem that was solved without any wrong step in one of its
# eight traces and answered wrongly in another: one trace of each kind.
#
# **Predict.** Which of the two is right? Where does the other go wrong?

# %%
solved = right.reshape(len(made), N_SAMPLES)
sound = solved & ~flawed.reshape(solved.shape)
p = (sound.any(axis=1) & ~solved.all(axis=1)).argmax()
pair = p * N_SAMPLES + np.sort([sound[p].argmax(), solved[p].argmin()])
for i in pair:
    display(replace(traces[i], labels=None))

# %% [markdown]
# Now the two models on the same two traces, beside the truth.

# %%
def judged(i, title):
    verdicts = checker.check(traces[i])
    title = f"{title} ORM, for the whole trace: {orm_scores[i]:.2f}. PRM, for each step:"
    return plots.highlight(traces[i], prm_scores[i], verdicts, title=title)

for i in pair:
    display(judged(i, "Right." if right[i] else "Wrong."))

# %% [markdown]
# The ORM's one number can prefer one trace to the other, and that is all. The PRM can
# do that too, once its scores are made into one number, and it can point at a
# step. For that it needed more labels:

# %%
n_steps = sum(len(trace.steps) for trace in traces)
print(f"labels for these traces: {len(traces)} for an ORM, {n_steps} for a PRM")

# %% [markdown]
# And dearer ones. Whether an answer is right can be looked up. Whether a step is
# right must be judged: by people, as in PRM800K; by sampling on from each step
# (notebook 04); or by a checker, in the few worlds that have one, such as this.
#
# An ORM can also be *read* after every step: how likely is a right answer, from
# here? It was asked for the outcome at the end of every step (notebook 03 shows the
# line), so a prefix is nothing new to it. But what it learned there is the chance of
# a right **answer**, not whether **this step** is right.
#
# **Predict.** The next cell takes the first trace that begins with two right steps and
# ends with a wrong answer. What will each of the two say of those right steps?

# %%
orm_steps = orm.as_step_scorer().score(traces)
late = next(i for i, trace in enumerate(traces)
            if not right[i] and len(trace.steps) > 2 and min(trace.labels[:2]) >= 0)
print(traces[late].problem.text)
print(" PRM   ORM   label")
for *row, label, step in zip(prm_scores[late], orm_steps[late],
                             traces[late].labels, traces[late].steps):
    print(f"{row[0]:.2f}  {row[1]:.2f}  {label:+4.0f}   {step}")

# %% [markdown]
# One trace may be chance. So count: of all steps before the first error, every one of
# them without fault, how many does each model doubt? The eight traces of a problem are
# alike, and no eight witnesses: the interval redraws problems.

# %%
def share_over_problems(hits, of, n=N_SAMPLES):  # counts or bits, one a trace
    hits, of = (np.reshape(x, (-1, n)).sum(axis=1) for x in (hits, of))  # [P] each
    weights = intervals.resample_weights(len(of), seed=SEED)
    low, high = intervals.percentiles((weights @ hits) / (weights @ of), 0.95)
    return f"{hits.sum() / of.sum():.1%} ({low:.1%} to {high:.1%})"

truth = [checker.first_error(trace) for trace in traces]
before = [len(t.steps) if e is None else e for t, e in zip(traces, truth)]
for name, scores in (("PRM", prm_scores), ("ORM", orm_steps)):
    doubted = [(s[:n] < 0.5).sum() for s, n in zip(scores, before)]
    share = share_over_problems(doubted, before)
    print(f"{name} doubts {share} of the steps before an error")

# %% [markdown]
# The ORM doubts a right step when few traces end well from there: because the problem
# is hard, or long. That is no fault of the ORM; it answers its own question.
#
# Does such an ORM find first errors, if nothing better is at hand? The rule for
# both: the first score below 0.5. The metric is ProcessBench's F1, the harmonic
# mean of two accuracies: on traces with an error, naming exactly the first wrong
# step; on traces without, naming none. Its intervals redraw problems, too.

# %%
of_problem = [trace.problem.id for trace in traces]
named = {}
for name, scores in (("PRM", prm_scores), ("ORM", orm_steps)):
    found = [scoring.first_error(s) for s in scores]
    f1 = metrics.first_error_f1(found, truth, groups=of_problem)
    named[name] = (f1.f1, f1.low, f1.high)

plots.aggregation_comparison(named, title="Naming the first wrong step",
                             x_title="first-error F1")

# %% [markdown]
# ## Aggregations
#
# A PRM gives $S$ numbers, but to choose between traces there must be one. How
# they are combined is a decision, and it is yours.

# %%
exercises.show("01", "aggregate")

# %%
def aggregate(step_scores, how):
    ...  # your code: one number

exercises.check("01", "aggregate", aggregate)

# %% [markdown]
# Ours, to compare with. Each rule is a function from $S$ scores to a number.

# %%
RULES = {
    "min": min,                                   # the weakest step
    "product": math.prod,                         # are all steps right?
    "mean": lambda s: sum(s) / len(s),            # the average step
    "last": lambda s: s[-1],                      # how it ended
    "max": max,                                   # the strongest step
    "geometric_mean": lambda s: math.prod(s) ** (1 / len(s)),
}

# %%
# NBVAL_CHECK_OUTPUT
for how, rule in RULES.items():
    ours = [rule(scores) for scores in prm_scores]
    package = [scoring.aggregate(scores, how) for scores in prm_scores]
    assert np.allclose(ours, package), how
    print(f"{how:15} as scoring.aggregate")

# %% [markdown]
# Four traces with made-up scores, so that we can see what the rules care about.
#
# **Predict.** For each rule: which trace wins? Decide before you run the cell.

# %%
# NBVAL_CHECK_OUTPUT
MADE_UP = {
    "long, all good": [0.93] * 9,
    "short, so-so": [0.78, 0.80],
    "one bad step": [0.98, 0.97, 0.08, 0.98, 0.97, 0.98],
    "weak start": [0.60, 0.90, 0.97, 0.99],
}
table = pd.DataFrame({name: {how: rule(scores) for how, rule in RULES.items()}
                      for name, scores in MADE_UP.items()})
print(table.round(2).assign(winner=table.idxmax(axis=1)).to_string())

# %% [markdown]
# Same scores, different winners. What each rule cannot see:
#
# - **min** forgets everything but one step: five doubtful steps cost no more than
#   one.
# - **product** is what probability theory suggests, if each score is the chance of
#   a right step after right steps. But it falls with every further step, so that
#   a short trace has an advantage it did nothing for.
# - **mean** lets many good steps pay for a wrong one.
# - **last** trusts the last score to remember all that went before.
# - **max** is blind to any mistake. It is here as a control.
# - **geometric mean** is the product with its preference for short traces removed.
#
# How large is that preference? A trace in which every step scores 0.95:

# %%
# NBVAL_CHECK_OUTPUT
for n in (2, 4, 8, 16):
    print(f"{n:2} steps: product {math.prod([0.95] * n):.2f}, min 0.95")

# %% [markdown]
# Does it matter on real scores? For each of the forty problems, each rule chooses
# one of the eight traces. In how many problems does it answer otherwise than the
# product?

# %%
given = np.reshape([t.answer and answers.normalise(t.answer) for t in traces],
                   solved.shape)
prm_values = {how: np.reshape([scoring.aggregate(s, how) for s in prm_scores],
                              solved.shape) for how in RULES}  # [P, N] each

def kept(how):
    return given[np.arange(len(made)), prm_values[how].argmax(axis=1)]

for how in RULES:
    print(f"{how:15} another answer than product in "
          f"{(kept(how) != kept('product')).sum():2} of {len(made)} problems")

# %% [markdown]
# Which rule is best is not a law of nature. It depends on what the scores mean,
# and so on the labels the PRM was trained on: for PRMs trained on Monte Carlo
# labels Zhang et al. 2025 (arXiv:2501.07301) found *last* best, for human or
# judge labels *product* or *min*. Ours was trained on exact labels.
#
# ## Best of N
#
# Sample N traces, keep the one with the highest score, answer with its answer.

# %%
exercises.show("01", "pick_best")

# %%
def pick_best(traces, how):
    ...  # your code: an index

exercises.check("01", "pick_best", pick_best)

# %% [markdown]
# First on the forty problems. Beside ORM and PRM (product) there are two lines
# that need no model: the **majority** of the answers, and the **oracle**, which
# finds a right answer whenever one is there. Nothing can be above it.
#
# **Predict.** In which order will the four lines be at N = 8?

# %%
def four_curves(correct, given, orm_values, prm_values, ns):  # each [P, N]
    return {
        "PRM": curves.best_of_n_curve(correct, prm_values, ns, seed=SEED),
        "ORM": curves.best_of_n_curve(correct, orm_values, ns, seed=SEED),
        "majority": votes.majority_curve(correct, given, ns, seed=SEED),
        "oracle": curves.oracle_curve(correct, ns, seed=SEED),
    }

# %%
live = four_curves(solved, given, orm_scores.reshape(solved.shape),
                   prm_values["product"], [1, 2, 4, 8])
plots.best_of_n(live, title=f"Best of N on {len(made)} problems, sampled just now")

# %% [markdown]
# The bands are wide: with forty problems one problem more or less is a visible
# step, and the order of the lines may be luck. So the same was recorded once, with
# more problems and more samples.

# %%
def recorded_run(name):
    lines = catalog.path(f"runs/{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]  # one problem a line

def aggregates(run, how):
    return np.array([[scoring.aggregate(s, how) for s in r["prm"]] for r in run])

# %%
# NBVAL_CHECK_OUTPUT
run = recorded_run("best_of_64")
correct = np.array([r["right"] for r in run], bool)  # [P, N]
orm_run = np.array([r["orm"] for r in run])  # [P, N]
prm_run = {how: aggregates(run, how) for how in RULES}  # [P, N] each

print(f"{correct.shape[0]} problems, {correct.shape[1]} samples each, "
      f"{correct.mean():.1%} of the answers right")

# %%
NS = [1, 2, 4, 8, 16, 32, 64]
recorded = four_curves(correct, [r["answers"] for r in run], orm_run,
                       prm_run["product"], NS)
plots.best_of_n(recorded, title=f"Best of N on {len(run)} problems, recorded")

# %% [markdown]
# Who is ahead? Two bands that overlap do not settle it, for hard problems are hard
# for both. The difference on the *same* problems does, with its own interval.

# %%
def compare(a, b, n, lines=recorded):
    gap, low, high = curves.difference(lines[a], lines[b], seed=SEED).at(n)
    stands = ("ahead of" if low > 0 else "behind" if high < 0
              else "not told apart from")
    return f"N = {n:2}: {a} {stands} {b}, {gap:+.3f} ({low:+.3f} to {high:+.3f})"

# %%
# NBVAL_CHECK_OUTPUT
for a, b in (("PRM", "ORM"), ("PRM", "majority"), ("ORM", "majority")):
    for n in (8, 64):
        print(compare(a, b, n))

# %% [markdown]
# And of all that could be gained over a single sample, what share did each get?
# The oracle is 100 %.

# %%
# NBVAL_CHECK_OUTPUT
for name in ("PRM", "ORM", "majority"):
    gain = curves.recovered_gain(recorded[name], recorded["oracle"], seed=SEED)
    top = recorded[name].n[recorded[name].mean.argmax()]
    print(f"{name:9} {gain.share[-1]:5.1%} ({gain.low[-1]:.1%} to {gain.high[-1]:.1%})"
          f" of the oracle's gain at N = {gain.n[-1]}; highest at N = {top}")
    if top < NS[-1]:
        rows = recorded[name].per_problem
        fall = intervals.bootstrap_mean(rows[:, -1] - rows[:, NS.index(top)], seed=SEED)
        print(f"          from there to N = {NS[-1]}: {fall.value:+.3f} "
              f"({fall.low:+.3f} to {fall.high:+.3f})")

# %% [markdown]
# Where a selector is highest before N = 64, it may be misled by more; ask the
# interval before you believe it. The more traces it may choose from, the more surely
# it meets the one that fools it. So look at the winners. How sure was each model of
# them, and how many of them are right?

# %%
# NBVAL_CHECK_OUTPUT
n_steps_run = np.array([[len(labels) for labels in r["labels"]] for r in run])

def winners(values):
    chosen = np.zeros_like(correct)
    np.put_along_axis(chosen, values.argmax(axis=1)[:, None], True, axis=1)
    return chosen

for name, said in (("ORM", orm_run), ("PRM, product", prm_run["product"])):
    print(f"{name:15}     says    right   steps")
    for which, these in (("all traces", np.ones_like(correct)),
                         ("winners of 64", winners(said)), ("right answers", correct)):
        print(f"  {which:15} {said[these].mean():6.3f}   {correct[these].mean():6.3f}"
              f" {n_steps_run[these].mean():7.1f}")

# %% [markdown]
# The ORM is fair over all traces and too sure of its winners: the **winner's curse**.
# A maximum looks for a scorer's errors. It is reward hacking in its simplest form:
# nobody trained anything against this ORM, we only picked what it likes best. The
# PRM's product is not too sure, but it is no chance of a right *answer*: it asks
# whether all steps are right. In notebook 03 you will watch PRMs that are cursed, and
# see what it takes to cure them.
#
# The same run compares the rules, for this PRM and these problems.
#
# **Predict.** Which rules will be told apart from the product?

# %%
by_rule = {how: curves.best_of_n_curve(correct, values, NS, seed=SEED)
           for how, values in prm_run.items()}
plots.aggregation_comparison({how: curve.at(64) for how, curve in by_rule.items()},
                             title="Best of 64 by aggregation")

# %% [markdown]
# Those intervals overlap, all but one. That does not settle it, as above: ask for the
# differences on the same problems.

# %%
# NBVAL_CHECK_OUTPUT
for how in RULES:
    if how != "product":
        print(compare(how, "product", 64, by_rule))

# %% [markdown]
# That the geometric mean comes out ahead would fit the product's preference for short
# traces. But these are five comparisons at once, and an interval that clears zero by a
# hair may be the luck of five draws. **max** is the one rule about which the run leaves
# no doubt.

# %% [markdown]
# ## Right answer, wrong steps
#
# A trace can be right by accident: two mistakes that cancel, a wrong step that did
# no harm, an answer without support.
#
# **Predict.** Of the right answers on this page, what share has at least one wrong
# step before it?

# %%
exercises.show("01", "lucky")

# %%
def lucky_share(labels, right):
    ...  # your code: a share between 0 and 1

exercises.check("01", "lucky", lucky_share)

# %% [markdown]
# The checker goes through all of them:

# %%
lucky = right & flawed
print(f"{len(traces)} traces looked at, {right.sum()} right answers, {lucky.sum()} of "
      f"them by wrong steps: {share_over_problems(lucky, right)}")

# %% [markdown]
# The first three of them, in the order in which they were sampled:

# %%
for i in np.flatnonzero(lucky)[:3]:
    display(judged(i, "Right by wrong steps."))
if not lucky.any():
    print("None here. Change SEED, or make more problems, and run the page again.")

# %% [markdown]
# What kind of step is it that goes wrong and does no harm? The reason of the first
# error in each:

# %%
reasons = Counter(next(v.reason for v in checker.check(traces[i]) if v.label < 0)
                  for i in np.flatnonzero(lucky))
for reason, count in reasons.most_common():
    print(f"{count:3}  {reason}")

# %% [markdown]
# To the ORM these traces were *good* examples: their answer is right, and that is
# all its labels say. The PRM was told which steps were wrong. So among right
# answers, can the two tell sound traces from lucky ones? AUROC is the chance that
# a sound one scores above a lucky one; 0.5 is a coin.

# %%
# NBVAL_CHECK_OUTPUT
has_error = np.array([["-" in labels for labels in r["labels"]] for r in run])
share = share_over_problems(has_error & correct, correct, correct.shape[1])
print(f"recorded: {correct.sum():,} right answers, {share} of them by wrong steps")
for name, scores in (("ORM", orm_run), ("PRM, product", prm_run["product"])):
    area = metrics.auroc(scores[correct], ~has_error[correct])
    print(f"{name:12} tells sound from lucky with AUROC {area:.2f}")

# %% [markdown]
# If the ORM does well here although nobody told it about steps, this is why: most
# traces with such a step end in a wrong answer, and from those it learns what a wrong
# step looks like. Lucky traces are the exceptions among its labels.
#
# How common is this elsewhere? On the answers that models got right, Zhang et al.
# 2025 report a wrong process behind 5.1 % on GSM8K, 11.9 % on MATH, 27.4 % on
# Olympiad problems and 43.4 % on Omni-MATH (arXiv:2501.07301). The harder the
# problem, the less a right answer says about the way to it.
#
# ## Which, when
#
# The key differences, first in words:
#
# | | ORM | PRM |
# | --- | --- | --- |
# | judges | the answer, from any step on | every step of any prefix |
# | label | one a trace, by comparing answers | one a step, by judging it |
# | says where it went wrong | badly, read after every step | yes |
# | rewards lucky traces | yes, its labels do | no, if its labels are good |
# | steers a search | by the chance of a right answer from here; not measured in this course | by the steps so far (notebook 06) |
# | needs an aggregation | no | yes, and it matters |
# | what a step is | need not be decided | must be decided |
# | how it is hacked | answers that look right | steps that look right, or few of them |
#
# Then measured, on this page and in the recorded run. AUROC comes in two forms. Over
# all traces it also rewards knowing which *problems* are easy. But best-of-N never
# compares traces of different problems; what counts there is the AUROC among the
# traces of one problem, averaged over problems.

# %%
def with_interval(mean, low, high):
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"

def auroc_within(values, right):
    mixed = right.any(axis=1) & ~right.all(axis=1)  # else nothing to compare
    areas = [metrics.auroc(*row) for row in zip(values[mixed], right[mixed])]
    mean = intervals.bootstrap_mean(areas, seed=SEED)
    return with_interval(mean.value, mean.low, mean.high)

# %%
def measured(name, model, labels, values):
    tokens = model.usage.scorer_tokens / model.usage.traces
    return {
        "labels for a trace": f"{labels:.1f}",
        "tokens read for a trace": f"{tokens:.0f}",
        "AUROC, answer right or not": f"{metrics.auroc(values.ravel(), correct.ravel()):.3f}",
        "the same, within a problem": auroc_within(values, correct),
        "best of 64": with_interval(*recorded[name].at(64)),
        "first-error F1, live": with_interval(*named[name]),
    }

pd.DataFrame({
    "ORM": measured("ORM", orm, 1, orm_run),
    "PRM, product": measured("PRM", prm, n_steps / len(traces), prm_run["product"]),
})

# %% [markdown]
# One pass over the trace is all that either costs: reading every step's score is
# free once the trace is read. The price of a PRM is in its labels.
#
# ### Where each fails
#
# Both learned to judge stories and equations of difficulty 1 to 5. Two further sets
# were recorded: longer problems than any in training, and nested expressions, a
# family that neither was trained to judge. The policy was taught to solve it.
#
# **Predict.** Which of the two suffers more, and where?

# %%
def flat(run, key):
    return [item for r in run for item in r[key]]

def on_set(name):
    run = recorded_run(name)
    right = np.array([r["right"] for r in run], bool)
    found = {"answers right": f"{right.mean():.3f}"}
    for model, values in (("ORM", np.array([r["orm"] for r in run])),
                          ("PRM, product", aggregates(run, "product"))):
        area = metrics.auroc(values.ravel(), right.ravel())
        found[f"{model}: AUROC over answers"] = f"{area:.3f}"
        found[f"{model}: within a problem"] = auroc_within(values, right)
    steps = [label != "-" for label in "".join(flat(run, "labels"))]
    area = metrics.auroc(np.concatenate(flat(run, "prm")), steps)
    return found | {"PRM: AUROC over steps": f"{area:.3f}"}

# %%
# NBVAL_CHECK_OUTPUT
SETS = {"as in training": "best_of_64", "longer": "longer",
        "unseen family": "unseen_family"}
shifted = pd.DataFrame({title: on_set(name) for title, name in SETS.items()})
print(shifted.to_string())

# %% [markdown]
# On longer problems the PRM still knows a wrong step, yet its product chooses no
# better than the ORM: within a problem neither is told apart from a coin. On the
# unseen family its step scores are worse than a coin, and what its product knows there
# is which *problems* are easy, not which of their answers is right. So the ORM suffers
# alike on both sets; the PRM's step scores hold on longer problems, and break where the
# kind of step is new.
#
# A reward model knows what its labels taught it, on problems like those it was
# taught on. Beyond them it may still be sure of itself.
#
# What else goes wrong, in short:
#
# - **ORM:** its labels praise lucky traces, it hardly says where a trace goes wrong,
#   and of a prefix only how it may end. Its labels are noisy exactly where problems are
#   hard.
# - **PRM:** its labels are dear or estimated; what a step is has to be settled; the
#   aggregation can favour short traces; and, optimised hard enough, it is gamed.
#   DeepSeek-R1's authors name three limits: fine-grained steps are hard to define,
#   hard to judge, and a model-based PRM inevitably leads to reward hacking. They
#   also call it good at reranking and guided search (DeepSeek-AI 2025).
# - **Both** are models of the truth, not the truth. Where a program can decide, use
#   the program.
#
# What others measured. These are their numbers, not ours:
#
# | study | setting | majority | ORM | PRM |
# | --- | --- | --- | --- | --- |
# | Lightman et al. 2023, as quoted | MATH, best of 1860 | 69.6 | 72.4 | **78.2** |
# | Math-Shepherd 2024, as quoted | GSM8K, 70B, best of 256 | 88.0 | 91.8 | **93.2** |
# | same | MATH | 39.4 | 40.4 | **44.5** |
# | RLHFlow, its README | GSM8K, Deepseek-7B, best of 1024 | | **93.4** | 93.0 |
# | same | MATH | 57.4 | 52.4 | **58.1** |
# | Zhang et al. 2025 | best of 8, mean of seven benchmarks (GSM8K to MMLU STEM), 7B PRM on MC labels | **66.2** | | 65.9 |
#
# Read it with care. The first row's ORM and PRM were trained on different data, as
# that paper says itself. In the last row a PRM does not even beat the vote. And in
# a comparison over fourteen domains, ORMs were on par with PRMs
# (arXiv:2510.00492). Uesato et al. 2022 may have put it best: on GSM8K, outcome
# labels alone gave final answers as good. Sound reasoning behind them took process
# labels, or a reward model that imitates them: with these, wrong reasoning behind
# right answers went from 14.0 % in the best earlier work to 3.4 %.
#
# So, as a rule of thumb:
#
# - **A program can check the answer, also in use?** Neither. Check it.
# - **Only the final answer counts, and outcomes are plentiful?** ORM, beside a vote.
# - **Unfinished traces have to be judged, or the place of the error matters?** PRM.
# - **The reasoning itself must be sound?** PRM, with labels you have looked at.

# %%
exercises.show("01", "orm_or_prm")

# %%
choice = {
    "rerank": ...,
    "prune": ...,
    "explain": ...,
    "grade": ...,
}

exercises.check("01", "orm_or_prm", choice)

# %% [markdown]
# ## Recap
#
# An ORM judges answers from one cheap label a trace; a PRM judges steps, says where
# a trace goes wrong, and pays for it in labels. To choose between traces a PRM needs
# an aggregation, and every aggregation has something it cannot see. Which of the
# two is ahead is a matter of labels, problems and use: measure it, on the same
# samples and with intervals, before you believe it.
#
# ## Quiz

# %%
exercises.quiz("01")

# %% [markdown]
# ## Your own candidates
#
# Put in the step scores of a few candidate solutions to one problem, from any PRM
# or your own estimate, and see which one each rule would keep.

# %%
# NBVAL_CHECK_OUTPUT
my_candidates = {
    "first": [0.95, 0.91, 0.44, 0.90],
    "second": [0.83, 0.80],
    "third": [0.99, 0.97, 0.88, 0.52, 0.93],
}
for how in scoring.AGGREGATIONS:
    mine = {name: scoring.aggregate(s, how) for name, s in my_candidates.items()}
    print(f"{how:15} keeps {max(mine, key=mine.get)}")

# %% [markdown]
# Next: [02 · Traces, labels and truth](02_traces_labels_and_truth.ipynb), where you
# are the one who labels. To read: Lightman et al. 2023 (arXiv:2305.20050); Uesato
# et al. 2022 (arXiv:2211.14275); Zhang et al. 2025 (arXiv:2501.07301).
