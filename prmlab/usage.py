"""What sampling has cost, as sums, of a model here or of a server; and how a counter travels."""

from dataclasses import dataclass, fields
from threading import Lock
from typing import Any, Self


class Sums:
    """Records of counts that add and subtract field by field."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name)
                            for f in fields(self)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) - getattr(other, f.name)
                            for f in fields(self)))


@dataclass(frozen=True)
class Usage(Sums):
    """What sampling has cost; subtract an earlier one for the cost of what lay between.

    Args:
        calls: calls of `propose` and `complete`.
        samples: traces returned.
        cut: those of them that met a length limit before their end; they are not `finished`.
        prompt_tokens: of the prompts; on this machine what begins several prompts of one call
            counts once, of a server it is what the server says.
        new_tokens: tokens drawn, the end's and any thrown away after a step included.
        seconds: time spent.
        merged: those of `new_tokens` that took no run of the model, because another sample of the
            prefix had drawn the same up to there.
        uncounted: answers of a server that did not say how many tokens they took.
    """

    calls: int = 0
    samples: int = 0
    cut: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    seconds: float = 0.0
    merged: int = 0
    uncounted: int = 0

    @property
    def policy_tokens(self) -> int | None:
        """All tokens, prompts' and drawn; None if a server left some uncounted."""
        return None if self.uncounted else self.prompt_tokens + self.new_tokens

    @property
    def scorer_tokens(self) -> int | None:
        """The same, of a scorer that samples or pretends to."""
        return self.forwarded

    @property
    def forwarded(self) -> int | None:
        """Tokens that the model has run: without those that another sample had drawn."""
        return None if self.uncounted else self.prompt_tokens + self.new_tokens - self.merged


@dataclass(frozen=True)
class Tokens(Sums):
    """What a scorer has run so far; None if it does not count."""

    scorer_tokens: int | None = 0


class Sendable:
    """What has a `_lock`, and can be copied and sent to other processes: each has its own."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock())
