// The lab's numbers as axes, bars, colours and text.

import assert from "node:assert/strict";
import test from "node:test";
import { linear } from "../../course/widgets/axes.mjs";
import { barPath, digits, plain, roundRange, shade, valueAt } from "../../course/widgets/lab.mjs";

test("an axis ends at round numbers around all values", () => {
  assert.deepEqual(roundRange([0.13, 4.2, null]), [0, 5]);
  assert.deepEqual(roundRange([-28.8, 28.8]), [-40, 40]);
  assert.deepEqual(roundRange([0.61, 0.69]), [0.6, 0.7]);
  assert.deepEqual(roundRange([0.1, 0.3]), [0.1, 0.3]); // no step more for rounding errors
  for (let k = 0; k < 300; k++) {
    const values = Array.from({ length: 4 }, () => 10 ** (6 * Math.random() - 3) * (Math.random() - 0.5));
    const [low, high] = roundRange(values);
    assert.ok(low <= Math.min(...values) && high >= Math.max(...values), `${values}: ${low} to ${high}`);
    assert.ok(high - low <= 2.5 * (Math.max(...values) - Math.min(...values)), `${values}: ${low} to ${high}`);
  }
});

test("an axis rests while the values change a little", () => {
  assert.deepEqual(roundRange([0.2, 9.1]), roundRange([0.3, 8.7]));
});

test("bars stand on zero", () => {
  assert.deepEqual(roundRange([3, 7], true), [0, 8]);
  assert.deepEqual(roundRange([-3, -7], true), [-8, 0]);
  assert.deepEqual(roundRange([0, 0], true), [0, 1]);
});

test("equal values, and none at all, still have an axis", () => {
  assert.deepEqual(roundRange([5, 5]), [4, 6]);
  assert.deepEqual(roundRange([-4213.25, -4213.25]), [-4214.5, -4212]);
  assert.deepEqual(roundRange([null]), [-1, 1]);
  assert.deepEqual(roundRange([]), [-1, 1]);
});

test("the value at the marker lies between its neighbours; beside a gap it is that of the only one", () => {
  const xs = [0, 1, 2, 4], ys = [10, 20, null, null];
  assert.equal(valueAt(xs, ys, 0), 10);
  assert.equal(valueAt(xs, ys, 0.25), 12.5);
  assert.equal(valueAt(xs, ys, 1), 20);
  assert.equal(valueAt(xs, ys, 1.5), 20);
  assert.equal(valueAt(xs, ys, 3), null);
  assert.equal(valueAt(xs, ys, 5), null);
  assert.equal(valueAt([1, 1, 2], [3, 4, 5], 1), 4); // a step: two values at one place
});

test("bars of two series stand side by side, up and down from zero, and a gap is none", () => {
  const x = linear([0, 1], [0, 100]), y = linear([0, 1], [50, 0]);
  assert.equal(barPath([1, -0.5], 0, 2, x, y), "M-40.0 50.0h40.0V0.0h-40.0zM60.0 50.0h40.0V75.0h-40.0z");
  assert.equal(barPath([1, null], 1, 2, x, y), "M0.0 50.0h40.0V0.0h-40.0z");
});

test("colours run from the smallest to the largest value", () => {
  const colors = ["#000000", "#888888", "#ffffff"];
  assert.deepEqual([1, 2, 3].map((value) => shade(value, [1, 3], colors)), colors);
  assert.equal(shade(7, [7, 7], colors), "#888888");
  assert.equal(shade(null, [1, 3], colors), "var(--paper)");
});

test("a slider shows as many digits as it has steps, and numbers are short", () => {
  assert.deepEqual([1, 0.1, 0.05, 0.025].map(digits), [0, 1, 2, 3]);
  assert.deepEqual([0, 3, -0.12345, 4213.2567, 1e-5, 1.5e7, null].map(plain), ["0", "3", "−0.1235", "4213", "1.0e−5", "1.5e+7", "–"]);
});
