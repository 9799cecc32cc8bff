# %% [markdown]
# # 03 · Train an ORM and a PRM
#
# Both reward models start from the same language model and read the same traces.
# What differs is one line: what the loss asks for. You will write that line out,
# train both here, and then ask what their numbers are worth.
#
# | | |
# | --- | --- |
# | **You will** | read a score off its position, write the loss for hard, soft and missing labels, train an ORM and a PRM live, measure calibration, see how many labels it takes, and watch a weak PRM make best-of-N worse |
# | **Before this** | notebooks 01 and 02 |
# | **To read** | 35 minutes |
# | **To run** | 75 seconds on two cores |
# | **Live** | both trainings, and every score and figure about the two models trained here |
# | **Recorded** | PRMs on more and more labels (data/runs/learning.json) |

# %%
import json
import time

import numpy as np
import torch

from prmlab import (
    catalog,
    exercises,
    metrics,
    plots,
    scoring,
    theme,
    tokens,
    traces,
    training,
)
from prmlab.rewards import PRM

theme.use()
SEED = 0

# %% [markdown]
# ## Data
#
# The traces below were written by the tiny policy on training problems and
# labelled, step by step, by the exact checker (`scripts/make_data.py`). Four
# traces to a problem.
#
# **Predict.** The policy gets somewhat fewer than half of its problems right.
# What share of its *steps* is wrong?

# %%
train = traces.read_jsonl(catalog.path("traces/train.jsonl"))
held_out = traces.read_jsonl(catalog.path("traces/validation.jsonl"))
labels = np.array([y for t in train for y in t.labels])
print(f"{len(train):,} traces, {len(labels):,} labelled steps")
for name, value in (("right", 1), ("neutral", 0), ("wrong", -1)):
    print(f"{name:8} {np.mean(labels == value):6.1%}")

# %%
# NBVAL_CHECK_OUTPUT
outcomes = np.array([training.outcome(t) for t in train])
all_right = np.array([min(t.labels) >= 0 for t in train])
print(f"right answer:                 {outcomes.mean():.1%}")
print(f"of these, with a wrong step:  {1 - all_right[outcomes].mean():.1%}")

# %% [markdown]
# So the two models will be taught from different things. The ORM sees one bit a
# trace, the answer's. The PRM sees a label on every step. On the traces of that
# last line the two disagree, and only the PRM is told.

# %% [markdown]
# ## Step ends
#
# A trace becomes one row of tokens: the problem, then every step followed by a
# separator. A causal model can judge a step only when it has read it, so a step's
# score is read at **the last token of the separator after it**. One module knows
# this, `tokens`; everything else asks it.

# %%
# NBVAL_CHECK_OUTPUT
tokenizer = PRM.from_backbone("verifier-base").tokenizer
short = min((t for t in train if len(t.steps) == 2), key=lambda t: len(t.problem.text))
encoded = tokens.encode(tokenizer, short)
print(short.problem.text, "|", " | ".join(short.steps))
print(len(encoded.ids), "tokens; scores are read at", encoded.step_ends)

# %%
# NBVAL_CHECK_OUTPUT
words = tokenizer.convert_ids_to_tokens(list(encoded.ids))
for i, word in enumerate(words):
    mark = "  <- score" if i in encoded.step_ends else ""
    part = "problem" if i < encoded.n_prompt else "step"
    print(f"{i:3} {part:8} {word!r}{mark}")

# %% [markdown]
# Steps are tokenised one by one, never as a joined text: with many tokenizers a
# joined text merges characters across the border, and the position moves. It is
# the commonest bug of PRM code.

# %%
exercises.show("03", "step_ends")

# %%
def step_ends(n_prompt, step_lengths, n_separator):
    ...  # your code: a list of positions

exercises.check("03", "step_ends", step_ends)

# %% [markdown]
# ## Loss
#
# At every labelled step the PRM gives two logits, *wrong* and *right*. With
# $p$ = softmax, index 1, and the target $y$ (1 for right, 0 for wrong):
#
# $$\ell = -\,y \log p - (1 - y) \log(1 - p)$$
#
# averaged over the labelled steps of a batch. Soft labels need no other formula,
# only a $y$ between 0 and 1. A step without a label takes no part. A *neutral*
# step is a choice: here it counts as right, as in Let's Verify Step by Step.

# %%
# NBVAL_CHECK_OUTPUT
for neutral in (1.0, 0.0, None):
    print(neutral, "->", training.step_targets([1, 0, -1, None], neutral=neutral))
soft = training.step_targets([0.9, None, 0.25], label_kind="soft")
print("soft ->", soft)

# %% [markdown]
# Now the whole loss, written out: hidden states at the step ends, the head, the
# two logarithms, the mean.

# %%
def prm_loss(prm, batch):
    total, n = 0.0, 0
    for trace in batch:
        e = tokens.encode(prm.tokenizer, trace)
        hidden = prm.model.base_model(torch.tensor([e.ids])).last_hidden_state[0]
        log_p = prm.model.score(hidden[list(e.step_ends)]).log_softmax(-1)  # [S, 2]
        for s, y in enumerate(training.step_targets(trace.labels)):
            if y is not None:
                total = total - y * log_p[s, 1] - (1 - y) * log_p[s, 0]
                n += 1
    return total / n

# %% [markdown]
# Built once, imported ever after: it must be what the package trains with. A head
# that gave 0 everywhere would cost $\log 2 \approx 0.69$; a random one, as here before
# any training, costs a little more or less, as luck has it.

# %%
# NBVAL_CHECK_OUTPUT
fresh = PRM.from_backbone("verifier-base", seed=SEED)
by_hand = prm_loss(fresh, train[:32]).item()
first = next(training.fit_prm(train[:32], base=fresh, device="cpu"))
print(f"loss of the untrained head: {by_hand:.2f}")
print("the same as the package's:", bool(np.isclose(by_hand, first.loss, rtol=1e-4)))

# %%
exercises.show("03", "step_loss")

# %%
def step_loss(step_logits, labels, label_kind):
    ...  # your code: a number >= 0

exercises.check("03", "step_loss", step_loss)

# %% [markdown]
# ## Train
#
# Both start from `verifier-base`. It is the strongest policy, with three fresh layers
# on top, and it has had two lessons that needed no label: to spot tokens exchanged
# in right solutions, then to notice, in the weaker policy's traces, the first token
# that the strong one would hardly have written. What that is worth, you will
# measure below. (The head it learned with is not kept: both begin with a fresh one.)
#
# The device is chosen for you: a GPU if there is one, and then three passes over
# all the traces; on a CPU one pass over half of them. The four traces of a problem
# stay together in a batch (`together=4`): what they begin with in common, the problem
# above all, is run once for all four, forward and backward. The gradients are the
# same.

# %%
on_gpu = torch.cuda.is_available()
name = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads"
live_traces, epochs = (train, 3) if on_gpu else (train[:1_200], 1)
print(f"{name}: {len(live_traces):,} traces, {epochs} pass(es)")

# %%
truth = [next((i for i, y in enumerate(t.labels) if y < 0), None) for t in held_out]
step_right = [y >= 0 for t in held_out for y in t.labels]

def step_figures(prm):
    scores = prm.score(held_out)
    found = [scoring.first_error(s) for s in scores]
    return {"auroc": metrics.auroc(np.concatenate(scores), step_right),
            "first-error F1": metrics.first_error_f1(found, truth).f1}

# %% [markdown]
# **Predict.** The head starts at random. How well will it tell wrong steps from right
# ones before it has seen any label, after a hundred traces, after all of them? A coin
# has an AUROC of 0.5.

# %%
by_traces = {0: step_figures(PRM.from_backbone("verifier-base", seed=SEED))}
began = time.time()
for record in plots.live(training.fit_prm(
        live_traces, base="verifier-base", epochs=epochs, seed=SEED, lr=0.01, together=4,
        warmup=8, decay=0.9, validate=step_figures, validate_every=15), title="A PRM, live"):
    if record.validation or record.step == 4:
        by_traces[record.n_traces] = record.validation or step_figures(record.model)
prm, prm_seconds = record.model, time.time() - began

# %%
for n, figures in by_traces.items():
    print(f"after {n:5,} traces:  AUROC over steps {figures['auroc']:.2f},  "
          f"first-error F1 {figures['first-error F1']:.2f}")

# %% [markdown]
# Not from nothing, then. The lessons put wrong tokens in plain sight, and a random head
# may point the right way already, and find first errors as well as a trained one. With
# another `SEED` it may point the wrong way, and find none at first. Labels have only to
# turn it. And F1 hangs on one threshold: it may dip while AUROC rises, as long as the
# scores as a whole still move.

# %%
parameters = prm.model.num_parameters()
work = 6 * parameters * record.unique_tokens_per_s / 1e9  # forward and backward
a = torch.randn(2048, 2048, device=prm.model.device,
                dtype=torch.bfloat16 if on_gpu else torch.float32)
a @ a  # warm up
clock = time.perf_counter()
for _ in range(8):
    (a @ a).sum().item()
peak = 8 * 2 * 2048**3 / (time.perf_counter() - clock) / 1e9
run = record.unique_tokens_per_s / record.tokens_per_s
print(f"first-error F1 on held-out traces: {record.validation['first-error F1']:.2f}")
print(f"{run:.0%} of the tokens were run, {record.padding:.0%} of that was padding")
print(f"{prm_seconds:.0f} s, {record.tokens_per_s:,.0f} tokens/s, "
      f"{record.memory_mb:,.0f} MB; about {work / peak:.0%} of what a large "
      f"matrix product reaches here ({peak:,.0f} GFLOP/s)")

# %% [markdown]
# And the ORM: same start, same traces, same passes. Its target is one bit, the
# answer's, asked for at every step end as token-level verifiers do (Cobbe et al.
# 2021); it is read at the last.

# %%
held_right = [training.outcome(t) for t in held_out]

def outcome_figures(orm):
    return {"auroc": metrics.auroc(orm.score(held_out), held_right)}

for record in plots.live(training.fit_orm(
        live_traces, base="verifier-base", epochs=epochs, seed=SEED, lr=0.01, together=4,
        warmup=8, decay=0.9, validate=outcome_figures, validate_every=15), title="An ORM, live"):
    pass
orm = record.model

# %%
scores = prm.score(held_out)
by_product = [scoring.aggregate(s, "product") for s in scores]
print(f"does it know a wrong step?    PRM, AUROC over steps:   "
      f"{metrics.auroc(np.concatenate(scores), step_right):.2f}")
print(f"does it know a right answer?  ORM, AUROC over answers: "
      f"{metrics.auroc(orm.score(held_out), held_right):.2f}")
print(f"                              PRM, by its product:     "
      f"{metrics.auroc(by_product, held_right):.2f}")
alike = np.mean([(t.labels[-1] >= 0) == training.outcome(t) for t in live_traces])
print(f"last step's label says the same as the answer's bit: {alike:.1%} of the traces")

# %% [markdown]
# The third line is a PRM asked an ORM's question. It was not trained for it, though
# the label of its last step, *Answer: ...*, nearly always says the same as the ORM's
# bit. Is it ahead, or behind? With so few traces either can happen; run the two
# trainings again with another `SEED` before believing it.

# %% [markdown]
# ## Calibration
#
# A score of 0.8 claims: of steps like this, 80 in 100 are right. Sort the steps
# into bins by score and count. (The intervals take every step for itself. Steps of one
# problem hang together, so that these are somewhat too narrow.)

# %%
measured = metrics.calibration(np.concatenate(scores), step_right)
plots.reliability(measured, title="The PRM trained above")

# %%
recorded_prm = PRM.load("prm")
full = metrics.calibration(np.concatenate(recorded_prm.score(held_out)), step_right)
print(f"ECE of the PRM trained above: {measured.ece:.3f}")
print(f"ECE of the one in data/:      {full.ece:.3f}")
plots.reliability(full, title="The PRM in data/models/prm")

# %%
exercises.show("03", "ece")

# %%
def ece(probabilities, labels, bins):
    ...  # your code: a number between 0 and 1

exercises.check("03", "ece", ece)

# %% [markdown]
# ## How much data
#
# The same training, recorded, on more and more traces, from two starts: the strong
# policy as it is, and `verifier-base`. One pass each; validation traces choose between
# two learning rates, and the threshold. Measured on 64 traces of each of 200 test
# problems. The last one, `prm-large`, is also a larger model.
#
# The bands redraw test problems. The 64 traces of one are alike: whoever takes them for
# independent draws bands that are several times too narrow, as the lines below show.
#
# **Predict.** How many labels does the start without lessons need, to be as good as
# the other one with the fewest?

# %%
runs = json.loads(catalog.path("runs/learning.json").read_text())
print(runs["command"], "with seed", runs["seed"])
print("learning rates tried:", *runs["rates"])
sizes = runs["sizes"]
by_start = {}
for start in ("policy-strong", "verifier-base"):
    own = [s for s in sizes if s["start"] == start]
    mean, low, high = np.array([s["f1"] for s in own]).T
    by_start[f"from {start}"] = {"n_labels": [s["labels"] for s in own],
                                 "mean": mean, "low": low, "high": high}
plots.metric_by_labels(by_start)

# %%
# NBVAL_CHECK_OUTPUT
for s in sizes:
    print(f"{s.get('model', s['start']):13}  {s['traces']:7,} traces  {s['labels']:8,} labels  "
          f"F1 {s['f1'][0]:.2f} [{s['f1'][1]:.2f}, {s['f1'][2]:.2f}]"
          + (f" at rate {s['lr']}" if "lr" in s else ""))
plain, taught = ([s for s in sizes if s["start"] == start and "model" not in s]
                 for start in ("policy-strong", "verifier-base"))
enough = [s["labels"] for s in plain if s["f1"][0] >= taught[0]["f1"][0]]
print("without lessons as good as with them at the fewest labels:",
      f"{enough[0]:,} labels" if enough else "at no number of labels recorded")

# %%
# NBVAL_CHECK_OUTPUT
def width(interval):
    _, low, high = interval
    return high - low

for s in sizes:
    print(f"{s.get('model', s['start']):13}  {s['traces']:7,} traces: over problems the "
          "interval is "
          f"{width(s['f1']) / width(s['f1 over traces']):.1f} times as wide as over traces")

# %% [markdown]
# How many labels does the start without lessons need? More than were recorded. (It lacks
# the three fresh layers as well: what of the gap is the lessons' and what the layers', these
# runs do not say.)
#
# A curve need not rise evenly, and neighbours on it are not told apart here. Each point
# is *one* training: another seed, rate or threshold would have moved it, and no interval
# here says by how much. They say how far other test problems would have moved it.
#
# Which learning rate validation preferred stands in each line. Look which start comes to
# want the gentle one as labels grow. Perhaps bold steps make a model forget what it
# knows already; one training at each rate does not prove it.
#
# ## Best of N
#
# Now the warning. Each of these PRMs chooses among $N$ traces the one with the
# highest product of step scores. More traces can only help, or so it seems: there
# is a right one among them ever more often.
#
# **Predict.** Three PRMs without lessons, and `prm-large`: where is each line at
# $N$ = 64, beside where it began?

# %%
def as_curve(s):
    return {"n": s["n"], "mean": s["best of n"], "low": s["low"], "high": s["high"]}

chosen = [s for s in sizes if s["start"] == "policy-strong"] + [sizes[-1]]
plots.best_of_n({s.get("model", f"{s['labels']:,} labels"): as_curve(s) for s in chosen},
                title="Choosing with PRMs from policy-strong, and with prm-large")

# %% [markdown]
# Does a curve fall after its best $N$? That is for the difference on the *same*
# problems to say, with its interval. (The best $N$ was picked on these problems too,
# so a small fall is partly the luck of the pick.)

# %%
# NBVAL_CHECK_OUTPUT
def falls(s):
    top = int(np.argmax(s["best of n"]))
    rising = top == len(s["n"]) - 1
    since = top - rising  # where it still rises: from the last N but one
    gain, low, high = s["gain"][since]
    word = (f"highest at N = {s['n'][-1]}" if rising
            else "falls" if high < 0 else "not seen to fall")
    return f"{word}, from N = {s['n'][since]} {gain:+.3f} ({low:+.3f} to {high:+.3f})"

for s in sizes:
    print(f"{s.get('model', s['start']):13} {s['labels']:8,} labels: "
          f"{s['best of n'][0]:.2f} to {s['best of n'][-1]:.2f}; {falls(s)}")

# %% [markdown]
# A PRM that is fooled has learned habits: perhaps that first steps are mostly right,
# or that a short trace has fewer places to be wrong. The second can be looked at. How
# many steps has the trace that it chooses?

# %%
# NBVAL_CHECK_OUTPUT
print(f"right answers to the same problems: {runs['steps of right answers']:.2f} steps")
for s in sizes:
    steps = dict(zip(s["n"], s["steps"]))
    print(f"{s.get('model', s['start']):13} {s['labels']:8,} labels: one trace "
          f"{steps[1]:.2f}, best of 8 {steps[8]:.2f}, best of 64 {steps[64]:.2f} steps")

# %% [markdown]
# Where the PRM does not know a wrong step, its winners get ever shorter, shorter than
# right answers are; where it does, they hardly move. The maximum over $N$ is a search
# for whatever the PRM overrates, and the larger $N$ is, the better that search becomes.
# Nobody optimised against this PRM on purpose; choosing was enough. That is reward
# hacking at its purest.

# %%
exercises.show("03", "trap_chance")

# %%
def trap_chance(share, n):
    ...  # your code: a probability

exercises.check("03", "trap_chance", trap_chance)

# %% [markdown]
# ## Recap
#
# A step's score lives at the end of its separator. The loss is a cross-entropy
# there, and hard, soft, neutral and missing labels differ only in the target. A
# PRM that does not know a wrong step when it sees one is worse than none when it may
# choose among many; here the start decided that, seventeen times the labels did not.

# %%
exercises.quiz("03")

# %% [markdown]
# ## Your own data
#
# Any traces with labels will do: read them with `traces.read_jsonl`, or build them
# as below. `None` means not labelled; for probabilities say `label_kind="soft"`.

# %%
problem = traces.Problem("mine", "Solve 2x + 5 = 15.", "5", "equations")
mine = [traces.Trace(problem, ("2x = 10", "x = 5", "Answer: 5"), True, (1, 1, None)),
        traces.Trace(problem, ("2x = 20", "x = 10", "Answer: 10"), True, (-1, -1, -1))]
for record in training.fit_prm(mine, base=prm, epochs=2, lr=1e-3, warmup=1):
    print(f"step {record.step} of {record.n_steps}: loss {record.loss:.2f}")

# %% [markdown]
# Next: [04 · Monte Carlo labels](04_monte_carlo_labels.ipynb), for where no checker
# knows the truth of a step.
