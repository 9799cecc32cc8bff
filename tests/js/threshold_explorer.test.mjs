// The pure parts of the threshold explorer. Run: node --test tests/js/
import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./load.mjs";

const { moved, named, outcome, rightRange, tally, why } = await load("threshold_explorer");

const trace = (candidates, truth) => ({ candidates: { threshold: candidates }, true: truth });
const FALLS = [[0, 0.9], [2, 0.3], [3, 0.1]];

test("named: the first candidate below the threshold, strictly", () => {
  assert.deepEqual([0, 0.1, 0.2, 0.3, 0.31, 0.9, 1].map((t) => named(FALLS, t)),
    [null, null, 3, 3, 2, 2, 0]);
  assert.equal(named([], 1), null);
});

test("outcome: one word for every way to be wrong", () => {
  assert.deepEqual([[1, 1], [null, null], [null, 0], [0, null], [0, 1], [2, 1]].map(
    ([said, truth]) => outcome(said, truth)),
  ["right", "right", "missed", "right trace accused", "too early", "too late"]);
});

test("tally: both accuracies and their harmonic mean; 0 where both are 0", () => {
  const traces = [trace(FALLS, 2), trace(FALLS, 3), trace([[0, 0.05]], 0), trace([[1, 0.6]], null),
    trace([], null)];
  const at = tally(traces, "threshold", 0.5);
  assert.deepEqual([at.found, at.n_error, at.spared, at.n_correct], [2, 3, 2, 2]);
  assert.ok(Math.abs(at.f1 - (2 * (2 / 3)) / (5 / 3)) < 1e-12);
  assert.equal(tally([trace([[0, 0.9]], 1), trace([[0, 0.1]], null)], "threshold", 1).f1, 0);
});

test("rightRange agrees with trying every threshold", () => {
  for (const truth of [0, 1, 2, 3, null]) {
    const range = rightRange(FALLS, truth);
    for (let t = 0; t <= 1; t += 0.01) {
      const inside = range !== null && t > range[0] && t <= range[1];
      const right = named(FALLS, t) === truth;
      assert.equal(right, inside || (truth === null && t === 0), `${truth} at ${t}`);
    }
  }
  assert.deepEqual(rightRange([], null), [0, 1]);
});

test("moved: keys of a slider, fine steps with shift, never outside", () => {
  assert.equal(moved(0.5, "ArrowRight", false), 0.51);
  assert.equal(moved(0.5, "ArrowLeft", true), 0.499);
  assert.equal(moved(0.97, "PageUp", false), 1);
  assert.equal(moved(0.42345, "Home", false), 0);
  assert.equal(moved(0.5, "x", false), null);
  assert.equal(moved(0.5, "toString", false), null);
});

test("why: what was said, what is true, and at which thresholds it would be right", () => {
  assert.equal(why(FALLS, 2, 0.5),
    "The rule names step 2, rightly. It is judged rightly at thresholds above 0.300, up to 0.900.");
  assert.match(why(FALLS, 1, 0.2), /step 3; the truth is step 1: too late\. No threshold makes/);
  assert.match(why([[1, 0.6]], null, 0.7), /accused\. It is judged rightly up to .* 0\.600\./);
  assert.match(why([], 0, 0.5), /^The rule names no step; the truth is step 0: missed\. No/);
});
