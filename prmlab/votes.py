"""Accuracy of a vote among `n` samples: by majority, or weighted by scores.

Conventions as in `curves`. Answers are equal when they are `==`: normalise them first
(`answers`). `None` is a sample without an answer; it has no vote. Ties are split evenly.

Does not sample, score or grade.
"""

from collections.abc import Hashable, Sequence
from itertools import combinations
from math import comb

import numpy as np

from prmlab.curves import Curve, as_numbers, as_samples, as_trace_scores, curve_of, of_shares
from prmlab.intervals import DRAWS


def majority_curve(
    correct: np.ndarray,
    answers: Sequence[Sequence[Hashable]],
    ns: Sequence[int] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
    n_subsamples: int = 100,
) -> Curve:
    """Accuracy of the most frequent answer among `n`; ties are split evenly.

    Exact at `n = 1`, and where there are no more than `n_subsamples` subsets of `n` of the N;
    elsewhere the mean over so many seeded subsamples of each problem. A problem none of whose
    samples has an answer counts as wrong.

    Args:
        correct: `[P, N]`, bool.
        answers: `[P][N]`, hashable, `None` where a sample has no answer.
        ns, seed, level, draws: as in `best_of_n_curve`.
        n_subsamples: subsamples of a problem, or subsets of it that are all looked at, >= 1.

    Raises:
        ValueError: as in `best_of_n_curve`; and if samples with the same answer are not all
            right or all wrong, or a sample without an answer is right.

    Example:
        >>> majority_curve([[True, False, True]], [["5", "7", "5"]], [1, 3]).mean.round(3)
        array([0.667, 1.   ])
    """
    weights = np.ones(as_samples(correct).shape)
    return _vote_curve(correct, answers, weights, ns, n_subsamples, seed, level, draws)


def weighted_curve(
    correct: np.ndarray,
    answers: Sequence[Sequence[Hashable]],
    scores: np.ndarray,
    ns: Sequence[int] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
    n_subsamples: int = 100,
) -> Curve:
    """Accuracy of the answer whose samples have the largest sum of scores among `n`.

    With equal scores it is `majority_curve`. Arguments and errors as there, and
    `scores` `[P, N]`, >= 0: a negative score would be a vote against.

    Example:
        >>> votes = weighted_curve([[True, False, False]], [["5", "7", "7"]], [[0.9, 0.3, 0.3]])
        >>> float(votes.mean[-1])
        1.0
    """
    values = as_trace_scores(scores, as_samples(correct).shape)
    if (values < 0).any():
        raise ValueError("vote weights must be >= 0, got negative scores: aggregate to "
                         "probabilities (not to a sum of logits) before a weighted vote")
    return _vote_curve(correct, answers, values, ns, n_subsamples, seed, level, draws)


def tie_break_curve(
    correct: np.ndarray,
    answers: Sequence[Sequence[Hashable]],
    scores: np.ndarray,
    ns: Sequence[int] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
    n_subsamples: int = 100,
) -> Curve:
    """Accuracy of the most frequent answer; among equals, the one that holds the best score.

    Arguments and errors as for `best_of_n_curve` and `majority_curve`.

    Example:
        >>> votes = tie_break_curve([[True, False]], [["5", "7"]], [[0.9, 0.3]])
        >>> float(votes.mean[-1])
        1.0
    """
    right = as_samples(correct)
    values = as_trace_scores(scores, right.shape)
    return _vote_curve(right, answers, np.ones(right.shape), ns, n_subsamples, seed, level, draws,
                       values)


def _vote_curve(
    correct: np.ndarray,
    answers: Sequence[Sequence[Hashable]],
    weights: np.ndarray,
    ns: Sequence[int] | None,
    n_subsamples: int,
    seed: int,
    level: float,
    draws: int,
    breaks: np.ndarray | None = None,
) -> Curve:
    right = as_samples(correct)
    n_samples = right.shape[1]
    ns = as_numbers(ns, n_samples)
    if n_subsamples < 1:
        raise ValueError(f"n_subsamples must be >= 1, got {n_subsamples}")
    groups, group_right = _answer_groups(right, answers)
    weights = np.maximum(weights, 1e-12)  # so that answers of weight 0 tie instead of vanishing
    per_problem = np.empty((len(right), len(ns)))
    rng = np.random.default_rng(seed)
    inner = [k for k, n in enumerate(ns) if n > 1 and comb(n_samples, n) > n_subsamples]
    for p in range(len(right)) if inner else ():
        order = rng.permuted(np.tile(np.arange(n_samples), (n_subsamples, 1)), axis=1)
        sizes = [ns[k] for k in inner]
        per_problem[p, inner] = _votes(groups[p], weights[p], group_right[p], order, sizes,
                                       None if breaks is None else breaks[p])
    for k, n in enumerate(ns):
        if n == 1:
            per_problem[:, k] = right.mean(axis=1)
        elif k not in inner:
            every = np.array(list(combinations(range(n_samples), n)))
            per_problem[:, k] = [_votes(groups[p], weights[p], group_right[p], every, [n],
                                        None if breaks is None else breaks[p])[0]
                                 for p in range(len(right))]
    return of_shares(curve_of(per_problem, ns, seed=seed, level=level, draws=draws))


def _votes(groups: np.ndarray, weights: np.ndarray, group_right: np.ndarray, order: np.ndarray,
           sizes: list[int], breaks: np.ndarray | None) -> list[float]:
    """Accuracy of the vote among the first `n` of each subsample of a problem, by size.

    With `breaks`, `[N]`, a tie goes to the group whose largest one is the largest.
    """
    n_subsamples, n_groups = len(order), len(group_right) + 1  # the last group abstains
    cell = groups[order] + n_groups * np.arange(n_subsamples)[:, None]
    weight = weights[order]
    tally = np.zeros(n_subsamples * n_groups)
    best = np.full((n_subsamples, n_groups), -np.inf)
    accuracy, done = [], 0
    for n in sizes:
        tally += np.bincount(cell[:, done:n].ravel(), weight[:, done:n].ravel(), tally.size)
        votes = tally.reshape(n_subsamples, n_groups)[:, :-1]
        most = votes.max(axis=1, keepdims=True, initial=0.0)
        winners = (votes >= most * (1 - 1e-9)) & (most > 0)
        if breaks is not None:
            np.maximum.at(best.reshape(-1), cell[:, done:n], breaks[order[:, done:n]])
            held = np.where(winners, best[:, :-1], -np.inf)
            winners &= held == held.max(axis=1, keepdims=True, initial=-np.inf)
        shares = winners @ group_right / np.maximum(winners.sum(axis=1), 1)
        accuracy.append(float(shares.mean()))
        done = n
    return accuracy


def _answer_groups(
    right: np.ndarray, answers: Sequence[Sequence[Hashable]]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Each sample's group `[P, N]`, the last one for no answer, and which groups are right."""
    if [len(row) for row in answers] != [right.shape[1]] * len(right):
        raise ValueError(f"one answer per sample: correct is {right.shape}, answers are for "
                         f"{len(answers)} problems, {sorted({len(r) for r in answers})} each")
    groups, group_right = np.empty(right.shape, dtype=int), []
    for p, row in enumerate(answers):
        truth: dict[Hashable, float] = {}
        for answer, is_right in zip(row, right[p], strict=True):
            if truth.setdefault(answer, is_right) != is_right or (answer is None and is_right):
                raise ValueError(
                    f"samples with the same answer must all be right or all be wrong, and None "
                    f"is wrong: problem {p}, answer {answer!r} is both or a right None: grade "
                    "and group with the same rule (answers)"
                )
        truth.pop(None, None)
        number = {answer: g for g, answer in enumerate(truth)} | {None: len(truth)}
        groups[p] = [number[answer] for answer in row]
        group_right.append(np.array([float(t) for t in truth.values()]))
    return groups, group_right
