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
if importlib.util.find_spec("polars"):
    import polars

    SOURCES["polars frame"] = polars.DataFrame(VALUES, schema=["width", "height"])
    SOURCES["polars series"] = polars.Series(LABELS)
if importlib.util.find_spec("pyarrow"):
    import pyarrow

    SOURCES["pyarrow table"] = pyarrow.table({"width": VALUES[:, 0], "height": VALUES[:, 1]})
    SOURCES["pyarrow column"] = pyarrow.chunked_array([LABELS[:2], LABELS[2:]])


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


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_compiled_functions_take_what_tensors_are_made_of(source):
    calls = []

    @rg.compile
    def step(x, nested):
        calls.append(None)
        return x.double() * 2 + nested["y"]

    want = (rg.tensor(source).double() * 2 + 1).tolist()
    for _ in range(3):
        assert step(source, {"y": np.float64(1)}).tolist() == want
    assert len(calls) == 1
    doubled = rg.compile(lambda x, y: x.double().sum() + y.sum())
    assert doubled.epoch(source, SERIES, batch_size=6).tolist() == [rg.tensor(source).double().sum().item() + 3]


def test_float64_of_arrays_and_frames_becomes_the_default_dtype(tmp_path):
    step = rg.compile(lambda x, y: x.sum())
    file = np.memmap(tmp_path / "x", dtype=np.float64, shape=(6, 2), mode="w+")
    for source in (VALUES, VALUES[:, ::-1], file, FRAME, ByDLPack(VALUES)):
        assert step.epoch(source, LABELS, batch_size=3).dtype == rg.float32
        x, y = next(iter(DataLoader((source, SERIES), 4, shuffle=True)))
        assert (x.dtype, y.dtype) == (rg.float32, rg.int64)
        assert TensorDataset(source)[0][0].dtype == rg.float32
    assert isinstance(TensorDataset(file).tensors[0], np.memmap)  # of which nothing was read
    kept = rg.tensor(VALUES)
    assert step.epoch(kept, LABELS, batch_size=3).dtype == next(iter(DataLoader(kept, 4))).dtype == rg.float64
    rg.set_default_dtype("float64")
    try:
        assert next(iter(DataLoader(VALUES, 4))).dtype == rg.float64
    finally:
        rg.set_default_dtype("float32")


def test_masked_arrays_are_refused_everywhere():
    masked = np.ma.masked_array(VALUES, mask=VALUES > 5)
    model, step = rg.nn.Linear(2, 2), rg.compile(lambda x: x.sum())
    takers = (
        rg.tensor,
        TensorDataset,
        DataLoader,
        lambda m: DataLoader((m, LABELS)),
        lambda m: random_split(m, [6]),
        model,
        rg.compile(model),
        step,
        lambda m: step.epoch(m, batch_size=3),
        lambda m: step.steps([(m,)]),
        lambda m: rg.nn.MSELoss()(rg.zeros(6, 2), m),
        lambda m: rg.zeros(6, 2) + m,
        lambda m: rg.train.predict(model, m),
    )
    for take in takers:
        with pytest.raises(TypeError, match="a tensor has no mask"):
            take(masked)


def test_modules_and_losses_take_lists():
    model = rg.nn.Sequential(rg.nn.Linear(2, 2), rg.nn.ReLU())
    assert model(VALUES.tolist()).tolist() == model(rg.tensor(VALUES.tolist())).tolist()
    logits = rg.zeros(6, 2)
    assert (
        rg.nn.CrossEntropyLoss()(logits, LABELS.tolist()).item() == rg.cross_entropy(logits, rg.tensor(LABELS)).item()
    )
    assert rg.exp((0.0, 0.0)).tolist() == [1.0, 1.0]
    with pytest.raises(TypeError, match="unsupported operand"):
        logits + [1.0, 2.0]  # noqa: RUF005


def test_pandas_leaves_operators_to_tensors():
    x = rg.ones(6, requires_grad=True)
    for result in (SERIES + x, x + SERIES, SERIES * x, FRAME["width"] - x, FRAME + rg.ones(2)):
        assert isinstance(result, rg.Tensor)
    assert (SERIES + x).tolist() == (LABELS + 1.0).tolist()
    assert rg.stack([FRAME["width"], x.detach()]).shape == rg.cat([FRAME, rg.zeros(6, 2)], 1).T[:2].shape
