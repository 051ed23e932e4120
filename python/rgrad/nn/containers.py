"""Lists and dicts of modules or parameters. Their entries are attributes, with PyTorch's names."""

from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import groupby
from typing import Any, Generic, Self, TypeVar, overload

from rgrad._core import Tensor
from rgrad.nn.module import Module, TensorModule
from rgrad.nn.parameter import Parameter

T = TypeVar("T", Module, Parameter)  # what a container holds
A = TypeVar("A", Module, Tensor)  # what it accepts


class _Container(Module, Generic[T]):
    """The common base of lists and dicts."""

    _kind: type[T]

    def _held(self) -> dict[str, T]:
        """The entries by name, in order."""
        return {name: value for name, value in vars(self).items() if isinstance(value, self._kind)}

    def _admit(self, value: Any, at: object) -> T:
        """The entry that ``value`` becomes."""
        if not isinstance(value, self._kind):
            raise TypeError(
                f"{type(self).__name__}: expected {self._kind.__name__.lower()}s, got {type(value).__name__} at {at}"
            )
        return value

    def _refill(self, entries: Mapping[str, T]) -> None:
        for name in self._held():
            delattr(self, name)
        for name, value in entries.items():
            setattr(self, name, value)

    def __len__(self) -> int:
        return len(self._held())


class _List(_Container[T], Generic[T, A]):
    """Entries in order, named by their indices."""

    def __init__(self, values: Iterable[A] = ()) -> None:
        self.extend(values)

    def __iter__(self) -> Iterator[T]:
        return iter(self._held().values())

    def __contains__(self, value: object) -> bool:
        return any(value is entry for entry in self)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> T | Self:
        """An entry, or, for a slice, a container of the same type."""
        if isinstance(index, slice):
            return self._slice(index)
        return self._held()[self._name(index)]

    def __setitem__(self, index: int, value: A) -> None:
        setattr(self, self._name(index), self._admit(value, index))

    def __delitem__(self, index: int | slice) -> None:
        """Removes entries and renumbers the remaining ones."""
        entries = list(self)
        if not isinstance(index, slice):
            self._name(index)
        del entries[index]
        self._refill(_numbered(entries))

    def append(self, value: A) -> Self:
        """Adds an entry at the end. Returns the container."""
        return self.extend([value])

    def extend(self, values: Iterable[A]) -> Self:
        """Adds entries at the end. Returns the container."""
        held = self._held()
        admitted = [self._admit(value, len(held) + i) for i, value in enumerate(values)]
        place = len(held)
        for value in admitted:
            # A slice keeps the names of its entries, so that the number of entries may be the name of one.
            while str(place) in held:
                place += 1
            setattr(self, str(place), value)
            place += 1
        return self

    def insert(self, index: int, value: A) -> Self:
        """Inserts an entry before ``index`` and renumbers the others. Returns the container."""
        entries = list(self)
        if not -len(entries) <= index <= len(entries):
            raise IndexError(f"{type(self).__name__}: cannot insert at {index} of {len(entries)} entries")
        entries.insert(index, self._admit(value, index))
        self._refill(_numbered(entries))
        return self

    def pop(self, index: int = -1) -> T:
        """Removes an entry, renumbers the remaining ones, and returns it."""
        value = self[index]
        del self[index]
        return value

    def __add__(self, other: Iterable[A]) -> Self:
        both: list[Any] = [*self, *other]
        return self._slice(slice(0)).extend(both)

    def __iadd__(self, other: Iterable[A]) -> Self:
        return self.extend(other)

    def _slice(self, index: slice) -> Self:
        # Not through the constructor: a subclass's may take other arguments.
        new = type(self).__new__(type(self))
        new._refill(_numbered(list(self)[index]))
        return new

    def _name(self, index: int) -> str:
        names = list(self._held())
        try:
            return names[index]
        except IndexError:
            raise IndexError(f"{type(self).__name__}: index {index} is out of range for {len(names)} entries") from None


class _Dict(_Container[T], Generic[T, A]):
    """Entries by name, in insertion order."""

    def __init__(self, values: Mapping[str, A] | Iterable[tuple[str, A]] = ()) -> None:
        self.update(values)

    def __getitem__(self, key: str) -> T:
        return self._held()[key]

    def __setitem__(self, key: str, value: A) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held())

    def __contains__(self, key: object) -> bool:
        return key in self._held()

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._held().keys()

    def values(self) -> ValuesView[T]:
        """The entries."""
        return self._held().values()

    def items(self) -> ItemsView[str, T]:
        """Names and entries."""
        return self._held().items()

    def get(self, key: str, default: T | None = None) -> T | None:
        """The entry of that name, or ``default``."""
        return self._held().get(key, default)

    def update(self, values: Mapping[str, A] | Iterable[tuple[str, A]]) -> None:
        """Adds entries, or replaces those that have the same name.

        Raises:
            TypeError: An entry has the wrong type, or a name is not a string.
            ValueError: A name is empty, contains a dot, or is an attribute of every module, such as "forward".
        """
        held = self._held()
        admitted = {key: self._admit(value, key) for key, value in dict(values).items()}
        for key in admitted:
            if key not in held:
                self._check_name(type(self).__name__, key)
        for key, value in admitted.items():
            setattr(self, key, value)

    def pop(self, key: str) -> T:
        """Removes the entry of that name and returns it."""
        value = self[key]
        delattr(self, key)
        return value

    def clear(self) -> None:
        """Removes all entries."""
        self._refill({})


class ModuleList(_List[Module, Module]):
    """A list of modules, whose parameters belong to the model; call them one by one.

    As in PyTorch, ``insert``, ``pop``, ``del`` and slices renumber the modules.
    """

    _kind = Module

    def _child_lines(self) -> list[str]:
        lines: list[str] = []
        for child, run in groupby(self._held().items(), lambda entry: repr(entry[1])):
            names = [name for name, _ in run]
            some = f"({names[0]}-{names[-1]}): {len(names)} x" if len(names) > 1 else f"({names[0]}):"
            lines.append(f"{some} {child}")
        return lines


class ModuleDict(_Dict[Module, Module]):
    """A dict of modules, whose parameters belong to the model; call them one by one."""

    _kind = Module


class Sequential(_List[Module, Module], TensorModule):
    """A chain of modules: ``Sequential(Linear(784, 100), ReLU(), Linear(100, 10))``.

    Takes the modules, or one ``OrderedDict`` of them. Indexing gives a module, slicing another ``Sequential``, in which
    the modules keep their names. As in PyTorch, ``insert``, ``pop`` and ``del`` renumber the modules.
    """

    _kind = Module

    def __init__(self, *modules: Module | OrderedDict[str, Module]) -> None:
        named: Mapping[str, Any]
        if len(modules) == 1 and isinstance(modules[0], OrderedDict):
            named = modules[0]
        else:
            named = {str(i): module for i, module in enumerate(modules)}
        for name, module in named.items():
            self.register_module(name, self._admit(module, name))

    def forward(self, x: Tensor) -> Tensor:
        """Applies each module to the output of the previous one."""
        for module in [value for value in vars(self).values() if isinstance(value, Module)]:
            x = module(x)
        return x

    def _slice(self, index: slice) -> Self:
        new = type(self).__new__(type(self))
        new._refill(dict(list(self._held().items())[index]))
        return new


def _as_parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


class ParameterList(_List[Parameter, Tensor]):
    """A list of parameters that belong to the model. Plain tensors are copied into new parameters."""

    _kind = Parameter

    def _admit(self, value: Any, at: object) -> Parameter:
        return super()._admit(_as_parameter(value), at)

    def extra_repr(self) -> str:
        """A line for each parameter."""
        return _lines(self._held())


class ParameterDict(_Dict[Parameter, Tensor]):
    """A dict of parameters that belong to the model. Plain tensors are copied into new parameters."""

    _kind = Parameter

    def _admit(self, value: Any, at: object) -> Parameter:
        return super()._admit(_as_parameter(value), at)

    def extra_repr(self) -> str:
        """A line for each parameter."""
        return _lines(self._held())


def _numbered(entries: Iterable[T]) -> dict[str, T]:
    return {str(i): entry for i, entry in enumerate(entries)}


def _lines(held: Mapping[str, Parameter]) -> str:
    def size(p: Parameter) -> str:
        return "x".join(map(str, p.shape))

    return "\n".join(f"({name}): Parameter containing: [{p.dtype} of size {size(p)}]" for name, p in held.items())
