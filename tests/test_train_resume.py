"""Checkpoints of `rgrad.train`: a run that is killed and resumed ends with the bits of one that was not."""

import os
import signal
import subprocess
import sys
import time

import pytest

import rgrad as rg
from rgrad import train

# Everything with a state at once: dropout, batch norm, a scheduler of each batch, a generator, early stopping.
RUN = """
import sys
import rgrad as rg
from rgrad import train

def run(path, epochs, seed=0, **more):
    rg.manual_seed(seed)
    nn = rg.nn
    model = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 10))
    optimizer = rg.optim.AdamW(model.parameters(), lr=0.01)
    schedule = rg.optim.lr_scheduler.CosineAnnealingLR(optimizer, 400)
    data = rg.datasets.digits()
    stopping = train.EarlyStopping(patience=None)
    history = train.fit(model, (data.train_x, data.train_y), nn.CrossEntropyLoss(), optimizer, epochs, batch_size=200,
        validation=(data.test_x, data.test_y), metrics=[train.error], scheduler=schedule, schedule_every="batch",
        generator=rg.Generator(seed), callbacks=[stopping], checkpoint=path, resume=True, **more)
    rows = [{**row, "seconds": 0} for row in history]
    return {name: t.numpy().tobytes() for name, t in model.state_dict().items()}, rows, stopping.best_epoch
"""
namespace: dict = {}
exec(RUN, namespace)
run = namespace["run"]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_killed_and_resumed_training_gives_the_bits_of_an_uninterrupted_run(tmp_path):
    expected = run(tmp_path / "whole.safetensors", 40)
    path = tmp_path / "killed.safetensors"
    ends = []
    for kill_after in (0.0, 0.02, 0.05):
        code = f"{RUN}\nrun(sys.argv[1], 40)"
        before = path.stat().st_mtime_ns if path.exists() else 0
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
                time.sleep(0.001)
            time.sleep(kill_after)
            process.send_signal(signal.SIGKILL)
        ends.append(len(train.state.peek(path)["history"]["rows"]))
    assert 0 < ends[0] < 40
    assert ends == sorted(ends)
    assert run(path, 40) == expected


@pytest.mark.parametrize("at", [1, 7])
def test_a_run_that_ends_early_is_continued(tmp_path, at):
    expected = run(tmp_path / "whole.safetensors", 10)
    path = tmp_path / "parts.safetensors"
    run(path, at)
    weights, rows, best = run(path, 10, seed=0)
    assert (rows, best) == expected[1:]
    assert weights == expected[0]
    assert run(path, 10) == expected  # and once more, where nothing is left to do


def test_checkpoints_of_other_runs_are_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    run(path, 2)
    with pytest.raises(ValueError, match=r"is of other data, batches or shuffling .* resume with what it was trained"):
        run(path, 4, drop_last=True)
    model = rg.nn.Linear(64, 10)
    data = rg.datasets.digits()
    before = model.state_dict()["weight"].clone()
    with pytest.raises(ValueError, match=r"nothing was restored|has no state of"):
        train.fit(model, (data.train_x, data.train_y), rg.nn.CrossEntropyLoss(), rg.optim.SGD(model.parameters(), lr=1),
                  3, batch_size=200, checkpoint=path, resume=True)  # fmt: skip
    assert rg.equal(model.state_dict()["weight"], before)


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_files_that_are_no_checkpoints_are_refused(tmp_path, content):
    path = tmp_path / "run.safetensors"
    if content is None:
        rg.save({"weight": rg.zeros(3)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.safetensors"):
        run(path, 2)


def test_save_state_keeps_plain_values_and_tensors(tmp_path):
    path = tmp_path / "state.safetensors"
    generator, model = rg.Generator(3), rg.nn.Linear(2, 2)
    rg.rand(5, generator=generator)
    values = {"best": float("inf"), "name": "ü", "rows": [{"a": 1, "b": None}], "pair": (1, 2.5), 3: True}
    train.save_state(path, model=model, generator=generator, values=values, mask=rg.tensor([True, False]))
    other, again = rg.Generator(0), rg.nn.Linear(2, 2)
    found = train.load_state(path, model=again, generator=other)
    assert found["values"] == values
    assert found["mask"].tolist() == [True, False]
    assert rg.rand(3, generator=other).tolist() == rg.rand(3, generator=generator).tolist()
    assert rg.equal(again.weight, model.weight)


def test_load_state_restores_all_or_nothing(tmp_path):
    path = tmp_path / "state.safetensors"
    model, other = rg.nn.Linear(2, 2), rg.nn.Linear(3, 2)
    train.save_state(path, model=model, other=other)
    again, wrong = rg.nn.Linear(2, 2), rg.nn.Linear(4, 2)
    before = again.weight.detach().clone()
    with pytest.raises(ValueError, match="nothing was restored"):
        train.load_state(path, model=again, other=wrong)
    assert rg.equal(again.weight, before)
    with pytest.raises(ValueError, match="has no state of optimizer; it has model, other"):
        train.load_state(path, model=again, optimizer=rg.optim.SGD(again.parameters(), lr=1))


@pytest.mark.parametrize("part", [object(), rg.nn.Linear, {"a": object()}])
def test_what_has_no_state_is_not_saved(tmp_path, part):
    with pytest.raises(TypeError, match="save_state: part"):
        train.save_state(tmp_path / "state.safetensors", part=part)
    assert not list(tmp_path.iterdir())
