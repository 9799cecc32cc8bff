"""Figures of many searches: what they found against what it cost, and how their trees grew.

As in `plots`, each function takes plain data and returns a `theme.Figure`. For accuracy against N
see `plots.best_of_n`, for aggregations `plots.aggregation_comparison`, for single traces
`plots.score_by_step`. Trees are anything with the columns of `trees.SearchTree`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prmlab import plots, theme


def accuracy_by_tokens(curves: Mapping[str, Any], *, title: str = "Equal compute",
                       y_title: str = "share of problems solved") -> theme.Figure:
    """Accuracy against tokens a problem, with intervals, one line a strategy.

    Args:
        curves: by name, a `spending.Line`, or columns `tokens`, `mean`, `low`, `high`, [P]
            each.

    Raises:
        ValueError: if a column is missing, or columns differ in length.
    """
    made = plots.lines_with_bands(curves, "tokens", " at {:,.0f} tokens", title,
                                  "tokens per problem, policy and scorer", y_title)
    least, most = (10**end for end in made.figure.layout.xaxis.range)
    ticks = [digit * 10**power for power in range(int(math.log10(least)), 1 + math.ceil(
        math.log10(most))) for digit in (1, 2, 5) if least <= digit * 10**power <= most]
    if len(ticks) > 1:
        made.figure.update_xaxes(tickvals=ticks, ticktext=[f"{tick:,}" for tick in ticks])
    return made


def tree_sizes(trees: Mapping[str, Sequence[Any]], *, title: str = "How the trees grow"
               ) -> theme.Figure:
    """Mean number of different steps in the tree after each round, one line a strategy.

    Raises:
        ValueError: if there is no strategy, or one without a tree.
    """
    _check(trees)
    fig = theme.figure(title, showlegend=len(trees) > 1)
    sentences, styles, most = [], theme.styles(trees), 1
    for name, some in trees.items():
        rounds = range(max(tree.rounds for tree in some) + 1)
        sizes = [float(np.mean([(tree.born[1:] <= r).sum() for tree in some])) for r in rounds]
        line = {"color": styles[name].colour, "dash": styles[name].dash, "width": 2}
        mark = {"color": styles[name].colour, "symbol": styles[name].symbol, "size": 8}
        fig.add_scatter(x=list(rounds), y=sizes, name=name, mode="lines+markers", line=line,
                        marker=mark, hovertemplate=f"%{{y:.1f}} steps<extra>{name}</extra>")
        drawn = float(np.mean([tree.drawn[1:].sum() for tree in some]))
        sentences.append(f"{name} has {sizes[-1]:.1f} steps a tree after {rounds[-1]} rounds, of "
                         f"{drawn:.1f} drawn ({_shares(some)})")
        most = max(most, *sizes)
    longest = max(tree.rounds for some in trees.values() for tree in some)
    fig.update_xaxes(title_text="round", tickvals=list(range(0, longest + 1, 1 + longest // 12)))
    fig.update_yaxes(title_text="different steps in the tree", range=[0, 1.05 * most])
    return theme.Figure(fig, "; ".join(sentences) + ".")


def score_by_depth(trees: Sequence[Any], *, title: str = "What was kept and what was pruned"
                   ) -> theme.Figure:
    """Mean step score at each depth, by the fate of the step.

    Raises:
        ValueError: if no tree has a scored step.
    """
    cells: dict[str, dict[int, list[float]]] = {}
    for tree in trees:
        for row in range(1, len(tree)):
            if not np.isnan(tree.step_score[row]):
                depths = cells.setdefault(tree.fate[row], {})
                depths.setdefault(int(tree.depth[row]), []).append(float(tree.step_score[row]))
    if not cells:
        raise ValueError("nothing to draw: no tree has a scored step")
    fig = theme.figure(title, showlegend=True)
    sentences, styles = [], theme.styles(sorted(cells))
    for fate in sorted(cells):
        x = sorted(cells[fate])
        y = [float(np.mean(cells[fate][depth])) for depth in x]
        counts = [f"{len(cells[fate][depth])} steps" for depth in x]
        fig.add_scatter(
            x=x, y=y, name=fate, mode="lines+markers", text=counts,
            line={"color": styles[fate].colour, "dash": styles[fate].dash, "width": 2},
            marker={"color": styles[fate].colour, "symbol": styles[fate].symbol, "size": 8},
            hovertemplate=f"%{{y:.3f}}<br>%{{text}}<extra>{fate}</extra>")
        every = [score for scores in cells[fate].values() for score in scores]
        sentences.append(f"{len(every):,} {fate} steps score {np.mean(every):.2f} on average")
    fig.update_xaxes(title_text="steps below the root")
    fig.update_yaxes(title_text="mean step score", range=[-0.03, 1.03])
    return theme.Figure(fig, "; ".join(sentences) + ".")


def _check(trees: Mapping[str, Sequence[Any]]) -> None:
    empty = [name for name, some in trees.items() if not len(some)]
    if not trees or empty:
        raise ValueError(f"need trees to draw, got none{' for ' + empty[0] if empty else ''}")


def _shares(trees: Sequence[Any]) -> str:
    fates = [fate for tree in trees for fate in tree.fate[1:]]
    return ", ".join(f"{fates.count(fate) / max(1, len(fates)):.0%} {fate}".replace("%", " %")
                     for fate in sorted(set(fates)))
