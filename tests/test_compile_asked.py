"""What is asked of tensors, gradients and hooks that see them, is for compiled functions what it is for eager ones."""

import pytest

import rgrad as rg

ONE = rg.ones(1)


def leaf():
    return rg.tensor([0.5], requires_grad=True)


def sets_a_flag_late():
    c = rg.tensor([0.5])

    def f(x):
        y = c * 2
        k = 1.0 if y.requires_grad else 0.0
        c.requires_grad_()
        return y * x * k

    return f


def looks_at_a_flag():
    c = rg.tensor([0.5])

    def f(x):
        k = 1.0 if c.requires_grad else 0.0
        c.requires_grad = True
        return x * k

    return f


def looks_at_a_flag_of_a_view():
    c = rg.tensor([0.5, 0.5])[:1]

    def f(x):
        y = c * x
        c.requires_grad_()
        return y * (1.0 if y.requires_grad else 0.0)

    return f


def freezes_and_thaws():
    c = leaf()

    def f(x):
        c.requires_grad_(False)
        free = (c * x).requires_grad
        c.requires_grad_(True)
        return rg.autograd.grad((c * x).sum(), c)[0] + float(free)

    return f


def hooks_a_leaf():
    c = leaf()

    def f(x):
        g = rg.autograd.grad((c * x).sum(), c)[0]
        c.register_hook(lambda g: g * 2)
        return g

    return f


def hooks_a_leaf_first():
    c = leaf()

    def f(x):
        c.register_hook(lambda g: g * 2)
        (c * x).sum().backward()
        g, c.grad = c.grad, None
        return g

    return f


def hooks_a_view():
    c = rg.tensor([0.5, 0.5])[1:].requires_grad_()

    def f(x):
        c.register_hook(lambda g: g * 2)
        return rg.autograd.grad((c * x).sum(), c)[0]

    return f


def hooks_a_result_from_before():
    c = leaf() * 1

    def f(x):
        c.register_hook(lambda g: g * 2)
        return rg.autograd.grad((c * x).sum(), c)[0]

    return f


def removes_a_hook():
    c = leaf()
    handle = c.register_hook(lambda g: g * 2)

    def f(x):
        g = rg.autograd.grad((c * x).sum(), c)[0]
        handle.remove()
        return g

    return f


def hooks_its_own():
    def f(x):
        y = x.clone().requires_grad_()
        y.register_hook(lambda g: g * 2)
        return rg.autograd.grad((y * y).sum(), y)[0]

    return f


STEPS = [
    sets_a_flag_late,
    looks_at_a_flag,
    looks_at_a_flag_of_a_view,
    freezes_and_thaws,
    hooks_a_leaf,
    hooks_a_leaf_first,
    hooks_a_view,
    hooks_a_result_from_before,
    removes_a_hook,
    hooks_its_own,
]


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_what_a_step_asks_stays_asked(make):
    step, compiled = make(), rg.compile(make())
    assert [compiled(ONE).tolist() for _ in range(4)] == [step(ONE).tolist() for _ in range(4)]


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_epochs_do_the_same(make):
    step, other = make(), make()
    compiled = rg.compile(lambda x: other(x).sum())
    assert compiled.epoch(rg.ones(4, 1), batch_size=1).tolist() == [step(ONE).item() for _ in range(4)]


@pytest.mark.parametrize("make", [leaf, lambda: leaf() * 1, lambda: rg.ones(2)[1:].requires_grad_()])
def test_hooks_between_calls_are_noticed(make):
    c = make()
    compiled = rg.compile(lambda x: rg.autograd.grad((c * x).sum(), c)[0])
    assert compiled(ONE).item() == 1
    handle = c.register_hook(lambda g: g * 3)
    assert [compiled(ONE).item() for _ in range(2)] == [3, 3]
    handle.remove()
    assert compiled(ONE).item() == 1


@pytest.mark.parametrize("on", [True, False])
def test_flags_of_arguments_are_set(on):
    def step(x):
        x.requires_grad_(on)
        return x * 2

    compiled = rg.compile(step)
    for _ in range(3):
        x = rg.ones(2, requires_grad=not on)
        compiled(x)
        assert x.requires_grad is on
        compiled(x)


def test_an_argument_is_asked_what_it_is_asked_without_gradients():
    x = rg.ones(2, requires_grad=True)
    step = rg.compile(lambda x: x * (2.0 if x.requires_grad else 3.0))
    with rg.no_grad():
        assert step(x).tolist() == [2, 2]
        assert step(x.detach()).tolist() == [3, 3]


def test_a_hook_on_an_argument_is_refused():
    def step(x):
        x.register_hook(lambda g: g * 2)
        return rg.autograd.grad((x * x).sum(), x)[0]

    with pytest.raises(RuntimeError, match=r"hook is registered on an argument .* register it outside"):
        rg.compile(step)(leaf())


def test_a_failed_recording_leaves_nothing():
    c, frozen = leaf(), rg.ones(1)

    def step(x):
        c.register_hook(lambda g: g * 2)
        frozen.requires_grad_()
        raise KeyError("no")

    with pytest.raises(KeyError):
        rg.compile(step)(ONE)
    assert not frozen.requires_grad
    assert rg.autograd.grad(c.sum(), c)[0].item() == 1
