"""One search as the explorer holds it: what was asked, what there is so far, and its words.

Owns what is said of a search: its title, its settings in a line, its outcome. Runs nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prmlab import answers
from prmlab.markup import cut, printable
from prmlab.traces import Problem, Trace
from prmlab.trees import SearchTree
from prmlab.widgets import strategy_settings

COSTS = ("policy_tokens", "scorer_tokens", "policy_calls", "scorer_calls", "seconds")


@dataclass(frozen=True)
class ShownSearch:
    """A search in a pane of the explorer.

    Args:
        id: counts the searches of one explorer, from 1.
        start: the problem, or the prefix it goes on from.
        strategy: the function that searches.
        settings: the explorer's, when it was asked for.
        before: scores of the start's own steps.
        note: where it goes on from, if anywhere.
        tree: as far as it has grown; None before the first round.
        result: the SearchResult, once there is one.
        picture: of `tree`, by `tree_picture.picture`.
    """

    id: int
    start: Problem | Trace
    strategy: Callable[..., Any]
    settings: Mapping[str, Any]
    before: tuple[float | None, ...] = ()
    note: str = ""
    tree: SearchTree | None = None
    result: Any = None
    picture: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def title(self) -> str:
        """Strategy and scorer, and where it goes on from."""
        parts = [self.settings["strategy"].replace("_", " "), self.settings["scorer"]]
        return " · ".join([*parts, *([self.note] if self.note else [])])

    @property
    def details(self) -> str:
        """The settings that this strategy has, in one line."""
        own = strategy_settings.settings(self.strategy)
        known = {"problem": "problem"} | {key: control["label"] for key, control in own.items()}
        return ", ".join(f"{label} {self.settings[key]}" for key, label in known.items()
                         if key in self.settings)

    def to_dict(self) -> dict[str, Any]:
        """What goes to the browser: the picture, the words, the outcome."""
        return {"id": self.id, "title": self.title, "details": self.details,
                "outcome": self.outcome(), **self.picture}

    def outcome(self) -> dict[str, Any]:
        """What came of it, for the table that compares; None where it is not known."""
        best = self.picture["best"]
        cost = getattr(self.result, "cost", None)
        answer = getattr(self.result, "answer", None)
        return {
            "ready": self.result is not None,
            "answer": None if answer is None else printable(cut(str(answer), 80)[0]),
            "right": self._right(answer),
            "total": None if best is None else self.picture["total"][best],
            "nodes": len(self.tree) - 1, "rounds": self.tree.rounds,
            **{name: getattr(cost, name, None) for name in COSTS},
        }

    def said(self) -> str:
        """The outcome in one sentence, with what was met on the way: ties and limits."""
        answer = self.result.answer
        found = (f"answer {answer}" if answer is not None else
                 "no trace was finished, so there is no answer" if self.result.best is None
                 else "the chosen trace states no answer")
        ties = getattr(self.result, "ties", ())
        limits = getattr(self.result, "limits", {})
        met = [f"{name.replace('_', ' ')} met {n} times" for name, n in limits.items()
               if name != "stopped"]
        notes = ([f"tied: {', '.join(map(str, ties))}"] if ties else []) + met
        return f"{'; '.join([f'{self.title}: {found}', *notes])}."

    def _right(self, answer: str | None) -> bool | None:
        expected = self.tree.root.problem.answer
        return None if None in (answer, expected) else answers.equal(answer, expected)
