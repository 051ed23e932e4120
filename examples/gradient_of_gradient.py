"""Newton's method for the stationary points of a function, with the second derivative as a gradient of the gradient."""

import rgrad as rg


def f(x):
    """A double well with minima at -1 and 1, and a maximum at 0."""
    return (x**2 - 1) ** 2


# All starting points at once: f is element-wise, so the gradient of the sum contains the derivative at each of them.
x = rg.tensor([-2.0, -0.8, 0.7, 3.0], dtype=rg.float64, requires_grad=True)
for step in range(8):
    (slope,) = rg.autograd.grad(f(x).sum(), x, create_graph=True)
    (curvature,) = rg.autograd.grad(slope.sum(), x)
    with rg.no_grad():
        x -= slope / curvature
    print(f"step {step + 1}:", "  ".join(f"{value:+.12f}" for value in x.tolist()))
