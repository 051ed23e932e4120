"""Data frames and other libraries' tensors: what `rg.tensor` takes, loaders take, rows being rows."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rgrad as rg
from rgrad.data import DataLoader, RandomSampler, Subset, TensorDataset, random_split

pd = pytest.importorskip("pandas")

VALUES = np.arange(12.0).reshape(6, 2)
LABELS = np.arange(6) % 2
# As a frame comes out of a shuffle: position is not label.
INDEX = [3, 1, 5, 0, 2, 4]
FRAME = pd.DataFrame(VALUES, columns=["width", "height"], index=INDEX)
SERIES = pd.Series(LABELS, index=INDEX)


class Lent:
    """Another library's array, which speaks one protocol alone."""

    def __init__(self, array):
        self.array = array

    def __len__(self):
        raise AssertionError("rows are not asked for one by one")


class ByArray(Lent):
    def __array__(self, dtype=None, copy=None):
        return self.array


class ByDLPack(Lent):
    def __dlpack__(self, **keywords):
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


SOURCES = {
    "frame": FRAME,
    "frame of columns of two types": pd.DataFrame({"a": VALUES[:, 0], "b": VALUES[:, 1].astype(int)}, index=INDEX),
    "frame of bools and numbers": pd.DataFrame({"a": VALUES[:, 0], "b": [True, False] * 3}, index=INDEX),
    "__array__": ByArray(VALUES),
    "__dlpack__": ByDLPack(VALUES),
    "series": SERIES,
    "index": pd.Index(LABELS),
    "strided": SERIES[::-1],
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_rows_are_rows_everywhere(source):
    want = rg.tensor(source).tolist()
    assert len(want) == 6
    assert [row for batch in DataLoader(source, 4) for row in batch.tolist()] == want
    assert sorted(row for batch in DataLoader(source, 4, shuffle=True) for row in batch.tolist()) == sorted(want)
    ((x, y),) = DataLoader((source, SERIES), 6)
    assert (x.tolist(), y.tolist()) == (want, LABELS.tolist())
    assert TensorDataset(source)[1][0].tolist() == want[1]
    assert Subset(source, [5, 0])[0].tolist() == want[5]
    assert len(RandomSampler(source)) == 6
    parts = random_split(source, [4, 2], rg.Generator(0))
    assert sorted(part[i].tolist() for part in parts for i in range(len(part))) == sorted(want)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_rows_of_jax_arrays_are_rows():
    """In a process of its own: one in which JAX has started threads must not fork."""
    code = "import jax.numpy, test_frames as t; t.test_rows_are_rows_everywhere(jax.numpy.asarray(t.VALUES))"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=True, timeout=120)


def test_rows_of_frames_train():
    step = rg.compile(lambda x, y: (x.sum() * y.sum()).double())
    assert step.epoch(FRAME, SERIES, batch_size=6).tolist() == [VALUES.sum() * 3]
    assert rg.nn.Linear(2, 1).double()(FRAME).shape == (6, 1)
    assert rg.exp(SERIES.astype("float64")).tolist() == rg.exp(rg.tensor(SERIES.astype("float64"))).tolist()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["a", "b"] * 3, "column 'odd' of the table cannot become a part of a tensor: .*object"),
        ([1, None] * 3, None),
        (pd.array([1, None] * 3, dtype="Int64"), None),
        (pd.Categorical(["a", "b"] * 3), "column 'odd' of the table"),
        (pd.date_range("2020-01-01", periods=6), "column 'odd' of the table .*datetime64"),
        ([{}, []] * 3, "column 'odd' of the table .*object"),
    ],
)
def test_a_column_without_numbers_is_named(column, message):
    frame = pd.DataFrame({"width": VALUES[:, 0], "odd": column, "height": VALUES[:, 1]})
    takers = (rg.tensor, DataLoader, TensorDataset, lambda f: DataLoader((f, SERIES)), lambda f: random_split(f, [6]))
    for take in takers:
        if message is None:
            take(frame)  # a missing number is NaN
        else:
            with pytest.raises(TypeError, match=message):
                take(frame)


def test_two_columns_of_one_name_are_refused():
    frame = pd.DataFrame([[1, "a", 2]], columns=["x", "y", "x"])
    with pytest.raises(TypeError, match="column 'x' of the table is there more than once"):
        rg.tensor(frame)


def test_from_numpy_says_what_takes_other_libraries_arrays():
    with pytest.raises(TypeError, match=r"expected a NumPy array, got pandas\.Series; rg\.tensor\(x\) makes a copy"):
        rg.from_numpy(SERIES)
    with pytest.raises(TypeError, match=r"got \S+ByDLPack; rg\.from_dlpack\(x\) shares its memory"):
        rg.from_numpy(ByDLPack(VALUES))


def test_arrays_in_files_are_read_row_by_row():
    class Stored:
        """As h5py's and zarr's, which read what is asked for."""

        chunks = (1, 2)
        shape = (6, 2)

        def __len__(self):
            return 6

        def __getitem__(self, index):
            assert isinstance(index, int)
            return VALUES[index]

        def __array__(self, dtype=None, copy=None):
            raise AssertionError("read whole")

    assert [x.tolist() for x in DataLoader(Stored(), 3)] == [VALUES[:3].tolist(), VALUES[3:].tolist()]
