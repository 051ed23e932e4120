"""States of modules, optimizers, schedules and generators with values that no program wrote. For `fuzz_files.py`."""

import copy

import numpy as np

import rgrad as rg

NUMBERS = (0, 1, -1, 2.5, float("nan"), float("inf"), 1e400, 2**31, 2**63, 2**64, 10**30, True, None)


def odd(random):
    """A value that does not belong into a state."""
    return random.choice(
        (
            *NUMBERS,
            "x",
            b"x",
            (),
            [],
            {},
            [1.0, 2.0],
            rg.ones(2),
            rg.zeros(0),
            rg.tensor(1),
            rg.ones(3, 4, dtype=rg.int64),
            np.ones((3, 4), np.complex64),
            np.array(["a"]),
            np.array([None, {}], object),
            np.ma.array([1.0, 2.0], mask=[0, 1]),
            np.float16(1),
            np.zeros((3, 4), np.float16)[::-1],
            object(),
            range(3),
        )
    )


def spoiled(random, state):
    """A copy of nested dicts and lists in which one to three places have other values, or are gone, or are new."""
    state = copy.deepcopy(state)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        node = state
        while random.random() < 0.8:
            below = [v for v in (node.values() if isinstance(node, dict) else node) if isinstance(v, dict | list) and v]
            if not below:
                break
            node = random.choice(below)
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            continue
        key, kind = random.choice(keys), random.randrange(5)
        if kind == 0:
            del node[key]
        elif kind == 1 and isinstance(node, dict):
            node[random.choice(("x", 7, "", None, -1, (1,)))] = node[key]
        elif kind == 2:
            node[key] = copy.deepcopy(node[random.choice(keys)])
        else:
            node[key] = odd(random)
    return state


def values(tree):
    """Everything in a state, for comparison: tensors as their dtype, shape and bytes."""
    if isinstance(tree, dict):
        return [(repr(key), values(item)) for key, item in tree.items()]
    if isinstance(tree, list | tuple):
        return [values(item) for item in tree]
    return (tree.dtype.name, tree.shape, bytes(tree)) if isinstance(tree, rg.Tensor) else repr(tree)


def module(random):
    """A module, a spoiled state for it, and how it is loaded."""
    model = rg.nn.Sequential(rg.nn.Linear(4, 3), rg.nn.BatchNorm1d(3), rg.nn.Linear(3, 2))
    state = spoiled(random, model.state_dict())
    strict = random.random() < 0.7
    return model, state, lambda: model.load_state_dict(state, strict=strict)


OPTIMIZERS = (
    lambda p: rg.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    lambda p: rg.optim.Adam(p, lr=0.1, amsgrad=True),
    lambda p: rg.optim.AdamW([{"params": p[:1]}, {"params": p[1:], "lr": 0.5}]),
    lambda p: rg.optim.RMSprop(p, momentum=0.5, centered=True),
    lambda p: rg.optim.Adagrad(p),
    lambda p: rg.optim.NAdam(p),
    lambda p: rg.optim.LBFGS(p),
)


def _trained(random):
    parameters = [rg.ones(3, 4, requires_grad=True), rg.ones(2, requires_grad=True)]
    optimizer = random.choice(OPTIMIZERS)(parameters)

    def closure():
        optimizer.zero_grad()
        loss = sum((p * p).sum() for p in parameters)
        loss.backward()
        return loss

    optimizer.step(closure)
    return optimizer, closure


def optimizer(random):
    """As `module`; what can be loaded must also be good for a step."""
    made, closure = _trained(random)
    state = spoiled(random, made.state_dict())

    def load():
        made.load_state_dict(state)
        return lambda: made.step(closure)

    return made, state, load


SCHEDULES = (
    lambda o: rg.optim.lr_scheduler.StepLR(o, 3),
    lambda o: rg.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    lambda o: rg.optim.lr_scheduler.OneCycleLR(o, 0.1, 10, cycle_momentum=False),
    lambda o: rg.optim.lr_scheduler.ReduceLROnPlateau(o),
    lambda o: rg.optim.lr_scheduler.SequentialLR(
        o, [rg.optim.lr_scheduler.ConstantLR(o), rg.optim.lr_scheduler.ExponentialLR(o, 0.5)], [2]
    ),
)


def schedule(random):
    """As `module`."""
    made = random.choice(SCHEDULES)(_trained(random)[0])
    state = spoiled(random, made.state_dict())
    return made, state, lambda: made.load_state_dict(state)


class Pickled:
    """What a pickle of a tensor, a generator or a dtype calls, with other arguments."""

    def state_dict(self):
        return {}


def pickled(random):
    """As `module`, of what has no state before."""
    generator = rg.Generator(3)
    kind = random.randrange(3)
    if kind == 0:
        arguments = [rg.Tensor, np.ones(2, np.float32), False]
        function = rg.ones(2).__reduce__()[0]
    elif kind == 1:
        arguments, function = [(3, 4)], generator.__setstate__
    else:
        function, arguments = rg.float32.__reduce__()[0], ["float32"]
    place = random.randrange(len(arguments))
    classes = (int, str, type, rg.nn.Parameter, rg.nn.Linear, object)
    numbers = [(random.choice(NUMBERS), random.choice(NUMBERS)) for _ in range(2)]
    arguments[place] = random.choice((odd(random), odd(random), *classes, *numbers))
    return Pickled(), arguments, lambda: function(*arguments)
