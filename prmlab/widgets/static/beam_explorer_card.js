// Second part of the beam explorer: how elements are made, and the card of a node.
// Uses the functions of the first part; Python joins the parts to one module.

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

/** The card of a node: marks, words, numbers. */
function fill(item, search, node, { round, level, truth }) {
  const fate = fateAt(search, node, round);
  const kind = truth ? verdict(search.label[node]) : "unknown";
  const ends = truth && search.ends[node] !== null ? (search.ends[node] ? " ends-right" : " ends-wrong") : "";
  item.className = `prm-node ${level} ${fate} ${kind}${ends}${node === search.best ? " best" : ""}`;
  const star = node === search.best ? "★" : "";
  const first = make("span", "prm-first");
  const marks = make("span", "prm-mark", star + FATES[fate].mark);
  const judged = make("span", "prm-verdict", node && truth ? VERDICTS[kind].mark : "");
  const score = make("span", "prm-score", node ? number(search.score[node]) : "");
  const where = search.root.steps.length ? `after ${search.root.steps.length}` : "start";
  if (level === "marks") {
    first.append(node && truth && kind !== "unknown" ? judged : marks);
  } else if (level === "numbers") {
    first.append(marks, judged, node ? score : make("span", "prm-score", where));
    if (node) first.append(make("span", "prm-total", number(search.total[node])));
  } else {
    const [start, end] = split(node ? search.text[node] : where);
    const text = make("bdi", "prm-words");
    text.append(make("span", "prm-start", start), make("span", "prm-end", end));
    first.append(marks, judged, text);
    if (fate === "pruned") first.append(score, make("span", "prm-total", number(search.total[node])));
  }
  item.replaceChildren(first);
  if (level !== "words" || fate === "pruned" || node === 0) return;
  const second = make("span", "prm-second");
  const bar = make("span", "prm-bar");
  bar.style.setProperty("--part", `${Math.round(100 * (search.score[node] ?? 0))}%`);
  second.append(bar, score, make("span", "prm-total", `so far ${number(search.total[node])}`));
  if (search.drawn[node] > 1) second.append(make("span", "prm-drawn", `×${search.drawn[node]}`));
  item.append(second);
}
