"""Fixed descriptions of the surroundings of an atom, chosen before the first energy was seen."""

from course.descriptors.coulomb import CoulombVector
from course.descriptors.symmetry_functions import SymmetryFunctions

__all__ = ["CoulombVector", "SymmetryFunctions"]
