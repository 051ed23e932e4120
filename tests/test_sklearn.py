"""Multi-layer perceptrons and softmax regression with scikit-learn's interface."""

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import rgrad as rg
from rgrad.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression

IRIS, DIGITS, DIABETES = (load(return_X_y=True) for load in (load_iris, load_digits, load_diabetes))
IRIS = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def quick(**parameters):
    return MLPClassifier(**{"hidden_layer_sizes": (16,), "max_iter": 5, "random_state": 0} | parameters)


@pytest.mark.parametrize("ours", [MLPClassifier, MLPRegressor])
def test_one_import_changes(ours):
    theirs = inspect.signature(getattr(neural_network, ours.__name__)).parameters
    mine = inspect.signature(ours).parameters
    for name, parameter in theirs.items():
        assert (mine[name].default, mine[name].kind) == (parameter.default, parameter.kind), name
    assert list(mine)[:2] == list(theirs)[:2]
    X, y = IRIS
    model, peer = ours(max_iter=3).fit(X, y), getattr(neural_network, ours.__name__)(max_iter=3).fit(X, y)
    learned = {name for name in dir(peer) if name.endswith("_") and not name.startswith("_")}
    assert learned - set(dir(model)) == set()
    for name in ("coefs_", "intercepts_"):
        assert [part.shape for part in getattr(model, name)] == [part.shape for part in getattr(peer, name)]
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(model, name) == getattr(peer, name), name


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_full_batch_learns_what_scikit_learn_learns(solver, weighted):
    """From the same weights, with the penalty and weights of the rows."""
    X, y = IRIS
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    settings = dict(
        hidden_layer_sizes=(8,), activation="tanh", solver=solver, alpha=0.5, batch_size=150, random_state=0
    )
    peer = neural_network.MLPClassifier(max_iter=1, learning_rate_init=0.01, **settings, warm_start=True).fit(
        X, y, weights
    )
    ours = MLPClassifier(max_iter=1, learning_rate_init=0.01, **settings, warm_start=True).fit(X, y, weights)
    for mine, theirs in zip([*ours.coefs_, *ours.intercepts_], [*peer.coefs_, *peer.intercepts_], strict=True):
        mine[...] = theirs
    for model in (peer, ours):
        model.set_params(max_iter=400 if solver == "lbfgs" else 60).fit(X, y, weights)
    assert ours.loss_ == pytest.approx(peer.loss_, rel=2e-3)
    np.testing.assert_allclose(ours.predict_proba(X), peer.predict_proba(X), atol=0.01)


def test_softmax_regression_is_multinomial_logistic_regression():
    X, y = IRIS
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    for C in (0.1, 10.0):
        ours, peer = (kind(C=C, tol=1e-6, max_iter=1000) for kind in (SoftmaxRegression, LogisticRegression))
        ours.fit(X, y, weights), peer.fit(X, y, weights)
        np.testing.assert_allclose(ours.coef_, peer.coef_, atol=2e-3 * abs(peer.coef_).max())
        np.testing.assert_allclose(ours.decision_function(X), peer.decision_function(X), atol=0.02)
    assert SoftmaxRegression(fit_intercept=False).fit(X, y).intercept_.tolist() == [0, 0, 0]


def test_rows_that_are_there_twice_weigh_twice_to_the_bit():
    X, y = IRIS
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    order = np.random.default_rng(1).permutation(weights.sum())
    twice = X.repeat(weights, axis=0)[order], y.repeat(weights)[order]
    for model in (quick(batch_size=200), quick(solver="lbfgs"), SoftmaxRegression(random_state=0)):
        bits = [clone(model).fit(*twice).predict_proba(X), clone(model).fit(X, y, weights).predict_proba(X)]
        assert np.array_equal(*bits)


def test_one_seed_gives_the_same_bits_and_leaves_the_default_generator_alone():
    before = rg.get_rng_state()
    model = quick(dropout=0.2, normalization="batch", batch_size=40)
    first, second = (clone(model).fit(*IRIS).predict_proba(IRIS[0]) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, clone(model).set_params(random_state=1).fit(*IRIS).predict_proba(IRIS[0]))
    assert rg.get_rng_state() == before


def test_early_stopping_keeps_the_best_weights():
    X, y = DIGITS
    model = MLPClassifier((20,), early_stopping=True, n_iter_no_change=3, random_state=0, max_iter=100).fit(X, y)
    assert model.n_iter_ < 100
    assert len(model.loss_curve_) == len(model.validation_scores_) == len(model.validation_loss_curve_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    X_val, y_val = X[:200], y[:200]
    given = MLPClassifier((20,), early_stopping=True, random_state=0, max_iter=8, scoring="neg_log_loss")
    given.fit(X[200:], y[200:], X_val=X_val, y_val=y_val)
    from sklearn.metrics import log_loss

    assert given.best_validation_score_ == pytest.approx(-log_loss(y_val, given.predict_proba(X_val)), rel=1e-5)
    assert given.validation_loss_curve_[-1] == pytest.approx(-given.validation_scores_[-1], rel=1e-4)


@pytest.mark.parametrize("activation", ["mish", rg.nn.GELU, lambda x: x.tanh() * 2])
def test_any_activation(activation):
    model = quick(activation=activation, max_iter=60, learning_rate_init=0.01, normalization="layer", dropout=0.1)
    assert model.fit(*IRIS).score(*IRIS) > 0.9
    assert len(model.coefs_) == 2


def test_any_network_and_loss():
    def network(features, outputs):
        return rg.nn.Sequential(rg.nn.Linear(features, 12), rg.nn.SiLU(), rg.nn.Dropout(0.1), rg.nn.Linear(12, outputs))

    def hinge(scores, labels):
        return rg.nn.functional.multi_margin_loss(scores, labels, reduction="none")

    X, y = IRIS
    model = quick(network=network, loss=hinge, max_iter=100, learning_rate_init=0.02, alpha=0.0)
    fitted = [clone(model).fit(X, y, weights) for weights in (None, np.where(y == 2, 1e-3, 1.0))]
    assert fitted[0].score(X, y) > 0.95
    assert (fitted[1].predict(X) == 2).sum() < 40
    with pytest.raises(ValueError, match="must return the loss of each row"):
        quick(loss=rg.nn.CrossEntropyLoss()).fit(X, y, np.full(len(y), 2.0))
    with pytest.raises(TypeError, match=r"must be a function .* it returned int"):
        quick(network=lambda *sizes: 3).fit(X, y)
    loss = rg.nn.L1Loss(reduction="none")
    absolute = MLPRegressor(loss, (32,), learning_rate_init=0.1, max_iter=100, random_state=0).fit(*DIABETES)
    assert absolute.score(*DIABETES) > 0.4


def test_class_weights():
    X, y = IRIS
    rare = np.flatnonzero((y > 0) & ((y == 1) | (np.arange(len(y)) % 10 == 0)))
    X, y = X[rare][:, :2], y[rare]
    plain, balanced = (quick(max_iter=100, class_weight=weight).fit(X, y) for weight in (None, "balanced"))
    assert (plain.predict(X) == 2).sum() < (balanced.predict(X) == 2).sum()
    as_weights = quick(max_iter=100).fit(X, y, np.where(y == 2, 5.0, 0.5))
    as_dict = quick(max_iter=100, class_weight={1: 0.5, 2: 5.0}).fit(X, y)
    assert np.array_equal(as_weights.predict_proba(X), as_dict.predict_proba(X))


def test_several_labels_and_targets():
    X, y = make_multilabel_classification(200, n_classes=4, random_state=0)
    model = quick(max_iter=100, learning_rate_init=0.01).fit(X, y)
    assert model.predict(X).shape == model.predict_proba(X).shape == (200, 4)
    assert (model.predict(X) == y).mean() > 0.85
    assert model.out_activation_ == "logistic"
    X, y = DIABETES
    both = np.stack([y, -y], axis=1) / 100
    predicted = MLPRegressor((32,), max_iter=300, random_state=0).fit(X, both).predict(X)
    assert np.corrcoef(predicted[:, 0], -predicted[:, 1])[0, 1] > 0.95


def test_partial_fit_and_warm_start_go_on():
    X, y = DIGITS
    model = MLPClassifier((32,), learning_rate_init=0.005, random_state=0)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, y)
    for _ in range(20):
        for part in np.array_split(np.arange(len(y)), 10):
            model.partial_fit(X[part], y[part], classes=np.arange(10))
    assert model.score(X, y) > 0.95
    assert len(model.loss_curve_) == 200
    with pytest.raises(ValueError, match="is not the same as on last call"):
        model.partial_fit(X, y, classes=np.arange(11))
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    warm = MLPClassifier((32,), random_state=0, max_iter=2, warm_start=True).fit(X, y)
    loss = warm.loss_
    assert warm.fit(X, y).loss_ < loss
    with pytest.raises(ValueError, match="y has the classes"):
        warm.fit(X, y + 1)


def test_learning_rates_of_sgd():
    X, y = IRIS
    for schedule in ("constant", "invscaling", "adaptive"):
        model = quick(solver="sgd", learning_rate=schedule, learning_rate_init=0.5, max_iter=300, tol=1e-2).fit(X, y)
        rate = model._optimizer.param_groups[0]["lr"]
        want = {"constant": 0.5, "invscaling": 0.5 / (model.t_ + 1) ** 0.5}
        assert rate == pytest.approx(want[schedule]) if schedule in want else rate < 1e-6 * 5


def test_a_fitted_estimator_is_pickled_with_its_bits():
    model = quick(normalization="batch", dropout=0.1).fit(*IRIS)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(model.predict_proba(IRIS[0]), again.predict_proba(IRIS[0]))
    assert isinstance(again.network_, rg.nn.Module)


def test_features_become_float32():
    model = quick().fit(*IRIS)
    assert all(p.dtype == rg.float32 for p in model.network_.parameters())
    assert model.predict_proba(IRIS[0]).dtype == np.float32
    same = quick().fit(IRIS[0].astype(np.float32), IRIS[1])
    assert np.array_equal(model.predict_proba(IRIS[0]), same.predict_proba(IRIS[0]))


def test_what_is_wrong_is_said():
    X, y = IRIS
    for parameters, message in (
        ({"alpha": -1}, "MLPClassifier: alpha must be a number of at least 0, got -1"),
        ({"activation": "rel"}, "activation must be one of 'identity', .* or a callable, got 'rel'"),
        ({"hidden_layer_sizes": (3, 0)}, r"hidden_layer_sizes must be .* got \(3, 0\)"),
        ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1"),
        ({"early_stopping": True, "validation_fraction": 0.001}, "Increase validation_fraction"),
    ):
        with pytest.raises(ValueError, match=message):
            quick(**parameters).fit(X, y)
    with pytest.raises(ValueError, match=r"the training diverged: .* StandardScaler"):
        MLPRegressor(solver="sgd", learning_rate_init=10.0, random_state=0).fit(X * 1e6, y)
    with pytest.warns(ConvergenceWarning, match="max_iter=5 iterations were not enough to converge"):
        quick().fit(X, y)


def test_without_scikit_learn_it_says_what_to_install():
    code = """
import sys
sys.modules["sklearn"] = None
try:
    import rgrad.sklearn
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "rgrad.sklearn needs scikit-learn: pip install 'rgrad[sklearn]'\n"


def test_importing_rgrad_imports_no_extra():
    code = (
        "import sys, rgrad, rgrad.train, rgrad.data; print({'pandas', 'sklearn', 'scipy', 'joblib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
