// The ripple: one atom is touched, and all others are coloured by how many edges away they are, or how much they matter.
import { counted, cosineCutoff, distance, number } from "./logic.mjs";
import { keyed, make, put, say, slider } from "./dom.mjs";
import { Stage } from "./stage.mjs";

// Okabe and Ito's colours, one a hop; the last is for all that is farther. The number stands beside the atom too.
const HOPS = ["#0072B2", "#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00", "#CC79A7", "#999999"];
const EMPTY = "var(--paper)"; // no way to the atom, no influence, or the wave has not come yet
const SECONDS_A_HOP = 0.35, SECONDS_IN_ALL = 1.5;

// ----------------------------------------------------------------------------- numbers as colours and as text

// Where a size stands between the faintest (0) and the loudest (1), on a logarithmic scale.
export const loudness = (size, loudest, faintest) => 1 - Math.log(Math.max(size / loudest, faintest)) / Math.log(faintest);

// The dark end of the scale, relative to the loudest: the power of ten below the faintest size that is not zero.
export const floor = (sizes, loudest, least) =>
  Math.max(least, 10 ** Math.floor(Math.log10(Math.min(...sizes.filter((size) => size > 0), loudest) / loudest - 1e-12)));

// A size in four letters, to stand beside an atom.
export function short(value) {
  if (value >= 0.095) return number(value, value < 0.995 ? 2 : value < 9.95 ? 1 : 0);
  return value === 0 ? "0" : value >= 0.0095 ? number(value, 2) : value.toExponential(0).replace("-", "−");
}

const precise = (value) => (value === 0 ? "0" : number(value, 6));

const hopColor = (h) => (h < 0 ? EMPTY : HOPS[Math.min(h, HOPS.length - 1)]);

// How the answer is shown: { color(j), label(j), words(j), legend: [{ color, text }] }.
// A kind that could not be computed is shown as hops.
export function scaleOf({ atom, hops, ...sizesOf }, kind, { names, kinds, colors, faintest: least }) {
  const sizes = sizesOf[kind];
  const { name, symbol, unit } = kinds[sizes ? kind : "hops"];
  const touched = names[atom];
  if (!sizes) {
    const last = HOPS.length - 1, farthest = Math.max(...hops);
    const entries = Array.from({ length: Math.min(farthest, last) + 1 }, (_, h) => ({ color: hopColor(h), text: h === 0 ? "touched" : counted(h, "edge") }));
    if (farthest > last) entries[last].text += " or more";
    if (hops.includes(-1)) entries.push({ color: EMPTY, text: "no way" });
    return {
      color: (j) => hopColor(hops[j]),
      label: (j) => (hops[j] < 0 ? "" : String(hops[j])),
      words: (j) => (hops[j] < 0 ? `no way to ${touched}` : `${counted(hops[j], "edge")} from ${touched}`),
      legend: [{ text: `${name} to ${touched}:` }, ...entries],
    };
  }
  const loudest = Math.max(...sizes);
  const faintest = floor(sizes, loudest, least);
  const shade = (part) => colors[Math.round(part * (colors.length - 1))];
  const decades = loudest > 0 ? Math.round(-Math.log10(faintest)) : -1;
  const entries = Array.from({ length: decades + 1 }, (_, k) => ({ color: shade(1 - k / decades), text: short(loudest / 10 ** k) }));
  if (sizes.some((size) => size > 0 && size < least * loudest)) entries.at(-1).text += " or less";
  if (sizes.includes(0)) entries.push({ color: EMPTY, text: "exactly 0" });
  return {
    color: (j) => (sizes[j] > 0 ? shade(loudness(sizes[j], loudest, faintest)) : EMPTY),
    label: (j) => short(sizes[j]),
    words: (j) => `${name} ${kind === "force" ? "on" : "of"} ${touched}: ${number(sizes[j])} ${unit}`,
    legend: [{ text: `${symbol}, ${unit}:` }, ...entries],
  };
}

// What is reached, and how faint it is there.
export function sentence({ atom, T, hops, energy, force, problem }, { names, cutoff }) {
  if (problem) return problem;
  const heard = (sizes) => hops.filter((_, j) => sizes[j] > 0);
  const reach = (sizes) => {
    const steps = heard(sizes), strangers = steps.filter((h) => h < 0).length;
    if (steps.length === 0) return "no atom's position";
    const far = strangers < steps.length ? `, up to ${counted(Math.max(...steps), "edge")} away` : "";
    return `${steps.length} of ${counted(names.length, "atom")}${far}${strangers ? `, ${strangers} of them without any way of edges` : ""}`;
  };
  const rounds = T === null ? "" : `With ${counted(T, "round")} and a cutoff of ${cutoff} Å, `;
  const first = `${rounds}${rounds ? "the" : "The"} energy of ${names[atom]} depends on ${reach(energy)}; the force on it depends on ${reach(force)}.`;
  const edge = Math.max(0, ...heard(force));
  if (edge === 0) return first;
  const last = Math.max(...force.filter((_, j) => hops[j] === edge));
  return `${first} At ${counted(edge, "edge")} the influence on the force is ${perCent(last / Math.max(...force))} of the largest.`;
}

// Two digits, whatever the size.
const perCent = (part) => `${part >= 1e-6 ? Number((100 * part).toPrecision(2)) : (100 * part).toExponential(1).replace("-", "−")} %`;

// How far below the centre of its atom each label is written, in pixels; less than 0 is above it, where other atoms leave
// more room there. 0 is nowhere: it would lie on another atom or on another label. The touched atom comes first.
export function offsets(points, radii, labels, touched) {
  const gap = (k) => radii[k] + (k === touched ? 14 : 9); // from the centre of the atom to that of its label
  const room = (k, side) => Math.min(...points.map(([x, y], j) => (j === k ? Infinity : Math.hypot(x - points[k][0], y - points[k][1] - side * gap(k)))));
  const written = [];
  const free = (box) => written.every((other) => Math.abs(other.x - box.x) > other.half + box.half || Math.abs(other.y - box.y) > 12)
    && points.every(([x, y], j) => Math.hypot(Math.max(0, Math.abs(x - box.x) - box.half), Math.max(0, Math.abs(y - box.y) - 5)) > radii[j]);
  const chosen = points.map(() => 0);
  for (const k of [touched, ...points.keys()]) {
    if (chosen[k] !== 0 || labels[k] === "") continue;
    for (const side of room(k, -1) > room(k, 1) + 2 ? [-1, 1] : [1, -1]) {
      const box = { x: points[k][0], y: points[k][1] + side * gap(k), half: 3.5 * labels[k].length };
      if (chosen[k] !== 0 || !free(box)) continue;
      chosen[k] = side * gap(k);
      written.push(box);
    }
  }
  return chosen;
}

// A stage on which labels stand where there is room. All numbers are in the table too.
class RippleStage extends Stage {
  drawAtoms(seen) {
    super.drawAtoms(seen);
    const { atoms, selected } = this.picture;
    this.root.classList.toggle("crowded", this.size < 45);
    offsets(this.points, this.radii, atoms.map(({ label }) => label), selected).forEach((offset, k) => {
      const { index, label } = this.atoms[k];
      if (offset === 0) say(label, "");
      put(label, { y: offset + 4 });
      if (offset < 0) put(index, { y: 0.7 * this.radii[k] + 8 });
    });
  }
}

// ----------------------------------------------------------------------------- the view

function render({ model, el }) {
  const settings = model.get("settings");
  const alive = model.get("live");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const [senders, receivers] = [settings.senders, settings.receivers].map((view) => new Int32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)));
  const edges = [...senders].map((j, k) => {
    const i = receivers[k];
    return { j, i, width: 1, color: null, alpha: 0.08 + 0.35 * cosineCutoff(distance(settings.positions[j], settings.positions[i]), settings.cutoff) };
  });
  let touched = model.get("answer").atom;
  let front = Infinity, frame = 0, telling = 0; // how many hops the wave has come

  const ask = (change) => {
    const request = { ...model.get("request"), ...change };
    model.set("request", request);
    if (alive) model.save_changes();
    else model.set("answer", model.get("recordings")[request.atom]);
  };
  const touch = (i) => {
    if (i === null) return;
    ask({ atom: i });
    if (i === touched) wave(); // else it starts with the answer
  };

  const stage = new RippleStage(settings.title, settings.elements, settings.axes, { select: touch, hover() {} });
  const rounds = slider("rounds T", { min: 0, max: settings.T_max ?? 0, step: 1 }, (T) => ask({ T }));
  rounds.input.disabled = !settings.rounds_can_change || !alive;
  const group = `ripple-kind-${Math.random()}`; // radio buttons of different views must not be one group
  const kinds = Object.entries(settings.kinds).map(([kind, { name, symbol }]) => {
    const input = make("input", { type: "radio", name: group, value: kind, onchange: () => { model.set("kind", kind); model.save_changes(); } });
    return { kind, input, root: make("label", { class: "checkbox" }, input, kind === "hops" ? name : `${name}, ${symbol}`) };
  });
  const problem = make("div", { class: "problem", role: "alert", hidden: true });
  const legend = make("div", { class: "legend", "aria-hidden": "true" });
  const status = make("p", { class: "status" });
  const live = make("p", { class: "unseen", "aria-live": "polite" });
  const caption = make("caption");
  const body = make("tbody");
  const heads = ["atom j", "edges", ...["energy", "force"].map((kind) => `${settings.kinds[kind].symbol}, ${settings.kinds[kind].unit}`)];
  const table = make("details", { class: "numbers" }, make("summary", {}, "Numbers of all atoms"),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "influence of every atom" },
      make("table", {}, caption, make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)))), body)));
  const fixed = !alive ? "This page is a recording: every atom can be touched, the number of rounds is fixed."
    : settings.T_max !== null && !settings.rounds_can_change ? "Of this model, no other number of rounds can be looked at." : "";
  const root = make("section", { class: "course-widget ripple", "aria-label": "Ripple" },
    make("p", { class: "note" }, `Touch an atom i: click it, or go to it with the arrow keys and press Enter. Colours show what each other atom j means to it. Drag to turn the molecule. ${fixed}`),
    make("div", { class: "row" }, settings.T_max === null ? null : rounds.root,
      make("div", { class: "row kinds", role: "radiogroup", "aria-label": "colour by" }, ...kinds.map(({ root }) => root))),
    problem, stage.root, legend, status, table, live);
  el.append(root);

  function paint() {
    const answer = model.get("answer");
    const { atom, hops } = answer;
    const { color, label, words } = scaleOf(answer, model.get("kind"), settings);
    stage.show({
      positions: settings.positions, numbers: settings.numbers, names: settings.names, bonds: settings.bonds, edges, selected: atom,
      atoms: settings.names.map((name, j) => {
        const passed = (hops[j] < 0 ? Infinity : hops[j]) <= front;
        return { fill: passed ? color(j) : EMPTY, label: passed ? label(j) : "", description: `${name}, ${j === atom ? "touched, " : ""}${words(j)}` };
      }),
    });
  }

  function show() {
    const answer = model.get("answer");
    if (settings.T_max !== null) rounds.set(model.get("request").T, String(model.get("request").T));
    kinds.forEach(({ kind, input }) => { input.checked = kind === model.get("kind"); });
    put(problem, { hidden: !answer.problem });
    say(problem, answer.problem);
    paint();
    keyed(legend, scaleOf(answer, model.get("kind"), settings).legend.map((entry, k) => ({ key: k, ...entry })), () => make("span"), (element, { color, text }) => {
      put(element, { class: color ? "swatch" : null });
      element.style.setProperty("--swatch", color ?? null);
      say(element, text);
    });
    say(caption, `i = ${settings.names[answer.atom]}`);
    keyed(body, settings.names.map((name, j) => ({ key: name, j })).sort((a, b) => order(answer.hops[a.j]) - order(answer.hops[b.j]) || a.j - b.j),
      ({ key }) => make("tr", {}, make("th", { scope: "row" }, key), make("td"), make("td"), make("td")),
      (row, { j }) => [answer.hops[j] < 0 ? "no way" : String(answer.hops[j]), ...["energy", "force"].map((kind) => (answer[kind] ? precise(answer[kind][j]) : "–"))]
        .forEach((text, k) => say(row.children[k + 1], text)));
    say(status, answer.problem ? "" : sentence(answer, settings));
    clearTimeout(telling);
    telling = setTimeout(() => say(live, sentence(answer, settings)), 300);
  }

  // The nearest come first: what is one edge farther, the touched atom hears one round later.
  function wave() {
    cancelAnimationFrame(frame);
    front = Infinity;
    if (still.matches) return;
    const farthest = Math.max(...model.get("answer").hops);
    const seconds = Math.min(SECONDS_A_HOP, SECONDS_IN_ALL / farthest);
    const start = performance.now();
    const spread = (now) => {
      front = Math.max(0, now - start) / 1000 / seconds; // a frame may have begun before the start
      if (front > farthest) front = Infinity;
      else frame = requestAnimationFrame(spread);
      paint();
    };
    spread(start);
  }

  const answered = () => {
    show();
    if (model.get("answer").atom !== touched) {
      touched = model.get("answer").atom;
      wave();
    }
  };
  const listeners = { "change:answer": answered, "change:kind": show, "change:request": show };
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener);
  show();
  return () => {
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener);
    cancelAnimationFrame(frame);
    clearTimeout(telling);
    stage.destroy();
  };
}

const order = (h) => (h < 0 ? Infinity : h);

const widget = { render };
export default widget;
