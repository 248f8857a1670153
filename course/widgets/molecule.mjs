// The view of a molecule: nglview's canvas, or the still picture. Below it words, legend, slider, and a table of numbers.

import { make, put, say, slider } from "./dom.mjs";
import { atomsOf, bondsOf, extent, numbersOf, orientation, scene, unpack } from "./molecule_scene.mjs";

const MOST = 6; // 3D views of a page: browsers keep 16 WebGL contexts, and others want some too
const TURNS = { ArrowLeft: [0, -1, 0], ArrowRight: [0, 1, 0], ArrowUp: [-1, 0, 0], ArrowDown: [1, 0, 0] }; // axes of the screen
const ZOOMS = { "+": 0.1, "=": 0.1, "-": -0.1 };

const LETTERS = { attachment: "middle-center", showBorder: true, borderColor: "white", borderWidth: 0.3, disablePicking: true };
const GLASS = { opacity: 0.25, side: "back", disableImpostor: true, sphereDetail: 4, disablePicking: true }; // the far half only: the near one would tint the atoms

// Whether the browser has WebGL. The context that tells is given back at once.
function hasWebGL() {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2") ?? canvas.getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}

// An empty view of nglview in `box`; its `stage` is the NGL viewer.
async function openViewer(model, box) {
  const manager = model.widget_manager;
  const view = await manager.create_view(await manager.get_model(model.get("viewer")));
  box.replaceChildren(view.el);
  view.trigger("displayed"); // nglview waits for this before it makes its stage
  await view.displayed;
  const { stage } = view;
  if (!stage?.viewer.renderer) throw new Error("nglview made no stage");
  for (const control of [view.btn_pview_fullscreen, view.player_pview]) control.then(({ el }) => el.remove()); // no key reaches them
  view.$pickingInfo.remove();
  stage.keyControls.clear();
  stage.signals.componentAdded.removeAll(); // else nglview tells Python of each arrow that comes or goes
  stage.signals.componentRemoved.removeAll();
  // No fog: it would change colours that mean something. No text under the mouse: the table is for everybody.
  stage.setParameters({ cameraType: "orthographic", fogNear: 100, fogFar: 1000, clipDist: 0, tooltip: false });
  return view;
}

function closeViewer(view) {
  const { viewer } = view.stage;
  viewer.render = () => {}; // one may be due
  view.stage.dispose();
  viewer.renderer.forceContextLoss(); // else the context is not free before the garbage is collected
  view.remove();
}

function render({ model, el }) {
  const data = unpack(model);
  const nFrames = data.offsets.length - 1;
  const forceScale = model.get("force_scale");
  const radius = model.get("radius");
  const elements = model.get("elements");
  const atoms = () => atomsOf(data, elements, model.get("frame"));
  const sphere = () => [model.get("center"), radius];
  const set = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };

  let view = null; // nglview's, while the molecule is in 3D
  let drawn = []; // its components
  let hidden = []; // those of the frame before
  let turned = false; // as in the still picture, since it was opened
  let gone = false; // the cell was run again

  // ---- in 3D, or not

  const box = make("div", { class: "space" });
  const hint = make("p", { class: "note" }, "Drag to turn. Click into the view: arrow keys turn, wheel or + and \u2212 zoom, Home resets.");
  const picture = make("img", {});
  const notice = make("p", { role: "status" });
  const again = make("button", { type: "button", onclick: () => open().then(() => box.querySelector("canvas")?.focus()) }, "Show in 3D again");
  const still = make("div", { hidden: true }, picture, notice, again);

  async function open() {
    put(again, { hidden: true });
    if (!model.get("live") || !model.widget_manager) return close("A still picture: the 3D view needs a notebook.");
    if (!hasWebGL()) return close("A still picture: this browser has no WebGL, which the 3D view needs.");
    put(box, { hidden: false });
    const opened = await openViewer(model, box).catch(() => null);
    if (opened === null) return close("A still picture: nglview, the 3D viewer, did not start. The command `course doctor` looks for the reason.");
    if (gone) return closeViewer(opened);
    [view, drawn, hidden, turned] = [opened, [], [], false];
    const canvas = view.stage.viewer.renderer.domElement;
    put(canvas, { tabindex: 0, role: "application", "aria-label": "Molecule, described below", "aria-roledescription": "3D view", "data-lm-suppress-shortcuts": "true" });
    canvas.addEventListener("keydown", onKey);
    canvas.addEventListener("webglcontextlost", () => view === opened && close("A still picture: the browser has taken the 3D view away.", true));
    view.stage.signals.clicked.add((picked) => choose(atoms().findIndex(({ name }) => name === picked?.sphere?.name)));
    put(still, { hidden: true });
    put(hint, { hidden: false });
    set("in_3d", true);
    makeRoom();
    draw3d();
    resize();
  }

  function close(reason, mayReturn = false) {
    const closing = view;
    view = null;
    if (closing !== null) closeViewer(closing);
    delete root.dataset.opened;
    box.replaceChildren();
    put(box, { hidden: true });
    put(hint, { hidden: true });
    put(again, { hidden: !mayReturn });
    put(still, { hidden: false });
    say(notice, reason);
    set("in_3d", false); // Python answers with a picture of this frame
  }

  function makeRoom() {
    root.dataset.opened = performance.now();
    const age = (each) => Number(each.dataset.opened);
    const all = [...document.querySelectorAll(".molecule[data-opened]")].sort((a, b) => age(a) - age(b));
    if (all.length > MOST) all[0].dispatchEvent(new Event("makeroom"));
  }

  function draw3d() {
    const { stage } = view;
    view.addShape("", []); // the way to the class of NGL's shapes
    const empty = stage.compList.at(-1);
    const Shape = empty.shape.constructor;
    const show = (calls, parameters) => {
      const shape = new Shape("molecule", parameters);
      for (const [add, ...values] of calls) shape[add](...values);
      const component = stage.addComponentFromObject(shape);
      component.addRepresentation("buffer", parameters);
      return component;
    };
    const { solid, letters, clear } = scene(atoms(), bondsOf(data, model.get("frame")), forceScale, sphere());
    for (const component of [empty, ...hidden]) stage.removeComponent(component);
    for (const component of drawn) component.setVisibility(false);
    hidden = drawn; // until the next frame: with the last user of a shader goes the shader, and a new one takes 0.3 s
    drawn = [show(solid, {}), show(letters, LETTERS), show(clear, GLASS)];
  }

  function resize() {
    if (view === null || box.clientWidth === 0) return;
    view.setSize(`${box.clientWidth}px`, `${box.clientHeight}px`);
    if (!turned) turnToStart();
  }

  function turnToStart() {
    turned = true;
    const reach = Math.max(...Array.from({ length: nFrames }, (_, k) => extent(atomsOf(data, elements, k), forceScale, sphere())));
    view.stage.viewerControls.orient(orientation(model.get("axes"), reach, box.clientWidth / box.clientHeight));
  }

  function onKey(event) {
    const { viewerControls } = view.stage;
    if (event.key in TURNS) viewerControls.spin(TURNS[event.key], Math.PI / 12);
    else if (event.key in ZOOMS) viewerControls.zoom(ZOOMS[event.key]);
    else if (event.key === "Home") turnToStart();
    else return;
    event.preventDefault();
  }

  // ---- what stands below

  const words = make("p", {});

  const { low, high, colors } = model.get("legend");
  const legend = make("div", { class: "row" });
  if (colors) {
    const bar = make("span", { class: "bar", style: `background: linear-gradient(to right, ${colors})` });
    legend.append(make("span", {}, low.toFixed(3), bar, `${high.toFixed(3)} eV: E_i minus the mean of its element`));
  }
  if (forceScale > 0) legend.append(make("span", {}, make("span", { class: "arrow" }, "\u279e"), ` force: 1 Å of arrow is ${forceScale} eV/Å`));

  const time = slider("Frame", { min: 0, max: nFrames - 1 }, (k) => set("frame", k));
  const play = make("button", { type: "button", onclick: () => (timer === null ? start() : stop()) }, "Play");
  let timer = null;
  function start() {
    timer = setInterval(() => set("frame", (model.get("frame") + 1) % nFrames), 100);
    say(play, "Pause");
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    say(play, "Play");
  }

  const center = make("select", { onchange: () => choose(center.selectedIndex) });
  const fewest = Math.min(...Array.from({ length: nFrames }, (_, k) => data.offsets[k + 1] - data.offsets[k]));
  function choose(atom) {
    if (radius > 0 && atom >= 0 && atom < fewest) set("center", atom);
  }

  const controls = make("div", { class: "row" });
  if (model.get("live") && nFrames > 1) controls.append(play, time.root);
  if (model.get("live") && radius > 0) controls.append(make("label", {}, `Sphere of ${radius} Å around `, center));

  const table = make("table", {});
  const scroll = make("div", { class: "scroll", role: "region", "aria-label": "Numbers", tabindex: 0 }, table);
  const numbers = make("details", { ontoggle: tabulate }, make("summary", {}, "Numbers"), scroll);
  function tabulate() {
    if (!numbers.open) return;
    const [head, ...rows] = numbersOf(atoms(), sphere());
    const line = (texts, cell) => make("tr", {}, make("th", { scope: cell === "th" ? "col" : "row" }, texts[0]), ...texts.slice(1).map((text) => make(cell, {}, text)));
    table.replaceChildren(make("thead", {}, line(head, "th")), make("tbody", {}, ...rows.map((row) => line(row, "td"))));
  }

  const root = make("div", { class: "course-widget molecule" }, box, hint, still, words, legend, controls, numbers);
  root.addEventListener("makeroom", () => close(`A still picture: a page keeps ${MOST} views in 3D, and this one made room for a newer one.`, true));
  box.addEventListener("wheel", (event) => {
    if (!box.contains(document.activeElement)) event.stopPropagation(); // else nobody could scroll past
  });

  // ---- from the state to the page

  let due = null; // the next time that the browser paints
  function update() {
    due ??= requestAnimationFrame(() => {
      due = null;
      if (view !== null) draw3d();
      tabulate();
      time.set(model.get("frame"), `${model.get("frame") + 1} of ${nFrames}`);
      const names = atoms().slice(0, fewest).map(({ name }) => name);
      if (names.join() !== [...center.options].map((option) => option.text).join()) center.replaceChildren(...names.map((name) => make("option", {}, name)));
      center.selectedIndex = model.get("center");
    });
  }
  function describe() {
    say(words, model.get("words"));
    put(picture, { alt: model.get("words") });
  }
  function paste() {
    URL.revokeObjectURL(picture.src);
    if (model.get("still").byteLength > 0) picture.src = URL.createObjectURL(new Blob([model.get("still")], { type: "image/png" }));
  }

  const listeners = { "change:frame": update, "change:center": update, "change:words": describe, "change:still": paste };
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener);
  const resized = new ResizeObserver(resize);
  resized.observe(box);

  el.append(root);
  update();
  describe();
  paste();
  open();

  return () => {
    gone = true;
    stop();
    cancelAnimationFrame(due);
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener);
    resized.disconnect();
    URL.revokeObjectURL(picture.src);
    const closing = view;
    view = null;
    if (closing !== null) closeViewer(closing);
  };
}

const widget = { render };
export default widget;
