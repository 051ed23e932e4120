"""Losses: kinks, certainty, labels that do not count, bad input, and the modules."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import rgrad as rg
from rgrad import nn
from rgrad.nn import functional as F

pytestmark = pytest.mark.every_isa


def slope(function, *values):
    """The derivatives of a loss to each of its operands."""
    xs = [rg.tensor(v, dtype="float64", requires_grad=True) for v in values]
    function(*xs).sum().backward()
    return [x.grad.tolist() for x in xs]


def test_derivatives_at_kinks():
    assert slope(F.l1_loss, [1.0], [1.0]) == [[0.0], [0.0]]
    assert slope(F.huber_loss, [0.0, 1.0, -3.0], [0.0] * 3)[0] == pytest.approx([0.0, 1 / 3, -1 / 3])
    assert slope(lambda x: F.smooth_l1_loss(x, x.detach() * 0, "sum", 0.5), [0.0, 0.5, 2.0]) == [[0.0, 1.0, 1.0]]
    assert slope(lambda x: F.hinge_embedding_loss(x, rg.tensor([-1.0])), [1.0]) == [[-1.0]]
    assert slope(lambda x: F.multi_margin_loss(x, rg.tensor(0)), [1.0, 0.0]) == [[0.0, 0.0]]


def test_huber_has_its_curvature_at_zero():
    curvature = rg.grad(rg.grad(lambda x: F.huber_loss(x, rg.zeros(()), delta=2.0)))
    assert curvature(rg.tensor(0.0)).item() == 1.0


def test_large_residuals_do_not_overflow_into_gradients():
    x = rg.tensor([1e30, -1e30], requires_grad=True)
    F.huber_loss(x, rg.zeros(2), reduction="sum").backward()
    assert x.grad.tolist() == [1.0, -1.0]


def test_binary_cross_entropy_of_certainty():
    # Logarithms are at least −100, and the derivative is (p − t) / max(p (1 − p), 1e-12).
    p, t = rg.tensor([0.0, 1.0, 0.0, 1.0], dtype="float64", requires_grad=True), rg.tensor([1.0, 0.0, 0.0, 1.0])
    loss = F.binary_cross_entropy(p, t.to("float64"), reduction="none")
    assert loss.tolist() == [100.0, 100.0, 0.0, 0.0]
    loss.sum().backward()
    assert p.grad.tolist() == pytest.approx([-1e12, 1e12, 0.0, 0.0])
    assert np.isfinite(slope(F.binary_cross_entropy, [0.0, 1.0], [1.0, 0.0])[1]).all()


def test_losses_of_logits_far_from_zero():
    logits, target = [1000.0, -1000.0], [0.0, 1.0]
    x = rg.tensor(logits, requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, rg.tensor(target), reduction="none")
    assert loss.tolist() == [1000.0, 1000.0]
    loss.sum().backward()
    assert x.grad.tolist() == [1.0, -1.0]
    assert slope(lambda x: F.soft_margin_loss(x, rg.tensor([-1.0, 1.0]), "sum"), logits) == [[1.0, -1.0]]
    assert F.cross_entropy(rg.tensor([[1000.0, 0.0]]), rg.tensor([1])).item() == 1000.0


def test_kl_div_where_the_target_is_zero():
    assert slope(lambda x: F.kl_div(x, rg.tensor([0.0, 1.0]), "sum"), [-np.inf, -1.0]) == [[0.0, -1.0]]
    assert F.kl_div(rg.tensor([-np.inf, -1.0]), rg.tensor([0.0, 1.0]), "sum").item() == 1.0
    gradients = slope(lambda x, t: F.kl_div(x, t, "sum"), [-1.0, -1.0], [0.0, 1.0])
    assert gradients == [[0.0, -1.0], [0.0, 2.0]]
    gradients = slope(lambda x, t: F.kl_div(x, t, "sum", log_target=True), [-1.0, -1.0], [-np.inf, 0.0])
    assert gradients == [[0.0, -1.0], [0.0, 2.0]]


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_ignored_rows_have_no_say(loss):
    rows = np.array([[0.5, -1.0, 2.0], [np.nan, np.inf, 0.0], [1.0, 1.5, -0.5]])
    x = rg.tensor(rows, requires_grad=True)
    value = loss(x, rg.tensor([2, -100, 0]))
    value.backward()
    kept = rg.tensor(rows[[0, 2]], requires_grad=True)
    expected = loss(kept, rg.tensor([2, 0]))
    expected.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-14)
    np.testing.assert_allclose(x.grad.numpy()[[0, 2]], kept.grad.numpy(), rtol=1e-13)
    assert x.grad[1].tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(loss(rg.zeros(2, 3), rg.tensor([-100, -100])).item())
    assert loss(rg.zeros(2, 3), rg.tensor([7, 7]), ignore_index=7, reduction="sum").item() == 0.0
    # Nor if their gradient is infinite, as in a sum divided by no labels.
    none = rg.tensor([-100, -100, -100])
    assert slope(lambda x: loss(x, none, reduction="sum") / 0.0, rows) == [[[0.0] * 3] * 3]


@hypothesis.given(
    batch=st.integers(1, 4), classes=st.integers(1, 5), rest=st.lists(st.integers(0, 3), max_size=2), data=st.data()
)
def test_further_dimensions_are_more_rows(batch, classes, rest, data):
    random = np.random.default_rng(data.draw(st.integers(0, 9)))
    x, y = random.standard_normal((batch, classes, *rest)), random.integers(0, classes, (batch, *rest))
    w = random.uniform(0.5, 2, classes)
    y.flat[: y.size // 3] = -100
    rows = np.moveaxis(x, 1, -1).reshape(-1, classes)
    for loss in (F.cross_entropy, F.nll_loss):
        got = loss(rg.tensor(x), rg.tensor(y), rg.tensor(w), reduction="none")
        flat = loss(rg.tensor(rows), rg.tensor(y.reshape(-1)), rg.tensor(w), reduction="none")
        assert got.shape == y.shape
        np.testing.assert_array_equal(got.numpy().ravel(), flat.numpy())


def test_labels_equal_their_probabilities(rng):
    x, y = rg.tensor(rng.standard_normal((6, 4))), rng.integers(0, 4, 6)
    p = F.one_hot(rg.tensor(y), 4).to("float64")
    for smoothing in (0.0, 0.2):
        a = F.cross_entropy(x, rg.tensor(y), label_smoothing=smoothing)
        b = F.cross_entropy(x, p, label_smoothing=smoothing)
        assert a.item() == pytest.approx(b.item(), rel=1e-13)
    assert F.nll_loss(F.log_softmax(x, 1), rg.tensor(y)).item() == pytest.approx(
        F.cross_entropy(x, rg.tensor(y)).item(), rel=1e-13
    )


BAD_LABELS = [
    (rg.tensor([0, 3]), ValueError, "label 3 in row 1 is out of range for 3 classes"),
    (rg.tensor([-1, 0]), ValueError, "label -1 in row 0"),
    (rg.tensor([0.0, 1.0]), TypeError, "float32"),
    (rg.tensor([True, False]), TypeError, "bool"),
    (rg.tensor([0, 1, 2]), ValueError, r"\(2, 3\) and \(3,\)"),
    (rg.tensor(0), ValueError, r"\(2, 3\) and \(\)"),
]


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss, F.multi_margin_loss])
def test_bad_labels(loss):
    for labels, error, message in BAD_LABELS:
        with pytest.raises(error, match=message):
            loss(rg.zeros(2, 3), labels)
        with pytest.raises(error, match=message):
            loss(rg.zeros(2, 3), labels, weight=rg.ones(3))
    with pytest.raises(ValueError, match=r"each of the 3 classes, got shape \(2,\)"):
        loss(rg.zeros(2, 3), rg.tensor([0, 1]), weight=rg.ones(2))
    with pytest.raises(ValueError, match="empty batch"):
        loss(rg.zeros(0, 3), rg.zeros(0, dtype="int64"))
    assert loss(rg.zeros(0, 3), rg.zeros(0, dtype="int64"), reduction="sum").item() == 0.0
    assert loss(rg.zeros(0, 3), rg.zeros(0, dtype="int64"), reduction="none").shape == (0,)
    with pytest.raises(ValueError, match="avg"):
        loss(rg.zeros(2, 3), rg.tensor([0, 1]), reduction="avg")
    with pytest.raises(TypeError, match="int64"):
        loss(rg.zeros(2, 3, dtype="int64"), rg.tensor([0, 1]))


PAIRS = [
    F.mse_loss,
    F.l1_loss,
    F.smooth_l1_loss,
    F.huber_loss,
    F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
    F.kl_div,
    F.hinge_embedding_loss,
    F.soft_margin_loss,
]


@pytest.mark.parametrize("loss", PAIRS)
def test_pairs_have_one_shape(loss):
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3,\)"):
        loss(rg.ones(2, 3), rg.ones(3))
    with pytest.raises(ValueError, match="empty batch"):
        loss(rg.ones(0), rg.ones(0))
    assert loss(rg.ones(0), rg.ones(0), reduction="sum").item() == 0.0
    assert loss(rg.tensor(1.0), rg.tensor(1.0)).shape == ()
    with pytest.raises(ValueError, match="avg"):
        loss(rg.ones(1), rg.ones(1), reduction="avg")


def test_other_refusals():
    x = rg.ones(2, 2)
    for p in ([1.5], [-0.1], [np.nan]):
        with pytest.raises(ValueError, match="probabilities from 0 to 1"):
            F.binary_cross_entropy(rg.tensor(p), rg.tensor([1.0]))
    with pytest.raises(TypeError, match="int64"):
        F.binary_cross_entropy_with_logits(rg.zeros(2), rg.tensor([0, 1]))
    for loss in (F.binary_cross_entropy, F.binary_cross_entropy_with_logits):
        with pytest.raises(ValueError, match=r"weight .*\(3, 2, 2\)"):
            loss(x, x, rg.ones(3, 2, 2))
    with pytest.raises(ValueError, match="beta"):
        F.smooth_l1_loss(x, x, beta=-1.0)
    with pytest.raises(ValueError, match="delta"):
        F.huber_loss(x, x, delta=0.0)
    with pytest.raises(ValueError, match="p must be 1 or 2, got 3"):
        F.multi_margin_loss(x, rg.tensor([0, 1]), p=3)
    with pytest.raises(ValueError, match="label_smoothing"):
        F.cross_entropy(x, rg.tensor([0, 1]), label_smoothing=1.5)
    with pytest.raises(ValueError, match="ignore_index 0"):
        F.cross_entropy(x, x, ignore_index=0)
    with pytest.raises(ValueError, match="mean, sum, none, got 'batchmean'"):
        nn.MSELoss("batchmean")


def test_modules_are_the_functions(rng):
    x, t = rg.tensor(rng.uniform(0.1, 0.9, (4, 3))), rg.tensor(rng.uniform(0.1, 0.9, (4, 3)))
    y, w, signs = (
        rg.tensor([0, 2, 1, 1]),
        rg.tensor([0.5, 1.0, 2.0]),
        rg.tensor(np.where(rng.random((4, 3)) < 0.5, -1, 1)),
    )
    pairs = [
        (nn.CrossEntropyLoss(w, 2, "sum", 0.1), F.cross_entropy(x, y, w, 2, "sum", 0.1), y),
        (nn.NLLLoss(w, ignore_index=1), F.nll_loss(x, y, w, 1), y),
        (nn.MultiMarginLoss(2, 0.5, w, "none"), F.multi_margin_loss(x, y, 2, 0.5, w, "none"), y),
        (nn.L1Loss("sum"), F.l1_loss(x, t, "sum"), t),
        (nn.SmoothL1Loss(beta=0.2), F.smooth_l1_loss(x, t, beta=0.2), t),
        (nn.HuberLoss("sum", 0.2), F.huber_loss(x, t, "sum", 0.2), t),
        (nn.BCELoss(w), F.binary_cross_entropy(x, t, w), t),
        (nn.BCEWithLogitsLoss(w, pos_weight=w), F.binary_cross_entropy_with_logits(x, t, w, "mean", w), t),
        (nn.KLDivLoss("batchmean", log_target=True), F.kl_div(x, t, "batchmean", True), t),
        (nn.HingeEmbeddingLoss(0.5, "sum"), F.hinge_embedding_loss(x, signs, 0.5, "sum"), signs),
        (nn.SoftMarginLoss("none"), F.soft_margin_loss(x, signs, "none"), signs),
    ]
    for module, expected, target in pairs:
        np.testing.assert_array_equal(module(x, target).numpy(), expected.numpy(), err_msg=type(module).__name__)
        assert repr(module) == f"{type(module).__name__}()"
    ranked = nn.MarginRankingLoss(0.3, "none")(x, t, signs)
    np.testing.assert_array_equal(ranked.numpy(), F.margin_ranking_loss(x, t, signs, 0.3, "none").numpy())


def test_weights_are_part_of_the_state():
    loss = nn.BCEWithLogitsLoss(pos_weight=rg.tensor([2.0]))
    assert list(loss.state_dict()) == ["pos_weight"]
    assert loss.double().pos_weight.dtype == rg.float64
    assert list(nn.CrossEntropyLoss().state_dict()) == []


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("dtypes", [("uint8", "uint8"), ("bool", "uint8"), ("int32", "int32"), ("uint8", "float32")])
@pytest.mark.parametrize(
    "loss",
    [F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.margin_ranking_loss, F.soft_margin_loss],
    ids=lambda loss: loss.__name__,
)
def test_integers_do_not_wrap_around(loss, dtypes, reduction):
    """As bytes, 1 - 3 would be 254."""
    last = {"uint8": 255, "bool": True, "int32": 2**31 - 1, "float32": 3}
    first = {"uint8": 1, "bool": True, "int32": -(2**31), "float32": -3}
    a = rg.tensor([first[dtypes[0]], last[dtypes[0]], 0], dtype=dtypes[0])
    b = rg.tensor([last[dtypes[1]], first[dtypes[1]], 1], dtype=dtypes[1])
    signs = (rg.tensor([1, 1, 1], dtype="uint8"),) if loss is F.margin_ranking_loss else ()
    got = loss(a, b, *signs, reduction=reduction)
    want = loss(a.double(), b.double(), *(t.double() for t in signs), reduction=reduction)
    assert got.is_floating_point()
    np.testing.assert_allclose(got.double().numpy(), want.numpy(), rtol=1e-6, atol=1e-6)
