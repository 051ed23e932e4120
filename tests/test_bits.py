"""One seed, one set of bits: for any number of threads and any instruction set."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

import rgrad as rg
from rgrad import _core

TRAIN = """
import hashlib
import rgrad as rg

data = rg.datasets.digits()
rg.manual_seed(0)
model = rg.nn.Sequential(rg.nn.Linear(64, 100), rg.nn.{activation}(), rg.nn.Dropout(0.1), rg.nn.Linear(100, 10))
optimizer = rg.optim.{optimizer}(model.parameters(), lr={lr})
loss_fn = rg.nn.CrossEntropyLoss()
loader = rg.data.DataLoader(rg.data.TensorDataset(data.train_x, data.train_y), batch_size=100, shuffle=True)
for epoch in range(5):
    for x, y in loader:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
print(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest())
"""

# Enough parameters that threads share them.
OTHERS = """
import hashlib
from rgrad import nn, optim
import rgrad as rg

settings = [
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (optim.Adam, {"lr": 0.01, "amsgrad": True, "weight_decay": 0.01}),
    (optim.NAdam, {"lr": 0.01, "decoupled_weight_decay": True, "weight_decay": 0.01}),
    (optim.RMSprop, {"lr": 0.001, "momentum": 0.5, "weight_decay": 0.01}),
    (optim.RMSprop, {"lr": 0.001, "momentum": 0.5, "centered": True}),
    (optim.Adagrad, {"lr": 0.01, "lr_decay": 0.1}),
    (optim.Adadelta, {"lr": 1.0}),
    (optim.LBFGS, {"max_iter": 5, "line_search_fn": "strong_wolfe"}),
]
data = rg.datasets.digits()
x, y = rg.tensor(data.train_x[:100]), rg.tensor(data.train_y[:100])
found = hashlib.sha256()
for make, given in settings:
    rg.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 1200), nn.Tanh(), nn.Linear(1200, 10))
    optimizer = make(model.parameters(), **given)
    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss
    for _ in range(4):
        optimizer.step(closure)
    for p in model.parameters():
        found.update(p.detach().numpy().tobytes())
print(found.hexdigest())
"""

INITIALISE = """
import hashlib
import rgrad as rg

rg.manual_seed(0)
weights = [rg.empty(300, 200) for _ in range(4)]
rg.nn.init.orthogonal_(weights[0])
rg.nn.init.trunc_normal_(weights[1])
rg.nn.init.trunc_normal_(weights[2], a=3.0, b=9.0)
rg.nn.init.kaiming_normal_(weights[3])
print(hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights)).hexdigest())
"""


def digests(script: str) -> set[str]:
    """What the script prints on each instruction set with one and with two threads."""
    found = set()
    for isa in _core.available_isas():
        for threads in (1, 2):
            env = {**os.environ, "RGRAD_ISA": isa, "RGRAD_NUM_THREADS": str(threads)}
            run = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
            found.add(run.stdout.strip())
    return found


@pytest.mark.parametrize(
    ("activation", "optimizer", "lr"), [("ReLU", "SGD", 0.2), ("Tanh", "Adam", 0.01), ("Sigmoid", "AdamW", 0.01)]
)
def test_weights_after_training(activation, optimizer, lr):
    script = TRAIN.format(activation=activation, optimizer=optimizer, lr=lr)
    assert len(digests(script)) == 1, "weights differ between instruction sets or numbers of threads"


def test_weights_after_steps_of_every_optimizer():
    assert len(digests(OTHERS)) == 1, "weights differ between instruction sets or numbers of threads"


def test_weights_before_training():
    assert len(digests(INITIALISE)) == 1, "weights differ between instruction sets or numbers of threads"


def everything(x: rg.Tensor, w: rg.Tensor, y: rg.Tensor) -> bytes:
    """Large products, maps, reductions and a training step's gradients, as bytes."""
    w = rg.tensor(w, requires_grad=True)
    loss = rg.cross_entropy(rg.tanh(x @ w), y)
    loss.backward()
    results = [loss.detach(), w.grad, rg.softmax(x, 1), x.sum(), x.sum(0), x.mean(1), rg.exp(x), rg.logsumexp(x, 0)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(r.numpy()).tobytes() for r in results)).digest()


@pytest.mark.every_isa
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_threads(dtype):
    x, w = rg.randn(501, 333, dtype=dtype), rg.randn(333, 129, dtype=dtype)
    y = rg.randint(0, 129, 501)
    found = set()
    for threads in (1, 2, 3, 8):
        rg.set_num_threads(threads)
        found.add(everything(x, w, y))
    assert len(found) == 1
