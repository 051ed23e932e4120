"""Ends training and saving at random moments, in every way that a machine has, and looks at what is left.

    python tests/kills.py --count 200 --seed 0

A round draws a kind of end and its moment. Whatever the end: every file that is there is whole, exit codes are those
that the command line promises, and memory that there is not is a `MemoryError`. A process that is killed cannot tidy
up: it may leave one temporary file, `*.part`, and nothing else that is not whole.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import rgrad as rg

TRAIN = "import sys; from rgrad._cli import main; sys.exit(main())"
OPTIONS = ["train", "digits", "--epochs", "1000000", "--hidden", "30", "--out", "out", "--quiet"]
# Checkpoints of a model that holds the same number everywhere: half of one would show. Ready before the first end.
SAVE = """
import sys
import rgrad as rg
for i in range(int(sys.argv[1])):
    rg.save({"a": rg.full((100, 100), i), "b": rg.full((30_000,), i)}, "checkpoint.safetensors")
    if i == 0:
        print("ready", flush=True)
"""
# The limit is set when everything is imported: what other libraries do without memory is not ours to say.
LIMITED = """
import resource, sys
from pathlib import Path
import rgrad as rg, rgrad._cli, rgrad._cli.run, rgrad._cli.pictures
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
most = used + int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_AS, (most, most))
"""
SAVE_LIMITED = (
    LIMITED
    + """
kept = []
try:
    while True:
        kept.append(rg.randn(300, 1000))
        rg.save({"a": kept[-1]}, "checkpoint.safetensors")
        loaded = rg.load("checkpoint.safetensors")
        (loaded["a"] @ kept[-1].T).sum()
except MemoryError:
    kept.clear()
    sys.exit(3)
"""
)
TIME_LIMIT = 60


class Fault(Exception):
    """Something that should not have been left."""


def start(folder: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=folder, stdout=pipe, stderr=pipe, text=True)


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it wrote to stderr, within the time limit."""
    try:
        _, err = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Fault("it did not end") from None
    return process.returncode, err


def expect(process: subprocess.Popen[str], codes: set[int], told: str = "") -> str:
    code, err = end(process)
    if code not in codes or "panicked" in err or (code > 0 and "Traceback" in err) or (told and told not in err):
        raise Fault(f"exit code {code}, not of {sorted(codes)}\n{err[-2000:]}")
    return err


def check(folder: Path, killed: int = 0) -> None:
    """Every file in the folder is whole; so many processes that wrote there were killed."""
    parts = 0
    for path in folder.rglob("*"):
        if path.suffix == ".part":
            parts += 1
        elif path.suffix == ".safetensors":
            tensors = rg.load(path)
            if path.name == "checkpoint.safetensors" and len({t.flatten()[0].item() for t in tensors.values()}) > 1:
                raise Fault(f"{path.name} holds parts of two checkpoints")
        elif path.suffix == ".json":
            metrics = json.loads(path.read_text(encoding="utf-8"))
            if metrics["epochs"][-1] != metrics["last"]:
                raise Fault(f"{path.name} is not of one epoch")
        elif path.suffix == ".png":
            content = path.read_bytes()
            if not content.startswith(b"\x89PNG") or b"IEND" not in content[-12:]:
                raise Fault(f"{path.name} is half a picture")
        elif path.is_file():
            raise Fault(f"what is {path}?")
    if parts > killed:
        raise Fault(f"{parts} temporary files are left")


def wait_for(process: subprocess.Popen[str], path: Path, rng: random.Random) -> None:
    """Lets the process get to its first file, and a random time further."""
    limit = time.monotonic() + TIME_LIMIT
    while not path.exists() and process.poll() is None:
        if time.monotonic() > limit:
            process.kill()
            raise Fault("it did not begin")
        time.sleep(0.01)
    time.sleep(rng.random() ** 2)


def killed_training(folder: Path, rng: random.Random) -> None:
    number = rng.choice([signal.SIGKILL, signal.SIGTERM])
    process = start(folder, TRAIN, *OPTIONS)
    if rng.random() < 0.3:
        time.sleep(rng.random())  # while it imports, or prepares
    else:
        wait_for(process, folder / "out/metrics.json", rng)
    process.send_signal(number)
    expect(process, {-number})
    check(folder, killed=1)
    # The next run in the same folder is not disturbed.
    short = [*OPTIONS, "--epochs", "2"]
    expect(start(folder, TRAIN, *short), {0})
    metrics = json.loads((folder / "out/metrics.json").read_text(encoding="utf-8"))
    if metrics["last"]["epoch"] != 2:
        raise Fault("the next run left results of the one before")


def interrupted_training(folder: Path, rng: random.Random) -> None:
    process = start(folder, TRAIN, *OPTIONS)
    wait_for(process, folder / "out/metrics.json", rng)
    process.send_signal(signal.SIGINT)
    err = expect(process, {130}, "rgrad: interrupted; out keeps the results of epoch ")
    check(folder)
    last = json.loads((folder / "out/metrics.json").read_text(encoding="utf-8"))["last"]["epoch"]
    if f"epoch {last}\n" not in err:
        raise Fault(f"it promised other results than those of epoch {last}: {err}")


def ended_saving(folder: Path, rng: random.Random) -> None:
    number = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    process = start(folder, SAVE, "100000000")
    wait_for(process, folder / "checkpoint.safetensors", rng)
    process.send_signal(number)
    code, err = end(process)
    if code != -number or (number == signal.SIGINT and "KeyboardInterrupt" not in err):
        raise Fault(f"exit code {code}\n{err[-2000:]}")
    check(folder, killed=number != signal.SIGINT)


def limited_file(folder: Path, rng: random.Random) -> None:
    """No file may be larger than the limit, which is how a full disk looks in the middle of a file."""
    most = rng.randrange(1, 20_000)
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))\n"
    if rng.random() < 0.5:
        expect(start(folder, limit + TRAIN, *OPTIONS), {2}, "File too large")
    else:
        code, err = end(start(folder, limit + SAVE, "3"))
        if code != 1 or "OSError: [Errno 27]" not in err:
            raise Fault(f"exit code {code}\n{err[-2000:]}")
    check(folder)


@contextlib.contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """A file system of its own of so many bytes; for root only."""
    place = folder / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def full_disk(folder: Path, rng: random.Random) -> None:
    with mounted(folder, rng.randrange(4096, 60_000)) as disk:
        expect(start(disk, TRAIN, *OPTIONS), {2}, "No space left on device")
        check(disk)
        code, err = end(start(disk, SAVE, "3"))
        if code != 1 or "OSError: [Errno 28]" not in err:
            raise Fault(f"exit code {code}\n{err[-2000:]}")
        check(disk)


def read_only(folder: Path, rng: random.Random) -> None:
    with mounted(folder, 1 << 24) as disk:
        expect(start(disk, TRAIN, *OPTIONS, "--epochs", "1"), {0})
        expect(start(disk, SAVE, "1"), {0})
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        expect(start(disk, TRAIN, *OPTIONS), {2}, "cannot write into the output folder")
        code, err = end(start(disk, SAVE, "3"))
        if code != 1 or "OSError: [Errno 30]" not in err:
            raise Fault(f"exit code {code}\n{err[-2000:]}")
        check(disk)


def little_memory(folder: Path, rng: random.Random) -> None:
    most = str(int(10 ** rng.uniform(5, 8)))
    if rng.random() < 0.5:
        code, err = end(start(folder, LIMITED + TRAIN, most, *OPTIONS, "--epochs", "2"))
        # NumPy's library of products, which pictures are drawn with, ends the process by itself.
        gave_up = code == 1 and "OpenBLAS error" in err
        if not gave_up and (code not in {0, 2} or "Traceback" in err or "panicked" in err):
            raise Fault(f"exit code {code}\n{err[-2000:]}")
        check(folder, killed=gave_up)
    else:
        expect(start(folder, SAVE_LIMITED, most), {3})
        check(folder)


KINDS = [killed_training, interrupted_training, ended_saving, limited_file, little_memory]
AS_ROOT = [full_disk, read_only]


def one(kind: Callable[[Path, random.Random], None], seed: str) -> str | None:
    """A round of the kind: what was wrong with it, or None."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            kind(Path(folder), random.Random(seed))
        except (Fault, ValueError, OSError, KeyError) as fault:
            return f"{kind.__name__}, seed {seed!r}: {type(fault).__name__}: {fault}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description="Ends training and saving at random moments.")
    parser.add_argument("--count", type=int, default=200, help="rounds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # Where this program was started with Ctrl-C ignored, what it starts would ignore it, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kinds = KINDS + (AS_ROOT if os.geteuid() == 0 else [])
    done: collections.Counter[str] = collections.Counter()
    faults = []
    for i in range(options.count):
        kind = kinds[i % len(kinds)]
        wrong = one(kind, f"{options.seed}:{i}")
        done[kind.__name__] += 1
        if wrong:
            faults.append(wrong)
            print(wrong, flush=True)
    print(f"{sum(done.values())} rounds from seed {options.seed}: {dict(done)}; {len(faults)} faults")
    return min(len(faults), 1)


if __name__ == "__main__":
    sys.exit(main())
