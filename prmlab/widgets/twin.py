"""The static twin of a widget: the same module and style, without a kernel or a network.

A twin is one HTML fragment: the widget's CSS, its state as JSON, its JavaScript unchanged, and
a stub that answers as the widget model would. Knows no particular widget.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prmlab.markup import escape

_STUB = """
{
  const root = document.querySelector('[data-prm-twin="%s"]:not([data-drawn])');
  root.dataset.drawn = "";
  const state = JSON.parse(root.querySelector('[type="application/json"]').textContent);
  const heard = new Map();
  const listeners = (event) => heard.get(event) ?? heard.set(event, new Set()).get(event);
  const model = {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const f of listeners("change:" + name)) f();
    },
    on: (event, f) => listeners(event).add(f),
    off: (event, f) => listeners(event).delete(f),
    save_changes() {},
  };
  const el = document.createElement("div");
  root.append(el);
  render({ model, el });
}
"""


class Frame(str):
    """HTML that a notebook shows as such."""

    def __repr__(self) -> str:
        return f"Frame({len(self):,} characters of HTML)"

    def _repr_html_(self) -> str:
        return str(self)


def fragment(esm: Path | Sequence[Path], css: Path, state: Mapping[str, Any]) -> str:
    """The widget as HTML that works from a file: `state` holds the value of every trait.

    A module in several parts is given as their paths, in order.
    """
    parts = [esm] if isinstance(esm, Path) else list(esm)
    module = "\n".join(part.read_text(encoding="utf-8") for part in parts)
    # "<" cannot end the script element early when it is written as an escape.
    data = json.dumps(state, ensure_ascii=False, sort_keys=True).replace("<", "\\u003c")
    name = hashlib.sha256(f"{parts[-1].name}{data}".encode(errors="replace")).hexdigest()[:12]
    return (
        f'<div data-prm-twin="{name}"><style>{css.read_text(encoding="utf-8")}</style>'
        f'<script type="application/json">{data}</script></div>'
        f'<script type="module">{module}{_STUB % name}</script>'
    )


def frame(html: str, *, title: str, height: int) -> Frame:
    """A fragment in an iframe of its own, for a notebook's output or a page with other CSS."""
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><body>{html}</body></html>'
    return Frame(
        f'<iframe title="{escape(title)}" srcdoc="{escape(page)}" width="100%" '
        f'height="{height}" style="border:0" sandbox="allow-scripts allow-downloads"></iframe>'
    )
