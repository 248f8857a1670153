"""Training: it learns, it can be killed, it says what went wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from course import MPNN, History, Potential, evaluate, fit, load
from course.training import (
    Epoch,
    Parity,
    Sample,
    collate,
    energy_force_loss,
    learning_rate_factor,
    predict,
    samples,
    train_step,
)

ETHANOL = load("ethanol")
TRAIN, VALIDATION = ETHANOL.split("train")[:20], ETHANOL.split("validation")[:10]


def small_potential(seed: int = 0) -> Potential:
    torch.manual_seed(seed)
    return Potential.for_data(MPNN(TRAIN.elements, n_f=16, n_e=12, n_m=16, T=2, cutoff=4.0), TRAIN)


def test_loss_by_hand():
    e, e_ref = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])
    f, f_ref = torch.zeros(2, 3), torch.tensor([[3.0, 0, 0], [0, 0, 0]])
    assert energy_force_loss(e, e_ref, f, f_ref, force_weight=0.5).item() == pytest.approx(4 / 2 + 0.5 * 9 / 6)


def test_errors_agree_with_a_plain_loop():
    potential = small_potential()
    energy, force = [], []
    for k, frame in enumerate(VALIDATION):
        prediction = potential.predict(VALIDATION.to_ase(k))
        energy.append(abs(prediction.energy.item() - frame.energy))
        force.append(np.abs(prediction.forces.detach().numpy() - frame.forces))
    errors = evaluate(potential, VALIDATION)
    assert errors.energy_mae == pytest.approx(1000 * np.mean(energy), rel=1e-4)
    assert errors.force_mae == pytest.approx(1000 * np.mean(force), rel=1e-4)


def test_training_learns_and_the_history_tells():
    potential = small_potential()
    before = evaluate(potential, VALIDATION)
    settings: dict[str, Any] = {"batch_size": 5, "learning_rate": 1e-2, "clip": 1.0, "ema_decay": 0.9}
    history = fit(potential, TRAIN, VALIDATION, epochs=40, **settings, progress=False)
    after = evaluate(potential, VALIDATION)
    assert after.force_mae < 0.7 * before.force_mae
    assert after.force_mae == pytest.approx(history.column("force_mae").min())  # the best weights are kept
    assert history.stopped == "all 40 epochs are done"
    assert not potential.training


def test_the_same_seed_gives_the_same_weights():
    weights = []
    for _ in range(2):
        potential = small_potential()
        fit(potential, TRAIN, VALIDATION, epochs=3, batch_size=5, progress=False)
        weights.append(potential.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_history_survives_a_file(tmp_path):
    history = fit(small_potential(), TRAIN, VALIDATION, epochs=2, progress=False)
    history.save(tmp_path / "history.json")
    assert History.load(tmp_path / "history.json") == history


def test_time_and_patience_end_a_training():
    history = fit(small_potential(), TRAIN, VALIDATION, epochs=None, max_seconds=1.0, progress=False)
    assert history.stopped == "1 s are over"
    assert 0.9 < history.epochs[-1].seconds < 30
    history = fit(small_potential(), TRAIN, VALIDATION, epochs=50, patience=2, learning_rate=0.0, progress=False)
    assert history.stopped == "no better force error in 2 epochs"
    assert len(history.epochs) == 3
    with pytest.raises(ValueError, match="without end"):
        fit(small_potential(), TRAIN, VALIDATION, epochs=None)
    with pytest.raises(ValueError, match="epochs is 0: a training has one at least"):
        fit(small_potential(), TRAIN, VALIDATION, epochs=0)


def test_the_learning_rate_rises_and_falls():
    factors = [learning_rate_factor(progress) for progress in np.linspace(0, 1, 101)]
    assert factors[0] < 0.02
    assert max(factors) == pytest.approx(1, abs=0.01)
    assert factors[-1] == pytest.approx(0.01)
    assert np.all(np.diff(factors[3:]) < 0)


def test_a_step_without_a_finite_loss_leaves_the_weights_alone_and_names_the_batch():
    potential = small_potential()
    members = samples(TRAIN, potential.cutoff)
    members[7] = Sample(members[7].graph, members[7].energy, members[7].forces * torch.nan)
    before = {name: weight.clone() for name, weight in potential.state_dict().items()}
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        train_step(potential, torch.optim.AdamW(potential.parameters()), collate(members[5:10]), 0.1)
    assert all(torch.equal(before[name], weight) for name, weight in potential.state_dict().items())
    watcher = Watcher()
    with pytest.raises(FloatingPointError, match=r"in epoch 1: the loss is nan, in the batch.*\[.*\b7\b.*\]"):
        fit(potential, members, VALIDATION, epochs=1, batch_size=5, on_epoch=watcher, progress=False)
    ((n_epochs, stopped, parity, _),) = watcher.calls
    assert (n_epochs, parity) == (0, None)
    assert stopped.startswith("Training stopped in epoch 1: the loss is nan")
    assert all(torch.equal(before[name], weight) for name, weight in potential.state_dict().items())


def test_an_error_that_is_no_number_is_not_the_best():
    history = History([Epoch(k, float(k), 1e-3, 0.1, 1.0, error) for k, error in enumerate((90.0, 60.0, np.nan), 1)])
    assert history.best.epoch == 2


# ----------------------------------------------------------------------------- who watches


class Watcher:
    """Keeps what `on_epoch` was called with; raises `error` once, in the call with this number."""

    def __init__(self, error: BaseException | None = None, call: int = 2):
        self.calls: list[tuple[int, str, Parity | None, float]] = []
        self.error, self.call = error, call

    def __call__(self, history: History, parity: Parity | None, done: float) -> None:
        self.calls.append((len(history.epochs), history.stopped, parity, done))
        if self.error is not None and len(self.calls) == self.call:
            raise self.error


def test_who_watches_sees_every_epoch_once_and_the_reason_last():
    watcher, potential = Watcher(), small_potential()
    history = fit(potential, TRAIN, VALIDATION, epochs=4, on_epoch=watcher, progress=False)
    epochs, stopped, parities, done = zip(*watcher.calls, strict=True)
    assert epochs == (1, 2, 3, 4)
    assert stopped == ("", "", "", "all 4 epochs are done")
    assert done == pytest.approx((0.25, 0.5, 0.75, 1.0))
    for n_epochs, parity in zip(epochs, parities, strict=True):
        assert parity.errors.force_mae == History(history.epochs[:n_epochs]).best.force_mae
    assert evaluate(potential, VALIDATION).force_mae == pytest.approx(parities[-1].errors.force_mae)


@pytest.mark.parametrize(
    ("error", "reason"), [(KeyboardInterrupt(), "interrupted"), (ValueError("no such atom"), "no such atom")]
)
def test_a_training_that_is_broken_off_keeps_the_best_weights_and_says_why(error, reason):
    watcher, potential = Watcher(error, call=3), small_potential()
    with pytest.raises(type(error)):
        fit(potential, TRAIN, VALIDATION, epochs=9, on_epoch=watcher, progress=False)
    n_epochs, stopped, parity, done = watcher.calls[-1]
    assert (len(watcher.calls), n_epochs, stopped) == (4, 3, reason)
    assert done == pytest.approx(3 / 9)
    assert parity is not None
    assert evaluate(potential, VALIDATION).force_mae == pytest.approx(parity.errors.force_mae)
    assert not potential.training


def test_a_training_goes_on_from_its_checkpoint_and_who_watches_sees_it_whole(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(
            small_potential(),
            TRAIN,
            VALIDATION,
            epochs=4,
            on_epoch=Watcher(KeyboardInterrupt()),
            checkpoint=tmp_path / "c.pt",
            progress=False,
        )
    for n_epochs in ([3, 4], [4]):  # it goes on; it is over already
        watcher, potential = Watcher(), small_potential()
        fit(potential, TRAIN, VALIDATION, epochs=4, on_epoch=watcher, checkpoint=tmp_path / "c.pt", progress=False)
        assert [call[0] for call in watcher.calls] == n_epochs
        _, stopped, parity, done = watcher.calls[-1]
        assert (stopped, done) == ("all 4 epochs are done", 1.0)
        assert parity is not None
        assert evaluate(potential, VALIDATION).force_mae == pytest.approx(parity.errors.force_mae)


def test_data_without_forces_or_frames_are_refused():
    with pytest.raises(ValueError, match="'h2_fci' has no forces|has no forces"):
        samples(load("scans")[:2], 3.0)
    with pytest.raises(ValueError, match="got 0 for training"):
        fit(small_potential(), [], VALIDATION, epochs=1)


def test_predictions_do_not_depend_on_the_size_of_the_batches():
    potential = small_potential().double()
    members = samples(VALIDATION, potential.cutoff, torch.float64)
    for one, other in zip(predict(potential, members, 3), predict(potential, members, 100), strict=True):
        assert torch.allclose(one, other, atol=1e-12)


# ----------------------------------------------------------------------------- killed and started again

SCRIPT = """
import sys, torch
from course import MPNN, Potential, fit, load
train, validation = load("ethanol").split("train")[:20], load("ethanol").split("validation")[:10]
torch.manual_seed(0)
potential = Potential.for_data(MPNN(train.elements, n_f=8, n_e=6, n_m=8, T=1, cutoff=3.0), train)
history = fit(potential, train, validation, epochs=60, batch_size=2, checkpoint=sys.argv[1], progress=False)
potential.save(sys.argv[2])
history.save(sys.argv[3])
"""


def start(folder: Path) -> subprocess.Popen:
    files = [str(folder / name) for name in ("checkpoint.pt", "weights.npz", "history.json")]
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *files], env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_a_killed_training_ends_with_the_same_weights(tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    straight.mkdir()
    killed.mkdir()
    assert start(straight).wait() == 0

    kills = 0
    for seconds in (0.15, 0.4, 0.7):  # after the checkpoint has appeared, each later than the last
        process = start(killed)
        while process.poll() is None and not (killed / "checkpoint.pt").exists():
            time.sleep(0.01)
        before = (killed / "checkpoint.pt").stat().st_mtime_ns
        while process.poll() is None and (killed / "checkpoint.pt").stat().st_mtime_ns == before:
            time.sleep(0.01)  # it goes on from the checkpoint before it is killed
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 1, "the training was over before it could be killed"
    assert start(killed).wait() == 0

    one, other = np.load(straight / "weights.npz"), np.load(killed / "weights.npz")
    with one, other:
        assert sorted(one.files) == sorted(other.files)
        assert all(np.array_equal(one[name], other[name]) for name in one.files)
    losses = [
        [epoch[3] for epoch in json.loads((folder / "history.json").read_text())["epochs"]]
        for folder in (straight, killed)
    ]
    assert losses[0] == losses[1]


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    fit(small_potential(), TRAIN, VALIDATION, epochs=1, checkpoint=tmp_path / "c.pt", progress=False)
    with pytest.raises(ValueError, match="belongs to a training with other settings.*'seed': 0"):
        fit(small_potential(), TRAIN, VALIDATION, epochs=1, seed=1, checkpoint=tmp_path / "c.pt", progress=False)
