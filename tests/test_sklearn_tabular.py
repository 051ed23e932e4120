"""`TabularClassifier` and `TabularRegressor`: the recipe, and tables with categories and gaps."""

import math

import numpy as np
import pytest

pytest.importorskip("sklearn")
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import train_test_split

import rgrad as rg
from rgrad.sklearn import TabularClassifier, TabularRegressor
from rgrad.sklearn._columns import Columns, quantiles
from rgrad.sklearn.tabular import groups

NUMBERS = [1.0, 2.0, math.nan, 4.0, 8.0]
TABLE = {
    "number": NUMBERS,
    "name": ["x", "y", None, "x", "z"],
    "two": ["a", "b", "a", "a", "b"],
    "flat": [3, 3, 3, 3, 3],
}


def clipped(z):
    return z / np.sqrt(1 + (z / 3) ** 2)


FRAMES = {
    "pandas": pd.DataFrame,
    "polars": lambda table: pytest.importorskip("polars").DataFrame(table, nan_to_null=True),
    "pyarrow": lambda table: pytest.importorskip("pyarrow").table(table),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_columns_become_features(frame):
    columns = Columns(frame(TABLE), None, "from_dtype")
    features = columns(frame(TABLE))
    number = clipped((np.array([1, 2, 3, 4, 8]) - 3) / (6 - 1.5))
    np.testing.assert_allclose(features[:, 0], number, rtol=1e-6, err_msg="a gap is the median")
    assert np.flatnonzero(features[:, 1]).tolist() == [2]  # the mark
    np.testing.assert_allclose(features[:, 2:5][[0, 1, 4]].argmax(1), [0, 1, 2])
    assert features[2, 2:5].tolist() == columns(frame(TABLE | {"name": ["new"] * 5}))[0, 2:5].tolist()
    assert sorted(set(features[:, 5].tolist())) == [features[1, 5], 0]
    assert features[1, 5] == features[4, 5] < 0
    assert features[:, 6].tolist() == [0] * 5
    new = columns(frame(TABLE | {"name": ["new"] * 5, "flat": [9] * 5}))
    assert np.array_equal(new[:, :2], features[:, :2])
    assert (new[:, 6] == 0).all()


def test_weights_count_rows():
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal(101), rng.integers(1, 5, 101)
    want = np.quantile(x.repeat(weights), (0.25, 0.5, 0.75), method="averaged_inverted_cdf")
    np.testing.assert_allclose(quantiles(x, weights.astype(float), (0.25, 0.5, 0.75)), want)


def test_learning_rates_are_those_of_the_neural_tangent_parametrization():
    """Steps of W = V / √inputs by the groups are those of V by the plain rate."""
    x, y = rg.randn(20, 9), rg.randn(20, 4)
    linear = rg.nn.Linear(9, 4, bias=False)
    v = rg.nn.Parameter(linear.weight.detach() * 3)
    ours, plain = rg.optim.Adam(groups(linear, 0.05), betas=(0.9, 0.95)), rg.optim.Adam([v], 0.05, (0.9, 0.95))
    for _ in range(10):
        for optimizer, predict in ((ours, lambda: linear(x)), (plain, lambda: x @ v.T / 3)):
            optimizer.zero_grad()
            rg.mse_loss(predict(), y).backward()
            optimizer.step()
    np.testing.assert_allclose(linear.weight.detach().numpy() * 3, v.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_the_schedule_is_four_waves():
    schedule = TabularClassifier()._schedule()
    ends = [(2**k - 1) / 15 for k in range(5)]
    np.testing.assert_allclose([schedule(t) for t in ends], 0, atol=1e-12)
    np.testing.assert_allclose([schedule((2 ** (k + 0.5) - 1) / 15) for k in range(4)], 1)


def test_a_table_as_it_is():
    rng = np.random.default_rng(0)
    n = 300
    city, size = rng.choice(["bern", "basel", "genf"], n), rng.normal(80, 20, n)
    frame = pd.DataFrame(
        {"city": pd.Categorical(city), "size": size, "new": rng.random(n) < 0.5}, index=rng.permutation(n)
    )
    price = 3 * size + 100 * (city == "genf") + rng.normal(0, 5, n)
    frame.loc[frame.index[::7], "size"] = np.nan
    model = TabularRegressor(max_iter=64, random_state=0).fit(frame[:200], price[:200])
    assert model.score(frame[200:], price[200:]) > 0.8
    assert price[:200].min() <= model.predict(frame).min() <= model.predict(frame).max() <= price[:200].max()
    labels = np.where(price > np.median(price), "dear", "cheap")
    model = TabularClassifier(max_iter=64, random_state=0).fit(frame[:200], labels[:200])
    assert model.score(frame[200:], labels[200:]) > 0.8
    assert model.classes_.tolist() == ["cheap", "dear"]


def test_no_setting_needs_to_be_touched():
    for load, model, least in (
        (load_iris, TabularClassifier, 0.93),
        (load_breast_cancer, TabularClassifier, 0.95),
        (load_diabetes, TabularRegressor, 0.15),  # a straight line has 0.36 on these rows
    ):
        X, X_test, y, y_test = train_test_split(*load(return_X_y=True), random_state=0)
        assert model(random_state=0).fit(X, y).score(X_test, y_test) > least


def test_the_best_epoch_is_kept():
    X, y = load_diabetes(return_X_y=True)
    model = TabularRegressor(max_iter=64, random_state=0).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_ == 64
    assert model.best_validation_score_ == max(model.validation_scores_) > model.validation_scores_[-1]
    assert TabularRegressor(max_iter=4).fit(X[:50], y[:50]).validation_scores_ is None
    stopped = TabularRegressor(n_iter_no_change=5, random_state=0).fit(X, y)
    assert stopped.n_iter_ < 256


def test_what_is_no_number_is_named():
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=4), "x": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(TypeError, match="column 'day' holds neither numbers nor categories"):
        TabularClassifier().fit(frame, [0, 1, 0, 1])
    with pytest.raises(ValueError, match="Input X contains infinity, in column 'x'"):
        TabularClassifier().fit(frame[["x"]].replace(4.0, np.inf), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="X has no column 'y'"):
        TabularClassifier(categorical_features=["y"]).fit(frame[["x"]], [0, 1, 0, 1])
    chosen = TabularClassifier(categorical_features=["x"], max_iter=2).fit(frame[["x"]], [0, 1, 0, 1])
    assert chosen.network_[0].weight.shape == (4,)


def test_partial_fit_goes_on():
    X, y = load_breast_cancer(return_X_y=True)
    model = TabularClassifier(random_state=0, learning_rate_init=0.01)
    for _ in range(10):
        for part in np.array_split(np.arange(len(y)), 4):
            model.partial_fit(X[part], y[part], classes=[0, 1])
    assert model.score(X, y) > 0.95
