"""Training parts of models: frozen ones, and pretraining before fine-tuning."""

from collections import OrderedDict

import numpy as np

import rgrad as rg
from rgrad import nn


def test_a_frozen_part_gets_no_gradient_and_stays(rng):
    x, y = rg.tensor(rng.standard_normal((30, 4)).astype(np.float32)), rg.tensor(rng.integers(0, 3, 30))
    body = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
    model = nn.Sequential(body, nn.Linear(8, 3))
    body.requires_grad_(False)
    before = {k: v.tolist() for k, v in body.state_dict().items()}
    optimizer = rg.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is None for p in body.parameters())
    assert {k: v.tolist() for k, v in body.state_dict().items()} == before
    assert losses[-1] < 0.9 * losses[0]


def train(model: nn.Module, x: rg.Tensor, y: rg.Tensor, steps: int) -> float:
    optimizer = rg.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
        optimizer.step()
    return loss.item()


def test_pretraining_and_fine_tuning():
    """A body trained to tell five digits apart serves five others, with a new head that alone is trained first."""
    data = rg.datasets.digits()
    low, high = data.train_y.numpy() < 5, data.train_y.numpy() >= 5
    x, y = data.train_x.numpy(), data.train_y.numpy()
    old_x, old_y = rg.tensor(x[low][:300]), rg.tensor(y[low][:300])
    new_x, new_y = rg.tensor(x[high][:300]), rg.tensor(y[high][:300] - 5)

    def model() -> nn.Sequential:
        return nn.Sequential(OrderedDict(body=nn.Sequential(nn.Linear(64, 32), nn.ReLU()), head=nn.Linear(32, 5)))

    pretrained = model()
    train(pretrained, old_x, old_y, 100)
    tuned = model()
    body = {k: v for k, v in pretrained.state_dict().items() if k.startswith("body.")}
    found = tuned.load_state_dict(body, strict=False)
    assert found.missing_keys == ["head.weight", "head.bias"]
    tuned.body.requires_grad_(False)
    head_only = train(tuned, new_x, new_y, 50)
    np.testing.assert_array_equal(tuned.body[0].weight.numpy(), pretrained.body[0].weight.detach().numpy())
    tuned.body.requires_grad_(True)
    assert train(tuned, new_x, new_y, 50) < 0.5 * head_only
    assert (tuned.body[0].weight != pretrained.body[0].weight).numpy().any()
