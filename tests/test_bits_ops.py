"""The same bits of every operation, and of its gradients, on every instruction set and for any number of threads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rgrad import _core

# The cases are small, so that threads have something to share only where an operation runs a large kernel for them; the
# kernels' own tests see to that.
EVERY_OPERATION = """
import hashlib, json, sys
import numpy as np
import rgrad as rg
from test_ops import CASES

def plain(x):
    x = x.detach().numpy()
    # NaN has many bit patterns, and counts as one value.
    return (np.where(np.isnan(x), np.array(np.nan, x.dtype), x) if x.dtype.kind == "f" else x).tobytes()

def run(case, dtype):
    rg.manual_seed(0)
    xs = [rg.tensor(a, dtype=dtype) for a in case.inputs]
    y = case.rgrad(*xs)
    found = [plain(y)]
    if case.differentiable:
        y, pull = rg.vjp(case.rgrad, *xs)
        found += [plain(g) for g in pull(rg.arange(1.0, y.numel() + 1, dtype=y.dtype).reshape(y.shape))]
    return hashlib.sha256(b"".join(found)).hexdigest()

found = {"isa": rg.__config__.isa()}
for threads in THREADS:
    rg.set_num_threads(threads)
    for name, cases in CASES.items():
        for i, case in enumerate(cases):
            for dtype in DTYPES:
                key = f"{name}-{i} in {dtype} "
                found[key + f"with {threads} threads"] = run(case, getattr(rg, dtype))
print(json.dumps(found))
"""


def bits(threads: tuple[int, ...], dtypes: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """For every instruction set, what each case gives."""
    script = f"THREADS, DTYPES = {threads}, {dtypes}\n" + EVERY_OPERATION
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    found = {}
    for isa in _core.available_isas():
        env = {**os.environ, "RGRAD_ISA": isa, "PYTHONPATH": path}
        run = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
        found[isa] = json.loads(run.stdout)
        assert found[isa].pop("isa") == isa
    return found


def differing(found: dict[str, dict[str, str]]) -> list[str]:
    """The cases that do not give what they give on the first instruction set with the first number of threads."""
    first: dict[str, str] = {}
    differ = []
    for isa, cases in found.items():
        for name, digest in cases.items():
            case = name.rsplit(" with ", 1)[0]
            if first.setdefault(case, digest) != digest:
                differ.append(f"{name} on {isa}")
    return differ


def test_every_operation_and_gradient():
    assert differing(bits((2,), ("float32",))) == []


@pytest.mark.slow
def test_every_operation_and_gradient_for_any_number_of_threads():
    assert differing(bits((1, 2, 3, 8), ("float32", "float64"))) == []


def test_a_difference_is_noticed():
    same = {"tanh-0 in float32 with 2 threads": "a"}
    other = {"tanh-0 in float32 with 2 threads": "b"}
    assert differing({"avx512": same, "avx2": same}) == []
    assert differing({"avx512": same, "avx2": other}) == ["tanh-0 in float32 with 2 threads on avx2"]
