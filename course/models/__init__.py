"""Models. One interface: a model is a function of a graph that returns atomic energies, (n_atoms,).

A model says how far it looks (`cutoff`, Angstrom) and which elements it knows (`elements`, atomic numbers). It knows
nothing of molecules, totals, units of the data, or forces: `course.potential` adds those.
"""
