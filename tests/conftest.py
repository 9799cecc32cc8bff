"""For all tests: Ctrl-C as in a terminal, and a server that plays OpenAI's as a test tells it."""

import json
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture(autouse=True, scope="session")
def _interrupts():
    """A run begun in the background of a script ignores Ctrl-C; tests of interrupts need it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Playing:
    """A server whose answers a function of (number of the request, its JSON) decides.

    It returns `(status, body)`: an object is sent as JSON, bytes as they are, or a whole
    `(status, body, headers)`. `bodies` and `headers` keep what was asked; `most` is how many
    requests were open at once.
    """

    def __init__(self, answer):
        self.bodies, self.headers, self.paths = [], [], []
        self.open = self.most = 0
        lock, playing = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    number = len(playing.bodies)
                    playing.bodies.append(body)
                    playing.headers.append(dict(self.headers))
                    playing.paths.append(self.path)
                    playing.open += 1
                    playing.most = max(playing.most, playing.open)
                status, said, *more = answer(number, body)
                with lock:
                    playing.open -= 1
                said = said if isinstance(said, bytes) else json.dumps(said).encode()
                try:
                    self.send_response(status)
                    named = {"Content-Length": str(len(said)), **(more[0] if more else {})}
                    for name, value in named.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(said)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the other side gave up

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def play():
    """A function that starts a server with the given answers."""
    started = []

    def start(answer):
        started.append(Playing(answer))
        return started[-1]

    yield start
    for one in started:
        one.server.shutdown()
        one.server.server_close()
