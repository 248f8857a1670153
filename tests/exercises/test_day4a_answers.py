"""Answers that learners have given to 4.1 to 4.6, under the settings of the notebook, and what they are told."""

import pytest
import torch

from course.exercises import find
from course.exercises.day4a import EXERCISES
from course.models import message_passing as library
from course.models.message_passing import accumulate
from course.radial import cosine_cutoff, radial_grid
from tests.exercises.answers import outcome_of, told

pytestmark = pytest.mark.usefixtures("as_in_the_notebook")


# ----------------------------------------------------------------------------------------------------------- 4.1


def pairs_of(positions, cutoff):
    n = len(positions)
    return [
        (j, i) for i in range(n) for j in range(n) if i != j and (positions[j] - positions[i]).norm().item() < cutoff
    ]


def test_indices_that_are_floats_where_no_edges_are():
    def tensors(positions, cutoff):
        pairs = pairs_of(positions, cutoff)
        return torch.tensor([j for j, i in pairs]), torch.tensor([i for j, i in pairs])

    def one_is_a_list(positions, cutoff):
        senders, receivers = tensors(positions, cutoff)
        return senders.tolist(), receivers

    for function in (tensors, one_is_a_list):
        assert "With no edges, `torch.tensor([])` is a tensor of floats" in told("4.1", function)


def test_empty_lists_are_right():
    def lists(positions, cutoff):
        pairs = pairs_of(positions, cutoff)
        return [j for j, i in pairs], [i for j, i in pairs]

    assert outcome_of("4.1", lists).kind == "correct"


def test_edges_in_another_shape():
    assert "all senders and all receivers" in told("4.1", pairs_of)
    table = told("4.1", lambda R, r_c: (torch.cdist(R, R) < r_c) & ~torch.eye(len(R), dtype=torch.bool))
    assert "the places of its Trues" in table


def test_eta_from_the_gaps():
    words = told("4.3", features(eta=lambda n_e, r_c: ((n_e - 1) / r_c) ** 2))
    assert "one over the square of the gap" in words


def test_every_axis_of_length_one_is_squeezed():
    def matrix_message(x_j, x_i, e_ij):
        n_f = x_j.shape[1]
        return (e_ij.reshape(len(e_ij), e_ij.shape[1] // n_f, n_f) @ x_j[:, :, None]).squeeze()

    concat, outer, _ = find("4.4").reference
    words = told("4.4", lambda *x: concat(*x), lambda *x: outer(*x), matrix_message)
    assert "takes away every axis of length 1" in words


def test_bundles_like_x():
    def like_x(x, graph, f_m, f_U, T):
        for _ in range(T):
            M = torch.zeros_like(x)
            M.index_add_(0, graph.receivers, f_m(x[graph.senders], x[graph.receivers], graph.e_ij))
            x = f_U(M, x)
        return x

    assert "n_m need not be n_f" in told("4.6", like_x)


def test_the_awkward_input_is_named_in_front_of_an_error():
    def one_atom(positions, cutoff):
        pairs = torch.tensor(pairs_of(positions, cutoff), dtype=torch.long)
        return pairs[:, 0], pairs[:, 1]

    def no_edges(distances, n_e, cutoff):
        centers, eta = radial_grid(cutoff, n_e)
        return torch.stack([torch.exp(-eta * (r - centers) ** 2) * cosine_cutoff(r, cutoff) for r in distances])

    assert "✗ 4.1 molecular_graph, with one atom alone: IndexError" in told("4.1", one_atom)
    assert "✗ 4.3 edge_features, with no edges at all: RuntimeError: stack" in told("4.3", no_edges)


# ----------------------------------------------------------------------------------------------------------- 4.2


def test_features_that_are_not_floats():
    def one_hot(numbers, elements, n_f):
        return torch.nn.functional.one_hot(torch.tensor([elements.index(z) for z in numbers.tolist()]), n_f)

    assert "`one_hot` gives integers. Features are floating-point numbers" in told("4.2", one_hot)
    assert "True and False" in told("4.2", lambda numbers, elements, n_f: one_hot(numbers, elements, n_f).bool())
    assert outcome_of("4.2", lambda numbers, elements, n_f: one_hot(numbers, elements, n_f).float()).kind == "correct"


# ----------------------------------------------------------------------------------------------------------- 4.3


def features(power=2, sign=-1, half=0.5, pi=torch.pi, eta=lambda n_e, r_c: (n_e / r_c) ** 2, axis=1, keep_all=True):
    """Edge features as a learner writes them, with a slip."""

    def mine(distances, n_e, cutoff):
        r = distances if keep_all else distances[distances < cutoff]
        f_c = torch.where(r < cutoff, half * (torch.cos(pi * r / cutoff) + 1), 0.0)
        difference = r[:, None] - torch.linspace(0, cutoff, n_e)
        return torch.exp(sign * eta(n_e, cutoff) * difference**power) * f_c.unsqueeze(axis)

    return mine


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"sign": 1}, "Your exponent is positive"),
        ({"half": 1}, "factor 1/2 of f_c is missing"),
        ({"pi": 1}, "The pi is missing"),
        ({"eta": lambda n_e, r_c: n_e / r_c**2}, "The whole fraction is squared"),
        ({"power": 1}, "You did not square r - R_k"),
        ({"keep_all": False}, "left out the edges beyond the cutoff"),
        ({"axis": 0}, "`f_c[:, None]` makes it a column"),
    ],
)
def test_slips_in_a_formula(slip, words):
    assert outcome_of("4.3", features()).kind == "correct"
    assert words in told("4.3", features(**slip))


# ----------------------------------------------------------------------------------------------------------- 4.4

CONCAT, OUTER, MATRIX = (lambda *x, f=f: f(*x) for f in find("4.4").reference)


def test_no_rows():
    def kron(x_j, x_i, e_ij):
        return torch.stack([torch.kron(a, b) for a, b in zip(x_j, e_ij, strict=True)])

    def guess(x_j, x_i, e_ij):
        return (x_j[:, :, None] * e_ij[:, None, :]).reshape(len(x_j), -1)

    for outer in (kron, guess):
        text = told("4.4", CONCAT, outer, MATRIX)
        assert "outer_message: Right, until there are no edges" in text and "cannot stack an empty list" in text


def test_column_by_column():
    assert "n_f n_e numbers an edge" in told("4.4", CONCAT, lambda x_j, x_i, e_ij: x_j * e_ij, MATRIX)


def test_functions_that_are_missing():
    assert told("4.4", CONCAT) == (
        "✗ 4.4 concat_message, outer_message, matrix_message: the check expects 3 functions, and 1 came. "
        'Write check("4.4", concat_message, outer_message, matrix_message).'
    )
    assert "expects one function, and none came" in told("4.2")
    text = told("4.5", torch.zeros(2))
    assert "this is a Tensor, not a function" in text and "without brackets" in text
    assert "this is an int, not a function" in told("4.5", 3)


# ----------------------------------------------------------------------------------------------------------- 4.5


def plain_sum(messages, receivers, n_atoms):
    return torch.zeros(n_atoms, messages.shape[1]).index_add(0, receivers, messages)


def test_plain_zeros_fail_for_integers_only():
    outcome = outcome_of("4.5", plain_sum)
    assert outcome.text().startswith("✗ 4.5 Right, until the messages are integers")
    assert "dtype=messages.dtype" in outcome.text()


def plain_mean(messages, receivers, n_atoms):
    return plain_sum(messages, receivers, n_atoms) / torch.bincount(receivers, minlength=n_atoms).clamp(min=1)[:, None]


def plain_transposed(messages, receivers, n_atoms):
    return plain_sum(messages, receivers, n_atoms).T


def plain_too_short(messages, receivers, n_atoms):
    return plain_sum(messages, receivers, int(receivers.max()) + 1)


@pytest.mark.parametrize(
    ("function", "name"),
    [(plain_mean, "mean"), (plain_transposed, "transposed"), (plain_too_short, "up to the largest receiver")],
)
def test_an_error_for_integers_does_not_hide_a_diagnosis(function, name):
    assert outcome_of("4.5", function).misconception == name


def test_the_first_difference_is_in_floats():
    text = told("4.5", lambda messages, receivers, n_atoms: plain_sum(messages, receivers, n_atoms) + 1)
    assert "messages [[1., 2.]]" in text


# ----------------------------------------------------------------------------------------------------------- 4.6


def rounds(message=None, update=None, e=None, collect=accumulate):
    def mine(x, graph, f_m, f_U, T):
        for _ in range(T):
            m = (message or f_m)(x[graph.senders], x[graph.receivers], graph.e_ij if e is None else e)
            M = collect(m, graph.receivers, graph.n_atoms)
            x = (update or f_U)(M, x)
        return x

    return mine


@pytest.mark.parametrize("recipe", [library.outer_message, library.concat_message, library.matrix_message])
def test_a_message_function_of_another_cell(recipe):
    text = told("4.6", rounds(message=recipe))
    assert "✗ 4.6 message_passing: you never call `f_m`" in text and "Slip" not in text


@pytest.mark.parametrize("update", [lambda M, x: M, lambda M, x: x + M])
def test_no_update_function(update):
    assert "you never call `f_U`" in told("4.6", rounds(update=update))


def test_edge_features_of_another_cell():
    text = told("4.6", rounds(e=torch.zeros(54, 8)))
    assert "1 rows of x_j, 1 of x_i and 54 of e_ij" in text and "graph.e_ij, and no tensor from another cell" in text


def test_messages_that_are_not_collected():
    assert "Each row is one atom" in told("4.6", rounds(collect=lambda m, receivers, n_atoms: m))


def test_the_librarys_lines_are_not_the_learners():
    def wide(x, graph, f_m, f_U, T):
        for _ in range(T):
            M = accumulate(f_m(x[graph.senders], x[graph.receivers], graph.e_ij), graph.receivers, len(x))
            x = f_U(M if M.shape[1] == x.shape[1] else torch.cat([M, M], dim=1), x)
        return x

    text = told("4.6", wide)
    assert "RuntimeError" in text and "`x = f_U(M if" in text and "tanh" not in text


def test_return_inside_the_loop():
    def mine(x, graph, f_m, f_U, T):
        for _ in range(T):
            x = f_U(accumulate(f_m(x[graph.senders], x[graph.receivers], graph.e_ij), graph.receivers, len(x)), x)
            return x

    text = told("4.6", mine)
    assert "With T = 0 your function returns nothing" in text and "inside the loop?" in text


def test_the_old_features():
    def twice(x, graph, f_m, f_U, T):
        for _ in range(T):
            m = f_m(x[graph.senders], x[graph.receivers], graph.e_ij)
            x = x + f_U(accumulate(m, graph.receivers, len(x)), x)
        return x

    def first(x, graph, f_m, f_U, T):
        x0 = x
        for _ in range(T):
            m = f_m(x[graph.senders], x[graph.receivers], graph.e_ij)
            x = f_U(accumulate(m, graph.receivers, len(x)), x0)
        return x

    assert "what it returns is the new x" in told("4.6", twice).lower()
    assert "you update the x of the start" in told("4.6", first)


# ---------------------------------------------------------------------------------------------------------- texts


def test_no_text_points_to_what_the_package_does_not_hold():
    for exercise in EXERCISES:
        sentences = [m.sentence for m in exercise.misconceptions if isinstance(m.sentence, str)]
        text = " ".join([*exercise.hints, *sentences]).lower()
        assert not [word for word in ("slide", "blueprint", "lecture") if word in text]


def test_ones_in_the_buffer():
    def ones(numbers, elements, n_f):
        x = torch.ones(len(numbers), n_f)
        x[:, : len(elements)] = numbers[:, None] == torch.tensor(elements)
        return x

    assert "Your buffer holds ones" in told("4.2", ones)
