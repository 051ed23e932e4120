"""Mini-batches: every row once, rows of all tensors together, orders that repeat."""

import itertools

import numpy as np
import pytest
from samples import Counting, Squares, numbered, order

import rgrad as rg
from rgrad.data import (
    BatchSampler,
    DataLoader,
    Sampler,
    SequentialSampler,
    Subset,
    TensorDataset,
)


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
        ((np.zeros(3), {1, 2, 3}), TypeError, "argument 1 is set"),
        ((np.zeros(2), [[1], [2, 3]]), ValueError, "argument 1: tensor: the nested lists do not form an array"),
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


@pytest.mark.parametrize("keywords", [{}, {"shuffle": True}, {"sampler": range(6)}, {"batch_sampler": [[0, 1, 2]]}])
@pytest.mark.parametrize(
    "wrap", [lambda x: x, TensorDataset, lambda x: Subset(x, range(6)), list], ids=["bare", "dataset", "subset", "list"]
)
def test_what_a_loop_does_to_its_batch_is_not_done_to_the_data(wrap, keywords):
    x = rg.arange(12.0).reshape(6, 2)
    for batch in DataLoader(wrap(x), **({"batch_size": 3} if "batch_sampler" not in keywords else {}), **keywords):
        rows = batch[0] if isinstance(batch, tuple) else batch
        rows /= 10
    assert x.tolist() == rg.arange(12.0).reshape(6, 2).tolist()


def test_samples_are_views_as_rows_of_tensors_are():
    x = rg.zeros(3, 2)
    TensorDataset(x)[1][0].fill_(5)
    assert x.tolist() == [[0, 0], [5, 5], [0, 0]]


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


# ---- What DataLoader takes ----


@pytest.mark.parametrize("make", [rg.tensor, np.asarray])
def test_rows_of_one_tensor_or_array_come_without_a_tuple(make):
    x = make([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    batches = list(DataLoader(x, batch_size=2))
    assert [batch.tolist() for batch in batches] == [[[1, 2], [3, 4]], [[5, 6]]]
    (batch,) = DataLoader(x, batch_size=3, shuffle=True)
    assert sorted(batch.tolist()) == np.asarray(x).tolist()


def test_tuples_of_arrays_are_columns():
    ((x, y),) = DataLoader((np.eye(3), rg.tensor([5, 6, 7])), batch_size=3)
    assert x.tolist() == np.eye(3).tolist()
    assert y.tolist() == [5, 6, 7]
    with pytest.raises(ValueError, match="tensor 0 has 3 and tensor 1 has 4"):
        DataLoader((np.zeros(3), np.zeros(4)))
    ((x, y),) = DataLoader((np.zeros(3), [1, 2, 3]), batch_size=3)
    assert (y.tolist(), y.dtype) == ([1, 2, 3], rg.int64)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0, dtype=">f4").reshape(4, 3),
        np.arange(12).reshape(4, 3)[::-1],
        np.broadcast_to(np.arange(3.0), (4, 3)),
        np.lib.stride_tricks.as_strided(np.arange(12.0), (4, 3), (24, 8), writeable=False),
    ],
    ids=["other byte order", "negative strides", "broadcast", "read-only"],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_arrays_that_tensors_cannot_share_are_read_batch_by_batch(array, shuffle):
    rows = [row for batch in DataLoader(array, 3, shuffle) for row in batch.tolist()]
    assert sorted(rows) == sorted(array.tolist())
    assert TensorDataset(array)[1][0].tolist() == array[1].tolist()


def test_arrays_of_no_dtype_are_refused_at_once():
    with pytest.raises(TypeError, match="complex64"):
        DataLoader(np.zeros(3, np.complex64))
    with pytest.raises(TypeError, match="object"):
        TensorDataset(np.array([{}, []], dtype=object))


@pytest.mark.parametrize("dtype", ["<f4", ">f4"], ids=["shared", "converted"])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_of_a_memory_map_only_the_rows_of_a_batch_are_read(tmp_path, mode, dtype):
    """The file has a hole of 256 GB in it: whatever reads or copies it whole fails."""
    path, rows = tmp_path / "data", 2**26
    with path.open("wb") as file:
        file.truncate(rows * 4096)
    written = np.memmap(path, dtype, "r+", shape=(rows, 1024))
    written[[0, 1, rows - 1], 5] = [10, 11, 12]
    mapped = np.memmap(path, dtype, mode, shape=(rows, 1024))
    labels = np.broadcast_to(np.int64(3), rows)
    first, y = next(iter(DataLoader((mapped, labels), batch_size=2)))
    assert first[:, 5].tolist() == [10, 11]
    assert y.tolist() == [3, 3]
    (batch,) = DataLoader(mapped, batch_size=4, sampler=[rows - 1, 7, 1, 0])
    assert batch.shape == (4, 1024)
    assert batch[:, 5].tolist() == [12, 0, 11, 10]
    assert batch[:, 6].tolist() == [0, 0, 0, 0]


def test_map_style_datasets():
    batches = list(DataLoader(Squares(5), batch_size=2))
    assert [(x.tolist(), y.tolist()) for x, y in batches] == [([0, 1], [0, 1]), ([2, 3], [4, 9]), ([4], [16])]
    assert batches[0][0].dtype == rg.float32
    assert batches[0][1].dtype == rg.int64
    shuffled = [y for _, batch in DataLoader(Squares(20), 3, shuffle=True) for y in batch.tolist()]
    assert sorted(shuffled) == [i**2 for i in range(20)]
    assert shuffled != sorted(shuffled)


def test_a_list_holds_samples():
    (batch,) = DataLoader([([1.0, 2.0], 3), ([4.0, 5.0], 6)], batch_size=2)
    ((a, b), c) = batch
    assert a.tolist() == [1, 4]
    assert b.tolist() == [2, 5]
    assert c.tolist() == [3, 6]


def test_derived_datasets_may_change_their_samples():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            (x,) = super().__getitem__(index)
            return 2 * x

    assert [x.tolist() for x in DataLoader(Doubled(rg.arange(3)), batch_size=2)] == [[0, 2], [4]]
    assert [x.tolist() for x in DataLoader(Subset(Doubled(rg.arange(3)), [2]), batch_size=2)] == [[4]]


def test_iterables_are_batched_as_they_come():
    loader = DataLoader(Counting(), batch_size=2)
    for _ in range(2):
        assert [x.tolist() for x in loader] == [[0, 1], [2, 3], [4]]
    assert [x.tolist() for x in DataLoader(Counting(), 2, drop_last=True)] == [[0, 1], [2, 3]]
    with pytest.raises(TypeError, match="len"):
        len(loader)
    assert len(DataLoader({3, 4, 5}, batch_size=2)) == 2


def test_generators_are_read_no_further_than_needed():
    taken = []

    def endless():
        for i in itertools.count():
            taken.append(i)
            yield [float(i)], i

    batches = iter(DataLoader(endless(), batch_size=3))
    ((x,), y) = next(batches)
    assert x.tolist() == y.tolist() == [0, 1, 2]
    assert taken == [0, 1, 2]


def test_a_generator_that_is_used_up_is_an_error_and_not_an_epoch_without_batches():
    loader = DataLoader((i for i in range(3)), batch_size=2)
    assert len(list(loader)) == 2
    with pytest.raises(RuntimeError, match="generator of this DataLoader was used up"):
        iter(loader)


@pytest.mark.parametrize("keywords", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_iterables_cannot_be_reordered(keywords):
    with pytest.raises(ValueError, match="comes in its own order; make a list of it first"):
        DataLoader(Counting(), **keywords)


@pytest.mark.parametrize("dataset", [5, None, "text", {"x": np.zeros(3)}, TensorDataset])
def test_loader_refuses_what_holds_no_samples(dataset):
    with pytest.raises(TypeError, match=f"not {type(dataset).__name__}"):
        DataLoader(dataset)


def test_gradients_flow_through_batches():
    x = rg.arange(6.0, requires_grad=True)
    for loader in (DataLoader(x, 4, shuffle=True), DataLoader(list(x), 4)):
        x.grad = None
        sum((batch**2).sum() for batch in loader).backward()
        assert x.grad.tolist() == [0, 2, 4, 6, 8, 10]


# ---- Options ----


def test_collate_fn_gets_the_samples():
    loader = DataLoader(numbered(5), batch_size=2, collate_fn=lambda batch: [y.item() for _, y in batch])
    assert list(loader) == [[0, -1], [-2, -3], [-4]]
    assert list(DataLoader(Counting(), 2, collate_fn=sum)) == [1, 5, 4]
    with pytest.raises(TypeError, match="collate_fn must be a function"):
        DataLoader(numbered(5), collate_fn=3)


def test_own_samplers_and_batch_samplers():
    class Backwards(Sampler):
        def __iter__(self):
            return iter(range(4, -1, -1))

        def __len__(self):
            return 5

    class Evens(SequentialSampler):
        def __iter__(self):
            return iter(range(0, 5, 2))

    data = numbered(5)
    loader = DataLoader(data, 2, sampler=Backwards())
    assert order(loader) == [4, 3, 2, 1, 0]
    assert len(loader) == 3
    assert order(DataLoader(data, 2, sampler=Evens(data))) == [0, 2, 4]
    assert order(DataLoader(data, 2, sampler=[np.int64(3), 0, 0])) == [3, 0, 0]
    batches = DataLoader(data, batch_sampler=[[4, 0], [], [1]])
    assert [y.tolist() for _, y in batches] == [[-4, 0], [], [-1]]
    assert len(batches) == 3
    grouped = DataLoader(data, batch_sampler=BatchSampler(SequentialSampler(data), 2, True))
    assert [y.tolist() for _, y in grouped] == [[0, -1], [-2, -3]]
    with pytest.raises(IndexError, match="5"):
        list(DataLoader(data, sampler=[5]))
    with pytest.raises(IndexError, match="row 6 is out of range for 5"):
        list(DataLoader(data, 7, sampler=SequentialSampler(numbered(7))))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"sampler": [0], "shuffle": True}, "either shuffle or sampler"),
        ({"sampler": [0], "generator": rg.Generator()}, "give the generator to it"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler decides alone"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler decides alone"),
        ({"batch_sampler": [[0]], "sampler": [0]}, "batch_sampler decides alone"),
        ({"batch_sampler": [[0]], "drop_last": True}, "batch_sampler decides alone"),
    ],
)
def test_options_that_exclude_each_other(keywords, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(numbered(4), **keywords)
