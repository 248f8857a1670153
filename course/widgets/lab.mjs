// The lab: controls, and the panels that Python computes from them. Every element is made once and changes in place.
import { atAxis, lineThrough, linear, linearTicks } from "./axes.mjs";
import { applied, counted, norm, number, transposed } from "./logic.mjs";
import { button, checkbox, draw, keyed, make, paced, put, say, slider } from "./dom.mjs";
import { Stage } from "./stage.mjs";

const PAUSE = 33; // ms between two requests while a pointer is down
const WIDTH = 330, HEIGHT = 220, TOP = 8, RIGHT = 318, BOTTOM = 176; // of a chart
const DASHES = [null, "7 4", "2 4", "10 3 2 3"];
const FEW = 9; // so many atoms have room for their numbers

// ----------------------------------------------------------------------------- numbers, without any document

// The ends of an axis: round numbers around all values, so that they rest while values change a little.
export function roundRange(values, zero = false) {
  const good = values.filter((value) => value !== null);
  if (zero || good.length === 0) good.push(0);
  let [low, high] = [Math.min(...good), Math.max(...good)];
  if (high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high), 1e-3)) [low, high] = [low - (zero && low >= 0 ? 0 : 1), high + 1];
  const ticks = linearTicks(low, high), step = ticks.length > 1 ? ticks[1] - ticks[0] : high - low;
  const round = (f, value) => Number((f(Number((value / step).toPrecision(9))) * step).toPrecision(12));
  return [round(Math.floor, low), round(Math.ceil, high)];
}

// The value of a line at `at`, between its two neighbours. Beside a gap it is that of the only one, in a gap null.
export function valueAt(xs, ys, at) {
  for (let k = 0; k + 1 < xs.length; k++) {
    if (at < xs[k] || at > xs[k + 1] || xs[k] === xs[k + 1]) continue;
    const part = (at - xs[k]) / (xs[k + 1] - xs[k]);
    return ys[k] === null || ys[k + 1] === null ? ys[k] ?? ys[k + 1] : (1 - part) * ys[k] + part * ys[k + 1];
  }
  return null;
}

// The bars of series k of n_series as one path, in groups of 80 % of the room.
export function barPath(values, k, n_series, x, y) {
  const width = (x(1) - x(0)) * 0.8 / n_series;
  return values.map((value, i) => (value === null ? "" : `M${(x(i - 0.4) + k * width).toFixed(1)} ${y(0).toFixed(1)}h${width.toFixed(1)}V${y(value).toFixed(1)}h${(-width).toFixed(1)}z`)).join("");
}

// The colour of a value; none for what is no number.
export function shade(value, [low, high], colors) {
  if (value === null) return "var(--paper)";
  return colors[Math.round((high > low ? (value - low) / (high - low) : 0.5) * (colors.length - 1))];
}

// As many digits behind the point as the steps of a slider need.
export const digits = (step) => (String(step).split(".")[1] ?? "").length;

// Four digits, whatever the size.
export const plain = (value) => (value === null ? "–" : Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? number(value) : String(Number(value.toPrecision(4))).replace("-", "−"));

// ----------------------------------------------------------------------------- panels: { root, show(panel, lab), destroy }

const swatches = (legend, series) => keyed(legend, series.map((one, k) => ({ key: k, ...one })), () => make("span", { class: "swatch" }), (element, { color, text }) => {
  element.style.setProperty("--swatch", color);
  say(element, text);
});

// A frame with two axes. `show` draws them and returns the scales.
function chart(...marks) {
  const grid = draw("g", { class: "grid-lines" }), numbers = draw("g"), frame = draw("path", { class: "frame" });
  const xName = draw("text", { y: HEIGHT - 6, class: "middle" }), yName = draw("text", { class: "middle" });
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }, grid, ...marks, frame, numbers, xName, yName);
  const title = make("h4"), legend = make("div", { class: "legend" });
  return {
    root: make("figure", { class: "panel chart" }, title, svg, legend), legend,
    show(panel, xRange, yRange, xTicks, words) {
      const yTicks = linearTicks(...yRange);
      const left = 26 + 7 * Math.max(...yTicks.map((tick) => atAxis(tick).length));
      const x = linear(xRange, [left, RIGHT]), y = linear(yRange, [BOTTOM, TOP]);
      const down = xTicks.map(({ at, text }) => ({ key: `x${at}`, text, d: `M${x(at).toFixed(1)} ${TOP}V${BOTTOM}`, x: x(at).toFixed(1), y: BOTTOM + 16, class: "middle" }));
      const across = yTicks.map((tick) => ({ key: `y${tick}`, text: atAxis(tick), d: `M${left} ${y(tick).toFixed(1)}H${RIGHT}`, x: left - 5, y: (y(tick) + 4).toFixed(1), class: "left" }));
      keyed(grid, panel.kind === "bars" ? across : [...across, ...down], () => draw("path"), (path, { d }) => put(path, { d }));
      keyed(numbers, [...across, ...down], () => draw("text"), (text, item) => { put(text, { x: item.x, y: item.y, class: item.class }); say(text, item.text); });
      put(frame, { d: `M${left} ${TOP}V${BOTTOM}H${RIGHT}` });
      put(xName, { x: (left + RIGHT) / 2 });
      put(yName, { transform: `translate(11 ${(TOP + BOTTOM) / 2}) rotate(-90)` });
      say(xName, panel.x_label);
      say(yName, panel.y_label);
      put(title, { hidden: !panel.title });
      say(title, panel.title);
      put(svg, { "aria-label": `${panel.title}: ${panel.y_label} over ${panel.x_label}. ${words}` });
      return [x, y];
    },
  };
}

function curvesPanel() {
  const lines = draw("g"), points = draw("g"), marker = draw("path", { class: "marker" });
  const { root, legend, show } = chart(lines, marker, points);
  return {
    root,
    show(panel) {
      const { x: xs, series, at } = panel;
      const range = [Math.min(...xs), Math.max(...xs)];
      const now = series.map(({ values }) => (at === null ? null : valueAt(xs, values, at)));
      const texts = series.map(({ label }, k) => (at === null ? label : `${label}: ${plain(now[k])}`));
      const words = at === null ? texts.join(", ") : `At ${plain(at)}: ${texts.join(", ")}`;
      const xTicks = linearTicks(...range, 6).map((tick) => ({ at: tick, text: atAxis(tick) }));
      const [x, y] = show(panel, range, roundRange(series.flatMap(({ values }) => values)), xTicks, words);
      keyed(lines, series.map((one, k) => ({ key: k, ...one })), () => draw("path", { class: "curve" }), (path, { key, values, color }) => {
        put(path, { d: lineThrough(values.map((value, i) => [x(xs[i]), value === null ? NaN : y(value)])), stroke: color, "stroke-dasharray": DASHES[key % DASHES.length] });
      });
      const inside = at !== null && at >= range[0] && at <= range[1];
      put(marker, { d: inside ? `M${x(at).toFixed(1)} ${TOP}V${BOTTOM}` : "" });
      keyed(points, series.flatMap(({ color }, k) => (now[k] === null ? [] : [{ key: k, color }])), () => draw("circle", { r: 4 }), (circle, { key, color }) => {
        put(circle, { cx: x(at).toFixed(1), cy: y(now[key]).toFixed(1), fill: color });
      });
      swatches(legend, series.map(({ color }, k) => ({ color, text: texts[k] })));
    },
  };
}

function barsPanel() {
  const columns = draw("g"), zero = draw("path", { class: "frame" });
  const { root, legend, show } = chart(columns, zero);
  return {
    root,
    show(panel) {
      const { names, series } = panel, n = names.length;
      const range = roundRange(series.flatMap(({ values }) => values), true);
      const step = Math.ceil((n * (8 + 7 * Math.max(1, ...names.map(({ length }) => length)))) / 270); // so many names have no room
      const xTicks = names.map((text, at) => ({ at, text })).filter(({ at }) => at % step === 0);
      const words = series.map(({ label, values }) => `${label}: ${values.slice(0, 20).map(plain).join(", ")}${n > 20 ? " and more" : ""}`).join("; ");
      const [x, y] = show(panel, [-0.5, Math.max(n, 1) - 0.5], range, xTicks, words);
      keyed(columns, series.map((one, k) => ({ key: k, ...one })), () => draw("path", { class: "bar" }), (path, { key, values, color }) => put(path, { d: barPath(values, key, series.length, x, y), style: `fill:${color}` }));
      put(zero, { d: `M${x(-0.5).toFixed(1)} ${y(0).toFixed(1)}H${RIGHT}` });
      swatches(legend, series.map(({ label, color }) => ({ color, text: label })));
    },
  };
}

function tablePanel() {
  const caption = make("caption"), head = make("tr"), body = make("tbody");
  const root = make("div", { class: "panel scroll", tabindex: 0, role: "region" }, make("table", {}, caption, make("thead", {}, head), body));
  return {
    root,
    show({ title, columns, rows, words }) {
      say(caption, title);
      put(root, { "aria-label": title });
      keyed(head, ["", ...columns].map((text, key) => ({ key, text })), ({ key }) => make(key === 0 ? "td" : "th", key === 0 ? {} : { scope: "col" }), (element, { text }) => say(element, text));
      keyed(body, rows.map(([name, cells], key) => ({ key, name, cells })), () => make("tr"), (row, { name, cells }) => {
        keyed(row, [name, ...cells].map((value, key) => ({ key, value })), ({ key }) => make(key === 0 ? "th" : "td", key === 0 ? { scope: "row" } : {}), (element, { value }) => {
          put(element, { class: value === true ? "yes" : value === false ? "no" : null });
          say(element, value === true ? words[0] : value === false ? words[1] : value);
        });
      });
    },
  };
}

function wordsPanel() {
  const root = make("p", { class: "panel words" });
  return { root, show: ({ text }) => say(root, text) };
}

function geometryPanel({ elements }, { title, axes }) {
  const heading = make("h4"), note = make("p", { class: "note" });
  const low = make("span"), high = make("span"), bar = make("span", { class: "bar" });
  const legend = make("div", { class: "legend colors" }, low, bar, high);
  const stage = new Stage(title, elements, axes, { select() {}, hover() {} });
  let view = null;
  return {
    root: make("figure", { class: "panel" }, heading, stage.root, legend, note),
    destroy: () => stage.destroy(),
    show(panel, lab) {
      const { names, numbers, values, limits, unit, forces, force_scale, sphere, moves, marked } = panel;
      const moved = moves === null || lab.answers(moves) ? null : lab.state[moves];
      const positions = moved?.length === numbers.length ? moved : panel.positions; // an answer is behind the hand
      stage.elements = lab.elements;
      stage.on.move = moves !== null && lab.alive ? (R) => lab.move(moves, R) : undefined;
      if (view !== panel.view) {
        [view, stage.start] = [panel.view, panel.axes];
        stage.reset();
      }
      const rim = sphere ? stage.axes.slice(0, 2).flatMap((axis) => [1, -1].map((side) => positions[sphere[0]].map((x, k) => x + side * sphere[1] * axis[k]))) : [];
      stage.include([...positions, ...rim]);
      stage.show({
        positions, numbers, names, forces, bonds: panel.bonds, edges: [], forceScale: force_scale, sphere: sphere?.[1], center: sphere?.[0], selected: null,
        atoms: names.map((name, k) => ({
          fill: values ? shade(values[k], limits ?? [0, 1], lab.colors) : null,
          ring: marked.includes(k) ? "var(--ink)" : null,
          label: values && names.length <= FEW && values[k] !== null ? number(values[k], 2) : "",
          description: [`${name}, ${lab.elements[numbers[k]].name}`, values && values[k] !== null ? `${plain(values[k])} ${unit}` : null,
            forces ? `force ${plain(norm(forces[k]))} electronvolt per angstrom` : null, marked.includes(k) ? "marked" : null].filter(Boolean).join(", "),
        })),
      });
      put(legend, { hidden: !limits });
      if (limits) {
        bar.style.background = `linear-gradient(to right, ${lab.colors.join()})`;
        say(low, plain(limits[0]));
        say(high, `${plain(limits[1])} ${unit}`);
      }
      put(heading, { hidden: !panel.title });
      say(heading, panel.title);
      say(note, [panel.note, forces ? `An arrow of 1 Å is ${plain(force_scale)} eV/Å.` : "",
        stage.on.move ? "Drag an atom, or move it with Shift and the arrow keys." : ""].filter(Boolean).join(" "));
    },
  };
}

const PANELS = { geometry: geometryPanel, curves: curvesPanel, bars: barsPanel, table: tablePanel, words: wordsPanel };

// ----------------------------------------------------------------------------- controls: { root, set(value) }

function control({ kind, name, label, low, high, step, unit, options }, ask) {
  if (kind === "slider") {
    const { root, input, set } = slider(label, { min: low, max: high, step }, (value) => ask({ [name]: value }));
    return { root, input, set: (value) => set(value, `${value.toFixed(digits(step)).replace("-", "−")} ${unit}`.trim()) };
  }
  if (kind === "switch") {
    const { root, input } = checkbox(label, (value) => ask({ [name]: value }));
    return { root, input, set: (value) => { input.checked = value; } };
  }
  if (kind === "choice") {
    const input = make("select", { onchange: () => ask({ [name]: input.value }) }, ...options.map((option) => make("option", { value: option }, option)));
    return { root: make("label", { class: "slider" }, make("span", {}, label), input), input, set: (value) => { input.value = value; } };
  }
  return { root: null, set() {} }; // its atoms are dragged
}

// ----------------------------------------------------------------------------- the view

function render({ model, el }) {
  const { title, controls: list, colors, first } = model.get("settings");
  const alive = model.get("live"), recordings = model.get("recordings");
  let state = model.get("state"), own = false, frame = 0, telling = 0;
  let views = []; // one a panel: { kind, root, show }

  const requests = paced(() => {
    own = true; // the model reports every change, also those that come from here
    model.set("state", state);
    own = false;
    model.save_changes();
  }, PAUSE);

  function ask(change) {
    state = { ...state, ...change };
    if (alive) requests.go();
    setControls();
  }

  const controls = list.map((each) => control(each, ask));
  const root = make("section", { class: "course-widget lab", "aria-label": title || "Lab" });
  const recorded = alive ? -1 : list.findIndex(({ kind }) => kind === "slider");
  if (recorded >= 0) {
    const { label, name, step, unit } = list[recorded];
    const { root: place, set } = slider(label, { min: 0, max: recordings.length - 1, step: 1 }, (k) => { state = recordings[k].state; model.set("answer", recordings[k]); });
    controls[recorded] = { root: place, set: (value) => set(recordings.findIndex((each) => each.state[name] === value), `${value.toFixed(digits(step)).replace("-", "−")} ${unit}`.trim()) };
  }
  if (!alive) controls.forEach(({ input }, k) => { if (k !== recorded && input) input.disabled = true; });
  const still = recorded >= 0 ? `This page is a recording: only "${list[recorded].label}" can be changed.` : "This page is a recording, in which nothing can be changed.";
  const problem = make("div", { class: "problem", role: "alert", hidden: true });
  const panels = make("div", { class: "panels" });
  const live = make("p", { class: "unseen", "aria-live": "polite" });
  root.append(
    ...(title ? [make("h4", {}, title)] : []), ...(alive ? [] : [make("p", { class: "note" }, still)]),
    make("div", { class: "row", role: "group", "aria-label": "Controls" }, ...controls.map(({ root: place }) => place).filter(Boolean), alive ? button("Reset", "back to the start", () => ask(first)) : ""),
    problem, panels, live,
  );
  el.append(root);

  function setControls() {
    controls.forEach(({ set }, k) => set(state[list[k].name]));
  }

  const move = (name, positions) => {
    ask({ [name]: positions });
    paint(({ kind }) => kind === "geometry"); // at once: the next move of the pointer starts from here
  };

  function paint(which = () => true) {
    const { panels: data, elements, state: answered } = model.get("answer");
    const answers = (name) => JSON.stringify(answered?.[name]) === JSON.stringify(state[name]);
    const lab = { state, elements, colors, alive, move, answers };
    data.forEach((panel, k) => { if (which(panel)) views[k].show(panel, lab); });
  }

  function show() {
    cancelAnimationFrame(frame);
    const answer = model.get("answer");
    views.forEach((view, k) => { if (view.kind !== answer.panels[k]?.kind) view.destroy?.(); });
    views = answer.panels.map((panel, k) => (views[k]?.kind === panel.kind ? views[k] : { kind: panel.kind, ...PANELS[panel.kind](answer, panel) }));
    if (views.length !== panels.children.length || views.some(({ root: place }, k) => place !== panels.children[k])) panels.replaceChildren(...views.map(({ root: place }) => place));
    put(problem, { hidden: !answer.problem });
    say(problem, answer.problem);
    setControls();
    paint();
    clearTimeout(telling);
    telling = setTimeout(() => say(live, answer.panels.filter(({ kind }) => kind === "words").map(({ text }) => text).join(" ")), 300);
  }

  root.addEventListener("pointerdown", requests.press);
  window.addEventListener("pointerup", requests.release);
  window.addEventListener("pointercancel", requests.release);
  const listeners = {
    "change:answer": () => { cancelAnimationFrame(frame); frame = requestAnimationFrame(show); },
    "change:state": () => { if (!own) { state = model.get("state"); setControls(); } },
  };
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener);
  show();
  return () => {
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener);
    window.removeEventListener("pointerup", requests.release);
    window.removeEventListener("pointercancel", requests.release);
    cancelAnimationFrame(frame);
    requests.stop();
    clearTimeout(telling);
    views.forEach((view) => view.destroy?.());
  };
}

const widget = { render };
export default widget;
