"""EndpointPolicy and Server against a server on this machine that plays OpenAI's, well or badly."""

import time
from copy import deepcopy

import pytest

from prmlab import labels
from prmlab.endpoints import EndpointPolicy, Server, plain_prompt
from prmlab.protocols import Policy
from prmlab.traces import Problem, Trace
from prmlab.usage import Usage

TEXT = "2 + 3 = 5\n5 * 4 = 20\nAnswer: 20\n"  # 3 steps


def prefix(text="two?", *steps):
    return Trace(Problem(text, text, "20", "test"), steps)


def says(*texts, n=None, reason="stop", usage=True, **more):
    """An answer with these texts; the request's `n` of the first one if only one is given."""
    def answer(number, body):
        given = list(texts) if len(texts) > 1 else list(texts) * (n or body["n"])
        reply = {"choices": [{"index": i, "text": text, "finish_reason": reason, **more}
                             for i, text in enumerate(given)]}
        if usage:
            reply["usage"] = {"prompt_tokens": 7, "completion_tokens": 3 * len(given)}
        return 200, reply
    return answer


def policy_at(server, **options):
    return EndpointPolicy(server.url, "tiny", **{"pause": 0.0, **options})


def test_complete_reads_steps_and_counts_what_the_server_says(play):
    server = play(says(TEXT, " x \n\ny"))
    policy = policy_at(server, max_tokens=50, extra={"top_p": 0.9})
    assert isinstance(policy, Policy)
    done = Trace(prefix().problem, ("a",), finished=True)
    rows = policy.complete([prefix("two?", "1 + 1 = 2"), done], 2, seed=3, temperature=0.5)
    assert [t.steps for t in rows[0]] == [
        ("1 + 1 = 2", "2 + 3 = 5", "5 * 4 = 20", "Answer: 20"), ("1 + 1 = 2", "x", "y")]
    assert all(t.finished and t.source == "tiny" for t in rows[0]) and rows[1] == [done, done]
    [body] = server.bodies
    assert 0 <= body.pop("seed") < 2**31
    assert body == {"model": "tiny", "prompt": "two?\n1 + 1 = 2\n", "n": 2, "temperature": 0.5,
                    "max_tokens": 50, "top_p": 0.9}
    assert server.paths == ["/v1/completions"] and "Authorization" not in server.headers[0]
    used = policy.usage
    assert (used.calls, used.samples, used.cut) == (1, 2, 0)
    assert (used.prompt_tokens, used.new_tokens, used.policy_tokens) == (7, 6, 13)


def test_what_is_cut_is_unfinished_and_what_runs_on_after_the_answer_is_dropped(play):
    policy = policy_at(play(says("2 + 3 =", reason="length")))
    [[trace]] = policy.complete([prefix()], 1, seed=0)
    assert (trace.steps, trace.finished, policy.usage.cut) == (("2 + 3 =",), False, 1)
    policy = policy_at(play(says(TEXT + "Next problem:\n1 + 1", reason="length")))
    [[trace]] = policy.complete([prefix()], 1, seed=0)
    assert (len(trace.steps), trace.finished, policy.usage.cut) == (3, True, 0)
    policy = policy_at(play(says(TEXT, reason="length")), ends=lambda step: False)
    [[trace]] = policy.complete([prefix()], 1, seed=0)
    assert (len(trace.steps), trace.finished, policy.usage.cut) == (3, False, 1)


@pytest.mark.parametrize(("answer", "finished", "cut"), [
    (says("5 * 4 = 20"), False, 0),  # does not say what stopped it
    (says("5 * 4 = 20", stop_reason="\n"), False, 0),  # vLLM
    (says("5 * 4 = 20", stop_reason=None), True, 0),
    (says("5 * 4 = 20", matched_stop="\n"), False, 0),  # SGLang: the id of the end
    (says("5 * 4 = 20", matched_stop=151643), True, 0),
    (says("5 * 4 = 20", reason="eos_token"), True, 0),
    (says("Answer: 20"), True, 0),
    (says("5 * 4 = 20\nAnswer: 20"), False, 0),  # ignores stop
    (says("\n5 * 4 = 20\n", reason="length"), False, 1),
    (says("5 * 4 = 20", reason="length", stop_reason=None), False, 1),
])
def test_propose_takes_one_step_and_knows_the_end_where_it_can(play, answer, finished, cut):
    server = play(answer)
    policy = policy_at(server, step_tokens=9)
    rows = policy.propose([prefix("two?", "2 + 3 = 5")] * 2, 3, seed=1)
    assert [len(row) for row in rows] == [3, 3]
    expected = "Answer: 20" if answer(0, {"n": 1})[1]["choices"][0]["text"] == "Answer: 20" else (
        "5 * 4 = 20")
    assert {t.steps for row in rows for t in row} == {("2 + 3 = 5", expected)}
    assert {t.finished for row in rows for t in row} == {finished}
    assert policy.usage.cut == 6 * cut
    assert all(b["stop"] == ["\n"] and b["max_tokens"] == 9 for b in server.bodies)


def test_a_server_that_ignores_n_is_asked_once_a_sample(play):
    server = play(says(TEXT, n=1))
    policy = policy_at(server)
    assert [len(row) for row in policy.complete([prefix(), prefix("b")], 5, seed=0)] == [5, 5]
    assert [b["n"] for b in server.bodies] == [5, 5] + [1] * 8
    policy.complete([prefix("c")], 3, seed=0)
    assert [b["n"] for b in server.bodies[10:]] == [1, 1, 1]  # it has been found out
    assert len({b["seed"] for b in server.bodies}) == 13
    assert policy.usage.samples == 13 and policy.usage.prompt_tokens == 7 * 13


def test_a_server_that_gives_more_than_asked(play):
    policy = policy_at(play(says(TEXT, "a", "b")))
    assert [len(row) for row in policy.complete([prefix()], 2, seed=0)] == [2]


def test_empty_steps_are_asked_for_again_and_not_for_ever(play):
    texts = ["", " \n", "5 * 4 = 20"]
    server = play(lambda number, body: says(texts[min(number, 2)])(number, body))
    [[one, other]] = policy_at(server).propose([prefix()], 2, seed=0)
    assert one.steps == other.steps == ("5 * 4 = 20",)
    assert len({b["seed"] for b in server.bodies}) == 3
    empty = policy_at(play(says("", stop_reason=None)))
    with pytest.raises(ValueError, match="began no step for problem 'two\\?', 8 times over; check"):
        empty.propose([prefix()], 1, seed=0)
    [[trace]] = empty.complete([prefix("two?", "a")], 1, seed=0)  # the end at once
    assert (trace.steps, trace.finished) == (("a",), True)


def test_seeds_depend_on_the_prefix_and_its_repeats_not_on_the_order(play):
    server = play(says(TEXT))
    policy = policy_at(server, parallel=1)

    def seeds(*prefixes, seed=0):
        begun = len(server.bodies)
        policy.complete(prefixes, 2, seed=seed)
        return [(b["prompt"], b["seed"]) for b in server.bodies[begun:]]

    a, b = prefix("a"), prefix("b")
    together = seeds(a, b, a)
    assert sorted(seeds(a, a, b)) == sorted(together) and len(set(together)) == 3
    assert seeds(b) == [together[1]] and seeds(a) == [together[0]]
    assert seeds(a, seed=1) != [together[0]]


def test_greedy_asks_once(play):
    server = play(says(TEXT, reason="length"))
    policy = policy_at(server, ends=lambda step: False)
    [row, again] = policy.complete([prefix(), prefix()], 4, seed=0, temperature=0)
    assert row == again and len({t.steps for t in row}) == 1 and len(row) == 4
    assert [b["n"] for b in server.bodies] == [1, 1] and policy.usage.cut == 8


def test_usage_the_server_does_not_give_is_not_made_up(play):
    server = play(says(TEXT, usage=False))
    policy = policy_at(server)
    policy.complete([prefix(), prefix("b")], 2, seed=0)
    assert policy.usage.policy_tokens is None
    assert (policy.usage.uncounted, policy.usage.new_tokens, policy.usage.samples) == (2, 0, 4)
    assert Usage(prompt_tokens=2, new_tokens=3).policy_tokens == 5


def test_what_passes_is_tried_again(play):
    bad = [(429, {"error": "slow down"}, {"Retry-After": "0.2"}), (500, b"oops"), (200, b"{half"),
           (200, b"[1]"), (503, b"", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})]
    server = play(lambda number, body: bad[number] if number < 5 else says(TEXT)(number, body))
    begun = time.perf_counter()
    [[trace]] = policy_at(server, tries=6).complete([prefix()], 1, seed=0)
    assert trace.answer == "20" and len(server.bodies) == 6
    assert len({b["seed"] for b in server.bodies}) == 1
    assert time.perf_counter() - begun >= 0.2


@pytest.mark.parametrize(("answer", "last"), [
    ((500, b"out of memory"), "500 'out of memory'"),
    ((429, {"error": "quota"}), "429 '.*quota"),
    ((200, b"<html>"), "an answer that is no JSON object, '<html>'"),
    ((200, b"[1]"), "an answer that is no JSON object, '\\[1\\]'"),
    ((200, b"[" * 99_999), "an answer that is no JSON object, '\\[\\["),
    ((200, b"{}", {"Content-Length": "99"}), "OSError: IncompleteRead"),
])
def test_what_does_not_pass_ends_in_an_error_that_names_the_url(play, answer, last):
    server = play(lambda number, body: answer)
    with pytest.raises(OSError, match=f"{server.url}/completions gave no answer in 3 tries, the "
                                      f"last time: {last}"):
        policy_at(server, tries=3).complete([prefix()], 1, seed=0)
    assert len(server.bodies) == 3


@pytest.mark.parametrize(("status", "said", "mend"), [
    (400, b'{"error": "maximum context length is 64"}', "maximum context length is 64.*fit its"),
    (401, b"", "It wants a key: put it into an environment variable"),
    (404, b"no such model", "'no such model'. Check the url .*ends in /v1"),
])
def test_a_refusal_is_not_tried_again(play, status, said, mend):
    server = play(lambda number, body: (status, said))
    with pytest.raises(ValueError, match=f"refused the request: {status}.*{mend}"):
        policy_at(server).complete([prefix()], 3, seed=0)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("reply", [
    {}, {"choices": []}, {"choices": [{"message": {"content": "hi"}}]}, {"choices": ["a"]},
    {"choices": None, "object": "error"}])
def test_an_answer_of_another_form_is_refused(play, reply):
    server = play(lambda number, body: (200, reply))
    with pytest.raises(ValueError, match="must answer with choices that have a text, got .*is it"):
        policy_at(server).complete([prefix()], 1, seed=0)


def test_a_server_that_is_too_slow_or_not_there(play):
    server = play(lambda number, body: (time.sleep(1.5), says(TEXT)(number, body))[1])
    with pytest.raises(OSError, match="gave no answer in 2 tries, the last time: TimeoutError"):
        policy_at(server, timeout=0.1, tries=2).complete([prefix()], 1, seed=0)
    server.server.shutdown()
    server.server.server_close()
    with pytest.raises(OSError, match="tries, the last time: .*refused.*Is the server running"):
        policy_at(server, tries=2).complete([prefix()], 1, seed=0)


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(play, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret-1")
    server = play(says(TEXT))
    policy = policy_at(server, key_variable="MY_KEY")
    policy.complete([prefix()], 1, seed=0)
    assert server.headers[0]["Authorization"] == "Bearer secret-1"
    assert "secret" not in repr(policy) + repr(policy.server) + str(vars(policy.server))
    thief = play(says(TEXT))
    moved = play(lambda number, body: (307, b"", {"Location": f"{thief.url}/completions"}))
    with pytest.raises(ValueError, match="307.*not followed: give the url that it"):
        policy_at(moved, key_variable="MY_KEY").complete([prefix()], 1, seed=0)
    assert thief.bodies == []
    refusing = play(lambda number, body: (403, b"who?"))
    with pytest.raises(ValueError, match="Is the key in MY_KEY right") as caught:
        policy_at(refusing, key_variable="MY_KEY").complete([prefix()], 1, seed=0)
    assert "secret" not in str(caught.value)
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(ValueError, match="variable MY_KEY must hold the key .*export MY_KEY"):
        policy_at(server, key_variable="MY_KEY")


def test_requests_run_together_but_not_too_many(play):
    def slowly(number, body):
        time.sleep(0.1)
        return says(body["prompt"].strip(), reason="length")(number, body)

    server = play(slowly)
    prefixes = [prefix(f"p{i}") for i in range(12)]
    rows = policy_at(server, parallel=4).complete(prefixes, 1, seed=0)
    assert [t.steps for [t] in rows] == [(f"p{i}",) for i in range(12)]  # in order
    assert server.most == 4


def test_the_prompt_can_be_another(play):
    server = play(says("Answer: 20"))
    policy = policy_at(server, prompt=lambda p: f"<q>{p.problem.text}</q>" + "".join(
        step + "||" for step in p.steps), separator="||")
    policy.propose([prefix("two?", "a")], 1, seed=0)
    assert server.bodies[0]["prompt"] == "<q>two?</q>a||" and server.bodies[0]["stop"] == ["||"]
    assert plain_prompt(prefix("two?", "a"), "||") == "two?||a||"


def test_after_a_failure_no_more_requests_are_begun(play):
    server = play(lambda number, body: (400, b"no"))
    with pytest.raises(ValueError, match="refused the request: 400 'no'"):
        policy_at(server, parallel=2).complete([prefix(f"p{i}") for i in range(200)], 1, seed=0)
    assert len(server.bodies) < 150


def test_its_name_tells_what_decides_the_samples_and_not_where_it_is():
    policy = EndpointPolicy("http://a/v1", "tiny", max_tokens=9, extra={"top_p": 0.5})
    assert repr(policy) == ("EndpointPolicy('tiny' at 'http://a/v1', max_tokens=9, "
                            "step_tokens=256, extra={'top_p': 0.5})")
    changes = [{}, {"model": "other"}, {"max_tokens": 9}, {"step_tokens": 9}, {"separator": ";"},
               {"extra": {"top_p": 0.5}}, {"prompt": lambda p: p.text}, {"ends": str.isdigit}]
    names = [EndpointPolicy("http://a/v1", **{"model": "tiny", **c}).fingerprint for c in changes]
    assert len(set(names)) == len(names) and names[1].startswith("other ")
    assert EndpointPolicy("http://b/v2", "tiny", parallel=3, tries=9).fingerprint == names[0]


def test_labels_by_a_server_and_in_another_process(play, tmp_path):
    server = play(says("20\nAnswer: 20", "nothing", reason="stop"))
    policy = deepcopy(policy_at(server))  # as pickled: without the lock
    (one,) = labels.monte_carlo([prefix("two?", "2 + 3 = 5", "no")], policy, n_rollouts=2,
                                journal=tmp_path / "a")
    assert one.values == (0.5, 0.5) and one.cost.tokens == 2 * (7 + 6)
    assert policy.fingerprint in (tmp_path / "a").read_text()


def test_bad_input(play):
    with pytest.raises(ValueError, match="url must begin with http:// or https:// and name a host"):
        EndpointPolicy("localhost:8000", "m")
    with pytest.raises(ValueError, match="url must not hold a password"):
        Server("http://me:pw@host/v1")
    with pytest.raises(ValueError, match="tries must be at least 1, .* got 0, 300.0 and 1.0"):
        Server("http://x", tries=0)
    with pytest.raises(ValueError, match="parallel must be at least 1 and separator not empty"):
        EndpointPolicy("http://x", "m", separator="")
    policy = EndpointPolicy("http://127.0.0.1:9", "m")
    with pytest.raises(ValueError, match="n must be at least 1 and temperature at least 0"):
        policy.complete([prefix()], 0, seed=0)
    with pytest.raises(ValueError, match="is finished, no step can follow"):
        policy.propose([Trace(prefix().problem, ("a",), True)], 1, seed=0)
    assert policy.complete([], 2, seed=0) == []
