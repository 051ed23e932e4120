"""Calls everything public with hostile arguments: a program that draws calls and looks at what becomes of them.

    python tests/hostile.py --count 100000                 every function, so many calls of each
    python tests/hostile.py --seconds 60                   as many as go into a minute
    python tests/hostile.py --function rgrad.pad --block 7 --call 3   one call again, described before it is made

A call may return or raise an ordinary exception whose text speaks of what the caller knows. It may not crash, hang,
panic, take memory without a bound, speak of Rust, or leave an argument of a call that raised changed. Calls come in
blocks, which depend on the seed, the function's name and the block's number alone; workers are processes with limits on
memory and time, which note what they are about to call in a file that survives them.
"""

import argparse
import collections
import faulthandler
import json
import mmap
import os
import random
import re
import resource
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

BLOCK = 100
TIMEOUT = 120  # seconds for a block: a machine may be busy
MEMORY = 1 << 30
FULL = 77  # the exit code of a worker that has little memory left
SLOW = 5
CRASHES = 3  # after which a function is left alone
NOTE = struct.Struct("qqqq")
ORDINARY = (
    TypeError,
    ValueError,
    LookupError,
    RuntimeError,
    MemoryError,
    ArithmeticError,
    AttributeError,
    OSError,
    BufferError,
    StopIteration,
)
# What a message says that was written for whoever wrote the library.
FORBIDDEN = ("panic", "unwrap", "internal error", "src/", "called `", "rust", "pyo3", ".rs:", "refcell", "poison",
             "index out of bounds", "assertion", "attempt to", "capacity", "option::", "overflowed")  # fmt: skip


class Caller:
    """Draws and makes the calls of one worker."""

    def __init__(self, seed: int) -> None:
        import hostile_surface
        import hostile_values

        from rgrad.testing import GradcheckError

        self.surface, self.state, self.seed, self.calls = hostile_surface, hostile_values.state, seed, 0
        self.subjects = hostile_surface.subjects()
        self.allowed = (*ORDINARY, hostile_values.Lie, GradcheckError, hostile_surface.pickle.PicklingError)
        self.outcomes: collections.Counter[str] = collections.Counter()

    def chosen(self, function: str | None) -> list[int]:
        return [n for n, s in enumerate(self.subjects) if function in (None, s.name)]

    def draw(self, rng: random.Random, names: list[str]) -> Any:
        """A value for a parameter that may have one of these names."""
        pools = [self.surface.NAMED[n] for n in names if n in self.surface.NAMED]
        pool = pools[0] if pools and rng.random() < 0.4 else self.every(*names)
        return pool[int(rng.random() * len(pool))]

    def every(self, name: str = "") -> list[Any]:
        """What a parameter may be given: a loader must end, since what serves it works until it does."""
        return self.surface.FINITE if name == "loader" else self.surface.ALL

    def plan(self, rng: random.Random, subject: Any) -> tuple[list[Any], dict[str, Any]]:
        """Arguments: those of a call that is right with some exchanged, or any."""
        random_ = rng.random
        names = subject.required + subject.optional
        if subject.calls and random_() < 0.6:
            known, keywords = subject.calls[int(random_() * len(subject.calls))]
            args, kwargs = list(known), dict(keywords)
        else:
            args, kwargs = [self.valid(rng, n) for n in subject.required], {}
            if subject.rest:
                args += [self.valid(rng, subject.rest) for _ in range(int(random_() * 4))]
            elif subject.optional and random_() < 0.6:
                args += [self.valid(rng, n) for n in subject.optional[: 1 + int(random_() * len(subject.optional))]]
        for _ in range(int(random_() * 3)):
            k = int(random_() * (len(args) + len(kwargs))) if args or kwargs else 0
            if k < len(args):
                args[k] = self.draw(rng, names[k : k + 1])
            elif kwargs:
                key = list(kwargs)[k - len(args)]
                kwargs[key] = self.draw(rng, [key])
        roll = random_()
        if roll < 0.05 and args:
            args.pop()
        elif roll < 0.1:
            args.append(self.draw(rng, names[len(args) : len(args) + 1]))
        elif roll < 0.25 and names:
            key = names[int(random_() * len(names))]
            kwargs[key] = self.draw(rng, [key])
        return args, kwargs

    def valid(self, rng: random.Random, name: str) -> Any:
        pool = self.surface.NAMED.get(name) or self.every(name)
        return pool[int(rng.random() * len(pool))]

    def block(
        self, number: int, block: int, note: mmap.mmap | None = None, only: int | None = None
    ) -> list[dict[str, Any]]:
        """Makes the calls of a block, or only one of them, and returns what was wrong."""
        subject = self.subjects[number]
        rng = random.Random(f"{self.seed}:{subject.name}:{block}")
        found = []
        for i in range(BLOCK):
            args, kwargs = self.plan(rng, subject)
            values = [rng.choice(subject.instances), *args] if subject.instances else args
            if only is not None and i != only:
                continue
            self.calls += 1
            if note is not None:
                NOTE.pack_into(note, 0, number, block, i, self.calls)
            if only is not None:
                print(f"{subject.name}{describe(values, kwargs)}", flush=True)
            wrong = self.attempt(subject, values, kwargs)
            if wrong:
                call = {"function": subject.name, "block": block, "call": i, "arguments": describe(values, kwargs)}
                found.append(call | wrong)
            if subject.name.startswith("rgrad.set_"):
                self.surface.rest()
        self.surface.rest()
        return found

    def attempt(self, subject: Any, values: list[Any], kwargs: dict[str, Any]) -> dict[str, str] | None:
        args = [v.make() for v in values]
        named = {k: v.make() for k, v in kwargs.items()}
        try:
            self.follow(subject.call(*args, **named))
        except self.allowed as error:
            given = [*zip(values, args, strict=True), *((v, named[k]) for k, v in kwargs.items())]
            return self.look(error, given)
        except BaseException as error:
            return {"kind": "exception", "text": f"{type(error).__module__}.{type(error).__name__}: {text_of(error)}"}
        self.outcomes["returned"] += 1
        return None

    def follow(self, result: Any) -> None:
        """Looks at what came back: a result may be what is wrong."""
        kind = type(result)
        if kind is self.surface.rg.Tensor:
            if result.numel() < 10_000:
                result.detach().numpy().tobytes()
            if self.calls % 50 == 0:
                repr(result)
        elif hasattr(kind, "__next__"):
            for _ in zip(range(5), result, strict=False):
                pass
        elif kind is self.surface.types.FunctionType or kind.__name__ == "Compiled":
            result(self.surface.rg.ones(2, 3))

    def look(self, error: BaseException, given: list[tuple[Any, Any]]) -> dict[str, str] | None:
        self.outcomes[type(error).__name__] += 1
        text = text_of(error)
        start = text[:500].lower()
        if any(word in start for word in FORBIDDEN):
            return {"kind": "message", "text": f"{type(error).__name__}: {text}"}
        for position, (value, made) in enumerate(given):
            if value.state is not None:
                after = self.state(made)
                if after != value.state:
                    what = f"argument {position} ({value.text}) after {type(error).__name__}: {text}"
                    return {"kind": "changed", "text": f"{what}\n  {value.state!r:.300}\n  {after!r:.300}"}
        return None


def text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as raised:
        return f"(its text raises {type(raised).__name__})"


def describe(values: list[Any], kwargs: dict[str, Any]) -> str:
    return "(" + ", ".join([v.text for v in values] + [f"{k}={v.text}" for k, v in kwargs.items()]) + ")"


def used() -> int:
    """Bytes of address space."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def limit() -> None:
    """No core files, no more memory than a call should ever need, no waiting for a terminal."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if "asan" not in os.environ.get("LD_PRELOAD", ""):
        most = used() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def work(options: argparse.Namespace) -> None:
    """A worker: its share of the functions, with a line of JSON for each fault and one at the end.

    Allocators do not give all memory back that was free once: a worker that has half of its memory left after a block
    is replaced, so that calls do not fail for what others took.
    """
    warnings.simplefilter("ignore")
    caller = Caller(options.seed)
    limit()
    enough = used() + MEMORY // 2
    # Some calls print, too.
    reports = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with open(options.note, "r+b") as file:
        note = mmap.mmap(file.fileno(), NOTE.size)
    chosen = caller.chosen(options.function)[options.worker :: options.workers]
    skipped = {tuple(s) for s in json.loads(options.skip)}
    stop, full = time.monotonic() + options.seconds, False
    for block, number in ((b, n) for b in range(options.block, options.end) for n in chosen):
        if time.monotonic() > stop:
            break
        if (block, number) < (options.block, options.first) or (block, number) in skipped or (-1, number) in skipped:
            continue
        faulthandler.dump_traceback_later(TIMEOUT, exit=True)
        began = time.process_time()
        for fault in caller.block(number, block, note):
            print(json.dumps(fault), file=reports, flush=True)
        if time.process_time() - began > SLOW:
            text = f"{time.process_time() - began:.0f} s"
            slow = {"function": caller.subjects[number].name, "block": block, "kind": "slow", "text": text}
            print(json.dumps(slow), file=reports, flush=True)
        full = used() > enough
        if full:
            break
    faulthandler.cancel_dump_traceback_later()
    summary = {"calls": caller.calls, "functions": len(chosen), "outcomes": caller.outcomes}
    print(json.dumps(summary), file=reports, flush=True)
    if full:
        sys.exit(FULL)


class Worker:
    """A worker's process, started again behind the call that ended it or the block that filled its memory."""

    def __init__(self, options: argparse.Namespace, number: int, folder: Path) -> None:
        self.options, self.number, self.folder = options, number, folder
        self.note = folder / f"note{number}"
        self.note.write_bytes(bytes(NOTE.size))
        self.skip: list[tuple[int, int]] = []
        self.faults: list[dict[str, Any]] = []
        self.summaries: list[dict[str, Any]] = []
        self.stop = time.monotonic() + options.seconds
        self.start(options.block, 0)

    def start(self, block: int, first: int) -> None:
        o = self.options
        given = {"seed": o.seed, "end": o.end, "block": block, "first": first, "worker": self.number,
                 "note": self.note, "workers": o.workers, "skip": json.dumps(self.skip),
                 "seconds": self.stop - time.monotonic()}  # fmt: skip
        if o.function:
            given["function"] = o.function
        command = [sys.executable, os.path.abspath(__file__), *(f"--{k}={v}" for k, v in given.items())]
        home = self.folder / f"home{self.number}"
        home.mkdir(exist_ok=True)
        self.out, self.err = self.folder / f"out{self.number}", self.folder / f"err{self.number}"
        env = os.environ | {"RUST_BACKTRACE": "0"}
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=home, env=env
            )

    def wait(self, names: list[str]) -> None:
        """Takes the worker to its end, over all its crashes."""
        while True:
            code = self.process.wait()
            errors = self.err.read_text(errors="replace")[-3000:]
            complete = [line for line in self.out.read_text().splitlines() if line.endswith("}")]
            lines = [json.loads(line) for line in complete]
            self.faults += [x for x in lines if "kind" in x]
            self.summaries += [x for x in lines if "calls" in x]
            if code == 0:
                return
            if code == 1 and "Timeout (" not in errors:
                raise RuntimeError(f"a fault of this program:\n{errors}")
            number, block, call, made = NOTE.unpack(self.note.read_bytes())
            if code == FULL:
                self.start(block, number + 1)
                continue
            self.summaries.append({"calls": made, "outcomes": {}})
            text = f"exit code {code}\n{errors}"
            kind = "hang" if "Timeout (" in errors else "crash"
            self.faults.append({"kind": kind, "function": names[number], "block": block, "call": call, "text": text})
            self.skip.append((block, number))
            if sum(n == number for _, n in self.skip) >= CRASHES:
                self.skip.append((-1, number))
            self.start(block, number)


def report(workers: list[Worker]) -> int:
    """Prints each kind of fault once for each function, and returns how many there are."""
    seen: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for fault in (f for w in workers for f in w.faults):
        text = re.sub(r"[\d.]+|'[^']*'|\(.*?\)", "#", fault["text"])[:60]
        seen.setdefault((fault["function"], fault["kind"], text), []).append(fault)
    for (name, kind, _), faults in sorted(seen.items()):
        first = faults[0]
        again = f"--function '{name}' --block {first['block']} --call {first.get('call')}"
        print(f"{kind} in {name} ({len(faults)} times; {again})")
        print("  ", first.get("arguments", ""), "\n  ", first["text"])
    outcomes = sum((collections.Counter(s["outcomes"]) for w in workers for s in w.summaries), collections.Counter())
    calls = sum(s["calls"] for w in workers for s in w.summaries)
    functions = sum(w.summaries[-1]["functions"] for w in workers if w.summaries)
    print(f"{calls} calls of {functions} functions: {dict(outcomes.most_common())}; {len(seen)} kinds of faults")
    return len(seen)


def main() -> int:
    parser = argparse.ArgumentParser(description="Calls everything public with hostile arguments.")
    add = parser.add_argument
    add("--count", type=int, default=100_000, help="calls of each function, in blocks of 100")
    add("--seconds", type=float, default=1e9, help="stop earlier")
    add("--seed", default="0", help="of all that is drawn")
    add("--function", help="this one only")
    add("--block", type=int, default=0, help="the first block")
    add("--call", type=int, help="make this one call of the block, in this process")
    add("--workers", type=int, default=os.cpu_count() or 1)
    for name in ("--worker", "--first", "--end"):
        add(name, type=int, help=argparse.SUPPRESS)
    for name in ("--note", "--skip"):
        add(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        work(options)
        return 0
    options.end = options.block + -(-options.count // BLOCK)
    caller = Caller(options.seed)
    names = [s.name for s in caller.subjects]
    if options.call is not None:
        warnings.simplefilter("ignore")
        limit()
        for fault in caller.block(names.index(options.function), options.block, only=options.call):
            print(fault["kind"], fault["text"])
        return 0
    print(f"seed {options.seed}, blocks {options.block} to {options.end - 1}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        workers = [Worker(options, n, Path(folder)) for n in range(options.workers)]
        for worker in workers:
            worker.wait(names)
    return min(report(workers), 1)


if __name__ == "__main__":
    sys.exit(main())
