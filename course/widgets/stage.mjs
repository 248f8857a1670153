// One molecule in space: atoms as SVG, which can be focused and read out; edges and what travels on them on a canvas below.
// A stage draws what it is given and reports what the reader does with it. It knows nothing of messages or energies.
import { alongLane, applied, bars, distance, distanceToLane, lane, middle, neighborTowards, transposed, turned } from "./logic.mjs";
import { button, draw, make, put, say } from "./dom.mjs";

const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const NUDGE = 0.05; // Angstrom that an atom moves when Shift and an arrow key are pressed
const EDGE = 14; // pixels around the stage where no atom can be dragged
const STRIP = { width: 50, height: 18 }; // pixels; narrower where a molecule is drawn small

export class Stage {
  // title      what the stage shows
  // elements   atomic number -> { symbol, name, radius, color }
  // axes       3 x 3, how the molecule is turned at first
  // on         { select(i), hover(edge), move(positions), turn() }
  constructor(title, elements, axes, on) {
    Object.assign(this, { elements, axes, start: axes, on, zoom: 1, atoms: [], points: [], lanes: [], picture: null });
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.svg = draw("svg", { role: "group", "aria-label": title });
    this.scale = make("div", { class: "scale", "aria-hidden": "true" });
    const turn = (text, label, a, b) => button(text, label, () => this.turn(a, b));
    const zoom = (text, label, factor) => button(text, label, () => { this.zoom = Math.max(0.2, Math.min(8, this.zoom * factor)); this.redraw(); });
    const tools = make("div", { class: "tools", role: "group", "aria-label": "View" },
      turn("←", "turn left", -0.26, 0), turn("→", "turn right", 0.26, 0), turn("↑", "turn up", 0, -0.26), turn("↓", "turn down", 0, 0.26),
      zoom("+", "larger", 1.2), zoom("−", "smaller", 1 / 1.2));
    this.root = make("div", { class: "stage" }, this.canvas, this.svg, tools, this.scale);
    this.svg.addEventListener("pointerdown", (event) => this.grab(event));
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.on.hover(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.root);
    // What is on the canvas keeps its colours: it is drawn anew when the theme changes, Jupyter's or that of the machine.
    // With the next frame, for while JupyterLab changes its theme, it hides the notebook.
    const again = () => requestAnimationFrame(() => this.redraw());
    this.theme = new MutationObserver(again);
    this.theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
    this.scheme = window.matchMedia("(prefers-color-scheme: dark)");
    this.scheme.onchange = again;
  }

  // picture   { positions, numbers, names, bonds,
  //             edges: [{ j, i, width, alpha, color, marked }],
  //             atoms: [{ fill, ring, dash, faint, strip: { values, limit, kind }, label, description }],
  //             selected, sphere, center, forces, forceScale, travel }
  // sphere    its radius, Angstrom; center: its atom, the selected one where there is no other
  // forces    eV/Angstrom; forceScale: how many of them an arrow of 1 Angstrom stands for
  // travel    how far the messages are on their way, 0 to 1, or null
  show(picture) {
    this.picture = picture;
    this.redraw();
  }

  // These positions fill the stage. While an atom is dragged away, the others stay where they are.
  fit(positions) {
    this.center = middle(positions);
    this.fitted = positions.map((p) => p.map((x, k) => x - this.center[k]));
  }

  // Positions that shall be on the stage too. What was made smaller for them stays smaller: nothing jumps to and fro.
  include(positions) {
    if (this.held) return;
    if (!this.center) this.fit(positions);
    const reach = (p) => applied(this.axes, p).map(Math.abs);
    const most = [0, 1].map((k) => Math.max(...this.fitted.map((p) => reach(p)[k])));
    for (const p of positions.map((each) => each.map((x, k) => x - this.center[k]))) {
      if (reach(p).some((r, k) => r > most[k] + 1e-6)) this.fitted.push(p);
    }
  }

  // As at first; the next picture fills the stage again.
  reset() {
    [this.axes, this.zoom, this.center] = [this.start, 1, null];
  }

  redraw() {
    const { clientWidth: width, clientHeight: height } = this.root;
    if (!this.picture || !width || !height) return;
    if (!this.center) this.fit(this.picture.positions);
    const room = (axes) => {
      const turned = this.fitted.map((p) => applied(axes, p));
      const most = (k) => Math.max(0.8, ...turned.map((p) => Math.abs(p[k])));
      return Math.min((width / 2 - 44) / most(0), (height / 2 - 42) / most(1), 110);
    };
    this.size = this.zoom * Math.min(room(this.start), room(this.axes)); // pixels an Angstrom; it does not grow while it is turned
    const { positions, numbers } = this.picture;
    const seen = positions.map((p) => applied(this.axes, p.map((x, k) => x - this.center[k])));
    this.points = seen.map(([x, y]) => [width / 2 + this.size * x, height / 2 - this.size * y]);
    this.strip = Math.max(0.6, Math.min(1, this.size / 85));
    this.radii = numbers.map((z) => Math.max(9, Math.min(24, 0.42 * this.size * this.elements[z].radius)));
    put(this.svg, { viewBox: `0 0 ${width} ${height}` });
    this.drawAtoms(seen);
    this.drawEdges(width, height);
  }

  // ------------------------------------------------------------------------- atoms

  drawAtoms(seen) {
    const { picture } = this;
    if (this.atoms.length !== picture.numbers.length) this.makeAtoms(picture.numbers.length);
    picture.atoms.forEach((look, k) => {
      const { g, halo, disc, letter, index, label, strip } = this.atoms[k];
      const element = this.elements[picture.numbers[k]];
      const radius = this.radii[k];
      const chosen = picture.selected === k;
      put(g, {
        transform: `translate(${this.points[k][0].toFixed(2)} ${this.points[k][1].toFixed(2)})`,
        "aria-label": look.description, "aria-pressed": chosen, tabindex: k === this.tabStop() ? 0 : -1,
        opacity: look.faint ? 0.35 : 1, "data-atom": picture.names[k],
      });
      put(halo, { r: radius + 4, class: chosen ? "halo chosen" : look.ring ? "halo" : "halo none", stroke: chosen ? null : look.ring, "stroke-dasharray": look.dash });
      put(disc, { r: radius, fill: look.fill ?? element.color });
      put(letter, { fill: ink(look.fill ?? element.color) });
      say(letter, element.symbol);
      put(index, { x: radius * 0.75, y: -radius * 0.7 });
      say(index, picture.names[k].slice(element.symbol.length));
      put(label, { y: radius + 13 });
      say(label, look.label ?? "");
      put(strip.root, { transform: `translate(${(-STRIP.width / 2) * this.strip} ${radius + 3}) scale(${this.strip.toFixed(3)})`, class: look.strip ? `strip ${look.strip.kind}` : "strip none" });
      if (look.strip) putBars(strip, look.strip.values, STRIP, look.strip.limit);
    });
    // Far atoms first. The focused one stays where it is in the document: moving it would take the focus away.
    const order = seen.map((_, k) => k).sort((a, b) => seen[a][2] - seen[b][2]).map((k) => this.atoms[k].g);
    if (order.some((g, k) => g !== this.svg.children[k + 1])) {
      const held = order.indexOf(order.find((g) => g === this.svg.getRootNode().activeElement));
      order.forEach((g, k) => {
        if (held >= 0 && k < held) this.svg.insertBefore(g, order[held]);
        else if (k !== held) this.svg.append(g);
      });
    }
    const { sphere, center = picture.selected } = picture;
    const shown = sphere && center !== null && center !== undefined;
    put(this.sphere, shown ? { cx: this.points[center][0], cy: this.points[center][1], r: sphere * this.size, class: "sphere" } : { class: "sphere none" });
  }

  makeAtoms(n) {
    this.sphere = draw("circle", { class: "sphere none", "aria-hidden": "true" });
    this.atoms = Array.from({ length: n }, (_, k) => {
      const parts = { halo: draw("circle"), disc: draw("circle", { class: "disc" }), letter: draw("text", { class: "letter", dy: "0.35em" }),
        index: draw("text", { class: "index" }), label: draw("text", { class: "value" }) };
      const strip = { up: draw("path", { class: "up" }), down: draw("path", { class: "down" }) };
      strip.root = draw("g", { class: "strip none" }, draw("rect", { width: STRIP.width, height: STRIP.height }), strip.up, strip.down);
      const g = draw("g", { class: "atom", role: "button", tabindex: -1 }, parts.halo, parts.disc, parts.letter, parts.index, strip.root, parts.label);
      g.addEventListener("focus", () => { this.current = k; });
      return { g, strip, ...parts };
    });
    this.svg.replaceChildren(this.sphere, ...this.atoms.map(({ g }) => g));
  }

  // Tab enters the molecule once, at the atom that was visited last.
  tabStop() {
    return this.current < this.atoms.length ? this.current : this.picture.selected ?? 0;
  }

  // ------------------------------------------------------------------------- edges, messages, forces

  drawEdges(width, height) {
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const theme = getComputedStyle(this.root);
    const [inkColor, bondColor, edgeColor, forceColor] = ["--ink", "--bond", "--edge", "--force"].map((name) => theme.getPropertyValue(name));
    const { bonds, edges, forces, forceScale, travel } = this.picture;
    const { points, radii } = this;
    pen.lineCap = "round";
    line(pen, bondColor, 5, 1, () => bonds.forEach(([a, b]) => { pen.moveTo(...points[a]); pen.lineTo(...points[b]); }));
    this.lanes = edges.map((edge) => ({ edge, curve: lane(points[edge.j], points[edge.i], radii[edge.j] + 1, radii[edge.i] + 4) }));
    for (const { edge, curve } of this.lanes) {
      const color = edge.color ?? edgeColor;
      line(pen, color, edge.width, edge.alpha, () => { pen.moveTo(...curve[0]); pen.quadraticCurveTo(...curve[1], ...curve[2]); });
      if (edge.color) arrowhead(pen, color, edge.alpha, curve[1], curve[2], 4 + 1.3 * edge.width);
      if (edge.marked) line(pen, inkColor, 1.2, 1, () => { pen.moveTo(...curve[0]); pen.quadraticCurveTo(...curve[1], ...curve[2]); });
    }
    if (travel !== null && travel !== undefined) {
      for (const { edge, curve } of this.lanes) {
        const [x, y] = alongLane(curve, travel);
        pen.globalAlpha = Math.min(1, edge.alpha + 0.2);
        pen.fillStyle = edge.color ?? edgeColor;
        pen.beginPath();
        pen.arc(x, y, 2 + 0.8 * edge.width, 0, 2 * Math.PI);
        pen.fill();
      }
    }
    if (forces) {
      forces.forEach((force, k) => {
        const [fx, fy] = applied(this.axes, force).map((f) => (f / forceScale) * this.size);
        const length = Math.hypot(fx, fy);
        if (!(length > 3)) return;
        const [ux, uy] = [fx / length, -fy / length];
        const from = [points[k][0] + ux * radii[k], points[k][1] + uy * radii[k]];
        const to = [from[0] + ux * length, from[1] + uy * length];
        line(pen, forceColor, 2.5, 1, () => { pen.moveTo(...from); pen.lineTo(...to); });
        arrowhead(pen, forceColor, 1, from, [to[0] + 3 * ux, to[1] + 3 * uy], 8);
      });
    }
    pen.globalAlpha = 1;
    this.scale.style.width = `${this.size}px`;
    say(this.scale, "1 Å");
  }

  // ------------------------------------------------------------------------- what the reader does

  turn(aboutVertical, aboutHorizontal) {
    this.axes = turned(this.axes, aboutVertical, aboutHorizontal);
    this.redraw();
    this.on.turn?.();
  }

  // A step in the plane of the picture, in pixels, as a step in space, in Angstrom.
  inSpace(dx, dy) {
    return applied(transposed(this.axes), [dx / this.size, -dy / this.size, 0]);
  }

  grab(event) {
    if (event.button !== 0 || this.held || !this.picture) return;
    const atom = this.atoms.findIndex(({ g }) => g.contains(event.target));
    const { left, top, right, bottom } = this.root.getBoundingClientRect(); // what is dragged stays where it can be fetched back
    const [X_min, X_max, Y_min, Y_max] = [left + EDGE, right - EDGE, top + EDGE, bottom - EDGE];
    let [x, y, far] = [event.clientX, event.clientY, false];
    this.svg.setPointerCapture(event.pointerId);
    event.preventDefault();
    if (atom >= 0) this.focus(atom);
    this.held = true;
    const follow = (move) => {
      if (move.pointerId !== event.pointerId) return; // another finger
      const [X, Y] = [Math.max(X_min, Math.min(X_max, move.clientX)), Math.max(Y_min, Math.min(Y_max, move.clientY))];
      if (!far && Math.hypot(X - event.clientX, Y - event.clientY) < 4) return;
      far = true;
      if (atom < 0 || !this.on.move) this.turn((X - x) * 0.01, (Y - y) * 0.01);
      else this.moveAtom(atom, this.inSpace(X - x, Y - y));
      [x, y] = [X, Y];
    };
    const release = () => {
      this.held = false;
      this.svg.removeEventListener("pointermove", follow);
      this.svg.removeEventListener("pointerup", release);
      this.svg.removeEventListener("pointercancel", release);
      if (!far) this.on.select(atom >= 0 ? atom : null);
    };
    this.svg.addEventListener("pointermove", follow);
    this.svg.addEventListener("pointerup", release);
    this.svg.addEventListener("pointercancel", release);
  }

  moveAtom(k, [dx, dy, dz]) {
    const positions = this.picture.positions.map((p, m) => (m === k ? [p[0] + dx, p[1] + dy, p[2] + dz] : p));
    this.on.move?.(positions);
  }

  point(event) {
    if (this.held) return;
    const { left, top } = this.svg.getBoundingClientRect();
    let nearest = null, least = 7;
    if (!this.atoms.some(({ g }) => g.contains(event.target))) {
      for (const { edge, curve } of this.lanes) {
        const d = distanceToLane(curve, [event.clientX - left, event.clientY - top]);
        if (d < least) [nearest, least] = [edge, d];
      }
    }
    this.on.hover(nearest);
  }

  key(event) {
    const k = this.atoms.findIndex(({ g }) => g === event.target);
    if (k < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = ARROWS[event.key];
    if (direction && event.shiftKey) {
      const step = NUDGE * this.size;
      const [dx, dy] = { left: [-step, 0], right: [step, 0], up: [0, -step], down: [0, step] }[direction];
      const [x, y] = [this.points[k][0] + dx, this.points[k][1] + dy];
      const { clientWidth: width, clientHeight: height } = this.root;
      if (x > EDGE && x < width - EDGE && y > EDGE && y < height - EDGE) this.moveAtom(k, this.inSpace(dx, dy));
    } else if (direction) this.focus(neighborTowards(this.points, k, direction));
    else if (event.key === "PageDown" || event.key === "PageUp") this.focus((k + (event.key === "PageDown" ? 1 : -1) + this.atoms.length) % this.atoms.length);
    else if (event.key === "Enter" || event.key === " ") this.on.select(this.picture.selected === k ? null : k);
    else return;
    event.preventDefault();
  }

  focus(k) {
    this.atoms[k].g.focus({ preventScroll: true });
  }

  destroy() {
    this.observer.disconnect();
    this.theme.disconnect();
    this.scheme.onchange = null;
  }
}

// Numbers as bars, in two paths. Numbers that stand there already are not written again.
export function putBars(paths, values, { width, height }, limit) {
  if (paths.values === values && paths.limit === limit) return;
  Object.assign(paths, { values, limit });
  const { up, down } = bars(values, width, height, limit);
  put(paths.up, { d: up });
  put(paths.down, { d: down });
}

function line(pen, color, width, alpha, path) {
  [pen.strokeStyle, pen.lineWidth, pen.globalAlpha] = [color, width, alpha];
  pen.beginPath();
  path();
  pen.stroke();
}

function arrowhead(pen, color, alpha, from, tip, size) {
  const angle = Math.atan2(tip[1] - from[1], tip[0] - from[0]);
  [pen.fillStyle, pen.globalAlpha] = [color, alpha];
  pen.beginPath();
  pen.moveTo(tip[0] + 2 * Math.cos(angle), tip[1] + 2 * Math.sin(angle));
  for (const side of [-0.45, 0.45]) pen.lineTo(tip[0] - size * Math.cos(angle + side), tip[1] - size * Math.sin(angle + side));
  pen.fill();
}

// Black or white, whichever can be read better on a colour "#rrggbb"; on the paper, the ink of the page.
export function ink(color) {
  if (!color.startsWith("#")) return "var(--ink)";
  const [r, g, b] = [1, 3, 5].map((k) => (parseInt(color.slice(k, k + 2), 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000000" : "#ffffff";
}
