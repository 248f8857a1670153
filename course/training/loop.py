"""The loop: predict, compare, differentiate, move the weights, and again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from course.datasets import Dataset
from course.potential import Potential
from course.training.errors import Parity, compare
from course.training.history import Epoch, History
from course.training.samples import Sample, batches, samples
from course.training.state import Schedule, State, learning_rate_factor


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

    Raises ValueError where there are no frames or no end, and where a checkpoint belongs to another training.
    Raises FloatingPointError where the loss is no longer a number; the message names the batch. A training that breaks
    off, because of this or because somebody presses stop, leaves the potential with its best weights too.
    """
    schedule = Schedule(epochs, max_seconds, patience)
    read = partial(samples, cutoff=potential.cutoff, descriptor=potential.descriptor)
    members = read(train) if isinstance(train, Dataset) else list(train)
    judges = read(validation) if isinstance(validation, Dataset) else list(validation)
    if not members or not judges:
        raise ValueError(f"Training needs frames: got {len(members)} for training, {len(judges)} for validation.")
    n_batches = math.ceil(len(members) / batch_size)

    target = best_device() if device == "auto" else torch.device(device)
    potential.to(target)
    members = [Sample(s.graph.to(target), s.energy.to(target, float_of(target)), s.forces.to(target)) for s in members]
    optimizer = torch.optim.AdamW(potential.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)
    average = AveragedModel(potential, multi_avg_fn=get_ema_multi_avg_fn(ema_decay), use_buffers=True)
    state = State(potential, optimizer, average, best=clone(potential.state_dict()))
    parity: Parity | None = None  # of the best weights
    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    settings |= {"force_weight": force_weight, "weight_decay": weight_decay, "ema_decay": ema_decay, "clip": clip}
    settings |= {"frames": len(members)}
    if checkpoint is not None and Path(checkpoint).exists():
        state.load(checkpoint, settings)
        current = clone(potential.state_dict())
        potential.load_state_dict(state.best)
        parity = compare(potential, judges)
        potential.load_state_dict(current)

    history, start = state.history, time.perf_counter() - state.elapsed

    def tell() -> None:
        if on_epoch is not None:
            done = schedule.share_done(len(history.epochs) * n_batches, n_batches, state.elapsed)
            on_epoch(history, parity, min(1.0, done))

    bar = tqdm(total=epochs, initial=len(history.epochs), unit="epoch", disable=not progress)
    try:
        with torch_threads(threads), bar:
            while not history.stopped:
                epoch = len(history.epochs)
                order = np.random.default_rng([seed, epoch]).permutation(len(members)).tolist()
                losses = []
                for number, (chosen, sample) in enumerate(batches(members, batch_size, order)):
                    state.elapsed = time.perf_counter() - start
                    done = schedule.share_done(epoch * n_batches + number, n_batches, state.elapsed)
                    if done >= 1:
                        break
                    for group in optimizer.param_groups:
                        group["lr"] = learning_rate * learning_rate_factor(done)
                    try:
                        losses.append(train_step(potential, optimizer, sample, force_weight, clip))
                    except FloatingPointError as error:
                        raise FloatingPointError(explain(error, epoch, chosen, sample)) from None
                    average.update_parameters(potential)

                now = compare(state.averaged, judges)
                state.elapsed = time.perf_counter() - start
                rate, loss = optimizer.param_groups[0]["lr"], float(np.mean(losses)) if losses else math.nan
                errors = now.errors
                history.epochs.append(Epoch(epoch + 1, state.elapsed, rate, loss, errors.energy_mae, errors.force_mae))
                if history.best.epoch == epoch + 1:
                    state.best, parity = clone(state.averaged.state_dict()), now
                history.stopped = schedule.why_to_stop(history, state.elapsed)
                if checkpoint is not None:
                    state.save(checkpoint, settings)
                bar.update()
                bar.set_postfix_str(f"validation: E {errors.energy_mae:.1f} meV, F {errors.force_mae:.1f} meV/Å")
                if not history.stopped:
                    tell()
    except BaseException as error:  # the stop button raises one too
        history.stopped = str(error) or "interrupted"
        raise
    finally:
        potential.load_state_dict(state.best)
        potential.eval()
        tell()
    return history


def clone(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in weights.items()}


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
        f"Their largest force component is {largest:.3g} eV/Å, their shortest distance {shortest:.3g} Å. "
        f"If these are sane, the weights have run away: start again with a smaller learning_rate or clip."
    )


def best_device() -> torch.device:
    """CUDA where there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def float_of(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64  # Apple's GPU has no double precision
