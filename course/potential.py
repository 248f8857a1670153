"""The potential: one place where atomic energies are summed and differentiated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from torch import Tensor, nn

from course.datasets import Dataset
from course.files import write_atomically
from course.graph import Graph, molecular_graph
from course.models.behler_parrinello import BehlerParrinello
from course.models.composition import Composition
from course.models.message_passing import MPNN
from course.models.molecular_mechanics import MolecularMechanics

# what makes a model again from its `settings`
MODELS: dict[str, Callable[..., nn.Module]] = {
    "BehlerParrinello": BehlerParrinello.from_settings,
    "Composition": Composition,
    "MPNN": MPNN,
    "MolecularMechanics": MolecularMechanics,
}


class Prediction(NamedTuple):
    """What a potential says about a graph."""

    energy: Tensor  # (n_molecules,)  eV, double precision
    forces: Tensor  # (n_atoms, 3)    eV/Angstrom
    atomic_energies: Tensor  # (n_atoms,)      eV, double precision


def energy_and_forces(model: Callable[[Graph], Tensor], graph: Graph, create_graph: bool = True) -> Prediction:
    """Energy, forces and atomic energies of a model of atomic energies.

        E = sum_i E_i,   F_i = -dE / dR_i

    model         graph -> (n_atoms,)
    create_graph  whether the forces can be differentiated once more, as a training on forces does
    """
    with torch.enable_grad():
        positions = graph.positions.detach().requires_grad_()
        E_i = model(graph.moved(positions))
        energy = E_i.new_zeros(graph.n_molecules).index_add(0, graph.molecule_index.to(E_i.device), E_i)
        forces = torch.zeros_like(positions)
        if energy.requires_grad:  # it does not where the model has no parameters and sees no geometry
            (gradient,) = torch.autograd.grad(
                energy.sum(), positions, create_graph=create_graph, materialize_grads=True
            )
            forces = -gradient
    return Prediction(energy, forces, E_i)


class Potential(nn.Module):
    """Energy and forces from a model of atomic energies.

        E_i = baseline(Z_i) + scale * model_i(graph),   E = sum_i E_i,   F_i = -dE / dR_i

    model     any module: graph -> (n_atoms,), with the attributes `cutoff` (Angstrom) and `elements`
    baseline  the composition model that the network is added to, or None for none
    scale     eV; the size of what the network has to explain, so that its own outputs are of order one
    """

    def __init__(self, model: nn.Module, baseline: Composition | None = None, scale: float = 1.0):
        super().__init__()
        self.model, self.baseline, self.scale = model, baseline, float(scale)

    @classmethod
    def for_data(cls, model: nn.Module, dataset: Dataset) -> Potential:
        """A potential whose baseline is fitted to the (training) data; its scale is 1 eV per 1 eV/Angstrom of force.

        A model with a `scale` of its own keeps it.
        """
        scale = 1.0 if dataset.forces is None else float(np.sqrt(np.mean(dataset.forces**2)))
        return cls(model, Composition.fit(dataset), getattr(model, "scale", scale))

    @property
    def cutoff(self) -> Any:  # a float; torch's modules may hold anything
        return self.model.cutoff

    @property
    def elements(self) -> Any:  # a list of atomic numbers
        return self.model.elements

    @property
    def descriptor(self) -> Any:  # graph -> (n_atoms, n_features), or None
        """The model's fixed description, where it has one: `fit` computes it once."""
        return getattr(self.model, "descriptor", None)

    def graph(self, atoms: Atoms) -> Graph:
        """The graph of a molecule with this potential's cutoff."""
        return molecular_graph(atoms, self.cutoff)

    def atomic_energies(self, graph: Graph) -> Tensor:
        """E_i (n_atoms,), eV. The network computes in its own precision, the sum is taken in double precision."""
        weight = next(self.model.parameters(), graph.positions)
        E_i = self.scale * self.model(graph.to(weight.device, weight.dtype))
        if self.baseline is None:
            return E_i
        baseline = self.baseline(graph.to(weight.device))
        return E_i.to(baseline.dtype) + baseline

    def forward(self, graph: Graph) -> Prediction:
        """Energy, forces and atomic energies. In training mode the forces can be differentiated once more."""
        prediction = energy_and_forces(self.atomic_energies, graph, create_graph=self.training)
        return prediction if self.training else Prediction(*(part.detach() for part in prediction))

    def predict(self, atoms: Atoms) -> Prediction:
        """Energy (1,), forces (n_atoms, 3) and atomic energies (n_atoms,) of one molecule."""
        return self(self.graph(atoms))

    def save(self, path: str | Path) -> None:
        """Weights and settings in one npz file without pickle, written whole or not at all."""
        parts = {"scale": self.scale, "model": describe(self.model)}
        parts["baseline"] = None if self.baseline is None else describe(self.baseline)
        weights = {name: tensor.detach().cpu().numpy() for name, tensor in self.model.state_dict().items()}
        settings = np.array(json.dumps(parts))
        write_atomically(path, lambda file: np.savez_compressed(file, allow_pickle=False, settings=settings, **weights))

    @classmethod
    def load(cls, path: str | Path, model: nn.Module | None = None) -> Potential:
        """The potential that `save` wrote. A model with functions of your own must be handed in: `load(path, model)`.

        Raises ValueError where the file is damaged, or its weights do not fit the model.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                parts = json.loads(str(archive["settings"]))
                weights = {name: torch.as_tensor(archive[name]) for name in archive.files if name != "settings"}
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(f"{path} is not a potential saved by this course, or it is damaged: {error}") from error
        model = model or rebuild(parts["model"], path)
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(f"The weights in {path} do not fit the model: {error}") from error
        baseline = parts["baseline"] and Composition(**parts["baseline"]["settings"])
        return cls(model, baseline, parts["scale"]).eval()


def describe(model: nn.Module) -> dict:
    return {"name": type(model).__name__, "settings": getattr(model, "settings", None)}


def rebuild(description: dict, path: str | Path) -> nn.Module:
    if description["name"] not in MODELS or description["settings"] is None:
        raise ValueError(
            f"{path} holds a {description['name']} with functions of its own, which no file can hold. "
            f"Build the model first and hand it in: Potential.load(path, model)."
        )
    return MODELS[description["name"]](**description["settings"])
