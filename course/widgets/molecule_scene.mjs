// A frame of a molecule as balls, sticks and arrows in space. Nothing in here needs a browser.

const GREY = [0.62, 0.62, 0.62];
const VERMILION = [0.84, 0.37, 0];
const SKY = [0.34, 0.71, 0.91];

// The arrays of all frames, as Python packed them.
export function unpack(model) {
  const types = { offsets: Int32Array, numbers: Uint8Array, positions: Float32Array, colors: Uint8Array, bonds: Int32Array, energies: Float32Array, forces: Float32Array };
  const array = ({ buffer, byteOffset, byteLength }, Type) => new Type(buffer.slice(byteOffset, byteOffset + byteLength));
  return Object.fromEntries(Object.entries(types).map(([name, Type]) => [name, array(model.get(name), Type)]));
}

const vector = (flat, i) => [...flat.slice(3 * i, 3 * i + 3)];
const plus = (a, b, factor = 1) => a.map((value, k) => value + factor * b[k]);
const length = (a) => Math.hypot(...a);

// The atoms of frame k. `place` is the position with the middle of the frame as origin, `ball` the radius to draw.
export function atomsOf(data, elements, k) {
  const [start, end] = [data.offsets[k], data.offsets[k + 1]];
  const indices = Array.from({ length: end - start }, (_, i) => start + i);
  const middle = indices.reduce((sum, i) => plus(sum, vector(data.positions, i), 1 / indices.length), [0, 0, 0]);
  return indices.map((i) => {
    const [symbol, radius] = elements[data.numbers[i]];
    const position = vector(data.positions, i);
    return {
      name: `${symbol}${i - start}`,
      position,
      place: plus(position, middle, -1),
      ball: 0.1 + 0.5 * radius,
      color: vector(data.colors, i).map((part) => part / 255),
      energy: data.energies.length > 0 ? data.energies[i] : null,
      force: data.forces.length > 0 ? vector(data.forces, i) : null,
    };
  });
}

// The bonds of frame k, pairs of its atoms.
export function bondsOf(data, k) {
  const [start, end] = [data.offsets[k], data.offsets[k + 1]];
  const pairs = Array.from({ length: data.bonds.length / 2 }, (_, b) => [data.bonds[2 * b] - start, data.bonds[2 * b + 1] - start]);
  return pairs.filter(([i]) => i >= 0 && i < end - start);
}

const distance = (atoms, i, j) => length(plus(atoms[i].place, atoms[j].place, -1));

// What to draw, as calls of an NGL shape: balls, sticks and arrows; the letters on the balls; and the sphere
// [atom, radius], to be seen through, with sticks to the atoms within.
export function scene(atoms, bonds, forceScale, [center, radius]) {
  const solid = bonds.map(([i, j]) => ["addCylinder", atoms[i].place, atoms[j].place, GREY, 0.1, ""]);
  for (const { name, place, color, ball, force } of atoms) {
    solid.push(["addSphere", place, color, ball, name]);
    if (force === null || length(force) === 0) continue;
    const tail = plus(place, force, ball / length(force)); // on the ball's surface, so that no arrow is hidden
    solid.push(["addArrow", tail, plus(tail, force, 1 / forceScale), VERMILION, 0.07, ""]);
  }
  const near = atoms.map((_, j) => j).filter((j) => j !== center && distance(atoms, center, j) < radius);
  solid.push(...near.map((j) => ["addCylinder", atoms[center].place, atoms[j].place, SKY, 0.12, ""]));
  const letters = atoms.map(({ name, place }) => ["addText", place, [0, 0, 0], 0.8, name]);
  const clear = radius > 0 ? [["addSphere", atoms[center].place, SKY, radius, ""]] : [];
  return { solid, letters, clear };
}

// The numbers of a frame as texts, the first row for the heads of the columns.
export function numbersOf(atoms, [center, radius]) {
  const columns = [["atom", ({ name }) => name]];
  if (radius > 0) columns.push([`to ${atoms[center].name}, Å`, (_, i) => distance(atoms, center, i).toFixed(3)]);
  ["x", "y", "z"].forEach((axis, k) => columns.push([`${axis}, Å`, ({ position }) => position[k].toFixed(3)]));
  if (atoms[0].energy !== null) columns.push(["E_i \u2212 mean, eV", ({ energy }) => energy.toFixed(4)]);
  if (atoms[0].force !== null) {
    ["x", "y", "z"].forEach((axis, k) => columns.push([`F_${axis}, eV/Å`, ({ force }) => force[k].toFixed(3)]));
    columns.push(["|F|, eV/Å", ({ force }) => length(force).toFixed(3)]);
  }
  return [columns.map(([head]) => head), ...atoms.map((atom, i) => columns.map(([, text]) => text(atom, i)))];
}

// How far from the origin the picture of a frame reaches, in Angstrom. A lone atom need not fill it.
export function extent(atoms, forceScale, [center, radius]) {
  const arrow = (force) => (force === null ? 0 : length(force) / forceScale);
  const sphere = radius > 0 ? length(atoms[center].place) + radius : 0;
  return Math.max(2, sphere, ...atoms.map(({ place, ball, force }) => length(place) + ball + arrow(force)));
}

// The orientation of nglview's camera that sees the axes [right, up, towards the reader], and `reach` Angstrom in each
// direction. Its camera stands behind the molecule: right and near are turned round. A 4 x 4 matrix, column by column.
export function orientation([right, up, near], reach, aspect) {
  const half = reach / Math.min(1, aspect); // of the height of the picture, Angstrom
  const far = half / Math.tan((20 * Math.PI) / 180); // the camera's field of view is 40 degrees high
  const rows = [right.map((x) => -x), up, near.map((x) => -x)];
  return [0, 1, 2].flatMap((column) => [...rows.map((row) => far * row[column]), 0]).concat(0, 0, 0, 1);
}
