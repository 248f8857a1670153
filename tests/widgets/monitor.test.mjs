// The training monitor: bytes as rows, axes that can be read, lines with gaps.

import assert from "node:assert/strict";
import test from "node:test";
import { atAxis, dots, lineThrough, linear, linearTicks, logRange, logTicks, logarithmic } from "../../course/widgets/axes.mjs";
import { bestOf, fewOf, rowsOf, short } from "../../course/widgets/monitor.mjs";

test("bytes that start anywhere become rows", () => {
  const bytes = new Uint8Array(3 + 16);
  bytes.set(new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer), 3);
  assert.deepEqual(rowsOf(new DataView(bytes.buffer, 3, 16), 2), [[1, 2], [3, 4]]);
  assert.deepEqual(rowsOf(new DataView(new ArrayBuffer(0)), 6), []);
});

test("ticks are round, few, and inside", () => {
  assert.deepEqual(linearTicks(0, 50), [0, 10, 20, 30, 40, 50]);
  assert.deepEqual(linearTicks(-0.35, 0.73, 4), [0, 0.5]);
  assert.deepEqual(linearTicks(0, 24.999999), [0, 5, 10, 15, 20, 25]); // float32
  assert.deepEqual(logTicks(40, 900), [50, 100, 200, 500]);
  assert.deepEqual(logTicks(48, 110), [50, 70, 100]);
  assert.deepEqual(logTicks(0.0004, 0.05), [0.001, 0.003, 0.01, 0.03]);
  assert.deepEqual(logTicks(41, 43), [41, 42, 43]);
  for (let decades = 0.01; decades < 30; decades *= 1.3) {
    for (const low of [1e-8, 0.00031, 0.9, 47, 8000]) {
      const high = low * 10 ** decades, ticks = logTicks(low, high);
      assert.ok(ticks.length >= 1 && ticks.length <= 6, `${ticks} from ${low} to ${high}`);
      assert.ok(ticks.every((tick, k) => tick >= low * 0.999 && tick <= high * 1.001 && (k === 0 || tick > ticks[k - 1])), `${ticks} from ${low} to ${high}`);
      assert.ok(decades < 0.05 || ticks.every((tick) => atAxis(tick).length <= 7), `${ticks.map(atAxis)} can be read`);
    }
  }
});

test("a logarithmic axis has room for all that has a logarithm", () => {
  const [low, high] = logRange([41, 800, NaN, 0, -3, Infinity]);
  assert.ok(low < 41 && low > 30 && high > 800 && high < 1100);
  assert.ok(logRange([5])[0] < 5 && logRange([5])[1] > 5);
  assert.deepEqual(logRange([NaN]), [1, 10]);
});

test("scales meet their ends, and equal factors are equal steps", () => {
  assert.equal(linear([2, 4], [100, 0])(3), 50);
  const y = logarithmic([1, 100], [200, 0]);
  assert.deepEqual([1, 10, 100].map((value) => Math.round(y(value))), [200, 100, 0]);
});

test("a line is interrupted where there is no number, and every number has its dot", () => {
  const points = [[0, NaN], [1, 2], [3, 4], [5, -Infinity], [7, 8.04]];
  assert.equal(lineThrough(points), "M1.0 2.0L3.0 4.0M7.0 8.0");
  assert.equal(dots(points), "M1.0 2.0h0M3.0 4.0h0M7.0 8.0h0");
  assert.equal(lineThrough([]), "");
});

test("the best row has the smallest force error, whatever is no number", () => {
  const rows = [NaN, 90, 60, NaN, 70].map((error, k) => [k + 1, 0, 0, 0, 0, error]);
  assert.equal(bestOf(rows)[0], 3);
  assert.equal(bestOf(rows.slice(0, 1))[0], 1);
});

test("a few rows end with the last", () => {
  for (const n of [0, 1, 9, 10, 11, 37, 402]) {
    const few = fewOf(Array.from({ length: n }, (_, k) => k));
    assert.ok(few.length <= 10 && few.length >= Math.min(n, 5));
    assert.equal(few.at(-1), n ? n - 1 : undefined);
  }
});

test("numbers are short", () => {
  assert.deepEqual([-0.5, 0, 50000, 100000, 0.0003, 0.00003].map(atAxis), ["−0.5", "0", "50000", "1e5", "0.0003", "3e−5"]);
  assert.deepEqual([812.4, 41.26, 0.00491, 0.00005, 0, NaN].map(short), ["812", "41.3", "0.0049", "0.00005", "0", "–"]);
});
