"""Exercises 4.13 and 4.14: learning curves, and a row of the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course.comparison import table_row
from course.datasets import Dataset
from course.exercises.evidence import Slip
from course.exercises.exercise import Case, Exercise, Law, Measured, Misconception, by_laws, by_value, close
from course.graph import Graph
from course.potential import Potential
from course.training import Errors, evaluate, fit, learning_curve

# ------------------------------------------------------------------------------------------- 4.13 learning_curve

N_TRAIN, N_VALIDATION, N_TEST = 30, 6, 8
SPLIT_OF = np.repeat([0, 1, 2], [N_TRAIN, N_VALIDATION, N_TEST])  # of each frame: train, validation, test
STEPS, SIZES = 20, (5, 20)
ENDLESS = 25 * STEPS  # steps; a training that goes on for longer is stopped


def stretched_hydrogen(depth: float, stiffness: float) -> Dataset:
    """Hydrogen molecules on a Morse-like curve. Every frame has a length of its own, by which a model knows it."""
    r = 0.6 + 0.01 * np.arange(len(SPLIT_OF))  # the frames of a split follow one another, as in a trajectory
    positions = np.zeros((2 * len(r), 3))
    positions[1::2, 0] = r
    pull = 2 * depth * stiffness * (1 - np.exp(-stiffness * (r - 0.74))) * np.exp(-stiffness * (r - 0.74))
    forces = np.zeros_like(positions)
    forces[::2, 0], forces[1::2, 0] = pull, -pull
    return Dataset(
        name="hydrogen",
        numbers=np.ones(2 * len(r), dtype=int),
        positions=positions,
        energies=depth * (1 - np.exp(-stiffness * (r - 0.74))) ** 2 - 30,
        offsets=2 * np.arange(len(r) + 1),
        groups=np.full(len(r), "H2"),
        splits=np.array(["train", "validation", "test"])[SPLIT_OF],
        forces=forces,
    )


def frames_of(lengths: Any) -> list[int]:
    """The numbers of the frames with these bond lengths."""
    return sorted({int(k) for k in np.rint((np.asarray(lengths, dtype=float) - 0.6) / 0.01).ravel()})


class Diary(list[tuple[str, list[int]]]):
    """What happens to a model: ("train" | "look", numbers of the frames). Copies of the model write in the same one."""

    def __deepcopy__(self, memo: Any) -> Diary:
        return self


class Spring(nn.Module):
    """A model with two weights that writes down which frames it is shown."""

    elements, cutoff, T = (1,), 3.0, 1

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(2))
        self.start = self.weights.detach().clone()
        self.diary = Diary()
        self.n_steps = 0

    def forward(self, graph: Graph) -> Tensor:
        r = graph.distances
        self.n_steps += self.training
        if self.n_steps > ENDLESS:
            raise Slip(
                f"a training was stopped after {ENDLESS} steps. The check had called "
                f"learning_curve(..., steps={STEPS}): `epochs = steps * 5 // size`, with the `steps` that are handed in"
            )
        self.diary.append(("train" if self.training else "look", frames_of(r.detach())))
        terms = self.weights[0] * (r - 0.74) + self.weights[1] * (r - 0.74) ** 2
        return terms.new_zeros(graph.n_atoms).index_add(0, graph.receivers, terms)


class Made:
    """The models that the learner's function has asked for, with the frames that it gave for each."""

    def __init__(self) -> None:
        self.models: list[Spring] = []
        self.frames: list[Dataset] = []

    def __call__(self, frames: Dataset) -> Spring:
        if not isinstance(frames, Dataset):
            raise Slip(
                f"you called make_model with a {type(frames).__name__}. It wants the training frames: "
                "`make_model(frames)`, so that means and lengths can be taken from them"
            )
        if len(frames) == 0:
            raise Slip(
                "you called make_model with no frames at all. A seed is any number, not a place in the data: "
                "`np.random.default_rng(seed).permutation(len(train))[:size]`"
            )
        self.models.append(Spring())
        self.frames.append(frames)
        return self.models[-1]

    def by_size(self) -> None:
        """Into the order of the curve, whichever of the two loops was the outer one."""
        order = sorted(range(len(self.models)), key=lambda k: len(self.frames[k]))
        self.models, self.frames = [self.models[k] for k in order], [self.frames[k] for k in order]


def measure_curve(function: Callable[..., Any], rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    secret = rng.uniform(2, 4), rng.uniform(1, 2)
    yield "secret curve", list(secret)
    data = stretched_hydrogen(*secret)
    seeds = [int(seed) for seed in rng.integers(1, 10_000, size=2)]
    made = Made()
    curve = curve_of(function, made, data, list(SIZES), seeds)
    if curve is None or curve is Ellipsis:
        yield "curve", None
        return
    if not isinstance(curve, Mapping):
        raise Slip(
            f"your function returned a {type(curve).__name__}. A dictionary is needed, {{size: [errors, errors]}}, "
            "with one `course.evaluate(...)` for each seed"
        )
    missing = [size for size in SIZES if size not in curve]
    if missing:
        raise Slip(f"your dictionary has no entry for {missing[0]} frames; its keys are {list(curve)}")
    made.by_size()
    yield "numbers of errors", [len(row) if is_row(row := curve[size]) else 0 for size in SIZES]
    yield "numbers of trainings", len(made.models)
    yield "frames given", [shown([k for r in lengths_of(frames) for k in frames_of(r)]) for frames in made.frames]
    diaries = [model.diary for model in made.models]
    yield "frames trained on", [shown([k for kind, ks in d for k in ks if kind == "train"]) for d in diaries]
    yield (
        "frames looked at",
        [shown([k for kind, ks in while_training(d) for k in ks if kind == "look"]) for d in diaries],
    )
    yield "steps", [sum(kind == "train" for kind, _ in diary) for diary in diaries]
    yield "weights at the start", torch.stack([model.start for model in made.models])
    yield "weights at the end", torch.stack([model.weights.detach() for model in made.models])
    yield "errors", [[list(errors) for errors in curve[size]] for size in SIZES]
    for what in ("test", "validation", "train"):
        yield f"{what} errors", expected_errors(made, data, what)
    yield "with one baseline for all", expected_errors(made, data, "test", data.split("train"))
    alone = curve_of(function, Made(), data, [SIZES[0]], [seeds[1]])
    yield "second seed alone", list(alone[SIZES[0]][0])


def curve_of(function: Callable[..., Any], made: Made, data: Dataset, sizes: list[int], seeds: list[int]) -> Any:
    try:
        return function(made, data, sizes, seeds, STEPS)
    except AttributeError as error:
        if "'Spring' object" not in str(error):
            raise
        raise Slip(
            "what make_model returns is a model of atomic energies, not yet a potential. "
            "`course.Potential.for_data(make_model(frames), frames)` makes one: it adds the composition baseline, "
            "sums the atomic energies and takes the forces. Hand that one to `course.fit` and to `course.evaluate`"
        ) from error


def is_row(row: Any) -> bool:
    return isinstance(row, list | tuple) and not isinstance(row, Errors) and all(isinstance(e, Errors) for e in row)


def lengths_of(frames: Dataset) -> list[float]:
    return [float(np.linalg.norm(frame.positions[1] - frame.positions[0])) for frame in frames]


def shown(frames: list[int]) -> list[int]:
    """One entry a frame of the data: how often it occurs."""
    return np.bincount([k for k in frames if 0 <= k < len(SPLIT_OF)], minlength=len(SPLIT_OF)).tolist()


def while_training(diary: Diary) -> list[tuple[str, list[int]]]:
    """The part of a diary from the first step to the last."""
    steps = [n for n, (kind, _) in enumerate(diary) if kind == "train"]
    return diary[steps[0] : steps[-1] + 1] if steps else []


def expected_errors(made: Made, data: Dataset, split: str, baseline_of: Dataset | None = None) -> list[list[float]]:
    """The errors of the models as they are now, one row a training."""
    rows = []
    for model, frames in zip(made.models, made.frames, strict=True):
        potential = Potential.for_data(model, baseline_of or frames)
        rows.append(list(evaluate(potential, frames if split == "train" else data.split(split))))
    return rows


def of_split(table: np.ndarray, split: int) -> np.ndarray:
    """How many different frames of a split occur, one number a training."""
    columns = np.flatnonzero(np.equal(SPLIT_OF, split))
    return (table[:, columns] > 0).sum(axis=1)


def size_of_each() -> np.ndarray:
    return np.repeat(SIZES, 2)


def are_alike(errors: np.ndarray, expected: np.ndarray) -> bool:
    return close(errors.reshape(-1, 4), expected, 1e-3)


def errors_of_the_weights(m: Measured, which: str = "weights at the end") -> np.ndarray:
    """The errors on the test frames that the judge itself finds for these weights."""
    data = stretched_hydrogen(*m["secret curve"].tolist())
    rows = []
    for weights, given in zip(m[which], m["frames given"], strict=True):
        model = Spring()
        model.weights = nn.Parameter(torch.tensor(weights))
        potential = Potential.for_data(model, data[np.flatnonzero(given)]).double()
        rows.append(list(evaluate(potential, data.split("test"))))
    return np.array(rows)


def equal_frames(m: Measured) -> bool:
    """Whether both seeds got the same frames, for any size."""
    table = m["frames trained on"] > 0
    return any((table[2 * k] == table[2 * k + 1]).all() for k in range(len(SIZES)))


def in_a_row(m: Measured) -> bool:
    """Whether the frames of every training follow one another."""
    chosen = [np.flatnonzero(row) for row in m["frames trained on"]]
    return all(len(frames) and frames[-1] - frames[0] == len(frames) - 1 for frames in chosen)


def only_the_first(m: Measured) -> bool:
    table = m["frames trained on"] > 0
    return all(row[:size].all() for row, size in zip(table, size_of_each(), strict=True))


def curve_like(
    *,
    once: bool = False,
    chosen: Callable[[Dataset, int, int], Dataset] | None = None,
    weights: Callable[[int], Any] = torch.manual_seed,
    epochs: Callable[[int, int], int] = lambda size, steps: max(1, steps * 5 // size),
    judges: Callable[[Dataset, Dataset], Dataset] = lambda data, frames: data.split("validation"),
    tested: Callable[[Dataset, Dataset], Dataset] = lambda data, frames: data.split("test"),
    baseline: bool = True,
    train_it: bool = True,
    summary: Callable[[list[Errors]], Any] = lambda row: row,
) -> Callable[..., Any]:
    """A learning curve with a mistake."""

    def wrong(make_model: Any, data: Dataset, sizes: Any, seeds: Any, steps: int) -> dict[int, Any]:
        curve, train, model = {}, data.split("train"), None
        for size in sizes:
            row = []
            for seed in seeds:
                frames = (chosen or at_random)(train if chosen is None else data, size, seed)
                weights(seed)
                model = model if once and model is not None else make_model(frames)
                potential = Potential.for_data(model, frames if baseline else train)
                if train_it:
                    fit(potential, frames, judges(data, frames), epochs=epochs(size, steps), seed=seed, progress=False)
                row.append(evaluate(potential, tested(data, frames)))
            curve[size] = summary(row)
        return curve

    return wrong


def at_random(train: Dataset, size: int, seed: int) -> Dataset:
    return train[np.random.default_rng(seed).permutation(len(train))[:size]]


def with_repeats(data: Dataset, size: int, seed: int) -> Dataset:
    return data.split("train")[np.random.default_rng(seed).integers(0, N_TRAIN, size)]


def a_block(data: Dataset, size: int, seed: int) -> Dataset:
    start = int(np.random.default_rng(seed).integers(1, N_TRAIN - size))
    return data.split("train")[start : start + size]


def mean_errors(row: list[Errors]) -> Errors:
    return Errors(*np.mean(row, axis=0).tolist())


LEARNING_CURVE = by_laws(
    "4.13",
    learning_curve,
    measure=measure_curve,
    success="new weights, other frames, the same number of steps; and the test frames were seen once, at the end.",
    start="Two loops, over sizes and over seeds; in the inner one choose, make, fit, evaluate.",
    hints=(
        "Three splits, three purposes: the training frames come from `train`, `fit` watches `validation`, and `test` "
        "is for the last line only. What must be made anew for every seed?",
        "`np.random.default_rng(seed).permutation(len(train))[:size]` are `size` random frames: `train[...]` takes "
        "them. An epoch has size / 5 steps, so the number of epochs depends on the size. `torch.manual_seed(seed)` "
        "stands before the model is made.",
        "In the inner loop: `frames = train[...]`, `torch.manual_seed(seed)`, `potential = "
        "course.Potential.for_data(make_model(frames), frames)`, `course.fit(potential, frames, validation, "
        "epochs=steps * 5 // size, seed=seed, progress=False)`, then "
        "`curve[size].append(course.evaluate(potential, test))`.",
    ),
    laws=[
        Law(
            "a number for each seed",
            "Keep the errors of every seed: `curve[size]` is a list with one `course.evaluate(...)` a seed. The mean "
            "and its error bar are the business of whoever draws the curve; a mean alone has no error bar.",
            lambda m: bool((m["numbers of errors"] == 2).all()),
            curve_like(summary=mean_errors),
        ),
        Law(
            "one model for everything",
            "A model was made once and trained again and again. The second training then starts where the first one "
            "ended, and has seen its frames. Make a new model, and a new potential, inside both loops.",
            lambda m: int(m["numbers of trainings"]) == 2 * len(SIZES),
            curve_like(once=True),
        ),
        Law(
            "frames of all splits",
            "Your training frames were drawn from the whole data set: validation and test frames are among them, and "
            'the error on a frame that was learned says nothing. Draw from `data.split("train")`.',
            lambda m: not of_split(m["frames trained on"], 1).any() and not of_split(m["frames trained on"], 2).any(),
            curve_like(chosen=at_random),
        ),
        Law(
            "never trained",
            "No model was trained: `course.fit(potential, frames, ...)` has taken no step. The errors are those of "
            "random weights.",
            lambda m: bool((m["steps"] > 0).any()),
            curve_like(train_it=False),
        ),
        Law(
            "a frame twice",
            "Some frames were drawn twice, so fewer than `size` different ones are left. Draw without putting back: "
            "`np.random.default_rng(seed).permutation(len(train))[:size]`.",
            lambda m: bool((m["frames given"] <= 1).all()),
            curve_like(chosen=with_repeats),
        ),
        Law(
            "size without influence",
            "The number of frames that were trained on is not `size`. Each point of the curve takes exactly `size` "
            "frames of the split.",
            lambda m: bool((of_split(m["frames trained on"], 0) == size_of_each()).all()),
            curve_like(chosen=lambda data, size, seed: data.split("train")),
        ),
        Law(
            "the first frames",
            "You train on the first frames of the split. Frames of a trajectory that follow one another are nearly the "
            "same geometry, and every seed gets the same ones. Choose at random: "
            "`np.random.default_rng(seed).permutation(len(train))[:size]`.",
            lambda m: not only_the_first(m),
            curve_like(chosen=lambda data, size, seed: data.split("train")[:size]),
        ),
        Law(
            "frames in a row",
            "Your frames follow one another in the trajectory: they are nearly the same geometry, and `size` of them "
            "teach little more than one. Draw from the whole split: "
            "`np.random.default_rng(seed).permutation(len(train))[:size]`.",
            lambda m: not in_a_row(m),
            curve_like(chosen=a_block),
        ),
        Law(
            "same frames for every seed",
            "Two seeds were trained on the same frames. Which frames one happens to have is the largest part of the "
            "error bar of a small training: let the seed choose them.",
            lambda m: not equal_frames(m),
            curve_like(chosen=lambda data, size, seed: at_random(data.split("train"), size, 0)),
        ),
        Law(
            "model of other frames",
            "`make_model` was given other frames than those that the model is trained on. A model takes means and "
            "lengths from what it is given, so it has heard of frames that it should not know: hand it the chosen "
            "ones.",
            lambda m: bool(((m["frames given"] > 0) == (m["frames trained on"] > 0)).all()),
            lambda make_model, *rest: curve_like()(lambda frames: make_model(rest[0].split("train")), *rest),
        ),
        Law(
            "same weights for every seed",
            "Two seeds began with the same random weights, so they are not independent: `torch.manual_seed(seed)` "
            "before the model is made, with the seed of this training.",
            lambda m: not close(m["weights at the start"][0], m["weights at the start"][1]),
            curve_like(weights=lambda seed: torch.manual_seed(0)),
        ),
        Law(
            "same epochs for every size",
            "Every size got the same number of epochs. An epoch of few frames has few steps, so the small sizes were "
            "hardly trained at all: the curve then shows patience, not data. Keep the steps equal: "
            "`epochs = steps * 5 // size` at a batch size of 5.",
            lambda m: m["steps"].max() <= 1.5 * m["steps"].min(),
            curve_like(epochs=lambda size, steps: 10),
        ),
        Law(
            "other number of steps",
            f"The trainings do not take `steps` steps. With batches of 5, `epochs = steps * 5 // size`: {STEPS} steps "
            f"with 20 frames are {STEPS * 5 // 20} epochs.",
            lambda m: bool((np.abs(m["steps"] - STEPS) <= 4).all()),
            curve_like(epochs=lambda size, steps: steps // size),
        ),
        Law(
            "test frames in the training",
            "`fit` was given the test frames to watch. It keeps the weights that are best on the frames it watches, so "
            'the test error comes out too good: selected, not measured. Give it `data.split("validation")`.',
            lambda m: not of_split(m["frames looked at"], 2).any(),
            curve_like(judges=lambda data, frames: data.split("test")),
        ),
        Law(
            "watching the training frames",
            "`fit` watches the training frames. It then keeps the weights that remember best, and cannot see when the "
            'model stops learning and starts to memorise. Give it `data.split("validation")`.',
            lambda m: not of_split(m["frames looked at"], 0).any(),
            curve_like(judges=lambda data, frames: frames),
        ),
        Law(
            "errors on the training frames",
            "You report the errors on the frames that the model was trained on. They are small where there are few "
            'frames, and the curve goes the wrong way. Evaluate on `data.split("test")`.',
            lambda m: not are_alike(m["errors"], m["train errors"]),
            curve_like(tested=lambda data, frames: frames),
        ),
        Law(
            "errors on the validation frames",
            "You report the errors on the validation frames, on which the best weights were chosen. The last line is "
            'for frames that nobody has looked at: `data.split("test")`.',
            lambda m: not are_alike(m["errors"], m["validation errors"]),
            curve_like(tested=lambda data, frames: data.split("validation")),
        ),
        Law(
            "one baseline for all",
            "The composition baseline was fitted to all training frames, also where the model had a few of them. "
            "`course.Potential.for_data(make_model(frames), frames)` fits it to the chosen ones.",
            lambda m: not are_alike(m["errors"], m["with one baseline for all"]),
            curve_like(baseline=False),
        ),
        Law(
            "not reproducible",
            "The same size and the same seed gave another result when no other seed stood before them. Everything "
            "random must come from the seed of this training: the frames (`np.random.default_rng(seed)`, made inside "
            "both loops), the weights (`torch.manual_seed(seed)`), and the order (`fit(..., seed=seed)`).",
            lambda m: close(m["second seed alone"], m["errors"][0, 1], 1e-3),
            curve_like(weights=lambda seed: None),
        ),
        Law(
            "other errors",
            "The errors are not those of the trained potentials on the test frames. After `course.fit` the potential "
            "holds its best weights; hand that one to `course.evaluate(potential, test)`.",
            lambda m: are_alike(m["errors"], m["test errors"]) and are_alike(m["errors"], errors_of_the_weights(m)),
        ),
    ],
)

# ------------------------------------------------------------------------------------------------ 4.14 table_row


def row_cases(rng: np.random.Generator) -> Iterator[Case]:
    def trainings(n: int) -> list[Errors]:
        mae = rng.uniform(1, 20, size=(n, 2))
        return [Errors(*row.tolist(), *(1.4 * row).tolist()) for row in mae]

    by_hand = [Errors(2.0, 10.0, 3.0, 14.0), Errors(4.0, 12.0, 5.0, 17.0), Errors(6.0, 20.0, 8.0, 26.0)]
    yield Case((by_hand, nn.Linear(3, 1)), given="energy MAE 2, 4, 6 meV, force MAE 10, 12, 20 meV/Å, Linear(3, 1)")
    yield Case((trainings(2), nn.Linear(4, 2, bias=False)), given="two trainings, Linear(4, 2) without bias")
    frozen = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    frozen[0].requires_grad_(False)
    yield Case(
        (trainings(5), frozen), given="five trainings, a model whose first layer is frozen, with BatchNorm buffers"
    )
    yield Case((trainings(3), nn.Identity()), given="three trainings of a model without parameters")
    yield Case((trainings(1), nn.Linear(2, 2)), given="a single training", when="with a single training")


Summary = Callable[[np.ndarray], tuple[float, float]]


def standard_error(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def learned(model: nn.Module) -> int:
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)


def row_like(
    summary: Summary = standard_error,
    count: Callable[[nn.Module], int] = learned,
    columns: tuple[int, int] = (0, 1),
) -> Callable[..., dict[str, float]]:
    """A row with a mistake. `columns` are those of the energy and of the force in `Errors`."""

    def wrong(trainings: list[Errors], model: nn.Module) -> dict[str, float]:
        table = np.array(trainings, dtype=float)
        energy, force = (summary(table[:, column]) for column in columns)
        return {
            "energy_mae": energy[0],
            "energy_error": energy[1],
            "force_mae": force[0],
            "force_error": force[1],
            "parameters": count(model),
        }

    return wrong


def exchanged(what: str) -> Callable[..., dict[str, float]]:
    """A row in which energy and force have traded this column."""

    def wrong(trainings: list[Errors], model: nn.Module) -> dict[str, float]:
        row = table_row(trainings, model)
        energy, force = f"energy_{what}", f"force_{what}"
        return row | {energy: row[force], force: row[energy]}

    return wrong


def spread(values: np.ndarray, ddof: int) -> float:
    return float(values.std(ddof=ddof)) if len(values) > ddof else math.nan


KEYS = ("energy_mae", "energy_error", "force_mae", "force_error", "parameters")


def row_of(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    row = function(*args)
    if row is None or row is Ellipsis:
        return None
    if not isinstance(row, Mapping):
        raise Slip(
            f"your function returned a {type(row).__name__}; a dictionary with the keys {', '.join(KEYS)} is needed"
        )
    if missing := [key for key in KEYS if key not in row]:
        raise Slip(f"your dictionary has no entry {missing[0]!r}; it has {', '.join(map(repr, row)) or 'none'}")
    return {key: row[key] for key in KEYS}


TABLE_ROW: Exercise = by_value(
    "4.14",
    table_row,
    cases=row_cases,
    call=row_of,
    tolerance=1e-3,
    success="means with their errors, and what the model had to learn.",
    start="`np.mean([errors.force_mae for errors in trainings])` is the first of five numbers.",
    hints=(
        "Three trainings give three numbers. Their mean is in the table; how much would the mean change if you did it "
        "all again? And which numbers of the model does the training move?",
        "The standard deviation s of a sample divides by n - 1 (`ddof=1`), and the error of a mean is s / √n. One "
        "number alone has no spread that you could know: nan. `model.parameters()` gives tensors; count the numbers "
        "in those with `requires_grad`.",
        '`values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")`, and '
        "`sum(w.numel() for w in model.parameters() if w.requires_grad)`.",
    ),
    misconceptions=[
        Misconception(
            "standard deviation",
            "Your bar is the standard deviation s: how far one training is from another. The error of the mean is "
            "smaller, s / √n: means of three trainings lie closer together than single trainings do.",
            row_like(lambda v: (float(v.mean()), spread(v, 1))),
        ),
        Misconception(
            "divided by n",
            "Your standard deviation divides by n, as `np.std` does unless told otherwise. The mean was taken from the "
            "same numbers, so they lie too close to it: divide by n - 1 (`ddof=1`). With three seeds that is a fifth.",
            row_like(
                lambda v: (float(v.mean()), spread(v, 0) / math.sqrt(len(v)) if len(v) > 1 else math.nan),
            ),
        ),
        Misconception(
            "standard deviation divided by n",
            "Two slips: your bar is the standard deviation and not the error of the mean (divide by √n), and it "
            "divides by n where a sample needs n - 1 (`ddof=1`).",
            row_like(lambda v: (float(v.mean()), spread(v, 0))),
        ),
        Misconception(
            "a single training without error",
            "From a single training you report an error of zero, as if the next one would give the same number. "
            'Nothing is known about the spread of one number: `float("nan")`.',
            row_like(lambda v: standard_error(v) if len(v) > 1 else (float(v.mean()), 0.0)),
        ),
        Misconception(
            "divided by n, a single training without error",
            "Your standard deviation divides by n, as `np.std` does unless told otherwise. A sample needs n - 1 "
            "(`ddof=1`); then the error of a single training comes out as nan, and not as a zero that nobody should "
            "believe.",
            row_like(lambda v: (float(v.mean()), spread(v, 0) / math.sqrt(len(v)))),
        ),
        Misconception(
            "variance",
            "Your bar is a variance, in meV². Its square root is an error in meV.",
            row_like(lambda v: (float(v.mean()), spread(v, 1) ** 2 / len(v) if len(v) > 1 else math.nan)),
        ),
        Misconception(
            "divided by n twice",
            "The standard deviation is divided by n. The error of a mean falls more slowly, with √n: for half the "
            "error one needs four times as many trainings.",
            row_like(lambda v: (float(v.mean()), spread(v, 1) / len(v))),
        ),
        Misconception(
            "half the range",
            "Your bar is half the range, (largest - smallest) / 2. It grows with every further training; the error of "
            "the mean falls. Take s / √n.",
            row_like(lambda v: (float(v.mean()), float(np.ptp(v)) / 2 if len(v) > 1 else math.nan)),
        ),
        Misconception(
            "the range",
            "Your bar is the range, largest - smallest. It grows with every further training; the error of the mean "
            "falls. Take s / √n.",
            row_like(lambda v: (float(v.mean()), float(np.ptp(v)) if len(v) > 1 else math.nan)),
        ),
        Misconception(
            "the best training",
            "You report the smallest error of all seeds. The best of many is luck, and it improves with every try: "
            "report the mean.",
            row_like(lambda v: (float(v.min()), standard_error(v)[1])),
        ),
        Misconception(
            "the median",
            "You took the median. It is a fair number, but s / √n is the error of a mean: report the mean.",
            row_like(lambda v: (float(np.median(v)), standard_error(v)[1])),
        ),
        Misconception(
            "root mean square errors",
            "You took the root mean square errors. The table, and the literature that it is compared with, has mean "
            "absolute errors: `errors.energy_mae`, `errors.force_mae`.",
            row_like(columns=(2, 3)),
        ),
        Misconception(
            "divided by a thousand",
            "Your numbers are a thousand times too small: `errors.energy_mae` is in meV already, and "
            "`errors.force_mae` in meV/Å.",
            row_like(lambda v: (float(v.mean()) / 1000, standard_error(v)[1] / 1000)),
        ),
        Misconception(
            "energy and force exchanged",
            "Energy and force are exchanged.",
            row_like(columns=(1, 0)),
        ),
        Misconception(
            "means exchanged",
            "The means of energy and force are exchanged; their errors are in the right places.",
            exchanged("mae"),
        ),
        Misconception(
            "errors exchanged",
            "The standard errors of energy and force are exchanged; their means are in the right places.",
            exchanged("error"),
        ),
        Misconception(
            "tensors counted",
            "You counted tensors, not the numbers in them: a matrix of 64 × 64 is 4,096 parameters. `numel()` counts.",
            row_like(count=lambda model: len(list(model.parameters()))),
        ),
        Misconception(
            "learned tensors counted",
            "You counted tensors, not the numbers in them: a matrix of 64 × 64 is 4,096 parameters. `numel()` counts.",
            row_like(count=lambda model: sum(w.requires_grad for w in model.parameters())),
        ),
        Misconception(
            "rows counted",
            "You counted the rows of each tensor: `len(weights)` of a matrix of 64 × 64 is 64, and it holds 4,096 "
            "numbers. `weights.numel()` counts them.",
            row_like(count=lambda model: sum(len(w) for w in model.parameters() if w.requires_grad)),
        ),
        Misconception(
            "frozen weights counted",
            "You counted weights that the training does not move. What is learned has `requires_grad`.",
            row_like(count=lambda model: sum(w.numel() for w in model.parameters())),
        ),
        Misconception(
            "buffers counted",
            "You counted buffers too, the numbers in `state_dict()` that no gradient touches: means and spreads of "
            "features, for example. What is learned is in `model.parameters()`, with `requires_grad`.",
            row_like(count=lambda model: sum(t.numel() for t in model.state_dict().values())),
        ),
    ],
)

EXERCISES = (LEARNING_CURVE, TABLE_ROW)
