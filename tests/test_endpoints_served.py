"""EndpointPolicy against transformers' own OpenAI-compatible server, with a tiny model behind it."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import public_layouts
import pytest
import tiny
import torch
from transformers import GenerationConfig
from transformers.utils.import_utils import is_serve_available

from prmlab import labels
from prmlab.endpoints import EndpointPolicy
from prmlab.protocols import Policy
from prmlab.traces import Problem, Trace

pytestmark = [pytest.mark.torch, pytest.mark.skipif(
    not is_serve_available(), reason='the server needs: pip install "transformers[serving]"')]
PREFIXES = [Trace(Problem("a", "What is 2 + 2 ?", "4", "test"), ()),
            Trace(Problem("b", "Has Ana 7 pens?", "7", "test"), ("Ana has 3 + 4 = 7 pens.",))]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(model, tokenizer, the server's base, the model's name there)."""
    folder = tmp_path_factory.mktemp("served") / "tiny"
    tokenizer = public_layouts.byte_level("qwen")
    model = tiny.tiny("Qwen2", len(tokenizer), max_position_embeddings=400)
    end = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    model.generation_config = GenerationConfig(do_sample=True, **end)  # the server samples only then
    for name, value in end.items():
        setattr(model.config, name, value)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    port, log = free_port(), (folder.parent / "log").open("w+")
    server = subprocess.Popen(
        [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve",
         str(folder), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
        stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield model, tokenizer, f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def wait_for(url, server, log):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + 300  # it imports torch first
    while time.monotonic() < end and server.poll() is None:
        try:
            opener.open(url, timeout=5).read()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    log.seek(0)
    pytest.fail(f"the server did not start: {log.read()[-2000:]}")


def greedy(model, tokenizer, prompt, n_new):
    ids = tokenizer.encode(prompt)
    with torch.no_grad():
        made = model.generate(torch.tensor([ids]), max_new_tokens=n_new, do_sample=False)
    return tokenizer.decode(made[0, len(ids):], skip_special_tokens=True)


def test_complete_and_propose_are_the_served_model_s(served):
    model, tokenizer, url, name = served
    policy = EndpointPolicy(url, name, max_tokens=24, step_tokens=12, parallel=1, timeout=120)
    assert isinstance(policy, Policy)
    made = policy.complete(PREFIXES, 2, seed=0, temperature=0.0)
    for prefix, row in zip(PREFIXES, made, strict=True):
        told = greedy(model, tokenizer, policy.prompt(prefix), 24)
        steps = tuple(s.strip() for s in told.split("\n") if s.strip())
        assert [t.steps[:len(prefix.steps)] for t in row] == [prefix.steps] * 2
        assert row[0].steps[len(prefix.steps):] in (steps, steps[:len(row[0].steps)])
        assert row[0] == row[1]
    prompts = sum(len(tokenizer.encode(policy.prompt(p))) for p in PREFIXES)
    assert policy.usage.prompt_tokens == prompts
    assert 0 < policy.usage.new_tokens <= 48
    proposed = policy.propose(PREFIXES, 2, seed=0)
    assert [[len(t.steps) for t in row] for row in proposed] == [[1, 1], [2, 2]]


def test_labels_by_monte_carlo_over_the_wire(served):
    *_, url, name = served
    policy = EndpointPolicy(url, name, max_tokens=6, parallel=2, timeout=120)
    trace = Trace(PREFIXES[0].problem, ("2 + 2 = 4", "Answer: 4"), finished=True)
    [found] = labels.monte_carlo([trace], policy, n_rollouts=2, seed=0)
    assert [step.n for step in found.steps][0] == 2
    assert found.steps[-1].value == 1.0


def test_what_the_server_refuses_is_said(served):
    *_, url, name = served
    with pytest.raises(ValueError, match="refused the request: 4"):
        EndpointPolicy(url, name, extra={"no_such_field": 1}, tries=1).complete(PREFIXES, 1, seed=0)
