"""What a compiled function finds by names: variables, attributes and entries, of itself and of what it calls."""

from __future__ import annotations

import builtins
import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from rgrad import _core
from rgrad._compile.draws import generator_state, is_clock, is_generator, numpy_state, python_state
from rgrad._compile.places import DICTS, MISSING, PLAIN, Place, is_library, is_users
from rgrad._compile.reads import WRITERS, Chain, reads
from rgrad._core import Tensor
from rgrad.autograd.trees import is_data
from rgrad.nn.module import Module

#: Containers with more entries, such as vocabularies, count by their length alone.
MOST_ENTRIES = 1000
#: So many places are looked at, which bounds the time; a function, whose instructions are read, counts as several.
MOST = 5000
PRICE_OF_CODE = 10
_CONTAINERS: Any = list | tuple | DICTS


class Names:
    """What a function can find before it is recorded, and what it reads that no record could repeat."""

    def __init__(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._attributes: set[str] = set()
        for _ in range(4):
            known = len(self._attributes)
            self._start()
            self._called(function, args, kwargs)
            if not self._opened or len(self._attributes) == known:
                break
        self._states = [(text, probe, probe()) for text, probe in self._sources()]

    def also(self, function: Any) -> None:
        """Looks at what a hook can find, which is about to be called."""
        self._use(Place("a hook", function))

    def places(self) -> _core._Places:
        """All places, with what stood there when they were looked at first."""
        names: list[str] = []
        roots = [(kind, holder, name, place.exported(names)) for (kind, holder, name, place) in self._roots.values()]
        return _core._Places(roots, self._modules, names)

    def changes(self) -> list[str]:
        """What the function has drawn from or read, by name."""
        return [text for text, probe, state in self._states if probe() != state] + self._impure

    def _start(self) -> None:
        self._left = MOST
        self._roots: dict[Any, tuple[str, Any, Any, Place]] = {}
        self._modules: list[Module] = []
        self._seen: set[Any] = set()
        self._opened: set[int] = set()
        self._stack: set[int] = set()
        self._generators: dict[str, Any] = {}
        self._impure: list[str] = []

    def _sources(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        yield "the module random", python_state
        yield "np.random", numpy_state
        for text, generator in self._generators.items():
            yield text, functools.partial(generator_state, generator)

    # ---- Places ----

    def _root(self, kind: str, holder: Any, name: Any, text: str, value: Any) -> Place:
        key = kind, id(holder), name
        if key not in self._roots:
            held = weakref.ref(holder) if kind == "object" else holder
            self._roots[key] = kind, held, name, Place(text, value)
        return self._roots[key][3]

    def _object(self, value: Any, text: str) -> Place | None:
        """An object wherever it is from; None if it cannot be found again."""
        try:
            return self._root("object", value, None, text, value)
        except TypeError:
            return None

    def _child(self, place: Place, step: str, key: Any, value: Any, covered: bool = False) -> Place:
        if isinstance(value, Module) and covered:
            self._module(value)
            return self._object(value, type(value).__name__) or place
        found = place.below.get((step, key))
        if found is None:
            text = f"{place.text}.{key}" if step == "attribute" else f"{place.text}[{key!r}]"
            found = place.below[step, key] = Place(text, value, covered)
            self._left -= 1
        return found

    def _attribute(self, place: Place, name: str) -> Place | None:
        """The place of an attribute; None for methods, whose code is read, and for what cannot be looked at."""
        value, kind = place.value, type(place.value)
        if isinstance(value, type):
            found = _of_class(value, name)
            if isinstance(found, staticmethod | classmethod | FunctionType):
                self._function(getattr(found, "__func__", found))
            elif found is not MISSING and not hasattr(found, "__get__"):
                return self._child(place, "attribute", name, found)
            return None
        found = _of_class(kind, name)
        own = None if isinstance(kind.__getattribute__, FunctionType) else getattr(value, "__dict__", {})
        if isinstance(found, property):
            self._function(found.fget, value)
            return None
        if own is not None and name in own:
            return self._child(place, "attribute", name, own[name], isinstance(value, Module))
        if isinstance(found, MemberDescriptorType):
            return self._child(place, "attribute", name, getattr(value, name, MISSING))
        if isinstance(found, staticmethod | classmethod | FunctionType):
            self._method(value, name)
            return None
        if own is None or not is_users(value) or hasattr(found, "__get__"):
            return None
        if found is MISSING and hasattr(kind, "__getattr__"):
            return None
        return self._child(place, "attribute", name, found)

    def _method(self, value: Any, name: str) -> None:
        """Reads a method, and those that it may call as ``super()``'s."""
        for kind in type(value).__mro__:
            found = vars(kind).get(name, None)
            function = getattr(found, "__func__", found)
            if isinstance(function, FunctionType) and not is_library(function.__module__):
                if isinstance(found, FunctionType) and (place := self._object(kind, kind.__name__)):
                    self._child(place, "attribute", name, function)
                self._function(function, None if isinstance(found, staticmethod) else value)

    def _item(self, place: Place, key: Any) -> Place | None:
        value = place.value
        if isinstance(value, DICTS):
            return self._child(place, "key", key, value.get(key, MISSING))
        if isinstance(value, list | tuple) and isinstance(key, int):
            if 0 <= key < len(value):
                return self._child(place, "index", key, value[key])
            place.many = len(value)
            return self._child(place, "index", len(value) + key, value[key]) if -len(value) <= key < 0 else None
        return None

    # ---- Code ----

    def _called(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Reads what is recorded, which is called with these arguments."""
        objects = [value for value in (*args, *kwargs.values()) if not isinstance(value, Tensor)]
        given = dict(kwargs)
        inner: Any = function
        before = args
        if isinstance(inner, functools.partial):
            inner, before = inner.func, (*inner.args, *args)
        if isinstance(inner, MethodType):
            inner, before = inner.__func__, (inner.__self__, *before)
        if isinstance(inner, FunctionType):
            code = inner.__code__
            given.update(zip(code.co_varnames[: code.co_argcount], before, strict=False))
            own = {name: place for name, value in given.items() if (place := self._given(name, value)) is not None}
            self._function(inner, bound=own, own=True)
        if inner is not function or not isinstance(function, FunctionType):
            self._use(Place(getattr(function, "__name__", type(function).__name__), function))
        for value in objects:
            self._entries(value)

    def _given(self, name: str, value: Any) -> Place | None:
        """An argument that counts as the object that it is."""
        if type(value) in PLAIN or isinstance(value, Tensor | np.ndarray | _CONTAINERS) or is_data(value):
            return None
        return self._object(value, name)

    def _entries(self, value: Any) -> None:
        """Looks at the objects in an argument."""
        if isinstance(value, list | tuple):
            for item in value:
                self._entries(item)
        elif isinstance(value, dict):
            for item in value.values():
                self._entries(item)
        elif (place := self._given(type(value).__name__, value)) is not None:
            self._use(place)

    def _function(
        self, function: Any, first: Any = None, bound: dict[str, Place] | None = None, own: bool = False
    ) -> None:
        """Reads the code of a function; ``first`` is the object whose method it is."""
        while isinstance(function, functools._lru_cache_wrapper):
            function = function.__wrapped__
        if not isinstance(function, FunctionType) or (function, id(first)) in self._seen or self._left < 0:
            return
        self._seen.add((function, id(first)))
        self._left -= PRICE_OF_CODE
        code, bound = function.__code__, dict(bound or {})
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        if not own and is_library(function.__module__):
            for name, cell in cells.items():
                held = self._outer(name, cell)
                if isinstance(held.value, FunctionType | MethodType | Module) or is_users(held.value):
                    self._use(held)
            return
        if first is not None and code.co_argcount and (place := self._object(first, code.co_varnames[0])):
            bound[code.co_varnames[0]] = place
        if function.__defaults__ and (place := self._object(function, function.__name__)):
            defaults = self._child(place, "attribute", "__defaults__", function.__defaults__)
            self._use(defaults)
            names = code.co_varnames[code.co_argcount - len(function.__defaults__) : code.co_argcount]
            for i, name in enumerate(names):
                if ("index", i) in defaults.below:
                    bound.setdefault(name, defaults.below["index", i])
        self._code(code, function.__globals__, cells, bound)

    def _outer(self, name: str, cell: Any) -> Place:
        try:
            value = cell.cell_contents
        except ValueError:
            value = MISSING
        return self._root("cell", cell, None, name, value)

    def _code(self, code: CodeType, variables: dict[str, Any], cells: dict[str, Any], bound: dict[str, Place]) -> None:
        found = reads(code)
        self._attributes |= found.attributes
        for chain in found.chains:
            # What fails to be looked at counts as the object that it is; the function may have no trouble with it.
            with contextlib.suppress(Exception):
                self._chain(chain, variables, cells, bound)
        for inner in found.inner:
            self._code(inner, variables, cells, bound)

    def _chain(self, chain: Chain, variables: dict[str, Any], cells: dict[str, Any], bound: dict[str, Place]) -> None:
        place: Place | None = None
        if chain.kind == "global":
            if chain.name in variables or not hasattr(builtins, chain.name):
                place = self._global(variables, chain.name)
            elif is_clock(getattr(builtins, chain.name)):
                self._impure.append(chain.name)
        elif chain.name in cells and chain.kind == "outer":
            place = self._outer(chain.name, cells[chain.name])
        else:
            place = bound.get(chain.name)
        if place is None:
            self._attributes.update(str(name) for step, name in chain.steps if step == "attribute")
        else:
            self._follow(place, chain.steps, chain.goes_on)

    def _global(self, variables: dict[str, Any], name: str) -> Place:
        value = variables.get(name, MISSING)
        if issubclass(type(value), ModuleType):
            return Place(name, value)
        return self._root("global", variables, name, name, value)

    def _follow(self, place: Place, steps: tuple[tuple[str, Any], ...], goes_on: bool) -> None:
        """Looks at a variable and what is taken from it."""
        for step, key in steps:
            value: Any = place.value
            if value is MISSING or self._left < 0:
                return
            child: Place | None
            if isinstance(value, ModuleType):
                if not is_library(value.__name__):
                    child = self._global(vars(value), key)
                else:
                    child = Place(f"{place.text}.{key}", getattr(value, key, MISSING))
            elif step == "item":
                if isinstance(value, Module):
                    self._module(value)
                    return
                child = self._item(place, key)
            elif isinstance(value, list | set | DICTS) and key in WRITERS:
                return
            elif isinstance(value, type) and value.__module__ == "datetime":
                child = Place(f"{place.text}.{key}", getattr(value, key, MISSING))
            else:
                if isinstance(value, Module):
                    self._module(value)
                child = self._attribute(place, key)
            if child is None:
                if isinstance(value, _CONTAINERS | type) or step == "item" or is_generator(value):
                    self._use(place)
                return
            place = child
        if goes_on:
            self._use(place)

    # ---- Values ----

    def _use(self, place: Place) -> None:
        """Looks at what can be found from a value that is used for anything."""
        value = place.value
        if type(value) in PLAIN or isinstance(value, Tensor | ModuleType | np.ndarray) or self._left < 0:
            return
        if isinstance(value, _CONTAINERS):
            self._open(place)
        elif isinstance(value, BuiltinFunctionType | FunctionType) and is_clock(value):
            self._impure.append(place.text)
        elif isinstance(value, FunctionType | functools._lru_cache_wrapper):
            self._function(value)
        elif isinstance(value, MethodType):
            self._function(value.__func__, value.__self__)
        elif isinstance(value, Module):
            self._module(value)
        elif isinstance(value, functools.partial):
            for name in ("func", "args", "keywords"):
                self._use(self._child(place, "attribute", name, getattr(value, name)))
        elif isinstance(value, _core._Compiled):
            self._use(Place(place.text, value._function))  # type: ignore[attr-defined]
        elif isinstance(value, type):
            if not is_library(value.__module__):
                for name in ("__init__", "__post_init__", "forward", "backward", "jvp", "setup_context"):
                    found = vars(value).get(name)
                    self._function(getattr(found, "__func__", found))
        elif is_generator(value):
            self._generators[place.text] = value
        elif hasattr(type(value), "__next__"):
            self._impure.append(place.text)
        elif is_users(value):
            self._open_object(place)

    def _open(self, place: Place) -> None:
        """Looks at all entries of a container."""
        value = place.value
        place.many = len(value)
        if id(value) in self._stack or len(value) > MOST_ENTRIES:
            return
        self._stack.add(id(value))
        entries = value.items() if isinstance(value, DICTS) else enumerate(value)
        for key, item in entries:
            if self._left < 0:
                break
            if isinstance(value, DICTS) and type(key) not in PLAIN:
                continue
            self._use(self._child(place, "key" if isinstance(value, DICTS) else "index", key, item))
        self._stack.discard(id(value))

    def _open_object(self, place: Place) -> None:
        """Looks at those attributes of an object that any of the code asks for, and at its operators."""
        value = place.value
        if id(value) in self._opened:
            return
        self._opened.add(id(value))
        for name in sorted(self._attributes):
            child = self._attribute(place, name)
            if child is not None:
                self._use(child)
        for kind in type(value).__mro__:
            if not is_library(kind.__module__):
                for name, found in vars(kind).items():
                    if name.startswith("__") and name != "__init__" and isinstance(found, FunctionType):
                        self._function(found, value)

    def _module(self, module: Module) -> None:
        """Looks at a module and those below it."""
        if id(module) in self._seen or self._left < 0:
            return
        self._seen.add(id(module))
        self._left -= 1
        self._modules.append(module)
        if not is_library(type(module).__module__):
            self._method(module, "forward")
        hooks = module._hooks
        if hooks is not None:
            for hook in (*hooks.before, *hooks.after, *hooks.backward):
                self._use(Place("a hook", hook.function))
        for _, child in module._own_modules():
            self._module(child)


def _of_class(kind: type, name: str) -> Any:
    for base in kind.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return MISSING
