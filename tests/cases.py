"""What the tables of cases have in common.

Every kind of operation has its table in a file ``cases_<kind>.py``; test_ops.py puts them together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import rgrad as rg


@dataclass
class Case:
    """A function of float64 tensors, its counterpart in NumPy, and inputs away from kinks and poles."""

    rgrad: Callable[..., rg.Tensor]
    numpy: Callable[..., np.ndarray]
    inputs: list[np.ndarray] = field(default_factory=list)
    differentiable: bool = True


R = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray:
    """Numbers at least 0.05 away from 0, and so from most kinks."""
    x = R.standard_normal(shape)
    return x + 0.05 * np.sign(x)


def positive(*shape: int) -> np.ndarray:
    return R.uniform(0.3, 2.0, shape)


def tensors(arrays: list[np.ndarray], dtype: rg.DType = rg.float64, grad: bool = False) -> list[rg.Tensor]:
    return [rg.tensor(a, dtype=dtype, requires_grad=grad) for a in arrays]
