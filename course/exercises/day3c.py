"""The exercises of Day 3c: networks on a fixed description, energies, forces, loss, and one epoch of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course.descriptors.precomputed import described
from course.exercises.day4b_functions import (
    KNOWS_ITS_INPUTS,
    Module,
    batch_norm,
    bends,
    ends_with,
    has_width,
    in_place,
    influence,
    keeps_rows,
    laws_of_networks,
    measure_rows,
    n_unknown,
    network,
    parameters,
    straight,
)
from course.exercises.day4b_network import answers_to_draws, autograd_is_right, slopes_of_the_energy, works_in
from course.exercises.evidence import Slip
from course.exercises.exercise import (
    Case,
    Function,
    Law,
    Measured,
    Misconception,
    by_laws,
    by_value,
    close,
    tensor,
)
from course.graph import Graph, batch, molecular_graph
from course.models import behler_parrinello
from course.models.behler_parrinello import standardize
from course.models.message_passing import perceptron
from course.potential import Potential, energy_and_forces
from course.radial import cosine_cutoff, gaussian_basis
from course.training import Sample, energy_force_loss, train_step

CUTOFF = 2.0


def graph_of(numbers: list[int], positions: Any) -> Graph:
    return molecular_graph((np.array(numbers), np.array(positions, dtype=float).reshape(-1, 3)), CUTOFF)


# ------------------------------------------------------------------------------------------------- 3.9 standardize


def features_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([[1.0], [3.0]]),))
    yield Case((tensor([[1.0, 10.0], [3.0, 50.0], [5.0, 0.0]]),))
    yield Case((tensor([[1.0, 7.0], [3.0, 7.0], [8.0, 7.0]]),), when="with a column that does not change")
    yield Case((tensor([[1.0, 0.5], [3.0, 0.52], [8.0, 0.51]]),), when="with a column that hardly changes")
    yield Case((tensor([[2.0, -1.0, 4.0]]),), when="with a single atom")
    yield Case((tensor(rng.normal(size=(6, 4)) * [0.1, 1, 30, 200] + [0, 5, -10, 0]),))
    yield Case((tensor(rng.normal(size=(9, 3))),))


def three_parts(function: Function, args: tuple[Any, ...]) -> Any:
    answer = function(*args)
    if answer is None or answer is Ellipsis:
        return None
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        got = f"{len(answer)} things" if isinstance(answer, tuple | list) else f"a {type(answer).__name__}"
        raise Slip(
            f"your function returned {got}. Three are needed, `return x, mean, spread`: the next molecule must be "
            "shifted and divided by the same numbers"
        )
    return dict(zip(("x", "mean", "spread"), answer, strict=True))


def standardized(
    mean: Callable[[Tensor], Tensor] = lambda x: x.mean(dim=0),
    spread: Callable[[Tensor], Tensor] = lambda x: x.std(dim=0, correction=0),
    guard: Callable[[Tensor], Tensor] = lambda s: torch.where(s > 0.01, s, 1.0),
    new: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda x, mean, spread: (x - mean) / spread,
) -> Function:
    def wrong(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        m, s = mean(features), guard(spread(features))
        return new(features, m, s), m, s

    return wrong


def quiet_columns(column: Callable[[Tensor, Tensor], Tensor], mean_out: Callable[[Tensor], Tensor]) -> Function:
    """Right, but for the columns that hardly change."""

    def wrong(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, mean, spread = standardize(features)
        is_quiet = features.std(dim=0, correction=0) < 0.01
        x = torch.where(is_quiet, column(features, mean), x)
        return x, torch.where(is_quiet, mean_out(mean), mean), spread

    return wrong


N_MINUS_1 = (
    "Your spread divides by n - 1, which is what `torch.std` does if nobody tells it not to; for a single atom that is "
    "0 / 0. The formula has the mean over all n atoms: `features.std(dim=0, correction=0)`."
)

STANDARDIZE = by_value(
    "3.9",
    standardize,
    cases=features_cases,
    call=three_parts,
    success="every column that says something has mean 0 and spread 1.",
    start="Begin with features.mean(dim=0).",
    hints=(
        "One number for each column: along which axis are the atoms?",
        "`features.mean(dim=0)` and `features.std(dim=0, correction=0)` are the two rows. Which columns would be "
        "divided by almost nothing?",
        "`spread = torch.where(spread > 0.01, spread, 1.0)`, then `return (features - mean) / spread, mean, spread`",
    ),
    misconceptions=[
        Misconception("n - 1", N_MINUS_1, standardized(spread=lambda x: x.std(dim=0))),
        Misconception(
            "n - 1, and no number for one atom",
            N_MINUS_1,
            standardized(spread=lambda x: x.std(dim=0), guard=lambda s: torch.where(s < 0.01, 1.0, s)),
        ),
        Misconception(
            "n - 1, and nothing guarded",
            f"{N_MINUS_1} And where the spread is below 0.01, put 1 in its place.",
            standardized(spread=lambda x: x.std(dim=0), guard=lambda s: s),
        ),
        Misconception(
            "n - 1, and clamped",
            f"{N_MINUS_1} And a spread below 0.01 is taken as 1; you divide by 0.01, which blows the column up a "
            "hundredfold.",
            standardized(spread=lambda x: x.std(dim=0), guard=lambda s: s.clamp(min=0.01)),
        ),
        Misconception(
            "guarded too late",
            "You put 1 in place of the small spreads, but x was divided before that. First the spread, then the "
            "guard, then the division.",
            lambda features: (standardized(guard=lambda s: s)(features)[0], *standardize(features)[1:]),
        ),
        Misconception(
            "nothing guarded",
            "A column that does not change is divided by its spread, 0: the answer is not a number. Where the spread "
            "is below 0.01, put 1 in its place.",
            standardized(guard=lambda s: s),
        ),
        Misconception(
            "only zero guarded",
            "Your guard catches a spread of exactly 0. A column that changes by a thousandth is blown up a "
            "thousandfold, and 0.1 + 0.1 + 0.1 is not 0.3 either. Put 1 wherever the spread is below 0.01.",
            standardized(guard=lambda s: torch.where(s > 1e-12, s, 1.0)),
        ),
        Misconception(
            "a small number added",
            "You add a small number to every spread. A column that does not change is then still divided by almost "
            "nothing. Put 1 where the spread is below 0.01, and leave the others as they are.",
            standardized(guard=lambda s: s + 1e-7),
        ),
        Misconception(
            "0.01 added",
            "You add 0.01 to every spread. Put 1 where the spread is below 0.01, and leave the others as they are.",
            standardized(guard=lambda s: s + 0.01),
        ),
        Misconception(
            "clamped",
            "Where the spread is below 0.01 you divide by 0.01, which blows the column up a hundredfold. A column that "
            "hardly changes keeps its size: its spread is taken as 1.",
            standardized(guard=lambda s: s.clamp(min=0.01)),
        ),
        Misconception(
            "rows",
            "You averaged along the rows: one number an atom. Each column is a feature with a scale of its own, so the "
            "mean is over the atoms, `dim=0`.",
            lambda features: (standardize(features.T)[0].T, *standardize(features.T)[1:]),
        ),
        Misconception(
            "rows, as columns",
            "You averaged along the rows: one number an atom. Each column is a feature with a scale of its own, so the "
            "mean is over the atoms, `dim=0`.",
            lambda features: (standardize(features.T)[0].T, *(part[:, None] for part in standardize(features.T)[1:])),
        ),
        Misconception(
            "quiet columns not shifted",
            "A column that hardly changes is shifted like the others: subtract its mean. Only its spread is replaced.",
            quiet_columns(lambda x, mean: x, lambda mean: 0 * mean),
        ),
        Misconception(
            "quiet columns set to 0",
            "You set the columns that hardly change to 0. They are shifted, and divided by 1: what little they say "
            "is kept.",
            quiet_columns(lambda x, mean: 0 * x, lambda mean: mean),
        ),
        Misconception(
            "statistics first",
            "The three come in the order `x, mean, spread`; yours come as mean, spread, x.",
            lambda features: (*standardize(features)[1:], standardize(features)[0]),
        ),
        Misconception(
            "one scale for all",
            "You took one mean and one spread for the whole table. The large columns decide them, and the small ones "
            "stay small. Give every column its own, `dim=0`.",
            standardized(mean=lambda x: x.mean(), spread=lambda x: x.std(correction=0)),
        ),
        Misconception(
            "variance",
            "You divided by the variance, the mean of the squares. The spread is the square root of it.",
            standardized(spread=lambda x: x.var(dim=0, correction=0)),
        ),
        Misconception(
            "mean not subtracted",
            "Your columns have spread 1, and their mean is not 0: subtract it first.",
            standardized(new=lambda x, mean, spread: x / spread),
        ),
        Misconception(
            "only shifted",
            "Your columns have mean 0, and their spread is what it was: divide by it.",
            standardized(new=lambda x, mean, spread: x - mean),
        ),
        Misconception(
            "brackets",
            "You divided the mean and not the difference: `(features - mean) / spread` needs its brackets.",
            standardized(new=lambda x, mean, spread: x - mean / spread),
        ),
        Misconception(
            "divided too early",
            "You divide the features and then subtract the mean, which is not divided: `(features - mean) / spread` "
            "needs its brackets.",
            standardized(new=lambda x, mean, spread: x / spread - mean),
        ),
        Misconception(
            "largest and smallest",
            "You scaled by the smallest and the largest value. One odd frame decides both. Take mean and spread.",
            standardized(
                mean=lambda x: x.min(dim=0).values, spread=lambda x: x.max(dim=0).values - x.min(dim=0).values
            ),
        ),
        Misconception(
            "mean and spread exchanged",
            "The three come in the order `x, mean, spread`; yours come as x, spread, mean.",
            lambda features: (standardize(features)[0], standardize(features)[2], standardize(features)[1]),
        ),
    ],
)

# ---------------------------------------------------------------------------------------------- 3.10 AtomicNetwork


class AtomicNetwork(behler_parrinello.AtomicNetwork):
    """(n_atoms, n_features) -> (n_atoms,)"""


def atomic(**wrong: Any) -> type[nn.Module]:
    settings = {
        "widths": lambda n_features, hidden: (n_features, 1),
        "before": lambda x: x,
        "after": lambda y, x: y[:, 0],
    }
    return network(**(settings | wrong))


class Deep(nn.Module):
    """The right layers, with a mistake."""

    def __init__(self, n_features: int, hidden: list[int]):
        super().__init__()
        self.layers = self.make(n_features, list(hidden))

    def make(self, n_features: int, hidden: list[int]) -> nn.Module:
        return perceptron(n_features, *hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[:, 0]


class OneHidden(Deep):
    def make(self, n_features: int, hidden: list[int]) -> nn.Module:
        return perceptron(n_features, hidden[0], 1)


class FixedWidth(Deep):
    def make(self, n_features: int, hidden: list[int]) -> nn.Module:
        return perceptron(n_features, *[32 for _ in hidden], 1)


def one_hidden(network_class: Module) -> Any:
    try:
        return network_class(3, [8])
    except (IndexError, ValueError) as error:  # hidden[1], or `first, second = hidden`
        raise Slip(
            f"with hidden = [8] your `__init__` fails ({error}). `hidden` may have any length, and there is a hidden "
            "layer for each width in it: make the layers in a loop"
        ) from error


def measure_atomic_network(network_class: Module, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    n_features, hidden = 4, (6, 5)
    inputs, others = ([tensor(rng.normal(size=(7, n_features)))] for _ in range(2))
    yield from measure_rows(lambda: network_class(n_features, hidden), inputs, others)
    model = network_class(n_features, hidden)
    yield "matrices", sorted(w.numel() for w in parameters(model) if w.ndim > 1)
    yield "wanted", sorted((4 * 6, 6 * 5, 5 * 1))
    yield "matrices of one hidden layer", sorted(w.numel() for w in parameters(one_hidden(network_class)) if w.ndim > 1)
    loud = [network_class(n_features, hidden) for _ in range(16)]
    with torch.no_grad():
        for weights in parameters(nn.ModuleList(loud) if all(isinstance(m, nn.Module) for m in loud) else model):
            weights.mul_(8)
    yield "large weights", torch.stack([model(inputs[0]) for model in loud])


ATOMIC_NETWORK = by_laws(
    "3.10",
    AtomicNetwork,
    measure=measure_atomic_network,
    success="one row of features in, one energy out, and a smooth surface between them.",
    start="Make the layers in `__init__` from the widths n_features, *hidden, 1; use them in `forward`.",
    hints=(
        "How many linear layers are there with two hidden widths, and what goes in and out of each?",
        "`widths = [n_features, *hidden, 1]`: there is one nn.Linear between each two that follow one another, and an "
        "nn.SiLU() behind each but the last.",
        "In `__init__`: `layers = []`, `for n_in, n_out in zip(widths, widths[1:]): layers += [nn.Linear(n_in, n_out), "
        "nn.SiLU()]`, `self.layers = nn.Sequential(*layers[:-1])`. In `forward`: `return self.layers(x_i)[:, 0]`.",
    ),
    laws=[
        Law(
            "a column",
            "Your energies are a column, (n_atoms, 1). Somebody will subtract a row (n_atoms,) from it, and torch "
            "makes an n_atoms by n_atoms table of that without a word. Return `[:, 0]` of it.",
            lambda m: m["answer"].shape != (7, 1),
            atomic(after=lambda y, x: y),
        ),
        Law(
            "one number for all",
            "You return one number for all atoms. Each atom gets an energy of its own, (n_atoms,); adding them up "
            "comes later, molecule by molecule.",
            lambda m: m["answer"].size > 1,
            atomic(after=lambda y, x: y.sum()),
        ),
        Law("shape", "Your answer has the wrong shape: one energy an atom, (n_atoms,).", has_width(7), None),
        in_place(None),
        *laws_of_networks(atomic)[:2],
        Law(
            "atoms mix",
            "The energy of an atom changed when other atoms were left out. Each row speaks for itself; BatchNorm, and "
            "everything else that looks along the first axis, lets an atom feel strangers in the batch.",
            lambda m: close(m["two rows alone"], m["answer"][:2], 1e-8),
            atomic(layers=batch_norm),
        ),
        Law(
            "straight",
            "Your energy is a linear function of the features: without an activation between them, two layers are one.",
            bends,
            atomic(layers=straight),
        ),
        *laws_of_networks(atomic)[2:],
        Law(
            "bounded",
            "However large the weights become, your energies stay on one side or within bounds: there is an activation "
            "behind the last layer. An energy may have any sign and size, so the last layer stays linear.",
            lambda m: m["large weights"].min() < -1.1 and m["large weights"].max() > 1.1,
            atomic(layers=ends_with(nn.Tanh)),
        ),
        Law(
            "one row",
            "With one atom, or none, your answer loses its axis. A molecule may have a single oxygen: leave `squeeze` "
            "out, and take `[:, 0]`.",
            keeps_rows,
            atomic(after=lambda y, x: y.squeeze()),
        ),
        Law(
            "fixed widths",
            "The widths of your hidden layers are not those in `hidden`: a network with hidden = (6, 5) has a layer "
            "from n_features to 6, one from 6 to 5, and one from 5 to 1.",
            lambda m: m["matrices"].size != 3 or close(m["matrices"], m["wanted"], 0),
            FixedWidth,
        ),
        Law(
            "hidden layers",
            "`hidden` may have any length, and there is a hidden layer for each width in it. With hidden = (6, 5) you "
            "have another number of layers than three.",
            lambda m: (
                close(m["matrices"], m["wanted"], 0)
                and sorted(m["matrices of one hidden layer"].reshape(-1).tolist()) == [8, 24]
            ),
            OneHidden,
        ),
        KNOWS_ITS_INPUTS,
    ],
)

# ------------------------------------------------------------------------------------------- 3.11 BehlerParrinello


class Probe:
    """A description that does not know the elements. `table` puts other features in its place."""

    cutoff, n_features = CUTOFF, 4

    def __init__(self) -> None:
        self.table: Tensor | None = None
        self.n_calls = 0

    def __call__(self, graph: Graph) -> Tensor:
        self.n_calls += 1
        if self.table is not None:
            return self.table.to(graph.positions)
        r_ij = graph.distances
        terms = gaussian_basis(r_ij, torch.linspace(0.5, 1.5, 4), 4.0) * cosine_cutoff(r_ij, CUTOFF)[:, None]
        return terms.new_zeros(graph.n_atoms, 4).index_add(0, graph.receivers, terms)


ELEMENTS = [8, 1, 6]  # in the order of the networks, which is no other order


def with_statistics(model: Any, mean: Tensor, spread: Tensor) -> Any:
    with torch.no_grad():
        model.mean.copy_(mean)
        model.spread.copy_(spread)
    return model


def measure_behler_parrinello(model_class: Callable[..., Any], rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    def make(elements: list[int] = ELEMENTS) -> Any:
        return model_class(Probe(), elements, (6, 5))

    numbers, positions = [8, 6, 1, 1, 6], rng.uniform(-1, 1, size=(5, 3)) * 1.2
    graph = graph_of(numbers, positions)
    catch_slips(make(), graph)
    yield "works in", torch.stack([works_in(dtype, make, graph) for dtype in (torch.float32, torch.float64)])
    model = make()
    E_i = model(graph)
    yield "E", E_i
    yield "E again", model(graph)
    yield "n_weights", sum(weights.numel() for weights in parameters(model))
    order = [3, 0, 4, 2, 1]
    yield "E renamed", model(graph_of([numbers[k] for k in order], positions[order]))[np.argsort(order)]
    yield "E in a batch", model(batch([graph, graph_of(numbers, 1.1 * positions)]))[:5]
    lonely = {name: graph_of([element], [[0, 0, 0]]) for name, element in (("H", 1), ("C", 6), ("O", 8))}
    together = model(batch([lonely["H"], lonely["C"], lonely["O"]]))
    for k, (name, one) in enumerate(lonely.items()):
        yield f"{name} among others", together[k]
        yield f"{name} alone", model(one).reshape(-1)[0]
    yield "shared weights", shared_weights(model, graph, E_i)

    place = torch.tensor([ELEMENTS.index(z) for z in numbers])
    x, mean, spread = (tensor(rng.normal(size=shape)) for shape in ((5, 4), (3, 4), (3, 4)))
    spread = 0.5 + spread.abs()
    model.descriptor.table = x
    yield "E of bare features", with_statistics(model, torch.zeros(3, 4), torch.ones(3, 4))(graph)
    yield "E with statistics", with_statistics(model, mean, spread)(graph)
    model.descriptor.table = (x - mean[place]) / spread[place]
    yield "E of standardised features", with_statistics(model, torch.zeros(3, 4), torch.ones(3, 4))(graph)

    model = make()
    autograd = slopes_of_the_energy(model, graph)
    yield "has forces", autograd is not None
    if autograd is not None:
        yield "slope by autograd, and by differences", autograd
    yield "influence of the weights", influence(model, model(graph))
    yield "n_unknown weights", n_unknown(model, model(graph))
    (stored,) = described([graph], Probe())
    model.descriptor.n_calls = 0
    yield "E of a stored description", model(stored)
    yield "E of the same graph", model(graph)
    model.descriptor.n_calls = 0
    model(stored)
    yield "n_calls", model.descriptor.n_calls
    yield from answers_to_draws(make(), rng)


def catch_slips(model: Any, graph: Graph) -> None:
    """Words for two exceptions of torch that do not say what to do. Other failures are met again later."""
    try:
        model(graph)
    except IndexError as error:
        if "out of range" in str(error) or "out of bounds" in str(error):
            raise Slip(
                f"{error}. The elements of this model are {ELEMENTS}, and k is the place of an element in that list, "
                "0, 1 or 2: `for k, element in enumerate(self.elements)`. The atomic number is not a place"
            ) from error
    except RuntimeError as error:
        if "Long" in str(error) and "match" in str(error):
            raise Slip(
                "your energies are whole numbers, because the tensor for them was made like `graph.numbers`. Let it "
                "follow the features: `x.new_zeros(graph.n_atoms)`"
            ) from error


def shared_weights(model: Any, graph: Graph, E_i: Tensor) -> int:
    """How many tensors of weights act on the energies of two elements."""
    weights = parameters(model)
    if not weights or E_i.shape != graph.numbers.shape or not E_i.requires_grad:
        return 0
    used = []
    for element in (1, 6, 8):
        energy = E_i[graph.numbers == element].sum()
        gradients = torch.autograd.grad(energy, weights, retain_graph=True, allow_unused=True)
        used.append([gradient is not None and bool(gradient.any()) for gradient in gradients])
    return int((np.sum(used, axis=0) > 1).sum())


class Mistaken(behler_parrinello.BehlerParrinello):
    """A right model, in small methods that a mistake can override."""

    def forward(self, graph: Graph) -> Tensor:
        x = self.describe(graph)
        x = self.scaled(x, graph)
        return self.energies(x, graph)

    def describe(self, graph: Graph) -> Tensor:
        x = behler_parrinello.recalled(graph)
        return self.descriptor(graph) if x is None else x

    def places(self, graph: Graph) -> Tensor:
        return behler_parrinello.element_index(graph.numbers, self.elements)

    def scaled(self, x: Tensor, graph: Graph) -> Tensor:
        k = self.places(graph)
        return (x - self.mean[k]) / self.spread[k]

    def energies(self, x: Tensor, graph: Graph) -> Tensor:
        E_i = x.new_zeros(len(x))
        for element, one in zip(self.elements, self.networks, strict=True):
            rows = graph.numbers == element
            E_i[rows] = one(x[rows])
        return E_i


class BehlerParrinello(Mistaken):
    """graph -> atomic energies (n_atoms,)"""


class Total(Mistaken):
    def energies(self, x: Tensor, graph: Graph) -> Tensor:
        return super().energies(x, graph).sum()


class Sorted(Mistaken):
    def energies(self, x: Tensor, graph: Graph) -> Tensor:
        pairs = zip(self.elements, self.networks, strict=True)
        return torch.cat([one(x[graph.numbers == element]) for element, one in pairs])


class OneForAll(Mistaken):
    def energies(self, x: Tensor, graph: Graph) -> Tensor:
        return self.networks[0](x)


class SameThreeTimes(Mistaken):
    def __init__(self, *settings: Any):
        super().__init__(*settings)
        self.networks = nn.ModuleList([self.networks[0]] * len(self.elements))


class ByRank(Mistaken):
    """The first network for the first element that is present, and so on."""

    def energies(self, x: Tensor, graph: Graph) -> Tensor:
        E_i = x.new_zeros(len(x))
        for element, one in zip(sorted(set(graph.numbers.tolist())), self.networks, strict=False):
            rows = graph.numbers == element
            E_i[rows] = one(x[rows])
        return E_i


class SharedFirstLayer(Mistaken):
    def __init__(self, *settings: Any):
        super().__init__(*settings)
        networks: Any = self.networks
        for one in networks:
            one.layers[0] = networks[0].layers[0]


class NotScaled(Mistaken):
    def scaled(self, x: Tensor, graph: Graph) -> Tensor:
        return x


class OnlyShifted(Mistaken):
    def scaled(self, x: Tensor, graph: Graph) -> Tensor:
        return x - self.mean[self.places(graph)]


class Multiplied(Mistaken):
    def scaled(self, x: Tensor, graph: Graph) -> Tensor:
        return (x - self.mean[self.places(graph)]) * self.spread[self.places(graph)]


class FirstStatistics(Mistaken):
    def scaled(self, x: Tensor, graph: Graph) -> Tensor:
        return (x - self.mean[0]) / self.spread[0]


class OfThisBatch(Mistaken):
    def scaled(self, x: Tensor, graph: Graph) -> Tensor:
        return standardize(x)[0]


class Detached(Mistaken):
    def scaled(self, x: Tensor, graph: Graph) -> Tensor:
        return super().scaled(x.detach(), graph)


class HalfDetached(Mistaken):
    def scaled(self, x: Tensor, graph: Graph) -> Tensor:
        return super().scaled(torch.cat([x[:, :2], x[:, 2:].detach()], dim=1), graph)


class Recomputed(Mistaken):
    def describe(self, graph: Graph) -> Tensor:
        return self.descriptor(graph)


class OnePrecision(Mistaken):
    def energies(self, x: Tensor, graph: Graph) -> Tensor:
        E_i = torch.zeros(len(x))
        for element, one in zip(self.elements, self.networks, strict=True):
            rows = graph.numbers == element
            E_i.index_copy_(0, rows.nonzero()[:, 0], one(x[rows]))
        return E_i


class PlainNetworks(Mistaken):
    def __init__(self, *settings: Any):
        super().__init__(*settings)
        others, self.networks = list(self.networks), nn.ModuleList(self.networks[:1])
        self.others = others[1:]

    def energies(self, x: Tensor, graph: Graph) -> Tensor:
        E_i = x.new_zeros(len(x))
        for element, one in zip(self.elements, [*self.networks, *self.others], strict=True):
            rows = graph.numbers == element
            E_i[rows] = one(x[rows])
        return E_i


class Column(Mistaken):
    def energies(self, x: Tensor, graph: Graph) -> Tensor:
        return super().energies(x, graph)[:, None]


NAMES = ("H", "C", "O")


def as_if_alone(m: Measured) -> bool:
    return all(close(m[f"{name} among others"], m[f"{name} alone"], 1e-9) for name in NAMES)


BEHLER_PARRINELLO = by_laws(
    "3.11",
    BehlerParrinello,
    measure=measure_behler_parrinello,
    success="every atom went to the network of its element, and the energies came back in the order of the atoms.",
    start="One AtomicNetwork an element in `__init__`; in `forward` describe, standardise, and send each atom to its "
    "network.",
    points=20,
    hints=(
        "Which atoms go to network number 0, and at which places of the answer do their energies belong?",
        "A loop over the elements is enough: `rows = graph.numbers == element` says who goes to this network, and the "
        "same `rows` says where the energies are written.",
        "In `__init__`: `self.networks = nn.ModuleList(AtomicNetwork(descriptor.n_features, hidden) for _ in "
        "elements)`. In `forward`: `x = self.describe(graph)`, `E_i = x.new_zeros(graph.n_atoms)`, then `for k, "
        "element in enumerate(self.elements): rows = graph.numbers == element; E_i[rows] = self.networks[k]((x[rows] "
        "- self.mean[k]) / self.spread[k])`, and `return E_i`.",
    ),
    laws=[
        Law(
            "plain list",
            "Some of your networks are not known to the model: they sit in a plain Python list or dictionary. Their "
            "weights are not among `parameters()`, so nothing will train them. Use nn.ModuleList.",
            lambda m: int(m["n_unknown weights"]) == 0,
            PlainNetworks,
        ),
        Law(
            "one precision",
            "Your model works in one precision only. Training runs in single precision and the scorecard in double: "
            "let the answer follow the features, `x.new_zeros(graph.n_atoms)`.",
            lambda m: int(m["works in"].sum()) != 1,
            OnePrecision,
        ),
        Law(
            "one energy for all",
            "You return one number for the whole molecule. The model gives each atom its energy, (n_atoms,); adding "
            "them up is 3.12, where it is done molecule by molecule.",
            lambda m: m["E"].size > 1,
            Total,
        ),
        Law(
            "a column",
            "Your energies have the wrong shape. One energy an atom is a row, (n_atoms,), not a column (n_atoms, 1).",
            lambda m: m["E"].shape == (5,),
            Column,
        ),
        Law(
            "no weights",
            "Your model has no weights that an optimizer could find. Make the networks in `__init__`, in an "
            "nn.ModuleList.",
            lambda m: int(m["n_weights"]) > 0,
            None,
        ),
        Law(
            "random",
            "The same molecule got two different energies. Something random is at work in your model.",
            lambda m: close(m["E"], m["E again"]),
            None,
        ),
        Law(
            "order",
            "The energies come element by element, not atom by atom: with the atoms renamed they land on other atoms. "
            "The sum hides it, as long as there is one molecule; in a batch it mixes the molecules. Write each energy "
            "to the place of its atom, `E_i[rows] = ...`.",
            lambda m: close(m["E renamed"], m["E"], 1e-8),
            Sorted,
        ),
        Law(
            "batch",
            "The energies of a molecule changed when another molecule was in the same batch. Mean and spread belong to "
            "the training data: use `self.mean` and `self.spread`, not those of the atoms that happen to be there.",
            lambda m: close(m["E in a batch"], m["E"], 1e-8),
            OfThisBatch,
        ),
        Law(
            "by rank",
            "An atom went to another network when other elements came into the batch. The network must be chosen by "
            "the place of the element in `self.elements`, not by its place among the elements that are present, and "
            "not by the order in which they come.",
            as_if_alone,
            ByRank,
        ),
        Law(
            "one network",
            "H, C and O have the same energy where their features are the same: one network answers for all. Each "
            "element needs its own.",
            lambda m: len({float(m[f"{name} alone"]) for name in NAMES}) == 3,
            OneForAll,
        ),
        Law(
            "shared weights",
            "Two elements share weights: what is learned for one changes the other. Make a new network for each "
            "element (`[network] * 3` is three times the same one).",
            lambda m: int(m["shared weights"]) == 0,
            SharedFirstLayer,
        ),
        Law(
            "not standardised",
            "Mean and spread have no influence on your energies. Before an atom enters its network: `(x[rows] - "
            "self.mean[k]) / self.spread[k]`.",
            lambda m: not close(m["E of bare features"], m["E with statistics"], 1e-9),
            NotScaled,
        ),
        Law(
            "standardised otherwise",
            "The features are not standardised as in 3.9. Subtract the mean, divide by the spread, and take the row "
            "of the atom's own element: `(x[rows] - self.mean[k]) / self.spread[k]`.",
            lambda m: close(m["E of standardised features"], m["E with statistics"], 1e-8),
            FirstStatistics,
        ),
        Law(
            "no forces",
            "The energy does not depend on the positions, at least not in a way that autograd can follow. Somewhere "
            "the features are cut off from them, by `detach`, `torch.no_grad` or numpy.",
            lambda m: bool(m["has forces"]),
            Detached,
        ),
        Law(
            "wrong forces",
            "The forces are not the slope of the energy: moved a little, the energy changes by another amount than "
            "autograd says. Some features are cut off from the positions.",
            autograd_is_right,
            HalfDetached,
        ),
        Law(
            "weights without influence",
            "Some of your weights have no influence on the energies: a layer is made and never used. Is every network "
            "in the loop?",
            lambda m: bool((m["influence of the weights"] > 0).all()),
            None,
        ),
        Law(
            "computed again",
            "Right, but slow: your `forward` computes the description although the graph carries it. "
            "`self.describe(graph)` looks there first.",
            lambda m: int(m["n_calls"]) == 0 and close(m["E of a stored description"], m["E of the same graph"], 1e-8),
            Recomputed,
        ),
        KNOWS_ITS_INPUTS,
    ],
)

# ------------------------------------------------------------------------------------------- 3.12 energy_and_forces


class Springs(nn.Module):
    """A model of atomic energies: E_i = e_Z + k / 2 sum_j (r_ij - 1)^2."""

    def __init__(self) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def forward(self, graph: Graph) -> Tensor:
        stretched = self.k / 2 * (graph.distances - 1) ** 2
        return -0.1 * graph.numbers.double().index_add(0, graph.receivers, -10 * stretched)


def force_cases(rng: np.random.Generator) -> Iterator[Case]:
    hydrogen = graph_of([1, 1], [[0, 0, 0], [1.2, 0, 0]])
    water = graph_of([8, 1, 1], [[0, 0, 0], [0.9, 0, 0], [-0.3, 1.1, 0]])
    argon = graph_of([18], [[1, 2, 3]])
    springs = "springs of length 1 between neighbours"
    yield Case((Springs(), hydrogen), given=f"{springs}, a hydrogen molecule of 1.2 Å")
    yield Case((Springs(), water), given=f"{springs}, one water molecule")
    yield Case((Springs(), argon), given=f"{springs}, a lonely argon atom", when="with a lonely atom")
    two = batch([water, hydrogen])
    yield Case((Springs(), two), given=f"{springs}, a batch of water and hydrogen", when="with two molecules")
    many = batch([hydrogen, argon, graph_of([6] * 4, rng.uniform(-0.9, 0.9, size=(4, 3)))])
    yield Case((Springs(), many), given=f"{springs}, a batch of H2, Ar and C4", when="with three molecules")


def energy_forces_and_learning(function: Function, args: tuple[Any, ...]) -> Any:
    """Energies and forces, and whether the weights can learn from them."""
    model, graph = args
    answer = function(model, graph)
    if answer is None or answer is Ellipsis:
        return None
    if not isinstance(answer, tuple | list) or len(answer) < 2:
        raise Slip(f"your function returned a {type(answer).__name__}; two things are needed, `return E, F`")
    energy, forces = (torch.as_tensor(part) if not isinstance(part, tuple) else part for part in answer[:2])
    found = {"energy": energy, "forces": forces}
    for name, part in (("energies", energy), ("forces", forces)):
        if isinstance(part, Tensor) and part.is_floating_point():
            loss = part.square().sum()
            found[f"what the weights learn from the {name}"] = pull_on(model.k, loss)
    return found


def pull_on(weight: Tensor, loss: Tensor) -> Tensor:
    """The derivative of the loss; 0 where autograd knows no way, or has thrown away what it needs for it."""
    if not loss.requires_grad:
        return torch.zeros(())
    try:
        pull = torch.autograd.grad(loss, weight, retain_graph=True, allow_unused=True)[0]
    except RuntimeError:  # grad without create_graph frees the graph of the energies too
        return torch.zeros(())
    return torch.zeros(()) if pull is None else pull


def energies_and_forces(
    total: Callable[[Tensor, Graph], Tensor] | None = None,
    gradient: Callable[[Tensor, Tensor], Any] | None = None,
    forces: Callable[[Any], Any] = lambda slope: -slope,
    energy_out: Callable[[Tensor], Tensor] = lambda energy: energy,
    keep: bool = True,
    retain: bool = True,
) -> Function:
    def wrong(model: Any, graph: Graph) -> Any:
        positions = graph.positions.clone().requires_grad_()
        E_i = model(graph.moved(positions))
        energy = (total or by_molecule)(E_i, graph)
        slope = torch.autograd.grad(energy.sum(), positions, create_graph=keep, retain_graph=retain)[0]
        return energy_out(energy), forces(slope)

    return wrong


def by_molecule(E_i: Tensor, graph: Graph) -> Tensor:
    return E_i.new_zeros(graph.n_molecules).index_add(0, graph.molecule_index, E_i)


def positions_not_followed(model: Any, graph: Graph) -> Any:
    energy = by_molecule(model(graph), graph)
    return energy, -torch.autograd.grad(energy.sum(), graph.positions, create_graph=True)[0]


def graph_not_moved(model: Any, graph: Graph) -> Any:
    positions = graph.positions.clone().requires_grad_()
    energy = by_molecule(model(graph), graph)
    return energy, -torch.autograd.grad(energy.sum(), positions, create_graph=True)[0]


def gradient_of_a_vector(model: Any, graph: Graph) -> Any:
    positions = graph.positions.clone().requires_grad_()
    energy = by_molecule(model(graph.moved(positions)), graph)
    return energy, -torch.autograd.grad(energy, positions, create_graph=True)[0]


def own_energy_only(model: Any, graph: Graph) -> Any:
    positions = graph.positions.clone().requires_grad_()
    E_i = model(graph.moved(positions))
    rows = [torch.autograd.grad(E, positions, create_graph=True)[0][i] for i, E in enumerate(E_i)]
    return by_molecule(E_i, graph), -torch.stack(rows)


def last_atom_only(E_i: Tensor, graph: Graph) -> Tensor:
    energy = E_i.new_zeros(graph.n_molecules)
    energy[graph.molecule_index] += E_i
    return energy


def forces_of_the_first(model: Any, graph: Graph) -> Any:
    positions = graph.positions.clone().requires_grad_()
    energy = by_molecule(model(graph.moved(positions)), graph)
    return energy, -torch.autograd.grad(energy[0], positions, create_graph=True)[0]


def minus_a_tuple(model: Any, graph: Graph) -> Any:
    positions = graph.positions.clone().requires_grad_()
    energy = by_molecule(model(graph.moved(positions)), graph)
    gradients: Any = torch.autograd.grad(energy.sum(), positions, create_graph=True)
    return energy, -gradients


A_TUPLE = (
    "`torch.autograd.grad` returns a tuple, with one gradient for each thing that you differentiate by. Take its first "
    "entry: `(gradient,) = torch.autograd.grad(...)`."
)


ENERGY_AND_FORCES = by_value(
    "3.12",
    energy_and_forces,
    cases=force_cases,
    call=energy_forces_and_learning,
    success="one energy a molecule, a force on every atom, and both can be learned from.",
    start="Begin with positions = graph.positions.clone().requires_grad_() and E_i = model(graph.moved(positions)).",
    points=15,
    hints=(
        "Two things: add up the E_i of each molecule, then ask how that sum changes when an atom moves. Who must be "
        "told to watch the positions?",
        "`graph.moved(positions)` is the same graph on positions that autograd follows. `index_add` adds the atoms of "
        "each molecule at `graph.molecule_index`. Molecules do not see each other, so one gradient, that of the sum of "
        "all energies, holds the forces of all.",
        "`E = E_i.new_zeros(graph.n_molecules).index_add(0, graph.molecule_index, E_i)`; `(gradient,) = "
        "torch.autograd.grad(E.sum(), positions, create_graph=True)`; `return E, -gradient`",
    ),
    misconceptions=[
        Misconception(
            "sign",
            "Your forces point uphill: the force is minus the slope of the energy.",
            energies_and_forces(forces=lambda slope: slope),
        ),
        Misconception(
            "one energy for all",
            "You added all atoms to one number. In a batch each molecule has its own energy, (n_molecules,): add at "
            "`graph.molecule_index`.",
            lambda model, graph: (energy_and_forces(model, graph)[0].sum(), energy_and_forces(model, graph)[1]),
        ),
        Misconception(
            "mean",
            "You averaged the atomic energies. The energy of a molecule is their sum: two molecules far apart have the "
            "sum of their energies.",
            energies_and_forces(
                total=lambda E_i, graph: by_molecule(E_i, graph) / torch.bincount(graph.molecule_index)
            ),
        ),
        Misconception(
            "atomic energies returned",
            "You returned the atomic energies, (n_atoms,). Add those of each molecule up first.",
            lambda model, graph: (model(graph), energy_and_forces(model, graph)[1]),
        ),
        Misconception(
            "nothing kept for learning",
            "The values are right, but nothing can be learned from the forces: autograd has forgotten how they came "
            "about. Tell it that they will be differentiated once more, `create_graph=True`.",
            energies_and_forces(keep=False),
        ),
        Misconception(
            "nothing kept at all",
            "The values are right, but nothing can be learned from them: `torch.autograd.grad` throws away how they "
            "came about. Tell it that the forces will be differentiated once more, `create_graph=True`.",
            energies_and_forces(keep=False, retain=False),
        ),
        Misconception(
            "detached energies",
            "The values are right, but nothing can be learned from the energies: they were cut off by `detach` or "
            "`.item()`. Return them as they are.",
            energies_and_forces(energy_out=lambda energy: energy.detach()),
        ),
        Misconception(
            "own energy only",
            "You took the slope of E_i alone for the force on atom i. When atom i moves, its neighbours' energies "
            "change too: differentiate the whole energy.",
            own_energy_only,
        ),
        Misconception(
            "the last atom only",
            "Of each molecule only the last atom was counted. With an index that repeats, `+=` writes each entry once. "
            "`index_add` adds them all.",
            energies_and_forces(total=last_atom_only),
        ),
        Misconception(
            "first molecule only",
            "Only the first molecule has forces: you differentiated its energy alone. Take the gradient of `E.sum()`.",
            forces_of_the_first,
        ),
        Misconception(
            "forces first",
            "The two come in the order `E, F`; yours come as F, E.",
            lambda model, graph: energy_and_forces(model, graph)[1::-1],
        ),
        Misconception(
            "minus a tuple",
            A_TUPLE,
            minus_a_tuple,
        ),
        Misconception(
            "bincount",
            "`torch.bincount` adds up, but autograd cannot follow it. `index_add` does the same, and can be "
            "differentiated.",
            energies_and_forces(total=lambda E_i, graph: torch.bincount(graph.molecule_index, weights=E_i)),
        ),
        Misconception(
            "a tuple",
            A_TUPLE,
            energies_and_forces(forces=lambda slope: (-slope)[None]),
        ),
        Misconception(
            "positions not followed",
            "Autograd did not follow the positions. Give the model a graph on positions that it follows: `positions = "
            "graph.positions.clone().requires_grad_()`, then `model(graph.moved(positions))`.",
            positions_not_followed,
        ),
        Misconception(
            "graph not moved",
            "You made positions that autograd follows, and handed the model the old graph. It has to work on the new "
            "ones: `model(graph.moved(positions))`.",
            graph_not_moved,
        ),
        Misconception(
            "gradient of a vector",
            "With one molecule it works. `torch.autograd.grad` differentiates one number, and a batch has several "
            "energies: take `E.sum()`. Molecules do not see each other, so nothing is mixed.",
            gradient_of_a_vector,
            fails_with="grad can be implicitly created only for scalar outputs",
        ),
        Misconception(
            "length of the forces",
            "You return one number an atom. A force has a direction: (n_atoms, 3).",
            energies_and_forces(forces=lambda slope: -slope.sum(dim=1)),
        ),
    ],
)

# ------------------------------------------------------------------------------------------- 3.13 energy_force_loss


def loss_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([1.0]), tensor([3.0]), torch.zeros(1, 3), torch.zeros(1, 3), 0.0))
    yield Case((tensor([0.0]), tensor([0.0]), tensor([[1.0, 2.0, 2.0]]), torch.zeros(1, 3), 1.0))
    yield Case((tensor([0.0, 1.0]), tensor([1.0, 1.0]), torch.zeros(3, 3), torch.ones(3, 3), 0.1))
    for n_molecules, n_atoms, w in ((1, 4, 0.5), (3, 7, 0.1), (5, 2, 10.0), (2, 6, 2)):
        e, e_ref = (tensor(rng.normal(size=n_molecules)) for _ in range(2))
        f, f_ref = (tensor(rng.normal(size=(n_atoms, 3))) for _ in range(2))
        yield Case((e, e_ref, f, f_ref, w))
        yield Case((e.clone().requires_grad_(), e_ref, f.clone().requires_grad_(), f_ref, w), when="as in training")


def loss_and_slopes(function: Function, args: tuple[Any, ...]) -> Any:
    """The loss; and, where the energies and forces come from a network, what the network learns from it."""
    e, _, f, *_ = args
    try:
        loss = function(*args)
    except RuntimeError as error:
        if "numpy()" in str(error):
            raise Slip(
                "numpy cannot be differentiated, and the network learns from the slope of this loss. Stay with torch"
            ) from error
        raise
    if isinstance(loss, Tensor | np.ndarray) and loss.ndim:
        raise Slip(
            f"your loss has the shape {tuple(loss.shape)}; one number is needed, so take the mean of both errors"
        )
    if loss is None or loss is Ellipsis or not e.requires_grad:
        return loss
    slopes: tuple[Tensor | None, ...] = (None, None)
    if isinstance(loss, Tensor) and loss.requires_grad:
        slopes = torch.autograd.grad(loss, (e, f), allow_unused=True)
    by_e, by_f = (torch.zeros(()) if slope is None else slope.abs().max() for slope in slopes)
    return {"loss": loss, "slope by the energies": by_e, "slope by the forces": by_f}


def mean_square(x: Tensor) -> Tensor:
    return x.square().mean()


ENERGY_FORCE_LOSS = by_value(
    "3.13",
    energy_force_loss,
    cases=loss_cases,
    call=loss_and_slopes,
    success="energies and forces both pull, each with its own weight.",
    start="Two mean squares, and force_weight in front of the second.",
    hints=(
        "Two errors, two means. Over what is each mean taken?",
        "The energy error is averaged over molecules, the force error over all 3 N components. Both are squared first.",
        "`return ((e - e_ref) ** 2).mean() + force_weight * ((f - f_ref) ** 2).mean()`",
    ),
    misconceptions=[
        Misconception(
            "a bare number",
            "The value is right, but nothing can be learned from it: `.item()`, `float` or `detach` has cut it off "
            "from the network. Return the tensor as it is.",
            lambda *args: energy_force_loss(*args).item(),
        ),
        Misconception(
            "weight on both",
            "`force_weight` multiplies both errors in your loss. It belongs to the forces alone.",
            lambda e, e_ref, f, f_ref, w: w * (mean_square(e - e_ref) + mean_square(f - f_ref)),
        ),
        Misconception(
            "length of the force error",
            "You averaged the lengths of the force errors. The loss is the mean of the squares of all components.",
            lambda e, e_ref, f, f_ref, w: mean_square(e - e_ref) + w * (f - f_ref).norm(dim=1).mean(),
        ),
        Misconception(
            "weight forgotten",
            "`force_weight` has no influence on your loss. It multiplies the force error.",
            lambda e, e_ref, f, f_ref, w: mean_square(e - e_ref) + mean_square(f - f_ref),
        ),
        Misconception(
            "weight on the energy",
            "`force_weight` multiplies the energy error in your loss. It belongs to the forces.",
            lambda e, e_ref, f, f_ref, w: w * mean_square(e - e_ref) + mean_square(f - f_ref),
        ),
        Misconception(
            "weights that add up to one",
            "You weigh the energies with 1 - force_weight. Here the energy error stands alone, and force_weight is a "
            "number with a unit, Å²; it may be larger than 1.",
            lambda e, e_ref, f, f_ref, w: (1 - w) * mean_square(e - e_ref) + w * mean_square(f - f_ref),
        ),
        Misconception(
            "forces as vectors",
            "You summed the squares over x, y and z and averaged over the atoms. The mean is over all components, a "
            "third of that.",
            lambda e, e_ref, f, f_ref, w: mean_square(e - e_ref) + w * (f - f_ref).square().sum(dim=1).mean(),
        ),
        Misconception(
            "sum",
            "Your loss is a sum over the batch, and a larger batch has a larger loss. Take the means.",
            lambda e, e_ref, f, f_ref, w: (e - e_ref).square().sum() + w * (f - f_ref).square().sum(),
        ),
        Misconception(
            "forces summed",
            "Your force error is a sum over all components. Take the mean, as for the energies.",
            lambda e, e_ref, f, f_ref, w: mean_square(e - e_ref) + w * (f - f_ref).square().sum(),
        ),
        Misconception(
            "absolute errors",
            "You took absolute errors. The loss squares them: large errors pull harder, and at zero it is smooth.",
            lambda e, e_ref, f, f_ref, w: (e - e_ref).abs().mean() + w * (f - f_ref).abs().mean(),
        ),
        Misconception(
            "root mean square",
            "You took roots. They make good numbers to report; the loss is the mean of the squares.",
            lambda e, e_ref, f, f_ref, w: mean_square(e - e_ref).sqrt() + w * mean_square(f - f_ref).sqrt(),
        ),
        Misconception(
            "square of the mean error",
            "You averaged first and squared then: errors of opposite sign cancel. Square each one, then average.",
            lambda e, e_ref, f, f_ref, w: (e - e_ref).mean() ** 2 + w * (f - f_ref).mean() ** 2,
        ),
        Misconception(
            "forces only",
            "The energies play no part in your loss. Forces say how the energy changes, not how large it is.",
            lambda e, e_ref, f, f_ref, w: w * mean_square(f - f_ref),
        ),
        Misconception(
            "energies only",
            "The forces play no part in your loss. They are 3 N labels a molecule, against one energy.",
            lambda e, e_ref, f, f_ref, w: mean_square(e - e_ref),
        ),
        Misconception(
            "weight squared",
            "`force_weight` is squared along with the forces. It stands in front of the mean.",
            lambda e, e_ref, f, f_ref, w: mean_square(e - e_ref) + mean_square(w * (f - f_ref)),
        ),
        Misconception(
            "per atom once more",
            "You divided the energies by the number of atoms. They come per atom already.",
            lambda e, e_ref, f, f_ref, w: mean_square((e - e_ref) * len(e) / len(f)) + w * mean_square(f - f_ref),
        ),
    ],
)

# ------------------------------------------------------------------------------------------------- 3.14 train_epoch


def train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Sample], force_weight: float
) -> float:
    """One step for every batch; the mean of the losses.

    model  graph -> atomic energies (n_atoms,)
    """
    potential = Potential(model)
    return float(np.mean([train_step(potential, optimizer, sample, force_weight) for sample in batches]))


def epoch_cases(rng: np.random.Generator) -> Iterator[Case]:
    molecules = [
        graph_of([8, 1], [[0, 0, 0], [0.9, 0, 0]]),
        graph_of([8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]),
        graph_of([6, 1, 1, 8], rng.uniform(-1, 1, size=(4, 3))),
    ]
    for chosen, force_weight, words in (
        ([[0]], 0.5, "one batch of one molecule, force_weight 0.5"),
        ([[0, 1, 2], [1]], 0.1, "a batch of three molecules, then one of one, force_weight 0.1"),
        ([[2, 1], [0], [0, 2]], 2, "three batches, force_weight 2"),
    ):
        samples = []
        for members in chosen:
            graph = batch([molecules[k] for k in members])
            energy, forces = tensor(rng.normal(size=len(members))), tensor(rng.normal(size=(graph.n_atoms, 3)))
            samples.append(Sample(graph, energy, forces))
        model = behler_parrinello.BehlerParrinello(Probe(), ELEMENTS, (6, 5)).double()
        with torch.no_grad():
            for weights in model.parameters():
                weights.copy_(tensor(rng.normal(size=tuple(weights.shape)) * 0.5))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        yield Case((model, optimizer, samples, force_weight), given=f"a small network, SGD, two epochs, {words}")


def two_epochs(function: Function, args: tuple[Any, ...]) -> Any:
    """Both losses, and the weights after each epoch."""
    found: dict[str, Any] = {}
    for epoch in ("first", "second"):
        loss = function(*args)
        if loss is None or loss is Ellipsis:
            return None
        if isinstance(loss, list | tuple):
            raise Slip(
                f"your function returned a {type(loss).__name__} of {len(loss)} losses; return their mean, one float"
            )
        found[f"loss of the {epoch} epoch"] = loss.detach() if isinstance(loss, Tensor) else loss
        found[f"weights after the {epoch} epoch"] = torch.cat([w.detach().reshape(-1) for w in args[0].parameters()])
    found["the loss remembers the network"] = isinstance(loss, Tensor) and loss.requires_grad
    return found


Loss = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]


def right_loss(e: Tensor, e_ref: Tensor, n: Tensor, f: Tensor, f_ref: Tensor, w: float) -> Tensor:
    return energy_force_loss(e / n, e_ref / n, f, f_ref, w)


def epoch(
    loss: Loss = right_loss,
    order: str = "clear, backward, move",
    report: Callable[[list[Any]], Any] = np.mean,
    predict: Function = energy_and_forces,
) -> Callable[..., Any]:
    """One epoch with a mistake in energy and forces, in the loss, in the order of what follows it, or in the result."""

    def wrong(model: Any, optimizer: torch.optim.Optimizer, batches: list[Sample], force_weight: float) -> Any:
        losses = []
        for sample in batches:
            energy, forces, *_ = predict(model, sample.graph)
            n_atoms = torch.bincount(sample.graph.molecule_index)
            value = loss(energy, sample.energy, n_atoms, forces, sample.forces, force_weight)
            do: dict[str, Callable[[], Any]] = {"clear": optimizer.zero_grad, "move": optimizer.step}
            for name in order.split(", "):
                (value.backward if name == "backward" else do[name])()
            losses.append(value if report is kept else value.item())
        return report(losses)

    return wrong


def kept(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).mean()


def cleared_once(model: Any, optimizer: Any, batches: list[Sample], force_weight: float) -> Any:
    optimizer.zero_grad()
    return epoch(order="backward, move")(model, optimizer, batches, force_weight)


def last_step_only(model: Any, optimizer: Any, batches: list[Sample], force_weight: float) -> Any:
    loss = epoch(order="clear, backward")(model, optimizer, batches, force_weight)
    optimizer.step()
    return loss


def one_step_an_epoch(model: Any, optimizer: Any, batches: list[Sample], force_weight: float) -> float:
    total = 0.0
    optimizer.zero_grad()
    for sample in batches:
        energy, forces, _ = energy_and_forces(model, sample.graph)
        n_atoms = torch.bincount(sample.graph.molecule_index)
        loss = right_loss(energy, sample.energy, n_atoms, forces, sample.forces, force_weight)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total / len(batches)


def first_batch_only(model: Any, optimizer: Any, batches: list[Sample], force_weight: float) -> float:
    return train_epoch(model, optimizer, batches[:1], force_weight)


TRAIN_EPOCH = by_value(
    "3.14",
    train_epoch,
    cases=epoch_cases,
    call=two_epochs,
    success="every batch was seen once, and each moved the weights a step down the hill.",
    start="A loop over the batches: energies and forces, loss, `zero_grad`, `backward`, `step`.",
    points=15,
    hints=(
        "What happens to one batch is six lines. Which of your functions are two of them?",
        "`E, F = energy_and_forces(model, sample.graph)`; the loss wants energies per atom, so both energies are "
        "divided by `torch.bincount(sample.graph.molecule_index)`; then `optimizer.zero_grad()`, `loss.backward()`, "
        "`optimizer.step()`.",
        "`losses = []`; `for sample in batches:` compute `loss = energy_force_loss(E / n_atoms, sample.energy / "
        "n_atoms, F, sample.forces, force_weight)`; clear, backward, step; `losses.append(loss.item())`. At the end "
        "`return sum(losses) / len(losses)`.",
    ),
    misconceptions=[
        Misconception(
            "gradients pile up",
            "The gradients of the batches before were still there: `backward` adds to what it finds. Call "
            "`optimizer.zero_grad()` for every batch.",
            epoch(order="backward, move"),
        ),
        Misconception(
            "cleared once an epoch",
            "You clear the gradients once, before the loop. `backward` adds to what it finds, so the second batch "
            "still carries the gradients of the first: call `optimizer.zero_grad()` for every batch.",
            cleared_once,
        ),
        Misconception(
            "one step, at the end",
            "`optimizer.step()` stands behind the loop: there is one step, with the gradients of the last batch. It "
            "belongs into the loop.",
            last_step_only,
        ),
        Misconception(
            "no step",
            "The weights did not move. Is `loss.backward()` there, and `optimizer.step()` after it? And are the "
            "gradients cleared before `backward()`, not between the two?",
            epoch(order="clear, backward"),
        ),
        Misconception(
            "backward last",
            "`loss.backward()` comes after `optimizer.step()`: each step is made with the gradients of the batch "
            "before. The order is `zero_grad`, `backward`, `step`.",
            epoch(order="move, clear, backward"),
        ),
        Misconception(
            "one step an epoch",
            "You made one step after all batches, with the sum of their gradients. Small steps are the point of small "
            "batches: one step for each.",
            one_step_an_epoch,
        ),
        Misconception(
            "energy per molecule",
            "You compared the energies of whole molecules. The loss wants them per atom: divide both by "
            "`torch.bincount(sample.graph.molecule_index)`.",
            epoch(lambda e, e_ref, n, f, f_ref, w: energy_force_loss(e, e_ref, f, f_ref, w)),
        ),
        Misconception(
            "all atoms of the batch",
            "You divided by `graph.n_atoms`, which counts the atoms of the whole batch. Each energy is divided by the "
            "atoms of its own molecule: `torch.bincount(sample.graph.molecule_index)`.",
            epoch(lambda e, e_ref, n, f, f_ref, w: right_loss(e, e_ref, n.sum(), f, f_ref, w)),
        ),
        Misconception(
            "only the prediction divided",
            "You divided your energy by the number of atoms and not the reference. Energies per atom cannot be "
            "compared with energies of molecules.",
            epoch(lambda e, e_ref, n, f, f_ref, w: energy_force_loss(e / n, e_ref, f, f_ref, w)),
        ),
        Misconception(
            "forces detached",
            "The loss is right, and the weights learned nothing from the forces: they were cut off by `detach`, or "
            "made without `create_graph=True`.",
            epoch(lambda e, e_ref, n, f, f_ref, w: right_loss(e, e_ref, n, f.detach(), f_ref, w)),
        ),
        Misconception(
            "no create_graph",
            "`loss.backward()` finds the way back through the energies torn down: `torch.autograd.grad` took it apart "
            "when it made the forces. torch proposes `retain_graph=True`; then nothing is learned from the forces. "
            "`create_graph=True` in 3.12 is the cure.",
            epoch(predict=energies_and_forces(keep=False, retain=False)),
        ),
        Misconception(
            "weight forgotten",
            "`force_weight` has no influence on your training. Hand it to the loss.",
            epoch(lambda e, e_ref, n, f, f_ref, w: right_loss(e, e_ref, n, f, f_ref, 1.0)),
        ),
        Misconception(
            "losses that remember",
            "The mean is right, but it is a tensor that still remembers how each loss was made: it cannot be "
            "plotted, and it keeps all that memory. Collect `loss.item()`.",
            epoch(report=kept),
        ),
        Misconception(
            "sum of the losses",
            "You return the sum of the losses. Their mean can be compared between epochs, whatever the number of "
            "batches: divide by it.",
            epoch(report=sum),
        ),
        Misconception(
            "the last loss",
            "You return the loss of the last batch. It depends on which one came last: return the mean over all.",
            epoch(report=lambda losses: losses[-1]),
        ),
        Misconception(
            "first batch only",
            "Your epoch ends after the first batch: the `return` stands inside the loop.",
            first_batch_only,
        ),
    ],
)

EXERCISES = (STANDARDIZE, ATOMIC_NETWORK, BEHLER_PARRINELLO, ENERGY_AND_FORCES, ENERGY_FORCE_LOSS, TRAIN_EPOCH)
