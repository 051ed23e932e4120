"""The estimators inside of scikit-learn's tools, with equal results from every backend."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
import joblib
import pandas as pd
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from rgrad.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression, TabularClassifier

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = MLPClassifier((16,), dropout=0.1, learning_rate_init=0.01, max_iter=20, batch_size=50, random_state=0)
BACKENDS = ("sequential", "threading", "loky", "multiprocessing")


def search(backend):
    grid = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__activation": ["relu", "gelu"]}
    pipeline = make_pipeline(StandardScaler(), SMALL)
    with joblib.parallel_backend(backend, n_jobs=2):
        return GridSearchCV(pipeline, grid, cv=3).fit(X, Y)


def results(backend):
    found = search(backend)
    with joblib.parallel_backend(backend, n_jobs=2):
        scores = cross_val_score(SMALL, X, Y, scoring="neg_log_loss")
        importances = permutation_importance(found, X, Y, n_repeats=2, random_state=0).importances
    # scikit-learn hands modules to its workers here, which processes of multiprocessing cannot take.
    with joblib.parallel_backend("loky" if backend == "multiprocessing" else backend, n_jobs=2):
        calibrated = CalibratedClassifierCV(SMALL, cv=3).fit(X, Y).predict_proba(X)
    columns = found.cv_results_["mean_test_score"], found.predict_proba(X)
    return [*columns, scores, importances, calibrated]


def test_every_backend_gives_the_same_bits():
    want = results("sequential")
    assert want[0].max() > 0.8
    for backend in BACKENDS[1:]:
        for mine, theirs in zip(results(backend), want, strict=True):
            assert np.array_equal(mine, theirs), backend


@pytest.mark.slow
def test_dask_gives_the_same_bits():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        for mine, theirs in zip(results("dask"), results("sequential"), strict=True):
            assert np.array_equal(mine, theirs)


def test_column_transformer_and_pipeline():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=np.where(X[:, 0] > 5.8, "long", "short"))
    columns = ColumnTransformer([("numbers", StandardScaler(), list("abcd")), ("kind", OneHotEncoder(), ["kind"])])
    model = make_pipeline(columns, clone(SMALL).set_params(max_iter=100))
    assert model.fit(frame, Y).score(frame, Y) > 0.9


def test_names_of_features_are_kept_and_compared():
    frame = pd.DataFrame(X, columns=list("abcd"))
    for model in (SMALL, TabularClassifier(max_iter=4)):
        fitted = clone(model).fit(frame, Y)
        assert fitted.feature_names_in_.tolist() == list("abcd")
        with pytest.raises(ValueError, match="feature names"):
            fitted.predict(frame[list("dcba")])


def test_weights_are_routed():
    weights = np.random.default_rng(0).uniform(size=len(Y))
    with sklearn.config_context(enable_metadata_routing=True):
        model = clone(SMALL).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        routed = cross_val_score(model, X, Y, params={"sample_weight": weights})
        plain = cross_val_score(SMALL, X, Y)
    assert not np.array_equal(routed, plain)


def test_the_html_has_a_link():
    html = SoftmaxRegression()._repr_html_()
    assert "https://github.com/rgrad/rgrad/blob/main/docs/sklearn.md#softmaxregression" in html


def test_functions_are_called_after_each_epoch_and_may_stop():
    seen = []

    def callback(estimator):
        seen.append((estimator.n_iter_, estimator.score(X, Y)))
        return estimator.n_iter_ == 4

    model = clone(SMALL).set_params(callbacks=[callback]).fit(X, Y)
    assert [n for n, _ in seen] == [1, 2, 3, 4]
    assert seen[-1][1] == model.score(X, Y)
    assert len(MLPRegressor(callbacks=[callback], random_state=0).fit(X, Y).loss_curve_) == 4


class Recorder:
    """scikit-learn's protocol of callbacks."""

    def __init__(self, stop_after=None):
        self.calls, self.scores, self.stop_after = [], [], stop_after

    def setup(self, estimator, context):
        self.calls.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.calls.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after

    def teardown(self, estimator, context):
        self.calls.append("teardown")


@pytest.mark.skipif(not hasattr(MLPClassifier, "set_callbacks"), reason="scikit-learn has callbacks from 1.9 on")
def test_callbacks_of_scikit_learn():
    recorder = Recorder(stop_after=3)
    model = clone(SMALL).set_callbacks(recorder).fit(X, Y)
    assert model.n_iter_ == 3
    epochs = ["begin epoch", "end epoch"] * 3
    assert recorder.calls == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert recorder.scores[-1] == recorder.scores[-2] == model.score(X, Y)


@pytest.mark.skipif(not hasattr(MLPClassifier, "set_callbacks"), reason="scikit-learn has callbacks from 1.9 on")
def test_callbacks_reach_the_estimator_inside():
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    make_pipeline(StandardScaler(), clone(SMALL).set_callbacks(monitor)).fit(X, Y)
    log = monitor.get_logs()
    assert len([row for row in log.data if row["task_name"] == "epoch"]) == 20
