"""Fetching by name, against a server on this machine: whole, cut off, resumed, false, absent."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from prmlab.datasets import public

CONTENT = bytes(range(256)) * 3000  # three pieces


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT, as `mode` says; notes which ranges were asked for."""

    mode, asked = "whole", []

    def do_GET(self):
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        self.asked.append(start and int(start[1]))
        if self.mode == "absent":
            self.send_error(404)
            return
        body = CONTENT[int(start[1]):] if start and self.mode != "no ranges" else CONTENT
        self.send_response(200 if len(body) == len(CONTENT) else 206)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.mode == "cut":
            body = body[:len(body) // 2]
        self.wfile.write(body[::-1] if self.mode == "false" else body)

    def log_message(self, *_):
        """Silence."""


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Server, "asked", [])
    http = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield http
    http.shutdown()
    http.server_close()


def source(http):
    return public.Source(f"http://127.0.0.1:{http.server_port}/set/rows.jsonl",
                         hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "MIT")


def test_a_file_is_fetched_once(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "mode", "whole")
    for _ in range(2):
        path = public.download(source(server), tmp_path / "new")
        assert path.read_bytes() == CONTENT
    assert Server.asked == [None]
    assert [p.name for p in path.parent.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize("then", ["whole", "no ranges"])
def test_a_fetch_that_was_cut_goes_on(server, tmp_path, monkeypatch, then):
    monkeypatch.setattr(Server, "mode", "cut")
    with pytest.raises(ValueError, match=r"384,000 of 768,000 bytes are here and will be used"):
        public.download(source(server), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl.part"]
    monkeypatch.setattr(Server, "mode", then)
    assert public.download(source(server), tmp_path).read_bytes() == CONTENT
    assert Server.asked == [None, 384_000]


def test_a_false_file_is_not_kept(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "mode", "false")
    with pytest.raises(ValueError, match="not the file that was pinned: its SHA-256 differs"):
        public.download(source(server), tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "rows.jsonl").write_bytes(b"something else")
    with pytest.raises(ValueError, match="its SHA-256 differs; move it away"):
        public.download(source(server), tmp_path)


def test_an_absent_file_and_no_network_are_told_apart(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "mode", "absent")
    with pytest.raises(ValueError, match=r"cannot fetch http://127.*: it answered 404"):
        public.download(source(server), tmp_path)
    nobody = public.Source("http://127.0.0.1:9/rows.jsonl", "0" * 64, 5, "MIT")
    with pytest.raises(ValueError, match=r"0 of 5 bytes are here.*Without a network: get that "
                                         r"file on another machine, and put it at .*rows.jsonl"):
        public.download(nobody, tmp_path, timeout=5)


def test_names():
    assert len({s.sha256 for s in public.PUBLIC.values()}) == len(public.PUBLIC) == 35
    assert all(re.fullmatch(r"[0-9a-f]{64}", s.sha256) and s.bytes > 1000
               and re.match(r"https://(raw|media)\.githubusercontent\.com/.*/[0-9a-f]{40}/", s.url)
               for s in public.PUBLIC.values())
    with pytest.raises(ValueError, match="no public file 'prm800k/phase3'; there are: prm800k/pha"):
        public.fetch("prm800k/phase3", "x")
    with pytest.raises(ValueError, match=r"processbench is read by path.*Qwen/ProcessBench"):
        public.fetch("processbench", "x")
