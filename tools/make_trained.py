"""Make the results that the lessons ship: weights, histories and learning curves in `course/trained/`.

    python tools/make_trained.py bpnn        four minutes of one core, for Day 3c
    python tools/make_trained.py ethanol     ten minutes of training, for Day 4b
    python tools/make_trained.py messages    learning curves of five messages, about fifteen minutes, for Day 4b

What is there already is not made again; delete a file to make it anew. A killed training of `bpnn` or
`ethanol` goes on from its checkpoint in `build/trained/`, and killed learning curves from the last message that was
finished.
"""

import time
from functools import partial
from pathlib import Path

import torch
import typer

import course
from course.descriptors import SymmetryFunctions
from course.models.behler_parrinello import BehlerParrinello
from course.models.message_passing import MESSAGES
from course.training import learning_curve, load_curves, random_frames, save_curves

ROOT = Path(__file__).resolve().parent.parent
RESULTS, CHECKPOINTS = ROOT / "course" / "trained", ROOT / "build" / "trained"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.command()
def bpnn(epochs: int = 250) -> None:
    """The potential of Day 3c: 1,000 frames, features and their derivatives computed once."""
    start, used = time.perf_counter(), time.process_time()
    data = course.load("ethanol")
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    train = random_frames(train, 1000, seed=0)
    torch.manual_seed(0)
    model = BehlerParrinello(SymmetryFunctions.ani1x(train.elements), train.elements, hidden=(64, 64))
    potential = course.Potential.for_data(model.standardize(train), train)
    RESULTS.mkdir(exist_ok=True)
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    checkpoint = CHECKPOINTS / "ethanol_bpnn.pt"
    history = course.fit(
        potential, train, validation[::4], epochs=epochs, batch_size=10, learning_rate=6e-3, checkpoint=checkpoint
    )
    potential.save(RESULTS / "ethanol_bpnn.npz")
    history.save(RESULTS / "ethanol_bpnn.json")
    seconds, busy = time.perf_counter() - start, time.process_time() - used
    print(f"{seconds:.0f} s, {busy:.0f} s of one core; test frames: {course.evaluate(potential, test)}")


@app.command()
def ethanol(seconds: float = 600.0) -> None:
    """The potential of Day 4b, trained for ten minutes."""
    data = course.load("ethanol")
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    torch.manual_seed(0)
    model = course.MPNN(train.elements, n_f=64, n_e=20, n_m=64, T=3, cutoff=5.0)
    potential = course.Potential.for_data(model, train)
    RESULTS.mkdir(exist_ok=True)
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    checkpoint = CHECKPOINTS / "ethanol_mpnn.pt"
    history = course.fit(potential, train, validation[:100], epochs=None, max_seconds=seconds, checkpoint=checkpoint)
    potential.save(RESULTS / "ethanol_mpnn.npz")
    history.save(RESULTS / "ethanol_mpnn.json")
    print(f"{len(history.epochs)} epochs; test frames: {course.evaluate(potential, test)}")


def small_network(frames: course.Dataset, message: str) -> course.MPNN:
    return course.MPNN(frames.elements, n_f=32, n_m=32, T=2, message=message)


@app.command()
def messages() -> None:
    """Learning curves of the ready-made messages."""
    data = course.load("ethanol")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "messages.json"
    curves = load_curves(path) if path.exists() else {}
    for name in MESSAGES:
        if name not in curves:
            curves[name] = learning_curve(
                partial(small_network, message=name),
                data,
                sizes=[50, 200, 1000],
                seeds=[0, 1],
                progress=False,
            )
            save_curves(curves, path)
            print(
                name, {size: round(sum(e.force_mae for e in row) / len(row), 1) for size, row in curves[name].items()}
            )


if __name__ == "__main__":
    app()
