"""A practical introduction to neural network potentials: the library behind the notebooks.

Data flows one way, and the modules are listed in that order:

    datasets -> graph, radial -> descriptors -> models -> potential -> training
                                                            |
                       scorecard, plotting, comparison, exercises, widgets, grading  (they look, nobody depends on them)

The quantities, one letter each, as in the notebooks:

    ========== ================= ============================================================ ==========
    name       shape             meaning                                                      unit
    ========== ================= ============================================================ ==========
    numbers    (n_atoms,)        atomic numbers Z_i
    positions  (n_atoms, 3)      R_i                                                          Angstrom
    senders    (n_edges,)        j, the atom that speaks
    receivers  (n_edges,)        i, the atom that listens
    R_ij       (n_edges, 3)      R_j - R_i, from the receiver to the sender                   Angstrom
    r_ij       (n_edges,)        |R_ij|                                                       Angstrom
    f_c        (n_edges,)        cutoff function of r_ij, 1 at 0 and 0 from the cutoff on
    e_ij       (n_edges, n_e)    edge features
    x_i        (n_atoms, n_f)    node features, the atomic environment vector (AEV)
    m_ji       (n_edges, n_m)    message from j to i
    M_i        (n_atoms, n_m)    bundle: the sum of the messages that arrive at i
    E_i        (n_atoms,)        atomic energies                                              eV
    E          (n_molecules,)    energy, the sum of the atomic energies of a molecule         eV
    F_i        (n_atoms, 3)      forces, -dE/dR_i                                             eV/Angstrom
    ========== ================= ============================================================ ==========
"""

from course.datasets import Dataset, load
from course.graph import Graph, batch, molecular_graph
from course.models.composition import Composition
from course.models.message_passing import MPNN, MessageTrace
from course.models.molecular_mechanics import MolecularMechanics
from course.potential import Potential, Prediction
from course.scorecard import scorecard
from course.training import History, evaluate, fit

__version__ = "0.1.0"

__all__ = [
    "MPNN",
    "Composition",
    "Dataset",
    "Graph",
    "History",
    "MessageTrace",
    "MolecularMechanics",
    "Potential",
    "Prediction",
    "batch",
    "evaluate",
    "fit",
    "load",
    "molecular_graph",
    "scorecard",
]
