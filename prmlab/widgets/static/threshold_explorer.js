// @ts-check
// Slide a first-error rule's threshold. Traits in: traces, rule_words. Both ways: threshold, rule,
// selected_trace. A trace's candidates, [step, signal] each, say which step a threshold names.

const WIDTH = 640, HEIGHT = 220, LEFT = 40, BOTTOM = 26, TOP = 10, RIGHT = 12, POINTS = 200;
const SVG = "http://www.w3.org/2000/svg";
const LINES = [
  { key: "acc_error", name: "with an error", mark: "■" },
  { key: "acc_correct", name: "without", mark: "▲" },
  { key: "f1", name: "F1", mark: "●" },
];
const OUTCOMES = ["missed", "too early", "too late", "right trace accused"];
const MOVES = { ArrowRight: 0.01, ArrowUp: 0.01, ArrowLeft: -0.01, ArrowDown: -0.01,
  PageUp: 0.1, PageDown: -0.1, Home: -1, End: 1 };

// Pure: no DOM, no model. Tested by tests/js/threshold_explorer.test.mjs.

/** The step that a threshold names, or null. */
export function named(candidates, threshold) {
  return candidates.find(([, signal]) => signal < threshold)?.[0] ?? null;
}

/** What came of it: "right", or one of the ways to be wrong. */
export function outcome(said, truth) {
  if (said === truth) return "right";
  if (said === null) return "missed";
  if (truth === null) return "right trace accused";
  return said < truth ? "too early" : "too late";
}

/** Counts, both accuracies and their harmonic mean, of all traces at a threshold. */
export function tally(traces, rule, threshold) {
  let n_error = 0, n_correct = 0, found = 0, spared = 0;
  for (const { candidates, true: truth } of traces) {
    const right = named(candidates[rule], threshold) === truth;
    if (truth === null) { n_correct += 1; spared += right; } else { n_error += 1; found += right; }
  }
  const acc_error = found / n_error, acc_correct = spared / n_correct;
  const sum = acc_error + acc_correct;
  const f1 = sum ? (2 * acc_error * acc_correct) / sum : 0;
  return { n_error, n_correct, found, spared, acc_error, acc_correct, f1 };
}

/** The thresholds that judge a trace rightly: above the first, up to the second; or null. */
export function rightRange(candidates, truth) {
  if (truth === null) return [0, candidates.at(-1)?.[1] ?? 1];
  const at = candidates.findIndex(([step]) => step === truth);
  return at < 0 ? null : [candidates[at][1], at ? candidates[at - 1][1] : 1];
}

/** A threshold moved by a key, to three decimals and inside [0, 1]; null for other keys. */
export function moved(threshold, key, fine) {
  if (!Object.hasOwn(MOVES, key)) return null;
  const to = threshold + MOVES[key] * (fine ? 0.1 : 1);
  return Math.min(1, Math.max(0, Math.round(to * 1000) / 1000));
}

/** Why a trace is judged as it is, in one or two sentences. */
export function why(candidates, truth, threshold) {
  const said = named(candidates, threshold);
  const saying = said === null ? "The rule names no step" : `The rule names step ${said}`;
  const kind = outcome(said, truth);
  const told = kind === "right" ? `${saying}, rightly.`
    : `${saying}; the truth is ${truth === null ? "no error" : `step ${truth}`}: ${kind}.`;
  const range = rightRange(candidates, truth);
  if (!range) return `${told} No threshold makes this rule name step ${truth} of this trace.`;
  const [low, high] = range.map((value) => value.toFixed(3));
  return truth === null ? `${told} It is judged rightly up to a threshold of ${high}.`
    : `${told} It is judged rightly at thresholds above ${low}, up to ${high}.`;
}

const x = (threshold) => LEFT + threshold * (WIDTH - LEFT - RIGHT);
const y = (share) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // as text: a language model wrote it
  return node;
}

function draw(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function render({ model, el }) {
  const traces = model.get("traces");
  const said = (i) => named(traces[i].candidates[model.get("rule")], model.get("threshold"));

  const root = make("section", "prm-threshold-explorer");
  root.setAttribute("aria-label", "Threshold explorer");
  const head = make("header");
  head.append(make("h3", "", `Threshold explorer: ${traces.length} traces`));
  const ruleLabel = make("label", "", "Rule ");
  const ruleBox = make("select");
  for (const { name } of model.get("rule_words")) ruleBox.append(new Option(name, name));
  ruleLabel.append(ruleBox);
  head.append(ruleLabel);
  const words = make("p", "prm-words");
  const plot = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  const sliderLabel = make("label", "prm-slider");
  const sliderText = make("span");
  const slider = make("input");
  Object.assign(slider, { type: "range", min: "0", max: "1", step: "0.001" });
  sliderLabel.append(sliderText, slider);
  const readout = make("div", "prm-readout");
  const live = make("p", "prm-live");
  live.setAttribute("aria-live", "polite");
  const pickLabel = make("label", "prm-pick");
  const pickText = make("span");
  const pick = make("select");
  pick.size = 9;
  pickLabel.append(pickText, pick);
  const detail = make("div", "prm-detail");
  const lower = make("div", "prm-lower");
  lower.append(pickLabel, detail);
  root.append(head, words, plot, sliderLabel, readout, live, lower);
  el.append(root);

  const lines = LINES.map(({ key }) => draw("path", { class: key }));
  const marks = LINES.map(({ key, mark }) => draw("text", { class: `${key} mark` }, mark));
  const cursor = draw("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    plot.append(
      draw("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(share), y2: y(share) }),
      draw("text", { x: LEFT - 8, y: y(share) + 4, "text-anchor": "end" }, String(share)),
      draw("text", { x: x(share), y: HEIGHT - 8, "text-anchor": "middle" }, String(share)));
  }
  plot.append(...lines, cursor, ...marks);

  function set(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }
  function drawCurves() {
    const rule = model.get("rule");
    const points = Array.from({ length: POINTS + 1 },
      (_, i) => [x(i / POINTS), tally(traces, rule, i / POINTS)]);
    LINES.forEach(({ key }, i) => lines[i].setAttribute("d", "M" + points.map(
      ([at, found]) => `${at.toFixed(1)} ${y(found[key]).toFixed(1)}`).join("L")));
    ruleBox.value = rule;
    const { words: what } = model.get("rule_words").find(({ name }) => name === rule);
    words.textContent = `Names the first step whose signal is below the threshold. Signal: ${what}.`;
  }
  function drawNumbers() {
    const threshold = model.get("threshold");
    const found = tally(traces, model.get("rule"), threshold);
    slider.value = String(threshold);
    sliderText.textContent = `Threshold ${threshold.toFixed(3)}`;
    cursor.setAttribute("x1", String(x(threshold)));
    cursor.setAttribute("x2", String(x(threshold)));
    LINES.forEach(({ key }, i) => {
      marks[i].setAttribute("x", String(x(threshold)));
      marks[i].setAttribute("y", String(y(found[key]) + 5));
    });
    const counts = { acc_error: `${found.found} of ${found.n_error} named exactly`,
      acc_correct: `${found.spared} of ${found.n_correct} spared`, f1: "harmonic mean of both" };
    readout.replaceChildren(...LINES.map(({ key, name, mark }) => {
      const part = make("div", key);
      part.append(make("b", "", `${mark} ${name} ${found[key].toFixed(3)}`),
        make("span", "", counts[key]));
      return part;
    }));
    live.textContent = `Threshold ${threshold.toFixed(3)}: F1 ${found.f1.toFixed(3)}.`;
    drawList();
  }
  function drawList() {
    const groups = new Map(OUTCOMES.map((kind) => [kind, []]));
    traces.forEach((trace, i) => groups.get(outcome(said(i), trace.true))?.push(i));
    const step = (at) => (at === null ? "no error" : `step ${at}`);
    let total = 0;
    pick.replaceChildren(...[...groups].filter(([, rows]) => rows.length).map(([kind, rows]) => {
      const group = make("optgroup");
      group.label = `${kind} (${rows.length})`;
      group.append(...rows.map((i) => new Option(
        `Trace ${i}: says ${step(said(i))}, truth ${step(traces[i].true)}`, String(i))));
      total += rows.length;
      return group;
    }));
    pickText.textContent = `Misjudged: ${total} of ${traces.length}`;
    pick.value = String(model.get("selected_trace"));
    drawDetail();
  }
  function drawDetail() {
    const at = model.get("selected_trace");
    if (at === null) return detail.replaceChildren(make("p", "", "Pick a misjudged trace."));
    const { problem, steps, scores, true: truth, candidates } = traces[at];
    const mine = candidates[model.get("rule")], threshold = model.get("threshold");
    const table = make("table"), body = make("tbody"), titles = make("tr");
    for (const title of ["step", "text", "score", "named above", "said", "truth"]) {
      const cell = make("th", "", title);
      cell.scope = "col";
      titles.append(cell);
    }
    const top = make("thead");
    top.append(titles);
    steps.forEach((text, i) => {
      const row = make("tr", i === truth ? "wrong" : "");
      const number = make("th", "", String(i)), words = make("td", "prm-text");
      number.scope = "row";
      words.append(make("bdi", "", text));
      const signal = mine.find(([step]) => step === i)?.[1];
      row.append(number, words, make("td", "", scores[i].toFixed(3)),
        make("td", "", signal === undefined ? "–" : signal.toFixed(3)),
        make("td", "said", i === named(mine, threshold) ? "▶ said" : ""),
        make("td", "truth", i === truth ? "✗ first error"
          : truth === null || i < truth ? "✓" : "after it"));
      body.append(row);
    });
    table.append(top, body);
    const question = make("p", "prm-problem");
    question.append(make("strong", "", `Trace ${at}. `), make("bdi", "", problem));
    detail.replaceChildren(question, table, make("p", "prm-why", why(mine, truth, threshold)));
  }
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && event.shiftKey) return; // runs the cell
    event.stopPropagation(); // else JupyterLab's single-key commands act: x would cut the cell
    const to = event.target === slider ? moved(model.get("threshold"), event.key, event.shiftKey)
      : null;
    if (to === null) return;
    event.preventDefault();
    set({ threshold: to });
  }
  function onPoint(event) {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = plot.getBoundingClientRect();
    const at = (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT);
    model.set("threshold", Math.min(1, Math.max(0, Math.round(at * 1000) / 1000)));
    if (event.type === "pointerdown") plot.setPointerCapture(event.pointerId);
  }
  const onRule = () => { drawCurves(); drawNumbers(); };

  root.addEventListener("keydown", onKey);
  plot.addEventListener("pointerdown", onPoint);
  plot.addEventListener("pointermove", onPoint);
  plot.addEventListener("pointerup", () => model.save_changes());
  slider.oninput = () => model.set("threshold", Number(slider.value)); // sent when let go
  slider.onchange = () => model.save_changes();
  ruleBox.onchange = () => set({ rule: ruleBox.value });
  pick.onchange = () => {
    set({ selected_trace: Number(pick.value) });
    live.textContent = detail.lastChild?.textContent ?? "";
  };
  const watched = { "change:threshold": drawNumbers, "change:rule": onRule,
    "change:selected_trace": drawList };
  for (const [event, f] of Object.entries(watched)) model.on(event, f);
  onRule();
  return () => {
    for (const [event, f] of Object.entries(watched)) model.off(event, f);
  };
}

export default { render };
