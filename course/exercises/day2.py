"""Exercises 2.1 to 2.5: who is near, the local Coulomb vector, and what a description must be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course.descriptors import coulomb
from course.exercises.evidence import Encoded, array, describe_error, encode
from course.exercises.exercise import Case, Difference, Misconception, by_value, tensor
from course.graph import Graph, molecular_graph
from course.scorecard import orthogonal_matrix

Atoms = tuple[Tensor, Tensor]  # numbers (n_atoms,), positions (n_atoms, 3)
Feature = Callable[[Tensor, Tensor], Tensor]
Transform = Callable[[Tensor, Tensor], Atoms]

# ------------------------------------------------------------------------------------------------ 2.1 neighbors_within


def neighbors_within(positions: Tensor, i: int, cutoff: float) -> Tensor:
    """The atoms j other than i with r_ij < cutoff."""
    graph = molecular_graph((np.ones(len(positions)), positions.numpy()), cutoff)
    return graph.senders[graph.receivers == i]


def clear_of(cutoff: float, rng: np.random.Generator, n_atoms: int) -> np.ndarray:
    """Random positions without a distance at the cutoff: single precision must see the same neighbours."""
    while True:
        positions = rng.uniform(-2, 2, size=(n_atoms, 3))
        distances = np.linalg.norm(positions[:, None] - positions, axis=-1) + 99 * np.eye(n_atoms)
        if np.abs(distances - cutoff).min() > 1e-3 and distances.min() > 0.3:
            return positions


def sphere_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([[0.0, 0, 0], [0, 0, 1]]), 0, 1.5))
    yield Case((tensor([[0.0, 0, 0]]), 0, 2.0), when="with one atom alone")
    yield Case((tensor([[0.0, 0, 0], [0, 0, 3.0]]), 0, 2.0), when="where nobody is near")
    yield Case((tensor([[0.0, 0, 0], [0, 0, 1.5], [0, 0, 2.5]]), 2, 1.2))
    yield Case((tensor([[1.0, 0, 0], [1.0, 3.0, 4.0]]), 0, 5.0))  # exactly at the cutoff
    yield Case((tensor([[0.0, 0, 0], [1.5, 1.5, 0], [0.5, 0, 0]]), 0, 2.0))  # near along each axis, far in space
    yield Case((tensor([[5.0, 5, 5], [5.6, 5, 5], [0.3, 0, 0]]), 1, 0.8))
    for n_atoms, i in ((5, 2), (9, 8), (9, 0)):
        yield Case((tensor(clear_of(2.2, rng, n_atoms)), i, 2.2))
    yield Case((tensor([[0, 0, 0], [0, 0, 1], [0, 3, 0]]), 0, 2), when="with integers for positions")


def sorted_indices(encoded: Encoded) -> Encoded:
    """The indices in one order. An answer that is not one row stays as it is."""
    if "values" not in encoded or len(encoded["shape"]) != 1:
        return encoded
    return encode(np.sort(array(encoded)))


def distances_from(positions: Tensor, center: Tensor) -> Tensor:
    return torch.linalg.vector_norm((positions - center).double(), dim=-1)


def others(near: Tensor, i: int) -> Tensor:
    near = near.clone()
    near[i] = False
    return torch.nonzero(near)[:, 0]


def without_row_i(positions: Tensor, i: int, cutoff: float) -> Tensor:
    rest = torch.cat([positions[:i], positions[i + 1 :]])
    return torch.nonzero(distances_from(rest, positions[i]) < cutoff)[:, 0]


def floats_only(positions: Tensor, i: int, cutoff: float) -> Tensor:
    return others(torch.linalg.vector_norm(positions - positions[i], dim=1) < cutoff, i)


FLOATS_ONLY = (
    "All answers are right but one: there the positions are integers, as somebody types them by hand, and torch takes "
    "the norm of floating-point numbers only. Begin with `positions = positions.double()`; nothing else has to change."
)

NEIGHBORS_WITHIN = by_value(
    "2.1",
    neighbors_within,
    cases=sphere_cases,
    canonical=sorted_indices,
    wrong_kinds={
        "float": "The neighbours are right, but your indices are not integers. Where nobody is near, "
        "`torch.tensor([])` is a tensor of floats, and no tensor can be indexed with it: write `dtype=torch.long`."
    },
    success="everybody inside the sphere, and not the atom in its middle.",
    start="Start from the distances of all atoms from atom i, (n_atoms,).",
    points=5,
    hints=(
        "How far is each atom from atom i? One distance is 0, and it is not that of a neighbour. (Integers for "
        "positions? `positions.double()` first.)",
        "`(positions - positions[i])` has the shape (n_atoms, 3). `torch.nonzero(mask)[:, 0]` gives the places of the "
        "Trues in a row.",
        "`r = ((positions - positions[i]) ** 2).sum(dim=1).sqrt()`, `near = r < cutoff`, `near[i] = False`, and the "
        "places of the Trues.",
    ),
    misconceptions=[
        Misconception(
            "the atom itself",
            "Atom i is among its own neighbours. Its distance to itself is 0, and 0 is below every cutoff, so it has "
            "to be taken out by hand. In the next exercise Z / r would be infinite.",
            lambda positions, i, cutoff: torch.nonzero(distances_from(positions, positions[i]) < cutoff)[:, 0],
        ),
        Misconception(
            "at the cutoff",
            "An atom that stands exactly at the cutoff is among your neighbours. The rule is r_ij < r_c.",
            lambda positions, i, cutoff: others(distances_from(positions, positions[i]) <= cutoff, i),
        ),
        Misconception(
            "squared distance",
            "You compared the squared distance with the cutoff. Take the square root, or square the cutoff too.",
            lambda positions, i, cutoff: others(distances_from(positions, positions[i]) ** 2 < cutoff, i),
        ),
        Misconception(
            "axis by axis",
            "You compared the coordinates one by one with the cutoff. That is a box and not a sphere: when the "
            "molecule turns, a neighbour in a corner of the box drops out of it.",
            lambda positions, i, cutoff: others((positions - positions[i]).abs().amax(dim=1) < cutoff, i),
        ),
        Misconception(
            "from the origin",
            "You measured from the origin. The sphere stands around atom i: the vector is positions[j] - positions[i].",
            lambda positions, i, cutoff: others(distances_from(positions, torch.zeros(3)) < cutoff, i),
        ),
        Misconception(
            "always the first atom",
            "These are the neighbours of atom 0, whatever i is.",
            lambda positions, i, cutoff: neighbors_within(positions, 0, cutoff),
        ),
        Misconception(
            "shifted indices",
            "You took atom i out before you counted, and all atoms behind it moved up by one place. The indices must "
            "be those of the whole molecule: compare first, take out afterwards.",
            without_row_i,
        ),
        Misconception(
            "a mask",
            "You return True and False for every atom. What is asked for are the indices of the Trues: "
            "`torch.nonzero(mask)[:, 0]`.",
            lambda positions, i, cutoff: distances_from(positions, positions[i]) < cutoff,
        ),
        Misconception(
            "a mask without the atom itself",
            "You return True and False for every atom. What is asked for are the indices of the Trues: "
            "`torch.nonzero(mask)[:, 0]`.",
            lambda positions, i, cutoff: (
                (distances_from(positions, positions[i]) < cutoff) & (torch.arange(len(positions)) != i)
            ),
        ),
        Misconception(
            "a column",
            "You return a column, (n_neighbours, 1): `torch.nonzero` gives one row for each True. One index a "
            "neighbour is a row of numbers: `[:, 0]`.",
            lambda positions, i, cutoff: neighbors_within(positions, i, cutoff)[:, None],
        ),
        Misconception(
            "distances",
            "You return how far the neighbours are. What is asked for is who they are: their indices.",
            lambda positions, i, cutoff: distances_from(positions, positions[i])[
                neighbors_within(positions, i, cutoff)
            ],
        ),
        Misconception(
            "the far ones",
            "These are the atoms outside of the sphere. The comparison points the other way.",
            lambda positions, i, cutoff: others(distances_from(positions, positions[i]) > cutoff, i),
        ),
        Misconception("floats only", FLOATS_ONLY, floats_only),
    ],
)

# -------------------------------------------------------------------------------------------- 2.2 local_coulomb_vector


def local_coulomb_vector(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
    """Z_j / r_ij of the neighbours of one atom, sorted descending, zero padded: (length,)."""
    graph = sphere_around(numbers, positions, i, cutoff)
    return coulomb.local_coulomb_vector(graph, length)[i]


def sphere_around(numbers: Tensor, positions: Tensor, i: int, cutoff: float) -> Graph:
    """The graph in which only atom i listens: others may have more neighbours than there is room for."""
    graph = molecular_graph((numbers.numpy(), positions.numpy()), cutoff)
    mine = graph.receivers == i
    return replace(graph, senders=graph.senders[mine], receivers=graph.receivers[mine])


def entries(numbers: Tensor, positions: Tensor, i: int, cutoff: float) -> tuple[Tensor, Tensor]:
    """Z_j and r_ij of the neighbours."""
    graph = sphere_around(numbers, positions, i, cutoff)
    return graph.numbers[graph.senders], graph.distances


CROWDED = "an atom with 3 neighbours, length 2"


def vectors_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([1, 8]), tensor([[0.0, 0, 0], [0, 0, 2.0]]), 0, 3.0, 2))
    yield Case((tensor([6]), tensor([[0.0, 0, 0]]), 0, 3.0, 3), when="with one atom alone")
    yield Case((tensor([6, 8]), tensor([[0.0, 0, 0], [0, 0, 4.0]]), 0, 3.0, 3), when="where nobody is near")
    # the far oxygen counts more than the near hydrogen
    yield Case((tensor([6, 1, 8]), tensor([[0.0, 0, 0], [1.0, 0, 0], [0, 2.0, 0]]), 0, 3.0, 4))
    yield Case((tensor([6, 8, 1]), tensor([[0.0, 0, 0], [1.0, 0, 0], [0, 2.0, 0]]), 0, 3.0, 4))  # O and H swapped
    yield Case((tensor([6, 7, 1]), tensor([[0.0, 0, 0], [0, 2.0, 0], [1.0, 0, 0]]), 0, 3.0, 4))  # the far one is first
    yield Case((tensor([6, 1, 8, 7]), tensor([[0.0, 0, 0], [1.0, 0, 0], [0, 2.0, 0], [0, 0, 2.5]]), 0, 3.0, 3))  # full
    yield Case((tensor([8, 1, 6]), tensor([[3.0, 4.0, 0], [3.0, 4.9, 0], [0, 0, 0]]), 0, 5.0, 2))  # at the cutoff
    for n_atoms, i in ((5, 3), (8, 7)):
        positions = tensor(clear_of(2.5, rng, n_atoms))
        yield Case((tensor(rng.choice([1, 6, 7, 8], n_atoms)), positions, i, 2.5, 9))
    yield Case((tensor([6, 1, 8]), tensor([[0, 0, 0], [1, 0, 0], [0, 2, 0]]), 0, 3, 3), when="with integers")
    crowd = tensor([[0.0, 0, 0], [1.0, 0, 0], [0, 1.1, 0], [0, 0, 1.3]])
    yield Case((tensor([6, 1, 1, 8]), crowd, 0, 3.0, 2), given=CROWDED, when=f"for {CROWDED}")


def refusal_or_vector(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """The answer; where there is no room, whether it is an error, and whether the error says for how many.

    Other errors than those that somebody raises on purpose come out as they are.
    """
    numbers, positions, i, cutoff, length = args
    n_neighbors = len(entries(numbers, positions, i, cutoff)[0])
    if n_neighbors <= length:
        return function(*args)
    try:
        answer = function(*args)
    except (ValueError, AssertionError) as error:
        if "broadcast" in str(error):  # numpy's own, where three values do not fit into two places
            raise
        return {"an error": True, "that says how many neighbours there are": str(n_neighbors) in str(error)}
    if answer is None or answer is Ellipsis:
        return answer
    return {"an error": False, "that says how many neighbours there are": False, "returned": answer}


def vector_of(
    value: Callable[[Tensor, Tensor], Tensor] = lambda Z, r: Z / r,
    key: Callable[[Tensor, Tensor], Tensor] | None = None,
    padded: bool = True,
) -> Callable[..., Tensor]:
    """A Coulomb vector with one thing wrong: the value of a neighbour, or by what they are sorted."""

    def wrong(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
        Z, r = entries(numbers, positions, i, cutoff)
        refuse(len(Z), length)
        x = value(Z.double(), r)
        x = x.sort(descending=True).values if key is None else x[torch.argsort(key(Z.double(), r), stable=True)]
        return torch.nn.functional.pad(x, (0, length - len(x))) if padded else x

    return wrong


def refuse(n_neighbors: int, length: int) -> None:
    if n_neighbors > length:
        raise ValueError(f"{n_neighbors} neighbours, and the vector has room for {length}.")


def charges_of_the_center(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
    alike = torch.full_like(numbers, int(numbers[i]))
    return local_coulomb_vector(alike, positions, i, cutoff, length)


def row_of_the_coulomb_matrix(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
    return numbers[i] * local_coulomb_vector(numbers, positions, i, cutoff, length)


def zeros_in_front(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
    return local_coulomb_vector(numbers, positions, i, cutoff, length).flip(0)


def with_itself(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
    x = local_coulomb_vector(numbers, positions, i, cutoff, length)
    return torch.cat([torch.tensor([torch.inf]), x])[:length]


def without_cutoff(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
    return local_coulomb_vector(numbers, positions, i, 100.0, length)


def strongest_only(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
    n_atoms = len(numbers)
    return local_coulomb_vector(numbers, positions, i, cutoff, max(n_atoms, length))[:length]


def by_accident(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
    Z, r = entries(numbers, positions, i, cutoff)
    x = torch.zeros(length)
    x[: len(Z)] = (Z / r).sort(descending=True).values.float()
    return x


def without_a_number(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
    if len(entries(numbers, positions, i, cutoff)[0]) > length:
        raise ValueError("too many neighbours")
    return local_coulomb_vector(numbers, positions, i, cutoff, length)


def only_floats(numbers: Tensor, positions: Tensor, i: int, cutoff: float, length: int) -> Tensor:
    torch.linalg.vector_norm(positions)
    return local_coulomb_vector(numbers, positions, i, cutoff, length)


def said_by_accident(difference: Difference) -> str:
    error = difference.got["error"]
    if "raise " in error.get("text", ""):
        return (
            f"The vectors are right, and you refuse where there is no room, with a {error['type']}. Whoever calls your "
            "function waits for the ValueError that its docstring promises: raise that one, with the number of "
            "neighbours."
        )
    return (
        "The vectors are right. An atom with more neighbours than `length` ends in "
        f"`{describe_error(difference.got)}`, which says nothing of atoms. Whoever meets it in the middle of a "
        "training will search for hours: raise a ValueError that says how many neighbours there are."
    )


LOCAL_COULOMB_VECTOR = by_value(
    "2.2",
    local_coulomb_vector,
    cases=vectors_cases,
    call=refusal_or_vector,
    success="everybody inside the sphere in one row, the strongest first, and a word where there is no room.",
    start="Start from the neighbours: Z_j / r_ij, one number each.",
    points=15,
    hints=(
        "Three steps: one number for each neighbour, then their order, then their number. What goes into the places "
        "that are left over, and what do you do when no place is left? (Integers for positions? `positions.double()` "
        "first.)",
        "`torch.sort(entries, descending=True).values` sorts. `torch.zeros(length)` is the answer of an atom without "
        "neighbours; write the sorted entries into its first places.",
        "`j = neighbors_within(positions, i, cutoff)`; "
        '`if len(j) > length: raise ValueError(f"{len(j)} neighbours, room for {length}")`; '
        "`x = torch.zeros(length)`; `x[: len(j)] = torch.sort(numbers[j] / r, descending=True).values`.",
    ),
    misconceptions=[
        Misconception(
            "charge forgotten",
            "Your entries are 1 / r_ij. Then an oxygen and a hydrogen at the same distance are the same. The charge of "
            "the neighbour, Z_j, belongs on top.",
            vector_of(lambda Z, r: 1 / r),
        ),
        Misconception(
            "charge of the centre",
            "You used the charge of atom i. It is the same for all entries and says nothing of the neighbours: "
            "Z_j / r_ij.",
            charges_of_the_center,
        ),
        Misconception(
            "both charges",
            "Your entries are Z_i Z_j / r_ij, a row of the Coulomb matrix. Here the charge of the atom itself is left "
            "out: each element will have a network of its own, so it is known already.",
            row_of_the_coulomb_matrix,
        ),
        Misconception(
            "squared distance",
            "You divided by the square of the distance. A Coulomb energy falls like 1 / r.",
            vector_of(lambda Z, r: Z / r**2),
        ),
        Misconception(
            "without an order",
            "Your entries stand in the order of the atoms' numbers. Rename two neighbours, and the network sees "
            "another input for the same molecule. Sort them, largest first.",
            vector_of(key=lambda Z, r: torch.arange(len(r))),
        ),
        Misconception(
            "nearest first",
            "You sorted by distance. The order is that of the values Z_j / r_ij: an oxygen at 2 A counts more than a "
            "hydrogen at 1 A.",
            vector_of(key=lambda Z, r: r),
        ),
        Misconception(
            "heaviest first",
            "You sorted by the charge. The order is that of the values Z_j / r_ij.",
            vector_of(key=lambda Z, r: -Z + 1e-3 * r),
        ),
        Misconception(
            "smallest first",
            "You sorted the other way: the largest entry comes first.",
            vector_of(key=lambda Z, r: Z / r),
        ),
        Misconception(
            "zeros in front",
            "Your zeros stand in front. Then each entry's place depends on how many neighbours there are. The largest "
            "entry stands in place 0, and the zeros behind.",
            zeros_in_front,
        ),
        Misconception(
            "without zeros",
            "Your vector is as long as there are neighbours. A network has a fixed number of inputs: fill it up with "
            "zeros to `length`.",
            vector_of(padded=False),
        ),
        Misconception(
            "the atom itself",
            "Atom i is among its own neighbours, at the distance 0, and Z / 0 is infinite. Leave it out.",
            with_itself,
        ),
        Misconception(
            "no cutoff",
            "You took all atoms, however far they are. Only those with r_ij < cutoff count.",
            without_cutoff,
        ),
        Misconception(
            "always the first atom",
            "This is the vector of atom 0, whatever i is.",
            lambda numbers, positions, i, cutoff, length: local_coulomb_vector(numbers, positions, 0, cutoff, length),
        ),
        Misconception(
            "the weakest dropped",
            "An atom has 3 neighbours, there is room for 2, and your function leaves one out in silence. Which one it "
            "is changes while the atoms move, and nobody will know. Raise a ValueError that says how many there are.",
            strongest_only,
        ),
        Misconception("an error by accident", said_by_accident, by_accident),
        Misconception(
            "an error without a number",
            "The vectors are right, and you refuse where there is no room. Say in the error how many neighbours there "
            "are: then whoever reads it knows what `length` should be.",
            without_a_number,
        ),
        Misconception("floats only", FLOATS_ONLY, only_floats),
    ],
)

# ------------------------------------------------------------------------------------------------- 2.3 is_invariant


def is_invariant(feature_fn: Feature, numbers: Tensor, positions: Tensor, transform: Transform) -> bool:
    """Whether a feature stays as it is, to a millionth of its largest entry, when the atoms are transformed."""
    before = feature_fn(numbers, positions)
    after = feature_fn(*transform(numbers, positions))
    return bool((after - before).abs().max() <= 1e-6 * before.abs().max())


def shifted(numbers: Tensor, positions: Tensor) -> Atoms:
    return numbers, positions + tensor([1.0, -2.0, 0.5])


def mirrored(numbers: Tensor, positions: Tensor) -> Atoms:
    return numbers, positions * tensor([1.0, 1.0, -1.0])


def renamed(numbers: Tensor, positions: Tensor) -> Atoms:
    """Atoms 1 and 2 exchange their numbers; each stays where it is."""
    order = [0, 2, 1, *range(3, len(numbers))]
    return numbers[order], positions[order]


def exchanged(numbers: Tensor, positions: Tensor) -> Atoms:
    """Atoms 1 and 2 exchange their elements: another molecule."""
    return numbers[[0, 2, 1, *range(3, len(numbers))]], positions


def distances_from_first(numbers: Tensor, positions: Tensor) -> Tensor:
    return torch.linalg.vector_norm(positions[1:] - positions[0], dim=1)


def coordinates(numbers: Tensor, positions: Tensor) -> Tensor:
    return positions.flatten()


def elements_in_order(numbers: Tensor, positions: Tensor) -> Tensor:
    return numbers.double()


def nothing(numbers: Tensor, positions: Tensor) -> Tensor:
    return torch.zeros(3, dtype=torch.float64)


def volume(numbers: Tensor, positions: Tensor) -> Tensor:
    """With a sign: positive for a right hand, negative for a left one. Before it, a number that never changes."""
    a, b, c = positions[1:4] - positions[0]
    return torch.stack([tensor(9.0), torch.dot(a, torch.linalg.cross(b, c))])


def turned_by(Q: Tensor) -> Transform:
    def turned(numbers: Tensor, positions: Tensor) -> Atoms:
        return numbers, positions @ Q.T

    return turned


def shares(numbers: Tensor, positions: Tensor) -> Tensor:
    """Two distances over their sum: what one gains, the other loses."""
    r = distances_from_first(numbers, positions)[:2]
    return r / r.sum()


def stretched(numbers: Tensor, positions: Tensor) -> Atoms:
    """Atom 1 goes away from atom 0."""
    return numbers, put(positions, 1, positions[0] + 1.3 * (positions[1] - positions[0]))


def sized(feature_fn: Feature, size: float) -> Feature:
    def feature(numbers: Tensor, positions: Tensor) -> Tensor:
        return size * feature_fn(numbers, positions)

    return feature


def scaled(factor: float) -> Transform:
    def all_longer(numbers: Tensor, positions: Tensor) -> Atoms:
        return numbers, factor * positions

    return all_longer


def distances_and_nothing(numbers: Tensor, positions: Tensor) -> Tensor:
    """The distances, and a sum that is zero on paper: the vectors from the mean position."""
    return torch.cat([distances_from_first(numbers, positions), (positions - positions.mean(dim=0)).sum(dim=0)])


def distances_and_empty_places(numbers: Tensor, positions: Tensor) -> Tensor:
    return torch.cat([distances_from_first(numbers, positions), torch.zeros(20, dtype=torch.float64)])


def questions(rng: np.random.Generator) -> Iterator[Case]:
    first, row, all_of_them = distances_from_first, "distances from atom 0, in the order of the numbers", "coordinates"
    numbers = tensor([6, 1, 8, 7])
    while True:
        positions = tensor(clear_of(2.5, rng, 4))
        turn = turned_by(tensor(orthogonal_matrix(rng, 1)))
        before, after = (distances_and_nothing(*atoms) for atoms in ((numbers, positions), turn(numbers, positions)))
        if not torch.equal(before[:3], after[:3]) and not torch.equal(before[3:], after[3:]):  # rounding must show
            break
    for feature_fn, what, transform, how in (
        (first, row, shifted, "a shift"),
        (coordinates, all_of_them, shifted, "a shift"),
        (first, row, turn, "a rotation"),
        (coordinates, all_of_them, turn, "a rotation"),
        (first, row, renamed, "two atoms exchange their numbers"),
        (elements_in_order, "atomic numbers", exchanged, "two elements change places"),
        (first, row, exchanged, "two elements change places"),
        (volume, "a 9 that never changes, and a volume with its sign", turn, "a rotation"),
        (volume, "a 9 that never changes, and a volume with its sign", mirrored, "a mirror"),
        (shares, "two distances, over their sum", stretched, "atom 1 goes away from atom 0"),
        (first, row, scaled(0.9), "everything shrinks by a tenth"),
        (first, row, scaled(1.1), "everything grows by a tenth"),
        (first, row, scaled(1 + 5e-6), "everything grows by 5 millionths"),
        (distances_and_empty_places, "three distances, and 20 zeros", scaled(1 + 5e-6), "growing by 5 millionths"),
        (sized(first, -1.0), "minus the distances", turn, "a rotation"),
        (nothing, "three zeros", turn, "a rotation"),
        (distances_and_nothing, "distances, and three sums that are zero but for rounding", turn, "a rotation"),
        (sized(coordinates, 1e-12), "coordinates in a tiny unit, about 1e-12", shifted, "a shift"),
        (sized(first, 1e15), "distances in a huge unit, about 1e15", turn, "a rotation"),
    ):
        yield Case((feature_fn, numbers, positions, transform), given=f"features: {what}; transform: {how}")
    yield from drawn_questions(rng)


def drawn_questions(rng: np.random.Generator, n: int = 12) -> Iterator[Case]:
    """About half of the answers are yes, and only the seed knows which: nobody can write them down beforehand."""
    features = (
        (distances_from_first, "distances from atom 0, in the order of the numbers"),
        (coordinates, "coordinates"),
        (elements_in_order, "atomic numbers"),
        (volume, "a 9 that never changes, and a volume with its sign"),
    )
    numbers = tensor([6, 1, 8, 7])
    for _ in range(n):
        positions, turn = tensor(clear_of(2.5, rng, 4)), turned_by(tensor(orthogonal_matrix(rng, 1)))
        transforms = (
            (shifted, "a shift"),
            (turn, "a rotation"),
            (mirrored, "a mirror"),
            (renamed, "two atoms exchange their numbers"),
            (exchanged, "two elements change places"),
            (scaled(0.9), "everything shrinks by a tenth"),
        )
        feature_fn, what = features[rng.integers(len(features))]
        transform, how = transforms[rng.integers(len(transforms))]
        asked = (without_its_name(feature_fn), numbers, positions, without_its_name(transform))
        yield Case(asked, given=f"features: {what}; transform: {how}")


def without_its_name(function: Callable[[Tensor, Tensor], Any]) -> Callable[[Tensor, Tensor], Any]:
    return lambda numbers, positions: function(numbers, positions)


Verdict = Callable[[Tensor, Tensor], Any]


def judged(verdict: Verdict) -> Callable[..., Any]:
    """A test with one thing wrong: how the features before and after are compared."""

    def wrong(feature_fn: Feature, numbers: Tensor, positions: Tensor, transform: Transform) -> Any:
        return verdict(feature_fn(numbers, positions), feature_fn(*transform(numbers, positions)))

    return wrong


def old_numbers(feature_fn: Feature, numbers: Tensor, positions: Tensor, transform: Transform) -> bool:
    before, after = feature_fn(numbers, positions), feature_fn(numbers, transform(numbers, positions)[1])
    return same(before, after)


def atoms_compared(feature_fn: Feature, numbers: Tensor, positions: Tensor, transform: Transform) -> bool:
    return same(positions, transform(numbers, positions)[1])


def transformed_twice(feature_fn: Feature, numbers: Tensor, positions: Tensor, transform: Transform) -> bool:
    return same(*(feature_fn(*transform(numbers, positions)) for _ in range(2)))


def same(before: Tensor, after: Tensor) -> bool:
    return bool((after - before).abs().max() <= 1e-6 * before.abs().max())


def within(before: Tensor, after: Tensor, tolerance: float) -> bool:
    return bool((after - before).abs().max() <= tolerance)


def absolute(tolerance: float) -> Verdict:
    return lambda before, after: within(before, after, tolerance)


def at_most(difference: Tensor, tolerance: Tensor) -> bool:
    return bool(difference.max() <= tolerance)


def below(difference: Tensor, tolerance: Tensor) -> bool:
    return bool(difference.max() < tolerance)


def signed(sign: int, compare: Callable[[Tensor, Tensor], bool]) -> Verdict:
    return lambda before, after: compare(sign * (after - before), 1e-6 * before.abs().max())


OWN_SIZE = (
    "You measure each entry by its own size. An entry that is zero but for rounding, 1e-16, is then never the same "
    "again. Measure all of them by the largest feature."
)
ABSOLUTE = (
    "Your tolerance is a number without a unit. Features in a tiny unit then never change, whatever happens to them; "
    "features in a huge unit always do, by rounding alone. Compare the difference with the size of the features."
)
SET_BOTH = "Set both: `rtol=0, atol=1e-6 * float(before.abs().max())`."

IS_INVARIANT = by_value(
    "2.3",
    is_invariant,
    cases=questions,
    wrong_kinds={
        "float": "The answers are right, but they are floating-point numbers. A test answers True or False.",
    },
    success="it says yes to features that stay, no to features that change, and rounding does not confuse it.",
    start="Call feature_fn twice, before and after the transform, and compare.",
    hints=(
        "What must be equal before and after: the atoms, or what the feature function says of them?",
        "`feature_fn(*transform(numbers, positions))` is the answer after. Two floating-point numbers that should be "
        "equal rarely are: allow a difference, in proportion to the size of the features.",
        "`before, after = feature_fn(numbers, positions), feature_fn(*transform(numbers, positions))`, then "
        "`bool((after - before).abs().max() <= 1e-6 * before.abs().max())`.",
    ),
    misconceptions=[
        Misconception(
            "exactly equal",
            "You compare to the last digit. A rotation multiplies and adds, and each step rounds: two distances that "
            "are equal on paper differ by 1e-16 in the computer. Allow a difference of a millionth.",
            judged(lambda a, b: bool((a == b).all())),
        ),
        *(
            Misconception(f"absolute tolerance of {tolerance:g}", ABSOLUTE, judged(absolute(tolerance)))
            for tolerance in (1e-3, 1e-6, 1e-13)
        ),
        Misconception(
            "allclose as it is",
            "`allclose` has two tolerances. Where you set none, they are a hundred-thousandth of each entry, and 1e-8 "
            "without a unit. A change of 5 millionths passes then, and features as tiny as 1e-12 never change. "
            + SET_BOTH,
            judged(lambda a, b: torch.allclose(a, b)),
        ),
        Misconception(
            "allclose, and an absolute tolerance",
            "`allclose` has a second tolerance, 1e-8 without a unit if you do not change it. Features as tiny as 1e-12 "
            "then never change. " + SET_BOTH,
            judged(lambda a, b: torch.allclose(a, b, rtol=1e-6)),
        ),
        Misconception(
            "each entry by its own size",
            OWN_SIZE,
            judged(lambda a, b: bool(((a - b).abs() <= 1e-6 * a.abs()).all())),
        ),
        Misconception(
            "divided by its own size", OWN_SIZE, judged(lambda a, b: bool(((a - b).abs() / a.abs()).max() <= 1e-6))
        ),
        Misconception(
            "largest with its sign",
            "Your tolerance is a millionth of the largest feature with its sign. Where all features are negative, it "
            "is negative too, and nothing is ever below it: `before.abs().max()`.",
            judged(lambda a, b: bool((a - b).abs().max() <= 1e-6 * a.max())),
        ),
        Misconception(
            "a wide tolerance",
            "Your tolerance is wider than a millionth of the largest feature: a change of 5 millionths passes.",
            judged(lambda a, b: within(a, b, 1e-5 * float(a.abs().max()))),
        ),
        Misconception(
            "the mean difference",
            "You take the mean of the differences. Many entries that stay hide one that changes, and the network sees "
            "it. Compare the largest difference.",
            judged(lambda a, b: bool((a - b).abs().mean() <= 1e-6 * a.abs().max())),
        ),
        Misconception(
            "three zeros",
            "Right, but not for features that are all zero, as those of a lonely atom are. There 0 < 0 is False, and "
            "0 / 0 is not a number. Multiply the tolerance by the size of the features, and compare with `<=`.",
            judged(lambda a, b: bool((a - b).abs().max() < 1e-6 * a.abs().max())),
        ),
        Misconception(
            "only the sum",
            "You compare the sums, or the means. Two features that trade places keep their sum, and the network sees "
            "another input. Compare entry by entry.",
            judged(lambda a, b: same(a.sum(), b.sum())),
        ),
        Misconception(
            "only the length",
            "You compare the lengths of the two vectors. A rotation keeps the length of a vector and changes its "
            "entries. Compare entry by entry.",
            judged(lambda a, b: same(a.norm(), b.norm())),
        ),
        Misconception(
            "only the first",
            "You compare the first entry only. A feature vector is invariant when all of its entries are.",
            judged(lambda a, b: same(a[0], b[0])),
        ),
        Misconception(
            "any entry",
            "You say yes as soon as one entry stays. All of them have to: take the largest difference, or `all`.",
            judged(lambda a, b: bool(((a - b).abs() <= 1e-6 * a.abs().max()).any())),
        ),
        *(
            Misconception(
                f"sign of the difference: {word}, {compare.__name__}",
                f"You compare the difference without its absolute value. Features that became {word} give a negative "
                "number, which is below every tolerance.",
                judged(signed(sign, compare)),
            )
            for word, sign in (("smaller", 1), ("larger", -1))
            for compare in (at_most, below)
        ),
        Misconception(
            "sizes without their sign",
            "You compare the absolute values. A number that changes its sign has changed: a volume with a sign tells a "
            "left hand from a right one.",
            judged(lambda a, b: same(a.abs(), b.abs())),
        ),
        Misconception(
            "sorted before",
            "You sort the features before you compare. Then a vector whose entries trade places counts as the same, "
            "but a network does not sort its inputs.",
            judged(lambda a, b: same(a.sort().values, b.sort().values)),
        ),
        Misconception(
            "the old atomic numbers",
            "You pass the new positions with the old atomic numbers. A transform may exchange atoms, and gives both: "
            "feature_fn(*transform(numbers, positions)).",
            old_numbers,
        ),
        Misconception(
            "the atoms",
            "You compare the positions before and after. They change, that is what a transform is for. The question "
            "is whether the features do.",
            atoms_compared,
        ),
        Misconception(
            "after and after",
            "Both of your feature vectors are of the transformed atoms. One of them has to be of the atoms as they "
            "came in.",
            transformed_twice,
        ),
        Misconception(
            "the other way round",
            "Your answers are all exchanged: True means that nothing has changed.",
            judged(lambda a, b: not same(a, b)),
        ),
        Misconception(
            "entry by entry",
            "You answer for every entry. One answer is asked for: are all of them the same?",
            judged(lambda a, b: (a - b).abs() <= 1e-6 * a.abs().max()),
        ),
        Misconception(
            "the difference",
            "You return the difference. The question is yes or no: is it small, beside the features?",
            judged(lambda a, b: (a - b).abs().max()),
        ),
    ],
)

# ------------------------------------------------------------------------------------------------ 2.4 scan_neighbor


def scan_neighbor(
    feature_fn: Feature, numbers: Tensor, positions: Tensor, mover: int, direction: Tensor, distances: Tensor
) -> Tensor:
    """The features while one atom is moved by some distances from its place: (n_distances, n_features)."""
    step = direction / torch.linalg.vector_norm(direction.double())
    return torch.stack([feature_fn(numbers, moved(positions, mover, d * step)) for d in distances])


def moved(positions: Tensor, mover: int, step: Tensor) -> Tensor:
    positions = positions.double().clone()
    positions[mover] += step
    return positions


def charge_over_distance(numbers: Tensor, positions: Tensor) -> Tensor:
    """Z_j / r_0j for all atoms j but 0, in the order of their numbers."""
    return numbers[1:] / torch.linalg.vector_norm((positions[1:] - positions[0]).double(), dim=1)


def sum_of_coordinates(numbers: Tensor, positions: Tensor) -> Tensor:
    return positions.double().sum(dim=0)


def walks(rng: np.random.Generator) -> Iterator[Case]:
    H2 = tensor([1, 1]), tensor([[0.0, 0, 0], [0, 0, 1.0]])
    z = tensor([0.0, 0, 1.0])
    says = "features Z_j / r_0j"
    yield Case(
        (charge_over_distance, *H2, 1, z, tensor([1.0])),
        given=f"H2 of 1 A along z, {says}, mover 1, direction [0, 0, 1], distances [1.]",
    )
    yield Case(
        (charge_over_distance, *H2, 1, 2 * z, tensor([0.0, 1.0, 3.0])),
        given=f"H2 of 1 A along z, {says}, mover 1, direction [0, 0, 2], distances [0., 1., 3.]",
    )
    yield Case(
        (charge_over_distance, *H2, 1, z, tensor([1.0, -0.5])),
        given=f"H2 of 1 A along z, {says}, mover 1, direction [0, 0, 1], distances [1., -0.5]",
    )
    for n_atoms, mover in ((4, 0), (5, 3)):
        molecule = tensor(rng.choice([1, 6, 8], n_atoms)), tensor(clear_of(9.0, rng, n_atoms))
        for feature_fn, words in ((charge_over_distance, says), (sum_of_coordinates, "features: the sum of all R_i")):
            yield Case(
                (feature_fn, *molecule, mover, tensor(rng.normal(size=3)), tensor([0.3, 0.1, 1.2, 0.9])),
                given=f"{n_atoms} random atoms, {words}, mover {mover}, four distances",
            )
    yield Case(
        (charge_over_distance, tensor([6, 1, 8]), tensor([[0, 0, 0], [0, 0, 1], [0, 2, 0]]), 2, tensor([0, 1, 0]),
         tensor([0.5, 0.75])),
        given=f"three atoms at integer positions, {says}, mover 2, direction [0, 1, 0], distances [0.5, 0.75]",
        when="with integers for positions and direction",
    )  # fmt: skip


Place = Callable[[Tensor, int, Tensor, Tensor], Tensor]  # positions, mover, direction, distance -> positions


def placed(place: Place) -> Callable[..., Tensor]:
    """A scan with one thing wrong: where the atoms are put."""

    def wrong(
        feature_fn: Feature, numbers: Tensor, positions: Tensor, mover: int, direction: Tensor, distances: Tensor
    ) -> Tensor:
        return torch.stack([feature_fn(numbers, place(positions, mover, direction, d)) for d in distances])

    return wrong


def unit(direction: Tensor) -> Tensor:
    return direction / torch.linalg.vector_norm(direction.double())


def put(positions: Tensor, mover: int, place: Tensor) -> Tensor:
    positions = positions.double().clone()
    positions[mover] = place
    return positions


def step_by_step(
    feature_fn: Feature, numbers: Tensor, positions: Tensor, mover: int, direction: Tensor, distances: Tensor
) -> Tensor:
    positions, rows = positions.double().clone(), []
    for d in distances:
        positions[mover] += d * unit(direction)
        rows.append(feature_fn(numbers, positions))
    return torch.stack(rows)


def in_place(
    feature_fn: Feature, numbers: Tensor, positions: Tensor, mover: int, direction: Tensor, distances: Tensor
) -> Tensor:
    rows = []
    for d in distances:
        positions[mover] += d * unit(direction)
        rows.append(feature_fn(numbers, positions))
    return torch.stack(rows)


def truncated(
    feature_fn: Feature, numbers: Tensor, positions: Tensor, mover: int, direction: Tensor, distances: Tensor
) -> Tensor:
    rows = []
    for d in distances:
        new = positions.clone()
        new[mover] = positions[mover] + d * unit(direction)
        rows.append(feature_fn(numbers, new))
    return torch.stack(rows)


def floats_in_a_scan(
    feature_fn: Feature, numbers: Tensor, positions: Tensor, mover: int, direction: Tensor, distances: Tensor
) -> Tensor:
    torch.linalg.vector_norm(direction)
    return scan_neighbor(feature_fn, numbers, positions, mover, direction, distances)


PILED_UP = (
    "Your steps pile up: each distance is added to where the last one has left the atom. All distances are measured "
    "from its place in `positions`. Take a fresh copy for each of them."
)

SCAN_NEIGHBOR = by_value(
    "2.4",
    scan_neighbor,
    cases=walks,
    success="one atom walks, the others stand, and each step starts from the same place.",
    start="Write one step first: a copy of the positions, one atom moved, the features. Then one row a distance.",
    hints=(
        "For one distance: which row of `positions` changes, and by which vector? The others stay. (Integers for "
        "positions or direction? `.double()` first.)",
        "`new = positions.clone()` leaves the old positions alone. A direction has no length: divide it by its norm.",
        "In a loop over the distances: `new = positions.double().clone()`; "
        "`new[mover] += d * direction / (direction**2).sum() ** 0.5`; "
        "`rows.append(feature_fn(numbers, new))`. At the end `torch.stack(rows)`.",
    ),
    misconceptions=[
        Misconception(
            "direction with a length",
            "You multiplied with `direction` as it is. Only where it points to counts: divide it by its length, so "
            "that the atom moves by `distance`, in Angstrom.",
            placed(lambda R, mover, direction, d: moved(R, mover, d * direction)),
        ),
        Misconception(
            "everybody walks",
            "All atoms move together, and no distance between them changes. Only atom `mover` walks: one row.",
            placed(lambda R, mover, direction, d: R + d * unit(direction)),
        ),
        Misconception(
            "the others walk",
            "All atoms but the mover walk. For a feature of distances that looks alike, with the opposite sign.",
            placed(lambda R, mover, direction, d: put(R + d * unit(direction), mover, R[mover])),
        ),
        Misconception("steps pile up", PILED_UP, step_by_step),
        Misconception(
            "steps pile up, in place",
            "Your steps pile up, and `positions` of the caller is changed as well: `+=` writes into the tensor that "
            "came in. Take a fresh copy for each distance: `positions.clone()`.",
            in_place,
        ),
        Misconception(
            "from the origin",
            "You put the atom at distance * direction, measured from the origin. It starts from its own place: "
            "positions[mover] + distance * direction.",
            placed(lambda R, mover, direction, d: put(R, mover, d * unit(direction))),
        ),
        Misconception(
            "from the first atom",
            "You measured the distance from atom 0. It is measured from where the mover stands in `positions`.",
            placed(lambda R, mover, direction, d: put(R, mover, R[0] + d * unit(direction))),
        ),
        Misconception(
            "backwards",
            "Your atom walks against the direction.",
            placed(lambda R, mover, direction, d: moved(R, mover, -d * unit(direction))),
        ),
        Misconception(
            "without steps",
            "Every row is the same: the features are those of the atoms as they came in. Hand the moved positions to "
            "feature_fn.",
            placed(lambda R, mover, direction, d: R.double()),
        ),
        Misconception(
            "always atom 0",
            "Atom 0 walks, whatever `mover` is.",
            placed(lambda R, mover, direction, d: moved(R, 0, d * unit(direction))),
        ),
        Misconception(
            "transposed",
            "Rows and columns are exchanged: a distance is a row, a feature is a column.",
            lambda *args: scan_neighbor(*args).T,
        ),
        Misconception(
            "only the last",
            "You return the features of the last distance only. One row a distance: collect them, then stack.",
            lambda *args: scan_neighbor(*args)[-1],
        ),
        Misconception(
            "rounded to integers",
            "All answers are right but one: there the positions are integers. A tensor of integers stays one, and a "
            "step of 0.5 A written into it is cut off to 0. Begin with `positions = positions.double()`.",
            truncated,
        ),
        Misconception(
            "floats only",
            "All answers are right but one: there positions and direction are integers, as somebody types them by "
            "hand. torch takes the norm of floating-point numbers only, and adds no fraction to an integer. Begin with "
            "`positions, direction = positions.double(), direction.double()`.",
            floats_in_a_scan,
        ),
    ],
)

# --------------------------------------------------------------------------------------------- 2.5 sum_atomic_energies

Networks = Mapping[int, Callable[[Tensor], Tensor]]


def sum_atomic_energies(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    """E = sum_i NN_Z_i(x_i)."""
    E = features.new_zeros(())
    for element, network in networks.items():
        E = E + network(features[numbers == element]).sum()
    return E


def bend(weight: float, constant: float) -> Callable[[Tensor], Tensor]:
    """What stands for a network here: a curved function of every row, (..., n_features) -> (..., 1)."""

    def network(x: Tensor) -> Tensor:
        return constant + (weight * x + 0.3 * x**2).sum(dim=-1, keepdim=True)

    return network


H, C, O = bend(1.0, 0.5), bend(-2.0, 3.0), bend(0.5, -7.0)  # noqa: E741


def molecules_to_sum(rng: np.random.Generator) -> Iterator[Case]:
    what = "networks {1: h, 8: o} with h(x) = 0.5 + sum(x + 0.3 x^2), o(x) = -7 + sum(0.5 x + 0.3 x^2)"
    two, three = {1: H, 8: O}, {6: C, 1: H, 8: O}
    yield Case((two, tensor([[1.0, 0.0]]), tensor([8])), given=f"{what}; x = [[1., 0.]], numbers [8]",
               when="with one atom")  # fmt: skip
    yield Case((two, tensor([[1.0], [2.0]]), tensor([8, 1])), given=f"{what}; x = [[1.], [2.]], numbers [8, 1]")
    yield Case((two, tensor([[1.0], [2.0]]), tensor([1, 8])), given=f"{what}; x = [[1.], [2.]], numbers [1, 8]")
    yield Case((two, tensor([[1.0], [2.0], [4.0]]), tensor([1, 1, 1])), given=f"{what}; three H, no O")
    for numbers in ([6, 1, 1, 8], [8, 6, 6, 1, 1, 1, 1]):
        x = tensor(rng.normal(size=(len(numbers), 3)))
        yield Case((three, x, tensor(numbers)), given=f"networks of C, H, O; random features, numbers {numbers}")


def as_scalar(encoded: Encoded) -> Encoded:
    """One number is one number, in however many brackets."""
    return {**encoded, "shape": []} if encoded.get("values") and len(encoded["values"]) == 1 else encoded


def atomic_energies(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    return torch.cat([networks[z](x) for z, x in zip(numbers.tolist(), features, strict=True)])


def one_for_all(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    return next(iter(networks.values()))(features).sum()


def everybody_everywhere(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    return torch.stack([network(features).sum() for network in networks.values()]).sum()


def by_place(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    own = list(networks.values())
    return torch.cat([own[k % len(own)](x) for k, x in enumerate(features)]).sum()


def by_sorted_place(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    found = torch.unique(numbers).tolist()
    return torch.stack(
        [network(features[numbers == z]).sum() for z, network in zip(found, networks.values(), strict=False)]
    ).sum()


def tensor_as_key(numbers_of: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def wrong(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
        return torch.cat([networks[z](features) for z in numbers_of(numbers)]).sum()

    return wrong


def all_rows_for_each_atom(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    return torch.cat([networks[z](features) for z in numbers.tolist()]).sum()


def all_rows_for_each_element(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    return torch.cat([networks[z](features) for z in torch.unique(numbers).tolist()]).sum()


def mean_of_each_element(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    return torch.stack([network(features[numbers == z]).mean() for z, network in networks.items()]).sum()


def mean_of_each_element_here(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    here = torch.unique(numbers).tolist()
    return torch.stack([networks[z](features[numbers == z]).mean() for z in here]).sum()


def summed_before(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    return torch.stack(
        [network(features[numbers == z].sum(dim=0, keepdim=True)).sum() for z, network in networks.items()]
    ).sum()


def once_an_element(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    firsts = [numbers.tolist().index(z) for z in torch.unique(numbers).tolist()]
    return atomic_energies(networks, features[firsts], numbers[firsts]).sum()


def last_one_wins(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    return networks[int(numbers[-1])](features[-1]).sum()


def features_for_numbers(networks: Networks, features: Tensor, numbers: Tensor) -> Tensor:
    return atomic_energies(networks, features, numbers.sort().values).sum()


TENSOR_AS_KEY = (
    "A KeyError, although the network is there: `numbers[i]` is a tensor, and no tensor equals a key of a dictionary, "
    "not even one that holds the same number. The keys are Python's integers: `networks[int(numbers[i])]`."
)

SUM_ATOMIC_ENERGIES = by_value(
    "2.5",
    sum_atomic_energies,
    cases=molecules_to_sum,
    canonical=as_scalar,
    success="each atom asked the network of its element, and the energies were added.",
    start="Start from E = 0 and go through the networks: which rows of `features` belong to this element?",
    hints=(
        "Each atom belongs to one network. What tells you to which, its place in the molecule or its atomic number?",
        "`features[numbers == element]` are the rows of one element, (n_of_this_element, n_features); perhaps none.",
        "`sum(network(features[numbers == element]).sum() for element, network in networks.items())`",
    ),
    misconceptions=[
        Misconception(
            "mean",
            "You averaged. Two molecules far apart then have the energy of one. The energy of matter grows with its "
            "amount: a sum.",
            lambda networks, features, numbers: atomic_energies(networks, features, numbers).mean(),
        ),
        Misconception(
            "mean of each element",
            "You averaged over the atoms of an element. Six hydrogens then count as one. And where an element is "
            "absent, the mean of nothing is NaN, and so is everything that you add to it. The energies are summed.",
            mean_of_each_element,
        ),
        Misconception(
            "mean of each element that is there",
            "You averaged over the atoms of an element. Six hydrogens then count as one. The energies are summed.",
            mean_of_each_element_here,
        ),
        Misconception(
            "not summed",
            "You return the atomic energies. The energy of the molecule is their sum, one number.",
            atomic_energies,
        ),
        Misconception(
            "not summed, as a column",
            "You return the atomic energies, in a column. The energy of the molecule is their sum, one number.",
            lambda networks, features, numbers: atomic_energies(networks, features, numbers)[:, None],
        ),
        Misconception(
            "one network for all",
            "You asked the same network for all atoms. `networks` has one for each element; its key is the atomic "
            "number.",
            one_for_all,
        ),
        Misconception(
            "all networks for each atom",
            "You asked every network about every atom. An oxygen has nothing to say to the network of hydrogen: pick "
            "the rows with `numbers == element`.",
            everybody_everywhere,
        ),
        Misconception(
            "all rows for each element",
            "You asked each network about every atom. An oxygen has nothing to say to the network of hydrogen: pick "
            "the rows with `numbers == element`.",
            all_rows_for_each_element,
        ),
        Misconception(
            "all rows for each atom",
            "For each atom you asked the right network, about the rows of all atoms. Atom i has one row: "
            "`features[i : i + 1]`.",
            all_rows_for_each_atom,
        ),
        Misconception("a tensor as key", TENSOR_AS_KEY, tensor_as_key(lambda numbers: numbers)),
        Misconception("a tensor of the elements as key", TENSOR_AS_KEY, tensor_as_key(torch.unique)),
        Misconception(
            "network by place",
            "Your first atom got the first network, the second the second. What counts is the element: "
            "networks[number of the atom].",
            by_place,
        ),
        Misconception(
            "elements sorted",
            "You went through the sorted elements and the networks side by side. Their order need not be the same, and "
            "an element may be absent from the molecule: look the network up by its key, `networks[element]`.",
            by_sorted_place,
        ),
        Misconception(
            "summed before the network",
            "You added the features up and asked the network once. A network is curved: its answer to a sum is not the "
            "sum of its answers. First the energies, then the sum.",
            summed_before,
        ),
        Misconception(
            "one atom an element",
            "You counted each element once. Every atom has an energy of its own.",
            once_an_element,
        ),
        Misconception(
            "only the last",
            "Only the last atom is left in your sum. Does each pass through the loop start from 0 again, or write `=` "
            "in place of `+=`?",
            last_one_wins,
        ),
        Misconception(
            "rows in another order",
            "You sorted the atomic numbers and not the features: row i of `features` belongs to numbers[i].",
            features_for_numbers,
        ),
    ],
)

EXERCISES = (NEIGHBORS_WITHIN, LOCAL_COULOMB_VECTOR, IS_INVARIANT, SCAN_NEIGHBOR, SUM_ATOMIC_ENERGIES)
