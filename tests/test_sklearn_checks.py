"""The estimators are what scikit-learn's own checks want of one, without an exception."""

import pytest

pytest.importorskip("sklearn")
from sklearn.utils.estimator_checks import parametrize_with_checks

from rgrad import sklearn as estimators

# Fewer epochs than the recipe has: what is checked does not depend on how well it was learned.
MADE = [getattr(estimators, name)(**({"max_iter": 32} if "Tabular" in name else {})) for name in estimators.__all__]


@pytest.mark.filterwarnings("ignore")  # of the checks: of data that are odd, and of iterations that were not enough
@parametrize_with_checks(MADE)
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
