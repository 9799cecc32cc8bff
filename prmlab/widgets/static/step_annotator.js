// @ts-check
// Label the steps of traces. Traits in: traces, records, saved, error. Both ways: labels, current.
// `records` is filled only in a static twin, which has no kernel to save in: it offers a download.

const CHOICES = [
  { key: "1", label: 1, kind: "right", mark: "✓" },
  { key: "2", label: 0, kind: "neutral", mark: "○" },
  { key: "3", label: -1, kind: "wrong", mark: "✗" },
];
const KEYS = {
  1: ["label", 1], 2: ["label", 0], 3: ["label", -1], 0: ["label", null],
  Backspace: ["label", null], Delete: ["label", null],
  ArrowDown: ["step", 1], j: ["step", 1], ArrowUp: ["step", -1], k: ["step", -1],
  n: ["trace", 1], ArrowRight: ["trace", 1], p: ["trace", -1], ArrowLeft: ["trace", -1],
  u: ["undo", 1],
};
const PAST = new WeakMap(); // of each model what was changed: it outlives the views

// Pure: no DOM, no model. Tested by tests/js/step_annotator.test.mjs.

/** What a key asks for: ["label", value], ["step", ±1], ["trace", ±1], ["undo", 1], or null. */
export function action(key, command = false) {
  if (command) return key === "z" ? KEYS.u : null;
  return Object.hasOwn(KEYS, key) ? KEYS[key] : null;
}

/** The latest change whose label still stands, as [trace, step, what was before]; it is taken
 * off `past`, and so are later ones that something else has changed since. */
export function takeBack(past, labels) {
  while (past.length) {
    const { trace, step, old, label } = past.pop();
    if (labels[trace]?.[step] === label) return [trace, step, old];
  }
  return null;
}

/** The labels with one of them changed; the old lists are left as they are. */
export function withLabel(labels, trace, step, label) {
  return labels.map((row, i) =>
    i === trace ? row.map((old, j) => (j === step ? label : old)) : row);
}

/** How many labels a list of rows holds, and how many it could. */
export function count(rows) {
  const all = rows.flat();
  return { done: all.filter((label) => label !== null).length, total: all.length };
}

/** The step to begin with: the first without a label, else the last. */
export function firstOpen(row) {
  const open = row.indexOf(null);
  return open >= 0 ? open : Math.max(0, row.length - 1);
}

/** The labelled traces as JSONL in PRM800K's schema, from records with no ratings yet. */
export function jsonl(records, labels, now) {
  const lines = [];
  records.forEach((record, i) => {
    const row = labels[i];
    if (row.every((label) => label === null)) return;
    const steps = record.label.steps.map((step, j) => ({
      ...step, completions: [{ ...step.completions[0], rating: row[j] }],
    }));
    const finish_reason = row.includes(-1) ? "found_error"
      : row.includes(null) ? null : "solution";
    const label = { ...record.label, steps, finish_reason };
    lines.push(JSON.stringify({ ...record, timestamp: now, label }) + "\n");
  });
  return lines.join("");
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // as text: a language model wrote it
  return node;
}

function makeButton(className, text, onclick) {
  const button = make("button", className, text);
  button.type = "button";
  button.onclick = onclick;
  return button;
}

function render({ model, el }) {
  let step = firstOpen(model.get("labels")[model.get("current")]);

  const root = make("section", "prm-step-annotator");
  root.setAttribute("aria-label", "Step annotator");
  const head = make("header");
  const title = make("h3");
  const back = makeButton("prm-nav", "← Previous", () => goTrace(-1));
  const next = makeButton("prm-nav", "Next →", () => goTrace(1));
  const undoes = makeButton("prm-nav", "Undo", undo);
  const meter = make("progress");
  meter.setAttribute("aria-label", "Steps labelled in all traces");
  head.append(title, meter, undoes, back, next);
  const problem = make("p", "prm-problem");
  const list = make("ol");
  list.setAttribute("aria-label", "Steps");
  const keys = make("p", "prm-keys");
  for (const [key, does] of [["1", "right"], ["2", "neutral"], ["3", "wrong"], ["0", "clear"],
    ["u", "undo"], ["↑ ↓", "step"], ["← →", "trace"]]) {
    keys.append(make("kbd", "", key), ` ${does}  `);
  }
  const foot = make("footer");
  const live = make("p", "prm-live");
  live.setAttribute("aria-live", "polite");
  const alert = make("p", "prm-error");
  alert.setAttribute("role", "alert");
  const saved = make("p", "prm-saved");
  foot.append(live, saved);
  if (model.get("records").length) foot.append(makeButton("prm-nav", "Download labels", download));
  root.append(head, problem, list, keys, foot, alert);
  el.append(root);

  if (!PAST.has(model)) PAST.set(model, []);
  const past = PAST.get(model);
  const at = () => model.get("current");
  const row = () => model.get("labels")[at()];
  const name = (label) => CHOICES.find((choice) => choice.label === label)?.kind ?? "no label";

  function set(trait, value) {
    model.set(trait, value);
    model.save_changes();
  }
  function say(text) {
    live.textContent = text;
  }
  function goStep(to) {
    step = Math.min(Math.max(to, 0), row().length - 1);
    drawSteps();
    list.children[step]?.focus();
  }
  function goTrace(by) {
    const to = Math.min(Math.max(at() + by, 0), model.get("traces").length - 1);
    if (to === at()) return say(by > 0 ? "This is the last trace." : "This is the first trace.");
    set("current", to);
  }
  function choose(which, label) {
    if (!row().length || row()[which] === label) return;
    past.push({ trace: at(), step: which, old: row()[which], label });
    step = label === null ? which : Math.min(which + 1, row().length - 1);
    set("labels", withLabel(model.get("labels"), at(), which, label));
    const { done, total } = count([row()]);
    const rest = done === total ? "This trace is done." : `${done} of ${total} labelled.`;
    say(`Step ${which}: ${name(label)}. ${rest}`);
  }
  function undo() {
    const taken = takeBack(past, model.get("labels"));
    if (!taken) return say("Nothing to undo.");
    const [trace, which, old] = taken;
    if (trace !== at()) set("current", trace);
    set("labels", withLabel(model.get("labels"), trace, which, old));
    step = which;
    draw();
    list.children[step]?.focus();
    say(`Undone. Step ${which} of trace ${trace + 1}: ${name(old)}.`);
  }
  function download() {
    const text = jsonl(model.get("records"), model.get("labels"), new Date().toISOString());
    if (!text) return say("Nothing to download: no step has a label.");
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
    link.download = "labels.jsonl";
    link.click();
    URL.revokeObjectURL(link.href);
    say(`${count(model.get("labels")).done} labels downloaded as labels.jsonl.`);
  }

  function makeStep(text, index) {
    const item = make("li", name(row()[index]));
    item.tabIndex = index === step ? 0 : -1;
    if (index === step) item.setAttribute("aria-current", "step");
    item.setAttribute("aria-label",
      `Step ${index}, ${name(row()[index])}: ${text.slice(0, 200)}`);
    const words = make("div", "prm-text");
    words.append(make("span", "prm-number", String(index)), make("bdi", "", text));
    const buttons = make("div", "prm-choices");
    for (const { key, label, kind, mark } of CHOICES) {
      const button = makeButton(kind, `${mark} ${kind}`, () => choose(index, label));
      button.setAttribute("aria-pressed", String(row()[index] === label));
      button.setAttribute("aria-keyshortcuts", key);
      button.tabIndex = index === step ? 0 : -1;
      buttons.append(button);
    }
    item.onclick = (event) => {
      if (!(event.target instanceof HTMLButtonElement)) goStep(index);
    };
    item.append(words, buttons);
    return item;
  }
  function drawSteps() {
    const { steps } = model.get("traces")[at()];
    list.replaceChildren(...steps.map(makeStep));
  }
  function draw() {
    const focus = list.contains(document.activeElement);
    const n = model.get("traces").length;
    const { done, total } = count([row()]);
    const all = count(model.get("labels"));
    title.textContent = `Trace ${at() + 1} of ${n}: ${done} of ${total} steps labelled`;
    meter.max = all.total || 1;
    meter.value = all.done;
    back.disabled = at() === 0;
    next.disabled = at() === n - 1;
    undoes.disabled = !past.length;
    const now = document.activeElement;
    if (now?.disabled && head.contains(now)) (next.disabled ? back : next).focus();
    problem.replaceChildren(make("bdi", "", model.get("traces")[at()].problem));
    drawSteps();
    if (focus) list.children[step]?.focus();
  }
  function drawTrace() {
    step = firstOpen(row());
    draw();
    const { done, total } = count([row()]);
    say(`Trace ${at() + 1}: ${done} of ${total} steps labelled.`);
  }
  function drawMessages() {
    saved.textContent = model.get("saved");
    alert.textContent = model.get("error");
    alert.hidden = !model.get("error");
  }
  function onKey(event) {
    const command = event.ctrlKey || event.metaKey;
    if ((command && event.key !== "z") || event.altKey || event.shiftKey) return;
    event.stopPropagation(); // else JupyterLab's single-key commands act: x would cut the cell
    const asked = action(event.key, command);
    if (!asked) return;
    const [what, value] = asked;
    event.preventDefault();
    if (what === "label") choose(step, value);
    else if (what === "step") goStep(step + value);
    else if (what === "undo") undo();
    else goTrace(value);
  }

  const watched = { "change:labels": draw, "change:current": drawTrace,
    "change:saved": drawMessages, "change:error": drawMessages };
  root.addEventListener("keydown", onKey);
  for (const [event, f] of Object.entries(watched)) model.on(event, f);
  draw();
  drawMessages();
  return () => {
    for (const [event, f] of Object.entries(watched)) model.off(event, f);
  };
}

export default { render };
