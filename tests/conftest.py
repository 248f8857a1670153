"""For all tests: no window opens, and workers that run side by side do not fight for the cores."""

import os

import matplotlib
import torch

matplotlib.use("Agg")
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
