"""Values and gradients against an independent implementation, JAX, in float64."""

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases_jax import ROWS, Row

import rgrad as rg
from rgrad import _core

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
    pytest.mark.slow,
]

# What JAX has under no name of its own: its losses, for one, are in another package.
ALONE = {
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_similarity",
    "cross_entropy",
    "diag_embed",
    "hardshrink",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "nll_loss",
    "normalize",
    "prelu",
    "rms_norm",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softshrink",
    "tanhshrink",
    "threshold",
}


@pytest.fixture(scope="module")
def jax(tmp_path_factory) -> dict[str, list[list[np.ndarray]]]:
    path = tmp_path_factory.mktemp("jax") / "values.pickle"
    script = Path(__file__).with_name("cases_jax.py")
    subprocess.run([sys.executable, "-W", "ignore", script, path], check=True)
    return pickle.loads(path.read_bytes())


def test_every_operation_is_compared_or_has_no_counterpart():
    assert set(ROWS) | ALONE == set(_core.OPS)
    assert not set(ROWS) & ALONE


@pytest.mark.parametrize("name", sorted(ROWS))
def test_values_and_gradients(name: str, jax: Any):
    for row, expected in zip(ROWS[name], jax[name], strict=True):
        for got, want in zip(evaluate(row), expected, strict=True):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)


def evaluate(row: Row) -> list[np.ndarray]:
    xs = [rg.tensor(x) for x in row.inputs]
    if not row.differentiable:
        return [row.rgrad(*xs).numpy()]
    y, pull = rg.vjp(row.rgrad, *xs)
    cotangent = rg.arange(1.0, y.numel() + 1, dtype="float64").reshape(y.shape)
    return [v.numpy() for v in (y, *pull(cotangent))]
