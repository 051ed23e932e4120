"""The caching allocator: steady loops leave the system alone, and no memory is an error that loses nothing."""

import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import rgrad as rg

stats = rg.__config__.memory_stats


@pytest.mark.parametrize("optimizer", [rg.optim.SGD, rg.optim.Adam])
def test_a_training_loop_asks_the_system_for_nothing(optimizer):
    x, y = rg.randn(500, 64), rg.randint(0, 10, 500)
    model = rg.nn.Sequential(rg.nn.Linear(64, 300), rg.nn.ReLU(), rg.nn.Linear(300, 10))
    optimizer = optimizer(model.parameters(), lr=0.01)
    loader = rg.data.DataLoader(rg.data.TensorDataset(x, y), batch_size=100, shuffle=True)

    def epoch() -> None:
        for a, b in loader:
            optimizer.zero_grad()
            rg.nn.functional.cross_entropy(model(a), b).backward()
            optimizer.step()

    for _ in range(3):
        epoch()
    before = stats()["system_allocations"]
    for _ in range(5):
        epoch()
    assert stats()["system_allocations"] == before


@pytest.mark.parametrize("size", [10, 4000, 100_000])
def test_one_thread_may_free_what_another_makes(size):
    """Neither does the one ask the system for ever more, nor does the other keep it all."""
    tensors: queue.Queue[rg.Tensor | None] = queue.Queue(maxsize=8)

    def free() -> None:
        while tensors.get() is not None:
            pass

    def make(count: int) -> None:
        for _ in range(count):
            tensors.put(rg.zeros(size))

    thread = threading.Thread(target=free)
    thread.start()
    make(10_000_000 // max(64, 4 * size) + 100)  # more than caches hold
    before = stats()
    make(1000)
    after = stats()
    tensors.put(None)
    thread.join()
    assert after["system_allocations"] - before["system_allocations"] <= 20  # as many as may be on their way
    assert after["reserved_bytes"] - before["reserved_bytes"] <= 20 * 8 * size


def test_what_a_thread_had_is_there_for_the_next():
    def work() -> None:
        kept = [rg.zeros(1000) for _ in range(50)]
        del kept

    def in_thread() -> int:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        # Python is done with a thread before the system is, and only at its end it hands on what it had.
        while Path(f"/proc/self/task/{thread.native_id}").exists():
            time.sleep(0.001)
        return stats()["system_allocations"]

    first = in_thread()
    assert in_thread() == first


def test_the_figures_fit_together():
    rg.__config__.empty_cache()
    before = stats()
    x = rg.zeros(1 << 20)
    used = stats()
    assert used["in_use_bytes"] - before["in_use_bytes"] == x.nbytes
    assert used["peak_reserved_bytes"] >= used["reserved_bytes"] == used["in_use_bytes"] + used["cached_bytes"]
    del x
    freed = stats()
    assert freed["in_use_bytes"] == before["in_use_bytes"]
    assert freed["cached_bytes"] - before["cached_bytes"] == 4 << 20
    rg.__config__.empty_cache()
    # Other threads, such as the pool's, keep a little for themselves, and give it back when they end.
    assert stats()["cached_bytes"] <= before["cached_bytes"]
    assert stats()["reserved_bytes"] <= before["reserved_bytes"]


@pytest.mark.parametrize("make", [rg.zeros, rg.empty, rg.ones, rg.rand, rg.randn])
def test_an_impossible_size_is_named(make):
    with pytest.raises(MemoryError, match=f"cannot allocate {4 << 46} bytes"):
        make(1 << 46)


LIMITED = """
import resource, sys
import rgrad as rg

def limit(mib):
    "Leaves the process this much address space more than it has."
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + (mib << 20), resource.getrlimit(resource.RLIMIT_AS)[1]))

def fails(f):
    try:
        f()
    except MemoryError as error:
        assert "cannot allocate" in str(error) and "bytes for a tensor" in str(error), error
    else:
        sys.exit("there was memory")
"""
needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="the limit of the address space is Linux's")


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED + code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@needs_limits
def test_operations_without_memory_change_nothing():
    run("""
big = rg.ones(4 << 20)          # 16 MiB
wide = rg.ones(4 << 20, dtype=rg.int64)
mask = big > 0
square = rg.ones(2000, 2000)
small = rg.ones(3000, 1)
x = big * 1
rg.__config__.empty_cache()
limit(6)
fails(lambda: big + big)
fails(lambda: square @ square)
fails(lambda: small @ small.T)
fails(lambda: x.copy_(wide))    # the conversion needs memory
fails(lambda: x.__setitem__(slice(None), wide))
fails(lambda: rg.cat([big, big]))
fails(lambda: rg.softmax(square, 1))
limit(400)
assert (x == 1).all() and (big == 1).all() and (square @ square)[0, 0] == 2000
assert x.sum() == 4 << 20
""")


@needs_limits
@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_a_step_without_memory_changes_nothing(rule):
    run(f"""
settings = dict(lr=0.1, momentum=0.9) if {rule!r} == "SGD" else dict(lr=0.1)
small = rg.ones(3, requires_grad=True)
big = rg.ones(4 << 20, requires_grad=True)
double = rg.ones(1000, 2000, dtype=rg.float64, requires_grad=True)
for p in (small, big):
    p.grad = rg.ones_like(p)
double.grad = rg.ones(2000, 1000, dtype=rg.float64).T   # to be copied before it is used
optimizer = rg.optim.{rule}([small, big, double], **settings)
rg.__config__.empty_cache()
limit(4)
fails(optimizer.step)
assert not optimizer.state
assert all((p.detach()[:1] == 1).all() for p in (small, big, double))
limit(400)
optimizer.step()
assert all((p.detach() < 1).all() for p in (small, big, double))
rg.__config__.empty_cache()
before = [p.detach().clone() for p in (small, big, double)]
rg.__config__.empty_cache()
limit(8)
fails(optimizer.step)
limit(400)
assert all((p.detach() == b).all() for p, b in zip((small, big, double), before))
""")


@needs_limits
def test_a_backward_pass_without_memory_changes_no_gradient():
    run("""
w = rg.ones(2000, 2000, requires_grad=True)
v = rg.ones(2000, requires_grad=True)
loss = lambda: ((w * 2).exp() @ v).sum() + (v * 3).sum()
y = loss()
rg.__config__.empty_cache()
limit(4)
fails(y.backward)
assert w.grad is None and v.grad is None
limit(400)
loss().backward()
assert w.grad.shape == w.shape and v.grad is not None
""")


@needs_limits
def test_caches_are_emptied_when_memory_runs_out():
    run("""
limit(200)
kept = [rg.zeros(4 << 20) for _ in range(8)]
del kept                        # 128 MiB that are cached
x = rg.zeros(40 << 20)          # 160 MiB, which need them
assert x.sum() == 0
""")


def test_results_do_not_depend_on_what_memory_held():
    for _ in range(3):
        dirty = [rg.full(shape, float("nan")) for shape in [(100, 300), (300, 100), (100, 100)]]
        del dirty
        x = rg.ones(100, 300)
        np.testing.assert_array_equal((x @ x.T).numpy(), np.full((100, 100), 300))


def test_empty_cache_after_fork_is_harmless():
    if not hasattr(os, "fork"):
        pytest.skip("this platform cannot fork")
    code = """
import os
import rgrad as rg
x = rg.ones(1000, 1000); y = x + x; del y
pid = os.fork()
rg.__config__.empty_cache()
y = x + x
ok = (y == 2).all().item() and rg.__config__.memory_stats()["cached_bytes"] >= 0
if pid == 0: os._exit(0 if ok else 1)
assert ok and os.waitpid(pid, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
