"""Answers that learners have given to 3.1 to 3.4, under the settings of the notebook, and what they are told."""

import math

import pytest
import torch

from course.descriptors.symmetry_functions import radial_symmetry_functions as G
from course.radial import cosine_cutoff
from tests.exercises.answers import outcome_of, told

pytestmark = pytest.mark.usefixtures("as_in_the_notebook")


# ----------------------------------------------------------------------------------------------------------- 3.1


def f_c(half=0.5, pi=torch.pi, one=1.0, power=1, inside=torch.lt):
    """The cutoff function as a learner writes it, with a slip."""

    def mine(r, cutoff):
        return torch.where(inside(r, cutoff), (half * (torch.cos(pi * r / cutoff) + one)) ** power, 0.0)

    return mine


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"half": 1}, "the factor 1/2 is missing"),
        ({"pi": 1}, "The pi is missing"),
        ({"pi": 180}, "`torch.cos` takes radians"),
        ({"pi": 2 * torch.pi}, "Half a period is enough"),
        ({"power": 2}, "You squared it"),
        ({"inside": torch.gt}, "points the other way"),
    ],
)
def test_slips_in_the_cutoff_function(slip, words):
    assert outcome_of("3.1", f_c()).kind == "correct"
    assert words in told("3.1", f_c(**slip))


def test_at_the_cutoff_the_formula_gives_zero_anyway():
    assert outcome_of("3.1", f_c(inside=torch.le)).kind == "correct"


def test_brackets():
    def halved(r, cutoff):
        return torch.where(r < cutoff, 0.5 * torch.cos(torch.pi * r / cutoff) + 1, 0.0)

    assert "Brackets: (cos + 1) / 2" in told("3.1", halved)


def test_brackets_and_nothing_cut():
    assert "Then make it 0 from r_c on" in told("3.1", lambda r, r_c: 0.5 * torch.cos(torch.pi * r / r_c) + 1)


def test_the_1_inside_the_cosine():
    answer = lambda r, r_c: 0.5 * (torch.cos(torch.pi * r / r_c + 1)) * (r < r_c)  # noqa: E731
    assert "Your + 1 stands inside the cosine" in told("3.1", answer)


def test_one_number_where_a_tensor_comes():
    def by_math(r, cutoff):
        return 0.5 * (math.cos(math.pi * r / cutoff) + 1) if r < cutoff else 0.0

    def by_torch(r, cutoff):
        if r < cutoff:
            return 0.5 * (torch.cos(torch.pi * r / cutoff) + 1)
        return torch.tensor(0.0)

    assert "`if` asks one question" in told("3.1", by_math) and "`if` asks one question" in told("3.1", by_torch)
    assert "`math.cos` takes one number" in told("3.1", lambda r, r_c: 0.5 * (math.cos(math.pi * r / r_c) + 1))


r_c = 4.0  # as in the notebook


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("3.1", lambda r, cutoff: torch.where(r < r_c, 0.5 * (torch.cos(torch.pi * r / r_c) + 1), 0.0)),
        ("3.2", lambda d, R, eta, cutoff: G(d, R, eta, r_c)),
        ("3.3", lambda cutoff, n: (torch.linspace(0, r_c, n), (n / r_c) ** 2)),
        ("3.4", lambda n, x, elements, R, eta, cutoff: by_atoms(n, x, elements, R, eta, r_c)),
    ],
)
def test_the_cutoff_of_the_notebook_in_place_of_the_argument(id, answer):
    assert "that is r_c of the notebook" in told(id, answer)


def test_a_number_at_the_end_of_a_sentence_brings_its_full_stop() -> None:
    text = told("3.1", lambda r, cutoff: 0.7 * cosine_cutoff(r, cutoff))
    assert "cutoff 3. Expected" in text and ".." not in text


def test_an_input_that_is_changed():
    def in_place(r, cutoff):
        r[r > cutoff] = cutoff
        return 0.5 * (torch.cos(torch.pi * r / cutoff) + 1)

    assert "changed its input `r` in place" in told("3.1", in_place)


# ----------------------------------------------------------------------------------------------------------- 3.2


def terms(d, R, eta, r_c):
    return torch.exp(-eta * (d[:, None] - R) ** 2) * cosine_cutoff(d, r_c)[:, None]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda d, R, eta, r_c: torch.exp(-eta * (d[:, None] - R) ** 2).sum(0), "f_c is missing"),
        (
            lambda d, R, eta, r_c: (torch.exp(-eta * (d[:, None] - R) ** 2) * cosine_cutoff(d, r_c)).sum(0),
            "`f_c[:, None]` makes it a column",
        ),
        (
            lambda d, R, eta, r_c: (torch.exp(-eta * (d - R) ** 2) * cosine_cutoff(d, r_c)).sum(),
            "Every neighbour must meet every centre",
        ),
        (
            lambda d, R, eta, r_c: torch.stack([torch.exp(-eta * (r - R) ** 2) * cosine_cutoff(r, r_c) for r in d]).sum(
                0
            ),
            "until nobody is near: torch cannot stack an empty list",
        ),
        (lambda d, R, eta, r_c: sum(terms(d, R, eta, r_c)), "Python's sum of nothing is the number 0"),
        (lambda d, R, eta, r_c: terms(d, R, eta, r_c).mean(0), "the mean of no neighbours is no number"),
        (lambda d, R, eta, r_c: terms(d, R, eta, r_c), "You return one row a neighbour"),
        (lambda d, R, eta, r_c: terms(d, R, eta, r_c).sum(), "one number a Gaussian: sum over the neighbours alone"),
        (lambda d, R, eta, r_c: terms(d, R, eta, r_c).sum(0, keepdim=True), "a table with one row, (1, K)"),
        (
            lambda d, R, eta, r_c: (torch.exp(-((eta * (d[:, None] - R)) ** 2)) * cosine_cutoff(d, r_c)[:, None]).sum(
                0
            ),
            "You squared eta as well",
        ),
        (
            lambda d, R, eta, r_c: (torch.exp(-eta * (d[:, None] - R)) * cosine_cutoff(d, r_c)[:, None]).sum(0),
            "The square is missing",
        ),
        (
            lambda d, R, eta, r_c: (torch.exp(-eta * (d[:, None] - R) ** 2) * cosine_cutoff(d[:, None] - R, r_c)).sum(
                0
            ),
            "You took f_c of r_ij - R_k",
        ),
        (
            lambda d, R, eta, r_c: torch.exp(-eta * (d[:, None] - R) ** 2).sum(0) * cosine_cutoff(d, r_c).sum(),
            "multiply first, then add",
        ),
        (lambda d, R, eta, r_c: terms(torch.unique(d), R, eta, r_c).sum(0), "Three hydrogens at 1.1 A"),
        (
            lambda d, R, eta, r_c: torch.exp(-eta * (d - R) ** 2) * cosine_cutoff(d, r_c),
            "and fails where their numbers differ",
        ),
    ],
)
def test_slips_in_the_sum_over_neighbours(answer, words):
    assert outcome_of("3.2", lambda *args: terms(*args).sum(0)).kind == "correct"
    assert words in told("3.2", answer)


def test_a_loop_that_overwrites():
    def loop(distances, centers, eta, cutoff):
        row = torch.zeros(len(centers))
        for r in distances:
            for k, R in enumerate(centers):
                row[k] = torch.exp(-eta * (r - R) ** 2) * cosine_cutoff(r, cutoff)
        return row

    assert "each one overwrites the one before it" in told("3.2", loop)


def test_a_function_of_an_exercise_before_that_is_not_written():
    def stub(r, cutoff):
        raise NotImplementedError("3.1 cosine_cutoff: not written yet")

    outcome = outcome_of("3.2", lambda d, R, eta, r_c: stub(d, r_c))
    assert outcome.kind == "not attempted"
    assert '`cosine_cutoff = stuck("3.1")` hands it over' in outcome.text()


# ----------------------------------------------------------------------------------------------------------- 3.3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda r_c, n: (torch.arange(0, r_c, r_c / n), (n / r_c) ** 2),
            "Your centres stop one step before the cutoff",
        ),
        (lambda r_c, n: (torch.arange(n) * r_c / (n - 1), (n / r_c) ** 2), "for a single centre you divide by"),
        (lambda r_c, n: (torch.linspace(0, r_c, n), n / r_c), "It carries the unit 1/A^2: square it"),
        (lambda r_c, n: (torch.linspace(0, r_c, n), (r_c / n) ** 2), "turn the fraction over"),
        (lambda r_c, n: (torch.linspace(0, r_c, n), torch.ones(n) * (n / r_c) ** 2), "One number is enough"),
        (lambda r_c, n: (torch.linspace(0, r_c, n), n / r_c**2), "Brackets: (n / r_c)^2"),
        (
            lambda r_c, n: (torch.tensor([k * r_c / (n - 1) for k in range(n - 1)]), (n / r_c) ** 2),
            "the centre at the cutoff is missing",
        ),
        (
            lambda r_c, n: (torch.arange(0, r_c, r_c / (n - 1)), (n / r_c) ** 2),
            "the centre at the cutoff is missing",
        ),
        (lambda r_c, n: torch.linspace(0, r_c, n), "The caller needs eta as well"),
        (lambda r_c, n: (torch.linspace(1, r_c, n), (n / r_c) ** 2), "Expected centers [0., 1., 2.]"),
    ],
)
def test_slips_in_the_grid(answer, words):
    assert words in told("3.3", answer)


def test_a_grid_in_a_dictionary():
    def grid(cutoff, n_radial):
        return {"centers": torch.linspace(0, cutoff, n_radial), "eta": (n_radial / cutoff) ** 2}

    assert "would get its keys" in told("3.3", grid)


# ----------------------------------------------------------------------------------------------------------- 3.4


def by_atoms(numbers, positions, elements, centers, eta, cutoff, own=False):
    rows = []
    for i in range(len(numbers)):
        r = (positions - positions[i]).norm(dim=1)
        parts = [
            G(r[(own | (torch.arange(len(r)) != i)) & (numbers == element)], centers, eta, cutoff)
            for element in elements
        ]
        rows.append(torch.cat(parts))
    return torch.stack(rows)


def by_pairs(whose, add=True):
    def aev(numbers, positions, elements, centers, eta, cutoff):
        x = torch.zeros(len(numbers), len(elements), len(centers))
        for i in range(len(numbers)):
            for j in range(len(numbers)):
                if i != j:
                    term = G((positions[j] - positions[i]).norm()[None], centers, eta, cutoff)
                    place = elements.index(numbers[whose(i, j)])
                    x[i, place] = x[i, place] + term if add else term
        return x.flatten(1)

    return aev


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda n, R, elements, centers, eta, r_c: by_atoms(n, R, elements, centers, eta, r_c, own=True),
            "Your atoms hear themselves",
        ),
        (by_pairs(lambda i, j: i), "The block says who the NEIGHBOUR is"),
        (by_pairs(lambda i, j: j, add=False), "only the last one is left in the block"),
        (
            lambda numbers, R, elements, *how: by_atoms(numbers, R, sorted(set(numbers.tolist())), *how),
            "Use `elements`, in its order, also where a block stays empty",
        ),
        (
            lambda numbers, R, elements, *how: torch.stack([by_atoms(numbers, R, [z], *how) for z in elements]),
            "You stacked the blocks of the elements",
        ),
        (
            lambda numbers, R, elements, *how: torch.stack([by_atoms(numbers, R, [z], *how) for z in elements], dim=1),
            "flatten the last two axes",
        ),
        (
            lambda numbers, R, elements, *how: sum(by_atoms(numbers, R, [z], *how) for z in elements),
            "You added all neighbours into one block, whatever they are: 2 columns",
        ),
        (
            lambda numbers, R, elements, *how: sum(z * by_atoms(numbers, R, [z], *how) for z in elements),
            "An oxygen then sounds like 1.33 carbons",
        ),
        (lambda *args: by_atoms(*args)[:1], "the `return` stands inside the loop"),
        (
            lambda numbers, R, elements, *how: torch.stack(
                [
                    torch.cat(
                        [
                            by_atoms(numbers, R, [z], *how)[i]
                            for z in elements
                            if z in numbers[torch.arange(len(numbers)) != i]
                        ]
                    )
                    for i in range(len(numbers))
                ]
            ),
            "You left out the blocks of elements",
        ),
        (lambda *args: by_atoms(*args).sum(dim=0), "it is the energies that are added"),
    ],
)
def test_slips_in_the_blocks(answer, words):
    assert outcome_of("3.4", by_atoms).kind == outcome_of("3.4", by_pairs(lambda i, j: j)).kind == "correct"
    assert words in told("3.4", answer)


def test_a_molecule_with_an_element_of_its_own():
    """The loop looks for the neighbour's element where it should look for the columns."""

    def column_is_the_number(numbers, positions, elements, centers, eta, cutoff):
        x = torch.zeros(len(numbers), len(elements), len(centers))
        x[0, numbers[0]] = 0
        return x.flatten(1)

    text = told("3.4", column_is_the_number)
    assert "IndexError" in text and "x[0, numbers[0]] = 0" in text
