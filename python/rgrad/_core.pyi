"""
The compiled part of rgrad. Use it through the package `rgrad`.
"""

import builtins
import collections
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import Any, Final, Self, SupportsFloat, SupportsIndex, final

import numpy
from _typeshed import SupportsGetItem
from numpy.typing import DTypeLike, NDArray
from typing_extensions import disjoint_base

from rgrad.return_types import ValuesIndices

__all__ = [
    "OPS",
    "VERSION",
    "DType",
    "Generator",
    "Hook",
    "ParamGroup",
    "ParamState",
    "Program",
    "Tensor",
    "_Compiled",
    "_Epoch",
    "_Level",
    "_Places",
    "_abandon",
    "_alias",
    "_apart",
    "_begin_file",
    "_captured",
    "_changing",
    "_check_rows",
    "_clock",
    "_custom",
    "_finish_file",
    "_gradients",
    "_has_tangent",
    "_is_recording",
    "_leaf",
    "_meet",
    "_optim_state",
    "_optim_step",
    "_panic_at",
    "_pin_isa",
    "_rebuild",
    "_record",
    "_recorded",
    "_refuse",
    "_set_anomaly",
    "_set_grad_enabled",
    "_split",
    "_untaped",
    "_version",
    "_with_tangent",
    "_zero_grad",
    "abs",
    "acos",
    "acosh",
    "add",
    "addmm",
    "addmv",
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "available_isas",
    "baddbmm",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "bmm",
    "broadcast_to",
    "cat",
    "ceil",
    "celu",
    "chunk",
    "clamp",
    "clamp_max",
    "clamp_min",
    "cos",
    "cosh",
    "cosine_similarity",
    "count_nonzero",
    "cross_entropy",
    "cumprod",
    "cumsum",
    "diag",
    "diag_embed",
    "diagonal",
    "div",
    "dot",
    "dropout",
    "einsum",
    "elu",
    "empty",
    "empty_cache",
    "empty_like",
    "eq",
    "equal",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expand",
    "expand_as",
    "expm1",
    "eye",
    "flatten",
    "flip",
    "float_power",
    "floor",
    "floor_divide",
    "fmod",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "gather",
    "ge",
    "gelu",
    "get_default_dtype",
    "get_num_threads",
    "get_rng_state",
    "gt",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "hypot",
    "index_put",
    "index_select",
    "inner",
    "is_grad_enabled",
    "isa",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "kl_div",
    "kron",
    "l1_loss",
    "layer_norm",
    "le",
    "leaky_relu",
    "lerp",
    "linear",
    "linspace",
    "load",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logit",
    "logsigmoid",
    "logspace",
    "logsumexp",
    "lt",
    "manual_seed",
    "margin_ranking_loss",
    "masked_fill",
    "matmul",
    "max",
    "maximum",
    "mean",
    "memory_stats",
    "meshgrid",
    "min",
    "minimum",
    "mish",
    "mm",
    "movedim",
    "mse_loss",
    "mul",
    "multi_margin_loss",
    "mv",
    "nan_to_num",
    "narrow",
    "ne",
    "neg",
    "nll_loss",
    "nonzero",
    "norm",
    "normalize",
    "one_hot",
    "ones",
    "ones_like",
    "outer",
    "pad",
    "permute",
    "pow",
    "prelu",
    "prod",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "ravel",
    "reciprocal",
    "relu",
    "relu6",
    "remainder",
    "repeat",
    "reshape",
    "rms_norm",
    "roll",
    "round",
    "rsqrt",
    "save",
    "scatter",
    "scatter_add",
    "select",
    "selu",
    "set_default_dtype",
    "set_num_threads",
    "set_rng_state",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "std_mean",
    "sub",
    "sum",
    "swapaxes",
    "take_along_dim",
    "tan",
    "tanh",
    "tanhshrink",
    "tensor",
    "tensordot",
    "threshold",
    "tile",
    "topk",
    "trace",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "unbind",
    "unflatten",
    "unsqueeze",
    "var",
    "var_mean",
    "where",
    "xlogy",
    "zeros",
    "zeros_like",
]

OPS: Final[list[str]]
"""
The names of the operations.
"""

VERSION: Final[str]

@final
class DType:
    """
    The type of a tensor's elements: `rgrad.float32`, `float64`, `int64`, `int32`, `uint8` or `bool`.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, name: str) -> Self:
        """
        The dtype of that name.
        """
    def __reduce__(self, /) -> tuple[type, tuple[str]]: ...
    def __repr__(self, /) -> str: ...
    @property
    def is_floating_point(self, /) -> bool:
        """
        Whether it is `float32` or `float64`.
        """
    @property
    def itemsize(self, /) -> int:
        """
        Bytes of an element.
        """
    @property
    def name(self, /) -> str:
        """
        NumPy's name for it.
        """

@final
class Generator:
    """
    A random number generator: a seed gives the same numbers on every platform, instruction set and number of threads.
    """
    def __new__(cls, /, seed: SupportsIndex = 0) -> Self: ...
    def __reduce__(self, /) -> tuple[type, tuple[int], tuple[int, int]]: ...
    def __repr__(self, /) -> str: ...
    def __setstate__(self, /, state: tuple[SupportsIndex, SupportsIndex]) -> None: ...
    def get_state(self, /) -> tuple[int, int]:
        """
        Seed and position, for `set_state`.
        """
    def initial_seed(self, /) -> int:
        """
        The seed.
        """
    def manual_seed(self, /, seed: SupportsIndex) -> Generator:
        """
        Reseeds the generator, and returns it.
        """
    def set_state(self, /, state: tuple[SupportsIndex, SupportsIndex]) -> None:
        """
        Restores a state from `get_state`.
        """

@final
class Hook:
    """
    A handle to a hook on a gradient, returned by `Tensor.register_hook`. It keeps neither hook nor tensor alive.
    """
    def remove(self, /) -> None:
        """
        Removes the hook from its tensor.
        """

@disjoint_base
class ParamGroup:
    """
    The parameters and settings of a group: a mapping, whose settings are checked when they are set.
    """
    def __contains__(self, name: Any, /) -> bool: ...
    def __delitem__(self, name: Any, /) -> None: ...
    def __getitem__(self, name: Any, /) -> Any: ...
    def __iter__(self, /) -> Iterator[Tensor]: ...
    def __len__(self, /) -> int: ...
    def __new__(cls, /, rule: str, values: dict[str, Any]) -> Self:
        """
        A group of an optimizer with this update rule, with all of its settings.
        """
    def __setitem__(self, name: Any, value: Any, /) -> None: ...
    @property
    def _rule(self, /) -> str:
        """
        The name of the update rule.
        """
    def update(self, other: Any | None = None, /, **entries: Any) -> None:
        """
        Sets entries from a mapping or pairs, and from keywords: all, or none if one is not what it has to be.
        """

@disjoint_base
class ParamState:
    """
    What an optimizer keeps of a parameter: a mapping, whose entries are checked when they are set.
    """
    def __delitem__(self, name: Any, /) -> None:
        """
        The numbers of the rule are deleted together.
        """
    def __getitem__(self, name: Any, /) -> Any: ...
    def __iter__(self, /) -> Iterator[Tensor]: ...
    def __len__(self, /) -> int: ...
    def __new__(cls, /, rule: str, entries: dict[str, Any] | None = None) -> Self:
        """
        The state of a parameter of an optimizer with this update rule.
        """
    def __setitem__(self, name: Any, value: Any, /) -> None: ...
    @property
    def _rule(self, /) -> str:
        """
        The name of the update rule.
        """

@final
class Program:
    """
    A recorded function that can be replayed.
    """
    def __str__(self, /) -> str:
        """
        The program as it runs.
        """
    def cost(self, /) -> dict[str, float]:
        """
        Floating-point operations, bytes read and written, instructions, and bytes of buffers.
        """
    def profile(self, /, arguments: Iterable[Tensor], times: SupportsIndex) -> list[float]:
        """
        Runs the program `times` times, and returns the minimum time of each instruction in seconds.
        """
    @property
    def recorded(self, /) -> str:
        """
        The program as it was recorded.
        """

@disjoint_base
class Tensor:
    """
    An n-dimensional array that remembers how it was computed.

    The constructor copies numbers, nested lists, arrays or other tensors; `rgrad.from_numpy` shares memory instead. Unlike in
    `rgrad.tensor`, Python numbers of any kind get the default dtype; arrays keep theirs. `rg.Tensor(3)`, in PyTorch a tensor of
    three elements, is an error: write `rg.tensor(3)` or `rg.empty(3)`.
    """

    __array_ufunc__: Final[bool | None]
    """
    NumPy defers operators with tensors to the tensors, so `array + tensor` is a tensor.
    """
    __pandas_priority__: Final[int]
    """
    So does pandas, whose frames have 4000: `series + tensor` is a tensor.
    """
    @property
    def T(self, /) -> Tensor:
        """
        The transposed matrix, as a view; with other than two dimensions, their order is reversed.
        """
    def __abs__(self, /) -> Tensor: ...
    def __add__(self, other: object, /) -> Tensor: ...
    def __and__(self, other: object, /) -> Tensor: ...
    def __array__(self, /, dtype: Any | None = None, copy: bool | None = None) -> numpy.ndarray:
        """
        NumPy's protocol: an array of the elements, sharing memory unless `dtype` or `copy` require a copy.
        """
    def __array_function__(self, /, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """
        NumPy's protocol for functions other than ufuncs: `np.sum(t)`, `np.stack([t, u])` and others accept tensors as arrays,
        and return arrays. `RuntimeError` if a tensor requires gradients, which would be lost.
        """
    def __bool__(self, /) -> bool: ...
    def __bytes__(self, /) -> bytes:
        """
        The bytes of the elements in row-major order.
        """
    def __dlpack__(
        self,
        /,
        *,
        stream: Any | None = None,
        max_version: tuple[SupportsIndex, SupportsIndex] | None = None,
        dl_device: tuple[SupportsIndex, SupportsIndex] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """
        DLPack's protocol: a capsule that shares this tensor's memory, of the versioned form if `max_version` is (1, 0) or
        later.

        `BufferError` if the tensor requires gradients or has a tangent, if another device or a stream is requested, or if the
        memory is read-only and the consumer only supports the unversioned form, which cannot express that.
        """
    def __dlpack_device__(self, /) -> tuple[int, int]:
        """
        DLPack's device type and number: the CPU.
        """
    def __eq__(self, other: object, /) -> Tensor: ...  # type: ignore[override]
    def __float__(self, /) -> builtins.float: ...
    def __floordiv__(self, other: object, /) -> Tensor: ...
    def __format__(self, /, spec: str) -> str:
        """
        A 0-d tensor is formatted as its number: `f"{loss}"`, `f"{loss:.4f}"`.
        """
    def __ge__(self, other: object, /) -> Tensor: ...
    def __getitem__(self, index: Any, /) -> Tensor: ...
    def __gt__(self, other: object, /) -> Tensor: ...
    def __hash__(self, /) -> int: ...
    def __iadd__(self, other: object, /) -> Self: ...
    def __iand__(self, other: object, /) -> Self: ...
    def __ifloordiv__(self, other: object, /) -> Self: ...
    def __imod__(self, other: object, /) -> Self: ...
    def __imul__(self, other: object, /) -> Self: ...
    def __index__(self, /) -> int: ...
    def __int__(self, /) -> int: ...
    def __invert__(self, /) -> Tensor: ...
    def __ior__(self, other: object, /) -> Self: ...
    def __ipow__(self, other: object, /) -> Self: ...  # type: ignore[misc]
    def __isub__(self, other: object, /) -> Self: ...
    def __iter__(self, /) -> Iterator[Tensor]: ...
    def __itruediv__(self, other: object, /) -> Self: ...
    def __ixor__(self, other: object, /) -> Self: ...
    def __le__(self, other: object, /) -> Tensor: ...
    def __len__(self, /) -> int: ...
    def __lt__(self, other: object, /) -> Tensor: ...
    def __matmul__(self, other: object, /) -> Tensor: ...
    def __mod__(self, other: object, /) -> Tensor: ...
    def __mul__(self, other: object, /) -> Tensor: ...
    def __ne__(self, other: object, /) -> Tensor: ...  # type: ignore[override]
    def __neg__(self, /) -> Tensor: ...
    def __new__(cls, /, data: Any, dtype: DType | DTypeLike | None = None, requires_grad: bool = False) -> Self: ...
    def __or__(self, other: object, /) -> Tensor: ...
    def __pos__(self, /) -> Tensor: ...
    def __pow__(self, other: object, modulo: object = None, /) -> Tensor: ...
    def __radd__(self, other: object, /) -> Tensor: ...
    def __rand__(self, other: object, /) -> Tensor: ...
    def __reduce__(self, /) -> tuple[Any, tuple[type, Any, bool]]: ...
    def __repr__(self, /) -> str: ...
    def __rfloordiv__(self, other: object, /) -> Tensor: ...
    def __rmatmul__(self, other: object, /) -> Tensor: ...
    def __rmod__(self, other: object, /) -> Tensor: ...
    def __rmul__(self, other: object, /) -> Tensor: ...
    def __ror__(self, other: object, /) -> Tensor: ...
    def __round__(self, /, ndigits: SupportsIndex | None = None) -> Tensor: ...
    def __rpow__(self, other: object, modulo: object = None, /) -> Tensor: ...
    def __rsub__(self, other: object, /) -> Tensor: ...
    def __rtruediv__(self, other: object, /) -> Tensor: ...
    def __rxor__(self, other: object, /) -> Tensor: ...
    def __setitem__(self, index: Any, value: Any, /) -> None: ...
    def __sub__(self, other: object, /) -> Tensor: ...
    def __truediv__(self, other: object, /) -> Tensor: ...
    def __xor__(self, other: object, /) -> Tensor: ...
    def abs(self, /) -> Tensor:
        """
        Absolute value, |x|. The derivative at 0 is 0.
        """
    def abs_(self, /) -> Tensor:
        """
        Writes `abs(self)` over this tensor's elements, and returns it.
        """
    def acos(self, /) -> Tensor:
        """
        Inverse of the cosine, in radians: NaN outside [−1, 1].
        """
    def acosh(self, /) -> Tensor:
        """
        Inverse of the hyperbolic cosine: NaN below 1.
        """
    def add(
        self,
        /,
        other: Tensor | builtins.float | NDArray[Any],
        alpha: Tensor | builtins.float | NDArray[Any] | None = None,
    ) -> Tensor:
        """
        Sum, x + alpha × other.
        """
    def add_(self, /, other: Any) -> Tensor:
        """
        Writes `add(self, other)` over this tensor's elements, and returns it.
        """
    def addmm(
        self,
        /,
        mat1: Tensor | builtins.float | NDArray[Any],
        mat2: Tensor | builtins.float | NDArray[Any],
        beta: SupportsFloat | SupportsIndex = 1.0,
        alpha: SupportsFloat | SupportsIndex = 1.0,
    ) -> Tensor:
        """
        `beta` · x + `alpha` · (mat1 @ mat2), where x broadcasts to the product of the two matrices. With `beta` 0, x is not
        looked at, and may hold NaN.
        """
    def addmv(
        self,
        /,
        mat: Tensor | builtins.float | NDArray[Any],
        vec: Tensor | builtins.float | NDArray[Any],
        beta: SupportsFloat | SupportsIndex = 1.0,
        alpha: SupportsFloat | SupportsIndex = 1.0,
    ) -> Tensor:
        """
        `beta` · x + `alpha` · (mat @ vec), where x broadcasts to the product of matrix and vector.
        """
    def all(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        keepdim: bool | None = False,
        *,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Whether all elements over `dim`, or of everything, are true (not 0; NaN is not 0); true over nothing.
        """
    def allclose(
        self,
        /,
        other: Tensor | builtins.float | NDArray[Any],
        rtol: SupportsFloat | SupportsIndex = 1e-05,
        atol: SupportsFloat | SupportsIndex = 1e-08,
        equal_nan: bool = False,
    ) -> bool:
        """
        Whether all elements are close: see `isclose`.
        """
    def amax(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        keepdim: bool | None = False,
        *,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Largest element over `dim`, or of everything; NaN if one is NaN.

        Ties share the gradient evenly, and so do several NaN.

        Args:
            x: A tensor.
            dim: One or several dimensions, or None for all.
            keepdim: Whether the dimensions that go stay, with size 1.

        Raises:
            IndexError: if `dim` is out of range.
            ValueError: if a dimension is named twice, or there is nothing to choose from.
        """
    def amin(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        keepdim: bool | None = False,
        *,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Smallest element over `dim`, or of everything; NaN if one is NaN.

        Ties share the gradient evenly, and so do several NaN.

        Args:
            x: A tensor.
            dim: One or several dimensions, or None for all.
            keepdim: Whether the dimensions that go stay, with size 1.

        Raises:
            IndexError: if `dim` is out of range.
            ValueError: if a dimension is named twice, or there is nothing to choose from.
        """
    def any(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        keepdim: bool | None = False,
        *,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Whether any element over `dim`, or of everything, is true (not 0; NaN is not 0); false over nothing.
        """
    def argmax(
        self,
        /,
        dim: SupportsIndex | None = None,
        keepdim: bool | None = False,
        *,
        axis: SupportsIndex | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Index of the first largest element along `dim`, or in row-major order of everything; the first NaN's if there is one.

        Args:
            x: A tensor.
            dim: A dimension, or None for all.
            keepdim: Whether the dimension that goes stays, with size 1.

        Raises:
            IndexError: if `dim` is out of range.
            ValueError: if there is nothing to choose from.
        """
    def argmin(
        self,
        /,
        dim: SupportsIndex | None = None,
        keepdim: bool | None = False,
        *,
        axis: SupportsIndex | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Index of the first smallest element along `dim`, or in row-major order of everything; the first NaN's if there is one.

        Args:
            x: A tensor.
            dim: A dimension, or None for all.
            keepdim: Whether the dimension that goes stays, with size 1.

        Raises:
            IndexError: if `dim` is out of range.
            ValueError: if there is nothing to choose from.
        """
    def argsort(self, /, dim: SupportsIndex = -1, descending: bool = False, stable: bool = False) -> Tensor:
        """
        The indices that sort the elements along `dim`; see `sort`.
        """
    def asin(self, /) -> Tensor:
        """
        Inverse of the sine, in radians: NaN outside [−1, 1].
        """
    def asinh(self, /) -> Tensor:
        """
        Inverse of the hyperbolic sine.
        """
    def atan(self, /) -> Tensor:
        """
        Inverse of the tangent, in radians.
        """
    def atan2(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        The angle of the point with ordinate x and abscissa other, in radians. The derivative at (0, 0) is 0.
        """
    def atanh(self, /) -> Tensor:
        """
        Inverse of the hyperbolic tangent: NaN outside [−1, 1].
        """
    def backward(
        self, /, gradient: Tensor | None = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """
        Adds the gradient of this tensor to the `grad` of every leaf that it depends on.

        The cotangent of a scalar is 1; for any other tensor, pass `gradient`, of the tensor's shape. The graph is freed unless
        `retain_graph` is true, which defaults to `create_graph`; the latter tapes the backward pass itself, so that gradients
        can be differentiated. `RuntimeError` if the tensor depends on nothing that requires gradients, is not a scalar, or the
        graph was freed by an earlier pass.
        """
    def baddbmm(
        self,
        /,
        batch1: Tensor | builtins.float | NDArray[Any],
        batch2: Tensor | builtins.float | NDArray[Any],
        beta: SupportsFloat | SupportsIndex = 1.0,
        alpha: SupportsFloat | SupportsIndex = 1.0,
    ) -> Tensor:
        """
        `beta` · x + `alpha` · (batch1 @ batch2), where x broadcasts to the products of the two stacks of matrices.
        """
    def bitwise_and(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        The bits that are set in both, of integers or bool.
        """
    def bitwise_and_(self, /, other: Any) -> Tensor:
        """
        Writes `bitwise_and(self, other)` over this tensor's elements, and returns it.
        """
    def bitwise_not(self, /) -> Tensor:
        """
        All bits inverted, of integers or bool.
        """
    def bitwise_or(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        The bits that are set in at least one, of integers or bool.
        """
    def bitwise_or_(self, /, other: Any) -> Tensor:
        """
        Writes `bitwise_or(self, other)` over this tensor's elements, and returns it.
        """
    def bitwise_xor(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        The bits that are set in exactly one, of integers or bool.
        """
    def bitwise_xor_(self, /, other: Any) -> Tensor:
        """
        Writes `bitwise_xor(self, other)` over this tensor's elements, and returns it.
        """
    def bmm(self, /, mat2: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Products of two stacks of matrices: (b, m, k) with (b, k, n) gives (b, m, n). Nothing broadcasts; see `matmul`.
        """
    def broadcast_to(self, /, *shape: int | Sequence[int]) -> Tensor:
        """
        `x` repeated to `shape` as broadcasting would, as a view.
        """
    def ceil(self, /) -> Tensor:
        """
        The smallest integer that is not below x. The derivative is 0.
        """
    def ceil_(self, /) -> Tensor:
        """
        Writes `ceil(self)` over this tensor's elements, and returns it.
        """
    def chunk(self, /, chunks: SupportsIndex, dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
        """
        At most `chunks` pieces along `dim`, as views; all of one size but the last, which may be smaller. `ValueError`
        unless `chunks` is positive.
        """
    def clamp(
        self,
        /,
        min: Tensor | builtins.float | NDArray[Any] | None = None,
        max: Tensor | builtins.float | NDArray[Any] | None = None,
    ) -> Tensor:
        """
        `x` limited to the range from `min` to `max`, either of which may be None. The derivative is 1 within the range,
        ends included, and 0 outside. `ValueError` if both limits are missing.
        """
    def clamp_(
        self,
        /,
        min: Tensor | builtins.float | NDArray[Any] | None = None,
        max: Tensor | builtins.float | NDArray[Any] | None = None,
    ) -> Tensor:
        """
        Overwrites the elements with `clamp(self, min, max)`, and returns this tensor.
        """
    def clamp_max(self, /, max: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        `x` limited from above. The derivative to `x` at the limit is 1.
        """
    def clamp_min(self, /, min: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        `x` limited from below. The derivative to `x` at the limit is 1.
        """
    def clone(self, /) -> Tensor:
        """
        A copy with its own memory. Gradients flow through it.
        """
    def contiguous(self, /) -> Tensor:
        """
        The tensor itself if it is contiguous, else a contiguous copy.
        """
    def copy_(self, /, value: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Overwrites the elements with `value`, broadcast and cast, and returns this tensor.
        """
    def cos(self, /) -> Tensor:
        """
        Cosine of an angle in radians.
        """
    def cosh(self, /) -> Tensor:
        """
        Hyperbolic cosine.
        """
    def count_nonzero(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        keepdim: bool | None = False,
        *,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Number of elements over `dim`, or of everything, that are not 0, as int64.
        """
    def cumprod(
        self,
        /,
        dim: SupportsIndex | None = None,
        *,
        dtype: DType | DTypeLike | None = None,
        axis: SupportsIndex | None = None,
    ) -> Tensor:
        """
        Products of the elements along `dim` up to each of them, itself included. Integers and bool are multiplied as int64.

        Args:
            x: A tensor.
            dim: The dimension, which must be given.
            dtype: To which elements are cast before they are multiplied, and the dtype of the result.

        Raises:
            IndexError: if `dim` is out of range.
        """
    def cumsum(
        self,
        /,
        dim: SupportsIndex | None = None,
        *,
        dtype: DType | DTypeLike | None = None,
        axis: SupportsIndex | None = None,
    ) -> Tensor:
        """
        Sums of the elements along `dim` up to each of them, itself included. Integers and bool are summed as int64.

        Args:
            x: A tensor.
            dim: The dimension, which must be given.
            dtype: To which elements are cast before they are added, and the dtype of the result.

        Raises:
            IndexError: if `dim` is out of range.
        """
    def data_ptr(self, /) -> int:
        """
        Address of the first element.
        """
    def detach(self, /) -> Tensor:
        """
        A tensor that shares this one's memory, but is not part of any graph.
        """
    def diag(self, /, diagonal: SupportsIndex = 0) -> Tensor:
        """
        A vector (n,) on a diagonal of zeros (n + |diagonal|, n + |diagonal|), or a diagonal of a matrix as a view.
        """
    def diag_embed(self, /, offset: SupportsIndex = 0, dim1: SupportsIndex = -2, dim2: SupportsIndex = -1) -> Tensor:
        """
        Zeros with the last dimension of `x` on the diagonal `offset` of two new dimensions, which stand at `dim1` and `dim2`.
        """
    def diagonal(self, /, offset: SupportsIndex = 0, dim1: SupportsIndex = 0, dim2: SupportsIndex = 1) -> Tensor:
        """
        The elements of `x` where the index along `dim2` is that along `dim1` plus `offset`, as a view: the two dimensions go,
        and the diagonal is the last one.
        """
    def dim(self, /) -> int:
        """
        Number of dimensions.
        """
    def div(self, /, other: Tensor | builtins.float | NDArray[Any], rounding_mode: str | None = None) -> Tensor:
        """
        Quotient, x ÷ other.

        `rounding_mode` is None for the true quotient, which of integers is a float; "trunc" to round it towards 0; or "floor"
        to round it down. The derivative of a rounded quotient is 0; integers divided by 0 are a `ZeroDivisionError` then.
        """
    def div_(self, /, other: Any) -> Tensor:
        """
        Writes `div(self, other)` over this tensor's elements, and returns it.
        """
    def dot(self, /, tensor: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Scalar product of two vectors of one size.
        """
    def double(self, /) -> Tensor:
        """
        Same as `to(float64)`.
        """
    @property
    def dtype(self, /) -> DType:
        """
        Type of the elements.
        """
    def element_size(self, /) -> int:
        """
        Bytes of an element.
        """
    def eq(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Whether a = b, as a tensor of bool.
        """
    def equal(self, /, other: Tensor | builtins.float | NDArray[Any]) -> bool:
        """
        Whether shapes and all elements are equal.
        """
    def erf(self, /) -> Tensor:
        """
        Error function, 2/√π ∫₀ˣ exp(−t²) dt.
        """
    def erfc(self, /) -> Tensor:
        """
        1 − erf x, accurate where that is small.
        """
    def erfinv(self, /) -> Tensor:
        """
        Inverse of the error function: NaN outside [−1, 1].
        """
    def exp(self, /) -> Tensor:
        """
        Exponential, eˣ.
        """
    def exp2(self, /) -> Tensor:
        """
        Power of two, 2ˣ.
        """
    def exp_(self, /) -> Tensor:
        """
        Writes `exp(self)` over this tensor's elements, and returns it.
        """
    def expand(self, /, *shape: int | Sequence[int]) -> Tensor:
        """
        Dimensions of size 1 repeated to `shape`, as a view; −1 keeps a size, and new dimensions come first.
        """
    def expand_as(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Dimensions of size 1 repeated to the shape of `other`, as a view.
        """
    def expm1(self, /) -> Tensor:
        """
        eˣ − 1, accurate near 0.
        """
    def fill_(self, /, value: builtins.float) -> Tensor:
        """
        Overwrites every element with a number, and returns this tensor. `ValueError` if the dtype cannot hold the number.
        """
    def flatten(self, /, start_dim: SupportsIndex = 0, end_dim: SupportsIndex = -1) -> Tensor:
        """
        Dimensions `start_dim` to `end_dim` (included) merged into one.
        """
    def flip(self, /, *dims: int | Sequence[int]) -> Tensor:
        """
        The elements of dimensions `dims` in reverse order, as a copy. A dimension out of range is an `IndexError`, one that
        is named twice a `ValueError`.
        """
    def float(self, /) -> Tensor:
        """
        Same as `to(float32)`.
        """
    def float_power(self, /, exponent: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Power, xᵃ, computed in float64.
        """
    def floor(self, /) -> Tensor:
        """
        The largest integer that is not above x. The derivative is 0.
        """
    def floor_(self, /) -> Tensor:
        """
        Writes `floor(self)` over this tensor's elements, and returns it.
        """
    def floor_divide(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        ⌊a ÷ b⌋. The derivative is 0. Integers divided by 0 are a `ZeroDivisionError`.
        """
    def floor_divide_(self, /, other: Any) -> Tensor:
        """
        Writes `floor_divide(self, other)` over this tensor's elements, and returns it.
        """
    def fmod(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        The remainder of a ÷ b with the sign of a, as C's `fmod`. Integers divided by 0 are a `ZeroDivisionError`.
        """
    def gather(self, /, dim: SupportsIndex, index: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        For every element of `index`, the element of `x` at that position of `dim` and the same place in the other
        dimensions; negative positions count from the back. `index` may be smaller than `x` in the other dimensions.
        `ValueError` if the shapes do not fit, `IndexError` for positions out of range, `TypeError` unless they are
        integers.
        """
    def ge(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Whether a ≥ b, as a tensor of bool.
        """
    @property
    def grad(self, /) -> Tensor | None:
        """
        The gradient that backward passes have accumulated, or None.
        """
    @grad.setter
    def grad(self, /, value: Tensor | None) -> None: ...
    @property
    def grad_fn(self, /) -> str | None:
        """
        The name of the taped operation that created this tensor, or None.
        """
    def gt(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Whether a > b, as a tensor of bool.
        """
    def hypot(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        √(x² + other²), without overflow. The derivative at (0, 0) is 0.
        """
    def index_put(self, /, index: Any, value: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        A copy of `x` in which `x[index]` is `value`: `x[index] = value` as a function, through which gradients flow to both.
        Where positions repeat, the last value stays, and it alone has a gradient.
        """
    def index_select(self, /, dim: SupportsIndex, index: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        The positions `index` (n,) of dimension `dim`, as a copy; negative ones count from the back. `ValueError` for an
        index of another shape, `IndexError` for positions out of range.
        """
    def inner(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Sum of products over the last dimension of both: (…, k) with (***, k) gives (…, ***); a number multiplies.
        """
    def is_contiguous(self, /) -> bool:
        """
        Whether the elements are contiguous in row-major order.
        """
    def is_floating_point(self, /) -> bool:
        """
        Whether the elements are floats, so that derivatives exist.
        """
    @property
    def is_leaf(self, /) -> bool:
        """
        Whether the tensor was created by the user rather than by a taped operation.
        """
    def isclose(
        self,
        /,
        other: Tensor | builtins.float | NDArray[Any],
        rtol: SupportsFloat | SupportsIndex = 1e-05,
        atol: SupportsFloat | SupportsIndex = 1e-08,
        equal_nan: bool = False,
    ) -> Tensor:
        """
        Whether |x − other| ≤ atol + rtol × |other|, element by element, as a tensor of bool. Equal infinities are close, and NaN
        to NaN if `equal_nan` says so.
        """
    def isfinite(self, /) -> Tensor:
        """
        Whether an element is neither infinite nor NaN, as a tensor of bool.
        """
    def isinf(self, /) -> Tensor:
        """
        Whether an element is ∞ or −∞, as a tensor of bool.
        """
    def isnan(self, /) -> Tensor:
        """
        Whether an element is NaN, as a tensor of bool.
        """
    def item(self, /) -> builtins.float:
        """
        The only element, as a Python number. `ValueError` unless there is exactly one.
        """
    @property
    def itemsize(self, /) -> int:
        """
        Bytes of an element.
        """
    def kron(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Kronecker product: every element of `x` times all of `other`. Sizes multiply, dimension by dimension from the last.
        """
    def le(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Whether a ≤ b, as a tensor of bool.
        """
    def lerp(
        self, /, end: Tensor | builtins.float | NDArray[Any], weight: Tensor | builtins.float | NDArray[Any]
    ) -> Tensor:
        """
        x + weight × (end − x), exactly `end` where weight is 1.
        """
    def log(self, /) -> Tensor:
        """
        Natural logarithm, ln x: NaN below 0, −∞ at 0.
        """
    def log10(self, /) -> Tensor:
        """
        Logarithm to base 10.
        """
    def log1p(self, /) -> Tensor:
        """
        ln(1 + x), accurate near 0.
        """
    def log2(self, /) -> Tensor:
        """
        Logarithm to base 2.
        """
    def log_(self, /) -> Tensor:
        """
        Writes `log(self)` over this tensor's elements, and returns it.
        """
    def log_softmax(self, /, dim: SupportsIndex) -> Tensor:
        """
        x − ln Σ exp(x) along `dim`, without overflow: the logarithm of `softmax`.

        Args:
            x: Numbers; integers become floats of the default dtype.
            dim: The dimension along which the results are the logarithms of what adds up to 1.

        Raises:
            IndexError: if `dim` is out of range.
        """
    def logaddexp(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        ln(eᵃ + eᵇ), without overflow. Equal infinities get half of the gradient each.
        """
    def logical_and(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Whether both are true, as a tensor of bool; any number but 0 is true.
        """
    def logical_not(self, /) -> Tensor:
        """
        Whether an element is false, as a tensor of bool; any number but 0 is true.
        """
    def logical_or(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Whether at least one is true, as a tensor of bool; any number but 0 is true.
        """
    def logical_xor(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Whether exactly one is true, as a tensor of bool; any number but 0 is true.
        """
    def logit(self, /, eps: SupportsFloat | SupportsIndex | None = None) -> Tensor:
        """
        ln(x / (1 − x)), the inverse of the logistic function. With `eps`, x is limited to [eps, 1 − eps] first.
        `ValueError` unless `0 ≤ eps ≤ ½`.
        """
    def logsigmoid(self, /) -> Tensor:
        """
        ln(1 / (1 + e⁻ˣ)), without overflow.
        """
    def logsumexp(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        keepdim: bool | None = False,
        *,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        ln Σ exp(x) over `dim`, without overflow; −∞ where all are −∞.

        Args:
            x: A tensor.
            dim: One or several dimensions, or None for all.
            keepdim: Whether the dimensions that go stay, with size 1.

        Raises:
            IndexError: if `dim` is out of range.
            ValueError: if one is named twice.
        """
    def long(self, /) -> Tensor:
        """
        Same as `to(int64)`.
        """
    def lt(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Whether a < b, as a tensor of bool.
        """
    @property
    def mT(self, /) -> Tensor:
        """
        The transpose of the last two dimensions, as a view.
        """
    def masked_fill(
        self, /, mask: Tensor | builtins.float | NDArray[Any], value: Tensor | builtins.float | NDArray[Any]
    ) -> Tensor:
        """
        `value` where `mask` is true, elements of `x` elsewhere; both are broadcast. `TypeError` unless the mask is of bool.
        """
    def matmul(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Matrix product, as NumPy's `@`: (…, m, k) with (…, k, n) gives (…, m, n), and dimensions before the last two
        broadcast. A vector counts as one row on the left, as one column on the right, and leaves no dimension behind.
        """
    def max(
        self,
        /,
        dim: int | Tensor | builtins.float | NDArray[Any] | None = None,
        keepdim: bool | None = False,
        *,
        other: Tensor | builtins.float | NDArray[Any] | None = None,
        axis: SupportsIndex | None = None,
        keepdims: bool | None = None,
    ) -> Any:
        """
        The largest element; or with `dim` the largest elements along it (the first of ties, to which the gradient goes) and
        their indices; or with `other` the larger of two tensors, element by element, as `maximum`.
        """
    def maximum(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        The larger of two; NaN if either is NaN. Where they are equal or both NaN, each gets half of the gradient; else all of it
        goes to the one that was chosen.
        """
    def mean(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        keepdim: bool | None = False,
        *,
        dtype: DType | DTypeLike | None = None,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Arithmetic mean over `dim`, or over everything; NaN over nothing.

        Args:
            x: A tensor of floats.
            dim: One or several dimensions, or None for all.
            keepdim: Whether the dimensions that go stay, with size 1.
            dtype: To which elements are cast before, and the dtype of the result.

        Raises:
            IndexError: if `dim` is out of range.
            TypeError: unless elements are floats, or become such by `dtype`.
            ValueError: if one is named twice.
        """
    def min(
        self,
        /,
        dim: int | Tensor | builtins.float | NDArray[Any] | None = None,
        keepdim: bool | None = False,
        *,
        other: Tensor | builtins.float | NDArray[Any] | None = None,
        axis: SupportsIndex | None = None,
        keepdims: bool | None = None,
    ) -> Any:
        """
        The smallest element; or with `dim` the smallest elements along it (the first of ties, to which the gradient goes) and
        their indices; or with `other` the smaller of two tensors, element by element, as `minimum`.
        """
    def minimum(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        The smaller of two; NaN if either is NaN. Where they are equal or both NaN, each gets half of the gradient; else all of it
        goes to the one that was chosen.
        """
    def mm(self, /, mat2: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Product of two matrices: (m, k) with (k, n) gives (m, n). Nothing broadcasts; see `matmul`.
        """
    def movedim(self, /, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
        """
        Dimensions `source` moved to the places `destination`, as a view; the others keep their order.
        """
    def mul(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Product, a × b.
        """
    def mul_(self, /, other: Any) -> Tensor:
        """
        Writes `mul(self, other)` over this tensor's elements, and returns it.
        """
    def mv(self, /, vec: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Product of a matrix and a vector: (m, k) with (k,) gives (m,).
        """
    def nan_to_num(
        self,
        /,
        nan: SupportsFloat | SupportsIndex | None = None,
        posinf: SupportsFloat | SupportsIndex | None = None,
        neginf: SupportsFloat | SupportsIndex | None = None,
    ) -> Tensor:
        """
        `x` with NaN, ∞ and −∞ replaced, by default by 0 and by the largest and lowest finite numbers of its dtype.
        """
    def narrow(self, /, dim: SupportsIndex, start: SupportsIndex, length: SupportsIndex) -> Tensor:
        """
        `length` positions of dimension `dim` from `start` on, as a view. `IndexError` unless they lie within it.
        """
    @property
    def nbytes(self, /) -> int:
        """
        Bytes of all elements.
        """
    @property
    def ndim(self, /) -> int:
        """
        Number of dimensions.
        """
    def ne(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Whether a ≠ b, as a tensor of bool.
        """
    def neg(self, /) -> Tensor:
        """
        Negation, −x.
        """
    def neg_(self, /) -> Tensor:
        """
        Writes `neg(self)` over this tensor's elements, and returns it.
        """
    def nonzero(self, /) -> Tensor:
        """
        The positions (n, ndim) of the elements that are not 0, in row-major order.
        """
    def norm(
        self, /, p: builtins.float | str | None = 2.0, dim: int | Sequence[int] | None = None, keepdim: bool = False
    ) -> Tensor:
        """
        The p-norm over `dim`, or over everything as one vector: (Σ |x|ᵖ)^(1/p). `p` is a number, 0 to count what is not 0,
        `inf` and `-inf` for the largest and smallest magnitude, or "fro", which is 2. At 0 its derivatives of any order are
        0, and large elements do not overflow. `rg.linalg.norm` has the norms of matrices. `TypeError` unless `x` holds
        floats, `ValueError` for p = NaN or, as there is no smallest magnitude, for infinite or negative p over nothing.
        """
    def numel(self, /) -> int:
        """
        Number of elements.
        """
    def numpy(self, /) -> numpy.ndarray:
        """
        A NumPy array that shares this tensor's memory; it is read-only if that memory is.

        `RuntimeError` if the tensor requires gradients or has a tangent: write x.detach().numpy().
        """
    def outer(self, /, vec2: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        All products of the elements of two vectors: (m,) with (n,) gives (m, n).
        """
    def permute(self, /, *dims: int | Sequence[int]) -> Tensor:
        """
        Dimensions reordered, as a view: dimension `i` of the result is dimension `dims[i]` of `x`.
        """
    def pow(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        Power, aᵇ; of integers an integer, and a `ValueError` if one of the exponents is negative.

        The derivative to b where a = 0 is 0 for b ≥ 0.
        """
    def pow_(self, /, exponent: Any) -> Tensor:
        """
        Overwrites the elements with `pow(self, exponent)`, and returns this tensor.
        """
    def prod(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        keepdim: bool | None = False,
        *,
        dtype: DType | DTypeLike | None = None,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Product over `dim`, or over everything; 1 over nothing. Integers and bool are multiplied as int64.

        Args:
            x: A tensor.
            dim: One or several dimensions, or None for all.
            keepdim: Whether the dimensions that go stay, with size 1.
            dtype: To which elements are cast before they are multiplied, and the dtype of the result.

        Raises:
            IndexError: if `dim` is out of range.
            ValueError: if one is named twice.
        """
    def ravel(self, /) -> Tensor:
        """
        All elements in row-major order as one dimension: a view where strides allow it, else a copy.
        """
    def reciprocal(self, /) -> Tensor:
        """
        Reciprocal, 1/x.
        """
    def register_hook(self, /, hook: collections.abc.Callable[[Tensor], Tensor | None]) -> Hook:
        """
        Calls `hook` with the complete gradient of this tensor in every backward pass, before it is used or stored.

        The hook returns None, or a replacement of the same shape and dtype. Returns a handle whose `remove()` removes the
        hook. `RuntimeError` if the tensor does not require gradients.
        """
    def relu(self, /) -> Tensor:
        """
        Rectified linear unit, max(x, 0). The derivative at 0 is 0.
        """
    def remainder(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        The remainder of a ÷ b with the sign of b, as Python's `%`. Integers divided by 0 are a `ZeroDivisionError`.
        """
    def remainder_(self, /, other: Any) -> Tensor:
        """
        Writes `remainder(self, other)` over this tensor's elements, and returns it.
        """
    def repeat(self, /, *sizes: int | Sequence[int]) -> Tensor:
        """
        The tensor laid end to end `sizes[i]` times along dimension `i`; more sizes than dimensions make new ones in front.
        `ValueError` for negative sizes, or fewer sizes than dimensions.
        """
    @property
    def requires_grad(self, /) -> bool:
        """
        Whether gradients flow to or through this tensor.
        """
    @requires_grad.setter
    def requires_grad(self, /, value: bool) -> None: ...
    def requires_grad_(self, /, requires_grad: bool = True) -> Tensor:
        """
        Sets whether this leaf requires gradients, and returns it.
        """
    def reshape(self, /, *shape: int | Sequence[int]) -> Tensor:
        """
        The elements in row-major order under another shape; one size may be −1, and follows from the others. A view where
        strides allow it, else a copy.
        """
    def retain_grad(self, /) -> None:
        """
        Stores the gradient of this intermediate result, after all hooks, in its `grad`, as is always done for leaves.
        `RuntimeError` if it does not require gradients.
        """
    def roll(self, /, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
        """
        The elements moved by `shifts` along `dims`, those behind the end coming in at the front; without `dims`, all
        elements are moved as if they were one vector. `ValueError` unless there is a shift for every dimension, or one
        alone.
        """
    def round(self, /, decimals: SupportsIndex = 0) -> Tensor:
        """
        The nearest number with so many decimals, ties to even. The derivative is 0. `TypeError` for integers rounded to
        tens or more.
        """
    def rsqrt(self, /) -> Tensor:
        """
        Reciprocal of the square root, 1/√x.
        """
    def scatter(
        self,
        /,
        dim: SupportsIndex,
        index: Tensor | builtins.float | NDArray[Any],
        src: Tensor | builtins.float | NDArray[Any],
    ) -> Tensor:
        """
        A copy of `x` in which the places that `gather` would read from hold `src`, a tensor that reaches over `index` or a
        number. Where positions repeat, the last value stays, and it alone has a gradient. Errors as `gather`'s, and
        `ValueError` if `src` is too small.
        """
    def scatter_add(
        self,
        /,
        dim: SupportsIndex,
        index: Tensor | builtins.float | NDArray[Any],
        src: Tensor | builtins.float | NDArray[Any],
    ) -> Tensor:
        """
        `x`, and added to the places that `gather` would read from the elements of `src`, which reaches over `index`. Errors
        as `gather`'s, and `ValueError` if `src` is too small.
        """
    def select(self, /, dim: SupportsIndex, index: SupportsIndex) -> Tensor:
        """
        Position `index` of dimension `dim`, without that dimension, as a view. `IndexError` if either is out of range.
        """
    @property
    def shape(self, /) -> tuple[int, ...]:
        """
        Size of every dimension.
        """
    def sigmoid(self, /) -> Tensor:
        """
        Logistic function, 1 / (1 + e⁻ˣ).
        """
    def sign(self, /) -> Tensor:
        """
        Sign: −1, 0 or 1, and NaN for NaN. The derivative is 0.
        """
    def sin(self, /) -> Tensor:
        """
        Sine of an angle in radians.
        """
    def sinh(self, /) -> Tensor:
        """
        Hyperbolic sine.
        """
    def size(self, /, dim: SupportsIndex | None = None) -> int | tuple[int, ...]:
        """
        Size of every dimension, or of dimension `dim`.
        """
    def softmax(self, /, dim: SupportsIndex) -> Tensor:
        """
        exp(x) / Σ exp(x) along `dim`, without overflow.

        Args:
            x: Numbers; integers become floats of the default dtype.
            dim: The dimension along which the results add up to 1.

        Raises:
            IndexError: if `dim` is out of range.

        >>> rg.softmax(rg.tensor([[0.0, 0.0]]), 1)
        tensor([[0.5, 0.5]])
        """
    def softplus(
        self, /, beta: SupportsFloat | SupportsIndex = 1.0, threshold: SupportsFloat | SupportsIndex = 20.0
    ) -> Tensor:
        """
        ln(1 + exp(beta · x)) / beta, without overflow; x itself where beta · x > threshold. `ValueError` if beta is 0.
        """
    def sort(self, /, dim: SupportsIndex = -1, descending: bool = False, stable: bool = False) -> ValuesIndices:
        """
        The elements along `dim` in increasing order, or decreasing if `descending`, and their indices. NaN is larger than
        every number. Equal elements keep their order, whether `stable` asks for it or not.
        """
    def split(self, /, split_size_or_sections: int | Sequence[int], dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
        """
        Pieces along `dim`, as views: of one size, the last being what is left, or of the sizes that a sequence lists.
        `ValueError` unless sizes are positive (0 is allowed in a list of sizes) and a list of sizes adds up to the
        dimension's.
        """
    def sqrt(self, /) -> Tensor:
        """
        Square root, √x.
        """
    def sqrt_(self, /) -> Tensor:
        """
        Writes `sqrt(self)` over this tensor's elements, and returns it.
        """
    def square(self, /) -> Tensor:
        """
        Square, x².
        """
    def square_(self, /) -> Tensor:
        """
        Writes `square(self)` over this tensor's elements, and returns it.
        """
    def squeeze(self, /, dim: int | Sequence[int] | None = None) -> Tensor:
        """
        Without the dimensions of size 1, or without those of `dim` that have size 1.
        """
    def std(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        *,
        keepdim: bool | None = False,
        correction: SupportsFloat | SupportsIndex | None = None,
        unbiased: bool | None = None,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Standard deviation over `dim`, or over everything, the root of `var`. The derivative where it is 0 is 0.

        Args:
            x: A tensor of floats.
            dim: One or several dimensions, or None for all.
            keepdim: Whether the dimensions that go stay, with size 1.
            correction: What is subtracted from the number n of elements; 1 unless given.
            unbiased: True and False stand for the corrections 1 and 0.

        Raises:
            IndexError: if `dim` is out of range.
            TypeError: unless elements are floats.
            ValueError: if both `correction` and `unbiased` are given, or a dimension is named twice.
        """
    def std_mean(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        *,
        keepdim: bool | None = False,
        correction: SupportsFloat | SupportsIndex | None = None,
        unbiased: bool | None = None,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """
        Standard deviation and mean over `dim`, or over everything, as a pair; see `std`.
        """
    def storage_offset(self, /) -> int:
        """
        Offset of the first element in the storage that the tensor shares with its views, in elements.
        """
    def stride(self, /, dim: SupportsIndex | None = None) -> int | tuple[int, ...]:
        """
        The stride of every dimension, or of dimension `dim`, in elements.
        """
    def sub(
        self,
        /,
        other: Tensor | builtins.float | NDArray[Any],
        alpha: Tensor | builtins.float | NDArray[Any] | None = None,
    ) -> Tensor:
        """
        Difference, x − alpha × other.
        """
    def sub_(self, /, other: Any) -> Tensor:
        """
        Writes `sub(self, other)` over this tensor's elements, and returns it.
        """
    def sum(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        keepdim: bool | None = False,
        *,
        dtype: DType | DTypeLike | None = None,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Sum over `dim`, or over everything. Integers and bool are summed as int64.

        Args:
            x: A tensor.
            dim: One or several dimensions, or None for all.
            keepdim: Whether the dimensions that go stay, with size 1.
            dtype: To which elements are cast before they are added, and the dtype of the result.

        Raises:
            IndexError: if `dim` is out of range.
            ValueError: if one is named twice.

        >>> rg.sum(rg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
        tensor([4., 6.])
        """
    def swapaxes(self, /, axis0: SupportsIndex, axis1: SupportsIndex) -> Tensor:
        """
        Two dimensions exchanged, as a view: NumPy's name for `transpose`.
        """
    def take_along_dim(
        self, /, indices: Tensor | builtins.float | NDArray[Any], dim: SupportsIndex | None = None
    ) -> Tensor:
        """
        As `gather`, where the other dimensions of `x` and `index` are broadcast; without `dim`, over all elements in
        row-major order.
        """
    def tan(self, /) -> Tensor:
        """
        Tangent of an angle in radians.
        """
    def tanh(self, /) -> Tensor:
        """
        Hyperbolic tangent.
        """
    def tile(self, /, *dims: int | Sequence[int]) -> Tensor:
        """
        As `repeat`, but fewer sizes than dimensions belong to the last ones. `ValueError` for negative sizes.
        """
    def to(self, /, dtype: DType | DTypeLike) -> Tensor:
        """
        Converts the elements to a dtype; the tensor itself if it has that dtype.
        """
    def tolist(self, /) -> list[Any]:
        """
        The elements as nested lists of Python numbers.
        """
    def topk(
        self, /, k: SupportsIndex, dim: SupportsIndex = -1, largest: bool = True, sorted: bool = True
    ) -> ValuesIndices:
        """
        The `k` largest elements along `dim`, or smallest unless `largest`, and their indices, in decreasing (increasing)
        order, whether `sorted` asks for it or not. NaN is larger than every number; of equal elements the first are taken.
        `ValueError` unless there are so many.
        """
    def trace(self, /) -> Tensor:
        """
        Sum of the main diagonal of a matrix; int64 for integers.
        """
    def transpose(self, /, dim0: SupportsIndex, dim1: SupportsIndex) -> Tensor:
        """
        Two dimensions exchanged, as a view.
        """
    def tril(self, /, diagonal: SupportsIndex = 0) -> Tensor:
        """
        The lower triangle of the last two dimensions, up to the diagonal `diagonal`, and zeros above it.
        """
    def triu(self, /, diagonal: SupportsIndex = 0) -> Tensor:
        """
        The upper triangle of the last two dimensions, from the diagonal `diagonal` on, and zeros below it.
        """
    def trunc(self, /) -> Tensor:
        """
        The integer next to x on the side of 0. The derivative is 0.
        """
    def trunc_(self, /) -> Tensor:
        """
        Writes `trunc(self)` over this tensor's elements, and returns it.
        """
    def unbind(self, /, dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
        """
        Every position of dimension `dim`, without that dimension, as views.
        """
    def unflatten(self, /, dim: SupportsIndex, sizes: int | Sequence[int]) -> Tensor:
        """
        Dimension `dim` taken apart into dimensions of these sizes, one of which may be −1.
        """
    def unsqueeze(self, /, dim: SupportsIndex) -> Tensor:
        """
        With a new dimension of size 1 before position `dim`.
        """
    def var(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        *,
        keepdim: bool | None = False,
        correction: SupportsFloat | SupportsIndex | None = None,
        unbiased: bool | None = None,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> Tensor:
        """
        Variance over `dim`, or over everything: Σ (x − mean)² / (n − correction).

        It is NaN where n ≤ correction and all differences are 0.

        Args:
            x: A tensor of floats.
            dim: One or several dimensions, or None for all.
            keepdim: Whether the dimensions that go stay, with size 1.
            correction: What is subtracted from the number n of elements; 1 unless given.
            unbiased: True and False stand for the corrections 1 and 0.

        Raises:
            IndexError: if `dim` is out of range.
            TypeError: unless elements are floats.
            ValueError: if both `correction` and `unbiased` are given, or a dimension is named twice.
        """
    def var_mean(
        self,
        /,
        dim: int | Sequence[int] | None = None,
        *,
        keepdim: bool | None = False,
        correction: SupportsFloat | SupportsIndex | None = None,
        unbiased: bool | None = None,
        axis: int | Sequence[int] | None = None,
        keepdims: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """
        Variance and mean over `dim`, or over everything, as a pair; see `var`.
        """
    def view(self, /, *shape: int | Sequence[int]) -> Tensor:
        """
        The tensor with another shape, without copying. `ValueError` if its strides do not allow that.
        """
    def xlogy(self, /, other: Tensor | builtins.float | NDArray[Any]) -> Tensor:
        """
        x ln other, and 0 where x = 0 unless other is NaN.
        """
    def zero_(self, /) -> Tensor:
        """
        Overwrites every element with 0, and returns this tensor.
        """

@disjoint_base
class _Compiled:
    """
    The part of `rgrad.compile`'s functions that keeps programs, and looks up the one for a call.
    """
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """
        Calls the function, or replays its program.
        """
    def __new__(cls, /, most: SupportsIndex) -> Self: ...
    def _change(self, /, key: object, tensors: Iterable[Tensor]) -> str | None:
        """
        The function's name for what has changed since the most recently used program of such arguments was recorded; None if there
        is no program, or nothing with a name has changed.
        """
    def _find(self, /, key: object, tensors: Iterable[Tensor]) -> tuple[Any] | None:
        """
        What the program of these arguments returns, in a tuple; None if there is none.
        """
    def _hits(self, /, more: SupportsIndex = 0) -> int:
        """
        How often programs were replayed, after adding `more` for those of an epoch.
        """
    def _keep(
        self,
        /,
        key: object,
        tensors: Iterable[Tensor],
        flat: list[tuple[Any] | None] | None,
        program: Program,
        kind: str,
        form: object,
    ) -> bool:
        """
        Keeps a program; false if the least recently used one was dropped for it.

        `flat` has an item for each argument if all are positional and none is a container: None for a tensor, else a tuple of
        the object itself or a weak reference to it. `kind` says what the results are: "one" tensor, a "tuple" of tensors, an
        immutable "constant", or a `form` with placeholders for tensors.
        """
    def _program_for(self, /, key: object, tensors: Iterable[Tensor]) -> tuple[Program, Any] | None:
        """
        The program of these arguments, and what it returns, with placeholders for tensors; None if there is none.
        """
    def _programs(self, /) -> list[Program]:
        """
        The programs, most recently used first.
        """
    def clear(self, /) -> None:
        """
        Drops all programs.
        """

@final
class _Epoch:
    """
    A running epoch: batches of rows, the number of finished ones, and their results.

    `columns` (rows, …) are divided into batches of `batch_size` rows, in order or shuffled. `progress` is called with the number
    of finished batches, the number of all batches, and the first result of the last one.
    """
    def __new__(
        cls,
        /,
        columns: Iterable[Tensor],
        batch_size: SupportsIndex,
        shuffle: bool,
        generator: Generator | None,
        drop_last: bool,
        progress: collections.abc.Callable[[int, int, float], object] | None,
    ) -> Self: ...
    def batch(self, /) -> list[Tensor]:
        """
        The next batch: a tensor of each column.
        """
    def check(self, /, results: Iterable[Tensor]) -> None:
        """
        `TypeError` unless these are valid results of a step.
        """
    @property
    def done(self, /) -> int:
        """
        Number of finished batches.
        """
    @property
    def finished(self, /) -> bool:
        """
        Whether all batches are done.
        """
    def put(self, /, results: Iterable[Tensor]) -> None:
        """
        Stores the results of the next batch, on which Python ran the step.
        """
    def replay(self, /, program: Program) -> bool:
        """
        Runs a program on the following batches of equal size, until it is time to return to Python, which may change what the
        program was recorded with. False if it ran on none, because something that it was recorded with no longer exists.
        """
    def results(self, /) -> list[Tensor]:
        """
        The results of all batches, stacked.
        """

@final
class _Level:
    """
    One evaluation of a derivative by forward mode, in a `with` block: a level later than all before.
    """
    def __enter__(self, /) -> _Level: ...
    def __exit__(self, /, *_error: object) -> None: ...
    def __new__(cls, /) -> Self: ...

@final
class _Places:
    """
    The places from which a function takes what it works with, and the values expected there.
    """
    def __new__(
        cls, /, roots: list[tuple[str, Any, Any, Any]], modules: list[Any], names: SupportsGetItem[int, str]
    ) -> Self:
        """
        `roots` has `(kind, holder, name, place)` for each variable or object.
        """
    @property
    def names(self, /) -> list[str]:
        """
        The expression of each place in the program, by its number.
        """

def _abandon() -> None:
    """
    Aborts the recording, and undoes all of its changes.
    """

def _alias(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    `x` as a new variable, with gradients of its own, which flow on to `x` if it requires gradients.
    """

def _apart(tensors: Iterable[Tensor], others: Iterable[Tensor]) -> list[Tensor]:
    """
    `tensors`, with copies of those that share memory with one of `others` or an earlier one.
    """

def _begin_file(path: str | PathLike[str]) -> tuple[str, str]:
    """
    Creates an empty file next to the target of `path`, and returns the paths of both.
    """

def _captured(outputs: Iterable[Tensor], own: Iterable[Tensor], since: SupportsIndex) -> list[Tensor]:
    """
    The tensors that the graph of `outputs` depends on, apart from the leaves `own` and what was computed after `since`.
    """

def _changing(module: Any, name: Any) -> None:
    """
    Records that an attribute of a module is about to change.
    """

def _check_rows(index: Tensor, rows: SupportsIndex) -> None:
    """
    `IndexError` unless all integers are rows of a table of so many.
    """

def _clock() -> int:
    """
    A point in time, for `_captured`.
    """

def _custom(
    name: str,
    inputs: Iterable[Tensor],
    value: Tensor,
    saved_inputs: SupportsIndex,
    saves_output: bool,
    backward: Any,
    jvp: Any,
) -> Tensor:
    """
    `value` as the result of an operation on `inputs`; see `rgrad.autograd.Function`, which checks what its rules return.
    """

def _finish_file(aside: str | PathLike[str], target: str | PathLike[str]) -> None:
    """
    Replaces the target by a file from `_begin_file`.
    """

def _gradients(
    outputs: Iterable[Tensor],
    inputs: Iterable[Tensor],
    grads: SupportsGetItem[int, Tensor | None],
    retain_graph: bool,
    create_graph: bool,
    stop_at_inputs: bool = False,
) -> list[Tensor | None]:
    """
    Gradients of outputs with respect to inputs; see `rgrad.autograd.grad`.
    """

def _has_tangent(x: Tensor | float | NDArray[Any]) -> bool:
    """
    Whether forward mode has given `x` a tangent.
    """

def _is_recording() -> bool:
    """
    Whether this thread is recording.
    """

def _leaf(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    `x` as a leaf that requires gradients, which do not flow on to `x`.
    """

def _meet(module: Any) -> None:
    """
    Records that the step calls a module.
    """

def _optim_state(rule: str, group: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """
    Checks the settings of a parameter group, and names what the optimizer `rule` keeps of each parameter: the tensors that
    it needs with these settings, those that it may need, and the numbers. `ValueError` or `TypeError` if a setting is
    missing or out of range.
    """

def _optim_step(groups: list[Any], state: dict[Tensor, Any], kind: type[ParamState]) -> None:
    """
    One step over the parameters of all `groups` that have a gradient. `state` maps parameters to what is kept of them, which is
    of the class `kind`; what is missing in it begins at its initial value. An error leaves everything as it was.
    """

def _panic_at(entry: SupportsIndex) -> int:
    """
    Makes the `n`th entry from now on panic, or none if it is 0; returns what was left of the previous count.
    """

def _pin_isa(name: str) -> None:
    """
    Pins the instruction set for the life of the process. `ValueError` if the machine lacks it or another one has run.
    """

def _rebuild(cls: type, array: Any, requires_grad: bool) -> Any:
    """
    Called by unpickling and copying. `TypeError` if `cls` is not a class of tensors.
    """

def _record(
    compiled: _Compiled,
    arguments: Iterable[Tensor],
    fixed: bool = False,
    called: collections.abc.Callable[[Any], None] | None = None,
) -> list[Tensor]:
    """
    Starts recording on this thread what a function does with `arguments`. The function must be called with the returned tensors,
    and must not change them if they are `fixed`. `called` gets each hook before it runs. Until the recording ends, no other
    thread holds a program of the same `compiled` function.
    """

def _recorded(
    outputs: Iterable[Tensor], without: SupportsGetItem[int, str], places: _Places
) -> tuple[Program, list[Tensor], list[str]]:
    """
    Ends the recording of a function that returned `outputs`. Returns its program, after all passes but those in `without`, the
    results, and the names of what the function has changed, at `places` and in modules.
    """

def _refuse(what: str, instead: str) -> None:
    """
    `RuntimeError` while a step is being recorded: `what` cannot be replayed, and `instead` says what to write.
    """

def _set_anomaly(on: bool) -> bool:
    """
    Turns the checks for NaN on this thread on or off, and returns the previous mode; see `rgrad.autograd.detect_anomaly`.
    """

def _set_grad_enabled(on: bool) -> bool:
    """
    Turns taping on this thread on or off, and returns the previous mode.
    """

def _split(y: Tensor | float | NDArray[Any], level: _Level) -> tuple[Tensor, Tensor | None]:
    """
    `y` without its tangent of this level, and that tangent; None means zero.
    """

def _untaped(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    `x` detached from the tape, but with its tangents.
    """

def _version(x: Tensor | float | NDArray[Any]) -> int:
    """
    How often the storage of `x` has been written to.
    """

def _with_tangent(x: Tensor | float | NDArray[Any], tangent: Tensor | float | NDArray[Any], level: _Level) -> Tensor:
    """
    `x` with a tangent of this level.
    """

def _zero_grad(groups: list[Any], set_to_none: bool) -> None:
    """
    Forgets the gradients of all parameters of the groups, or writes zeros over them.
    """

def abs(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Absolute value, |x|. The derivative at 0 is 0.
    """

def acos(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Inverse of the cosine, in radians: NaN outside [−1, 1].
    """

def acosh(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Inverse of the hyperbolic cosine: NaN below 1.
    """

def add(
    x: Tensor | float | NDArray[Any],
    other: Tensor | float | NDArray[Any],
    alpha: Tensor | float | NDArray[Any] | None = None,
) -> Tensor:
    """
    Sum, x + alpha × other.
    """

def addmm(
    x: Tensor | float | NDArray[Any],
    mat1: Tensor | float | NDArray[Any],
    mat2: Tensor | float | NDArray[Any],
    beta: SupportsFloat | SupportsIndex = 1.0,
    alpha: SupportsFloat | SupportsIndex = 1.0,
) -> Tensor:
    """
    `beta` · x + `alpha` · (mat1 @ mat2), where x broadcasts to the product of the two matrices. With `beta` 0, x is not
    looked at, and may hold NaN.
    """

def addmv(
    x: Tensor | float | NDArray[Any],
    mat: Tensor | float | NDArray[Any],
    vec: Tensor | float | NDArray[Any],
    beta: SupportsFloat | SupportsIndex = 1.0,
    alpha: SupportsFloat | SupportsIndex = 1.0,
) -> Tensor:
    """
    `beta` · x + `alpha` · (mat @ vec), where x broadcasts to the product of matrix and vector.
    """

def all(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    keepdim: bool | None = False,
    *,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Whether all elements over `dim`, or of everything, are true (not 0; NaN is not 0); true over nothing.
    """

def allclose(
    x: Tensor | float | NDArray[Any],
    other: Tensor | float | NDArray[Any],
    rtol: SupportsFloat | SupportsIndex = 1e-05,
    atol: SupportsFloat | SupportsIndex = 1e-08,
    equal_nan: bool = False,
) -> bool:
    """
    Whether all elements are close: see `isclose`.
    """

def amax(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    keepdim: bool | None = False,
    *,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Largest element over `dim`, or of everything; NaN if one is NaN.

    Ties share the gradient evenly, and so do several NaN.

    Args:
        x: A tensor.
        dim: One or several dimensions, or None for all.
        keepdim: Whether the dimensions that go stay, with size 1.

    Raises:
        IndexError: if `dim` is out of range.
        ValueError: if a dimension is named twice, or there is nothing to choose from.
    """

def amin(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    keepdim: bool | None = False,
    *,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Smallest element over `dim`, or of everything; NaN if one is NaN.

    Ties share the gradient evenly, and so do several NaN.

    Args:
        x: A tensor.
        dim: One or several dimensions, or None for all.
        keepdim: Whether the dimensions that go stay, with size 1.

    Raises:
        IndexError: if `dim` is out of range.
        ValueError: if a dimension is named twice, or there is nothing to choose from.
    """

def any(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    keepdim: bool | None = False,
    *,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Whether any element over `dim`, or of everything, is true (not 0; NaN is not 0); false over nothing.
    """

def arange(
    start: float,
    end: float | None = None,
    step: float | None = None,
    dtype: DType | DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """
    `start, start + step, …` up to but excluding `end`; with one argument, from 0 up to it. Unless `dtype` is given, integers
    give int64, and floats the default dtype.
    """

def argmax(
    x: Tensor | float | NDArray[Any],
    dim: SupportsIndex | None = None,
    keepdim: bool | None = False,
    *,
    axis: SupportsIndex | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Index of the first largest element along `dim`, or in row-major order of everything; the first NaN's if there is one.

    Args:
        x: A tensor.
        dim: A dimension, or None for all.
        keepdim: Whether the dimension that goes stays, with size 1.

    Raises:
        IndexError: if `dim` is out of range.
        ValueError: if there is nothing to choose from.
    """

def argmin(
    x: Tensor | float | NDArray[Any],
    dim: SupportsIndex | None = None,
    keepdim: bool | None = False,
    *,
    axis: SupportsIndex | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Index of the first smallest element along `dim`, or in row-major order of everything; the first NaN's if there is one.

    Args:
        x: A tensor.
        dim: A dimension, or None for all.
        keepdim: Whether the dimension that goes stays, with size 1.

    Raises:
        IndexError: if `dim` is out of range.
        ValueError: if there is nothing to choose from.
    """

def argsort(
    x: Tensor | float | NDArray[Any], dim: SupportsIndex = -1, descending: bool = False, stable: bool = False
) -> Tensor:
    """
    The indices that sort the elements along `dim`; see `sort`.
    """

def asin(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Inverse of the sine, in radians: NaN outside [−1, 1].
    """

def asinh(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Inverse of the hyperbolic sine.
    """

def atan(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Inverse of the tangent, in radians.
    """

def atan2(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The angle of the point with ordinate x and abscissa other, in radians. The derivative at (0, 0) is 0.
    """

def atanh(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Inverse of the hyperbolic tangent: NaN outside [−1, 1].
    """

def available_isas() -> list[str]:
    """
    The instruction sets that this machine has, best first.
    """

def baddbmm(
    x: Tensor | float | NDArray[Any],
    batch1: Tensor | float | NDArray[Any],
    batch2: Tensor | float | NDArray[Any],
    beta: SupportsFloat | SupportsIndex = 1.0,
    alpha: SupportsFloat | SupportsIndex = 1.0,
) -> Tensor:
    """
    `beta` · x + `alpha` · (batch1 @ batch2), where x broadcasts to the products of the two stacks of matrices.
    """

def batch_norm(
    input: Tensor | float | NDArray[Any],
    running_mean: Tensor | float | NDArray[Any] | None,
    running_var: Tensor | float | NDArray[Any] | None,
    weight: Tensor | float | NDArray[Any] | None = None,
    bias: Tensor | float | NDArray[Any] | None = None,
    training: bool = False,
    momentum: SupportsFloat | SupportsIndex = 0.1,
    eps: SupportsFloat | SupportsIndex = 1e-05,
) -> Tensor:
    """
    (x − mean) / √(var + eps) · weight + bias for every channel (dimension 1).

    Ioffe and Szegedy, Batch normalization, 2015.

    Args:
        input: Examples (N, C) or (N, C, L…) of floats.
        running_mean: The means (C,) outside training, or None. In training they move towards the batch's, in place.
        running_var: The variances (C,), likewise; a batch's is taken with n − 1 in its denominator for them.
        weight: Factors (C,), or None.
        bias: What is added, (C,), or None.
        training: Whether the statistics are those of the batch.
        momentum: The fraction by which the running statistics move.
        eps: What keeps the denominator from 0.

    Raises:
        TypeError: unless `input` holds floats.
        ValueError: if in training there is but one value for each channel, whose variance would be 0; if otherwise there
            are no
            running statistics; or if shapes do not fit.
    """

def binary_cross_entropy(
    input: Tensor | float | NDArray[Any],
    target: Tensor | float | NDArray[Any],
    weight: Tensor | float | NDArray[Any] | None = None,
    reduction: str = "mean",
) -> Tensor:
    """
    −weight (t ln p + (1 − t) ln(1 − p)) for probabilities p, with logarithms of at least −100.

    Args:
        input: Probabilities of any shape.
        target: Probabilities t of the same shape. One that is NaN has the loss NaN.
        weight: Weights, which broadcast.
        reduction: "mean", "sum" or "none" for one loss for each element.

    Raises:
        ValueError: unless all probabilities are from 0 to 1, if the shapes differ, or if there is no element to take a mean
            of.
    """

def binary_cross_entropy_with_logits(
    input: Tensor | float | NDArray[Any],
    target: Tensor | float | NDArray[Any],
    weight: Tensor | float | NDArray[Any] | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | float | NDArray[Any] | None = None,
) -> Tensor:
    """
    Binary cross-entropy of sigmoid(input), without overflow: −`pos_weight` t ln σ(x) − (1 − t) ln σ(−x), times weight.

    Where x is infinite, it is the limit.

    Args:
        input: Logits of any shape.
        target: Probabilities t of the same shape. As in PyTorch, those beyond 0 and 1 are not refused.
        weight: Weights, which broadcast.
        reduction: "mean", "sum" or "none" for one loss for each element.
        pos_weight: Weights of the first term, which broadcast.

    Raises:
        ValueError: if the shapes differ, or there is no element to take a mean of.

    >>> rg.nn.functional.binary_cross_entropy_with_logits(rg.tensor([0.0]), rg.tensor([1.0]))
    tensor(0.6931472)
    """

def bitwise_and(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The bits that are set in both, of integers or bool.
    """

def bitwise_not(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    All bits inverted, of integers or bool.
    """

def bitwise_or(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The bits that are set in at least one, of integers or bool.
    """

def bitwise_xor(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The bits that are set in exactly one, of integers or bool.
    """

def bmm(x: Tensor | float | NDArray[Any], mat2: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Products of two stacks of matrices: (b, m, k) with (b, k, n) gives (b, m, n). Nothing broadcasts; see `matmul`.
    """

def broadcast_to(x: Tensor | float | NDArray[Any], *shape: int | Sequence[int]) -> Tensor:
    """
    `x` repeated to `shape` as broadcasting would, as a view.
    """

def cat(tensors: Iterable[Tensor], dim: SupportsIndex = 0) -> Tensor:
    """
    Tensors of one shape, but for `dim`, laid end to end along `dim`.
    """

def ceil(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The smallest integer that is not below x. The derivative is 0.
    """

def celu(input: Tensor | float | NDArray[Any], alpha: SupportsFloat | SupportsIndex = 1.0) -> Tensor:
    """
    x where x > 0, else alpha (exp(x / alpha) − 1). The derivative at 0 is 1. `ValueError` if alpha is 0.
    """

def chunk(x: Tensor | float | NDArray[Any], chunks: SupportsIndex, dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """
    At most `chunks` pieces along `dim`, as views; all of one size but the last, which may be smaller. `ValueError`
    unless `chunks` is positive.
    """

def clamp(
    x: Tensor | float | NDArray[Any],
    min: Tensor | float | NDArray[Any] | None = None,
    max: Tensor | float | NDArray[Any] | None = None,
) -> Tensor:
    """
    `x` limited to the range from `min` to `max`, either of which may be None. The derivative is 1 within the range,
    ends included, and 0 outside. `ValueError` if both limits are missing.
    """

def clamp_max(x: Tensor | float | NDArray[Any], max: Tensor | float | NDArray[Any]) -> Tensor:
    """
    `x` limited from above. The derivative to `x` at the limit is 1.
    """

def clamp_min(x: Tensor | float | NDArray[Any], min: Tensor | float | NDArray[Any]) -> Tensor:
    """
    `x` limited from below. The derivative to `x` at the limit is 1.
    """

def cos(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Cosine of an angle in radians.
    """

def cosh(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Hyperbolic cosine.
    """

def cosine_similarity(
    x1: Tensor | float | NDArray[Any],
    x2: Tensor | float | NDArray[Any],
    dim: SupportsIndex = 1,
    eps: SupportsFloat | SupportsIndex = 1e-08,
) -> Tensor:
    """
    x₁ · x₂ / (max(‖x₁‖, eps) max(‖x₂‖, eps)) along `dim`, which goes.

    Args:
        x1: Vectors.
        x2: Vectors; the two operands broadcast.
        dim: The dimension along which the vectors lie.
        eps: The smallest norm that they are divided by.

    Raises:
        ValueError: if the shapes cannot be broadcast.
        IndexError: if `dim` is out of range.
    """

def count_nonzero(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    keepdim: bool | None = False,
    *,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Number of elements over `dim`, or of everything, that are not 0, as int64.
    """

def cross_entropy(
    input: Tensor | float | NDArray[Any],
    target: Tensor | float | NDArray[Any],
    weight: Tensor | float | NDArray[Any] | None = None,
    ignore_index: SupportsIndex = -100,
    reduction: str = "mean",
    label_smoothing: SupportsFloat | SupportsIndex = 0.0,
) -> Tensor:
    """
    Cross-entropy of softmax(input) against labels or probabilities, computed from the logits without overflow.

    The loss of an example is `weight[label]` (ln Σ exp(x) − `x[label]`), or with probabilities t −Σ t · weight · ln
    softmax(x).

    Args:
        input: Logits (N, C), (C,) or (N, C, d…).
        target: Labels (N,), () or (N, d…) of integers, or probabilities of the input's shape.
        weight: A weight for each class, (C,). The mean over labels is divided by the sum of their weights.
        ignore_index: A label that does not count. The mean is NaN if no label counts, as in PyTorch.
        reduction: "mean", "sum" or "none" for one loss for each example.
        label_smoothing: The part s, from 0 to 1, of the target that is spread evenly: (1 − s) target + s / C.

    Raises:
        TypeError: unless `input` holds floats and labels are integers.
        ValueError: if a label is out of range (the first is named with its row), if shapes do not fit, or if there are no
            examples to take a mean of.

    >>> rg.nn.functional.cross_entropy(rg.tensor([[0.0, 0.0]]), rg.tensor([1]))
    tensor(0.6931472)
    """

def cumprod(
    x: Tensor | float | NDArray[Any],
    dim: SupportsIndex | None = None,
    *,
    dtype: DType | DTypeLike | None = None,
    axis: SupportsIndex | None = None,
) -> Tensor:
    """
    Products of the elements along `dim` up to each of them, itself included. Integers and bool are multiplied as int64.

    Args:
        x: A tensor.
        dim: The dimension, which must be given.
        dtype: To which elements are cast before they are multiplied, and the dtype of the result.

    Raises:
        IndexError: if `dim` is out of range.
    """

def cumsum(
    x: Tensor | float | NDArray[Any],
    dim: SupportsIndex | None = None,
    *,
    dtype: DType | DTypeLike | None = None,
    axis: SupportsIndex | None = None,
) -> Tensor:
    """
    Sums of the elements along `dim` up to each of them, itself included. Integers and bool are summed as int64.

    Args:
        x: A tensor.
        dim: The dimension, which must be given.
        dtype: To which elements are cast before they are added, and the dtype of the result.

    Raises:
        IndexError: if `dim` is out of range.
    """

def diag(x: Tensor | float | NDArray[Any], diagonal: SupportsIndex = 0) -> Tensor:
    """
    A vector (n,) on a diagonal of zeros (n + |diagonal|, n + |diagonal|), or a diagonal of a matrix as a view.
    """

def diag_embed(
    x: Tensor | float | NDArray[Any], offset: SupportsIndex = 0, dim1: SupportsIndex = -2, dim2: SupportsIndex = -1
) -> Tensor:
    """
    Zeros with the last dimension of `x` on the diagonal `offset` of two new dimensions, which stand at `dim1` and `dim2`.
    """

def diagonal(
    x: Tensor | float | NDArray[Any], offset: SupportsIndex = 0, dim1: SupportsIndex = 0, dim2: SupportsIndex = 1
) -> Tensor:
    """
    The elements of `x` where the index along `dim2` is that along `dim1` plus `offset`, as a view: the two dimensions go,
    and the diagonal is the last one.
    """

def div(
    x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any], rounding_mode: str | None = None
) -> Tensor:
    """
    Quotient, x ÷ other.

    `rounding_mode` is None for the true quotient, which of integers is a float; "trunc" to round it towards 0; or "floor"
    to round it down. The derivative of a rounded quotient is 0; integers divided by 0 are a `ZeroDivisionError` then.
    """

def dot(x: Tensor | float | NDArray[Any], tensor: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Scalar product of two vectors of one size.
    """

def dropout(x: Tensor, p: SupportsFloat | SupportsIndex = 0.5, generator: Generator | None = None) -> Tensor:
    """
    `x` with each element set to 0 with probability `p`, the others divided by 1 − p. `ValueError` unless 0 ≤ p ≤ 1.
    """

def einsum(equation: str, *operands: Tensor | Sequence[Tensor]) -> Tensor:
    """
    Sum of products of the operands' elements, as `equation` says: a letter for every dimension of every operand,
    separated by commas, then "->" and the letters of the result: "ij,jk->ik" is a matrix product. Letters that the
    result does not name are summed over; one that an operand names twice is its diagonal. "..." stands for any other
    dimensions, which broadcast. Without "->", the result has those and then, in alphabetic order, the letters that
    appear once.

    `ValueError` names the position in the equation of what is wrong: a character, a term that does not fit its operand,
    sizes that differ, a letter of the result that no operand has.

    >>> rg.einsum("ij,jk->ik", rg.ones(2, 3), rg.ones(3, 1)).tolist()
    [[3.0], [3.0]]
    >>> rg.einsum("ii", rg.eye(3)).item()
    3.0
    """

def elu(input: Tensor | float | NDArray[Any], alpha: SupportsFloat | SupportsIndex = 1.0) -> Tensor:
    """
    x where x > 0, else alpha (eˣ − 1). The derivative at 0 is alpha.
    """

def empty(*size: int | Sequence[int], dtype: DType | DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """
    A tensor to be filled later; its elements are 0, so that no result depends on uninitialised memory.
    """

def empty_cache() -> None:
    """
    Returns cached memory to the system. Running threads return up to 2 MiB each when they next free a tensor.
    """

def empty_like(
    x: Tensor | float | NDArray[Any], dtype: DType | DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """
    As `empty`, with the shape and, unless given, the dtype of `x`.
    """

def eq(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether a = b, as a tensor of bool.
    """

def equal(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> bool:
    """
    Whether shapes and all elements are equal.
    """

def erf(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Error function, 2/√π ∫₀ˣ exp(−t²) dt.
    """

def erfc(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    1 − erf x, accurate where that is small.
    """

def erfinv(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Inverse of the error function: NaN outside [−1, 1].
    """

def exp(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Exponential, eˣ.
    """

def exp2(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Power of two, 2ˣ.
    """

def expand(x: Tensor | float | NDArray[Any], *shape: int | Sequence[int]) -> Tensor:
    """
    Dimensions of size 1 repeated to `shape`, as a view; −1 keeps a size, and new dimensions come first.
    """

def expand_as(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Dimensions of size 1 repeated to the shape of `other`, as a view.
    """

def expm1(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    eˣ − 1, accurate near 0.
    """

def eye(
    n: SupportsIndex,
    m: SupportsIndex | None = None,
    dtype: DType | DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """
    Ones on the diagonal of an (n, m) matrix of zeros; `m` is `n` unless given.
    """

def flatten(x: Tensor | float | NDArray[Any], start_dim: SupportsIndex = 0, end_dim: SupportsIndex = -1) -> Tensor:
    """
    Dimensions `start_dim` to `end_dim` (included) merged into one.
    """

def flip(x: Tensor | float | NDArray[Any], *dims: int | Sequence[int]) -> Tensor:
    """
    The elements of dimensions `dims` in reverse order, as a copy. A dimension out of range is an `IndexError`, one that
    is named twice a `ValueError`.
    """

def float_power(x: Tensor | float | NDArray[Any], exponent: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Power, xᵃ, computed in float64.
    """

def floor(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The largest integer that is not above x. The derivative is 0.
    """

def floor_divide(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    ⌊a ÷ b⌋. The derivative is 0. Integers divided by 0 are a `ZeroDivisionError`.
    """

def fmod(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The remainder of a ÷ b with the sign of a, as C's `fmod`. Integers divided by 0 are a `ZeroDivisionError`.
    """

def from_dlpack(x: Any, *, copy: bool | None = None) -> Tensor:
    """
    A tensor over the memory of another library's array on the CPU, by DLPack's protocol; a copy if `copy` is true.

    Writing to one changes the other; a tensor over read-only memory cannot be written to. `TypeError` if `x` has no `__dlpack__`,
    or a dtype that rgrad lacks, `BufferError` if its memory cannot be shared: it is on another device or misaligned, strides are
    negative, or bools are bytes other than 0 and 1.
    """

def from_numpy(array: Any) -> Tensor:
    """
    A tensor that shares the memory of a NumPy array (or of another exporter of a buffer).

    Writing to one changes the other; a tensor over a read-only array cannot be written to. `TypeError` if rgrad lacks the dtype,
    `ValueError` if strides are negative, elements are misaligned, or bools have bytes other than 0 and 1: copy the array with
    rg.tensor(array) then. Other bytes must not be written to an array of bools later, either.
    """

def full(
    size: int | Sequence[int], fill_value: float, dtype: DType | DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """
    A tensor filled with one number. `ValueError` if the dtype cannot hold it.
    """

def full_like(
    x: Tensor | float | NDArray[Any],
    fill_value: float,
    dtype: DType | DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """
    A tensor filled with one number, of the shape and, unless given, the dtype of `x`. `ValueError` if the dtype cannot hold
    the number.
    """

def gather(x: Tensor | float | NDArray[Any], dim: SupportsIndex, index: Tensor | float | NDArray[Any]) -> Tensor:
    """
    For every element of `index`, the element of `x` at that position of `dim` and the same place in the other
    dimensions; negative positions count from the back. `index` may be smaller than `x` in the other dimensions.
    `ValueError` if the shapes do not fit, `IndexError` for positions out of range, `TypeError` unless they are
    integers.
    """

def ge(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether a ≥ b, as a tensor of bool.
    """

def gelu(input: Tensor | float | NDArray[Any], approximate: str = "none") -> Tensor:
    """
    x Φ(x), with the normal distribution Φ; or, with `approximate` "tanh" instead of "none", x/2 (1 + tanh(√(2/π) (x +
    0.044715 x³))).
    `ValueError` for another `approximate`. Hendrycks and Gimpel, Gaussian error linear units, 2016.
    """

def get_default_dtype() -> DType:
    """
    The dtype of Python floats.
    """

def get_num_threads() -> int:
    """
    The largest number of threads of an operation.
    """

def get_rng_state() -> tuple[int, int]:
    """
    Seed and position of the default generator.
    """

def gt(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether a > b, as a tensor of bool.
    """

def hardshrink(input: Tensor | float | NDArray[Any], lambd: SupportsFloat | SupportsIndex = 0.5) -> Tensor:
    """
    x where |x| > lambd, else 0. The derivative there is 0.
    """

def hardsigmoid(input: Tensor | float | NDArray[Any]) -> Tensor:
    """
    min(max(x + 3, 0), 6) / 6. The derivative at −3 and 3 is 0.
    """

def hardswish(input: Tensor | float | NDArray[Any]) -> Tensor:
    """
    x min(max(x + 3, 0), 6) / 6. The derivative is 0 at −3 and 1 at 3.
    """

def hardtanh(
    input: Tensor | float | NDArray[Any],
    min_val: SupportsFloat | SupportsIndex = -1.0,
    max_val: SupportsFloat | SupportsIndex = 1.0,
) -> Tensor:
    """
    x limited to the range from `min_val` to `max_val`. The derivative at both ends is 0. `ValueError` for an empty range.
    """

def hinge_embedding_loss(
    input: Tensor | float | NDArray[Any],
    target: Tensor | float | NDArray[Any],
    margin: SupportsFloat | SupportsIndex = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """
    x where target is 1, max(0, margin − x) where it is −1.

    Args:
        input: Distances of any shape.
        target: 1 and −1, of the same shape. One that is NaN has the loss NaN.
        margin: How large distances with the target −1 are to be.
        reduction: "mean", "sum" or "none" for one loss for each element.

    Raises:
        ValueError: for another target, if the shapes differ, or if there is no element to take a mean of.
    """

def huber_loss(
    input: Tensor | float | NDArray[Any],
    target: Tensor | float | NDArray[Any],
    reduction: str = "mean",
    delta: SupportsFloat | SupportsIndex = 1.0,
) -> Tensor:
    """
    d² / 2 for differences d of at most delta, else delta (|d| − delta / 2).

    Args:
        input: Predictions of any shape.
        target: What they should be, of the same shape; nothing broadcasts.
        reduction: "mean", "sum" or "none" for one loss for each element.
        delta: Where the parabola ends.

    Raises:
        ValueError: unless delta is positive, if the shapes differ, or if there is no element to take a mean of.
    """

def hypot(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    √(x² + other²), without overflow. The derivative at (0, 0) is 0.
    """

def index_put(x: Tensor | float | NDArray[Any], index: Any, value: Tensor | float | NDArray[Any]) -> Tensor:
    """
    A copy of `x` in which `x[index]` is `value`: `x[index] = value` as a function, through which gradients flow to both.
    Where positions repeat, the last value stays, and it alone has a gradient.
    """

def index_select(x: Tensor | float | NDArray[Any], dim: SupportsIndex, index: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The positions `index` (n,) of dimension `dim`, as a copy; negative ones count from the back. `ValueError` for an
    index of another shape, `IndexError` for positions out of range.
    """

def inner(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Sum of products over the last dimension of both: (…, k) with (***, k) gives (…, ***); a number multiplies.
    """

def is_grad_enabled() -> bool:
    """
    Whether operations are taped on this thread.
    """

def isa() -> str:
    """
    The instruction set that the kernels run on: "avx512", "avx2", "neon" or "scalar".
    """

def isclose(
    x: Tensor | float | NDArray[Any],
    other: Tensor | float | NDArray[Any],
    rtol: SupportsFloat | SupportsIndex = 1e-05,
    atol: SupportsFloat | SupportsIndex = 1e-08,
    equal_nan: bool = False,
) -> Tensor:
    """
    Whether |x − other| ≤ atol + rtol × |other|, element by element, as a tensor of bool. Equal infinities are close, and NaN
    to NaN if `equal_nan` says so.
    """

def isfinite(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether an element is neither infinite nor NaN, as a tensor of bool.
    """

def isinf(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether an element is ∞ or −∞, as a tensor of bool.
    """

def isnan(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether an element is NaN, as a tensor of bool.
    """

def kl_div(
    input: Tensor | float | NDArray[Any],
    target: Tensor | float | NDArray[Any],
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """
    Kullback–Leibler divergence t (ln t − input), and 0, with derivatives 0, where the probability t is 0.

    Args:
        input: Log-probabilities of any shape.
        target: Probabilities t of the same shape, or their logarithms with `log_target`.
        reduction: "mean", "sum", "none" for one term for each element, or "batchmean" for the sum divided by the first
            size.
        log_target: Whether the target holds logarithms.

    Raises:
        ValueError: for a negative probability, if the shapes differ, or if there is no element to take a mean of.
    """

def kron(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Kronecker product: every element of `x` times all of `other`. Sizes multiply, dimension by dimension from the last.
    """

def l1_loss(
    input: Tensor | float | NDArray[Any], target: Tensor | float | NDArray[Any], reduction: str = "mean"
) -> Tensor:
    """
    Absolute error |input − target|. The derivative at 0 is 0.

    Args:
        input: Predictions of any shape.
        target: What they should be, of the same shape; nothing broadcasts.
        reduction: "mean", "sum" or "none" for one loss for each element.

    Raises:
        ValueError: if the shapes differ, or there is no element to take a mean of.
    """

def layer_norm(
    input: Tensor | float | NDArray[Any],
    normalized_shape: int | Sequence[int],
    weight: Tensor | float | NDArray[Any] | None = None,
    bias: Tensor | float | NDArray[Any] | None = None,
    eps: SupportsFloat | SupportsIndex = 1e-05,
) -> Tensor:
    """
    (x − mean) / √(var + eps) · weight + bias, with the statistics of each example over the last dimensions.

    Ba, Kiros and Hinton, Layer normalization, 2016.

    Args:
        input: Examples of floats, whose last dimensions are `normalized_shape`.
        normalized_shape: The sizes of these dimensions.
        weight: Factors of that shape, or None.
        bias: What is added, of that shape, or None.
        eps: What keeps the denominator from 0.

    Raises:
        TypeError: unless `input` holds floats.
        ValueError: if the shapes do not fit.

    >>> rg.nn.functional.layer_norm(rg.tensor([[1.0, 3.0]]), 2, eps=0.0)
    tensor([[-1.,  1.]])
    """

def le(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether a ≤ b, as a tensor of bool.
    """

def leaky_relu(input: Tensor | float | NDArray[Any], negative_slope: SupportsFloat | SupportsIndex = 0.01) -> Tensor:
    """
    x where x > 0, else `negative_slope` · x. The derivative at 0 is `negative_slope`.
    """

def lerp(
    x: Tensor | float | NDArray[Any], end: Tensor | float | NDArray[Any], weight: Tensor | float | NDArray[Any]
) -> Tensor:
    """
    x + weight × (end − x), exactly `end` where weight is 1.
    """

def linear(
    x: Tensor | float | NDArray[Any],
    weight: Tensor | float | NDArray[Any],
    bias: Tensor | float | NDArray[Any] | None = None,
) -> Tensor:
    """
    x Wᵀ + b, with `x` (…, in), `weight` (out, in) and `bias` (out,) or None: (…, out).
    """

def linspace(
    start: SupportsFloat | SupportsIndex,
    end: SupportsFloat | SupportsIndex,
    steps: SupportsIndex,
    dtype: DType | DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """
    `steps` numbers from `start` to `end`, both included, evenly spaced.
    """

def load(path: str | PathLike[str]) -> dict[str, Tensor]:
    """
    Reads a safetensors file into a dict of tensors, in the order of the file. F16 and BF16 are converted to float32, which holds
    all of their values.

    `OSError` if the file cannot be read, or is a folder, a device or a FIFO, `ValueError` if it is damaged, `TypeError` if it
    has a dtype that rgrad lacks.
    """

def log(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Natural logarithm, ln x: NaN below 0, −∞ at 0.
    """

def log10(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Logarithm to base 10.
    """

def log1p(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    ln(1 + x), accurate near 0.
    """

def log2(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Logarithm to base 2.
    """

def log_softmax(x: Tensor | float | NDArray[Any], dim: SupportsIndex) -> Tensor:
    """
    x − ln Σ exp(x) along `dim`, without overflow: the logarithm of `softmax`.

    Args:
        x: Numbers; integers become floats of the default dtype.
        dim: The dimension along which the results are the logarithms of what adds up to 1.

    Raises:
        IndexError: if `dim` is out of range.
    """

def logaddexp(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    ln(eᵃ + eᵇ), without overflow. Equal infinities get half of the gradient each.
    """

def logical_and(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether both are true, as a tensor of bool; any number but 0 is true.
    """

def logical_not(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether an element is false, as a tensor of bool; any number but 0 is true.
    """

def logical_or(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether at least one is true, as a tensor of bool; any number but 0 is true.
    """

def logical_xor(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether exactly one is true, as a tensor of bool; any number but 0 is true.
    """

def logit(x: Tensor | float | NDArray[Any], eps: SupportsFloat | SupportsIndex | None = None) -> Tensor:
    """
    ln(x / (1 − x)), the inverse of the logistic function. With `eps`, x is limited to [eps, 1 − eps] first.
    `ValueError` unless `0 ≤ eps ≤ ½`.
    """

def logsigmoid(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    ln(1 / (1 + e⁻ˣ)), without overflow.
    """

def logspace(
    start: SupportsFloat | SupportsIndex,
    end: SupportsFloat | SupportsIndex,
    steps: SupportsIndex,
    base: SupportsFloat | SupportsIndex = 10.0,
    dtype: DType | DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """
    `steps` powers of `base`, with exponents evenly spaced from `start` to `end`, both included.
    """

def logsumexp(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    keepdim: bool | None = False,
    *,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    ln Σ exp(x) over `dim`, without overflow; −∞ where all are −∞.

    Args:
        x: A tensor.
        dim: One or several dimensions, or None for all.
        keepdim: Whether the dimensions that go stay, with size 1.

    Raises:
        IndexError: if `dim` is out of range.
        ValueError: if one is named twice.
    """

def lt(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether a < b, as a tensor of bool.
    """

def manual_seed(seed: SupportsIndex) -> Generator:
    """
    Reseeds the default generator.
    """

def margin_ranking_loss(
    input1: Tensor | float | NDArray[Any],
    input2: Tensor | float | NDArray[Any],
    target: Tensor | float | NDArray[Any],
    margin: SupportsFloat | SupportsIndex = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """
    max(0, margin − target · (input1 − input2)).

    Args:
        input1: Scores of any shape.
        input2: Scores of the same shape.
        target: 1 where the first score is to be larger, −1 where the second is, and 0 for a tie, whose loss is the margin.
        margin: By how much it is to be larger.
        reduction: "mean", "sum" or "none" for one loss for each element.

    Raises:
        ValueError: for another target, if the shapes differ, or if there is no element to take a mean of.
    """

def masked_fill(
    x: Tensor | float | NDArray[Any], mask: Tensor | float | NDArray[Any], value: Tensor | float | NDArray[Any]
) -> Tensor:
    """
    `value` where `mask` is true, elements of `x` elsewhere; both are broadcast. `TypeError` unless the mask is of bool.
    """

def matmul(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Matrix product, as NumPy's `@`: (…, m, k) with (…, k, n) gives (…, m, n), and dimensions before the last two
    broadcast. A vector counts as one row on the left, as one column on the right, and leaves no dimension behind.
    """

def max(
    x: Tensor | float | NDArray[Any],
    dim: int | Tensor | float | NDArray[Any] | None = None,
    keepdim: bool | None = False,
    *,
    other: Tensor | float | NDArray[Any] | None = None,
    axis: SupportsIndex | None = None,
    keepdims: bool | None = None,
) -> Any:
    """
    The largest element; or with `dim` the largest elements along it (the first of ties, to which the gradient goes) and
    their indices; or with `other` the larger of two tensors, element by element, as `maximum`.
    """

def maximum(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The larger of two; NaN if either is NaN. Where they are equal or both NaN, each gets half of the gradient; else all of it
    goes to the one that was chosen.
    """

def mean(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    keepdim: bool | None = False,
    *,
    dtype: DType | DTypeLike | None = None,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Arithmetic mean over `dim`, or over everything; NaN over nothing.

    Args:
        x: A tensor of floats.
        dim: One or several dimensions, or None for all.
        keepdim: Whether the dimensions that go stay, with size 1.
        dtype: To which elements are cast before, and the dtype of the result.

    Raises:
        IndexError: if `dim` is out of range.
        TypeError: unless elements are floats, or become such by `dtype`.
        ValueError: if one is named twice.
    """

def memory_stats() -> dict[str, int]:
    """
    Statistics of the caching allocator in bytes: the memory held from the system and its maximum, the parts of it in use by
    tensors and in caches; and the number of requests to the system, which is constant in a steady loop.
    """

def meshgrid(*tensors: Tensor | Sequence[Tensor], indexing: str = "ij") -> tuple[Tensor, ...]:
    """
    The coordinates of a grid: each vector expanded along the dimensions of the others, as views.

    With `indexing="ij"` the first vector varies along the first dimension, and so on; with `"xy"` the first two dimensions are
    swapped. `ValueError` for tensors of more than one dimension.
    """

def min(
    x: Tensor | float | NDArray[Any],
    dim: int | Tensor | float | NDArray[Any] | None = None,
    keepdim: bool | None = False,
    *,
    other: Tensor | float | NDArray[Any] | None = None,
    axis: SupportsIndex | None = None,
    keepdims: bool | None = None,
) -> Any:
    """
    The smallest element; or with `dim` the smallest elements along it (the first of ties, to which the gradient goes) and
    their indices; or with `other` the smaller of two tensors, element by element, as `minimum`.
    """

def minimum(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The smaller of two; NaN if either is NaN. Where they are equal or both NaN, each gets half of the gradient; else all of it
    goes to the one that was chosen.
    """

def mish(input: Tensor | float | NDArray[Any]) -> Tensor:
    """
    x tanh(softplus(x)).
    """

def mm(x: Tensor | float | NDArray[Any], mat2: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Product of two matrices: (m, k) with (k, n) gives (m, n). Nothing broadcasts; see `matmul`.
    """

def movedim(x: Tensor | float | NDArray[Any], source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """
    Dimensions `source` moved to the places `destination`, as a view; the others keep their order.
    """

def mse_loss(
    input: Tensor | float | NDArray[Any], target: Tensor | float | NDArray[Any], reduction: str = "mean"
) -> Tensor:
    """
    Squared error (input − target)².

    Args:
        input: Predictions of any shape.
        target: What they should be, of the same shape; nothing broadcasts.
        reduction: "mean", "sum" or "none" for one loss for each element.

    Raises:
        ValueError: if the shapes differ, or there is no element to take a mean of.

    >>> rg.nn.functional.mse_loss(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 4.0]))
    tensor(2.)
    """

def mul(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Product, a × b.
    """

def multi_margin_loss(
    input: Tensor | float | NDArray[Any],
    target: Tensor | float | NDArray[Any],
    p: SupportsIndex = 1,
    margin: SupportsFloat | SupportsIndex = 1.0,
    weight: Tensor | float | NDArray[Any] | None = None,
    reduction: str = "mean",
) -> Tensor:
    """
    Hinge loss of many classes: Σ max(0, margin − `x[label]` + `x[i]`)ᵖ / C over the classes i other than the label.

    The derivative at 0 is 0.

    Args:
        input: Scores (N, C) or (C,).
        target: Labels (N,) or () of integers.
        p: The power, 1 or 2.
        margin: How much larger than the others the score of the label is to be.
        weight: A weight for each class, (C,), by which an example's loss is multiplied.
        reduction: "mean", "sum" or "none" for one loss for each example.

    Raises:
        ValueError: unless `p` is 1 or 2, if a label is out of range, or if shapes do not fit.
    """

def mv(x: Tensor | float | NDArray[Any], vec: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Product of a matrix and a vector: (m, k) with (k,) gives (m,).
    """

def nan_to_num(
    x: Tensor | float | NDArray[Any],
    nan: SupportsFloat | SupportsIndex | None = None,
    posinf: SupportsFloat | SupportsIndex | None = None,
    neginf: SupportsFloat | SupportsIndex | None = None,
) -> Tensor:
    """
    `x` with NaN, ∞ and −∞ replaced, by default by 0 and by the largest and lowest finite numbers of its dtype.
    """

def narrow(x: Tensor | float | NDArray[Any], dim: SupportsIndex, start: SupportsIndex, length: SupportsIndex) -> Tensor:
    """
    `length` positions of dimension `dim` from `start` on, as a view. `IndexError` unless they lie within it.
    """

def ne(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Whether a ≠ b, as a tensor of bool.
    """

def neg(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Negation, −x.
    """

def nll_loss(
    input: Tensor | float | NDArray[Any],
    target: Tensor | float | NDArray[Any],
    weight: Tensor | float | NDArray[Any] | None = None,
    ignore_index: SupportsIndex = -100,
    reduction: str = "mean",
) -> Tensor:
    """
    −`weight[label]` · `input[label]` for log-probabilities and labels: `cross_entropy` behind `log_softmax`.

    Args:
        input: Log-probabilities (N, C), (C,) or (N, C, d…).
        target: Labels (N,), () or (N, d…) of integers.
        weight: A weight for each class, (C,). The mean is divided by the sum of the labels' weights.
        ignore_index: A label that does not count. The mean is NaN if no label counts, as in PyTorch.
        reduction: "mean", "sum" or "none" for one loss for each example.

    Raises:
        TypeError: unless labels are integers.
        ValueError: if a label is out of range, if shapes do not fit, or if there are no examples to take a mean of.
    """

def nonzero(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The positions (n, ndim) of the elements that are not 0, in row-major order.
    """

def norm(
    x: Tensor | float | NDArray[Any],
    p: float | str | None = 2.0,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
) -> Tensor:
    """
    The p-norm over `dim`, or over everything as one vector: (Σ |x|ᵖ)^(1/p). `p` is a number, 0 to count what is not 0,
    `inf` and `-inf` for the largest and smallest magnitude, or "fro", which is 2. At 0 its derivatives of any order are
    0, and large elements do not overflow. `rg.linalg.norm` has the norms of matrices. `TypeError` unless `x` holds
    floats, `ValueError` for p = NaN or, as there is no smallest magnitude, for infinite or negative p over nothing.
    """

def normalize(
    input: Tensor | float | NDArray[Any],
    p: SupportsFloat | SupportsIndex = 2.0,
    dim: SupportsIndex = 1,
    eps: SupportsFloat | SupportsIndex = 1e-12,
) -> Tensor:
    """
    x / max(‖x‖ₚ, eps) along `dim`; vectors of zeros stay so.

    Args:
        input: Vectors of floats.
        p: The order of the norm.
        dim: The dimension along which the vectors lie.
        eps: The smallest norm that vectors are divided by.

    Raises:
        TypeError: unless `input` holds floats.
        IndexError: if `dim` is out of range.
    """

def one_hot(tensor: Tensor | float | NDArray[Any], num_classes: SupportsIndex = -1) -> Tensor:
    """
    1 at each label, 0 elsewhere: integers (…) to int64 (…, `num_classes`); with −1, one more class than the largest
    label. `TypeError` unless `tensor` holds integers; `ValueError` if a label is negative or not below `num_classes`.
    """

def ones(*size: int | Sequence[int], dtype: DType | DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """
    Ones.
    """

def ones_like(
    x: Tensor | float | NDArray[Any], dtype: DType | DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """
    As `ones`, with the shape and, unless given, the dtype of `x`.
    """

def outer(x: Tensor | float | NDArray[Any], vec2: Tensor | float | NDArray[Any]) -> Tensor:
    """
    All products of the elements of two vectors: (m,) with (n,) gives (m, n).
    """

def pad(
    input: Tensor | float | NDArray[Any],
    pad: int | Sequence[int],
    mode: str = "constant",
    value: SupportsFloat | SupportsIndex | None = None,
) -> Tensor:
    """
    `input` with borders of a number or of its own elements.

    Args:
        input: A tensor.
        pad: Pairs of widths (before, after), the last dimension's first; negative ones cut off.
        mode: "constant", "reflect" (mirrored at the outermost elements), "replicate" (which repeats them), or "circular"
            (from the
            other end).
        value: The number of "constant"; 0 unless given.

    Raises:
        ValueError: if there are more widths than dimensions, if a dimension would have a negative size, or if a border of
            its own
            elements would need more than there are.
    """

def permute(x: Tensor | float | NDArray[Any], *dims: int | Sequence[int]) -> Tensor:
    """
    Dimensions reordered, as a view: dimension `i` of the result is dimension `dims[i]` of `x`.
    """

def pow(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Power, aᵇ; of integers an integer, and a `ValueError` if one of the exponents is negative.

    The derivative to b where a = 0 is 0 for b ≥ 0.
    """

def prelu(input: Tensor | float | NDArray[Any], weight: Tensor | float | NDArray[Any]) -> Tensor:
    """
    x where x > 0, else weight · x, with one weight, or one for each channel (dimension 1) of `input`. The derivative at
    0 is the weight. `ValueError` for another number of weights.
    """

def prod(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    keepdim: bool | None = False,
    *,
    dtype: DType | DTypeLike | None = None,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Product over `dim`, or over everything; 1 over nothing. Integers and bool are multiplied as int64.

    Args:
        x: A tensor.
        dim: One or several dimensions, or None for all.
        keepdim: Whether the dimensions that go stay, with size 1.
        dtype: To which elements are cast before they are multiplied, and the dtype of the result.

    Raises:
        IndexError: if `dim` is out of range.
        ValueError: if one is named twice.
    """

def rand(
    *size: int | Sequence[int],
    dtype: DType | DTypeLike | None = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """
    Random numbers, uniform on [0, 1).
    """

def rand_like(
    x: Tensor | float | NDArray[Any],
    dtype: DType | DTypeLike | None = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """
    As `rand`, with the shape and, unless given, the dtype of `x`.
    """

def randint(
    low: SupportsIndex | None = None,
    high: int | Sequence[int] | None = None,
    size: int | Sequence[int] | None = None,
    *,
    dtype: DType | DTypeLike | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """
    Random integers, uniform from `low` to `high − 1`: `randint(high, size)` or `randint(low, high, size)`.
    """

def randn(
    *size: int | Sequence[int],
    dtype: DType | DTypeLike | None = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """
    Random numbers from the standard normal distribution.
    """

def randn_like(
    x: Tensor | float | NDArray[Any],
    dtype: DType | DTypeLike | None = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """
    As `randn`, with the shape and, unless given, the dtype of `x`.
    """

def randperm(n: SupportsIndex, *, dtype: DType | DTypeLike | None = None, generator: Generator | None = None) -> Tensor:
    """
    The integers 0 to n − 1 in random order.
    """

def ravel(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    All elements in row-major order as one dimension: a view where strides allow it, else a copy.
    """

def reciprocal(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Reciprocal, 1/x.
    """

def relu(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Rectified linear unit, max(x, 0). The derivative at 0 is 0.
    """

def relu6(input: Tensor | float | NDArray[Any]) -> Tensor:
    """
    min(max(x, 0), 6). The derivative at 0 and 6 is 0.
    """

def remainder(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The remainder of a ÷ b with the sign of b, as Python's `%`. Integers divided by 0 are a `ZeroDivisionError`.
    """

def repeat(x: Tensor | float | NDArray[Any], *sizes: int | Sequence[int]) -> Tensor:
    """
    The tensor laid end to end `sizes[i]` times along dimension `i`; more sizes than dimensions make new ones in front.
    `ValueError` for negative sizes, or fewer sizes than dimensions.
    """

def reshape(x: Tensor | float | NDArray[Any], *shape: int | Sequence[int]) -> Tensor:
    """
    The elements in row-major order under another shape; one size may be −1, and follows from the others. A view where
    strides allow it, else a copy.
    """

def rms_norm(
    input: Tensor | float | NDArray[Any],
    normalized_shape: int | Sequence[int],
    weight: Tensor | float | NDArray[Any] | None = None,
    eps: SupportsFloat | SupportsIndex | None = None,
) -> Tensor:
    """
    x / √(mean of x² + eps) · weight over the last dimensions.

    Zhang and Sennrich, Root mean square layer normalization, 2019.

    Args:
        input: Examples of floats, whose last dimensions are `normalized_shape`.
        normalized_shape: The sizes of these dimensions.
        weight: Factors of that shape, or None.
        eps: What keeps the denominator from 0: by default the distance of 1 from the next number of the dtype.

    Raises:
        TypeError: unless `input` holds floats.
        ValueError: if the shapes do not fit.
    """

def roll(
    x: Tensor | float | NDArray[Any], shifts: int | Sequence[int], dims: int | Sequence[int] | None = None
) -> Tensor:
    """
    The elements moved by `shifts` along `dims`, those behind the end coming in at the front; without `dims`, all
    elements are moved as if they were one vector. `ValueError` unless there is a shift for every dimension, or one
    alone.
    """

def round(x: Tensor | float | NDArray[Any], decimals: SupportsIndex = 0) -> Tensor:
    """
    The nearest number with so many decimals, ties to even. The derivative is 0. `TypeError` for integers rounded to
    tens or more.
    """

def rsqrt(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Reciprocal of the square root, 1/√x.
    """

def save(tensors: dict[str, Tensor], path: str | PathLike[str]) -> None:
    """
    Writes a dict of tensors to a safetensors file, atomically. An existing file keeps its permissions, and a symbolic link is
    followed.

    `TypeError` if a name is not a string or a value is not a tensor, `ValueError` for the name `__metadata__`, which the format
    reserves, `OSError` if the file cannot be written, or is a folder, a device or a FIFO.
    """

def scatter(
    x: Tensor | float | NDArray[Any],
    dim: SupportsIndex,
    index: Tensor | float | NDArray[Any],
    src: Tensor | float | NDArray[Any],
) -> Tensor:
    """
    A copy of `x` in which the places that `gather` would read from hold `src`, a tensor that reaches over `index` or a
    number. Where positions repeat, the last value stays, and it alone has a gradient. Errors as `gather`'s, and
    `ValueError` if `src` is too small.
    """

def scatter_add(
    x: Tensor | float | NDArray[Any],
    dim: SupportsIndex,
    index: Tensor | float | NDArray[Any],
    src: Tensor | float | NDArray[Any],
) -> Tensor:
    """
    `x`, and added to the places that `gather` would read from the elements of `src`, which reaches over `index`. Errors
    as `gather`'s, and `ValueError` if `src` is too small.
    """

def select(x: Tensor | float | NDArray[Any], dim: SupportsIndex, index: SupportsIndex) -> Tensor:
    """
    Position `index` of dimension `dim`, without that dimension, as a view. `IndexError` if either is out of range.
    """

def selu(input: Tensor | float | NDArray[Any]) -> Tensor:
    """
    scale · x where x > 0, else scale · alpha (eˣ − 1), with the constants that keep mean 0 and variance 1.
    """

def set_default_dtype(dtype: DType | DTypeLike) -> None:
    """
    Sets the dtype of Python floats: float32 or float64. `TypeError` for any other.
    """

def set_num_threads(n: SupportsIndex) -> None:
    """
    Sets the largest number of threads of an operation. `ValueError` unless it is 1 to 1024.
    """

def set_rng_state(state: tuple[SupportsIndex, SupportsIndex]) -> None:
    """
    Restores a state of the default generator from `get_rng_state`.
    """

def sigmoid(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Logistic function, 1 / (1 + e⁻ˣ).
    """

def sign(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Sign: −1, 0 or 1, and NaN for NaN. The derivative is 0.
    """

def silu(input: Tensor | float | NDArray[Any]) -> Tensor:
    """
    x σ(x), also called swish.
    """

def sin(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Sine of an angle in radians.
    """

def sinh(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Hyperbolic sine.
    """

def smooth_l1_loss(
    input: Tensor | float | NDArray[Any],
    target: Tensor | float | NDArray[Any],
    reduction: str = "mean",
    beta: SupportsFloat | SupportsIndex = 1.0,
) -> Tensor:
    """
    d² / (2 beta) for differences d of less than beta, else |d| − beta / 2.

    Args:
        input: Predictions of any shape.
        target: What they should be, of the same shape; nothing broadcasts.
        reduction: "mean", "sum" or "none" for one loss for each element.
        beta: Where the parabola ends; 0 gives the absolute error.

    Raises:
        ValueError: if beta is negative, if the shapes differ, or if there is no element to take a mean of.
    """

def soft_margin_loss(
    input: Tensor | float | NDArray[Any], target: Tensor | float | NDArray[Any], reduction: str = "mean"
) -> Tensor:
    """
    ln(1 + exp(−target · input)), without overflow.

    Args:
        input: Scores of any shape.
        target: 1 and −1, of the same shape.
        reduction: "mean", "sum" or "none" for one loss for each element.

    Raises:
        ValueError: for targets of 0 (labels 0 and 1 would teach nothing about the former), if the shapes differ, or if
            there is no
            element to take a mean of.
    """

def softmax(x: Tensor | float | NDArray[Any], dim: SupportsIndex) -> Tensor:
    """
    exp(x) / Σ exp(x) along `dim`, without overflow.

    Args:
        x: Numbers; integers become floats of the default dtype.
        dim: The dimension along which the results add up to 1.

    Raises:
        IndexError: if `dim` is out of range.

    >>> rg.softmax(rg.tensor([[0.0, 0.0]]), 1)
    tensor([[0.5, 0.5]])
    """

def softmin(input: Tensor | float | NDArray[Any], dim: SupportsIndex) -> Tensor:
    """
    exp(−x) / Σ exp(−x) along `dim`, without overflow.

    Args:
        input: Numbers; integers become floats of the default dtype.
        dim: The dimension along which the results add up to 1.

    Raises:
        IndexError: if `dim` is out of range.
    """

def softplus(
    x: Tensor | float | NDArray[Any],
    beta: SupportsFloat | SupportsIndex = 1.0,
    threshold: SupportsFloat | SupportsIndex = 20.0,
) -> Tensor:
    """
    ln(1 + exp(beta · x)) / beta, without overflow; x itself where beta · x > threshold. `ValueError` if beta is 0.
    """

def softshrink(input: Tensor | float | NDArray[Any], lambd: SupportsFloat | SupportsIndex = 0.5) -> Tensor:
    """
    x moved towards 0 by lambd, or 0 where |x| ≤ lambd. The derivative there is 0. `ValueError` if lambd is negative.
    """

def softsign(input: Tensor | float | NDArray[Any]) -> Tensor:
    """
    x / (1 + |x|).
    """

def sort(
    x: Tensor | float | NDArray[Any], dim: SupportsIndex = -1, descending: bool = False, stable: bool = False
) -> ValuesIndices:
    """
    The elements along `dim` in increasing order, or decreasing if `descending`, and their indices. NaN is larger than
    every number. Equal elements keep their order, whether `stable` asks for it or not.
    """

def split(
    x: Tensor | float | NDArray[Any], split_size_or_sections: int | Sequence[int], dim: SupportsIndex = 0
) -> tuple[Tensor, ...]:
    """
    Pieces along `dim`, as views: of one size, the last being what is left, or of the sizes that a sequence lists.
    `ValueError` unless sizes are positive (0 is allowed in a list of sizes) and a list of sizes adds up to the
    dimension's.
    """

def sqrt(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Square root, √x.
    """

def square(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Square, x².
    """

def squeeze(x: Tensor | float | NDArray[Any], dim: int | Sequence[int] | None = None) -> Tensor:
    """
    Without the dimensions of size 1, or without those of `dim` that have size 1.
    """

def stack(tensors: Iterable[Tensor], dim: SupportsIndex = 0) -> Tensor:
    """
    Tensors of one shape, joined along a new dimension before position `dim`.
    """

def std(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    *,
    keepdim: bool | None = False,
    correction: SupportsFloat | SupportsIndex | None = None,
    unbiased: bool | None = None,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Standard deviation over `dim`, or over everything, the root of `var`. The derivative where it is 0 is 0.

    Args:
        x: A tensor of floats.
        dim: One or several dimensions, or None for all.
        keepdim: Whether the dimensions that go stay, with size 1.
        correction: What is subtracted from the number n of elements; 1 unless given.
        unbiased: True and False stand for the corrections 1 and 0.

    Raises:
        IndexError: if `dim` is out of range.
        TypeError: unless elements are floats.
        ValueError: if both `correction` and `unbiased` are given, or a dimension is named twice.
    """

def std_mean(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    *,
    keepdim: bool | None = False,
    correction: SupportsFloat | SupportsIndex | None = None,
    unbiased: bool | None = None,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """
    Standard deviation and mean over `dim`, or over everything, as a pair; see `std`.
    """

def sub(
    x: Tensor | float | NDArray[Any],
    other: Tensor | float | NDArray[Any],
    alpha: Tensor | float | NDArray[Any] | None = None,
) -> Tensor:
    """
    Difference, x − alpha × other.
    """

def sum(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    keepdim: bool | None = False,
    *,
    dtype: DType | DTypeLike | None = None,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Sum over `dim`, or over everything. Integers and bool are summed as int64.

    Args:
        x: A tensor.
        dim: One or several dimensions, or None for all.
        keepdim: Whether the dimensions that go stay, with size 1.
        dtype: To which elements are cast before they are added, and the dtype of the result.

    Raises:
        IndexError: if `dim` is out of range.
        ValueError: if one is named twice.

    >>> rg.sum(rg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """

def swapaxes(x: Tensor | float | NDArray[Any], axis0: SupportsIndex, axis1: SupportsIndex) -> Tensor:
    """
    Two dimensions exchanged, as a view: NumPy's name for `transpose`.
    """

def take_along_dim(
    x: Tensor | float | NDArray[Any], indices: Tensor | float | NDArray[Any], dim: SupportsIndex | None = None
) -> Tensor:
    """
    As `gather`, where the other dimensions of `x` and `index` are broadcast; without `dim`, over all elements in
    row-major order.
    """

def tan(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Tangent of an angle in radians.
    """

def tanh(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Hyperbolic tangent.
    """

def tanhshrink(input: Tensor | float | NDArray[Any]) -> Tensor:
    """
    x − tanh x.
    """

def tensor(data: Any, dtype: DType | DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """
    A tensor with a copy of `data`: numbers, nested lists, an array or a tensor.

    Unless `dtype` is given, Python floats get the default dtype, integers int64, and arrays keep theirs. `ValueError` if nested
    lists are ragged or hold a number that `dtype` cannot represent, `TypeError` if no dtype can hold the elements.
    """

def tensordot(
    x: Tensor | float | NDArray[Any],
    other: Tensor | float | NDArray[Any],
    dims: int | Sequence[int | Sequence[int]] = 2,
) -> Tensor:
    """
    Sum of products over pairs of dimensions: over the last `dims` of `x` and the first of `other`, or over the dims of
    `x` in `dims[0]` and those of `other` in `dims[1]`. `ValueError` unless paired sizes are equal, `IndexError` for
    dims out of range.
    """

def threshold(
    input: Tensor | float | NDArray[Any], threshold: SupportsFloat | SupportsIndex, value: SupportsFloat | SupportsIndex
) -> Tensor:
    """
    x where x > threshold, else value. The derivative at the threshold is 0.
    """

def tile(x: Tensor | float | NDArray[Any], *dims: int | Sequence[int]) -> Tensor:
    """
    As `repeat`, but fewer sizes than dimensions belong to the last ones. `ValueError` for negative sizes.
    """

def topk(
    x: Tensor | float | NDArray[Any],
    k: SupportsIndex,
    dim: SupportsIndex = -1,
    largest: bool = True,
    sorted: bool = True,
) -> ValuesIndices:
    """
    The `k` largest elements along `dim`, or smallest unless `largest`, and their indices, in decreasing (increasing)
    order, whether `sorted` asks for it or not. NaN is larger than every number; of equal elements the first are taken.
    `ValueError` unless there are so many.
    """

def trace(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    Sum of the main diagonal of a matrix; int64 for integers.
    """

def transpose(x: Tensor | float | NDArray[Any], dim0: SupportsIndex, dim1: SupportsIndex) -> Tensor:
    """
    Two dimensions exchanged, as a view.
    """

def tril(x: Tensor | float | NDArray[Any], diagonal: SupportsIndex = 0) -> Tensor:
    """
    The lower triangle of the last two dimensions, up to the diagonal `diagonal`, and zeros above it.
    """

def triu(x: Tensor | float | NDArray[Any], diagonal: SupportsIndex = 0) -> Tensor:
    """
    The upper triangle of the last two dimensions, from the diagonal `diagonal` on, and zeros below it.
    """

def trunc(x: Tensor | float | NDArray[Any]) -> Tensor:
    """
    The integer next to x on the side of 0. The derivative is 0.
    """

def unbind(x: Tensor | float | NDArray[Any], dim: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """
    Every position of dimension `dim`, without that dimension, as views.
    """

def unflatten(x: Tensor | float | NDArray[Any], dim: SupportsIndex, sizes: int | Sequence[int]) -> Tensor:
    """
    Dimension `dim` taken apart into dimensions of these sizes, one of which may be −1.
    """

def unsqueeze(x: Tensor | float | NDArray[Any], dim: SupportsIndex) -> Tensor:
    """
    With a new dimension of size 1 before position `dim`.
    """

def var(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    *,
    keepdim: bool | None = False,
    correction: SupportsFloat | SupportsIndex | None = None,
    unbiased: bool | None = None,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """
    Variance over `dim`, or over everything: Σ (x − mean)² / (n − correction).

    It is NaN where n ≤ correction and all differences are 0.

    Args:
        x: A tensor of floats.
        dim: One or several dimensions, or None for all.
        keepdim: Whether the dimensions that go stay, with size 1.
        correction: What is subtracted from the number n of elements; 1 unless given.
        unbiased: True and False stand for the corrections 1 and 0.

    Raises:
        IndexError: if `dim` is out of range.
        TypeError: unless elements are floats.
        ValueError: if both `correction` and `unbiased` are given, or a dimension is named twice.
    """

def var_mean(
    x: Tensor | float | NDArray[Any],
    dim: int | Sequence[int] | None = None,
    *,
    keepdim: bool | None = False,
    correction: SupportsFloat | SupportsIndex | None = None,
    unbiased: bool | None = None,
    axis: int | Sequence[int] | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """
    Variance and mean over `dim`, or over everything, as a pair; see `var`.
    """

def where(
    condition: Tensor | float | NDArray[Any], x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]
) -> Tensor:
    """
    Elements of `x` where `condition` is true, elements of `other` elsewhere.
    """

def xlogy(x: Tensor | float | NDArray[Any], other: Tensor | float | NDArray[Any]) -> Tensor:
    """
    x ln other, and 0 where x = 0 unless other is NaN.
    """

def zeros(*size: int | Sequence[int], dtype: DType | DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """
    Zeros.
    """

def zeros_like(
    x: Tensor | float | NDArray[Any], dtype: DType | DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """
    As `zeros`, with the shape and, unless given, the dtype of `x`.
    """
