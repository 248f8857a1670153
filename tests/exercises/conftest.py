from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def as_in_the_notebook() -> Iterator[None]:
    """Double precision, as the notebooks without a training have it."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
