"""Answers that learners give to 2.1 to 2.5, under the settings of the notebook, and what they are told."""

import numpy as np
import pytest
import torch

from course.exercises.day2 import EXERCISES
from tests.exercises.answers import outcome_of, told

pytestmark = pytest.mark.usefixtures("as_in_the_notebook")


# ----------------------------------------------------------------------------------------------------------- 2.1


def test_indices_that_are_floats_where_nobody_is_near():
    def plain(positions, i, cutoff):
        r = [((R - positions[i]) ** 2).sum().sqrt().item() for R in positions]
        return torch.tensor([j for j in range(len(r)) if j != i and r[j] < cutoff])

    assert "`torch.tensor([])` is a tensor of floats" in told("2.1", plain)
    assert outcome_of("2.1", lambda *args: plain(*args).long()).kind == "correct"


def test_neighbours_of_a_list_without_atom_i():
    def shorter(positions, i, cutoff):
        rest = np.delete(positions.numpy(), i, axis=0)
        return np.flatnonzero(np.linalg.norm(rest - positions[i].numpy(), axis=1) < cutoff)

    assert "all atoms behind it moved up by one place" in told("2.1", shorter)


def test_a_norm_of_integers():
    def floats(positions, i, cutoff):
        near = (positions - positions[i]).norm(dim=1) < cutoff
        near[i] = False
        return near.nonzero()[:, 0]

    text = told("2.1", floats)
    assert text.startswith("✗ 2.1 All answers are right but one") and "positions = positions.double()" in text
    assert outcome_of("2.1", lambda positions, *rest: floats(positions.double(), *rest)).kind == "correct"


def test_true_and_false_for_indices():
    def mask(positions, i, cutoff):
        near = ((positions - positions[i]) ** 2).sum(dim=1) < cutoff**2
        near[i] = False
        return near

    assert "`torch.nonzero(mask)[:, 0]`" in told("2.1", mask)


# ----------------------------------------------------------------------------------------------------------- 2.2


def vector(
    entry=lambda Z, r: Z / r, order=lambda x, r: x.sort(descending=True).values, crowd="raise", near=lambda r, c: r < c
):
    """A Coulomb vector as a learner writes it, with a slip."""

    def mine(numbers, positions, i, cutoff, length):
        r = (positions.double() - positions[i]).norm(dim=1)
        inside = near(r, cutoff)
        inside[i] = False
        x = order(entry(numbers[inside], r[inside]), r[inside])
        if len(x) > length and crowd == "raise":
            raise ValueError(f"{len(x)} neighbours, length {length}")
        if len(x) > length and crowd == "cut":
            x = x[:length]
        return torch.cat([x, torch.zeros(length - len(x))])

    return mine


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"entry": lambda Z, r: 1 / r}, "The charge of the neighbour, Z_j, belongs on top"),
        ({"entry": lambda Z, r: Z / r**2}, "falls like 1 / r"),
        ({"order": lambda x, r: x}, "Rename two neighbours"),
        ({"order": lambda x, r: x[r.argsort()]}, "an oxygen at 2 A counts more than a hydrogen at 1 A"),
        ({"order": lambda x, r: x.sort().values}, "the largest entry comes first"),
        ({"crowd": "cut"}, "leaves one out in silence"),
        ({"crowd": "accident"}, "says nothing of atoms"),
        ({"near": lambda r, c: r < 100}, "Only those with r_ij < cutoff count"),
    ],
)
def test_slips_in_the_vector(slip, words):
    assert outcome_of("2.2", vector()).kind == "correct"
    assert words in told("2.2", vector(**slip))


def test_numpys_own_error_is_no_answer():
    def with_numpy(numbers, positions, i, cutoff, length):
        r = np.linalg.norm(positions.numpy() - positions[i].numpy(), axis=1)
        r[i] = np.inf
        entries = np.sort((numbers.numpy() / r)[r < cutoff])[::-1]
        x = np.zeros(length)
        x[: len(entries)] = entries
        return x

    text = told("2.2", with_numpy)
    assert "The vectors are right" in text and "could not broadcast" in text and "raise a ValueError" in text


def test_an_error_of_another_kind():
    def other_kind(numbers, positions, i, cutoff, length):
        n = int(((positions.double() - positions[i]).norm(dim=1) < cutoff).sum()) - 1
        if n > length:
            raise RuntimeError(f"{n} neighbours")
        return vector()(numbers, positions, i, cutoff, length)

    text = told("2.2", other_kind)
    assert "with a RuntimeError" in text and "ValueError" in text and "says nothing of atoms" not in text


def test_an_error_has_to_say_how_many():
    def mute(numbers, positions, i, cutoff, length):
        if len(numbers) - 1 > length:
            raise ValueError("too many neighbours!")
        return vector()(numbers, positions, i, cutoff, length)

    text = told("2.2", mute)
    assert "you refuse where there is no room" in text and "how many" in text


def test_a_vector_that_is_right_for_one_neighbour_only():
    def first_only(numbers, positions, i, cutoff, length):
        x = torch.zeros(length)
        for j in range(len(numbers)):
            r = (positions[j].double() - positions[i]).norm()
            if j != i and r < cutoff:
                x[0] = numbers[j] / r
        return x

    text = told("2.2", first_only)
    assert "Expected [4., 1., 0., 0.], got [4., 0., 0., 0.]" in text


# ----------------------------------------------------------------------------------------------------------- 2.3


def test_equal_to_the_last_digit():
    def exact(feature_fn, numbers, positions, transform):
        return torch.equal(feature_fn(numbers, positions), feature_fn(*transform(numbers, positions)))

    assert "differ by 1e-16 in the computer" in told("2.3", exact)


def test_an_absolute_tolerance():
    def absolute(feature_fn, numbers, positions, transform):
        return torch.allclose(
            feature_fn(numbers, positions), feature_fn(*transform(numbers, positions)), rtol=0, atol=1e-6
        )

    assert "a number without a unit" in told("2.3", absolute)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (lambda a, b: bool((a - b).max() <= 1e-6 * a.abs().max()), "Features that became larger give a negative"),
        (lambda a, b: bool((b - a).max() <= 1e-6 * a.abs().max()), "Features that became smaller give a negative"),
        (lambda a, b: torch.allclose(a, b), "`allclose` has two tolerances"),
        (lambda a, b: np.allclose(a, b), "`allclose` has two tolerances"),
        (lambda a, b: torch.isclose(a, b).all(), "`allclose` has two tolerances"),
        (lambda a, b: torch.allclose(a, b, rtol=1e-6), "a second tolerance, 1e-8 without a unit"),
        (lambda a, b: torch.allclose(a, b, rtol=1e-6, atol=0), "each entry by its own size"),
        (lambda a, b: torch.allclose(a, b, atol=1e-6), "`allclose` has two tolerances"),
        (lambda a, b: ((a - b).abs() / a.abs()).max() < 1e-6, "each entry by its own size"),
        (lambda a, b: (a - b).abs().max() <= 1e-6 * a.max(), "Where all features are negative"),
        (lambda a, b: bool((b - a).max() < 1e-6 * a.abs().max()), "Features that became smaller give a negative"),
        (lambda a, b: bool((a - b).max() < 1e-6 * a.abs().max()), "Features that became larger give a negative"),
        (lambda a, b: (a - b).abs().max() < 1e-6 * a.abs().max(), "all zero"),
        (lambda a, b: (a - b).abs().max() <= 1e-5 * a.abs().max(), "a change of 5 millionths passes"),
        (lambda a, b: (a - b).abs().max() < 1e-8, "a number without a unit"),
        (lambda a, b: (a - b).abs().mean() <= 1e-6 * a.abs().max(), "Many entries that stay hide one that changes"),
    ],
)
def test_tolerances(verdict, words):
    def mine(feature_fn, numbers, positions, transform):
        return verdict(feature_fn(numbers, positions), feature_fn(*transform(numbers, positions)))

    assert words in told("2.3", mine)


def test_a_star_is_forgotten():
    def no_star(feature_fn, numbers, positions, transform):
        return bool(torch.allclose(feature_fn(numbers, positions), feature_fn(transform(numbers, positions))))

    text = told("2.3", no_star)
    assert "TypeError" in text and "missing 1 required positional argument: 'positions'" in text


def test_the_features_of_the_other_cell():
    def turned_only(feature_fn, numbers, positions, transform):
        _, new = transform(numbers, positions)
        before, after = feature_fn(numbers, positions), feature_fn(numbers, new)
        return (before - after).abs().max() <= 1e-6 * before.abs().max()

    assert "the new positions with the old atomic numbers" in told("2.3", turned_only)


# ----------------------------------------------------------------------------------------------------------- 2.4


def scan(copy=lambda R: R.double().clone(), u=lambda d: d / d.double().norm(), once=False, move="mover"):
    """A walk as a learner writes it, with a slip."""

    def mine(feature_fn, numbers, positions, mover, direction, distances):
        rows, moved = [], copy(positions)
        for d in distances:
            moved = moved if once else copy(positions)
            if move == "mover":
                moved[mover] += d * u(direction)
            else:
                moved = moved + d * u(direction)
            rows.append(feature_fn(numbers, moved))
        return torch.stack(rows)

    return mine


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"u": lambda d: d}, "divide it by its length"),
        ({"once": True}, "Your steps pile up"),
        ({"copy": lambda R: R}, "`positions` of the caller is changed as well"),
        ({"move": "all"}, "Only atom `mover` walks"),
        ({"u": lambda d: -d / d.double().norm()}, "against the direction"),
    ],
)
def test_slips_in_a_walk(slip, words):
    assert outcome_of("2.4", scan()).kind == "correct"
    assert words in told("2.4", scan(**slip))


def test_a_walk_that_keeps_integers():
    def whole(feature_fn, numbers, positions, mover, direction, distances):
        rows = []
        for d in distances:
            moved = positions.clone()
            moved[mover] = positions[mover] + d * direction / (direction**2).sum() ** 0.5
            rows.append(feature_fn(numbers, moved))
        return torch.stack(rows)

    assert "is cut off to 0" in told("2.4", whole)


def test_a_walk_with_the_norm_of_an_integer():
    def norm(feature_fn, numbers, positions, mover, direction, distances):
        u, rows = direction / direction.norm(), []
        for d in distances:
            moved = positions.clone()
            moved[mover] += d * u
            rows.append(feature_fn(numbers, moved))
        return torch.stack(rows)

    assert "Begin with `positions, direction = positions.double(), direction.double()`" in told("2.4", norm)
    assert outcome_of("2.4", lambda f, Z, R, j, u, d: norm(f, Z, R.double(), j, u.double(), d)).kind == "correct"


# ----------------------------------------------------------------------------------------------------------- 2.5


def test_energies_that_are_not_added():
    def column(networks, features, numbers):
        return torch.cat([networks[int(z)](x[None]) for z, x in zip(numbers, features, strict=True)])

    assert "The energy of the molecule is their sum, one number" in told("2.5", column)


def test_the_sum_starts_again():
    def again(networks, features, numbers):
        for z, x in zip(numbers.tolist(), features, strict=True):
            E = networks[z](x)
        return E

    assert "in place of `+=`" in told("2.5", again)


def test_networks_in_the_order_of_the_sorted_elements():
    def side_by_side(networks, features, numbers):
        pairs = zip(torch.unique(numbers), networks.values(), strict=False)
        return sum(network(features[numbers == z]).sum() for z, network in pairs)

    assert "look the network up by its key" in told("2.5", side_by_side)


def test_one_atom_of_each_element():
    def every_element(networks, features, numbers):
        E_i = {z: network(features[numbers == z])[0] for z, network in networks.items()}
        return sum(E_i.values())

    assert "Every atom has an energy of its own" in told("2.5", every_element)


def test_a_tensor_is_no_key():
    def by_place(networks, features, numbers):
        return sum(networks[numbers[i]](features[i]) for i in range(len(numbers)))

    def by_element(networks, features, numbers):
        return sum(networks[z](features[numbers == z]).sum() for z in numbers.unique())

    for function in (by_place, by_element):
        assert "`networks[int(numbers[i])]`" in told("2.5", function)
    assert outcome_of("2.5", lambda networks, x, Z: by_place(networks, x, Z.tolist())).kind == "correct"


def test_the_mean_of_an_element_and_the_mean_of_nothing():
    def of_each(networks, features, numbers):
        return sum(network(features[numbers == z]).mean() for z, network in networks.items())

    def of_those_here(networks, features, numbers):
        return sum(networks[z](features[numbers == z]).mean() for z in set(numbers.tolist()))

    text = told("2.5", of_each)
    assert "Six hydrogens then count as one" in text and "NaN" in text
    text = told("2.5", of_those_here)
    assert "Six hydrogens then count as one" in text and "NaN" not in text


def test_the_rows_of_all_atoms_for_each_element():
    def everybody(networks, features, numbers):
        return sum(networks[z](features).sum() for z in set(numbers.tolist()))

    assert "You asked each network about every atom" in told("2.5", everybody)


def test_the_rows_of_all_atoms_for_each_atom():
    def everybody(networks, features, numbers):
        E = 0
        for z in numbers:
            E += networks[int(z)](features).sum()
        return E

    assert "about the rows of all atoms" in told("2.5", everybody)


# ---------------------------------------------------------------------------------------------------------- texts


def test_no_text_points_to_what_the_package_does_not_hold():
    for exercise in EXERCISES:
        sentences = [m.sentence for m in exercise.misconceptions if isinstance(m.sentence, str)]
        text = " ".join([*exercise.hints, *sentences]).lower()
        assert not [word for word in ("slide", "blueprint", "lecture") if word in text]
