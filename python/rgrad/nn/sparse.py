"""Embeddings: rows of a table selected by integers."""

from typing import Any, Self

from numpy.typing import NDArray

from rgrad import _core
from rgrad._core import Tensor
from rgrad._shared.integer import integer
from rgrad.autograd import no_grad
from rgrad.nn import init
from rgrad.nn.module import TensorModule, as_tensor
from rgrad.nn.parameter import Parameter


def embedding(x: Tensor | NDArray[Any], weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Row ``i`` of ``weight`` (n, d) for every ``i`` in ``x``: integers (…) to (…, d).

    Args:
        x: Integers from 0 to n − 1.
        weight: The table.
        padding_idx: A row that receives no gradient; negative indices count from the end.

    Raises:
        IndexError: An index is negative or at least n.
        TypeError: ``x`` does not hold integers, or ``weight`` is not a tensor.
        ValueError: ``weight`` is not a matrix, or has no row ``padding_idx``.
    """
    if not isinstance(weight, Tensor):
        raise TypeError(f"embedding: expected a tensor (n, d) as weight, got {type(weight).__name__}")
    if weight.ndim != 2:
        raise ValueError(f"embedding: expected a table (n, d), got shape {weight.shape}")
    x = as_tensor(x)
    if x.dtype.is_floating_point or x.dtype == _core.DType("bool"):
        raise TypeError(f"embedding: expected integers, got {x.dtype}; write x.to(rg.int64)")
    rows = weight.shape[0]
    padding = None if padding_idx is None else _row("embedding", padding_idx, rows)
    # Indexing would accept negative ones.
    _core._check_rows(x, rows)
    chosen = weight[x]
    if padding is None:
        return chosen
    return _core.where((x != padding).unsqueeze(-1), chosen, chosen.detach())


class Embedding(TensorModule):
    """A table of vectors, looked up by integers: (…) to (…, embedding_dim).

    ``weight`` (num_embeddings, embedding_dim) is initialised from the standard normal distribution, as in PyTorch.

    Args:
        num_embeddings: Number of rows of the table.
        embedding_dim: Size of each row.
        padding_idx: A row that is initially 0 and receives no gradient; negative indices count from the end.
        dtype: Dtype of the table; the default dtype if None.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, dtype: Any = None
    ) -> None:
        self.num_embeddings = integer("Embedding: num_embeddings", num_embeddings, 1)
        self.embedding_dim = integer("Embedding: embedding_dim", embedding_dim, 1)
        self.padding_idx = None if padding_idx is None else _row("Embedding", padding_idx, num_embeddings)
        self.weight = Parameter(_core.empty(num_embeddings, embedding_dim, dtype=dtype))
        self.reset_parameters()

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Self:
        """An embedding with a copy of the table ``embeddings``.

        Args:
            embeddings: (num_embeddings, embedding_dim), of floats.
            freeze: Whether to exclude the table from training.
            padding_idx: As for the class, but the row keeps its values.
        """
        embeddings = as_tensor(embeddings)
        if embeddings.ndim != 2:
            raise ValueError(f"Embedding: expected a table (n, d), got shape {embeddings.shape}")
        rows, columns = embeddings.shape
        layer = cls(rows, columns, padding_idx, embeddings.dtype)
        layer.weight = Parameter(embeddings.detach(), requires_grad=not freeze)
        return layer

    def reset_parameters(self) -> None:
        """Draws a new table."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Integers (…) to (…, embedding_dim)."""
        return embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


def _row(what: str, padding_idx: int, rows: int) -> int:
    row = integer(f"{what}: padding_idx", padding_idx)
    if not -rows <= row < rows:
        raise ValueError(f"{what}: padding_idx must be from {-rows} to {rows - 1}, got {padding_idx}")
    return row % rows
