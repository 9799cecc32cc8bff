// @ts-check
// Rollouts fan out from a step. Traits in: traces, tallies, fans, batch, at_most, busy, progress,
// answered, said, error, live (false in a static twin). Out: asked, stops. Both: current, step,
// predictions. Where lines run and what is said of numbers is computed in Python.

const SVG = new Set(["svg", "g", "path", "circle", "text", "polygon", "polyline", "rect"]);
const COLUMNS = ["Roll out from", "Value", "Hard label", "Truth"];
const KEYS = [["↑ ↓", "step, or rollout in the fan"], ["← →", "trace"],
  ["Enter", "predict, sample"]];
const PATIENCE = 6000; // ms without an answer before the reader is told
const UNHEARD = "The kernel has not answered. If it is busy, the answer will come; if it was "
  + "restarted, run this cell again. What is shown can still be looked through.";
const LEGEND = "Each line is a rollout, each dot on it a step, a ✗ on the way its first wrong step. "
  + "Choose a line to read it.";

// Pure: no DOM, no model. Tested by tests/js/rollout_fan.test.mjs.

/** A chance as a reader writes it: "0.6", "0,6", ".6", "60 %"; null if it is none. */
export function parsePrediction(text) {
  const found = /^(\d+[.,]?\d*|[.,]\d+)\s*(%?)$/.exec(text.trim());
  const value = found ? Number(found[1].replace(",", ".")) / (found[2] ? 100 : 1) : NaN;
  return value >= 0 && value <= 1 ? value : null;
}

/** The index that a key leads to among `n`, null for any other key; a null index is before all. */
export function moved(index, key, n) {
  const to = { ArrowDown: (index ?? -1) + 1, ArrowUp: (index ?? n) - 1, Home: 0, End: n - 1 };
  return Object.hasOwn(to, key) && n ? Math.min(Math.max(to[key], 0), n - 1) : null;
}

/** The name of a prefix by its number of steps. */
export function called(row) {
  return row ? `step ${row - 1}` : "the problem alone";
}

function make(tag, attributes = {}, ...content) {
  const node = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...content); // texts become text nodes: a language model wrote them
  return node;
}

function makeButton(className, text, onclick) {
  const button = make("button", { type: "button", class: className }, text);
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
  const left = () => get("at_most") - (tally()?.n ?? 0);
  const busy = () => get("busy") || pending > 0;
  let picked = null; // an index into fan().lines
  let seen = { key: "", n: 0 };
  let pending = 0; // the id of what was asked and not answered yet
  let waiting = 0, unheard = "";

  const id = `prm-fan-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const root = make("section", { class: "prm-rollout-fan", "aria-label": "Rollout fan" });
  const title = make("h3");
  const back = makeButton("", "← Previous", () => goTrace(-1));
  const next = makeButton("", "Next →", () => goTrace(1));
  const note = make("p", { class: "prm-soft" }, get("live") ? "" : get("said"));
  const problem = make("p", { class: "prm-problem" });
  const heads = make("div", { class: "prm-heads", "aria-hidden": true },
    ...COLUMNS.map((name) => make("b", {}, name)));
  const list = make("ol", { role: "listbox", "aria-label": "Step to roll out from" });
  const field = make("input", { inputmode: "decimal", autocomplete: "off",
    placeholder: "0 to 1" });
  const [words, answer] = [make("span"), make("p", { class: "prm-answer" })];
  const question = make("label", {}, words, field);
  const sample = make("button", { class: "prm-go" });
  const rest = makeButton("", "", () => ask(left()));
  const stop = makeButton("", "Stop", () => {
    set({ stops: get("stops") + 1 });
    if (!unheard) return;
    pending = 0; // nobody may ever answer: do not keep the reader waiting
    onHeard();
    say("No longer waiting for the kernel.");
  });
  const progress = make("span", { class: "prm-soft" });
  const form = make("form", {}, question, answer, sample, rest, stop, progress);
  const alert = make("p", { class: "prm-error", role: "alert" });
  const live = make("p", { class: "prm-live", "aria-live": "polite" });
  const pictures = make("div", { class: "prm-pictures" });
  const full = make("div", { class: "prm-full" });
  const keys = make("p", { class: "prm-keys" },
    ...KEYS.flatMap(([name, does]) => [make("kbd", {}, name), ` ${does}  `]));
  root.append(make("header", {}, title, back, next), note, problem, heads, list, form, alert, live,
    pictures, keys);
  el.append(root);

  function set(traits) {
    for (const [name, value] of Object.entries(traits)) model.set(name, value);
    model.save_changes();
  }
  const say = (text) => { live.textContent = text; };

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
    if (!question.hidden) {
      const value = parsePrediction(field.value);
      field.setAttribute("aria-invalid", String(value === null));
      field.focus();
      if (value === null) return say("First predict: a number from 0 to 1, such as 0.6 or 60 %.");
      set({ predictions: { ...get("predictions"), [key()]: value } });
      sample.focus(); // the field goes
    }
    pending = (get("asked").id ?? 0) + 1;
    clearTimeout(waiting);
    waiting = setTimeout(() => { unheard = UNHEARD; drawAlert(); }, PATIENCE);
    set({ asked: { id: pending, n: Math.min(n, left()) } });
    drawForm();
  }
  function onHeard() {
    clearTimeout(waiting);
    unheard = "";
    drawAlert();
    drawForm();
  }

  function makeRow(step, index) {
    const { value = "", label = "", truth = "", bar = [] } = get("tallies")[at()][index] ?? {};
    const state = [value, label && `hard label ${label}`, truth && `truth ${truth}`]
      .filter(Boolean).join(", ") || "not sampled";
    const kind = (text) => ({ "✓": "right", "✗": "wrong" })[text[0]] ?? "prm-soft";
    const node = make("li", { role: "option", "aria-selected": index === row(),
      tabindex: index === row() ? 0 : -1,
      "aria-label": `${called(index)}: ${state}: ${step.slice(0, 200)}` },
    make("div", { class: "prm-text" },
      make("span", { class: "prm-number" }, index ? String(index - 1) : "▸"),
      make("bdi", {}, step)),
    make("div", { class: "prm-value" }, drawing("0 0 84 20", bar), value),
    make("span", { class: kind(label) }, label), make("span", { class: kind(truth) }, truth));
    node.onclick = () => goStep(index);
    return node;
  }
  function drawing(box, shapes, attributes = {}) {
    const [, , width, height] = box.split(" ");
    return make("svg", { viewBox: box, width, height, ...attributes },
      ...shapes.map((shape) => make(...shape)));
  }
  function drawList() {
    const focus = list.contains(document.activeElement);
    list.replaceChildren(...["the problem alone, no step yet", ...trace().steps].map(makeRow));
    if (focus) list.children[row()]?.focus();
  }
  function drawForm() {
    const [prediction, n] = [get("predictions")[key()], tally()?.n];
    const open = prediction === undefined && n === undefined;
    form.hidden = !get("live") && open;
    question.hidden = !open;
    words.textContent = `Predict: from ${called(row())}, what share of rollouts ends right?`;
    answer.textContent = tally()?.said ?? (open ? "" : `You predicted ${prediction.toFixed(2)}.`);
    sample.textContent = `${open ? "Predict and sample" : "Sample"} `
      + `${Math.min(get("batch"), left())}${n ? " more" : ""}`;
    rest.textContent = `up to ${get("at_most")}`;
    sample.hidden = !get("live") || ended() || left() < 1;
    rest.hidden = sample.hidden || left() <= get("batch") || !n;
    stop.hidden = !busy();
    for (const button of [sample, rest]) button.setAttribute("aria-disabled", String(busy()));
    progress.textContent = get("progress");
    if (document.activeElement?.hidden) list.children[row()].focus();
  }
  function drawFan() {
    const drawn = fan();
    if (!drawn) return pictures.replaceChildren();
    const { lines } = drawn;
    const fresh = seen.key === key() ? seen.n : lines.length;
    seen = { key: key(), n: lines.length };
    const groups = lines.map(({ kind, index, shapes }, i) => {
      const group = make("g", { role: "option", id: `${id}-${i}`, "aria-selected": i === picked,
        class: index < fresh ? kind : `${kind} prm-new`, "aria-label": `rollout ${i + 1}: ${kind}`,
      }, make("path", { d: `${shapes[0][1].d} h16`, class: "prm-hit" }),
      ...shapes.map((shape) => make(...shape)));
      group.onclick = () => pick(i);
      return group;
    });
    const view = drawing(`0 0 560 ${drawn.height}`, drawn.words, { class: "prm-fan", tabindex: 0,
      role: "listbox", "aria-label": `${lines.length} rollouts from ${called(row())}` });
    view.prepend(...groups);
    const focus = pictures.contains(document.activeElement);
    const curve = drawing("0 0 300 236", drawn.curve, { class: "prm-curve", role: "img",
      "aria-label": `Value against rollouts. ${tally().said}` });
    pictures.replaceChildren(view, make("div", { class: "prm-side" }, curve, full));
    if (focus) view.focus();
  }
  function pick(index) {
    picked = index;
    drawFan();
    drawFull();
    const { kind, answer } = fan().lines[picked];
    pictures.firstChild.setAttribute("aria-activedescendant", `${id}-${picked}`);
    say(`Rollout ${picked + 1} of ${fan().lines.length}: ${kind}${answer && `, answer ${answer}`}.`);
  }
  function drawFull() {
    const line = picked === null ? null : fan()?.lines[picked];
    if (!line) return full.replaceChildren(make("p", { class: "prm-soft" }, LEGEND));
    const { steps, first_error: first, said } = fan().texts[line.index];
    const rows = steps.map((step, i) => make("li", { class: i < row() ? "prm-soft" : "" },
      make("span", { class: "prm-number" }, String(i)),
      make("div", {}, make("bdi", {}, step),
        ...(i === first ? [make("b", { class: "wrong" }, " ✗ first wrong step")] : []))));
    full.replaceChildren(
      make("p", { class: line.kind }, `Rollout ${picked + 1}: ${line.kind}. ${said}`),
      make("ol", {}, ...rows));
  }
  function drawTrace() {
    const n = get("traces").length;
    title.textContent = `Trace ${at() + 1} of ${n}`;
    back.hidden = next.hidden = n === 1;
    back.disabled = at() === 0;
    next.disabled = at() === n - 1;
    const now = document.activeElement;
    if (now?.disabled && root.contains(now)) (next.disabled ? back : next).focus();
    problem.replaceChildren(make("bdi", {}, trace().problem));
    heads.lastChild.textContent = trace().known ? "Truth" : "";
    field.value = "";
    say("");
    [picked, seen] = [null, { key: "", n: 0 }];
    drawDrawn();
  }
  function drawDrawn() {
    if (picked !== null && seen.n !== fan()?.lines.length) picked = null; // lines have moved
    for (const part of [drawList, drawForm, drawFan, drawFull]) part();
  }
  function drawAlert() {
    const words = [get("error"), unheard].filter(Boolean).join(" ");
    alert.textContent = words;
    alert.hidden = !words;
  }
  function drawMessages() {
    if (get("answered") >= pending) pending = 0;
    if (get("live")) say(get("said"));
    if (!pending) onHeard(); else drawAlert();
  }
  function onKey(event) {
    const more = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
    if (more && event.target !== field) return;
    event.stopPropagation(); // else JupyterLab's single-key commands act: x would cut the cell
    const inList = list.contains(event.target);
    const by = inList ? { ArrowLeft: -1, ArrowRight: 1 }[event.key] : undefined;
    const to = inList ? moved(row(), event.key, trace().steps.length + 1)
      : pictures.contains(event.target) ? moved(picked, event.key, fan().lines.length) : null;
    if (to === null && !by && !(inList && event.key === "Enter")) return;
    event.preventDefault();
    if (by) goTrace(by);
    else if (to !== null) (inList ? goStep : pick)(to);
    else if (question.hidden) form.requestSubmit();
    else field.focus();
  }

  const watched = { "change:current": drawTrace, "change:step": drawTrace,
    "change:tallies": drawDrawn, "change:fans": drawDrawn, "change:predictions": drawDrawn,
    "change:busy": onHeard, "change:progress": drawForm, "change:answered": drawMessages,
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
    clearTimeout(waiting);
  };
}

export default { render };
