"""Training a policy, an ORM and a PRM: generators that yield one record a step.

One loop (`loop`) serves all three; what differs is the loss, a function of hidden states and targets.
What traces of a batch begin with in common is run once (`packing`); gradients are those of the
plain padded loop. Under `accelerate launch` every process takes its share of each batch.
Does not know where scores live (`tokens` does) nor what is right (`checker` does).

Options of all three:
    batch_size, together: traces an optimizer step, and how many of a problem stay in one batch
        (what they share is run once). They teach alike: with 8 together a pass of 32 a step took
        half the time and ended at a loss of 0.174 instead of 0.160; of 128, at 0.177 and 0.180, which
        are not told apart (README, "Beside TRL"). So with `together` take large batches.
    lr, warmup, decay: peak rate (0.01 for Muon), steps over which it rises, last share of steps over
        which it falls.
    optimizer, weight_decay: a function of model, `lr` and `weight_decay`: `Muon`, `muon.adamw`. A
        parameter group that it gives another rate keeps that share of the schedule's.
    tokens_at_once: about how many distinct tokens are run at once; a larger batch is run in parts.
    packed: what traces begin with in common is run once; False for padded rows, "flex" for one row
        under a block mask (`block_masks`), for a GPU and with `compiled`.
    compiled: whether the layers are compiled first (minutes; needs a C++ compiler).
    sharded: whether each process of an `accelerate launch` keeps a piece of the model instead of a
        copy (`sharding`); needs `optimizer=muon.adamw`. A base given by name is then loaded on the
        CPU, by each process. All of them together call what runs the model or saves it, such as
        `prm.score`, `prm.save`, and for a policy `sharding.save`.
    precision, device: "bf16" (on a GPU by default) or "no"; "cpu". It is products that are rounded:
        weights stored in half precision become float32, or small updates would round away.
    on_long: "error" for a trace over the model's limit, or "skip" and count such traces.
    checkpoint, checkpoint_every: a folder (resumes from it if it holds one), and steps.
    validate, validate_every: a function of the model that returns figures, such as
        `step_figures(held_out)`, and steps.
    patience, watch: stop after so many validations without a better figure of that name ("f1", for
        an ORM and a policy "loss"; a sign says which way is better where the name does not, as in
        "-brier"), and put the best weights back.
    separator: the text after every step; the reward model keeps it.
"""

import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM

from prmlab import loop, tokens
from prmlab.loop import Record, learning_rate
from prmlab.rewards import ORM, PRM
from prmlab.stepping import LossOf
from prmlab.targets import (
    ClassWeight,
    Example,
    MakeExample,
    class_weights,
    outcome,
    step_targets,
)
from prmlab.traces import Trace
from prmlab.validating import outcome_figures, step_figures

__all__ = ["Example", "MakeExample", "Record", "fit_orm", "fit_policy", "fit_prm",
           "learning_rate", "new_policy", "outcome", "outcome_figures", "step_figures",
           "step_targets"]


def new_policy(tokenizer: PreTrainedTokenizerBase, *, seed: int = 0, hidden: int = 128,
               layers: int = 4, heads: int = 4, kv_heads: int = 4, mlp: int = 384,
               max_length: int = 512) -> Qwen3ForCausalLM:
    """A Qwen3 with random weights, the same for the same seed: a Llama with normalised queries and
    keys, without which Muon saturates attention and names never bind to their numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=mlp,
            num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
            head_dim=hidden // heads, max_position_embeddings=max_length,
            tie_word_embeddings=False, pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id))


def fit_policy(traces: Iterable[Trace], *, base: PreTrainedModel,
               tokenizer: PreTrainedTokenizerBase, n_traces: int | None = None,
               epochs: int = 1, seed: int = 0, **options: Any) -> Iterator[Record]:
    """Train a causal LM to write the steps after the problem; the loss is on the solution alone.

    Args:
        traces: a sequence, or with `n_traces` any iterable (then one epoch, in its own order).
        options: as for `fit_prm`.
    """
    end, head = tokenizer.eos_token_id, _lm_head(base)
    if end is None:
        raise ValueError("the tokenizer has no eos_token, so a trace would have no end; set one")

    def example(trace: Trace, encoded: tokens.Encoded) -> Example:
        ids = (*encoded.ids, end)
        at = tuple(range(encoded.n_prompt - 1, len(ids) - 1))
        return Example(ids, at, ids[encoded.n_prompt:])

    def loss(hidden: torch.Tensor, targets: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return cross_entropy(head(hidden).float(), targets.long(), reduction="none")

    yield from loop.run(base, base.base_model, tokenizer, traces, example, loss, result=base,
                    n_traces=n_traces, epochs=epochs, seed=seed, **{"watch": "loss"} | options)


def _lm_head(base: PreTrainedModel) -> torch.nn.Module:
    """The layer that makes logits of states; ValueError if the model does more to them."""
    head, was_training = base.get_output_embeddings(), base.training
    ids = torch.arange(3, 9, device=base.device)[None] % base.config.vocab_size
    base.eval()
    with torch.no_grad():
        wanted = base(input_ids=ids).logits
        found = head(base.base_model(input_ids=ids).last_hidden_state)
    base.train(was_training)
    if (found - wanted).abs().max() > 0.01 * wanted.abs().max():
        raise ValueError(f"{type(base).__name__} scales or caps its logits, and its loss here would "
                         "be another one; take a policy whose logits are its head's, such as a "
                         "Llama or Qwen3")
    return head


def fit_prm(traces: Iterable[Trace], *, base: PRM | str | Path, epochs: int = 1, seed: int = 0,
            label_kind: str = "hard", neutral: float | None = 1.0,
            class_weight: ClassWeight = None, orm_weight: float = 0.0,
            make_example: MakeExample | None = None, **options: Any) -> Iterator[Record]:
    """Train a PRM on labelled traces; cross-entropy at each labelled step's end, soft or hard.

    `-y log p - (1 - y) log(1 - p)`, averaged over a batch's labelled steps; a step whose label is
    None (or neutral with `neutral=None`) takes no part.

    Args:
        traces: traces with labels.
        base: a PRM to go on from (it is changed in place), or a name or folder: of a PRM, or of a
            causal LM, which then gets a new head.
        label_kind, neutral: see `step_targets`.
        class_weight: see `targets.class_weights`.
        orm_weight: adds this times the loss of a second head, asked at the last step end whether
            the answer is right; it shapes the body and is not kept.
        make_example: instead of labels at step ends, ids and targets of your own for an encoded
            trace, at whichever positions you like; labels and `class_weight` are not looked at.
        options: see the top of this module. Each `Record`'s `model` is the PRM.

    Raises:
        ValueError: if a trace has no labels, no step has a target, all targets say the same, or the
            loss is not a number.

    Source: Lightman et al. 2023, arXiv:2305.20050, section 2.6; soft labels as in Wang et al. 2023
    (Math-Shepherd), arXiv:2312.08935, section 3.3.
    """
    if not 0 <= orm_weight < math.inf:
        raise ValueError(f"orm_weight must be a number of 0 or more, got {orm_weight!r}")
    prm, traces = _begun(PRM, base, seed, options), list(traces)

    targets_of = partial(_targets, label_kind=label_kind, neutral=neutral)
    usable = traces if make_example else [
        t for t in traces if any(y is not None for y in targets_of(t))]
    if traces and not usable:
        raise ValueError(f"none of the {len(traces)} traces has a labelled step to learn from")
    wrong, right = class_weights(() if make_example else (
        y for t in usable for y in targets_of(t) if y is not None), class_weight)

    def example(trace: Trace, encoded: tokens.Encoded) -> Example:
        kept = [(at, y, (1 - y) * wrong + y * right, 0)
                for at, y in zip(encoded.step_ends, targets_of(trace), strict=True)
                if y is not None]
        if orm_weight:
            kept.append((encoded.step_ends[-1], float(outcome(trace)), 1.0, 1))
        return Example(encoded.ids, *zip(*kept, strict=True))

    if orm_weight:
        class_weights((float(outcome(t)) for t in usable), None)  # one kind alone is refused
    trained, loss = _prm_loss(prm, joint=orm_weight > 0, seed=seed)
    taught = _checked(make_example) if make_example else example
    yield from loop.run(trained, prm.model.base_model, prm.tokenizer, usable, taught, loss,
                    result=prm, epochs=epochs, seed=seed, scales=(1.0, orm_weight), **{
                    "separator": prm.separator, "n_skipped": len(traces) - len(usable)} | options)


def _targets(trace: Trace, **options: Any) -> list[float | None]:
    """What the trace's labels ask for; ValueError names its problem."""
    if trace.labels is None:
        raise ValueError(f"trace of problem {trace.problem.id!r} has no labels; label it, "
                         "for example with checker.labelled")
    try:
        return step_targets(trace.labels, **options)
    except ValueError as error:
        raise ValueError(f"trace of problem {trace.problem.id!r}: {error}") from None


def _begun(kind: type, base: Any, seed: int, options: dict[str, Any]) -> Any:
    """The reward model to train; it keeps the separator that it is trained with."""
    where = "cpu" if options.get("sharded") else None  # what is to be cut goes to the GPU in pieces
    model = base if isinstance(base, kind) else kind.from_backbone(base, seed=seed, device=where)
    model.separator = options.get("separator", model.separator)
    return model


def _checked(make_example: MakeExample) -> MakeExample:
    def example(trace: Trace, encoded: tokens.Encoded) -> Example:
        made = make_example(trace, encoded)
        if not all(0 <= y <= 1 for y in made.targets):
            raise ValueError("targets of make_example must be probabilities of right, got "
                             f"{made.targets} for a trace of problem {trace.problem.id!r}")
        sizes = {len(made.at), len(made.targets), len(made.weights or made.at),
                 len(made.heads or made.at)}
        if len(sizes) > 1 or not all(0 <= at < len(made.ids) for at in made.at):
            raise ValueError("make_example must give as many targets (weights, heads) as positions, "
                             f"each from 0 to {len(made.ids) - 1}; got positions {made.at} and "
                             f"{len(made.targets)} targets for a trace of problem "
                             f"{trace.problem.id!r}")
        return made

    return example


def _prm_loss(prm: PRM, *, joint: bool, seed: int) -> tuple[torch.nn.Module, LossOf]:
    """What is trained, and its loss: the PRM alone, or jointly with a head for the answer."""
    head = prm.head

    def steps(hidden: torch.Tensor, targets: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        log_p = torch.log_softmax(head(hidden).float(), dim=-1)  # [M, 2], 1 = right
        return -(targets * log_p[:, 1] + (1 - targets) * log_p[:, 0])

    if not joint:
        return prm.model, steps
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        answer = torch.nn.Linear(head.in_features, 1, bias=False).to(prm.model.device)
        answer.weight.data.normal_(std=0.02)

    def both(hidden: torch.Tensor, targets: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
        of_answer = binary_cross_entropy_with_logits(answer(hidden).float()[:, 0], targets,
                                                     reduction="none")
        return torch.where(heads == 1, of_answer, steps(hidden, targets, heads))

    return torch.nn.ModuleDict({"prm": prm.model, "answer_score": answer}), both


def fit_orm(traces: Iterable[Trace], *, base: ORM | str | Path, epochs: int = 1, seed: int = 0,
            every_step: bool = True, class_weight: ClassWeight = None, **options: Any
            ) -> Iterator[Record]:
    """Train an ORM on whether the final answer is right; no step label is used.

    Args:
        traces: traces whose problems have an answer; compared exactly with `answers.equal`.
        every_step: ask for the outcome at each step's end, as token-level verifiers do, rather than
            at the last one only. Scores are read at the last one either way.
        base, class_weight, options: as for `fit_prm`.

    Source: Cobbe et al. 2021, arXiv:2110.14168, section 4.2 (token-level verifiers).
    """
    orm, traces = _begun(ORM, base, seed, options), list(traces)
    usable = [t for t in traces if t.steps]
    weights = class_weights((float(outcome(t)) for t in usable), class_weight)

    def example(trace: Trace, encoded: tokens.Encoded) -> Example:
        y = outcome(trace)
        at = encoded.step_ends if every_step else encoded.step_ends[-1:]
        return Example(encoded.ids, at, (float(y),) * len(at), (weights[y],) * len(at))

    def loss(hidden: torch.Tensor, targets: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        logits = orm.head(hidden).float()[:, 0]
        return binary_cross_entropy_with_logits(logits, targets, reduction="none")

    yield from loop.run(orm.model, orm.model.base_model, orm.tokenizer, usable, example, loss,
                    result=orm, epochs=epochs, seed=seed, **{"separator": orm.separator, "watch": "loss",
                    "n_skipped": len(traces) - len(usable)} | options)
