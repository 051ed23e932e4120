"""``rg.compile``: what a compiled function takes and gives, when it is recorded anew, and what it refuses."""

import copy
import gc
import pickle
import sys
import threading
import weakref
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import rgrad as rg

F = rg.nn.functional
Pair = namedtuple("Pair", ["first", "second"])


@dataclass
class Batch:
    x: rg.Tensor
    scale: float


def equal(a, b):
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def count(function):
    """``function``, and a list of as many items as it was really called."""
    calls = []

    def counted(*args, **kwargs):
        calls.append(None)
        return function(*args, **kwargs)

    return rg.compile(counted), calls


# ---- Arguments and results ----


def test_arguments_and_results_may_be_nested():
    f, calls = count(lambda p, d, b, *, k: Pair({"y": p.first @ d["w"] * b.scale}, [k + b.x, None, "text", 3]))
    for seed in range(3):
        rg.manual_seed(seed)
        x, w, z, k = rg.randn(2, 3), rg.randn(3, 2), rg.randn(2), rg.randn(2)
        got = f(Pair(x, None), {"w": w}, Batch(z, 0.5), k=k)
        assert type(got) is Pair
        equal(got.first["y"], x @ w * 0.5)
        equal(got.second[0], k + z)
        assert got.second[1:] == [None, "text", 3]
    assert len(calls) == 1


def test_arrays_become_tensors():
    f, calls = count(lambda x, y: x @ y)
    for seed in range(2):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((2, 3)), rng.standard_normal((3, 4))
        equal(f(x, y), rg.tensor(x) @ rg.tensor(y))
    assert len(calls) == 1


def test_other_arguments_count_by_value_and_type():
    f, calls = count(lambda x, n: x * n)
    x = rg.tensor([1, 2])
    for n in (1, 1.0, True, 2, -0.0, 0.0, 1):
        got = f(x, n)
        assert got.dtype == (x * n).dtype
        equal(got, x * n)
    assert len(calls) == 6
    with pytest.raises(TypeError, match="not hashable"):
        f(x, {1, 2})


def test_shapes_and_dtypes_have_programs_of_their_own():
    f, calls = count(lambda x: x.sum(0))
    for _ in range(2):
        for x in (rg.ones(3, 2), rg.ones(4, 2), rg.ones(4, 2, dtype="float64"), rg.ones(0, 2)):
            equal(f(x), x.sum(0))
    assert len(calls) == 4
    with rg.no_grad():
        f(rg.ones(3, 2))
    assert len(calls) == 5
    rg.set_default_dtype("float64")
    f(rg.ones(3, 2, dtype="float32"))
    assert len(calls) == 6


def test_few_programs_are_kept():
    calls = []
    f = rg.compile(lambda x: calls.append(x.shape) or x * 2, max_programs=2)
    f(rg.ones(1))
    f(rg.ones(2))
    f(rg.ones(1))
    with pytest.warns(RuntimeWarning, match="more than 2 kinds"):
        f(rg.ones(3))
    f(rg.ones(1))
    assert calls == [(1,), (2,), (3,)]
    f(rg.ones(2))
    assert calls[3:] == [(2,)]
    assert len(f.program) == 2
    f.clear()
    assert len(f.program) == 0
    with pytest.raises(ValueError, match="max_programs"):
        rg.compile(abs, max_programs=0)


def test_arguments_need_not_be_contiguous():
    f, calls = count(lambda x: x @ x.T)
    x = rg.randn(4, 3)
    for _ in range(2):
        for a in (x, rg.randn(3, 4).T, x[:, :1].expand(4, 3), rg.randn(5, 3)[1:], rg.randn(1, 4, 3)[0]):
            equal(f(a), a.contiguous() @ a.contiguous().T)
    assert len(calls) == 3


def test_arguments_may_share_memory():
    def f(x, y):
        z = x * y
        x += 1
        return z

    compiled = rg.compile(f)
    compiled(rg.ones(3), rg.ones(3))
    a, b = rg.ones(4), rg.ones(4)
    equal(compiled(a[:3], b[:3]), f(rg.ones(3), rg.ones(3)))
    equal(a, rg.tensor([2.0, 2.0, 2.0, 1.0]))
    equal(compiled(a[:3], a[:3]), rg.full((3,), 4.0))
    equal(a, rg.tensor([3.0, 3.0, 3.0, 1.0]))


OUTER = rg.ones(6)
USED_AFTER_A_CHANGE = {
    "another argument": (lambda x, y: (x.add_(1), y.sum())[1], False),
    "a later argument": (lambda x, y: (y.mul_(3), x.sum())[1], False),
    "both": (lambda x, y: (x.add_(1), y.mul_(3))[0], False),
    "all of both": (lambda x, y: (x.copy_(y * 2 + 1), y.copy_(x * 3))[0], False),
    "outside": (lambda x, y: (OUTER.copy_(OUTER * 0.5 + 1), x * y)[1], True),
    "an argument": (lambda x, y: (x.copy_(y + 1), OUTER.sum())[1], True),
}


@pytest.mark.parametrize(("f", "outside"), USED_AFTER_A_CHANGE.values(), ids=USED_AFTER_A_CHANGE)
def test_memory_that_is_used_after_it_was_changed_elsewhere_is_refused(f, outside):
    shared = OUTER.fill_(1.0) if outside else rg.ones(6)
    compiled = rg.compile(f)
    for _ in range(2):
        before = shared.clone()
        with pytest.raises(RuntimeError, match=r"argument \d shares memory with .*clone"):
            compiled(shared[:4], rg.ones(4) if outside else shared[2:])
        equal(shared, before)
        compiled(rg.ones(4), rg.ones(4))


def test_parts_of_a_tensor_without_a_common_element_may_be_changed():
    def f(x, y):
        x.add_(1)
        y.mul_(x)
        return x * y

    compiled, a, b = rg.compile(f), rg.arange(6).float(), rg.arange(6).float()
    for _ in range(2):
        equal(compiled(a[:3], a[3:]), f(b[:3], b[3:]))
        equal(a, b)


def test_an_argument_that_is_a_parameter_is_not_taken_for_it():
    w = rg.randn(3, requires_grad=True)
    f = rg.compile(lambda x: x * 2 + w)
    with rg.no_grad():
        f(w)
        other = rg.randn(3, requires_grad=True)
        equal(f(other), other * 2 + w)


@pytest.mark.parametrize("change", [lambda x, y: x.zero_(), lambda x, y: x.copy_(y * 2 + 1)])
def test_writing_to_an_argument_reaches_it(change):
    f = rg.compile(lambda x, y: [change(x, y)])
    for x in (rg.ones(2, 3), rg.ones(2, 3), rg.ones(3, 2).T):
        y = rg.randn(2, 3)
        f(x, y)
        equal(x, change(rg.ones(2, 3), y))
    locked = np.ones((2, 3), np.float32)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        f(rg.from_numpy(locked), y)
    expected = change(rg.ones(2, 3), y)
    f(y, y)
    equal(y, expected)


def test_an_argument_may_be_what_the_step_overwrites():
    mean = rg.zeros(3)

    def f(x):
        total = x.sum()
        mean.copy_(0.9 * mean + 0.1 * x)
        return total

    compiled = rg.compile(f)
    compiled(rg.ones(3))
    other = mean.clone()
    assert compiled(mean).item() == other.sum().item()
    equal(mean, 0.9 * other + 0.1 * other)


def test_results_are_new_and_aliases_stay_aliases():
    w = rg.randn(3)
    f = rg.compile(lambda x: (x * 2, x, w, x[1:]))
    kept = []
    for _ in range(3):
        x = rg.randn(3)
        doubled, same, outer, part = f(x)
        assert same.data_ptr() == x.data_ptr()
        assert outer.data_ptr() == w.data_ptr()
        assert part.data_ptr() == x.data_ptr() + 4
        kept.append((doubled, (x * 2).numpy()))
    for doubled, expected in kept:
        np.testing.assert_array_equal(doubled.numpy(), expected)


def test_results_have_no_graph():
    w = rg.randn(3, requires_grad=True)
    f = rg.compile(lambda x: (x * w).sum())
    for _ in range(2):
        y = f(rg.ones(3))
        assert y.requires_grad
        with pytest.raises(RuntimeError, match="inside the step"):
            (y * 2).backward()
        with rg.no_grad():
            assert not f(rg.ones(3)).requires_grad
    assert w.grad is None


def test_a_gradient_of_an_argument_is_refused():
    def f(x):
        loss = (x * x).sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="argument 0"):
        rg.compile(f)(rg.ones(3, requires_grad=True))


# ---- Names, methods, modules ----


def test_decorators():
    @rg.compile(max_programs=3)
    def double(x):
        """Twice x."""
        return x * 2

    assert double.__name__ == "double"
    assert double.__doc__ == "Twice x."
    equal(double.__wrapped__(rg.ones(2)), double(rg.ones(2)))
    with pytest.raises(TypeError, match="a function"):
        rg.compile(3)


class Trainer:
    def __init__(self, scale):
        self.scale = rg.tensor(scale)

    @rg.compile
    def step(self, x):
        return x * self.scale


def test_methods():
    one, two = Trainer(1.0), Trainer(2.0)
    for _ in range(2):
        equal(one.step(rg.ones(2)), rg.ones(2))
        equal(two.step(rg.ones(2)), rg.full((2,), 2.0))
    assert len(Trainer.step.program) == 2
    gone = weakref.ref(one)
    del one
    assert gone() is None


def test_a_module_keeps_what_it_has():
    model = rg.nn.Sequential(rg.nn.Linear(3, 4), rg.nn.Dropout(0.5), rg.nn.BatchNorm1d(4))
    twin = copy.deepcopy(model)
    compiled = rg.compile(model)
    assert list(compiled.state_dict()) == list(model.state_dict())
    with rg.no_grad():
        for mode in (True, True, False, True, False, False):
            compiled.train(mode)
            twin.train(mode)
            x = rg.randn(5, 3)
            state = rg.get_rng_state()
            got = compiled(x)
            rg.set_rng_state(state)
            equal(got, twin(x))
            for name, value in model.state_dict().items():
                equal(value, twin.state_dict()[name])
        assert len(compiled.program) == 2
        model[1].p = 0.0
        compiled.train()
        twin.train()
        twin[1].p = 0.0
        equal(compiled(x), twin(x))
        assert len(compiled.program) == 3


def test_a_replaced_parameter_is_used():
    model = rg.nn.Linear(3, 2)
    f = rg.compile(lambda x: model(x))
    x = rg.randn(4, 3)
    with rg.no_grad():
        equal(f(x), model(x))
        model.weight = rg.nn.Parameter(rg.randn(2, 3))
        equal(f(x), model(x))
        model.load_state_dict(rg.nn.Linear(3, 2).state_dict())
        equal(f(x), model(x))
        handles = []
        for factor in (2, 3):
            handles.append(model.register_forward_hook(lambda module, args, output, factor=factor: output * factor))
            equal(f(x), model(x))
        for handle in handles:
            handle.remove()
            equal(f(x), model(x))


def test_a_frozen_parameter_stays():
    model = rg.nn.Linear(3, 2)
    optimizer = rg.optim.SGD(model.parameters(), lr=0.1)

    @rg.compile
    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    step(rg.ones(1, 3))
    step(rg.ones(1, 3))
    model.weight.requires_grad_(False)
    before = model.weight.detach().clone()
    step(rg.ones(1, 3))
    equal(model.weight, before)


def test_a_tensor_that_was_freed_outside_is_noticed():
    box = [rg.ones(3)]
    f, calls = count(lambda x: x + box[0])
    x = rg.zeros(3)
    for _ in range(3):
        equal(f(x), rg.ones(3))
    assert len(calls) == 1
    box[0] = rg.full((3,), 5.0)
    equal(f(x), rg.full((3,), 5.0))
    box[0][0] = 7.0
    equal(f(x), rg.tensor([7.0, 5.0, 5.0]))
    assert len(calls) == 2


def attribute(model, optimizer):
    model.step = rg.compile(lambda x: model(x))


def argument(model, optimizer):
    model.step = rg.compile(lambda x, _: model(x))
    model.step(rg.ones(2, 3), optimizer)


def training(model, optimizer):
    def step(x):
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    model.optimizer = optimizer
    optimizer.step_of_model = model.step = rg.compile(step)
    optimizer.param_groups[0]["owner"] = model
    model.kept = model.step.program


@pytest.mark.parametrize("tie", [attribute, argument, training])
def test_cycles_through_programs_are_collected(tie):
    model = rg.nn.Linear(3, 2)
    optimizer = rg.optim.Adam(model.parameters())
    tie(model, optimizer)
    for _ in range(2):
        if tie is not argument:
            model.step(rg.ones(2, 3))
    gone = [weakref.ref(model), weakref.ref(model.step), weakref.ref(optimizer)]
    del model, optimizer
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3


def test_dead_tensors_are_not_kept():
    w = rg.nn.Parameter(rg.randn(3))

    @rg.compile
    def step(x):
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        return loss

    sizes = []
    for _ in range(4):
        x = rg.from_numpy(array := np.ones(3, np.float32))
        alive = weakref.ref(array)
        step(x)
        del x, array
        gc.collect()
        sizes.append(alive() is None)
    assert all(sizes)


# ---- What cannot be recorded ----

READS = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x.sum()),
    "int": lambda x: int(x.sum()),
    "bool": lambda x: 1 if x.sum() > 0 else 2,
    "index": lambda x: range(x.long().sum()),
    "tensor": lambda x: rg.tensor([x.sum(), 1.0]),
    "address": lambda x: (x * 2).data_ptr(),
    "address of an argument": lambda x: x.data_ptr(),
    "list": lambda x: [1, 2, 3][x.long().sum()],
    "size": lambda x: x.reshape(x.long().sum()),
    "setting": lambda x: rg.full((2,), x.sum()),
    "save": lambda x: rg.save({"x": x}, "never.safetensors"),
    "copy": lambda x: copy.copy(x),
    "max": lambda x: max(x[0]),
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "asarray": lambda x: np.asarray(x),
    "np.sum": lambda x: np.sum(x),
    "memoryview": lambda x: memoryview(x),
    "bytes": lambda x: bytes(x),
    "dlpack": lambda x: np.from_dlpack(x),
    "repr": lambda x: repr(x),
    "format": lambda x: f"{x}",
    "in": lambda x: 1.0 in x[0],
    "mask": lambda x: x[x > 0],
    "nonzero": lambda x: rg.nonzero(x),
    "allclose": lambda x: rg.allclose(x, x),
    "equal": lambda x: rg.equal(x, x),
    "pickle": lambda x: pickle.dumps(x),
    "deepcopy": lambda x: copy.deepcopy(x),
    "scheduler": lambda x: rg.optim.lr_scheduler.StepLR(rg.optim.SGD([rg.ones(1)], lr=0.1), 1).step(),
    "lbfgs": lambda x: rg.optim.LBFGS([rg.ones(1)]).step(lambda: x.sum()),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_value_cannot_be_read_inside(read):
    with pytest.raises(RuntimeError, match=r"compile: .*test_compile\.py:\d+"):
        rg.compile(read)(rg.randn(2, 3))


def test_what_needs_no_values_is_no_reading():
    w = rg.ones(2)

    @rg.compile
    def f(x):
        assert len(x) == 2
        assert w.data_ptr() == address
        names = {x: "x", w: "w"}
        return sum(row * 2 for row in x) if names[x] == "x" else w

    address = w.data_ptr()
    for _ in range(2):
        x = rg.randn(2, 3)
        equal(f(x), x[0] * 2 + x[1] * 2)


def test_what_the_step_makes_of_constants_can_be_read():
    f = rg.compile(lambda x: x[rg.tensor(np.array([True, False, True]))] * float(rg.ones(1).item()))
    equal(f(rg.tensor([1.0, 2.0, 3.0])), rg.tensor([1.0, 3.0]))
    equal(f(rg.tensor([4.0, 5.0, 6.0])), rg.tensor([4.0, 6.0]))


@pytest.mark.parametrize("late", [False, True])
def test_a_failure_leaves_everything_as_it_was(late):
    rg.manual_seed(3)
    model = rg.nn.Sequential(rg.nn.Linear(4, 4), rg.nn.BatchNorm1d(4), rg.nn.Dropout(0.5), rg.nn.Linear(4, 2))
    optimizer = rg.optim.NAdam(model.parameters(), lr=0.1)

    def step(x, fail):
        model.train()
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        if fail:
            loss.item()
        return loss

    if late:
        step(rg.randn(3, 4), False)
    model.eval()

    def state():
        kept = [*model.state_dict().values(), *(p.grad for p in model.parameters())]
        kept += [v for entry in optimizer.state.values() for v in entry.values()]
        copies = [v.detach().numpy().copy() if isinstance(v, rg.Tensor) else v for v in kept]
        return copies, [m.training for m in model.modules()], rg.get_rng_state(), len(optimizer.state)

    values, *rest = state()
    with pytest.raises(RuntimeError, match="compile: reading"):
        rg.compile(step)(rg.ones(3, 4), True)
    after, *rest_after = state()
    for a, b in zip(values, after, strict=True):
        np.testing.assert_array_equal(a, b)
    assert rest == rest_after


# ---- In use ----


def test_it_can_be_switched_off(monkeypatch):
    f, calls = count(lambda x: x * 2)
    f(rg.ones(2))
    monkeypatch.setattr(rg.config, "compile", False)
    f(rg.ones(2))
    f(np.ones(2))
    assert len(calls) == 3


def test_compiled_functions_may_be_nested():
    inner = rg.compile(lambda x: x * 2)
    outer = rg.compile(lambda x: inner(x) + 1)
    for x in (rg.ones(2), rg.zeros(2), rg.ones(2)):
        equal(outer(x), x * 2 + 1)
    assert len(inner.program) == 0


def counted_step():
    """A parameter, an optimizer that counts its steps, and the compiled function that makes one."""
    w = rg.nn.Parameter(rg.zeros(1000))
    optimizer = rg.optim.Adam([w], lr=0.01)

    @rg.compile
    def step(x):
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()

    return w, optimizer, step


def test_threads_take_turns():
    w, optimizer, step = counted_step()
    step(rg.ones(1000))
    threads = [threading.Thread(target=lambda: [step(rg.ones(1000)) for _ in range(50)]) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert optimizer.state[w]["step"] == 201


def test_threads_take_turns_at_all_programs_of_a_function():
    w, optimizer, step = counted_step()

    def work():
        for _ in range(250):
            step(rg.ones(1000))
            step(rg.ones(1, 1000))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
    finally:
        sys.setswitchinterval(before)
    assert optimizer.state[w]["step"] == 2000


def test_a_replay_waits_for_a_recording_of_the_function():
    recording, resume, done = threading.Event(), threading.Event(), threading.Event()
    w = rg.zeros(2)

    @rg.compile
    def step(x):
        w.add_(x.sum())
        if x.ndim == 2:
            recording.set()
            resume.wait(10)
        return w * 2

    step(rg.ones(2))
    threads = [
        threading.Thread(target=lambda: step(rg.ones(1, 2))),
        threading.Thread(target=lambda: (recording.wait(10), step(rg.ones(2)), done.set())),
    ]
    [t.start() for t in threads]
    assert recording.wait(10)
    assert not done.wait(0.05)
    resume.set()
    [t.join() for t in threads]
    assert w.tolist() == [6.0, 6.0]


def test_threads_record_at_once():
    w = rg.randn(50, 50)
    results = {}

    def work(i):
        f = rg.compile(lambda x: (x @ w).tanh() @ w)
        x = rg.full((i + 1, 50), 0.1)
        results[i] = [f(x), f(x), (x @ w).tanh() @ w]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for first, second, eager in results.values():
        equal(first, eager)
        equal(second, eager)


@rg.compile
def at_module_level(x):
    return x * 3


def test_pickling_and_copying():
    equal(pickle.loads(pickle.dumps(at_module_level))(rg.ones(2)), rg.full((2,), 3.0))
    model = rg.compile(rg.nn.Linear(2, 2))
    with rg.no_grad():
        x = rg.randn(3, 2)
        y = model(x)
        for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            equal(again(x), y)
            assert again.weight.data_ptr() != model.weight.data_ptr()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(rg.compile(lambda x: x))


def test_programs_can_be_shown():
    f = rg.compile(lambda x, w: (x @ w).relu().sum())
    assert "not called yet" in str(f.program)
    with pytest.raises(RuntimeError, match="no program"):
        f.cost()
    f(rg.ones(4, 3), rg.ones(3, 2))
    assert "matmul" in f.program.recorded
    assert "arg0" in str(f.program)
    assert f.cost()["flops"] >= 2 * 4 * 3 * 2
    f(rg.ones(5, 3), rg.ones(3, 2))
    assert "(5, 3)" in str(f.program[0])
    assert "(4, 3)" in str(f.program[1])
