"""The base class of layers and models."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from rgrad._core import Tensor
from rgrad.autograd import no_grad


class Parameter(Tensor):
    """A tensor that a module learns: a leaf that requires gradients, with its own copy of ``data``."""

    def __new__(cls, data: Any, requires_grad: bool = True) -> Self:
        """Copies ``data``, a tensor, array or nested list of floats."""
        return super().__new__(cls, data, requires_grad=requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Module:
    """A part of a model. Its parameters and submodules are those among its attributes.

    Write ``forward``, and call the module itself::

        class Net(rg.nn.Module):
            def __init__(self):
                self.hidden = rg.nn.Linear(784, 100)
                self.out = rg.nn.Linear(100, 10)

            def forward(self, x):
                return self.out(rg.relu(self.hidden(x)))
    """

    training: bool = True
    """Whether the module is being trained: see ``train`` and ``eval``."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the output. To be written by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the output: see ``forward``."""
        return self.forward(*args, **kwargs)

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The modules among the attributes, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all modules below it, each once, with dotted names."""
        seen: set[int] = set()
        todo: list[tuple[str, Module]] = [(prefix, self)]
        while todo:
            name, module = todo.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            below = [(f"{name}.{child}" if name else child, m) for child, m in module.named_children()]
            todo.extend(reversed(below))

    def modules(self) -> Iterator["Module"]:
        """This module and all modules below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """All parameters, each once, with dotted names such as ``0.weight``."""
        seen: set[int] = set()
        for module_name, module in self.named_modules(prefix):
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{module_name}.{name}" if module_name else name), value

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once."""
        for _, parameter in self.named_parameters():
            yield parameter

    def zero_grad(self) -> None:
        """Forgets the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Self:
        """Puts this module and all below it into training mode, in which dropout drops. Returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Puts this module and all below it into evaluation mode. Returns the module."""
        return self.train(False)

    def state_dict(self) -> dict[str, Tensor]:
        """The parameters by name, as tensors that share their memory and require no gradients."""
        return {name: parameter.detach() for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Copies parameters from ``state``, as ``state_dict`` or ``rgrad.load`` give it.

        Args:
            state: Tensors or arrays by name.
            strict: Whether names must match exactly; otherwise only those that both have are copied.

        Raises:
            ValueError: Entries are missing, unexpected or of another shape. All are listed, and nothing is copied.
        """
        own = dict(self.named_parameters())
        problems = [f"missing: {name}" for name in own if name not in state] if strict else []
        problems += [f"unexpected: {name}" for name in state if name not in own] if strict else []
        for name, parameter in own.items():
            if name in state and tuple(state[name].shape) != parameter.shape:
                problems.append(f"shape of {name}: expected {parameter.shape}, got {tuple(state[name].shape)}")
        if problems:
            raise ValueError(f"cannot load into {type(self).__name__}:\n  " + "\n  ".join(problems))
        with no_grad():
            for name, parameter in own.items():
                if name in state:
                    parameter.copy_(state[name])

    def to(self, dtype: Any) -> Self:
        """Replaces all parameters by ones of another float dtype; make optimizers afterwards. Returns the module."""
        replaced: dict[int, Parameter] = {}
        for module in self.modules():
            for name, value in list(vars(module).items()):
                if isinstance(value, Parameter):
                    new = replaced.setdefault(id(value), Parameter(value.detach().to(dtype), value.requires_grad))
                    setattr(module, name, new)
        return self

    def extra_repr(self) -> str:
        """What stands between the brackets of the module's own line."""
        return ""

    def __repr__(self) -> str:
        children = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        head = f"{type(self).__name__}({self.extra_repr()}"
        return "\n".join([head, *children, ")"]) if children else f"{head})"


class TensorModule(Module):
    """A module from one tensor to one tensor, so that type checkers know what calling it gives."""

    def forward(self, x: Tensor) -> Tensor:
        """Computes the output. To be written by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, x: Tensor) -> Tensor:
        """Computes the output: see ``forward``."""
        return self.forward(x)
