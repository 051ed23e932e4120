"""How many threads there are, who may say so, and what they do when there is nothing to do."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import rgrad as rg

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this platform has no affinity")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")


def run(code: str, **env: str) -> str:
    """What the code prints in a fresh process that has these variables and no other of ours."""
    clean = {k: v for k, v in os.environ.items() if k not in ("RGRAD_NUM_THREADS", "OMP_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean | env, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


COUNT = "import rgrad as rg; print(rg.get_num_threads())"


@needs_affinity
def test_affinity_counts():
    one = min(os.sched_getaffinity(0))
    assert run(f"import os; os.sched_setaffinity(0, {{{one}}}); {COUNT}") == "1"
    assert run(COUNT) == str(len(os.sched_getaffinity(0)))


def test_the_variable_counts():
    assert run(COUNT, RGRAD_NUM_THREADS="3") == "3"
    assert run(COUNT, RGRAD_NUM_THREADS="") == run(COUNT)


def test_the_share_of_a_worker_counts_if_it_is_less():
    assert run(COUNT, OMP_NUM_THREADS="1") == run(COUNT, OMP_NUM_THREADS="1,4") == "1"
    assert run(COUNT, OMP_NUM_THREADS="1", RGRAD_NUM_THREADS="3") == "3"
    for other in ("100000", "0", "true", ""):
        assert run(COUNT, OMP_NUM_THREADS=other) == run(COUNT)


@pytest.mark.parametrize("value", ["0", "two", "-1", "1.5", "100000", "9" * 40])
def test_a_bad_variable_is_an_error_at_import(value):
    env = {**os.environ, "RGRAD_NUM_THREADS": value}
    done = subprocess.run([sys.executable, "-c", "import rgrad"], capture_output=True, text=True, env=env)
    assert done.returncode != 0
    assert "ValueError" in done.stderr
    assert "number of threads" in done.stderr


def test_threads_may_be_set_while_others_work():
    x = rg.randn(200, 200)
    expected = (x @ x).numpy()

    def work(i: int) -> bool:
        for n in range(1, 20):
            rg.set_num_threads(1 + (i + n) % 5)
            if not np.array_equal((x @ x).numpy(), expected):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))
    assert 1 <= rg.get_num_threads() <= 5


class Squares:
    """A dataset that multiplies matrices, and changes the number of threads as it does."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, i: int) -> rg.Tensor:
        rg.set_num_threads(1 + i % 3)
        x = rg.full((100, 100), float(i))
        return (x @ x)[0, 0]


def test_a_dataset_may_multiply_in_threads_of_its_own():
    loader = rg.data.DataLoader(Squares(), batch_size=4)
    batches: list[list[float]] = []
    thread = threading.Thread(target=lambda: batches.extend(b.tolist() for b in loader))
    thread.start()
    x = rg.randn(200, 200)
    for _ in range(50):
        x @ x
    thread.join()
    assert [x for batch in batches for x in batch] == [100.0 * i * i for i in range(24)]


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_children_forked_amid_work_and_their_children_multiply():
    """Forks happen while other threads are in regions and in the allocator; the child has neither stuck."""
    code = """
import os, threading, warnings
import rgrad as rg
warnings.simplefilter("ignore")
rg.set_num_threads(4)
x = rg.randn(150, 150)
expected = (x @ x).sum().item()
stop = False
def work():
    while not stop:
        x @ x; rg.ones(100_000) + 1; rg.ones(10)
threads = [threading.Thread(target=work) for _ in range(3)]
for t in threads: t.start()
def child(depth):
    pid = os.fork()
    if pid == 0:
        before = rg.__config__.memory_stats()["system_allocations"]
        ok = all((x @ x).sum().item() == expected for _ in range(20))
        rg.set_num_threads(2)
        ok = ok and (x @ x).sum().item() == expected
        ok = ok and rg.__config__.memory_stats()["system_allocations"] - before < 50
        if depth: ok = ok and child(depth - 1)
        os._exit(0 if ok else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
ok = all(child(i % 2) for i in range(20))
stop = True
for t in threads: t.join()
print(ok)
"""
    assert run(code) == "True"


def test_idle_workers_take_no_time():
    """A second after the last operation the process has used no processor time worth mentioning."""
    code = """
import time
import rgrad as rg
x = rg.randn(300, 300)
for _ in range(20): x @ x
time.sleep(0.1)
start = time.process_time()
time.sleep(1)
print(time.process_time() - start)
"""
    assert float(run(code, RGRAD_NUM_THREADS="2")) < 0.05
