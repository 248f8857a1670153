// The browser's side of the mini-host: the model that a widget of ipywidgets meets in a notebook, without the notebook.

const isBinary = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);
const bytesOf = (value) => (ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value));
const toText = (value) => bytesOf(value).toBase64();
const fromText = (text) => new DataView(Uint8Array.fromBase64(text).buffer);

// Equal by content, as in a notebook: an equal value is no change.
function same(a, b) {
  if (Object.is(a, b)) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  if (isBinary(a) && isBinary(b)) {
    const [x, y] = [bytesOf(a), bytesOf(b)];
    return x.length === y.length && x.every((byte, index) => byte === y[index]);
  }
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => name in b && same(a[name], b[name]));
}

// Binary values travel beside the JSON, with the path to their place.
function takeOut(value, path, paths, buffers) {
  if (isBinary(value)) {
    paths.push(path);
    buffers.push(toText(value));
    return null;
  }
  if (Array.isArray(value)) return value.map((part, index) => takeOut(part, [...path, index], paths, buffers));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, takeOut(part, [...path, name], paths, buffers)]));
}

function putBack(state, paths, buffers) {
  paths.forEach((path, index) => {
    const holder = path.slice(0, -1).reduce((part, name) => part[name], state);
    holder[path.at(-1)] = fromText(buffers[index]);
  });
  return state;
}

class Model {
  constructor(state) {
    this.state = state;
    this.listeners = []; // {event, callback}
    this.unsaved = {};
  }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (!same(this.state[name], value)) this.unsaved[name] = value;
    this.change({ [name]: value });
  }
  change(values) {
    const changed = Object.keys(values).filter((name) => !same(this.state[name], values[name]));
    Object.assign(this.state, values);
    for (const name of changed) this.trigger(`change:${name}`);
    if (changed.length > 0) this.trigger("change");
  }
  // One event a call, listeners without arguments: the stand-alone page knows no more.
  on(event, callback) {
    if (event.includes(" ")) throw new Error(`model.on("${event}", ...): one event a call`);
    this.listeners.push({ event, callback });
  }
  off(event, callback) {
    this.listeners = this.listeners.filter((each) => each.event !== event || each.callback !== callback);
  }
  trigger(event, ...values) {
    for (const listener of this.listeners.filter((each) => each.event === event)) listener.callback(...values);
  }
  save_changes() {
    host.save();
  }
  send(content, callbacks, buffers = []) {
    host.post({ method: "custom", content, buffers: buffers.map(toText) });
  }
}

window.host = {
  model: null,
  cleanup: null,
  waiting: 0, // messages that Python has not answered
  line: Promise.resolve(), // they go one after the other

  async open(text) {
    const { state, buffer_paths, buffers } = JSON.parse(text);
    this.model = new Model(putBack(state, buffer_paths, buffers));
    document.head.append(Object.assign(document.createElement("style"), { textContent: state._css ?? "" }));
    const url = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
    const { default: widget } = await import(url);
    await widget.initialize?.({ model: this.model });
    this.cleanup = await widget.render({ model: this.model, el: document.querySelector("main") });
  },

  async remove() {
    await this.cleanup?.();
    document.querySelector("main").replaceChildren();
    return this.model.listeners.map((listener) => listener.event);
  },

  receive(text) {
    const message = JSON.parse(text);
    if (message.method === "custom") {
      this.model.trigger("msg:custom", message.content, message.buffers.map(fromText));
    } else {
      this.model.change(putBack(message.state, message.buffer_paths, message.buffers));
    }
  },

  // A notebook sends one state at a time; what changes while Python is busy goes as one message afterwards.
  save() {
    if (this.waiting > 0 || Object.keys(this.model.unsaved).length === 0) return;
    const [buffer_paths, buffers] = [[], []];
    const state = takeOut(this.model.unsaved, [], buffer_paths, buffers);
    this.model.unsaved = {};
    this.post({ method: "update", state, buffer_paths, buffers });
  },

  async post(message) {
    this.waiting += 1;
    const text = JSON.stringify(message);
    this.line = this.line.then(() => this.deliver(text));
    await this.line;
    this.waiting -= 1;
    this.save();
  },

  async deliver(text) {
    let answers = null;
    while (answers === null) answers = await window.toPython(text); // null: Python is busy
    for (const answer of answers) this.receive(answer);
  },
};
