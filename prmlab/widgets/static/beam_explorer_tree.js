// @ts-check
// First part of the beam explorer: what a search shows at a round, in which places, in which
// words. Pure: no DOM, no model. Tested by tests/js/beam_explorer_tree.test.mjs.
// A search is what `tree_picture.picture` made: one list a column, a node its row.

export const FATES = {
  root: { mark: "◦", words: "the start" },
  kept: { mark: "▸", words: "kept" },
  pruned: { mark: "⊘", words: "pruned" },
  finished: { mark: "■", words: "finished" },
  open: { mark: "…", words: "waiting" },
};
export const VERDICTS = {
  right: { mark: "✓", words: "right" },
  neutral: { mark: "○", words: "true but not needed" },
  wrong: { mark: "✗", words: "wrong" },
  unknown: { mark: "?", words: "truth unknown" },
};
// Pixels: a node's width, the gap to the next column, the height of one row.
export const LEVELS = {
  words: { width: 230, first: 84, gap: 30, unit: 25, place: "row", tall: 620 },
  numbers: { width: 120, first: 74, gap: 26, unit: 26, place: "line", tall: 1400 },
  marks: { width: 18, first: 18, gap: 44, unit: 21, place: "line", tall: Infinity },
};
export const MARGIN = 12;

/** Right, neutral, wrong or unknown, from a label: +1, 0, -1, a probability, or null. */
export function verdict(label) {
  if (label === null || label === undefined) return "unknown";
  if (label === 0 || label === 1) return label ? "right" : "neutral";
  return label >= 0.5 ? "right" : "wrong";
}

/** What has become of a node by a round; null before it was proposed. */
export function fateAt(search, node, round) {
  if (node === 0) return "root";
  if (search.born[node] > round) return null;
  const settled = search.decided[node] >= 0 && search.decided[node] <= round;
  return settled ? search.fate[node] : "open";
}

/** The children of every node, in the order in which they are drawn. */
export function childrenOf(search) {
  const below = search.parent.map(() => []);
  for (const node of search.order) if (node > 0) below[search.parent[node]].push(node);
  return below;
}

/** The nodes to draw at a round, in order of columns and rows, without what is folded away. */
export function visible(search, round, folded = new Set()) {
  const shown = new Set();
  for (const node of search.order) {
    const above = search.parent[node];
    const open = node === 0 || (shown.has(above) && !folded.has(above));
    if (open && fateAt(search, node, round) !== null) shown.add(node);
  }
  return [...shown];
}

/** The same nodes, each followed by all that is below it: the order of an outline. */
export function preorder(below, nodes) {
  const [shown, found, waiting] = [new Set(nodes), [], [0]];
  while (waiting.length) {
    const node = waiting.pop();
    if (!shown.has(node)) continue;
    found.push(node);
    waiting.push(...below[node].toReversed());
  }
  return found;
}

/** The most detailed level at which the tree is not too high, nor too wide beside another. */
export function autoLevel(search, panes = 1) {
  return Object.keys(LEVELS).find((level) => {
    const { width, height } = extent(search, level);
    return height <= LEVELS[level].tall && (panes === 1 || level === "marks" || width <= 900);
  });
}

/** Left, top, width and height of a node, in pixels. */
export function box(search, node, level) {
  const { width, first, gap, unit, place } = LEVELS[level];
  const depth = search.depth[node];
  const rows = place === "row" && depth && search.fate[node] !== "pruned" ? 2 : 1;
  return { left: MARGIN + (depth && first + gap + (depth - 1) * (width + gap)),
    top: MARGIN + search[place][node] * unit, width: depth ? width : first,
    height: level === "marks" ? width : rows * unit - 4 };
}

/** Width and height that hold these nodes, in pixels. */
export function extent(search, level) {
  let [width, height] = [0, 0];
  for (const node of search.order) {
    const b = box(search, node, level);
    width = Math.max(width, b.left + b.width + MARGIN);
    height = Math.max(height, b.top + b.height + MARGIN);
  }
  return { width, height };
}

/** SVG path of the edges into these nodes, from each parent's right edge to the left edge. */
export function edges(search, nodes, level) {
  const parts = [];
  for (const node of nodes) {
    if (node === 0) continue;
    const a = box(search, search.parent[node], level);
    const b = box(search, node, level);
    const [x0, y0, x1, y1] = [a.left + a.width, a.top + a.height / 2, b.left,
      b.top + b.height / 2].map((v) => Math.round(v * 10) / 10);
    const bend = (x1 - x0) / 2;
    parts.push(`M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`);
  }
  return parts.join("");
}

/** Words in two parts: where they do not fit, the first is cut, and the end stays readable. */
export function split(text) {
  const letters = Array.from(text.slice(0, 2000).replace(/\s+/g, " "));
  if (letters.length <= 26 || /[\u0590-\u08ff\u200e-\u202e\u2066-\u2069]/.test(text)) {
    return [letters.slice(0, 120).join(""), ""];
  }
  const last = letters.slice(-18).join("");
  const at = last.lastIndexOf(": ") + 1 || last.indexOf(" ") + 1;
  const end = last.slice(at).trimStart();
  return [letters.slice(0, letters.length - Array.from(end).length).slice(0, 60).join("").trimEnd(), end];
}

/** The nodes from below the root to a node. */
export function way(search, node) {
  const rows = [];
  for (let at = node; at > 0; at = search.parent[at]) rows.unshift(at);
  return rows;
}

/** The nearest node at or above `node` that is among those shown. */
export function nearest(search, node, shown) {
  let at = node < search.parent.length ? node : 0;
  while (at > 0 && !shown.has(at)) at = search.parent[at];
  return Math.max(at, 0);
}

/** Where a key leads in the tree: a node, or null for a key that leads nowhere. */
export function move(search, nodes, node, key) {
  const column = nodes.filter((n) => search.depth[n] === search.depth[node]);
  const at = column.indexOf(node);
  const to = {
    ArrowUp: () => column[Math.max(at - 1, 0)],
    ArrowDown: () => column[Math.min(at + 1, column.length - 1)],
    ArrowLeft: () => Math.max(search.parent[node], 0),
    ArrowRight: () => nodes.find((n) => n > 0 && search.parent[n] === node) ?? node,
    Home: () => 0,
    End: () => nodes.at(-1),
  };
  return Object.hasOwn(to, key) ? to[key]() : null;
}

export const number = (x) => (x === null || x === undefined ? "–" : x.toFixed(2));
export const many = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

/** What became of a node, in words. */
export function fateWords(search, node, round) {
  const fate = fateAt(search, node, round);
  if (fate === null || fate === "root" || fate === "open") return FATES[fate ?? "open"].words;
  return `${FATES[fate].words} in round ${search.decided[node]}`;
}

/** A node in one sentence, for those who hear it. */
export function describe(search, node, round, truth) {
  if (node === 0) {
    const n = search.root.steps.length;
    return n ? `The start, after ${many(n, "step")}: ${search.root.steps.at(-1).slice(0, 160)}`
      : `The problem: ${search.root.problem.slice(0, 160)}`;
  }
  const parts = [`score ${number(search.score[node])}`, `so far ${number(search.total[node])}`,
    fateWords(search, node, round)];
  if (search.drawn[node] > 1) parts.push(`drawn ${search.drawn[node]} times`);
  if (search.visits[node] > 0) parts.push(many(search.visits[node], "visit"));
  if (truth && search.label[node] !== null) {
    parts.push(VERDICTS[verdict(search.label[node])].words);
    if (search.note[node] && verdict(search.label[node]) !== "right") parts.push(search.note[node]);
  }
  if (truth && search.ends[node] !== null) parts.push(`${search.ends[node] ? "right" : "wrong"} answer`);
  if (node === search.best) parts.push("the search's choice");
  return `${search.text[node].slice(0, 160)}; ${parts.join(", ")}`;
}

/** What a round did, in one sentence. */
export function roundWords(search, round) {
  const last = Math.min(round, search.rounds);
  const nodes = search.order.filter((n) => n > 0);
  const born = nodes.filter((n) => search.born[n] === last).length;
  const settled = nodes.filter((n) => search.decided[n] === last);
  const fates = ["kept", "pruned", "finished"].map((fate) =>
    `${settled.filter((n) => search.fate[n] === fate).length} ${fate}`);
  if (last === 0) return `Round 0 of ${search.rounds}: the start.`;
  return `Round ${last} of ${search.rounds}: ${many(born, "step")} proposed; ${fates.join(", ")}.`;
}

/** Every step of the trace that ends with a node: text, score, total and truth. */
export function traceRows(search, node) {
  const { steps, scores, labels, notes } = search.root;
  const rows = steps.map((text, i) => ({ text, hidden: 0, node: 0, score: scores[i] ?? null,
    total: null, label: labels[i] ?? null, note: notes[i] ?? "" }));
  for (const n of way(search, node)) {
    rows.push({ text: search.text[n], hidden: search.hidden[n], node: n, score: search.score[n],
      total: search.total[n], label: search.label[n], note: search.note[n] });
  }
  return rows;
}
