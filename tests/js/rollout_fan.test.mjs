// The pure parts of the rollout fan. Run: node --test tests/js/
import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./load.mjs";

const { called, moved, parsePrediction } = await load("rollout_fan");

test("a prediction is read as people write it", () => {
  const given = { 0.6: 0.6, " .6 ": 0.6, "0,25": 0.25, "60 %": 0.6, "60%": 0.6, 1: 1, 0: 0, "1.": 1 };
  for (const [text, value] of Object.entries(given)) assert.equal(parsePrediction(text), value, text);
});

test("what is no chance from 0 to 1 is none", () => {
  for (const text of ["", " ", "60", "1.1", "-0.5", "101 %", "half", "0.6.1", "1e-3", ".", "%", "0x1"]) {
    assert.equal(parsePrediction(text), null, text);
  }
});

test("arrow keys move within a list and stop at its ends", () => {
  assert.deepEqual(["ArrowDown", "ArrowUp", "Home", "End"].map((key) => moved(1, key, 4)),
    [2, 0, 0, 3]);
  assert.equal(moved(3, "ArrowDown", 4), 3);
  assert.equal(moved(0, "ArrowUp", 4), 0);
});

test("with nothing chosen the first key goes to an end; other keys go nowhere", () => {
  assert.equal(moved(null, "ArrowDown", 4), 0);
  assert.equal(moved(null, "ArrowUp", 4), 3);
  for (const key of ["a", "Enter", "toString", "ArrowLeft"]) assert.equal(moved(1, key, 4), null);
  assert.equal(moved(null, "ArrowDown", 0), null);
});

test("a prefix is called by the step it ends with, counted from 0", () => {
  assert.deepEqual([0, 1, 3].map(called), ["the problem alone", "step 0", "step 2"]);
});
