"""Training: change the weights until energies and forces agree with the reference. It knows no model.

potential = Potential.for_data(MPNN(train.elements), train)
history = fit(potential, train, validation, epochs=100)
print(evaluate(potential, test))
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from course.datasets import Dataset
from course.descriptors.precomputed import described
from course.files import write_atomically, write_whole
from course.graph import Graph, batch, molecular_graph
from course.potential import Potential

# ----------------------------------------------------------------------------- data on its way to the model


class Sample(NamedTuple):
    """A graph and its labels: one molecule, or a batch of them."""

    graph: Graph
    energy: Tensor  # (n_molecules,)  eV
    forces: Tensor  # (n_atoms, 3)    eV/Angstrom


def samples(
    dataset: Dataset,
    cutoff: float,
    dtype: torch.dtype = torch.float32,
    descriptor: Callable[[Graph], Tensor] | None = None,
) -> list[Sample]:
    """Every frame as a graph with its labels. Energies stay in double precision, all else is of type `dtype`.

    With a fixed descriptor, the graphs carry its features and their derivatives from now on.
    """
    if dataset.forces is None:
        raise ValueError(f"The data set {dataset.name!r} has no forces; training and evaluation need them.")
    graphs = [molecular_graph((frame.numbers, frame.positions), cutoff).to(dtype=dtype) for frame in dataset]
    if descriptor is not None:
        graphs = described(graphs, descriptor)
    energies = torch.tensor(dataset.energies, dtype=torch.float64)[:, None]
    forces = [torch.tensor(frame.forces, dtype=dtype) for frame in dataset]
    return [Sample(*labelled) for labelled in zip(graphs, energies, forces, strict=True)]


def collate(members: Sequence[Sample]) -> Sample:
    """Samples as one sample: the graphs as one large graph, the labels stacked."""
    graphs, energies, forces = zip(*members, strict=True)
    return Sample(batch(graphs), torch.cat(energies), torch.cat(forces))


def batches(members: Sequence[Sample], batch_size: int, order: Sequence[int]) -> Iterator[tuple[Sequence[int], Sample]]:
    """The members in this order, `batch_size` at a time, each with the indices that it was made of."""
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield chosen, collate([members[index] for index in chosen])


# ----------------------------------------------------------------------------- the loss


def energy_force_loss(e: Tensor, e_ref: Tensor, f: Tensor, f_ref: Tensor, force_weight: float) -> Tensor:
    """Mean squared error of the energy per atom, plus that of the force components.

        L = mean over molecules (e - e_ref)^2 + w mean over components (F - F_ref)^2

    e, e_ref      (n_molecules,)   energies PER ATOM, eV
    f, f_ref      (n_atoms, 3)     eV/Angstrom
    force_weight  w, Angstrom^2
    """
    return torch.mean((e - e_ref) ** 2) + force_weight * torch.mean((f - f_ref) ** 2)


def train_step(
    potential: Potential, optimizer: torch.optim.Optimizer, sample: Sample, force_weight: float, clip: float = math.inf
) -> float:
    """One step: predict, compare, differentiate, move the weights. Returns the loss before the step.

    Raises FloatingPointError, and leaves the weights alone, where the loss is not a finite number.
    """
    potential.train()
    n_atoms = torch.bincount(sample.graph.molecule_index, minlength=sample.graph.n_molecules)
    energy, forces, _ = potential(sample.graph)
    loss = energy_force_loss(energy / n_atoms, sample.energy / n_atoms, forces, sample.forces, force_weight)
    if not torch.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss.item()}")
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(potential.parameters(), clip)
    optimizer.step()
    return loss.item()


# ----------------------------------------------------------------------------- errors


class Errors(NamedTuple):
    """Mean absolute and root mean squared errors, in the units of the literature's tables."""

    energy_mae: float  # meV a molecule
    force_mae: float  # meV/Angstrom a component
    energy_rmse: float  # meV
    force_rmse: float  # meV/Angstrom

    def __str__(self) -> str:
        kcal = 23.0605e-3  # kcal/mol in one meV
        return (
            f"energy MAE {self.energy_mae:.1f} meV ({self.energy_mae * kcal:.3f} kcal/mol), "
            f"force MAE {self.force_mae:.1f} meV/A ({self.force_mae * kcal:.3f} kcal/mol/A)"
        )


def predict(potential: Potential, members: Sequence[Sample], batch_size: int = 100) -> tuple[Tensor, Tensor]:
    """Energies (n_molecules,) and forces (n_atoms, 3) of many samples, on the CPU."""
    was_training = potential.training
    potential.eval()
    device = device_of(potential)
    energies, forces = [], []
    for _, sample in batches(members, batch_size, range(len(members))):
        prediction = potential(sample.graph.to(device))
        energies.append(prediction.energy.cpu())
        forces.append(prediction.forces.cpu())
    potential.train(was_training)
    return torch.cat(energies), torch.cat(forces)


class Parity(NamedTuple):
    """Predictions beside their reference."""

    energies: Tensor  # (n_molecules,)  eV
    e_ref: Tensor  # (n_molecules,)  eV
    forces: Tensor  # (n_atoms, 3)    eV/Angstrom
    f_ref: Tensor  # (n_atoms, 3)    eV/Angstrom

    @property
    def errors(self) -> Errors:
        energy_error, force_error = self.energies - self.e_ref, self.forces - self.f_ref
        return Errors(
            energy_mae=1000 * energy_error.abs().mean().item(),
            force_mae=1000 * force_error.abs().mean().item(),
            energy_rmse=1000 * energy_error.square().mean().sqrt().item(),
            force_rmse=1000 * force_error.square().mean().sqrt().item(),
        )


def compare(potential: Potential, members: Sequence[Sample], batch_size: int = 100) -> Parity:
    """What a potential predicts for the samples, beside their labels."""
    energies, forces = predict(potential, members, batch_size)
    e_ref, f_ref = torch.cat([sample.energy for sample in members]), torch.cat([sample.forces for sample in members])
    return Parity(energies, e_ref, forces, f_ref)


def evaluate(potential: Potential, data: Dataset | Sequence[Sample], batch_size: int = 100) -> Errors:
    """The errors of a potential on a data set that it has not been trained on."""
    members = samples(data, potential.cutoff) if isinstance(data, Dataset) else data
    if not members:
        raise ValueError("There is nothing to evaluate: the data set is empty.")
    return compare(potential, members, batch_size).errors


# ----------------------------------------------------------------------------- what happened


class Epoch(NamedTuple):
    """One line of the history. The errors are those of the averaged weights on the validation data."""

    epoch: int
    seconds: float
    learning_rate: float
    loss: float  # mean over the epoch's batches
    energy_mae: float  # meV
    force_mae: float  # meV/Angstrom


@dataclass
class History:
    """What happened in a training, one `Epoch` a line."""

    epochs: list[Epoch] = field(default_factory=list)
    stopped: str = ""  # why the training ended

    @property
    def best(self) -> Epoch:
        """The epoch with the smallest force error. An error that is not a number is larger than any number."""
        return min(self.epochs, key=lambda epoch: math.inf if math.isnan(epoch.force_mae) else epoch.force_mae)

    def column(self, name: str) -> np.ndarray:
        """One quantity over the epochs, for example `history.column("force_mae")`."""
        return np.array([getattr(epoch, name) for epoch in self.epochs])

    def save(self, path: str | Path) -> None:
        write_whole(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: str | Path) -> History:
        record = json.loads(Path(path).read_text())
        return cls([Epoch(*epoch) for epoch in record["epochs"]], record["stopped"])


# ----------------------------------------------------------------------------- the loop


def clone(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in weights.items()}


def learning_rate_factor(progress: float) -> float:
    """A short warm-up over the first 2 % of the training, then half a cosine down to 1 %."""
    warm_up = min(1.0, progress / 0.02 + 0.01)
    return warm_up * (0.01 + 0.99 * (1 + math.cos(math.pi * min(progress, 1.0))) / 2)


def fit(
    potential: Potential,
    train: Dataset | Sequence[Sample],
    validation: Dataset | Sequence[Sample],
    *,
    epochs: int | None = 100,
    max_seconds: float | None = None,
    batch_size: int = 5,
    learning_rate: float = 5e-3,
    force_weight: float = 0.1,
    weight_decay: float = 1e-5,
    ema_decay: float = 0.99,
    clip: float = 0.2,
    patience: int | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int = 1,
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[History, Parity | None, float], None] | None = None,
    progress: bool = True,
) -> History:
    """Train a potential, in place, and leave it with the averaged weights that were best on the validation data.

    epochs, max_seconds  the training ends with the first of the two; the learning rate falls to zero by then
    force_weight         w of `energy_force_loss`, Angstrom^2
    ema_decay            average <- decay average + (1 - decay) weights, after every step; the average is what is kept
    clip                 largest norm of the gradient of the loss; a longer one is shortened
    patience             stop after so many epochs without a new best force error; None never stops early
    seed                 of the order of the frames (the weights are made before, with a seed of their own)
    device               "auto" takes CUDA, then Apple's MPS, then the CPU
    threads              of torch on the CPU; with batches as small as these, more threads wait for each other
    checkpoint           a file that is rewritten after every epoch; where it exists, the training goes on from it and,
                         without max_seconds, ends with the same weights as one that was never interrupted
    on_epoch             for a live picture, called after every epoch with the history, the predictions of the best
                         weights so far on the validation data, and the share of the training that is done, 0 to 1.
                         `history.stopped` is set in the last call, also where the training breaks off

    Raises FloatingPointError where the loss is no longer a number; the message names the batch. A training that breaks
    off, because of this or because somebody presses stop, leaves the potential with its best weights too.
    """
    if epochs is None and max_seconds is None:
        raise ValueError("A training without end: give epochs, max_seconds, or both.")
    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    settings |= {"force_weight": force_weight, "weight_decay": weight_decay, "ema_decay": ema_decay, "clip": clip}
    read = partial(samples, cutoff=potential.cutoff, descriptor=potential.descriptor)
    members = read(train) if isinstance(train, Dataset) else list(train)
    judges = read(validation) if isinstance(validation, Dataset) else list(validation)
    if not members or not judges:
        raise ValueError(f"Training needs frames: got {len(members)} for training, {len(judges)} for validation.")

    settings["frames"] = len(members)

    target = best_device() if device == "auto" else torch.device(device)
    potential.to(target)
    members = [Sample(s.graph.to(target), s.energy.to(target, float_of(target)), s.forces.to(target)) for s in members]
    optimizer = torch.optim.AdamW(potential.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)
    average = AveragedModel(potential, multi_avg_fn=get_ema_multi_avg_fn(ema_decay), use_buffers=True)
    averaged: Any = average.module  # the potential with the averaged weights
    history, best, elapsed = History(), clone(potential.state_dict()), 0.0
    parity: Parity | None = None  # of the best weights
    if checkpoint is not None and Path(checkpoint).exists():
        state = torch.load(checkpoint, map_location=target, weights_only=True)  # tensors and numbers, never code
        if state["settings"] != settings:
            raise ValueError(f"{checkpoint} belongs to a training with other settings: {state['settings']}.")
        best, elapsed = state["best"], state["elapsed"]
        potential.load_state_dict(best)
        parity = compare(potential, judges)
        potential.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        average.load_state_dict(state["average"])
        history = History([Epoch(*epoch) for epoch in state["history"]], state["stopped"])

    n_batches = math.ceil(len(members) / batch_size)
    start = time.perf_counter() - elapsed

    def share_done(step: int) -> float:
        """The share of the training that is over, by steps or by the clock."""
        return max(step / (epochs * n_batches) if epochs else 0.0, elapsed / max_seconds if max_seconds else 0.0)

    def tell() -> None:
        if on_epoch is not None:
            on_epoch(history, parity, min(1.0, share_done(len(history.epochs) * n_batches)))

    bar = tqdm(total=epochs, initial=len(history.epochs), unit="epoch", disable=not progress)
    try:
        with torch_threads(threads), bar:
            while not history.stopped:
                epoch = len(history.epochs)
                order = np.random.default_rng([seed, epoch]).permutation(len(members)).tolist()
                losses = []
                for step, (chosen, sample) in enumerate(batches(members, batch_size, order), start=epoch * n_batches):
                    elapsed = time.perf_counter() - start
                    done = share_done(step)
                    if done >= 1:
                        break
                    for group in optimizer.param_groups:
                        group["lr"] = learning_rate * learning_rate_factor(done)
                    try:
                        losses.append(train_step(potential, optimizer, sample, force_weight, clip))
                    except FloatingPointError as error:
                        raise FloatingPointError(explain(error, epoch, chosen, sample)) from None
                    average.update_parameters(potential)

                now = compare(averaged, judges)
                errors = now.errors
                rate = optimizer.param_groups[0]["lr"]
                loss = float(np.mean(losses)) if losses else math.nan
                elapsed = time.perf_counter() - start
                history.epochs.append(Epoch(epoch + 1, elapsed, rate, loss, errors.energy_mae, errors.force_mae))
                if history.best.epoch == epoch + 1:
                    best, parity = clone(averaged.state_dict()), now
                if epochs is not None and epoch + 1 >= epochs:
                    history.stopped = f"all {epochs} epochs are done"
                elif max_seconds is not None and elapsed >= max_seconds:
                    history.stopped = f"{max_seconds:g} s are over"
                elif patience is not None and epoch + 1 - history.best.epoch >= patience:
                    history.stopped = f"no better force error in {patience} epochs"
                if checkpoint is not None:
                    state = {
                        "settings": settings,
                        "weights": potential.state_dict(),
                        "optimizer": optimizer.state_dict(),
                    }
                    state |= {"average": average.state_dict(), "best": best, "elapsed": elapsed}
                    state |= {"history": [tuple(row) for row in history.epochs], "stopped": history.stopped}
                    write_atomically(checkpoint, partial(torch.save, state))
                bar.update()
                bar.set_postfix_str(f"validation: E {errors.energy_mae:.1f} meV, F {errors.force_mae:.1f} meV/A")
                if not history.stopped:
                    tell()
    except BaseException as error:  # the stop button raises one too
        history.stopped = str(error) or "interrupted"
        raise
    finally:
        potential.load_state_dict(best)
        potential.eval()
        tell()
    return history


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """So many threads inside, as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def explain(error: FloatingPointError, epoch: int, chosen: Sequence[int], sample: Sample) -> str:
    """What a learner needs to know about a loss that is not a number."""
    largest = sample.forces.abs().max().item()
    shortest = sample.graph.distances.min().item() if sample.graph.n_edges else math.nan
    return (
        f"Training stopped in epoch {epoch + 1}: {error}, in the batch of the training frames {list(chosen)}. "
        f"Their largest force component is {largest:.3g} eV/A, their shortest distance {shortest:.3g} A. "
        f"If these are sane, the weights have run away: start again with a smaller learning_rate or clip."
    )


def best_device() -> torch.device:
    """CUDA where there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_of(potential: Potential) -> torch.device:
    return next((weight.device for weight in potential.parameters()), torch.device("cpu"))


def float_of(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64  # Apple's GPU has no double precision


# ----------------------------------------------------------------------------- learning curves

Curve = dict[int, list[Errors]]  # number of training frames -> errors, one an independent training


def random_frames(dataset: Dataset, size: int, seed: int) -> Dataset:
    """So many frames of a data set, no frame twice."""
    return dataset[np.random.default_rng(seed).permutation(len(dataset))[:size]]


def trained(
    make_model: Callable[[Dataset], torch.nn.Module],
    data: Dataset,
    size: int,
    seed: int,
    steps: int = 2000,
    batch_size: int = 5,
    **settings: Any,
) -> Potential:
    """One point of a learning curve: a potential trained on `size` random frames, with so many steps for every size.

    make_model  gets the chosen frames, and makes a new model with random weights. What it takes from the data (means
                of features, lengths of springs) it takes from these frames
    data        a data set with the splits "train" and "validation"
    seed        of the frames, of the weights, and of the order of the frames in the training
    settings    are handed to `fit`
    """
    train, validation = data.split("train"), data.split("validation")
    if not batch_size <= size <= len(train):
        raise ValueError(f"{size} training frames: there are {len(train)}, and a batch takes {batch_size}.")
    chosen = random_frames(train, size, seed)
    torch.manual_seed(seed)
    potential = Potential.for_data(make_model(chosen), chosen)
    epochs = max(1, steps * batch_size // size)
    # few frames make short epochs, and looking at the validation data after each would take most of the time
    judges = validation[:: max(1, len(validation) * epochs // (4 * steps))]
    fit(potential, chosen, judges, epochs=epochs, batch_size=batch_size, seed=seed, **settings)
    return potential


def learning_curve(
    make_model: Callable[[Dataset], torch.nn.Module],
    data: Dataset,
    sizes: Sequence[int],
    seeds: Sequence[int],
    steps: int = 2000,
    **settings: Any,
) -> Curve:
    """Errors on the split "test" against the number of training frames, one `trained` potential a size and seed."""
    test = data.split("test")
    return {
        size: [evaluate(trained(make_model, data, size, seed, steps, **settings), test) for seed in seeds]
        for size in sizes
    }


def save_curves(curves: Mapping[str, Curve], path: str | Path) -> None:
    """Learning curves by name, as JSON."""
    write_whole(path, json.dumps(curves, indent=1))


def load_curves(path: str | Path) -> dict[str, Curve]:
    return curves_of(json.loads(Path(path).read_text()))


def curves_of(record: Mapping[str, Mapping[str, Any]]) -> dict[str, Curve]:
    """Learning curves from what JSON makes of them."""
    return {
        name: {int(size): [Errors(*errors) for errors in trainings] for size, trainings in curve.items()}
        for name, curve in record.items()
    }
