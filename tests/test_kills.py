"""A round of each way in which training and saving may end before their time; `kills.py` makes hundreds."""

import os
import sys
from pathlib import Path

import kills
import pytest

import rgrad as rg

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals and limits of Linux")
SLOW = {kills.killed_training, kills.interrupted_training, kills.full_disk, kills.read_only}


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.slow if k in SLOW else ()) for k in kills.KINDS])
def test_whatever_ends_it_files_are_whole(kind):
    assert kills.one(kind, "0") is None


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "win32" and os.geteuid() != 0, reason="only root mounts file systems")
@pytest.mark.parametrize("kind", kills.AS_ROOT)
def test_whatever_the_disk_is_like_files_are_whole(kind):
    assert kills.one(kind, "0") is None


def test_half_a_file_would_be_noticed(tmp_path: Path):
    rg.save({"a": rg.ones(100), "b": rg.ones(100)}, tmp_path / "checkpoint.safetensors")
    kills.check(tmp_path)
    whole = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="checkpoint"):
        kills.check(tmp_path)
    rg.save({"a": rg.ones(100), "b": rg.zeros(100)}, tmp_path / "checkpoint.safetensors")
    with pytest.raises(kills.Fault, match="two checkpoints"):
        kills.check(tmp_path)


def test_what_is_left_behind_would_be_noticed(tmp_path: Path):
    (tmp_path / ".x.part").touch()
    kills.check(tmp_path, killed=1)
    with pytest.raises(kills.Fault, match="1 temporary files"):
        kills.check(tmp_path)
