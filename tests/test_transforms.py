"""Function transforms: against each other, against formulas, nested in every order, over trees."""

import math
from collections import defaultdict, namedtuple
from dataclasses import dataclass
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import rgrad as rg

F64 = rg.float64


def close(got: rg.Tensor, expected, rtol: float = 1e-12) -> None:
    want = expected.detach().numpy() if isinstance(expected, rg.Tensor) else np.asarray(expected)
    assert got.shape == want.shape
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=rtol, atol=1e-12)


def t(values, **options) -> rg.Tensor:
    return rg.tensor(np.asarray(values, np.float64), **options)


# ---- Against formulas ----


def test_gradients_of_any_order():
    f = lambda x: x**5  # noqa: E731
    for order in range(6):
        assert f(t(2.0)).item() == math.perm(5, order) * 2.0 ** (5 - order)
        f = rg.grad(f)


def test_value_and_grad_of_several_arguments_with_aux():
    def f(x, y, scale=1.0):
        return scale * (x * y).sum(), {"x": x, "name": "aux"}

    (value, aux), (gx, gy) = rg.value_and_grad(f, argnums=(0, 1), has_aux=True)(t([1, 2]), t([3, 4]), scale=2.0)
    assert value.item() == 22
    assert (gx.tolist(), gy.tolist()) == ([6, 8], [2, 4])
    assert aux["name"] == "aux"
    assert not aux["x"].requires_grad
    assert rg.grad(f, -1, has_aux=True)(t([1, 2]), t([3, 4]))[0].tolist() == [1, 2]


def test_numbers_and_arrays_are_arguments_too():
    assert rg.grad(lambda x: x * x)(3.0).item() == 6
    assert rg.grad(lambda x: (x * x).sum())(np.array([1.0, 2.0])).tolist() == [2, 4]


def test_jacobians_of_a_matrix_product(rng):
    A, x = t(rng.standard_normal((3, 4))), t(rng.standard_normal(4))
    for jac in (rg.jacrev, rg.jacfwd):
        close(jac(lambda x: A @ x)(x), A)
        wrt_matrix = jac(lambda A: A @ x)(A)
        assert wrt_matrix.shape == (3, 3, 4)
        close(wrt_matrix, np.einsum("ik,j->ikj", np.eye(3), x.numpy()))


def test_the_hessian_of_a_quadratic_form(rng):
    Q, x, v = rng.standard_normal((4, 4)), t(rng.standard_normal(4)), t(rng.standard_normal(4))
    q = t(Q)
    f = lambda x: x @ q @ x  # noqa: E731
    close(rg.hessian(f)(x), Q + Q.T)
    close(rg.hvp(f, (x,), (v,)), (Q + Q.T) @ v.numpy())


def test_vjp_and_jvp_of_several_outputs():
    f = lambda x, y: (x * y, x + y)  # noqa: E731
    x, y = t([1.0, 2.0]), t([3.0, 4.0])
    out, pull = rg.vjp(f, x, y)
    assert [o.tolist() for o in out] == [[3, 8], [4, 6]]
    for _ in range(2):
        gx, gy = pull((t([1, 0]), t([0, 1])))
        assert (gx.tolist(), gy.tolist()) == ([3, 1], [1, 1])
    out, moved = rg.jvp(f, (x, y), (t([1, 0]), t([0, 1])))
    assert [o.tolist() for o in out] == [[3, 8], [4, 6]]
    assert [m.tolist() for m in moved] == [[3, 2], [1, 1]]


def test_aux_of_vjp_and_jvp():
    f = lambda x: (x * x, [x, "aux"])  # noqa: E731
    _, _, aux = rg.vjp(f, t(2.0), has_aux=True)
    assert aux[1] == "aux"
    y, dy, aux = rg.jvp(f, (t(2.0),), (t(1.0),), has_aux=True)
    assert (y.item(), dy.item(), aux[0].item()) == (4, 4, 2)
    aux[0].numpy()
    with pytest.raises(TypeError, match="pair"):
        rg.jvp(lambda x: x, (t(2.0),), (t(1.0),), has_aux=True)


# ---- Nesting ----


def test_perturbations_are_not_confused():
    """d/dx (x · d/dy (x + y)) is 1: the inner derivative must not see the outer variable."""
    one = t(1.0)
    inner_rev = lambda x: x * rg.grad(lambda y: x + y)(x)  # noqa: E731
    inner_fwd = lambda x: x * rg.jvp(lambda y: x + y, (x,), (one,))[1]  # noqa: E731
    for f in (inner_rev, inner_fwd):
        assert rg.grad(f)(one).item() == 1
        assert rg.jvp(f, (one,), (one,))[1].item() == 1


def test_an_inner_derivative_depends_on_the_outer_variable():
    """d/dx (x · d/dy (x y²) at y = x) = d/dx 2x³ = 6x²."""
    inner_rev = lambda x: x * rg.grad(lambda y: x * y * y)(x)  # noqa: E731
    inner_fwd = lambda x: x * rg.jvp(lambda y: x * y * y, (x,), (t(1.0),))[1]  # noqa: E731
    for f in (inner_rev, inner_fwd):
        assert rg.grad(f)(t(2.0)).item() == 24
        assert rg.jvp(f, (t(2.0),), (t(1.0),))[1].item() == 24


def test_gradients_flow_to_captured_tensors_and_arguments_on_the_tape():
    w = t(3.0, requires_grad=True)
    x = t(2.0, requires_grad=True)
    g = rg.grad(lambda x: w * x * x)(x)
    assert g.item() == 12
    g.backward()
    assert (w.grad.item(), x.grad.item()) == (4, 6)


def test_results_are_free_of_the_tape_where_nothing_outside_is_taped():
    x = t([1.0, 2.0])
    value, g = rg.value_and_grad(lambda x: (x * x).sum())(x)
    assert not value.requires_grad
    assert not g.requires_grad
    assert not rg.hessian(lambda x: (x**3).sum())(x).requires_grad
    w = t(3.0, requires_grad=True)
    with rg.no_grad():
        assert not rg.grad(lambda x: (w * x).sum())(x).requires_grad
    assert rg.is_grad_enabled()


def test_a_leaf_does_not_get_a_gradient_from_a_transform():
    x = t(2.0, requires_grad=True)
    rg.grad(lambda x: x * x)(x)
    assert x.grad is None


def mlp(params, X, y):
    hidden = rg.tanh(X @ params["w1"].T + params["b1"])
    return rg.cross_entropy(hidden @ params["w2"].T, y)


@pytest.fixture
def net(rng):
    shapes = {"w1": (5, 3), "b1": (5,), "w2": (4, 5)}
    return (
        {k: t(rng.standard_normal(s)) for k, s in shapes.items()},
        t(rng.standard_normal((6, 3))),
        rg.tensor(rng.integers(0, 4, 6)),
    )


def flat(tree) -> np.ndarray:
    return np.concatenate([tree[k].numpy().ravel() for k in tree])


def square(tree, names) -> np.ndarray:
    """A Hessian over a dict of tensors as one matrix."""
    size = {k: int(np.prod(tree[k][k].shape[: len(tree[k][k].shape) // 2])) for k in names}
    return np.block([[tree[a][b].numpy().reshape(size[a], size[b]) for b in names] for a in names])


def test_every_way_to_a_hessian_of_an_mlp(net):
    params, X, y = net
    loss = lambda p: mlp(p, X, y)  # noqa: E731
    ways = {
        "hessian": rg.hessian(loss),
        "forward over reverse": rg.jacfwd(rg.jacrev(loss)),
        "reverse over reverse": rg.jacrev(rg.jacrev(loss)),
        "reverse over forward": rg.jacrev(rg.jacfwd(loss)),
        "forward over forward": rg.jacfwd(rg.jacfwd(loss)),
    }
    found = {name: square(way(params), params) for name, way in ways.items()}
    for H in found.values():
        np.testing.assert_allclose(H, found["hessian"], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(H, H.T, rtol=1e-10, atol=1e-13)
    v = {k: t(np.random.default_rng(1).standard_normal(p.shape)) for k, p in params.items()}
    np.testing.assert_allclose(flat(rg.hvp(loss, (params,), (v,))), found["hessian"] @ flat(v), rtol=1e-10, atol=1e-13)


def test_jacobians_of_an_mlp_agree(net):
    params, X, _ = net
    logits = lambda p, X: rg.tanh(X @ p["w1"].T + p["b1"]) @ p["w2"].T  # noqa: E731
    reverse = rg.jacrev(logits, argnums=(0, 1))(params, X)
    forward = rg.jacfwd(logits, argnums=(0, 1))(params, X)
    for k in params:
        close(forward[0][k], reverse[0][k])
    close(forward[1], reverse[1])


# ---- Random compositions ----

SMOOTH = {
    "tanh": rg.tanh,
    "exp": lambda x: rg.exp(-x * x),
    "sigmoid": rg.sigmoid,
    "square": rg.square,
    "softplus": rg.softplus,
    "softmax": lambda x: rg.softmax(x, -1),
    "logsumexp": lambda x: x - rg.logsumexp(x, -1, keepdim=True),
    "scale": lambda x: x / (1 + (x * x).mean(-1, keepdim=True)),
    "product": lambda x: x @ x.mT @ x / 9,
    "transpose": lambda x: x.mT * 1.0,
    "roll": lambda x: rg.cat([x[1:], x[:1]]),
    "index": lambda x: x[[2, 0, 0]] + x,
    "log1p": lambda x: rg.log1p(x * x),
    "sqrt": lambda x: rg.sqrt(1 + x * x),
}


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(names=st.lists(st.sampled_from(sorted(SMOOTH)), min_size=1, max_size=5), seed=st.integers(0, 2**16))
def test_random_compositions(names, seed):
    """Jacrev = jacfwd; hessian = jacfwd(jacrev) = jacrev(jacrev); hvp = hessian @ v."""
    random = np.random.default_rng(seed)
    x, v = t(random.standard_normal((3, 3))), t(random.standard_normal((3, 3)))

    def f(x):
        for name in names:
            x = SMOOTH[name](x)
        return x

    scalar = lambda x: (f(x) * x).sum()  # noqa: E731
    close(rg.jacfwd(f)(x), rg.jacrev(f)(x), rtol=1e-9)
    H = rg.hessian(scalar)(x)
    close(rg.jacfwd(rg.jacrev(scalar))(x), H, rtol=1e-9)
    close(rg.jacrev(rg.jacrev(scalar))(x), H, rtol=1e-9)
    close(rg.jacrev(rg.jacfwd(scalar))(x), H, rtol=1e-9)
    close(rg.hvp(scalar, (x,), (v,)), (H.reshape(9, 9) @ v.reshape(9)).reshape(3, 3), rtol=1e-9)


# ---- Trees ----

Pair = namedtuple("Pair", "left right")


def test_trees_keep_their_form():
    tree = {"b": [t([1.0, 2.0]), (t(3.0), None)], "a": Pair(t(4.0), t([[5.0]]))}
    f = lambda p: (p["b"][0] ** 2).sum() * p["b"][1][0] + p["a"].left * p["a"].right.sum()  # noqa: E731
    g = rg.grad(f)(tree)
    assert list(g) == ["b", "a"]
    assert isinstance(g["a"], Pair)
    assert g["b"][1][1] is None
    assert g["b"][0].tolist() == [6, 12]
    assert (g["a"].left.item(), g["a"].right.tolist()) == (5, [[4]])
    _, moved = rg.jvp(lambda p: {"sum": f(p)}, (tree,), (tree,))
    assert moved["sum"].item() == pytest.approx(3 * 15 + 2 * 20)


@dataclass(frozen=True)
class Weights:
    w: Any
    b: Any = None


def test_dataclasses_and_dicts_of_any_kind_are_trees():
    p = Weights(Pair(t(2.0), t(3.0)), defaultdict(list, b=t(5.0)))
    f = lambda p: p.w.left * p.w.right * p.b["b"]  # noqa: E731
    g = rg.grad(f)(p)
    assert isinstance(g, Weights)
    assert isinstance(g.b, defaultdict)
    assert (g.w.left.item(), g.w.right.item(), g.b["b"].item()) == (15, 10, 6)
    assert p.w.left.item() == 2
    out, pull = rg.vjp(lambda p: Weights(f(p)), p)
    assert (out.w.item(), out.b) == (30, None)
    assert pull(Weights(t(2.0)))[0].w.left.item() == 30
    assert rg.jvp(f, (p,), (p,))[1].item() == 90
    with pytest.raises(ValueError, match="expected Weights, got tuple"):
        pull((t(1.0), None))
    with pytest.raises(ValueError, match="expected a tensor, got Weights"):
        rg.jvp(lambda x: x, (t(1.0),), (Weights(t(1.0)),))


def test_trees_are_matched_by_their_keys():
    f = lambda p: {"y": p["a"] ** 2 * p["b"], "z": p["b"]}  # noqa: E731
    p, dp = {"a": t(3.0), "b": t(5.0)}, {"b": t(1.0), "a": t(0.0)}
    assert rg.jvp(f, (p,), (dp,))[1]["y"].item() == 9
    _, pull = rg.vjp(f, p)
    assert pull({"z": t(0.0), "y": t(1.0)})[0]["a"].item() == 30
    for wrong in ({"a": t(1.0)}, {"a": t(1.0), "b": [t(1.0)]}, {"a": t(1.0), "b": None}, [t(1.0), t(1.0)], t(1.0)):
        with pytest.raises(ValueError, match="jvp: tangents in the form of the primals: expected"):
            rg.jvp(f, (p,), (wrong,))


def test_unused_arguments_have_zero_derivatives():
    x, y = t([1.0, 2.0]), t([3.0])
    assert rg.grad(lambda x, y: (x * x).sum(), (0, 1))(x, y)[1].tolist() == [0]
    assert rg.grad(lambda x: t(1.0))(x).tolist() == [0, 0]
    assert rg.jacrev(lambda x, y: x * x, 1)(x, y).tolist() == [[0], [0]]
    assert rg.jacfwd(lambda x, y: x * x, 1)(x, y).tolist() == [[0], [0]]
    assert rg.hessian(lambda x: x.sum())(x).tolist() == [[0, 0], [0, 0]]


def test_empty_and_scalar_shapes():
    for jac in (rg.jacrev, rg.jacfwd):
        assert jac(lambda x: x * x)(t(3.0)).item() == 6
        assert jac(lambda x: x * x)(t(np.zeros(0))).shape == (0, 0)
        assert jac(lambda x: x.sum())(t(np.zeros((0, 2)))).shape == (0, 2)
        assert jac(lambda x: x.reshape(-1)[:0])(t(np.zeros(3))).shape == (0, 3)


# ---- Forward mode and the world outside ----


def test_forward_mode_needs_no_tape():
    with rg.no_grad():
        y, dy = rg.jvp(lambda x: rg.exp(x) * 2, (t(0.0),), (t(3.0),))
    assert (y.item(), dy.item()) == (2, 6)
    assert y.grad_fn is None


def test_a_tangent_is_never_lost_silently():
    x, one = t([1.0, 2.0]), t([1.0, 1.0])
    for leave in (lambda x: x.numpy(), np.asarray):
        with pytest.raises(RuntimeError, match=r"detach\(\)"):
            rg.jvp(lambda x, leave=leave: rg.tensor(leave(x)), (x,), (one,))
    target = rg.zeros(2, dtype=F64)
    with pytest.raises(RuntimeError, match="forward mode"):
        rg.jvp(lambda x: target.copy_(x), (x,), (one,))
    with pytest.raises(RuntimeError, match="forward mode"):
        rg.jvp(lambda x: (x * 1).add_(1), (x,), (one,))
    assert target.tolist() == [0, 0]
    assert rg.jvp(lambda x: x.detach() * x, (x,), (one,))[1].tolist() == [1, 2]


def test_a_tensor_that_escaped_from_an_inner_derivative_keeps_the_outer_tangent():
    kept = []

    def f(x):
        rg.jvp(lambda y: kept.append(x * y) or y, (x,), (t(1.0),))
        return kept[-1]

    # The inner variable is a stranger now; the outer one still counts: d/dx (x · x) = 2x.
    assert rg.jvp(f, (t(3.0),), (t(1.0),))[1].item() == 6


# ---- Bad input ----


def test_what_cannot_be_differentiated_is_refused():
    with pytest.raises(TypeError, match="int64"):
        rg.grad(lambda x: x.sum())(rg.tensor([1, 2]))
    with pytest.raises(ValueError, match=r"one scalar, got shape \(2,\)"):
        rg.grad(lambda x: x * x)(t([1.0, 2.0]))
    with pytest.raises(TypeError, match="must return tensors, got float"):
        rg.grad(lambda x: 1.0)(t(1.0))
    with pytest.raises(TypeError, match=r"must return floats, got .*int64"):
        rg.jacrev(lambda x: rg.argmax(x))(t([1.0]))
    with pytest.raises(ValueError, match="argnums 2 is out of range for 1"):
        rg.grad(lambda x: x, 2)(t(1.0))
    with pytest.raises(TypeError, match="integer"):
        rg.grad(lambda x: x, "a")(t(1.0))
    with pytest.raises(ValueError, match="argument 0 twice"):
        rg.grad(lambda x: x, (0, 0))(t(1.0))
    with pytest.raises(ValueError, match="expected a list or tuple of 1, got 2"):
        rg.jvp(lambda x: x, (t(1.0),), (t(1.0), t(2.0)))
    with pytest.raises(TypeError, match="tuple or list"):
        rg.jvp(lambda x: x, t([1.0]), t([1.0]))
    with pytest.raises(ValueError, match=r"shape \(2,\) cannot have a tangent of shape \(3,\)"):
        rg.jvp(lambda x: x, (t([1.0, 2.0]),), (t([1.0, 2.0, 3.0]),))
    with pytest.raises(ValueError, match=r"vjp: .* expected a tensor, got tuple"):
        rg.vjp(lambda x: x, t(1.0))[1]((t(1.0), t(1.0)))
