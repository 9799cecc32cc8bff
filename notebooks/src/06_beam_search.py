# %% [markdown]
# # 06 · Beam search
#
# Best of N lets the policy write to the end and asks the verifier afterwards. A
# process reward model can be asked after every step, so it can *steer*: go on from
# what looks right, drop the rest. That is search, and it is what a PRM's scores are
# made for: each says something of the step just taken. It also has a price and a danger,
# and this page shows both: what every search costs, to the token, and what happens when
# the PRM is fooled early.
#
# | | |
# | --- | --- |
# | **You will** | step through a search and steer it, rescue a branch that was pruned, write beam search in ten lines and a search of your own, count what each strategy costs, compare all of them at equal compute, and find the step at which a search was lost |
# | **Before this** | notebooks 01 and 05 |
# | **To read** | 45 minutes |
# | **To run** | 60 seconds on two cores |
# | **Live** | the explorer, every tree, the cost table, the rescues |
# | **Recorded** | nine strategies at rising budgets on 100 test problems (data/runs/search.json), by scripts/record_search.py |

# %%
import json
from collections import Counter

import numpy as np
import pandas as pd
from IPython.display import HTML, display
from prmlab import answers, catalog, checker, claim_charts, exercises, intervals
from prmlab import plots, problems, scorers, search, search_charts, spending
from prmlab import theme, wrong_turns
from prmlab.prefix_memory import PrefixMemory
from prmlab.rewards import ORM, PRM
from prmlab.sampling import LocalPolicy
from prmlab.search import Steps
from prmlab.traces import Trace
from prmlab.widgets import twin
from prmlab.widgets.beam_explorer import BeamExplorer

theme.use()
pd.set_option("display.max_colwidth", None)  # steps are here to be read
SEED = 1  # the recording's, so that live searches are among the recorded ones

# %% [markdown]
# ## Explorer
#
# A policy, test problems that no model has seen, and several judges of a step. The
# *oracle* is the exact checker: what a perfect PRM would say.

# %%
policy = LocalPolicy.load("policy", max_new_tokens=200)
prm = PRM.load("prm")
made = problems.mix(100, seed=SEED, families=("stories", "equations"), split="test")
judges = {"prm": PrefixMemory(prm), "prm-large": PrefixMemory(PRM.load("prm-large")),
          "orm": PrefixMemory(ORM.load("orm")), "oracle": scorers.Exact(),
          "random": scorers.Random(SEED)}

# %% [markdown]
# Below is a beam search, round by round. In each round every prefix of the beam gets
# some next steps, all are scored, the best prefixes stay.
#
# - **Step through**: focus the round slider, arrow keys or Play.
# - **Read**: arrow keys walk the tree, Enter opens a node: its whole trace, each
#   step's score, and the truth, by the checker.
# - **Change** the beam width, the scorer, the aggregation, the strategy; **Run**.
# - **Rescue**: on a pruned node press `r`. The search goes on from there, and both
#   outcomes stand side by side.
#
# **Predict**, before you touch it: with the scorer *random* in the PRM's place, will
# the tree be larger, or just worse? And with the *oracle*, can the search still fail?

# %%
explorer = BeamExplorer(made[:12], policy, judges, seed=SEED, problem=6,
                        beam_width=2, branching=4)
first = explorer.run()
explorer

# %% [markdown]
# What you select there is a Python value here. Select a node above, run this cell
# again. (It holds the chosen trace until you do.)

# %%
chosen = explorer.selected_trace
print(f"{len(chosen.steps)} steps, finished: {chosen.finished}")
for step, verdict in zip(chosen.steps, checker.check(chosen)):
    print(f"{verdict.label:+d}  {step}")

# %% [markdown]
# The same search as a table: a node a row, in order of creation. Everything in the
# picture is in these columns, and the picture has nothing else.

# %%
def table(tree):
    return pd.DataFrame({
        "round": tree.born, "from": tree.parent, "step": tree.step,
        "score": tree.step_score.round(3), "total": tree.total.round(3),
        "drawn": tree.drawn, "fate": tree.fate}).iloc[1:]

table(first.tree).head(12)

# %% [markdown]
# *drawn* counts equal samples: they are one node, and cost the scorer nothing more.
# *total* is the product of the step scores so far; by it nodes are ranked.
#
# Now a rescue in code, on an explorer of its own and on a problem picked because the
# PRM is fooled there, with no second place in the beam: the best of what was pruned
# gets another chance. **Predict.** Will it end in the same answer?

# %%
steered = BeamExplorer(made[79], policy, judges, seed=SEED, beam_width=1)
tree = steered.run().tree
pruned = [n for n in range(1, len(tree))
          if tree.fate[n] == "pruned" and not tree.finished[n]]
node = max(pruned, key=lambda n: tree.total[n])
rescued = steered.rescue(node)
print(made[79].text)
print(f"given up in round {tree.decided[node]}: {tree.step[node]!r}")
print(f"without it {steered.results[0].answer}, from it {rescued.answer}, "
      f"the truth is {made[79].answer}")

# %%
page = twin.frame(steered.to_html(), title="Beam explorer, static twin", height=900)
HTML("<details><summary>Both searches, to step through without a kernel (in pages "
     f"that run scripts)</summary>{page}</details>")

# %% [markdown]
# ## By hand
#
# One round, with nothing but the policy and the PRM. Eight next steps of an empty
# prefix, equal ones merged, best first:

# %%
problem = made[1]
print(problem.text, "\n")
(row,) = policy.propose([Trace(problem, ())], 8, seed=SEED)
counts = Counter(trace.steps[-1] for trace in row)
different = [Trace(problem, (step,)) for step in counts]
scored = sorted(zip(prm.score(different), different), key=lambda pair: -pair[0][-1])
for s, trace in scored:
    print(f"{s[-1]:.3f}  drawn {counts[trace.steps[-1]]}x  "
          f"{checker.check(trace)[-1].reason:22} {trace.steps[-1]}")

# %% [markdown]
# Keep the best, ask again, until all have ended. The only decision is what "the
# best" means, and it is yours first.

# %%
exercises.show("06", "keep_best")

# %%
def keep_best(totals, width):
    ...  # your code: a list of rows

exercises.check("06", "keep_best", keep_best)

# %% [markdown]
# A strategy here is a *generator*. It yields what it wants (`Steps(nodes, n)`: n next
# steps of each node) and is sent the new nodes. Who samples, who scores, for how many
# problems at once, what it costs: none of its business. So beam search is this:

# %%
def my_beam(tree, width=4, branching=4):
    places, tips, n = width, tree.live([0]), width * branching
    while tips:
        rows = yield Steps(tips, n)
        children = [node for row in rows for node in row]
        best = tree.best(children, places)
        tree.prune(set(children) - set(best))
        places -= sum(tree.finished[node] for node in best)
        tips, n = tree.live(best), branching

# %% [markdown]
# Two lines need a word. The first round has one prefix, so it draws for all places at
# once. And a trace that ends keeps its place: the beam narrows, and is over when all
# places are taken.
#
# Is it the package's? Not "about the same answers": the same trees, node by node.

# %%
# NBVAL_CHECK_OUTPUT
mine = search.run(my_beam, made[:8], policy, judges["prm"], seed=SEED)
theirs = search.beam(made[:8], policy, judges["prm"], seed=SEED)
for a, b in zip(mine, theirs):
    assert a.tree.to_dict() == b.tree.to_dict() and a.answer == b.answer
print(f"{len(mine)} problems: the same trees as search.beam")

# %% [markdown]
# A limit case to know it by: with a beam of width 1 it is greedy, the best next step
# every time.

# %%
# NBVAL_CHECK_OUTPUT
def greedy(tree):
    tips = tree.live([0])
    while tips:
        (row,) = yield Steps(tips, 4)
        best = max(row, key=lambda node: (tree.total[node], -node))
        tree.prune(set(row) - {best})
        tips = tree.live([best])

mine = search.run(greedy, made[:8], policy, judges["prm"], seed=SEED)
theirs = search.beam(made[:8], policy, judges["prm"], beam_width=1, seed=SEED)
assert all(a.tree.to_dict() == b.tree.to_dict() for a, b in zip(mine, theirs))
print("a beam of width 1 is greedy")

# %% [markdown]
# Your turn: a beam whose width follows the scores. Why keep always four? Where all
# candidates but one are bad, one is enough; where many are good, keep many. Decoders of
# translations call it threshold pruning (Freitag and Al-Onaizan 2017, arXiv:1702.01806)
# and hold a language model's scores against it; here a PRM's totals decide.

# %%
exercises.show("06", "half_as_good")

# %%
def half_as_good(tree):
    ...  # your code: yield search.Steps(...), at least once

exercises.check("06", "half_as_good", half_as_good)

# %% [markdown]
# ## Other searches
#
# Beam search has two known weaknesses. Its prefixes resemble each other: all may
# descend from one early favourite. And it trusts a score at once. Each of the others
# is an answer to one of these.
#
# - **DVTS** (diverse verifier tree search, Beeching et al. 2024): several greedy
#   searches that share no decision. Diversity, at a price.
# - **Lookahead**: rank a step by the score some steps further on. Slower to trust.
# - **Tree of thoughts**: depth first; if all next steps score low, go *back*.
# - **MCTS**: go where value, or lack of knowledge, is largest. Any step may be
#   visited again. Two rules: UCT, and PUCT, which also counts how often the policy
#   itself proposed a step.
#
# The settings that are no budget were chosen on validation problems:

# %%
# NBVAL_CHECK_OUTPUT
recorded = json.loads(catalog.path("runs/search.json").read_text("utf-8"))
for name, row in recorded["chosen"].items():
    print(f"{name:16} {row['setting']} = {row['value']}, by validation: of "
          f"{row['of']} problems {row['right']} solved")

# %% [markdown]
# **Predict.** Which of them reads least? Which asks most often?

# %%
def judge():  # a PRM that has read nothing yet, so that costs compare
    return PrefixMemory(prm)

def setting(name):
    row = recorded["chosen"][name]
    return {row["setting"]: row["value"]}

SEARCHES = {
    "best of 16": (search.best_of_n, {"n_samples": 16}),
    "majority of 16": (search.majority_vote, {"n_samples": 16}),
    "beam 4": (search.beam, {}),
    "DVTS 4": (search.dvts, {}),
    "lookahead 4": (search.lookahead, {}),
    "tree of thoughts": (search.tree_of_thoughts, setting("tree of thoughts")),
    "MCTS, UCT": (search.mcts, setting("mcts uct")),
    "MCTS, PUCT": (search.mcts, {"rule": "puct", **setting("mcts puct")}),
}
few = made[:8]
found = {name: strategy(few, policy, judge(), seed=SEED, **options)
         for name, (strategy, options) in SEARCHES.items()}

# %%
def is_right(result):
    return answers.equal(result.answer or "", result.tree.root.problem.answer)

def costs(results):
    mean = {name: np.mean([getattr(r.cost, name) for r in results])
            for name in ("policy_tokens", "scorer_tokens", "policy_calls", "scorer_calls",
                         "seconds")}
    return {"solved": sum(map(is_right, results)), **mean,
            "nodes": np.mean([len(r.tree) - 1 for r in results])}

live = pd.DataFrame({name: costs(results) for name, results in found.items()}).T
print(f"{len(few)} problems; all but 'solved' are means a problem")
live.round({"policy_tokens": 0, "scorer_tokens": 0, "policy_calls": 1,
            "scorer_calls": 1, "seconds": 2, "nodes": 1})

# %% [markdown]
# Eight problems say little about who is best, but the costs are plain. How the trees
# grew, over rounds:

# %%
search_charts.tree_sizes({name: [r.tree for r in found[name]]
                    for name in ("beam 4", "DVTS 4", "tree of thoughts", "MCTS, UCT")})

# %% [markdown]
# That each does what its name says can be read off its tree. Lookahead changes the
# ranking, tree of thoughts goes back up, MCTS comes to a node more than once:

# %%
# NBVAL_CHECK_OUTPUT
def goes_back(tree):  # a node of a later round that is less deep
    deepest = np.maximum.accumulate(tree.depth)
    return bool((tree.depth[1:] < deepest[:-1]).any())

ranked = [~np.isnan(r.tree.value[1:]) for r in found["lookahead 4"]]
print("lookahead: value differs from total:",
      any((np.abs(r.tree.value[1:] - r.tree.total[1:])[k] > 0.01).any()
          for r, k in zip(found["lookahead 4"], ranked)))
print("tree of thoughts: some search went back:",
      any(goes_back(r.tree) for r in found["tree of thoughts"]))
print("MCTS: most visits of one node below the root, more than 1:",
      max(r.tree.visits[1:].max() for r in found["MCTS, UCT"]) > 1)

# %%
exercises.show("06", "choose_child")

# %%
from math import log, sqrt

def choose_child(values, visits, parent_visits, explore):
    ...  # your code: an index

exercises.check("06", "choose_child", choose_child)

# %% [markdown]
# ## Cost
#
# A PRM is asked after every step, and each question contains all that came before.
# Read naively, a trace of S steps is read S times. But the states of a prefix do not
# change when something is appended, so a scorer that keeps them reads every token of
# the tree *once*. That is `PrefixMemory`. **Predict:** how many times less does the PRM read
# with it, for the eight beams above?

# %%
# NBVAL_CHECK_OUTPUT
forgetful = search.beam(few, policy, prm, seed=SEED)
same = [np.allclose(a.tree.total[1:], b.tree.total[1:], atol=1e-3)
        for a, b in zip(forgetful, found["beam 4"])]
print("the same scores:", all(same))

# %%
read = {name: sum(r.cost.scorer_tokens for r in results)
        for name, results in (("whole prefixes", forgetful), ("memory", found["beam 4"]))}
print(f"tokens read by the PRM: {read['whole prefixes']:,} in whole prefixes, "
      f"{read['memory']:,} with memory, {read['whole prefixes'] / read['memory']:.1f} "
      "times less")

# %%
exercises.show("06", "tokens_read")

# %%
def tokens_read(problem, steps, remember):
    ...  # your code: a number of tokens

exercises.check("06", "tokens_read", tokens_read)

# %% [markdown]
# The policy has no such memory between rounds here: in each round it reads the
# prefixes of the beam again (each once, whatever the number of samples). In the table
# above that is most of what a beam costs. We shall come back to it.
#
# ## Equal compute
#
# "Beam search beats best of N" is said with N on the axis, where a beam of 4 times 4
# stands beside 16 samples. That counts what was *written*. What was paid is what was
# *run*: tokens through the policy, and tokens through the scorer. (Both are added up as
# they are. The models differ in size by less than a factor of two.)
#
# Mind one thing: samples of one prefix that have drawn the same so far are run once here,
# and billed once. Our policy repeats itself, so that many traces cost it little. A server
# that decodes each sample separately bills all of them: there, samplers cost far more
# than on this axis. That bill was recorded, too, and we shall come to it.

# %%
# NBVAL_CHECK_OUTPUT
print(recorded["command"])
sizes = {"policy": policy.model, "PRM": prm.model}
print({name: f"{sum(p.numel() for p in m.parameters()) / 1e6:.2f} M parameters"
       for name, m in sizes.items()})
print(f"{len(recorded['problems'])} problems, split {recorded['split']!r}; "
      f"fixed: {recorded['fixed']}")

# %% [markdown]
# **Predict:** 256 traces of a problem instead of one. How many times as many tokens does
# the policy run for them, where equal samples are run once? And where each is decoded?

# %%
# NBVAL_CHECK_OUTPUT
samples = {run["budget"]: run for run in recorded["runs"] if run["strategy"] == "majority"}
for what, column in (("run and billed once", "policy_tokens"),
                     ("decoded separately", "policy_tokens_apart")):
    one, many = (np.mean(samples[n][column]) for n in (1, 256))
    print(f"equal samples {what}: 1 trace {one:,.0f} tokens of the policy, 256 traces "
          f"{many:,.0f}, {many / one:.0f} times as many")

# %% [markdown]
# **Predict.** Draw it: solved problems against tokens, for best of n, the majority,
# the weighted vote, and beam. Which is highest at 500 tokens a problem? At 2,000?

# %%
runs = [run for run in recorded["runs"] if run["scorer"] == "prm"]
spent = spending.of_runs(runs)
lines = {name: s.line(seed=SEED) for name, s in spent.items()}

def drawn(names, title):
    return search_charts.accuracy_by_tokens({n: lines[n] for n in names}, title=title)

drawn(("best of n", "majority", "weighted vote", "beam", "dvts", "lookahead"),
      "Choosing, voting, and searching in breadth")

# %%
drawn(("best of n", "beam", "tree of thoughts", "mcts uct", "mcts puct"),
      "Searching in depth")

# %%
# NBVAL_CHECK_OUTPUT
n = len(recorded["problems"])
for run in runs:
    if run["strategy"] == "tree of thoughts":
        given, solved = n - run["unanswered"], run["right"].count("1")
        low, high = intervals.wilson(solved, given)
        print(f"tree of thoughts, {run['budget']:2} samples a step: answers {given} of {n} "
              f"problems, {solved} rightly, {solved / given:.0%} ({low:.0%} to {high:.0%})")

# %% [markdown]
# Tree of thoughts gives up when nothing passes its threshold: what it does not answer
# counts as wrong here; of what it answers, by far the most is right.

# %% [markdown]
# The bands overlap, as bands of 100 problems will. The question is paired: on the same
# problems, for the same tokens, who solves more? A strategy has a few budgets, and
# between two of them we read off the straight line over log tokens. Beyond its
# smallest and largest budget we read nothing.

# %%
exercises.show("06", "at_equal_tokens")

# %%
def at_equal_tokens(tokens, shares, budget):
    ...  # your code: a number between 0 and 1, or None

exercises.check("06", "at_equal_tokens", at_equal_tokens)

# %% [markdown]
# The points of comparison were fixed before looking: what beams of width 1, 2 and 4
# cost, so that the beam's own numbers are measured, not read off a line.

# %%
beam_runs = {r["budget"]: r for r in runs if r["strategy"] == "beam"}
marks = {w: float(np.mean(np.add(beam_runs[w]["policy_tokens"],
                                 beam_runs[w]["scorer_tokens"]))) for w in (1, 2, 4)}

def against(spent, name, tokens):
    """By rival, how far `name` is ahead where both spend `tokens`, with its interval."""
    rows = {}
    for rival in spent:
        low, high = spending.covered([spent[name], spent[rival]])
        if rival != name and low <= tokens <= high:
            gap = spending.difference(spent[name], spent[rival], tokens, seed=SEED)
            rows[rival] = gap.value, gap.low, gap.high
    return rows

# %%
gaps = {f"{rival}, {tokens:,.0f} tokens": row for tokens in marks.values()
        for rival, row in against(spent, "beam", tokens).items()}
claim_charts.differences(gaps, title="Beam ahead of each rival, at equal tokens")

# %% [markdown]
# The claim, *beam is best at equal compute*, needs it to be ahead of every rival. One
# that is clearly ahead of the beam refutes it. (Each interval misses one time in
# twenty; a verdict that hangs on a single rival at a single point is worth less.)

# %%
# NBVAL_CHECK_OUTPUT
def best_of_all(rows):
    words = {name: intervals.verdict(low, high) for name, (_, low, high) in rows.items()}
    ahead = [name for name, word in words.items() if word == "refuted"]
    if ahead:
        return "REFUTED, behind " + ", ".join(ahead)
    level = [name for name, word in words.items() if word == "undecided"]
    return "UNDECIDED, not told apart from " + ", ".join(level) if level else "CONFIRMED"

for width, tokens in marks.items():
    print(f"width {width}, {tokens:,.0f} tokens a problem: "
          f"{best_of_all(against(spent, 'beam', tokens))}")

# %% [markdown]
# Now the other bill, on which equal samples are decoded, and paid for, one by one. The
# same searches, the same answers, and again what the beams cost as points of comparison:

# %%
# NBVAL_CHECK_OUTPUT
def at_own_cost(spent):
    own = spent["beam"].tokens.mean(axis=0)
    for k, width in ((0, 1), (1, 2), (2, 4)):
        print(f"width {width}, {own[k]:,.0f} tokens a problem: "
              f"{best_of_all(against(spent, 'beam', float(own[k])))}")

def billed(policy_tokens):  # by what a run is said to have run through the policy
    return spending.of_runs([{**run, "policy_tokens": policy_tokens(run)} for run in runs])

apart = billed(lambda run: run["policy_tokens_apart"])
at_own_cost(apart)

# %% [markdown]
# Is that the beam's fault, or the policy's, that reads its prefixes again in every
# round? Suppose it had a memory as well. Then its share would be about the scorer's:
# every token of the tree once. (For the samplers nothing changes: they have one
# round.)

# %%
# NBVAL_CHECK_OUTPUT
SAMPLERS = ("best of n", "majority", "weighted vote")

def remembered(run):
    return run["policy_tokens" if run["strategy"] in SAMPLERS else "scorer_tokens"]

saved = billed(remembered)
at_own_cost(saved)

# %%
thrifty_lines = {name: s.line(seed=SEED) for name, s in saved.items()}
search_charts.accuracy_by_tokens(
    {name: thrifty_lines[name] for name in (*SAMPLERS, "beam", "dvts", "lookahead",
                                            "mcts uct")},
    title="If the policy kept its states between rounds too")

# %% [markdown]
# And both at once, a server that keeps every prefix and decodes every sample: what was
# merged is added again.

# %%
# NBVAL_CHECK_OUTPUT
served = billed(lambda run: np.add(remembered(run), np.subtract(
    run["policy_tokens_apart"], run["policy_tokens"])))
at_own_cost(served)

# %%
search_charts.accuracy_by_tokens(
    {name: served[name].line(seed=SEED) for name in (
        *SAMPLERS, "beam", "dvts", "lookahead", "mcts uct")},
    title="If the policy kept its states, and equal samples were decoded one by one")

# %% [markdown]
# Four bills, four lists of rivals, and on none of them is this beam shown to be best. What
# is paid for decides who is ahead of it: with every re-reading on the bill, search in
# steps pays for its rounds; with every equal sample on it, the samplers pay most, and the
# beam, whose sixteen samples of a step are often the same few, pays too. And note what is
# *not* on the axis: a search's rounds come one after the other, samples all at once. Where
# waiting is the price, count the calls:

# %%
# NBVAL_CHECK_OUTPUT
COUNTS = ["calls", "nodes", "unanswered"]
calls = pd.DataFrame([{name: r[name] for name in ("strategy", *COUNTS)} for r in runs])
print(calls.groupby("strategy", sort=False)[COUNTS].agg(["min", "max"]).to_string())

# %% [markdown]
# ## Where it loses
#
# An average hides the danger of steering: a search throws away. When the PRM is fooled
# by a step in round 2, everything that could have followed from the right one is gone,
# and no later score brings it back. Best of N makes the same mistake only at the end.
#
# With exact verdicts, every lost search can be asked: where did it leave the right
# way, the last prefix without a wrong step?
#
# - **not drawn**: no right next step was among the samples.
# - **pruned**: a right one was there, and a wrong one scored higher. The PRM, fooled
#   early.
# - **outscored**: a right trace was finished, and a wrong one won. The PRM, fooled
#   late.
#
# **Predict.** A beam of 4 times 4: which of the three is most frequent?

# %%
# NBVAL_CHECK_OUTPUT
losses = recorded["losses"]
lost = losses["by scorer"]["prm"]
print(f"beam {losses['beam_width']} x {losses['branching']}: "
      f"{len(lost)} of {len(recorded['problems'])} problems not solved")
for cause, n in Counter(row["cause"] for row in lost).most_common():
    low, high = intervals.wilson(n, len(lost))
    print(f"  {cause:11} {n:3}  {n / len(lost):.0%} ({low:.0%} to {high:.0%})")

# %% [markdown]
# We had expected *pruned*. Before we look for the reason: the problems that hurt most
# are those that a plain majority gets and the beam does not.

# %%
# NBVAL_CHECK_OUTPUT
votes = [r for r in runs if r["strategy"] == "majority"]
enough = [r for r in votes if np.mean(r["policy_tokens"]) >= marks[4]]
vote = enough[0] if enough else votes[-1]
hurt = [row for row in lost if vote["right"][row["problem"]] == "1"]
gained = sum(b == "1" and v == "0" for b, v in
             zip(beam_runs[4]["right"], vote["right"]))
print(f"the majority of {vote['budget']} solves {len(hurt)} problems that the beam does "
      f"not,\nand the beam {gained} that the majority does not")

# %%
def told(row):
    right, wrong = row.get("right", {}), row.get("wrong", {})
    return {"problem": row["problem"], "cause": row["cause"],
            "round": f"{row['round']} of {row['rounds']}",
            "last right step": right.get("step", ""),
            "its total": f"{right['total']:.3f}" if right else "",
            "preferred wrong step": wrong.get("step", ""),
            "its score": f"{wrong['step_score']:.3f}" if wrong else "",
            "verdict": row["reason"]}

with pd.option_context("display.max_colwidth", 60):
    display(pd.DataFrame([told(row) for row in hurt]))

# %% [markdown]
# ### Fooled early
#
# It does happen. A beam of width 1 has no second place for what the PRM doubts, so it
# shows the PRM's early mistakes undiluted. All 100 problems, searched now:

# %%
greedily = search.beam(made, policy, judge(), beam_width=1, seed=SEED)
failed = [r for r in greedily if not is_right(r)]
turns = [wrong_turns.find(r.tree) for r in failed]
print(f"width 1: {len(failed)} of {len(made)} not solved:",
      dict(Counter(turn.cause for turn in turns)))
fooled = [(r.tree, turn) for r, turn in zip(failed, turns) if turn.cause == "pruned"]

# %%
def first_fooled():
    tree, turn = fooled[0]
    print(tree.root.problem.text)
    print(f"round {turn.round}: pruned, total {tree.total[turn.right]:.3f}: "
          f"{tree.step[turn.right]!r}")
    rival = tree.trace(turn.rival)
    return plots.highlight(rival, tree.step_scores(turn.rival), checker.check(rival),
                           title=f"Preferred in round {turn.round}")

first_fooled() if fooled else print("the PRM was never fooled early here")

# %% [markdown]
# Would a second chance have helped? Go on from exactly the step that was given up, with
# the same width, as you can in the explorer with `r`. **Predict**: in how many of them
# does the rescue end in the right answer?

# %%
if fooled:
    starts = [tree.trace(turn.right) for tree, turn in fooled]
    helped = sum(map(is_right, search.beam(starts, policy, judge(), beam_width=1,
                                           seed=SEED)))
    low, high = intervals.wilson(helped, len(starts))
    print(f"{helped} of {len(starts)} rescued ({low:.0%} to {high:.0%})")

# %% [markdown]
# ### Starved
#
# But mostly the PRM knows, and the beam starves. Look at what holds its places. This
# policy repeats itself: sixteen samples are a few *different* steps. Of these perhaps
# one is right, and all of them find a place, for there is room. From then on most
# samples continue what the PRM itself scores near 0, and the one right prefix gets
# four.

# %%
full = found["beam 4"]
right = [wrong_turns.right_way(r.tree)[0] for r in full]
kept = [(n, ok, r.tree.total[n]) for r, oks in zip(full, right)
        for n, ok in enumerate(oks) if n and r.tree.fate[n] == "kept"]
wrong_total = [total for _, ok, total in kept if not ok]
print(f"of {len(kept)} prefixes that were gone on from, {len(wrong_total)} hold a wrong "
      f"step;\ntheir median total is {np.median(wrong_total or [np.nan]):.3f}")

# %% [markdown]
# If that is the reason, there is a cure, and it is a search of less than twenty lines:
# give up what is hopeless even if there is room, and share *all* samples among what
# is left.

# %%
def fed_beam(tree, width=4, branching=4, share=0.1):
    tips = tree.live([0])
    while tips:
        rows = yield Steps(tips, width * branching // len(tips))
        children = [node for row in rows for node in row]
        best = tree.best(children, width)
        best = [n for n in best if tree.worth(n) >= share * tree.worth(best[0])]
        tree.prune(set(children) - set(best))
        tips = tree.live(best)

# %% [markdown]
# The idea came from looking at test problems, so they cannot judge it any more. On
# *validation* problems, then. (DVTS has the cure built in, by the way: trees that
# come to the same step each draw their own samples from it.)
#
# **Predict.** More solved? And at which price?

# %%
held_out = problems.mix(40, seed=SEED + 1, families=("stories", "equations"),
                        split="validation")
cured = {"beam 4": search.beam(held_out, policy, judge(), seed=SEED),
         "fed beam 4": search.run(fed_beam, held_out, policy, judge(), seed=SEED),
         "DVTS 4": search.dvts(held_out, policy, judge(), seed=SEED)}
for name, results in cured.items():
    n = sum(map(is_right, results))
    low, high = intervals.wilson(n, len(held_out))
    print(f"{name:11} {n} of {len(held_out)} ({low:.0%} to {high:.0%}), "
          f"{np.mean([r.cost.tokens for r in results]):,.0f} tokens a problem")

# %%
gains = np.array([is_right(a) - is_right(b) for a, b in
                  zip(cured["fed beam 4"], cured["beam 4"])], float)
step = intervals.bootstrap_mean(gains, seed=SEED)
print(f"fed beam minus beam: {step.value:+.3f} ({step.low:+.3f} to {step.high:+.3f}), "
      f"{intervals.verdict(step.low, step.high)}")

# %% [markdown]
# And the judge? The same beam, policy and seeds, with other scorers. The oracle is the
# ceiling: where it fails, no right step was drawn, and no judge can help.

# %%
JUDGES = {"random": judges["random"], "prm": judge(), "prm-large": judges["prm-large"],
          "oracle": judges["oracle"]}
trial = made[:12]
by_judge = {name: search.beam(trial, policy, scorer, seed=SEED, beam_width=2)
            for name, scorer in JUDGES.items()}
for name, results in by_judge.items():
    n = sum(map(is_right, results))
    low, high = intervals.wilson(n, len(trial))
    print(f"{name:10} {n:2} of {len(trial)} ({low:.0%} to {high:.0%})")

# %% [markdown]
# ## Recap
#
# Search spends the verifier's judgement early, step by step. That buys accuracy where
# a right prefix is rare and the PRM sees it. It costs rounds, re-reading, whatever a
# fooled PRM throws away, and, as here, samples spent on prefixes that nobody believes
# in. Whether it pays is a matter of the bill: name the tokens you count, compare at
# equal ones, on the same problems, with an interval. And when it loses, ask where.
#
# ## Quiz

# %%
exercises.quiz("06")

# %% [markdown]
# ## Your own search
#
# Any policy with `propose` and `complete`, any scorer with `score`, any strategy of
# the shape you wrote above, in the same explorer, with the same controls. Its settings
# become controls by themselves. This one keeps what is above a floor.

# %%
def floor_search(given, policy, scorer, *, floor=0.3, branching=4, watch=None, seed=0):
    def grow(tree):
        tips = tree.live([0])
        while tips:
            rows = yield Steps(tips, branching)
            children = [node for row in rows for node in row]
            good = [n for n in tree.best(children, 6) if tree.worth(n) >= floor]
            tree.prune(set(children) - set(good))
            tips = tree.live(good)

    return search.run(grow, given, policy, scorer, seed=seed, watch=watch)

# %%
my_problems = made[:6]     # your problems
my_policy = policy         # your policy: see notebook 10 for others
my_scorers = {"mine": judge()}
own = BeamExplorer(my_problems, my_policy, my_scorers, seed=SEED,
                   strategies={"floor_search": floor_search, "beam": search.beam})
own.run()
own

# %% [markdown]
# Next: [07 · First error](07_first_error.ipynb), where the same scores are turned into
# one word: *here*. To read: Snell et al. 2024 on when search pays
# (arXiv:2408.03314); Yao et al. 2023, Tree of Thoughts (arXiv:2305.10601); Zhang et al.
# 2024, ReST-MCTS* (arXiv:2406.03816); Beeching, Tunstall and Rush 2024, *Scaling
# test-time compute with open models*, on DVTS; Kocsis and Szepesvári 2006 on UCT.
