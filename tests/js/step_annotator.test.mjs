// The pure parts of the step annotator. Run: node --test tests/js/
import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./load.mjs";

const { action, count, firstOpen, jsonl, takeBack, withLabel } = await load("step_annotator");

test("keys: 1 right, 2 neutral, 3 wrong, 0 clears; others are left to the page", () => {
  assert.deepEqual(["1", "2", "3", "0"].map((key) => action(key)[1]), [1, 0, -1, null]);
  assert.deepEqual(action("j"), action("ArrowDown"));
  assert.deepEqual(action("k"), ["step", -1]);
  assert.deepEqual(action("n"), action("ArrowRight"));
  for (const key of ["4", "Tab", "Enter", " ", "toString", "constructor"]) {
    assert.equal(action(key), null, key);
  }
});

test("withLabel changes one label and leaves the old lists alone", () => {
  const labels = [[1, null, 0], [null, null]];
  assert.deepEqual(withLabel(labels, 1, 0, -1), [[1, null, 0], [-1, null]]);
  assert.deepEqual(labels, [[1, null, 0], [null, null]]);
});

test("count counts 0 as a label", () => {
  assert.deepEqual(count([[0, null, -1], [null, 1]]), { done: 3, total: 5 });
  assert.deepEqual(count([]), { done: 0, total: 0 });
});

test("firstOpen is the first step without a label, else the last", () => {
  assert.deepEqual([[1, null, null], [0, 0, 0], []].map(firstOpen), [1, 2, 0]);
});

test("jsonl writes the records of labelled traces as Python does", () => {
  const record = (text) => ({ timestamp: null, question: { problem: "p" }, label: {
    finish_reason: null,
    steps: [{ completions: [{ text, rating: null, flagged: false }], chosen_completion: 0 }],
  } });
  const text = jsonl([record("a"), record("b"), record("c")], [[-1], [null], [0]], "now");
  const [first, last] = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(first.label.finish_reason, "found_error");
  assert.deepEqual(first.label.steps[0].completions, [{ text: "a", rating: -1, flagged: false }]);
  assert.equal(last.label.finish_reason, "solution");
  assert.equal(last.timestamp, "now");
  assert.equal(text.split("\n").length, 3);
});

test("takeBack gives the latest change that still stands, and forgets later ones", () => {
  const past = [
    { trace: 0, step: 0, old: null, label: 1 },
    { trace: 0, step: 1, old: 0, label: -1 },
    { trace: 5, step: 0, old: null, label: 1 },
  ];
  assert.deepEqual(takeBack(past, [[1, -1]]), [0, 1, 0]);
  assert.equal(past.length, 1);
  assert.equal(takeBack(past, [[null, 0]]), null); // cleared elsewhere since
  assert.equal(past.length, 0);
});

test("control and z undoes, and no other key with control is taken", () => {
  assert.deepEqual(action("z", true), action("u"));
  assert.equal(action("1", true), null);
  assert.equal(action("z"), null);
});
