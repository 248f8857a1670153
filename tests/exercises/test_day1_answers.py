"""Answers that learners have given to 1.1 to 1.6, under the settings of the notebook, and what they are told."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from course.exercises.day1 import split
from course.models.composition import fit_composition
from course.models.molecular_mechanics import bond_angle, dihedral_angle
from tests.exercises.answers import outcome_of, told

pytestmark = pytest.mark.usefixtures("as_in_the_notebook")


def right_angle(*args):
    return bond_angle(*args)


def right_dihedral(*args):
    return dihedral_angle(*args)


# ----------------------------------------------------------------------------------------------------------- 1.1


def test_a_diagonal_that_is_cleaned_too_late():
    def filled(positions):
        r = ((positions[:, None] - positions[None]) ** 2).sum(-1).sqrt()
        return r.masked_fill(torch.eye(len(r), dtype=torch.bool), 0.0)

    def times_a_mask(positions):
        r = ((positions[:, None] - positions[None]) ** 2).sum(-1).sqrt()
        return r * (1 - torch.eye(len(r)))

    def no_nan(positions):
        return torch.nan_to_num(((positions[:, None] - positions[None]) ** 2).sum(-1).sqrt())

    for function in (filled, times_a_mask, no_nan):
        assert "To write the zero again after the root comes too late" in told("1.1", function)


def test_numpy_cuts_the_distances_off():
    def cdist(positions):
        from scipy.spatial.distance import cdist

        return torch.from_numpy(cdist(positions.detach(), positions.detach()))

    def by_math(positions):
        return torch.tensor([[math.dist(a, b) for a in positions.tolist()] for b in positions.tolist()])

    for function in (cdist, by_math):
        assert "do not depend on the positions any more" in told("1.1", function)
    words = told("1.1", lambda positions: np.linalg.norm(positions.numpy()[None] - positions.numpy()[:, None], axis=2))
    assert "Can't call numpy() on Tensor that requires grad" in words


def test_a_grain_that_is_too_large_is_seen():
    words = told("1.1", lambda R: (((R[None] - R[:, None]) ** 2).sum(dim=2) + 1e-2).sqrt())
    assert "Expected [[0., 5.], [5., 0.]], got [[0.1, 5.001], [5.001, 0.1]]" in words


def test_the_wrong_axis():
    words = told("1.1", lambda R: ((R[None] - R[:, None]) ** 2).sum(dim=1).sqrt())
    assert "x, y and z stand on the last axis" in words


# ----------------------------------------------------------------------------------------------------------- 1.2


def test_an_angle_made_with_math():
    def mine(positions, i, j, k):
        a, b = positions[i] - positions[j], positions[k] - positions[j]
        return math.acos(max(-1.0, min(1.0, (a @ b / (a.norm() * b.norm())).item())))

    assert "so stay in torch" in told("1.2", mine, right_dihedral)


def test_a_straight_chain_whose_cosine_is_beyond_one():
    def mine(positions, i, j, k):
        a, b = positions[i] - positions[j], positions[k] - positions[j]
        return torch.acos(torch.dot(a, b) / torch.sqrt(torch.dot(a, a) * torch.dot(b, b)))

    assert "`torch.atan2` has no such edge" in told("1.2", mine, right_dihedral)


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        (lambda a, b, c: (torch.linalg.cross(b, a), torch.linalg.cross(b, c), b), "half a turn away"),
        (lambda a, b, c: (torch.linalg.cross(a, b), torch.linalg.cross(b, c), -b), "the sign is the other one"),
    ],
    ids=["one normal turned", "axis turned"],
)
def test_slips_in_a_dihedral(slip, words):
    def mine(positions, i, j, k, m):
        vectors = positions[j] - positions[i], positions[k] - positions[j], positions[m] - positions[k]
        first, second, axis = slip(*vectors)
        return torch.atan2(torch.linalg.cross(first, second) @ axis / axis.norm(), first @ second)

    assert words in told("1.2", right_angle, mine)


@pytest.mark.parametrize(
    ("slip", "words"),
    [(lambda y, x: torch.atan2(x, y), "the sine comes first"), (lambda y, x: torch.arctan(y / x), "never leaves -90°")],
    ids=["exchanged", "atan"],
)
def test_slips_in_the_arc_tangent(slip, words):
    def mine(positions, i, j, k, m):
        a, b, c = positions[j] - positions[i], positions[k] - positions[j], positions[m] - positions[k]
        n = torch.cross(b, c, dim=0)
        return slip(b.norm() * a.dot(n), torch.cross(a, b, dim=0).dot(n))

    assert words in told("1.2", right_angle, mine)


def test_a_dihedral_by_the_arc_cosine():
    def mine(positions, i, j, k, m):
        n = [
            torch.linalg.cross(positions[y] - positions[x], positions[z] - positions[y])
            for x, y, z in ((i, j, k), (j, k, m))
        ]
        return torch.arccos((n[0] @ n[1] / (n[0].norm() * n[1].norm())).clamp(-1, 1))

    assert "+60° and -60° come out alike" in told("1.2", right_angle, mine)


def test_a_dihedral_from_the_sign_of_the_sine():
    def mine(positions, i, j, k, m):
        a, b, c = positions[j] - positions[i], positions[k] - positions[j], positions[m] - positions[k]
        u, v = torch.linalg.cross(a, b), torch.linalg.cross(b, c)
        return torch.sign(a @ v) * torch.acos((u @ v / (u.norm() * v.norm())).clamp(-1 + 1e-12, 1 - 1e-12))

    assert "in a flat trans chain you return 0" in told("1.2", right_angle, mine)


def test_an_angle_by_the_arc_sine():
    def mine(positions, i, j, k):
        a, b = positions[i] - positions[j], positions[k] - positions[j]
        return torch.arcsin((torch.linalg.cross(a, b).norm() / (a.norm() * b.norm())).clamp(max=1))

    assert "the sines of 60° and 120° are equal" in told("1.2", mine, right_dihedral)


def test_distances_in_a_list_have_no_slope():
    assert "`torch.stack` keeps it" in told("1.1", lambda R: [[(a - b).norm() for b in R] for a in R])


# ----------------------------------------------------------------------------------------------------------- 1.3


def bonded(
    half=0.5,
    half_angle=0.5,
    n=(1, 2, 3),
    first=1,
    one=1.0,
    torsions=True,
    start=lambda R: 0.0 * R.sum(),
    add=lambda energy, term: energy + term,
    length=lambda R, i, j: (R[i] - R[j]).norm(),
):
    """The bonded energy as a learner writes it, with a slip."""

    def mine(positions, topology, parameters):
        energy = start(positions)
        for (i, j), k, r_0 in zip(topology.bonds, parameters.k_bond, parameters.r_0, strict=True):
            energy = add(energy, half * k * (length(positions, i, j) - r_0) ** 2)
        for (i, j, k), stiffness, theta_0 in zip(topology.angles, parameters.k_angle, parameters.theta_0, strict=True):
            energy = add(energy, half_angle * stiffness * (bond_angle(positions, i, j, k) - theta_0) ** 2)
        for chain, V in zip(topology.torsions, parameters.V, strict=True):
            phi = dihedral_angle(positions, *chain)
            if torsions:
                energy = add(energy, sum(V[m - first] / 2 * (one + torch.cos(m * phi)) for m in n))
        return energy

    return mine


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"half": 1.0, "half_angle": 1.0}, "springs are twice too stiff"),
        ({"half": 1.0}, "bonds are twice too stiff"),
        ({"half_angle": 1.0}, "angles are twice too stiff"),
        ({"n": range(3), "first": 0}, "Your n runs from 0 to 2"),
        ({"n": range(3)}, "that is column -1, the last one"),
        ({"add": lambda energy, term: term}, "Only the last term of your loops is left"),
        ({"length": lambda R, i, j: (R[i] - R[j]).norm().item()}, "your bonds do not depend on the positions any more"),
        ({"one": 0.0}, "without the 1 +"),
        ({"torsions": False}, "The torsions are missing"),
    ],
)
def test_slips_in_the_bonded_energy(slip, words):
    assert outcome_of("1.3", bonded()).kind == "correct"
    assert words in told("1.3", bonded(**slip))


def test_a_return_inside_of_the_loop():
    def mine(positions, topology, parameters):
        energy = bonded()(positions, topology, parameters)
        for _ in topology.torsions:
            return energy

    assert "is the `return` inside of a loop" in told("1.3", mine)


def test_a_bonded_energy_that_starts_from_a_bare_zero_is_right():
    """With no bonds it returns 0.0, which is a number too."""
    assert outcome_of("1.3", bonded(start=lambda R: 0.0)).kind == "correct"


# ----------------------------------------------------------------------------------------------------------- 1.4


def nonbonded(constant=14.3996, powers=(12, 6), pairs_of=lambda pairs, n: pairs, q=lambda q: q, end=torch.sum):
    def mine(positions, charges, sigma, epsilon, pairs):
        i, j = pairs_of(pairs, len(positions)).T
        r = (positions[i] - positions[j]).norm(dim=1)
        s, e = (sigma[i] + sigma[j]) / 2, (epsilon[i] * epsilon[j]).sqrt()
        coulomb = constant * q(charges[i]) * charges[j] / r
        return end(coulomb + 4 * e * ((s / r) ** powers[0] - (s / r) ** powers[1]))

    return mine


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"constant": 1.0}, "e²/4πε₀ is 14.40 eV Å"),
        ({"constant": 332.0637}, "332 of kcal/mol"),
        ({"powers": (6, 12)}, "upside down"),
        ({"powers": (6, 3)}, "Your powers are 6 and 3"),
        ({"pairs_of": lambda pairs, n: torch.combinations(torch.arange(n))}, "Only the pairs in `pairs` count"),
        ({"pairs_of": lambda pairs, n: torch.cat([pairs, pairs.flip(1)])}, "Every pair is counted twice"),
        ({"end": lambda terms: terms.sum() / 2}, "half of what it should be"),
        ({"end": torch.mean}, "You took the mean over the pairs"),
        ({"end": lambda terms: terms[-1] if len(terms) else 0.0}, "Only the last pair is left"),
    ],
)
def test_slips_in_the_nonbonded_energy(slip, words):
    assert outcome_of("1.4", nonbonded()).kind == "correct"
    assert words in told("1.4", nonbonded(**slip))


# ----------------------------------------------------------------------------------------------------------- 1.5


def test_a_gradient_that_is_kept_from_call_to_call():
    def mine(energy_fn, positions):
        positions.requires_grad = True
        energy_fn(positions).backward()
        return -positions.grad.clone()

    def never_cloned(energy_fn, positions):
        positions.requires_grad_(True)
        energy_fn(positions).backward()
        return -positions.grad

    for function in (mine, never_cloned):
        assert "`backward()` adds to `positions.grad`" in told("1.5", function)


def test_positions_that_do_not_want_a_gradient():
    def of_a_copy(energy_fn, positions):
        R = positions.clone().detach().requires_grad_(True)
        return -torch.autograd.grad(energy_fn(positions), R)[0]

    words = told("1.5", lambda energy_fn, positions: -torch.autograd.grad(energy_fn(positions), positions)[0])
    assert "it follows only what it was told to follow" in words
    assert "took the energy of the original" in told("1.5", of_a_copy)


def test_positions_that_are_left_wanting_a_gradient():
    """The next cell draws them, and `numpy` refuses."""

    def mine(energy_fn, positions):
        positions.requires_grad_(True)
        return -torch.autograd.grad(energy_fn(positions), positions)[0]

    assert "the caller's `positions` now want a gradient" in told("1.5", mine)


def test_a_copy_that_hangs_on_the_original():
    def mine(energy_fn, positions):
        x = positions.clone().requires_grad_(True)
        energy_fn(x).backward()
        return -x.grad

    assert "`.grad` of your copy stays empty" in told("1.5", mine)


def test_a_tuple_with_one_gradient():
    def mine(energy_fn, positions):
        R = positions.detach().clone().requires_grad_()
        return torch.autograd.grad(-energy_fn(R), R)

    def minus(energy_fn, positions):
        R = positions.detach().clone().requires_grad_()
        return -torch.autograd.grad(energy_fn(R), R)

    for function in (mine, minus):
        assert "returns a tuple, one gradient for each input" in told("1.5", function)


# ----------------------------------------------------------------------------------------------------------- 1.6


def test_a_split_that_is_one_tensor_or_names_of_no_frames():
    assert "must be a list of parts" in told("1.6", library_composition, lambda n, fractions, seed: torch.randperm(n))
    one_based = lambda n, fractions, seed: [part + 1 for part in split(n, fractions, seed)]  # noqa: E731
    assert "In `numbers from 0 to n - 1`: Expected True, got False" in told("1.6", library_composition, one_based)
    masks = lambda n, fractions, seed: [np.arange(n) < 3, np.arange(n) >= 3]  # noqa: E731
    assert "✗ 1.6 split" in told("1.6", library_composition, masks)


def library_composition(numbers_list, energies, elements):
    return fit_composition(numbers_list, energies, elements)


def test_the_rest_that_nobody_gets():
    def mine(n, fractions, seed):
        order = np.random.default_rng(seed).permutation(n)
        sizes = [int(n * fraction) for fraction in fractions]
        return [order[sum(sizes[:k]) : sum(sizes[: k + 1])] for k in range(len(sizes))]

    assert "A frame is lost" in told("1.6", library_composition, mine)


def test_a_price_of_nothing():
    def mine(numbers_list, energies, elements):
        counts = torch.tensor([[(numbers == z).sum() for z in elements] for numbers in numbers_list]).double()
        counts = torch.cat([counts, torch.ones(len(counts), 1)], dim=1)
        return torch.linalg.lstsq(counts, energies.double()[:, None], driver="gelsd").solution[:-1, 0]

    assert "You fitted a constant besides the prices" in told("1.6", mine, lambda *args: split(*args))


def test_counts_in_the_type_of_the_notebook_are_right():
    def mine(numbers_list, energies, elements):
        counts = torch.zeros(len(numbers_list), len(elements))
        for m, numbers in enumerate(numbers_list):
            for e, z in enumerate(elements):
                counts[m, e] = (numbers == z).sum()
        return torch.linalg.lstsq(counts, energies[:, None]).solution[:, 0]

    assert outcome_of("1.6", mine, lambda *args: split(*args)).kind == "correct"


@pytest.mark.parametrize(
    ("order_of", "words"),
    [
        (lambda n, seed: torch.arange(n), "Your parts are blocks in the order of the file"),
        (lambda n, seed: torch.randperm(n), "The same seed gave two different splits"),
        (
            lambda n, seed: torch.from_numpy(np.random.default_rng(seed).integers(0, n, n)),
            "Some frames are in two places",
        ),
    ],
    ids=["not shuffled", "no seed", "with replacement"],
)
def test_who_makes_two_mistakes_in_a_split_is_told_of_the_first(order_of, words):
    """The second one: with 62 frames, one is lost."""

    def mine(n, fractions, seed):
        order, parts, start = order_of(n, seed), [], 0
        for fraction in fractions:
            stop = start + round(fraction * n)
            parts.append(order[start:stop])
            start = stop
        return parts

    assert words in told("1.6", library_composition, mine)


@pytest.mark.parametrize(
    ("solve", "words"),
    [
        (lambda counts, E: torch.linalg.lstsq(counts, E[:, None]).solution[:, 0], "`counts.double()`"),
        (lambda counts, E: torch.linalg.lstsq(counts.double(), E[:, None]), "`.solution[:, 0]`"),
        (lambda counts, E: np.linalg.lstsq(counts.numpy(), E.numpy(), rcond=None), "the first of them, `[0]`"),
    ],
    ids=["whole numbers", "all of it, torch", "all of it, numpy"],
)
def test_slips_with_least_squares(solve, words):
    def mine(numbers_list, energies, elements):
        return solve(torch.tensor([[(numbers == z).sum() for z in elements] for numbers in numbers_list]), energies)

    assert words in told("1.6", mine, lambda *args: split(*args))


def test_positions_that_are_tidied_up_in_place():
    def mine(energy_fn, positions):
        positions.requires_grad_(True)
        (gradient,) = torch.autograd.grad(energy_fn(positions), positions)
        positions.requires_grad_(False)
        return -gradient

    assert "left with requires_grad False" in told("1.5", mine)


def test_slips_in_the_loops_over_angles_and_torsions():
    def energy(positions, topology, parameters, middle=1, inside=False):
        E = positions.new_zeros(())
        for (i, j), k, r_0 in zip(topology.bonds, parameters.k_bond, parameters.r_0, strict=True):
            E = E + k / 2 * ((positions[i] - positions[j]).norm() - r_0) ** 2

        def torsions():
            return sum(
                V[n - 1] / 2 * (1 + torch.cos(n * right_dihedral(positions, *chain)))
                for chain, V in zip(topology.torsions, parameters.V, strict=True)
                for n in (1, 2, 3)
            )

        for chain, k, theta_0 in zip(topology.angles, parameters.k_angle, parameters.theta_0, strict=True):
            first, corner, last = chain if middle == 1 else (chain[1], chain[0], chain[2])
            E = E + k / 2 * (right_angle(positions, first, corner, last) - theta_0) ** 2
            E = E + torsions() if inside else E
        return E if inside else E + torsions()

    assert outcome_of("1.3", energy).kind == "correct"
    assert "at the first atom of each row" in told("1.3", partial(energy, middle=0))
    assert "inside the loop over the angles" in told("1.3", partial(energy, inside=True))
    stacked = told("1.3", lambda R, t, p: torch.stack([R[i].norm() for i, *_ in t.angles]).sum())
    assert "no angles, no torsions" in stacked
