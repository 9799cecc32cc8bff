"""Critics: the question, votes by hand, a server of our own as one, and scorers as judges."""

import pytest

from prmlab import labels, toys
from prmlab.evidence import total
from prmlab.judging import Critic, Endpoint, question, read_vote

(PROBLEM,) = toys.make(1, length=4)
TRACE = toys.trace(PROBLEM, "+-++")


class Says:
    """A critic with fixed critiques, the same for every trace."""

    def __init__(self, *texts):
        self.texts, self.n_asked = texts, 0

    def critique(self, traces, n, *, seed):
        self.n_asked += len(traces)
        return [list(self.texts[:n]) for _ in traces]


def said(text):
    return 200, {"choices": [{"message": {"content": text}}],
                 "usage": {"prompt_tokens": 5, "completion_tokens": 2}}


def test_the_question_numbers_paragraphs_from_zero():
    text = question(TRACE)
    assert "<paragraph_0>\n+\n</paragraph_0>" in text
    assert "<paragraph_3>\n+ Answer: 12\n</paragraph_3>" in text
    assert PROBLEM.text in text and "\\boxed{-1}" in text


@pytest.mark.parametrize(("text", "vote"), [
    ("\\boxed{2}", 2), ("first \\boxed{0}, no: $\\boxed{ 3 }$.", 3), ("\\boxed{-1}", None),
    ("\\boxed{\\text{1}}", 1)])
def test_votes_that_can_be_read(text, vote):
    assert read_vote(text, 4) == vote


@pytest.mark.parametrize("text", ["", "paragraph 2", "\\boxed{4}", "\\boxed{-2}", "\\boxed{1.5}"])
def test_votes_that_cannot(text):
    with pytest.raises(ValueError, match="a critique must name a paragraph from 0 to 3, or -1"):
        read_vote(text, 4)


@pytest.mark.parametrize(("votes", "marks", "values", "ns"), [
    ((1,), (1, -1, None, None), (1, 0, None, None), (1, 1, 0, 0)),
    ((-1,), (1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),
    ((2, 2, 0, -1), (1, 1, -1, None), (3 / 4, 1, 1 / 3, 1), (4, 3, 3, 1)),
    ((2, 1), (1, None, None, None), (1, 1 / 2, 0, None), (2, 2, 1, 0)),
    ((1, -1), (1, None, None, None), (1, 1 / 2, 1, 1), (2, 2, 1, 1)),
    ((9, 3), (1, 1, 1, -1), (1, 1, 1, 0), (1, 1, 1, 1)),
    ((9, 7), (None,) * 4, (None,) * 4, (0, 0, 0, 0)),
])
def test_votes_become_labels(votes, marks, values, ns):
    critic = Says(*(f"\\boxed{{{vote}}}" for vote in votes))
    (one,) = labels.judge([TRACE], critic, n_votes=len(votes))
    assert one.labels == marks
    assert one.values == pytest.approx(values)
    assert tuple(step.n for step in one.steps) == ns
    assert one.cost.generations == len(votes) and one.cost.tokens is None


def test_equal_traces_are_asked_once_and_empty_ones_not():
    critic = Says("\\boxed{0}")
    assert isinstance(critic, Critic)
    made = list(labels.judge([TRACE, TRACE, TRACE.prefix(0), TRACE.prefix(2)], critic))
    assert critic.n_asked == 2 and total(made).generations == 2
    assert [len(one.steps) for one in made] == [4, 4, 0, 2]


def test_a_scorer_is_a_judge():
    made = list(labels.judge([TRACE, TRACE.prefix(0)], toys.Truth()))
    assert made[0].labels == (1, -1, 1, 1) and made[0].values == (1, 0, 1, 1)
    assert made[0].steps[0].source == "scorer" and made[1].steps == ()
    (one,) = labels.judge([TRACE], toys.Values(toys.ToyPolicy(0.9, 0.0)), threshold=0.85)
    assert one.labels == (-1, -1, 1, 1)  # 0.9^3 = 0.729 is below 0.85


def test_an_endpoint_is_asked_once_a_vote(play, tmp_path):
    server = play(lambda number, body: said(f"hm \\boxed{{{body['seed'] % 2}}}"))
    critic = Endpoint(server.url + "/", "critic-7b", temperature=0.5, max_tokens=99,
                      extra={"top_p": 0.9})
    (one,) = labels.judge([TRACE], critic, n_votes=3, seed=1, journal=tmp_path / "a")
    assert one.labels == (1, -1, None, None)  # seeds 1, 2, 3 vote 1, 0, 1
    assert one.values[:2] == pytest.approx((2 / 3, 0))
    assert (one.cost.generations, one.cost.tokens, critic.usage.calls) == (3, 21, 3)
    body = sorted(server.bodies, key=lambda b: b["seed"])[0]
    assert body == {"model": "critic-7b", "seed": 1, "temperature": 0.5, "max_tokens": 99,
                    "top_p": 0.9, "messages": [{"role": "user", "content": question(TRACE)}]}
    assert set(server.paths) == {"/v1/chat/completions"}
    again = list(labels.judge([TRACE], critic, n_votes=3, seed=1, journal=tmp_path / "a"))
    assert again[0].steps == one.steps and critic.usage.calls == 3


def test_the_critics_name_tells_its_settings_and_not_where_it_is():
    critic = Endpoint("http://a/v1", "m", max_tokens=9)
    assert repr(critic) == ("Endpoint('m' at 'http://a/v1', temperature=1.0, max_tokens=9, "
                            "extra={})")
    names = [Endpoint(url, "m", **more).fingerprint for url, more in (
        ("http://a/v1", {"max_tokens": 9}), ("http://b/v1", {"max_tokens": 9}),
        ("http://a/v1", {}), ("http://a/v1", {"max_tokens": 9, "extra": {"top_p": 0.5}}))]
    assert names[0] == names[1] == critic.fingerprint and len(set(names)) == 3


def test_usage_that_the_server_does_not_give_is_unknown(play):
    server = play(lambda number, body: (200, {"choices": [{"message": {"content": "x"}}]}))
    critic = Endpoint(server.url, "m")
    (one,) = labels.judge([TRACE], critic)
    assert one.cost.tokens is None and critic.usage.uncounted == 1


@pytest.mark.parametrize("reply", [
    {"hello": 1}, {"choices": [{"message": {"content": ["a", "b"]}}]}, {"choices": [{"text": "a"}]}])
def test_an_answer_of_another_form_is_refused(play, reply):
    server = play(lambda number, body: (200, reply))
    with pytest.raises(ValueError, match="must answer with choices.*got .*OpenAI-compatible"):
        Endpoint(server.url, "m").critique([TRACE], 1, seed=0)


def test_bad_input():
    with pytest.raises(ValueError, match="url must begin with http"):
        Endpoint("localhost:8000", "m")
    with pytest.raises(ValueError, match="at least 1 and temperature at least 0, got 0, 4096"):
        Endpoint("http://x", "m", parallel=0)
    with pytest.raises(ValueError, match="must have a method critique or score, got ToyPolicy"):
        labels.judge([TRACE], toys.ToyPolicy())
    with pytest.raises(ValueError, match="n_votes must be at least 1, got 0"):
        labels.judge([TRACE], toys.Truth(), n_votes=0)
    with pytest.raises(ValueError, match="Says.critique must return 3 texts for each of 1"):
        list(labels.judge([TRACE], Says("\\boxed{0}"), n_votes=3))
