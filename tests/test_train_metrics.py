"""Metrics of predictions, against values worked out by other means."""

import numpy as np
import pytest

import rgrad as rg
from rgrad import train

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(200, 3))
LABELS = RNG.integers(0, 3, 200)
SCORES = np.round(RNG.normal(size=100), 1)  # with ties
BINARY = RNG.integers(0, 2, 100)


def pairs(scores, labels):
    """The share of pairs of a 1 and a 0 in the right order, ties counted half: the definition of the area."""
    ones, zeros = scores[labels == 1], scores[labels == 0]
    return np.mean((ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros))


def test_accuracy_and_error():
    assert train.accuracy(LOGITS, LABELS) == np.mean(LOGITS.argmax(1) == LABELS)
    assert train.error(LOGITS, LABELS) == pytest.approx(1 - train.accuracy(LOGITS, LABELS))
    assert train.accuracy([0.5, -1.0, 2.0], [1, 0, 0]) == pytest.approx(2 / 3)
    assert train.accuracy([[0.5, -1.0], [1.0, 1.0]], [[1, 0], [1, 0]]) == 0.75
    assert train.accuracy([0.5, -1.0, 2.0], [1, 0, 0], [1, 1, 0]) == 1.0


def test_distances():
    a, b = RNG.normal(size=(30, 2)), RNG.normal(size=(30, 2))
    assert train.mae(a, b) == pytest.approx(np.abs(a - b).mean())
    assert train.mse(a, b) == pytest.approx(((a - b) ** 2).mean())
    share = ((a - b) ** 2).sum(0) / ((b - b.mean(0)) ** 2).sum(0)
    assert train.r2(a, b) == pytest.approx((1 - share).mean())
    assert train.r2([1.0, 1.0], [1.0, 1.0]) == 1
    assert train.r2([1.0, 2.0], [1.0, 1.0]) == 0


def test_area_under_the_curve():
    assert train.auc(SCORES, BINARY) == pytest.approx(pairs(SCORES, BINARY))
    assert train.auc(np.stack([-SCORES, SCORES], 1), BINARY) == pytest.approx(pairs(SCORES, BINARY))
    shares = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    expected = np.mean([pairs(shares[:, c], (c == LABELS).astype(int)) for c in range(3)])
    assert train.auc(LOGITS, LABELS) == pytest.approx(expected)


def test_calibration_error():
    # In one bin the model is sure of 0.9 and right in half of the rows, in another sure of 0.6 and always right.
    logits = np.log([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 4)
    labels = np.array([0, 1, 0, 1, 0, 0, 0, 0])
    assert train.calibration_error(logits, labels, bins=5) == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)


@pytest.mark.parametrize("metric", [train.r2, train.mae, train.auc])
def test_weights_count_as_repeated_rows(metric):
    weights = RNG.integers(0, 4, 100)
    repeated = np.repeat(np.arange(100), weights)
    targets = BINARY if metric is train.auc else SCORES[::-1].copy()
    found = metric(SCORES, targets, weights)
    assert found == pytest.approx(metric(SCORES[repeated], targets[repeated]))
    assert found != pytest.approx(metric(SCORES, targets))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train.accuracy(LOGITS, LABELS[:3]), "200 rows of outputs, but 3 of targets"),
        (lambda: train.accuracy(LOGITS, LOGITS[:, :2]), "do not fit targets"),
        (lambda: train.r2(LOGITS, LABELS), r"outputs have shape \(200, 3\), targets have shape \(200,\)"),
        (lambda: train.auc(SCORES, BINARY * 0), "rows of every class"),
        (lambda: train.mae(rg.zeros(0), rg.zeros(0)), "there are no rows"),
        (lambda: train.mae(1.0, 2.0), "must have a row for each sample"),
        (lambda: train.mae(SCORES, SCORES, SCORES * 0), "weights must be 100 finite numbers"),
        (lambda: train.calibration_error(LOGITS, LABELS, bins=0), "bins must be an integer"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
