"""Cases of products of vectors and matrices, contractions, diagonals and triangles."""

import numpy as np
from cases import Case, normal

import rgrad as rg


def contraction(equation: str, *shapes: tuple[int, ...]) -> Case:
    return Case(
        lambda *xs: rg.einsum(equation, *xs),
        lambda *xs: np.einsum(equation, *xs),
        [normal(*shape) for shape in shapes],
    )


CASES: dict[str, list[Case]] = {
    "matmul": [
        Case(rg.matmul, np.matmul, [normal(3, 4), normal(4, 2)]),
        Case(rg.matmul, np.matmul, [normal(4), normal(4)]),
        Case(rg.matmul, np.matmul, [normal(3, 4), normal(4)]),
        Case(rg.matmul, np.matmul, [normal(4), normal(4, 2)]),
        Case(rg.matmul, np.matmul, [normal(2, 3, 4), normal(4, 2)]),
        Case(rg.matmul, np.matmul, [normal(2, 3, 4), normal(2, 4, 2)]),
        Case(rg.matmul, np.matmul, [normal(2, 1, 3, 4), normal(5, 4, 2)]),
        Case(rg.matmul, np.matmul, [normal(4), normal(2, 4, 3)]),
        Case(rg.matmul, np.matmul, [normal(2, 3, 4), normal(4)]),
        Case(lambda a, b: a.T @ b.T, lambda a, b: a.T @ b.T, [normal(4, 3), normal(2, 4)]),
    ],
    "linear": [
        Case(rg.linear, lambda x, w, b: x @ w.T + b, [normal(5, 4), normal(3, 4), normal(3)]),
        Case(rg.linear, lambda x, w: x @ w.T, [normal(5, 4), normal(3, 4)]),
        Case(rg.linear, lambda x, w, b: x @ w.T + b, [normal(2, 5, 4), normal(3, 4), normal(3)]),
        Case(rg.linear, lambda x, w, b: x @ w.T + b, [normal(4), normal(3, 4), normal(3)]),
    ],
    "mm": [
        Case(rg.mm, np.matmul, [normal(3, 4), normal(4, 2)]),
        Case(rg.mm, np.matmul, [normal(3, 0), normal(0, 2)]),
    ],
    "mv": [Case(rg.mv, np.matmul, [normal(3, 4), normal(4)])],
    "bmm": [
        Case(rg.bmm, np.matmul, [normal(2, 3, 4), normal(2, 4, 5)]),
        Case(lambda a, b: rg.bmm(a, b.mT), lambda a, b: a @ b.swapaxes(1, 2), [normal(2, 3, 4), normal(2, 5, 4)]),
    ],
    "dot": [Case(rg.dot, np.dot, [normal(5), normal(5)]), Case(rg.dot, np.dot, [normal(0), normal(0)])],
    "inner": [
        Case(rg.inner, np.inner, [normal(4), normal(4)]),
        Case(rg.inner, np.inner, [normal(2, 3, 4), normal(5, 4)]),
        Case(rg.inner, np.inner, [normal(), normal(2, 3)]),
    ],
    "outer": [Case(rg.outer, np.outer, [normal(3), normal(4)])],
    "tensordot": [
        Case(rg.tensordot, np.tensordot, [normal(2, 3, 4), normal(3, 4, 5)]),
        Case(lambda a, b: rg.tensordot(a, b, 1), lambda a, b: np.tensordot(a, b, 1), [normal(2, 3), normal(3, 4)]),
        Case(lambda a, b: rg.tensordot(a, b, 0), lambda a, b: np.tensordot(a, b, 0), [normal(2), normal(3, 4)]),
        Case(
            lambda a, b: rg.tensordot(a, b, dims=([2, 0], [-1, 1])),
            lambda a, b: np.tensordot(a, b, ([2, 0], [-1, 1])),
            [normal(2, 3, 4), normal(5, 2, 4)],
        ),
        Case(
            lambda a, b: rg.tensordot(a, b, [1, 0]),
            lambda a, b: np.tensordot(a, b, [1, 0]),
            [normal(3, 2), normal(2, 4)],
        ),
    ],
    "einsum": [
        contraction("ij,jk->ik", (3, 4), (4, 2)),
        contraction("ij,jk", (3, 4), (4, 2)),
        contraction("i,i", (4,), (4,)),
        contraction("i,j->ji", (3,), (4,)),
        contraction("ii", (3, 3)),
        contraction("iij->ji", (3, 3, 2)),
        contraction("ij->", (3, 4)),
        contraction("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
        contraction("bi,bi->b", (3, 4), (3, 4)),
        contraction("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
        contraction("i...,i...", (3, 2), (3, 1)),
        contraction("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
        contraction("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
        contraction("ai,bi,ci->abc", (2, 3), (3, 3), (2, 3)),
        contraction(" i j , j -> i ", (3, 4), (4,)),
        contraction(",ij->ji", (), (2, 3)),
    ],
    "addmm": [
        Case(rg.addmm, lambda x, a, b: x + a @ b, [normal(3, 2), normal(3, 4), normal(4, 2)]),
        Case(
            lambda x, a, b: rg.addmm(x, a, b, beta=0.5, alpha=-2),
            lambda x, a, b: 0.5 * x - 2 * (a @ b),
            [normal(2), normal(3, 4), normal(4, 2)],
        ),
    ],
    "addmv": [
        Case(rg.addmv, lambda x, a, b: x + a @ b, [normal(3), normal(3, 4), normal(4)]),
        Case(
            lambda x, a, b: rg.addmv(x, a, b, beta=3, alpha=2),
            lambda x, a, b: 3 * x + 2 * (a @ b),
            [normal(1), normal(3, 4), normal(4)],
        ),
    ],
    "baddbmm": [
        Case(rg.baddbmm, lambda x, a, b: x + a @ b, [normal(2, 3, 5), normal(2, 3, 4), normal(2, 4, 5)]),
        Case(
            lambda x, a, b: rg.baddbmm(x, a, b, beta=-1, alpha=0.5),
            lambda x, a, b: -x + 0.5 * (a @ b),
            [normal(3, 1), normal(2, 3, 4), normal(2, 4, 5)],
        ),
    ],
    "kron": [
        Case(rg.kron, np.kron, [normal(2, 3), normal(3, 2)]),
        Case(rg.kron, np.kron, [normal(2), normal(2, 1, 3)]),
        Case(rg.kron, np.kron, [normal(), normal(3)]),
    ],
    "diagonal": [
        Case(rg.diagonal, np.diagonal, [normal(3, 4)]),
        Case(lambda x: rg.diagonal(x, 1), lambda x: np.diagonal(x, 1), [normal(3, 4)]),
        Case(lambda x: rg.diagonal(x, -2, 2, 0), lambda x: np.diagonal(x, -2, 2, 0), [normal(3, 2, 4)]),
        Case(lambda x: rg.diagonal(x, 9), lambda x: np.diagonal(x, 9), [normal(3, 4)]),
        Case(lambda x: rg.diagonal(x.T, -1, -2, -1), lambda x: np.diagonal(x.T, -1), [normal(3, 4)]),
    ],
    "diag_embed": [
        Case(rg.diag_embed, lambda x: x[..., None] * np.eye(3), [normal(2, 3)]),
        Case(lambda x: rg.diag_embed(x, -1), lambda x: np.diag(x, -1), [normal(3)]),
        Case(
            lambda x: rg.diag_embed(x, 1, 0, 2),
            lambda x: np.stack([np.diag(row, 1) for row in x], 1),
            [normal(2, 3)],
        ),
    ],
    "diag": [
        Case(rg.diag, np.diag, [normal(3)]),
        Case(rg.diag, np.diag, [normal(3, 4)]),
        Case(lambda x: rg.diag(x, -1), lambda x: np.diag(x, -1), [normal(3)]),
        Case(lambda x: rg.diag(x, diagonal=2), lambda x: np.diag(x, 2), [normal(3, 4)]),
    ],
    "trace": [Case(rg.trace, np.trace, [normal(3, 4)]), Case(rg.trace, np.trace, [normal(0, 4)])],
    "tril": [
        Case(rg.tril, np.tril, [normal(4, 3)]),
        *(Case(lambda x, k=k: rg.tril(x, k), lambda x, k=k: np.tril(x, k), [normal(2, 3, 4)]) for k in (-3, -1, 2, 9)),
    ],
    "triu": [
        Case(rg.triu, np.triu, [normal(4, 3)]),
        *(Case(lambda x, k=k: rg.triu(x, k), lambda x, k=k: np.triu(x, k), [normal(2, 3, 4)]) for k in (-9, -1, 2, 4)),
    ],
}
