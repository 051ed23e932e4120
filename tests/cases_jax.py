"""Operations beside JAX's. Run as a program, it evaluates JAX's side: values and gradients in float64, into a file.

JAX runs in a process of its own, because a process that it has started threads in must not fork, which other tests do.
"""

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import rgrad as rg

jax: Any = None
jnp: Any = None
jnn: Any = None
jsp: Any = None


def load_jax() -> None:
    """Imports JAX under the names that the rows below use."""
    global jax, jnp, jnn, jsp
    import jax
    import jax.nn as jnn
    import jax.numpy as jnp
    import jax.scipy.special as jsp

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")


@dataclass
class Row:
    """The same function in both libraries, and its inputs."""

    rgrad: Callable[..., Any]
    jax: Callable[..., Any]
    inputs: list[np.ndarray]
    differentiable: bool = True


# Of its own: the other tables' numbers must not depend on whether this one is read.
R = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    """Numbers at least 0.05 away from 0, and so from most kinks."""
    x = R.standard_normal(shape)
    return x + 0.05 * np.sign(x)


def positive(*shape: int) -> np.ndarray:
    return R.uniform(0.3, 2.0, shape)


def unit(*shape: int) -> np.ndarray:
    """Numbers inside (−1, 1), away from 0."""
    return R.uniform(0.1, 0.9, shape) * R.choice([-1.0, 1.0], shape)


def mixed(*shape: int) -> np.ndarray:
    """Numbers with some NaN and infinities among them."""
    x = normal(*shape)
    x.flat[:3] = np.nan, np.inf, -np.inf
    return x


def _ours(name: str) -> Callable[..., Any]:
    """Found when it is called: the table may be read without JAX, and before an operation exists."""
    return lambda *args, **options: getattr(rg, name)(*args, **options)


def _theirs(path: str) -> Callable[..., Any]:
    module, _, name = path.rpartition(".")
    return lambda *args, **options: getattr(eval(module), name)(*args, **options)


def one(name: str, x: np.ndarray | None = None, theirs: str | None = None, differentiable: bool = True) -> list[Row]:
    """A function of one tensor."""
    x = normal(3, 4) if x is None else x
    return [Row(_ours(name), _theirs(theirs or f"jnp.{name}"), [x], differentiable)]


def two(
    name: str,
    a: np.ndarray | None = None,
    b: np.ndarray | None = None,
    theirs: str | None = None,
    differentiable: bool = True,
) -> list[Row]:
    """A function of two tensors, which broadcast."""
    a, b = normal(3, 4) if a is None else a, normal(4) if b is None else b
    return [Row(_ours(name), _theirs(theirs or f"jnp.{name}"), [a, b], differentiable)]


def along(name: str, theirs: str | None = None, x: np.ndarray | None = None, differentiable: bool = True) -> list[Row]:
    """A reduction: over everything, over one dimension and over two."""
    x = normal(3, 4, 2) if x is None else x
    f, g = _ours(name), _theirs(theirs or f"jnp.{name}")
    return [
        Row(f, g, [x], differentiable),
        Row(lambda a: f(a, dim=1), lambda a: g(a, axis=1), [x], differentiable),
        Row(
            lambda a: f(a, dim=(0, -1), keepdim=True), lambda a: g(a, axis=(0, -1), keepdims=True), [x], differentiable
        ),
    ]


def act(name: str, theirs: str | None = None, x: np.ndarray | None = None) -> list[Row]:
    """An activation function."""
    x = normal(3, 4) * 3 if x is None else x
    return [Row(_ours(name), _theirs(theirs or f"jnn.{name}"), [x])]


def ints(*shape: int) -> np.ndarray:
    return R.integers(-9, 9, shape)


def bools(*shape: int) -> np.ndarray:
    return R.integers(0, 2, shape).astype(bool)


IDX = np.array([[0, 2, 1, 0], [1, 1, 0, 2]])
A, B, V, W = normal(3, 4), normal(4, 2), normal(4), normal(3)
A3, B3 = normal(2, 3, 4), normal(2, 4, 5)

ROWS: dict[str, list[Row]] = {
    # ---- One tensor ----
    **{n: one(n) for n in ["abs", "square", "exp", "expm1", "exp2", "sin", "cos", "tan", "sinh", "cosh", "tanh"]},
    **{n: one(n) for n in ["floor", "ceil", "round", "trunc", "sign"]},
    **{n: one(n, positive(3, 4)) for n in ["sqrt", "log", "log2", "log10", "log1p", "reciprocal"]},
    **{n: one(n, mixed(3, 4), differentiable=False) for n in ["isnan", "isinf", "isfinite"]},
    **{n: one(n, unit(3, 4), f"jnp.arc{n[1:]}") for n in ["asin", "acos", "atan", "atanh", "asinh"]},
    "acosh": one("acosh", positive(3, 4) + 1, "jnp.arccosh"),
    "neg": one("neg", theirs="jnp.negative"),
    "rsqrt": one("rsqrt", positive(3, 4), "jax.lax.rsqrt"),
    "sigmoid": one("sigmoid", theirs="jnn.sigmoid"),
    "logit": one("logit", R.uniform(0.1, 0.9, (3, 4)), "jsp.logit"),
    "erf": one("erf", theirs="jsp.erf"),
    "erfc": one("erfc", theirs="jsp.erfc"),
    "erfinv": one("erfinv", unit(3, 4), "jsp.erfinv"),
    "nan_to_num": [
        Row(
            lambda x: rg.nan_to_num(x, 1.0, 2.0, 3.0),
            lambda x: jnp.nan_to_num(x, nan=1.0, posinf=2.0, neginf=3.0),
            [mixed(3, 4)],
        )
    ],
    "logical_not": one("logical_not", bools(3, 4), differentiable=False),
    "bitwise_not": one("bitwise_not", ints(3, 4), differentiable=False),
    # ---- Two tensors ----
    **{n: two(n) for n in ["maximum", "minimum", "hypot", "logaddexp"]},
    "add": two("add"),
    "sub": two("sub", theirs="jnp.subtract"),
    "mul": two("mul", theirs="jnp.multiply"),
    "div": two("div", theirs="jnp.divide"),
    "pow": two("pow", positive(3, 4), theirs="jnp.power"),
    "float_power": two("float_power", positive(3, 4)),
    "atan2": two("atan2", theirs="jnp.arctan2"),
    "xlogy": two("xlogy", normal(3, 4), positive(4), "jsp.xlogy"),
    "fmod": two("fmod", normal(3, 4) * 5),
    "remainder": two("remainder", normal(3, 4) * 5),
    "floor_divide": two("floor_divide", normal(3, 4) * 5, differentiable=False),
    "lerp": [
        Row(lambda a, b, w: rg.lerp(a, b, w), lambda a, b, w: a + w * (b - a), [normal(3, 4), normal(4), normal(3, 1)])
    ],
    "clamp": [Row(lambda x: rg.clamp(x, -0.5, 0.7), lambda x: jnp.clip(x, -0.5, 0.7), [normal(3, 4)])],
    "clamp_min": [Row(lambda x: rg.clamp_min(x, -0.5), lambda x: jnp.clip(x, -0.5), [normal(3, 4)])],
    "clamp_max": [Row(lambda x: rg.clamp_max(x, 0.5), lambda x: jnp.clip(x, None, 0.5), [normal(3, 4)])],
    "where": [Row(lambda a, b: rg.where(a > 0, a, b), lambda a, b: jnp.where(a > 0, a, b), [normal(3, 4), normal(4)])],
    **{
        n: two(n, ints(3, 4), ints(4), f"jnp.{theirs}", differentiable=False)
        for n, theirs in {
            "lt": "less",
            "le": "less_equal",
            "gt": "greater",
            "ge": "greater_equal",
            "eq": "equal",
            "ne": "not_equal",
            "bitwise_and": "bitwise_and",
            "bitwise_or": "bitwise_or",
            "bitwise_xor": "bitwise_xor",
        }.items()
    },
    **{n: two(n, bools(3, 4), bools(4), differentiable=False) for n in ["logical_and", "logical_or", "logical_xor"]},
    "isclose": two("isclose", A, A + 1e-9, differentiable=False),
    # ---- Reductions ----
    **{n: along(n) for n in ["sum", "mean", "prod", "amax", "amin"]},
    "logsumexp": along("logsumexp", "jsp.logsumexp"),
    "var": [
        Row(lambda x: rg.var(x), lambda x: jnp.var(x, ddof=1), [A3]),
        Row(lambda x: rg.var(x, dim=1, correction=0, keepdim=True), lambda x: jnp.var(x, axis=1, keepdims=True), [A3]),
    ],
    "std": [Row(lambda x: rg.std(x, dim=(0, 2)), lambda x: jnp.std(x, axis=(0, 2), ddof=1), [A3])],
    "var_mean": [Row(lambda x: rg.var_mean(x, dim=1)[0], lambda x: jnp.var(x, axis=1, ddof=1), [A3])],
    "std_mean": [Row(lambda x: rg.std_mean(x, dim=1)[0], lambda x: jnp.std(x, axis=1, ddof=1), [A3])],
    "max": [
        Row(lambda x: rg.max(x), lambda x: jnp.max(x), [A3]),
        Row(lambda x: rg.max(x, 1)[0], lambda x: jnp.max(x, axis=1), [A3]),
    ],
    "min": [
        Row(lambda x: rg.min(x), lambda x: jnp.min(x), [A3]),
        Row(lambda x: rg.min(x, 1)[0], lambda x: jnp.min(x, axis=1), [A3]),
    ],
    "argmax": [Row(lambda x: rg.argmax(x, 1), lambda x: jnp.argmax(x, 1), [A3], False)],
    "argmin": [Row(lambda x: rg.argmin(x), lambda x: jnp.argmin(x), [A3], False)],
    "all": along("all", x=bools(3, 4, 2), differentiable=False),
    "any": along("any", x=bools(3, 4, 2), differentiable=False),
    "count_nonzero": [Row(lambda x: rg.count_nonzero(x, 1), lambda x: jnp.count_nonzero(x, 1), [ints(3, 4)], False)],
    "norm": [
        Row(lambda x: rg.norm(x), lambda x: jnp.linalg.norm(x), [A]),
        Row(lambda x: rg.norm(x, 3, 1), lambda x: jnp.linalg.norm(x, 3, 1), [A]),
        Row(lambda x: rg.norm(x, float("inf"), 0), lambda x: jnp.linalg.norm(x, np.inf, 0), [A]),
    ],
    "cumsum": [Row(lambda x: rg.cumsum(x, 1), lambda x: jnp.cumsum(x, 1), [A3])],
    "cumprod": [Row(lambda x: rg.cumprod(x, 0), lambda x: jnp.cumprod(x, 0), [A3])],
    "sort": [
        Row(lambda x: rg.sort(x, 1)[0], lambda x: jnp.sort(x, 1), [A3]),
        Row(lambda x: rg.sort(x, -1, descending=True)[0], lambda x: jnp.sort(x, -1, descending=True), [A3]),
    ],
    "argsort": [Row(lambda x: rg.argsort(x, 0), lambda x: jnp.argsort(x, 0), [A3], False)],
    "topk": [Row(lambda x: rg.topk(x, 2)[0], lambda x: jax.lax.top_k(x, 2)[0], [A3])],
    # ---- Products ----
    "matmul": [
        Row(lambda a, b: rg.matmul(a, b), lambda a, b: jnp.matmul(a, b), [A, B]),
        Row(lambda a, b: rg.matmul(a, b), lambda a, b: jnp.matmul(a, b), [A3, B3]),
        Row(lambda a, b: rg.matmul(a, b), lambda a, b: jnp.matmul(a, b), [V, V]),
    ],
    "mm": two("mm", A, B, "jnp.matmul"),
    "mv": two("mv", A, V, "jnp.matmul"),
    "bmm": two("bmm", A3, B3, "jnp.matmul"),
    "dot": two("dot", V, V),
    "inner": two("inner", A, V),
    "outer": two("outer", V, W),
    "kron": two("kron", A, B),
    "linear": [Row(lambda x, w, b: rg.linear(x, w, b), lambda x, w, b: x @ w.T + b, [A, normal(5, 4), normal(5)])],
    "tensordot": [
        Row(lambda a, b: rg.tensordot(a, b, 1), lambda a, b: jnp.tensordot(a, b, 1), [A3, B]),
        Row(
            lambda a, b: rg.tensordot(a, b, ([2, 0], [1, 0])),
            lambda a, b: jnp.tensordot(a, b, ([2, 0], [1, 0])),
            [A3, B3],
        ),
    ],
    "einsum": [
        Row(lambda a, b: rg.einsum("bij,bjk->ik", a, b), lambda a, b: jnp.einsum("bij,bjk->ik", a, b), [A3, B3]),
        Row(lambda a: rg.einsum("...ii", a), lambda a: jnp.einsum("...ii", a), [normal(2, 3, 3)]),
        Row(lambda a, b, c: rg.einsum("ij,jk,j", a, b, c), lambda a, b, c: jnp.einsum("ij,jk,j", a, b, c), [A, B, V]),
    ],
    "addmm": [
        Row(
            lambda c, a, b: rg.addmm(c, a, b, beta=2.0, alpha=0.5),
            lambda c, a, b: 2 * c + 0.5 * (a @ b),
            [normal(2), A, B],
        )
    ],
    "addmv": [
        Row(lambda c, a, b: rg.addmv(c, a, b, beta=2.0, alpha=0.5), lambda c, a, b: 2 * c + 0.5 * (a @ b), [W, A, V])
    ],
    "baddbmm": [Row(lambda c, a, b: rg.baddbmm(c, a, b), lambda c, a, b: c + a @ b, [normal(2, 3, 5), A3, B3])],
    "trace": one("trace", normal(3, 3)),
    "diag": [
        Row(lambda x: rg.diag(x, 1), lambda x: jnp.diag(x, 1), [A]),
        Row(lambda x: rg.diag(x, -1), lambda x: jnp.diag(x, -1), [V]),
    ],
    "diagonal": [Row(lambda x: rg.diagonal(x, -1, 1, 2), lambda x: jnp.diagonal(x, -1, 1, 2), [A3])],
    "tril": [Row(lambda x: rg.tril(x, 1), lambda x: jnp.tril(x, 1), [A3])],
    "triu": [Row(lambda x: rg.triu(x, -1), lambda x: jnp.triu(x, -1), [A3])],
    # ---- Shapes ----
    "reshape": [Row(lambda x: rg.reshape(x, 4, -1), lambda x: x.reshape(4, -1), [A3])],
    "ravel": one("ravel", A3),
    "flatten": [Row(lambda x: rg.flatten(x, 1), lambda x: x.reshape(2, -1), [A3])],
    "transpose": [Row(lambda x: rg.transpose(x, 0, 2), lambda x: jnp.swapaxes(x, 0, 2), [A3])],
    "swapaxes": [Row(lambda x: rg.swapaxes(x, 0, 2), lambda x: jnp.swapaxes(x, 0, 2), [A3])],
    "movedim": [Row(lambda x: rg.movedim(x, 0, 2), lambda x: jnp.moveaxis(x, 0, 2), [A3])],
    "permute": [Row(lambda x: rg.permute(x, 2, 0, 1), lambda x: jnp.permute_dims(x, (2, 0, 1)), [A3])],
    "squeeze": [Row(lambda x: rg.squeeze(x, 1), lambda x: jnp.squeeze(x, 1), [normal(3, 1, 2)])],
    "unsqueeze": [Row(lambda x: rg.unsqueeze(x, 1), lambda x: jnp.expand_dims(x, 1), [A])],
    "expand": [Row(lambda x: rg.expand(x, 3, 4), lambda x: jnp.broadcast_to(x, (3, 4)), [V])],
    "broadcast_to": [Row(lambda x: rg.broadcast_to(x, (3, 4)), lambda x: jnp.broadcast_to(x, (3, 4)), [V])],
    "cat": [Row(lambda a, b: rg.cat([a, b], 1), lambda a, b: jnp.concatenate([a, b], 1), [A, normal(3, 2)])],
    "stack": [Row(lambda a, b: rg.stack([a, b], 1), lambda a, b: jnp.stack([a, b], 1), [A, normal(3, 4)])],
    "split": [Row(lambda x: rg.split(x, [1, 3], 1)[1], lambda x: jnp.split(x, [1], 1)[1], [A])],
    "chunk": [Row(lambda x: rg.chunk(x, 2, 1)[1], lambda x: jnp.split(x, 2, 1)[1], [A])],
    "unbind": [Row(lambda x: rg.unbind(x, 1)[2], lambda x: x[:, 2], [A])],
    "narrow": [Row(lambda x: rg.narrow(x, 1, 1, 2), lambda x: x[:, 1:3], [A])],
    "select": [Row(lambda x: rg.select(x, 1, 2), lambda x: x[:, 2], [A])],
    "roll": [Row(lambda x: rg.roll(x, (1, 2), (0, 1)), lambda x: jnp.roll(x, (1, 2), (0, 1)), [A])],
    "flip": [Row(lambda x: rg.flip(x, (0, 1)), lambda x: jnp.flip(x, (0, 1)), [A])],
    "repeat": [Row(lambda x: rg.repeat(x, 2, 3), lambda x: jnp.tile(x, (2, 3)), [A])],
    "tile": [Row(lambda x: rg.tile(x, (2, 3)), lambda x: jnp.tile(x, (2, 3)), [A])],
    "gather": [Row(lambda x: rg.gather(x, 0, rg.tensor(IDX)), lambda x: jnp.take_along_axis(x, IDX, 0), [A])],
    "take_along_dim": [
        Row(lambda x: rg.take_along_dim(x, rg.tensor(IDX), 0), lambda x: jnp.take_along_axis(x, IDX, 0), [A])
    ],
    "scatter": [
        Row(
            lambda x, v: rg.scatter(x, 0, rg.tensor([[2, 0, 1, 0]]), v),
            lambda x, v: x.at[jnp.array([[2, 0, 1, 0]]), jnp.arange(4)].set(v),
            [A, normal(1, 4)],
        )
    ],
    "scatter_add": [
        Row(
            lambda x, v: rg.scatter_add(x, 0, rg.tensor(IDX), v),
            lambda x, v: x.at[IDX, jnp.arange(4)].add(v),
            [A, normal(2, 4)],
        )
    ],
    "index_put": [
        Row(lambda x, v: rg.index_put(x, ([2, 0],), v), lambda x, v: x.at[jnp.array([2, 0])].set(v), [A, normal(4)])
    ],
    "nonzero": [Row(lambda x: rg.nonzero(x), lambda x: jnp.argwhere(x), [bools(3, 4)], False)],
    "expand_as": [Row(lambda x, y: rg.expand_as(x, y) * y, lambda x, y: jnp.broadcast_to(x, y.shape) * y, [V, A])],
    "unflatten": [Row(lambda x: rg.unflatten(x, 1, (2, 2)), lambda x: x.reshape(3, 2, 2), [A])],
    "layer_norm": [Row(lambda x: rg.layer_norm(x, (4,)), lambda x: jnn.standardize(x, -1, epsilon=1e-5), [A])],
    "index_select": [
        Row(lambda x: rg.index_select(x, 1, rg.tensor([2, 0, 2])), lambda x: jnp.take(x, np.array([2, 0, 2]), 1), [A])
    ],
    "masked_fill": [Row(lambda x: rg.masked_fill(x, x > 0, 3.0), lambda x: jnp.where(x > 0, 3.0, x), [A])],
    # ---- Activations ----
    **{n: act(n) for n in ["relu", "relu6", "silu", "mish", "elu", "selu", "celu", "softplus", "leaky_relu"]},
    "hardtanh": act("hardtanh", "jnn.hard_tanh"),
    "hardsigmoid": act("hardsigmoid", "jnn.hard_sigmoid"),
    "hardswish": act("hardswish", "jnn.hard_swish"),
    "logsigmoid": act("logsigmoid", "jnn.log_sigmoid"),
    "softsign": act("softsign", "jnn.soft_sign"),
    "gelu": [
        Row(lambda x: rg.gelu(x), lambda x: jnn.gelu(x, approximate=False), [normal(3, 4) * 2]),
        Row(lambda x: rg.gelu(x, approximate="tanh"), lambda x: jnn.gelu(x, approximate=True), [normal(3, 4) * 2]),
    ],
    "softmax": [Row(lambda x: rg.softmax(x, 1), lambda x: jnn.softmax(x, 1), [A3])],
    "log_softmax": [Row(lambda x: rg.log_softmax(x, 0), lambda x: jnn.log_softmax(x, 0), [A3])],
    "softmin": [Row(lambda x: rg.softmin(x, 1), lambda x: jnn.softmax(-x, 1), [A3])],
    "one_hot": [Row(lambda x: rg.one_hot(x, 4), lambda x: jnn.one_hot(x, 4), [np.array([2, 0, 3])], False)],
    "pad": [Row(lambda x: rg.pad(x, (1, 2, 0, 1)), lambda x: jnp.pad(x, ((0, 1), (1, 2))), [A])],
}


def evaluate(row: Row) -> list[np.ndarray]:
    """JAX's value and, with the cotangents 1, 2, 3, …, its gradients."""
    if not row.differentiable:
        return [np.asarray(row.jax(*map(jnp.asarray, row.inputs)))]
    y, pull = jax.vjp(row.jax, *map(jnp.asarray, row.inputs))
    cotangent = jnp.arange(1.0, y.size + 1).reshape(y.shape)
    return [np.asarray(v) for v in (y, *pull(cotangent))]


if __name__ == "__main__":
    load_jax()
    found = {name: [evaluate(row) for row in rows] for name, rows in ROWS.items()}
    with open(sys.argv[1], "wb") as file:
        pickle.dump(found, file)
