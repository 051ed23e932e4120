"""Tables in every form that users have, from `rgrad train` to `rgrad predict`: right answers, or a line of advice."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import rgrad as rg
from rgrad._cli import csv as table_of_text, main, run
from rgrad._cli.dialect import Dialect, sniff

DATA = Path(__file__).resolve().parent / "data"
# Each table: how it is written, how the command line is called, and what it says of the file.
TABLES = {
    "semicolons.csv": (Dialect("utf-8-sig", ";", ","), "", "separated by semicolons; decimal commas"),
    "tabs.tsv": (Dialect("utf-8-sig", "\t", "."), "", "separated by tabs"),
    "quoted.csv": (Dialect("utf-8-sig", ",", "."), "", "the target is 'tree'"),
    "bom.csv": (Dialect("utf-8-sig", ",", "."), "--target tree", ""),
    "latin1.csv": (Dialect("cp1252", ",", "."), "", "encoding cp1252; the target is 'espèce'"),
    "index.csv": (Dialect("utf-8-sig", ",", "."), "", "column 1, without a name, numbers the rows and is left out"),
    "target_first.csv": (Dialect("utf-8-sig", ",", "."), "--target species", ""),
    "categories.csv": (
        Dialect("utf-8-sig", ",", "."),
        "",
        "column 1 (fuel) has 3 categories (diesel, electric, petrol)",
    ),
    "missing.csv": (Dialect("utf-8-sig", ",", "."), "", "column 1 (width) misses 15 values, which become the median"),
    "numeric_header.csv": (Dialect("utf-8-sig", ",", "."), "", "line 1 is the header, though it has numbers"),
    "quantity.csv": (Dialect("utf-8-sig", ",", "."), "", "a regression, as 'score' has 62 different integers"),
    "many_classes.csv": (Dialect("utf-8-sig", ",", "."), "--task classification", "the target is 'cell'"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder; drawing takes longer than training on small data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RGRAD_NUM_THREADS", raising=False)
    monkeypatch.setattr(run, "_draw", lambda *_: [])
    return tmp_path


def cli(line):
    return main(line.split())


def rows_of(path, dialect):
    with path.open(encoding=dialect.encoding, newline="") as file:
        return list(csv.reader(file, delimiter=dialect.separator))


def predicted(path, capsys, options=""):
    """What `predict` writes for a file, as rows, and what it says on stderr."""
    assert cli(f"predict out/model.safetensors {path} {options}") == 0
    out, err = capsys.readouterr()
    return list(csv.reader(out.splitlines())), err


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_learned_and_predicted(folder, capsys, name):
    dialect, options, said = TABLES[name]
    assert sniff(DATA / name) == dialect
    assert cli(f"train {DATA / name} {options} --out out --log-every 10 --patience 3") == 0
    out, err = capsys.readouterr()
    assert said in out
    assert err == ""
    table = rows_of(DATA / name, dialect)
    metrics = json.loads((folder / "out/metrics.json").read_text(encoding="utf-8"))
    target = table[0].index(metrics["data"]["target"])
    truth = [row[target] for row in table[1:]]
    # The columns in another order, and without the one to predict.
    order = [i for i in reversed(range(len(table[0]))) if i != target]
    with (folder / f"new{Path(name).suffix}").open("w", encoding=dialect.encoding, newline="") as file:
        csv.writer(file, delimiter=dialect.separator).writerows([row[i] for i in order] for row in table)
    (head, *found), _ = predicted(f"new{Path(name).suffix}", capsys)
    assert head == [metrics["data"]["target"]]
    assert len(found) == len(truth)
    known = [i for i, value in enumerate(truth) if value]
    if metrics["data"]["task"] == "classification":
        right = np.mean([found[i][0] == truth[i] for i in known])
        assert right > 0.95
    else:
        values = [np.array([float(rows[i][0]) for i in known]) for rows in (found, [[value] for value in truth])]
        assert rg.train.r2(*values) > 0.98


def test_many_integers_are_said_to_be_a_regression(capsys):
    assert cli(f"train {DATA / 'many_classes.csv'} --epochs 1 --out out") == 0
    expected = "a regression, as 'cell' has 38 different integers (else add --task classification)"
    assert expected in capsys.readouterr().out


def write(name, text, encoding="utf-8"):
    Path(name).write_bytes(text.encode(encoding))


LINES = "".join(f"{i % 7},{i % 5},{'ab'[i % 2]}\n" for i in range(40))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,v,y\n" + "".join(f"2024-01-{i:02},{i},{i % 2}\n" for i in range(1, 29)),
         "column 1 (day) holds dates, such as '2024-01-01', which cannot be learned from; leave it out with --drop"),
        ("note,v,y\n" + "".join(f"the {i}th of them,{i},{i % 2}\n" for i in range(30)),
         "column 1 (note) holds free text, 30 different values such as 'the 0th of them'; leave it out"),
        ("v,y\n" + "".join(f"{i},name {i}\n" for i in range(60)),
         "the target 'y' has 60 different values in 60 rows, which are no classes; name another column"),
        ("u,v,y\n" + "".join(f"1,2,{'ab'[i % 2]}\n" for i in range(30)), "no column is left to predict 'y' from"),
        ("v,y\n1,?\n2,NA\n3,\n", "the target 'y' has no values"),
        ("v,y\n" + "".join(f"{i},{i % 2}\n" for i in range(30)) + "x,1\n",
         "line 32, column 1 (v): 'x' is not a number"),
    ],
    ids=["dates", "free text", "names", "constant", "no target", "a word among numbers"],
)  # fmt: skip
def test_what_cannot_be_learned_is_refused_by_the_name_of_the_column(capsys, text, message):
    write("bad.csv", text)
    assert cli("train bad.csv") == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"rgrad: error: bad.csv{', ' if message.startswith('line') else ': '}{message}" in err
    assert os.listdir() == ["bad.csv"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--target z", "argument --target: 'z' is neither a column nor a number from 1 to 3; there are u, v, y"),
        ("--drop 9", "argument --drop: '9' is neither a column"),
        ("--drop y", "argument --drop: 'y' is the column to predict; name another with --target"),
        ("--features u,y", "argument --features: 'y' is the column to predict"),
        ("--model linear", "argument --model: 'y' has classes; use softmax or mlp"),
        ("--target u --task regression --model softmax", "argument --model: 'u' has no classes, but values"),
        ("--task regression", "line 2, column 3 (y): 'a' is not a number, as a regression's target must be"),
        ("--folds 90", "40 rows are too few for 90 folds"),
        ("--validation-fraction 0.001", "rows are too few to validate with 0%; add --validation-fraction 0"),
    ],
)
def test_options_that_do_not_fit_the_table(capsys, options, message):
    write("rows.csv", "u,v,y\n" + LINES)
    assert cli(f"train rows.csv --quiet {options}") == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("a b c\n1 2.5 x\n3  4 y\n", Dialect("utf-8-sig", " ", ".")),
        ("a|b\n1|2\n", Dialect("utf-8-sig", "|", ".")),
        ("a;b\n1,5;2.5\n", Dialect("utf-8-sig", ";", ".")),
        ("a;b\n1;text, with a comma\n", Dialect("utf-8-sig", ";", ".")),
        ('"a;b",c\n"1;2",3\n', Dialect("utf-8-sig", ",", ".")),
    ],
)
def test_separators(text, dialect):
    write("odd.txt", text)
    assert sniff(Path("odd.txt")) == dialect


def test_numbers_are_read_in_blocks_as_cell_by_cell(monkeypatch):
    """Blocks that are plain, have a missing cell, or quotes that go on in the next one."""
    rng = np.random.default_rng(0)
    rows = [
        [f"{value:.17g}" for value in row] for row in rng.normal(size=(50, 3)) * 10.0 ** rng.integers(-9, 9, (50, 3))
    ]
    for i, cell in ((12, "NA"), (22, '"1\n"'), (33, " 5 ")):
        rows[i][1] = cell
    write("rows.csv", "u,v,w\n" + "\n".join(map(",".join, rows)) + "\n\n")
    expected = [[float(cell.strip('"\n').replace("NA", "nan")) for cell in row] for row in rows]
    for size in (1, 7, 10, 8192):
        monkeypatch.setattr(table_of_text, "BLOCK_ROWS", size)
        table = table_of_text.TextTable(Path("rows.csv"))
        blocks = list(table.blocks({"w": "number", "u": "number", "v": "number"}))
        found = np.concatenate([np.stack([block[name] for name in "uvw"], 1) for block, _ in blocks])
        assert np.array_equal(found, expected, equal_nan=True)
        lines = [line for _, lines in blocks for line in lines]
        assert (lines[:13], lines[-1]) == ([*range(2, 15)], 52)
    write("rows.csv", "u,v\n" + "1,2\n" * 20 + "1,2,3\n")
    with pytest.raises(ValueError, match=r"rows\.csv, line 22: 3 columns, but the first line has 2"):
        list(table_of_text.TextTable(Path("rows.csv")).blocks({"u": "number"}))


def test_utf_16_with_its_mark_is_read(capsys):
    write("rows.csv", "u,v,y\n" + LINES, "utf-16")
    assert cli("train rows.csv --epochs 1 --out out") == 0
    assert "encoding utf-16" in capsys.readouterr().out


def test_a_header_may_be_asked_for(folder, capsys):
    write("rows.csv", LINES)
    for option, features in (("no", ["column 1", "column 2"]), ("yes", ["0", "0"])):
        code = cli(f"train rows.csv --header {option} --epochs 1 --quiet --out out")
        if option == "yes":
            assert code == 2
            assert "two columns are called '0'; rename one" in capsys.readouterr().err
            continue
        columns = json.loads((folder / "out/metrics.json").read_text(encoding="utf-8"))["data"]["columns"]
        assert [column["name"] for column in columns] == features


# ----- using a model -----


@pytest.fixture
def trained(capsys):
    """A model of the table with missing values, in out."""
    assert cli(f"train {DATA / 'missing.csv'} --out out --quiet --epochs 20") == 0
    capsys.readouterr()


def test_probabilities_are_those_of_the_classes(trained, capsys):
    rows, _ = predicted(DATA / "missing.csv", capsys, "--proba")
    assert rows[0] == ["tree", "birch", "maple", "oak"]
    shares = np.array([row[1:] for row in rows[1:]], float)
    assert np.allclose(shares.sum(1), 1, atol=1e-5)
    assert [row[0] for row in rows[1:]] == [rows[0][1:][i] for i in shares.argmax(1)]
    assert cli(f"predict out/model.safetensors {DATA / 'missing.csv'} --proba --out new.csv") == 0
    assert list(csv.reader(Path("new.csv").read_text(encoding="utf-8").splitlines())) == rows


def test_missing_extra_and_unknown_are_named(trained, capsys):
    write("new.csv", "soil,extra,width,height\nwet,1,2.0,9.1\nmoon,1,?,5\n")
    rows, err = predicted("new.csv", capsys)
    assert len(rows) == 3
    assert "new.csv: not used: the column 'extra'\n" in err
    assert "new.csv: column 'soil': 1 cells hold categories not trained with ('moon')\n" in err
    write("new.csv", "soil,width\nwet,2.0\n")
    assert cli("predict out/model.safetensors new.csv") == 2
    assert "new.csv lacks the column 'height', which the model needs" in capsys.readouterr().err
    write("new.csv", "width,height,soil\nwide,2.0,wet\n")
    assert cli("predict out/model.safetensors new.csv --out there.csv") == 2
    assert "new.csv, line 2, column 1 (width): 'wide' is not a number" in capsys.readouterr().err
    assert not Path("there.csv").exists()


def test_columns_without_names_are_taken_in_order(trained, capsys):
    write("new.csv", "1.9,9.2,wet\n8.1,5.0,dry\n")
    rows, err = predicted("new.csv", capsys)
    assert rows == [["tree"], ["birch"], ["oak"]]
    assert "columns are taken in the model's order, as they have no names" in err


def test_evaluate_agrees_with_predict(trained, capsys):
    rows, _ = predicted(DATA / "missing.csv", capsys)
    truth = [row[3] for row in rows_of(DATA / "missing.csv", TABLES["missing.csv"][0])[1:]]
    wrong = np.mean([row[0] != value for row, value in zip(rows[1:], truth, strict=True) if value])
    assert cli(f"evaluate out/model.safetensors {DATA / 'missing.csv'}") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"146 rows (4 without a target left out): error {100 * wrong:.2f} %, loss ")
    write("new.csv", "width,height,soil,tree\n1,2,wet,palm\n")
    assert cli("evaluate out/model.safetensors new.csv") == 2
    assert "new.csv: 'palm' is none of the classes birch, maple, oak" in capsys.readouterr().err
    write("new.csv", "width,height,soil\n1,2,wet\n")
    assert cli("evaluate out/model.safetensors new.csv") == 2
    assert "new.csv has no column 'tree' to compare predictions with" in capsys.readouterr().err


def test_show_says_what_a_model_is(trained, capsys):
    assert cli("show out/model.safetensors") == 0
    out = capsys.readouterr().out
    assert "out/model.safetensors: a classification of 'tree'\nclasses: birch, maple, oak\n" in out
    assert "  soil: one of dry, wet\n" in out


def test_images_are_predicted_from_arrays(capsys):
    x = np.zeros((60, 4, 5), np.uint8)
    x[::2, :, :2] = 200
    np.savez("images.npz", x=x, y=np.where(np.arange(60) % 2, "right", "left"))
    assert cli("train images.npz --out out --quiet --epochs 20") == 0
    np.save("new.npy", x[:5])
    rows, _ = predicted("new.npy", capsys)
    assert rows == [["y"], ["left"], ["right"], ["left"], ["right"], ["left"]]
    assert cli("evaluate out/model.safetensors images.npz") == 0
    assert "60 rows: error 0.00 %" in capsys.readouterr().out
    np.save("new.npy", x[:5, :3])
    assert cli("predict out/model.safetensors new.npy") == 2
    assert "the model takes images (4, 5)" in capsys.readouterr().err


def test_a_matrix_in_an_npy_file(capsys):
    x = np.random.default_rng(0).normal(size=(80, 3))
    x[:, 2] = x[:, 0] - x[:, 1]
    np.save("matrix.npy", x)
    assert cli("train matrix.npy --model linear --out out --quiet --lr 0.05") == 0
    np.save("new.npy", x[:4, :2])
    rows, _ = predicted("new.npy", capsys)
    assert np.allclose([float(row[0]) for row in rows[1:]], x[:4, 2], atol=0.1)


def test_without_pyarrow_a_parquet_file_says_what_to_install(capsys, monkeypatch):
    write("rows.parquet", "none of it")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert cli("train rows.parquet") == 2
    expected = "rows.parquet: Parquet files are read by pandas and pyarrow: pip install 'rgrad[tables]'"
    assert expected in capsys.readouterr().err


def test_a_parquet_file(capsys):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    kinds, ages = ["a", "b", "c"] * 40, [None if i == 7 else i % 9 for i in range(120)]
    frame = pd.DataFrame(
        {"kind": pd.Categorical(kinds), "age": pd.array(ages, "Int64"), "good": [k != "b" for k in kinds]}
    )
    frame.to_parquet("rows.parquet")
    assert cli("train rows.parquet --out out --quiet --epochs 30") == 0
    rows, _ = predicted("rows.parquet", capsys)
    assert [row[0] for row in rows[1:]] == ["false" if kind == "b" else "true" for kind in kinds]
    write("bad.parquet", "none of it")
    assert cli("train bad.parquet") == 2
    assert "bad.parquet is not a Parquet file" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["weights", "metadata", "text"])
def test_what_is_no_model_is_refused(trained, capsys, content):
    if content == "weights":
        rg.save({"weight": rg.zeros(2)}, "bad.safetensors")
    elif content == "metadata":
        damaged = Path("out/model.safetensors").read_bytes().replace(b"architecture", b"architectura")
        Path("bad.safetensors").write_bytes(damaged)
    else:
        write("bad.safetensors", "nothing of the kind")
    assert cli("show bad.safetensors") == 2
    err = capsys.readouterr().err
    assert err.startswith("rgrad: error: bad.safetensors ")
    assert err.count("\n") == 1


def test_folds_give_an_error_of_each_and_their_mean(folder, capsys):
    # Also in a folder that has the results of another run.
    assert cli(f"train {DATA / 'bom.csv'} --epochs 1 --quiet --out out") == 0
    assert cli(f"train {DATA / 'bom.csv'} --folds 3 --epochs 5 --out out") == 0
    out = capsys.readouterr().out
    assert [line[:11] for line in out.splitlines() if line.startswith("fold")] == [f"fold {i} of 3" for i in (1, 2, 3)]
    folds = json.loads((folder / "out/metrics.json").read_text(encoding="utf-8"))["folds"]
    mean = np.mean([fold["error"] for fold in folds])
    assert f"mean of 3 folds: loss {np.mean([fold['loss'] for fold in folds]):.4f}, error {mean:.2f} %" in out


# ----- resuming -----


def outcome(out):
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    rows = [{**row, "seconds": 0} for row in metrics["epochs"]]
    weights = {name: value.numpy().tobytes() for name, value in rg.load(out / "model.safetensors").items()}
    return rows, weights, metrics["test"]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", ["SIGKILL", "SIGINT"])
def test_a_run_that_was_ended_and_resumed_gives_the_bits_of_one_that_was_not(folder, number):
    options = f"train {DATA / 'categories.csv'} --epochs 400 --patience 400 --log-every 4 --quiet --out"
    assert cli(f"{options} whole") == 0
    code = "import sys; from rgrad._cli import main; sys.exit(main())"
    for _ in range(2):
        more = ["train", "--resume", "cut", "--quiet"] if Path("cut").exists() else [*options.split(), "cut"]
        state = folder / "cut/state.safetensors"
        before = state.stat().st_mtime_ns if state.exists() else 0
        with subprocess.Popen([sys.executable, "-c", code, *more], stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
                time.sleep(0.002)
            process.send_signal(getattr(signal, number))
    done = len(json.loads((folder / "cut/metrics.json").read_text(encoding="utf-8"))["epochs"])
    assert 0 < done < 101
    assert cli("train --resume cut --quiet") == 0
    assert outcome(folder / "cut") == outcome(folder / "whole")


def test_what_a_run_is_resumed_with(folder, capsys):
    write("rows.csv", "u,v,y\n" + LINES)
    assert cli("train rows.csv --epochs 3 --hidden 5 --quiet --out out") == 0
    assert cli("train --resume out --epochs 5") == 0
    assert "mlp 2-5-2" in capsys.readouterr().out
    assert cli("train rows.csv --epochs 5 --hidden 5 --quiet --out whole") == 0
    assert outcome(folder / "out") == outcome(folder / "whole")
    assert cli("train --resume out --lr 1") == 2
    assert "argument --lr: --resume goes on with the settings of out; leave it out" in capsys.readouterr().err
    write("rows.csv", "u,v,y\n" + LINES + "1,1,a\n")
    assert cli("train --resume out") == 2
    assert "rows.csv is not the file that the run in out was started with" in capsys.readouterr().err
