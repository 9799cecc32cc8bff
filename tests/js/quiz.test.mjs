// The pure parts of the quiz. Run: node --test tests/js/
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { load } from "./load.mjs";

const { isRight, parseNumber, pieces, sameNumber, tally } = await load("quiz");
const cases = JSON.parse(readFileSync(new URL("../data/quiz_cases.json", import.meta.url)));

for (const { says, question, answer, right } of cases) {
  test(`isRight: ${says}`, () => assert.equal(isRight(question, answer), right));
}

test("parseNumber reads what people type, and nothing else", () => {
  const read = { "0.81": 0.81, " 12 ": 12, "0,5": 0.5, "-3": -3, "−3": -3, ".5": 0.5, "1e-3": 0.001 };
  for (const [text, number] of Object.entries(read)) assert.equal(parseNumber(text), number);
  for (const text of ["", "x", "1.2.3", "1,2,3", "0x10", "Infinity", "1 2"]) {
    assert.equal(parseNumber(text), null, text);
  }
});

test("pieces finds code between backticks, and leaves an odd one alone", () => {
  assert.deepEqual(pieces("use `min` here"), [{ code: false, text: "use " },
    { code: true, text: "min" }, { code: false, text: " here" }]);
  assert.deepEqual(pieces("a ` b"), [{ code: false, text: "a ` b" }]);
  assert.deepEqual(pieces(""), []);
});

test("sameNumber finds the known mistake", () => {
  const choices = [{ text: "1.8", why: "a sum" }, { text: "0.9", why: "one factor" }];
  assert.deepEqual(sameNumber({ choices }, 1.8), [choices[0]]);
  assert.deepEqual(sameNumber({}, 1.8), []);
});

test("tally counts answered and right", () => {
  const questions = [{ id: "a", ...cases[0].question }, { id: "b", ...cases[0].question },
    { id: "c", kind: "number", answer: 1 }];
  assert.deepEqual(tally(questions, { a: 1, b: 0 }), { answered: 2, right: 1, total: 3 });
});
