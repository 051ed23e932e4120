"""A user's CSV and NPZ files: what is read from them, and where exactly bad ones are bad."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import rgrad as rg
from rgrad._cli.inputs import Pixels
from rgrad._cli.loading import load

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2
IMAGES = X.reshape(10, 2, 2)


class Data:
    """What a file was read as, in the numbers of the file."""

    def __init__(self, samples):
        inputs, target = samples.inputs, samples.target
        self.name, self.target, self.class_names = samples.name, target, target.classes
        self.train_y, self.test_y = samples.train.y, samples.test.y
        if isinstance(inputs, Pixels):
            self.feature_names, self.image_shape = (), inputs.shape
            self.train_x, self.test_x = samples.train.x, samples.test.x
        else:
            self.feature_names, self.image_shape = tuple(column.name for column in inputs.columns), None
            self.train_x, self.test_x = (self.raw(inputs, part.x) for part in (samples.train, samples.test))

    def raw(self, inputs, x):
        mean, std = (np.array([getattr(column, what) for column in inputs.columns]) for what in ("mean", "std"))
        return rg.tensor(np.round(x.numpy() * std + mean, 3))


@pytest.fixture
def read_with_decisions(tmp_path):
    """Write a file from text, bytes or arrays, and read it as samples, with what was decided about it."""

    def read(name, content, test_fraction=0.2, seed=0, **more):
        path = tmp_path / name
        if isinstance(content, dict):
            np.savez(path, **content)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8", newline="")
        loaded = load(path, test=test_fraction, validation=0, seed=seed, **more)
        return Data(loaded.samples), loaded.decisions

    return read


@pytest.fixture
def read(read_with_decisions):
    return lambda *args, **keywords: read_with_decisions(*args, **keywords)[0]


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


ROWS = "".join(f"{i % 7 + 0.5},{i * i % 11},{{labels[{i % 4}]}}\n" for i in range(20))
NAMES, NUMBERS = ROWS.format(labels="abab"), ROWS.format(labels="0101")


@pytest.mark.parametrize(
    ("header", "rows", "features"),
    [
        ("2019,2020,label", NAMES, ("2019", "2020")),
        ("2019,2020,label", NUMBERS, ("2019", "2020")),
        ("400.5,total,label", NUMBERS, ("400.5", "total")),
        ("0,1,label", NAMES, ("0", "1")),
        ("0,1,2", NAMES, ("0", "1")),
        ("1,2,3", NUMBERS, ("1", "2")),
    ],
)
def test_csv_with_a_header_of_numbers(read_with_decisions, header, rows, features):
    data, decisions = read_with_decisions("years.csv", f"\n{header}\n{rows}")
    assert data.feature_names == features
    assert (len(data.train_y) + len(data.test_y), len(data.class_names)) == (20, 2)
    assert "line 2 is the header, though it has numbers" in decisions


@pytest.mark.parametrize(
    "first",
    ["0.5,1,a", "0,1,a", "1,2,0", "3,4,5", "0.5,2,c", "1,1,c"],
    ids=["known name", "known name above counted columns", "known integer", "integers", "halves", "twice the same"],
)
def test_csv_with_a_first_row_like_the_others_has_no_header(read_with_decisions, first):
    rows = NAMES if first[-1].isalpha() else NUMBERS
    data, decisions = read_with_decisions("rows.csv", f"{first}\n{rows}")
    assert data.feature_names == ("column 1", "column 2")
    assert len(data.train_y) + len(data.test_y) == 21
    assert "no header" in decisions


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("header", ["width,height,kind", "2019,2020,label", "0,1,2"])
@pytest.mark.parametrize("order", [range(20), range(1, 21), [*range(0, 20, 2), *range(1, 20, 2)]])
def test_the_index_of_a_saved_frame_is_no_feature(read_with_decisions, name, header, order):
    rows = [f"{i},{row}\n" for i, row in zip(order, NAMES.splitlines(), strict=True)]
    data, decisions = read_with_decisions("frame.csv", f"{name},{header}\n{''.join(rows)}")
    assert data.feature_names == tuple(header.split(",")[:-1])
    assert data.train_x.shape[1] == 2
    assert "column 1, without a name, numbers the rows and is left out" in decisions


def test_a_first_column_that_numbers_nothing_is_a_feature(read):
    for header in ("rank,width,kind", ",width,kind"):
        repeated = [f"{i // 2},{i % 3},{'ab'[i % 2]}\n" for i in range(20)]
        assert read("points.csv", f"{header}\n{''.join(repeated)}").train_x.shape[1] == 2
    named = [f"{i},{i % 3},{'ab'[i % 2]}\n" for i in range(20)]
    assert read("points.csv", f"rank,width,kind\n{''.join(named)}").feature_names == ("rank", "width")


@pytest.mark.parametrize("name", ["ages.csv", "ages.npz"])
def test_many_integers_are_a_quantity_unless_it_is_said_otherwise(read_with_decisions, name):
    ages = np.repeat(np.arange(20, 58), 3)
    x = np.arange(2.0 * len(ages)).reshape(-1, 2)
    rows = "".join(f"{a},{b},{age}\n" for (a, b), age in zip(x, ages, strict=True))
    content = {"x": x, "y": ages} if name.endswith("npz") else rows
    data, decisions = read_with_decisions(name, content)
    assert data.class_names == ()
    assert any("has 38 different integers (else add --task classification)" in line for line in decisions)
    values = np.concatenate([data.train_y.numpy(), data.test_y.numpy()]) * data.target.std + data.target.mean
    assert sorted(np.round(values[:, 0])) == ages.tolist()
    assert len(read_with_decisions(name, content, task="classification")[0].class_names) == 38
    few, _ = read_with_decisions(name, {"x": x, "y": ages % 2} if name.endswith("npz") else rows, task="regression")
    assert few.class_names == ()


def test_many_names_are_classes(read):
    assert len(read("points.csv", csv(90, [f"kind {i}" for i in range(30)])).class_names) == 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,a\n3,x,b\n", ", line 2, column 2: 'x' is not a number"),
        ("1,x,a\n3,4,b\n", ", line 1, column 2: 'x' is not a number"),
        ("1,2,a\n-inf,2,b\n", ", line 2, column 1: the value is not a finite float32"),
        ("1,2,a\n3,1e39,b\n", ", line 2, column 2: the value is not a finite float32"),
        ("1,2,a\n3,4\n", ", line 2: 2 columns, but the first line has 3"),
        ("1,2,a\n3,4,b,5\n", ", line 2: 4 columns, but the first line has 3"),
        ("1,2,a\n3,4,\n", ": all labels are 'a'; there must be at least two classes"),
        ("1,2,\n3,4,\n", ": the target 'column 3' has no values"),
        ("a,b,c\n1,2,1.5\n3,4,1.5\n", ": all values of the target 'c' are 1.5"),
        ("1,2,a\n3,4,a\n", ": all labels are 'a'; there must be at least two classes"),
        ("1,2,a\n3,4,b\n", ": 2 rows are too few to test with 20% of each class"),
        ("1\n2\n", ", line 1: only one column; is it separated by commas?"),
        ('1,2,a\n3,"4,b\n', ", line 2: unexpected end of data"),
        ("u,v,kind\n", " holds no rows"),
        ("", " holds no rows"),
        (b"1,2,\xff\x01\n", " is not a text file in UTF-8, UTF-16 or Latin-1"),
        ("a,b,a\n1,2,x\n", ", line 1: two columns are called 'a'; rename one"),
        ("1,2,a\n3,4,b\n".encode("utf-16-le"), ", line 1: it has a NUL character; is the file saved as UTF-16?"),
        ("x" * 200_000 + ",2,a\n", ", line 1: field larger than field limit"),
        # No message is as long as the file.
        (f"1,2,{'a' * 999}\n3,4,{'a' * 999}\n", f": all labels are '{'a' * 80}…'; there"),
        (f"1,2,a\n3,{'x' * 999},b\n", f", line 2, column 2: '{'x' * 80}…' is not a number"),
        (f"u,{'v' * 999},kind\n1,1,a\n2,x,b\n", f", line 3, column 2 ({'v' * 80}…): 'x' is not a number"),
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
        (
            {"a\n\x1b": X, "y": Y},
            r" needs arrays x and y, or train_x, train_y, test_x and test_y; it has 'a\n\x1b', y",
        ),
        ({"x": X, "y": Y[:5]}, ": x has 20 rows, but y has 5"),
        ({"x": X[:0], "y": Y[:0]}, ": x is empty"),
        ({"x": X[:, :0], "y": Y}, ": x is empty"),
        ({"x": X[:, 0], "y": Y}, ": x must hold numbers"),
        ({"x": X.astype(str), "y": Y}, ": x must hold numbers"),
        ({"x": np.where(X == 9, np.nan, X), "y": Y}, ": x has a value that is not a finite float32 in row 4"),
        ({"x": X * 1e38, "y": Y}, ": x has a value that is not a finite float32 in row 2"),
        ({"x": X, "y": np.where(Y == 1, np.nan, 0)}, ": y has nan in row 1"),
        ({"x": X, "y": Y[:, None]}, ": y must hold one number or name per sample"),
        ({"x": X, "y": Y * 0 + 7}, ": all labels are '7'"),
        ({"x": X.astype(object), "y": Y}, " is not an NPZ file of plain arrays"),
        ({"train_x": X, "train_y": Y, "test_x": X[:, :1], "test_y": Y}, ": samples are (2,) in train_x, but (1,)"),
        (
            {"train_x": IMAGES * 1e-39, "train_y": Y[:10], "test_x": IMAGES * 1e3, "test_y": Y[:10]},
            ": the largest number to train with is",
        ),
        (b"not a zip file", " is not an NPZ file of plain arrays"),
        (b"PK\3\4 neither is this", " is not an NPZ file of plain arrays"),
        (b"", " is not an NPZ file of plain arrays"),
    ],
)
def test_npz_errors(read, arrays, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below, as text
        read("bad.npz", arrays)
    assert f"bad.npz{message}" in str(caught.value)


def test_images_may_be_nothing_as_float32(read):
    data = read("small.npz", {"train_x": IMAGES * 1e-320, "train_y": Y[:10], "test_x": IMAGES, "test_y": Y[:10]})
    assert data.train_x.max().item() == 0
    assert data.test_x.max().item() == IMAGES.max()


def member(header, data=b""):
    """The bytes of an NPY file with this text as its header."""
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode("latin1") + data


def archive(path, content, method=zipfile.ZIP_DEFLATED):
    """An NPZ file with this member, and labels that fit the other tests."""
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("x.npy", content)
        file.writestr("y.npy", npy(Y))


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': {}}}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no array", "the magic string is not correct"),
        (member("'<f8'"), "Header is not a dictionary"),
        (member("{'descr': '<f8', "), "x"),
        (member("((((" * 500), "x"),
        (member("-" * 9000 + "1"), "x"),
        (
            member(HEADER.format("<f8", (10**9, 10**9))),
            "the header says (1000000000, 1000000000) of float64, and 0 bytes",
        ),
        (member(HEADER.format("<f8", (-1, 2)), bytes(16)), "the header says (-1, 2) of float64, and 16 bytes"),
        (member(HEADER.format("|O", (2,)), bytes(16)), "x has elements of object"),
        (member(HEADER.format("<M8[s]", (2,)), bytes(16)), "x has elements of datetime64[s]"),
        (member(HEADER.format("|V0", (2,))), "x has elements of |V0"),
        (
            member("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,)}\n", bytes(16)),
            "x has elements of [",
        ),
        (npy(X)[:-3], "the header says (20, 2) of float64, and 317 bytes follow"),
        (npy(X) + b"\0", "the header says (20, 2) of float64, and 321 bytes follow"),
        (b"\x93NUMPY\3\0", "version (3, 0) of the format is for elements that are no numbers"),
    ],
)
def test_npz_with_a_damaged_member(tmp_path, content, message):
    archive(tmp_path / "bad.npz", content)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below, as text
        load(tmp_path / "bad.npz")
    assert "bad.npz" in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_npz_cut_off_or_changed_anywhere(tmp_path):
    path = tmp_path / "bad.npz"
    np.savez_compressed(path, x=X, y=Y)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place])
        with pytest.raises(ValueError, match=r"bad\.npz"):
            load(path)
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            load(path)
        except ValueError as error:
            assert "bad.npz" in str(error)  # noqa: PT017 - many changes do no harm, such as one of a date


@pytest.mark.parametrize("letter", [0x110000, 0xFFFFFFFF, 0xD800])
def test_npz_with_names_that_are_no_text(tmp_path, letter):
    y = np.array([0x61, letter] * 10, np.uint32).view("U1")
    np.savez(tmp_path / "bad.npz", x=X, y=y)
    with pytest.raises(
        ValueError, match=r"bad\.npz is not an NPZ file of plain arrays: y: its names are not in Unicode"
    ):
        load(tmp_path / "bad.npz")


def test_npz_packed_as_numpy_packs_none(tmp_path):
    archive(tmp_path / "bad.npz", npy(X), method=zipfile.ZIP_LZMA)
    with pytest.raises(ValueError, match="packed by method 14, and NumPy stores or deflates"):
        load(tmp_path / "bad.npz")


def test_npz_in_column_major_and_other_byte_orders(read):
    x = np.asfortranarray(X.astype(">f8"))
    data = read("points.npz", {"x": x, "y": Y.astype(">i2")})
    assert sorted(data.train_x.tolist() + data.test_x.tolist()) == X.tolist()


def test_an_npz_bomb_is_refused_before_it_is_unpacked(tmp_path):
    """A gigabyte of zeros that take some megabytes, with a header that describes them."""
    path, size = tmp_path / "bomb.npz", 1 << 30
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("x.npy", "w") as held:
            held.write(member(HEADER.format("|u1", (size // 64, 64))))
            for _ in range(64):
                held.write(bytes(size // 64))
        file.writestr("y.npy", npy(Y))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"bomb\.npz, array x: \d+ bytes unpack to 1073741824"):
        load(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_npz_with_one_bare_array_is_refused(tmp_path):
    with (tmp_path / "bad.npz").open("wb") as file:
        np.save(file, X)
    with pytest.raises(ValueError, match=r"bad\.npz is not an NPZ file"):
        load(tmp_path / "bad.npz")


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
            load(tmp_path / name)


def test_csv_errors_escape_names_that_cannot_be_printed(read):
    with pytest.raises(ValueError, match=r"line 4, column 2 \(b\\nc\\x1b\): 'x' is not a number"):
        read("odd.csv", 'a,"b\nc\x1b",label\n1,2,u\n2,x,v\n')
