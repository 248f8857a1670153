"""Pictures that answer: the message explorer and its smaller relatives.

State is data (traits, and snapshots of what a model computed); an ES module draws it in the browser, matplotlib draws
the same state as a still picture. A widget reads, it computes no physics.
"""

from course.widgets.explorer import explore
from course.widgets.molecule import show_molecule
from course.widgets.monitor import TrainingMonitor
from course.widgets.ripple import ripple

__all__ = ["TrainingMonitor", "explore", "ripple", "show_molecule"]
