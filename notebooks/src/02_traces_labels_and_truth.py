# %% [markdown]
# # 02 · Traces, labels and truth
#
# A process reward model learns from labels on steps. Where do they come from, and
# how good are they? On this page you take a trace apart, label a few steps by hand
# as the people behind PRM800K did, and hold your labels against the truth. Expect
# to be wrong somewhere. So were they.
#
# | | |
# | --- | --- |
# | **You will** | split a text into steps, write PRM800K's format, label steps in an annotator, measure agreement with Cohen's kappa, find errors in human labels by arithmetic |
# | **Before this** | notebook 00 |
# | **To read** | 35 minutes |
# | **To run** | 20 seconds on two cores |
# | **Live** | every trace, verdict and label; labels nobody made are simulated and say so |
# | **Recorded** | the comparison with 100 human-labelled traces (tests/test_claims.py) |

# %%
import json
from collections import Counter
from dataclasses import FrozenInstanceError
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pandas as pd
from IPython.display import HTML

from prmlab import agreement, checker, claims, exercises, plots
from prmlab import problems, scoring, theme, traces
from prmlab.rewards import PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Problem, Trace, to_frame
from prmlab.verdicts import REASONS
from prmlab.widgets import twin
from prmlab.widgets.step_annotator import StepAnnotator

theme.use()
SEED = 0

# %% [markdown]
# ## Steps
#
# A **problem** is a text, its answer where known, and the facts that a checker
# needs. This one is written by hand, so that you can see there is no magic in it.

# %%
told = [("Ana", "start", 12, []), ("Ben", "times", 3, ["Ana"]),
        ("Cy", "fewer", 5, ["Ben"]), ("Dee", "more", 4, ["Ana"])]
facts = [{"name": n, "relation": r, "k": k, "of": of} for n, r, k, of in told]

pens = Problem(
    "pens",
    "Ana has 12 pens. Ben has 3 times as many pens as Ana. Cy has 5 fewer pens "
    "than Ben. Dee has 4 more pens than Ana. How many pens does Cy have?",
    answer="31", family="stories",
    facts={"item": "pens", "asked": "Cy", "facts": facts})

# %% [markdown]
# A **trace** is a problem and the **steps** taken on it, one line of text each.
# A **prefix** is a trace that has not ended. That is all a policy ever sees, and
# all it ever does is add a step:

# %%
# NBVAL_CHECK_OUTPUT
trace = problems.solve(pens)
for n_steps in range(len(trace.steps) + 1):
    prefix = trace.prefix(n_steps)
    print(n_steps, "steps, then:", *prefix.steps[-1:] or ("(nothing yet)",))

# %% [markdown]
# Problems and traces are frozen. A label belongs to this very text; if the text
# could change under it, nobody would notice.

# %%
# NBVAL_CHECK_OUTPUT
try:
    trace.steps = ("Answer: 31",)
except FrozenInstanceError as error:
    print("refused:", error)

again = Trace.from_dict(json.loads(json.dumps(trace.to_dict())))
print("the same after a trip through JSON:", again == trace)

# %% [markdown]
# To change a trace, make another: `dataclasses.replace(trace, steps=...)`. You will
# do that below.
#
# Where does a step end? That is a convention, and a model only works with the one
# it was trained on. **Predict:** how many steps has this text, if a step is a
# line, a paragraph, or a sentence?

# %%
# NBVAL_CHECK_OUTPUT
text = """Step 1: Ben has 3 * 12 = 36 pens. Ana has 12.

Step 2: Cy has 5 fewer. 36 - 5 = 31.
Answer: 31"""

for name, parts in {"line": text.splitlines(), "paragraph": text.split("\n\n"),
                    "sentence": text.replace("\n", " ").split(". ")}.items():
    print(f"{name:10} {sum(bool(part.strip()) for part in parts)} steps")

# %% [markdown]
# All three are in use. Here a step is a line that is not empty.

# %%
exercises.show("02", "split_steps")

# %%
def split_steps(text):
    ...  # your code: a list of strings

exercises.check("02", "split_steps", split_steps)

# %% [markdown]
# Now traces that nobody wrote by hand. The policy gets thirty test problems of each
# family, and writes two traces for each.

# %%
policy = LocalPolicy.load("policy")
made = problems.mix(90, seed=SEED, split="test")
drawn = policy.complete([Trace(problem, ()) for problem in made], 2, seed=SEED)
live = [trace for row in drawn for trace in row if trace.steps]

to_frame(live).head(8)

# %% [markdown]
# One row a step: that is the form for counting. For reading there is a better one.
# A trace shows itself:

# %%
live[0]

# %% [markdown]
# ## Labels
#
# Is a step right? For PRM800K (Lightman et al. 2023) people answered that for
# about 800,000 steps, with one of three ratings:
#
# | rating | mark | here |
# | --- | --- | --- |
# | +1 | ✓ right | true, supported by what stands above, and on the way to the answer |
# | 0 | ○ neutral | true, but not needed |
# | -1 | ✗ wrong | false, or not supported |
#
# On most problems only people can say, and they may disagree. In this course's
# world a program can: `checker.check` redoes every step.
#
# **Predict** the label of the step marked `>` in each of these traces. Two of the
# seven changes are harmless, two give a neutral step, three a wrong one.

# %%
BEN = "Ben has 3 times as many as Ana: 3 * 12 = 36"
CY = "Cy has 5 fewer than Ben: 36 - 5 = 31"
DEE = "Dee has 4 more than Ana: 12 + 4 = 16"
CY_FROM_ANA = "Cy has 5 fewer than Ben: 12 - 5 = 7"
changed = {  # what was done: the steps, and the step to look at
    "operands swapped": ((BEN.replace("3 * 12", "12 * 3"), CY), 0),
    "other words": (("12 * 3 = 36, so Ben has 36 pens.", CY), 0),
    "said twice": ((BEN, BEN, CY), 1),
    "true, but who asked?": ((BEN, DEE, CY), 1),
    "a slip": ((BEN.replace("36", "35"), CY), 0),
    "a true sum, not the question": ((BEN, CY_FROM_ANA), 1),
    "out of the blue": ((CY,), 0),
}
for name, (steps, at) in changed.items():
    print(name)
    for i, step in enumerate(steps):
        print("  >" if i == at else "   ", step)

# %%
# NBVAL_CHECK_OUTPUT
for name, (steps, at) in changed.items():
    verdict = checker.check(Trace(pens, steps))[at]
    note = verdict.note or "-"
    print(f"{verdict.label:+d}  {verdict.reason:15} {name}: {note}")

# %% [markdown]
# A **verdict** is more than a label: it has a reason, and a note with the
# particulars. Not one change was judged by comparing texts; the checker works out
# what each step claims. Look at *a true sum, not the question*: 12 - 5 is 7, and
# the step is wrong all the same. We come back to that.
#
# And what about the steps *after* a wrong one?

# %%
# NBVAL_CHECK_OUTPUT
after_a_slip = (BEN.replace("36", "35"), CY.replace("36 - 5 = 31", "35 - 5 = 30"),
                "Answer: 30")
slipped = Trace(pens, after_a_slip, finished=True)
print(plots.highlight(slipped, truth=checker.check(slipped)))

# %% [markdown]
# 35 - 5 *is* 30. The step is wrong because it says something false about Cy, but
# the mistake was made above: a **carried error**. Others would call it right, for it
# follows from what stands above. The first error is free of that choice, which is why
# it is what everybody reports.
#
# Here is the full list of reasons with what the policy gave us for each: the first
# example among the traces above, and how often it occurs.

# %%
found = [(verdict, trace.steps[i]) for trace in live
         for i, verdict in enumerate(checker.check(trace))]
times = Counter(verdict.reason for verdict, _ in found)
for reason, meaning in REASONS.items():
    example = next((f"“{step}”  {verdict.note}" for verdict, step in found
                    if verdict.reason == reason), "none here")
    print(f"{reason} ({times[reason]} of {len(found)}): {meaning}\n"
          f"    {example}")

# %% [markdown]
# Notice who makes these mistakes. They are not planted: a small language model
# that learned from right solutions only makes them by itself.
#
# ### The file format
#
# PRM800K keeps one JSON object a line. Labellers saw several completions for the
# next step and chose one to go on from, hence the nesting. In its second phase
# labelling **stopped at the first wrong step**.

# %%
exercises.show("02", "prm800k_row")

# %%
def prm800k_row(problem, steps, ratings):
    ...  # your code: a dictionary

exercises.check("02", "prm800k_row", prm800k_row)

# %% [markdown]
# Reading is the other direction. For our purpose three things matter.

# %%
def read_ratings(record):
    """Problem, steps and ratings of a PRM800K record, by its first completions."""
    rated = [step["completions"][0] for step in record["label"]["steps"]]
    return (record["question"]["problem"],
            [one["text"] for one in rated], [one["rating"] for one in rated])

# %% [markdown]
# ## Neutral
#
# The 0 looks harmless and is not. A PRM is trained towards a probability, so
# somebody must decide what a neutral step counts as, and the field did not decide
# alike:
#
# - *Let's Verify* counts neutral as **right** when it scores, and so do Qwen's
#   PRM800K model and PURE.
# - TRL's conversion script for PRM800K makes it **wrong**.
# - Leaving it **out** of training is possible too.

# %%
exercises.show("02", "targets")

# %%
def targets(ratings, neutral):
    ...  # your code: a list as long as ratings

exercises.check("02", "targets", targets)

# %% [markdown]
# How much hangs on it? **Predict:** of all steps that the policy wrote above, what
# share is neutral?

# %%
labels = Counter(verdict.label for verdict, _ in found)
share = {name: f"{labels[label] / labels.total():.1%}"
         for name, label in (("right", 1), ("neutral", 0), ("wrong", -1))}
print(f"{labels.total()} steps: {share}")

# %% [markdown]
# Small or large, that share is where two PRMs trained on the very same ratings
# were taught opposite things. So before you use somebody's threshold, ask for
# their convention. In this course neutral counts as right unless we say otherwise:
# nothing in a neutral step is false.
#
# ## Annotate
#
# Your turn. Six traces that the policy wrote a moment ago, each of another story: the
# first six with three to five steps, whatever they are like.

# %%
stories = [trace for trace in live if trace.problem.family == "stories"]
chosen = [trace for trace, *_ in drawn if trace.problem.family == "stories"
          and 3 <= len(trace.steps) <= 5][:6]
n_steps = sum(len(trace.steps) for trace in chosen)
print(f"{len(chosen)} traces, {n_steps} steps")

# %% [markdown]
# **Predict.** In how many of the six will you find a wrong step? And for what share
# of the steps will you and the checker agree?

# %%
my_prediction = {"traces with a wrong step": ..., "agreement": ...}

# %% [markdown]
# Click the first step, then use the keyboard: **1** right, **2** neutral, **3**
# wrong, **0** clears, **u** takes the last label back. Arrow keys move between steps
# and traces. Label what follows from a wrong number as wrong too, as the checker does.
#
# Every label is saved the moment you give it, in `runs/02_labels.jsonl` beside
# this notebook.

# %%
LABELS = Path("runs/02_labels.jsonl")

annotator = StepAnnotator(chosen, LABELS)
annotator

# %% [markdown]
# Close the page, restart the kernel, come back next week: run the cells down to
# the annotator again, and your labels are there, because it read them from the
# file. This opens a second one on the same file to prove it. (It sees what you
# have labelled so far; on a first *Run All* that is nothing.)

# %%
reopened = StepAnnotator(chosen, LABELS)
n_kept = sum(label is not None for row in reopened.labels for label in row)
print(f"{n_kept} of {n_steps} labels found in {LABELS}")

# %% [markdown]
# On GitHub and in exported pages there is no kernel and no file. There the
# annotator comes as a **static twin**: the same program in a page of its own. It
# keeps the labels in the page and offers them as a download in the same format.

# %%
page = twin.frame(annotator.to_html(), title="Step annotator, static twin",
                  height=540)
HTML("<details><summary>The annotator without a kernel (in pages that run scripts; "
     f"GitHub shows the trace above instead)</summary>{page}</details>")

# %% [markdown]
# ### If nobody labels
#
# This notebook also runs where nobody is there to label. So that the rest still
# has something to work on, the next cell **simulates** a reader. It is given the
# exact labels and spoils them by a stated rule: it overlooks one wrong step in
# three, suspects one right step in twelve, and never uses 0. No person does exactly
# that. It stands in for one, and the output says whenever it does.

# %%
def hurried(label, rng):
    """SIMULATED: what a hurried reader says of a step with this exact label."""
    if label < 0:
        return 1 if rng.random() < 1 / 3 else -1
    return -1 if rng.random() < 1 / 12 else 1

def simulated_labels(traces, seed):
    rng = Random(seed)
    return [[hurried(verdict.label, rng) for verdict in checker.check(trace)]
            for trace in traces]

# %% [markdown]
# The simulated reader labels in a temporary folder, never in your file. One line
# of what it saved, shortened to its first step:

# %%
# NBVAL_CHECK_OUTPUT
with TemporaryDirectory() as folder:
    path = Path(folder) / "labels.jsonl"
    stand_in = StepAnnotator(chosen, path, labeler="SIMULATED reader")
    stand_in.labels = simulated_labels(chosen, SEED)  # saves, as your keys do
    lines = path.read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    kept = StepAnnotator(chosen, path).labels == stand_in.labels
    simulated = stand_in.labelled_traces()

print("read again by another annotator, as after a restart:", kept)
print("read by our function:", all(
    read_ratings(record)[1:] == (list(t.steps), list(t.labels))
    for record, t in zip(records, simulated)))

# %%
record = json.loads(lines[0])
del record["label"]["steps"][1:]
record["question"]["pre_generated_steps"] = ["..."]
print(json.dumps(record, indent=1))

# %% [markdown]
# ## Agreement
#
# You labelled, the checker labelled: how far do you agree? If you have labelled
# since, run this cell and the ones below it again.

# %%
labelled, who = annotator.labelled_traces(), "you"
if not labelled:
    labelled, who = simulated, "SIMULATED reader"

pairs = [(given, verdict, step) for trace in labelled for given, verdict, step
         in zip(trace.labels, checker.check(trace), trace.steps)
         if given is not None]
of_problem = [trace.problem.id for trace in labelled for given in trace.labels
              if given is not None]
agreed = sum(given == verdict.label for given, verdict, _ in pairs)
print(f"{who} and the checker agree on {agreed} of {len(pairs)} steps")

# %% [markdown]
# Is that much? Suppose 19 of 20 steps are right, and a labeller says *right* to
# everything, without reading. **Predict** the agreement with the truth, and what
# you would want a fair figure to say.

# %%
# NBVAL_CHECK_OUTPUT
truth = [1] * 19 + [-1]
asleep = agreement.cohen_kappa([1] * 20, truth)
print(f"agreement {asleep.observed:.2f}, by chance alone {asleep.expected:.2f}, "
      f"kappa {asleep.kappa:.2f}")

# %% [markdown]
# **Cohen's kappa** asks how much of the room above chance was used. Chance means
# two labellers with these habits (how often each says what) who do not look.

# %%
exercises.show("02", "kappa")

# %%
def kappa(a, b):
    ...  # your code: a number

exercises.check("02", "kappa", kappa)

# %% [markdown]
# Here it is in full, for the labels above: the table of counts first, for kappa
# alone hides *how* two labellers differ.

# %%
def compare(given, exact):
    result = agreement.cohen_kappa(given, exact, groups=of_problem, seed=SEED)
    names = {1: "+1 right", 0: "0 neutral", -1: "-1 wrong"}
    order = [names[label] for label in result.labels]
    return result, pd.DataFrame(result.table, index=pd.Index(order, name=who),
                                columns=pd.Index(order, name="checker"))

result, table = compare([p[0] for p in pairs], [p[1].label for p in pairs])
table

# %%
print(f"{who}: {len(pairs)} steps, agreement {result.observed:.2f}, by chance "
      f"{result.expected:.2f}\nkappa {result.kappa:.2f}, 95 % interval "
      f"{result.low:.2f} to {result.high:.2f}")

# %% [markdown]
# Read the table along its diagonal, where you agree, and then off it. A wrong step
# called right (row *right*, column *wrong*) was overlooked. A right step called
# wrong was suspected without reason. A neutral step is a matter of taste more than
# of truth.
#
# And look at the interval. It redraws whole problems, for who misreads a story errs in
# several of its steps: they are no independent witnesses. So few stories say little, and
# with as few the interval is a rough one itself. Where exact labels are cheap the
# simulated reader shows how much more is needed:

# %%
for n in (10, 40, 160):
    rows = simulated_labels(live[:n], SEED)
    given = [label for row in rows for label in row]
    exact = [v.label for trace in live[:n] for v in checker.check(trace)]
    of = [trace.problem.id for trace in live[:n] for _ in trace.steps]
    k = agreement.cohen_kappa(given, exact, groups=of, seed=SEED)
    print(f"SIMULATED, {len(given):4} steps of {len(set(of)):2} problems: kappa {k.kappa:.2f} "
          f"({k.low:.2f} to {k.high:.2f})")

# %% [markdown]
# Now the interesting part: the steps on which you and the checker differ. Decide
# each, with the note at hand. Who is right?

# %%
NAMES = {1: "right", 0: "neutral", -1: "wrong"}
differ = [(given, verdict, step) for given, verdict, step in pairs
          if given != verdict.label]
for given, verdict, step in differ[:8]:
    print(f"{who}: {NAMES[given]}; checker: {NAMES[verdict.label]}, "
          f"{verdict.reason} {verdict.note}\n    {step}")
print(f"{len(differ)} differences")

# %% [markdown]
# The checker is exact for the built-in families, so a difference is a mistake in
# the label, or a different idea of *neutral* or of *carried*. If you find one that
# is neither, please report it: it would be a bug.
#
# ## Two labellers
#
# Usually there is no exact checker. Then a second labeller is the only check there
# is: both label the same traces without seeing the other's labels, and what they
# differ on is talked over. Here a second SIMULATED reader, as hurried as the first,
# joins. Both overlook a third of the wrong steps, each its own third, drawn
# independently.
#
# **Predict:** will their kappa be higher or lower than that of one of them with the
# truth?

# %%
first, second = ([t.with_labels(row, source=f"SIMULATED {seed}") for t, row
                  in zip(live, simulated_labels(live, seed))] for seed in (1, 2))
exact = [t.with_labels([v.label for v in checker.check(t)], "exact") for t in live]
both = agreement.compare(first, second, names=("One", "Two"), seed=SEED)
print(agreement.compare(first, exact, names=("One", "the checker"), seed=SEED))
print(agreement.compare(second, exact, names=("Two", "the checker"), seed=SEED))
both

# %% [markdown]
# Two hurried readers agree less with each other than either does with the truth,
# because the mistakes of both count. Turned round: a high kappa between two people
# says little where both make the *same* mistakes. Give your own labels and a
# friend's file to `agreement.compare` (`datasets.prm800k.read` reads it).
#
# ## Which trace first?
#
# Labelling is dear, and of most traces a PRM is sure already. So let it say where it
# is unsure, and label there first. `scoring.uncertainty` of a trace is 1 where some
# step scores one half, and 0 where every score is 0 or 1. With `scores` the annotator
# sorts the traces that way. It does not show the scores: who sees them tends to agree
# with them.

# %%
prm = PRM.load("prm")
scores = prm.score(live)
unsure = sorted(map(scoring.uncertainty, scores), reverse=True)
print(f"of {len(live)} traces the PRM is unsure (above 0.5) of "
      f"{sum(u > 0.5 for u in unsure)}, sure (below 0.1) of {sum(u < 0.1 for u in unsure)}")
StepAnnotator(live, "runs/02_unsure_first.jsonl", scores=scores)

# %% [markdown]
# When you have labelled some, `annotator.export(path, form="trl", neutral="right")`
# writes them for TRL's stepwise trainers, `form="prm800k"` for anything that reads
# OpenAI's format. TRL's has no place for a 0, so you must say what it becomes.

# %%
if annotator.labelled_traces():
    n = annotator.export("runs/02_trl.jsonl", form="trl", neutral="right")
    print(n, "traces in runs/02_trl.jsonl")
else:
    print("nothing to export yet: label a step above, then run this cell again")

# %% [markdown]
# ## Human labels
#
# It is tempting to call human labels the truth. In BIG-Bench-Mistake (Tyen et al.
# 2023, arXiv:2311.08516) people marked the first mistake in chains of thought that
# a model (PaLM 2) had written, among them multistep arithmetic. There every step
# is a claim about numbers, and such a claim needs no opinion. Two steps from
# traces in which the label says: no mistake.
#
# **Predict:** are they right?

# %%
steps = ["(8 + -14) + (-12) = -8",
         "-10 - (-32) - (-2) - (-25) = 15"]

# %%
# NBVAL_CHECK_OUTPUT
for step in steps:
    (claim,) = claims.find(step)
    print("true" if claim.holds else "false:", claim.note)

# %% [markdown]
# Both were overlooked. No blame: try to label fifty of these in a row. But a PRM
# trained on such labels learns that these steps are fine, and one that catches
# them is marked down for it.
#
# The data is not part of this repository. What came out on a sample of 100 of its
# traces, with the command that computes it again (it skips without the sample, which
# it wants in `FOLDER/data` as `bbm_multistep_arithmetic.jsonl`):

# %%
# NBVAL_CHECK_OUTPUT
recorded = {"traces": 100, "same first error, or none, as the label": 96,
            "decided by arithmetic against the label": 4}
print("recorded with: PRMLAB_SHARED=FOLDER "
      "python -m pytest tests/test_claims.py -k human_labels")
for what, n in recorded.items():
    print(f"{n:4}  {what}")

# %% [markdown]
# So on claims that can be computed, exact arithmetic and people agree nearly
# always, and where they differ the people were wrong. (Notebook 10 lets the checker
# read the problem as well, and finds more that the labels do not name.) If you have the file
# (`multistep_arithmetic.jsonl` from github.com/WHGTyen/BIG-Bench-Mistake), put it
# into `runs/`, and the next cell does the comparison in front of you.

# %%
path = Path("runs/multistep_arithmetic.jsonl")
if path.exists():
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    ours = [checker.first_arithmetic_error(row["steps"]) for row in rows]
    same = sum(a == row["mistake_index"] for a, row in zip(ours, rows))
    print(f"{len(rows)} traces, the same as the label on {same}")
else:
    print(f"not compared live: {path} is not there")

# %% [markdown]
# ## Arithmetic
#
# How does one decide a claim in free text? Not with Python's `eval`: the text came
# from a language model. Read the numbers and signs, and compute.

# %%
exercises.show("02", "check_claim")

# %%
def check_claim(text):
    ...  # your code: True, False or None

exercises.check("02", "check_claim", check_claim)

# %% [markdown]
# `claims.find` does this for chains, brackets, fractions, money, percent and
# words, exactly, and in bounded time whatever it is given.

# %%
# NBVAL_CHECK_OUTPUT
for text in ("$1,200 / 4 = $300", "½ of 10 is 5", "so 7 / 2 = 3", "2x + 5 = 15",
             "9**9**9 = 1", "((3 + 4) * 2 = 14 pens"):
    found_here = [("true" if c.holds else "false") for c in claims.find(text)]
    print(f"{text:24} {', '.join(found_here) or 'no claim to decide'}")

# %% [markdown]
# So here is a labeller that costs nothing: call a step wrong if its arithmetic is,
# and right otherwise. It works on any text, not only on this world's problems.
# **Predict:** of the stories with a wrong step, in what share does it find the first
# one?

# %%
first = [checker.first_error(trace) for trace in stories]
by_sums = [checker.first_arithmetic_error(trace.steps) for trace in stories]

def outcome(exact, claimed):
    if exact == claimed:
        return "no error, none claimed" if exact is None else "the same step"
    if exact is None:
        return "accused without an error"
    return "nothing found" if claimed is None else "another step"

outcomes = Counter(map(outcome, first, by_sums))
for what, n in outcomes.most_common():
    print(f"{n:3} of {len(stories)} stories: {what}")
wrong, same = sum(e is not None for e in first), outcomes["the same step"]
print(f"found: {same} of {wrong} first errors, {same / wrong:.0%}")

# %% [markdown]
# It never accused a story without an error. But where it found nothing, or only a later
# step, the arithmetic of the first error is true and the step is wrong all the same:
# another person's number, a relation that the problem never gave, a name that is not
# in it. These are the reasons of the first errors it missed:

# %%
missed = Counter(checker.check(trace)[e].reason for trace, e, a
                 in zip(stories, first, by_sums) if e is not None and e != a)
for reason, n in missed.most_common():
    print(f"{n:3}  {reason}")

# %% [markdown]
# That is the gap a process reward model is for. It has to read the *problem*, and
# judge whether this is the right thing to compute. No rule about numbers can.
#
# ## Recap
#
# A trace is a problem and its steps; a label says of a step that it is right,
# neutral or wrong, and what becomes of neutral is a decision to state. Labels made
# by people are a measurement with an error, and kappa with its table and interval
# says how large. Exact checks find some of those errors, but arithmetic alone does
# not know whether a true sum was the right one to do.
#
# ## Quiz

# %%
exercises.quiz("02")

# %% [markdown]
# ## Your own traces
#
# Paste a solution, your own or a model's, one step a line, and label it. What the
# arithmetic says needs no family; `None` means that no claim is false. Your labels
# go to `runs/my_labels.jsonl`, ready for anything that reads PRM800K.

# %%
# NBVAL_CHECK_OUTPUT
my_problem = Problem("mine", "A shirt is $40. It is sold at 25 % off, and then "
                     "another $5 off. What does it cost?", None, "mine")
my_steps = traces.split_steps("""
25% of $40 is $10, so the shirt is at 40 - 10 = $30.
Another $5 off: 30 - 5 = $20.
Answer: $20
""")
mine = Trace(my_problem, my_steps, finished=True, source="pasted")
print("first false claim:", checker.first_arithmetic_error(mine.steps))

# %%
StepAnnotator([mine], "runs/my_labels.jsonl")

# %% [markdown]
# Next: [03 · Train an ORM and a PRM](03_train_orm_and_prm.ipynb), on exact labels.
# To read: Lightman et al. 2023, *Let's Verify Step by Step*, arXiv:2305.20050;
# Tyen et al. 2023, *LLMs cannot find reasoning errors, but can correct them given
# the error location*, arXiv:2311.08516; Cohen 1960, *Educ. Psychol. Meas.* 20, 37.
