"""Layers and losses."""

import numpy as np
import pytest

import rgrad as rg
from rgrad import nn
from rgrad.testing import gradcheck


def test_linear_is_the_formula(rng):
    layer = nn.Linear(4, 3)
    x = rng.standard_normal((5, 4)).astype(np.float32)
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(rg.tensor(x)).detach().numpy(), x @ w.T + b, rtol=1e-5, atol=1e-6)
    assert nn.Linear(4, 3, bias=False).bias is None
    assert nn.Linear(4, 3, dtype="float64").weight.dtype == rg.float64
    with pytest.raises(ValueError, match="Linear: in_features must be at least 1, not 0"):
        nn.Linear(0, 3)
    with pytest.raises(ValueError, match=r"\(2, 5\)"):
        layer(rg.zeros(2, 5))


def test_gradients_of_a_network(rng):
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 3)).to("float64")
    x, y = rg.tensor(rng.standard_normal((6, 3))), rg.tensor(rng.integers(0, 3, 6))
    names = [n for n, _ in model.named_parameters()]

    def loss(*values: rg.Tensor) -> rg.Tensor:
        w = dict(zip(names, values, strict=True))
        h = rg.tanh(rg.linear(x, w["0.weight"], w["0.bias"]))
        h = rg.sigmoid(rg.linear(h, w["2.weight"], w["2.bias"]))
        return rg.cross_entropy(rg.linear(h, w["4.weight"], w["4.bias"]), y)

    assert gradcheck(loss, list(model.parameters()))
    nn.CrossEntropyLoss()(model(x), y).backward()
    gradients = rg.autograd.grad(loss(*model.parameters()), list(model.parameters()))
    for p, g in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), g.numpy())


def test_dropout():
    drop = nn.Dropout(0.25)
    y = drop(rg.ones(100_000)).numpy()
    kept = y != 0
    assert abs(kept.mean() - 0.75) < 5 * (0.75 * 0.25 / 100_000) ** 0.5
    np.testing.assert_array_equal(y[kept], np.float32(1 / 0.75))
    assert (drop.eval()(rg.ones(10)).numpy() == 1).all()
    assert (nn.Dropout(1.0)(rg.ones(10)).numpy() == 0).all()
    x = rg.ones(1000, requires_grad=True)
    y = nn.Dropout(0.5)(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    with pytest.raises(ValueError, match=r"-0\.1"):
        nn.Dropout(-0.1)


def test_dropout_draws_from_its_generator():
    drop = nn.Dropout(generator=rg.Generator(3))
    before = rg.get_rng_state()
    y = rg.compile(drop)(rg.ones(50))
    assert rg.get_rng_state() == before
    assert y.tolist() == rg.dropout(rg.ones(50), generator=rg.Generator(3)).tolist()


def test_losses_are_the_functions(rng):
    x, y = rg.tensor(rng.standard_normal((4, 3))), rg.tensor([0, 2, 1, 1])
    for reduction in ("mean", "sum", "none"):
        a, b = nn.CrossEntropyLoss(reduction=reduction)(x, y), rg.cross_entropy(x, y, reduction=reduction)
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert nn.MSELoss()(rg.tensor([1.0, 2.0]), rg.tensor([0.0, 0.0])).item() == 2.5
    assert abs(nn.BCEWithLogitsLoss()(rg.tensor([0.0]), rg.tensor([1.0])).item() - np.log(2)) < 1e-6
    with pytest.raises(ValueError, match="'avg'"):
        nn.MSELoss("avg")


def test_embedding_chooses_rows(rng):
    layer = nn.Embedding(5, 3)
    index = rng.integers(0, 5, (2, 4))
    w = layer.weight.detach().numpy()
    y = layer(rg.tensor(index))
    np.testing.assert_array_equal(y.detach().numpy(), w[index])
    y.sum().backward()
    np.testing.assert_array_equal(
        layer.weight.grad.numpy(), np.bincount(index.ravel(), minlength=5)[:, None] * np.ones(3)
    )
    assert layer(rg.tensor(2)).shape == (3,)
    assert layer(rg.zeros(0, 7, dtype="int32")).shape == (0, 7, 3)
    np.testing.assert_array_equal(layer(rg.tensor([4], dtype="uint8")).detach().numpy(), w[[4]])
    np.testing.assert_array_equal(layer(index.T).detach().numpy(), w[index.T])
    assert repr(nn.Embedding(5, 3, padding_idx=-1)) == "Embedding(5, 3, padding_idx=4)"


def test_the_padding_row_gets_no_gradient():
    layer = nn.Embedding(4, 2, padding_idx=1)
    assert layer.weight[1].tolist() == [0.0, 0.0]
    assert (layer.weight[rg.tensor([0, 2, 3])] != 0).numpy().all()
    with rg.no_grad():
        layer.weight[1] = 7.0
    y = layer(rg.tensor([[1, 0], [3, 1]]))
    assert y[0, 0].tolist() == [7.0, 7.0]
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]


def test_embedding_refuses_what_is_no_row():
    layer = nn.Embedding(4, 2)
    for bad in (-1, 4):
        with pytest.raises(IndexError, match=f"{bad} is not one of the rows 0 to 3"):
            layer(rg.tensor([0, bad]))
    with pytest.raises(TypeError, match="float32"):
        layer(rg.tensor([1.0]))
    with pytest.raises(TypeError, match="bool"):
        layer(rg.tensor([True, False, True, False]))
    with pytest.raises(ValueError, match="from -4 to 3, got 4"):
        nn.Embedding(4, 2, padding_idx=4)
    with pytest.raises(ValueError, match="Embedding: num_embeddings must be at least 1, not 0"):
        nn.Embedding(0, 2)


def test_pretrained_embeddings():
    table = rg.tensor([[1.0, 2.0], [3.0, 4.0]], dtype="float64")
    layer = nn.Embedding.from_pretrained(table)
    assert layer(rg.tensor([1])).tolist() == [[3.0, 4.0]]
    assert not layer.weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
    with pytest.raises(ValueError, match=r"\(2,\)"):
        nn.Embedding.from_pretrained(rg.zeros(2))


def test_flatten_unflatten_and_identity():
    x = rg.randn(2, 3, 4, 5)
    assert nn.Identity(54, unused=True)(x) is x
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(1, 2)(x).shape == (2, 12, 5)
    y = nn.Unflatten(-1, (2, 2))(rg.arange(8).reshape(2, 4))
    assert y.tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert nn.Unflatten(1, (-1, 2))(rg.zeros(3, 8, 2)).shape == (3, 4, 2, 2)
    assert nn.Unflatten(0, [0, 2])(rg.zeros(0, 3)).shape == (0, 2, 3)
    for sizes in ((3, 2), (-1, 3), (-1, -1), (), (-1, 0), (-2, -4)):
        with pytest.raises(ValueError, match=r"\(2, 8\)"):
            nn.Unflatten(1, sizes)(rg.zeros(2, 8))
    with pytest.raises(IndexError, match="from -2 to 1"):
        nn.Unflatten(2, (1,))(rg.zeros(2, 8))
    assert repr(nn.Unflatten(1, (2, 4))) == "Unflatten(dim=1, unflattened_size=(2, 4))"
    assert repr(nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)"


def test_the_table_of_an_embedding_must_be_a_tensor():
    with pytest.raises(TypeError, match=r"embedding: expected a tensor .* got list"):
        rg.nn.functional.embedding(rg.tensor([0]), [[1.0]])


def test_sizes_and_probabilities_of_the_wrong_type_are_named():
    with pytest.raises(TypeError, match="Linear: out_features must be an integer, not float"):
        nn.Linear(2, 1.5)
    assert nn.Linear(np.int64(2), 1).weight.shape == (1, 2)
    with pytest.raises(TypeError, match="Dropout: expected a probability from 0 to 1, got str"):
        nn.Dropout("a")
    assert nn.Dropout(np.float32(0.5)).p == 0.5
