# %% [markdown]
# # 07 · First error
#
# A teacher does not say "62 % right". A teacher says: *here*. On this page a process
# reward model's scores are turned into that one word, the index of the first wrong
# step. Four rules will do it, one of them has a hole that you will find yourself, each
# has its trap, and a figure from the literature says how good they are.
#
# | | |
# | --- | --- |
# | **You will** | highlight first errors, build the textbook rule and find its blind spot, choose a threshold without cheating, slide it in an explorer, compare four rules and fool each of them, plant mistakes and say which a PRM misses |
# | **Before this** | notebooks 00 and 02 |
# | **To read** | 55 minutes |
# | **To run** | 30 seconds on two cores |
# | **Live** | every trace, score, verdict and F1 on this page but the recorded ones; made-up scores say so |
# | **Recorded** | the same policy and PRM on 500 test problems (data/runs/best_of_64.jsonl, by scripts/evaluate_models.py); figures of other groups are quoted with their source |

# %%
import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
from IPython.display import HTML, display

from prmlab import calibrators, catalog, checker, exercises, intervals, metrics
from prmlab import plots, problems, rules, scoring, theme, thresholds
from prmlab.rewards import PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Problem, Trace, split_steps
from prmlab.verdicts import REASONS
from prmlab.widgets import twin
from prmlab.widgets.threshold_explorer import ThresholdExplorer

theme.use()
SEED = 0

# %% [markdown]
# ## Highlight
#
# The policy writes traces for problems that neither model has seen. Those of the
# *validation* split are for making decisions, those of the *test* split for
# reporting. They share no problem.

# %%
policy, prm = LocalPolicy.load("policy"), PRM.load("prm")

def sampled(split, n):
    made = problems.mix(n, seed=SEED, split=split, families=("stories", "equations"))
    rows = policy.complete([Trace(p, ()) for p in made], 4, seed=SEED)
    return [trace for row in rows for trace in row if trace.steps]

validation, test = sampled("validation", 80), sampled("test", 80)

# %% [markdown]
# For each: the PRM's scores, and the truth, which is an index or `None`.

# %%
validation_scores, test_scores = prm.score(validation), prm.score(test)
validation_truth = [checker.first_error(trace) for trace in validation]
test_truth = [checker.first_error(trace) for trace in test]

for name, truth in (("validation", validation_truth), ("test", test_truth)):
    wrong = sum(step is not None for step in truth)
    print(f"{name:10} {len(truth)} traces, {wrong} with a wrong step")

# %% [markdown]
# Here is the first test trace that goes wrong after its first step. **Predict:**
# which step is it?

# %%
late = next((i for i, step in enumerate(test_truth) if step), 0)
replace(test[late], labels=None)

# %%
guess = ...  # your index

# %%
found = scoring.first_error(test_scores[late])
you = "nothing yet" if guess is ... else guess
plots.highlight(test[late], test_scores[late], checker.check(test[late]),
                title=f"You: {you}. PRM: {found}. Truth: {test_truth[late]}.")

# %% [markdown]
# The ground behind a step is the PRM's score; the truth is on the right, and in
# the edge of the cell. The PRM's step is the first that scores below 0.5:

# %%
# NBVAL_CHECK_OUTPUT
for made_up in [0.97, 0.91, 0.12, 0.30], [0.97, 0.91, 0.88], [0.31, 0.95, 0.20]:
    print(f"made-up {made_up}: first error {scoring.first_error(made_up)}")

# %% [markdown]
# Why the *first*? What follows from a wrong number is usually wrong as well, and
# people disagree whether to call it so. The first error is well defined. It is also
# what a student needs, where a search should turn back, and where PRM800K's
# labellers stopped.
#
# Ten test traces at a glance. One is an accident; ten begin to be a picture.

# %%
rows = [{"PRM": scoring.first_error(s), "truth": t, "steps": len(s),
         "family": trace.problem.family}
        for trace, s, t in zip(test[:10], test_scores, test_truth)]
print(pd.DataFrame(rows, dtype=object).to_string())

# %% [markdown]
# ## Textbook rule
#
# A threshold needs scores that mean what they say: with a PRM that is too strict
# everywhere, every step falls below it. Textbooks therefore offer a rule about
# *drops*: an error is where the score falls to less than half of the one before.

# %%
# NBVAL_CHECK_OUTPUT
made_up = [0.95, 0.88, 0.72, 0.05, 0.02]
ratios = [round(after / before, 2) for before, after in zip(made_up, made_up[1:])]
print("score over the score before, from step 1 on:", ratios)

# %% [markdown]
# **Predict** from the ratios which step the rule names. Then write it.

# %%
exercises.show("07", "find_error_step")

# %%
def my_find_error_step(step_scores):
    ...  # your code: an index, or -1

exercises.check("07", "find_error_step", my_find_error_step)

# %% [markdown]
# Ours, in three small pieces. First the comparison:

# %%
# NBVAL_CHECK_OUTPUT
def halved(step_scores, i):
    """Is the score of step i less than half of the one before?"""
    return step_scores[i] < 0.5 * step_scores[i - 1]

print([halved(made_up, i) for i in range(1, len(made_up))])

# %% [markdown]
# Then all steps where it holds, and of these the first. The textbook says -1 for
# *none*.

# %%
# NBVAL_CHECK_OUTPUT
def find_error_step(step_scores):
    drops = [i for i in range(1, len(step_scores)) if halved(step_scores, i)]
    return drops[0] if drops else -1

print(find_error_step(made_up))

# %% [markdown]
# It is the package's rule, on every trace of this page:

# %%
# NBVAL_CHECK_OUTPUT
for s in [made_up, [0.9], [0.8, 0.4, 0.1], *validation_scores, *test_scores]:
    assert find_error_step(s) == scoring.find_error_step(s)
print("the same as scoring.find_error_step")

# %% [markdown]
# A word about -1. In Python `steps[-1]` is the last step, so that a forgotten
# check passes unnoticed. `scoring.first_error(scores, rule="drop")` is the same
# rule and says `None`.
#
# ## Blind spot
#
# Try to break a rule before you trust it. Solve 2x + 5 = 15, wrongly at once:

# %%
# NBVAL_CHECK_OUTPUT
equation = Problem("by-hand", "Solve 2x + 5 = 15.", "5", "equations",
                   {"left": [["x", 2], ["n", 5]], "right": [["n", 15]], "x": 5})
steps = ("Subtract 5 from both sides: 2x = 20", "Divide both sides by 2: x = 10",
         "Answer: 10")
wrong_at_once = Trace(equation, steps, finished=True)
for verdict in checker.check(wrong_at_once):
    print(f"{verdict.label:+d}  {verdict.reason}")

# %% [markdown]
# **Predict.** A good PRM sees that 2x = 20 is wrong, and scores all three steps low,
# since the others follow from it. What will the textbook rule say?

# %%
my_prediction = ...  # 0, 1, 2 or -1

# %%
# NBVAL_CHECK_OUTPUT
made_up_low = [0.04, 0.03, 0.03]  # made up: a PRM that is right about every step
print("textbook rule:", find_error_step(made_up_low))
print("checker:      ", checker.first_error(wrong_at_once))

# %% [markdown]
# There it is. The trace is wrong from its first word, the PRM knows, and the rule
# says that nothing is wrong. A drop needs something to drop *from*, and step 0 has
# no step before it. Now with the real scores of our PRM, whatever they are:

# %%
(live_scores,) = prm.score([wrong_at_once])
said = {"the first score below 0.5": scoring.first_error(live_scores),
        "the textbook rule": find_error_step(live_scores),
        "the truth": checker.first_error(wrong_at_once)}
plots.highlight(wrong_at_once, live_scores, checker.check(wrong_at_once),
                title="; ".join(f"{who}: {step}" for who, step in said.items()))

# %% [markdown]
# How much does it matter? Take every test trace that is wrong at step 0.

# %%
at_once = [s for s, step in zip(test_scores, test_truth) if step == 0]
by_drop = [find_error_step(s) for s in at_once]
by_threshold = [scoring.first_error(s) for s in at_once]
print(f"{len(at_once)} of {len(test)} test traces are wrong at step 0. Of these\n"
      f"  the textbook rule names step 0 in {by_drop.count(0)}, "
      f"a later step in {sum(step > 0 for step in by_drop)}, "
      f"none in {by_drop.count(-1)}\n"
      f"  the threshold 0.5 names step 0 in {by_threshold.count(0)}")

# %%
exercises.show("07", "blind_spot")

# %%
blind_spot = ...  # a list of scores, one a step

exercises.check("07", "blind_spot", blind_spot)

# %%
exercises.show("07", "mend")

# %%
def first_drop(step_scores):
    ...  # your code: an index, or None

exercises.check("07", "mend", first_drop)

# %% [markdown]
# Step 0 was the first hole. Here is a second, and a case that speaks for drops.
# **Predict** both rules on both lists.

# %%
# NBVAL_CHECK_OUTPUT
for name, made_up in (("slow sinker", [0.9, 0.5, 0.3, 0.2]),
                      ("strict PRM ", [0.44, 0.41, 0.43, 0.06])):
    drop = scoring.first_error(made_up, rule="drop")
    print(f"{name} {made_up}: drop {drop}, threshold {scoring.first_error(made_up)}")

# %% [markdown]
# Neither rule is right by nature. The drop rule needs no calibrated scores and is
# blind at step 0 and to slow decline; the threshold sees both, and needs a
# threshold that suits the PRM. Which is better is a question for measurement, and
# for that we need a figure.
#
# ## ProcessBench F1
#
# ProcessBench (Zheng et al. 2024, arXiv:2412.06559) asks two things. Of the traces
# **with** an error, in what share is exactly the first wrong step named? Of the
# traces **without**, in what share is none claimed?

# %%
def two_accuracies(predicted, truth):
    with_error = [p == t for p, t in zip(predicted, truth) if t is not None]
    without = [p is None for p, t in zip(predicted, truth) if t is None]
    return np.mean(with_error), np.mean(without)

# %% [markdown]
# **Predict** the two accuracies of three judges without any model: one always
# accuses step 0, one never accuses, one says yes or no like a coin and then names
# step 0. Which plain average would they get?

# %%
rng = np.random.default_rng(SEED)
judges = {"always step 0": [0] * len(test),
          "never": [None] * len(test),
          "a coin": [0 if heads else None for heads in rng.random(len(test)) < 0.5]}
for name, predicted in judges.items():
    a, b = two_accuracies(predicted, test_truth)
    print(f"{name:14} with error {a:.2f}, without {b:.2f}, "
          f"plain average {(a + b) / 2:.2f}")

# %% [markdown]
# A judge who never looks should not get half the marks. So the two are combined by
# their harmonic mean, which is low as soon as one of them is.

# %%
exercises.show("07", "processbench_f1")

# %%
def my_f1(predicted, true):
    ...  # your code: a number between 0 and 1

exercises.check("07", "processbench_f1", my_f1)

# %%
# NBVAL_CHECK_OUTPUT
def f1_by_hand(predicted, truth):
    a, b = two_accuracies(predicted, truth)
    return 2 * a * b / (a + b) if a + b else 0.0

predicted, truth = [2, 0, None, None, None], [2, 1, None, 3, None]
print(f"by hand {f1_by_hand(predicted, truth):.3f}, "
      f"package {metrics.first_error_f1(predicted, truth).f1:.3f}")

# %% [markdown]
# It shares its name and its shape with the F1 of a classifier, and nothing else:
# there is no precision and no recall in it.
#
# Now the rules on the test traces, with intervals, because this is a sample. Four
# traces of one problem are alike, and must not count as four witnesses: `groups`
# makes the bootstrap draw whole problems.

# %%
def drop_from_one(step_scores):  # the textbook rule, with 1 before step 0
    step = scoring.first_error([1.0, *step_scores], rule="drop")
    return None if step is None else step - 1

RULES = {
    "threshold 0.5": scoring.first_error,
    "textbook rule": lambda s: scoring.first_error(s, rule="drop"),
    "mended rule": drop_from_one,
    "always step 0": lambda s: 0,
}
of_problem = [trace.problem.id for trace in test]
f1s = {name: metrics.first_error_f1([rule(s) for s in test_scores], test_truth,
                                    groups=of_problem)
       for name, rule in RULES.items()}

# %%
plots.aggregation_comparison({name: (r.f1, r.low, r.high) for name, r in f1s.items()},
                             title="Naming the first wrong step",
                             x_title="first-error F1")

# %%
for name, result in f1s.items():
    print(f"{name:13} with error {result.acc_error:.2f} of {result.n_error}, "
          f"without {result.acc_correct:.2f} of {result.n_correct}, "
          f"F1 {result.f1:.2f}")

# %% [markdown]
# Look at both accuracies, not at F1 alone. Two judges with the same F1 can be
# opposites: one accuses too soon, the other too late. Which is worse depends on
# what you do with it.
#
# ## Thresholds
#
# Why 0.5? No reason but habit. Below is what every possible threshold would give on
# the *validation* traces. **Predict** first: as the threshold rises, which of the
# two accuracies can only fall?

# %%
choice = thresholds.choose_threshold(validation_scores, validation_truth)
lines = {"F1": choice.f1s, "with an error": choice.acc_error,
         "without": choice.acc_correct}
thin = np.unique(np.linspace(0, len(choice.thresholds) - 1, 150).astype(int))

fig = theme.figure("Judged wrong if the score is below the threshold")
for (name, values), style in zip(lines.items(), theme.STYLES):
    fig.add_scatter(x=choice.thresholds[thin], y=values[thin], name=name,
                    mode="lines", line={"color": style.colour, "dash": style.dash})
fig.update_xaxes(title_text="threshold", range=[0, 1])
fig.update_yaxes(title_text="on validation traces", range=[0, 1.02])
theme.show(fig, alt=f"On validation traces F1 is highest, {choice.f1:.2f}, at "
           f"threshold {choice.threshold:.2f}. As the threshold rises from 0 to 1, "
           "the accuracy on traces without an error falls from "
           f"{choice.acc_correct[0]:.2f} to {choice.acc_correct[-1]:.2f}.")

# %% [markdown]
# The accuracy on traces without an error can only fall: what was accused stays
# accused. The other one rises while more errors come into view, and falls again
# when right steps before the error are accused first.

# %%
exercises.show("07", "choose")

# %%
def choose(scores, true, candidates):
    ...  # your code: one of the candidates

exercises.check("07", "choose", choose)

# %% [markdown]
# The chosen threshold is a decision made on validation traces. What it is worth is
# read off the *test* traces, once. The last line below is what one must **not**
# report: the threshold chosen on the very traces it is judged on.

# %%
def f1_at(threshold):
    found = [scoring.first_error(s, threshold=threshold) for s in test_scores]
    return metrics.first_error_f1(found, test_truth, groups=of_problem)

best = thresholds.choose_threshold(test_scores, test_truth).threshold
for name, threshold in (("habit", 0.5), ("chosen on validation", choice.threshold),
                        ("peeking at the test set", best)):
    r = f1_at(threshold)
    print(f"{name:24} {threshold:.2f}: test F1 {r.f1:.3f} "
          f"({r.low:.3f} to {r.high:.3f})")

# %%
# NBVAL_CHECK_OUTPUT
print("peeking is never below the honest choice:",
      f1_at(best).f1 >= f1_at(choice.threshold).f1)

# %% [markdown]
# That is why such a number is an upper bound and not a result. ProcessBench is
# careful here: PRMs that give a probability get one threshold, chosen on its GSM8K
# subset, and keep it for all subsets. (Its GSM8K figure is therefore itself an upper
# bound, and it stays in the average: notebook 10.)
#
# We can do as they do. Stories and equations were used to choose; expressions are a
# family that this PRM never saw in training.

# %%
made = problems.make("expressions", 40, seed=SEED, split="test")
rows = policy.complete([Trace(problem, ()) for problem in made], 2, seed=SEED)
unseen = [trace for row in rows for trace in row if trace.steps]

judged = pd.DataFrame({
    "problem": [trace.problem.id for trace in test + unseen],
    "family": [trace.problem.family for trace in test + unseen],
    "found": [scoring.first_error(s, threshold=choice.threshold)
              for s in test_scores + prm.score(unseen)],
    "truth": [checker.first_error(trace) for trace in test + unseen]}, dtype=object)

# %%
by_family = {}
for family, part in judged.groupby("family"):
    n_wrong = part.truth.notna().sum()
    if 0 < n_wrong < len(part):
        r = metrics.first_error_f1(list(part.found), list(part.truth),
                                   groups=list(part.problem))
        by_family[family] = r.f1
        print(f"{family:12} {r}")
    else:
        print(f"{family:12} {n_wrong} of {len(part)} traces with an error: no F1")
print(f"unweighted mean {np.mean(list(by_family.values())):.3f}")

# %% [markdown]
# The unweighted mean over subsets, whatever their sizes, is what ProcessBench
# reports. If the unseen family does badly, that is no accident of this page: a PRM
# knows what its labels showed it. (An interval from 0 to 0 is no certainty, though. Where
# none of the traces without an error was spared, no bootstrap draw can hold one that was.)

# %% [markdown]
# ## Explorer
#
# Now by hand, on the validation traces, where looking is allowed. Slide the
# threshold or pull the curve: the arrow keys move it by 0.01 (with Shift by 0.001),
# Page up and Page down by 0.1. Three questions to answer with it:
#
# 1. Where does F1 peak, and how flat is the top?
# 2. At 0.95, what kind of misjudgement fills the list?
# 3. Choose the rule *drop* and pick a trace that it *missed*. What does the sentence
#    under its steps say?

# %%
explorer = ThresholdExplorer(validation, validation_scores, validation_truth)
explorer

# %% [markdown]
# Where no kernel runs, a part of it comes as a static twin, the same program in a
# page of its own.

# %%
part = ThresholdExplorer(validation[:80], validation_scores[:80],
                         validation_truth[:80])
page = twin.frame(part.to_html(), title="Threshold explorer, static twin",
                  height=940)
HTML("<details><summary>The explorer without a kernel (in pages that run scripts; "
     f"GitHub shows a trace above instead)</summary>{page}</details>")

# %% [markdown]
# What you did there is known here: run this cell again after sliding.

# %%
shown = metrics.first_error_f1(explorer.said, validation_truth)
print(f"rule {explorer.rule!r} at {explorer.threshold:.3f}: F1 {shown.f1:.3f} "
      f"on validation traces; trace {explorer.selected_trace} is selected")

# %% [markdown]
# ## Four rules
#
# The threshold rule and the drop rule differ in what they hold against the
# threshold: the score, or the score over the one before. Call that the *signal* of a
# step. Two more signals look at the whole trace.
#
# - **Change**. Put a 1 in front of the scores and cut them in two, so that a constant
#   before the cut and a lower one after it fit them best. The signal is the mean
#   after the cut over the mean before it. Noise in single scores averages out.
# - **Likeliest**. Take each score as the chance that its step is right, given a right
#   prefix. Then each step has a chance to be the *first* error, and so has *none*.
#   The signal is P(none) / (P(none) + P(likeliest)), so 0.5 is where they are equal.
#
# A step that a rule cannot name has the signal 1.

# %%
# NBVAL_CHECK_OUTPUT
made_up = np.array([0.95, 0.90, 0.30, 0.60, 0.20])
print("scores    ", made_up)
for name in rules.RULES:
    signal = rules.signal(made_up, name)
    print(f"{name:10} {signal.round(2)} -> {scoring.first_error(made_up, rule=name)}")

# %% [markdown]
# The chances behind the last rule are yours to write.

# %%
exercises.show("07", "chances")

# %%
def my_chances(step_scores):
    ...  # your code: S + 1 numbers that sum to 1

exercises.check("07", "chances", my_chances)

# %% [markdown]
# Ours keeps one number along the way, the chance that everything so far is right.
# Each step takes its share of it, and what remains at the end is *no error*.

# %%
# NBVAL_CHECK_OUTPUT
def chances(step_scores):
    found, all_right = [], 1.0
    for p in step_scores:
        found.append(all_right * (1 - p))
        all_right *= p
    return [*found, all_right]

assert all(np.allclose(chances(s), rules.chances(s)) for s in test_scores)
print([round(p, 3) for p in chances([0.9, 0.5, 0.8])], "the last one is no error")

# %% [markdown]
# Now fool them. Below are six lists of made-up scores with the truth that a reader
# of the trace would tell. **Predict** for each which rules get it wrong.

# %%
# NBVAL_CHECK_OUTPUT
fooling = {"clean fall": ([0.95, 0.90, 0.10, 0.05], 2),
           "wrong at once": ([0.04, 0.03, 0.03, 0.02], 0),
           "slow sinker": ([0.90, 0.50, 0.30, 0.20], 1),
           "strict PRM": ([0.44, 0.41, 0.43, 0.06], 3),
           "put right again": ([0.95, 0.10, 0.90, 0.95], 1),
           "doubt adds up": ([0.93] * 10, 4)}
print(f"{'':16}truth ", *(f"{name:>10}" for name in rules.RULES))
for case, (s, t) in fooling.items():
    said = {name: scoring.first_error(s, rule=name) for name in rules.RULES}
    cells = (f"{str(step):>8} {'✓' if step == t else '✗'}" for step in said.values())
    print(f"{case:16}{t:5} ", *cells)

# %% [markdown]
# Every rule is fooled by something, and nothing but the clean fall is safe:
#
# - the **threshold** by a strict PRM, whose right steps score below it, and by an
#   error that only lowers the score to it;
# - the **drop** at step 0, and by a slow decline;
# - the **change** by a trace that is put right again, for the mean after the cut is high,
#   and by a strict PRM, for the 1 in front is then the only high place;
# - the **likeliest** step by strict scores, since it takes them at their word;
# - and all of them by doubt that adds up: after ten steps of 0.93 an error is more
#   likely than not, and yet no single step is likelier than *no error*.

# %%
# NBVAL_CHECK_OUTPUT
*of_a_step, of_none = chances([0.93] * 10)
print(f"some step wrong {sum(of_a_step):.2f}, no error {of_none:.2f}, "
      f"likeliest step {max(of_a_step):.2f}")

# %% [markdown]
# The likeliest rule needs scores that are chances. A *calibrator* makes them so: a
# slope and a shift of the logits, fitted on validation traces to the steps up to the
# first error. (After it there is no right prefix, and the score answers a question
# that nobody asked.) A slope below 1 says that the PRM is too sure of itself.

# %%
calibrate = calibrators.fit_calibrator(validation_scores, validation_truth)
print(f"slope {calibrate.slope:.2f}, shift {calibrate.shift:+.2f}")
flat, right = calibrators.judged_steps(test_scores, test_truth)
for name, p in (("raw scores", flat), ("calibrated", calibrate(flat))):
    print(f"{name}: calibration error {metrics.calibration(p, right).ece:.3f} "
          f"on {len(p)} test steps")

# %% [markdown]
# This PRM was nearly calibrated before, and two parameters from a few hundred steps
# have an error of their own: do not expect a gain here. Keep the calibrator for a PRM
# that needs it; one is coming.
#
# For the comparison, each rule gets the threshold that suits it, from validation.
# The test is a recorded one, eight traces of each of 500 test problems, so that
# small differences could show.

# %%
with catalog.path("runs/best_of_64.jsonl").open(encoding="utf-8") as lines:
    records = [json.loads(line) for line in lines]
many_scores = [np.array(s) for r in records for s in r["prm"][:8]]
many_labels = [labels for r in records for labels in r["labels"][:8]]
many_truth = [None if "-" not in labels else labels.index("-")
              for labels in many_labels]
many_groups = [r["problem"] for r in records for _ in r["prm"][:8]]

# %%
choices = {rule: thresholds.choose_threshold(validation_scores, validation_truth,
                                             rule=rule) for rule in rules.RULES}
said = {f"{rule}, {c.threshold:.2f}": [c.first_error(s) for s in many_scores]
        for rule, c in choices.items()}
said["likeliest, calibrated, 0.50"] = [
    scoring.first_error(calibrate(s), rule="likeliest") for s in many_scores]
four = {name: metrics.first_error_f1(found, many_truth, groups=many_groups)
        for name, found in said.items()}

# %%
plots.aggregation_comparison({name: (r.f1, r.low, r.high) for name, r in four.items()},
                             title="Rules, each at its validation threshold",
                             x_title="first-error F1, 500 recorded test problems")

# %% [markdown]
# Intervals that overlap do not yet say that two rules are equal: both judged the same
# traces, and their luck is shared. So compare them draw by draw.

# %%
first, *others = said
drawn = {name: metrics.drawn_f1s(said[name], many_truth, groups=many_groups)
         for name in said}
for name in others:
    low, high = intervals.percentiles(drawn[name] - drawn[first], 0.95)
    gain = four[name].f1 - four[first].f1
    print(f"{name:28} minus threshold: {gain:+.3f} ({low:+.3f} to {high:+.3f})")
    assert high < 0 or not name.startswith("drop")

# %% [markdown]
# Where an interval holds 0, this test cannot tell the two apart. The drop rule is
# behind by far, whatever its threshold, and you know why: so many traces are wrong
# at step 0.
#
# ## A worse PRM
#
# That was a good PRM. What if it were *strict*, or *noisy*? We spoil its scores in a
# known way: **simulated** scores, not those of another model. Strict means 4 less on
# every logit; noisy means random numbers added to the logits.
#
# **Predict.** For the strict PRM, which rules does a new threshold rescue? And who
# survives without one?

# %%
def spoiled(scores, *, strict=0.0, noise=0.0):
    rng = np.random.default_rng(SEED)
    found = []
    for s in scores:
        p = np.clip(s, 1e-6, 1 - 1e-6)
        z = np.log(p / (1 - p)) - strict + noise * rng.normal(size=len(p))
        found.append(1 / (1 + np.exp(-z)))
    return found

def f1_of(rule, threshold, scores):
    found = [scoring.first_error(s, rule=rule, threshold=threshold) for s in scores]
    return metrics.first_error_f1(found, many_truth, draws=1).f1

# %%
strict_validation = spoiled(validation_scores, strict=4)
strict_test = spoiled(many_scores, strict=4)
rows = []
for rule in rules.RULES:
    chosen = thresholds.choose_threshold(strict_validation, validation_truth,
                                         rule=rule).threshold
    rows.append({"rule": rule, "chosen": f"{chosen:.2g}",
                 "F1 at 0.5": f1_of(rule, 0.5, strict_test),
                 "F1 at chosen": f1_of(rule, chosen, strict_test)})
print(pd.DataFrame(rows).round(3).to_string(index=False))

# %%
recalibrate = calibrators.fit_calibrator(strict_validation, validation_truth)
mended = f1_of("likeliest", 0.5, [recalibrate(s) for s in strict_test])
print(f"shift {recalibrate.shift:+.2f}; likeliest, calibrated, at 0.5: F1 {mended:.3f}")
assert abs(rows[0]["F1 at chosen"] - four[first].f1) < 0.01 > four[first].f1 - mended

# %% [markdown]
# A shift of all logits changes no order of scores, so that the threshold rule loses
# nothing once its threshold has moved along. Calibration does the same from the
# other side: it moves the scores back, and 0.5 is a good threshold again. What 0.5
# means is a property of the PRM, not of the world.
#
# Noise is another matter. It cannot be undone, only averaged.

# %%
noises, kept = [0, 1, 2, 3, 4], slice(0, None, 2)
noisy, loudest = {rule: [] for rule in rules.RULES}, {}
for noise in noises:
    on_validation = spoiled(validation_scores, noise=noise)
    on_test = spoiled(many_scores, noise=noise)[kept]
    for rule in rules.RULES:
        c = thresholds.choose_threshold(on_validation, validation_truth, rule=rule)
        loudest[rule] = [c.first_error(s) for s in on_test]
        r = metrics.first_error_f1(loudest[rule], many_truth[kept],
                                   groups=many_groups[kept])
        noisy[rule].append(r)

# %%
fig = theme.figure("Simulated noise on the logits, thresholds from validation")
for (rule, found), style in zip(noisy.items(), theme.STYLES):
    f1 = [r.f1 for r in found]
    fig.add_scatter(x=noises, y=f1, name=rule, mode="lines+markers",
                    line={"color": style.colour, "dash": style.dash},
                    marker={"symbol": style.symbol, "color": style.colour},
                    error_y={"array": [r.high - r.f1 for r in found],
                             "arrayminus": [r.f1 - r.low for r in found],
                             "color": style.colour, "width": 0})
fig.update_xaxes(title_text="standard deviation of the noise", range=[-0.2, 4.2])
fig.update_yaxes(title_text="first-error F1", range=[0, 1.02])
last = {rule: found[-1].f1 for rule, found in noisy.items()}
order = sorted(last, key=last.get, reverse=True)
theme.show(fig, alt="F1 without noise and at a noise of 4: "
           + ", ".join(f"{rule} {noisy[rule][0].f1:.2f} and {last[rule]:.2f}"
                       for rule in order)
           + ". Vertical lines are 95 % intervals over problems.")

# %% [markdown]
# Two of the rules look for the most convincing step of the whole trace and not for
# the first suspicious one, so that a single unlucky score moves them less. Is the one
# that stands highest at the loudest noise told apart from the others? Draw by draw:

# %%
loud = {rule: metrics.drawn_f1s(found, many_truth[kept], groups=many_groups[kept])
        for rule, found in loudest.items()}
for rule in order[1:]:
    low, high = intervals.percentiles(loud[order[0]] - loud[rule], 0.95)
    print(f"{order[0]} minus {rule:10} {last[order[0]] - last[rule]:+.3f} "
          f"({low:+.3f} to {high:+.3f})")

# %% [markdown]
# And yet no rule is best everywhere. As the scores came, *likeliest* was not told apart
# from the plain threshold, and look at the strict PRM's table again: who was ahead there,
# once each had its own threshold? A rule is chosen for a PRM, on validation traces.
#
# ## What it catches
#
# One number hides what kind of mistake gets through. The checker knows the reason
# of each first error, so we can ask. **Predict:** of slips (another result than the
# step's own sum has) and wrong quantities (of another person), which will it miss more?

# %%
def outcome(found, truth):
    if found is None:
        return "missed"
    if found == truth:
        return "found exactly"
    return "too early" if found < truth else "too late"

found = [scoring.first_error(s, threshold=choice.threshold) for s in test_scores]
kinds = Counter((checker.check(trace)[t].reason, outcome(f, t))
                for trace, f, t in zip(test, found, test_truth) if t is not None)

# %%
COLUMNS = ["found exactly", "too early", "too late", "missed"]
reasons = [reason for reason in REASONS if any(reason == kind for kind, _ in kinds)]
table = pd.DataFrame([[kinds[reason, column] for column in COLUMNS]
                      for reason in reasons], index=reasons, columns=COLUMNS)
table["all"] = table.sum(axis=1)
table.sort_values("all", ascending=False)

# %%
print("found exactly, of reasons with 5 or more:")
for reason, row in table[table["all"] >= 5].sort_values("all").iloc[::-1].iterrows():
    low, high = intervals.wilson(int(row["found exactly"]), int(row["all"]))
    print(f"{reason:16} {row['found exactly'] / row['all']:.0%} ({low:.0%} to {high:.0%}) "
          f"of {row['all']}")

# %% [markdown]
# Counts below five or so say nothing yet; look at the large rows. A *slip* can be
# seen in the step alone, if one can calculate. *Wrong quantity* and *wrong relation*
# need the problem: to see that Cy's pens were computed from the wrong person's, one
# has to find the fact in the story. Which of the two comes easier to a model is not
# for us to guess, nor for a table with so few of a kind to decide: see how far the
# intervals reach. (They take every trace for itself, though four are of one problem: true
# ones reach further.)
#
# The other side: right traces that were accused. How surely?

# %%
accused = [(float(s[f]), trace, f) for trace, s, f, t
           in zip(test, test_scores, found, test_truth) if t is None and f is not None]
n_right = sum(t is None for t in test_truth)
print(f"{len(accused)} of {n_right} right traces accused")
for score, trace, f in sorted(accused, key=lambda row: row[0])[:3]:
    print(f"  score {score:.2f}  {trace.steps[f]}")

# %% [markdown]
# And the worst misjudgement of all test traces: the wrong step it was surest is
# right, or the right step it was surest is wrong. Look at it before you read on.
# What could have misled it?

# %%
def conviction(i):  # how far on the wrong side is the score that decided?
    f, t, s = found[i], test_truth[i], test_scores[i]
    return s[t] if f is None or (t is not None and f > t) else 1 - s[f]

misjudged = [i for i in range(len(test)) if found[i] != test_truth[i]]
if misjudged:
    worst = max(misjudged, key=conviction)
    title = f"PRM: {found[worst]}. Truth: {test_truth[worst]}."
    display(plots.highlight(test[worst], test_scores[worst], title=title,
                            truth=checker.check(test[worst]),
                            threshold=choice.threshold))
print(f"{len(misjudged)} of {len(test)} test traces misjudged")

# %% [markdown]
# A habit worth having: after every F1, read ten traces behind it.
#
# First errors are one thing. Here is **every** wrong step, carried errors included:
# how often does each kind score below the threshold? (The intervals count steps as
# independent; steps of one trace are not, so that they are somewhat too narrow.)

# %%
verdicts = [checker.check(trace) for trace in test]
below = {}
for row, step_scores in zip(verdicts, test_scores):
    for verdict, score in zip(row, step_scores):
        if verdict.label < 0:
            below.setdefault(verdict.reason, []).append(score < choice.threshold)

for reason, hits in sorted(below.items(), key=lambda item: -len(item[1])):
    low, high = intervals.wilson(sum(hits), len(hits))
    print(f"{reason:16} {sum(hits):4} of {len(hits):4} below the threshold "
          f"({low:.0%} to {high:.0%})")

# %% [markdown]
# Here are the four kinds that are told apart in most taxonomies of reasoning errors,
# a *slip*, a *wrong quantity*, a *wrong operation* and a *carried error*, and a few
# more. Where a row is short, its interval is wide, and says so. A **carried error** is
# a special case: the step follows correctly from something false. A PRM that flags it
# has not found a second mistake; it remembers the first. One that does not flag it
# is not wrong about the arithmetic. Hence the habit of asking for the *first* error.
#
# ## Planted mistakes
#
# All these mistakes are the policy's own, and the PRM was trained on the same policy's
# traces. Would it catch mistakes that this policy rarely makes? Take right solutions
# of test stories and plant one mistake in one step: a **slip** (another result), a
# **wrong operation** or a **wrong quantity** (and the sum done rightly).
#
# For comparison: the policy's own *first* errors in the same stories, of the same kind.
# There, too, all before the mistake is right.
#
# **Predict.** Which of the three will it catch less well than the policy's own?

# %%
OPERATIONS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}

def planted(step, kind, numbers, rng):
    """A step "...: a + b = c" with a mistake of that kind in its sum."""
    head, _, claim = step.partition(": ")
    a, sign, b, _, c = claim.split()
    a, b, c = int(a), int(b), int(c)
    if kind == "slip":
        c += int(rng.choice([-10, -2, -1, 1, 2, 10]))
    else:
        if kind == "wrong operation":
            sign = str(rng.choice([s for s in OPERATIONS if s != sign]))
        else:
            a = int(rng.choice([n for n in numbers if n not in (a, b)] or [a]))
        c = OPERATIONS[sign](a, b)
    return f"{head}: {a} {sign} {b} = {c}"

# %%
rng, wrong = np.random.default_rng(SEED), []
stories = problems.make("stories", 150, seed=SEED, split="test")
for problem in stories:
    steps = problems.solve(problem).steps
    sums = [i for i, step in enumerate(steps) if re.search(r" [-+*] ", step)]
    if not sums:
        continue
    at = int(rng.choice(sums))
    numbers = list(map(int, re.findall(r"\d+", " ".join([problem.text, *steps[:at]]))))
    for kind in ("slip", "wrong operation", "wrong quantity"):
        mistake = planted(steps[at], kind, numbers, rng)
        trace = Trace(problem, (*steps[:at], mistake))
        verdict = checker.check(trace)[-1]
        if verdict.reason == kind:  # by chance it may come out right, or otherwise wrong
            wrong.append((kind, trace))
print(f"{len(wrong)} planted mistakes, one a trace, confirmed by the checker")

# %%
written = policy.complete([Trace(story, ()) for story in stories], 4, seed=SEED)
own = {}  # up to the first error, each once
for trace in (trace for row in written for trace in row):
    at = checker.first_error(trace)
    if at is not None:
        head = trace.prefix(at + 1)
        own[head.problem.id, head.steps] = (checker.check(head)[-1].reason, head)
own = list(own.values())
print(f"{len(own)} different first errors of the policy's own:",
      dict(Counter(kind for kind, _ in own).most_common(4)))

# %%
place = {story.id: i for i, story in enumerate(stories)}

def tally(kind, mistakes, scores):
    """[2, stories]: how many of the kind score below the threshold, and how many there are."""
    found = np.zeros((2, len(stories)))
    for (name, trace), s in zip(mistakes, scores):
        if name == kind:
            found[:, place[trace.problem.id]] += s[-1] < choice.threshold, 1
    return found

planted_scores, own_scores = (prm.score([trace for _, trace in mistakes])
                              for mistakes in (wrong, own))
redrawn = intervals.resample_weights(len(stories), seed=SEED)
for kind in ("slip", "wrong operation", "wrong quantity"):
    mine, its = tally(kind, wrong, planted_scores), tally(kind, own, own_scores)
    line = f"{kind:16} planted {mine[0].sum():.0f} of {mine[1].sum():.0f} caught"
    if its[1].sum() < 10:
        print(f"{line}; the policy makes too few of its own to compare, {its[1].sum():.0f}")
        continue
    gap = its[0].sum() / its[1].sum() - mine[0].sum() / mine[1].sum()
    low, high = intervals.percentiles((redrawn @ its[0]) / (redrawn @ its[1])
                                      - (redrawn @ mine[0]) / (redrawn @ mine[1]), 0.95)
    print(f"{line}, its own {its[0].sum():.0f} of {its[1].sum():.0f}: own are caught more "
          f"often by {gap:+.2f} ({low:+.2f} to {high:+.2f}), "
          f"{intervals.verdict(low, high)}")

# %% [markdown]
# For each kind, the planted mistake that the PRM took for right most surely:

# %%
for kind in ("slip", "wrong operation", "wrong quantity"):
    score, trace = max(((float(s[-1]), trace) for (name, trace), s
                        in zip(wrong, planted_scores) if name == kind),
                       key=lambda row: row[0])
    print(f"{kind}, score {score:.3f}: {trace.steps[-1]}")

# %% [markdown]
# (The intervals are of the difference; they redraw whole stories. *Undecided* says that
# no such gap was seen there.) If the planted slips are caught far less often than the
# policy's own, a likely reason is that the policy's slips have a look of their own,
# numbers that it tends to confuse, and that the PRM learned this look along with, or in
# place of, arithmetic. **A PRM catches the mistakes it was shown.** Before you judge another model's traces with it, make this table anew: a
# high F1 on traces of its own policy does not tell.
#
# ## By position
#
# Is a score of 0.9 worth as much at step 4 as at step 0? For each position, take the
# recorded traces that are right so far, and hold the mean score against the share of
# steps that are right indeed. **Predict** on which side of the truth the late steps
# will lie. The intervals draw whole problems:

# %%
def by_problem(values, groups):
    """Mean with its 95 % interval over problems."""
    of = np.unique(groups, return_inverse=True)[1]
    weights = intervals.resample_weights(of.max() + 1, seed=SEED)
    drawn = (weights @ np.bincount(of, weights=values)) / (weights @ np.bincount(of))
    return np.mean(values), *intervals.percentiles(drawn, 0.95)

# %%
places = []
for i in range(6):
    rows = [(s[i], y[i] != "-", group) for s, y, group
            in zip(many_scores, many_labels, many_groups)
            if len(y) > i and "-" not in y[:i]]
    scores_here, right_here, groups_here = map(np.array, zip(*rows))
    gap = by_problem(right_here - scores_here, groups_here)
    places.append((i, len(rows), scores_here.mean(),
                   *by_problem(right_here.astype(float), groups_here), *gap))
position = pd.DataFrame(places, columns=[
    "step", "traces", "mean score", "right", "low", "high", "gap", "gap low",
    "gap high"])
print(position.round(3).to_string(index=False))

# %%
fig = theme.figure("Of steps with a right prefix, by position")
for (name, column), style in zip(
        (("share right", "right"), ("mean score", "mean score")), theme.STYLES):
    fig.add_scatter(x=position["step"], y=position[column], name=name,
                    mode="lines+markers",
                    line={"color": style.colour, "dash": style.dash},
                    marker={"symbol": style.symbol, "color": style.colour})
spread = position["high"] - position["right"]
fig.data[0].error_y = {"array": spread, "width": 0,
                       "arrayminus": position["right"] - position["low"]}
fig.update_xaxes(title_text="step", range=[-0.2, 5.2])
fig.update_yaxes(title_text="probability", range=[0, 1.02])
gap = position["gap"]
theme.show(fig, alt=f"The share right exceeds the mean score by {gap[0]:+.3f} at step 0 "
           f"and by {gap[5]:+.3f} at step 5. Vertical lines are 95 % intervals.")

# %%
strict = list(position["step"][position["gap low"] > 0])
lenient = list(position["step"][position["gap high"] < 0])
print("positions at which the PRM is too strict, the interval above 0:", strict)
print("too lenient, the interval below 0:", lenient)

# %% [markdown]
# Overall the calibration error is small, and yet the late steps of traces that are
# still right may be judged too hard. A cause that comes to mind: a PRM is trained on
# all steps, and most late steps stand after an error.

# %%
long = [labels for labels in many_labels if len(labels) > 5]
behind = np.mean(["-" in labels[:5] for labels in long])
print(f"of {len(long)} traces with a step 5, {behind:.0%} were wrong before it")

# %% [markdown]
# So *late* is a bad sign by itself, while to have come so far without a mistake is a
# good one, and the PRM may make too little of that. (It is a guess: to test it, one
# would train a PRM on the steps up to the first error only.) One threshold for all
# positions cannot be right for all of them.
#
# ## Put right again
#
# A trace can go wrong and recover: the policy writes a false line and then goes on
# from the true one. **Predict:** of the recorded traces with an error, in what share
# does a right step follow later? And how many of all right answers stand at the end
# of a trace with a wrong step?

# %%
exercises.show("07", "recovered")

# %%
def my_recovered(labels):
    ...  # your code: True or False

exercises.check("07", "recovered", my_recovered)

# %%
# NBVAL_CHECK_OUTPUT
def recovered(labels):
    wrong = [i for i, label in enumerate(labels) if label == -1]
    return bool(wrong) and 1 in labels[wrong[0]:]

SIGNS = {"+": 1, "0": 0, "-": -1}
many = [[SIGNS[sign] for sign in labels] for labels in many_labels]
answered = [ok for r in records for ok in r["right"][:8]]
again = [i for i, labels in enumerate(many) if recovered(labels)]
lucky = [i for i, labels in enumerate(many) if answered[i] and -1 in labels]
print(f"{len(again)} of {sum(-1 in y for y in many)} traces with an error have a "
      f"right step after it\n{len(lucky)} of {sum(answered)} right answers end a trace "
      f"with a wrong step; {len(set(lucky) & set(again))} of them are in both groups")

# %% [markdown]
# One of ours, with the PRM's scores. Look at the steps *after* the first error.

# %%
labels = [[verdict.label for verdict in row] for row in verdicts]
mended_traces = [i for i, row in enumerate(labels) if recovered(row)]
at = next((i for i in mended_traces if labels[i][-1] == 1
           and verdicts[i][test_truth[i]].reason == "slip"), mended_traces[0])
plots.highlight(test[at], test_scores[at], verdicts[at], threshold=choice.threshold,
                title="Wrong, and put right again")

# %% [markdown]
# Do the scores come back with the steps? And what does it do to the rules? Remember
# that a change of level is what the change rule looks for.

# %%
after = [(p, y == 1) for i in again for p, y in zip(
    many_scores[i][many_truth[i] + 1:], many[i][many_truth[i] + 1:]) if y]
for name, wanted in (("right", True), ("wrong", False)):
    found = [p for p, ok in after if ok == wanted]
    print(f"{name} steps after the first error: mean score {np.mean(found):.2f}")
for name, found in said.items():
    hits = [float(found[i] == many_truth[i]) for i in again]
    share, low, high = by_problem(hits, [many_groups[i] for i in again])
    print(f"{name:28} names the first error in {share:.2f} of them "
          f"({low:.2f} to {high:.2f})")

# %% [markdown]
# And the right answers with a wrong step? A PRM may refuse them all the same, if its
# scores are put together by their minimum; an ORM, trained on answers, has no reason
# to (notebook 01). That is the difference between the two that survives everything
# else: whether the *way* counts.

# %%
for how in ("min", "last"):
    cut = choice.threshold
    kept = sum(scoring.aggregate(many_scores[i], how) >= cut for i in lucky)
    print(f"accepted by {how:4}: {kept:3} of {len(lucky)} right answers with a wrong step")

# %% [markdown]
# ## Human labels
#
# How well do public PRMs do this, on labels made by people? ProcessBench F1 as
# reported by Zhang et al. 2025 (arXiv:2501.07301, table 7). **Predict:** how does
# a model of seven billion parameters do on school problems, and on olympiads?

# %%
# NBVAL_CHECK_OUTPUT
published = pd.DataFrame({
    "GSM8K": [47.9, 50.4, 70.8, 68.2, 82.4],
    "MATH": [29.5, 33.4, 53.6, 62.6, 77.6],
    "Olympiad": [24.8, 13.8, 22.9, 50.7, 67.5],
    "Omni": [23.8, 15.8, 21.0, 44.3, 66.3],
}, index=["Math-Shepherd-PRM-7B", "RLHFlow-PRM-Mistral-8B", "Skywork-PRM-7B",
          "Qwen2.5-Math-7B-PRM800K", "Qwen2.5-Math-PRM-7B"])
print(published.assign(mean=published.mean(axis=1).round(3)).to_string())

# %% [markdown]
# The first two were trained on Monte Carlo labels: a step counts as good if the
# right answer is still reached from it (notebook 04). That is not quite the
# question asked here, and it shows. The same paper trained one model with three
# kinds of labels:

# %%
# NBVAL_CHECK_OUTPUT
by_labels = pd.DataFrame({"traces": ["860k", "860k", "264k (PRM800K, other traces)"],
                          "first-error F1": [40.1, 46.5, 56.5],
                          "best of 8": [65.9, 65.3, 64.9]},
                         index=["Monte Carlo", "judge model", "human"])
print(by_labels.to_string())
for name in ("first-error F1", "best of 8"):
    print(f"{name}: {by_labels[name].max() - by_labels[name].min():.1f} points apart")

# %% [markdown]
# For finding errors the labels differ by 16 points. (The human ones, of other traces and
# fewer, are best.) For choosing answers, a mean over seven benchmarks, they differ by
# one, no interval is given, and all three stay below the plain majority (66.2; the
# oracle has 74.7). Best-of-8 hardly tells them apart: a PRM must be judged by the
# ability you need. Keep in mind, too, that human labels err (notebook 02), so that a
# perfect judge would not get 100.
#
# ## Recap
#
# Scores become a first error by a rule, and a rule is one number a step held against
# a threshold: the score, its drop, a change of level, the odds of *no error*. Each
# has its trap: strict scores, step 0, a trace put right again, doubt that adds up.
# The threshold is chosen on validation traces and never on test. With a good PRM the
# choice among three of them hardly matters; with a strict or noisy one it does.
# ProcessBench's F1 is the harmonic mean of two accuracies, and behind it stand kinds
# of mistakes that a PRM finds more or less well: best those it was shown.
#
# ## Quiz

# %%
exercises.quiz("07")

# %% [markdown]
# ## Your own steps
#
# Any steps, any scores: from your PRM, from a judge, or your own guess. Try the
# scores of a model that you think of using, on a trace whose first error you know.

# %%
# NBVAL_CHECK_OUTPUT
my_steps = split_steps("""
The train needs 2 hours for 160 km: 160 / 2 = 80 km an hour.
In 3 hours it gets 80 + 3 = 83 km far.
Answer: 83 km
""")
my_scores = [0.96, 0.22, 0.35]
my_truth = 1

for rule in ("threshold", "drop"):
    print(f"{rule}: {scoring.first_error(my_scores, rule=rule)}, truth {my_truth}")

# %%
plots.highlight(my_steps, my_scores, truth=my_truth, title="Yours", threshold=0.5)

# %% [markdown]
# Our PRM can judge steps you write, too, as long as they are in its world's words:
# change `wrong_at_once` above, and run that section again. And once you have some
# traces with an error and some without, `ThresholdExplorer(traces, scores,
# first_errors)` opens on yours: lists of steps will do.
#
# Next: [10 · Real models and data](10_real_models_and_data.ipynb), where others'
# traces, other people's labels and public PRMs come in. To read: Zheng et al. 2024,
# *ProcessBench*, arXiv:2412.06559; Zhang et al. 2025, *The Lessons of Developing
# Process Reward Models in Mathematical Reasoning*, arXiv:2501.07301.
