// The pure first part of the beam explorer. Run: node --test tests/js/
import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./load.mjs";

const { LEVELS, MARGIN, autoLevel, box, childrenOf, describe, edges, extent, fateAt, move, nearest,
  preorder, roundWords, split, traceRows, verdict, visible, way } = await load("beam_explorer_tree");

// 0 ─ 1 ─ 3 (finished, right)     1 kept in round 1, 2 pruned in it; 3 and 4 of round 2,
//   │   └ 4 (pruned)              5 still open.
//   ├ 2
//   └ 5
const search = {
  id: 7, root: { problem: "1 + 1 + 1?", steps: ["1 + 1 = 2"], scores: [0.5], labels: [1], notes: [""] },
  parent: [-1, 0, 0, 1, 1, 0], depth: [0, 1, 1, 2, 2, 1], born: [0, 1, 1, 2, 2, 2],
  decided: [0, 1, 1, 2, 2, -1], fate: ["kept", "kept", "pruned", "finished", "pruned", "open"],
  finished: [false, false, false, true, false, false],
  ends: [null, null, null, true, null, null], best: 3, rounds: 2,
  score: [null, 0.9, 0.2, 0.8, 0.1, null], total: [null, 0.9, 0.2, 0.72, 0.09, null],
  label: [null, 1, -1, 1, 0, null], note: ["", "", "slip", "", "", ""],
  text: ["", "two", "four", "Answer: 3", "again", "five"], hidden: [0, 0, 0, 0, 12, 0],
  drawn: [1, 3, 1, 1, 1, 1], visits: [0, 0, 0, 0, 0, 0], node: [0, 1, 2, 3, 4, 5],
  row: [0, 0, 2, 0, 2, 3], line: [0, 0, 1, 0, 1, 2], order: [0, 1, 2, 5, 3, 4],
};

test("fateAt: nothing before it is proposed, waiting until it is settled", () => {
  assert.deepEqual([0, 1, 2].map((round) => fateAt(search, 3, round)), [null, null, "finished"]);
  assert.equal(fateAt(search, 5, 9), "open");
  assert.equal(fateAt(search, 0, 0), "root");
  assert.equal(fateAt({ ...search, decided: [0, 2, 1, 2, 2, -1] }, 1, 1), "open");
});

test("visible grows by rounds and leaves out what is folded away", () => {
  assert.deepEqual([0, 1, 2].map((round) => visible(search, round)),
    [[0], [0, 1, 2], [0, 1, 2, 5, 3, 4]]);
  assert.deepEqual(visible(search, 2, new Set([1])), [0, 1, 2, 5]);
  assert.deepEqual(visible(search, 2, new Set([0])), [0]);
});

test("preorder is the outline: each node before what is below it", () => {
  const below = childrenOf(search);
  assert.deepEqual(below, [[1, 2, 5], [3, 4], [], [], [], []]);
  assert.deepEqual(preorder(below, visible(search, 2)), [0, 1, 3, 4, 2, 5]);
  assert.deepEqual(preorder(below, [0, 1, 2]), [0, 1, 2]);
});

test("keys walk the picture: up and down in a column, left to the parent, right to a child", () => {
  const nodes = visible(search, 2);
  const walk = (node, ...keys) => keys.reduce((at, key) => move(search, nodes, at, key), node);
  assert.equal(walk(0, "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown"), 5);
  assert.equal(walk(1, "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"), 1);
  assert.equal(walk(0, "ArrowLeft"), 0);
  assert.equal(walk(5, "ArrowRight"), 5);
  assert.deepEqual([walk(4, "Home"), walk(0, "End")], [0, 4]);
  for (const key of ["Enter", "a", "toString", "Tab"]) assert.equal(move(search, nodes, 0, key), null);
});

test("boxes stand in columns, do not overlap, and are inside the extent", () => {
  for (const level of Object.keys(LEVELS)) {
    const { width, height } = extent(search, level);
    const boxes = search.order.map((node) => box(search, node, level));
    for (const a of boxes) {
      assert.ok(a.left >= MARGIN && a.left + a.width <= width && a.top + a.height <= height);
      for (const b of boxes) {
        const apart = a.left + a.width <= b.left || b.left + b.width <= a.left
          || a.top + a.height <= b.top || b.top + b.height <= a.top;
        assert.ok(a === b || apart, `${level} ${JSON.stringify([a, b])}`);
      }
    }
  }
});

test("edges join right edge to left edge, one curve a node", () => {
  const path = edges(search, [0, 1, 3], "marks");
  assert.equal(path.match(/M/g).length, 2);
  const [a, b] = [box(search, 0, "marks"), box(search, 1, "marks")];
  assert.ok(path.startsWith(`M${a.left + a.width} ${a.top + a.height / 2}C`));
  assert.ok(path.includes(` ${b.left} ${b.top + b.height / 2}M`));
});

test("the level follows height, and width where two trees share the room", () => {
  const stretched = (rows, depth) => ({ ...search, row: search.row.map((r) => r * rows),
    line: search.line.map((r) => r * rows), depth: search.depth.map((d) => d * depth) });
  assert.equal(autoLevel(search), "words");
  assert.equal(autoLevel(stretched(20, 1)), "numbers");
  assert.equal(autoLevel(stretched(100, 1)), "marks");
  assert.equal(autoLevel(stretched(1, 2), 1), "words");
  assert.equal(autoLevel(stretched(1, 2), 2), "numbers");
});

test("way and nearest lead up the tree", () => {
  assert.deepEqual(way(search, 4), [1, 4]);
  assert.deepEqual(way(search, 0), []);
  assert.equal(nearest(search, 4, new Set([0, 1])), 1);
  assert.equal(nearest(search, 99, new Set([0])), 0);
});

test("a node in words says step, scores, fate, truth if asked", () => {
  assert.equal(describe(search, 2, 2, true), "four; score 0.20, so far 0.20, pruned in round 1, wrong, slip");
  assert.equal(describe(search, 2, 2, false), "four; score 0.20, so far 0.20, pruned in round 1");
  assert.match(describe(search, 3, 2, true), /finished in round 2, right, right answer, the search's choice$/);
  assert.match(describe(search, 1, 2, true), /drawn 3 times/);
  assert.match(describe(search, 5, 2, true), /score –, so far –, waiting$/);
  assert.equal(describe(search, 0, 2, true), "The start, after 1 step: 1 + 1 = 2");
});

test("a round in words", () => {
  assert.equal(roundWords(search, 0), "Round 0 of 2: the start.");
  assert.equal(roundWords(search, 1), "Round 1 of 2: 2 steps proposed; 1 kept, 1 pruned, 0 finished.");
  assert.equal(roundWords(search, 5), "Round 2 of 2: 3 steps proposed; 0 kept, 1 pruned, 1 finished.");
});

test("the trace of a node begins with the steps of the root", () => {
  const rows = traceRows(search, 4);
  assert.deepEqual(rows.map((row) => row.text), ["1 + 1 = 2", "two", "again"]);
  assert.deepEqual(rows.map((row) => row.score), [0.5, 0.9, 0.1]);
  assert.deepEqual(rows.map((row) => row.hidden), [0, 0, 12]);
});

test("verdicts of labels, hard and soft", () => {
  assert.deepEqual([1, 0, -1, null, undefined, 0.7, 0.2].map(verdict),
    ["right", "neutral", "wrong", "unknown", "unknown", "right", "wrong"]);
});

test("long words keep their end; right-to-left and short ones are left whole", () => {
  assert.deepEqual(split("Leo has 8 more than Ola: 10 + 8 = 18"), ["Leo has 8 more than Ola:", "10 + 8 = 18"]);
  assert.deepEqual(split("Answer: 3"), ["Answer: 3", ""]);
  assert.deepEqual(split("x".repeat(100000))[1].length, 18);
  assert.equal(split("שלום ".repeat(20))[1], "");
  assert.equal(split("🧮".repeat(40))[1], "🧮".repeat(18));
  assert.ok(split(`<img src=x onerror=alert(1)> ${"y".repeat(200)}`)[0].length <= 60);
});
