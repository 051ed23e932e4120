"""Parts of datasets, splits at random, and how samples are put together."""

import collections
import dataclasses

import numpy as np
import pytest
from samples import Counting, Squares, numbered, order

import rgrad as rg
from rgrad.data import DataLoader, Subset, default_collate, random_split


def test_subsets():
    data = numbered(6)
    subset = Subset(data, [5, 1, 1])
    assert len(subset) == 3
    assert subset[0][1].item() == -5
    assert order(DataLoader(subset, batch_size=2)) == [5, 1, 1]
    assert sorted(order(DataLoader(subset, batch_size=2, shuffle=True))) == [1, 1, 5]
    assert order(DataLoader(Subset(subset, np.array([2, 0])), batch_size=2)) == [1, 5]
    ((x, y),) = DataLoader(Subset(Squares(5), [4, 2]), batch_size=2)
    assert x.tolist() == [4, 2]
    assert y.tolist() == [16, 4]
    with pytest.raises(IndexError, match="index 6 at position 1 is out of range for 6"):
        Subset(data, [0, 6])
    with pytest.raises(IndexError, match="index -1"):
        Subset(data, [-1])
    with pytest.raises(TypeError, match="not Counting"):
        Subset(Counting(), [0])


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([7, 3], [7, 3]),
        ([10], [10]),
        ([0, 10], [0, 10]),
        ([0.8, 0.2], [8, 2]),
        ([0.29, 0.71], [3, 7]),
        ([1 / 3, 1 / 3, 1 / 3], [4, 3, 3]),
        ([0.25, 0.25, 0.25, 0.25], [3, 3, 2, 2]),
    ],
)
def test_random_split(lengths, sizes):
    parts = random_split(numbered(10), lengths)
    assert [len(part) for part in parts] == sizes
    assert sorted(i for part in parts for i in order(DataLoader(part, 3))) == list(range(10))


def test_fractions_that_binary_cannot_express_are_meant():
    assert [len(part) for part in random_split(range(100), [0.29, 0.71])] == [29, 71]


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([7, 4], ValueError, "have the sum 11, but there are 10"),
        ([11, -1], ValueError, "must be at least 0, not -1"),
        ([0.5, 0.6], ValueError, "with the sum 1"),
        ([1.5, -0.5], ValueError, "between 0 and 1"),
        ([float("nan"), 1.0], ValueError, "between 0 and 1"),
        ([], ValueError, "have the sum 0"),
        (["a"], TypeError, "must be an integer, not str"),
    ],
)
def test_random_split_refuses(lengths, error, message):
    with pytest.raises(error, match=message):
        random_split(numbered(10), lengths)


# ---- Putting samples together ----


def test_collating_keeps_structure():
    Point = collections.namedtuple("Point", "x y")
    Size = dataclasses.make_dataclass("Size", ["width", "name"], frozen=True)
    batch = default_collate(
        [
            {"p": Point(1.5, np.array([1, 2])), "name": "a", "more": [True, np.float64(1)], "s": Size(1, "c")},
            {"p": Point(2, rg.tensor([3, 4])), "name": "b", "more": [False, np.float64(2)], "s": Size(2, "d")},
        ]
    )
    assert isinstance(batch["p"], Point)
    assert batch["p"].x.tolist() == [1.5, 2]
    assert batch["p"].x.dtype == rg.float32
    assert batch["p"].y.tolist() == [[1, 2], [3, 4]]
    assert batch["name"] == ["a", "b"]
    assert batch["more"][0].dtype == rg.bool
    assert isinstance(batch["s"], Size)
    assert (batch["s"].width.tolist(), batch["s"].name) == ([1, 2], ["c", "d"])
    assert batch["more"][1].dtype == rg.float64


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([], ValueError, "empty batch"),
        ([object(), object()], TypeError, "cannot make a batch of object; give collate_fn"),
        ([1, "a"], TypeError, "sample 0 is of type int, but sample 1 of str"),
        ([(1,), (1, 2)], ValueError, "sample 0 has 1 items, but sample 1 has 2; give collate_fn"),
        ([{"a": 1}, {"b": 1}], ValueError, r"keys \['a'\], but sample 1 has \['b'\]"),
        ([np.zeros(2), np.zeros(3)], ValueError, r"shape \(2,\), but sample 1 has \(3,\); give collate_fn"),
    ],
)
def test_collating_refuses(samples, error, message):
    with pytest.raises(error, match=message):
        default_collate(samples)
