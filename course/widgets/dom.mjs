// Elements of the page, in one line each.

const SVG = "http://www.w3.org/2000/svg";
const FOCUSABLE = new Set(["button", "input", "select", "summary", "textarea"]);

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  }
  put(element, attributes);
  // Without this attribute on the element itself, Jupyter takes its keys: "d d" would delete the cell.
  if (FOCUSABLE.has(element.localName) || "tabindex" in attributes) element.dataset.lmSuppressShortcuts = "true";
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const make = (tag, attributes = {}, ...children) => build(document.createElement(tag), attributes, children);

export const draw = (tag, attributes = {}, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

// Set only what has changed: the browser does less, and a screen reader is not told twice. ARIA says "true" and "false",
// plain attributes are there or not.
export function put(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) continue;
    const text = typeof value === "boolean" && !name.startsWith("aria-") ? (value ? "" : null) : value;
    if (text === null || text === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(text)) element.setAttribute(name, text);
  }
}

export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A sign needs a label in words; a word is its own label.
export const button = (text, title, onclick) => make("button", { type: "button", "aria-label": /[a-z]{2}/.test(text) ? null : title, title, onclick }, text);

// A slider with its name before and its value behind it.
export function slider(name, attributes, oninput) {
  const value = make("output", {});
  const input = make("input", { type: "range", "aria-label": name, ...attributes, oninput: () => oninput(Number(input.value)) });
  const root = make("label", { class: "slider" }, make("span", {}, name), input, value);
  return {
    root, input,
    set(number, text) {
      if (Number(input.value) !== number) input.value = number;
      put(input, { "aria-valuetext": text });
      say(value, text);
    },
  };
}

export function checkbox(name, onchange) {
  const input = make("input", { type: "checkbox", onchange: () => onchange(input.checked) });
  return { root: make("label", { class: "checkbox" }, input, name), input };
}

// The children of `parent` become those of `items`, in that order. What has the same key stays the same element, so
// that whatever the reader has focused stays focused. `create(item)` makes an element, `update(element, item)` fills it.
export function keyed(parent, items, create, update) {
  const held = document.activeElement;
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const next = items.map((item) => {
    const element = old.get(String(item.key)) ?? create(item);
    element.dataset.key = item.key;
    update(element, item);
    return element;
  });
  if (next.length !== parent.children.length || next.some((element, k) => element !== parent.children[k])) {
    parent.replaceChildren(...next);
    if (parent.contains(held)) held.focus({ preventScroll: true });
  }
}

// Calls `send` for every `go`; while a pointer is held down not more often than every `pause` ms, and the last time for
// the newest. An answer of Python's costs Jupyter and the page more time than a frame, and takes it from the picture.
export function paced(send, pause) {
  let held = false, sent = -Infinity, waiting = 0;
  function go() {
    clearTimeout(waiting);
    const wait = held ? sent + pause - performance.now() : 0;
    waiting = wait > 0 ? setTimeout(go, wait) : 0;
    if (waiting) return;
    sent = performance.now();
    send();
  }
  return {
    go,
    press() { held = true; },
    release() {
      held = false;
      if (waiting) go();
    },
    stop() { clearTimeout(waiting); },
  };
}
