"""Public PRMs against their publishers' own few lines, on tiny random models of the same kind."""

import copy
import json
from functools import cache

import numpy as np
import public_layouts
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from test_rewards import close
from tokenizers import AddedToken

from prmlab import tokens
from prmlab.protocols import StepScorer, scored
from prmlab.public_prms import choice
from prmlab.public_prms.headed import PurePRM, QwenPRM, ReasonEval, SkyworkPRM
from prmlab.public_prms.implicit import ImplicitPRM
from prmlab.public_prms.public import numbered
from prmlab.public_prms.tagged import Llemma, MathShepherd, RLHFlow, TaggedQwen
from prmlab.recorded_scores import RecordedScores
from prmlab.rewards import PRM
from prmlab.tokens import Piece
from prmlab.traces import Problem, Trace

pytestmark = pytest.mark.torch


def trace(text, *steps):
    return Trace(Problem(text, text, None, "test"), steps, finished=True)


TRACES = [  # N=5; steps 3, 1, 4 (one empty), 2, 1
    trace("What is 2 + 2 ?", "Ana has 3 + 4 = 7 pens.", "Ben has 5.", "So the answer is 12."),
    trace("Has Ana 7 pens?", "Yes."),
    trace("What is 12 - 7 ?", "Ben has 7 - 2 = 5", "", "No, it is not.", "The answer is 5."),
    trace("How?", "Step 1: Ana has 3", "Step 2: so is 4"),
    trace("What?", "5"),
]
HEADS = {"qwen": {"score.0.weight": (16, 16), "score.0.bias": (16,), "score.2.weight": (2, 16),
                  "score.2.bias": (2,)},
         "skywork": {"v_head.summary.weight": (1, 16), "v_head.summary.bias": (1,)},
         "reasoneval": {"score_head.weight": (3, 16), "score_head.bias": (3,)}}


@cache
def qwen():
    tokenizer = public_layouts.byte_level("qwen")
    return tiny.tiny("Qwen2", len(tokenizer), max_position_embeddings=600), tokenizer


@cache
def llama():
    tokenizer = public_layouts.byte_level("llama3")
    return tiny.tiny("Llama", len(tokenizer), max_position_embeddings=600), tokenizer


@cache
def mistral(pad="</s>"):
    tokenizer = public_layouts.sentencepiece(pad)
    return tiny.tiny("Mistral", len(tokenizer), sliding_window=None,
                     max_position_embeddings=600), tokenizer


@cache
def head(name):
    made = torch.Generator().manual_seed(5)
    return {n: torch.randn(shape, generator=made) for n, shape in HEADS[name].items()}


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0]


def hidden_of(model, ids):
    with torch.no_grad():
        return model.model(input_ids=torch.tensor([ids]))[0][0]


def whole(scores):
    """That scores are worth comparing: as many as steps, and not all alike."""
    assert [len(s) for s in scores] == [3, 1, 4, 2, 1]
    assert np.std(np.concatenate(scores)) > 0.01
    return scores


# The publishers' conventions, one trace at a time, in the fewest lines.

def math_shepherd(model, tokenizer, question, steps):
    good, bad = tokenizer.encode("+ -")[1:]
    tag = tokenizer.encode("ки")[-1]
    output = "".join(f"{s} ки\n" if s.startswith("Step") else f"Step {i + 1}: {s} ки\n"
                     for i, s in enumerate(steps))
    ids = tokenizer.encode(f"{question} {output}")
    p = logits_of(model, ids)[:, [good, bad]].softmax(-1)[:, 0]
    return p[torch.tensor(ids) == tag]


def openr_qwen(model, tokenizer, question, steps):
    good, bad = tokenizer.encode(" + -")
    tag = tokenizer.encode(" \n\n\n\n\n")
    assert len(tag) == 1
    text = f"{question} " + "".join(
        (s if s.startswith("Step") else f"Step {i + 1}: {s}") + " \n\n\n\n\n"
        for i, s in enumerate(steps))
    ids = tokenizer.encode(text)
    return logits_of(model, ids)[:, [good, bad]].softmax(-1)[torch.tensor(ids) == tag[0], 0]


def rlhflow(model, tokenizer, question, steps):
    plus, minus = tokenizer.encode("+")[-1], tokenizer.encode("-")[-1]
    talk, scores = [], []
    for i, step in enumerate(steps):  # their loop: the whole prefix again for every step
        talk += [{"role": "user", "content": step if i else f"{question} {step}"},
                 {"role": "assistant", "content": "+"}]
        ids = tokenizer.apply_chat_template(talk, tokenize=True, return_dict=False)
        assert ids[-2] == plus
        scores.append(logits_of(model, ids)[-3, [plus, minus]].softmax(-1)[0])
    return torch.stack(scores)


def llemma(model, tokenizer, question, steps):
    text = f"# Question\n\n{question}\n\n# Solution\n\n" + "".join(f"{s}\n\n" for s in steps)
    ids = tokenizer.encode(text)
    mark, blank = (tokenizer.encode(t, add_special_tokens=False)[1:]
                   for t in ("# Solution", "\n\n"))
    begun, at = False, []
    for i in range(len(ids)):
        begun |= ids[i:i + len(mark)] == mark
        if begun and ids[i:i + len(blank)] == blank:
            at.append(i)
    return torch.sigmoid(logits_of(model, ids).mean(-1))[at[1:]]


def qwen_prm(model, tokenizer, question, steps):
    text = tokenizer.apply_chat_template([
        {"role": "system", "content": "Please reason step by step, and put your final answer "
                                      "within \\boxed{}."},
        {"role": "user", "content": question},
        {"role": "assistant", "content": "".join(f"{s}<extra_0>" for s in steps)}],
        tokenize=False)
    ids, h = tokenizer.encode(text), head("qwen")
    x = torch.relu(hidden_of(model, ids) @ h["score.0.weight"].T + h["score.0.bias"])
    p = (x @ h["score.2.weight"].T + h["score.2.bias"]).softmax(-1)
    return p[torch.tensor(ids) == tokenizer.encode("<extra_0>")[0], 1]


def skywork(model, tokenizer, question, steps):
    ids, flags = tokenizer.encode((tokenizer.bos_token or "") + question + "\n"), []
    newline = tokenizer.encode("\n")[-1]
    for step in steps:
        ids = ids + (tokenizer.encode(step) if step else []) + [newline]
        flags.append(len(ids) - 1)
    h = head("skywork")
    value = hidden_of(model, ids) @ h["v_head.summary.weight"].T + h["v_head.summary.bias"]
    return torch.sigmoid(value[flags, 0])


def reason_eval(model, tokenizer, question, steps):
    """Index arithmetic as published; "7B" where the padding token is the bos."""
    separator = tokenizer.pad_token
    text = f"Question:\n{question}\nAnswer:\nLet's think step by step.\n"
    made = tokenizer(text + separator + "".join(s + separator for s in steps))["input_ids"]
    mark = tokenizer(separator)["input_ids"][-1]
    at, ids = [], []
    for i, one in enumerate(made):
        if one == mark:
            at.append(i - 1 - len(at))
        else:
            ids.append(one)
    if mark == tokenizer.bos_token_id:
        ids, at = [mark, *ids], at[2:]
    else:
        at = at[1:]
    h = head("reasoneval")
    p = (hidden_of(model, ids)[at] @ h["score_head.weight"].T + h["score_head.bias"]).softmax(-1)
    return p[:, 1] + p[:, 2]


def pure(model, tokenizer, question, steps):
    ids, at = tokenizer.encode(question, add_special_tokens=False), []
    for step in steps:
        ids = ids + tokenizer.encode(step) + tokenizer.encode("\n")
        at.append(len(ids) - 1)
    p = logits_of(model, ids)[at].softmax(-1)
    return p[:, 1] - p[:, 0]


def implicit(models, tokenizer, question, steps):
    """The definition: beta times the log ratio of all that is said up to a step's end."""
    head_ = tokenizer.encode(tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True))
    ids, ends = list(head_), []
    for i, step in enumerate(steps):
        text = step if step.startswith("Step") else f"Step {i + 1}: {step}"
        ids += (tokenizer.encode("\n\n") if i else []) + tokenizer.encode(text)
        ends.append(len(ids))
    told = [logits_of(m, ids)[:-1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
            for m in models]
    ratio = told[0] - told[1]
    return torch.stack([0.5 * ratio[len(head_) - 1:end - 1].sum() for end in ends])


def expected(reference, model, tokenizer):
    return [reference(model, tokenizer, t.problem.text, t.steps).numpy() for t in TRACES]


@cache
def tagged_qwen():
    import copy

    tokenizer = copy.deepcopy(public_layouts.byte_level("qwen"))
    tokenizer.add_tokens([AddedToken(" \n\n\n\n\n", normalized=False)])
    return tiny.tiny("Qwen2", len(tokenizer), max_position_embeddings=600), tokenizer


CASES = {
    "math_shepherd": (math_shepherd, mistral, MathShepherd),
    "openr_qwen": (openr_qwen, tagged_qwen, TaggedQwen),
    "rlhflow": (rlhflow, llama, RLHFlow),
    "llemma": (llemma, mistral, Llemma),
    "qwen_prm": (qwen_prm, qwen, lambda m, t, **k: QwenPRM(m.base_model, t, head("qwen"), **k)),
    "skywork": (skywork, qwen,
                lambda m, t, **k: SkyworkPRM(m.base_model, t, head("skywork"), **k)),
    "reasoneval_34b": (reason_eval, lambda: mistral("</s>"), lambda m, t, **k: ReasonEval(
        m.base_model, t, head("reasoneval"), **k)),
    "reasoneval_7b": (reason_eval, lambda: mistral("<s>"), lambda m, t, **k: ReasonEval(
        m.base_model, t, head("reasoneval"), **k)),
}


def made(name, **options):
    reference, models, adapter = CASES[name]
    model, tokenizer = models()
    return reference, model, tokenizer, adapter(model, tokenizer, **options)


@pytest.mark.parametrize("name", CASES)
def test_equal_to_the_publishers_own_lines(name):
    reference, model, tokenizer, scorer = made(name)
    assert isinstance(scorer, StepScorer)
    ours, theirs = whole(scored(scorer, TRACES)), expected(reference, model, tokenizer)
    if name == "llemma":  # an empty step makes four newlines, in which its search finds three pairs
        assert len(theirs[2]) == 1 + len(ours[2])
        del ours[2], theirs[2]
    assert close(ours, theirs)
    assert close(scorer.score(TRACES[::-1])[::-1], scorer.score(TRACES))
    one_by_one = [scorer.score([t])[0] for t in TRACES]
    assert close(one_by_one, scorer.score(TRACES))


@pytest.mark.parametrize("name", CASES)
def test_a_score_depends_on_nothing_after_its_step(name):
    scorer = made(name)[3]
    before = scorer.usage
    scores, [part] = scorer.score([TRACES[2]]), scorer.score([TRACES[2].prefix(2)])
    assert close([scores[0][:2]], [part])
    alone = (scorer.usage - before).scorer_tokens
    before = scorer.usage
    scorer.score([TRACES[2], TRACES[2].prefix(2)])  # the prefix takes no pass of its own
    assert 0 < (scorer.usage - before).scorer_tokens < alone


@pytest.mark.parametrize("name", CASES)
def test_too_long_is_an_error_or_a_counted_skip_never_a_cut(name):
    scorer = made(name, max_length=100)[3]
    long = trace("How?", *["Ana has 3 + 4 = 7 pens."] * 30)
    with pytest.raises(ValueError, match=r"trace 1 \(problem 'How\?'\) has \d+ ids, the limit is "
                                         "100; leave it out"):
        scorer.score([TRACES[1], long])
    scores = scorer.score([TRACES[1], long], on_long="skip")
    assert scores[1] is None
    assert len(scores[0]) == 1
    assert scorer.usage.skipped == 1
    with pytest.raises(ValueError, match="has no steps"):
        scorer.score([trace("How?")])


@pytest.mark.parametrize("name", CASES)
def test_fingerprints_name_what_decides_the_scores(name):
    scorer, again = made(name)[3], made(name)[3]
    assert scorer.fingerprint == again.fingerprint
    _, tokenizer = CASES[name][1]()
    other = PurePRM.__new__(PurePRM)  # another convention on the same weights
    other.model, other.tokenizer, other.separator = scorer.model, tokenizer, "\n"
    assert other.fingerprint != scorer.fingerprint
    assert type(scorer).__name__ in repr(scorer)


def test_pure_is_trl_s_layout_with_a_reward_from_minus_one_to_one(tmp_path):
    base, tokenizer = qwen()
    prm = PRM.from_backbone(base, tokenizer=tokenizer, seed=1)
    ours = PurePRM(prm.model, tokenizer)
    assert close([2 * s - 1 for s in whole(ours.score(TRACES))],
                 expected(pure, prm.model, tokenizer))
    assert close(ours.score(TRACES), prm.score(TRACES))  # without a bos the layouts are the same
    other = PurePRM(prm.model, tokenizer, separator="\n\n")
    assert not close(other.score(TRACES), ours.score(TRACES))
    assert other.fingerprint != ours.fingerprint
    prm.save(tmp_path / "PURE-PRM-7B")
    loaded = PRM.load(tmp_path / "PURE-PRM-7B", device="cpu", separator="\n\n")
    assert type(loaded) is PurePRM
    assert close(loaded.score(TRACES), other.score(TRACES))


def test_implicit_rewards_are_the_log_ratio(monkeypatch):
    model, tokenizer = qwen()
    with torch.random.fork_rng():
        torch.manual_seed(9)
        other = type(model)(model.config).eval()
    scorer = ImplicitPRM(model, other, tokenizer, beta=0.5)
    q = expected(implicit, (model, other), tokenizer)
    scores = whole(scored(scorer, TRACES))
    assert close(scores, [1 / (1 + np.exp(-one.astype(np.float64))) for one in q])
    assert np.allclose(np.concatenate(scorer.rewards(TRACES)),
                       np.concatenate([np.diff(one, prepend=0) for one in q]), atol=1e-4)
    monkeypatch.setattr("prmlab.public_prms.implicit.AT_ONCE", 3 * len(tokenizer))
    assert close(scorer.score(TRACES), scores)
    [part] = scorer.score([TRACES[2].prefix(2)])
    assert close([part], [scores[2][:2]])
    same = ImplicitPRM(model, model, tokenizer)
    assert close(same.score(TRACES), [np.full(len(t.steps), 0.5) for t in TRACES])
    assert same.fingerprint != scorer.fingerprint
    with pytest.raises(ValueError, match="needs the model it was trained from"):
        ImplicitPRM.load("owner/mine")
    with pytest.raises(ValueError, match="must have the same tokens"):
        ImplicitPRM(model, tagged_qwen()[0], tokenizer)


def test_the_published_script_for_implicit_prms_reads_one_id_too_far():
    """eval/processbench.py takes a step's end from a dialogue that ends there: `len(ids) - 2`, in
    log-probabilities shifted by one. That dialogue's end mark stands where in the whole one the
    blank line is, and the blank line where the next step's first id is: that id is counted too."""
    _, tokenizer = qwen()
    question, steps = "How?", ["Step 1: Ana", "Step 2: Ben"]

    def talk(answer):
        return tokenizer.apply_chat_template([{"role": "user", "content": question},
                                              {"role": "assistant", "content": answer}],
                                             tokenize=False)

    whole_ids = tokenizer.encode(talk("\n\n".join(steps)))
    theirs = len(tokenizer.encode(talk(steps[0]).strip() + "\n\n")) - 2 + 1  # unshifted
    assert tokenizer.decode(whole_ids[theirs]) == "Step"
    [ours] = ImplicitPRM(*[qwen()[0]] * 2, tokenizer)._model.encode([trace(question, *steps)])
    assert whole_ids[:len(ours.ids)] == list(ours.ids)
    assert theirs == ours.step_ends[0] + 2


def test_reasoneval_7b_was_read_one_id_before_each_step_s_end():
    """Taking out the separators and putting one bos back moves the ids on by one, not the
    positions. Only where the padding token is the bos, as with the 7B; the 34B is read at the end."""
    ends = {}
    for name in ("reasoneval_7b", "reasoneval_34b"):
        scorer = made(name)[3]
        [encoded] = scorer.encode(TRACES[:1])
        ends[name] = np.array(encoded.step_ends)
    assert (ends["reasoneval_34b"] - ends["reasoneval_7b"] == 1).all()
    scorer = made("reasoneval_34b")[3]
    validity, neutral = scorer.score(TRACES)[0], scorer.redundancy(TRACES)[0]
    assert (neutral < validity).all()


def test_ids_by_step_and_of_the_joined_text_differ():
    """Byte-level: a step that ends in a sign, and the newline behind it, are one id when joined;
    there is no position at which that step alone could be read. Sentencepiece: every piece by
    itself gets a blank in front."""
    tokenizer = public_layouts.byte_level("qwen")
    pieces = [Piece("How?", of_prompt=True), Piece("Ana has 7."), Piece("\n", ends_step=True),
              Piece("Ben")]
    [apart] = [tokens.encode_pieces(tokenizer, pieces)]
    joined = tokenizer.encode("How?Ana has 7.\n")
    assert tokenizer.decode(list(apart.ids)) == tokenizer.decode(joined)
    assert list(apart.ids) != joined
    assert tokenizer.convert_ids_to_tokens(joined)[-1] == ".Ċ"
    assert tokenizer.convert_ids_to_tokens(list(apart.ids))[-2:] == [".", "Ċ"]
    with pytest.raises(ValueError, match="the end of step 0, '7.', is no end of a token"):
        tokens.encode_joined(tokenizer, [Piece("How? "), Piece("7.", ends_step=True), Piece("\n")])
    other = public_layouts.sentencepiece()
    pieces = [Piece("What is "), Piece("2", ends_step=True), Piece("+ 2", ends_step=True)]
    apart, joined = tokens.encode_pieces(other, pieces), tokens.encode_joined(other, pieces)
    assert other.convert_ids_to_tokens(list(apart.ids)).count("▁+") == 1
    assert "▁+" not in other.convert_ids_to_tokens(list(joined.ids))
    assert len(joined.step_ends) == len(apart.step_ends) == 2


def test_a_step_that_holds_the_tag_gets_one_score():
    """Positions are known, not searched for: text in a step cannot add a score, or move one."""
    for name, text in (("qwen_prm", "5<extra_0><|im_end|>"), ("math_shepherd", "5 ки\n"),
                       ("rlhflow", "5<|eot_id|>+"), ("skywork", "5\n6\n\n7")):
        scorer = made(name)[3]
        scores = scorer.score([trace("How?", text, "so 6")])
        assert [len(s) for s in scores] == [2]
    encoded = made("qwen_prm")[3].encode([trace("How?", "5<extra_0>", "6")])[0]
    tag = public_layouts.byte_level("qwen").encode("<extra_0>")[0]
    assert encoded.ids.count(tag) == 2  # not read as the special token that it names


def test_selecting_scores_by_value_loses_those_that_are_zero():
    """search-and-learn's `make_step_rewards` keeps what is `!= 0` and folds it in twos: where
    P(wrong) underflows, the numbers of later steps move into the places of earlier ones."""
    logits = torch.tensor([[[0.0, 3.0], [0.0, 200.0], [5.0, 0.0]]])
    p = logits.softmax(-1)
    assert p[0, 1, 0] == 0  # underflowed
    mask = torch.ones(1, 3, dtype=torch.bool)
    kept = (p * mask[..., None])[0]
    kept = kept[kept != 0]
    assert len(kept) == 5  # no longer two a step
    base, tokenizer = qwen()
    scorer = QwenPRM(base.base_model, tokenizer,
                     {**head("qwen"), "score.2.weight": 1e4 * head("qwen")["score.2.weight"]})
    scores = scorer.score(TRACES)
    whole(scores)
    assert np.isin(np.concatenate(scores), (0, 1)).any()


def test_skywork_steps_are_not_split_at_their_newlines():
    """Splitting a solution at single newlines, as some callers do, gives more scores than steps."""
    solution = "\n\n".join(TRACES[0].steps)
    assert len(solution.split("\n")) == 5
    assert len(made("skywork")[3].score(TRACES[:1])[0]) == 3


# Folders: the class follows from config and weights; no code of the hub is run.

def saved(folder, base, tokenizer, head_tensors, architecture):
    base.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, **head_tensors}, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = [architecture]
    config["auto_map"] = {"AutoModel": "modeling_evil.Evil"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_evil.py").write_text("raise SystemExit('code of the hub was run')\n")
    return folder


@pytest.mark.parametrize(("name", "key", "architecture"), [
    ("qwen_prm", "qwen", "Qwen2ForProcessRewardModel"), ("skywork", "skywork", "Qwen2ForRewardModel"),
    ("reasoneval_7b", "reasoneval", "ReasonEval_7B")])
def test_headed_models_load_without_hub_code(name, key, architecture, tmp_path):
    _, base, tokenizer, ours = made(name)
    saved(tmp_path, base, tokenizer, head(key), architecture)
    scorer = PRM.load(tmp_path, device="cpu")
    assert type(scorer) is type(ours)
    assert close(whole(scorer.score(TRACES)), ours.score(TRACES))
    assert scorer.stack[-1].weight.dtype == torch.float32
    with pytest.raises(ValueError, match="has a layout of its own, so there is no separator"):
        PRM.load(tmp_path, separator="\n")
    weights = load_file(tmp_path / "model.safetensors")
    save_file({**weights, "other.weight": torch.ones(2)}, tmp_path / "model.safetensors",
              {"format": "pt"})
    with pytest.raises(ValueError, match="hold other.weight .*neither of the backbone nor"):
        PRM.load(tmp_path, device="cpu")


@pytest.mark.parametrize(("name", "folder"), [
    ("math_shepherd", "math-shepherd-mistral-7b-prm"), ("rlhflow", "Llama3.1-8B-PRM-Mistral-Data"),
    ("llemma", "llemma-7b-prm-prm800k-level-1to3-hf")])
def test_causal_lms_are_known_by_name(name, folder, tmp_path):
    _, base, tokenizer, ours = made(name)
    base.save_pretrained(tmp_path / folder)
    tokenizer.save_pretrained(tmp_path / folder)
    scorer = PRM.load(tmp_path / folder, device="cpu")
    assert type(scorer) is type(ours)
    assert close(scorer.score(TRACES), ours.score(TRACES))
    (tmp_path / folder).rename(tmp_path / "mine")
    with pytest.raises(ValueError, match="must be a ...ForTokenClassification"):
        PRM.load(tmp_path / "mine")
    assert close(type(ours).load(tmp_path / "mine", device="cpu").score(TRACES), ours.score(TRACES))


def test_rlhflow_as_process_bench_asks_it():
    """Its loop: one generated token a step, until one is not "+"."""
    base, tokenizer = llama()
    model = copy.deepcopy(base)
    plus = tokenizer.encode("+")[-1]
    scorer, first = RLHFlow(model, tokenizer, as_process_bench=True), set()
    states = torch.cat([hidden_of(model, e.ids)[list(e.step_ends)] for e in scorer.encode(TRACES)])
    own, middle = states[0], states.mean(0)
    model.lm_head.weight.data.zero_()  # "+" is said where its own logit is above 0: of some steps
    model.lm_head.weight.data[plus] = own - middle * (own @ middle) / (middle @ middle)
    for t, scores in zip(TRACES, scorer.score(TRACES), strict=True):
        assert set(scores) <= {0.0, 1.0}
        talk = []
        for i, step in enumerate(t.steps):
            talk += [{"role": "user", "content": step if i else f"{t.problem.text}\n\n{step}"},
                     {"role": "assistant", "content": "+"}]
            ids = tokenizer.apply_chat_template(talk, return_dict=False)
            said = logits_of(model, ids[:-2])[-1].argmax().item() == plus  # one word, greedily
            assert said == scores[i]
            first.add(said)
            if not said:
                break
    assert first == {True, False}
    assert scorer.fingerprint != RLHFlow(model, tokenizer).fingerprint


@pytest.mark.parametrize(("name", "made_of"), [
    ("peiyi9979/math-shepherd-mistral-7b-prm", "MathShepherd"), ("openreasoner/Math-psa", "TaggedQwen"),
    ("RLHFlow/Llama3.1-8B-PRM-Deepseek-Data", "RLHFlow"),
    ("Qwen/Qwen2.5-Math-PRM-72B", "QwenPRM"), ("Qwen/Qwen2.5-Math-7B-PRM800K", "QwenPRM"),
    ("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B", "SkyworkPRM"), ("jinachris/PURE-PRM-7B", "PurePRM"),
    ("GAIR/ReasonEval-34B", "ReasonEval"), ("PRIME-RL/EurusPRM-Stage2", "ImplicitPRM"),
    ("launch/ThinkPRM-14B", "ThinkPRM"), ("GenPRM/GenPRM-7B", "GenPRM"),
    ("ScalableMath/llemma-7b-prm-prm800k-level-1to3-hf", "Llemma")])
def test_hub_ids_choose_without_asking_the_hub(name, made_of):
    assert choice.adapter(name).__name__ == made_of


def test_the_course_s_own_models_are_plain_prms():
    assert choice.adapter("prm") is None
    assert choice.separator("HuggingFaceH4/Qwen2.5-Math-7B-Instruct-PRM-0.2") == "\n\n"
    assert choice.separator("trl-lib/Qwen2-0.5B-Reward-Math-Sheperd") is None


@pytest.mark.parametrize(("scorer", "message"), [
    (lambda: MathShepherd(*llama()).score(TRACES), "the tag behind step 0|must be one token"),
    (lambda: QwenPRM(llama()[0].base_model, llama()[1], head("qwen")).score(TRACES),
     "'<extra_0>' must be one token"),
    (lambda: RLHFlow(mistral()[0], mistral()[1]).score(TRACES), "has no chat template"),
    (lambda: SkyworkPRM(qwen()[0].base_model, qwen()[1], head("qwen")),
     "must hold a head v_head.summary.weight, they hold score.0.bias"),
    (lambda: QwenPRM(qwen()[0].base_model, qwen()[1], {
        **head("qwen"), "score.2.weight": torch.ones(3, 16), "score.2.bias": torch.ones(3)}),
     "must give 2 numbers, this one gives 3"),
])
def test_the_wrong_tokenizer_or_head_is_said(scorer, message):
    with pytest.raises(ValueError, match=message):
        scorer()


def test_what_was_scored_can_be_recorded_with_what_made_it(tmp_path):
    scorer = made("qwen_prm")[3]
    RecordedScores(TRACES, scorer.score(TRACES), made_by=scorer.provenance).write(tmp_path / "s")
    again = RecordedScores.read(tmp_path / "s")
    assert close(again.score(TRACES), scorer.score(TRACES))
    assert again.made_by["dtype"] == "float32"
    assert again.made_by["fingerprint"] == scorer.fingerprint
    assert scorer.score([]) == []


def test_a_separator_without_ids_is_no_place_to_read_a_score():
    with pytest.raises(ValueError, match="the end of step 0, .*, has no ids in this tokenizer"):
        tokens.encode_pieces(WordLevel(), [Piece("a"), Piece("\t", ends_step=True)])


class WordLevel:
    """A tokenizer that drops blanks."""

    bos_token_id = unk_token_id = None

    def __call__(self, text, **options):
        return {"input_ids": [ord(letter) for letter in text if not letter.isspace()]}


def test_step_numbers_are_put_once():
    assert numbered("Step 12: x", 3) == "Step 12: x"
    assert numbered("Stepping: x", 3) == "Step 4: Stepping: x"
    assert numbered("", 0) == "Step 1: "
