"""What a training needs to go on after it was interrupted, and when it ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from course.files import write_atomically
from course.potential import Potential
from course.training.history import Epoch, History


@dataclass
class State:
    """All that changes in a training."""

    potential: Potential
    optimizer: torch.optim.Optimizer
    average: AveragedModel  # the potential, its weights averaged over the last steps
    best: dict[str, Tensor]  # the averaged weights with the smallest force error so far
    history: History = field(default_factory=History)
    elapsed: float = 0.0  # s

    @property
    def averaged(self) -> Any:
        """The potential with the averaged weights."""
        return self.average.module

    def save(self, path: str | Path, settings: Mapping[str, Any]) -> None:
        """Write a checkpoint; the old one stays until the new one is whole."""
        record = {
            "settings": dict(settings),
            "weights": self.potential.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "history": [tuple(epoch) for epoch in self.history.epochs],
            "stopped": self.history.stopped,
            "elapsed": self.elapsed,
        }
        write_atomically(path, partial(torch.save, record))

    def load(self, path: str | Path, settings: Mapping[str, Any]) -> None:
        """Go back to a checkpoint. Raises ValueError where it belongs to a training with other settings."""
        device = next(iter(self.best.values())).device
        record = torch.load(path, map_location=device, weights_only=True)  # tensors and numbers, never code
        if record["settings"] != settings:
            raise ValueError(f"{path} belongs to a training with other settings: {record['settings']}.")
        self.potential.load_state_dict(record["weights"])
        self.optimizer.load_state_dict(record["optimizer"])
        self.average.load_state_dict(record["average"])
        self.best, self.elapsed = record["best"], record["elapsed"]
        self.history = History([Epoch(*epoch) for epoch in record["history"]], record["stopped"])


@dataclass(frozen=True)
class Schedule:
    """When a training ends, and how long its steps are until then."""

    epochs: int | None
    max_seconds: float | None
    patience: int | None

    def __post_init__(self) -> None:
        if self.epochs is None and self.max_seconds is None:
            raise ValueError("A training without end: give epochs, max_seconds, or both.")
        if self.epochs is not None and self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}: a training has one at least.")

    def share_done(self, step: int, n_batches: int, seconds: float) -> float:
        """The share of the training that is over, by steps or by the clock; an epoch has `n_batches` steps."""
        by_steps = step / (self.epochs * n_batches) if self.epochs else 0.0
        return max(by_steps, seconds / self.max_seconds if self.max_seconds else 0.0)

    def why_to_stop(self, history: History, seconds: float) -> str:
        """A reason, or none."""
        epoch = len(history.epochs)
        if self.epochs is not None and epoch >= self.epochs:
            return f"all {self.epochs} epochs are done"
        if self.max_seconds is not None and seconds >= self.max_seconds:
            return f"{self.max_seconds:g} s are over"
        if self.patience is not None and epoch - history.best.epoch >= self.patience:
            return f"no better force error in {self.patience} epochs"
        return ""


def learning_rate_factor(progress: float) -> float:
    """A short warm-up over the first 2 % of the training, then half a cosine down to 1 %."""
    warm_up = min(1.0, progress / 0.02 + 0.01)
    return warm_up * (0.01 + 0.99 * (1 + math.cos(math.pi * min(progress, 1.0))) / 2)
