"""Cases of operations that move elements without computing: shapes, views, pieces, copies, joining, indexing."""

from typing import Any

import numpy as np
from cases import Case, normal

import rgrad as rg


def piece(pieces: tuple[rg.Tensor, ...], i: int) -> rg.Tensor:
    assert type(pieces) is tuple
    return pieces[i]


def weighted(pieces: tuple[rg.Tensor, ...]) -> rg.Tensor:
    """Every piece gets a gradient of its own."""
    total = pieces[0]
    for i, p in enumerate(pieces[1:], start=2):
        total = total + i * p
    return total


# Positions of three, some repeated, one from the back; places where they belong to row i; a mask.
I24 = np.array([[2, 0, 0, -2], [1, 1, 2, 0]])
I2 = np.array([[0], [1]])
MASK = np.array([[True, False, True], [False, False, True]])


def put(x: np.ndarray, index: np.ndarray, values: np.ndarray | float) -> np.ndarray:
    y = x.copy()
    np.put_along_axis(y, index, values, 1)
    return y


def added(x: np.ndarray, index: np.ndarray, values: np.ndarray) -> np.ndarray:
    y = x.copy()
    np.add.at(y, (I2[: len(index)], index), values)
    return y


def assigned(index: Any, shape: tuple[int, ...], values: tuple[int, ...]) -> Case:
    def numpy(x: np.ndarray, v: np.ndarray) -> np.ndarray:
        y = x.copy()
        y[index] = v
        return y

    return Case(lambda x, v: rg.index_put(x, index, v), numpy, [normal(*shape), normal(*values)])


CASES: dict[str, list[Case]] = {
    "reshape": [
        Case(lambda x: rg.reshape(x, 2, 6), lambda x: x.reshape(2, 6), [normal(3, 4)]),
        Case(lambda x: rg.reshape(x, (4, -1)), lambda x: x.reshape(4, -1), [normal(3, 4)]),
        Case(lambda x: rg.reshape(x.T, -1), lambda x: x.T.reshape(-1), [normal(3, 4)]),
    ],
    "flatten": [
        Case(rg.flatten, np.ravel, [normal(2, 3, 4)]),
        Case(lambda x: rg.flatten(x, 1), lambda x: x.reshape(2, 12), [normal(2, 3, 4)]),
        Case(rg.flatten, np.ravel, [normal()]),
    ],
    "transpose": [
        Case(lambda x: rg.transpose(x, 0, 1), np.transpose, [normal(3, 4)]),
        Case(lambda x: rg.transpose(x, -1, 0), lambda x: x.swapaxes(-1, 0), [normal(2, 3, 4)]),
    ],
    "permute": [
        Case(lambda x: rg.permute(x, 2, 0, 1), lambda x: x.transpose(2, 0, 1), [normal(2, 3, 4)]),
        Case(lambda x: rg.permute(x, (1, -1, 0)), lambda x: x.transpose(1, 2, 0), [normal(2, 3, 4)]),
    ],
    "expand": [
        Case(lambda x: rg.expand(x, 3, 4), lambda x: np.broadcast_to(x, (3, 4)), [normal(1, 4)]),
        Case(lambda x: rg.expand(x, (2, -1, 4)), lambda x: np.broadcast_to(x, (2, 3, 4)), [normal(3, 1)]),
    ],
    "squeeze": [
        Case(rg.squeeze, np.squeeze, [normal(1, 3, 1)]),
        Case(lambda x: rg.squeeze(x, 0), lambda x: x.squeeze(0), [normal(1, 3, 1)]),
        Case(lambda x: rg.squeeze(x, 1), lambda x: x, [normal(1, 3, 1)]),
    ],
    "unsqueeze": [
        Case(lambda x: rg.unsqueeze(x, 0), lambda x: x[None], [normal(3)]),
        Case(lambda x: rg.unsqueeze(x, -1), lambda x: x[..., None], [normal(3, 4)]),
    ],
    "narrow": [Case(lambda x: rg.narrow(x, 1, 1, 2), lambda x: x[:, 1:3], [normal(3, 4)])],
    "cat": [
        Case(lambda a, b: rg.cat([a, b]), lambda a, b: np.concatenate([a, b]), [normal(2, 3), normal(1, 3)]),
        Case(
            lambda a, b: rg.cat((a, b, a), dim=-1),
            lambda a, b: np.concatenate([a, b, a], -1),
            [normal(2, 3), normal(2, 1)],
        ),
    ],
    "stack": [
        Case(lambda a, b: rg.stack([a, b]), lambda a, b: np.stack([a, b]), [normal(2, 3), normal(2, 3)]),
        Case(lambda a, b: rg.stack([a, b], -1), lambda a, b: np.stack([a, b], -1), [normal(2, 3), normal(2, 3)]),
    ],
    "index_select": [
        Case(lambda x: rg.index_select(x, 0, rg.tensor([2, 0, 2])), lambda x: x[[2, 0, 2]], [normal(3, 4)]),
        Case(lambda x: rg.index_select(x, 1, rg.tensor([-1, 1])), lambda x: x[:, [-1, 1]], [normal(3, 4)]),
        Case(lambda x: rg.index_select(x.T, 0, rg.tensor([3, 3])), lambda x: x.T[[3, 3]], [normal(3, 4)]),
    ],
    "ravel": [
        Case(lambda x: rg.ravel(x.T), lambda x: x.T.ravel(), [normal(3, 4)]),
        Case(lambda x: rg.ravel(x), np.ravel, [normal()]),
    ],
    "unflatten": [
        Case(lambda x: rg.unflatten(x, 1, (2, -1)), lambda x: x.reshape(3, 2, 2), [normal(3, 4)]),
        Case(lambda x: rg.unflatten(x, -1, [4, 1]), lambda x: x.reshape(3, 4, 1), [normal(3, 4)]),
    ],
    "swapaxes": [Case(lambda x: rg.swapaxes(x, 0, -1), lambda x: x.swapaxes(0, -1), [normal(2, 3, 4)])],
    "movedim": [
        Case(lambda x: rg.movedim(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), [normal(2, 3, 4)]),
        Case(lambda x: rg.movedim(x, (0, 2), (1, 0)), lambda x: np.moveaxis(x, (0, 2), (1, 0)), [normal(2, 3, 4, 2)]),
    ],
    "expand_as": [
        Case(lambda x: rg.expand_as(x, rg.zeros(2, 3, 4)), lambda x: np.broadcast_to(x, (2, 3, 4)), [normal(3, 1)])
    ],
    "broadcast_to": [
        Case(lambda x: rg.broadcast_to(x, (3, 4)), lambda x: np.broadcast_to(x, (3, 4)), [normal(4)]),
        Case(lambda x: rg.broadcast_to(x, 2, 3), lambda x: np.broadcast_to(x, (2, 3)), [normal()]),
    ],
    "select": [
        Case(lambda x: rg.select(x, 1, -1), lambda x: x[:, -1], [normal(3, 4)]),
        Case(lambda x: rg.select(x.T, 0, 2), lambda x: x.T[2], [normal(3, 4)]),
    ],
    "split": [
        Case(lambda x: piece(rg.split(x, 2), 1), lambda x: x[2:], [normal(3, 4)]),
        Case(lambda x: weighted(rg.split(x, 2, dim=-1)), lambda x: x[:, :2] + 2 * x[:, 2:], [normal(3, 4)]),
        Case(lambda x: piece(rg.split(x, [1, 0, 3], 1), 2), lambda x: x[:, 1:], [normal(3, 4)]),
    ],
    "chunk": [
        Case(lambda x: piece(rg.chunk(x, 2), 0), lambda x: x[:3], [normal(5, 2)]),
        Case(lambda x: piece(rg.chunk(x.T, 3, 1), 2), lambda x: x.T[:, 4:], [normal(5, 2)]),
    ],
    "unbind": [
        Case(lambda x: weighted(rg.unbind(x)), lambda x: x[0] + 2 * x[1] + 3 * x[2], [normal(3, 4)]),
        Case(lambda x: weighted(rg.unbind(x, dim=-1)), lambda x: x[..., 0] + 2 * x[..., 1], [normal(3, 2, 2)]),
    ],
    "flip": [
        Case(lambda x: rg.flip(x, 0), lambda x: x[::-1], [normal(3, 4)]),
        Case(lambda x: rg.flip(x, (-1,)), lambda x: x[:, ::-1], [normal(3, 4)]),
        Case(lambda x: rg.flip(x.T, 0, 1), lambda x: x.T[::-1, ::-1], [normal(3, 4)]),
        Case(lambda x: rg.flip(x, (0, 2)), lambda x: x[::-1, :, ::-1], [normal(2, 3, 4, 2)]),
        Case(lambda x: rg.flip(x, ()), lambda x: x, [normal()]),
    ],
    "roll": [
        Case(lambda x: rg.roll(x, 1), lambda x: np.roll(x, 1), [normal(3, 4)]),
        Case(lambda x: rg.roll(x, -2, 1), lambda x: np.roll(x, -2, 1), [normal(3, 4)]),
        Case(lambda x: rg.roll(x, (5, 3), dims=(0, 0)), lambda x: np.roll(x, (5, 3), (0, 0)), [normal(3, 4)]),
        Case(lambda x: rg.roll(x, 3, 0), lambda x: x, [normal(3)]),
    ],
    "repeat": [
        Case(lambda x: rg.repeat(x, 2, 3), lambda x: np.tile(x, (2, 3)), [normal(2, 2)]),
        Case(lambda x: rg.repeat(x.T, (2, 1, 1)), lambda x: np.tile(x.T, (2, 1, 1)), [normal(2, 3)]),
        Case(lambda x: rg.repeat(x, 1), lambda x: x, [normal(3)]),
    ],
    "tile": [
        Case(lambda x: rg.tile(x, 2), lambda x: np.tile(x, 2), [normal(2, 2)]),
        Case(lambda x: rg.tile(x, (3,)), lambda x: np.tile(x, 3), [normal()]),
    ],
    "gather": [
        Case(lambda x: rg.gather(x, 1, I24), lambda x: np.take_along_axis(x, I24, 1), [normal(2, 3)]),
        Case(lambda x: rg.gather(x.T, -1, I24), lambda x: np.take_along_axis(x.T, I24, 1), [normal(3, 2)]),
        Case(lambda x: rg.gather(x, 0, I24), lambda x: np.take_along_axis(x[:, :4], I24, 0), [normal(3, 5)]),
        Case(lambda x: rg.gather(x, 1, I24[:, :, None]), lambda x: x[I2, I24][:, :, :1], [normal(2, 3, 2)]),
        Case(lambda x: rg.gather(x, 0, np.array(0)), lambda x: x, [normal()]),
    ],
    "take_along_dim": [
        Case(lambda x: rg.take_along_dim(x, I24, 1), lambda x: np.take_along_axis(x, I24, 1), [normal(2, 3)]),
        Case(lambda x: rg.take_along_dim(x, I24[:1], 1), lambda x: x[:, I24[0]], [normal(2, 3)]),
        Case(lambda x: rg.take_along_dim(x, I24, dim=1), lambda x: x[0][I24], [normal(1, 3)]),
        Case(lambda x: rg.take_along_dim(x.T, I24), lambda x: x.T.ravel()[I24.ravel()], [normal(3, 2)]),
    ],
    "scatter": [
        Case(lambda x, v: rg.scatter(x, 1, I24, v), lambda x, v: put(x, I24, v), [normal(2, 3), normal(2, 4)]),
        Case(lambda x, v: rg.scatter(x, 1, I24, v), lambda x, v: put(x, I24, v[:2, :4]), [normal(2, 3), normal(3, 5)]),
        Case(
            lambda x, v: rg.scatter(x.T, 0, I24.T[:2], v),
            lambda x, v: put(x, I24[:, :2], v.T).T,
            [normal(2, 3), normal(2, 2)],
        ),
        Case(lambda x: rg.scatter(x, 1, I24, 1.5), lambda x: put(x, I24, 1.5), [normal(2, 3)]),
        Case(lambda x, v: rg.scatter(x, -1, I24, v), lambda x, v: put(x, I24, v), [normal(2, 3), normal()]),
    ],
    "scatter_add": [
        Case(lambda x, v: rg.scatter_add(x, 1, I24, v), lambda x, v: added(x, I24, v), [normal(2, 3), normal(2, 4)]),
        Case(
            lambda x, v: rg.scatter_add(x, 1, I24[:1], v),
            lambda x, v: added(x, I24[:1], v[:1, :4]),
            [normal(2, 3), normal(3, 5)],
        ),
    ],
    "masked_fill": [
        Case(lambda x: rg.masked_fill(x, MASK, -1.0), lambda x: np.where(MASK, -1.0, x), [normal(2, 3)]),
        Case(lambda x, v: rg.masked_fill(x, MASK, v), lambda x, v: np.where(MASK, v, x), [normal(3), normal()]),
    ],
    "index_put": [
        assigned((I24[0, 1:3], [2, 2]), (2, 3), (2,)),
        assigned([0, 0, 1], (2, 3), (3, 1)),
        assigned((..., 1), (2, 3), (2,)),
        assigned(slice(None, None, -2), (3, 2), (2, 2)),
        assigned(MASK, (2, 3), (3,)),
        assigned(MASK, (2, 3), (1,)),
        assigned((slice(None, None, -1), [1, 0]), (3, 2), (3, 2)),
    ],
    "nonzero": [
        Case(lambda x: rg.nonzero(x > 0), lambda x: np.argwhere(x > 0), [normal(3, 4)], differentiable=False),
        Case(
            lambda x: rg.nonzero(x.T), lambda x: np.argwhere(x.T), [np.array([[0, 1.5, np.nan]])], differentiable=False
        ),
        Case(lambda x: rg.nonzero(x), np.argwhere, [np.array(2.0)], differentiable=False),
        Case(lambda x: rg.nonzero(x), np.argwhere, [np.array(0.0)], differentiable=False),
    ],
}
