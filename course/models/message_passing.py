"""The message-passing neural network (MPNN): a description of the atom that is learned.

The recipe, in the letters of the notebooks:

    1  initialise   x_i^0  = one-hot element and a zero buffer                           x_i  in R^n_f
    2  message      m_ji^t = f_m(x_j^(t-1), x_i^(t-1), e_ij) f_c(r_ij)                   m_ji in R^n_m
    3  accumulate   M_i^t  = sum_j m_ji^t
    4  update       x_i^t  = f_U(M_i^t, x_i^(t-1))                                       repeat 2-4 for t = 1 ... T
    5  read out     E_i    = f_R(x_i^T)                                                  f_R: R^n_f -> R^1

Step 6, loss and weight update, is `course.training`. The factor f_c is not in the paper: without it a neighbour that
crosses the cutoff takes a finite message with it, and the energy jumps.

Gilmer, Schoenholz, Riley, Vinyals, Dahl, ICML 2017, arXiv 1704.01212, eqs. 1-3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course.graph import Graph
from course.radial import cosine_cutoff, gaussian_basis, radial_grid

Message = Callable[[Tensor, Tensor, Tensor], Tensor]  # f_m(x_j, x_i, e_ij) -> (n_edges, n_m)
Update = Callable[[Tensor, Tensor], Tensor]  # f_U(M_i, x_i) -> (n_atoms, n_f)
Readout = Callable[[Tensor], Tensor]  # f_R(x_i) -> (n_atoms, 1) or (n_atoms,)


# ----------------------------------------------------------------------------- 1 initialise


def initial_features(numbers: Tensor, elements: Sequence[int], n_f: int, dtype: torch.dtype | None = None) -> Tensor:
    """x_i^0: a one in the column of the atom's element, zeros in the others and in the buffer behind them.

    numbers   (n_atoms,)   atomic numbers
    elements               the atomic numbers in the order of the columns
    n_f                    number of node features, at least the number of elements
    returns   (n_atoms, n_f)

    Raises ValueError for an atom whose element is not listed, and for an n_f that is too small.
    """
    if n_f < len(elements):
        raise ValueError(f"{len(elements)} elements need n_f >= {len(elements)} node features, got n_f = {n_f}.")
    is_element = numbers[:, None] == torch.as_tensor(elements, device=numbers.device)  # (n_atoms, n_elements)
    if not is_element.any(dim=1).all():
        unknown = sorted(set(numbers.tolist()) - set(elements))
        raise ValueError(f"Atomic numbers {unknown} are unknown to this model; it knows {list(elements)}.")
    return nn.functional.pad(is_element.to(dtype or torch.get_default_dtype()), (0, n_f - len(elements)))


# ----------------------------------------------------------------------------- 2 messages without parameters


def concat_message(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
    """m_ji = [x_j, x_i, e_ij], so n_m = 2 n_f + n_e. Summed, it forgets which neighbour sat on which edge."""
    return torch.cat([x_j, x_i, e_ij], dim=1)


def outer_message(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
    """m_ji = x_j (x) e_ij, flattened: column f n_e + k holds x_jf e_ijk, so n_m = n_f n_e."""
    return (x_j[:, :, None] * e_ij[:, None, :]).flatten(1)  # (n_edges, n_f, n_e) -> (n_edges, n_f n_e)


def matrix_message(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
    """m_ji = A(e_ij) x_j, where e_ij is read row by row as a matrix with n_f columns, so n_m = n_e / n_f.

    Raises ValueError where n_e is not a multiple of n_f.
    """
    n_f, n_e = x_j.shape[1], e_ij.shape[1]
    if n_e % n_f:
        raise ValueError(f"A matrix with n_f = {n_f} columns cannot be made of n_e = {n_e} numbers.")
    A = e_ij.unflatten(1, (n_e // n_f, n_f))  # (n_edges, n_e) -> (n_edges, n_m, n_f)
    return (A @ x_j[:, :, None]).squeeze(2)  # (n_edges, n_m, 1) -> (n_edges, n_m)


# ----------------------------------------------------------------------------- 2 messages that learn


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers of these widths with SiLU between them. SiLU is smooth, so forces are too; ReLU has kinks."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class NeuralMessage(nn.Module):
    """m_ji = NN([x_j, x_i, e_ij]): any smooth function of what the two atoms and the edge know."""

    def __init__(self, n_f: int, n_e: int, n_m: int):
        super().__init__()
        self.network = perceptron(2 * n_f + n_e, n_m, n_m)

    def forward(self, x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        return self.network(torch.cat([x_j, x_i, e_ij], dim=1))


class EdgeNetwork(nn.Module):
    """m_ji = A(e_ij) x_j, where a network makes the matrix A, (n_m, n_f), of each edge.

    Gilmer et al., ICML 2017, arXiv 1704.01212, section 5, "Edge Network".
    """

    def __init__(self, n_f: int, n_e: int, n_m: int):
        super().__init__()
        self.network = perceptron(n_e, n_m, n_m * n_f)

    def forward(self, x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        return matrix_message(x_j, x_i, self.network(e_ij))


class ContinuousFilter(nn.Module):
    """m_ji = NN([x_j, x_i]) * W e_ij, element by element: who speaks to whom, times how far apart they are.

    The outer product, slimmed to n_m products that are learned. In SchNet the filter is a network of e_ij and the
    other factor is linear in x_j alone; PaiNN's message to the scalars has a network of x_j and a linear filter.

    Schuett et al., NeurIPS 2017, arXiv 1706.08566; Schuett, Unke, Gastegger, ICML 2021, arXiv 2102.03150.
    """

    def __init__(self, n_f: int, n_e: int, n_m: int):
        super().__init__()
        self.who = perceptron(2 * n_f, n_m, n_m)
        self.where = nn.Linear(n_e, n_m)

    def forward(self, x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        return self.who(torch.cat([x_j, x_i], dim=1)) * self.where(e_ij)


# name -> (n_f, n_e, n_m) -> the message function, and the width of what it sends
MESSAGES: dict[str, Callable[[int, int, int], tuple[Message, int]]] = {
    "concatenation": lambda n_f, n_e, n_m: (concat_message, 2 * n_f + n_e),
    "outer product": lambda n_f, n_e, n_m: (outer_message, n_f * n_e),
    "matrix multiplication": lambda n_f, n_e, n_m: (EdgeNetwork(n_f, n_e, n_m), n_m),
    "neural network": lambda n_f, n_e, n_m: (NeuralMessage(n_f, n_e, n_m), n_m),
    "continuous filter": lambda n_f, n_e, n_m: (ContinuousFilter(n_f, n_e, n_m), n_m),
}


# ----------------------------------------------------------------------------- 3 accumulate, 4 update


def accumulate(messages: Tensor, receivers: Tensor, n_atoms: int) -> Tensor:
    """M_i = sum_j m_ji; an atom that hears nothing has a bundle of zeros.

    messages   (n_edges, n_m)
    receivers  (n_edges,)
    returns    (n_atoms, n_m)
    """
    bundles = torch.zeros(n_atoms, messages.shape[1], dtype=messages.dtype, device=messages.device)
    return bundles.index_add(0, receivers, messages)  # (n_edges, n_m) -> (n_atoms, n_m)


class ResidualUpdate(nn.Module):
    """x_i <- x_i + NN([M_i, x_i]): an atom keeps what it knew and adds what it learned."""

    def __init__(self, n_f: int, n_m: int):
        super().__init__()
        self.network = perceptron(n_m + n_f, n_f, n_f)

    def forward(self, M_i: Tensor, x_i: Tensor) -> Tensor:
        return x_i + self.network(torch.cat([M_i, x_i], dim=1))


def message_passing(x: Tensor, graph: Graph, f_m: Message, f_U: Update, T: int) -> Tensor:
    """T rounds of message, accumulate, update, with the same functions in each round. The graph carries e_ij.

    x        (n_atoms, n_f)
    returns  (n_atoms, n_f)
    """
    if graph.e_ij is None:
        raise ValueError("The graph carries no edge features: e_ij is None.")
    for _ in range(T):
        m_ji = f_m(x[graph.senders], x[graph.receivers], graph.e_ij)
        x = f_U(accumulate(m_ji, graph.receivers, graph.n_atoms), x)
    return x


# ----------------------------------------------------------------------------- the model


class Round(NamedTuple):
    """What happened in one round."""

    x_i: Tensor  # (n_atoms, n_f)   node features before the round
    m_ji: Tensor  # (n_edges, n_m)   messages, smoothed by f_c
    M_i: Tensor  # (n_atoms, n_m)   bundles


class MessageTrace(NamedTuple):
    """Everything that a message-passing model computed on its way to the atomic energies."""

    e_ij: Tensor  # (n_edges, n_e)   edge features
    f_c: Tensor  # (n_edges,)       cutoff function
    rounds: list[Round]  # T of them
    x_i: Tensor  # (n_atoms, n_f)   node features after the last round
    E_i: Tensor  # (n_atoms,)       atomic energies


class PlainFunction(nn.Module):
    """A plain function in a module's coat, so that both can stand in one list."""

    def __init__(self, function: Callable[..., Tensor]):
        super().__init__()
        self.function = function

    def forward(self, *arguments: Tensor) -> Tensor:
        return self.function(*arguments)


def as_module(function: Callable[..., Tensor]) -> nn.Module:
    return function if isinstance(function, nn.Module) else PlainFunction(function)


def rows(name: str, tensor: Tensor, n_rows: int) -> Tensor:
    """The tensor itself, if it is a table with `n_rows` rows."""
    if not isinstance(tensor, Tensor) or tensor.dim() != 2 or len(tensor) != n_rows:
        got = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
        raise ValueError(f"The {name} function must return a tensor with {n_rows} rows, (n, width), got {got}.")
    return tensor


class MPNN(nn.Module):
    """A message-passing neural network potential: graph -> atomic energies (n_atoms,).

    elements  the atomic numbers that the model knows, in the order of the one-hot columns
    n_f       node features, one-hot columns and buffer together
    n_e       edge features: Gaussians of the distance between 0 and the cutoff
    n_m       length of a message
    T         rounds; information travels T edges
    cutoff    r_c, Angstrom
    message   a name in `MESSAGES`, or any f_m(x_j, x_i, e_ij) -> (n_edges, n_m)
    update    any f_U(M_i, x_i) -> (n_atoms, n_f); None makes a `ResidualUpdate` a round
    readout   any f_R(x_i) -> (n_atoms, 1); None makes a network with one hidden layer

    A function or module that is handed in serves all rounds; the ready-made ones get weights of their own in each.
    """

    def __init__(
        self,
        elements: Sequence[int],
        n_f: int = 64,
        n_e: int = 20,
        n_m: int = 64,
        T: int = 3,
        cutoff: float = 5.0,
        message: str | Message = "continuous filter",
        update: Update | None = None,
        readout: Readout | None = None,
    ):
        super().__init__()
        if n_f < len(elements):
            raise ValueError(f"{len(elements)} elements need n_f >= {len(elements)} node features, got n_f = {n_f}.")
        if isinstance(message, str) and message not in MESSAGES:
            raise ValueError(f"There is no ready-made message {message!r}; choose one of {sorted(MESSAGES)}.")
        self.elements, self.n_f, self.n_e, self.T, self.cutoff = list(elements), n_f, n_e, T, cutoff
        self.settings: dict | None = None  # what makes the same model again; nobody can write down a function
        if isinstance(message, str) and update is None and readout is None:
            self.settings = {"elements": self.elements, "n_f": n_f, "n_e": n_e, "n_m": n_m, "T": T, "cutoff": cutoff}
            self.settings["message"] = message

        messages: list[nn.Module] = []
        for _ in range(T):
            f_m, n_m = MESSAGES[message](n_f, n_e, n_m) if isinstance(message, str) else (message, n_m)
            messages.append(as_module(f_m))
        self.messages = nn.ModuleList(messages)
        self.updates = nn.ModuleList(as_module(update or ResidualUpdate(n_f, n_m)) for _ in range(T))
        self.readout = as_module(readout or perceptron(n_f, n_f, 1))
        self.centers, self.eta = radial_grid(cutoff, n_e)

    def f_c(self, distances: Tensor) -> Tensor:
        """What every message is multiplied by, (n_edges,)."""
        return cosine_cutoff(distances, self.cutoff)

    def forward(self, graph: Graph, trace: bool = False) -> Tensor | MessageTrace:
        """Atomic energies (n_atoms,), or with `trace=True` the `MessageTrace` that ends in them."""
        distances = graph.distances
        e_ij = gaussian_basis(distances, self.centers, self.eta)
        f_c = self.f_c(distances)
        x_i = initial_features(graph.numbers, self.elements, self.n_f, distances.dtype)
        rounds = []
        for f_m, f_U in zip(self.messages, self.updates, strict=True):
            m_ji = rows("message", f_m(x_i[graph.senders], x_i[graph.receivers], e_ij), graph.n_edges) * f_c[:, None]
            M_i = accumulate(m_ji, graph.receivers, graph.n_atoms)
            rounds.append(Round(x_i, m_ji, M_i))
            x_i = rows("update", f_U(M_i, x_i), graph.n_atoms)
        E_i = self.readout(x_i).reshape(graph.n_atoms)
        return MessageTrace(e_ij, f_c, rounds, x_i, E_i) if trace else E_i
