// What the widgets compute in the browser and Python does not: steps, numbers as text, lanes, neighbours on the screen.

import assert from "node:assert/strict";
import test from "node:test";
import {
  alongLane, bars, component, counted, distanceToLane, edgesWithin, featuresAfter, forceScale, fullBar, hopsTo, lane, largest, neighborTowards, norm, number, roundsDone, senderColor,
  signed, stepName, steps, table,
} from "../../course/widgets/logic.mjs";

test("the recipe in steps", () => {
  assert.deepEqual(steps(0).map(({ kind }) => kind), ["initialise", "readout"]);
  assert.deepEqual(steps(2).map((step) => stepName(step, 2)), [
    "initialise", "round 1 of 2: message", "round 1 of 2: accumulate", "round 1 of 2: update",
    "round 2 of 2: message", "round 2 of 2: accumulate", "round 2 of 2: update", "readout",
  ]);
  assert.deepEqual(steps(2).map(roundsDone), [0, 0, 0, 1, 1, 1, 2, 2]);
});

test("features after t rounds are those before the next one", () => {
  const snapshot = { rounds: [{ x_i: "at first" }, { x_i: "after 1" }], x_i: "after 2" };
  assert.deepEqual([0, 1, 2, 3].map((t) => featuresAfter(snapshot, t)), ["at first", "after 1", "after 2", "after 2"]);
});

test("numbers as text", () => {
  const cases = [[0, "0.000"], [-0, "0.000"], [1.23456, "1.235"], [-1.5, "−1.500"], [0.0004, "4.0e−4"], [-0.0004, "−4.0e−4"], [0.0006, "0.001"],
    [123456, "1.2e+5"], [-4210.1856, "−4210.186"], [NaN, "NaN"], [Infinity, "∞"], [-Infinity, "−∞"]];
  for (const [value, text] of cases) assert.equal(number(value), text);
  assert.equal(number(0.034, 1), "3.4e−2");
  assert.equal(number(2.5, 0), "3");
});

test("components line up: three digits, however small", () => {
  const cases = [[0, "0.000"], [0.0004, "0.000"], [-0.0004, "0.000"], [-0.0006, "−0.001"], [-12.3456, "−12.346"], [2e5, "2.0e+5"], [NaN, "NaN"], [-Infinity, "−∞"]];
  for (const [value, text] of cases) assert.equal(component(value), text);
});

test("signs and plurals", () => {
  assert.deepEqual([signed(0.5, 2), signed(-0.5, 2), signed(0, 2)], ["+0.50", "−0.50", "0.00"]);
  assert.deepEqual([counted(0, "edge"), counted(1, "edge"), counted(2, "edge")], ["0 edges", "1 edge", "2 edges"]);
});

test("sizes", () => {
  assert.equal(norm([3, 4]), 5);
  assert.equal(norm(Float32Array.of()), 0);
  assert.ok(Number.isNaN(norm([1, NaN])));
  assert.equal(largest({ values: [1, -3] }, { values: [2, NaN, Infinity] }), 3);
  assert.equal(largest({ values: [] }), 1);
});

test("a full bar: the largest of few values, what 2 % of many values are beyond", () => {
  assert.equal(fullBar({ values: [1, -3] }, { values: [2, NaN, Infinity] }), 3);
  const many = Float32Array.from({ length: 1000 }, (_, k) => (k < 10 ? -1e6 : k / 1000));
  assert.ok(Math.abs(fullBar({ values: many }) - 0.99) < 0.01);
  assert.equal(fullBar({ values: Float32Array.from({ length: 1000 }, (_, k) => (k < 10 ? 1 : 0)) }), 1, "one-hot");
  assert.equal(fullBar({ values: [] }), 1);
  assert.equal(table(new Uint8Array(Float32Array.of(1, 2, -4, 3).buffer), 2).limit, 4);
});

test("a table without rows, and rows without columns", () => {
  assert.deepEqual([table(undefined, 0).width, table(undefined, 3).width], [0, 0]);
  assert.equal(table(undefined, 3).row(2).length, 0);
});

test("bars go up for plus, down for minus, and no further than the box", () => {
  const { up, down } = bars([1, -0.5, 0, NaN, 7], 50, 20, 1);
  assert.equal(up, "M0.00 10h8.50v-10.00h-8.50zM40.00 10h8.50v-10.00h-8.50z");
  assert.equal(down, "M10.00 10h8.50v5.00h-8.50z");
});

test("edges that are not allowed are left out", () => {
  const line = [[0, 0, 0], [1, 0, 0], [2, 0, 0]];
  assert.deepEqual(edgesWithin(line, 1.5, (j, i) => j < i).map(({ j, i }) => [j, i]), [[0, 1], [1, 2]]);
  assert.deepEqual(edgesWithin([[0, 0, 0]], 5), []);
});

test("hops go against the direction of the messages", () => {
  assert.deepEqual(hopsTo(2, 4, [{ j: 0, i: 1 }, { j: 1, i: 2 }, { j: 2, i: 3 }]), [2, 1, 0, Infinity]);
});

test("the arrow keys find the next atom in that direction", () => {
  //   0     1
  //      2       3
  const points = [[0, 0], [60, 0], [30, 30], [110, 30]];
  assert.equal(neighborTowards(points, 0, "right"), 1);
  assert.equal(neighborTowards(points, 1, "right"), 3);
  assert.equal(neighborTowards(points, 3, "left"), 2);
  assert.equal(neighborTowards(points, 2, "up"), 0);
  assert.equal(neighborTowards(points, 0, "down"), 2);
  assert.equal(neighborTowards(points, 0, "up"), 0, "nobody is there");
  assert.equal(neighborTowards([[5, 5]], 0, "down"), 0);
});

test("from every atom of a ring the arrow keys lead to every other", () => {
  const points = Array.from({ length: 7 }, (_, k) => [100 * Math.cos(k), 100 * Math.sin(k)]);
  const reached = new Set([0]);
  for (const k of reached) for (const way of ["left", "right", "up", "down"]) reached.add(neighborTowards(points, k, way));
  assert.equal(reached.size, points.length);
});

test("lanes there and back lie apart and end at the discs", () => {
  const there = lane([0, 0], [100, 0], 10, 20), back = lane([100, 0], [0, 0], 20, 10);
  assert.deepEqual([there[0], there[2]], [[10, 0], [80, 0]]);
  assert.ok(there[1][1] * back[1][1] < 0);
  assert.deepEqual(alongLane(there, 0), there[0]);
  assert.deepEqual(alongLane(there, 1), there[2]);
  const [x, y] = alongLane(there, 0.5);
  assert.ok(distanceToLane(there, [x, y]) < 1e-9);
  assert.ok(Math.abs(distanceToLane(there, [10, 30]) - 30) < 1);
  assert.ok(lane([5, 5], [5, 5], 1, 1).flat().every(Number.isFinite), "two atoms at one place");
});

test("arrows are never longer than 2 Angstrom, and their scale is a round number", () => {
  assert.equal(forceScale([]), 2);
  for (const [force, scale] of [[0.01, 2], [4, 2], [4.1, 5], [10.1, 10], [39, 20], [99, 50], [150, 100], [5e4, 50000]]) {
    assert.equal(forceScale([[0, force, 0], [0.1, 0, 0]]), scale, `${force}`);
  }
  assert.equal(forceScale([[NaN, 0, 0], [5, 0, 0]]), 5);
});

test("a sender keeps its colour", () => {
  assert.equal(senderColor(1), senderColor(7));
  assert.notEqual(senderColor(0), senderColor(1));
});
