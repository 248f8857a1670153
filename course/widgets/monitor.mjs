// The training monitor: errors over the seconds, predictions against their reference. All is drawn anew when Python
// sends a new state, about once a second.

import { atAxis, dots, lineThrough, linear, linearTicks, logRange, logTicks, logarithmic } from "./axes.mjs";
import { draw, make, put, say } from "./dom.mjs";

// ----------------------------------------------------------------------------- numbers, without any document

// Bytes from Python as rows of so many numbers. They may start anywhere in a larger buffer, so they are copied.
export function rowsOf(view, width) {
  const values = new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  return Array.from({ length: values.length / width }, (_, k) => [...values.subarray(k * width, (k + 1) * width)]);
}

// The row with the smallest force error, whose weights are kept.
export function bestOf(rows) {
  return rows.reduce((best, row) => (row[FORCES] < best[FORCES] || Number.isNaN(best[FORCES]) ? row : best));
}

// At most about ten rows, the last one among them.
export function fewOf(rows) {
  const step = Math.ceil(rows.length / 10);
  return rows.filter((_, k) => (rows.length - 1 - k) % step === 0);
}

export function short(value) {
  if (!Number.isFinite(value)) return "–";
  if (value >= 100) return value.toFixed(0);
  return value >= 1 ? value.toFixed(1) : String(Number(value.toPrecision(2)));
}

// ----------------------------------------------------------------------------- curves

const [EPOCH, SECONDS, RATE, LOSS, ENERGY, FORCES] = [0, 1, 2, 3, 4, 5]; // the columns of `Epoch`
const LEFT = 46, RIGHT = 448, MOST_DOTS = 60;

// A panel of the curves, from the height `top` to the height `bottom`: grid, numbers at the axis, and a curve for each name.
function panel(top, bottom, ...names) {
  const grid = draw("g", { class: "grid-lines" });
  const curves = names.map((name) => [draw("path", { class: name }), draw("path", { class: `${name} dots` })]);
  return {
    root: draw("g", {}, grid, draw("path", { class: "frame", d: `M${LEFT} ${top}V${bottom}H${RIGHT}` }), ...curves.flat()),
    setGrid(ticks, y, xTicks, x) {
      const across = ticks.map((tick) => draw("path", { d: `M${LEFT} ${y(tick).toFixed(1)}H${RIGHT}` }));
      const upwards = xTicks.map((tick) => draw("path", { d: `M${x(tick).toFixed(1)} ${top}V${bottom}` }));
      const numbers = ticks.map((tick) => draw("text", { x: LEFT - 5, y: y(tick) + 4, class: "left" }, atAxis(tick)));
      grid.replaceChildren(...across, ...upwards, ...numbers);
    },
    setCurve(k, points) {
      put(curves[k][0], { d: lineThrough(points) });
      put(curves[k][1], { d: points.length <= MOST_DOTS ? dots(points) : "" });
    },
  };
}

function curves() {
  const errors = panel(26, 176, "forces", "energy"), loss = panel(206, 272, "loss"), rate = panel(300, 326, "rate");
  const kept = draw("circle", { class: "kept", r: 6 }), keptName = draw("text", { class: "left over" });
  const name = (x, y, text) => draw("text", { x, y, class: "name" }, text);
  const forceNow = name(178, 16, ""), energyNow = name(338, 16, ""), lossNow = name(LEFT, 197, ""), rateNow = name(LEFT, 291, "");
  const numbers = draw("g", {});
  const root = draw(
    "svg", { viewBox: "0 0 460 360", role: "img", "aria-label": "Errors, loss and learning rate over the seconds of training" },
    errors.root, kept, keptName, loss.root, rate.root, numbers,
    name(LEFT, 16, "validation MAE"), forceNow, energyNow, lossNow, rateNow,
    draw("path", { class: "forces", d: "M152 12h20" }), draw("path", { class: "energy", d: "M312 12h20" }),
    draw("text", { x: (LEFT + RIGHT) / 2, y: 357, class: "middle" }, "seconds of training"),
  );
  return {
    root,
    show(rows, secondsLeft, ended) {
      const last = rows.at(-1), end = last ? last[SECONDS] + secondsLeft : 1;
      const x = linear([0, end], [LEFT, RIGHT]), xTicks = last ? linearTicks(0, end) : [];
      const column = (index, y) => rows.map((row) => [x(row[SECONDS]), y(row[index])]);

      const errorRange = logRange(rows.flatMap((row) => [row[FORCES], row[ENERGY]]));
      const errorHeight = logarithmic(errorRange, [176, 26]);
      errors.setGrid(last ? logTicks(...errorRange, 8) : [], errorHeight, xTicks, x);
      errors.setCurve(0, column(FORCES, errorHeight));
      errors.setCurve(1, column(ENERGY, errorHeight));

      const lossRange = logRange(rows.map((row) => row[LOSS]));
      const lossHeight = logarithmic(lossRange, [272, 206]);
      loss.setGrid(last ? logTicks(...lossRange, 4) : [], lossHeight, xTicks, x);
      loss.setCurve(0, column(LOSS, lossHeight));

      const top = Math.max(...rows.map((row) => row[RATE]), 1e-9);
      const rateHeight = linear([0, top], [326, 300]);
      rate.setGrid(last ? [0, Number(top.toPrecision(2))] : [], rateHeight, xTicks, x);
      rate.setCurve(0, column(RATE, rateHeight));

      numbers.replaceChildren(...xTicks.map((tick) => draw("text", { x: x(tick), y: 341, class: "middle" }, atAxis(tick))));
      const now = (index) => (last ? short(last[index]) : "");
      say(forceNow, `forces ${now(FORCES)} meV/Å`);
      say(energyNow, `energy ${now(ENERGY)} meV`);
      say(lossNow, `training loss ${now(LOSS)}`);
      say(rateNow, `learning rate ${now(RATE)}`);
      const best = last && bestOf(rows);
      const height = best ? errorHeight(best[FORCES]) : NaN;
      put(kept, Number.isFinite(height) ? { cx: x(best[SECONDS]), cy: height, hidden: false } : { hidden: true });
      put(keptName, Number.isFinite(height) ? { x: x(best[SECONDS]) + 4, y: height + (height < 50 ? 20 : -10), hidden: false } : { hidden: true });
      say(keptName, ended ? "kept" : "best");
    },
  };
}

// ----------------------------------------------------------------------------- predictions against their reference

const START = 48, TOP = 24, SIDE = 204, DOTS = 640; // DOTS: the canvas is finer than the page, and needs no measuring

function parity(kind, what, column, unit) {
  const share = (length, whole) => `${(100 * length) / whole}%`;
  const place = `left:${share(START, 260)};top:${share(TOP, 270)};width:${share(SIDE, 260)};height:${share(SIDE, 270)}`;
  const canvas = make("canvas", { class: kind, width: DOTS, height: DOTS, style: place, "aria-hidden": "true" });
  const numbers = draw("g", {});
  const title = draw("text", { x: START + SIDE / 2, y: 15, class: "middle name" });
  const svg = draw(
    "svg", { viewBox: "0 0 260 270", role: "img" },
    draw("path", { class: "frame", d: `M${START} ${TOP}h${SIDE}v${SIDE}h${-SIDE}zM${START} ${TOP + SIDE}l${SIDE} ${-SIDE}` }),
    numbers, title,
    draw("text", { x: START + SIDE / 2, y: 266, class: "middle" }, "reference"),
    draw("text", { transform: `translate(11 ${TOP + SIDE / 2}) rotate(-90)`, class: "middle" }, "predicted"),
  );
  const caption = make("figcaption");
  return {
    root: make("figure", { class: "parity" }, make("div", {}, canvas, svg), caption),
    canvas,
    show(pairs, [low, high], best, ended) {
      const x = linear([low, high], [START, START + SIDE]), y = linear([low, high], [TOP + SIDE, TOP]);
      const known = best && pairs.length > 0;
      numbers.replaceChildren(...(known ? linearTicks(low, high) : []).flatMap((tick) => [
        draw("text", { x: x(tick), y: TOP + SIDE + 15, class: "middle" }, atAxis(tick)),
        draw("text", { x: START - 5, y: y(tick) + 4, class: "left" }, atAxis(tick)),
      ]));

      const ink = canvas.getContext("2d"), dot = linear([low, high], [0, DOTS]), size = pairs.length > 500 ? 7 : 10;
      ink.clearRect(0, 0, DOTS, DOTS);
      ink.fillStyle = getComputedStyle(canvas).color;
      ink.globalAlpha = pairs.length > 500 ? 0.35 : 0.6;
      let beyond = 0; // these lie on the rim
      for (const [reference, predicted] of pairs) {
        const height = Math.min(Math.max(dot(predicted), 0), DOTS);
        if (predicted < low || predicted > high) beyond++;
        ink.fillRect(dot(reference) - size / 2, DOTS - height - size / 2, size, size);
      }

      say(title, `${known ? `${pairs.length} ` : ""}${what}`);
      const text = known ? `MAE ${short(best[column])} ${unit}, ${ended ? "kept" : "best"}: epoch ${best[EPOCH]}` : "no prediction yet";
      say(caption, text + (beyond ? `; ${beyond} beyond the frame` : ""));
      put(svg, { "aria-label": `Predicted against reference: ${title.textContent}; ${caption.textContent}` });
    },
  };
}

// ----------------------------------------------------------------------------- all of it

const SECONDS_BETWEEN_WORDS = 20; // for who listens: a sentence a second would be noise

function render({ model, el }) {
  const status = make("p", { class: "now", "aria-hidden": "true" }); // what is said, without delay
  const live = make("p", { class: "unseen", role: "status" });
  const lines = curves();
  const forces = parity("forces", "force components, eV/Å", FORCES, "meV/Å");
  const energies = parity("energy", "energies − mean, eV", ENERGY, "meV");
  const head = ["epoch", "seconds", "learning rate", "loss", "energy, meV", "forces, meV/Å"];
  const body = make("tbody");
  const details = make(
    "details", { open: model.get("table"), ontoggle: keepTable },
    make("summary", {}, "Table"),
    make("table", {}, make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))), body),
  );
  el.append(make(
    "div", { class: "course-widget training-monitor" },
    status, live, make("div", { class: "figures" }, make("figure", { class: "curves" }, lines.root), forces.root, energies.root), details,
  ));

  function keepTable() {
    model.set("table", details.open);
    model.save_changes();
  }

  let spoken = -Infinity;
  function show() {
    frame = undefined;
    const rows = rowsOf(model.get("epochs"), head.length), ended = model.get("stopped") !== "", ends = model.get("ends");
    const best = rows.length ? bestOf(rows) : undefined;
    lines.show(rows, ended ? 0 : model.get("seconds_left"), ended);
    forces.show(rowsOf(model.get("forces"), 2), ends.forces, best, ended);
    energies.show(rowsOf(model.get("energies"), 2), ends.energies, best, ended);
    body.replaceChildren(...fewOf(rows).map((row) => make("tr", {}, ...row.map((value, column) => make("td", {}, column === EPOCH ? String(value) : short(value))))));
    say(status, model.get("words"));
    if (ended || performance.now() - spoken > 1000 * SECONDS_BETWEEN_WORDS) {
      say(live, model.get("words"));
      spoken = performance.now();
    }
  }

  // One message from Python changes many traits; they are drawn together, with the next frame.
  let frame;
  const later = () => { frame ??= requestAnimationFrame(show); };
  model.on("change", later);
  show();
  const placed = new ResizeObserver(later); // a canvas learns the colours of the theme when it has its place on the page
  placed.observe(forces.canvas);
  return () => {
    model.off("change", later);
    placed.disconnect();
    cancelAnimationFrame(frame);
  };
}

const widget = { render };
export default widget;
