// Imports a widget's browser module in Node: the file is .js without a package.json beside it.
import { readFileSync } from "node:fs";

const STATIC = new URL("../../prmlab/widgets/static/", import.meta.url);

export function load(name) {
  const text = readFileSync(new URL(`${name}.js`, STATIC), "utf8");
  return import("data:text/javascript," + encodeURIComponent(text));
}
