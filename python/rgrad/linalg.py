"""Norms of vectors and matrices, under the names of NumPy's and PyTorch's ``linalg``."""

import math
from collections.abc import Sequence
from typing import Literal

from rgrad import _core
from rgrad._core import Tensor

__all__ = ["diagonal", "matmul", "matrix_norm", "norm", "vector_norm"]

Dims = int | Sequence[int]
Order = float | Literal["fro", "nuc"]

matmul = _core.matmul


def diagonal(x: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A diagonal of the matrices in two dimensions, by default the last ones, as a view; see ``rg.diagonal``."""
    return _core.diagonal(x, offset, dim1, dim2)


def vector_norm(x: Tensor, ord: Order = 2, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """The p-norm (Σ |x|ᵖ)^(1/p) over ``dim``, or over everything as one vector.

    Args:
        x: Floats, of any shape.
        ord: The order p: a number; 0 counts nonzero elements, ±``math.inf`` is the largest or smallest magnitude.
        dim: The dimensions to reduce; all if None.
        keepdim: Keep reduced dimensions with size 1.

    Returns:
        The norms. Their derivative at 0 is 0; for infinite ``ord``, ties share it evenly.

    Raises:
        TypeError: ``x`` is not floating-point, or ``ord`` is a string.
        ValueError: There are no elements, and ``ord`` is negative or infinite.
    """
    if isinstance(ord, str):
        raise TypeError(f"vector_norm: ord must be a number, got {ord!r}; write rg.linalg.matrix_norm")
    return _core.norm(x, ord, dim, keepdim)


def matrix_norm(x: Tensor, ord: Order = "fro", dim: tuple[int, int] = (-2, -1), keepdim: bool = False) -> Tensor:
    """The norm of the matrices in two dimensions, by default the last ones.

    Args:
        x: Floats (…, m, n).
        ord: "fro" for √Σ x²; 1 and -1 for the largest and smallest sum of magnitudes of a column, ±inf of a row.
        dim: The dimensions of rows and columns.
        keepdim: Keep reduced dimensions with size 1.

    Returns:
        The norms.

    Raises:
        NotImplementedError: ``ord`` is 2, -2 or "nuc", which need singular values.
        TypeError: ``x`` is not floating-point.
        ValueError: ``dim`` is not a pair, or ``ord`` is not a known order.
    """
    if isinstance(dim, int) or len(dim) != 2:
        raise ValueError(f"matrix_norm: dim must be a pair of dimensions, got {dim!r}")
    if ord == "fro":
        return _core.norm(x, 2, dim, keepdim)
    if ord in (2, -2, "nuc"):
        raise NotImplementedError(
            f"matrix_norm: the norm of order {ord!r} needs singular values, which rgrad does not compute; "
            'take "fro", 1 or math.inf, or call numpy.linalg.norm on x.detach().numpy()'
        )
    if isinstance(ord, str) or abs(ord) not in (1, math.inf):
        raise ValueError(f'matrix_norm: ord must be "fro", 1, -1, inf or -inf, got {ord!r}')
    rows, columns = dim
    over, along = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = _core.norm(x, 1, over, True)
    norms = _core.amax(sums, along, True) if ord > 0 else _core.amin(sums, along, True)
    return norms if keepdim else norms.squeeze(dim)


def norm(x: Tensor, ord: Order | None = None, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """The norm of vectors or of matrices, depending on the arguments.

    Args:
        x: Floats.
        ord: The order. None is 2 for vectors and "fro" for matrices; see ``vector_norm`` and ``matrix_norm``.
        dim: One dimension for vectors, two for matrices. With neither ``dim`` nor ``ord``, ``x`` is flattened; with
            ``ord`` alone, ``x`` itself is the vector or matrix.
        keepdim: Keep reduced dimensions with size 1.

    Returns:
        The norms.

    Raises:
        NotImplementedError: See ``matrix_norm``.
        TypeError: ``x`` is not floating-point.
        ValueError: ``ord`` is given without ``dim``, and ``x`` is neither a vector nor a matrix.
    """
    if ord is None:
        return _core.norm(x, 2, dim, keepdim)
    if dim is None and x.ndim not in (1, 2):
        raise ValueError(f"norm: ord needs dim, or a vector or a matrix, and this tensor has shape {x.shape}")
    given = tuple(range(x.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if len(given) == 2:
        return matrix_norm(x, ord, (given[0], given[1]), keepdim)
    if isinstance(ord, str):
        raise ValueError(f"norm: {ord!r} is a norm of matrices; dim must name two dimensions, got {dim!r}")
    return vector_norm(x, ord, given, keepdim)
