"""A process that may have no more memory gets MemoryError, and goes on."""

import resource
import subprocess
import sys

import pytest

import rgrad as rg

# What each line needs is more than the process may have, in one vector or in many small pieces.
CALLS = """
F.pad(x, (0, 2**45), mode="replicate")
F.pad(many, (0, 2**26), mode="circular")
rg.zeros(0).chunk(2**50)
rg.zeros(0).chunk(2**24)
one.expand(2**50).split(1)
one.expand(2**24).split(1)
one.expand(2**40).unbind()
one.expand(2**24).unbind()
rg.cat(one.unsqueeze(1).expand(2**40, 1))
rg.stack(one.unsqueeze(1).expand(2**24, 1))
one.expand(2**40).sum(one.expand(2**40))
rg.zeros(one.expand(2**24))
one.expand(2**40, 1, 1) @ rg.ones(1, 1)
one.expand(2**27, 1, 1) @ rg.ones(2**27, 1, 1)
one.expand(2**50).tolist()
one.expand(2**28).tolist()
one.expand(2**28)[places.expand(2**28)]
many.clone()[places.expand(2**27)]
many.index_put((places.expand(2**27),), one)
many.__setitem__(places.expand(2**27), one)
many.scatter(0, places.expand(2**27), 1.0)
many.scatter_add(0, places.expand(2**27), many.expand(2**27))
many.gather(0, places.expand(2**27))
one.expand(2**28)[one.expand(2**28) > -1]
rg.nonzero(one.expand(2**28) + 1)
rg.meshgrid(one.expand(2**40), one.expand(2**10))[0].clone()
rg.randperm(2**29)
many.sort()
many.argsort()
rg.einsum("i,j->ij", one.expand(2**20), one.expand(2**20))
many.repeat(4)
many.max(0)[0] + one.expand(2**28)
F.one_hot(places.expand(2**20), 2**20)
F.cross_entropy(one.expand(2**27, 1), places.expand(2**27), ignore_index=0)
many.cumsum(0) + many.flip(0).cumprod(0)
rg.save({"x": many}, path)
"""

SCRIPT = """
import resource, sys
import rgrad as rg
from rgrad.nn import functional as F

x, one, places = rg.ones(2, 3), rg.zeros(1), rg.zeros(1, dtype="int64")
many = rg.zeros(2**27)  # half a gigabyte
call, path, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    eval(call)
except MemoryError:
    print("MemoryError")
except (ValueError, TypeError) as error:
    print(error)
else:
    print("done")
w = rg.ones(3, requires_grad=True)
(w @ w).backward()
assert w.grad.tolist() == [2, 2, 2]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is of Linux")
@pytest.mark.parametrize("call", CALLS.strip().splitlines())
def test_an_operation_that_finds_no_memory(call, tmp_path):
    limit = 3 << 29
    assert resource.getrlimit(resource.RLIMIT_AS)[1] in (resource.RLIM_INFINITY, -1), "the test needs memory itself"
    arguments = [sys.executable, "-c", SCRIPT, call, str(tmp_path / "x"), str(limit)]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, f"{call}: the process ended with {run.returncode}: {run.stderr[-500:]}"
    # What holds no sizes is refused at its first item, however many there are.
    refused = run.stdout.startswith("expected an integer or a sequence of them, got tensor(")
    assert run.stdout.strip() in ("MemoryError", "done") or refused, run.stdout


ENDLESS = """
import resource, sys
from itertools import repeat
import rgrad as rg

class Ones(list):
    def __iter__(self):
        return (eval(sys.argv[1]) for _ in repeat(0))

call = eval(sys.argv[2])
limit = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (3 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    call(Ones())
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is of Linux")
@pytest.mark.parametrize("call", ["rg.zeros", "rg.ones(1).sum", "rg.ones(1).split", "rg.cat", "rg.meshgrid"])
def test_a_sequence_that_ends_later_than_memory(call):
    item = "rg.ones(1)" if call in ("rg.cat", "rg.meshgrid") else "1"
    run = subprocess.run(
        [sys.executable, "-c", ENDLESS, item, call], capture_output=True, text=True, timeout=300, check=False
    )
    assert (run.returncode, run.stdout) == (0, "MemoryError\n"), run.stderr[-500:]


def test_iteration_takes_one_row_at_a_time():
    rows = iter(rg.zeros(1).expand(2**59))
    assert [next(rows).item() for _ in range(3)] == [0, 0, 0]
    assert [row.tolist() for row in rg.arange(4).reshape(2, 2)] == [[0, 1], [2, 3]]
