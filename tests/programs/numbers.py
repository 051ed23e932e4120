"""Tensors of reproducible numbers, the same on every platform."""

import math

import numpy as np

import rgrad as rg


def _pools() -> dict[str, np.ndarray]:
    r, size = np.random.default_rng(5), 4093
    normal = r.standard_normal(size)
    few = r.choice([0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e-40, 3e38, -1e-12], size)
    return {
        "normal": normal,
        "positive": r.uniform(0.1, 2.0, size),
        "unit": r.uniform(0.02, 0.98, size),
        # Ties and zeros.
        "whole": r.integers(-3, 4, size).astype(float),
        "special": np.where(r.random(size) < 0.2, few, normal),
        "index": r.integers(0, 3, size).astype(float),
        "sign": r.choice([-1.0, 1.0], size),
        "bit": r.integers(0, 2, size).astype(float),
    }


POOLS = {kind: np.concatenate([pool, pool]) for kind, pool in _pools().items()}


def numbers(shape, dtype, kind, seed):
    """A tensor of numbers of that kind; other seeds give others."""
    pool, count = POOLS[kind], math.prod(shape)
    start = seed * 769 % (len(pool) // 2)
    if count > len(pool) // 2:
        pool = np.resize(pool, start + count)
    with np.errstate(invalid="ignore", over="ignore"):
        return rg.tensor(pool[start : start + count].reshape(shape).astype(dtype))
