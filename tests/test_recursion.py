"""Structures that hold themselves, or lie in each other without end: whatever takes them apart refuses them."""

import dataclasses

import numpy as np
import pytest

import rgrad as rg
from rgrad.data import DataLoader, TensorDataset, default_collate


@dataclasses.dataclass
class Node:
    next: object


def endless_list():
    items = []
    items.append(items)
    return items


def endless_dict():
    items = {}
    items["x"] = items
    return items


def endless_tuple():
    items = []
    pair = (items,)
    items.append(pair)
    return pair


def endless_node():
    node = Node(None)
    node.next = node
    return node


def deep(wrap):
    def make(depth=100_000):
        item = 1.0
        for _ in range(depth):
            item = wrap(item)
        return item

    return make


STRUCTURES = {
    "list in itself": endless_list,
    "dict in itself": endless_dict,
    "tuple in itself": endless_tuple,
    "dataclass in itself": endless_node,
    "deep list": deep(lambda item: [item]),
    "deep tuple": deep(lambda item: (item,)),
    "deep dict": deep(lambda item: {"x": item}),
    "deep dataclass": deep(Node),
}

X = rg.ones(2)


def stacked(x):
    return rg.tensor([1.0, 2.0])[x]


TAKERS = {
    "tensor": rg.tensor,
    "tensor of a dtype": lambda s: rg.tensor([1.0, s], dtype=rg.float64),
    "np.concatenate": lambda s: np.concatenate([X, s]),
    "np.stack": lambda s: np.stack(s if isinstance(s, list) else [X, s]),
    "index": lambda s: X[s],
    "index of several": lambda s: X[s, 0],
    "value": lambda s: X.clone().__setitem__(0, s),
    "operand": lambda s: rg.add(X, s),
    "stack": rg.stack,
    "cat": lambda s: rg.cat([X, s]),
    "zeros": rg.zeros,
    "reshape": lambda s: X.reshape(s),
    "sum": lambda s: X.sum(s),
    "tensordot": lambda s: rg.tensordot(X, X, s),
    "split": lambda s: X.split(s),
    "einsum": lambda s: rg.einsum("i,i->", X, s),
    "compiled": lambda s: rg.compile(lambda x: 1)(s),
    "compiled result": lambda s: rg.compile(lambda x: (x * 2, s))(X),
    "step": lambda s: rg.compile(lambda x: s).steps([X]),
    "grad": lambda s: rg.grad(lambda x: X.sum())(s),
    "jvp": lambda s: rg.jvp(lambda x: X, (s,), (s,)),
    "vjp": lambda s: rg.vjp(lambda x: x, s),
    "checkpoint": lambda s: rg.autograd.checkpoint(lambda x: X + x, s),
    "gradients": lambda s: rg.autograd.grad(X, s),
    "default_collate": lambda s: default_collate([s, s]),
    "TensorDataset": TensorDataset,
    "DataLoader": lambda s: list(DataLoader([s, s], 2)),
    "columns": lambda s: DataLoader((X, s)),
    "save": lambda s: rg.save(s, "/nowhere/x"),
    "save an entry": lambda s: rg.save({"x": s}, "/nowhere/x"),
    "module state": lambda s: rg.nn.Linear(1, 1).load_state_dict(s),
    "entry of a state": lambda s: rg.nn.Linear(1, 1).load_state_dict({"weight": s, "bias": s}),
    "optimizer": lambda s: rg.optim.SGD(s, lr=0.1),
    "optimizer state": lambda s: rg.optim.SGD([X], lr=0.1).load_state_dict({"state": {0: s}, "param_groups": s}),
    "clip": lambda s: rg.nn.utils.clip_grad_norm_(s, 1.0),
    "gradcheck": lambda s: rg.testing.gradcheck(lambda x: X, s),
}


@pytest.mark.parametrize("make", STRUCTURES.values(), ids=STRUCTURES)
@pytest.mark.parametrize("take", TAKERS.values(), ids=TAKERS)
def test_what_never_ends_is_refused(take, make):
    with pytest.raises((RecursionError, ValueError, TypeError, IndexError)):
        take(make())
