"""Arguments and results of any strides: a compiled function does with them what the function does."""

import pytest

import rgrad as rg

pytestmark = pytest.mark.every_isa


def bits(results):
    """Shapes, strides where there are several elements, and elements."""
    tensors = results if isinstance(results, tuple) else (results,)
    steps = [[s for n, s in zip(t.shape, t.stride(), strict=True) if n > 1 and t.numel() > 0] for t in tensors]
    return [(t.shape, step, t.numpy().tobytes()) for t, step in zip(tensors, steps, strict=True)]


LAYOUTS = {
    "row-major": lambda: rg.randn(33, 65),
    "transposed": lambda: rg.randn(65, 33).T,
    "columns": lambda: rg.randn(33, 70)[:, 3:68],
    "every other row": lambda: rg.randn(66, 65)[::2],
    "rows of a transposed one": lambda: rg.randn(65, 40).T[7:],
    "a repeated row": lambda: rg.randn(65).expand(33, 65),
    "a repeated column": lambda: rg.randn(33, 1).expand(33, 65),
    "permuted": lambda: rg.randn(65, 3, 11).permute(2, 1, 0).flatten(0, 1),
    "one row": lambda: rg.randn(65, 1).T,
    "empty": lambda: rg.randn(65, 0).T,
}
FUNCTIONS = {
    "sum": lambda x: x.sum(),
    "sum of all dimensions": lambda x: x.sum((0, 1)),
    "var": lambda x: x.var(0),
    "cumsum": lambda x: x.reshape(-1).cumsum(0),
    "product": lambda x: rg.relu(x @ x.T).sum(),
    "chain": lambda x: (x * 2 + 1).tanh(),
    "transposed": lambda x: x.T,
    "a column": lambda x: x[:, 0],
    "copy": lambda x: x.contiguous(),
    "a view of a value": lambda x: (x * 2).T,
    "a column of a value": lambda x: (x * 2)[:, 1],
    "a repeated value": lambda x: x.sum(0, keepdim=True).expand(3, 65),
}
WRITES = {
    "reshape": lambda x: x.reshape(-1).add_(1),
    "flatten": lambda x: x.flatten().mul_(2),
    "contiguous": lambda x: x.contiguous().zero_(),
    "row": lambda x: x[0].add_(1),
    "element": lambda x: x[-1, 2].add_(1),
    "transposed": lambda x: x.T.mul_(3),
    "all": lambda x: x.exp_(),
}


def outcome(f, x):
    try:
        return f(x).tolist()
    except (RuntimeError, IndexError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_those_of_the_layout(layout, name):
    function, x = FUNCTIONS[name], LAYOUTS[layout]()
    compiled = rg.compile(function)
    for _ in range(3):
        assert bits(compiled(x)) == bits(function(x))
        x = LAYOUTS[layout]()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", WRITES)
def test_writes_reach_the_argument_where_they_do_eagerly(layout, name):
    write = WRITES[name]

    def function(x):
        write(x)
        return x.sum()

    compiled = rg.compile(function)
    for _ in range(3):
        rg.manual_seed(1)
        x = LAYOUTS[layout]()
        rg.manual_seed(1)
        y = LAYOUTS[layout]()
        assert outcome(compiled, x) == outcome(function, y)
        assert bits(x) == bits(y)


def test_results_share_memory_where_they_do_eagerly():
    def function(x):
        y, z = x * 2, x.exp()
        return y, y[0], y.T, z, x.exp(), z.reshape(-1)

    compiled = rg.compile(function)
    for _ in range(3):
        results = [compiled(rg.ones(2, 3)), function(rg.ones(2, 3))]
        for y, first, _, z, same, _ in results:
            first.zero_()
            y[1, 2] = 5
            z[0, 0] = 7
            assert same[0, 0] == same[1, 1]
        assert [bits(t) for t in results[0]] == [bits(t) for t in results[1]]


def test_gradients_through_arguments_that_are_captured_are_refused():
    c = rg.tensor([2.0], requires_grad=True)
    d = rg.tensor([3.0], requires_grad=True)
    grad = rg.autograd.grad
    by_captured = rg.compile(lambda x: grad((x * c).sum(), [c])[0])
    by_argument = rg.compile(lambda x: grad((x * c).sum(), [x])[0])
    by_either = rg.compile(lambda x, y: grad((x * y).sum(), [x])[0])
    for _ in range(2):
        assert by_captured(rg.tensor([5.0])).tolist() == [5.0]
        assert by_captured(d).tolist() == [3.0]
        assert by_argument(d).tolist() == [2.0]
        assert by_either(c, d).tolist() == [3.0]
        assert by_captured((c * 2).detach()).tolist() == [4.0]
        # A history that does not lead to what gradients are of is no obstacle.
        assert by_captured(d * 2).tolist() == [6.0]
        for call in (
            lambda: by_captured(c),
            lambda: by_captured(c * 2),
            lambda: by_captured(c.T),
            lambda: by_argument(c),
            lambda: by_either(c, c),
            lambda: by_either(c, c * 2),
        ):
            with pytest.raises(RuntimeError, match=r"argument \d is, or was computed from"):
                call()
    # Without gradients inside, nothing is lost.
    assert rg.compile(lambda x: x * c)(c).tolist() == [4.0]


def test_an_argument_that_is_captured_may_be_written_without_gradients():
    def function(x):
        with rg.no_grad():
            x.add_(c)
        return x

    c = rg.ones(1, requires_grad=True)
    compiled = rg.compile(function)
    assert [compiled(c).tolist() for _ in range(3)] == [[2.0], [4.0], [8.0]]
    with pytest.raises(RuntimeError, match="leaf that requires gradients"):
        rg.compile(lambda x: x.add_(1))(c)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_replays_that_write_to_what_they_captured_end(place):
    """They took the lock of one memory twice."""
    c = rg.ones(3)
    functions = [lambda x: x.clamp_(c, 3.0), lambda x: (x.clamp_(c, 3.0), x + 1)[1], lambda x: c.mul_(x) + x]
    compiled = rg.compile(functions[place])
    compiled(rg.zeros(3))
    expected = [[[1.0] * 3] * 4, [[2.0] * 3] * 4, [[0.0] * 3] * 4][place]
    got = [outcome(compiled, x) for x in (rg.zeros(3), c, c.detach(), c[:3])]
    # What reads one after it has changed the other is refused.
    refused = [isinstance(one, tuple) and "shares memory" in one[1] for one in got]
    assert refused == [False, place == 2, place == 2, place == 2]
    assert [one for one in got if not isinstance(one, tuple)] == expected[: 4 - sum(refused)]


def test_what_shares_memory_is_refused_where_it_is_used():
    """Before an operation refuses what it finds there, which is not what it would find."""
    c = rg.full((2,), -1.0)

    def by_argument(x):
        x.fill_(2.0)
        return rg.kl_div(x, c)

    def by_captured(x):
        c.fill_(2.0)
        return rg.kl_div(c, x)

    def by_other(x, y):
        x.fill_(2.0)
        return rg.kl_div(x, y)

    for call in (
        lambda: rg.compile(by_argument)(c),
        lambda: rg.compile(by_captured)(c),
        lambda: rg.compile(by_other)(c, c.detach()),
        lambda: rg.compile(by_other)(c, c[:]),
    ):
        with pytest.raises(RuntimeError, match=r"argument \d shares memory"):
            call()
        assert c.tolist() == [-1, -1]


def test_parts_of_one_tensor_may_be_changed_and_read():
    """They have one lock, and one version."""
    functions = [
        lambda x, y: x.mul_(y),
        lambda x, y: (x.mul_(y), y.add_(x))[1],
        lambda x, y: (x + y, x.fill_(2.0))[0],
        lambda x, y: x.floor_divide_(y <= y),
    ]
    for function in functions:
        compiled = rg.compile(function)
        for make in (lambda: (rg.ones(3), rg.ones(3)), lambda: rg.arange(6.0).reshape(2, 3).unbind()):
            ours, theirs = make(), make()
            for _ in range(3):
                assert compiled(*ours).tolist() == function(*theirs).tolist()
                assert [x.tolist() for x in ours] == [x.tolist() for x in theirs]


def test_what_was_saved_has_the_version_of_its_tensor():
    """A change of another part of it is an error, as it is eagerly."""

    def function(x, y):
        w = rg.ones(3, requires_grad=True)
        product = (w * y).sum()
        x.add_(1)
        return rg.autograd.grad(product, w)[0]

    def later(x, y):
        x.add_(1)
        return function(x.clone(), y)

    both = rg.arange(1.0, 7.0)
    arguments = both[:3], both[3:]
    with pytest.raises(RuntimeError, match="changed in place"):
        function(*arguments)
    value = both.tolist()
    # Refused when it is recorded, and when it was recorded with other arguments.
    for first in ((), (rg.zeros(3), rg.ones(3))):
        compiled = rg.compile(function)
        if first:
            assert compiled(*first).tolist() == [1, 1, 1]
        with pytest.raises(RuntimeError, match=r"argument \d shares memory with argument \d, .* was saved"):
            compiled(*arguments)
        assert both.tolist() == value
    assert rg.compile(later)(*arguments).tolist() == [4, 5, 6]
