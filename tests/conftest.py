"""Settings of every test: the instruction set that was asked for, Ctrl-C, and hypothesis without deadlines."""

import os
import signal

import hypothesis
import numpy as np
import pytest

import rgrad as rg

# A deadline is a timed test, and machines are shared.
hypothesis.settings.register_profile("default", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("default")


def pytest_report_header() -> str:
    return f"rgrad {rg.__version__}: isa {rg.__config__.isa()}, {rg.get_num_threads()} threads"


def pytest_configure() -> None:
    wanted = os.environ.get("RGRAD_ISA")
    if wanted and rg.__config__.isa() != wanted:
        raise pytest.UsageError(f"RGRAD_ISA={wanted}, but the kernels run on {rg.__config__.isa()}")
    # What `nohup … &` starts ignores Ctrl-C, and so would the processes that tests start to see what it does to them.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _fresh_defaults():
    threads = rg.get_num_threads()
    rg.manual_seed(0)
    yield
    rg.set_num_threads(threads)
    rg.set_default_dtype(rg.float32)
