"""Statements that differentiate: leaves, gradients on the tape, transforms of functions, modules and training steps."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import rgrad as rg
from programs.arguments import Piece
from programs.draw import FLOATS, Drawing, Refused
from programs.program import indented
from programs.reference import wrong_derivative
from rgrad import nn, optim, transforms

OPTIMIZERS = [name for name in optim.__all__ if name not in ("Optimizer", "lr_scheduler")]
# Settings that optimizers share, and that an optimizer may have.
SETTINGS: dict[str, list[Any]] = {
    "momentum": [0.9, 0.5],
    "nesterov": [True],
    "weight_decay": [0.01],
    "amsgrad": [True],
    "centered": [True],
    "maximize": [True],
    "decoupled_weight_decay": [True],
    "lr_decay": [0.1],
    "max_iter": [2],
}
MODULES = [name for name in nn.__all__ if inspect.isclass(getattr(nn, name))]
# What takes a function and gives one of the same argument.
TRANSFORMS = [
    name for name in transforms.__all__ if list(inspect.signature(getattr(rg, name)).parameters)[:1] == ["fun"]
]
OWN = """\
class {name}(rg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return rg.{op}(x)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0] * 0.5

    @staticmethod
    def jvp(ctx, t):
        return t * ctx.saved_tensors[0] * 0.5"""
PUSHED = {
    "jvp": "rg.jvp({f}, ({x},), ({v},))",
    "hvp": "rg.hvp({f}, ({x},), ({v},))",
    "vjp": "rg.vjp({f}, {x})[1]({w})[0]",
}


@functools.cache
def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def is_float(t: rg.Tensor) -> bool:
    return t.dtype in FLOATS


class Derivatives(Drawing):
    """Adds statements that differentiate to those of plain operations."""

    def eval(self, text: str) -> Any:
        return eval(text, self.names)

    def leaf(self) -> None:
        x = self.some(is_float)
        if x is None or x.text[0] != "v":
            raise Refused
        how = self.r.choice(("detach()", "detach().clone()", "clone().detach()"))
        text = f"{x.text}.{how}.requires_grad_()"
        self.keep(text, self.eval(text))

    def loss(self, y: str) -> str:
        return self.r.choice(("{}.sum()", "{}.sum()", "({0} * {0}).mean()", "rg.tanh({}).sum()")).format(y)

    def sources(self) -> list[Piece]:
        taped = [p for p in self.tensors if p.value.requires_grad]
        return self.r.sample(taped, min(len(taped), self.r.choice((1, 2))))

    def gradient(self) -> None:
        y, sources = self.some(lambda t: t.requires_grad and t.grad_fn is not None), self.sources()
        if y is None or not sources:
            raise Refused
        create = self.r.choice(("", "", ", retain_graph=True", ", create_graph=True"))
        names = ", ".join(p.text for p in sources)
        text = f"rg.autograd.grad({self.loss(y.text)}, [{names}], allow_unused=True{create})"
        found = self.eval(text)
        if all(g is None for g in found):
            raise Refused
        whole = self.name("t")
        self.names[whole] = found
        self.body.append(f"{whole} = {text}")
        for i, g in enumerate(found):
            if g is not None:
                self.keep(f"{whole}[{i}]", g)

    def backward(self) -> None:
        y = self.some(lambda t: t.requires_grad and t.grad_fn is not None)
        if y is None:
            raise Refused
        text = f"{self.loss(y.text)}.backward({self.r.choice(('', '', 'retain_graph=True'))})"
        self.eval(text)
        self.body.append(text)
        leaves = [p for p in self.tensors if p.value.is_leaf and p.value.requires_grad and p.value.grad is not None]
        for p in self.r.sample(leaves, min(1, len(leaves))):
            self.keep(f"{p.text}.grad", p.value.grad)

    def forget(self) -> None:
        """Drops a gradient, as zero_grad() does."""
        leaves = [p for p in self.tensors if p.value.is_leaf and p.value.requires_grad]
        if not leaves:
            raise Refused
        p = self.r.choice(leaves)
        p.value.grad = None
        self.body.append(f"{p.text}.grad = None")

    def function(self, x: Piece, scalar: bool) -> str:
        """The name of a new function of one tensor, made of one to four statements."""
        body, tensors = self.body, list(self.tensors)
        lines: list[str] = []
        self.body = lines
        inner = Piece(self.name("a"), x.value.detach().clone().requires_grad_())
        self.tensors.append(inner)
        self.names[inner.text] = inner.value
        try:
            for _ in range(self.r.choice((1, 1, 2, 3))):
                self.attempt(self.operation)
            y = next((p for p in self.tensors[: len(tensors) - 1 : -1] if p.value.grad_fn and is_float(p.value)), inner)
        finally:
            self.body = body
            self.tensors[len(tensors) :] = [p for p in self.tensors[len(tensors) :] if p.text[0] == "c"]
        name = self.name("h")
        result = self.loss(y.text) if scalar else y.text
        text = f"def {name}({inner.text}):\n" + "\n".join(indented([*lines, f"return {result}"]))
        exec(text, self.names)
        # A remainder by a tiny number jumps between all points at which a difference can be taken; shrinking by 0 is
        # the number itself, but at 0 its slope is 0, as in PyTorch; a number that is both of its limits has the whole
        # slope of clamp, as there.
        smooth = not re.search(r"float32|remainder|fmod|hardshrink|softshrink|clamp\(.*\b(\w+), \1\b", text)
        if self.dtype == "float64" and smooth and is_float(inner.value) and inner.value.numel():
            told = wrong_derivative(self.names[name], inner.value)
            if told:
                self.wrong.append(("derivative", f"{told} of\n{text}\nat {inner.value.tolist()}"))
        self.body.append(text)
        return name

    def transform(self) -> None:
        x = self.some(lambda t: is_float(t) and t.numel() <= 64) or self.captured((3,), self.dtype)
        self.commit()
        kind = self.r.choice((*TRANSFORMS, *PUSHED, "checkpoint", "compile"))
        scalar = kind in ("grad", "value_and_grad", "hessian", "hvp")
        f = self.function(x, scalar)
        if kind == "checkpoint":
            text = f"rg.autograd.checkpoint({f}, {x.text})"
        elif kind == "compile":
            # Without a graph, as what is compiled is not compiled again inside a compiled function.
            text = f"rg.compile({f})({x.text}).detach()"
        elif kind in PUSHED:
            like = self.names[f](x.value) if kind == "vjp" else x.value
            text = PUSHED[kind].format(
                f=f,
                x=x.text,
                v=f"rg.ones_like({x.text})",
                w=f"rg.full({tuple(like.shape)}, 0.5, dtype={like.dtype.name!r})",
            )
        else:
            # Jacobians take as many passes as there are elements.
            elements = x.value.numel() * self.names[f](x.value).numel()
            if elements > 2048:
                return
            nested = f"rg.{self.r.choice(TRANSFORMS)}({f})" if self.r.random() < 0.15 and elements < 64 else f
            text = f"rg.{kind}({nested})({x.text})"
        self.keep(text, self.eval(text))

    # Modules and optimizers.

    def settings(self, make: type, x: rg.Tensor) -> str | None:
        """Arguments of a module for inputs like ``x``."""
        given = []
        for p in parameters_of(make).values():
            if p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                continue
            match p.name:
                case "in_features" | "normalized_shape":
                    given.append(str(x.shape[-1]))
                case "num_features":
                    given.append(str(x.shape[1]))
                case "unflattened_size":
                    given.append("(-1, 1)")
                case "threshold" | "value":
                    given.append("0.25")
                case _:
                    given.append(str(self.r.choice(self.sizes)))
        return ", ".join(given)

    def layer(self, name: str, x: rg.Tensor) -> str:
        return f"rg.nn.{name}({self.settings(getattr(nn, name), x)})"

    def module(self) -> Piece:
        """Calls a new module, or one that there is, with a tensor; returns the module."""
        x = self.some(lambda t: is_float(t) and t.ndim > 0 and t.dtype.name == self.dtype) or self.captured(
            (3, 4), self.dtype
        )
        self.commit()
        if self.modules and self.r.random() < 0.4:
            m = self.r.choice(self.modules)
        else:
            layers = [self.r.choice(MODULES)]
            if self.r.random() < 0.6 and x.value.ndim > 1:
                width = self.r.choice(self.sizes) or 1
                first = f"rg.nn.Linear({x.value.shape[-1]}, {width})"
                hidden = rg.zeros(2, width)
                layers = [first, *(self.layer(self.r.choice(MODULES), hidden) for _ in range(self.r.choice((1, 2))))]
                if self.r.random() < 0.5:
                    layers.append(f"rg.nn.Linear({width}, {self.r.choice(self.sizes) or 1})")
                text = f"rg.nn.Sequential({', '.join(layers)})"
            else:
                text = self.layer(layers[0], x.value)
            text += ".double()" * (self.dtype == "float64") + ".eval()" * (self.r.random() < 0.2)
            m = Piece(self.name("m"), self.eval(text))
            self.pending.append((f"{m.text} = {text}", m))
        call = f"{m.text}({x.text})"
        value = m.value(x.value)
        if m not in self.modules:
            self.names[m.text] = m.value
        self.keep(call, value)
        if m not in self.modules:
            self.modules.append(m)
        return m

    def training(self) -> None:
        """A step of an optimizer for a module, or for the leaves that there are."""
        name = self.r.choice(OPTIMIZERS)
        m = self.module()
        y = self.tensors[-1]
        if not y.value.requires_grad:
            raise Refused
        known = parameters_of(getattr(optim, name))
        settings = {k: self.r.choice(v) for k, v in SETTINGS.items() if k in known and self.r.random() < 0.3}
        text = f"rg.optim.{name}({m.text}.parameters(), lr=0.1{''.join(f', {k}={v}' for k, v in settings.items())})"
        o = Piece(self.name("o"), self.eval(text))
        self.names[o.text] = o.value
        target = self.captured(tuple(y.value.shape), self.dtype, "normal") if self.r.random() < 0.5 else None
        self.program.setup.append(f"{o.text} = {text}")
        if target:
            self.commit()
        loss = f"rg.mse_loss({y.text}, {target.text})" if target else self.loss(y.text)
        lines = [f"{o.text}.zero_grad()", f"{loss}.backward()", f"{o.text}.step()"]
        if name == "LBFGS":
            inner = [f"{o.text}.zero_grad()", f"l = {self.loss(y.text)}", "l.backward()", "return l"]
            lines = ["\n".join([f"def {o.text}_closure():", *indented(inner)]), f"{o.text}.step({o.text}_closure)"]
        for line in lines:
            exec(line, self.names)
            self.body.append(line)

    def hook(self) -> None:
        """A hook that changes the gradient of a value of this call."""
        x = self.some(lambda t: t.requires_grad)
        # One more on a captured tensor at each call would be another matter than one when the step is recorded.
        if x is None or x.text[0] != "v":
            raise Refused
        how = ("register_hook(lambda g: g * 0.5)", "register_hook(lambda g: g.sin())", "retain_grad()")
        text = f"{x.text}.{self.r.choice(how)}"
        self.eval(text)
        self.body.append(text)

    def own(self) -> None:
        """An operation of the program's own, with a derivative."""
        x, name = self.some(is_float), self.name("F")
        if x is None:
            raise Refused
        text = OWN.format(name=name, op=self.r.choice(("tanh", "abs", "exp", "cumsum", "flatten", "square")))
        exec(text, self.names)
        call = f"{name}.apply({x.text})"
        self.pending.append((text, Piece(name, self.names[name])))
        self.keep(call, self.eval(call))

    def random(self) -> None:
        shape = self.shape()
        x = self.some(is_float)
        texts = [
            f"rg.randn({shape})",
            f"rg.rand({shape}, dtype={self.dtype!r})",
            f"rg.randint(0, 3, {shape})",
            f"rg.randperm({self.r.choice(self.sizes)})",
        ]
        if x:
            texts += [f"rg.nn.functional.dropout({x.text}, 0.5)", f"rg.rand_like({x.text})", f"rg.randn_like({x.text})"]
        text = self.r.choice(texts)
        if text.endswith(")") and self.r.random() < 0.3:
            g = Piece(self.name("g"), rg.Generator(3))
            self.names[g.text] = g.value
            self.pending.append((f"{g.text} = rg.Generator(3)", g))
            text = f"{text[:-1]}, generator={g.text})"
        self.keep(text, self.eval(text))

    def constant(self) -> None:
        shape, n = self.shape(), self.r.choice(self.sizes)
        texts = [
            f"rg.zeros({shape})",
            f"rg.ones({shape}, dtype={self.dtype!r})",
            f"rg.full({shape}, 0.5)",
            f"rg.eye({n})",
            f"rg.arange({n}.0)",
        ]
        text = self.r.choice(texts)
        self.keep(text, self.eval(text))
