"""Everything public, found by walking the package: functions, classes, methods, operators, properties.

What is new is found without a word here. A class needs an entry in INSTANCES only if the arguments of NAMED do not
make one.
"""

import copy
import functools
import importlib
import inspect
import operator
import pickle
import pkgutil
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hostile_values import ARRAYS, FUNCTIONS, LIARS, PLAIN, TENSORS, Value, constant, copied, value
from test_ops import CASES

import rgrad as rg

EXCLUDED = {
    "rgrad.datasets.mnist": "downloads",
    "rgrad.tutorial": "computes with whatever numbers Python has, of any size, by Python's own arithmetic",
    "rgrad.data.Dataset": "a protocol",
    "rgrad.plot": "draws with matplotlib, an optional dependency that keeps what it has drawn",
    "rgrad.set_num_threads": "really starts the threads that it is asked for",
    "rgrad.nn.Module.register_module": "a module may be made a part of itself, and then has no end",
}
# Not called on their own: these are how Python makes objects and classes, and tears them down.
MAKING = {"__new__", "__init__", "__init_subclass__", "__class_getitem__", "__del__", "__getattribute__", "__getattr__",
          "__subclasshook__", "__set_name__", "__post_init__", "__orig_bases__"}  # fmt: skip

Call = tuple[list[Value], dict[str, Value]]


@dataclass
class Subject:
    """One thing to call: its name, a function of all its arguments, their names, and calls that are right."""

    name: str
    call: Callable[..., Any]
    required: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)
    rest: str | None = None
    calls: list[Call] = field(default_factory=list)
    instances: list[Value] = field(default_factory=list)


def parameter() -> rg.Tensor:
    return rg.nn.Parameter(rg.tensor([[0.5, -1.0, 2.0], [1.0, 0.0, 3.0]]))


def optimizer() -> rg.optim.Optimizer:
    p = parameter()
    p.grad = rg.ones(2, 3)
    return rg.optim.Adam([p], lr=0.1)


def scheduler_of_two() -> Any:
    of = optimizer()
    kinds = rg.optim.lr_scheduler
    return kinds.SequentialLR(of, [kinds.ConstantLR(of), kinds.ExponentialLR(of, 0.9)], [2])


def still(module: rg.nn.Module) -> rg.nn.Module:
    """The module with the same parameters each time."""
    for p in module.parameters():
        rg.nn.init.constant_(p, 0.5)
    return module


def made_still(make: Callable[[], Any]) -> Any:
    made = make()
    return still(made) if isinstance(made, rg.nn.Module) else made


def network() -> rg.nn.Module:
    return still(rg.nn.Sequential(rg.nn.Linear(3, 4), rg.nn.ReLU(), rg.nn.Linear(4, 2)))


def compiled(calls: int = 1) -> Any:
    step = rg.compile(lambda x: (x * 2).sum())
    for _ in range(calls):
        step(rg.ones(3))
    return step


def numbered() -> Any:
    return rg.data.TensorDataset(np.ones((6, 3), np.float32), np.arange(6))


def values(*items: Any) -> list[Value]:
    return [constant(x) for x in items]


def makers(**items: Callable[[], Any]) -> list[Value]:
    return [value(text, make) for text, make in items.items()]


MATRICES = [v for v in TENSORS if "(2, 3)" in v.text or "(3, 3)" in v.text]
SIZES = values(0, 1, 2, 3, 4)
RATES = values(0.0, 0.1, 0.5, 1.0, 2)
FLAGS = values(True, False)
DIMS = values(0, 1, -1, -2, (0, 1), None)
# What parameters of these names are usually given.
USUAL: list[tuple[str, list[Value]]] = [
    ("x tensor input other target data weight y a b state mat2 vec src mask source gradient", MATRICES),
    ("dim axis dim0 dim1 dim2 offset diagonal argnums start_dim end_dim dims", DIMS),
    ("size sizes shape n m steps num_features in_features out_features step_size epoch", SIZES),
    ("num_embeddings embedding_dim batch_size num_samples total_iters normalized_shape T_max T_0", SIZES[1:]),
    ("total_steps max_iter epochs max_programs index position", SIZES[1:]),
    ("p eps alpha beta momentum lr gamma threshold weight_decay margin max_norm clip_value value val", RATES),
    ("factor max_lr scale rtol atol min max", RATES),
    ("requires_grad keepdim keepdims unbiased shuffle drop_last bias affine strict training mode recurse", FLAGS),
    ("set_to_none maximize inplace has_aux", FLAGS),
    ("function fun fn f closure lr_lambda hook collate_fn loss rows", FUNCTIONS),
    ("params parameters", makers(parameters=lambda: [parameter()], network=lambda: list(network().parameters()))),
    ("module modules model", makers(linear=lambda: still(rg.nn.Linear(3, 2)), network=network)),
    ("dataset data_source", [*makers(dataset=numbered), *values([1, 2, 3]), *MATRICES[:2]]),
    ("indices weights scores milestones", values([0, 1, 2], [1.0, 2.0])),
    ("primals tangents inputs outputs tensors", makers(tensors=lambda: [rg.ones(2, 3)])),
    ("optimizer", makers(optimizer=optimizer)),
    ("schedulers", makers(schedulers=lambda: [rg.optim.lr_scheduler.ConstantLR(optimizer())])),
    ("dtype", values(rg.float32, rg.float64, rg.int64, rg.bool, "float32", np.float32)),
    ("generator", makers(generator=lambda: rg.Generator(3))),
    ("reduction", values("mean", "sum", "none")),
    ("key", values("a", "weight", 0, 1, slice(1))),
    ("param_group", makers(group=lambda: {"params": [parameter()], "lr": 0.1})),
    ("path", values("file.safetensors")),
    ("name", values("weight", "a")),
    ("sampler", makers(sampler=lambda: rg.data.SequentialSampler(range(3)))),
    ("state_dict", makers(module=lambda: network().state_dict(), optimizer=lambda: optimizer().state_dict())),
    ("batch", makers(batch=lambda: [(rg.ones(2), 1), (rg.ones(2), 0)])),
    ("lengths", values([3, 3], [0.5, 0.5])),
    ("defaults", makers(defaults=lambda: {"lr": 0.1})),
    ("array", ARRAYS[:20]),
]
NAMED = {name: pool for names, pool in USUAL for name in names.split()}
ALL = PLAIN + PLAIN + TENSORS + ARRAYS + LIARS + LIARS + FUNCTIONS + [v for vs in NAMED.values() for v in vs]
FINITE = [v for v in ALL if str(10**30) not in v.text]

INSTANCES: dict[str, Callable[[], Any]] = {
    "rgrad.Tensor": lambda: rg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    "rgrad.DType": lambda: rg.float32,
    "rgrad.autograd.Context": lambda: rg.autograd.Context((True,)),
    "rgrad.datasets.Dataset": rg.datasets.iris,
    "rgrad.nn.Unflatten": lambda: rg.nn.Unflatten(1, (3, 1)),
    "rgrad.nn.ModuleDict": lambda: rg.nn.ModuleDict({"a": rg.nn.Linear(3, 2)}),
    "rgrad.nn.ModuleList": lambda: rg.nn.ModuleList([rg.nn.Linear(3, 2)]),
    "rgrad.nn.ParameterDict": lambda: rg.nn.ParameterDict({"a": parameter()}),
    "rgrad.nn.ParameterList": lambda: rg.nn.ParameterList([parameter()]),
    "rgrad.nn.Sequential": network,
    "rgrad.data.TensorDataset": numbered,
    "rgrad.data.WeightedRandomSampler": lambda: rg.data.WeightedRandomSampler([1.0, 2.0], 3),
    "rgrad.optim.Optimizer": lambda: rg.optim.Optimizer([parameter()], {"lr": 0.1}),
    "rgrad.optim.lr_scheduler.OneCycleLR": lambda: rg.optim.lr_scheduler.OneCycleLR(optimizer(), 0.5, total_steps=9),
    "rgrad.optim.lr_scheduler.SequentialLR": lambda: scheduler_of_two(),
    "rgrad.data.CurriculumSampler": lambda: rg.data.CurriculumSampler([0.1, 0.5, 0.9], epochs=3),
    "rgrad.train.LRFinder": lambda: rg.train.LRFinder([0.1, 0.2], [2.0, 1.0], 0.1),
    "rgrad.train.Mean": lambda: rg.train.Mean("mean", lambda outputs, targets: outputs - targets),
    "rgrad.train.Run": lambda: rg.train.Run(network(), optimizer(), 3, rg.train.History()),
    "rgrad.optim.lr_scheduler.LambdaLR": lambda: rg.optim.lr_scheduler.LambdaLR(optimizer(), lambda epoch: 0.5),
}
# What calls give back and nobody makes.
RESULTS: dict[str, Callable[[], Any]] = {
    "compiled function": compiled,
    "program": lambda: compiled().program,
    "handle of a tensor's hook": lambda: parameter().register_hook(lambda g: None),
    "handle of a module's hook": lambda: network().register_forward_hook(lambda *a: None),
    "values and indices": lambda: rg.ones(2, 3).max(dim=1),
    "result of load_state_dict": lambda: rg.nn.Linear(1, 1).load_state_dict(rg.nn.Linear(1, 1).state_dict()),
}


def modules() -> list[types.ModuleType]:
    """The package and its modules that say what they offer."""
    names = [m.name for m in pkgutil.walk_packages(rg.__path__, "rgrad.")]
    public = [n for n in names if not any(part.startswith("_") for part in n.split(".")) and n not in EXCLUDED]
    found = [importlib.import_module(n) for n in public if not n.startswith("rgrad.tutorial.")]
    return [rg, rg.__config__, *(m for m in found if hasattr(m, "__all__"))]


def exports() -> Iterator[tuple[str, Any]]:
    """Every public function and class, once, under its shortest name."""
    seen: set[int] = set()
    for module in modules():
        for name in getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]:
            item = getattr(module, name)
            if callable(item) and id(item) not in seen:
                seen.add(id(item))
                yield f"{module.__name__}.{name}", item


def shaped(subject: Subject, signature: inspect.Signature | None, skip: int = 0) -> Subject:
    for p in list(signature.parameters.values())[skip:] if signature else []:
        if p.kind is p.VAR_POSITIONAL:
            subject.rest = p.name
        elif p.kind is not p.VAR_KEYWORD:
            (subject.required if p.default is p.empty else subject.optional).append(p.name)
    return subject


def signature_of(item: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(item)
    except (ValueError, TypeError):
        return None


def instance_of(name: str, cls: type) -> Value | None:
    """An instance by the table, or of the arguments that have these names elsewhere; None if neither makes one."""

    def of_names(k: int) -> Any:
        return cls(*(NAMED[p][k % len(NAMED[p])].make() for p in required))

    required = shaped(Subject(name, cls), signature_of(cls)).required
    for make in [INSTANCES[name]] if name in INSTANCES else [functools.partial(of_names, k) for k in range(8)]:
        try:
            make()
        except (KeyError, TypeError, ValueError, NotImplementedError):
            continue
        return value(name, functools.partial(made_still, make))
    return None


def recorded() -> dict[str, list[Call]]:
    """The arguments of the operations in the tables of cases, as they were given to functions of the package."""
    calls: dict[str, list[Call]] = {}

    def recorder(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def record(*args: Any, **kwargs: Any) -> Any:
            given = [copied(a) for a in args], {k: copied(v) for k, v in kwargs.items()}
            result = function(*args, **kwargs)
            calls.setdefault(name, []).append(given)
            return result

        return record

    places = [(m, n, getattr(m, n)) for n in rg._core.OPS for m in (rg, rg.nn.functional, rg.linalg) if hasattr(m, n)]
    for module, name, function in places:
        setattr(module, name, recorder(name, function))
    try:
        for name, cases in CASES.items():
            for case in cases:
                inputs = [rg.tensor(a) for a in case.inputs]
                if getattr(case.rgrad, "__module__", "") == "rgrad._core" or isinstance(
                    case.rgrad, types.BuiltinFunctionType
                ):
                    calls.setdefault(name, []).append(([copied(x) for x in inputs], {}))
                else:
                    case.rgrad(*inputs)
    finally:
        for module, name, function in places:
            setattr(module, name, function)
    return calls


def attribute_subjects(name: str, cls: type, instances: list[Value], calls: dict[str, list[Call]]) -> Iterator[Subject]:
    """The methods and properties that a class has itself; inherited ones belong to the class above."""
    for key, item in vars(cls).items():
        if key in MAKING or (key.startswith("_") and not key.startswith("__")):
            continue
        full = f"{name}.{key}"
        if isinstance(item, (classmethod, staticmethod)):
            yield shaped(Subject(full, getattr(cls, key)), signature_of(getattr(cls, key)))
        elif callable(item):
            subject = shaped(Subject(full, item), signature_of(item), skip=1)
            # The first argument of a recorded call is the instance.
            known = calls.get(key, []) if cls is rg.Tensor else []
            subject.calls = [(a[1:], k) for a, k in known if a]
            subject.instances = instances
            yield subject
            if cls is rg.Tensor and known:
                yield Subject(
                    f"{full} of others", item, ["self", *subject.required], subject.optional, subject.rest, known
                )
        elif isinstance(item, property) or inspect.isgetsetdescriptor(item) or inspect.ismemberdescriptor(item):
            for what, function in {
                "get": lambda x, key=key: getattr(x, key),
                "set": lambda x, v, key=key: setattr(x, key, v),
                "delete": lambda x, key=key: delattr(x, key),
            }.items():
                names = ["value"] if what == "set" else []
                yield Subject(f"{full} ({what})", function, names, instances=instances)


def operators() -> Iterator[Subject]:
    """Python's operators and protocols and NumPy's functions, with a tensor on either side."""
    binary = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor", "eq", "ne",
              "lt", "le", "gt", "ge", "iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "imatmul",
              "iand", "ior", "ixor", "contains", "getitem", "delitem", "lshift", "is_"]  # fmt: skip
    unary = ["neg", "pos", "abs", "invert", "index", "not_", "truth", "length_hint"]
    # A list or a dict that is changed in place keeps what it had got when its operand raised.
    changed = [v for v in TENSORS if isinstance(v.make(), rg.Tensor)]
    for name in binary:
        function, instances = getattr(operator, name), changed if name[0] == "i" else TENSORS
        yield Subject(f"operator.{name}", function, ["index" if name[-4:] == "item" else "value"], instances=instances)
        if name in ("add", "sub", "mul", "truediv", "pow", "matmul", "floordiv", "mod", "and_", "xor", "eq", "lt"):
            yield Subject(
                f"operator.{name} (reflected)", lambda a, b, f=function: f(b, a), ["value"], instances=TENSORS
            )
    for name in unary:
        yield Subject(f"operator.{name}", getattr(operator, name), instances=TENSORS)
    yield Subject("operator.setitem", operator.setitem, ["index", "value"], instances=TENSORS)
    for f in (int, float, complex, bool, len, iter, list, repr, str, hash, bytes, memoryview, format, round, divmod,
              pow, dir, copy.copy, copy.deepcopy, pickle.dumps):  # fmt: skip
        more = ["value"] if f in (format, round, divmod, pow) else []
        yield Subject(f"builtin {f.__name__}", f, optional=more, instances=TENSORS)
    for f in (np.concatenate, np.stack, np.asarray, np.sum, np.where, np.add, np.matmul, np.array_equal, np.isclose,
              np.vstack, np.einsum, np.linalg.det, np.transpose, np.array, np.may_share_memory):  # fmt: skip
        yield Subject(f"numpy.{f.__name__}", f, rest="tensors", instances=TENSORS)


def subjects() -> list[Subject]:
    """All of it, in an order that does not depend on anything but the package."""
    calls = recorded()
    found: list[Subject] = []
    classes: dict[type, tuple[str, list[Value]]] = {}

    def meet(instance: Value, name: str | None = None) -> None:
        for cls in type(instance.make()).__mro__:
            if (
                cls.__module__.split(".")[0] in ("rgrad", "builtins")
                and cls not in vars(__import__("builtins")).values()
            ):
                of = classes.setdefault(cls, (names.get(cls, f"{cls.__module__}.{cls.__qualname__}"), []))[1]
                if len(of) < 4:
                    of.append(instance)

    public = dict(exports())
    names = {item: name for name, item in public.items() if inspect.isclass(item)}
    for name, item in public.items():
        if inspect.isclass(item):
            instance = instance_of(name, item)
            if instance is not None:
                meet(instance)
        last = name.rsplit(".", 1)[1]
        found.append(shaped(Subject(name, item, calls=calls.get(last, [])), signature_of(item)))
    for text, make in RESULTS.items():
        meet(value(text, make))
    classes[rg.Tensor][1].extend(TENSORS)
    for cls, (name, instances) in classes.items():
        found += attribute_subjects(name, cls, instances, calls)
    found += operators()
    return [s for s in found if not any(s.name == e or s.name.startswith(e + ".") for e in EXCLUDED)]


def rest() -> None:
    """Puts settings of the process back that a call may have changed, and gives memory back that others may need."""
    rg.set_default_dtype(rg.float32)
    rg._core._set_grad_enabled(True)
    rg._core._set_anomaly(False)
    rg.config.compile = True
    rg.manual_seed(0)
    rg.__config__.empty_cache()
