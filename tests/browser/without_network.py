"""What test_network_cut.py runs in a place where loopback is the only network. By its name pytest would not find it."""

from collections.abc import Callable

from tests.browser.jupyter import Notebook
from tests.browser.test_every_widget import CELLS, check_every_widget


def test_in_jupyterlab(notebook: Callable[..., Notebook]) -> None:
    check_every_widget(notebook(CELLS))
