// Third part of the beam explorer: one tree in a pane of its own, drawn as an ARIA tree.
// Uses the parts before it.

const SVG = "http://www.w3.org/2000/svg";
const MANY = 400; // up to so many nodes all are drawn, beyond only those near the window
const NEAR = 500;

/** A pane: `draw(search, view)` shows a search at a round; `on` hears select, round, rescue. */
function makePane(on) {
  let search = null, view = null, nodes = [], story = [], below = [], kept = [0, 0];
  let current = 0; // the node that Tab reaches
  const folded = new Set(), items = new Map(), seen = new Map();

  const root = make("div", "prm-pane");
  const title = make("h4");
  const details = make("p", "prm-details");
  const canvas = make("div", "prm-canvas");
  const sheet = make("div", "prm-sheet");
  const heads = make("div", "prm-heads");
  const svg = document.createElementNS(SVG, "svg");
  const paths = Object.fromEntries(["pruned", "open", "kept", "best", "chosen"].map((kind) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", kind);
    svg.append(path);
    return [kind, path];
  }));
  svg.setAttribute("aria-hidden", "true");
  heads.setAttribute("aria-hidden", "true");
  const tree = make("div", "prm-tree");
  tree.setAttribute("role", "tree");
  tree.setAttribute("aria-multiselectable", "false");
  sheet.append(heads, svg, tree);
  canvas.append(sheet);
  const head = make("div", "prm-head");
  head.append(title, details);
  root.append(head, canvas);

  function near() {
    if (nodes.length <= MANY) return nodes;
    const [x, y] = [canvas.scrollLeft, canvas.scrollTop];
    const [w, h] = [canvas.clientWidth || 900, canvas.clientHeight || 500];
    return nodes.filter((node) => {
      const b = box(search, node, view.level);
      return node === current || (b.left + b.width > x - NEAR && b.left < x + w + NEAR
        && b.top + b.height > y - NEAR && b.top < y + h + NEAR);
    });
  }
  function drawNodes() {
    const wanted = new Set(near());
    for (const [node, item] of items) {
      if (!wanted.has(node)) { item.remove(); items.delete(node); seen.delete(node); }
    }
    const shown = new Set(nodes);
    for (const node of wanted) {
      const item = items.get(node) ?? make("div");
      const b = box(search, node, view.level);
      const open = below[node].some((n) => shown.has(n));
      const parent = below[search.parent[node]]?.filter((n) => fateAt(search, n, view.round) !== null);
      const chosen = view.selected === node;
      const looks = [view.level, view.truth, fateAt(search, node, view.round), search.best === node,
        search.score[node], search.label[node]].join();
      const sign = [looks, b.left, b.top, open, chosen, folded.has(node), node === current,
        parent?.length].join();
      if (seen.get(node) === sign && items.has(node)) continue;
      seen.set(node, sign);
      // Only where they changed: a click is lost on words that are replaced under the pointer.
      if (item.dataset.looks !== looks) fill(item, search, node, view);
      item.dataset.looks = looks;
      Object.assign(item.style, { left: `${b.left}px`, top: `${b.top}px`, width: `${b.width}px`,
        height: `${b.height}px` });
      item.dataset.node = String(node);
      item.tabIndex = node === current ? 0 : -1;
      const aria = { role: "treeitem", "aria-level": search.depth[node] + 1,
        "aria-posinset": parent ? parent.indexOf(node) + 1 : 1, "aria-setsize": parent?.length ?? 1,
        "aria-selected": chosen, "aria-label": describe(search, node, view.round, view.truth) };
      item.title = aria["aria-label"];
      for (const [name, value] of Object.entries(aria)) item.setAttribute(name, String(value));
      if (open || folded.has(node)) item.setAttribute("aria-expanded", String(!folded.has(node)));
      else item.removeAttribute("aria-expanded");
      item.classList.toggle("folded", folded.has(node));
      items.set(node, item);
    }
    let at = tree.firstChild; // screen readers go by the order of the elements
    for (const node of story) {
      const item = items.get(node);
      if (!item) continue;
      if (item === at) at = at.nextSibling; else tree.insertBefore(item, at);
    }
  }
  function drawEdges() {
    const best = new Set(search.best !== null && view.round >= search.rounds ? way(search, search.best) : []);
    const shown = new Set(nodes);
    const chosen = view.selected ? way(search, view.selected).filter((node) => shown.has(node)) : [];
    const groups = { pruned: [], open: [], kept: [], best: [], chosen };
    for (const node of nodes) {
      const fate = fateAt(search, node, view.round);
      groups[best.has(node) ? "best" : fate === "finished" || fate === "root" ? "kept" : fate].push(node);
    }
    for (const [kind, path] of Object.entries(paths)) path.setAttribute("d", edges(search, groups[kind], view.level));
  }
  function drawFrame() {
    title.replaceChildren(make("bdi", "", `${search.id}: ${search.title}`));
    const left = search.left_out ? `; ${many(search.left_out, "more node")} not drawn` : "";
    details.replaceChildren(make("bdi", "", search.details + left));
    tree.setAttribute("aria-label", `Search tree ${search.id}: ${search.title}`);
    const { width, height } = extent(search, view.level);
    Object.assign(sheet.style, { width: `${width}px`, height: `${height + 24}px` });
    svg.setAttribute("width", String(width));
    svg.setAttribute("height", String(height));
    const depth = Math.max(...nodes.map((node) => search.depth[node]));
    heads.replaceChildren(...Array.from({ length: depth }, (_, i) => {
      const above = search.root.steps.length;
      const head = make("span", "", view.level === "marks" ? String(above + i) : `step ${above + i}`);
      const { width, first, gap } = LEVELS[view.level];
      head.style.left = `${MARGIN + first + gap + i * (width + gap)}px`;
      return head;
    }));
  }
  function reveal(node) { // only the canvas scrolls, never the page
    const b = box(search, node, view.level);
    const [w, h] = [canvas.clientWidth, canvas.clientHeight - 24];
    const fit = (at, size, from, room) => (from < at + 8 ? from - 8 : from + size > at + room - 8 ? from + size - room + 8 : at);
    canvas.scrollLeft = fit(canvas.scrollLeft, b.width, b.left, w);
    canvas.scrollTop = fit(canvas.scrollTop, b.height, b.top, h);
    if (canvas.isConnected) kept = [canvas.scrollLeft, canvas.scrollTop];
  }
  function draw(next, how) {
    const grown = search?.id === next.id && view.round < how.round;
    if (search?.id !== next.id) { folded.clear(); items.forEach((item) => item.remove()); items.clear(); seen.clear(); current = how.selected ?? 0; }
    if (search !== next) below = childrenOf(next);
    [search, view] = [next, how];
    nodes = visible(search, view.round, folded);
    story = preorder(below, nodes);
    const lost = tree.contains(document.activeElement) && !nodes.includes(current);
    current = nearest(search, current, new Set(nodes));
    drawFrame();
    drawEdges();
    drawNodes();
    if (lost) items.get(current)?.focus({ preventScroll: true });
    if (grown && nodes.length) reveal(nodes.find((n) => search.born[n] === view.round) ?? 0);
  }
  function go(node) {
    current = node;
    reveal(node);
    drawNodes();
    items.get(node)?.focus({ preventScroll: true });
  }
  function fold(node, shut) {
    if (!below[node].length) return;
    if (shut) folded.add(node); else folded.delete(node);
    draw(search, view);
    items.get(node)?.focus({ preventScroll: true });
  }
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey && event.key !== "+") return;
    const to = move(search, nodes, current, event.key);
    const others = { Enter: () => on.select(search.id, current), " ": () => on.select(search.id, current),
      "-": () => fold(current, true), "+": () => fold(current, false), "=": () => fold(current, false),
      PageDown: () => on.round(1), PageUp: () => on.round(-1), p: () => on.play(),
      r: () => on.rescue(search.id, current) };
    if (to === null && !Object.hasOwn(others, event.key)) return;
    event.preventDefault();
    if (to === null) others[event.key]();
    else if (event.key === "ArrowRight" && folded.has(current)) fold(current, false);
    else go(to);
  }
  tree.addEventListener("keydown", onKey);
  tree.addEventListener("focusin", (event) => {
    const node = Number(event.target.dataset?.node ?? NaN);
    if (node >= 0 && node !== current) { current = node; drawNodes(); }
  });
  tree.onclick = (event) => {
    const item = event.target.closest(".prm-node");
    if (!item) return;
    go(Number(item.dataset.node));
    on.select(search.id, current);
  };
  let asked = 0;
  canvas.addEventListener("scroll", () => {
    if (canvas.isConnected) kept = [canvas.scrollLeft, canvas.scrollTop];
    if (nodes.length > MANY && !asked) asked = requestAnimationFrame(() => { asked = 0; drawNodes(); });
  });
  return { root, draw, restore: () => { // JupyterLab lost the place when it took the cell off the page
    if (!canvas.scrollLeft && !canvas.scrollTop) [canvas.scrollLeft, canvas.scrollTop] = kept;
  } };
}
