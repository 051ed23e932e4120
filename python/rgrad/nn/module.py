"""The base class of layers and models."""

from collections.abc import Callable, Iterator, Mapping
from reprlib import recursive_repr
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rgrad import _core
from rgrad._core import Tensor
from rgrad._shared.holders import replace, warn_if_held
from rgrad.nn.hooks import Hooked
from rgrad.nn.parameter import Parameter, converted
from rgrad.nn.state import LoadedKeys, load_state

T = TypeVar("T", bound=Tensor)


class Module(Hooked):
    """The base class of layers and models: its parameters and submodules are attributes.

    Define ``forward``, and call the module itself::

        class Net(rg.nn.Module):
            def __init__(self):
                self.hidden = rg.nn.Linear(784, 100)
                self.out = rg.nn.Linear(100, 10)

            def forward(self, x):
                return self.out(rg.relu(self.hidden(x)))

    Register tensors that belong to the state but are not learned with ``register_buffer``.
    """

    training: bool = True
    """Whether the module is in training mode; see ``train`` and ``eval``."""

    # Created when first needed, so that subclasses need not call `super().__init__()`.
    _buffers: Mapping[str, bool] = MappingProxyType({})
    """The names of the buffers, and whether each is part of the state_dict."""

    def __setattr__(self, name: str, value: Any) -> None:
        # A weight replaced by a plain tensor would silently no longer be trained or saved.
        old = self.__dict__.get(name)
        for kind in (Parameter, Module):
            if isinstance(old, kind) and not (value is None or isinstance(value, kind)):
                raise TypeError(
                    f"cannot assign {type(value).__name__} to {type(self).__name__}.{name}, which is a "
                    f"{kind.__name__}: assign a {kind.__name__} or None, or delete the attribute first"
                )
        if isinstance(value, Parameter | Module) and hasattr(Module, name):
            raise ValueError(f"{type(self).__name__}.{name}: every module has a method of that name; choose another")
        if isinstance(old, Parameter) and isinstance(value, Parameter) and value is not old:
            warn_if_held(old, f"{type(self).__name__}.{name}")
        if name in self._buffers:
            if isinstance(value, Parameter):
                del self.__dict__["_buffers"][name]
            elif not (value is None or isinstance(value, Tensor)):
                raise TypeError(
                    f"cannot assign {type(value).__name__} to {type(self).__name__}.{name}, which is a buffer: "
                    "assign a tensor or None, or delete the attribute first"
                )
        _core._changing(self, name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        _core._changing(self, name)
        super().__delattr__(name)
        if name in self._buffers:
            del self.__dict__["_buffers"][name]

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds an attribute that is part of the model's state without being learned, such as a running mean.

        Args:
            name: Name of the attribute; only tensors and None can be assigned to it later.
            tensor: The buffer, or None for a buffer without a value.
            persistent: Whether it is part of ``state_dict``.

        Raises:
            TypeError: ``tensor`` is not a tensor, or is a parameter.
            ValueError: The name is empty, contains a dot, or is another attribute's.
        """
        if tensor is not None and (not isinstance(tensor, Tensor) or isinstance(tensor, Parameter)):
            raise TypeError(f"register_buffer: expected a tensor or None as {name}, got {type(tensor).__name__}")
        if name not in self._buffers:
            self._check_name("register_buffer", name)
        self.__dict__.setdefault("_buffers", {})[name] = persistent
        setattr(self, name, tensor)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds an attribute, as an assignment does, under a name that need not be an identifier.

        Raises:
            TypeError: ``param`` is not a parameter.
            ValueError: The name is empty, contains a dot, or is another attribute's.
        """
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"register_parameter: expected a Parameter or None as {name}, got {type(param).__name__}")
        if not isinstance(self.__dict__.get(name), Parameter):
            self._check_name("register_parameter", name)
        setattr(self, name, param)

    def register_module(self, name: str, module: "Module | None") -> None:
        """Adds an attribute, as an assignment does, under a name that need not be an identifier.

        Raises:
            TypeError: ``module`` is not a module.
            ValueError: The name is empty, contains a dot, or is another attribute's.
        """
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"register_module: expected a module or None as {name}, got {type(module).__name__}")
        if not isinstance(self.__dict__.get(name), Module):
            self._check_name("register_module", name)
        setattr(self, name, module)

    add_module = register_module

    def _check_name(self, what: str, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what}: a name is a string, got {type(name).__name__}")
        if not name or "." in name:
            raise ValueError(f"{what}: a name must not be empty or have a dot, got {name!r}")
        if hasattr(type(self), name) or self.__dict__.get(name) is not None:
            raise ValueError(f"{what}: {type(self).__name__} has another attribute {name!r}; choose another name")

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The direct submodules, each once, with their names."""
        seen: set[int] = set()
        for name, child in self._own_modules():
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator["Module"]:
        """The direct submodules, each once."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, "Module"]]:
        """This module and all modules below it, with dotted names.

        Args:
            prefix: This module's own name.
            remove_duplicate: Whether to list a module with several names only under the first.
        """
        seen: set[int] = set()
        todo: list[tuple[str, Module, tuple[Module, ...]]] = [(prefix, self, ())]
        while todo:
            name, module, above = todo.pop()
            if remove_duplicate and id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            path = (*above, module)
            for child_name, child in reversed(module._own_modules()):
                # A reference back to a module above, such as a parent, is not a submodule.
                if not any(child is m for m in path):
                    todo.append((_join(name, child_name), child, path))

    def modules(self) -> Iterator["Module"]:
        """This module and all modules below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters, with dotted names such as ``0.weight``.

        Args:
            prefix: This module's own name.
            recurse: Whether to include the parameters of all modules below.
            remove_duplicate: Whether to list a parameter with several names only under the first.
        """
        yield from self._named(Module._own_parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers, with dotted names; the arguments are those of ``named_parameters``."""
        yield from self._named(Module._own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _own_modules(self) -> list[tuple[str, "Module"]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def _own_parameters(self) -> list[tuple[str, Parameter]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Parameter)]

    def _own_buffers(self) -> list[tuple[str, Tensor]]:
        return [(name, value) for name in self._buffers if (value := vars(self)[name]) is not None]

    def _named(
        self, own: Callable[["Module"], list[tuple[str, T]]], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, T]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix, remove_duplicate) if recurse else [(prefix, self)]
        for module_name, module in modules:
            for name, value in own(module):
                if not (remove_duplicate and id(value) in seen):
                    seen.add(id(value))
                    yield _join(module_name, name), value

    def get_submodule(self, target: str) -> "Module":
        """The module with a dotted name, such as ``encoder.0``; this one for an empty name.

        Raises:
            AttributeError: There is none.
            TypeError: The name is not a string.
        """
        module, target = self, _name(target, "get_submodule")
        for i, name in enumerate(parts := target.split(".") if target else []):
            below = vars(module).get(name)
            if not isinstance(below, Module):
                at = f" at {'.'.join(parts[:i])!r}" if i else ""
                raise AttributeError(f"get_submodule: {type(module).__name__}{at} has no module {name!r}")
            module = below
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with a dotted name, such as ``0.weight``.

        Raises:
            AttributeError: There is none.
            TypeError: The name is not a string.
        """
        module, _, name = _name(target, "get_parameter").rpartition(".")
        found = dict(self.get_submodule(module)._own_parameters()).get(name)
        if found is None:
            raise AttributeError(f"get_parameter: there is no parameter {target!r} in {type(self).__name__}")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with a dotted name, such as ``1.running_mean``.

        Raises:
            AttributeError: There is none.
            TypeError: The name is not a string.
        """
        module, _, name = _name(target, "get_buffer").rpartition(".")
        found = dict(self.get_submodule(module)._own_buffers()).get(name)
        if found is None:
            raise AttributeError(f"get_buffer: there is no buffer {target!r} in {type(self).__name__}")
        return found

    def apply(self, fn: Callable[["Module"], Any]) -> Self:
        """Calls ``fn`` on every module below and then on this one, e.g. to initialise them. Returns the module."""
        self._apply(fn, ())
        return self

    def _apply(self, fn: Callable[["Module"], Any], above: tuple["Module", ...]) -> None:
        path = (*above, self)
        for child in self.children():
            if not any(child is m for m in path):
                child._apply(fn, path)
        fn(self)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Sets whether the parameters require gradients; ``False`` freezes them. Returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters, or overwrites them with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.detach().zero_()

    def train(self, mode: bool = True) -> Self:
        """Puts this module and all below it into training mode, which enables dropout. Returns the module."""
        if not isinstance(mode, bool):
            raise TypeError(f"train: mode must be True or False, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Puts this module and all below it into evaluation mode. Returns the module."""
        return self.train(False)

    def state_dict(self, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Parameters and persistent buffers by name; one with several names is listed under each.

        Args:
            prefix: Prepended to all names.
            keep_vars: Return the tensors themselves, not detached ones that share their memory.
        """
        state: dict[str, Tensor] = {}
        for module_name, module in self.named_modules(remove_duplicate=False):
            persistent = [(name, buffer) for name, buffer in module._own_buffers() if module._buffers[name]]
            for name, tensor in [*module._own_parameters(), *persistent]:
                state[prefix + _join(module_name, name)] = tensor if keep_vars else tensor.detach()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadedKeys:
        """Copies parameters and buffers from ``state_dict``, a result of ``Module.state_dict`` or ``rgrad.load``.

        Args:
            state_dict: Tensors or arrays by name; other dtypes are converted.
            strict: Whether names must match exactly; if not, entries that only one side has are skipped.

        Returns:
            ``missing_keys`` and ``unexpected_keys``.

        Raises:
            ValueError: Entries are missing or unexpected, have another shape, or are not numeric. The message lists
                all of them, and nothing is copied.
        """
        return load_state(type(self).__name__, self.state_dict(), state_dict, strict)

    def to(self, dtype: Any) -> Self:
        """Converts the floating-point parameters and buffers to ``dtype``, also in optimizers that hold them.

        Returns:
            The module.

        Raises:
            TypeError: ``dtype`` is not a floating-point dtype.
        """
        dtype = _core.empty(0, dtype=dtype).dtype
        if not dtype.is_floating_point:
            raise TypeError(f"to: the parameters of a module are floats, got {dtype}")
        replaced: dict[int, Tensor] = {}
        for module in self.modules():
            for name, old in [*module._own_parameters(), *module._own_buffers()]:
                if old.dtype.is_floating_point and old.dtype != dtype:
                    if id(old) not in replaced:
                        replaced[id(old)] = converted(old, dtype)
                        replace(old, replaced[id(old)])
                    setattr(module, name, replaced[id(old)])
        return self

    def float(self) -> Self:
        """Same as ``to(float32)``."""
        return self.to("float32")

    def double(self) -> Self:
        """Same as ``to(float64)``."""
        return self.to("float64")

    def extra_repr(self) -> str:
        """The text between the brackets of this module's line in its ``repr``."""
        return ""

    def _child_lines(self) -> list[str]:
        return [f"({name}): {child!r}" for name, child in self._own_modules()]

    @recursive_repr()
    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = self._child_lines()
        if not children and "\n" not in extra:
            return f"{type(self).__name__}({extra})"
        lines = [*extra.splitlines(), *children]
        return "\n  ".join([f"{type(self).__name__}(", *(line.replace("\n", "\n  ") for line in lines)]) + "\n)"


def as_tensor(x: Any) -> Tensor:
    """``x`` as a tensor: modules accept whatever ``rg.tensor`` does."""
    return x if isinstance(x, Tensor) else _core.tensor(x)


class TensorModule(Module):
    """A module from one tensor to one tensor, which gives its calls a precise type."""

    def forward(self, x: Tensor) -> Tensor:
        """Computes the output. Implemented by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor:
            """Computes the output: see ``forward``. Runs the hooks."""


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _name(target: object, what: str) -> str:
    if not isinstance(target, str):
        raise TypeError(f"{what}: expected a dotted name, got {type(target).__name__}")
    return target
