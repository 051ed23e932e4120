"""Mini-batches: every row once, rows of all tensors together, orders that repeat."""

import numpy as np
import pytest

import rgrad as rg
from rgrad.data import DataLoader, TensorDataset


def numbered(rows):
    """A dataset in which row i is ([i, i, i], -i)."""
    x = np.repeat(np.arange(rows, dtype=np.float32)[:, None], 3, axis=1)
    return TensorDataset(x, -np.arange(rows))


def order(loader):
    """The row numbers in the order in which the loader gives them."""
    return [int(-label) for _, labels in loader for label in labels.tolist()]


def test_dataset_gives_samples_of_tensors_and_arrays():
    dataset = TensorDataset(rg.tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([7, 8]))
    x, y = dataset[1]
    assert len(dataset) == 2
    assert x.tolist() == [3.0, 4.0]
    assert y.tolist() == 8


def test_dataset_does_not_copy_arrays():
    x = np.zeros((4, 2), np.float32)
    dataset = TensorDataset(x)
    x[2] = 5
    assert dataset[2][0].tolist() == [5.0, 5.0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), ValueError, "at least one tensor"),
        ((np.zeros((3, 2)), np.zeros(4)), ValueError, "tensor 0 has 3 and tensor 1 has 4"),
        ((np.zeros(3), [1, 2, 3]), TypeError, "argument 1 is list"),
        ((rg.tensor(3.0),), ValueError, "tensor 0 has no dimension"),
    ],
)
def test_dataset_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        TensorDataset(*arguments)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    ("rows", "batch_size", "drop_last", "sizes"),
    [
        (10, 3, False, [3, 3, 3, 1]),
        (10, 3, True, [3, 3, 3]),
        (9, 3, False, [3, 3, 3]),
        (9, 3, True, [3, 3, 3]),
        (2, 5, False, [2]),
        (2, 10**20, False, [2]),
        (2, 5, True, []),
        (1, 1, False, [1]),
        (0, 4, False, []),
    ],
)
def test_batch_sizes(rows, batch_size, drop_last, sizes, shuffle):
    loader = DataLoader(numbered(rows), batch_size, shuffle, drop_last=drop_last)
    assert len(loader) == len(sizes)
    assert [x.shape[0] for x, _ in loader] == sizes


def test_batches_in_file_order_are_views():
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    loader = DataLoader(TensorDataset(x), batch_size=4)
    assert [batch.tolist() for (batch,) in loader] == [x[:4].tolist(), x[4:].tolist()]
    assert all(np.shares_memory(batch.numpy(), x) for (batch,) in loader)


def test_shuffle_gives_every_row_once_and_keeps_samples_together():
    rows = []
    for x, y in DataLoader(numbered(101), batch_size=10, shuffle=True):
        assert x.tolist() == [[-label] * 3 for label in y.tolist()]
        rows += y.tolist()
    assert rows != sorted(rows, reverse=True)
    assert sorted(rows) == list(range(-100, 1))


def test_every_iteration_has_another_order():
    loader = DataLoader(numbered(50), batch_size=7, shuffle=True)
    assert order(loader) != order(loader)


def test_shuffle_keeps_types_and_shapes():
    images = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
    ((batch,),) = DataLoader(TensorDataset(images), batch_size=5, shuffle=True)
    assert batch.dtype == rg.uint8
    assert sorted(batch.tolist()) == images.tolist()


def test_one_seed_gives_one_sequence_of_orders():
    def orders(generator):
        loader = DataLoader(numbered(50), batch_size=7, shuffle=True, generator=generator)
        return [order(loader), order(loader)]

    assert orders(rg.Generator().manual_seed(3)) == orders(rg.Generator().manual_seed(3))
    assert orders(rg.Generator().manual_seed(3)) != orders(rg.Generator().manual_seed(4))
    rg.manual_seed(5)
    first = orders(None)
    rg.manual_seed(5)
    assert orders(None) == first


def test_the_order_is_drawn_by_iter():
    first, second = (DataLoader(numbered(50), shuffle=True, generator=rg.Generator().manual_seed(3)) for _ in range(2))
    in_turn = order(first), order(first)
    begun = iter(second), iter(second)
    assert in_turn == (order(begun[0]), order(begun[1]))


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, not 0"),
        ({"batch_size": -3}, ValueError, "not -3"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an integer, not float"),
        ({"batch_size": None}, TypeError, "not NoneType"),
        ({"generator": 5}, TypeError, "generator must be"),
    ],
)
def test_loader_refuses(keywords, error, message):
    with pytest.raises(error, match=message):
        DataLoader(numbered(4), **keywords)


def test_loader_refuses_bare_tensors():
    with pytest.raises(TypeError, match="takes a TensorDataset, not ndarray"):
        DataLoader(np.zeros((3, 2)))
