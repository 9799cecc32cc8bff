// @ts-check
// Rollouts fan out from a step. Traits in: traces, tallies, fans, batch, at_most, busy, progress,
// answered, said, error, live (false in a static twin). Out: asked, stops. Both: current, step,
// predictions. Where lines run is computed in Python (fan_layout).

// Pure: no DOM, no model. Tested by tests/js/rollout_fan.test.mjs.

/** A chance as a reader writes it: "0.6", "0,6", ".6", "60 %"; null if it is none. */
export function parsePrediction(text) {
  const found = /^(\d*[.,]?\d+|\d+[.,])\s*(%?)$/.exec(text.trim());
  const value = found ? Number(found[1].replace(",", ".")) / (found[2] ? 100 : 1) : NaN;
  return value >= 0 && value <= 1 ? value : null;
}

/** The index that a key leads to among `n`, null for any other key; a null index is before all. */
export function moved(index, key, n) {
  const to = { ArrowDown: (index ?? -1) + 1, ArrowUp: (index ?? n) - 1, Home: 0, End: n - 1 };
  return Object.hasOwn(to, key) && n ? Math.min(Math.max(to[key], 0), n - 1) : null;
}

/** The prediction beside the estimate, in words. */
export function compare(prediction, tally) {
  const said = prediction === undefined ? "" : `You predicted ${prediction.toFixed(2)}. `;
  if (!tally?.n) return said;
  const range = `${tally.low.toFixed(2)} to ${tally.high.toFixed(2)}`;
  const fits = prediction === undefined ? ""
    : prediction >= tally.low && prediction <= tally.high ? " Your prediction is inside."
      : " Your prediction is outside.";
  return `${said}${tally.n_right} of ${tally.n} rollouts are right: value `
    + `${tally.value.toFixed(2)}, 95 % interval ${range}.${fits}`;
}

/** The name of a prefix by its number of steps. */
export function called(row) {
  return row ? `step ${row - 1}` : "the problem alone";
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // as text: a language model wrote it
  return node;
}

function draw(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  if (text !== undefined) node.textContent = text;
  return node;
}

function makeButton(text, onclick) {
  const button = make("button", "", text);
  button.type = "button";
  button.onclick = onclick;
  return button;
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const [at, row] = [() => get("current"), () => get("step")];
  const key = () => `${at()}-${row()}`;
  const trace = () => get("traces")[at()];
  const tally = () => get("tallies")[at()][row()];
  const fan = () => get("fans")[key()];
  const ended = () => tally()?.n === 0; // the trace's own end: known without a rollout
  let picked = null; // an index into fan().lines
  let seen = { key: "", n: 0 };
  let pending = 0; // the id of what was asked and not answered yet

  const root = make("section", "prm-rollout-fan");
  root.setAttribute("aria-label", "Rollout fan");
  root.id = `prm-fan-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const [head, title, problem] = [make("header"), make("h3"), make("p", "prm-problem")];
  const back = makeButton("← Previous", () => goTrace(-1));
  const next = makeButton("Next →", () => goTrace(1));
  head.append(title, back, next);
  const heads = make("div", "prm-heads");
  heads.ariaHidden = "true";
  heads.append(...["Roll out from", "Value", "Hard label", "Truth"].map((t) => make("b", "", t)));
  const list = make("ol");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Step to roll out from");
  const form = make("form");
  const [question, field, answer] = [make("label"), make("input"), make("p", "prm-answer")];
  field.inputMode = "decimal";
  field.autocomplete = "off";
  field.placeholder = "0 to 1";
  const text = make("span");
  question.append(text, field);
  const sample = make("button", "prm-go");
  const rest = makeButton("", () => ask(left()));
  const stop = makeButton("Stop", () => set({ stops: get("stops") + 1 }));
  const progress = make("span", "prm-soft");
  form.append(question, answer, sample, rest, stop, progress);
  const alert = make("p", "prm-error");
  alert.setAttribute("role", "alert");
  const live = make("p", "prm-live");
  live.setAttribute("aria-live", "polite");
  const pictures = make("div", "prm-pictures");
  const full = make("div", "prm-full");
  const keys = make("p", "prm-keys");
  for (const [name, does] of [["↑ ↓", "step, or rollout in the fan"], ["← →", "trace"],
    ["Enter", "predict, sample"]]) keys.append(make("kbd", "", name), ` ${does}  `);
  root.append(head, problem, heads, list, form, alert, pictures, full, live, keys);
  el.append(root);

  function set(traits) {
    for (const [name, value] of Object.entries(traits)) model.set(name, value);
    model.save_changes();
  }
  const say = (words) => { live.textContent = words; };
  const left = () => get("at_most") - (tally()?.n ?? 0);
  const busy = () => get("busy") || pending > 0;

  function goTrace(by) {
    const to = Math.min(Math.max(at() + by, 0), get("traces").length - 1);
    if (to === at()) return say(by > 0 ? "This is the last trace." : "This is the first trace.");
    set({ step: 0, current: to });
  }
  function goStep(to) {
    if (to !== row()) set({ step: to });
    list.children[row()]?.focus();
  }
  function ask(n) {
    if (busy()) return say("Sampling is under way: wait until it ends, or press Stop.");
    if (get("predictions")[key()] === undefined && !tally()?.n) {
      const value = parsePrediction(field.value);
      field.setAttribute("aria-invalid", String(value === null));
      field.focus();
      if (value === null) return say("First predict: a number from 0 to 1, such as 0.6 or 60 %.");
      set({ predictions: { ...get("predictions"), [key()]: value } });
    }
    pending = (get("asked").id ?? 0) + 1;
    set({ asked: { id: pending, n: Math.min(n, left()) } });
    drawForm();
  }

  function makeRow(step, index) {
    const counted = get("tallies")[at()][index];
    const { words: value, label, truth } = counted ?? { words: "", label: "", truth: "" };
    const node = make("li");
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", String(index === row()));
    node.tabIndex = index === row() ? 0 : -1;
    const said = [value && `value ${value}`, label && `hard label ${label.slice(2)}`,
      truth && `truth ${truth}`].filter(Boolean).join(", ") || "not sampled";
    node.setAttribute("aria-label", `${called(index)}: ${said}: ${step.slice(0, 200)}`);
    const name = make("div", "prm-text");
    name.append(make("span", "prm-number", index ? String(index - 1) : "▸"), make("bdi", "", step));
    const cell = make("div", "prm-value");
    cell.append(makeBar(counted, get("predictions")[`${at()}-${index}`]), make("span", "", value));
    const kind = (words) => ({ "✓": "right", "✗": "wrong" })[words[0]] ?? "prm-soft";
    node.append(name, cell, make("span", kind(label), label), make("span", kind(truth), truth));
    node.onclick = () => goStep(index);
    return node;
  }
  function makeBar(counted, prediction) {
    const bar = make("div", "prm-bar");
    const put = (name, from, to) => {
      const mark = make("i", name);
      mark.style.left = `${100 * from}%`;
      if (to !== undefined) mark.style.width = `${100 * (to - from)}%`;
      bar.append(mark);
    };
    if (counted) put("prm-band", counted.low, counted.high);
    if (counted) put("prm-at", counted.value);
    if (prediction !== undefined) put("prm-said", prediction);
    return bar;
  }
  function drawList() {
    const focus = list.contains(document.activeElement);
    list.replaceChildren(...["the problem alone, no step yet", ...trace().steps].map(makeRow));
    if (focus) list.children[row()]?.focus();
  }
  function drawForm() {
    const [prediction, counted] = [get("predictions")[key()], tally()];
    const open = prediction === undefined && !counted?.n;
    form.hidden = !get("live") && open && !ended();
    question.hidden = !get("live") || !open || ended();
    text.textContent = `Predict: from ${called(row())}, what share of rollouts ends right?`;
    answer.textContent = !ended() ? compare(prediction, counted)
      : `The trace ends here with an answer: nothing is left to sample.`;
    sample.textContent = `${open ? "Predict and sample" : "Sample"} `
      + `${Math.min(get("batch"), left())}${counted ? " more" : ""}`;
    rest.textContent = `up to ${get("at_most")}`;
    sample.hidden = !get("live") || ended() || left() < 1;
    rest.hidden = sample.hidden || left() <= get("batch") || !counted;
    stop.hidden = !busy();
    for (const button of [sample, rest]) button.setAttribute("aria-disabled", String(busy()));
    progress.textContent = get("progress");
  }
  function drawFan() {
    const drawn = fan();
    if (!drawn) return pictures.replaceChildren();
    const { height, lines } = drawn;
    const fresh = seen.key === key() ? seen.n : lines.length;
    seen = { key: key(), n: lines.length };
    const view = draw("svg", { viewBox: `0 0 560 ${height}`, width: 560, height, tabindex: 0,
      class: "prm-fan", role: "listbox",
      "aria-label": `${lines.length} rollouts from ${called(row())}` });
    lines.forEach(({ kind, index, shapes }, i) => {
      const group = draw("g", { role: "option", id: `${root.id}-${i}`, "aria-selected": i === picked,
        class: index < fresh ? kind : `${kind} prm-new`, "aria-label": `rollout ${i + 1}: ${kind}` });
      group.append(...shapes.map((shape) => draw(...shape)));
      group.onclick = () => pick(i);
      view.append(group);
    });
    view.append(...drawn.words.map((shape) => draw(...shape)));
    view.onkeydown = (event) => {
      const to = moved(picked, event.key, lines.length);
      if (to === null) return;
      event.preventDefault();
      pick(to);
    };
    const curve = draw("svg", { viewBox: "0 0 300 236", width: 300, height: 236, role: "img",
      class: "prm-curve", "aria-label": answer.textContent });
    curve.append(...drawn.curve.map((shape) => draw(...shape)));
    const focus = pictures.contains(document.activeElement);
    pictures.replaceChildren(view, curve);
    if (focus) view.focus();
  }
  function pick(index) {
    picked = index;
    drawFull();
    const view = pictures.querySelector(".prm-fan");
    [...view.querySelectorAll("g")].forEach((group, i) => {
      group.setAttribute("aria-selected", String(i === picked));
    });
    view.setAttribute("aria-activedescendant", `${root.id}-${picked}`);
    const { kind, answer } = fan().lines[picked];
    say(`Rollout ${picked + 1} of ${fan().lines.length}: ${kind}${answer && `, answer ${answer}`}.`);
  }
  function drawFull() {
    const line = picked === null ? null : fan()?.lines[picked];
    full.hidden = !fan();
    if (!line) {
      const hint = "Choose a line of the fan to read that rollout.";
      return full.replaceChildren(make("p", "prm-soft", fan() ? hint : ""));
    }
    const { steps, first_error: first, known, hidden } = fan().texts[line.index];
    const rows = make("ol");
    steps.forEach((words, i) => {
      const item = make("li", i < row() ? "prm-soft" : "");
      item.append(make("span", "prm-number", String(i)), make("bdi", "", words));
      if (i === first) item.append(make("b", "wrong", " ✗ first wrong step"));
      rows.append(item);
    });
    const truth = !known ? "" : first === null ? " Every step is right." : "";
    const more = hidden ? ` ${hidden.toLocaleString("en")} more characters are not shown.` : "";
    full.replaceChildren(make("p", line.kind, `Rollout ${picked + 1}: ${line.kind}.${truth}${more}`),
      rows);
  }
  function drawTrace() {
    const n = get("traces").length;
    title.textContent = `Trace ${at() + 1} of ${n}`;
    back.disabled = at() === 0;
    next.disabled = at() === n - 1;
    problem.replaceChildren(make("bdi", "", trace().problem));
    field.value = "";
    [picked, seen] = [null, { key: "", n: 0 }];
    drawDrawn();
  }
  function drawDrawn() {
    if (picked !== null && seen.n !== fan()?.lines.length) picked = null; // lines have moved
    drawList();
    drawForm();
    drawFan();
    drawFull();
  }
  function drawMessages() {
    if (get("answered") >= pending) pending = 0;
    say(get("said"));
    alert.textContent = get("error");
    alert.hidden = !get("error");
    drawForm();
  }
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.stopPropagation(); // else JupyterLab's single-key commands act: x would cut the cell
    if (!list.contains(event.target)) return;
    const to = moved(row(), event.key, trace().steps.length + 1);
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (to === null && !by && event.key !== "Enter") return;
    event.preventDefault();
    if (by) goTrace(by);
    else if (to !== null) goStep(to);
    else if (question.hidden) form.requestSubmit();
    else field.focus();
  }

  const watched = { "change:current": drawTrace, "change:step": drawTrace,
    "change:tallies": drawDrawn, "change:fans": drawDrawn, "change:predictions": drawDrawn,
    "change:busy": drawForm, "change:progress": drawForm, "change:answered": drawMessages,
    "change:said": drawMessages, "change:error": drawMessages };
  form.onsubmit = (event) => {
    event.preventDefault();
    if (!sample.hidden) ask(get("batch"));
  };
  root.addEventListener("keydown", onKey);
  for (const [event, f] of Object.entries(watched)) model.on(event, f);
  drawTrace();
  drawMessages();
  return () => {
    for (const [event, f] of Object.entries(watched)) model.off(event, f);
  };
}

export default { render };
