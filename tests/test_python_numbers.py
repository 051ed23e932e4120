"""Python floats take the dtype of the floats beside them, in every operation that takes them for tensors."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import rgrad as rg
from rgrad import _core

STUB = Path(_core.__file__).with_name("_core.pyi").read_text()
# NumPy's and PyTorch's float_power computes in double precision by definition.
DOUBLE = {"float_power"}
SIGNATURE = re.compile(r"^def (\w+)\((.*?)\) -> .*?:", re.M | re.S)
PARAMETER = re.compile(r"\*?(\w+): ([^=]*)(=.*)?$")


def signatures() -> Iterator[tuple[str, list[tuple[str, str, bool]]]]:
    for name, text in SIGNATURE.findall(STUB):
        if name in _core.OPS and name not in DOUBLE:
            parts = re.split(r", (?=\*?\w+:|\*(?:,|$))", re.sub(r"\s+", " ", text))
            found = [PARAMETER.match(part.strip()) for part in parts]
            yield name, [(m[1], m[2], bool(m[3])) for m in found if m]


OPS = {name: fields for name, fields in signatures() if any("NDArray" in kind for _, kind, _ in fields)}
EXTRA = {"normalized_shape": (3,), "k": 1}


def tensors_in(result: object) -> Iterator[rg.Tensor]:
    if isinstance(result, rg.Tensor):
        yield result
    elif isinstance(result, tuple):
        for part in result:
            yield from tensors_in(part)


def calls(fields: list[tuple[str, str, bool]], dtype: rg.DType | None) -> Iterator[dict[str, object]]:
    """Arguments with a Python float in one or several places, and tensors of ``dtype`` in the others."""
    names = [(name, optional) for name, kind, optional in fields if "NDArray" in kind]
    for choice in itertools.product(["tensor", "float", "nothing"], repeat=len(names)):
        if "float" not in choice or (dtype is None) == ("tensor" in choice):
            continue
        if any(c == "nothing" and not optional for c, (_, optional) in zip(choice, names, strict=True)):
            continue
        given = {
            name: 2.5 if c == "float" else rg.ones(3, dtype=dtype)
            for c, (name, _) in zip(choice, names, strict=True)
            if c != "nothing"
        }
        for name, kind, optional in fields:
            if name not in given and not optional and "NDArray" not in kind:
                given[name] = EXTRA.get(name, 0.5 if "Float" in kind else 0)
        yield given


@pytest.mark.parametrize("dtype", [rg.float32, rg.int64, None], ids=["float32", "int64", "alone"])
@pytest.mark.parametrize("name", OPS)
def test_no_float64_comes_of_them(name: str, dtype: rg.DType | None) -> None:
    for given in calls(OPS[name], dtype):
        try:
            result = getattr(_core, name)(**given)
        except (TypeError, ValueError, IndexError):
            continue  # no scalar is of use here
        assert all(t.dtype != rg.float64 for t in tensors_in(result)), given


def test_beside_float64_they_keep_their_value() -> None:
    x = rg.ones(2, dtype=rg.float64)
    assert rg.kron(0.1, x).tolist() == rg.kron(x, 0.1).tolist() == [0.1, 0.1]
    assert rg.prelu(-x, 0.1).tolist() == [-0.1, -0.1]


def test_the_table_is_not_empty() -> None:
    assert len(OPS) > 100
    assert {"kron", "prelu", "norm", "where"} <= OPS.keys()


def test_a_number_has_a_norm() -> None:
    assert rg.norm(-2.5).item() == rg.norm(2.5, 3.0).item() == 2.5
    assert rg.norm(2.5).dtype == rg.get_default_dtype()
