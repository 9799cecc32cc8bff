"""How a trace becomes ids, and where in them each step's score lives.

The layout is that of TRL's stepwise supervision: the beginning-of-text id where the tokenizer has
one, the problem's ids, then for each step the step's ids and the separator's. A step's score lives
at the **last id of the separator after it**; `Encoded.step_ends` holds those positions; no other
module works them out. Steps are tokenised one by one: a joined text may merge across a border.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from prmlab import problems
from prmlab.traces import Problem, Trace

SEPARATOR = "\n"
SYMBOLS = ["\n", ".", ",", "?", ":", ";", "(", ")", "=", "+", "-", "*", "/", "x"]
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
WORD = r"\n|\d|[A-Za-z]+|[^\sA-Za-z\d]"


@dataclass(frozen=True)
class Encoded:
    """A trace as ids.

    Args:
        ids: the token ids, [T].
        step_ends: for each step the position in `ids` at which its score is read, [S].
        n_prompt: how many ids the problem takes, the beginning-of-text id included.
    """

    ids: tuple[int, ...]
    step_ends: tuple[int, ...]
    n_prompt: int


def encode(tokenizer: PreTrainedTokenizerBase, trace: Trace, *, separator: str = SEPARATOR,
           max_length: int | None = None) -> Encoded:
    """The trace as ids, with the positions at which its steps are scored.

    Args:
        separator: the text put after every step; it must be the one a model was trained with.
        max_length: most ids allowed; None for no limit.

    Raises:
        ValueError: if the separator has no ids, or the trace is longer than `max_length`.
            Nothing is ever cut off silently.

    Example: with a tokenizer that gives every word one id, `<s>`=0 and the separator id 9, the
    problem "a b" with steps "c", "d e" is `ids = (0, a, b, c, 9, d, e, 9)`,
    `step_ends = (4, 7)`, `n_prompt = 3`.

    Source: trl 1.13, `PRMTrainer.tokenize_row` with `train_on_last_step_only=False`.
    """
    encoded = _assemble(tokenizer, trace, partial(plain_ids, tokenizer), separator)
    if max_length is not None and len(encoded.ids) > max_length:
        raise ValueError(f"trace of problem {trace.problem.id!r} has {len(encoded.ids)} ids, the "
                         f"limit is {max_length}; drop it or raise the limit (nothing is cut)")
    return encoded


def encode_many(tokenizer: PreTrainedTokenizerBase, traces: Sequence[Trace], *,
                separator: str = SEPARATOR) -> list[Encoded]:
    """`encode` of each trace, with each distinct text tokenised once."""
    texts = {text for t in traces for text in (t.problem.text, *t.steps)}
    known = dict(zip(texts, plain_ids(tokenizer, list(texts)), strict=True)) if texts else {}
    return [_assemble(tokenizer, trace, known.__getitem__, separator) for trace in traces]


def fits(tokenizer: PreTrainedTokenizerBase, trace: Trace, limit: float, *,
         separator: str = SEPARATOR) -> bool:
    """Whether the trace has at most `limit` ids.

    An id stands for a byte at least (one more a text for what a tokenizer may put before it), so
    that most traces need not be tokenised to know.
    """
    texts = (trace.problem.text, *trace.steps)
    bound = sum(len(text.encode()) + len(separator.encode()) + 2 for text in texts) + 1
    return bound <= limit or len(encode_many(tokenizer, [trace], separator=separator)[0].ids) <= limit


def prompt_ids(tokenizer: PreTrainedTokenizerBase, problem: Problem) -> list[int]:
    """The ids of the problem, after the beginning-of-text id if the tokenizer has one."""
    return _bos(tokenizer) + plain_ids(tokenizer, problem.text)


def plain_ids(tokenizer: PreTrainedTokenizerBase, text: str | list[str]) -> list:
    """The ids of a text alone (or of each of several), without special tokens."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def split_ids(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], *,
              separator: str = SEPARATOR) -> tuple[tuple[str, ...], bool]:
    """The steps in sampled ids (those after the prompt), and whether the end was reached.

    The end is the tokenizer's eos id; what follows it is ignored, and so are empty steps.
    """
    ids = list(ids)
    finished = tokenizer.eos_token_id in ids
    if finished:
        ids = ids[:ids.index(tokenizer.eos_token_id)]
    text = tokenizer.decode(ids, skip_special_tokens=False)
    return tuple(s for part in text.split(separator) if (s := part.strip())), finished


def build(words: Iterable[str] | None = None) -> PreTrainedTokenizerFast:
    """The word-level tokenizer of the tiny world: words, signs and single digits, each one id.

    Spaces are not ids; the decoder puts them back by rule, so ids -> text -> ids is the identity
    and the built-in families' texts come back as they were. Other words become `<unk>`.

    Args:
        words: the vocabulary's words; by default those of the built-in families.
    """
    words = sorted(set(words if words is not None else world_words()) - set(SYMBOLS))
    names = [*SPECIAL, *SYMBOLS, *"0123456789", *words]
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    tokenizer.decoder = decoders.Sequence([
        decoders.WordPiece(prefix="##", cleanup=False), decoders.Fuse(),
        *(decoders.Replace(Regex(pattern), new) for pattern, new in (
            (r" ?\n ?", "\n"), (r"(?<=\d) (?=[\dx(])", ""), (r" (?=[.,?:;)])", ""),
            (r"(?<=\() ", ""), (r"(?<![\dx)] )- (?=[\dx(])", "-")))])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>",
                                   bos_token="<s>", eos_token="</s>",
                                   clean_up_tokenization_spaces=False)
    fast.padding_side = "right"
    return fast


def world_words() -> set[str]:
    """Every word that the built-in families write, in problems and in steps."""
    found: set[str] = set()
    for family in problems.FAMILIES:
        for difficulty in range(1, 9):
            for problem in problems.make(family, 60, seed=0, difficulty=difficulty):
                text = f"{problem.text} {problems.solve(problem).text}"
                found.update(re.findall(r"[A-Za-z]+", text))
    return found


def _bos(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]


def _assemble(tokenizer: PreTrainedTokenizerBase, trace: Trace,
              ids_of: Callable[[str], list[int]], separator: str) -> Encoded:
    between = plain_ids(tokenizer, separator)
    if not between:
        raise ValueError(f"the separator {separator!r} has no ids in this tokenizer; name the one "
                         "the model was trained with")
    ids = _bos(tokenizer) + ids_of(trace.problem.text)
    n_prompt, ends = len(ids), []
    for step in trace.steps:
        ids += ids_of(step) + between
        ends.append(len(ids) - 1)
    return Encoded(tuple(ids), tuple(ends), n_prompt)
