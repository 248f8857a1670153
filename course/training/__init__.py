"""Training: change the weights until energies and forces agree with the reference. It knows no model.

    potential = Potential.for_data(MPNN(train.elements), train)
    history = fit(potential, train, validation, epochs=100)
    print(evaluate(potential, test))

Data flows one way here too:

    samples -> errors, history -> state -> loop -> learning_curves
"""

from course.training.errors import Errors, Parity, compare, evaluate, predict
from course.training.history import Epoch, History
from course.training.learning_curves import (
    Curve,
    curves_of,
    learning_curve,
    load_curves,
    random_frames,
    save_curves,
    trained,
)
from course.training.loop import energy_force_loss, fit, torch_threads, train_step
from course.training.samples import Sample, batches, collate, samples
from course.training.state import Schedule, learning_rate_factor

__all__ = [
    "Curve",
    "Epoch",
    "Errors",
    "History",
    "Parity",
    "Sample",
    "Schedule",
    "batches",
    "collate",
    "compare",
    "curves_of",
    "energy_force_loss",
    "evaluate",
    "fit",
    "learning_curve",
    "learning_rate_factor",
    "load_curves",
    "predict",
    "random_frames",
    "samples",
    "save_curves",
    "torch_threads",
    "train_step",
    "trained",
]
