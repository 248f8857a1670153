// The ripple's numbers as colours, labels and sentences, and where labels stand.

import assert from "node:assert/strict";
import test from "node:test";
import { floor, loudness, offsets, scaleOf, sentence, short } from "../../course/widgets/ripple.mjs";

const SETTINGS = {
  names: ["C0", "H1", "H2", "O3"],
  cutoff: 5,
  faintest: 1e-6,
  colors: ["#000000", "#111111", "#222222", "#333333", "#444444"], // dark to bright
  kinds: {
    hops: { name: "edges on the way", symbol: "edges", unit: "" },
    energy: { name: "influence on the energy", symbol: "|∂E_i/∂R_j|", unit: "eV/Å" },
    force: { name: "influence on the force", symbol: "|∂F_i/∂R_j|", unit: "eV/Å²" },
  },
};
const EMPTY = "var(--paper)";
const ANSWER = { atom: 0, T: 2, hops: [0, 1, 2, -1], energy: [2, 0.02, 0, 0], force: [50, 5, 0.004, 0], problem: "" };
const shown = (kind, change = {}) => scaleOf({ ...ANSWER, ...change }, kind, SETTINGS);
const legend = (kind, change) => shown(kind, change).legend.map(({ text }) => text);
const said = (change = {}) => sentence({ ...ANSWER, ...change }, SETTINGS);
const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("loudness is logarithmic, from the faintest to the loudest", () => {
  close(loudness(3, 3, 1e-4), 1);
  close(loudness(0.3, 3, 1e-4), 0.75);
  close(loudness(3e-4, 3, 1e-4), 0);
  close(loudness(1e-9, 3, 1e-4), 0);
  for (const size of [2e-300, 1e-12, 1, 1e200]) close(loudness(size, size, 1e-6), 1);
});

test("the scale ends at the power of ten below the faintest size that is not zero", () => {
  close(floor([5, 0.5, 0.03, 0], 5, 1e-6), 1e-3);
  close(floor([1, 0.01], 1, 1e-6), 1e-3); // a step below, so that the faintest is not taken for none
  close(floor([7], 7, 1e-6), 0.1);
  close(floor([1, 1e-12], 1, 1e-6), 1e-6);
});

test("every size that is not zero lies on the scale, and a larger one is never darker", () => {
  const sizes = Array.from({ length: 50 }, (_, k) => 40 * 0.7 ** k);
  const { color } = shown("force", { hops: sizes.map(() => 1), force: sizes });
  const places = sizes.map((_, j) => SETTINGS.colors.indexOf(color(j)));
  assert.ok(places.every((place, j) => place >= 0 && (j === 0 || place <= places[j - 1])), String(places));
  assert.deepEqual([places[0], places.at(-1)], [4, 0]);
});

test("a label has four letters at most, while sizes are not extreme", () => {
  const texts = { 0: "0", 123.4: "123", 61.7: "62", 9.96: "10", 3.77: "3.8", 0.999: "1.0", 0.222: "0.22", 0.07: "0.07", 0.00951: "0.01", 0.0062: "6e−3", 0.00012: "1e−4" };
  for (const [size, text] of Object.entries(texts)) assert.equal(short(Number(size)), text);
  for (let size = 900; size > 1e-9; size *= 0.83) assert.ok(short(size).length <= 4, short(size));
});

test("hops are counted, coloured, and named", () => {
  const { color, label, words } = shown("hops");
  assert.deepEqual([0, 1, 2, 3].map(color), ["#0072B2", "#56B4E9", "#009E73", EMPTY]);
  assert.deepEqual([0, 1, 2, 3].map(label), ["0", "1", "2", ""]);
  assert.deepEqual([1, 2, 3].map(words), ["1 edge from C0", "2 edges from C0", "no way to C0"]);
  assert.deepEqual(legend("hops"), ["edges on the way to C0:", "touched", "1 edge", "2 edges", "no way"]);
  assert.deepEqual(legend("hops", { hops: [0, 1, 1, 1] }), ["edges on the way to C0:", "touched", "1 edge"]);
});

test("beyond seven edges there is one colour, and the legend says so", () => {
  const hops = Array.from({ length: 30 }, (_, k) => k);
  const { color, label } = shown("hops", { hops });
  assert.equal(color(7), color(29));
  assert.notEqual(color(6), color(7));
  assert.equal(label(29), "29");
  assert.equal(legend("hops", { hops }).length, 1 + 8);
  assert.equal(legend("hops", { hops }).at(-1), "7 edges or more");
  assert.equal(legend("hops", { hops: hops.slice(0, 8) }).at(-1), "7 edges");
});

test("a legend of influence falls by a tenth from step to step, to where the faintest is", () => {
  assert.deepEqual(legend("force"), ["|∂F_i/∂R_j|, eV/Å²:", "50", "5.0", "0.50", "0.05", "5e−3", "5e−4", "exactly 0"]);
  assert.deepEqual(legend("force", { force: [50, 5, 1, 1] }), ["|∂F_i/∂R_j|, eV/Å²:", "50", "5.0", "0.50"]);
  assert.deepEqual(legend("force", { force: [50, 5, 1e-9, 1] }).slice(-2), ["5e−4", "5e−5 or less"]);
  assert.deepEqual(legend("energy", { energy: [0, 0, 0, 0] }), ["|∂E_i/∂R_j|, eV/Å:", "exactly 0"]);
});

test("the swatches of the legend are the colours of atoms with these sizes", () => {
  const { color, legend: entries } = shown("force", { force: [50, 5, 0.5, 0] });
  assert.deepEqual([0, 1, 2, 3].map(color), [entries[1], entries[2], entries[3], entries.at(-1)].map((entry) => entry.color));
});

test("influence has its size, its unit, and whom it is on", () => {
  assert.equal(shown("force").words(1), "influence on the force on C0: 5.000 eV/Å²");
  assert.equal(shown("energy").words(1), "influence on the energy of C0: 0.020 eV/Å");
  assert.deepEqual([0, 1, 2].map(shown("force").label), ["50", "5.0", "4e−3"]);
  assert.equal(shown("force").color(3), EMPTY);
});

test("what could not be computed is shown as hops", () => {
  const broken = { energy: null, force: null, problem: "RuntimeError: out of order" };
  assert.deepEqual(legend("force", broken), legend("hops"));
  assert.equal(said(broken), broken.problem);
});

test("the sentence counts who is heard, how far, and how faint the last is", () => {
  assert.equal(said(), "With 2 rounds and a cutoff of 5 Å, the energy of C0 depends on 2 of 4 atoms, up to 1 edge away; "
    + "the force on it depends on 3 of 4 atoms, up to 2 edges away. At 2 edges the influence on the force is 0.008 % of the largest.");
  assert.match(said({ T: 1 }), /^With 1 round and/);
  assert.match(said({ T: null }), /^The energy of C0/);
  assert.match(said({ atom: 3 }), /energy of O3/);
});

test("the sentence about nobody, about oneself, and about a stranger", () => {
  const none = [0, 0, 0, 0];
  assert.equal(said({ T: null, energy: none, force: none }), "The energy of C0 depends on no atom's position; the force on it depends on no atom's position.");
  assert.equal(said({ T: null, energy: [1, 0, 0, 0], force: none }), "The energy of C0 depends on 1 of 4 atoms, up to 0 edges away; the force on it depends on no atom's position.");
  assert.match(said({ energy: [1, 0, 0, 1] }), /energy of C0 depends on 2 of 4 atoms, up to 0 edges away, 1 of them without any way of edges;/);
  assert.match(said({ energy: [0, 0, 0, 1] }), /energy of C0 depends on 1 of 4 atoms, 1 of them without any way of edges;/);
  assert.match(said({ force: [1, 1, 1e-12, 0] }), /is 1\.0e−10 % of the largest/);
});

// ----------------------------------------------------------------------------- labels

const boxOf = ([x, y], offset, label) => ({ x, y: y + offset, half: 3.5 * label.length });

test("a label stands where there is room", () => {
  const below = offsets([[0, 0], [0, 60]], [10, 10], ["1", "1"], 0);
  assert.ok(below[0] < 0 && below[1] > 0, String(below)); // each away from the other
  assert.ok(offsets([[0, 0]], [10], ["1"], 0)[0] > 10);
  assert.deepEqual(offsets([[0, 0], [500, 0]], [10, 10], ["", "1"], 0)[0], 0); // nothing to write
});

test("the label of the touched atom stays clear of its ring, and comes first", () => {
  const [touched, other] = offsets([[0, 0], [500, 0]], [10, 10], ["1", "1"], 0);
  assert.ok(touched > other);
  const points = [[0, 0], [8, 0], [16, 0]]; // room for one label above and one below
  for (const first of [0, 1, 2]) {
    const written = offsets(points, [4, 4, 4], ["0.25", "0.25", "0.25"], first);
    assert.ok(written[first] !== 0 && written.filter((offset) => offset === 0).length === 1, String(written));
  }
});

test("no label lies on another, or on an atom that is not its own", () => {
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  let written = 0;
  for (let round = 0; round < 50; round++) {
    const points = Array.from({ length: 40 }, () => [500 * random(), 300 * random()]);
    const radii = points.map(() => 9 + 15 * random()), labels = points.map((_, k) => "0.123".slice(0, 1 + (k % 4)));
    const all = offsets(points, radii, labels, 7).map((offset, k) => ({ k, offset })).filter(({ offset }) => offset !== 0);
    written += all.length;
    const boxes = all.map(({ k, offset }) => ({ k, ...boxOf(points[k], offset, labels[k]) }));
    for (const a of boxes) {
      for (const b of boxes) assert.ok(a === b || Math.abs(a.x - b.x) >= a.half + b.half || Math.abs(a.y - b.y) >= 12);
      points.forEach(([x, y], j) => assert.ok(Math.hypot(Math.max(0, Math.abs(x - a.x) - a.half), y - a.y) > radii[j] - 5, `${a.k} on ${j}`));
    }
  }
  assert.ok(written > 300, `only ${written} of 2000 labels are written`);
});
