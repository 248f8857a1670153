"""What the explorer shows is what the functions did; and what goes wrong in them is said, not thrown."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from torch import Tensor, nn

import course
from course import MPNN, Potential, molecular_graph
from course.models.message_passing import MessageTrace, concat_message, matrix_message
from course.radial import cosine_cutoff
from course.widgets.engine import Engine, Snapshot, look, packed

ETHANOL = molecule("CH3CH2OH")
ELEMENTS = [1, 6, 8]
TRAINED = Path(course.__file__).parent / "trained" / "ethanol_mpnn.npz"


def f_m(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
    return torch.tanh(x_j + 0.3 * x_i - 0.2) * e_ij.unflatten(1, (4, 4)).sum(dim=2)


def f_U(M_i: Tensor, x_i: Tensor) -> Tensor:
    return 0.8 * x_i + torch.tanh(M_i)


def f_R(x_i: Tensor) -> Tensor:
    return (x_i.square() @ torch.arange(1.0, 5.0).to(x_i)).reshape(-1, 1)


def of_functions(message: Any = f_m, update: Any = f_U, readout: Any = f_R, T: int = 2, **changes: Any) -> Engine:
    settings: dict[str, Any] = {"elements": ELEMENTS, "cutoff": 3.0, "n_f": 4, "n_e": 16}
    return Engine.of_functions(message=message, update=update, readout=readout, T=T, **settings | changes)


def seen(engine: Engine, atoms: Atoms = ETHANOL, T: int | None = None, cutoff: float | None = None) -> Snapshot:
    return look(
        engine, atoms.numbers, atoms.positions, engine.T if T is None else T, cutoff or engine.cutoff, bonds_only=False
    )


def small_mpnn() -> MPNN:
    torch.manual_seed(0)
    return MPNN(ELEMENTS, n_f=12, n_e=8, n_m=10, T=3, cutoff=3.0).double()


def learners_mpnn(T: int = 2, cutoff: float = 3.0) -> MPNN:
    """What the engine of `of_functions()` stands for, put together by the library."""
    return MPNN(ELEMENTS, n_f=4, n_e=16, n_m=4, T=T, cutoff=cutoff, message=f_m, update=f_U, readout=f_R)


# ----------------------------------------------------------------------------- the numbers are those of the library

CASES: dict[str, Callable[[], tuple[Engine, Potential]]] = {
    "functions": lambda: (of_functions(), Potential(learners_mpnn()).eval()),
    "mpnn": lambda: (Engine.of_potential(small_mpnn()), Potential(small_mpnn()).eval()),
    "trained": lambda: (Engine.of_potential(Potential.load(TRAINED)), Potential.load(TRAINED)),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Engine, Potential]:
    return CASES[request.param]()


def same(a: MessageTrace, b: MessageTrace) -> bool:
    tables = [(a.e_ij, b.e_ij), (a.f_c, b.f_c), (a.x_i, b.x_i), (a.E_i, b.E_i)]
    tables += [pair for ours, theirs in zip(a.rounds, b.rounds, strict=True) for pair in zip(ours, theirs, strict=True)]
    return all(torch.equal(ours, theirs) for ours, theirs in tables)


def test_the_trace_is_that_of_the_model(case: tuple[Engine, Potential]) -> None:
    engine, potential = case
    snapshot = seen(engine)
    weight = next(potential.model.parameters(), torch.zeros((), dtype=torch.float64))
    assert snapshot.trace is not None and snapshot.problem == ""
    assert same(snapshot.trace, potential.model(potential.graph(ETHANOL).to(dtype=weight.dtype), trace=True))


def test_energy_and_forces_are_those_of_the_potential(case: tuple[Engine, Potential]) -> None:
    engine, potential = case
    snapshot, prediction = seen(engine), potential.predict(ETHANOL)
    assert snapshot.energy == prediction.energy.item()
    assert snapshot.E_i is not None and torch.equal(snapshot.E_i, prediction.atomic_energies)
    assert snapshot.forces is not None and torch.equal(snapshot.forces, prediction.forces)
    assert snapshot.E_i.sum().item() == pytest.approx(snapshot.energy, abs=1e-9)
    if snapshot.baseline is not None and snapshot.trace is not None:
        network = snapshot.baseline + potential.scale * snapshot.trace.E_i
        assert torch.allclose(network, snapshot.E_i, rtol=0, atol=1e-9)


def test_messages_add_up_to_bundles(case: tuple[Engine, Potential]) -> None:
    snapshot = seen(case[0])
    assert snapshot.trace is not None
    for state in snapshot.trace.rounds:
        bundles = torch.zeros_like(state.M_i)
        for m_ji, i in zip(state.m_ji, snapshot.graph.receivers.tolist(), strict=True):
            bundles[i] += m_ji
        assert torch.allclose(bundles, state.M_i, rtol=0, atol=1e-5 if bundles.dtype == torch.float32 else 1e-12)


def test_forces_are_minus_the_slope_of_the_energy() -> None:
    engine = of_functions()
    forces, step = seen(engine).forces, 1e-5
    assert forces is not None
    for atom in range(3):
        for axis in range(3):
            energies = np.zeros(2)
            for k, sign in enumerate((1, -1)):
                moved = ETHANOL.copy()
                moved.positions[atom, axis] += sign * step
                energies[k] = seen(engine, moved).energy
            assert forces[atom, axis].item() == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=1e-7)


def test_a_list_holds_one_function_a_round() -> None:
    def louder(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        return 2 * f_m(x_j, x_i, e_ij)

    engine = of_functions(message=[f_m, louder], T=5)
    assert (engine.T, engine.T_max) == (2, 2)
    trace, plain = seen(engine).trace, seen(of_functions()).trace
    assert trace is not None and plain is not None
    assert torch.equal(trace.rounds[0].m_ji, plain.rounds[0].m_ji)
    assert torch.allclose(trace.rounds[1].m_ji, 2 * plain.rounds[1].m_ji, rtol=1e-14)


def test_the_parts_of_a_learners_network_can_be_handed_in() -> None:
    model = small_mpnn()
    engine = of_functions(model.messages, model.updates, model.readout, n_f=12, n_e=8)
    trace, expected = seen(engine, T=3).trace, seen(Engine.of_potential(model)).trace
    assert engine.T_max == 3
    assert trace is not None and expected is not None and same(trace, expected)


def test_left_out_functions_are_the_matrix_message_and_an_update_that_adds() -> None:
    trace = seen(of_functions(None, None, None)).trace
    model = MPNN(ELEMENTS, 4, 16, 4, 2, 3.0, matrix_message, lambda M_i, x_i: x_i + M_i, lambda x_i: 0 * x_i[:, :1])
    assert trace is not None
    assert same(trace, model(molecular_graph(ETHANOL, 3.0), trace=True))


def test_fewer_rounds_and_a_smaller_cutoff_of_a_network() -> None:
    model = small_mpnn()
    trace = seen(Engine.of_potential(model), T=1, cutoff=2.0).trace
    graph = molecular_graph(ETHANOL, 2.0)
    assert trace is not None and len(trace.rounds) == 1
    x = trace.rounds[0].x_i
    m_ji = model.messages[0](x[graph.senders], x[graph.receivers], trace.e_ij)
    f_c = cosine_cutoff(graph.distances, 2.0)
    assert torch.allclose(trace.rounds[0].m_ji, m_ji * f_c[:, None], rtol=0, atol=1e-14)
    assert (model.T, model.cutoff) == (3, 3.0)


def test_no_rounds() -> None:
    snapshot = seen(of_functions(), T=0)
    assert snapshot.trace is not None and snapshot.trace.rounds == []
    assert snapshot.energy == pytest.approx(6 * 1 + 2 * 2 + 3)  # the price of H, of C, of O
    assert snapshot.forces is not None and not snapshot.forces.any()


def test_only_bonds() -> None:
    snapshot = look(of_functions(), ETHANOL.numbers, ETHANOL.positions, 2, 3.0, bonds_only=True)
    pairs = {(j, i) for j, i in zip(snapshot.graph.senders.tolist(), snapshot.graph.receivers.tolist(), strict=True)}
    bonds = [(0, 1), (1, 2), (2, 3), (1, 4), (1, 5), (0, 6), (0, 7), (0, 8)]
    assert pairs == {pair for a, b in bonds for pair in ((a, b), (b, a))}
    assert snapshot.trace is not None and len(snapshot.trace.f_c) == 16


# ----------------------------------------------------------------------------- laws


def test_turned_and_moved_molecules_are_the_same(case: tuple[Engine, Potential]) -> None:
    turned = ETHANOL.copy()
    turned.rotate(40, (1, 2, 3))
    turned.translate((3, -2, 1))
    before, after = seen(case[0]), seen(case[0], turned)
    single = case[0].make(0, 1.0).model is not None and before.trace is not None and before.trace.x_i.itemsize == 4
    atol = 1e-4 if single else 1e-10
    assert after.energy == pytest.approx(before.energy, abs=atol)
    assert before.trace and after.trace
    assert torch.allclose(after.trace.x_i, before.trace.x_i, rtol=0, atol=atol)
    frame = ETHANOL.copy()
    assert before.forces is not None and after.forces is not None
    frame.positions = before.forces.numpy()
    frame.rotate(40, (1, 2, 3))
    assert np.allclose(after.forces, frame.positions, atol=atol)


def test_other_labels_change_the_labels_alone() -> None:
    order = np.random.default_rng(0).permutation(9)
    before, after = seen(of_functions()), seen(of_functions(), ETHANOL[order])
    assert after.energy == pytest.approx(before.energy, abs=1e-12)
    assert before.trace and after.trace and before.forces is not None and after.forces is not None
    assert torch.allclose(after.trace.x_i, before.trace.x_i[order], atol=1e-13)
    assert torch.allclose(after.forces, before.forces[order], atol=1e-12)
    assert after.names() == [f"{symbol}{k}" for k, symbol in enumerate(ETHANOL.symbols[order])]


# ----------------------------------------------------------------------------- on the way to the browser


def test_packed_bytes_are_the_numbers() -> None:
    snapshot = seen(Engine.of_potential(Potential.load(TRAINED)))
    record, trace = packed(snapshot), snapshot.trace
    assert trace is not None and snapshot.E_i is not None and snapshot.forces is not None
    assert record["names"][:3] == ["C0", "C1", "O2"]
    assert record["numbers"] == ETHANOL.numbers.tolist()
    single = [("positions", snapshot.graph.positions), ("e_ij", trace.e_ij), ("f_c", trace.f_c), ("x_i", trace.x_i)]
    for name, expected in [*single, ("forces", snapshot.forces)]:
        assert np.array_equal(np.frombuffer(record[name], "<f4"), expected.float().numpy().ravel()), name
    for name, energies in (("E_i", snapshot.E_i), ("baseline", snapshot.baseline)):
        assert energies is not None and np.array_equal(np.frombuffer(record[name], "<f8"), energies.numpy()), name
    assert np.array_equal(np.frombuffer(record["senders"], "<i4"), snapshot.graph.senders)
    assert np.array_equal(np.frombuffer(record["receivers"], "<i4"), snapshot.graph.receivers)
    bonds = [[0, 1], [0, 6], [0, 7], [0, 8], [1, 2], [1, 4], [1, 5], [2, 3]]
    assert np.frombuffer(record["bonds"], "<i4").reshape(-1, 2).tolist() == bonds
    for state, tables in zip(trace.rounds, record["rounds"], strict=True):
        for name in ("x_i", "m_ji", "M_i"):
            assert np.array_equal(np.frombuffer(tables[name], "<f4"), getattr(state, name).float().numpy().ravel())
    assert record["energy"] == snapshot.energy


# ----------------------------------------------------------------------------- functions that fail


def raises(*_: Tensor) -> Tensor:
    raise IndexError("five is too many")


def rows_lost(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
    return f_m(x_j, x_i, e_ij).sum(dim=1)


def as_numpy(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Any:
    return f_m(x_j, x_i, e_ij).detach().numpy()


def wider(M_i: Tensor, x_i: Tensor) -> Tensor:
    return torch.cat([M_i, x_i[:, :1]], dim=1)


NAN = float("nan")
GIVEN = "x_j (58, 4), x_i (58, 4), e_ij (58, 16)"
# what the functions are, how many rounds are good all the same, and what is said
FAILURES: dict[str, tuple[dict[str, Any], int, str]] = {
    "raises": ({"message": raises}, 0, f"message({GIVEN}) in round 1 raised IndexError: five is too many"),
    "raises in round 2": (
        {"message": [f_m, raises]},
        1,
        f"message({GIVEN}) in round 2 raised IndexError: five is too many",
    ),
    "wrong shape": (
        {"message": rows_lost},
        0,
        f"message({GIVEN}) in round 1 returned a tensor of shape (58,); expected a tensor of shape (58, n_m).",
    ),
    "one number": (
        {"message": lambda x_j, x_i, e_ij: x_j.sum()},
        0,
        f"message({GIVEN}) in round 1 returned a tensor of shape (); expected a tensor of shape (58, n_m).",
    ),
    "numpy": (
        {"message": as_numpy},
        0,
        f"message({GIVEN}) in round 1 returned an object of type ndarray; expected a tensor of shape (58, n_m).",
    ),
    "nothing": (
        {"update": lambda M_i, x_i: None},
        0,
        "update(M_i (9, 4), x_i (9, 4)) in round 1 returned an object of type NoneType; "
        "expected a tensor of shape (9, n_f).",
    ),
    "lists of rows": (
        {"update": lambda M_i, x_i: x_i.tolist()},
        0,
        "update(M_i (9, 4), x_i (9, 4)) in round 1 returned an object of type list; "
        "expected a tensor of shape (9, n_f).",
    ),
    "wide bundles": (
        {"message": concat_message, "update": lambda M_i, x_i: M_i + x_i},
        0,
        "update(M_i (9, 24), x_i (9, 4)) in round 1 raised RuntimeError: The size of tensor a (24) must match "
        "the size of tensor b (4) at non-singleton dimension 1",
    ),
    "wider features": (
        {"message": matrix_message, "update": wider},
        1,
        "message(x_j (58, 5), x_i (58, 5), e_ij (58, 16)) in round 2 raised ValueError: "
        "A matrix with n_f = 5 columns cannot be made of n_e = 16 numbers.",
    ),
    "wrong arguments": (
        {"update": lambda M_i: M_i},
        0,
        "update(M_i (9, 4), x_i (9, 4)) in round 1 raised TypeError: "
        "<lambda>() takes 1 positional argument but 2 were given",
    ),
    "readout of a table": (
        {"readout": lambda x_i: x_i},
        2,
        "readout(x_i (9, 4)) returned a tensor of shape (9, 4); expected a tensor of shape (9, 1).",
    ),
    "readout of a molecule": (
        {"readout": lambda x_i: x_i.sum()},
        2,
        "readout(x_i (9, 4)) returned a tensor of shape (); expected a tensor of shape (9, 1).",
    ),
    "readout raises": ({"readout": raises}, 2, "readout(x_i (9, 4)) raised IndexError: five is too many"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_function_that_fails_is_named_with_shapes_and_the_rounds_before_it_are_shown(name: str) -> None:
    functions, good_rounds, words = FAILURES[name]
    snapshot = seen(of_functions(**functions))
    assert snapshot.problem == words
    assert snapshot.trace is not None and len(snapshot.trace.rounds) == good_rounds
    good = seen(of_functions(**functions | {"readout": None}), T=good_rounds).trace
    assert good is not None and same(snapshot.trace, good)
    assert (snapshot.energy, snapshot.E_i, snapshot.forces) == (None, None, None)
    packed(snapshot)


def test_a_function_inside_a_network_is_watched_too() -> None:
    snapshot = seen(Engine.of_potential(MPNN(ELEMENTS, n_f=4, n_e=16, n_m=4, T=2, cutoff=3.0, message=raises)))
    assert snapshot.problem == f"message({GIVEN}) in round 1 raised IndexError: five is too many"


def test_two_precisions_are_named() -> None:
    layer = nn.Linear(4, 4, dtype=torch.float32)
    snapshot = seen(of_functions(message=lambda x_j, x_i, e_ij: layer(x_j)))
    assert snapshot.problem.startswith(f"message({GIVEN}) in round 1 raised RuntimeError: ")
    assert snapshot.problem.endswith(" The arguments are torch.float64.")


def test_a_function_that_fails_now_and_then() -> None:
    calls = iter(range(100))

    def moody(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        if next(calls) % 3 > 0:
            raise RuntimeError("not now")
        return f_m(x_j, x_i, e_ij)

    for _ in range(5):
        snapshot = seen(of_functions(message=moody))
        assert "not now" in snapshot.problem
        packed(snapshot)


NOT_FINITE: dict[str, tuple[dict[str, Any], str]] = {
    "message": (
        {"message": lambda x_j, x_i, e_ij: f_m(x_j, x_i, e_ij) / x_j[:, :1]},
        "message returned a value that is not a finite number in round 1: C1 → C0, and 21 more.",
    ),
    "update": (
        {"update": lambda M_i, x_i: (x_i - 0.5).sqrt()},
        "update returned a value that is not a finite number in round 1: C0, and 8 more.",
    ),
    "readout": ({"readout": lambda x_i: 1 / (x_i[:, :1] * 0)}, "readout returned a value that is not a finite number"),
}


@pytest.mark.parametrize("name", NOT_FINITE)
def test_a_number_that_is_none_is_found(name: str) -> None:
    functions, words = NOT_FINITE[name]
    snapshot = seen(of_functions(**functions))
    assert snapshot.problem.startswith(words)
    assert snapshot.trace is not None and len(snapshot.trace.rounds) == 2
    assert packed(snapshot)["energy"] is None


def test_the_first_number_that_is_none_is_found_in_a_later_round() -> None:
    def silent_then_mad(M_i: Tensor, x_i: Tensor) -> Tensor:
        return x_i + M_i * (1 if torch.equal(x_i, x_i.round()) else NAN)  # one-hot in round 1 only

    engine = of_functions(update=silent_then_mad, T=3)
    assert seen(engine).problem == "update returned a value that is not a finite number in round 2: C0, and 8 more."


def test_infinite_is_no_number_either() -> None:
    snapshot = seen(of_functions(message=lambda x_j, x_i, e_ij: x_j / 0.0))
    assert snapshot.problem.startswith("message returned a value that is not a finite number in round 1: ")


# ----------------------------------------------------------------------------- functions without a slope


def detached(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
    return f_m(x_j, x_i, e_ij).detach()


def through_numpy(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
    return torch.from_numpy(np.tanh(x_j.numpy())) * e_ij[:, 5:9]


def test_a_lost_gradient_is_said() -> None:
    snapshot = seen(of_functions(message=detached))
    assert snapshot.problem == (
        "The forces are wrong: message in round 1 or message in round 2 loses the gradient "
        "(detach, numpy, item and torch.tensor do that)."
    )
    assert snapshot.energy == pytest.approx(seen(of_functions()).energy)


def test_a_gradient_that_was_lost_everywhere_is_said() -> None:
    snapshot = seen(of_functions(readout=lambda x_i: f_R(x_i).detach()))
    assert snapshot.problem.startswith("The forces are wrong: readout loses the gradient")
    assert snapshot.forces is not None and not snapshot.forces.any()


def test_constants_need_no_gradient() -> None:
    def count(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        return torch.ones(len(x_j), 4)  # how many are there? f_c makes the count smooth

    def who(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        return x_j

    for message in (count, who):
        snapshot = seen(of_functions(message=message))
        assert snapshot.problem == ""
        assert snapshot.forces is not None and snapshot.forces.abs().max() > 0.1
    flat = seen(of_functions(readout=lambda x_i: torch.ones(len(x_i), 1)))
    assert (flat.problem, flat.energy) == ("", 9.0)
    assert flat.forces is not None and not flat.forces.any()


def test_where_forces_are_refused_there_is_an_energy_still() -> None:
    snapshot = seen(of_functions(message=through_numpy))
    assert snapshot.problem.startswith(
        f"No forces: message({GIVEN}) in round 2 raised RuntimeError: Can't call numpy()"
    )
    assert snapshot.forces is None and "forces" not in packed(snapshot)
    plain = seen(of_functions(message=lambda x_j, x_i, e_ij: torch.tanh(x_j) * e_ij[:, 5:9]))
    assert snapshot.energy == pytest.approx(plain.energy, abs=1e-12)
    assert snapshot.E_i is not None and plain.E_i is not None and torch.allclose(snapshot.E_i, plain.E_i)


# ----------------------------------------------------------------------------- awkward molecules


def test_an_unknown_element() -> None:
    snapshot = seen(Engine.of_potential(Potential.load(TRAINED)), molecule("NH3"))
    assert snapshot.problem == "ValueError: Atomic numbers [7] are unknown to this model; it knows [1, 6, 8]."
    assert snapshot.trace is None
    packed(snapshot)


def test_two_atoms_at_one_place() -> None:
    atoms = ETHANOL.copy()
    atoms.positions[8] = atoms.positions[2]
    snapshot = seen(of_functions(), atoms)
    assert snapshot.problem in [
        f"{a} and {b} are at the same place. Move one of them away." for a, b in (("O2", "H8"), ("H8", "O2"))
    ]
    assert snapshot.trace is None and snapshot.graph.n_edges > 0
    packed(snapshot)


def test_two_atoms_close_together_have_finite_forces() -> None:
    atoms = ETHANOL.copy()
    atoms.positions[8] = atoms.positions[2] + [0.002, 0, 0]
    snapshot = seen(of_functions(), atoms)
    assert snapshot.problem == "" and snapshot.forces is not None and snapshot.forces.isfinite().all()


@pytest.mark.parametrize("atoms", [Atoms("H"), Atoms("H2", [(0, 0, 0), (0, 0, 9)])], ids=["one atom", "no edges"])
def test_nobody_to_hear(atoms: Atoms) -> None:
    for engine in (of_functions(), Engine.of_potential(small_mpnn())):
        snapshot = seen(engine, atoms)
        assert snapshot.problem == "" and snapshot.trace is not None
        assert [state.m_ji.shape[0] for state in snapshot.trace.rounds] == [0] * engine.T
        assert snapshot.forces is not None and not snapshot.forces.any()
        packed(snapshot)


def crowd(n_atoms: int) -> Atoms:
    """A lump of atoms, none closer than 1.2 Angstrom to another."""
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 3)[:n_atoms] * 1.5
    rng = np.random.default_rng(0)
    return Atoms(rng.choice(ELEMENTS, n_atoms), grid + rng.uniform(-0.15, 0.15, (n_atoms, 3)))


def test_sixty_atoms() -> None:
    snapshot = seen(Engine.of_potential(Potential.load(TRAINED)), crowd(60))
    assert snapshot.problem == "" and snapshot.graph.n_edges > 1000
    assert len(packed(snapshot)["rounds"][0]["m_ji"]) == snapshot.graph.n_edges * 64 * 4


# ----------------------------------------------------------------------------- what cannot be chosen


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"T": 7}, "T = 7 rounds: choose a whole number from 0 to 6."),
        ({"T": -1}, "T = -1 rounds"),
        ({"T": 1.5}, "T = 1.5 rounds"),
        ({"T": 10**9}, "T = 1000000000 rounds"),
        ({"cutoff": 0.0}, "A cutoff of 0.0 Angstrom: choose one above 0 and up to 6.0."),
        ({"cutoff": -2.0}, "A cutoff of -2.0 Angstrom"),
        ({"cutoff": NAN}, "A cutoff of nan Angstrom"),
        ({"cutoff": 6.5}, "A cutoff of 6.5 Angstrom"),
        ({"positions": ETHANOL.positions[:8]}, "9 atomic numbers need positions of shape (9, 3), got (8, 3)."),
        ({"positions": [[NAN, 0, 0]] * 9}, "Positions must be finite numbers, got nan."),
        ({"positions": [[None, 0, 0]] * 9}, "Positions must be finite numbers, got nan."),
    ],
)
def test_what_no_reader_can_choose_is_refused(changes: dict[str, Any], words: str) -> None:
    arguments = {"numbers": ETHANOL.numbers, "positions": ETHANOL.positions, "T": 2, "cutoff": 3.0} | changes
    with pytest.raises(ValueError) as caught:
        look(of_functions(), **arguments)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"message": []}, "message is an empty list: give one function, or one a round."),
        ({"update": nn.ModuleList()}, "update is an empty list"),
        ({"message": 3}, "message must be a function, or a list with one a round, got 3."),
        ({"update": [f_U, "f_U"]}, "update must be a function, or a list with one a round, got 'f_U'."),
        ({"readout": 1.5}, "readout must be a function, or a list with one a round, got 1.5."),
        ({"message": None, "n_e": 12}, "The matrix message needs n_e = n_f * n_f = 16 edge features, got n_e = 12."),
        ({"n_f": 2}, "3 elements need n_f >= 3 node features, got n_f = 2."),
    ],
)
def test_functions_that_are_none_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        of_functions(**arguments)
    assert str(caught.value).startswith(words)


def test_only_rounds_of_message_passing_can_be_followed() -> None:
    with pytest.raises(ValueError, match=r"cannot look into a course.models.composition.Composition. Hand in its"):
        Engine.of_potential(Potential(course.Composition({1: 0.0})))


def test_names_of_the_functions() -> None:
    assert of_functions().names == {"message": "f_m", "update": "f_U", "readout": "f_R"}
    assert of_functions(None, None, None).names == {"message": "matrix_message", "update": "keep_and_add"}
    network = Engine.of_potential(learners_mpnn()).names
    assert network == {"message": "f_m", "update": "f_U", "readout": "f_R"}
    assert Engine.of_potential(small_mpnn()).names["message"] == "ContinuousFilter"


# ----------------------------------------------------------------------------- nothing of the learner's is touched


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def default_dtype(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def test_the_same_numbers_whatever_the_default_precision_is(default_dtype: torch.dtype) -> None:
    snapshot = seen(of_functions())
    assert snapshot.trace is not None and snapshot.trace.x_i.dtype == torch.float64
    assert snapshot.energy == pytest.approx(47.287399613796296, abs=1e-12)
    assert torch.get_default_dtype() == default_dtype


class Dropping(nn.Module):
    """Layers that behave otherwise in training: they take random numbers, and remember what they saw."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm, self.drop = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)

    def forward(self, M_i: Tensor, x_i: Tensor) -> Tensor:
        return x_i + self.drop(self.norm(self.linear(M_i)))


@pytest.mark.parametrize("training", [True, False])
def test_the_learners_modules_stay_as_they_were(training: bool) -> None:
    update = Dropping().train(training)
    update.drop.eval()  # a learner's own choice
    before = {name: value.clone() for name, value in update.state_dict().items()}
    potential = Potential(small_mpnn()).train(training)
    for engine in (of_functions(update=update), Engine.of_potential(potential)):
        first, second = seen(engine, cutoff=2.5), seen(engine, cutoff=2.5)
        assert first.problem == "" and first.energy == second.energy
    for module in (potential, *potential.modules(), update, update.linear, update.norm):
        assert module.training == training
    assert not update.drop.training
    for name, value in update.state_dict().items():
        assert torch.equal(value, before[name]), name
    for parameter in (*potential.parameters(), *update.parameters()):
        assert parameter.grad is None


def test_a_training_that_runs_meanwhile_keeps_its_mode() -> None:
    """JupyterLab lets a widget compute in one thread while a cell runs in another."""
    modes = set()

    class Update(nn.Module):
        def forward(self, M_i: Tensor, x_i: Tensor) -> Tensor:
            modes.add((self.training, update.training))
            return x_i + M_i

    update = Update().train()
    assert seen(of_functions(update=update)).problem == ""
    assert modes == {(False, True)}  # the copy that is looked at, and the learner's own


def test_the_learners_random_numbers_stay_as_they_were() -> None:
    def noisy(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        return f_m(x_j, x_i, e_ij) * torch.rand(len(x_j), 1)

    engines = [of_functions(noisy), of_functions(), Engine.of_potential(Potential.load(TRAINED))]
    torch.manual_seed(7)
    state = torch.get_rng_state()
    for engine in engines:
        assert seen(engine).problem == ""
    of_functions()
    assert torch.equal(torch.get_rng_state(), state)
    snapshot = seen(of_functions(noisy))
    assert snapshot.trace is not None and snapshot.E_i is not None
    assert torch.allclose(snapshot.trace.E_i, snapshot.E_i, rtol=1e-12)  # one throw of the dice for all that is shown


def test_nothing_that_is_shown_holds_a_graph_of_gradients() -> None:
    snapshot = seen(Engine.of_potential(small_mpnn()))
    assert snapshot.trace is not None
    tables = [*snapshot.trace[:2], *snapshot.trace[3:], *(table for state in snapshot.trace.rounds for table in state)]
    for tensor in (*tables, snapshot.E_i, snapshot.forces):
        assert isinstance(tensor, Tensor) and not tensor.requires_grad
