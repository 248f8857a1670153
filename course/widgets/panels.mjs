// What stands beside the molecule: the arithmetic of one atom, matrices, tables, and the card of one edge.
import { component, counted, featuresAfter, fullBar, largest, norm, number, roundsDone, senderColor, signed } from "./logic.mjs";
import { button, draw, keyed, make, put, say } from "./dom.mjs";
import { putBars } from "./stage.mjs";

const PAGE = 4; // components of a vector that are shown as numbers at once
const ROW = 22; // height of a row of a matrix, pixels

// ----------------------------------------------------------------------------- parts

function spark(width, height) {
  const [up, down] = [draw("path", { class: "up" }), draw("path", { class: "down" })];
  const root = draw("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, up, down);
  const paths = { up, down };
  root.fill = (values, limit) => putBars(paths, values, { width, height }, limit);
  return root;
}

// The buttons that turn the pages of a long vector.
class Pager {
  constructor(turn) {
    this.words = make("span", {});
    this.back = button("‹", "components before", () => { if (this.first > 0) turn(this.first - PAGE); });
    this.on = button("›", "components behind", () => { if (this.first + PAGE < this.width) turn(this.first + PAGE); });
    this.root = make("div", { class: "pager" }, this.back, this.words, this.on);
  }

  show(first, width) {
    [this.first, this.width] = [first, width];
    put(this.root, { hidden: width <= PAGE });
    // `disabled` would throw a focused button out of the focus
    put(this.back, { "aria-disabled": first === 0 });
    put(this.on, { "aria-disabled": first + PAGE >= width });
    say(this.words, `components ${first} to ${Math.min(width, first + PAGE) - 1} of ${width}`);
  }
}

const cells = (n, tag = "td") => Array.from({ length: n }, () => make(tag, {}));

// ----------------------------------------------------------------------------- the arithmetic of an atom

export class AtomPanel {
  constructor(actions) {
    this.actions = actions;
    this.title = make("h4", {});
    this.words = make("p", {});
    this.head = make("tr", {});
    [this.body, this.foot] = [make("tbody", {}), make("tfoot", {})]; // the messages, and what becomes of them
    this.pager = new Pager(actions.page);
    this.list = make("div", { class: "atom-list" });
    this.table = make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "arithmetic of the atom" },
      make("table", {}, make("thead", {}, this.head), this.body, this.foot));
    this.root = make("div", { class: "atom-panel" }, this.title, this.words, this.list, this.pager.root, this.table);
  }

  show({ snapshot, title, m, step, selected, first, edges, marked, pinned, names }) {
    const chosen = selected !== null;
    put(this.table, { hidden: !chosen });
    put(this.list, { hidden: chosen });
    put(this.pager.root, { hidden: true });
    if (!chosen) {
      say(this.title, `No atom of ${title} is chosen`);
      say(this.words, "Click an atom in the picture, or choose it here.");
      keyed(this.list, snapshot.names.map((name, k) => ({ key: name, k, name })),
        ({ k }) => make("button", { type: "button", onclick: (event) => this.actions.select(Number(event.target.dataset.m), k) }),
        (element, { name }) => { element.dataset.m = m; say(element, name); });
      return;
    }
    const before = step.t > 0 ? snapshot.rounds[step.t - 1] : null;
    const heard = edges.filter(({ i }) => i === selected).sort((a, b) => (b.size || 0) - (a.size || 0) || a.r - b.r);
    say(this.title, `${snapshot.names[selected]} of ${title}: ${step.kind}`);
    say(this.words, this.explain(snapshot, step, selected, heard, names));
    const rows = this.rows(snapshot, step, selected, before, heard, m);
    const width = Math.max(...rows.map(({ values }) => values.length));
    const shown = Math.min(first, Math.max(0, width - 1));
    this.pager.show(shown, width);
    const limit = fullBar(...rows);
    const columns = Array.from({ length: Math.max(0, Math.min(PAGE, width - shown)) }, (_, k) => shown + k);
    const titles = rows.some(({ numbers }) => numbers) ? ["r, Å", "f_c", "size", "share"] : ["", "", "", ""];
    keyed(this.head, ["", ...titles, "", ...columns.map(String)].map((text, k) => ({ key: `${k} ${text}`, text })),
      ({ text }) => (text ? make("th", { scope: "col" }, text) : make("td")), () => {});
    const [create, fill] = [(row) => this.makeRow(row), (element, row) => this.fillRow(element, row, columns, limit, marked, pinned)];
    keyed(this.body, rows.filter(({ edge }) => edge), create, fill);
    keyed(this.foot, rows.filter(({ edge }) => !edge), create, fill);
  }

  explain(snapshot, { kind, t }, selected, heard, names) {
    if (t > snapshot.rounds.length) return snapshot.problem ? "This step was not reached: see the message above." : "Python is computing this step.";
    const name = snapshot.names[selected];
    const by = (letter, part) => (names[part] && names[part] !== letter ? `, where ${letter} is ${names[part]}` : "");
    return {
      initialise: `${name} knows its element, and has room for more.`,
      message: `${name} hears ${counted(heard.length, "atom")}. Every message: m = f_m(x_j, x_i, e_ij) times f_c${by("f_m", "message")}.`,
      accumulate: "The messages are added, component by component. Their sum is the bundle M_i.",
      update: `The atom makes new features of the bundle and of what it knew: x_i ← f_U(M_i, x_i)${by("f_U", "update")}.`,
      readout: !snapshot.E_i ? "No readout was given, so there is no energy."
        : snapshot.baseline ? `E_i = ${number(snapshot.E_i[selected], 3)} eV: ${number(snapshot.baseline[selected], 3)} for the element, and ${signed(snapshot.E_i[selected] - snapshot.baseline[selected], 3)} from f_R(x_i).`
          : `E_i = f_R(x_i) = ${number(snapshot.E_i[selected], 6)} eV, one term of E.`,
    }[kind];
  }

  rows(snapshot, { kind, t }, selected, before, heard, m) {
    const x = (table, key, label) => ({ key, label, values: table.n_rows ? table.row(selected) : [], kind: "features" });
    if (kind === "initialise") return [x(featuresAfter(snapshot, 0), "x0", "x_i at first")];
    if (kind === "readout" || !before) return [x(snapshot.x_i, "xT", `x_i after ${counted(snapshot.rounds.length, "round")}`)];
    const total = heard.reduce((sum, { size }) => sum + (size || 0), 0) || 1;
    const rows = heard.map((edge) => ({
      key: `m ${snapshot.names[edge.j]}`, kind: "message", edge: { m, j: edge.j, i: edge.i }, label: `${snapshot.names[edge.j]} →`, color: senderColor(edge.j),
      numbers: [number(edge.r, 2), number(edge.f_c, 2), ...(edge.message ? [number(edge.size), `${Math.round((100 * edge.size) / total)} %`] : ["–", "–"])], values: edge.message ?? [],
    }));
    const bundle = before.M_i.row(selected);
    if (kind !== "message") rows.push({ key: "M", kind: "bundle", label: "sum = M_i", numbers: ["", "", number(norm(bundle)), ""], values: bundle });
    if (kind === "update") {
      const after = featuresAfter(snapshot, t);
      rows.push(x(before.x_i, "before", "x_i before"), { ...x(after, "after", "x_i after"), kind: "after" });
    }
    return rows;
  }

  makeRow({ kind, edge }) {
    const row = make("tr", { class: kind });
    row.label = edge ? make("button", { type: "button", onclick: () => this.actions.pin(row.edge) }) : make("span", {});
    row.numbers = cells(4);
    row.spark = spark(40, 16);
    row.values = cells(PAGE);
    row.append(make("th", { scope: "row" }, row.label), ...row.numbers, make("td", {}, row.spark), ...row.values);
    if (edge) {
      row.addEventListener("pointerenter", () => this.actions.mark(row.edge));
      row.addEventListener("pointerleave", () => this.actions.mark(null));
      row.label.addEventListener("focus", () => this.actions.mark(row.edge));
      row.label.addEventListener("blur", () => this.actions.mark(null));
    }
    return row;
  }

  fillRow(row, { label, numbers = ["", "", "", ""], values, edge, color }, columns, limit, marked, pinned) {
    row.edge = edge;
    say(row.label, label);
    if (edge) {
      row.label.style.setProperty("--sender", color);
      put(row.label, { "aria-pressed": same(edge, pinned) });
    }
    numbers.forEach((text, k) => say(row.numbers[k], text));
    row.spark.fill(values, limit);
    row.values.forEach((cell, k) => say(cell, k < columns.length && columns[k] < values.length ? component(values[columns[k]]) : ""));
    put(row, { "data-marked": same(edge, marked) });
  }

  mark(edge) {
    for (const row of this.body.children) put(row, { "data-marked": same(row.edge, edge) });
  }
}

export const same = (a, b) => Boolean(a && b && a.m === b.m && a.j === b.j && a.i === b.i);

// ----------------------------------------------------------------------------- two matrices with linked rows

export class MatrixPanel {
  constructor(actions) {
    this.features = new Matrix("Node features: one row an atom, one column a feature", actions);
    this.messages = new Matrix("Messages: the row listens, the column speaks; dark is loud", actions);
    this.root = make("div", { class: "matrix-panel" }, this.features.root, this.messages.root);
  }

  show({ snapshot, m, step, selected, edges }) {
    const x = featuresAfter(snapshot, roundsDone(step));
    const { limit } = x;
    const rows = snapshot.names.map((name, k) => ({ key: name, name, k, m, chosen: k === selected }));
    this.features.show(rows, x.width, (k, f) => diverging(x.row(k)[f] / limit), `orange: −${number(limit, 2)} and below; blue: ${number(limit, 2)} and above`);
    const sizes = edges.map(({ size }) => size || 0);
    const most = Math.max(...sizes, 1e-12);
    const loud = new Map(edges.map(({ i, j }, k) => [i * snapshot.n + j, sizes[k] / most]));
    this.messages.show(rows, snapshot.n, (i, j) => (loud.has(i * snapshot.n + j) ? sequential(loud.get(i * snapshot.n + j)) : null),
      step.t > 0 && snapshot.rounds.length ? `round ${step.t}: the loudest is ${number(most)}` : "no messages yet", snapshot.names);
  }
}

class Matrix {
  constructor(title, actions) {
    this.actions = actions;
    this.canvas = make("canvas", { role: "img", "aria-label": title });
    this.labels = make("div", { class: "labels" });
    this.columns = make("div", { class: "columns", "aria-hidden": "true" }); // the names stand before the rows, too
    this.legend = make("p", { class: "legend" });
    this.root = make("div", { class: "matrix" }, make("h4", {}, title), make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": title },
      make("div", { class: "grid" }, this.columns, this.labels, this.canvas)), this.legend);
  }

  // color(row, column) is a CSS colour, or null for nothing; names of the columns are written where there is room for them
  show(rows, n_columns, color, legend, names = []) {
    keyed(this.labels, rows, () => {
      const element = make("button", { type: "button", onclick: () => this.actions.select(element.row.m, element.row.k) });
      return element;
    }, (element, row) => { element.row = row; say(element, row.name); put(element, { "aria-pressed": row.chosen }); });
    const width = Math.max(4, Math.min(24, Math.floor(320 / Math.max(1, n_columns))));
    const named = width < 22 ? [] : names;
    put(this.columns, { hidden: named.length === 0 });
    keyed(this.columns, named.map((name) => ({ key: name })), ({ key }) => make("span", {}, key), (element) => { element.style.width = `${width}px`; });
    [this.canvas.width, this.canvas.height] = [width * n_columns || 1, ROW * rows.length];
    const pen = this.canvas.getContext("2d");
    rows.forEach(({ k, chosen }) => {
      for (let column = 0; column < n_columns; column++) {
        const fill = color(k, column);
        if (!fill) continue;
        pen.fillStyle = fill;
        pen.fillRect(column * width, k * ROW + 1, width - (width > 6 ? 1 : 0), ROW - 2);
      }
      if (chosen) {
        [pen.strokeStyle, pen.lineWidth] = [getComputedStyle(this.canvas).color, 2];
        pen.strokeRect(1, k * ROW + 1, this.canvas.width - 2, ROW - 2);
      }
    });
    say(this.legend, legend);
  }
}

// Blue for positive, orange for negative, pale near zero.
export function diverging(value) {
  const part = Math.max(-1, Math.min(1, value || 0));
  const end = part > 0 ? [0, 114, 178] : [213, 94, 0];
  return mixed([238, 238, 238], end, Math.abs(part));
}

export const sequential = (part) => mixed([222, 232, 240], [0, 50, 95], part);

const mixed = (from, to, part) => `rgb(${from.map((value, k) => Math.round(value + (to[k] - value) * part)).join(" ")})`;

// ----------------------------------------------------------------------------- all numbers as text

export class TablePanel {
  constructor(actions) {
    this.pager = new Pager(actions.page);
    this.atoms = new PlainTable("Atoms");
    this.edges = new PlainTable("Edges");
    this.root = make("div", { class: "table-panel" }, this.pager.root, this.atoms.root, this.edges.root);
  }

  show({ snapshot, step, first, edges }) {
    const x = featuresAfter(snapshot, roundsDone(step));
    const shown = Math.min(first, Math.max(0, x.width - 1));
    this.pager.show(shown, x.width);
    const columns = Array.from({ length: Math.min(PAGE, x.width - shown) }, (_, k) => shown + k);
    this.atoms.show(["atom", "E_i, eV", "|F_i|, eV/Å", ...columns.map((f) => `x[${f}]`)], snapshot.names.map((name, k) => [
      name, snapshot.E_i ? number(snapshot.E_i[k], 4) : "–", snapshot.forces ? number(norm(snapshot.forces[k])) : "–", ...columns.map((f) => component(x.row(k)[f])),
    ]));
    this.edges.show(["edge", "r, Å", "f_c", "size of m_ji"], edges.map(({ j, i, r, f_c, size, message }) => [
      `${snapshot.names[j]} → ${snapshot.names[i]}`, number(r), number(f_c), message ? number(size) : "–",
    ]));
  }
}

class PlainTable {
  constructor(title) {
    this.head = make("tr", {});
    this.body = make("tbody", {});
    this.root = make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": title },
      make("table", {}, make("caption", {}, title), make("thead", {}, this.head), this.body));
  }

  show(head, rows) {
    keyed(this.head, head.map((text) => ({ key: text, text })), () => make("th", { scope: "col" }), (element, { text }) => say(element, text));
    keyed(this.body, rows.map((row) => ({ key: row[0], row })), () => make("tr", {}), (element, { row }) =>
      keyed(element, row.map((text, k) => ({ key: k, text })), ({ key }) => (key === 0 ? make("th", { scope: "row" }) : make("td", {})), (cell, { text }) => say(cell, text)));
  }
}

// ----------------------------------------------------------------------------- one edge, two molecules

// The card under the picture: what the edge knows, and what travels on it.
export function edgeCard(card, found) {
  if (!card.words) {
    card.words = make("p", {});
    [card.e, card.m] = [spark(64, 18), spark(64, 18)];
    [card.eWords, card.mWords] = [make("span", {}), make("span", {})];
    card.rows = make("div", { class: "vectors" }, make("span", {}, "e_ij"), card.e, card.eWords, make("span", {}, "m_ji"), card.m, card.mWords);
    card.append(card.words, card.rows);
  }
  put(card.rows, { hidden: !found });
  if (!found) return say(card.words, "Point at an edge, or choose a message in the list, to read it.");
  const { snapshot, edge } = found;
  const e = edge.number === undefined ? [] : snapshot.e_ij.n_rows ? snapshot.e_ij.row(edge.number) : [];
  const m = edge.message ?? [];
  say(card.words, `${snapshot.names[edge.j]} → ${snapshot.names[edge.i]}: r = ${number(edge.r)} Å, f_c = ${number(edge.f_c)}` +
    (edge.message ? `, |m_ji| = ${number(edge.size)}` : ", no message yet"));
  card.e.fill(e, largest({ values: e }));
  card.m.fill(m, largest({ values: m }));
  const few = (values) => `[${[...values].slice(0, 8).map((value) => component(value)).join(", ")}${values.length > 8 ? ", …" : ""}]`;
  say(card.eWords, few(e));
  say(card.mWords, m.length ? few(m) : "–");
}

export class ComparePanel {
  constructor() {
    this.words = make("p", {});
    this.body = make("tbody", {});
    this.table = make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "after round"), make("th", { scope: "col" }, "their features differ by"))), this.body);
    this.root = make("div", { class: "compare" }, this.words, this.table);
  }

  show([a, b], [i, k], [first, second]) {
    const both = i !== null && k !== null;
    put(this.table, { hidden: !both });
    if (!both) return say(this.words, "Choose one atom in each molecule to compare what they know.");
    const rounds = Math.min(a.rounds.length, b.rounds.length);
    const rows = Array.from({ length: rounds + 1 }, (_, t) => {
      const [x, y] = [featuresAfter(a, t), featuresAfter(b, t)];
      const size = x.width && x.width === y.width ? norm(x.row(i).map((value, f) => value - y.row(k)[f])) : NaN;
      return { key: t, size, apart: !(size <= 1e-5 * (1 + norm(x.row(i)))) }; // what the same functions leave of 0 in single precision
    });
    const split = rows.findIndex(({ apart }) => apart);
    say(this.words, `${a.names[i]} of ${first.title} and ${b.names[k]} of ${second.title}: ` +
      (split < 0 ? `no difference in ${counted(rounds, "round")}.` : split === 0 ? "different from the start." : `told apart in round ${split}.`));
    keyed(this.body, rows, () => make("tr", {}, make("th", { scope: "row" }), make("td", {})), (row, { key, size }) => {
      say(row.children[0], String(key));
      say(row.children[1], number(size, 6));
    });
  }
}
