// The lab: controls, and the panels that Python computes from them.
import { make } from "./dom.mjs";

function render({ el }) {
  el.append(make("section", { class: "course-widget lab" }));
}

const widget = { render };
export default widget;
