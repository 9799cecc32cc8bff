"""The figure of equal compute: lines, marks, ticks and its sentence."""

import numpy as np
import pytest

from prmlab import frontier
from prmlab.budgets import Spending


def test_a_line_a_strategy_and_an_upright_where_they_are_compared():
    rng = np.random.default_rng(0)
    lines = {name: Spending(rng.random((50, 3)) < [0.3, 0.5, 0.8],
                            np.tile([100, 400, 3000 + more], (50, 1))).line()
             for more, name in enumerate(("beam", "majority"))}
    figure = frontier.accuracy_by_tokens(lines, marks=[1000])
    names = [trace.name for trace in figure.figure.data if trace.name]
    assert names == ["beam", "majority"]
    assert any(trace.x == (1000, 1000) for trace in figure.figure.data)
    assert list(figure.figure.layout.xaxis.ticktext) == ["100", "200", "500", "1,000", "2,000"]
    assert figure.alt.count(" tokens, ") == 2
    assert "<svg" in figure.svg()


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="no line to draw"):
        frontier.accuracy_by_tokens({})
