"""Functions of one distance, against values worked out by hand and against their limits."""

import math

import pytest
import torch

from course.radial import bessel_basis, cosine_cutoff, gaussian_basis, polynomial_cutoff, radial_grid


@pytest.mark.parametrize("cutoff_function", [cosine_cutoff, polynomial_cutoff])
def test_a_cutoff_function_falls_from_one_to_zero_without_a_step(cutoff_function):
    r = torch.linspace(0, 4, 4001, dtype=torch.float64, requires_grad=True)
    values = cutoff_function(r, 3.0)
    (slope,) = torch.autograd.grad(values.sum(), r)
    assert values[0] == 1
    assert (values[r >= 3] == 0).all()
    assert (slope <= 0).all()
    assert slope[(r > 2.995)].abs().max() < 0.01  # the slope vanishes at the cutoff
    assert values.diff().abs().max() < 2e-3  # no jump anywhere


def test_cosine_cutoff_at_half_the_way():
    assert cosine_cutoff(torch.tensor(1.5), 3.0).item() == pytest.approx(0.5)
    assert cosine_cutoff(torch.tensor(1.0), 3.0).item() == pytest.approx(0.75)  # (cos 60 degrees + 1) / 2


def test_only_the_polynomial_has_no_jump_in_its_curvature():
    curvature = {}
    for function in (cosine_cutoff, polynomial_cutoff):
        r = torch.tensor([3.0 - 1e-6], dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(function(r, 3.0), r, create_graph=True)
        (second,) = torch.autograd.grad(slope, r)
        curvature[function] = second.item()
    assert curvature[cosine_cutoff] == pytest.approx((math.pi / 3) ** 2 / 2, rel=1e-4)
    assert abs(curvature[polynomial_cutoff]) < 1e-3


def test_gaussians_by_hand():
    centers = torch.tensor([1.0, 2.0])
    got = gaussian_basis(torch.tensor([1.0, 1.5]), centers, eta=4.0)
    assert torch.allclose(got, torch.tensor([[1.0, math.exp(-4)], [math.exp(-1), math.exp(-1)]]))


def test_the_grid_covers_the_range():
    centers, eta = radial_grid(5.0, 11)
    assert (centers[0], centers[-1], len(centers)) == (0, 5, 11)
    somewhere = torch.linspace(0, 5, 500, dtype=torch.float64)
    assert gaussian_basis(somewhere, centers, eta).amax(dim=1).min() > 0.7  # every distance stands on some hill
    with pytest.raises(ValueError, match="n_radial = 0"):
        radial_grid(5.0, 0)


def test_bessel_functions_are_orthonormal_on_the_sphere():
    r = torch.linspace(0, 5, 20001, dtype=torch.float64)
    b = bessel_basis(r, 4, 5.0)
    overlap = torch.trapezoid((b[:, :, None] * b[:, None, :]) * (r**2)[:, None, None], r, dim=0)
    assert torch.allclose(overlap, torch.eye(4, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(b[0], math.sqrt(2 / 5) * torch.arange(1, 5, dtype=torch.float64) * math.pi / 5)
