"""Arguments of operations, drawn by the kind and name of the parameter; what is refused is drawn again."""

import math
from random import Random
from typing import Any, NamedTuple

import rgrad as rg


class Piece(NamedTuple):
    """A part of a program: as its source has it, and its value while it is drawn."""

    text: str
    value: Any


def literal(value: Any) -> Piece:
    return Piece(repr(value), value)


WORDS = {
    "reduction": ["mean", "sum", "none", "batchmean"],
    "approximate": ["none", "tanh"],
    "mode": ["constant", "reflect", "replicate", "circular"],
    "rounding_mode": ["floor", "trunc"],
    "equation": [
        "ij,jk->ik",
        "ij,kj",
        "i,j->ji",
        "i,i",
        "ii",
        "ij->",
        "bij,bjk->bik",
        "...i,...i->...",
        "ij,j",
        "i,i,i->i",
    ],
}
NUMBERS = [0.5, 2.0, 0.1, 1.0, -0.7, 3.0, 0.0, 1e-3]
FEW = [1, 2, 0, 3, -1, -2]
DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]
# What these make depends on values, which a compiled function refuses: drawn rarely.
BY_VALUE = {"nonzero", "one_hot"}


def a_dim(r: Random, x: rg.Tensor) -> int:
    return r.randrange(-x.ndim, x.ndim) if x.ndim else 0


def some_dims(r: Random, x: rg.Tensor, least: int = 0) -> tuple[int, ...]:
    dims = r.sample(range(x.ndim), r.randint(min(least, x.ndim), x.ndim))
    return tuple(d - x.ndim if r.random() < 0.3 else d for d in dims)


def another_shape(r: Random, x: rg.Tensor) -> tuple[int, ...]:
    """As many elements in another shape, perhaps with one size left open."""
    sizes = list(x.shape)
    r.shuffle(sizes)
    while len(sizes) > 1 and r.random() < 0.5:
        sizes[:2] = [sizes[0] * sizes[1]]
    if sizes and r.random() < 0.4 and 0 not in sizes:
        sizes[r.randrange(len(sizes))] = -1
    if r.random() < 0.2:
        sizes.insert(r.randint(0, len(sizes)), 1)
    return tuple(sizes)


def wider(r: Random, x: rg.Tensor) -> tuple[int, ...]:
    """A shape that this one broadcasts to."""
    sizes = [r.choice((1, 2, 3, 17)) if s == 1 else s for s in x.shape]
    return (*[r.choice((1, 2, 3))] * (r.random() < 0.4), *sizes)


def cut(r: Random, x: rg.Tensor) -> Any:
    """Sizes of pieces: one for all, or a list of sizes."""
    if r.random() < 0.6 or not x.ndim:
        return r.choice((1, 2, 3, 8))
    first = r.randint(0, x.shape[0])
    return [first, x.shape[0] - first]


def ints_of(r: Random, name: str, x: rg.Tensor) -> Any:
    """One or several integers, whose meaning follows from the parameter's name."""
    match name:
        case "shape":
            return wider(r, x)
        case "reshaped":
            return another_shape(r, x)
        case "dim" | "axis" | "dims":
            return r.choice((None, a_dim(r, x), a_dim(r, x), some_dims(r, x)))
        case "permutation":
            return tuple(some_dims(r, x, x.ndim))
        case "normalized_shape":
            return tuple(x.shape[r.randint(0, max(x.ndim - 1, 0)) :])
        case "sizes" | "repeats":
            return tuple(r.choice((1, 1, 2, 3, 0)) for _ in range(x.ndim + (r.random() < 0.2)))
        case "pad":
            return tuple(r.choice((0, 1, 2, -1)) for _ in range(2 * r.randint(0, x.ndim)))
        case "unflattened":
            return r.choice(((-1, 1), (1, -1), (2, -1), (-1, 4)))
        case "split_size_or_sections":
            return cut(r, x)
        case _:
            return r.choice((a_dim(r, x), r.choice(FEW)))


# Where the name of a parameter does not say enough.
MEANINGS = {
    ("reshape", "shape"): "reshaped",
    ("permute", "dims"): "permutation",
    ("tile", "dims"): "repeats",
    ("unflatten", "sizes"): "unflattened",
}


def index_of(r: Random, x: rg.Tensor) -> Piece:
    """An index as of NumPy: integers, slices, new dimensions, lists, an ellipsis."""
    parts = []
    for size in x.shape[: r.randint(0, x.ndim)]:
        match r.randrange(7):
            case 0 if size:
                i = r.randrange(-size, size)
                parts.append(Piece(str(i), i))
            case 1 if size:
                few = [r.randrange(-size, size) for _ in range(r.choice((1, 2, 3)))]
                parts.append(literal(few))
            case 2:
                parts.append(Piece("None", None))
            case 3:
                parts.append(Piece("::-1", slice(None, None, -1)))
            case 4:
                a, step = r.randrange(-3, 3), r.choice((1, 2, 3, -2))
                parts.append(Piece(f"{a}::{step}", slice(a, None, step)))
            case 5:
                b = r.randrange(-2, size + 2)
                parts.append(Piece(f":{b}", slice(None, b)))
            case _:
                parts.append(Piece(":", slice(None)))
    if r.random() < 0.2:
        parts.append(Piece("...", ...))
    if not parts:
        parts.append(Piece("...", ...))
    if len(parts) == 1:
        return parts[0]
    return Piece(", ".join(p.text for p in parts), tuple(p.value for p in parts))


def no_tensor(r: Random, op: str, name: str, kind: str, x: rg.Tensor) -> Piece | None:
    """An argument that is no tensor; None if this knows none of that kind."""
    match kind:
        case "int":
            dims = name.startswith(("dim", "axis", "start_dim", "end_dim"))
            return literal(a_dim(r, x) if dims else r.choice(FEW))
        case "ints":
            return literal(ints_of(r, MEANINGS.get((op, name), name), x))
        case "float":
            return literal(r.choice(NUMBERS))
        case "bool":
            return literal(r.random() < 0.5)
        case "str":
            return literal(r.choice(WORDS[name]))
        case "dtype":
            return literal(r.choice(DTYPES))
        case "float | str":
            return r.choice([literal("fro"), *map(literal, (1, 2, 3, 0.5, -1, 0)), Piece("inf", math.inf)])
        case "int | Sequence[int | Sequence[int]]":
            return literal(r.choice((0, 1, 2, ([a_dim(r, x)], [0]), [[-1], [0]])))
    return None
