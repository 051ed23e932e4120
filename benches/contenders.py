"""One training step in each framework, in its idiomatic form.

A contender is created from a `train.Network`: `run()` trains one pass over its batches, in order, and waits for the
result; `parameters()` returns the (weight, bias) pairs, weights as (out, in).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from train import Network

Parameters = list[tuple[np.ndarray, np.ndarray]]
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


@dataclass
class Contender:
    """A framework that is ready to train."""

    run: Callable[[], Any]
    parameters: Callable[[], Parameters]


def rgrad_step(net: Network, threads: int) -> tuple[Callable[[Any, Any], Any], Callable[[], Parameters]]:
    """Returns a training step that returns its loss, and a function that returns the parameters."""
    import rgrad as rg

    rg.set_num_threads(threads)
    activation = {"relu": rg.nn.ReLU, "tanh": rg.nn.Tanh, "sigmoid": rg.nn.Sigmoid}[net.activation]
    model, linears = torch_like(rg, activation, net)
    loss_fn = rg.nn.CrossEntropyLoss()
    make = {"sgd": rg.optim.SGD, "adam": rg.optim.Adam}[net.optimizer]
    optimizer = make(model.parameters(), lr=net.lr)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, lambda: [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in linears]


def rgrad_eager(net: Network, threads: int, compiled: bool = False) -> Contender:
    """A plain loop over tensors; if compiled, one call per step."""
    import rgrad as rg

    step, parameters = rgrad_step(net, threads)
    if compiled:
        step = rg.compile(step)
    batches = [(rg.tensor(x), rg.tensor(y)) for x, y in zip(*net.data, strict=True)]

    def run() -> float:
        for x, y in batches:
            loss = step(x, y)
        return loss.item()

    return Contender(run, parameters)


def rgrad_compiled(net: Network, threads: int) -> Contender:
    """The same loop with the step compiled."""
    return rgrad_eager(net, threads, compiled=True)


def rgrad_epoch(net: Network, threads: int) -> Contender:
    """The compiled step, one call per pass over the data."""
    import rgrad as rg

    step, parameters = rgrad_step(net, threads)
    compiled = rg.compile(step)
    x, y = (rg.tensor(part.reshape(-1, *part.shape[2:])) for part in net.data)
    return Contender(lambda: compiled.epoch(x, y, batch_size=net.batch)[-1].item(), parameters)


def torch_like(lib: Any, activation: Any, net: Network) -> tuple[Any, list[Any]]:
    """Returns the network as a Sequential of `lib`, and its Linear layers, with the network's weights."""
    linears = [lib.nn.Linear(w.shape[1], w.shape[0]) for w in net.weights]
    with lib.no_grad():
        for linear, w in zip(linears, net.weights, strict=True):
            linear.weight.copy_(lib.tensor(w))
            linear.bias.zero_()
    layers = [layer for linear in linears for layer in (linear, activation())]
    return lib.nn.Sequential(*layers[:-1]), linears


def torch_eager(net: Network, threads: int, compiled: bool = False) -> Contender:
    """The same loop in PyTorch; if compiled, forward pass and loss are one compiled function."""
    import torch

    torch.set_num_threads(threads)
    activation = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}[net.activation]
    model, linears = torch_like(torch, activation, net)
    cross_entropy = torch.nn.CrossEntropyLoss()
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[net.optimizer]
    optimizer = make(model.parameters(), lr=net.lr)
    batches = [(torch.tensor(x), torch.tensor(y)) for x, y in zip(*net.data, strict=True)]

    def loss_fn(x: Any, y: Any) -> Any:
        return cross_entropy(model(x), y)

    if compiled:
        loss_fn = torch.compile(loss_fn)

    def run() -> float:
        for x, y in batches:
            optimizer.zero_grad()
            loss = loss_fn(x, y)
            loss.backward()
            optimizer.step()
        return loss.item()

    return Contender(run, lambda: [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in linears])


def torch_compiled(net: Network, threads: int) -> Contender:
    """PyTorch with torch.compile."""
    return torch_eager(net, threads, compiled=True)


def numpy_by_hand(net: Network, threads: int) -> Contender:
    """Hand-written gradients; weights as (in, out), and arrays reused where NumPy makes that easy."""
    weights = [w.T.copy() for w in net.weights]
    biases = [np.zeros(w.shape[1], np.float32) for w in weights]
    parameters = weights + biases
    means = [np.zeros_like(p) for p in parameters]
    squares = [np.zeros_like(p) for p in parameters]
    rows = np.arange(net.batch)
    lr = np.float32(net.lr)
    steps = 0

    def activate(z: np.ndarray) -> np.ndarray:
        if net.activation == "relu":
            return np.maximum(z, 0, out=z)
        return np.tanh(z, out=z) if net.activation == "tanh" else 1 / (1 + np.exp(-z))

    def slope(h: np.ndarray) -> np.ndarray:
        if net.activation == "relu":
            return h > 0
        return 1 - h * h if net.activation == "tanh" else h * (1 - h)

    def step(x: np.ndarray, y: np.ndarray) -> float:
        hidden = [x]
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            z = hidden[-1] @ w
            z += b
            hidden.append(activate(z))
        z = hidden[-1] @ weights[-1]
        z += biases[-1]
        z -= z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(total[:, 0]) - z[rows, y]))
        delta = np.divide(e, total, out=e)
        delta[rows, y] -= 1
        delta /= np.float32(len(y))
        grads: list[Any] = [None] * len(parameters)
        for i in reversed(range(len(weights))):
            grads[i] = hidden[i].T @ delta
            grads[len(weights) + i] = delta.sum(axis=0)
            if i > 0:
                delta = delta @ weights[i].T
                delta *= slope(hidden[i])
        update(grads)
        return loss

    def update(grads: list[np.ndarray]) -> None:
        nonlocal steps
        steps += 1
        if net.optimizer == "sgd":
            for p, g in zip(parameters, grads, strict=True):
                g *= lr
                p -= g
            return
        rate = np.float32(net.lr / (1 - BETA1**steps))
        correction = np.float32((1 - BETA2**steps) ** -0.5)
        for p, g, m, v in zip(parameters, grads, means, squares, strict=True):
            m *= np.float32(BETA1)
            m += np.float32(1 - BETA1) * g
            v *= np.float32(BETA2)
            g *= g
            g *= np.float32(1 - BETA2)
            v += g
            root = np.sqrt(v)
            root *= correction
            root += np.float32(EPS)
            np.divide(m, root, out=root)
            root *= rate
            p -= root

    inputs, labels = net.data

    def run() -> float:
        for x, y in zip(inputs, labels, strict=True):
            loss = step(x, y)
        return loss

    return Contender(run, lambda: [(w.T, b) for w, b in zip(weights, biases, strict=True)])


def jax_step(net: Network) -> tuple[Any, Callable[..., Any]]:
    """Returns the initial state, and the pure function (state, (x, y)) -> (state, loss)."""
    import jax
    import jax.numpy as jnp

    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[net.activation]
    parameters = [(jnp.asarray(w.T), jnp.zeros(w.shape[0], jnp.float32)) for w in net.weights]

    def loss_fn(parameters: Any, x: Any, y: Any) -> Any:
        for w, b in parameters[:-1]:
            x = activation(x @ w + b)
        w, b = parameters[-1]
        log_p = jax.nn.log_softmax(x @ w + b)
        return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

    def step(state: Any, batch: Any) -> Any:
        parameters, means, squares, steps = state
        loss, grads = jax.value_and_grad(loss_fn)(parameters, *batch)
        steps = steps + 1
        if net.optimizer == "sgd":
            parameters = jax.tree.map(lambda p, g: p - net.lr * g, parameters, grads)
        else:
            means = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, means, grads)
            squares = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, squares, grads)
            rate, correction = net.lr / (1 - BETA1**steps), 1 / jnp.sqrt(1 - BETA2**steps)
            parameters = jax.tree.map(
                lambda p, m, v: p - rate * m / (jnp.sqrt(v) * correction + EPS), parameters, means, squares
            )
        return (parameters, means, squares, steps), loss

    moments = [] if net.optimizer == "sgd" else parameters
    zeros = jax.tree.map(jnp.zeros_like, moments)
    return (parameters, zeros, jax.tree.map(jnp.zeros_like, moments), jnp.float32(0)), step


def jax_jit(net: Network, threads: int) -> Contender:
    """One compiled function per step, with its state donated."""
    import jax

    state, step = jax_step(net)
    step = jax.jit(step, donate_argnums=0)
    batches = [(jax.device_put(x), jax.device_put(y.astype(np.int32))) for x, y in zip(*net.data, strict=True)]

    def run() -> float:
        nonlocal state
        for batch in batches:
            state, loss = step(state, batch)
        return float(loss)

    return Contender(run, lambda: [(np.asarray(w).T, np.asarray(b)) for w, b in state[0]])


def jax_scan(net: Network, threads: int) -> Contender:
    """One compiled function per pass over the data."""
    import jax

    state, step = jax_step(net)
    inputs, labels = jax.device_put(net.data[0]), jax.device_put(net.data[1].astype(np.int32))
    scan = jax.jit(lambda state, batches: jax.lax.scan(step, state, batches), donate_argnums=0)

    def run() -> float:
        nonlocal state
        state, losses = scan(state, (inputs, labels))
        return float(losses[-1])

    return Contender(run, lambda: [(np.asarray(w).T, np.asarray(b)) for w, b in state[0]])


def sklearn_mlp(net: Network, threads: int) -> Contender | None:
    """MLPClassifier.partial_fit, one epoch per call.

    None for two classes, where it has a logistic output instead of a softmax, and for networks without a hidden layer.
    """
    from sklearn.neural_network import MLPClassifier

    if len(net.widths) == 2 or net.widths[-1] == 2:
        return None
    model = MLPClassifier(
        net.widths[1:-1],
        activation={"sigmoid": "logistic"}.get(net.activation, net.activation),
        solver=net.optimizer,
        alpha=0.0,
        batch_size=net.batch,
        learning_rate_init=net.lr,
        momentum=0.0,
        nesterovs_momentum=False,
        shuffle=False,
    )
    inputs, labels = net.data
    x, y = inputs.reshape(-1, inputs.shape[-1]), labels.reshape(-1)
    # The first call initializes weights and the optimizer: both are replaced.
    model.partial_fit(x[: net.batch], y[: net.batch], classes=np.arange(net.widths[-1]))
    model.coefs_ = [w.T.copy() for w in net.weights]
    model.intercepts_ = [np.zeros(len(w), np.float32) for w in net.weights]
    del model._optimizer

    return Contender(
        lambda: model.partial_fit(x, y),
        lambda: [(w.T, b) for w, b in zip(model.coefs_, model.intercepts_, strict=True)],
    )


@dataclass(frozen=True)
class Entry:
    """A framework: the module it needs, the package that contains the module, and its contender."""

    module: str
    package: str
    make: Callable[[Network, int], Contender | None]


CONTENDERS = {
    "rgrad": Entry("rgrad", "rgrad", rgrad_epoch),
    "rgrad-step": Entry("rgrad", "rgrad", rgrad_compiled),
    "rgrad-eager": Entry("rgrad", "rgrad", rgrad_eager),
    "numpy": Entry("numpy", "numpy", numpy_by_hand),
    "torch": Entry("torch", "torch", torch_eager),
    "torch-compile": Entry("torch", "torch", torch_compiled),
    "jax-jit": Entry("jax", "jax", jax_jit),
    "jax-scan": Entry("jax", "jax", jax_scan),
    "sklearn": Entry("sklearn", "scikit-learn", sklearn_mlp),
}
