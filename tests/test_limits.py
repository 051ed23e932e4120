"""Sizes that no memory holds: errors that say so, before anything is computed, and nothing lost."""

import contextlib

import numpy as np
import pytest

import rgrad as rg
from rgrad.nn import functional as F

HALF = 2**32  # the product of two is 0 in 64 bits
x = rg.arange(6, dtype="float32").reshape(2, 3)
WRAPPING = [rg.zeros(1).expand(380748274420), rg.zeros(1).expand(48448661)]  # together 2**64 + 4 elements


@pytest.mark.parametrize(
    "call",
    [
        lambda: rg.zeros((HALF, HALF)),
        lambda: rg.ones((HALF, HALF, 0, HALF)).sum() + rg.empty((HALF, HALF)),
        lambda: rg.full((2**62, 3), 1.0),
        lambda: rg.eye(HALF, HALF),
        lambda: rg.rand(HALF, HALF),
        lambda: rg.randint(0, 2, (HALF, HALF)),
        lambda: rg.zeros(1).expand(HALF, HALF),
        lambda: rg.broadcast_to(rg.zeros(1), (HALF, HALF)),
        lambda: x.repeat(HALF, HALF),
        lambda: x.tile((HALF, HALF)),
        lambda: F.pad(x, (2**62, 2**62)),
        lambda: rg.zeros(1).expand(HALF, 1) + rg.zeros(1).expand(1, HALF),
        lambda: rg.einsum("i,j->ij", rg.zeros(1).expand(HALF), rg.zeros(1).expand(HALF)),
        lambda: rg.zeros(1).expand(HALF).reshape(HALF, 1) @ rg.zeros(1).expand(1, HALF),
        lambda: rg.zeros(1).expand(HALF, 1, 1) @ rg.zeros(1).expand(1, HALF),
        lambda: F.one_hot(rg.tensor([0, 1, 2]), 2**62),
        lambda: x.reshape(HALF, HALF),
        lambda: rg.arange(0, 1e300, 1e-300),
        lambda: rg.arange(0.0, float("inf")),
        lambda: rg.linspace(0, 1, 2**62),
        lambda: rg.cat([rg.zeros(1, 1).expand(2**61, 2), rg.zeros(1, 1).expand(2**61, 2)]),
        lambda: rg.stack([rg.zeros(1).expand(2**60 - 1)] * 9),
        lambda: rg.cat([rg.zeros(0, 2**59)] * 32, 1),
        lambda: rg.zeros(0).unflatten(0, (0, HALF, HALF)),
        lambda: rg.meshgrid(*WRAPPING),
        lambda: rg.meshgrid(*WRAPPING, indexing="xy"),
        lambda: WRAPPING[0].unsqueeze(1) + WRAPPING[1],
        lambda: rg.where(WRAPPING[0].unsqueeze(1) > 0, WRAPPING[1], 0.0),
        lambda: rg.outer(*WRAPPING),
        lambda: rg.kron(*WRAPPING),
        lambda: rg.diag_embed(WRAPPING[0]),
        lambda: rg.diag(x[0], 2**63 - 1),
        lambda: rg.one_hot(rg.zeros(1, dtype="int64").expand(HALF), HALF),
        lambda: rg.zeros(1, 1).expand(1, HALF)[rg.zeros(1, dtype="int64").expand(HALF)],
    ],
)
def test_more_elements_than_can_be_counted_are_an_error(call):
    # Either the shape is refused, or the size in bytes that its memory would have is told.
    with pytest.raises((ValueError, MemoryError), match=r"too large|cannot (go|allocate|become)|do not fit"):
        call()
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("call", "size"),
    [
        (lambda: rg.zeros(2**50), 2**52),
        (lambda: rg.arange(2**50), 2**53),
        (lambda: rg.linspace(0, 1, 2**50, dtype=rg.float64), 2**53),
        (lambda: rg.eye(2**25, 2**25, dtype=rg.float64), 2**53),
        (lambda: rg.zeros(1).expand(2**50) + 1, 2**52),
        (lambda: rg.zeros(1).expand(2**50).contiguous(), 2**52),
        (lambda: x.repeat(2**25, 2**25), 6 * 2**52),
        (lambda: F.pad(x, (0, 2**50 - 3)), 2**53),
        (lambda: rg.einsum("i,j->ij", rg.zeros(2**25), rg.zeros(2**25)), 2**52),
    ],
)
def test_memory_that_there_is_not_is_a_memory_error_with_its_size(call, size):
    with pytest.raises(MemoryError, match=f"cannot allocate {size} bytes"):
        call()
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


SIZES = (2**40, 2**45, 2**59, 2**60, 2**61, 2**62, 2**63 - 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "call",
    [
        lambda n: rg.zeros(n, n),
        lambda n: rg.arange(-n, n),
        lambda n: rg.randperm(n),
        lambda n: rg.zeros(1).expand(n, n),
        lambda n: x.repeat(n, n),
        lambda n: x.narrow(0, n, n),
        lambda n: x.narrow(0, -n, 1),
        lambda n: x.select(0, n),
        lambda n: x.unflatten(1, (n, n)),
        lambda n: x.split(-n),
        lambda n: x.split([n, n, 2]),
        lambda n: rg.zeros(0).chunk(n),
        lambda n: rg.zeros(0, 5).unflatten(0, (n, n, 0)),
        lambda n: rg.zeros(1).expand(min(n, 2**60 - 1)).unbind(),
        lambda n: rg.zeros(1).expand(min(n, 2**60 - 1)).split(1),
        lambda n: F.pad(x, (n, n)),
        lambda n: F.pad(x, (-n, n)),
        lambda n: F.pad(x, (n, 0), mode="replicate"),
        lambda n: F.pad(x, (n, 0), mode="reflect"),
        lambda n: F.pad(x, (0, n), mode="circular"),
        lambda n: rg.diag(x, n),
        lambda n: rg.diag(x, -n),
        lambda n: x.roll(n, 0),
        lambda n: x[n:, ::n],
        lambda n: x[-n:n:n],
        lambda n: x[n],
        lambda n: x.tril(n) + x.triu(-n),
        lambda n: x.sum(n),
        lambda n: x[rg.tensor([n])],
        lambda n: rg.cat([x] * 3, n),
        lambda n: rg.stack([rg.zeros(1).expand(min(n, 2**60 - 1))] * 9),
        lambda n: rg.topk(x, n),
    ],
)
def test_arguments_near_the_ends_of_integers(call, size):
    # What fits is computed; what does not is said to be wrong or too large. Nothing wraps around.
    with contextlib.suppress(ValueError, IndexError, MemoryError, OverflowError):
        assert call(size).numel() <= 18
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_product_that_cannot_be_packed_is_a_memory_error():
    a, b = rg.zeros(1).expand(300, 2**40), rg.zeros(1).expand(2**40, 17)
    with pytest.raises(MemoryError, match=r"cannot allocate \d+ bytes"):
        a @ b
    assert (rg.ones(2, 3) @ rg.ones(3, 2)).tolist() == [[3, 3], [3, 3]]


def test_a_product_of_more_elements_than_there_are_addresses_is_a_value_error():
    a, b = rg.zeros(1).expand(300, 2**48), rg.zeros(1).expand(2**48, 17)
    with pytest.raises(ValueError, match=r"matmul: a matrix of shape .* has too many elements"):
        a @ b
    with pytest.raises(ValueError, match=r"linear: a matrix of shape .* has too many elements"):
        rg.nn.functional.linear(a, b.T)


def test_a_step_that_finds_no_memory_changes_nothing():
    w = rg.ones(3, requires_grad=True)
    loss = (w * w).sum()
    with pytest.raises(MemoryError):
        (w.sum().expand(2**50) * 2).sum()
    loss.backward()
    np.testing.assert_array_equal(w.grad.numpy(), [2, 2, 2])
