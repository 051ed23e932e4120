"""Estimators for scikit-learn, by compiled training of rgrad: `pip install rgrad[sklearn]`.

`MLPClassifier` and `MLPRegressor` have scikit-learn's parameters and attributes, so that one import changes;
`SoftmaxRegression` is `LogisticRegression`'s counterpart; `TabularClassifier` and `TabularRegressor` need no tuning.
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise ImportError("rgrad.sklearn needs scikit-learn: pip install 'rgrad[sklearn]'") from error

from rgrad.sklearn.mlp import MLPClassifier, MLPRegressor
from rgrad.sklearn.softmax import SoftmaxRegression
from rgrad.sklearn.tabular import TabularClassifier, TabularRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "SoftmaxRegression", "TabularClassifier", "TabularRegressor"]
