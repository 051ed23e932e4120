"""Operations in NumPy, under rgrad's names and arguments, and derivatives by finite differences: both in float64."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import rgrad as rg
from rgrad import _core

Array = np.ndarray

# Formulas here, and the library of products that NumPy calls, hold for finite numbers only.
FINITE = {
    *(
        "sigmoid",
        "silu",
        "softsign",
        "tanhshrink",
        "softmax",
        "log_softmax",
        "matmul",
        "mm",
        "mv",
        "bmm",
        "dot",
        "inner",
    ),
    *("outer", "kron", "einsum", "tensordot", "linear", "addmm", "baddbmm"),
}
#: NumPy functions of the same name and meaning.
SAME_NAME = sorted(
    set(_core.OPS)
    & set(dir(np))
    - {
        "broadcast_to",
        "cross",
        "diagonal",
        "max",
        "min",
        "nonzero",
        "pad",
        "repeat",
        "round",
        "sort",
        "split",
        "squeeze",
        "std",
        "tile",
        "var",
    }
)
OTHER_NAME = {
    "neg": np.negative,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "atan2": np.arctan2,
    "mul": np.multiply,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "clamp_min": np.maximum,
    "clamp_max": np.minimum,
    "mm": np.matmul,
    "mv": np.matmul,
    "bmm": np.matmul,
    "dot": np.dot,
    "where": np.where,
    "ravel": np.ravel,
    "diag": np.diag,
    "masked_fill": lambda x, mask, value: np.where(mask, value, x),
    "relu": lambda x: np.where(x < 0, 0, x),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda input: input / (1 + np.exp(-input)),
    "softsign": lambda input: input / (1 + np.abs(input)),
    "tanhshrink": lambda input: input - np.tanh(input),
    "add": lambda x, other, alpha=1: x + alpha * other,
    "sub": lambda x, other, alpha=1: x - alpha * other,
    "linear": lambda x, weight, bias=0.0: x @ weight.T + bias,
    "addmm": lambda x, mat1, mat2, beta=1, alpha=1: beta * x + alpha * (mat1 @ mat2),
    "baddbmm": lambda x, batch1, batch2, beta=1, alpha=1: beta * x + alpha * (batch1 @ batch2),
    "transpose": lambda x, dim0, dim1: np.swapaxes(x, dim0, dim1),
    "swapaxes": lambda x, axis0, axis1: np.swapaxes(x, axis0, axis1),
    "expand_as": lambda x, other: np.broadcast_to(x, other.shape),
    "unsqueeze": lambda x, dim: np.expand_dims(x, dim),
    "select": lambda x, dim, index: np.take(x, index, dim),
    "flip": lambda x, dims: np.flip(x, dims),
    "cat": lambda tensors, dim=0: np.concatenate(tensors, dim),
    "stack": lambda tensors, dim=0: np.stack(tensors, dim),
    "index_select": lambda x, dim, index: np.take(x, index, dim),
    "einsum": np.einsum,
    "nan_to_num": lambda x, nan=0.0, posinf=None, neginf=None: np.nan_to_num(x, True, nan, posinf, neginf),
    "cumsum": lambda x, dim=None, axis=None: np.cumsum(x, axis if dim is None else dim).reshape(x.shape),
    "cumprod": lambda x, dim=None, axis=None: np.cumprod(x, axis if dim is None else dim).reshape(x.shape),
    "permute": np.transpose,
    "argsort": lambda x, dim=-1, **_: None,
}
REDUCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "amax": np.max,
    "amin": np.min,
    "all": np.all,
    "any": np.any,
    "count_nonzero": np.count_nonzero,
    "argmax": np.argmax,
    "argmin": np.argmin,
}


def _reduction(f: Callable[..., Array]) -> Callable[..., Array]:
    def reduced(x: Array, dim: Any = None, keepdim: Any = None, *, axis: Any = None, keepdims: Any = None) -> Array:
        dim = axis if dim is None else dim
        return f(x, axis=dim, keepdims=bool(keepdim or keepdims))

    return reduced


def _softmax(x: Array, dim: int) -> Array:
    e = np.exp(x - x.max(dim, keepdims=True))
    return e / e.sum(dim, keepdims=True)


REFERENCES: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in SAME_NAME},
    **{name: _reduction(f) for name, f in REDUCTIONS.items()},
    **OTHER_NAME,
    "softmax": _softmax,
    "log_softmax": lambda x, dim: np.log(_softmax(x, dim)),
    "mse_loss": lambda input, target, reduction="mean": {"mean": np.mean, "sum": np.sum, "none": lambda a: a}[
        reduction
    ]((input - target) ** 2),
}


def _array(value: Any) -> Any:
    if isinstance(value, rg.Tensor):
        return value.detach().numpy()
    return [_array(item) for item in value] if isinstance(value, list) else value


def _tame(a: Array, op: str = "") -> bool:
    """Whether NumPy's result is as good as ours: float64 and no huge numbers, whose rounding errors are huge too."""
    finite = np.isfinite(a)
    return bool(
        a.dtype == np.float64 and a.size and (np.abs(a[finite]) < 1e3).all() and (op not in FINITE or finite.all())
    )


def wrong_value(op: str, args: list[Any], named: dict[str, Any], value: Any) -> str | None:
    """How a result differs from NumPy's, if it does; None also where NumPy has no such operation."""
    if op not in REFERENCES or not isinstance(value, rg.Tensor):
        return None
    ours, given = value.detach().numpy(), [_array(a) for a in args]
    if ours.dtype == np.float64:
        # NumPy would compute 1 + 255 of uint8 in uint8 on the way to a float.
        given = [a.astype(np.float64) if isinstance(a, Array) and a.dtype.kind in "iu" else a for a in given]
    flat = [b for a in given for b in (a if isinstance(a, list) else [a]) if isinstance(b, Array)]
    if not all(_tame(a, op) for a in flat if a.dtype.kind == "f") or ours.dtype not in (np.float64, np.bool_, np.int64):
        return None
    with np.errstate(all="ignore"):
        try:
            theirs = np.asarray(REFERENCES[op](*given, **{k: _array(v) for k, v in named.items()}))
        except (TypeError, ValueError, IndexError):
            # Arguments that NumPy spells otherwise.
            return None
    if theirs.dtype not in (np.float64, np.bool_, np.int64):
        return None
    if ours.shape != theirs.shape:
        return f"{op}: shape {ours.shape}, in NumPy {theirs.shape}"
    if theirs.dtype.kind != ours.dtype.kind:
        return None
    wrong = ~np.isclose(ours, theirs, rtol=1e-9, atol=1e-9, equal_nan=True)
    if not wrong.any():
        return None
    shown = ", ".join(told(a) for a in flat)
    return f"{op}: {told(ours[wrong])}, in NumPy {told(theirs[wrong])}, at {np.argwhere(wrong)[0]}, of {shown} {named}"


def told(a: Array) -> str:
    return np.array2string(a, threshold=8)


def _number(y: rg.Tensor) -> float:
    return float(y.detach().numpy())


def wrong_derivative(f: Callable[[rg.Tensor], rg.Tensor], x: rg.Tensor) -> str | None:
    """How the derivatives of ``f`` at ``x`` differ from each other or from finite differences, where it is smooth."""
    direction = rg.tensor(np.where(np.arange(x.numel()) % 3 == 1, -1.0, 1.0).reshape(tuple(x.shape)))
    x = x.detach().clone()
    if not _tame(x.numpy()):
        return None
    y = f(x)
    weights = rg.linspace(0.5, 1.0, y.numel(), dtype="float64").reshape(tuple(y.shape))

    def scalar(x: rg.Tensor) -> rg.Tensor:
        return (f(x) * weights).sum()

    reverse = _number((rg.grad(scalar)(x) * direction).sum())
    forward = _number(rg.jvp(scalar, (x,), (direction,))[1])
    size = 1 + abs(reverse)
    if not math.isfinite(reverse) or not math.isfinite(forward):
        return None
    if abs(reverse - forward) > 1e-8 * size:
        return f"reverse {reverse!r} and forward {forward!r}"
    here, slopes = _number(scalar(x)), []
    for h in (1e-4, 1e-5):
        right, left = _number(scalar(x + h * direction)), _number(scalar(x - h * direction))
        ahead, behind = (right - here) / h, (here - left) / h
        # A kink, a jump or a pole is near, or rounding hides the slope.
        if not abs(ahead - behind) < 1e2 * h * size or abs(here) > 1e4:
            return None
        slopes.append((ahead + behind) / 2)
    # Differences that agree with each other are believed.
    if abs(slopes[0] - slopes[1]) < 1e-6 * (1 + abs(slopes[1])) and abs(slopes[1] - reverse) > 1e-5 * size:
        return f"derivative {reverse!r}, by finite differences {slopes[1]!r}"
    return None
