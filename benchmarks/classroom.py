"""A class to grade: notebooks of Day 2 as they come in, most of them partly right, a few broken or hostile.

python -m benchmarks.classroom FOLDER [N]     write N submissions and roster.csv, and print what each must get
"""

from __future__ import annotations

import copy
import csv
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LESSON, SOLUTION = (ROOT / folder / "day2_coulomb_vector.ipynb" for folder in ("lessons", "solutions"))
EXERCISES = ("2.1", "2.2", "2.3", "2.4", "2.5")
Json = dict[str, Any]

# by exercise: right answers, and wrong ones, as learners write them
RIGHT: dict[str, list[str]] = {
    "2.1": [
        """
def neighbors_within(positions, i, cutoff):
    found = []
    for j in range(len(positions)):
        if j != i and ((positions[j] - positions[i]) ** 2).sum() ** 0.5 < cutoff:
            found.append(j)
    return found
""",
        """
def neighbors_within(positions, i, cutoff):
    r = ((positions - positions[i]) ** 2).sum(dim=1).sqrt()
    mask = (r < cutoff) & (torch.arange(len(positions)) != i)
    return mask.nonzero().squeeze(1)
""",
    ],
    "2.2": [
        """
def local_coulomb_vector(numbers, positions, i, cutoff, length):
    entries = []
    for j in neighbors_within(positions, i, cutoff):
        r = ((positions[j] - positions[i]) ** 2).sum().sqrt().item()
        entries.append(int(numbers[j]) / r)
    if len(entries) > length:
        raise ValueError(f"atom {i} has {len(entries)} neighbours, there is room for {length}")
    print("entries", entries)
    return torch.tensor(sorted(entries, reverse=True) + [0.0] * (length - len(entries)))
""",
    ],
    "2.3": [
        """
def is_invariant(feature_fn, numbers, positions, transform):
    before = feature_fn(numbers, positions)
    after = feature_fn(*transform(numbers, positions))
    return torch.allclose(after, before, rtol=0, atol=1e-6 * before.abs().max().item())
""",
    ],
    "2.4": [
        """
def scan_neighbor(feature_fn, numbers, positions, mover, direction, distances):
    u = direction / (direction**2).sum().sqrt()
    rows = []
    for d in distances:
        moved = positions.double().clone()
        moved[mover] = moved[mover] + d * u
        rows.append(feature_fn(numbers, moved))
    return torch.stack(rows)
""",
    ],
    "2.5": [
        """
def sum_atomic_energies(networks, features, numbers):
    energy = 0.0
    for x, Z in zip(features, numbers):
        energy = energy + networks[int(Z)](x[None])[0, 0]
    return energy
""",
    ],
}
WRONG: dict[str, list[str]] = {
    "2.1": [
        """
def neighbors_within(positions, i, cutoff):
    r = ((positions - positions[i]) ** 2).sum(dim=1).sqrt()
    return torch.nonzero(r < cutoff)[:, 0]
""",
        """
def neighbors_within(positions, i, cutoff):
    r2 = ((positions - positions[i]) ** 2).sum(dim=1)
    near = r2 < cutoff
    near[i] = False
    return torch.nonzero(near)[:, 0]
""",
    ],
    "2.2": [
        """
def local_coulomb_vector(numbers, positions, i, cutoff, length):
    j = neighbors_within(positions, i, cutoff)
    if len(j) > length:
        raise ValueError("too many neighbours")
    r = ((positions[j] - positions[i]) ** 2).sum(dim=1).sqrt()
    x = torch.zeros(length)
    x[: len(j)] = numbers[j] / r
    return x
""",
        """
def local_coulomb_vector(numbers, positions, i, cutoff, length):
    j = neighbors_within(positions, i, cutoff)
    r = ((positions[j] - positions[i]) ** 2).sum(dim=1).sqrt()
    x = torch.sort(numbers[j] / r, descending=True).values[:length]
    return torch.cat([x, torch.zeros(length - len(x))])
""",
        """
def local_coulomb_vector(numbers, positions, i, cutoff, length):
    j = neighbors_within(positions, i, cutoff)
    r = ((positions[j] - positions[i]) ** 2).sum(dim=1).sqrt()
    x = torch.zeros(length)
    x[: len(j)] = torch.sort(numbers[i] * numbers[j] / r, descending=True).values
    return x
""",
    ],
    "2.3": [
        """
def is_invariant(feature_fn, numbers, positions, transform):
    return bool((feature_fn(numbers, positions) == feature_fn(*transform(numbers, positions))).all())
""",
        """
def is_invariant(feature_fn, numbers, positions, transform):
    new_numbers, new_positions = transform(numbers, positions)
    return torch.allclose(feature_fn(numbers, positions), feature_fn(numbers, new_positions))
""",
    ],
    "2.4": [
        """
def scan_neighbor(feature_fn, numbers, positions, mover, direction, distances):
    u = direction / (direction**2).sum().sqrt()
    rows = []
    for d in distances:
        positions[mover] += d * u
        rows.append(feature_fn(numbers, positions))
    return torch.stack(rows)
""",
        """
def scan_neighbor(feature_fn, numbers, positions, mover, direction, distances):
    rows = []
    for d in distances:
        moved = positions.double().clone()
        moved[mover] += d * direction
        rows.append(feature_fn(numbers, moved))
    return torch.stack(rows)
""",
    ],
    "2.5": [
        """
def sum_atomic_energies(networks, features, numbers):
    return torch.stack([networks[int(Z)](x[None])[0, 0] for x, Z in zip(features, numbers)]).mean()
""",
        """
def sum_atomic_energies(networks, features, numbers):
    return sum(network(features).sum() for network in networks.values())
""",
    ],
}
HOSTILE = {
    "ends the kernel": ("2.3", "import os; os._exit(0)\n{right}", {"2.3": "crashed"}, "crashed"),
    "never ends": ("2.4", "{right}\nwhile True: pass", {}, "graded"),
    "loops in the function": (
        "2.5", "def sum_atomic_energies(*a):\n    while True: pass", {"2.5": "timed out"}, "timed out",
    ),
    "patches the comparison": (
        "2.1",
        "import course.exercises.evidence as e, course.exercises.exercise as x\ne.agree = x.agree = lambda *a: True\n"
        "torch.allclose = lambda *a, **k: True\n{wrong}",
        {"2.1": "wrong"},
        "graded",
    ),
    "writes everywhere": (
        "2.2",
        "import os, shutil\nfor folder in ('/tmp', '/etc', os.path.dirname(os.getcwd())):\n"
        "    shutil.rmtree(folder, ignore_errors=True)\n{right}",
        {},
        "graded",
    ),
    "prints for ever": ("2.2", "while True: print('x' * 10_000)", {"2.2": "crashed"}, "crashed"),
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """What one student hands in, and what it must get."""

    kind: str
    data: bytes
    outcomes: dict[str, str]  # by exercise
    status: str = "graded"


def read(path: Path) -> Json:
    notebook: Json = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def answered(answers: dict[str, str], base: Json) -> bytes:
    """A notebook with these answers, by exercise."""
    notebook = copy.deepcopy(base)
    for cell in notebook["cells"]:
        course = cell["metadata"].get("course", {})
        if course.get("role") == "answer" and course["exercise"] in answers:
            cell["source"] = f"# exercise {course['exercise']}\n" + answers[course["exercise"]].strip("\n")
        if course.get("role") == "predict" and len(answers) > 2:
            cell["source"] = "".join(cell["source"]).replace("answer=None", "answer=1")
    return json.dumps(notebook).encode()


def works(n: int, seed: int = 0) -> Iterator[Work]:
    """What n students hand in: of forty 6 all right, 6 untouched, 19 partly right, 6 hostile, 3 broken."""
    chance = random.Random(seed)
    blank, solution = read(LESSON), read(SOLUTION)
    order = chance.sample(range(40), 40)
    for number in range(n):
        place = order[number % 40]
        if place < 6:
            answers = {exercise: chance.choice(RIGHT[exercise]) for exercise in EXERCISES}
            yield Work("all right", answered(answers if place else {}, solution), dict.fromkeys(EXERCISES, "correct"))
        elif place < 12:
            yield Work("untouched", answered({}, blank), dict.fromkeys(EXERCISES, "not attempted"))
        elif place < 31:
            yield partly(chance, blank, up_to=2 + place % 4)
        elif place < 37:
            yield hostile(list(HOSTILE)[place - 31], solution)
        else:
            whole = answered({}, solution)
            broken = (whole[: len(whole) // 2], b"", b"PK\x03\x04" + whole)[place - 37]
            yield Work("broken", broken, dict.fromkeys(EXERCISES, "not graded"), "unreadable")


def partly(chance: random.Random, blank: Json, up_to: int) -> Work:
    """The first exercises are answered, some of them wrongly."""
    answers, outcomes = {}, dict.fromkeys(EXERCISES, "not attempted")
    for exercise in EXERCISES[:up_to]:
        is_right = chance.random() < 0.6
        answers[exercise] = chance.choice((RIGHT if is_right else WRONG)[exercise])
        outcomes[exercise] = "correct" if is_right else "wrong"  # also where 2.2 calls a wrong 2.1
    return Work("partly right", answered(answers, blank), outcomes)


def hostile(name: str, solution: Json) -> Work:
    exercise, source, outcomes, status = HOSTILE[name]
    source = source.format(right=RIGHT[exercise][0], wrong=WRONG[exercise][0])
    return Work(name, answered({exercise: source}, solution), dict.fromkeys(EXERCISES, "correct") | outcomes, status)


def write(folder: Path, n: int, seed: int = 0) -> dict[str, Work]:
    """One notebook a student, s000.ipynb and so on, and beside the folder the roster; by student."""
    folder.mkdir(parents=True)
    found = {f"s{number:03}": work for number, work in enumerate(works(n, seed))}
    for student, work in found.items():
        (folder / f"{student}.ipynb").write_bytes(work.data)
    with open(folder.parent / "roster.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "name"), *((student, f"Student {student[1:]}") for student in found)])
    return found


if __name__ == "__main__":
    for name, one in write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 40).items():
        print(name, one.kind, *(f"{exercise} {outcome}" for exercise, outcome in one.outcomes.items()), sep="\t")
