// The ripple: one atom is touched, and all others are coloured by how many edges away they are, or how much they matter.
import { counted, cosineCutoff, distance, number } from "./logic.mjs";
import { keyed, make, put, say, slider } from "./dom.mjs";
import { Stage } from "./stage.mjs";

// Okabe and Ito's colours, one a hop; the number stands beside the atom too.
const HOPS = ["#0072B2", "#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00", "#CC79A7", "#999999"];
// Five colours of the map cividis, dark to bright.
const CIVIDIS = [[0, 32, 77], [65, 77, 107], [124, 123, 120], [188, 175, 111], [255, 234, 70]];
const DEAF = "#ffffff"; // an atom without any influence
const SECONDS_A_HOP = 0.35;
let views = 0; // radio buttons of different views must not be one group

export function cividis(part) {
  const at = Math.max(0, Math.min(1, part)) * (CIVIDIS.length - 1);
  const [low, high] = [CIVIDIS[Math.floor(at)], CIVIDIS[Math.ceil(at)]];
  return `#${low.map((value, k) => Math.round(value + (high[k] - value) * (at % 1)).toString(16).padStart(2, "0")).join("")}`;
}

// Where a size stands between the faintest (0) and the loudest (1), on a logarithmic scale.
export const loudness = (size, loudest, faintest) => 1 - Math.log(Math.max(size / loudest, faintest)) / Math.log(faintest);

// The dark end of the scale: the power of ten below the faintest size that is not zero.
export const floor = (sizes, loudest, least) =>
  Math.max(least, 10 ** Math.floor(Math.log10(Math.min(...sizes.filter((size) => size > 0), loudest) / loudest - 1e-12)));

function render({ model, el }) {
  const settings = model.get("settings");
  const alive = model.get("live");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const pairs = [settings.senders, settings.receivers].map((view) => new Int32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)));
  const edges = [...pairs[0]].map((j, k) => {
    const i = pairs[1][k];
    return { j, i, width: 1, color: null, alpha: 0.08 + 0.35 * cosineCutoff(distance(settings.positions[j], settings.positions[i]), settings.cutoff) };
  });
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
    cancelAnimationFrame(frame);
    if (still.matches) return;
    const start = performance.now();
    const spread = (now) => {
      front = (now - start) / 1000 / SECONDS_A_HOP;
      if (front > Math.max(...model.get("answer").hops)) front = Infinity;
      else frame = requestAnimationFrame(spread);
      show();
    };
    front = 0;
    frame = requestAnimationFrame(spread);
  };

  const stage = new Stage(settings.title, settings.elements, settings.axes, { select: touch, hover() {} });
  const rounds = slider("rounds T", { min: 0, max: settings.T_max ?? 0, step: 1 }, (T) => ask({ T }));
  rounds.input.disabled = !settings.rounds_can_change || !alive;
  const group = `ripple-kind-${++views}`;
  const kinds = Object.entries(settings.kinds).map(([kind, words]) => {
    const input = make("input", { type: "radio", name: group, value: kind, onchange: () => { model.set("kind", kind); model.save_changes(); show(); } });
    return { kind, input, root: make("label", { class: "checkbox" }, input, words) };
  });
  const problem = make("div", { class: "problem", role: "alert", hidden: true });
  const legend = make("div", { class: "legend", "aria-hidden": "true" });
  const status = make("p", { class: "status" });
  const live = make("p", { class: "unseen", "aria-live": "polite" });
  const body = make("tbody");
  const table = make("details", { class: "numbers" }, make("summary", {}, "Numbers"),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "influence of every atom" },
      make("table", {}, make("thead", {}, make("tr", {}, ...["atom j", "edges", settings.kinds.energy, settings.kinds.force].map((text) => make("th", { scope: "col" }, text)))), body)));
  const root = make("section", { class: "course-widget ripple", "aria-label": "Ripple" },
    make("div", { class: "row" }, ...(settings.T_max === null ? [] : [rounds.root]), make("div", { class: "row", role: "radiogroup", "aria-label": "colour the atoms by" }, ...kinds.map(({ root }) => root))),
    alive ? null : make("p", { class: "note" }, "This page is a recording: every atom can be touched, the number of rounds is fixed."),
    problem, stage.root, legend, status, table, live);
  el.append(root);

  function show() {
    const answer = model.get("answer"), kind = model.get("kind");
    const { atom, T, hops } = answer;
    const sizes = kind === "hops" ? null : answer[kind];
    const loudest = sizes && Math.max(...sizes, 1e-300);
    const faintest = sizes && floor(sizes, loudest, settings.faintest);
    if (settings.T_max !== null) rounds.set(T, String(T));
    kinds.forEach(({ kind: name, input }) => { input.checked = name === kind; });
    put(problem, { hidden: !answer.problem });
    say(problem, answer.problem);
    stage.show({
      positions: settings.positions, numbers: settings.numbers, names: settings.names, bonds: settings.bonds, edges, selected: atom,
      atoms: settings.names.map((name, j) => {
        const passed = hops[j] >= 0 && hops[j] <= front;
        const value = sizes ? sizes[j] : hops[j];
        const words = sizes ? `${settings.kinds[kind]}: ${number(value)}` : hops[j] < 0 ? "never heard" : counted(hops[j], "edge");
        return {
          description: `${name}, ${words} of ${settings.names[atom]}`.replace(/ of (\S+)$/, j === atom ? ", touched" : sizes ? ", for $1" : " from $1"),
          fill: !passed ? DEAF : sizes ? (value > 0 ? cividis(loudness(value, loudest, faintest)) : DEAF) : HOPS[Math.min(hops[j], HOPS.length - 1)],
          label: !passed ? "" : sizes ? (value > 0 ? short(value) : "0") : String(hops[j]), faint: sizes ? passed && value === 0 : hops[j] < 0,
        };
      }),
    });
    keyed(legend, scale(kind, hops, loudest, faintest), () => make("span"), (element, { color, text }) => {
      element.style.setProperty("--swatch", color);
      say(element, text);
    });
    keyed(body, settings.names.map((name, j) => ({ key: name, j })).sort((a, b) => hops[a.j] - hops[b.j] || a.j - b.j),
      ({ key }) => make("tr", {}, make("th", { scope: "row" }, key), make("td"), make("td"), make("td")),
      (row, { j }) => [hops[j] < 0 ? "–" : String(hops[j]), ...["energy", "force"].map((k) => (answer[k] ? number(answer[k][j], 6) : "–"))]
        .forEach((text, k) => say(row.children[k + 1], text)));
    say(status, sentence(answer, settings));
    clearTimeout(telling);
    telling = setTimeout(() => say(live, sentence(answer, settings)), 300);
  }

  const events = ["change:answer", "change:kind"];
  events.forEach((event) => model.on(event, show));
  show();
  return () => {
    events.forEach((event) => model.off(event, show));
    cancelAnimationFrame(frame);
    clearTimeout(telling);
    stage.destroy();
  };
}

const short = (value) => (value >= 0.01 ? number(value, value < 10 ? 2 : 0) : value.toExponential(0).replace("-", "−"));

function scale(kind, hops, loudest, faintest) {
  if (kind === "hops") {
    return Array.from({ length: Math.max(...hops) + 1 }, (_, h) => ({ key: h, color: HOPS[Math.min(h, HOPS.length - 1)], text: h === 0 ? "touched" : counted(h, "edge") }));
  }
  return [1, 0.75, 0.5, 0.25, 0].map((part) => ({ key: part, color: cividis(part), text: short(loudest * faintest ** (1 - part)) }))
    .concat({ key: "none", color: DEAF, text: "exactly 0" });
}

// What is reached, and how faint it is there.
export function sentence({ atom, T, hops, energy, force, problem }, { names, cutoff }) {
  if (problem) return problem;
  const n = names.length;
  const far = (sizes) => Math.max(...hops.map((h, j) => (sizes[j] > 0 ? h : 0)));
  const heard = (sizes) => sizes.filter((size) => size > 0).length;
  const rounds = T === null || T === undefined ? "" : `With ${counted(T, "round")} and a cutoff of ${cutoff} Å, `;
  const first = `${rounds}${rounds ? "the" : "The"} energy of ${names[atom]} depends on ${heard(energy)} of ${counted(n, "atom")}, up to ${counted(far(energy), "edge")} away; ` +
    `the force on it depends on ${heard(force)}, up to ${counted(far(force), "edge")} away.`;
  const edge = far(force);
  const loudest = Math.max(...force), last = Math.max(...force.filter((_, j) => hops[j] === edge));
  return edge > 0 && loudest > 0 ? `${first} At ${counted(edge, "edge")} the influence on the force is ${Number(((100 * last) / loudest).toPrecision(2))} % of the largest.` : first;
}

const widget = { render };
export default widget;
