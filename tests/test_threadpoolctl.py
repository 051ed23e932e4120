"""threadpoolctl lists rgrad's pool and limits it, whichever of the two is imported first."""

import os
import subprocess
import sys

import pytest
import threadpoolctl

import rgrad as rg


def mine() -> list[dict[str, object]]:
    return [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "rgrad"]


def test_the_pool_is_listed():
    rg.set_num_threads(3)
    [info] = mine()
    assert info["num_threads"] == 3
    assert info["version"] == rg.__version__
    assert info["internal_api"] == "rgrad"


@pytest.mark.parametrize("limits", [1, {"rgrad": 1}])
def test_the_pool_is_limited(limits):
    rg.set_num_threads(3)
    with threadpoolctl.threadpool_limits(limits=limits):
        assert rg.get_num_threads() == 1
    assert rg.get_num_threads() == 3
    with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
        assert rg.get_num_threads() == 3


@pytest.mark.parametrize("imports", ["rgrad, threadpoolctl", "threadpoolctl, rgrad"])
def test_either_may_be_imported_first(imports):
    code = f"""
import {imports}
with threadpoolctl.threadpool_limits(1):
    print([i["num_threads"] for i in threadpoolctl.threadpool_info() if i["user_api"] == "rgrad"])
"""
    env = {**os.environ, "RGRAD_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "[1]\n"


def test_threadpoolctl_need_not_exist():
    code = """
import sys, rgrad
assert "threadpoolctl" not in sys.modules
sys.path[:] = []
try:
    import threadpoolctl
except ModuleNotFoundError:
    print("missing")
"""
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=paths())
    assert done.stdout == "missing\n", done.stderr


def paths() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
