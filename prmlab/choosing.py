"""How the answer is chosen among the traces that a search has finished: by score or by votes.

Every rule takes a tree and returns a `Choice` with all it went by, so any rule can be asked of any
tree afterwards, for nothing. Answers are grouped by equality (`answers`): "0.5" votes with "1/2".
A trace has as many votes as samples were that trace (`drawn`); one that states no answer has none,
but may be the best by score. Ties go to the elder and are reported. Knows no truth.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from prmlab import answers
from prmlab.trees import FINISHED, SearchTree

LEAST = 1e-12  # so that answers of weight 0 tie instead of vanishing


@dataclass(frozen=True)
class Candidate:
    """A finished trace: its node, its answer, its votes (samples), its score (total; or nan)."""

    node: int
    answer: str | None
    votes: int
    score: float


@dataclass(frozen=True)
class Group:
    """Candidates with equal answers.

    Args:
        answer: as the eldest wrote it.
        nodes: the candidates, best score first.
        votes: of all of them.
        weight: the sum of their votes times scores; nan if one is unscored.
        score: the best one's; nan if none is scored.
    """

    answer: str
    nodes: tuple[int, ...]
    votes: int
    weight: float
    score: float


@dataclass(frozen=True)
class Choice:
    """What was chosen, and on what evidence.

    Args:
        node: the chosen trace's; None if no trace is finished.
        answer: its answer.
        candidates: in order of creation.
        groups: first place first.
        ties: if more than one answer shares the first place, those; else empty.
    """

    node: int | None
    answer: str | None
    candidates: tuple[Candidate, ...]
    groups: tuple[Group, ...]
    ties: tuple[str | None, ...] = ()


Chooser = Callable[[SearchTree], Choice]


def best(tree: SearchTree) -> Choice:
    """The candidate with the highest total."""
    found = candidates(tree)
    groups = _ranked(grouped(found), lambda group: group.score)
    if not found:
        return Choice(None, None, (), ())
    first = max(found, key=lambda c: (_number(c.score), -c.node))
    level = [c for c in found if _number(c.score) == _number(first.score)]
    tied = [g.answer for g in groups if set(g.nodes) & {c.node for c in level}]
    tied += [None] * any(c.answer is None for c in level)
    return Choice(first.node, first.answer, found, groups, tuple(tied) if len(tied) > 1 else ())


def majority(tree: SearchTree) -> Choice:
    """The answer with the most votes, by its best-scored (or eldest) trace."""
    return _vote(tree, lambda group: group.votes)


def weighted(tree: SearchTree) -> Choice:
    """The answer with the largest sum of scores over its votes, by its best-scored trace.

    Raises:
        ValueError: if a candidate is unscored or its score negative.
    """
    for c in candidates(tree):
        if not c.score >= 0:
            raise ValueError(f"a weighted vote needs scores >= 0, node {c.node} has {c.score}: "
                             "score every candidate, and aggregate to probabilities (not to a "
                             "sum of logits)")
    return _vote(tree, lambda group: max(group.weight, LEAST))


def tie_break(tree: SearchTree) -> Choice:
    """The answer with the most votes; among equals, the one that holds the best score."""
    return _vote(tree, lambda group: group.votes, lambda group: group.score)


def candidates(tree: SearchTree) -> tuple[Candidate, ...]:
    """The finished traces of a tree, in order of creation.

    One that was only looked ahead to (fate "pruned") is none.
    """
    return tuple(Candidate(node, tree.trace(node).answer, int(tree.drawn[node]),
                           float(tree.total[node]))
                 for node in tree.ends() if tree.fate[node] == FINISHED)


def grouped(found: tuple[Candidate, ...]) -> tuple[Group, ...]:
    """Candidates by equal answers, in order of first appearance; those without one left out."""
    groups = []
    for rows in answers.group([c.answer for c in found]):
        members = [found[row] for row in rows]
        order = sorted(members, key=lambda c: (-_number(c.score), c.node))
        groups.append(Group(members[0].answer, tuple(c.node for c in order),
                            sum(c.votes for c in members),
                            float(sum(c.votes * c.score for c in members)), order[0].score))
    return tuple(groups)


def _vote(tree: SearchTree, *rules: Callable[[Group], float]) -> Choice:
    found = candidates(tree)
    groups = grouped(found)
    for rule in reversed(rules):
        groups = _ranked(groups, rule)
    if not groups:
        return Choice(None, None, found, ())
    tied = tuple(g.answer for g in groups
                 if all(_number(rule(g)) == _number(rule(groups[0])) for rule in rules))
    return Choice(groups[0].nodes[0], groups[0].answer, found, groups, tied if tied[1:] else ())


def _ranked(groups: tuple[Group, ...], rule: Callable[[Group], float]) -> tuple[Group, ...]:
    return tuple(sorted(groups, key=lambda group: -_number(rule(group))))  # ties to the elder


def _number(score: float) -> float:
    """For comparing: nine digits, so that the order of a sum decides nothing; nan comes last."""
    return -np.inf if np.isnan(score) else float(f"{score:.9g}")
