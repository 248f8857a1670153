"""The training monitor: errors and predictions of a training, drawn while it runs.

history = course.fit(potential, train, validation, max_seconds=50, on_epoch=TrainingMonitor())

While a cell runs, Python can send to the page and hears nothing from it. So the state goes out about once a second, and
whatever the reader does with the picture is done in the page. The state has a largest size, however long the training.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import traitlets
from anywidget import AnyWidget
from IPython import get_ipython
from IPython.display import display, update_display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course.plotting import BLUE, VERMILION
from course.training import Epoch, History, Parity
from course.widgets.base import CourseWidget, module, style

SECONDS_BETWEEN_PICTURES = 1.0
MOST_ROWS, MOST_POINTS, MOST_DOTS = 400, 2000, 60
N_COLUMNS = len(Epoch._fields)


class TrainingMonitor(CourseWidget):
    """Errors over the seconds, and predictions against their reference, of the training that it is handed to.

    It shows itself under the cell in which the training runs, with the first epoch or, displayed there, before it.
    Handed to another training, it starts anew. The still picture is made when a training has ended.
    """

    _esm = module("dom.mjs", "axes.mjs", "monitor.mjs")
    _css = style()

    epochs = traitlets.Bytes().tag(sync=True)  # float32 (at most MOST_ROWS + 2, 6), the columns of `Epoch`
    energies = traitlets.Bytes().tag(sync=True)  # float32 (n, 2): reference and prediction, eV from the mean
    forces = traitlets.Bytes().tag(sync=True)  # float32 (n, 2): reference and prediction of components, eV/Angstrom
    # both ends of the axes on which energies and forces are compared
    ends = traitlets.Dict({"energies": [-1.0, 1.0], "forces": [-1.0, 1.0]}).tag(sync=True)
    seconds_left = traitlets.Float(0.0).tag(sync=True)
    stopped = traitlets.Unicode().tag(sync=True)  # why the training ended, empty while it runs
    words = traitlets.Unicode().tag(sync=True)
    table = traitlets.Bool(False).tag(sync=True)  # whether the table is open

    def __init__(self) -> None:
        super().__init__()
        self.words = self.in_words()
        self.history: History | None = None
        self.next_picture = 0.0
        self.cell: int | None = None  # the number of the cell in which it was displayed last

    def __call__(self, history: History, parity: Parity | None, done: float) -> None:
        """What `fit` calls after every epoch, and a last time when the training has ended."""
        now = time.monotonic()
        if history is self.history and now < self.next_picture and not history.stopped:
            return
        self.history, self.next_picture = history, now + SECONDS_BETWEEN_PICTURES
        rows = np.array(history.epochs, dtype=np.float32).reshape(-1, N_COLUMNS)
        with self.hold_sync():
            self.epochs = thinned(rows).tobytes()
            self.seconds_left = float(rows[-1, 1]) * (1 - done) / done if len(rows) else 0.0
            self.stopped = history.stopped
            if parity is None:
                self.energies = self.forces = b""
            else:
                mean = parity.e_ref.mean()
                energies = some_of((parity.e_ref - mean).numpy(), (parity.energies - mean).numpy())
                forces = some_of(parity.f_ref.numpy().ravel(), parity.forces.numpy().ravel())
                self.energies, self.forces = energies.tobytes(), forces.tobytes()
                self.ends = {"energies": ends_of(energies[:, 0]), "forces": ends_of(forces[:, 0])}
            self.words = self.in_words()
        shell = get_ipython()
        if shell is not None and shell.execution_count != self.cell:
            display(self)
        elif shell is not None and history.stopped:
            data, metadata = self._repr_mimebundle_()
            update_display(data, metadata=metadata, raw=True, display_id=self.model_id)

    def _ipython_display_(self) -> None:
        """Show it under a name, by which text and picture can be replaced when the training has ended."""
        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True, display_id=self.model_id)
        self.cell = get_ipython().execution_count

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        """Text and widget, and when the training has ended, the picture: before, it would be old at once."""
        if self.stopped:
            return super()._repr_mimebundle_(**kwargs)
        data, metadata = AnyWidget._repr_mimebundle_(self, **kwargs) or ({}, {})
        return {**data, "text/plain": self.words}, metadata

    def rows(self) -> np.ndarray:
        """(n_rows, 6): the epochs that are shown."""
        return np.frombuffer(self.epochs, dtype=np.float32).reshape(-1, N_COLUMNS)

    def in_words(self) -> str:
        rows = self.rows()
        reason = f"{self.stopped[:1].upper()}{self.stopped[1:].rstrip('.')}."
        if len(rows) == 0:
            return f"Training: no epoch is complete. {reason}" if self.stopped else "Training: no epoch yet."
        first, best, last = (Epoch(*row) for row in (rows[0], rows[best_of(rows)], rows[-1]))
        if not self.stopped:
            return (
                f"Epoch {last.epoch:.0f} after {duration(last.seconds)}, about {duration(self.seconds_left)} left. "
                f"Validation data: force error {short(last.force_mae)} meV/Å, "
                f"energy error {short(last.energy_mae)} meV."
            )
        if len(rows) == 1:
            what = f"Training of 1 epoch in {duration(last.seconds)}: the force error on validation data is"
        else:
            what = (
                f"Training of {last.epoch:.0f} epochs in {duration(last.seconds)}: the force error on validation data "
                f"fell from {short(first.force_mae)} to"
            )
        return (
            f"{what} {short(best.force_mae)} meV/Å, the energy error is {short(best.energy_mae)} meV "
            f"(epoch {best.epoch:.0f}, whose weights are kept). {reason}"
        )

    def picture(self) -> Figure:
        rows = self.rows()
        figure = Figure(figsize=(10.5, 4.2), layout="constrained")
        grid = figure.add_gridspec(3, 3, width_ratios=[1.7, 1, 1], height_ratios=[4, 2, 1])
        errors, loss, rate = (figure.add_subplot(grid[k, 0]) for k in range(3))
        _, seconds, rates, losses, energy_mae, force_mae = rows.T
        dots: dict[str, Any] = {"marker": "." if len(rows) <= MOST_DOTS else "", "markersize": 4, "linewidth": 1.3}
        errors.plot(seconds, force_mae, "-", color=BLUE, label="forces, meV/Å", **dots)
        errors.plot(seconds, energy_mae, "--", color=VERMILION, label="energy, meV", **dots)
        loss.plot(seconds, losses, "-", color="0.2", **dots)
        rate.plot(seconds, rates, "-", color="0.2", **dots)
        for ax, name in ((errors, "validation MAE"), (loss, "training loss"), (rate, "learning rate")):
            ax.set_title(name, loc="left", fontsize=10)
            ax.grid(color="0.9")
            ax.tick_params(labelsize=9, labelbottom=ax is rate)
            ax.set_xlim(0, 1.02 * float(seconds[-1]) if len(rows) else 1)
        rate.set(xlabel="seconds of training", ylim=(0, 1.15 * rates.max(initial=1e-9)))
        if len(rows):
            best = rows[best_of(rows)]
            errors.plot(best[1], best[5], "o", markersize=9, markerfacecolor="none", color=BLUE, label="kept")
            errors.legend(fontsize=9)
        if np.any(rows[:, 4:] > 0):
            log_scale(errors, most_ticks=10)
        if np.any(losses > 0):
            log_scale(loss, most_ticks=5)
        panels = {"forces": ("force components, eV/Å", BLUE), "energies": ("energies − mean, eV", VERMILION)}
        for column, (name, (what, color)) in enumerate(panels.items(), 1):
            ax = figure.add_subplot(grid[:, column])
            low, high = self.ends[name]
            reference, predicted = np.frombuffer(getattr(self, name), dtype=np.float32).reshape(-1, 2).T
            ax.plot(reference, np.clip(predicted, low, high), ".", markersize=3, alpha=0.4, color=color)
            ax.plot([low, high], [low, high], color="0.3", linewidth=1)
            ax.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="reference", ylabel="predicted")
            ax.set_title(f"{len(reference)} {what}", fontsize=10)
            ax.tick_params(labelsize=9)
            ax.locator_params(nbins=5)
        return figure


def log_scale(ax: Axes, most_ticks: int) -> None:
    """A logarithmic axis with round numbers at it, not more than fit: 50, 70, 100."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.log10(high) + 1)
    for leads in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks: np.ndarray = np.outer(powers, leads).ravel()
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) <= most_ticks:
            break
    if len(ticks) < 3:
        ticks = np.asarray(MaxNLocator(3).tick_values(low, high))
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_ylim(low, high)
    ax.minorticks_off()


def thinned(rows: np.ndarray) -> np.ndarray:
    """Every row, or every second, fourth, ... of them, with the best and the last one.

    Powers of two: a row that is left out once never comes back, so a long curve does not flicker.
    """
    step = 1
    while len(rows) / step > MOST_ROWS:
        step *= 2
    chosen = {*range(0, len(rows), step), *([best_of(rows), len(rows) - 1] if len(rows) else [])}
    return rows[sorted(chosen)]


def best_of(rows: np.ndarray) -> int:
    """Index of the row with the smallest force error."""
    return int(np.argmin(np.nan_to_num(rows[:, -1], nan=np.inf)))


def some_of(reference: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Pairs (n, 2), always the same ones, and at most MOST_POINTS of them."""
    chosen = np.random.default_rng(0).permutation(len(reference))[:MOST_POINTS]
    return np.stack([reference[chosen], predicted[chosen]], axis=1).astype(np.float32)


def ends_of(reference: np.ndarray) -> list[float]:
    """Both ends of an axis with room for the reference values, which stay the same for the whole training."""
    middle, half = (reference.min() + reference.max()) / 2, max(np.ptp(reference) / 2, 0.01)
    return [float(middle - 1.1 * half), float(middle + 1.1 * half)]


def short(error: float) -> str:
    return f"{error:.0f}" if error >= 100 else f"{error:.1f}"


def duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
