// Axes with round numbers, and lines along them. Nothing here needs a document.

// Round numbers from low to high, about as many as `most`.
export function linearTicks(low, high, most = 5) {
  const size = 10 ** Math.floor(Math.log10((high - low) / most));
  const step = size * [1, 2, 5, 10].find((lead) => (high - low) / (lead * size) <= most);
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-6 * step; k++) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

// Round numbers for a logarithmic axis: 50, 70, 100. The more decades, the fewer in each.
export function logTicks(low, high, most = 6) {
  const powers = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) powers.push(power);
  for (const leads of [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const ticks = powers.flatMap((power) => leads.map((lead) => Number(`${lead}e${power}`)));
    const inside = ticks.filter((tick) => tick >= low && tick <= high);
    if (inside.length < 3) return linearTicks(low, high, 3);
    if (inside.length <= most) return inside;
  }
  const step = Math.ceil(powers.length / most);
  return powers.filter((power) => power % step === 0).map((power) => Number(`1e${power}`)).filter((tick) => tick >= low && tick <= high);
}

// The ends of a logarithmic axis with room for these values; what has no logarithm is left out.
export function logRange(values) {
  const good = values.filter((value) => value > 0 && value < Infinity);
  if (good.length === 0) return [1, 10];
  const [low, high] = [Math.min(...good), Math.max(...good)];
  const room = Math.max(1.05, (high / low) ** 0.06);
  return [low / room, high * room];
}

export const linear = ([low, high], [start, end]) => (x) => start + ((x - low) / (high - low)) * (end - start);

export function logarithmic([low, high], pixels) {
  const scale = linear([Math.log(low), Math.log(high)], pixels);
  return (x) => scale(Math.log(x));
}

const places = (points) => points.map(([x, y]) => (Number.isFinite(x) && Number.isFinite(y) ? `${x.toFixed(1)} ${y.toFixed(1)}` : null));

// A line through points (x, y), interrupted where there is no number.
export function lineThrough(points) {
  let resting = true;
  return places(points).map((place) => {
    const piece = place === null ? "" : `${resting ? "M" : "L"}${place}`;
    resting = place === null;
    return piece;
  }).join("");
}

// A dot at each point: a line without length has round ends.
export const dots = (points) => places(points).filter((place) => place !== null).map((place) => `M${place}h0`).join("");

// There is little room at an axis: 1e5 in place of 100000.
export function atAxis(tick) {
  const far = tick !== 0 && (Math.abs(tick) >= 1e5 || Math.abs(tick) < 1e-4);
  return (far ? tick.toExponential().replace("+", "") : String(tick)).replaceAll("-", "−"); // a minus sign, not a hyphen
}
