"""The training monitor: it shows what the training says, costs little, and leaves one picture."""

import base64
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from comm import DummyComm
from matplotlib.figure import Figure

from course import MPNN, History, Potential, fit, load
from course.training import Epoch, Parity, compare, samples
from course.widgets import monitor as module
from course.widgets.monitor import MOST_POINTS, MOST_ROWS, TrainingMonitor, duration, short, thinned
from tools.build_notebooks import execute

ETHANOL = load("ethanol")
TRAIN, VALIDATION = ETHANOL.split("train")[:20], ETHANOL.split("validation")[:10]


def epoch(number: int, force_mae: float, loss: float = 0.1) -> Epoch:
    return Epoch(number, 2.0 * number, 1e-3, loss, force_mae / 4, force_mae)


def history_of(*force_maes: float, stopped: str = "") -> History:
    return History([epoch(number, error) for number, error in enumerate(force_maes, 1)], stopped)


def parity_of(n_molecules: int = 5, n_atoms: int = 40) -> Parity:
    rng = np.random.default_rng(0)
    e_ref, f_ref = (
        torch.from_numpy(rng.normal(-4000, 0.2, n_molecules)),
        torch.from_numpy(rng.normal(size=(n_atoms, 3))),
    )
    return Parity(e_ref + 0.05, e_ref, 0.9 * f_ref, f_ref)


def small_potential() -> Potential:
    torch.manual_seed(0)
    return Potential.for_data(MPNN(TRAIN.elements, n_f=8, n_e=6, n_m=8, T=1, cutoff=3.0), TRAIN)


def pairs(state: bytes) -> np.ndarray:
    return np.frombuffer(state, dtype=np.float32).reshape(-1, 2)


def rows(state: bytes) -> np.ndarray:
    return np.frombuffer(state, dtype=np.float32).reshape(-1, 6)


# ----------------------------------------------------------------------------- what it shows


def test_it_shows_the_history_and_the_predictions_of_the_weights_that_are_kept() -> None:
    monitor, potential = TrainingMonitor(), small_potential()
    history = fit(potential, TRAIN, VALIDATION, epochs=5, on_epoch=monitor, progress=False)
    assert np.allclose(rows(monitor.epochs), np.array(history.epochs), rtol=1e-6)
    assert monitor.stopped == "all 5 epochs are done"

    kept = compare(potential, samples(VALIDATION, potential.cutoff))
    force_pairs = np.stack([kept.f_ref.numpy().ravel(), kept.forces.numpy().ravel()], axis=1)
    energy_pairs = np.stack([kept.e_ref.numpy(), kept.energies.numpy()], axis=1) - kept.e_ref.numpy().mean()
    for shown, expected in ((monitor.forces, force_pairs), (monitor.energies, energy_pairs)):
        assert np.allclose(np.sort(pairs(shown), axis=0), np.sort(expected, axis=0), atol=2e-4)
        assert np.allclose(sorted(np.diff(pairs(shown))[:, 0]), sorted(np.diff(expected)[:, 0]), atol=2e-4)


def test_time_left_follows_from_the_share_that_is_done() -> None:
    monitor = TrainingMonitor()
    monitor(history_of(800, 400), parity_of(), 0.25)
    assert monitor.seconds_left == pytest.approx(12.0)  # 4 s are a quarter of 16
    assert "Epoch 2 after 4 s, about 12 s left" in monitor.words
    assert "force error 400 meV/Å, energy error 100 meV" in monitor.words


def test_the_frame_of_the_predictions_depends_on_the_reference_alone() -> None:
    monitor, parity = TrainingMonitor(), parity_of()
    monitor(history_of(800), parity, 0.1)
    before = monitor.ends
    monitor(history_of(800), parity._replace(forces=100 * parity.forces, energies=parity.energies + 9), 0.1)
    assert monitor.ends == before
    for name, reference in (("forces", parity.f_ref), ("energies", parity.e_ref - parity.e_ref.mean())):
        low, high = monitor.ends[name]
        assert low < reference.min()
        assert reference.max() < high
    monitor(history_of(800), parity_of(n_molecules=1), 0.1)
    assert monitor.ends["energies"][0] < 0 < monitor.ends["energies"][1]


@pytest.mark.parametrize(
    ("history", "sentences"),
    [
        (History(), "Training: no epoch yet."),
        (History(stopped="interrupted"), "Training: no epoch is complete. Interrupted."),
        (history_of(800, stopped="all 1 epochs are done"), "Training of 1 epoch in 2 s: .* is 800 meV/Å.*epoch 1, "),
        (
            history_of(800, 41.26, 52, stopped="50 s are over"),
            "3 epochs in 6 s: .* fell from 800 to 41.3 .*epoch 2, .* 50 s",
        ),
        (history_of(800, 90, stopped="interrupted"), "fell from 800 to 90.0 .* Interrupted.$"),
        (history_of(800, np.nan, stopped="the loss is nan, look."), "fell from 800 to 800 .* The loss is nan, look.$"),
    ],
)
def test_in_words(history: History, sentences: str) -> None:
    monitor = TrainingMonitor()
    monitor(history, parity_of(), 1.0)
    assert monitor.words == monitor.in_words()
    assert re.search(sentences, monitor.words)


def test_numbers_as_a_reader_wants_them() -> None:
    assert [short(error) for error in (812.4, 99.94, 3.14159)] == ["812", "99.9", "3.1"]
    assert [duration(seconds) for seconds in (0.4, 50, 600, 9000)] == ["0 s", "50 s", "10 min", "2.5 h"]


def test_a_new_training_starts_anew() -> None:
    monitor = TrainingMonitor()
    monitor(history_of(800, 400, 200, stopped="50 s are over"), parity_of(), 1.0)
    monitor(history_of(700), None, 0.1)
    assert len(rows(monitor.epochs)) == 1
    assert (monitor.stopped, monitor.forces, monitor.energies) == ("", b"", b"")


def test_a_training_that_breaks_off_says_why() -> None:
    monitor, potential = TrainingMonitor(), small_potential()
    members = samples(TRAIN, potential.cutoff)
    members[7] = members[7]._replace(forces=members[7].forces * torch.nan)
    with pytest.raises(FloatingPointError):
        fit(potential, members, VALIDATION, epochs=1, on_epoch=monitor, progress=False)
    assert monitor.words.startswith("Training: no epoch is complete. Training stopped in epoch 1: the loss is nan")


def test_a_training_goes_on_with_its_whole_history(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(history: History, parity: Parity | None, done: float) -> None:
        if len(history.epochs) == 2 and not history.stopped:
            raise Stop

    settings: dict[str, Any] = {"epochs": 4, "checkpoint": tmp_path / "c.pt", "progress": False}
    with pytest.raises(Stop):
        fit(small_potential(), TRAIN, VALIDATION, on_epoch=stop, **settings)
    for _ in range(2):  # it goes on; it is over already
        monitor = TrainingMonitor()
        fit(small_potential(), TRAIN, VALIDATION, on_epoch=monitor, **settings)
        assert rows(monitor.epochs)[:, 0].tolist() == [1, 2, 3, 4]
        assert len(pairs(monitor.energies)) == len(VALIDATION)


# ----------------------------------------------------------------------------- little, and seldom


def test_a_long_training_stays_small() -> None:
    errors = 1000 / np.arange(1, 5001)
    errors[3210] = 0.01
    monitor = TrainingMonitor()
    monitor(history_of(*errors), parity_of(3000, 30_000), 0.5)
    shown = rows(monitor.epochs)[:, 0]
    assert len(shown) <= MOST_ROWS + 2
    assert {1, 3211, 5000} <= set(shown)
    assert np.all(np.diff(shown) > 0)
    assert len(pairs(monitor.forces)) == len(pairs(monitor.energies)) == MOST_POINTS


def test_a_row_that_is_left_out_never_comes_back() -> None:
    table = np.array([epoch(number, 1000 - number) for number in range(1, 2001)])  # the last row is the best
    before: set[float] = set()
    for n_rows in range(1, 2001, 13):
        shown = set(thinned(table[:n_rows])[:-1, 0])
        assert not {number for number in shown - before if number <= n_rows - 13}
        before = shown | set(range(n_rows, n_rows + 14))


def test_a_picture_a_second_and_one_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sent = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monitor = TrainingMonitor()
    monitor.comm = DummyComm(primary=False)  # a page listens; without a kernel there is none once ipykernel is imported
    monkeypatch.setattr(monitor, "send_state", lambda names: sent.append(set(names)))
    history = History()
    for number in range(1, 501):  # five seconds
        clock[0] += 0.01
        history.epochs.append(epoch(number, 1000 / number))
        monitor(history, parity_of(), number / 1000)
    assert len(sent) == 5
    history.stopped = "interrupted"
    monitor(history, parity_of(), 0.5)
    assert len(sent) == 6  # at once, and in one message
    assert {"epochs", "stopped", "words"} <= sent[-1]


# ----------------------------------------------------------------------------- where it is shown


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A notebook in which cell 1 runs; `outputs` are (function, data, its display id)."""
    shell = SimpleNamespace(execution_count=1, outputs=[])

    def display(first: Any, **settings: Any) -> None:
        if isinstance(first, TrainingMonitor):
            first._ipython_display_()
        else:
            shell.outputs.append(("display", first, settings["display_id"]))

    def update_display(data: dict, **settings: Any) -> None:
        assert settings["metadata"]["image/png"]["alt"] == data["text/plain"]
        shell.outputs.append(("update", data, settings["display_id"]))

    monkeypatch.setattr(module, "get_ipython", lambda: shell)
    monkeypatch.setattr(module, "display", display)
    monkeypatch.setattr(module, "update_display", update_display)
    return shell


def test_one_output_a_cell_and_its_picture_when_the_training_has_ended(shell: SimpleNamespace) -> None:
    monitor = TrainingMonitor()
    for cell, trainings in ((1, 1), (2, 2)):
        shell.execution_count = cell
        for _ in range(trainings):
            fit(small_potential(), TRAIN, VALIDATION, epochs=3, on_epoch=monitor, progress=False)
    assert [kind for kind, _, _ in shell.outputs] == ["display", "update", "display", "update", "update"]
    assert {name for _, _, name in shell.outputs} == {monitor.model_id}
    first, last = shell.outputs[0][1], shell.outputs[-1][1]
    assert list(first) == ["text/plain", "application/vnd.jupyter.widget-view+json"]  # a picture would be old at once
    assert list(last) == ["text/plain", "image/png", "application/vnd.jupyter.widget-view+json"]
    assert last["text/plain"].startswith("Training of 3 epochs")


def test_displayed_before_the_training_it_is_not_shown_twice(shell: SimpleNamespace) -> None:
    monitor = TrainingMonitor()
    monitor._ipython_display_()
    fit(small_potential(), TRAIN, VALIDATION, epochs=2, on_epoch=monitor, progress=False)
    assert [kind for kind, _, _ in shell.outputs] == ["display", "update"]
    assert shell.outputs[0][1]["text/plain"] == "Training: no epoch yet."


def test_without_a_notebook_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    fit(small_potential(), TRAIN, VALIDATION, epochs=2, on_epoch=TrainingMonitor(), progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "history",
    [
        History(),
        history_of(800, stopped="all 1 epochs are done"),
        history_of(800, np.nan, 0.0, np.inf, stopped="x"),
        history_of(np.nan, np.nan, stopped="x"),
        History([epoch(1, 90, loss=np.nan)], "1 s are over"),
        history_of(*np.geomspace(1000, 0.001, 700), stopped="x"),
    ],
)
def test_every_history_has_a_picture(history: History) -> None:
    monitor = TrainingMonitor()
    monitor(history, parity_of() if history.epochs else None, 1.0)
    axes = monitor.picture().axes
    assert [ax.get_title(loc="left") for ax in axes[:3]] == ["validation MAE", "training loss", "learning rate"]
    assert axes[3].get_title() == f"{120 if history.epochs else 0} force components, eV/Å"
    assert len(np.asarray(axes[0].lines[0].get_xdata())) == len(rows(monitor.epochs))
    module.CourseWidget._repr_mimebundle_(monitor)


@pytest.mark.parametrize(("low", "high"), [(41, 43), (48, 170), (40, 900), (4e-4, 0.05), (1e-9, 1e3)])
def test_a_logarithmic_axis_has_a_few_plain_numbers(low: float, high: float) -> None:
    ax = Figure().subplots()
    ax.plot([0, 1], [low, high])
    module.log_scale(ax, most_ticks=5)
    ticks = ax.get_yticks()
    inside = ticks[(ticks >= ax.get_ylim()[0]) & (ticks <= ax.get_ylim()[1])]
    assert ax.get_ylim()[0] > low * (low / high) ** 0.06  # the ticks do not widen the axis
    assert 2 <= len(inside) <= 13  # no more than one a decade
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"{tick:g}" for tick in ticks]
    assert [float(f"{tick:.3g}") for tick in inside] == pytest.approx(inside)  # round


# ----------------------------------------------------------------------------- in a notebook

SETUP = """
from course import MPNN, Potential, fit, load
from course.widgets.monitor import TrainingMonitor
ethanol = load("ethanol")
train, validation = ethanol.split("train")[:20], ethanol.split("validation")[:10]
potential = Potential.for_data(MPNN(train.elements, n_f=8, n_e=6, n_m=8, T=1, cutoff=3.0), train)
"""
RUN = "history = fit(potential, train, validation, epochs=30, on_epoch=TrainingMonitor(), progress=False)"


def test_an_executed_notebook_keeps_one_picture_with_its_text() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (SETUP, RUN)])
    execute(notebook, "the monitor's notebook", timeout=120)
    (output,) = notebook.cells[1].outputs
    assert list(output.data) == ["text/plain", "image/png"]
    assert output.data["text/plain"].startswith("Training of 30 epochs in ")
    assert output.data["text/plain"].endswith("All 30 epochs are done.")
    assert output.metadata["image/png"]["alt"] == output.data["text/plain"]
    assert base64.b64decode(output.data["image/png"]).startswith(b"\x89PNG")
    assert len(output.data["image/png"]) < 150_000
