"""Checks of notebook 05: weighted votes, best of n in closed form, spread, curse, verdict."""

from collections.abc import Sequence
from math import comb, sqrt

from prmlab.checks.attempts import Check, compare
from prmlab.curves import best_of_n_curve

_VOTES = [
    (["5", "7", "7", "5", "5"], [0.25, 0.5, 0.75, 0.25, 0.25]),
    (["12", "9", "12"], [0.5, 0.75, 0.125]),
    (["4", None, "6", None], [0.25, 0.875, 0.5, 0.875]),
    (["3", "8", "3", "8"], [0.5, 0.25, 0.25, 0.5]),  # a tie
    (["8", "3", "8", "3"], [0.5, 0.25, 0.25, 0.5]),  # a tie that is not in order
    (["1", "1", "2"], [0.375, 0.375, 0.5]),
    (["5", "5", "7"], [0.75, 0.125, 0.5]),
    (["8", "9", "9", "9", "1"], [0.75, 0.25, 0.25, 0.25, 0.5]),  # a tie at 0.75
]


def _vote(answers: Sequence[str | None], weights: Sequence[float],
          make: str = "sum") -> list[str | None]:
    """The answers whose weights, added (or averaged, or their largest), are the largest."""
    held: dict[str | None, list[float]] = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            held.setdefault(answer, []).append(weight)
    rule = {"sum": sum, "max": max, "mean": lambda w: sum(w) / len(w)}[make]
    tally = {answer: rule(own) for answer, own in held.items()}
    most = max(tally.values(), default=0)
    return [answer for answer, total in tally.items() if total == most]


def weighted_vote(attempt: object) -> str | None:
    """`weighted_vote(answers, scores)`: the answers with the largest sum of scores."""
    def none_votes(answers: Sequence[str | None], scores: Sequence[float]) -> list[str | None]:
        winners = _vote(["" if a is None else a for a in answers], scores)
        return [answer or None for answer in winners]

    return compare(attempt, _VOTES, _vote, [
        ("You counted the votes; here each vote weighs its score, so add the scores up.",
         lambda a, s: _vote(a, [1.0] * len(a))),
        ("You took the answer of the best single trace, which is best-of-n; a vote adds up the "
         "scores of all traces with the same answer.", lambda a, s: _vote(a, s, "max")),
        ("You averaged the scores of each answer; add them, or having many traces is worth "
         "nothing.", lambda a, s: _vote(a, s, "mean")),
        ("A sample without an answer (None) has no vote: leave it out.", none_votes),
        ("Of equal answers you kept the first; return all of them, so that the tie is seen.",
         lambda a, s: _vote(a, s)[:1]),
        ("You returned one answer; return a list, with all answers that share the first place.",
         lambda a, s: _vote(a, s)[0]),
        ("You returned the answers with the smallest sum; the largest wins.",
         lambda a, s: _vote(a, [-x for x in s])),
    ])


_RANKED = [  # right or not, distinct scores, n
    ([True, False, False], [0.5, 0.9, 0.1], 2),
    ([True, False, False], [0.5, 0.1, 0.9], 2),
    ([False, True, True, False], [0.8, 0.3, 0.6, 0.2], 2),
    ([True, True, False, False, True], [0.1, 0.4, 0.9, 0.6, 0.7], 3),
    ([False, False, True], [0.2, 0.6, 0.4], 1),
    ([False, True, False, True], [0.9, 0.7, 0.1, 0.3], 4),
]


def _in_order(correct: Sequence[bool], scores: Sequence[float]) -> list[bool]:
    return [ok for _, ok in sorted(zip(scores, correct, strict=True))]


def _best_of(correct: Sequence[bool], scores: Sequence[float], n: int) -> float:
    return float(best_of_n_curve([correct], [scores], [n], draws=2).mean[0])


def best_of_n_exact(attempt: object) -> str | None:
    """`best_of_n_exact(correct, scores, n)`: accuracy of the best of n, over all subsets."""
    def again(correct: Sequence[bool], scores: Sequence[float], n: int) -> float:
        ranked, size = _in_order(correct, scores), len(correct)
        return sum(ok * ((r / size) ** n - ((r - 1) / size) ** n)
                   for r, ok in enumerate(ranked, 1))

    def shifted(correct: Sequence[bool], scores: Sequence[float], n: int) -> float:
        ranked = _in_order(correct, scores)
        return sum(ok * comb(r, n - 1) for r, ok in enumerate(ranked, 1)) / comb(len(ranked), n)

    def first(correct: Sequence[bool], scores: Sequence[float], n: int) -> float:
        return float(correct[max(range(n), key=lambda i: scores[i])])

    def top(correct: Sequence[bool], scores: Sequence[float], n: int) -> float:
        return sum(_in_order(correct, scores)[-n:]) / n

    return compare(attempt, _RANKED, _best_of, [
        ("You chose among the first n samples; that is one subset of many. Average over all.",
         first),
        ("You drew with replacement; the n samples of a subset are different ones.", again),
        ("Your ranks are off by one: below the sample of rank r (from 1) there are r - 1.",
         shifted),
        ("You averaged the n best of all samples; a subset of n rarely holds just those.", top),
        ("You let the lowest score win.",
         lambda c, s, n: _best_of(c, [-x for x in s], n)),
        ("You took the best of all samples, whatever n is.",
         lambda c, s, n: _best_of(c, s, len(c))),
        ("That is the oracle: a right sample is in the subset. Here the scores choose.",
         lambda c, s, n: _best_of(c, [float(x) for x in c], n)),
        ("That is the share of right samples, best of 1; n changes nothing in it.",
         lambda c, s, n: sum(c) / len(c)),
    ])


_CHANCES = [([0.5, 0.5, 1.0, 0.0],), ([0.9, 0.2, 0.4],), ([1.0, 0.0, 1.0],), ([0.3] * 5,)]


def _spread(chances: Sequence[float]) -> float:
    return sqrt(sum(p * (1 - p) for p in chances)) / len(chances)


def spread(attempt: object) -> str | None:
    """`spread(chances)`: the standard deviation of accuracy when the samples are redrawn."""
    def mean(chances: Sequence[float]) -> float:
        return sum(chances) / len(chances)

    def between(chances: Sequence[float], n: int) -> float:
        return sqrt(sum((p - mean(chances)) ** 2 for p in chances) / n)

    return compare(attempt, _CHANCES, _spread, [
        ("You measured how the problems differ from each other; the question is how far their "
         "mean moves when the samples are drawn again.", lambda c: between(c, len(c))),
        ("You measured how the problems differ, divided by the root of their number: that is "
         "the standard error over *problems*. Here the problems stay and the samples change.",
         lambda c: between(c, len(c)) / sqrt(len(c))),
        ("That is the variance; take its square root.", lambda c: _spread(c) ** 2),
        ("You divided inside the root once; the mean is a sum divided by P, so its standard "
         "deviation is the root of the summed variances, divided by P.",
         lambda c: sqrt(sum(p * (1 - p) for p in c) / len(c))),
        ("You forgot to divide by the number of problems.", lambda c: _spread(c) * len(c)),
        ("You averaged the standard deviations; variances add, standard deviations do not.",
         lambda c: sum(sqrt(p * (1 - p)) for p in c) / len(c)),
        ("You used the variance of one coin with the mean chance; each problem has its own.",
         lambda c: sqrt(mean(c) * (1 - mean(c)) / len(c))),
    ])


_CHOSEN = [  # scores [P][N] and whether right [P][N]
    ([[0.9, 0.2], [0.6, 0.8]], [[True, False], [True, False]]),
    ([[0.3, 0.7, 0.5]], [[True, False, True]]),
    ([[0.95, 0.1], [0.9, 0.4], [0.2, 0.85]], [[False, True], [True, False], [False, True]]),
    ([[0.25, 0.5], [0.5, 0.75]], [[False, True], [False, True]]),
]


def _winners(scores: Sequence[Sequence[float]], right: Sequence[Sequence[bool]]
             ) -> list[tuple[float, bool]]:
    return [max(zip(s, r, strict=True)) for s, r in zip(scores, right, strict=True)]


def _curse(scores: Sequence[Sequence[float]], right: Sequence[Sequence[bool]]) -> float:
    won = _winners(scores, right)
    return sum(s - r for s, r in won) / len(won)


def curse(attempt: object) -> str | None:
    """`curse(scores, right)`: what the winners are said to be worth, minus what they are."""
    def flat(rows: Sequence[Sequence[float]]) -> list[float]:
        return [x for row in rows for x in row]

    return compare(attempt, _CHOSEN, _curse, [
        ("The sign is the other way round: claimed minus actual, so that a positive number "
         "means too sure.", lambda s, r: -_curse(s, r)),
        ("You compared all traces; the curse is about the winners, one a problem.",
         lambda s, r: (sum(flat(s)) - sum(flat(r))) / len(flat(s))),
        ("You compared the winners' scores with the share of right traces among *all*; compare "
         "them with the share of right winners.",
         lambda s, r: sum(w for w, _ in _winners(s, r)) / len(s) - sum(flat(r)) / len(flat(r))),
        ("You compared with whether *any* trace is right; the winner itself must be.",
         lambda s, r: sum(max(row) for row in s) / len(s) - sum(map(any, r)) / len(r)),
        ("You added up; divide by the number of problems.",
         lambda s, r: _curse(s, r) * len(s)),
        ("You took the size of each difference; let over- and underestimates cancel.",
         lambda s, r: sum(abs(w - ok) for w, ok in _winners(s, r)) / len(s)),
        ("You returned the winners' mean score; subtract the share of them that is right.",
         lambda s, r: sum(w for w, _ in _winners(s, r)) / len(s)),
        ("You returned the share of right winners; subtract it from their mean score.",
         lambda s, r: sum(ok for _, ok in _winners(s, r)) / len(s)),
    ])


_INTERVALS = [(0.02, 0.06), (-0.01, 0.05), (-0.06, -0.02), (-0.05, 0.01), (0.001, 0.2)]


def _verdict(low: float, high: float) -> str:
    return "confirmed" if low > 0 else "refuted" if high < 0 else "undecided"


def verdict(attempt: object) -> str | None:
    """`verdict(low, high)`: what an interval of a difference says of "it is above 0"."""
    swap = {"confirmed": "refuted", "refuted": "confirmed", "undecided": "undecided"}
    return compare(attempt, _INTERVALS, _verdict, [
        ("You went by the middle of the interval; an interval that holds 0 allows both.",
         lambda low, high: "confirmed" if low + high > 0 else "refuted"),
        ("An interval that reaches above 0 is not enough: all of it must lie there.",
         lambda low, high: "confirmed" if high > 0 else "refuted"),
        ("You call a claim refuted as soon as 0 is possible; it is refuted only where the whole "
         "interval lies below 0. In between the data do not say.",
         lambda low, high: "confirmed" if low > 0 else "refuted"),
        ("Confirmed and refuted are the wrong way round.",
         lambda low, high: swap[_verdict(low, high)]),
        ("You asked whether 0 is excluded, not on which side; below 0 the claim is refuted.",
         lambda low, high: "confirmed" if low * high > 0 else "undecided"),
        ("Return one of three words: confirmed, refuted, undecided.",
         lambda low, high: low > 0),
    ])


CHECKS: dict[str, Check] = {
    "weighted_vote": weighted_vote,
    "best_of_n_exact": best_of_n_exact,
    "spread": spread,
    "curse": curse,
    "verdict": verdict,
}
