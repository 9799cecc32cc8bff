# %% [markdown]
# # 00 · Start here
#
# On this page a small language model solves problems while you watch, one step at
# a time. A second model, a **process reward model** (PRM), gives every step a
# score. And because the problems come from a world built for this course, a
# program can say exactly which steps are right. Such a third voice is rare. The
# whole course stands on it.
#
# | | |
# | --- | --- |
# | **You will** | read a scored trace, predict its first wrong step, label steps by hand, check this machine |
# | **Before this** | nothing but a little Python |
# | **To read** | 15 minutes |
# | **To run** | 15 seconds on two cores |
# | **Live** | every trace, score and verdict on this page |
# | **Recorded** | nothing |

# %%
from IPython.display import HTML
from prmlab import checker, doctor, exercises, plots, problems, scoring, theme
from prmlab.rewards import PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Trace
from prmlab.verdicts import REASONS

theme.use()
SEED = 0

# %%
policy = LocalPolicy.load("policy")  # writes steps
prm = PRM.load("prm")  # scores steps

# %% [markdown]
# ## First trace
#
# One problem that neither model has seen, and eight attempts at it. We show the
# first attempt that contains a wrong step, so that there is something to find.

# %%
(problem,) = problems.make("stories", 1, seed=SEED, difficulty=3, split="test")
(traces,) = policy.complete([Trace(problem, ())], 8, seed=SEED)
flawed = [trace for trace in traces if checker.first_error(trace) is not None]
trace = (flawed or traces)[0]

plots.highlight(trace, prm.score([trace])[0], checker.check(trace),
                title="Written by the policy a moment ago")

# %% [markdown]
# How to read it:
#
# - **The ground behind a step** is the PRM's opinion: blue for right, orange for
#   wrong, the stronger the surer. The bar and the number say the same. The PRM
#   saw the problem and the steps up to this one, and nothing else.
# - **The truth** on the right is no opinion. The checker redid the step: ✓ right,
#   ✗ wrong, ○ true but not needed, always with the reason. The edge beside the
#   text repeats it.
# - **The first error** is what this course is about. What follows from a wrong
#   number is wrong as well, a *carried error*; the cause is the first.
# - Steps are counted from 0, here and in all of the code.
#
# Where ground and edge have the same colour, the PRM is right. Where they do not,
# you have just seen a reward model fail. Both will happen.
#
# Here are all eight attempts. "None" is a trace without a wrong step.

# %%
rows = list(zip(traces, prm.score(traces)))
print("answer   first error: PRM   truth")
for attempt, step_scores in rows:
    found, truth = scoring.first_error(step_scores), checker.first_error(attempt)
    print(f"{attempt.answer or 'none':>6}{found!s:>19}{truth!s:>8}")

# %% [markdown]
# Three voices, and one word each:
#
# | voice | what it does | what it gives |
# | --- | --- | --- |
# | the **policy** | a language model that writes the next step, at random | a *trace*: a problem, its steps, an answer |
# | the **PRM** | a language model that reads a trace and writes nothing | a *score* for each step, between 0 and 1 |
# | the **checker** | a program that knows this world's rules | a *verdict* on each step, with a reason |
#
# The policy solves, the PRM judges, the checker knows. On real problems nobody
# knows, and that is why PRMs exist.

# %%
for name, model in (("policy", policy.model), ("PRM", prm.model)):
    print(f"{name:6} {model.num_parameters() / 1e6:.1f} M parameters,"
          f" {model.config.num_hidden_layers} layers, on {model.device}")

# %% [markdown]
# ## Scores
#
# Now you predict. The next cell makes another problem and one attempt at it: the
# first, whatever it is like. Redo the steps in your head.

# %%
seed = SEED + 1  # any whole number gives another problem: come back and change it

(problem,) = problems.make("stories", 1, seed=seed, difficulty=3, split="test")
((trace,),) = policy.complete([Trace(problem, ())], 1, seed=seed)
trace

# %%
guess = ...  # the index of the first wrong step, or None if every step is right

# %% [markdown]
# Run the next cell once you have written your guess above, and open the line that
# appears.

# %%
step_scores = prm.score([trace])[0]
said = {"you": "nothing yet" if guess is ... else guess,
        "the PRM": scoring.first_error(step_scores),
        "the truth": checker.first_error(trace)}
title = "First wrong step, according to " + ", ".join(
    f"{who}: {step}" for who, step in said.items())
view = plots.highlight(trace, step_scores, checker.check(trace), title=title)
HTML("<details><summary>You, the PRM and the truth</summary>"
     f"{view._repr_html_()}</details>")

# %% [markdown]
# Who was right? Change `seed` and play a few rounds. Two things are worth
# noticing as you do. You need to redo the arithmetic to be sure; the PRM has to
# judge at a glance, in one pass over the text. And a score is a probability: 0.6
# says "probably right", not "60 % right".
#
# `scoring.first_error` turned scores into an answer by the simplest rule there
# is: the first score below 0.5.

# %%
# NBVAL_CHECK_OUTPUT
print(scoring.first_error([0.97, 0.41, 0.88, 0.30]))
print(scoring.first_error([0.97, 0.61, 0.88, 0.55]))

# %%
exercises.show("00", "count_low")

# %%
def count_low(step_scores):
    ...  # your code: a number

exercises.check("00", "count_low", count_low)

# %% [markdown]
# Stuck? `exercises.hint("00", "count_low", 1)`, then 2 and 3, then
# `exercises.solution("00", "count_low")`. Nothing is sent anywhere: your progress
# is one small file in your home folder.
#
# ## Truth
#
# Where does the truth come from? A program makes the problems, and keeps the facts
# it told them from. There are three families of problems:

# %%
# NBVAL_CHECK_OUTPUT
for problem in problems.mix(3, seed=SEED, difficulty=2, split="test"):
    print(f"{problem.family}: {problem.text}\n{problems.solve(problem).text}\n")

# %% [markdown]
# The checker does not compare a trace with these solutions. It reads each step,
# asks what the step claims, and decides whether the claim follows from the facts
# and from what stands above it. So other orders, other ways and further true
# steps are all fine.
#
# **Predict.** Take the story above. We say the first step of its solution twice,
# and end with an answer that is one too high. Three steps: which labels do they
# get?

# %%
# NBVAL_CHECK_OUTPUT
(story,) = problems.make("stories", 1, seed=SEED, difficulty=2, split="test")
first = problems.solve(story).steps[0]
edited = Trace(story, (first, first, f"Answer: {int(story.answer) + 1}"), True)
for verdict in checker.check(edited):
    print(f"{verdict.label:+d}  {verdict.reason}")

# %% [markdown]
# Three labels, and they are the three that people gave in PRM800K, the data set
# behind *Let's Verify Step by Step* (Lightman et al. 2023): **+1** right, **0**
# neutral, **-1** wrong. The checker adds a reason, from a fixed list:

# %%
# NBVAL_CHECK_OUTPUT
for reason, meaning in REASONS.items():
    print(f"{reason:17} {meaning}")

# %% [markdown]
# Now be the process reward model, and then the checker.

# %%
exercises.show("00", "first_wrong")

# %%
first_wrong = ...  # the index of the first wrong step

exercises.check("00", "first_wrong", first_wrong)

# %%
exercises.show("00", "label_steps")

# %%
labels = [..., ..., ..., ..., ..., ...]  # one for each step: 1, 0 or -1

exercises.check("00", "label_steps", labels)

# %% [markdown]
# A label says what is the case; a score says what a model thinks. Training turns
# labels into a model, and comparing its scores with labels it has not seen says how
# good it is. One trace is an anecdote, and so are eight: notebook 01 does it on
# hundreds, with intervals.
#
# ## Machine
#
# Everything here runs without a GPU and without a network. The doctor looks at
# this machine and says what is missing, with one line on how to mend it.

# %%
report = doctor.examine()
for finding in report.findings:
    print(f"{finding.state:5} {finding.name}   {finding.mend}")

# %% [markdown]
# Write `report` into a cell of its own to see everything that was found. The same
# from a terminal, in this repository's folder: `.venv/bin/python -m prmlab doctor`.
#
# ## Map
#
# | | notebook | you leave with |
# | --- | --- | --- |
# | 00 | **start here** | a scored trace, and a machine that works |
# | 01 | [outcome and process rewards](01_outcome_and_process_rewards.ipynb) | ORM and PRM on the same traces; which to use when |
# | 02 | [traces, labels and truth](02_traces_labels_and_truth.ipynb) | traces labelled by you, and how well you agree with the truth |
# | 03 | [train an ORM and a PRM](03_train_orm_and_prm.ipynb) | both trained live, and what it takes for a PRM to help |
# | 04 | [Monte Carlo labels](04_monte_carlo_labels.ipynb) | step labels without people, and their errors |
# | 05 | [best of N](05_best_of_n.ipynb) | choosing among samples, with intervals |
# | 06 | [beam search](06_beam_search.ipynb) | a search steered step by step |
# | 07 | [first error](07_first_error.ipynb) | the first wrong step found, and how well |
# | 08 | label budget | fewer labels, better chosen |
# | 09 | process rewards in RL | step rewards in training, and how they are hacked |
# | 10 | [real models and data](10_real_models_and_data.ipynb) | the same on public models and data sets |
# | 11 | the debate | the field's claims beside what was measured here |
#
# Those with a link are there. 08, 09 and 11 are still to come.
#
# ## Recap
#
# A policy writes a trace one step at a time, and a PRM gives each step the
# probability that it is right. In this world a checker knows the truth of every
# step, so that a score can be held against it. The step to look for is the first
# wrong one: what comes after may only carry it on.
#
# ## Quiz

# %%
exercises.quiz("00")

# %% [markdown]
# ## Your own steps
#
# `plots.highlight` takes any list of steps and any scores: from your own model,
# or your own estimate. Where you know the first wrong step, give it as `truth`.
# Here, for free text of no family, the checker goes by the arithmetic that the
# steps claim.

# %%
# NBVAL_CHECK_OUTPUT
my_steps = ["Anna buys 3 boxes of 12 eggs: 3 * 12 = 36",
            "She uses 5 of them: 36 - 5 = 32", "Answer: 32"]
my_scores = [0.97, 0.21, 0.34]

first_error = checker.first_arithmetic_error(my_steps)
print(plots.highlight(my_steps, my_scores, truth=first_error))

# %%
plots.highlight(my_steps, my_scores, truth=first_error, title="Yours")

# %% [markdown]
# Next: [01 · Outcome and process rewards](01_outcome_and_process_rewards.ipynb).
# To read: Lightman et al. 2023, *Let's Verify Step by Step*, arXiv:2305.20050.
