"""What the widgets compute in the browser is what the course computes in Python: both get the same cases, here."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

import course
from course import molecular_graph
from course.plotting import CYCLE
from course.radial import cosine_cutoff
from course.widgets.engine import Engine, Snapshot, packed
from course.widgets.explorer import explore
from tests.browser.node import run_node
from tests.widgets.test_engine import ETHANOL, crowd, of_functions, seen, small_mpnn

LOGIC = Path(course.__file__).parent / "widgets" / "logic.mjs"
MOLECULES = {"ethanol": ETHANOL, "crowd": crowd(30), "one": Atoms("H"), "far": Atoms("H2", [(0, 0, 0), (0, 0, 9)])}


def javascript(cases: Any, tmp_path: Path, code: str) -> Any:
    """The value of `code`, a JavaScript expression of `cases` and of `logic`, by node."""
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))
    return json.loads(
        run_node(
            "--input-type=module",
            "-e",
            f"""
            import {{ readFileSync }} from "node:fs";
            import * as logic from {json.dumps(LOGIC.as_posix())};
            const cases = JSON.parse(readFileSync({json.dumps(file.as_posix())}));
            console.log(JSON.stringify({code}));
            """,
        )
    )


def test_cutoff_function(tmp_path: Path) -> None:
    r_c, distances = 3.2, np.linspace(0, 4, 81)
    ours = javascript([r_c, distances.tolist()], tmp_path, "cases[1].map((r) => logic.cosineCutoff(r, cases[0]))")
    assert np.allclose(ours, cosine_cutoff(torch.from_numpy(distances), r_c), rtol=0, atol=1e-15)
    assert javascript(r_c, tmp_path, "logic.cosineCutoff(cases, cases)") == 0


@pytest.mark.parametrize("name", MOLECULES)
def test_edges(name: str, tmp_path: Path) -> None:
    positions, cutoff = MOLECULES[name].positions, 2.7
    edges = javascript([positions.tolist(), cutoff], tmp_path, "logic.edgesWithin(...cases)")
    graph = molecular_graph(MOLECULES[name], cutoff)
    expected = {
        (j, i): (r, f_c)
        for j, i, r, f_c in zip(
            graph.senders.tolist(),
            graph.receivers.tolist(),
            graph.distances.tolist(),
            cosine_cutoff(graph.distances, cutoff).tolist(),
            strict=True,
        )
    }
    assert len(edges) == len(expected)
    for edge in edges:
        assert (edge["r"], edge["f_c"]) == pytest.approx(expected[edge["j"], edge["i"]], abs=1e-12)


@pytest.mark.parametrize("name", MOLECULES)
def test_hops(name: str, tmp_path: Path) -> None:
    graph = molecular_graph(MOLECULES[name], 1.7)
    n = graph.n_atoms
    edges = [{"j": j, "i": i} for j, i in zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)]
    edges = [edge for k, edge in enumerate(edges) if k % 7]  # a graph in which not everybody answers
    code = "cases[0].map((i) => logic.hopsTo(i, cases[1], cases[2]).map((h) => (h === Infinity ? -1 : h)))"
    ours = javascript([list(range(n)), n, edges], tmp_path, code)
    near = np.zeros((n, n))
    for edge in edges:
        near[edge["i"], edge["j"]] = 1
    reached = np.eye(n)
    hops = np.full((n, n), -1)
    for t in range(n + 1):
        hops[(reached > 0) & (hops < 0)] = t
        reached = near @ reached + reached
    assert ours == hops.tolist()


def test_turns_keep_shapes_and_projections_are_those_of_the_axes(tmp_path: Path) -> None:
    axes = np.array(explore(ETHANOL).settings["molecules"][0]["axes"])
    code = (
        "[logic.turned(cases[0], 0.7, -0.3), cases[1].map((p) => logic.applied(cases[0], p)), logic.middle(cases[1])]"
    )
    turned, seen_from, middle = javascript([axes.tolist(), ETHANOL.positions.tolist()], tmp_path, code)
    a, b = 0.7, -0.3
    about_vertical = [[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]]
    about_horizontal = [[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]]
    assert np.allclose(turned, np.array(about_horizontal) @ about_vertical @ axes)
    assert np.allclose(np.array(turned) @ np.transpose(turned), np.eye(3))
    assert np.linalg.det(turned) == pytest.approx(1)
    assert np.allclose(seen_from, ETHANOL.positions @ axes.T)
    assert np.allclose(middle, ETHANOL.positions.mean(axis=0))


def as_page(record: Any) -> Any:
    """A packed snapshot in JSON: bytes as base64."""
    if isinstance(record, bytes):
        return {"bytes": base64.b64encode(record).decode()}
    if isinstance(record, dict):
        return {name: as_page(part) for name, part in record.items()}
    return [as_page(part) for part in record] if isinstance(record, list) else record


# Every array starts somewhere in the middle of a larger buffer, as messages of Jupyter have it.
UNPACKED = """(() => {
  const views = (part) => {
    if (part === null || typeof part !== "object") return part;
    if (part.bytes !== undefined) {
      const bytes = Buffer.from(part.bytes, "base64"), larger = new Uint8Array(bytes.length + 5);
      larger.set(bytes, 3);
      return new DataView(larger.buffer, 3, bytes.length);
    }
    if (Array.isArray(part)) return part.map(views);
    return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, views(value)]));
  };
  const plain = (part) => {
    if (part?.row) return { width: part.width, rows: Array.from({ length: part.n_rows }, (_, k) => [...part.row(k)]) };
    if (ArrayBuffer.isView(part)) return [...part];
    if (Array.isArray(part)) return part.map(plain);
    if (part === null || typeof part !== "object") return part;
    return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, plain(value)]));
  };
  const { edgeFrom, ...rest } = logic.unpack(views(cases));
  const numbersOfEdges = [...rest.senders].map((j, k) => edgeFrom(j, rest.receivers[k]));
  return { ...plain(rest), numbersOfEdges, noEdge: edgeFrom(0, 0) ?? null };
})()"""

SNAPSHOTS: dict[str, Snapshot] = {
    "functions": seen(of_functions()),
    "network": seen(Engine.of_potential(small_mpnn())),
    "no readout": seen(of_functions(readout=None)),
    "no rounds": seen(of_functions(), T=0),
    "one atom": seen(of_functions(), Atoms("H")),
    "nothing could be computed": seen(Engine.of_potential(small_mpnn()), Atoms("N")),
}


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_snapshots_arrive_whole(name: str, tmp_path: Path) -> None:
    snapshot = SNAPSHOTS[name]
    graph, trace = snapshot.graph, snapshot.trace
    order = list(range(graph.n_atoms))
    got = javascript(as_page({**packed(snapshot), "order": order}), tmp_path, UNPACKED)
    assert (got["n"], got["n_edges"]) == (graph.n_atoms, graph.n_edges)
    assert (got["names"], got["problem"], got["order"]) == (snapshot.names(), snapshot.problem, order)
    assert (got["senders"], got["receivers"]) == (graph.senders.tolist(), graph.receivers.tolist())
    assert got["energy"] == snapshot.energy
    assert np.allclose(got["positions"], graph.positions, rtol=0, atol=1e-6)
    for field in ("E_i", "baseline", "forces"):
        expected = getattr(snapshot, field)
        assert (got.get(field) is None) == (expected is None)
        assert expected is None or np.allclose(got[field], expected, rtol=0, atol=1e-6)
    assert got["numbersOfEdges"] == list(range(graph.n_edges)) and got["noEdge"] is None
    if trace is None:
        assert (got["rounds"], got["x_i"]["width"], got["f_c"]) == ([], 0, [])
        return
    same(got["e_ij"], trace.e_ij)
    same(got["x_i"], trace.x_i)
    assert len(got["rounds"]) == len(trace.rounds)
    for ours, theirs in zip(got["rounds"], trace.rounds, strict=True):
        for field in ("x_i", "m_ji", "M_i"):
            same(ours[field], getattr(theirs, field))


def same(table: dict[str, Any], tensor: torch.Tensor) -> None:
    assert len(table["rows"]) == len(tensor)
    assert not len(tensor) or table["width"] == tensor.shape[1]
    assert np.array_equal(np.array(table["rows"], dtype=np.float32).reshape(tensor.shape), tensor.float())


def test_one_palette(tmp_path: Path) -> None:
    assert javascript(None, tmp_path, "logic.CYCLE") == CYCLE


def test_steps_have_the_names_of_the_still_picture(tmp_path: Path) -> None:
    for T in range(4):
        widget = explore(ETHANOL, T=T)
        names = []
        for step in range(3 * T + 2):
            widget.view = {**widget.view, "step": step}
            names.append(list(widget.step))
        assert javascript(T, tmp_path, "logic.steps(cases).map(({ kind, t }) => [kind, t])") == names
