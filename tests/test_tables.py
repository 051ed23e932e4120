"""A user's CSV and NPZ files: what is read from them, and where exactly bad ones are bad."""

import numpy as np
import pytest

from rgrad._tables import read_table

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2


@pytest.fixture
def read(tmp_path):
    """Write a file from text, bytes or arrays, and read it as a dataset."""

    def read(name, content, test_fraction=0.2, seed=0):
        path = tmp_path / name
        if isinstance(content, dict):
            np.savez(path, **content)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8", newline="")
        return read_table(path, test_fraction, seed)

    return read


def csv(rows, labels, header="", end="\n"):
    """The text of a CSV file in which row i is i, -i and a label."""
    return header + "".join(f"{i},{-i},{labels[i % len(labels)]}{end}" for i in range(rows))


# ----- CSV -----


def test_csv_with_a_header_and_names(read):
    data = read("points.csv", "\ufeff" + csv(20, "ba", "width, height,kind\n") + "\n")
    assert (data.name, data.feature_names, data.class_names) == ("points", ("width", "height"), ("a", "b"))
    assert (tuple(data.train_x.shape), tuple(data.test_x.shape)) == ((16, 2), (4, 2))
    # Row i is (i, -i), of class b if i is even.
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        assert [[i, -i] for i, _ in x.tolist()] == x.tolist()
        assert [int(i % 2 == 0) for i, _ in x.tolist()] == y.tolist()


def test_csv_with_integers_and_no_header(read):
    data = read("points.csv", csv(30, (20, -1, "3.0"), end="\r\n"), test_fraction=0.5)
    assert (data.feature_names, data.class_names) == (("column 1", "column 2"), ("-1", "3", "20"))
    assert np.bincount(data.train_y.numpy()).tolist() == np.bincount(data.test_y.numpy()).tolist() == [5, 5, 5]


def test_csv_with_integers_that_floats_would_round(read):
    labels = (2**53, 2**53 + 1, 10**30, -1)
    data = read("ids.csv", csv(40, labels))
    assert data.class_names == tuple(map(str, sorted(labels)))


def test_csv_with_quotes_and_spaces(read):
    data = read("points.csv", '"a ""b"", c",kind\n' + '"1", "x, y"\n 2 ,z\n'.replace(', "x, y"', ',"x, y"') * 5)
    assert (data.feature_names, data.class_names) == (('a "b", c',), ("x, y", "z"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,a\n3,x,b\n", ", line 2, column 2: 'x' is not a number"),
        ("1,x,a\n3,4,b\n", ", line 1, column 2: 'x' is not a number"),
        ("u,v,kind\n1,2,a\n\n3,,b\n", ", line 4, column 2 (v): the value is missing"),
        ("1,2,a\n3,nan,b\n", ", line 2, column 2: the value is not a finite float32"),
        ("1,2,a\n-inf,2,b\n", ", line 2, column 1: the value is not a finite float32"),
        ("1,2,a\n3,1e39,b\n", ", line 2, column 2: the value is not a finite float32"),
        ("1,2,a\n3,4\n", ", line 2: 2 columns, but the first line has 3"),
        ("1,2,a\n3,4,b,5\n", ", line 2: 4 columns, but the first line has 3"),
        ("1,2,a\n3,4,\n", ", line 2, column 3: the label is missing"),
        ("1,2,0\n3,4,1.5\n", ", line 2: label '1.5' is not an integer"),
        ("1,2,0\n3,4,nan\n", ", line 2: label 'nan' is not an integer"),
        ("1,2,0\n3,4,b\n", ", line 2: label 'b' is not an integer"),
        ("1,2,a\n3,4,a\n", ": all labels are 'a'; there must be at least two classes"),
        ("1,2,a\n3,4,b\n", ": 2 rows are too few to test with 20% of each class"),
        ("1;2;a\n3;4;b\n", ", line 1: only one column; is it separated by commas?"),
        ('1,2,a\n3,"4,b\n', ", line 2: unexpected end of data"),
        ("u,v,kind\n", " holds no rows"),
        ("", " holds no rows"),
        (b"1,2,\xff\n", " is not a text file in UTF-8"),
    ],
)
def test_csv_errors_name_the_place(read, text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below, as text
        read("bad.csv", text)
    assert f"bad.csv{message}" in str(caught.value)


# ----- NPZ -----


@pytest.mark.parametrize("names", ["xy", "Xy"])
def test_npz_with_one_pair_of_arrays(read, names):
    data = read("points.npz", {names[0]: X, names[1]: np.array(["no", "yes"])[Y]})
    assert (data.name, data.feature_names, data.class_names) == ("points", ("column 1", "column 2"), ("no", "yes"))
    assert sorted(data.train_x.tolist() + data.test_x.tolist()) == X.tolist()
    assert [(x / 2) % 2 for x, _ in data.train_x.tolist()] == data.train_y.tolist()


@pytest.mark.parametrize("pattern", ["{1}_{0}", "{0}_{1}"])
def test_npz_with_images_and_a_test_set(read, pattern):
    parts = {"train": (np.full((9, 4, 5), 200, np.uint8), np.arange(9) % 3.0), "test": (np.zeros((2, 4, 5)), [2, 1])}
    arrays = {pattern.format(k, part): v for part, xy in parts.items() for k, v in zip("xy", xy, strict=True)}
    data = read("images.npz", arrays)
    assert (data.image_shape, data.feature_names, data.class_names) == ((4, 5), (), ("0", "1", "2"))
    assert data.train_x.tolist() == [[1.0] * 20] * 9
    assert data.test_y.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": X, "y": Y}, " needs arrays x and y, or train_x, train_y, test_x and test_y; it has a, y"),
        ({"x": X, "y": Y[:5]}, ": x has 20 rows, but y has 5"),
        ({"x": X[:0], "y": Y[:0]}, ": x is empty"),
        ({"x": X[:, :0], "y": Y}, ": x is empty"),
        ({"x": X[:, 0], "y": Y}, ": x must hold numbers"),
        ({"x": X.astype(str), "y": Y}, ": x must hold numbers"),
        ({"x": np.where(X == 9, np.nan, X), "y": Y}, ": x has a value that is not a finite float32 in row 4"),
        ({"x": X * 1e38, "y": Y}, ": x has a value that is not a finite float32 in row 2"),
        ({"x": X, "y": np.where(Y == 1, np.nan, 0)}, ": y has nan in row 1"),
        ({"x": X, "y": Y + 0.5}, ": y has 0.5 in row 0"),
        ({"x": X, "y": Y[:, None]}, ": y must hold one integer or name per sample"),
        ({"x": X, "y": Y * 0 + 7}, ": all labels are '7'"),
        ({"x": X.astype(object), "y": Y}, " is not an NPZ file of plain arrays"),
        ({"train_x": X, "train_y": Y, "test_x": X[:, :1], "test_y": Y}, ": samples are (2,) in train_x, but (1,)"),
        (b"not a zip file", " is not an NPZ file of plain arrays"),
        (b"PK\3\4 neither is this", " is not an NPZ file of plain arrays"),
        (b"", " is not an NPZ file of plain arrays"),
    ],
)
def test_npz_errors(read, arrays, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below, as text
        read("bad.npz", arrays)
    assert f"bad.npz{message}" in str(caught.value)


def test_npz_with_one_bare_array_is_refused(tmp_path):
    with (tmp_path / "bad.npz").open("wb") as file:
        np.save(file, X)
    with pytest.raises(ValueError, match=r"bad\.npz is not an NPZ file"):
        read_table(tmp_path / "bad.npz", 0.2, 0)


# ----- the test set -----


def test_the_draw_depends_on_the_seed_alone(read):
    def tested(seed):
        return read("points.npz", {"x": X, "y": Y}, seed=seed).test_x.tolist()

    assert tested(1) == tested(1)
    assert tested(1) != tested(2)


def test_the_draw_takes_the_same_share_of_each_class(read):
    labels = np.repeat([0, 1, 2], [100, 20, 1])
    data = read("points.npz", {"x": labels[:, None].astype(float), "y": labels}, test_fraction=0.25)
    assert np.bincount(data.test_y.numpy()).tolist() == [25, 5]
    assert np.bincount(data.train_y.numpy()).tolist() == [75, 15, 1]


def test_a_missing_file(tmp_path):
    for name in ("missing.csv", "missing.npz"):
        with pytest.raises(FileNotFoundError):
            read_table(tmp_path / name, 0.2, 0)
