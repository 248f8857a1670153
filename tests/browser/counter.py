"""The smallest widget of the course, for tests of what all widgets share."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure

from course.widgets.base import CourseWidget, style

MODULE = """
function render({ model, el }) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.dataset.lmSuppressShortcuts = "true";
  const note = document.createElement("p");
  const box = document.createElement("div");
  box.className = "course-widget";
  box.append(button, note);
  el.append(box);
  const draw = () => {
    const { buffer, byteOffset, byteLength } = model.get("numbers").values;
    const sum = new Float32Array(buffer, byteOffset, byteLength / 4).reduce((a, b) => a + b, 0);
    button.textContent = `Clicked ${model.get("count")} times`;
    note.textContent = `${model.get("label")} Twice is ${model.get("twice")}, the sum ${sum}.`;
  };
  button.addEventListener("click", () => {
    model.set("count", model.get("count") + 1);
    model.save_changes();
  });
  const events = ["change:count", "change:twice", "change:label", "change:numbers"];
  for (const event of events) model.on(event, draw);
  draw();
  return () => {
    for (const event of events) model.off(event, draw);
  };
}
const widget = { render };
export default widget;
"""


class Counter(CourseWidget):
    """A button that counts in the browser, a double that Python computes, and numbers that travel as bytes."""

    _esm = MODULE
    _css = style()

    count = traitlets.Int(0).tag(sync=True)
    twice = traitlets.Int(0).tag(sync=True)
    label = traitlets.Unicode("A label.").tag(sync=True)
    numbers: traitlets.Dict[str, Any] = traitlets.Dict(default_value={"values": b""}).tag(
        sync=True
    )  # {"values": float32 bytes}

    @traitlets.observe("count")
    def double(self, change: traitlets.Bunch) -> None:
        if self.count > 9:
            raise ValueError(f"I can count to 9, not to {self.count}.")
        self.twice = 2 * self.count
        self.numbers = {"values": np.arange(self.count + 1, dtype=np.float32).tobytes()}

    def in_words(self) -> str:
        return f"Clicked {self.count} times."

    def picture(self) -> Figure:
        figure = Figure(figsize=(2, 1))
        figure.text(0.1, 0.5, f"Clicked {self.count} times")
        return figure
