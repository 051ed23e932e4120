"""L-BFGS: its path against one written in NumPy, the Wolfe conditions, and its rules."""

import copy
import itertools

import numpy as np
import pytest

import rgrad as rg
from rgrad.optim import LBFGS

RNG = np.random.default_rng(1)
A = np.linalg.qr(RNG.standard_normal((6, 6)))[0] @ np.diag(np.geomspace(0.03, 1, 6))
X = RNG.standard_normal((30, 4))
Y = (X @ [1.0, -2.0, 0.5, 1.5] + 3 * RNG.standard_normal(30) > 0).astype(float)


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def slope_of_rosenbrock(x):
    return np.array([-2 * (1 - x[0]) - 400 * x[0] * (x[1] - x[0] ** 2), 200 * (x[1] - x[0] ** 2)])


# The value for tensors and the value for arrays, and the gradient written by hand.
PROBLEMS = {
    "quadratic": (
        np.ones(6),
        lambda x: ((A.T @ x) ** 2).sum(),
        lambda x: ((A.T @ x) ** 2).sum(),
        lambda x: 2 * A @ (A.T @ x),
    ),
    "rosenbrock": (np.array([-1.2, 1.0]), rosenbrock, rosenbrock, slope_of_rosenbrock),
    "logistic": (
        np.zeros(4),
        lambda w: rg.nn.functional.binary_cross_entropy_with_logits(X @ w, Y),
        lambda w: np.logaddexp(0, X @ w).mean() - Y @ (X @ w) / len(Y),
        lambda w: X.T @ (1 / (1 + np.exp(-X @ w)) - Y) / len(Y),
    ),
}


def interpolated(a, b, low, high):
    """The minimum of the cubic through (t, f, slope) at two points, by way of its coefficients."""
    (t0, f0, s0), (t1, f1, s1) = sorted((a[:3], b[:3]))
    w = t1 - t0
    # f0 + s0·u + c·u² + e·u³ with u from t0.
    c = (3 * (f1 - f0) - (2 * s0 + s1) * w) / w**2
    e = ((s0 + s1) * w - 2 * (f1 - f0)) / w**3
    root = c * c - 3 * e * s0
    if root < 0:
        return (low + high) / 2
    # The root that is a minimum, in the form that does not cancel.
    u = -s0 / (c + np.sqrt(root)) if c > 0 else (np.sqrt(root) - c) / (3 * e)
    return min(max(t0 + u, low), high)


def search(phi, f0, s0, t, size, tolerance):
    """PyTorch's line search; phi(t) is (t, value, slope, gradient)."""
    old, new, evaluations = (0.0, f0, s0, None), phi(t), 1
    fine = lambda p: p[1] <= f0 + 1e-4 * p[0] * s0  # noqa: E731
    flat = lambda p: abs(p[2]) <= -0.9 * s0  # noqa: E731
    bracket = None
    for i in itertools.count():
        if i == 25:
            return min((0.0, f0, s0, None), new, key=lambda p: p[1]), evaluations
        if not fine(new) or (i > 1 and new[1] >= old[1]):
            bracket = [old, new]
        elif flat(new):
            return new, evaluations
        elif new[2] >= 0:
            bracket = [old, new]
        if bracket:
            break
        t = interpolated(old, new, new[0] + 0.01 * (new[0] - old[0]), new[0] * 10)
        old, new, evaluations = new, phi(t), evaluations + 1
    slow = False
    while evaluations <= 25 and abs(bracket[1][0] - bracket[0][0]) * size >= tolerance:
        bracket.sort(key=lambda p: p[1])  # the better end first
        ends = sorted(p[0] for p in bracket)
        t, margin = interpolated(*bracket, *ends), 0.1 * (ends[1] - ends[0])
        if min(ends[1] - t, t - ends[0]) >= margin:
            slow = False
        elif slow or t in ends:
            t = ends[1] - margin if ends[1] - t < t - ends[0] else ends[0] + margin
            slow = False
        else:
            slow = True
        new, evaluations = phi(t), evaluations + 1
        if not fine(new) or new[1] >= bracket[0][1]:
            bracket[1] = new
            continue
        if flat(new):
            return new, evaluations
        if new[2] * (bracket[1][0] - bracket[0][0]) >= 0:
            bracket[1] = bracket[0]
        bracket[0] = new
    return min(bracket, key=lambda p: p[1]), evaluations


def minimise(x, value, gradient, steps, lr=1.0, history_size=100, max_iter=20, line_search_fn=None):
    """L-BFGS with dense matrices instead of the two-loop recursion; the points after each of its steps."""
    pairs, points, d, t, f_old, g_old, total = [], [], None, 0.0, None, None, 0
    f, g = value(x), gradient(x)
    for _ in range(steps):
        evaluations = 1
        f, g = value(x), gradient(x)
        for i in range(max_iter):
            if np.abs(g).max() <= 1e-7:
                break
            total += 1
            if d is not None:
                s, y = d * t, g - g_old
                if y @ s > 1e-10:
                    pairs = [*pairs, (s, y)][-history_size:]
            h = np.eye(len(x)) * (pairs[-1][0] @ pairs[-1][1] / (pairs[-1][1] @ pairs[-1][1]) if pairs else 1.0)
            for s, y in pairs:
                v = np.eye(len(x)) - np.outer(y, s) / (y @ s)
                h = v.T @ h @ v + np.outer(s, s) / (y @ s)
            d, f_old, g_old = -h @ g, f, g
            t = lr * (min(1.0, 1 / np.abs(g).sum()) if total == 1 else 1.0)
            if g @ d > -1e-9:
                break
            if line_search_fn:
                phi = lambda t: (t, value(x + t * d), gradient(x + t * d) @ d, gradient(x + t * d))  # noqa: B023, E731
                (t, f, _, new), count = search(phi, f, g @ d, t, np.abs(d).max(), 1e-9)
                x, g, evaluations = x + t * d, g if new is None else new, evaluations + count
            else:
                x = x + t * d
                if i + 1 < max_iter:
                    f, g, evaluations = value(x), gradient(x), evaluations + 1
            if evaluations >= max_iter * 5 // 4 or np.abs(d * t).max() <= 1e-9 or abs(f - f_old) < 1e-9:
                break
        points.append(x)
    return np.array(points)


def closure_of(optimizer, x, value):
    def closure():
        optimizer.zero_grad()
        loss = value(x)
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(
    ("steps", "settings"),
    [
        (50, {"line_search_fn": "strong_wolfe"}),
        (50, {"lr": 0.02, "max_iter": 2}),
        # With a short history, which converges slowly, differences of rounding grow a hundredfold in ten iterations.
        (8, {"line_search_fn": "strong_wolfe", "max_iter": 2, "history_size": 3}),
        (30, {"lr": 0.1, "max_iter": 1, "history_size": 3}),
    ],
)
def test_the_path_is_that_of_the_formulas(problem, steps, settings):
    start, value, plain, gradient = PROBLEMS[problem]
    x = rg.tensor(start, requires_grad=True)
    optimizer = LBFGS([x], **settings)
    found = []
    for _ in range(steps):
        optimizer.step(closure_of(optimizer, x, value))
        found.append(x.detach().numpy().copy())
    np.testing.assert_allclose(found, minimise(start, plain, gradient, steps, **settings), rtol=0, atol=1e-10)


def test_it_converges_on_rosenbrock():
    x = rg.tensor([-1.2, 1.0], dtype="float64", requires_grad=True)
    optimizer = LBFGS([x], 1.0, 100, 1000, 1e-10, 1e-15, line_search_fn="strong_wolfe")
    first = optimizer.step(closure_of(optimizer, x, rosenbrock))
    assert first.item() == pytest.approx(24.2)
    np.testing.assert_allclose(x.tolist(), [1.0, 1.0], atol=1e-8)
    assert optimizer.state[x]["n_iter"] < 60


@pytest.mark.parametrize("problem", PROBLEMS)
def test_accepted_steps_satisfy_the_strong_wolfe_conditions(problem):
    start, value, plain, gradient = PROBLEMS[problem]
    x = rg.tensor(start, requires_grad=True)
    optimizer = LBFGS([x], max_iter=1, max_eval=100, line_search_fn="strong_wolfe")
    steps = 0
    for _ in range(12):
        before = x.detach().numpy().copy()
        optimizer.step(closure_of(optimizer, x, value))
        state = optimizer.state[x]
        d, t = state["d"].numpy(), state["t"]
        old, new = gradient(before) @ d, gradient(before + t * d) @ d
        if old < -1e-9:
            steps += 1
            np.testing.assert_allclose(x.tolist(), before + t * d, rtol=1e-14)
            assert plain(before + t * d) <= plain(before) + 1e-4 * t * old + 1e-15
            assert abs(new) <= 0.9 * abs(old) + 1e-15
    assert steps >= 5


def test_several_parameters_are_one_vector():
    start = np.array([-1.2, 1.0])
    whole = rg.tensor(start, requires_grad=True)
    a, b = (rg.tensor(start[i : i + 1].reshape(1, 1), requires_grad=True) for i in range(2))
    unused = rg.ones(3, requires_grad=True)
    for params, value in (([whole], rosenbrock), ([a, unused, b], lambda _: rosenbrock([a.sum(), b.sum()]))):
        optimizer = LBFGS(params, line_search_fn="strong_wolfe")
        optimizer.step(closure_of(optimizer, whole, value))
    assert [a.item(), b.item()] == whole.tolist()
    assert unused.tolist() == [1.0] * 3


@pytest.mark.parametrize("settings", [{"line_search_fn": "strong_wolfe"}, {"lr": 0.01}])
def test_a_saved_optimizer_resumes(settings):
    x, y = (rg.tensor([-1.2, 1.0], dtype="float64", requires_grad=True) for _ in range(2))
    first, second = (LBFGS([p], max_iter=3, **settings) for p in (x, y))
    for _ in range(3):
        first.step(closure_of(first, x, rosenbrock))
    y.detach().copy_(x.detach())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for optimizer, p in ((first, x), (second, y)):
        for _ in range(3):
            optimizer.step(closure_of(optimizer, p, rosenbrock))
    assert x.tolist() == y.tolist()
    assert first.state[x]["n_iter"] == second.state[y]["n_iter"] > 10


@pytest.mark.parametrize("settings", [{"line_search_fn": "strong_wolfe"}, {"lr": 0.01}])
def test_a_closure_that_fails_leaves_all_as_it_was(settings):
    x = rg.tensor([-1.2, 1.0], requires_grad=True)
    optimizer = LBFGS([x], **settings)
    calls = 0

    def closure():
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return closure_of(optimizer, x, rosenbrock)()

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    assert x.tolist() == pytest.approx([-1.2, 1.0])
    assert not optimizer.state


def test_infinite_and_missing_values_shorten_the_step():
    """log(x) has no value where the first steps lead, or where it starts."""
    x = rg.tensor([0.1, 3.0], dtype="float64", requires_grad=True)
    optimizer = LBFGS([x], lr=50.0, max_iter=50, max_eval=500, line_search_fn="strong_wolfe")
    optimizer.step(closure_of(optimizer, x, lambda x: (x - rg.log(x)).sum()))
    np.testing.assert_allclose(x.tolist(), [1.0, 1.0], rtol=1e-5)
    x = rg.tensor([-1.0, 3.0], requires_grad=True)
    optimizer = LBFGS([x], line_search_fn="strong_wolfe")
    optimizer.step(closure_of(optimizer, x, lambda x: (x - rg.log(x)).sum()))
    assert x.tolist() == [-1.0, 3.0]


def test_the_closure_is_taped():
    x = rg.tensor([2.0], requires_grad=True)
    optimizer = LBFGS([x])
    with rg.no_grad():
        optimizer.step(closure_of(optimizer, x, lambda x: (x * x).sum()))
    assert x.item() == pytest.approx(0.0, abs=1e-6)


def test_nothing_to_optimize():
    x = rg.zeros(0, requires_grad=True)
    optimizer = LBFGS([x])
    assert optimizer.step(closure_of(optimizer, x, lambda x: x.sum())).item() == 0.0
    at_minimum = rg.zeros(2, requires_grad=True)
    optimizer = LBFGS([at_minimum])
    optimizer.step(closure_of(optimizer, at_minimum, lambda x: (x * x).sum()))
    assert at_minimum.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda p: LBFGS([p]).step(), TypeError, "pass|closure"),
        (lambda p: LBFGS([p]).step(lambda: None), TypeError, "must return the loss, a number, got None"),
        (lambda p: LBFGS([p]).step(lambda: rg.ones(2)), TypeError, "must return the loss"),
        (lambda p: LBFGS([{"params": [p]}, {"params": [rg.ones(2)]}]), ValueError, "one parameter group"),
        (lambda p: LBFGS([p]).add_param_group({"params": [rg.ones(2)]}), ValueError, "one parameter group"),
        (lambda p: LBFGS([{"params": []}]), ValueError, "empty"),
        (lambda p: LBFGS([p], line_search_fn="wolfe"), ValueError, "None or 'strong_wolfe', got 'wolfe'"),
        (lambda p: LBFGS([p], lr=-1.0), ValueError, "lr"),
        (lambda p: LBFGS([p], lr="1"), ValueError, "lr"),
        (lambda p: LBFGS([p], max_iter=0), ValueError, "max_iter"),
        (lambda p: LBFGS([p], max_eval=0.5), ValueError, "max_eval"),
        (lambda p: LBFGS([p], history_size=0), ValueError, "history_size"),
        (lambda p: LBFGS([p], tolerance_grad=-1.0), ValueError, "tolerance_grad"),
        (lambda p: LBFGS([p], tolerance_change=float("nan")), ValueError, "tolerance_change"),
    ],
)
def test_bad_arguments(make, kind, message):
    with pytest.raises(kind, match=message):
        make(rg.ones(2, requires_grad=True))


def test_a_state_that_does_not_fit_is_refused():
    x = rg.tensor([-1.2, 1.0], requires_grad=True)
    optimizer = LBFGS([x], max_iter=3)
    optimizer.step(closure_of(optimizer, x, rosenbrock))
    saved = copy.deepcopy(optimizer.state_dict())
    del saved["state"][0]["ro"]
    saved["state"][0] |= {"momentum": 1.0, "d": rg.ones(3)}
    saved["state"][0]["old_dirs"].append(rg.ones(1))
    other = LBFGS([rg.ones(2)], lr=0.5)
    with pytest.raises(ValueError, match="nothing was loaded") as error:
        other.load_state_dict(saved)
    for text in (
        "missing ro",
        "unexpected momentum",
        "shape (3,), expected (2,), of d",
        "shape (1,), expected (2,), of old",
    ):
        assert text in str(error.value)
    assert other.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("number", [2**70, 10**400])
def test_numbers_of_a_loaded_state_are_floats_or_refused(number):
    w = rg.ones(2, requires_grad=True)
    optimizer = rg.optim.LBFGS([w])

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    state = optimizer.state_dict()
    state["state"][0]["H_diag"] = number
    if number > 2**1000:
        with pytest.raises(ValueError, match="nothing was loaded"):
            optimizer.load_state_dict(state)
    else:
        optimizer.load_state_dict(state)
    optimizer.step(closure)
    # What PyTorch writes where there is nothing yet is nothing.
    sgd = rg.optim.Adam([w])
    sgd.load_state_dict({**sgd.state_dict(), "state": {0: {"step": None, "exp_avg": None}}})
    assert sgd.state_dict()["state"] == {}
    sgd.step(closure)
