// What the widgets compute in the browser, without any document: geometry, graphs, numbers as text.
// The same index rule as in Python: a message m_ji travels from the sender j to the receiver i.

// Okabe and Ito's colours, in the order of course.plotting.CYCLE. Colour names the sender.
export const CYCLE = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"];
export const senderColor = (j) => CYCLE[j % CYCLE.length];

// ----------------------------------------------------------------------------- what Python sends

// Bytes from Python as an array of numbers. They may start anywhere in a larger buffer, so they are copied.
function numbersOf(view, Type) {
  if (!view) return new Type(0);
  return new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

// A table with so many rows: row(k) is a Float32Array, every time the same one; `limit` is the size of a full bar.
export function table(view, n_rows) {
  const values = numbersOf(view, Float32Array);
  const width = n_rows ? values.length / n_rows : 0;
  const rows = Array.from({ length: n_rows }, (_, k) => values.subarray(k * width, (k + 1) * width));
  let limit = null;
  return { n_rows, width, values, row: (k) => rows[k], get limit() { return (limit ??= fullBar({ values })); } };
}

const triples = (flat) => Array.from({ length: flat.length / 3 }, (_, k) => [...flat.subarray(3 * k, 3 * k + 3)]);

// A snapshot of one molecule: see `packed` in engine.py.
export function unpack(record) {
  const n = record.numbers.length;
  const senders = numbersOf(record.senders, Int32Array);
  const receivers = numbersOf(record.receivers, Int32Array);
  const bonds = numbersOf(record.bonds, Int32Array);
  const edge = new Map();
  senders.forEach((j, k) => edge.set(j * n + receivers[k], k));
  return {
    n, senders, receivers,
    n_edges: senders.length,
    numbers: record.numbers,
    names: record.names,
    order: record.order, // the numbers that the atoms had at the start
    energy: record.energy,
    problem: record.problem,
    positions: triples(numbersOf(record.positions, Float32Array)),
    bonds: Array.from({ length: bonds.length / 2 }, (_, k) => [bonds[2 * k], bonds[2 * k + 1]]),
    edgeFrom: (j, i) => edge.get(j * n + i), // the number of the edge j -> i, or undefined
    f_c: numbersOf(record.f_c, Float32Array),
    e_ij: table(record.e_ij, senders.length),
    x_i: table(record.x_i, n),
    E_i: record.E_i && numbersOf(record.E_i, Float64Array),
    baseline: record.baseline && numbersOf(record.baseline, Float64Array),
    forces: record.forces && triples(numbersOf(record.forces, Float32Array)),
    rounds: record.rounds.map(({ x_i, m_ji, M_i }) => ({
      x_i: table(x_i, n), m_ji: table(m_ji, senders.length), M_i: table(M_i, n),
    })),
  };
}

// The node features after t rounds.
export const featuresAfter = (snapshot, t) => (t < snapshot.rounds.length ? snapshot.rounds[t].x_i : snapshot.x_i);

// ----------------------------------------------------------------------------- the graph

export const cosineCutoff = (r, r_c) => (r < r_c ? 0.5 * (Math.cos((Math.PI * r) / r_c) + 1) : 0);

export const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

// All directed edges j -> i with r_ij < r_c, both ways. `allowed(j, i)` can forbid some.
export function edgesWithin(positions, r_c, allowed = () => true) {
  const edges = [];
  for (let j = 0; j < positions.length; j++) {
    for (let i = 0; i < positions.length; i++) {
      const r = distance(positions[j], positions[i]);
      if (i !== j && r < r_c && allowed(j, i)) edges.push({ j, i, r, f_c: cosineCutoff(r, r_c) });
    }
  }
  return edges;
}

// How many edges news from each atom needs to reach atom i; Infinity where it never does.
export function hopsTo(i, n, edges) {
  const hops = new Array(n).fill(Infinity);
  hops[i] = 0;
  for (let t = 1, spread = true; spread; t++) {
    spread = false;
    for (const edge of edges) {
      if (hops[edge.i] === t - 1 && hops[edge.j] === Infinity) {
        hops[edge.j] = t;
        spread = true;
      }
    }
  }
  return hops;
}

export const norm = (vector) => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)); // Math.hypot is slow for 64 numbers

// How many eV/Angstrom an arrow of one Angstrom stands for: 2, or as much more as keeps the longest arrow below 2 Angstrom.
export function forceScale(forces) {
  const longest = Math.max(0, ...forces.map(norm).filter(Number.isFinite));
  let scale = 2;
  for (let k = 0; longest / scale > 2; k++) scale *= [2.5, 2, 2][k % 3]; // 2, 5, 10, 20, 50 ...
  return scale;
}

// ----------------------------------------------------------------------------- the steps of the recipe

export function steps(T) {
  const list = [{ kind: "initialise", t: 0 }];
  for (let t = 1; t <= T; t++) list.push({ kind: "message", t }, { kind: "accumulate", t }, { kind: "update", t });
  return [...list, { kind: "readout", t: T }];
}

// How many rounds are complete at a step.
export const roundsDone = ({ kind, t }) => (kind === "message" || kind === "accumulate" ? t - 1 : t);

export const FORMULA = {
  initialise: "x_i = one-hot element and a buffer of zeros",
  message: "m_ji = f_m(x_j, x_i, e_ij) f_c(r_ij)",
  accumulate: "M_i = sum over j of m_ji",
  update: "x_i ← f_U(M_i, x_i)",
  readout: "E_i = f_R(x_i), E = sum of all E_i",
};

export function stepName({ kind, t }, T) {
  return kind === "initialise" || kind === "readout" ? kind : `round ${t} of ${T}: ${kind}`;
}

// ----------------------------------------------------------------------------- a molecule in space, seen from the front

export const product = (A, B) => A.map((row) => B[0].map((_, k) => row.reduce((sum, a, m) => sum + a * B[m][k], 0)));

export const applied = (A, v) => A.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);

export const transposed = (A) => A[0].map((_, k) => A.map((row) => row[k]));

// The view after a turn about the vertical axis and one about the horizontal axis of the picture; radians.
export function turned(axes, aboutVertical, aboutHorizontal) {
  const [c, s, C, S] = [Math.cos(aboutVertical), Math.sin(aboutVertical), Math.cos(aboutHorizontal), Math.sin(aboutHorizontal)];
  return product([[1, 0, 0], [0, C, -S], [0, S, C]], product([[c, 0, s], [0, 1, 0], [-s, 0, c]], axes));
}

export function middle(positions) {
  const sum = positions.reduce(([a, b, c], [x, y, z]) => [a + x, b + y, c + z], [0, 0, 0]);
  return sum.map((s) => s / positions.length);
}

// The atom that lies nearest in a direction of the picture ("left", "up", ...); `current` where there is none.
export function neighborTowards(points, current, direction) {
  const [dx, dy] = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] }[direction];
  let best = current, least = Infinity;
  points.forEach(([x, y], k) => {
    const along = (x - points[current][0]) * dx + (y - points[current][1]) * dy;
    const across = Math.abs((x - points[current][0]) * dy) + Math.abs((y - points[current][1]) * dx);
    if (k !== current && along > 0.5 && along + 2 * across < least) [best, least] = [k, along + 2 * across];
  });
  return best;
}

// An edge is drawn as a bent line, so that there and back do not cover each other: start, control point, end.
export function lane(from, to, gapFrom, gapTo) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / length, dy / length];
  const bend = 0.1 * length;
  return [
    [from[0] + ux * gapFrom, from[1] + uy * gapFrom],
    [(from[0] + to[0]) / 2 + uy * bend, (from[1] + to[1]) / 2 - ux * bend],
    [to[0] - ux * gapTo, to[1] - uy * gapTo],
  ];
}

export const alongLane = ([a, b, c], s) => [0, 1].map((k) => (1 - s) ** 2 * a[k] + 2 * s * (1 - s) * b[k] + s ** 2 * c[k]);

export function distanceToLane(curve, point) {
  let least = Infinity;
  for (let s = 0; s <= 1; s += 1 / 16) {
    const [x, y] = alongLane(curve, s);
    least = Math.min(least, Math.hypot(x - point[0], y - point[1]));
  }
  return least;
}

// ----------------------------------------------------------------------------- numbers as pictures and as text

// Bars from a middle line, up for positive and down for negative values: two SVG paths.
export function bars(values, width, height, limit) {
  const step = width / values.length, half = height / 2;
  let up = "", down = "";
  values.forEach((value, k) => {
    const h = (Math.max(-1, Math.min(1, value / limit)) || 0) * half;
    const bar = `M${(k * step).toFixed(2)} ${half}h${(0.85 * step).toFixed(2)}v${(-h).toFixed(2)}h${(-0.85 * step).toFixed(2)}z`;
    if (h > 0) up += bar;
    if (h < 0) down += bar;
  });
  return { up, down };
}

export function largest(...tables) {
  let most = 0;
  for (const { values } of tables) for (const value of values) if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  return most || 1;
}

// The size of a full bar: 98 % of the values are smaller, for a few loud ones would hide the others. Of few values, the largest.
export function fullBar(...tables) {
  const sizes = tables.flatMap(({ values }) => [...values].filter(Number.isFinite).map(Math.abs)).sort((a, b) => a - b);
  return sizes[Math.ceil(0.98 * sizes.length) - 1] || sizes.at(-1) || 1;
}

const minus = (text) => text.replaceAll("-", "−"); // a minus sign, not a hyphen

export function number(value, digits = 3) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : minus(value > 0 ? "∞" : "-∞");
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.5 * 10 ** -digits || size >= 1e5)) return minus(value.toExponential(1));
  return minus(value.toFixed(digits));
}

// A component of a vector: always three digits, so that columns line up.
export const component = (value) => (Number.isFinite(value) && Math.abs(value) < 1e5 ? minus(value.toFixed(3)).replace(/^−(0\.000)$/, "$1") : number(value));

export const signed = (value, digits = 3) => (value > 0 ? "+" : "") + number(value, digits);

export const counted = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;
