"""What every widget of the course is: state as data, drawn twice.

The state lives in the traits of a `CourseWidget`. An ES module draws it in the browser, where it moves; matplotlib
draws the same state as a still picture, for GitHub, the book, and a PDF. Nothing is fetched from anywhere: module and
style sheet travel with the widget.
"""

from __future__ import annotations

import io
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from ipywidgets import Widget
from matplotlib.figure import Figure

from course.files import write_whole


class CourseWidget(anywidget.AnyWidget):
    """A widget with a still picture.

    A subclass names its module, `_esm = module("logic.mjs", "ripple.mjs")`, and says what it shows: `in_words` is one
    or two sentences, `picture` a figure. Both describe the present state.
    """

    live = traitlets.Bool(True).tag(sync=True)  # False in a page behind which no Python runs
    recordings: traitlets.List[dict] = traitlets.List().tag(sync=True)  # answers for such a page

    def in_words(self) -> str:
        raise NotImplementedError

    def picture(self) -> Figure:
        raise NotImplementedError

    def recorded(self) -> list[dict]:
        """Python's answers that a page without Python takes along."""
        return []

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        """Text, picture and widget. Whoever shows it takes the last of these that he can show."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        words = self.in_words()
        data = {"text/plain": words, "image/png": png(self.picture(), words), **{k: data[k] for k in data if "+" in k}}
        return data, {**metadata, "image/png": {"alt": words}}

    def to_html(self, path: str | Path) -> None:
        """Write the present state as a page that needs no Jupyter and no network.

        What only Python can compute stands still there, and the page says so.
        """
        recordings = self.recorded()
        with self.hold_sync():  # the pages that are open have no use for the recordings
            self.live, self.recordings = False, recordings
            try:
                (record,) = Widget.get_manager_state(widgets=[self])["state"].values()
            finally:
                self.live, self.recordings = True, []
        code = record["state"].pop("_esm"), record["state"].pop("_css", "")
        page = (Path(__file__).parent / "standalone.html").read_text(encoding="utf-8")
        for mark, text in zip(("{{module}}", "{{style}}"), code, strict=True):
            page = page.replace(mark, text)
        page = page.replace("{{title}}", type(self).__name__).replace("{{record}}", embedded(record))
        write_whole(path, page)


def module(*names: str) -> str:
    """Several ES modules of this folder as one, without the imports between them. Node runs them as they are."""
    parts = [files("course.widgets").joinpath(name).read_text(encoding="utf-8") for name in names]
    joined = "\n".join(re.sub(r'^import .* from "\./.*";\n', "", part, flags=re.MULTILINE) for part in parts)
    return re.sub(r"^export (?!default)", "", joined, flags=re.MULTILINE)


def style() -> str:
    """The style sheet of all widgets."""
    return files("course.widgets").joinpath("style.css").read_text(encoding="utf-8")


def embedded(record: dict) -> str:
    """JSON that may stand inside a script element: no text in it can end the element."""
    return json.dumps(record, allow_nan=False).replace("<", "\\u003c")


def png(figure: Figure, title: str) -> bytes:
    """A figure as bytes, the same bytes for the same figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None, "Title": title})
    return file.getvalue()
