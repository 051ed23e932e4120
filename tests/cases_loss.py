"""Cases of losses, normalisation, borders and one-hot labels."""

import numpy as np
from cases import Case, R, normal, positive
from cases_nn import sigmoid, softmax

import rgrad as rg

# What other tables draw must not move these inputs onto a kink.
R.bit_generator.state = np.random.default_rng(11).bit_generator.state

LABELS = [2, 0, 1, 2]
SOME = [2, -100, 1, -100]
WEIGHT = np.array([0.5, 2.0, 1.5])
SIGNS = np.array([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])


def log_softmax(x: np.ndarray, axis: int = 1) -> np.ndarray:
    return np.log(softmax(x, axis))


def nll(logp: np.ndarray, labels: list[int], weight=(1.0, 1.0, 1.0), ignore: int = -100) -> tuple[np.ndarray, float]:
    """The losses of the rows, and the sum of their weights."""
    w = np.array([0.0 if i == ignore else weight[i] for i in labels])
    losses = np.array([0.0 if i == ignore else -weight[i] * row[i] for i, row in zip(labels, logp, strict=True)])
    return losses, w.sum()


def smoothed(x: np.ndarray, labels: list[int], s: float, weight=(1.0, 1.0, 1.0), ignore: int = -100) -> np.ndarray:
    losses, total = nll(log_softmax(x), labels, weight, ignore)
    kept = np.array(labels) != ignore
    even = -(log_softmax(x) * np.array(weight)).sum(1) * kept
    return ((1 - s) * losses.sum() + s / x.shape[1] * even.sum()) / total


def bce(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def huber(d: np.ndarray, delta: float) -> np.ndarray:
    return np.where(np.abs(d) <= delta, d**2 / 2, delta * (np.abs(d) - delta / 2))


def margins(x: np.ndarray, labels: list[int], p: int, margin: float, weight=(1.0, 1.0, 1.0)) -> np.ndarray:
    losses = []
    for row, y in zip(x, labels, strict=True):
        terms = [max(0.0, margin - row[y] + v) ** p for i, v in enumerate(row) if i != y]
        losses.append(weight[y] * sum(terms) / len(row))
    return np.array(losses)


def standard(x: np.ndarray, axis, eps: float = 1e-5) -> np.ndarray:
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + eps)


def unit(x: np.ndarray, p: float = 2, axis: int = 1) -> np.ndarray:
    return x / np.linalg.norm(x, p, axis, keepdims=True)


# Targets so far from the inputs that no loss has a kink there: those lie at 0, 0.3, 1 and 2.5.
GAPS = np.array([[-3.1, -1.7, -0.6], [0.15, 0.75, 1.4]])


def pair(name: str, numpy, make_target=None, **arguments) -> list[Case]:
    """A loss of two tensors with every reduction."""
    f = getattr(rg, name)
    x = normal(2, 3)
    target = x + GAPS if make_target is None else make_target(2, 3)
    return [
        Case(
            lambda x, t, r=r: f(x, t, reduction=r, **arguments),
            lambda x, t, n=n: n(numpy(x, t)),
            [x, target],
        )
        for r, n in (("mean", np.mean), ("sum", np.sum), ("none", lambda a: a))
    ]


def tensor(values) -> rg.Tensor:
    return rg.tensor(values)


LOSSES: dict[str, list[Case]] = {
    "cross_entropy": [
        Case(
            lambda x: rg.cross_entropy(x, tensor(LABELS)),
            lambda x: nll(log_softmax(x), LABELS)[0].mean(),
            [normal(4, 3)],
        ),
        Case(
            lambda x: rg.cross_entropy(x, tensor(LABELS), reduction="sum"),
            lambda x: nll(log_softmax(x), LABELS)[0].sum(),
            [normal(4, 3)],
        ),
        Case(
            lambda x: rg.cross_entropy(x, rg.tensor(LABELS, dtype="int32"), reduction="none"),
            lambda x: nll(log_softmax(x), LABELS)[0],
            [normal(4, 3)],
        ),
        Case(
            lambda x: rg.cross_entropy(x.T, tensor([1, 0, 3])),
            lambda x: nll(log_softmax(x.T), [1, 0, 3], np.ones(4))[0].mean(),
            [normal(4, 3)],
        ),
        Case(lambda x: rg.cross_entropy(x, tensor(1)), lambda x: -log_softmax(x, 0)[1], [normal(3)]),
        Case(
            lambda x: rg.cross_entropy(x, tensor([[0, 1], [2, 0]]), reduction="none"),
            lambda x: np.array(
                [[-log_softmax(x)[i, c, j] for j, c in enumerate(r)] for i, r in enumerate([[0, 1], [2, 0]])]
            ),
            [normal(2, 3, 2)],
        ),
        Case(
            lambda x: rg.cross_entropy(x, tensor(SOME)),
            lambda x: nll(log_softmax(x), SOME)[0].sum() / 2,
            [normal(4, 3)],
        ),
        Case(
            lambda x: rg.cross_entropy(x, tensor(LABELS), ignore_index=2, reduction="none"),
            lambda x: nll(log_softmax(x), LABELS, ignore=2)[0],
            [normal(4, 3)],
        ),
        Case(
            lambda x, w: rg.cross_entropy(x, tensor(LABELS), w),
            lambda x, w: np.divide(*(np.sum(v) for v in nll(log_softmax(x), LABELS, w))),
            [normal(4, 3), WEIGHT],
        ),
        Case(
            lambda x: rg.cross_entropy(x, tensor(SOME), rg.tensor(WEIGHT), label_smoothing=0.2),
            lambda x: smoothed(x, SOME, 0.2, WEIGHT),
            [normal(4, 3)],
        ),
        Case(
            lambda x: rg.cross_entropy(x, tensor(LABELS), label_smoothing=0.1),
            lambda x: smoothed(x, LABELS, 0.1),
            [normal(4, 3)],
        ),
        Case(
            lambda x, t: rg.cross_entropy(x, t, reduction="none"),
            lambda x, t: -(t * log_softmax(x)).sum(1),
            [normal(4, 3), softmax(normal(4, 3), 1)],
        ),
        Case(
            lambda x, t: rg.cross_entropy(x, t, rg.tensor(WEIGHT), label_smoothing=0.3),
            lambda x, t: -((0.7 * t + 0.1) * WEIGHT * log_softmax(x)).sum(1).mean(),
            [normal(4, 3), softmax(normal(4, 3), 1)],
        ),
        Case(rg.cross_entropy, lambda x, t: -(t * log_softmax(x, 0)).sum(), [normal(3), softmax(normal(3), 0)]),
    ],
    "nll_loss": [
        Case(lambda x: rg.nll_loss(x, tensor(LABELS)), lambda x: nll(x, LABELS)[0].mean(), [normal(4, 3)]),
        Case(
            lambda x, w: rg.nll_loss(x, tensor(SOME), w),
            lambda x, w: np.divide(*(np.sum(v) for v in nll(x, SOME, w))),
            [normal(4, 3), WEIGHT],
        ),
        Case(
            lambda x: rg.nll_loss(x, tensor(LABELS), ignore_index=0, reduction="none"),
            lambda x: nll(x, LABELS, ignore=0)[0],
            [normal(4, 3)],
        ),
        Case(lambda x: rg.nll_loss(x, tensor(2), reduction="sum"), lambda x: -x[2], [normal(3)]),
        Case(
            lambda x: rg.nll_loss(x, tensor([[0, 1]]), reduction="none"),
            lambda x: -np.array([[x[0, 0, 0], x[0, 1, 1]]]),
            [normal(1, 3, 2)],
        ),
    ],
    "multi_margin_loss": [
        Case(
            lambda x: rg.multi_margin_loss(x, tensor(LABELS)), lambda x: margins(x, LABELS, 1, 1).mean(), [normal(4, 3)]
        ),
        Case(
            lambda x: rg.multi_margin_loss(
                x, tensor(LABELS), p=2, margin=0.7, weight=rg.tensor(WEIGHT), reduction="none"
            ),
            lambda x: margins(x, LABELS, 2, 0.7, WEIGHT),
            [normal(4, 3)],
        ),
        Case(
            lambda x: rg.multi_margin_loss(x, tensor(1), reduction="sum"),
            lambda x: margins(x[None], [1], 1, 1).sum(),
            [normal(3)],
        ),
    ],
    "mse_loss": pair("mse_loss", lambda x, t: (x - t) ** 2),
    "l1_loss": pair("l1_loss", lambda x, t: np.abs(x - t)),
    "smooth_l1_loss": [
        *pair("smooth_l1_loss", lambda x, t: huber(x - t, 1.0)),
        *pair("smooth_l1_loss", lambda x, t: huber(x - t, 0.3) / 0.3, beta=0.3),
        *pair("smooth_l1_loss", lambda x, t: np.abs(x - t), beta=0),
    ],
    "huber_loss": [
        *pair("huber_loss", lambda x, t: huber(x - t, 1.0)),
        *pair("huber_loss", lambda x, t: huber(x - t, 2.5), delta=2.5),
    ],
    "binary_cross_entropy": [
        Case(
            lambda p, t, r=r: rg.binary_cross_entropy(p, t, reduction=r),
            lambda p, t, n=n: n(bce(p, t)),
            [R.uniform(0.1, 0.9, (2, 3)), R.uniform(0.1, 0.9, (2, 3))],
        )
        for r, n in (("mean", np.mean), ("sum", np.sum), ("none", lambda a: a))
    ]
    + [
        Case(
            rg.binary_cross_entropy,
            lambda p, t, w: (w * bce(p, t)).mean(),
            [R.uniform(0.1, 0.9, (2, 3)), R.uniform(0.1, 0.9, (2, 3)), positive(3)],
        )
    ],
    "binary_cross_entropy_with_logits": [
        *pair("binary_cross_entropy_with_logits", lambda x, t: bce(sigmoid(x), t), lambda *s: R.uniform(0.1, 0.9, s)),
        Case(
            lambda x, t, w, v: rg.binary_cross_entropy_with_logits(x, t, w, pos_weight=v),
            lambda x, t, w, v: (w * -(v * t * np.log(sigmoid(x)) + (1 - t) * np.log(sigmoid(-x)))).mean(),
            [normal(2, 3), R.uniform(0.1, 0.9, (2, 3)), positive(2, 1), positive(3)],
        ),
    ],
    "kl_div": [
        *pair("kl_div", lambda x, t: t * (np.log(t) - x), positive),
        *pair("kl_div", lambda x, t: np.exp(t) * (t - x), log_target=True),
        Case(
            lambda x, t: rg.kl_div(x, t, "batchmean"),
            lambda x, t: (t * (np.log(t) - x)).sum() / 2,
            [normal(2, 3), positive(2, 3)],
        ),
    ],
    "hinge_embedding_loss": [
        Case(
            lambda x, r=r: rg.hinge_embedding_loss(x, rg.tensor(SIGNS), margin=0.9, reduction=r),
            lambda x, n=n: n(np.where(SIGNS == 1, x, np.maximum(0, 0.9 - x))),
            [normal(2, 3)],
        )
        for r, n in (("mean", np.mean), ("sum", np.sum), ("none", lambda a: a))
    ],
    "soft_margin_loss": pair("soft_margin_loss", lambda x, t: np.log1p(np.exp(-t * x))),
    "margin_ranking_loss": [
        Case(
            lambda a, b: rg.margin_ranking_loss(a, b, rg.tensor(SIGNS.astype(int)), margin=0.3, reduction="none"),
            lambda a, b: np.maximum(0, 0.3 - SIGNS * (a - b)),
            [normal(2, 3), normal(2, 3)],
        )
    ],
}

NORMS: dict[str, list[Case]] = {
    "batch_norm": [
        Case(lambda x: rg.batch_norm(x, None, None, training=True), lambda x: standard(x, 0), [normal(4, 3)]),
        Case(
            lambda x, w, b: rg.batch_norm(x, None, None, w, b, True, eps=0.1),
            lambda x, w, b: standard(x, (0, 2), 0.1) * w[:, None] + b[:, None],
            [normal(4, 3, 2), normal(3), normal(3)],
        ),
        Case(
            rg.batch_norm,
            lambda x, m, v, w, b: (x - m) / np.sqrt(v + 1e-5) * w + b,
            [normal(4, 3), normal(3), positive(3), normal(3), normal(3)],
        ),
    ],
    "layer_norm": [
        Case(lambda x: rg.layer_norm(x, (3,)), lambda x: standard(x, -1), [normal(4, 3)]),
        Case(lambda x: rg.layer_norm(x, 3, eps=0.1), lambda x: standard(x, -1, 0.1), [normal(3)]),
        Case(
            lambda x, w, b: rg.layer_norm(x, (3, 2), w, b),
            lambda x, w, b: standard(x, (1, 2)) * w + b,
            [normal(4, 3, 2), normal(3, 2), normal(3, 2)],
        ),
    ],
    "rms_norm": [
        Case(
            lambda x, w: rg.rms_norm(x, (3,), w, 0.01),
            lambda x, w: x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.01) * w,
            [normal(4, 3), normal(3)],
        ),
        Case(
            lambda x: rg.rms_norm(x, (4, 3)),
            lambda x: x / np.sqrt((x**2).mean() + np.finfo(x.dtype).eps),
            [normal(4, 3)],
        ),
    ],
    "normalize": [
        Case(rg.normalize, unit, [normal(4, 3)]),
        Case(lambda x: rg.normalize(x, p=1, dim=0), lambda x: unit(x, 1, 0), [normal(4, 3)]),
        Case(lambda x: rg.normalize(x, p=3, dim=-1), lambda x: unit(x, 3, -1), [normal(4, 3)]),
        Case(lambda x: rg.normalize(x, p=np.inf), lambda x: unit(x, np.inf), [normal(4, 3)]),
    ],
    "cosine_similarity": [
        Case(rg.cosine_similarity, lambda a, b: (unit(a) * unit(b)).sum(1), [normal(4, 3), normal(4, 3)]),
        Case(
            lambda a, b: rg.cosine_similarity(a, b, dim=-1),
            lambda a, b: (unit(a, axis=-1) * unit(b, axis=-1)).sum(-1),
            [normal(2, 1, 3), normal(4, 3)],
        ),
    ],
    "pad": [
        Case(lambda x: rg.pad(x, (1, 2)), lambda x: np.pad(x, ((0, 0), (1, 2))), [normal(3, 4)]),
        Case(
            lambda x: rg.pad(x.T, (0, 1, 2, 0), value=7.0),
            lambda x: np.pad(x.T, ((2, 0), (0, 1)), constant_values=7),
            [normal(3, 4)],
        ),
        Case(lambda x: rg.pad(x, (-1, 2)), lambda x: np.pad(x[:, 1:], ((0, 0), (0, 2))), [normal(3, 4)]),
        Case(
            lambda x: rg.pad(x, (3, 1, 0, 2), mode="reflect"),
            lambda x: np.pad(x, ((0, 2), (3, 1)), mode="reflect"),
            [normal(3, 4)],
        ),
        Case(lambda x: rg.pad(x, (3, 5), mode="replicate"), lambda x: np.pad(x, (3, 5), mode="edge"), [normal(2)]),
        Case(
            lambda x: rg.pad(x, (2, 4), mode="circular"),
            lambda x: np.pad(x, ((0, 0), (2, 4)), mode="wrap"),
            [normal(3, 4)],
        ),
    ],
    "one_hot": [
        Case(lambda: rg.one_hot(tensor([[2, 0]])), lambda: np.eye(3, dtype=int)[[[2, 0]]], [], False),
        Case(lambda: rg.one_hot(tensor(1), num_classes=4), lambda: np.eye(4, dtype=int)[1], [], False),
    ],
}

CASES = LOSSES | NORMS
