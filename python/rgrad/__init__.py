"""rgrad: automatic differentiation on CPUs for softmax regression and multi-layer perceptrons.

Tensors, ``nn`` and ``optim`` follow PyTorch's names and conventions::

    import rgrad as rg

    w = rg.tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    loss.backward()
    w.grad  # tensor([2., 4.])
"""
# ruff: noqa: F405 - ``__all__`` names what the star brings.

import importlib
import os as _os
import sys as _sys
from typing import TYPE_CHECKING, Any

from rgrad import _core
from rgrad._core import *  # noqa: F403 - the operations and the functions that make tensors
from rgrad._core import VERSION as __version__
from rgrad._shared import threadpools as _threadpools

if TYPE_CHECKING:
    from rgrad import (
        __config__ as __config__,
        autograd as autograd,
        config as config,
        data as data,
        datasets as datasets,
        linalg as linalg,
        nn as nn,
        optim as optim,
        plot as plot,
        testing as testing,
        train as train,
        transforms as transforms,
        tutorial as tutorial,
    )
    from rgrad._compile import compile as compile
    from rgrad._summary import summary as summary
    from rgrad.autograd import (
        enable_grad as enable_grad,
        no_grad as no_grad,
        set_grad_enabled as set_grad_enabled,
    )
    from rgrad.transforms import (
        grad as grad,
        hessian as hessian,
        hvp as hvp,
        jacfwd as jacfwd,
        jacrev as jacrev,
        jvp as jvp,
        value_and_grad as value_and_grad,
        vjp as vjp,
    )

float32 = _core.DType("float32")
float64 = _core.DType("float64")
int64 = _core.DType("int64")
int32 = _core.DType("int32")
uint8 = _core.DType("uint8")
bool = _core.DType("bool")


def _apply_environment() -> None:
    """Applies the variables and refuses what cannot be understood, at import, where the user sees the reason."""
    isa = _os.environ.get("RGRAD_ISA")
    if isa:
        _core._pin_isa(isa)
    threads = _os.environ.get("RGRAD_NUM_THREADS")
    if threads:
        if not threads.isdecimal() or len(threads) > 9:
            raise ValueError(f"RGRAD_NUM_THREADS must be a number of threads, got {threads!r}")
        _core.set_num_threads(int(threads))
    else:
        # joblib, Dask and batch systems set it for workers that share the cores. In "4,2" the first number counts.
        shared = _os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
        if shared.isdecimal() and 0 < int(shared) < _core.get_num_threads():
            _core.set_num_threads(int(shared))
    # Read by rgrad.config, which loads later.
    compiling = _os.environ.get("RGRAD_COMPILE")
    if compiling not in (None, "", "0", "1"):
        raise ValueError(f"RGRAD_COMPILE must be 0 or 1, got {compiling!r}")


try:
    _apply_environment()
except ValueError as error:
    # The command line imports the package, with "-m" or the script as argv[0], before its own code could catch this.
    if _os.path.basename(_sys.argv[0] if _sys.argv else "") not in ("-m", "rgrad", "rgrad.exe"):
        raise
    print(f"rgrad: error: {error}", file=_sys.stderr)
    raise SystemExit(2) from None

_threadpools.follow()

# Loaded on first use: a script that only needs tensors should not wait for the rest.
_ROOMS = {
    "__config__",
    "autograd",
    "config",
    "data",
    "datasets",
    "linalg",
    "nn",
    "optim",
    "plot",
    "testing",
    "train",
    "transforms",
    "tutorial",
}
_FUNCTIONS = {"compile": "_compile", "summary": "_summary"}
_FUNCTIONS |= dict.fromkeys(("enable_grad", "no_grad", "set_grad_enabled"), "autograd")
_FUNCTIONS |= dict.fromkeys(
    ("grad", "hessian", "hvp", "jacfwd", "jacrev", "jvp", "value_and_grad", "vjp"), "transforms"
)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"rgrad.{name}")
    if name in _FUNCTIONS:
        found = getattr(importlib.import_module(f"rgrad.{_FUNCTIONS[name]}"), name)
        globals()[name] = found  # found without this function from now on
        return found
    raise AttributeError(f"module 'rgrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | _ROOMS | _FUNCTIONS.keys())


__all__ = [
    *_core.OPS,
    "DType",
    "Generator",
    "Tensor",
    "__version__",
    "allclose",
    "arange",
    "bool",
    "compile",
    "empty",
    "empty_like",
    "enable_grad",
    "equal",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "get_default_dtype",
    "get_num_threads",
    "get_rng_state",
    "grad",
    "hessian",
    "hvp",
    "is_grad_enabled",
    "jacfwd",
    "jacrev",
    "jvp",
    "linspace",
    "load",
    "logspace",
    "manual_seed",
    "meshgrid",
    "no_grad",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "save",
    "set_default_dtype",
    "set_grad_enabled",
    "set_num_threads",
    "set_rng_state",
    "summary",
    "tensor",
    "value_and_grad",
    "vjp",
    "zeros",
    "zeros_like",
]
