"""What can be set of a strategy: of ours, and of one a reader wrote."""

import pytest

from prmlab import search
from prmlab.scoring import AGGREGATIONS
from prmlab.widgets import strategy_settings


def mine(problems, policy, scorer, *, n_paths=3, bold=False, cut=0.5, rule="uct", inner=None,
         aggregate="last", seed=0):
    """A reader's strategy."""


def test_kinds_by_defaults():
    kinds = {name: (each["kind"], each["value"])
             for name, each in strategy_settings.settings(mine).items()}
    assert kinds == {"n_paths": ("whole", 3), "bold": ("switch", False), "cut": ("number", 0.5),
                     "rule": ("words", "uct"), "aggregate": ("choice", "last"),
                     "seed": ("whole", 0)}
    assert strategy_settings.settings(mine)["aggregate"]["choices"] == list(AGGREGATIONS)


@pytest.mark.parametrize("strategy", [search.beam, search.best_of_n, search.mcts])
def test_options_stand_for_those_of_all_strategies(strategy):
    names = set(strategy_settings.settings(strategy))
    assert {"aggregate", "seed", "temperature", "max_steps"} <= names
    assert not names & {"watch", "choose", "strategy"}
    assert strategy_settings.takes(strategy, "watch")
    assert not strategy_settings.takes(mine, "watch")


def test_chosen_takes_its_own_and_keeps_their_kinds():
    values = {"n_paths": 5.0, "cut": 1, "beam_width": 9}
    assert strategy_settings.chosen(mine, values) == {
        "n_paths": 5, "bold": False, "cut": 1.0, "rule": "uct", "aggregate": "last", "seed": 0}


@pytest.mark.parametrize(("values", "message"), [
    ({"n_paths": 2.5}, "n paths must be a whole number, got 2.5"),
    ({"n_paths": True}, "n paths must be a whole number, got True"),
    ({"seed": -5}, "seed must be a whole number of 0 or more, got -5"),
    ({"cut": "high"}, "cut must be a number, got 'high'"),
    ({"bold": 1}, "bold must be on or off, got 1"),
    ({"rule": 3}, "rule must be words, got 3"),
    ({"aggregate": "best"}, "aggregate must be one of min, product"),
])
def test_messages(values, message):
    with pytest.raises(ValueError, match=message):
        strategy_settings.chosen(mine, values)
