// Last part of the beam explorer: what stands where, and what happens when.
// Traits in: controls, searches, status, heard. Both ways: settings, selected, round, pinned.
// Out: asked. In a static twin `controls` is empty: there is no kernel to search with.

const BEAT = 900; // ms a round, playing
const PATIENCE = 6000; // ms without an answer before the reader is told

function render({ model, el }) {
  let level = "auto", truth = true, again = true, playing = 0, newest = 0, waiting = 0, later = 0, unheard = "";
  let offered = ""; // the strategy whose controls stand there
  const hasKernel = Object.keys(model.get("controls")).length > 0;

  const root = make("section", "prm-beam-explorer");
  root.setAttribute("aria-label", "Beam explorer");
  const controls = make("fieldset", "prm-controls");
  controls.setAttribute("aria-label", "The search");
  const box = make("div", "prm-fields");
  const status = make("p", "prm-status");
  status.setAttribute("role", "status");
  const alert = make("p", "prm-error");
  alert.setAttribute("role", "alert");
  const bar = make("div", "prm-toolbar");
  const panes = make("div", "prm-panes");
  const chosen = make("div", "prm-chosen");
  const table = make("div", "prm-table");
  const liveRegion = make("p", "prm-live");
  liveRegion.setAttribute("aria-live", "polite");

  const rounds = () => Math.max(0, ...model.get("searches").map((s) => s.rounds));
  const round = () => (model.get("round") < 0 ? rounds() : Math.min(model.get("round"), rounds()));
  const find = (id) => model.get("searches").find((s) => s.id === id);
  const say = (text) => { liveRegion.textContent = text; };

  function set(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  }
  function ask(what, more = {}) {
    if (!hasKernel) return say("This page has no kernel to search with: open the notebook to run it.");
    const n = 1 + Math.max(model.get("heard"), model.get("asked").n ?? 0);
    unheard = "";
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      unheard = "The kernel has not answered. If it is busy, the answer will come; if it was "
        + "restarted, run this cell again. What is shown can still be stepped through.";
      drawStatus();
    }, PATIENCE);
    set({ asked: { n, what, ...more } });
  }
  function onHeard() {
    clearTimeout(waiting);
    unheard = "";
    drawStatus();
  }

  // Rounds.
  const slider = make("input");
  const play = makeButton("prm-play", "▶ Play", () => togglePlay());
  const roundText = make("span", "prm-round");
  function goRound(to) {
    const next = Math.min(Math.max(to, 0), rounds());
    set({ round: next });
    const words = model.get("searches").map((s) => roundWords(s, next));
    say(words.length > 1 ? words.map((w, i) => `Search ${model.get("searches")[i].id}, ${w}`).join(" ") : words.join(""));
  }
  function togglePlay() {
    if (playing) return stopPlay();
    if (round() >= rounds()) goRound(0);
    playing = setInterval(() => {
      goRound(round() + 1);
      if (round() >= rounds()) stopPlay();
    }, BEAT);
    play.textContent = "❚❚ Pause";
  }
  function stopPlay() {
    clearInterval(playing);
    playing = 0;
    play.textContent = "▶ Play";
  }

  // Nodes.
  function select(id, node) {
    set({ selected: [id, node] });
    const search = find(id);
    if (search) say(`Selected: ${describe(search, node, round(), truth)}`);
  }
  function rescue(id, node) {
    const search = find(id);
    if (!search) return;
    if (!node) return say("Choose a step to go on from.");
    if (search.finished[node]) return say("This step ends its trace: nothing can follow. Choose one before it.");
    stopPlay();
    ask("rescue", { search: id, node });
    if (hasKernel) say("The search goes on from here, beside the first one.");
  }
  const on = { select, rescue, play: togglePlay, round: (by) => { stopPlay(); goRound(round() + by); } };
  const drawn = [];

  // The controls of the search.
  const run = makeButton("prm-run", "Run", () => ask("run", { settings: model.get("settings") }));
  const stop = makeButton("prm-stop", "Stop", () => {
    const running = model.get("status").state === "running";
    if (running) ask("stop");
    say(running ? "It stops after this round." : "Nothing is running.");
  });
  const auto = field({ name: "again", label: "run on change", kind: "switch" }, again, (value) => { again = value; });
  const progress = make("progress");
  progress.setAttribute("aria-label", "A search is under way");
  function changed(name, value) {
    if (value === null || Number.isNaN(value)) return drawControls();
    set({ settings: { ...model.get("settings"), [name]: value } });
    if (!again) return;
    clearTimeout(later);
    later = setTimeout(() => ask("run", { settings: model.get("settings") }), 300);
  }
  function drawControls() {
    const fresh = fields(model.get("controls"), model.get("settings"), changed);
    const { strategy } = model.get("settings");
    if (strategy === offered) return fresh.forEach((one, i) => copyValue(one, box.children[i]));
    offered = strategy;
    const name = box.contains(document.activeElement) ? document.activeElement.dataset.name : "";
    box.replaceChildren(...fresh);
    [...box.querySelectorAll("[data-name]")].find((input) => input.dataset.name === name)?.focus();
  }
  function drawStatus() {
    const { state = "idle", text = "" } = model.get("status");
    const running = state === "running";
    stop.setAttribute("aria-disabled", String(!running));
    progress.hidden = !running;
    status.replaceChildren(make("bdi", "", state === "failed" ? "" : text));
    const words = [state === "failed" ? text : "", unheard].filter(Boolean).join(" ");
    alert.textContent = words;
    alert.hidden = !words;
    root.setAttribute("aria-busy", String(running));
  }

  // The picture.
  const levels = field({ name: "level", label: "detail", kind: "choice", choices: ["auto", "words", "numbers", "marks"] }, level, (value) => { level = value; draw(); });
  const shown = field({ name: "truth", label: "show the truth", kind: "switch" }, truth, (value) => { truth = value; draw(); });
  const pin = makeButton("prm-pin", "", () => ask(model.get("pinned") ? "unpin" : "pin"));
  const save = makeButton("prm-rescue", "↳ Rescue: go on from here", () => rescue(...model.get("selected")));
  function draw() {
    const searches = model.get("searches");
    while (drawn.length > searches.length) drawn.pop().root.remove();
    while (drawn.length < searches.length) { drawn.push(makePane(on)); panes.append(drawn.at(-1).root); }
    panes.classList.toggle("two", searches.length > 1);
    root.classList.toggle("truth", truth);
    bar.hidden = !searches.length;
    slider.max = String(rounds());
    slider.value = String(round());
    slider.setAttribute("aria-valuetext", `Round ${round()} of ${rounds()}`);
    roundText.textContent = `round ${round()} of ${rounds()}`;
    const [id, node] = model.get("selected");
    const last = searches.at(-1)?.id ?? 0;
    if (newest && newest !== last) say(""); // it spoke of another search
    newest = last;
    const names = Object.keys(LEVELS);
    const coarse = Math.max(0, ...searches.map((s) => names.indexOf(autoLevel(s, searches.length))));
    searches.forEach((search, i) => {
      drawn[i].draw(search, { round: round(), level: level === "auto" ? names[coarse] : level, truth,
        selected: search.id === id ? node : null });
    });
    const search = find(id);
    const known = search && node < search.parent.length;
    chosen.hidden = !known;
    if (known) {
      save.hidden = !hasKernel || node === 0 || search.finished[node];
      const rest = search.root.steps.length || node ? [traceTable(search, node, round(), truth)] : [];
      const problem = make("p", "prm-problem");
      problem.append(make("bdi", "", search.root.problem));
      const value = make("code", "prm-value", ".selected_trace");
      const foot = make("p", "prm-foot");
      foot.append(save, " In Python this trace is the explorer's ", value, ".");
      chosen.replaceChildren(problem, ...rest, ...(hasKernel ? [foot] : []));
    }
    table.replaceChildren(...(searches.length ? [outcomes(searches, truth)] : []));
    pin.textContent = model.get("pinned") ? "Unpin: show one" : "Pin: compare the next";
    pin.setAttribute("aria-pressed", String(model.get("pinned")));
  }

  slider.type = "range";
  slider.min = "0";
  slider.oninput = () => { stopPlay(); goRound(Number(slider.value)); };
  const sliderLabel = make("label", "prm-field prm-slider");
  sliderLabel.append(make("span", "", "round"), slider);
  bar.append(play, sliderLabel, roundText, levels, shown, ...(hasKernel ? [pin] : []));
  controls.append(box, auto, run, stop, progress, status);
  root.append(...(hasKernel ? [controls] : []), alert, bar, liveRegion, panes, table, chosen, ...legend());
  el.append(root);

  root.addEventListener("keydown", (event) => { // else JupyterLab's single-key commands act
    const runs = event.shiftKey && event.key === "Enter";
    if (!(event.ctrlKey || event.metaKey || event.altKey || runs)) event.stopPropagation();
  });
  const watched = { "change:searches": draw, "change:selected": draw, "change:round": draw,
    "change:pinned": draw, "change:status": drawStatus, "change:heard": onHeard,
    ...(hasKernel ? { "change:settings": drawControls } : {}) };
  for (const [event, f] of Object.entries(watched)) model.on(event, f);
  const restore = () => { for (const pane of drawn) pane.restore(); };
  const back = new IntersectionObserver(restore);
  back.observe(root);
  root.addEventListener("animationstart", restore); // its style has one, begun each time it is put on the page
  if (hasKernel) drawControls();
  drawStatus();
  draw();
  if (model.get("searches").length) say(roundWords(model.get("searches").at(-1), round()));
  return () => {
    for (const [event, f] of Object.entries(watched)) model.off(event, f);
    back.disconnect();
    stopPlay();
    clearTimeout(waiting);
    clearTimeout(later);
  };
}

export default { render };
