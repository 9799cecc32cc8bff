"""Training a policy, an ORM and a PRM: generators that yield one record a step.

One loop (`loop`) serves all three; what differs is the loss, a function of hidden states and targets.
What traces of a batch begin with in common is run once (`packing`); gradients are those of the
plain padded loop. Under `accelerate launch` every process takes its share of each batch.
Does not know where scores live (`tokens` does) nor what is right (`checker` does).

Options of all three:
    batch_size, together: traces an optimizer step, and how many of a problem stay in one batch
        (what they share is run once).
    lr, warmup, decay: peak rate, steps over which it rises, last share of steps over which it falls.
    optimizer, weight_decay: a function of model, `lr` and `weight_decay`: `Muon`, `muon.adamw`.
    tokens_at_once: about how many distinct tokens are run at once; a larger batch is run in parts.
    packed: what traces begin with in common is run once; False for padded rows, "flex" for one row
        under a block mask (`block_masks`), for a GPU and with `compiled`.
    compiled: whether the layers are compiled first (minutes; needs a C++ compiler).
    sharded: whether each process of an `accelerate launch` keeps a piece of the model instead of a
        copy (`sharding`); needs `optimizer=muon.adamw`. A base given by name is then loaded on the
        CPU, by each process. All of them together call what runs the model or saves it, such as
        `prm.score`, `prm.save`, and for a policy `sharding.save`.
    precision, device: "bf16" (on a GPU by default) or "no"; "cpu".
    on_long: "error" for a trace over the model's limit, or "skip" and count such traces.
    checkpoint, checkpoint_every: a folder (resumes from it if it holds one), and steps.
    validate, validate_every: a function of the model that returns figures, such as
        `step_figures(held_out)`, and steps.
    patience, watch: stop after so many validations without a better figure of that name, and put
        the best weights back.
    separator: the text after every step.
"""

from collections.abc import Iterable, Iterator, Sequence
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
    end = tokenizer.eos_token_id

    def example(trace: Trace, encoded: tokens.Encoded) -> Example:
        ids = (*encoded.ids, end)
        at = tuple(range(encoded.n_prompt - 1, len(ids) - 1))
        return Example(ids, at, ids[encoded.n_prompt:])

    def loss(hidden: torch.Tensor, targets: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return cross_entropy(base.lm_head(hidden).float(), targets.long(), reduction="none")

    yield from loop.run(base, base.model, tokenizer, traces, example, loss, result=base,
                    n_traces=n_traces, epochs=epochs, seed=seed, **options)


def fit_prm(traces: Sequence[Trace], *, base: PRM | str | Path, epochs: int = 1, seed: int = 0,
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
        options: see the top of this module.

    Yields:
        A `Record` a step; `record.model` is the PRM.

    Raises:
        ValueError: if a trace has no labels, no step has a target, all targets say the same, or the
            loss is not a number.

    Source: Lightman et al. 2023, arXiv:2305.20050, section 2.6; soft labels as in Wang et al. 2023
    (Math-Shepherd), arXiv:2312.08935, section 3.3.
    """
    prm = base if isinstance(base, PRM) else PRM.from_backbone(
        base, seed=seed, device=_where(options))

    def targets_of(trace: Trace) -> list[float | None]:
        if trace.labels is None:
            raise ValueError(f"trace of problem {trace.problem.id!r} has no labels; label it, "
                             "for example with checker.labelled")
        return step_targets(trace.labels, label_kind=label_kind, neutral=neutral)

    usable = list(traces) if make_example else [
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

    trained, loss = _prm_loss(prm, joint=orm_weight > 0, seed=seed)
    yield from loop.run(trained, prm.model.base_model, prm.tokenizer, usable,
                    make_example or example, loss, result=prm, epochs=epochs, seed=seed,
                    scales=(1.0, orm_weight), **{"separator": prm.separator,
                    "n_skipped": len(traces) - len(usable)} | options)


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


def fit_orm(traces: Sequence[Trace], *, base: ORM | str | Path, epochs: int = 1, seed: int = 0,
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
    orm = base if isinstance(base, ORM) else ORM.from_backbone(
        base, seed=seed, device=_where(options))
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
                    result=orm, epochs=epochs, seed=seed, **{"separator": orm.separator,
                    "n_skipped": len(traces) - len(usable)} | options)


def _where(options: dict[str, Any]) -> str | None:
    """Where to load a base: one to be sharded goes to the GPU in pieces."""
    return "cpu" if options.get("sharded") else None
