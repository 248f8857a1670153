"""What happened in a training."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course.files import write_whole


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
