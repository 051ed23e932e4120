"""Files that are written: whole or not at all, in the place that was meant, with the permissions that they had."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import rgrad as rg
from rgrad._shared.files import replacing

posix = pytest.mark.skipif(os.name != "posix", reason="links, devices and permissions of POSIX")


def save(path):
    rg.save({"x": rg.ones(2)}, path)


def write(path):
    with replacing(Path(path)) as aside:
        aside.write_bytes(b"new")


WRITERS = pytest.mark.parametrize("writer", [save, write])


@posix
@WRITERS
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_replaced_file_keeps_its_permissions(tmp_path, writer, mode):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(mode)
    writer(path)
    assert path.read_bytes() != b"old"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
@WRITERS
def test_a_new_file_has_the_permissions_of_every_new_file(tmp_path, writer):
    (tmp_path / "plain").write_bytes(b"")
    writer(tmp_path / "x")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


@posix
@WRITERS
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_goes_on_pointing_to_the_file(tmp_path, writer, exists):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    if exists:
        (folder / "file").write_bytes(b"old")
    (folder / "inner").symlink_to("file")
    (tmp_path / "outer").symlink_to("elsewhere/inner")
    writer(tmp_path / "outer")
    assert (tmp_path / "outer").is_symlink()
    assert (folder / "inner").is_symlink()
    assert (folder / "file").read_bytes() not in (b"", b"old")
    assert sorted(p.name for p in folder.iterdir()) == ["file", "inner"]


@posix
@WRITERS
def test_a_circle_of_links_is_an_error(tmp_path, writer):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        writer(tmp_path / "a")


@posix
@WRITERS
@pytest.mark.parametrize("kind", ["device", "FIFO", "folder", "name of a folder"])
def test_what_is_no_file_is_refused_and_stays(tmp_path, writer, kind):
    path = tmp_path / "x"
    if kind == "device":
        path.symlink_to("/dev/null")
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif writer is save:
        path = f"{path}/"
    else:
        pytest.skip("pathlib drops the slash at the end")
    before = os.listdir(tmp_path)
    with pytest.raises(OSError, match=r"name one|names? (a|no) file"):
        writer(path)
    assert os.listdir(tmp_path) == before
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
@WRITERS
def test_a_protected_file_stays(tmp_path, writer):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o400)
    with pytest.raises(PermissionError):
        writer(path)
    assert path.read_bytes() == b"old"


@WRITERS
def test_an_error_names_the_file_and_leaves_no_other(tmp_path, writer):
    with pytest.raises(FileNotFoundError) as caught:
        writer(tmp_path / "none" / "x")
    assert caught.value.filename == str(tmp_path / "none" / "x")
    assert os.listdir(tmp_path) == []


def test_a_block_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fail():
        with replacing(path) as aside:
            aside.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_long_names_and_files_left_by_a_killed_process_are_no_obstacle(tmp_path):
    path = tmp_path / ("x" * 250)
    for number in range(1000):
        (tmp_path / f".rgrad.{os.getpid()}.{number}.part").write_bytes(b"")
    save(path)
    assert rg.load(path)["x"].tolist() == [1, 1]


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A limit on the size of files stands for a disk that is full."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    code = f"""
import resource, signal, rgrad as rg
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    rg.save({{"x": rg.zeros(1000)}}, {str(path)!r})
except OSError as error:
    print(error.filename, error.strerror)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{path} File too large\n"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


@posix
@pytest.mark.parametrize("kind", ["device", "FIFO", "folder"])
def test_only_files_are_read(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    with pytest.raises(OSError, match=f"{path} is a (folder|device)"):
        rg.load(path)
