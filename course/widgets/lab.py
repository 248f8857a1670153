"""The lab: a few controls, and panels that a function of yours computes from them.

    def picture(distance):
        return [Curves("Coulomb", r, {"energy": 14.4 / r}, "r, Å", "E, eV", at=distance)]

    Lab(picture, title="Two charges", distance=Slider(2.0, 0.5, 6.0, 0.05, unit="Å"))

`picture` is plain Python and runs at every change of a control, so it can call any function of the notebook. What it
raises is shown as a sentence, and the panels before it stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets
from ase import Atoms
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import ArrayLike
from torch import Tensor

from course.plotting import CYCLE, GREEN, SKY, VERMILION, best_view, bonded, draw_forces, draw_molecule, flatten
from course.widgets.base import CourseWidget, module, style
from course.widgets.engine import said
from course.widgets.explorer import looks_of
from course.widgets.molecule import round_scale

MOST_RECORDINGS = 41
DASHES = ["-", "--", ":", "-."]

# ----------------------------------------------------------------------------- controls


@dataclass(frozen=True)
class Slider:
    """A number from `low` to `high`; an integer where value, ends and step are integers."""

    value: float
    low: float
    high: float
    step: float
    unit: str = ""
    label: str = ""

    def read(self, raw: Any) -> float:
        """The value that `picture` gets. Raises ValueError for one that the control cannot have."""
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not self.low <= raw <= self.high:
            raise ValueError(f"got {raw!r}, expected a number from {self.low:g} to {self.high:g}.")
        whole = all(isinstance(part, int) for part in (self.value, self.low, self.high, self.step))
        return int(raw) if whole else float(raw)

    def data(self) -> dict[str, Any]:
        return {"kind": "slider", "low": self.low, "high": self.high, "step": self.step, "unit": self.unit}


@dataclass(frozen=True)
class Choice:
    """One of several names."""

    value: str
    options: Sequence[str]
    label: str = ""

    def read(self, raw: Any) -> str:
        if raw not in self.options:
            raise ValueError(f"got {raw!r}, expected one of {', '.join(self.options)}.")
        return str(raw)

    def data(self) -> dict[str, Any]:
        return {"kind": "choice", "options": list(self.options)}


@dataclass(frozen=True)
class Switch:
    """Yes or no."""

    value: bool
    label: str = ""

    def read(self, raw: Any) -> bool:
        if not isinstance(raw, bool):
            raise ValueError(f"got {raw!r}, expected True or False.")
        return raw

    def data(self) -> dict[str, Any]:
        return {"kind": "switch"}


@dataclass(frozen=True)
class Moving:
    """A molecule whose atoms can be dragged, in the panel `Geometry(..., moves=name)`. `picture` gets it as Atoms."""

    atoms: Atoms
    label: str = ""

    @property
    def value(self) -> list[list[float]]:
        return self.atoms.positions.tolist()

    def read(self, raw: Any) -> Atoms:
        positions = np.asarray(raw, dtype=float)
        if positions.shape != (len(self.atoms), 3) or not np.isfinite(positions).all():
            raise ValueError(f"got positions of shape {positions.shape}, expected finite ({len(self.atoms)}, 3).")
        atoms = self.atoms.copy()
        atoms.positions = positions
        return atoms

    def data(self) -> dict[str, Any]:
        return {"kind": "moving"}


Control = Slider | Choice | Switch | Moving

# ----------------------------------------------------------------------------- panels

Numbers = Sequence[float] | np.ndarray | Tensor


@dataclass(frozen=True, eq=False)
class Geometry:
    """A molecule.

    values  (n_atoms,)    colours of the atoms, in `unit`; NaN has no colour. One scale for all panels of the same unit
    forces  (n_atoms, 3)  arrows, eV/Angstrom
    least_force_scale     eV/Angstrom that an arrow of 1 Angstrom stands for, at least; a round number fits the longest
    sphere                (atom, radius in Angstrom)
    moves                 the name of the Moving control whose atoms these are
    marked                atoms with a ring
    """

    title: str
    atoms: Atoms
    values: Numbers | None = None
    unit: str = ""
    forces: ArrayLike | Tensor | None = None
    sphere: tuple[int, float] | None = None
    moves: str | None = None
    marked: Sequence[int] | None = None
    note: str = ""
    least_force_scale: float = 0.0

    def data(self) -> dict[str, Any]:
        n = len(self.atoms)
        numbers, R = self.atoms.numbers, self.atoms.positions
        forces = None if self.forces is None else shaped(self.forces, (n, 3), f"forces of {self.title!r}")
        return {
            "kind": "geometry",
            "title": self.title,
            "numbers": numbers.tolist(),
            "names": [f"{symbol}{k}" for k, symbol in enumerate(self.atoms.symbols)],
            "positions": R.tolist(),
            "bonds": np.argwhere(np.triu(bonded(numbers, R))).tolist(),
            "values": None if self.values is None else numbers_of(self.values, (n,), f"values of {self.title!r}"),
            "unit": self.unit,
            "forces": None if forces is None else np.nan_to_num(forces).tolist(),
            "force_scale": max(
                self.least_force_scale, round_scale([None if forces is None else np.nan_to_num(forces)])
            ),
            "sphere": None if self.sphere is None else [int(self.sphere[0]), float(self.sphere[1])],
            "moves": self.moves,
            "marked": [int(k) for k in self.marked or ()],
            "note": self.note,
        }


@dataclass(frozen=True, eq=False)
class Curves:
    """Lines over one x axis. NaN is a gap; `at` is the x of a vertical marker."""

    title: str
    x: Numbers
    lines: Mapping[str, Numbers]
    x_label: str
    y_label: str
    at: float | None = None

    def data(self) -> dict[str, Any]:
        x = numbers_of(self.x, (len(self.x),), f"x of {self.title!r}")
        names = {"title": self.title, "x_label": self.x_label, "y_label": self.y_label}
        series = series_of(self.lines, len(x), self.title)
        return {"kind": "curves", **names, "x": x, "series": series, "at": None if self.at is None else float(self.at)}


@dataclass(frozen=True, eq=False)
class Bars:
    """Groups of bars side by side. Equal labels have equal colours, also in other panels."""

    title: str
    groups: Mapping[str, Numbers]
    x_label: str
    y_label: str
    names: Sequence[str] | None = None

    def data(self) -> dict[str, Any]:
        n = max((len(values) for values in self.groups.values()), default=0) if self.names is None else len(self.names)
        names = [str(k) for k in range(n)] if self.names is None else [str(name) for name in self.names]
        labels = {"title": self.title, "x_label": self.x_label, "y_label": self.y_label}
        return {"kind": "bars", **labels, "names": names, "series": series_of(self.groups, n, self.title)}


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of text, numbers, and True or False, which are shown in these two words."""

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[str | float | bool | np.bool_]]
    words: tuple[str, str] = ("True", "False")

    def data(self) -> dict[str, Any]:
        for name, cells in self.rows.items():
            if len(cells) != len(self.columns):
                raise ValueError(f"Row {name!r} of {self.title!r}: {len(cells)} cells, {len(self.columns)} columns.")
        rows = [[str(name), [cell(each) for each in cells]] for name, cells in self.rows.items()]
        columns = [str(name) for name in self.columns]
        return {"kind": "table", "title": self.title, "columns": columns, "rows": rows, "words": list(self.words)}


@dataclass(frozen=True)
class Words:
    """One or two sentences."""

    text: str

    def data(self) -> dict[str, Any]:
        return {"kind": "words", "text": str(self.text)}


Panel = Geometry | Curves | Bars | Table | Words


def shaped(values: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    array = np.asarray(values.detach() if isinstance(values, Tensor) else values, dtype=float)
    if array.shape != shape:
        raise ValueError(f"The {what}: shape {array.shape}, expected {shape}.")
    return array


def numbers_of(values: Any, shape: tuple[int, ...], what: str) -> list[float | None]:
    """A list of numbers; None is what is none, NaN or infinite."""
    return [value if np.isfinite(value) else None for value in shaped(values, shape, what).tolist()]


def series_of(groups: Mapping[str, Any], n: int, title: str) -> list[dict[str, Any]]:
    return [
        {"label": str(label), "values": numbers_of(values, (n,), f"values {label!r} of {title!r}")}
        for label, values in groups.items()
    ]


def cell(value: Any) -> str | bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return value if isinstance(value, str) else f"{float(value):.4g}".replace("-", "−")


# ----------------------------------------------------------------------------- the widget


class Lab(CourseWidget):
    """Controls, and the panels that `picture` makes of their values.

    picture    **values of the controls -> list of panels (Geometry, Curves, Bars, Table, Words)
    title      what stands above it
    controls   name=Slider(...), Choice(...), Switch(...) or Moving(atoms)

    state      the present values, positions for a Moving; browser and Python may both set it
    answer     the panels as plain data with the state that they belong to, and the problem in words, or ""
    """

    _esm = module("logic.mjs", "dom.mjs", "axes.mjs", "stage.mjs", "lab.mjs")
    _css = style()
    settings = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    answer: traitlets.Dict[str, Any] = traitlets.Dict({"panels": [], "elements": {}}).tag(sync=True)

    def __init__(self, picture: Callable[..., Sequence[Panel]], /, title: str = "", **controls: Control):
        self.function, self.controls = picture, controls
        self.views: dict[str, list] = {}
        state = {name: control.value for name, control in controls.items()}
        settings = {
            "title": title,
            "first": state,
            "controls": [
                {"name": name, "label": control.label or name, **control.data()} for name, control in controls.items()
            ],
            "colors": [to_hex(color) for color in colormaps["cividis"](np.linspace(0, 1, 64))],
        }
        # all in the message that opens the widget: a busy page may draw before a second one comes
        super().__init__(settings=settings, state=state, answer=self.answer_to(state))
        self.observe(self.respond, names="state")

    def respond(self, change: traitlets.Bunch) -> None:
        answer = self.answer_to(change.new)
        if self.state == change.new:  # JupyterLab may ask in another thread, while this one computes
            self.answer = answer

    def values(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What `picture` is called with. Raises ValueError for a state that the controls cannot have."""
        if set(state) != set(self.controls):
            raise ValueError(f"The state has {', '.join(state)}; expected {', '.join(self.controls)}.")
        values = {}
        for name, control in self.controls.items():
            try:
                values[name] = control.read(state[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return values

    def answer_to(self, state: dict[str, Any]) -> dict[str, Any]:
        """The panels for these values; or the last ones, and what went wrong."""
        try:
            panels = self.function(**self.values(state))
            if not isinstance(panels, list | tuple) or not all(isinstance(panel, Panel) for panel in panels):
                raise TypeError(f"picture returned {panels!r:.100}; expected a list of panels.")
            data = [panel.data() for panel in panels]
        except Exception as error:  # whatever is written in a notebook, the widget lives on
            return {**self.answer, "state": state, "problem": said(error)}
        geometries = [each for each in data if each["kind"] == "geometry"]
        chosen = [state[name] for name, control in self.controls.items() if isinstance(control, Choice)]
        for k, each in enumerate(geometries):
            alike = [
                v
                for other in geometries
                if other["unit"] == each["unit"]
                for v in other["values"] or ()
                if v is not None
            ]
            each["limits"] = [min(alike), max(alike)] if alike else None
            each["view"] = f"{k} {chosen} {each['numbers']}"  # another molecule is looked at from another side
            if each["view"] not in self.views:
                self.views[each["view"]] = best_view(each["positions"]).tolist()
            each["axes"] = self.views[each["view"]]
        series = [one for each in data if each["kind"] in ("curves", "bars") for one in each["series"]]
        labels = list(dict.fromkeys(one["label"] for one in series))
        for one in series:
            one["color"] = CYCLE[labels.index(one["label"]) % len(CYCLE)]
        elements = looks_of({z for each in geometries for z in each["numbers"]})
        return {"state": state, "panels": data, "elements": elements, "problem": ""}

    def recorded(self) -> list[dict]:
        """The panels for a row of positions of the first slider."""
        for name, control in self.controls.items():
            if isinstance(control, Slider):
                n_steps = round((control.high - control.low) / control.step)
                steps = np.linspace(0, n_steps, min(n_steps + 1, MOST_RECORDINGS)).round()
                positions = {*(control.low + steps * control.step).round(10).tolist(), self.state[name]}
                return [self.answer_to({**self.state, name: x}) for x in sorted(positions)]
        return []

    # ------------------------------------------------------------------------- the still picture

    def in_words(self) -> str:
        words = [f"{self.settings['title']}." if self.settings["title"] else "Lab."]
        for control in self.settings["controls"]:
            value = self.state[control["name"]]
            if control["kind"] == "switch":
                words.append(f"{control['label']}: {'yes' if value else 'no'}.")
            elif control["kind"] != "moving":
                words.append(f"{control['label']}: {value} {control.get('unit', '')}".rstrip() + ".")
        words += [panel["text"] for panel in self.answer["panels"] if panel["kind"] == "words"]
        return " ".join([*words, self.answer["problem"]]).strip()

    def picture(self) -> Figure:
        panels = [panel for panel in self.answer["panels"] if panel["kind"] != "words"]
        columns = min(len(panels), 2 if len(panels) in (2, 4) else 3)
        rows = -(-len(panels) // max(columns, 1))
        figure = Figure(figsize=(4.4 * max(columns, 1), 3.6 * max(rows, 1) + 0.5), layout="constrained")
        for k, panel in enumerate(panels):
            ax = figure.add_subplot(rows, columns, k + 1)
            DRAW[panel["kind"]](panel, ax)
            ax.set_title(panel["title"], fontsize=10)
        words = [panel["text"] for panel in self.answer["panels"] if panel["kind"] == "words"]
        figure.supxlabel("\n".join([*words, self.answer["problem"]]).strip(), fontsize=9, wrap=True)
        return figure


def draw_geometry(panel: dict[str, Any], ax: Axes) -> None:
    R, view = np.array(panel["positions"]), np.array(panel["axes"])
    values = None if panel["values"] is None else np.array(panel["values"], dtype=float)
    draw_molecule(panel["numbers"], R, values, panel["unit"], panel["limits"], view=view, ax=ax)
    if panel["forces"] is not None:
        draw_forces(R, panel["forces"], panel["force_scale"], view, ax)
    xy = flatten(R, view)
    for k in panel["marked"]:
        ax.scatter(xy[k, 0], xy[k, 1], s=1000, facecolors="none", edgecolors="black", linewidths=2)
    if panel["sphere"] is not None:
        center, radius = panel["sphere"]
        ax.add_patch(Circle(xy[center], radius, color=SKY, alpha=0.2, zorder=-1))
        ax.autoscale_view()
    ax.text(0.5, 0, panel["note"], transform=ax.transAxes, ha="center", va="top", fontsize=8)


def draw_curves(panel: dict[str, Any], ax: Axes) -> None:
    x = np.array(panel["x"], dtype=float)
    for k, one in enumerate(panel["series"]):
        ax.plot(x, np.array(one["values"], dtype=float), DASHES[k % 4], color=one["color"], label=one["label"])
    if panel["at"] is not None:
        ax.axvline(panel["at"], color="0.3", linewidth=1, linestyle="--")
    finish(panel, ax)


def draw_bars(panel: dict[str, Any], ax: Axes) -> None:
    n, width = len(panel["names"]), 0.8 / max(len(panel["series"]), 1)
    for k, one in enumerate(panel["series"]):
        left = np.arange(n) - 0.4 + k * width
        ax.bar(left, np.array(one["values"], dtype=float), width, align="edge", color=one["color"], label=one["label"])
    step = -(-n // 12)
    ax.set_xticks(range(0, n, max(step, 1)), panel["names"][:: max(step, 1)], fontsize=8)
    finish(panel, ax)


def finish(panel: dict[str, Any], ax: Axes) -> None:
    ax.set(xlabel=panel["x_label"], ylabel=panel["y_label"])
    ax.grid(color="0.9")
    ax.set_axisbelow(True)
    if panel["series"]:
        ax.legend(fontsize=8)


def draw_table(panel: dict[str, Any], ax: Axes) -> None:
    ax.set_axis_off()
    true, false = panel["words"]
    words = [[{True: true, False: false}.get(each, each) for each in cells] for _, cells in panel["rows"]]
    if not words or not panel["columns"]:
        return
    table = ax.table(
        words, rowLabels=[name for name, _ in panel["rows"]], colLabels=panel["columns"], loc="center", cellLoc="center"
    )
    for r, (_, cells) in enumerate(panel["rows"]):
        for c, each in enumerate(cells):
            if isinstance(each, bool):
                table[r + 1, c].get_text().set_color(GREEN if each else VERMILION)


DRAW: dict[str, Callable[[dict[str, Any], Axes], None]] = {
    "geometry": draw_geometry, "curves": draw_curves, "bars": draw_bars, "table": draw_table,
}  # fmt: skip
