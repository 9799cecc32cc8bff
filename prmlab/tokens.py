"""How a trace becomes ids, and where in them each step's score lives.

The layout is that of TRL's stepwise supervision: the beginning-of-text id where the tokenizer has
one, the problem's ids, then for each step the step's ids and the separator's. A step's score lives
at the **last id of the separator after it**; `Encoded.step_ends` holds those positions; no other
module works them out. Steps are tokenised one by one: a joined text may merge across a border.

Other layouts (`public_prms`) are sequences of `Piece`s, some of which say that a score is read
there: `encode_pieces` tokenises them one by one, `encode_joined` as one text, for models trained
so, and refuses a text in which a token crosses the border at which a score is read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

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
    (encoded,) = encode_many(tokenizer, [trace], separator=separator)
    if max_length is not None and len(encoded.ids) > max_length:
        raise ValueError(f"trace of problem {trace.problem.id!r} has {len(encoded.ids)} ids, the "
                         f"limit is {max_length}; drop it or raise the limit (nothing is cut)")
    return encoded


def encode_many(tokenizer: PreTrainedTokenizerBase, traces: Sequence[Trace], *,
                separator: str = SEPARATOR) -> list[Encoded]:
    """`encode` of each trace, with each distinct text tokenised once."""
    texts = list({separator, *(text for t in traces for text in (t.problem.text, *t.steps))})
    known = dict(zip(texts, plain_ids(tokenizer, texts), strict=True))
    if traces and not known[separator]:
        raise ValueError(f"the separator {separator!r} has no ids in this tokenizer; name the one "
                         "the model was trained with")
    bos = _bos(tokenizer)
    return [_assemble(bos, trace, known, known[separator]) for trace in traces]


def fits(tokenizer: PreTrainedTokenizerBase, trace: Trace, limit: float, *,
         separator: str = SEPARATOR) -> bool:
    """Whether the trace has at most `limit` ids.

    An id stands for a byte at least (one more a text for what a tokenizer may put before it), so
    that most traces need not be tokenised to know.
    """
    texts = (trace.problem.text, *trace.steps)
    bound = sum(len(text.encode()) + len(separator.encode()) + 2 for text in texts) + 1
    return bound <= limit or len(encode_many(tokenizer, [trace], separator=separator)[0].ids) <= limit


@dataclass(frozen=True)
class Piece:
    """A part of a layout.

    Args:
        text: its text.
        markup: whether names of special tokens in it mean those tokens. What people or models
            wrote is no markup: a step cannot fake the tag after which its score is read.
        ends_step: whether a step's score is read at this piece's last id.
        back: how many ids before that one, for models that were made to be read there.
        of_prompt: whether it stands before the first step.
    """

    text: str
    markup: bool = False
    ends_step: bool = False
    back: int = 0
    of_prompt: bool = False


def encode_pieces(tokenizer: PreTrainedTokenizerBase, pieces: Iterable[Piece], *,
                  bos: bool = False) -> Encoded:
    """The pieces as ids, each tokenised by itself; nothing after the last step end is kept.

    Args:
        bos: whether the beginning-of-text id stands first.

    Raises:
        ValueError: if a score would be read where there is no id.

    Example: with a tokenizer that gives every word one id and `<s>`=0, and `bos`, the pieces
    "a b" (of the prompt), "c d", "<tag>" (markup, ends a step), "e", "<tag>" are
    `ids = (0, a, b, c, d, <tag>, e, <tag>)`, `step_ends = (5, 7)`, `n_prompt = 3`.
    """
    plain, special = cache(partial(literal_ids, tokenizer)), cache(partial(plain_ids, tokenizer))
    ids, ends = (_bos(tokenizer) if bos else []), []
    n_prompt = len(ids)
    for piece in pieces:
        own = special(piece.text) if piece.markup else plain(piece.text)
        ids += own
        if piece.of_prompt:
            n_prompt = len(ids)
        if piece.ends_step:
            ends.append(len(ids) - 1 - piece.back)
            if ends[-1] < 0 or (piece.text and not own):
                raise ValueError(f"the end of step {len(ends) - 1}, {piece.text!r}, has no ids in "
                                 "this tokenizer, so there is nowhere to read its score; the "
                                 "tokenizer must be the one the model was trained with")
    return Encoded(tuple(ids[:max(ends, default=-1) + 1]), tuple(ends), n_prompt)


def encode_joined(tokenizer: PreTrainedTokenizerBase, pieces: Sequence[Piece]) -> Encoded:
    """The pieces' joined text as ids, as sentencepiece models were trained; bos stands first.

    A step's score is read at the id that covers the last character of the piece which ends it.
    Nothing after the last step end is kept, and no piece is taken for markup.

    Raises:
        ValueError: if a token crosses such a border, or the tokenizer cannot say what its ids
            cover.
    """
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} cannot say which text its ids cover; load "
                         "the fast tokenizer (tokenizer.json)")
    text = "".join(piece.text for piece in pieces)
    made = tokenizer(text, add_special_tokens=False, split_special_tokens=True,
                     return_offsets_mapping=True)
    last_of = {}  # the last id that covers a character
    for i, (start, end) in enumerate(made["offset_mapping"]):
        last_of.update(dict.fromkeys(range(start, end), i))
    bos, at, ends, n_prompt = _bos(tokenizer), 0, [], 0
    for piece in pieces:
        at += len(piece.text)
        found = last_of.get(at - 1, -1)
        if piece.of_prompt:
            n_prompt = len(bos) + found + 1
        if piece.ends_step:
            if found < 0 or made["offset_mapping"][found][1] != at:
                raise ValueError(f"the end of step {len(ends)}, {piece.text!r}, is no end of a "
                                 "token: this tokenizer merges it with what follows, so there is "
                                 "nowhere to read the step's score")
            ends.append(len(bos) + found - piece.back)
    ids = bos + made["input_ids"]
    return Encoded(tuple(ids[:max(ends, default=-1) + 1]), tuple(ends), n_prompt)


def chat_pieces(tokenizer: PreTrainedTokenizerBase, turns: Sequence[tuple[str, Sequence[Piece]]]
                ) -> list[Piece]:
    """A dialogue as pieces: the tokenizer's chat template, and in it what each turn consists of.

    Args:
        turns: (role, pieces) of each turn, in order. Contents are put in as they are, whatever
            the template does to the ends of a text.

    Raises:
        ValueError: if the tokenizer has no chat template, or its template drops a turn.
    """
    if not tokenizer.chat_template:
        raise ValueError("the tokenizer has no chat template; the model wants a dialogue, so load "
                         "the tokenizer that belongs to it")
    marks = [f"turn-{i}-of-{len(turns)}-stands-here" for i in range(len(turns))]
    rendered = tokenizer.apply_chat_template(
        [{"role": role, "content": mark} for (role, _), mark in zip(turns, marks, strict=True)],
        tokenize=False, add_generation_prompt=False)
    pieces: list[Piece] = []
    for (role, content), mark in zip(turns, marks, strict=True):
        before, found, rendered = rendered.partition(mark)
        if not found:
            raise ValueError(f"the tokenizer's chat template drops a turn of the {role}; load the "
                             "tokenizer that belongs to the model")
        pieces += [Piece(before, markup=True), *content]
    return [*pieces, Piece(rendered, markup=True)]


def column(tokenizer: PreTrainedTokenizerBase, text: str) -> int:
    """The id of a text that must be one token, such as "+": the last id where a blank precedes.

    Raises:
        ValueError: if the text is unknown to the tokenizer or is more than one token.
    """
    ids = plain_ids(tokenizer, text)
    if not ids or ids[-1] == tokenizer.unk_token_id or \
            tokenizer.decode(ids[-1:]).strip() != text.strip():
        raise ValueError(f"{text!r} must be one token, this tokenizer makes {ids} of it; load the "
                         "tokenizer that the model was trained with")
    return ids[-1]


def literal_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The ids of a text in which names of special tokens mean nothing special."""
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def prompt_ids(tokenizer: PreTrainedTokenizerBase, problem: Problem) -> list[int]:
    """The ids of the problem, after the beginning-of-text id if the tokenizer has one."""
    return _bos(tokenizer) + plain_ids(tokenizer, problem.text)


def plain_ids(tokenizer: PreTrainedTokenizerBase, text: str | list[str]) -> list:
    """The ids of a text alone (or of each of several), without special tokens."""
    return tokenizer(text, add_special_tokens=False, return_attention_mask=False,
                     return_token_type_ids=False)["input_ids"]  # masks would take half the time


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


def _assemble(bos: list[int], trace: Trace, known: Mapping[str, list[int]], between: list[int]
              ) -> Encoded:
    ids = bos + known[trace.problem.text]
    n_prompt, ends = len(ids), []
    for step in trace.steps:
        ids += known[step]
        ids += between
        ends.append(len(ids) - 1)
    return Encoded(tuple(ids), tuple(ends), n_prompt)
