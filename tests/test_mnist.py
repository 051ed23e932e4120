"""MNIST: agreement with NumPy, and the error that plain loops written by hand reach. Needs RGRAD_DATA."""

import os
from itertools import pairwise

import numpy as np
import pytest

import rgrad as rg

pytestmark = pytest.mark.skipif(not os.environ.get("RGRAD_DATA"), reason="RGRAD_DATA does not name a folder with MNIST")


@pytest.fixture(scope="module")
def mnist() -> rg.datasets.Dataset:
    return rg.datasets.mnist()


def test_an_epoch_agrees_with_numpy(mnist):
    """Plain SGD in file order on 784-100-10 from weights made by NumPy, the gradients written by hand."""
    random = np.random.default_rng(0)
    W1 = (random.standard_normal((784, 100)) * np.sqrt(2 / 784)).astype(np.float32)
    W2 = (random.standard_normal((100, 10)) * np.sqrt(2 / 100)).astype(np.float32)
    X, Y = mnist.train_x.numpy(), mnist.train_y.numpy()
    w1, w2 = (rg.tensor(w, requires_grad=True) for w in (W1, W2))
    lr, batch = 0.2, 100
    for i in range(0, len(X), batch):
        x, y = X[i : i + batch], Y[i : i + batch]
        h = np.maximum(x @ W1, 0)
        z = h @ W2
        s = np.exp(z - z.max(1, keepdims=True))
        g = s / s.sum(1, keepdims=True)
        g[np.arange(batch), y] -= 1
        g /= batch
        g1 = (g @ W2.T) * (h > 0)
        W1 -= np.float32(lr) * (x.T @ g1)
        W2 -= np.float32(lr) * (h.T @ g)

        loss = rg.cross_entropy(rg.relu(rg.tensor(x) @ w1) @ w2, mnist.train_y[i : i + batch])
        with rg.no_grad():
            for w, d in zip((w1, w2), rg.autograd.grad(loss, [w1, w2]), strict=True):
                w -= lr * d
    for ours, theirs in ((w1, W1), (w2, W2)):
        difference = np.linalg.norm(ours.detach().numpy().astype(np.float64) - theirs)
        assert difference <= 1e-5 * np.linalg.norm(theirs)


def error_after(mnist: rg.datasets.Dataset, sizes: list[int], epochs: int, seed: int) -> float:
    """Test error in per cent: bias, shuffled, batch 100, learning rate 0.2, no momentum."""
    rg.manual_seed(seed)
    weights, biases = [], []
    for inputs, outputs in pairwise(sizes):
        weights.append(rg.tensor(rg.randn(inputs, outputs) * (2 / inputs) ** 0.5, requires_grad=True))
        biases.append(rg.zeros(outputs, requires_grad=True))

    def model(x: rg.Tensor) -> rg.Tensor:
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            x = rg.relu(x @ w + b)
        return x @ weights[-1] + biases[-1]

    for _ in range(epochs):
        order = rg.randperm(len(mnist.train_y))
        for i in range(0, len(mnist.train_y), 100):
            rows = order[i : i + 100]
            loss = rg.cross_entropy(model(mnist.train_x[rows]), mnist.train_y[rows])
            gradients = rg.autograd.grad(loss, weights + biases)
            with rg.no_grad():
                for p, g in zip(weights + biases, gradients, strict=True):
                    p -= 0.2 * g
    with rg.no_grad():
        wrong = model(mnist.test_x).argmax(1) != mnist.test_y
    return 100 * wrong.to("float64").mean().item()


@pytest.mark.slow
def test_softmax_regression_in_a_plain_loop(mnist):
    assert np.mean([error_after(mnist, [784, 10], 10, seed) for seed in range(3)]) < 8.0


@pytest.mark.slow
def test_a_hidden_layer_in_a_plain_loop(mnist):
    assert np.mean([error_after(mnist, [784, 100, 10], 20, seed) for seed in range(3)]) <= 2.4
