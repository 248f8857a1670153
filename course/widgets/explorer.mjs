// The message explorer: a molecule, the rounds of message passing on it, and every number of them.
// The browser moves atoms, edges and steps at once. Python runs the functions on what has changed and sends a new snapshot.
import { FORMULA, counted, edgesWithin, featuresAfter, forceScale, hopsTo, norm, number, roundsDone, senderColor, signed, stepName, steps, unpack } from "./logic.mjs";
import { button, checkbox, make, paced, put, say, slider } from "./dom.mjs";
import { Stage } from "./stage.mjs";
import { AtomPanel, ComparePanel, MatrixPanel, TablePanel, edgeCard, same } from "./panels.mjs";

const PAUSE = 66; // ms between two requests while a pointer is down
const SECONDS = { initialise: 1.2, message: 1.8, accumulate: 1.2, update: 1.2, readout: 1.6 };
const RINGS = ["#8a8a8a", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"];
const DASHES = [null, "2 3", "6 3", "10 3", "10 3 2 3", "1 4", "12 6"];
const KEYS = [
  ["Tab", "into the molecule, then to the controls"], ["arrows", "to the next atom in that direction"],
  ["Page Up and Page Down", "to the atom before, to the atom behind"], ["Enter", "choose the atom, or not any more"],
  ["Shift + arrows", "move the atom by 0.05 Å"], ["[ and ]", "one step back, one step on"], ["Home and End", "first and last step"],
  ["P", "play or pause"], ["Esc", "choose nothing"], ["?", "this list"],
];

function render({ model, el }) {
  const explorer = new Explorer(model);
  el.append(explorer.root);
  explorer.refresh();
  return () => explorer.destroy();
}

class Explorer {
  constructor(model) {
    this.model = model;
    this.settings = model.get("settings");
    this.alive = model.get("live");
    this.request = structuredClone(model.get("request"));
    this.view = structuredClone(model.get("view"));
    this.marked = null; // the edge under the mouse, or of the row that has the focus; view.edge is one that was chosen
    this.active = 0; // the molecule whose numbers are shown
    this.requests = paced(() => this.tell("request", this.request), PAUSE);
    this.progress = 1; // of the present step: messages on their way, features on theirs
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.receive();
    this.build();
    const changes = {
      "change:snapshot": () => { this.receive(); this.refreshSoon(); },
      "change:view": () => {
        if (this.own) return;
        this.view = structuredClone(model.get("view"));
        this.refresh();
      },
    };
    for (const [event, listener] of Object.entries(changes)) model.on(event, listener);
    this.unlisten = () => Object.entries(changes).forEach(([event, listener]) => model.off(event, listener));
  }

  // ------------------------------------------------------------------------- what Python says, what Python is asked

  // A request of somebody else (Python, another view of this widget) is taken over when its answer comes.
  receive() {
    const { revision, refused, molecules } = this.model.get("snapshot");
    this.snapshots = molecules.map(unpack);
    this.answered = revision;
    if (revision > this.request.revision) {
      if (refused) this.request.revision = revision;
      else this.request = structuredClone(this.model.get("request"));
    }
    if (this.shuffled && revision >= this.shuffled.revision) this.reportShuffle(revision);
  }

  // False while the atoms of the last answer have other numbers than those that were asked for.
  get inOrder() {
    return this.snapshots.every(({ order }, m) => order.every((atom, k) => atom === this.request.molecules[m].order[k]));
  }

  ask(change) {
    this.notice = "";
    this.request = { ...this.request, ...change, revision: this.request.revision + 1 };
    if (this.alive) this.requests.go();
    else this.model.set("snapshot", { ...this.recording(this.request.cutoff).snapshot, revision: this.request.revision });
    this.refresh();
  }

  look(change) {
    Object.assign(this.view, change);
    this.tell("view", this.view);
    this.refresh();
  }

  tell(name, value) {
    this.own = true; // the model reports every change, also those that come from here
    this.model.set(name, structuredClone(value));
    this.own = false;
    this.model.save_changes();
  }

  recording(cutoff) {
    return this.model.get("recordings").find((recording) => recording.cutoff === cutoff);
  }

  // ------------------------------------------------------------------------- the elements

  build() {
    const { settings } = this;
    this.stages = settings.molecules.map(({ title, axes }, m) => new Stage(title, settings.elements, axes, {
      select: (i) => this.select(m, i),
      hover: (edge) => this.mark(edge && { m, j: edge.j, i: edge.i }),
      move: (positions) => this.move(m, positions),
    }));
    this.play = button("▶", "play", () => this.playOrPause());
    this.scrubber = make("input", { type: "range", min: 0, step: 1, class: "scrubber", "aria-label": "step", oninput: () => this.go(Number(this.scrubber.value)) });
    this.speed = make("select", { "aria-label": "speed", onchange: () => this.look({ speed: Number(this.speed.value) }) },
      ...[0.5, 1, 2, 4].map((speed) => make("option", { value: speed }, `${speed} ×`)));
    this.keys = button("?", "keys", () => this.toggleHelp());
    this.stepName = make("strong", { class: "step-name" });
    this.formula = make("code", { class: "formula" });
    const transport = make("div", { class: "row", role: "group", "aria-label": "Steps" },
      button("«", "first step", () => this.go(0)), button("‹", "one step back", () => this.go(this.view.step - 1)), this.play,
      button("›", "one step on", () => this.go(this.view.step + 1)), button("»", "last step", () => this.go(Infinity)),
      this.scrubber, this.speed, this.keys, make("div", { class: "now" }, this.stepName, this.formula));

    this.rounds = slider("rounds T", { min: 0, max: settings.T_max, step: 1 }, (T) => this.setRounds(T));
    this.recorded = this.alive ? null : this.model.get("recordings").map(({ cutoff }) => cutoff);
    this.cutoff = this.alive ? slider("cutoff", { min: settings.cutoff_min, max: settings.cutoff_max, step: 0.05 }, (cutoff) => this.ask({ cutoff }))
      : slider("cutoff", { min: 0, max: this.recorded.length - 1, step: 1 }, (k) => this.ask({ cutoff: this.recorded[k] }));
    this.bonds = checkbox("bonds only", (bonds_only) => this.ask({ bonds_only }));
    this.strips = checkbox("features", (strips) => this.look({ strips }));
    this.heard = checkbox("who was heard", (heard) => this.look({ heard }));
    this.forces = checkbox("forces", (forces) => this.look({ forces }));
    this.shuffle = button("Shuffle labels", "give the atoms other numbers", () => this.shuffleLabels());
    const controls = make("div", { class: "row", role: "group", "aria-label": "Molecular graph and picture" },
      this.rounds.root, this.cutoff.root, this.bonds.root, this.strips.root, this.heard.root,
      settings.has_energy ? this.forces.root : null, this.shuffle, button("Reset", "back to the start", () => this.reset()));
    this.help = make("dl", { class: "keys", hidden: true }, ...KEYS.flatMap(([key, what]) => [make("dt", {}, key), make("dd", {}, what)]));

    this.problem = make("div", { class: "problem", role: "alert", hidden: true });
    const note = this.alive ? null
      : make("p", { class: "note" }, "This page is a recording. Steps, views and recorded cutoffs work; moving atoms and other rounds need a running notebook.");
    this.card = make("div", { class: "edge-card" });
    this.status = make("p", { class: "status" });
    this.live = make("p", { class: "unseen", "aria-live": "polite" });

    const panelActions = {
      select: (m, i) => this.select(m, i), mark: (edge) => this.mark(edge), page: (first) => this.look({ first }),
      pin: (edge) => this.look({ edge: same(edge, this.view.edge) ? null : edge }),
    };
    this.panels = { atom: new AtomPanel(panelActions), matrix: new MatrixPanel(panelActions), table: new TablePanel(panelActions) };
    this.compare = settings.molecules.length > 1 ? new ComparePanel() : null;
    this.id = `explorer-${Math.random().toString(36).slice(2)}`; // two views of one widget are two explorers on the page
    this.tabs = Object.keys(this.panels).map((name) => make("button", {
      type: "button", role: "tab", "aria-controls": `${this.id}-panel`, id: `${this.id}-${name}`, onclick: () => this.look({ panel: name }),
      onkeydown: (event) => this.turnPage(event),
    }, { atom: "Atom", matrix: "Matrix", table: "Table" }[name]));
    this.panel = make("div", { class: "panel", role: "tabpanel", id: `${this.id}-panel` });
    const side = make("div", { class: "side" }, make("div", { class: "tabs", role: "tablist", "aria-label": "Numbers" }, ...this.tabs), this.panel);
    const space = make("div", { class: "space" }, make("div", { class: `stages of-${this.stages.length}` },
      ...this.stages.map((stage, m) => make("figure", {}, stage.root, make("figcaption", {}, settings.molecules[m].title)))), this.card, this.status);
    this.root = make("div", { class: "course-widget explorer", role: "group", "aria-label": "Message explorer", onkeydown: (event) => this.key(event),
      onpointerdown: this.requests.press, onpointerup: this.requests.release, onpointercancel: this.requests.release, onchange: this.requests.release },
      transport, controls, this.help, note, this.problem, make("div", { class: `main of-${this.stages.length}` }, space, side, this.compare?.root), this.live);
    if (!this.alive) for (const input of [this.rounds.input, this.bonds.input, this.shuffle]) input.disabled = true;
  }

  // ------------------------------------------------------------------------- what the reader does

  get steps() {
    return steps(this.request.T);
  }

  go(step) {
    const last = this.steps.length - 1;
    const next = Math.max(0, Math.min(last, step));
    if (next === this.view.step) return;
    this.look({ step: next });
    this.animate();
  }

  // The present step, once, from its beginning to its end.
  animate() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.pause);
    if (this.still.matches) return this.finish();
    const { kind } = this.steps[this.view.step];
    let last = performance.now();
    this.progress = 0;
    const tick = (now) => {
      this.progress = Math.min(1, this.progress + ((now - last) / 1000 / SECONDS[kind]) * this.view.speed);
      last = now;
      this.drawStages();
      if (this.progress < 1) this.frame = requestAnimationFrame(tick);
      else this.finish();
    };
    this.frame = requestAnimationFrame(tick);
  }

  // A step is over. While playing, the next one begins.
  finish() {
    this.progress = 1;
    this.drawStages();
    if (!this.playing) return;
    this.pause = setTimeout(() => {
      if (this.view.step < this.steps.length - 1) this.go(this.view.step + 1);
      else this.playOrPause();
    }, (this.still.matches ? 1500 : 350) / this.view.speed);
  }

  playOrPause() {
    if (this.playing) this.stop();
    else {
      this.playing = true;
      if (this.view.step === this.steps.length - 1) this.go(0);
      else this.animate();
    }
    this.refresh();
  }

  stop() {
    this.playing = false;
    cancelAnimationFrame(this.frame);
    clearTimeout(this.pause);
    this.progress = 1;
  }

  setRounds(T) {
    this.ask({ T });
    this.look({ step: Math.min(this.view.step, this.steps.length - 1) });
  }

  select(m, i) {
    const selected = [...this.view.selected];
    selected[m] = i;
    this.active = m;
    this.look({ selected, edge: null, first: 0 });
  }

  mark(edge) {
    if (edge === this.marked || same(edge, this.marked)) return;
    this.marked = edge;
    this.drawStages();
    this.showCard();
    this.panels[this.view.panel].mark?.(edge);
  }

  move(m, positions) {
    if (!this.alive || !this.inOrder) return;
    const molecules = this.request.molecules.map((molecule, k) => (k === m ? { ...molecule, positions } : molecule));
    this.ask({ molecules });
  }

  // New numbers for the atoms. Each keeps its place and its element, so nothing physical may change.
  shuffleLabels() {
    if (!this.inOrder) return;
    const rows = this.snapshots.map(({ n }) => shuffledRows(n)); // rows[m][k]: the number that atom k had before
    this.ask({
      molecules: this.request.molecules.map(({ order, positions }, m) => ({ order: rows[m].map((k) => order[k]), positions: rows[m].map((k) => positions[k]) })),
    });
    this.shuffled = { rows, before: this.snapshots, revision: this.request.revision };
  }

  reportShuffle(revision) {
    const { rows, before } = this.shuffled;
    const lines = this.snapshots.map(({ energy, x_i }, m) => {
      const old = before[m];
      let most = 0;
      if (x_i.width === old.x_i.width) rows[m].forEach((from, k) => x_i.row(k).forEach((value, f) => { most = Math.max(most, Math.abs(value - old.x_i.row(from)[f])); }));
      if (energy === null || old.energy === null) return `No atom's features changed by more than ${number(most, 6)}`;
      return `E changed by ${signed(energy - old.energy, 6)} eV, the features of no atom by more than ${number(most, 6)}`;
    });
    if (revision === this.shuffled.revision) this.notice = `The atoms have new numbers. ${lines.join("; ")}.`; // and nothing else is new
    this.shuffled = null;
    Object.assign(this.view, { selected: this.view.selected.map((i, m) => (i === null ? null : rows[m].indexOf(i))), edge: null });
    this.marked = null;
    this.tell("view", this.view);
  }

  reset() {
    this.stop();
    [this.shuffled, this.marked, this.active] = [null, null, 0];
    this.stages.forEach((stage) => stage.reset());
    this.view = structuredClone(this.settings.first_view);
    this.tell("view", this.view);
    this.ask(structuredClone(this.alive ? this.settings.first_request : this.model.get("request")));
  }

  toggleHelp() {
    this.help.toggleAttribute("hidden");
    put(this.keys, { "aria-expanded": !this.help.hidden });
  }

  turnPage(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tab = this.tabs[(this.tabs.indexOf(event.target) + step + this.tabs.length) % this.tabs.length];
    tab.focus();
    tab.click();
  }

  key(event) {
    const own = event.target.matches("select, input[type=range]"); // which have a use for Home and End
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = { "[": () => this.go(this.view.step - 1), "]": () => this.go(this.view.step + 1),
      p: () => this.playOrPause(), P: () => this.playOrPause(), "?": () => this.toggleHelp(), Escape: () => this.select(this.active, null) };
    if (!own) Object.assign(actions, { Home: () => this.go(0), End: () => this.go(Infinity) });
    if (!actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }

  // ------------------------------------------------------------------------- the picture

  // With the next frame, or with whatever is drawn before: answers come between the moves of the mouse.
  refreshSoon() {
    cancelAnimationFrame(this.due);
    this.due = requestAnimationFrame(() => this.refresh());
  }

  refresh() {
    cancelAnimationFrame(this.due);
    if (!this.inOrder) return; // the answer is on its way
    const held = this.root.contains(document.activeElement) ? document.activeElement : null;
    const { view, request, settings } = this;
    const list = this.steps;
    view.step = Math.min(view.step, list.length - 1);
    const step = list[view.step];
    put(this.scrubber, { max: list.length - 1, "aria-valuetext": stepName(step, request.T) });
    this.scrubber.value = view.step;
    this.speed.value = view.speed;
    say(this.play, this.playing ? "❚❚" : "▶");
    put(this.play, { "aria-label": this.playing ? "pause" : "play", title: this.playing ? "pause" : "play" });
    say(this.stepName, stepName(step, request.T));
    say(this.formula, FORMULA[step.kind]);
    this.rounds.set(request.T, String(request.T));
    this.cutoff.set(this.recorded ? this.recorded.indexOf(request.cutoff) : request.cutoff, `${request.cutoff.toFixed(2)} Å`);
    this.bonds.input.checked = request.bonds_only;
    for (const name of ["strips", "heard", "forces"]) this[name].input.checked = view[name];
    const problems = this.snapshots.map(({ problem }) => problem).filter(Boolean);
    put(this.problem, { hidden: problems.length === 0 });
    say(this.problem, problems.join("\n"));
    this.drawStages();
    this.showCard();
    for (const [k, name] of Object.keys(this.panels).entries()) {
      put(this.tabs[k], { "aria-selected": name === view.panel, tabindex: name === view.panel ? 0 : -1 });
    }
    put(this.panel, { "aria-labelledby": `${this.id}-${view.panel}` });
    const panel = this.panels[view.panel];
    if (this.panel.firstChild !== panel.root) this.panel.replaceChildren(panel.root);
    const m = this.active;
    panel.show({ snapshot: this.snapshots[m], title: settings.molecules[m].title, m, step, selected: view.selected[m], first: view.first, edges: this.edges[m], marked: this.marked, pinned: view.edge, names: settings.names });
    this.compare?.show(this.snapshots, view.selected, settings.molecules);
    this.speak(step);
    // What had the focus may be gone: a message row in another step, the list of atoms once one is chosen.
    if (held && (!held.isConnected || held.closest("[hidden]"))) this.tabs.find((tab) => tab.tabIndex === 0).focus({ preventScroll: true });
  }

  drawStages() {
    if (!this.inOrder) return;
    const step = this.steps[this.view.step] ?? this.steps.at(-1);
    this.edges = this.snapshots.map((snapshot, m) => this.edgesOf(snapshot, m, step));
    this.stages.forEach((stage, m) => stage.show(this.pictureOf(this.snapshots[m], m, step)));
  }

  // One scale for all molecules.
  get forceScale() {
    return forceScale(this.snapshots.flatMap(({ forces }) => forces ?? []));
  }

  // The edges as they are now. Their messages are those of the last answer from Python.
  edgesOf(snapshot, m, step) {
    const { cutoff, bonds_only, molecules } = this.request;
    const bonded = new Set(snapshot.bonds.flatMap(([a, b]) => [`${a} ${b}`, `${b} ${a}`]));
    const round = snapshot.rounds[step.t - 1];
    return edgesWithin(molecules[m].positions, cutoff, (j, i) => !bonds_only || bonded.has(`${j} ${i}`)).map((edge) => {
      const number = snapshot.edgeFrom(edge.j, edge.i);
      const message = round && number !== undefined ? round.m_ji.row(number) : null;
      return { ...edge, number, message, size: message ? norm(message) : NaN };
    });
  }

  pictureOf(snapshot, m, step) {
    const { view, request, progress } = this;
    const selected = view.selected[m];
    const edges = this.edges[m];
    const speaks = (step.kind === "message" || step.kind === "accumulate") && step.t <= snapshot.rounds.length;
    const loudest = Math.max(...edges.map(({ size }) => size || 0), 1e-12);
    const marked = this.marked ?? view.edge;
    const hops = view.heard && selected !== null ? hopsTo(selected, snapshot.n, edges) : null;
    const done = roundsDone(step);
    return {
      positions: request.molecules[m].positions, numbers: snapshot.numbers, names: snapshot.names, bonds: snapshot.bonds,
      selected, sphere: selected !== null ? request.cutoff : null,
      forces: view.forces ? snapshot.forces : null, forceScale: this.forceScale,
      travel: step.kind === "message" && progress < 1 ? progress : null,
      edges: edges.map((edge) => {
        const apart = selected !== null && edge.i !== selected && !hops;
        const loud = speaks ? (edge.size || 0) / loudest : 0;
        return {
          ...edge, marked: marked?.m === m && marked.j === edge.j && marked.i === edge.i,
          width: speaks ? 0.6 + 5 * loud : 1, color: speaks ? senderColor(edge.j) : null,
          alpha: (0.1 + 0.8 * edge.f_c) * (apart ? 0.25 : 1),
        };
      }),
      atoms: snapshot.names.map((name, k) => this.atomOf(snapshot, m, step, k, hops && { reached: hops[k] <= done, hops: hops[k] })),
    };
  }

  atomOf(snapshot, m, step, k, heard) {
    const before = step.t > 0 ? snapshot.rounds[step.t - 1] : null;
    let tableShown = featuresAfter(snapshot, step.t), kind = "features";
    if (step.kind === "message" && before) tableShown = before.x_i;
    if (step.kind === "accumulate" && before) [tableShown, kind] = [before.M_i, "bundle"];
    let values = tableShown.n_rows ? tableShown.row(k) : [];
    if (this.progress < 1 && before && step.kind === "accumulate") values = values.map((value) => value * this.progress);
    if (this.progress < 1 && before && step.kind === "update" && before.x_i.width === tableShown.width) {
      values = values.map((value, f) => before.x_i.row(k)[f] * (1 - this.progress) + value * this.progress);
    }
    const energy = step.kind === "readout" && snapshot.E_i ? snapshot.E_i[k] - (snapshot.baseline?.[k] ?? 0) : null;
    const element = this.settings.elements[snapshot.numbers[k]];
    const neighbors = this.edges[m].filter(({ i }) => i === k).length;
    const description = [`${snapshot.names[k]}, ${element.name}, hears ${counted(neighbors, "atom")}`,
      heard && heard.hops > 0 ? (heard.reached ? `was heard, ${counted(heard.hops, "edge")} away` : "was not heard yet") : null,
      energy === null ? null : `E ${number(energy)} electronvolt`].filter(Boolean).join(", ");
    return {
      description, fill: null, faint: heard && !heard.reached,
      ring: heard?.reached && heard.hops > 0 ? RINGS[heard.hops % RINGS.length] : null,
      dash: heard?.reached ? DASHES[heard.hops % DASHES.length] : null,
      label: energy !== null ? number(energy) : heard?.hops > 0 && heard.reached ? String(heard.hops) : "",
      strip: this.view.strips && energy === null && !heard && values.length ? { values, limit: tableShown.limit, kind } : null,
    };
  }

  showCard() {
    const edge = this.marked ?? this.view.edge;
    const found = edge && this.edges[edge.m].find(({ j, i }) => j === edge.j && i === edge.i);
    edgeCard(this.card, found ? { snapshot: this.snapshots[edge.m], edge: found } : null);
  }

  // ------------------------------------------------------------------------- in words

  speak(step) {
    const { settings, view } = this;
    const m = this.active;
    const snapshot = this.snapshots[m], selected = view.selected[m];
    const sentences = this.snapshots.map(({ n, energy }, k) => {
      const start = settings.molecules[k];
      const change = energy === null || start.energy === null ? 0 : energy - start.energy;
      const since = Math.abs(change) > 5e-7 ? ` (${signed(change, 4)} eV since the start)` : "";
      return `${start.title}: ${counted(n, "atom")}, ${counted(this.edges[k].length, "edge")}${energy === null ? "" : `, E = ${number(energy)} eV${since}`}.`;
    });
    if (step.kind === "readout" && snapshot.baseline) sentences.push("At the atoms: what the network adds to the energy of the element, eV.");
    else if (step.kind === "readout" && snapshot.E_i) sentences.push("At the atoms: E_i, eV.");
    if (view.forces && snapshot.forces) sentences.push(`Forces: an arrow of 1 Å is ${this.forceScale} eV/Å.`);
    if (selected !== null && view.heard) {
      const hops = hopsTo(selected, snapshot.n, this.edges[m]);
      const done = roundsDone(step);
      sentences.push(`After ${counted(done, "round")}, ${snapshot.names[selected]} has heard from ${hops.filter((h) => h > 0 && h <= done).length} of ${counted(snapshot.n - 1, "other atom")}.`);
    } else if (view.heard) sentences.push("Choose an atom to see whom it has heard.");
    if (this.notice) sentences.push(this.notice);
    say(this.status, sentences.join(" "));
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      if (this.alive && this.answered < this.request.revision) say(this.status, [...sentences, "Python is computing."].join(" "));
      say(this.live, [`${stepName(step, this.request.T)}.`, selected === null ? "" : `${snapshot.names[selected]} is chosen.`, ...sentences].join(" "));
    }, 300);
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.due);
    this.requests.stop();
    clearTimeout(this.pause);
    clearTimeout(this.telling);
    this.unlisten();
    this.stages.forEach((stage) => stage.destroy());
  }
}

// The numbers 0 to n - 1 in random order: Fisher and Yates' shuffle.
function shuffledRows(n) {
  const rows = Array.from({ length: n }, (_, k) => k);
  for (let k = n - 1; k > 0; k--) {
    const other = Math.floor(Math.random() * (k + 1));
    [rows[k], rows[other]] = [rows[other], rows[k]];
  }
  return rows;
}

const widget = { render };
export default widget;
