// Fourth part of the beam explorer: the controls, the selected trace, the outcomes side by side.
// Uses the parts before it.

const COLUMNS = [["", (o) => o.name], ["answer", (o) => o.answer ?? "none"],
  ["total", (o) => number(o.total)], ["steps drawn", (o) => count(o.nodes)],
  ["rounds", (o) => count(o.rounds)], ["policy tokens", (o) => count(o.policy_tokens)],
  ["scorer tokens", (o) => count(o.scorer_tokens)],
  ["calls", (o) => (o.policy_calls === null ? "–" : `${o.policy_calls} + ${o.scorer_calls ?? "–"}`)],
  ["seconds", (o) => (o.seconds === null ? "–" : o.seconds.toFixed(1))]];

function count(n) {
  return n === null || n === undefined ? "–" : n.toLocaleString("en");
}

/** What came of each search, one row a search. */
function outcomes(searches, truth) {
  const table = make("table", "prm-outcomes");
  table.append(make("caption", searches.length > 1 ? "" : "prm-hidden", searches.length > 1 ? "Outcomes, side by side" : "Outcome"));
  const head = make("tr");
  for (const [name] of COLUMNS) {
    const cell = make("th", "", name || "search");
    cell.scope = "col";
    head.append(cell);
  }
  table.append(make("thead"), make("tbody"));
  table.tHead.append(head);
  for (const search of searches) {
    const row = make("tr");
    const o = { ...search.outcome, name: `${search.id}: ${search.title}` };
    COLUMNS.forEach(([name, words], i) => {
      const cell = make(i ? "td" : "th");
      cell.append(make("bdi", "", o.ready || !i || name === "steps drawn" ? words(o) : "…"));
      if (!i) cell.scope = "row";
      if (name === "answer" && truth && o.right !== null) {
        const kind = o.right ? "right" : "wrong";
        cell.append(make("strong", kind, ` ${VERDICTS[kind].mark} ${kind}`));
      }
      row.append(cell);
    });
    table.tBodies[0].append(row);
  }
  return table;
}

/** The whole trace that ends with a node, step by step. */
function traceTable(search, node, round, truth) {
  const table = make("table", "prm-trace");
  const rows = traceRows(search, node);
  const where = node ? `${many(rows.length, "step")}, ${fateWords(search, node, round)}` : "the start";
  table.append(make("caption", "", `Trace of node ${search.node[node]}, search ${search.id}: ${where}`));
  const known = truth && rows.some((row) => row.label !== null);
  const head = make("tr");
  for (const name of ["step", "text", "score", "so far", ...(known ? ["truth"] : [])]) {
    const cell = make("th", "", name);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(make("thead"), make("tbody"));
  table.tHead.append(head);
  rows.forEach((row, i) => {
    const line = make("tr");
    const head = make("th", "", String(i));
    head.scope = "row";
    const text = make("td", "prm-text");
    text.append(make("bdi", "", row.text));
    if (row.hidden) text.append(make("em", "", ` … ${row.hidden.toLocaleString("en")} more characters`));
    const score = make("td", "prm-num");
    const bar = make("span", "prm-bar");
    bar.style.setProperty("--part", `${Math.round(100 * (row.score ?? 0))}%`);
    score.append(bar, number(row.score));
    line.append(head, text, score, make("td", "prm-num", number(row.total)));
    if (known) {
      const kind = verdict(row.label);
      const cell = make("td", kind, `${VERDICTS[kind].mark} ${VERDICTS[kind].words}`);
      if (row.note && kind !== "right") cell.append(make("span", "prm-note", `: ${row.note}`));
      line.append(cell);
    }
    table.tBodies[0].append(line);
  });
  return table;
}

/** A labelled control; `changed` hears its new value, null when it is no value. */
function field(control, value, changed) {
  const label = make("label", "prm-field");
  label.append(make("span", "", control.label));
  let input;
  if (control.kind === "choice") {
    input = make("select");
    control.choices.forEach((choice, i) => {
      const option = make("option", "", choice);
      option.value = String(i);
      option.selected = (control.values ?? control.choices)[i] === value;
      input.append(option);
    });
    input.onchange = () => changed((control.values ?? control.choices)[Number(input.value)]);
  } else if (control.kind === "switch") {
    input = make("input");
    input.type = "checkbox";
    input.checked = value;
    input.onchange = () => changed(input.checked);
  } else {
    input = make("input");
    input.type = control.kind === "words" ? "text" : "number";
    input.step = control.kind === "whole" ? "1" : "any";
    input.value = String(value);
    input.onchange = () => changed(input.value.trim() === "" ? null
      : control.kind === "words" ? input.value.trim() : Number(input.value));
  }
  input.dataset.name = control.name;
  label.append(input);
  return label;
}

/** Give a control the value of another of its kind: it keeps the focus, and Tab goes on from it. */
function copyValue(from, to) {
  const [a, b] = [from, to].map((label) => label.querySelector("[data-name]"));
  b[b.type === "checkbox" ? "checked" : "value"] = a[a.type === "checkbox" ? "checked" : "value"];
}

/** The controls of a search, as the chosen strategy has them. */
function fields(controls, settings, changed) {
  const list = (name, label, choices, values) => ({ name, label, kind: "choice", choices, values });
  const all = [
    list("problem", "problem", controls.problems, controls.problems.map((_, i) => i)),
    list("strategy", "strategy", Object.keys(controls.strategies).map((n) => n.replaceAll("_", " ")),
      Object.keys(controls.strategies)),
    list("scorer", "scorer", controls.scorers),
    ...controls.strategies[settings.strategy],
    { name: "temperature", label: "temperature", kind: "number" },
    { name: "seed", label: "seed", kind: "whole" },
  ];
  return all.map((control) => field(control, settings[control.name], (value) => changed(control.name, value)));
}

/** The marks and what they mean; the keys and what they do. */
function legend() {
  const marks = make("p", "prm-legend");
  for (const kind of ["kept", "pruned", "finished", "open"]) {
    marks.append(make("span", "prm-key", `${FATES[kind].mark} ${FATES[kind].words}`));
  }
  for (const kind of ["right", "wrong", "neutral"]) {
    marks.append(make("span", `prm-key prm-truth ${kind}`, `${VERDICTS[kind].mark} ${VERDICTS[kind].words}`));
  }
  marks.append(make("span", "prm-key", "★ the search's choice"), make("span", "prm-key", "×2 drawn twice"));
  const keys = make("p", "prm-legend prm-keys");
  for (const [key, does] of [["← → ↑ ↓", "walk the tree"], ["Enter", "show the trace"],
    ["PgUp PgDn", "round"], ["p", "play"], ["+ −", "unfold, fold"], ["r", "rescue"]]) {
    const part = make("span", "prm-key");
    part.append(make("kbd", "", key), ` ${does}`);
    keys.append(part);
  }
  return [marks, keys];
}
