// @ts-check
// A quiz, one question at a time. Traits in: questions, title. Both ways: answers, by question id.

// Pure: no DOM, no model. Tested by tests/js/quiz.test.mjs.

/** Whether an answer is right; the same rule as `is_right` in quiz.py. */
export function isRight(question, answer) {
  if (answer === null || answer === undefined) return false;
  if (question.kind === "number") {
    return Math.abs(answer - question.answer) <= (question.tolerance ?? 0) + 1e-9;
  }
  const chosen = new Set([answer].flat());
  return question.choices.every((choice, i) => choice.right === chosen.has(i));
}

/** The number that a text says, or null. A comma may stand for the decimal point. */
export function parseNumber(text) {
  const plain = text.trim().replace(/^([^,]*),([^,]*)$/, "$1.$2").replace("−", "-");
  if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain)) return null;
  return Number(plain);
}

/** Text in pieces: what stands between backticks is code. */
export function pieces(text) {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return [{ code: false, text }];
  return parts.map((part, i) => ({ code: i % 2 === 1, text: part })).filter((p) => p.text);
}

/** Which choices of a number question say the same number as the answer. */
export function sameNumber(question, answer) {
  return (question.choices ?? []).filter((choice) => Number(choice.text) === answer);
}

/** How many questions are answered, and how many of them rightly. */
export function tally(questions, answers) {
  const given = questions.filter((question) => question.id in answers);
  const right = given.filter((question) => isRight(question, answers[question.id]));
  return { answered: given.length, right: right.length, total: questions.length };
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const piece of pieces(text ?? "")) {
    const part = document.createElement(piece.code ? "code" : "span");
    part.textContent = piece.text;
    node.append(part);
  }
  return node;
}

function makeButton(text, onclick) {
  const button = make("button", "", text);
  button.type = "button";
  button.onclick = onclick;
  return button;
}

function render({ model, el }) {
  const questions = model.get("questions");
  const revealed = new Set(); // ids whose explanations are all shown, in this view
  let at = Math.max(0, questions.findIndex((question) => !(question.id in model.get("answers"))));

  const root = make("section", "prm-quiz");
  root.setAttribute("aria-label", model.get("title"));
  root.onkeydown = (event) => {
    // Else JupyterLab's single-key commands act: an arrow would leave the cell, x would cut it.
    if (!(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey)) event.stopPropagation();
  };
  const head = make("header");
  const heading = make("h3");
  const back = makeButton("← Previous", () => go(-1));
  const next = makeButton("Next →", () => go(1));
  const meter = make("progress");
  meter.setAttribute("aria-label", "Questions answered rightly");
  head.append(heading, meter, back, next);
  const form = make("form");
  const live = make("p", "prm-live");
  live.setAttribute("aria-live", "polite");
  root.append(head, form, live);
  el.append(root);

  const question = () => questions[at];
  const answer = () => model.get("answers")[question().id];
  const answered = () => question().id in model.get("answers");

  function setAnswer(value) {
    const { [question().id]: _, ...rest } = model.get("answers");
    model.set("answers", value === undefined ? rest : { ...rest, [question().id]: value });
    model.save_changes();
  }
  function go(by) {
    at = Math.min(Math.max(at + by, 0), questions.length - 1);
    live.textContent = "";
    draw();
    form.querySelector("input")?.focus();
    const now = document.activeElement; // an answered question's fields take no focus
    if (!root.contains(now) || now.disabled) (next.disabled ? back : next).focus();
  }
  function check() {
    const value = read();
    if (value === null) {
      live.textContent = question().kind === "number"
        ? "Type a number, such as 0.81." : "Choose first, then check.";
      return;
    }
    setAnswer(value);
    const { right, total } = tally(questions, model.get("answers"));
    const verdict = isRight(question(), value) ? "✓ Right." : "✗ Not yet.";
    live.textContent = `${verdict} ${right} of ${total} questions right.`;
    form.querySelector("button")?.focus();
  }
  function read() {
    if (question().kind === "number") return parseNumber(form.querySelector("input").value);
    const chosen = [...form.querySelectorAll("input:checked")].map((box) => Number(box.value));
    if (!chosen.length) return null;
    return question().kind === "single" ? chosen[0] : chosen;
  }
  function again() {
    revealed.delete(question().id);
    setAnswer(undefined);
    live.textContent = "";
    form.querySelector("input")?.focus();
  }
  function reveal() {
    revealed.add(question().id);
    draw();
    live.textContent = "All explanations are shown.";
    form.querySelector("button")?.focus();
  }

  function explain(choice) {
    const why = make("p", choice.right ? "prm-why right" : "prm-why wrong");
    why.append(make("strong", "", choice.right ? "✓ " : "✗ "), make("span", "", choice.why));
    return why;
  }
  function makeChoice(choice, i) {
    const row = make("div", "prm-choice");
    const label = make("label");
    const input = document.createElement("input");
    input.type = question().kind === "single" ? "radio" : "checkbox";
    input.name = "choice";
    input.value = String(i);
    input.checked = answered() && [answer()].flat().includes(i);
    input.disabled = answered();
    label.append(input, make("span", "", choice.text));
    if (answered() && input.checked) label.append(make("span", "prm-yours", "your choice"));
    row.append(label);
    const all = revealed.has(question().id) || isRight(question(), answer());
    if (answered() && (input.checked || all)) row.append(explain(choice));
    return row;
  }
  function makeNumber() {
    const row = make("div", "prm-choice");
    const label = make("label", "", "Your number ");
    const input = document.createElement("input");
    input.type = "text";
    input.inputMode = "decimal";
    input.autocomplete = "off";
    input.value = answered() ? String(answer()) : "";
    input.disabled = answered();
    label.append(input);
    row.append(label);
    if (!answered()) return [row];
    const right = isRight(question(), answer());
    const known = sameNumber(question(), answer()).filter((choice) => choice.right === right);
    const shown = right || revealed.has(question().id);
    if (shown) {
      const why = question().why ?? "";
      known.unshift({ right: true, why: `The answer is ${question().answer}. ${why}` });
    }
    const none = { right: false, why: "That is not the number." };
    row.append(...(known.length ? known : [none]).map(explain));
    return [row];
  }
  function draw() {
    const { right, answered: done, total } = tally(questions, model.get("answers"));
    heading.textContent = `${model.get("title")}: question ${at + 1} of ${total}`;
    meter.max = total;
    meter.value = right;
    meter.title = `${right} right, ${done} answered, of ${total}`;
    back.disabled = at === 0;
    next.disabled = at === questions.length - 1;
    const set = make("fieldset");
    const { kind, question: text, choices } = question();
    const hint = { single: "Choose one.", multiple: "Choose all that hold.", number: "" }[kind];
    set.append(make("legend", "", text), make("p", "prm-hint", hint));
    set.append(...(kind === "number" ? makeNumber() : choices.map(makeChoice)));
    const actions = make("div", "prm-actions");
    if (!answered()) {
      const submit = makeButton("Check", null);
      submit.type = "submit";
      actions.append(submit);
    } else if (isRight(question(), answer())) {
      if (at < questions.length - 1) actions.append(makeButton("Next question", () => go(1)));
      actions.append(makeButton("Answer again", again));
    } else {
      actions.append(makeButton("Try again", again));
      if (!revealed.has(question().id)) actions.append(makeButton("Show the answer", reveal));
    }
    form.replaceChildren(set, actions);
  }

  form.onsubmit = (event) => {
    event.preventDefault();
    if (!answered()) check();
  };
  model.on("change:answers", draw);
  draw();
  return () => model.off("change:answers", draw);
}

export default { render };
