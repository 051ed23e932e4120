"""What operations and methods take, read from the stub of the extension, so that a new one is drawn without editing."""

import ast
from dataclasses import dataclass
from pathlib import Path

import rgrad

# Annotations of the stub, by what is drawn for them. What is not here is drawn for by the parameter's name.
KINDS = {
    "Tensor | float | NDArray[Any]": "tensor",
    "Tensor | Sequence[Tensor]": "tensor",
    "Iterable[Tensor]": "tensors",
    "Any": "tensor",
    "SupportsFloat | SupportsIndex": "float",
    "SupportsIndex": "int",
    "int | Sequence[int]": "ints",
    "int | Tensor | float | NDArray[Any]": "ints",
    "bool": "bool",
    "str": "str",
    "DType | DTypeLike": "dtype",
}


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation: what it takes, and whether it may be left out."""

    name: str
    kind: str
    optional: bool
    by_name: bool
    variadic: bool


def _parameter(a: ast.arg, default: ast.expr | None, by_name: bool = False, variadic: bool = False) -> Parameter:
    annotation = ast.unparse(a.annotation).replace("builtins.", "") if a.annotation else ""
    plain = annotation.removesuffix(" | None")
    return Parameter(a.arg, KINDS.get(plain, plain), default is not None or variadic, by_name, variadic)


def _parameters(function: ast.FunctionDef) -> list[Parameter]:
    a = function.args
    plain = a.posonlyargs + a.args
    defaults = [None] * (len(plain) - len(a.defaults)) + list(a.defaults)
    found = [_parameter(p, d) for p, d in zip(plain, defaults, strict=True)]
    if a.vararg:
        found.append(_parameter(a.vararg, None, variadic=True))
    found += [_parameter(p, d, by_name=True) for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    return found


def _read() -> tuple[dict[str, list[Parameter]], dict[str, list[Parameter]]]:
    stub = ast.parse(Path(rgrad.__file__).with_name("_core.pyi").read_text(encoding="utf-8"))
    functions, methods = {}, {}
    for node in stub.body:
        if isinstance(node, ast.FunctionDef) and node.name in rgrad._core.OPS:
            functions[node.name] = _parameters(node)
        elif isinstance(node, ast.ClassDef) and node.name == "Tensor":
            for method in node.body:
                # Those that write over their elements; requires_grad_ sets a flag.
                if isinstance(method, ast.FunctionDef) and method.name.endswith("_") and method.name[0] != "_":
                    methods[method.name] = _parameters(method)[1:]
    del methods["requires_grad_"]
    return functions, methods


#: The parameters of every operation, and of every method that writes in place.
OPERATIONS, IN_PLACE = _read()
