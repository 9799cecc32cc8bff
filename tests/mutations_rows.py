"""Damages rows of JSON as files get damaged; seeded, so that a failure can be made again."""

import json
from random import Random
from typing import Any

BYTES = (b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f", b"[", b"{", b"]", b"}", b'"', b"\\",
         b",", b":", b"NaN", b"-Infinity", b"1e999", b"null", b"[" * 3000, b'{"a":' * 3000,
         b"9" * 5000, b"\r", b"\\u0000", b"\\ud800")
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, -7, 0.5, 10**30, -10**4000, 1e308, float("nan"), float("inf"),
    "", " ", "\n\n", "x", "Step 1:", "ки", "\0", "\ud800", "y" * 20_000, "The answer is " * 2000,
    [], [[]], {}, [None], [1, "x"], {"text": 5}, ["\udfff"], [0] * 5000, [True, {"text": "a"}],
    {"completions": "x"}, [{"text": "t", "mc_value": 2, "children": []}])


def mutate(line: bytes, rng: Random) -> bytes:
    """A damaged copy of a line of JSON; seldom, by chance, it is as good as it was."""
    for _ in range(rng.randint(1, 2)):
        line = rng.choice((_cut, _insert, _drop, _twice, _replaced, _replaced, _replaced))(line, rng)
    return line.replace(b"\n", b" ")


def _cut(line: bytes, rng: Random) -> bytes:
    return line[:rng.randint(1, max(1, len(line) - 1))]


def _insert(line: bytes, rng: Random) -> bytes:
    at = rng.randint(0, len(line))
    return line[:at] + rng.choice(BYTES) + line[at:]


def _drop(line: bytes, rng: Random) -> bytes:
    at = rng.randint(0, max(0, len(line) - 1))
    return line[:at] + line[at + rng.randint(1, 30):] or b"{"


def _twice(line: bytes, rng: Random) -> bytes:
    at = rng.randint(0, len(line))
    return line[:at] + line[rng.randint(0, at):]


def _replaced(line: bytes, rng: Random) -> bytes:
    """One value anywhere in the JSON replaced by another, or a key removed."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return _insert(line, rng)
    places = list(_places(row))
    if not places:
        return json.dumps(rng.choice(VALUES)).encode()
    owner, key = rng.choice(places)
    if rng.random() < 0.15:
        del owner[key]
    else:
        owner[key] = rng.choice(VALUES)
    return json.dumps(row, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")


def _places(value: Any, depth: int = 0):
    """Every (container, key) in a value, not very deep."""
    items = (list(value.items()) if isinstance(value, dict)
             else list(enumerate(value)) if isinstance(value, list) else [])
    for key, inner in items if depth < 12 else ():
        yield value, key
        yield from _places(inner, depth + 1)
