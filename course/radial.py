"""Functions of one distance: cutoff functions and radial bases."""

import math

import torch
from torch import Tensor


def cosine_cutoff(distances: Tensor, cutoff: float) -> Tensor:
    """A weight that falls smoothly from 1 at distance 0 to 0 at the cutoff, and stays 0.

        f_c(r) = (cos(pi r / r_c) + 1) / 2   for r < r_c, else 0

    Value and slope vanish at r_c; the curvature jumps there.

    distances  (...)  Angstrom
    cutoff     r_c, Angstrom
    returns    (...)

    Behler, J. Chem. Phys. 2011, 134, 074106, doi 10.1063/1.3553717.
    """
    inside = (torch.cos(math.pi * distances / cutoff) + 1) / 2
    return torch.where(distances < cutoff, inside, torch.zeros_like(inside))


def polynomial_cutoff(distances: Tensor, cutoff: float, p: int = 6) -> Tensor:
    """A weight from 1 to 0 whose value, slope and curvature all vanish at the cutoff.

        f_c(d) = 1 - (p+1)(p+2)/2 d^p + p(p+2) d^(p+1) - p(p+1)/2 d^(p+2),   d = r / r_c < 1, else 0

    Gasteiger, Gross, Guennemann, ICLR 2020, arXiv 2003.03123, eq. 8.
    """
    d = distances / cutoff
    inside = 1 - (p + 1) * (p + 2) / 2 * d**p + p * (p + 2) * d ** (p + 1) - p * (p + 1) / 2 * d ** (p + 2)
    return torch.where(d < 1, inside, torch.zeros_like(inside))


def gaussian_basis(distances: Tensor, centers: Tensor, eta: float | Tensor) -> Tensor:
    """How close each distance is to each of a row of centres.

        g_k(r) = exp(-eta (r - R_k)^2)

    distances  (n_edges,)    Angstrom
    centers    (n_radial,)   R_k, Angstrom
    eta                      sharpness, 1/Angstrom^2: one for all, or (n_radial,)
    returns    (n_edges, n_radial)

    Behler, J. Chem. Phys. 2011, 134, 074106, doi 10.1063/1.3553717, the Gaussian of G2.
    """
    centers = centers.to(distances)  # the same precision and device
    eta = eta.to(distances) if isinstance(eta, Tensor) else eta
    return torch.exp(-eta * (distances[:, None] - centers) ** 2)  # (n_edges, 1) - (n_radial,) -> (n_edges, n_radial)


def radial_grid(cutoff: float, n_radial: int) -> tuple[Tensor, float]:
    """Centres from 0 to the cutoff, and a sharpness at which neighbouring Gaussians overlap.

        R_k = k r_c / (n_radial - 1),   eta = (n_radial / r_c)^2

    returns    centers (n_radial,) in Angstrom, eta in 1/Angstrom^2
    """
    if n_radial < 1:
        raise ValueError(f"A radial grid needs at least one centre, got n_radial = {n_radial}.")
    return torch.linspace(0, cutoff, n_radial, dtype=torch.float64), (n_radial / cutoff) ** 2


def bessel_basis(distances: Tensor, n_radial: int, cutoff: float) -> Tensor:
    """Standing waves between 0 and the cutoff: an orthogonal radial basis.

        b_k(r) = sqrt(2 / r_c) sin(k pi r / r_c) / r,   k = 1 ... n_radial

    At r = 0 the limit sqrt(2 / r_c) k pi / r_c is returned.

    distances  (n_edges,)    Angstrom
    returns    (n_edges, n_radial)   Angstrom^(-3/2)

    Gasteiger, Gross, Guennemann, ICLR 2020, arXiv 2003.03123, eq. 7.
    """
    k = torch.arange(1, n_radial + 1, dtype=distances.dtype, device=distances.device)
    # torch.sinc(x) = sin(pi x) / (pi x) knows its own limit at 0
    return math.sqrt(2 / cutoff) * (k * math.pi / cutoff) * torch.sinc(distances[:, None] * k / cutoff)
