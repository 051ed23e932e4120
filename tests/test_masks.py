"""Masked arrays: refused by everything that takes arrays, so that no gap becomes a value."""

import numpy as np
import pytest

import rgrad as rg
from rgrad.data import DataLoader, Subset, TensorDataset, WeightedRandomSampler, default_collate

MASKED = np.ma.array([1.0, -999.0], mask=[False, True], dtype=np.float32)
INTEGERS = np.ma.array([1, 0], mask=[False, True])
X = rg.tensor([1.0, 2.0])

TAKERS = {
    "tensor": rg.tensor,
    "tensor of a dtype": lambda a: rg.tensor(a, dtype=rg.float64),
    "from_numpy": rg.from_numpy,
    "from_dlpack": rg.from_dlpack,
    "list": lambda a: rg.tensor([a, a]),
    "list of a dtype": lambda a: rg.tensor([[a], [a]], dtype=rg.float64),
    "list of its elements": lambda a: rg.tensor(list(a)),
    "list of a number and it": lambda a: rg.tensor([[1, 2], a]),
    "operand": lambda a: X + a,
    "left operand": lambda a: a + X,
    "in place": lambda a: X.clone().add_(a),
    "argument": lambda a: rg.maximum(X, a),
    "function": rg.exp,
    "comparison": lambda a: X.eq(a),
    "copy": lambda a: X.clone().copy_(a),
    "value": lambda a: X.clone().__setitem__(slice(None), a),
    "index": lambda a: X[a.astype(np.int64)],
    "index in a list": lambda a: X[list(a.astype(np.int64))],
    "where": lambda a: rg.where(X > 1, a, X),
    "stack": lambda a: rg.stack([rg.tensor(a)]),
    "module": lambda a: rg.nn.Linear(2, 1)(a),
    "state": lambda a: rg.nn.Linear(1, 2).load_state_dict({"weight": np.ones((2, 1)), "bias": a}),
    "compiled": lambda a: rg.compile(lambda x: x + 1)(a),
    "dataset": TensorDataset,
    "loader": DataLoader,
    "columns": lambda a: DataLoader((X, a)),
    "batch": lambda a: default_collate([a, a]),
    "samples": lambda a: list(DataLoader([a, a], batch_size=2)),
    "weights": lambda a: WeightedRandomSampler(a, 2),
    "positions": lambda a: Subset(X, a.astype(np.int64)),
    "scalar": lambda a: X * a[1],
    "scalar alone": lambda a: rg.tensor(a[1]),
}


@pytest.mark.parametrize("array", [MASKED, INTEGERS], ids=["floats", "integers"])
@pytest.mark.parametrize("take", TAKERS.values(), ids=TAKERS)
def test_masked_arrays_are_refused(take, array):
    with pytest.raises((TypeError, ValueError), match="a tensor has no mask: fill the gaps"):
        take(array)


def test_filled_arrays_and_other_subclasses_are_taken(tmp_path):
    assert rg.tensor(MASKED.filled(0)).tolist() == [1, 0]
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=2)
    assert (rg.from_numpy(mapped) + mapped).tolist() == [0, 0]
