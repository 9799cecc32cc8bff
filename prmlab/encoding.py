"""Traces as examples for a model: ids within its limits, and a name for all that they teach."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prmlab import tokens
from prmlab.targets import Example, MakeExample
from prmlab.traces import Trace


class _TooLong(ValueError):
    """A trace is longer than the model's limit."""


def _bound(trace: Trace, separator: str) -> int:
    """At least as many ids as the trace has: a tokenizer makes none of less than a byte."""
    more = len(separator.encode(errors="replace")) + 8
    return sum(len(s.encode(errors="replace")) + more for s in (trace.problem.text, *trace.steps))


def encoder(tokenizer: PreTrainedTokenizerBase, example: MakeExample, separator: str,
            body: PreTrainedModel, limit: float) -> Callable[[Sequence[Trace]], list[Example]]:
    """A function of traces that gives their examples.

    It raises ValueError naming the problem of a trace that is too long for the model, or an id for
    which the model has no embedding.
    """
    n_ids = body.get_input_embeddings().num_embeddings

    def encode(some: Sequence[Trace]) -> list[Example]:
        pairs = zip(some, tokens.encode_many(tokenizer, some, separator=separator), strict=True)
        made = [example(trace, encoded) for trace, encoded in pairs]
        i = max(range(len(made)), key=lambda i: len(made[i].ids))
        if (top := max(max(e.ids) for e in made)) >= n_ids:
            raise ValueError(f"the tokenizer gives id {top}, the model has embeddings for {n_ids} "
                             "ids; take the model's own tokenizer, or resize_token_embeddings")
        if len(made[i].ids) > limit:
            raise _TooLong(f"a trace of problem {some[i].problem.id!r} has {len(made[i].ids)} ids, "
                           f"the model's limit is {limit}; leave such traces out, or pass "
                           'on_long="skip" (nothing is cut silently)')
        return made

    return encode


def fitting(traces: Iterable[Trace], encode: Callable, on_long: str,
            tokenizer: PreTrainedTokenizerBase, separator: str, limit: float
            ) -> tuple[Iterable[Trace], int]:
    """The traces within the model's limit where others are to be skipped, and how many are not.

    One that is too long is told now, not when its turn comes, where traces can be read twice.
    """
    if on_long not in ("error", "skip"):
        raise ValueError(f'on_long must be "error" or "skip", got {on_long!r}')
    if isinstance(traces, Sequence) and not traces:
        raise ValueError("there are no traces to train on")
    if on_long == "error":
        for trace in traces if isinstance(traces, Sequence) else ():
            if _bound(trace, separator) > limit and len(
                    tokens.encode(tokenizer, trace, separator=separator).ids) > limit:
                encode([trace])
        return traces, 0
    if not isinstance(traces, Sequence):
        raise ValueError('on_long="skip" needs a sequence of traces: how many steps there are '
                         "must be known before the first")
    kept = []
    for trace in traces:
        try:
            encode([trace])
        except _TooLong:
            continue
        kept.append(trace)
    if not kept:
        raise ValueError(f"none of the {len(traces)} traces is within the model's limit of {limit} ids; "
                         "begin with a model for longer ones")
    return kept, len(traces) - len(kept)


def digest(traces: Iterable[Trace], encode: Callable) -> str | None:
    """Names the traces and what the first of them teach, and those with labels that these lack; None
    where they can be read only once."""
    if not isinstance(traces, Sequence):
        return None
    telling = list(traces[:64])
    labels = {y for t in telling for y in t.labels or ()}
    for t in traces[64:]:
        if len(telling) < 128 and not labels.issuperset(t.labels or ()):
            telling.append(t)
            labels.update(t.labels)
    found = hashlib.sha256(repr(encode(telling)).encode())
    for t in traces:
        found.update(repr((t.problem.text, t.problem.answer, t.steps, t.labels)).encode())
    return found.hexdigest()[:16]
