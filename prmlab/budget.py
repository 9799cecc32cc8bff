"""What labels by rollouts will cost: generations, tokens, hours and money, before any is drawn.

Owns the arithmetic, and speeds published by others to do it with. A *plan* says how many rollouts
of which length; a *device* how fast it writes and what an hour of it costs. Reading prompts is not
counted: a server that shares prefixes reads each once, which is little beside the rollouts written.
Measures nothing, and knows no model.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Rollouts to be drawn for labels.

    Args:
        problems: how many.
        n_samples: traces of each problem.
        steps: of each trace, on average.
        n_rollouts: of each prefix.
        tokens: written by one rollout, on average; see `rest`.
        share: of all these rollouts that are drawn, for a method that stops early or skips
            prefixes; in (0, 1].

    Raises:
        ValueError: if a number is not positive, or the share above 1.
    """

    problems: int
    n_samples: int
    steps: float
    n_rollouts: int
    tokens: float
    share: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value!r}")
        if self.share > 1:
            raise ValueError(f"share must be at most 1, got {self.share!r}")

    @property
    def labels(self) -> float:
        """Steps that get a label."""
        return self.problems * self.n_samples * self.steps

    @property
    def generations(self) -> float:
        """Rollouts drawn.

        Example:
            >>> f"{CLAIM.generations:,.0f}"
            '51,200,000'
        """
        return self.labels * self.n_rollouts * self.share

    @property
    def all_tokens(self) -> float:
        """Tokens written by all of them."""
        return self.generations * self.tokens


@dataclass(frozen=True)
class Device:
    """Something that writes tokens.

    Args:
        name: what runs on what.
        tokens_per_s: written, all rollouts together.
        price: of an hour, in dollars; an assumption of yours.
        source: where the speed is from.
    """

    name: str
    tokens_per_s: float
    price: float
    source: str


@dataclass(frozen=True)
class Bill:
    """What a plan costs on a device: hours of it, and dollars."""

    hours: float
    dollars: float


def bill(plan: Plan, device: Device) -> Bill:
    """Hours and dollars of a plan on one device; k devices take a k-th of the hours.

    Example:
        >>> bill(Plan(10, 4, 9, 10, tokens=100), Device("a laptop", 100, 0.0, "measured"))
        Bill(hours=1.0, dollars=0.0)
    """
    hours = plan.all_tokens / device.tokens_per_s / 3600
    return Bill(hours, hours * device.price)


def needed(plan: Plan, hours: float) -> float:
    """Tokens a second that a plan asks for, to be done within so many hours.

    Example:
        >>> round(needed(CLAIM, hours=14))
        507937
    """
    return plan.all_tokens / hours / 3600


def ceiling(parameters: float, flops: float) -> float:
    """Tokens a second that no software can exceed: `flops / (2 parameters)`.

    A token takes a multiplication and an addition for each parameter; attention, sampling and
    waiting for memory come on top. In practice a few tenths of it are reached.

    Args:
        parameters: of a dense model, those that each token runs through.
        flops: the device's dense arithmetic peak, operations a second.

    Source: Kaplan et al. 2020, arXiv:2001.08361, section 2.1: about 2N operations a token.
    """
    return flops / (2 * parameters)


def rest(tokens: float, steps: int) -> float:
    """Mean tokens that a rollout still writes, if it begins after step 1, 2, ... `steps`.

    `tokens (steps - 1) / (2 steps)` for steps of equal length: less than half a trace.

    Example:
        >>> rest(500, steps=10)
        225.0
    """
    return tokens * (steps - 1) / (2 * steps)


# Textbook figures: so many generations "in about 14 hours of an H100".
CLAIM = Plan(problems=10_000, n_samples=16, steps=10, n_rollouts=32, tokens=500)

H100_BF16, H100_FP8 = 989e12, 1979e12  # dense peaks of the SXM card, by its data sheet

# Published for Llama 3.1 8B in FP8 on one H100, the model served and nothing else; the price is an
# assumption to be replaced by what you pay.
PUBLISHED = (
    Device("vLLM 0.10, summaries of news", 5_777, 3.0,
           "MLPerf Inference 5.1, offline, Red Hat's submission"),
    Device("TensorRT-LLM 1.0, 500 in, 2,000 out", 17_660, 3.0,
           "its documentation, performance overview"),
    Device("TensorRT-LLM 1.0, 128 in, 128 out", 28_312, 3.0,
           "its documentation, performance overview"),
)
