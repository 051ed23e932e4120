"""A fuzzer of everything that is read: files of all formats, and states of modules and optimizers.

Each file either becomes a result or is refused with an exception of the right type that names the file; a state that
is refused leaves its owner as it was. Memory and time are bounded. `python tests/fuzz_files.py --help` says how it
runs; one number draws one file, so that what failed can be drawn again.
"""

import argparse
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import hostile_files
import hostile_states
import numpy as np

import rgrad as rg
from rgrad._cli.loading import load
from rgrad.datasets import mnist

# What a process may take beside what it has taken before it reads anything: bombs that go off take more.
MEMORY = 400 << 20
SECONDS = 10

IDX = {
    "train-images-idx3-ubyte": (7, 2, 3),
    "train-labels-idx1-ubyte": (7,),
    "t10k-images-idx3-ubyte": (3, 2, 3),
    "t10k-labels-idx1-ubyte": (3,),
}


class Failure(Exception):
    """What was read broke the promise."""


def refused(call, *names):
    """Whether a file was refused, in the right way, and not read; the message has one of the names."""
    try:
        call()
    except ValueError as error:
        text = str(error)
    except TypeError as error:
        if "which rgrad lacks" not in str(error):
            raise
        text = str(error)
    else:
        return False
    if not any(name in text for name in names) or "\n" in text or len(text) > 1000 or "internal error" in text:
        raise Failure(f"a message that does not help: {text[:300]!r}")
    return True


def check_safetensors(path):
    def load():
        for t in rg.load(path).values():
            if t.dtype == rg.bool and not set(bytes(t)) <= {0, 1}:
                raise Failure("a bool that is neither 0 nor 1")
        rg.save(rg.load(path), path)
        before = path.read_bytes()
        rg.save(rg.load(path), path)
        if path.read_bytes() != before:
            raise Failure("what was loaded and saved differs")

    return refused(load, path.name)


def check_mnist(path):
    def load():
        data = mnist(path.parent)
        if data.train_x.shape[0] != len(data.train_y) or data.train_y.min().item() < 0:
            raise Failure("rows that do not fit")

    # Another file may be the first that does not fit, or all together.
    return refused(load, *IDX, f"{path.parent}: the images have two sizes")


def check_table(path):
    def read():
        samples = load(path, test=0.3, validation=0).samples
        x, y = (tensor.numpy() for tensor in samples.train[:2])
        if (
            not np.isfinite(x).all()
            or not np.isfinite(y).all()
            or (samples.target.classes and y.max() >= samples.target.size)
        ):
            raise Failure("a value that is not finite, or a class without a name")

    return refused(read, path.name)


def draw_file(name, rng):
    """The name and content of a file."""
    if name == "idx":
        stem = rng.choice(list(IDX))
        content = hostile_files.idx(rng, IDX[stem], 10 if "labels" in stem else 256)
        file = stem + rng.choice(("", ".gz"))
    else:
        content = getattr(hostile_files, name)(rng)
        file = f"x.{name}"
    return file, hostile_files.damaged(rng, content) if rng.random() < 0.5 and len(content) < 10_000 else content


CHECKS = {"safetensors": check_safetensors, "idx": check_mnist, "csv": check_table, "npz": check_table}
STATES = {
    "module": hostile_states.module,
    "optimizer": hostile_states.optimizer,
    "schedule": hostile_states.schedule,
    "pickle": hostile_states.pickled,
}
KINDS = (*CHECKS, *CHECKS, *STATES)


def check_state(name, rng):
    """Whether a state was refused, and its owner kept what it had."""
    owner, _, load = STATES[name](rng)
    before = hostile_states.values(owner.state_dict())
    # Numbers are converted by PyO3, which says of large ones what Python says.
    refusals = (ValueError, TypeError, OverflowError) if name == "pickle" else (ValueError, TypeError)
    try:
        use = load()
    except refusals as error:
        if hostile_states.values(owner.state_dict()) != before:
            raise Failure(f"half loaded, before {error!r:.200}") from None
        if "internal error" in str(error):
            raise
        return True
    if callable(use):
        use()
    return False


def out_of_time(number, frame):
    raise Failure(f"it took more than {SECONDS} seconds")


class Fuzzer:
    """Draws files into a folder in memory, and keeps those that fail."""

    def __init__(self, seed, kept):
        self.seed, self.kept = seed, kept
        self.counts = Counter()
        self.failures = []
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.good = {name: hostile_files.idx_file(shape, bytes(np.prod(shape))) for name, shape in IDX.items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def one(self, index):
        """Draws file number `index` and has it read."""
        name, rng = self.drawn(index)
        path = None
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            if name in STATES:
                was_refused = check_state(name, rng)
            else:
                path = self.written(name, rng)
                was_refused = CHECKS[name](path)
            self.counts[name, "refused" if was_refused else "read"] += 1
        except Exception as error:
            self.failed(name, index, path, error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def written(self, name, rng):
        file, content = draw_file(name, rng)
        folder = Path(self.folder.name)
        for other in IDX if name == "idx" else ():
            (folder / f"{other}.gz").unlink(missing_ok=True)
            (folder / other).write_bytes(self.good[other])
        if name == "idx":
            (folder / file.removesuffix(".gz")).unlink()
        (folder / file).write_bytes(content)
        return folder / file

    def failed(self, name, index, path, error):
        where = ""
        if path is not None:
            self.kept.mkdir(parents=True, exist_ok=True)
            copy = self.kept / f"{self.seed}-{index}-{path.name}"
            copy.write_bytes(draw_file(*self.drawn(index))[1])
            where = f" ({copy})"
        lines = traceback.extract_tb(error.__traceback__)
        at = f"{Path(lines[-1].filename).name}:{lines[-1].lineno}"
        again = f"{name} --seed {self.seed} --start {index} --count 1"
        text = f"{again}: {type(error).__name__}: {error!s:.300} at {at}{where}"
        self.failures.append(text)
        print(" ".join(text.split()), flush=True)

    def drawn(self, index):
        """The kind of a file, and what goes on drawing it."""
        rng = random.Random(f"{self.seed}-{index}")
        return rng.choice(KINDS), rng


def limit_memory():
    """Lets the process take `MEMORY` more than it has, so that a bomb is an error."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, resource.RLIM_INFINITY))


def fuzz(seed, args):
    """Draws files until there are enough, or the time is over; returns also how many, and the seconds."""
    warnings.simplefilter("error")
    signal.signal(signal.SIGPROF, out_of_time)
    begin, index = time.monotonic(), args.start
    with Fuzzer(seed, args.kept) as fuzzer:
        while index < args.start + args.count and time.monotonic() - begin < args.seconds:
            if args.kind in (None, fuzzer.drawn(index)[0]):
                fuzzer.one(index)
            index += 1
    return fuzzer, index - args.start, time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of all draws (default: from the clock; it is printed)")
    parser.add_argument("--start", type=int, default=0, help="number of the first file")
    parser.add_argument("--count", type=int, default=sys.maxsize, help="how many files")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="how long at most")
    parser.add_argument("--kind", choices=sorted(set(KINDS)), help="only these of the files")
    parser.add_argument("--kept", type=Path, default=Path("runs/fuzz-files"), help="where files go that fail")
    args = parser.parse_args()
    seed = time.time_ns() % 10**9 if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    hostile_files.prepare()
    limit_memory()
    fuzzer, done, seconds = fuzz(seed, args)
    counts = ", ".join(f"{name} {what} {n}" for (name, what), n in sorted(fuzzer.counts.items()))
    print(f"seed {seed}: {done} files in {seconds:.0f} s, {done / seconds:.0f} a second; {counts}")
    print(f"{len(fuzzer.failures)} failures")
    return bool(fuzzer.failures)


if __name__ == "__main__":
    sys.exit(main())
