"""Threads that do different things at once, and get what each of them gets alone.

    python tests/threads_at_work.py --seconds 600 --seed 0

Every job is a function of a seed and returns a digest of its results. The digests of some seeds are first computed by
one thread; then many threads draw jobs and seeds and compare. Others change what they share: the number of threads,
the caches, scratch tensors. Children are forked amid all that, and do jobs, too. What hangs is shown by a traceback of
every thread.
"""

import argparse
import collections
import faulthandler
import gc
import hashlib
import itertools
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import rgrad as rg

SEEDS = 6
TIMEOUT = 120


def digest(*results: rg.Tensor) -> str:
    """Of the bits of all results."""
    together = hashlib.sha256()
    for t in results:
        together.update(t.detach().numpy().tobytes())
    return together.hexdigest()[:16]


class Network:
    """A perceptron whose weights and data depend on the seed alone, not on the generator that all threads share."""

    def __init__(self, seed: int, rows: int = 40) -> None:
        g = rg.Generator(seed)
        sizes = [20, 64 + seed, 10]
        self.layers = [rg.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
        with rg.no_grad():
            for p in self.parameters():
                p.copy_(rg.randn(*p.shape, generator=g) * 0.2)
        self.x = rg.randn(rows, 20, generator=g)
        self.y = rg.randint(0, 10, (rows,), generator=g)
        self.optimizer = rg.optim.Adam(self.parameters(), lr=0.01)

    def parameters(self) -> list[rg.Tensor]:
        return [p for layer in self.layers for p in layer.parameters()]

    def step(self, x: rg.Tensor, y: rg.Tensor) -> rg.Tensor:
        loss = rg.nn.functional.cross_entropy(self.layers[1](rg.relu(self.layers[0](x))), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def results(self) -> str:
        return digest(*self.parameters())


def train(seed: int) -> str:
    network = Network(seed)
    for _ in range(5):
        network.step(network.x, network.y)
    return network.results()


def train_compiled(seed: int) -> str:
    network = Network(seed)
    step = rg.compile(network.step)
    for _ in range(5):
        step(network.x, network.y)
    return network.results()


def train_epoch(seed: int) -> str:
    network = Network(seed)
    rg.compile(network.step).epoch(network.x, network.y, batch_size=16)
    return network.results()


def load_data(seed: int) -> str:
    data = rg.data.TensorDataset(np.arange(300, dtype=np.float32).reshape(100, 3), np.arange(100))
    loader = rg.data.DataLoader(data, batch_size=7, shuffle=True, generator=rg.Generator(seed))
    return digest(*(t for batch in loader for t in batch))


def multiply(seed: int) -> str:
    x = rg.randn(120 + seed, 150, generator=rg.Generator(seed))
    return digest(x @ x.T, x.softmax(1), x.sum(0), x.cumsum(1), x.sort(1).values)


def transform(seed: int) -> str:
    x = rg.randn(4, generator=rg.Generator(seed))

    def f(x: rg.Tensor) -> rg.Tensor:
        return (rg.sin(x) * x**3).sum()

    return digest(rg.hessian(f)(x), rg.grad(f)(x), rg.jvp(f, (x,), (x,))[1])


def save_and_load(seed: int) -> str:
    """Everybody saves under one name: what is loaded is whole, whoever wrote it."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "own.safetensors"
        rg.save({"x": rg.randn(50, 50, generator=rg.Generator(seed))}, own)
        shared = Path(tempfile.gettempdir()) / f"shared{os.getpid()}.safetensors"
        rg.save({"a": rg.full((5000,), seed), "b": rg.full((30,), seed)}, shared)
        values = {v for t in rg.load(shared).values() for v in t.tolist()}
        if len(values) != 1:
            return "two files in one"
        return digest(rg.load(own)["x"])


SHARED = rg.arange(1000.0).reshape(10, 100)


@rg.compile
def shared_step(x: rg.Tensor) -> rg.Tensor:
    return (rg.tanh(x) * 2 + SHARED).sum(1)


def use_shared(seed: int) -> str:
    """A compiled function that all call, with other shapes in turn; a program that is printed while it runs."""
    result = shared_step(rg.randn(10, 100, generator=rg.Generator(seed)))
    if seed == 0:
        str(shared_step.program)
        shared_step.cost()
    return digest(result)


def read_shared(seed: int) -> str:
    for wrong in (lambda: SHARED[20], lambda: SHARED @ SHARED, lambda: rg.zeros(2**50), lambda: SHARED.reshape(7)):
        try:
            wrong()
        except (IndexError, ValueError, RuntimeError, MemoryError):
            continue
        return "no error"
    memoryview(SHARED).tobytes()
    return digest(SHARED[seed % 10], SHARED.T[::3]) + repr(SHARED)[:20]


def differentiate_shared(seed: int) -> str:
    """A retained graph serves several threads."""
    return digest(*rg.autograd.grad(GRAPH[seed].sum(), GRAPH_LEAF, retain_graph=True))


GRAPH_LEAF = SHARED.clone().requires_grad_()
GRAPH = (GRAPH_LEAF**2).sin()
COMPILED_PARAMETER = rg.nn.Parameter(rg.ones(100))


@rg.compile
def accumulate(x: rg.Tensor) -> rg.Tensor:
    loss = (COMPILED_PARAMETER * x).sum()
    loss.backward()
    return loss


def lend_gradient(seed: int) -> str:
    """The memory of a gradient is an array's, which the interpreter has to be asked for."""
    COMPILED_PARAMETER.grad = rg.from_numpy(np.zeros(100, np.float32))
    result = digest(accumulate(rg.full((100,), float(seed))))
    str(accumulate.program)
    return result


def disturb(seed: int) -> str:
    """What the others must not notice."""
    rg.set_num_threads(1 + seed % 4)
    if seed % 3 == 0:
        rg.__config__.empty_cache()
        gc.collect()
    SCRATCH.mul_(0.5).add_(float(seed))
    SCRATCH.numpy().sum()
    rg.rand(1000)
    return ""


SCRATCH = rg.ones(50_000)
JOBS: list[Callable[[int], str]] = [
    train, train_compiled, train_epoch, load_data, multiply, transform, save_and_load, use_shared, read_shared,
    differentiate_shared, lend_gradient, disturb,
]  # fmt: skip
Expected = dict[tuple[str, int], str]


def in_child(job: Callable[[int], str], seed: int, expected: Expected) -> str | None:
    """Does the job in a forked child; what was wrong, or None."""
    pid = os.fork()
    if pid == 0:
        code = 4
        try:
            signal.alarm(TIMEOUT // 2)  # the thread of faulthandler is not in the child
            code = 0 if job(seed) == expected[job.__name__, seed] else 3
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    limit = time.monotonic() + TIMEOUT
    while time.monotonic() < limit:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return None if code == 0 else f"exit code {code} in a child"
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "a child hangs"


class Crew:
    """Threads that work until they are told to stop."""

    def __init__(self, expected: Expected, jobs: list[Callable[[int], str]], seed: int, threads: int) -> None:
        self.expected, self.jobs, self.stop = expected, jobs, False
        self.done: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        self.busy = [time.monotonic()] * threads
        self.threads = [
            threading.Thread(target=self.work, args=(i, f"{seed}:{i}"), daemon=True) for i in range(threads)
        ]

    def work(self, number: int, seed: str) -> None:
        rng = random.Random(seed)
        while not self.stop:
            job, which = rng.choice(self.jobs), rng.randrange(SEEDS)
            try:
                if rng.random() < 0.02:
                    wrong = in_child(job, which, self.expected)
                    self.done["children"] += 1
                else:
                    got = job(which)
                    wrong = None if got == self.expected[job.__name__, which] else f"another result: {got}"
            except BaseException as error:
                wrong = f"{type(error).__name__}: {error}"
            if wrong:
                self.faults.append(f"{job.__name__}({which}): {wrong}")
            self.done[job.__name__] += 1
            self.busy[number] = time.monotonic()

    def run(self, seconds: float) -> None:
        for thread in self.threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            # Shows where everybody is and ends the process, also if nobody gets the interpreter any more.
            oldest = time.monotonic() - min(self.busy)
            faulthandler.dump_traceback_later(max(TIMEOUT - oldest, 1), exit=True)
            time.sleep(min(1.0, seconds))
        self.stop = True
        for thread in self.threads:
            thread.join()
        faulthandler.cancel_dump_traceback_later()


def main() -> int:
    parser = argparse.ArgumentParser(description="Lets threads do different things at once.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--without", default="", help="names of jobs, with commas between them")
    options = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)  # that of forking with threads, which is the point
    jobs = [job for job in JOBS if job.__name__ not in options.without.split(",")]
    expected = {(job.__name__, seed): job(seed) for job in jobs for seed in range(SEEDS)}
    crew = Crew(expected, jobs, options.seed, options.threads)
    crew.run(options.seconds)
    for fault, times in collections.Counter(crew.faults).most_common(30):
        print(f"{fault} ({times} times)")
    print(f"{options.threads} threads, seed {options.seed}: {dict(crew.done)}; {len(crew.faults)} faults")
    return min(len(crew.faults), 1)


if __name__ == "__main__":
    sys.exit(main())
