"""Train every model of the course on the same data with the same number of steps, for Day 4c.

    python tools/compare_potentials.py train     about an hour of one core
    python tools/compare_potentials.py cost      milliseconds; a minute, best on a machine that does nothing else
    python tools/compare_potentials.py ship      what there is so far -> course/trained/comparison.json

Every finished training is a file in build/comparison/. A killed `train` goes on with the others; delete a file to
train anew. Test frames are looked at once, when a training is over.
"""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import typer

import course
from course.comparison import MODELS, Cost, n_learned
from course.datasets import Dataset
from course.files import write_whole
from course.models.composition import Composition
from course.training import batches, evaluate, random_frames, samples, torch_threads, train_step, trained

ROOT = Path(__file__).resolve().parent.parent
RECORDS, RESULT = ROOT / "build" / "comparison", ROOT / "course" / "trained" / "comparison.json"
STEPS, BATCH_SIZE, SIZES, SEEDS = 3000, 5, (1000, 300, 100, 30), (0, 1, 2)
ON_MOLECULES = ("composition", "molecular mechanics", "BPNN, radial + angular", "MPNN, T = 2")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


class Training(NamedTuple):
    data: str
    size: int
    seed: int
    model: str

    @property
    def file(self) -> Path:
        name = "".join(letter if letter.isalnum() else "_" for letter in self.model)
        return RECORDS / f"{self.data}-{self.size}-{self.seed}-{name}.json"


def plan() -> Iterator[Training]:
    """What is to be trained, the most wanted first: the table, the other molecules, the curves."""
    names = ["composition", *MODELS]
    yield from (Training("ethanol", SIZES[0], seed, name) for seed in SEEDS for name in names)
    yield from (Training("small_molecules", 920, 0, name) for name in ON_MOLECULES)
    yield from (Training("ethanol", size, seed, name) for seed in SEEDS for size in SIZES[1:] for name in names)
    yield from (Training("small_molecules", 920, seed, name) for seed in SEEDS[1:] for name in ON_MOLECULES)


def potential_of(data: Dataset, training: Training, steps: int = STEPS) -> course.Potential:
    if training.model == "composition":  # solved, not trained
        chosen = random_frames(data.split("train"), training.size, training.seed)
        return course.Potential(Composition.fit(chosen))
    make_model = MODELS[training.model]
    return trained(make_model, data, training.size, training.seed, steps, BATCH_SIZE, progress=False)


def write_json(path: Path, record: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(record, indent=1))


@app.command()
def train(steps: int = STEPS) -> None:
    """All trainings that have no record yet."""
    for training in plan():
        if training.file.exists():
            continue
        data = course.load(training.data)
        started = time.process_time()
        potential = potential_of(data, training, steps)
        seconds = time.process_time() - started
        record: dict[str, Any] = {**training._asdict(), "steps": steps, "cpu_seconds": round(seconds, 1)}
        tests = [split for split in dict.fromkeys(data.splits.tolist()) if split.startswith("test")]
        record["errors"] = {split: rounded(evaluate(potential, data.split(split))) for split in tests}
        if training[:3] == ("ethanol", SIZES[0], SEEDS[0]):
            (row,) = course.scorecard(potential).rows.values()
            record["laws"] = {finding.law.name: [*finding.violation] for finding in row}
        write_json(training.file, record)
        print(f"{' '.join(map(str, training))}: {seconds:.0f} s, {record['errors']['test'][:2]}", flush=True)


def rounded(numbers: tuple[float, ...]) -> list[float]:
    return [round(number, 3) for number in numbers]


@app.command()
def cost(rounds: int = 15) -> None:
    """Parameters and milliseconds of every model. The models take turns, and the fastest of their rounds counts."""
    data = course.load("ethanol")
    frames = data.split("train")[:100]
    torch.manual_seed(0)
    jobs: dict[tuple[str, str], Callable[[], Any]] = {}
    potentials = {"composition": course.Potential(Composition.fit(frames))}
    potentials |= {name: course.Potential.for_data(make(frames), frames) for name, make in MODELS.items()}
    for name, potential in potentials.items():
        atoms = data.to_ase(0)
        jobs[name, "predict"] = partial(potential.predict, atoms)
        if name == "composition":
            continue
        read = partial(samples, cutoff=potential.cutoff, descriptor=potential.descriptor)
        members = read(frames[:BATCH_SIZE])
        _, sample = next(batches(members, BATCH_SIZE, range(BATCH_SIZE)))
        optimizer = torch.optim.AdamW(potential.parameters(), lr=1e-6, fused=True)
        jobs[name, "step"] = partial(train_step, potential, optimizer, sample, 0.1)
        if potential.descriptor is not None:
            jobs[name, "describe"] = partial(read, frames[:50])
    fastest = dict.fromkeys(jobs, float("inf"))
    with torch_threads(1):
        for _ in range(rounds):
            for key, job in jobs.items():
                repeats = 1 if key[1] == "describe" else 20
                job()  # the caches are cold after another model's turn
                started = time.thread_time()
                for _ in range(repeats):
                    job()
                fastest[key] = min(fastest[key], 1000 * (time.thread_time() - started) / repeats)
    costs = {
        name: Cost(
            n_parameters=n_learned(potentials[name]),
            step=round(fastest.get((name, "step"), 0.0), 3),
            describe=round(fastest.get((name, "describe"), 0.0) / 50, 3),
            predict=round(fastest[name, "predict"], 3),
        )
        for name in potentials
    }
    write_json(RECORDS / "cost.json", {name: vars(cost) for name, cost in costs.items()})
    for name, each in costs.items():
        print(f"{name:24} {each}")


@app.command()
def ship() -> None:
    """Collect the records into the file that comes with the course."""
    done = [json.loads(training.file.read_text()) for training in plan() if training.file.exists()]
    names = ["composition", *MODELS]
    curves: dict[str, dict[int, list[list[float]]]] = {name: {} for name in names}
    molecules: dict[str, list[list[float]]] = {}
    elsewhere: dict[str, dict[str, list[list[float]]]] = {name: {} for name in names}
    laws: dict[str, Any] = {}
    for record in done:
        name = record["model"]
        if record["data"] == "small_molecules":
            molecules.setdefault(name, []).append(record["errors"]["test"])
            continue
        curves[name].setdefault(record["size"], []).append(record["errors"]["test"])
        if record["size"] == SIZES[0]:
            for split in ("test_300K", "test_1000K"):
                elsewhere[name].setdefault(split, []).append(record["errors"][split])
        if "laws" in record:
            laws[name] = record["laws"]
    costs = json.loads((RECORDS / "cost.json").read_text()) if (RECORDS / "cost.json").exists() else {}
    result = {"steps": STEPS, "batch_size": BATCH_SIZE, "curves": curves, "molecules": molecules}
    write_json(RESULT, result | {"elsewhere": elsewhere, "costs": costs, "laws": laws})
    n_all = len(list(plan()))
    print(f"{len(done)} of {n_all} trainings, {RESULT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    app()
