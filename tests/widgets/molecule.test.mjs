// The scene of a molecule: what is drawn where, and from where it is seen.

import assert from "node:assert/strict";
import test from "node:test";
import { atomsOf, bondsOf, extent, numbersOf, orientation, scene, unpack } from "../../course/widgets/molecule_scene.mjs";

const bytes = (Type, ...values) => {
  const shifted = new Uint8Array(3 + Type.BYTES_PER_ELEMENT * values.length); // a trait may start anywhere in its buffer
  shifted.set(new Uint8Array(Type.from(values).buffer), 3);
  return new DataView(shifted.buffer, 3);
};
const ELEMENTS = { 1: ["H", 0.3], 6: ["C", 0.8] };

// Two frames: C-H along x, then H2 along y; the first has a force of 4 eV/A on H.
const STATE = {
  offsets: bytes(Int32Array, 0, 2, 4),
  numbers: bytes(Uint8Array, 6, 1, 1, 1),
  positions: bytes(Float32Array, 1, 0, 0, 3, 0, 0, 0, 5, 0, 0, 6, 0),
  colors: bytes(Uint8Array, 0, 51, 102, 255, 255, 255, 0, 0, 0, 0, 0, 0),
  bonds: bytes(Int32Array, 0, 1, 2, 3),
  energies: bytes(Float32Array),
  forces: bytes(Float32Array, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0),
};
const DATA = unpack({ get: (name) => STATE[name] });
const close = (a, b, what) => assert.ok(Math.abs(a - b) < 1e-9, `${what}: ${a} is not ${b}`);
const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);

test("a frame has its own atoms and bonds, around its own middle", () => {
  const first = atomsOf(DATA, ELEMENTS, 0), second = atomsOf(DATA, ELEMENTS, 1);
  assert.deepEqual(first.map(({ name }) => name), ["C0", "H1"]);
  assert.deepEqual(first.map(({ place }) => place), [[-1, 0, 0], [1, 0, 0]]);
  assert.deepEqual(first[0].color, [0, 0.2, 0.4]);
  assert.deepEqual(second.map(({ name, position }) => [name, position[1]]), [["H0", 5], ["H1", 6]]);
  assert.deepEqual(second.map(({ place }) => place[1]), [-0.5, 0.5]);
  assert.deepEqual([bondsOf(DATA, 0), bondsOf(DATA, 1)], [[[0, 1]], [[0, 1]]]);
});

test("an arrow starts on its ball, points along the force, and has its length on the scale", () => {
  const { solid } = scene(atomsOf(DATA, ELEMENTS, 0), bondsOf(DATA, 0), 2, [0, 0]);
  const arrows = solid.filter(([kind]) => kind === "addArrow");
  assert.equal(arrows.length, 1); // a force of zero has none
  const [, tail, tip] = arrows[0];
  assert.deepEqual(tail, [1, 0.25, 0]); // the ball of H: 0.1 + 0.3 / 2
  assert.deepEqual(tip, [1, 2.25, 0]); // 4 eV/A at 2 eV/A a Angstrom
});

test("a sphere joins its centre to those who are closer than the radius", () => {
  const sticks = (radius) => scene(atomsOf(DATA, ELEMENTS, 0), [], 2, [0, radius]).solid.filter(([kind]) => kind === "addCylinder").length;
  assert.deepEqual([sticks(0), sticks(1.99), sticks(2), sticks(2.01)], [0, 0, 0, 1]);
  assert.deepEqual(scene(atomsOf(DATA, ELEMENTS, 0), [], 2, [0, 0]).clear, []);
  const [[, middle, , radius]] = scene(atomsOf(DATA, ELEMENTS, 0), [], 2, [1, 3]).clear;
  assert.deepEqual([middle, radius], [[1, 0, 0], 3]);
});

test("nothing reaches out of the extent", () => {
  const atoms = atomsOf(DATA, ELEMENTS, 0);
  close(extent(atoms, 2, [0, 0]), 1 + 0.25 + 2, "atom, ball and arrow");
  close(extent(atoms, 2, [0, 5]), 1 + 5, "sphere");
  close(extent(atomsOf(DATA, ELEMENTS, 1), 2, [0, 0]), 2, "small molecules have room");
});

test("the camera sees the axes that it is given, without a mirror, and as far as the reach", () => {
  const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
  const axes = [[c, s, 0], [0, 0, 1], [s, -c, 0]]; // right, up, near
  for (const aspect of [2, 0.5]) {
    const matrix = orientation(axes, 3, aspect);
    const row = (k) => [matrix[k], matrix[4 + k], matrix[8 + k]];
    const far = Math.hypot(...row(0));
    // NGL's camera stands at -z and looks along +z with y upwards: what is right has negative x, what is near negative z.
    const seen = (vector) => [-dot(row(0), vector) / far, dot(row(1), vector) / far, -dot(row(2), vector) / far];
    axes.forEach((axis, k) => seen(axis).forEach((value, j) => close(value, j === k ? 1 : 0, `axis ${k} on ${j}`)));
    const [a, b, n] = [row(0), row(1), row(2)];
    const cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    assert.ok(dot(cross, n) > 0, "mirrored");
    const halfHeight = far * Math.tan((20 * Math.PI) / 180);
    close(Math.min(halfHeight, halfHeight * aspect), 3, "reach");
  }
});

test("the table has a row for each atom and a column for each number", () => {
  const [head, carbon, hydrogen] = numbersOf(atomsOf(DATA, ELEMENTS, 0), [0, 2.5]);
  assert.equal(head.length, carbon.length);
  const at = (name) => head.findIndex((text) => text.startsWith(name));
  assert.deepEqual([hydrogen[at("atom")], hydrogen[at("x")], hydrogen[at("F_y")], hydrogen[at("|F|")], hydrogen[at("to C0")]], ["H1", "3.000", "4.000", "4.000", "2.000"]);
  assert.equal(at("E_i"), -1);
  assert.deepEqual(numbersOf(atomsOf({ ...DATA, forces: [], energies: [0.25, -0.5, 0, 0] }, ELEMENTS, 0), [0, 0])[2], ["H1", "3.000", "0.000", "0.000", "-0.5000"]);
});
