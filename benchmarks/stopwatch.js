// When a reader gives something in, and when he sees the answer; milliseconds on the clock of the page.
// Everything is one list of notes { t, what, value }, which widgets.py reads:
//   frame     a frame was painted             value: how the watched attribute stood in it
//   keydown, pointerdown, pointermove, pointerup   what the reader did   value: when the page took notice
//   asked     Python was asked                value: the request
//   answered  Python's answer came in         value: its answer
//   shown     an element that shows the answer has changed   value: the answer that it shows
//   <name>    an element with that name has changed          value: its text
//   loaded    a picture has been loaded
//   long      the page was blocked for 50 ms or more         value: for how long
window.stopwatch = {
  notes: [],
  stopped: [],

  note(what, value = null, t = performance.now()) {
    this.notes.push({ t, what, value });
  },

  // Frames, input, and blocked times of the page. `look()` is called after every frame.
  start(look = () => null) {
    this.stop();
    const channel = new MessageChannel(); // its message comes when the frame has been painted
    channel.port1.onmessage = () => this.note("frame", look());
    let frame = 0;
    const tick = () => { channel.port2.postMessage(0); frame = requestAnimationFrame(tick); };
    tick();
    const listeners = {
      load: () => this.note("loaded"),
      ...Object.fromEntries(["pointerdown", "pointermove", "pointerup", "keydown"].map((kind) => [kind, ({ timeStamp }) => this.note(kind, performance.now(), timeStamp)])),
    };
    Object.entries(listeners).forEach(([kind, listener]) => document.addEventListener(kind, listener, true));
    const blocked = new PerformanceObserver((list) => list.getEntries().forEach((task) => this.note("long", task.duration, task.startTime)));
    blocked.observe({ type: "longtask" });
    this.stopped = [() => {
      cancelAnimationFrame(frame);
      channel.port1.close();
      Object.entries(listeners).forEach(([kind, listener]) => document.removeEventListener(kind, listener, true));
      blocked.disconnect();
    }];
  },

  // What a widget asks Python, and what comes back: `request` and `answer` are traits, `name(value)` tells them apart.
  listen(model, request, answer, name, shows) {
    const listeners = {
      [`change:${request}`]: () => this.note("asked", name(model.get(request))),
      [`change:${answer}`]: () => this.note("answered", name(model.get(answer))),
    };
    Object.entries(listeners).forEach(([event, listener]) => model.on(event, listener));
    this.stopped.push(() => Object.entries(listeners).forEach(([event, listener]) => model.off(event, listener)));
    if (shows) this.watch("shown", shows, () => name(model.get(answer)));
  },

  watch(what, element, value = () => element.textContent) {
    const observer = new MutationObserver(() => this.note(what, value()));
    observer.observe(element, { subtree: true, childList: true, characterData: true, attributes: true });
    this.stopped.push(() => observer.disconnect());
  },

  stop() {
    this.stopped.forEach((stop) => stop());
    this.stopped = [];
    return this.notes.splice(0);
  },

  // The model of the widget that stands under a cell. JupyterLab keeps it to itself.
  async model(cell) {
    const { content } = jupyterapp.shell.currentWidget;
    const type = "application/vnd.jupyter.widget-view+json";
    const { model_id } = content.widgets[cell].model.sharedModel.outputs.map(({ data }) => data?.[type]).find(Boolean);
    const manager = await content.rendermime.createRenderer(type, null)._manager.promise;
    return manager.get_model(model_id);
  },
};
