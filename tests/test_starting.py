"""What a run begins with: options, precision of weights, optimizers of one's own, the same traces."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from tiny import equations, tiny

from prmlab import muon, tokens, training
from prmlab.rewards import ORM, PRM
from prmlab.validating import Watch, direction

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.build()


@pytest.fixture(scope="module")
def traces():
    return equations(40, 2)


@pytest.fixture
def prm(tokenizer):
    return PRM.from_backbone(tiny("Llama", len(tokenizer), max_position_embeddings=600),
                             tokenizer=tokenizer, seed=1)


def trained(prm, data, **options):
    """All records of a run on the CPU."""
    return list(training.fit_prm(data, base=prm, **{"warmup": 1, "device": "cpu"} | options))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_stored_in_half_precision_are_trained_in_float32(prm, traces, dtype):
    """As most are on the hub: at the rates of large models their updates would round away."""
    prm.model.to(dtype)
    before = [p.detach().float().clone() for p in prm.model.parameters()]
    trained(prm, traces[:8], batch_size=4, optimizer=muon.adamw, lr=1e-5, weight_decay=0.0)
    assert {p.dtype for p in prm.model.parameters()} == {torch.float32}
    assert "float32" in repr(prm)
    moved = [(a != b).float().mean() for a, b in zip(before, prm.model.parameters(), strict=True)
             if b.ndim == 2 and b.shape[0] != prm.tokenizer.vocab_size]
    assert min(moved) > 0.5, moved


def test_the_separator_of_training_is_kept(prm, traces, tmp_path):
    trained(prm, traces[:8], separator=";")
    assert prm.separator == ";"
    prm.save(tmp_path / "prm")
    assert PRM.load(tmp_path / "prm").separator == ";"
    assert PRM.from_backbone(tmp_path / "prm", separator="=").separator == "="
    assert PRM.from_backbone(tmp_path / "prm").separator == ";"


def test_which_way_is_better_is_known_or_asked_for(prm, traces):
    assert [direction(x) for x in ("loss", "-brier", "+spared")] == [-1, -1, 1]
    with pytest.raises(ValueError, match='pass watch="\\+brier" or watch="-brier"'):
        trained(prm, traces, validate=lambda _: {"brier": 0.1}, patience=1, watch="brier")
    watch, layer = Watch("-brier", 3), torch.nn.Linear(1, 1)
    assert not any(watch.see(i, {"brier": x}, layer) for i, x in enumerate((0.3, 0.2, 0.4)))
    assert watch.state["best"] == -0.2


def test_an_orm_and_a_policy_are_watched_by_their_loss(traces, tokenizer):
    orm = ORM.from_backbone(tiny("Llama", len(tokenizer), max_position_embeddings=600),
                            tokenizer=tokenizer)
    records = list(training.fit_orm(iter(traces), base=orm, warmup=1, device="cpu", patience=1,
                                    validate=training.outcome_figures(traces), validate_every=1))
    assert records[0].validation


def test_validation_leaves_out_and_counts_what_is_too_long(prm, traces):
    long = replace(traces[0], steps=traces[0].steps * 60, labels=traces[0].labels * 60)
    figures, without = (training.step_figures(some)(prm) for some in ([*traces, long], traces))
    assert figures == without | {"too long": 1.0}
    with pytest.raises(ValueError, match="none of the 1 held-out traces"):
        training.step_figures([long])(prm)


def test_a_trace_whose_first_error_is_not_known_is_none_of_f1s(prm, traces):
    wrong = next(t for t in traces if -1 in t.labels)
    unknown = wrong.with_labels([None] * (len(wrong.steps) - 1) + [1.0], "undecided")
    figures, without = (training.step_figures(some, threshold=0.0)(prm)
                        for some in ([*traces, unknown], traces))
    assert figures["f1"] == without["f1"] and figures["loss"] != without["loss"]


def test_a_trace_that_is_too_long_is_named_before_the_first_step(prm, traces):
    long = replace(traces[7], steps=traces[7].steps * 60, labels=traces[7].labels * 60)
    seen = []
    with pytest.raises(ValueError, match=f"problem '{long.problem.id}' has .* ids"):
        seen.extend(training.fit_prm([*traces, long], base=prm, together=2, batch_size=4))
    assert not seen


def test_another_groups_rate_and_a_partial_are_kept(prm, traces, tmp_path):
    def two_rates(model, *, lr, weight_decay):
        head = {id(p) for p in prm.head.parameters()}
        return torch.optim.SGD([
            {"params": [p for p in model.parameters() if id(p) not in head], "lr": 0.0},
            {"params": list(prm.head.parameters()), "lr": lr}], lr=lr)

    body, head = prm.model.base_model.layers[0].mlp.up_proj.weight, next(prm.head.parameters())
    before = body.clone(), head.clone()
    trained(prm, traces[:8], optimizer=two_rates, lr=0.1)
    assert torch.equal(body, before[0]) and not torch.equal(head, before[1])
    for _ in range(2):  # the second resumes: the name is the same
        trained(prm, traces[:8], optimizer=partial(muon.adamw, betas=(0.8, 0.9)), lr=1e-4,
                checkpoint=tmp_path)
    with pytest.raises(ValueError, match="optimizer must be a function of a model, lr and"):
        trained(prm, traces, optimizer=torch.optim.AdamW, lr=0.1)
    with pytest.raises(ValueError, match="lr has a default for Muon only"):
        trained(prm, traces, optimizer=muon.adamw)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "together", "checkpoint_every",
                                  "validate_every", "tokens_at_once", "patience"])
@pytest.mark.parametrize("wrong", [-1, 2.5])
def test_what_is_no_count_is_refused(prm, traces, name, wrong):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of 1 or more, got"):
        trained(prm, traces, **{name: wrong})


def test_a_checkpoint_of_other_labels_or_other_weights_is_refused(prm, traces, tokenizer, tmp_path):
    trained(prm, traces, checkpoint=tmp_path)
    assert len(trained(prm, traces, checkpoint=tmp_path)) == 1  # finished: it stands where that does
    last = traces[-1].with_labels([-1.0] * len(traces[-1].steps), "made up")
    assert len(traces) > 64
    with pytest.raises(ValueError, match="belongs to another run .*examples"):
        trained(prm, [*traces[:-1], last], checkpoint=tmp_path)
    other = PRM.from_backbone(tiny("Llama", len(tokenizer), max_position_embeddings=600),
                              tokenizer=tokenizer, seed=2)
    with pytest.raises(ValueError, match="began with other weights"):
        trained(other, traces, checkpoint=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="must be a folder"):
        trained(prm, traces, checkpoint=tmp_path / "file")


def test_a_policys_loss_is_its_models_or_it_is_refused(traces, tokenizer):
    for kind in ("Llama", "GPT2"):
        lm = tiny(kind, len(tokenizer), max_position_embeddings=600)
        record = next(training.fit_policy(traces, base=lm, tokenizer=tokenizer, warmup=1, lr=0.0,
                                          device="cpu"))
        assert record.loss > 0
    lm = tiny("Granite", len(tokenizer), max_position_embeddings=600, logits_scaling=4.0)
    with pytest.raises(ValueError, match="scales or caps its logits"):
        next(training.fit_policy(traces, base=lm, tokenizer=tokenizer))


def test_other_misfits_are_told(prm, traces, tokenizer):
    with pytest.raises(ValueError, match="no AutoModelForTokenClassification for the model type"):
        PRM.from_backbone(tiny("OPT", len(tokenizer)), tokenizer=tokenizer)
    small = PRM.from_backbone(tiny("Llama", 20, max_position_embeddings=600), tokenizer=tokenizer)
    with pytest.raises(ValueError, match="embeddings for 20 ids; take the model's own tokenizer"):
        trained(small, traces)
    with pytest.raises(ValueError, match="must be probabilities of right, got"):
        trained(prm, traces, make_example=lambda t, e: training.Example(e.ids, e.step_ends[-1:],
                                                                        (2.0,)))
    with pytest.raises(ValueError, match="all 8 targets say wrong"):
        trained(prm, [replace(t, finished=False) for t in traces[:8]], orm_weight=1.0)
