// The parts of the beam explorer as Python joins them. Run: node --test tests/js/
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const STATIC = new URL("../../prmlab/widgets/static/", import.meta.url);
const parts = ["_tree", "_card", "_pane", "_panels", ""]
  .map((part) => readFileSync(new URL(`beam_explorer${part}.js`, STATIC), "utf8"));

test("the parts make one module with one default export, without imports", async () => {
  const module = await import("data:text/javascript," + encodeURIComponent(parts.join("\n")));
  assert.equal(typeof module.default.render, "function");
  assert.equal(parts.join("\n").match(/^export default/gm).length, 1);
  assert.doesNotMatch(parts.join("\n"), /^import /m);
});

test("each part is small, and cannot end the script element it stands in", () => {
  for (const part of parts) {
    assert.ok(part.split("\n").length <= 221);
    assert.doesNotMatch(part, /<\/script/i);
  }
});
