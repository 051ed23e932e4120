"""`rgrad.plot`: what is on the axes, and where they come from."""

import sys

import numpy as np
import pytest

mpl = pytest.importorskip("matplotlib")
mpl.use("agg")

import matplotlib.pyplot as plt  # noqa: E402 - after the backend is chosen

import rgrad as rg  # noqa: E402

ROWS = [
    {"epoch": 1, "train_loss": 2.0, "validation_loss": 2.5},
    {"epoch": 2, "train_loss": 1.0, "validation_loss": None},
    {"epoch": 3, "train_loss": 0.5, "validation_loss": 0.7},
]
LOGITS = np.log([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
LABELS = [0, 1, 1, 0]
X = rg.tensor([[0.0, 1.0], [1.0, 2.0], [2.0, 0.0], [3.0, 3.0]])
CALLS = {
    "curves": lambda ax=None: rg.plot.curves(ROWS, ax=ax),
    "confusion": lambda ax=None: rg.plot.confusion(LABELS, LOGITS, ["$x_{$", "_b"], ax=ax),
    "boundaries": lambda ax=None: rg.plot.boundaries(rg.nn.Linear(2, 2), X, LABELS, ["$", "b"], ["$x_{$", "c"], ax),
    "residuals": lambda ax=None: rg.plot.residuals(rg.ones(4, 1), rg.zeros(4, 1), ax=ax),
    "calibration": lambda ax=None: rg.plot.calibration(LOGITS, LABELS, ax=ax),
    "mistakes": lambda ax=None: rg.plot.mistakes(rg.rand(4, 5, 6), LABELS, LOGITS, ["$x_{$", "b"], ax=ax),
}


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", CALLS)
def test_a_picture_is_drawn_on_the_axes_given_or_on_new_ones(name, tmp_path):
    figure, (one, other) = plt.subplots(1, 2)
    assert CALLS[name](one) is one
    assert one.has_data()
    assert not other.has_data()
    figure.savefig(tmp_path / "given.png")
    made = CALLS[name]()
    assert made.figure is not figure
    made.figure.savefig(tmp_path / "new.png")


def test_every_picture_is_tested():
    assert set(CALLS) == set(rg.plot.__all__)


def test_curves_leave_out_what_an_epoch_has_not():
    lines = rg.plot.curves(ROWS).get_lines()
    assert [line.get_xdata().tolist() for line in lines] == [[1, 2, 3], [1, 3]]
    with pytest.raises(ValueError, match="no epoch has the metric 'error'; the history has loss"):
        rg.plot.curves(ROWS, "error")


def test_confusion_counts():
    ax = rg.plot.confusion([0, 0, 1, 2], [0, 1, 1, 2])
    assert ax.get_title() == "1 of 4 wrong"
    assert {(text.get_position(), text.get_text()) for text in ax.texts} == {
        ((0, 0), "1"),
        ((1, 0), "1"),
        ((1, 1), "1"),
        ((2, 2), "1"),
    }


def test_calibration_shows_the_metrics_number():
    ax = rg.plot.calibration(LOGITS, LABELS, bins=5)
    assert f"calibration error {rg.train.calibration_error(LOGITS, LABELS, bins=5):.3f}" in ax.get_title()


def test_mistakes_begin_with_the_surest():
    ax = rg.plot.mistakes(rg.zeros(4, 2, 2), [1, 1, 1, 1], LOGITS, count=2)
    assert [text.get_text() for text in ax.texts] == ["1 → 0, 90%", "1 → 0, 80%"]
    assert "3 of 4 images are misclassified; the 2 with the surest" in ax.get_title()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rg.plot.confusion([0, 1], [0]), ValueError, "2 rows of one argument, but 1 of the other"),
        (lambda: rg.plot.confusion([0.5], [0]), ValueError, "labels must be classes, integers from 0"),
        (lambda: rg.plot.confusion([-1], [0]), ValueError, "labels must be classes, integers from 0"),
        (lambda: rg.plot.confusion([0, 3], [0, 0], ["a"]), ValueError, "1 class names for 4 classes"),
        (lambda: rg.plot.confusion([], []), ValueError, "at least one row"),
        (lambda: rg.plot.residuals([1.0], [1.0], ax=3), TypeError, "ax must be axes of matplotlib or None, not int"),
        (lambda: rg.plot.boundaries(rg.nn.Linear(3, 2), rg.ones(2, 3), [0, 1]), ValueError, "x must have two features"),
        (lambda: rg.plot.boundaries(rg.nn.Linear(2, 1), X, LABELS), ValueError, r"must give logits \(rows, classes\)"),
        (lambda: rg.plot.calibration(LOGITS, LABELS, bins=0), ValueError, "bins must be an integer, at least 1"),
        (lambda: rg.plot.mistakes(LOGITS, LABELS, LOGITS), ValueError, r"images \(n, rows, columns\)"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "rgrad.plot", raising=False)
    with pytest.raises(ImportError, match=r"rgrad.plot needs matplotlib: pip install 'rgrad\[plot\]'"):
        import rgrad.plot  # noqa: F401
