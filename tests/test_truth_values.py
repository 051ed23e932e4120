"""Truth values: no integers as arguments, and of other bytes than 0 and 1 no different from 1."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import rgrad as rg
from rgrad import _core, nn

STUB = ast.parse(Path(_core.__file__).with_name("_core.pyi").read_text())

# What a required argument of this annotation may be.
SAMPLES = {
    "SupportsIndex": 1,
    "int": 1,
    "float": 1.0,
    "Tensor": rg.ones(2, 2),
    "Iterable": [rg.ones(2, 2), rg.ones(2, 2)],
    "str": "mean",
    "Any": rg.ones(2, 2),
}


def names(annotation: ast.expr | None) -> list[str]:
    return re.findall(r"\w+", ast.unparse(annotation)) if annotation else []


def takes_integers(annotation: ast.expr | None) -> bool:
    found = set(names(annotation))
    others = {"bool", "Tensor", "SupportsFloat", "SupportsGetItem", "float", "tuple"}
    return bool(found & {"int", "SupportsIndex"}) and not found & others


def integer_arguments():
    """Every argument of a function or a method of tensors that is an integer, or a list of them, by the stub."""
    tensor = next(node for node in STUB.body if isinstance(node, ast.ClassDef) and node.name == "Tensor")
    for owner, body in ((rg, STUB.body), (rg.ones(2, 2), tensor.body)):
        for node in body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or not hasattr(owner, node.name):
                continue
            arguments = [a for a in node.args.args + node.args.posonlyargs + node.args.kwonlyargs if a.arg != "self"]
            optional = len(node.args.defaults)
            needed = [a for a in node.args.posonlyargs + node.args.args if a.arg != "self"]
            needed = needed[: len(needed) - optional] if optional else needed
            for argument in [*arguments, *([node.args.vararg] if node.args.vararg else [])]:
                if takes_integers(argument.annotation):
                    where = "function" if owner is rg else "method"
                    call = (getattr(owner, node.name), needed, argument, argument is node.args.vararg)
                    yield pytest.param(*call, id=f"{where}-{node.name}-{argument.arg}")


@pytest.mark.parametrize(("function", "needed", "argument", "spread"), list(integer_arguments()))
@pytest.mark.parametrize("truth", [True, False, np.True_, np.array(True), rg.tensor(True)])
def test_a_truth_value_is_no_integer(function, needed, argument, spread, truth):
    given = {a.arg: next(SAMPLES[n] for n in names(a.annotation) if n in SAMPLES) for a in needed}
    if spread:
        with pytest.raises(TypeError):
            function(*given.values(), truth)
        return
    given[argument.arg] = truth
    with pytest.raises(TypeError):
        function(**given)


def test_lists_of_integers_hold_no_truth_values():
    x = rg.ones(2, 2)
    for call in (
        lambda: x.sum((True, 0)),
        lambda: x.reshape(True, 4),
        lambda: x.reshape([4, True]),
        lambda: x.permute(False, True),
        lambda: x.split([True, True]),
        lambda: rg.tensordot(x, x, ([True], [0])),
        lambda: rg.zeros((True, 2)),
    ):
        with pytest.raises(TypeError):
            call()


def test_the_message_says_what_to_write():
    for call in (lambda: rg.var(rg.ones(3), True), lambda: rg.ones(3).std(True), lambda: rg.sum(rg.ones(3), True)):
        with pytest.raises(TypeError, match=r"expected an integer, got True; .* keepdim=True, unbiased=True"):
            call()


def test_integers_of_other_kinds_are_integers():
    x = rg.arange(6.0).reshape(2, 3)
    for one in (np.int64(1), np.uint8(1), np.array(1), rg.tensor(1)):
        assert x.sum(one).tolist() == [3.0, 12.0]
        assert rg.softmax(x, one).shape == (2, 3)
        assert rg.stack([x, x], dim=one).shape == (2, 2, 3)
        assert x.sum((one, 0)).item() == 15.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(True, 2),
        lambda: nn.Linear(2, out_features=True),
        lambda: nn.Embedding(True, 2),
        lambda: nn.Embedding(4, 2, padding_idx=True),
        lambda: nn.BatchNorm1d(True),
        lambda: nn.LayerNorm(True),
        lambda: nn.RMSNorm([2, True]),
        lambda: nn.PReLU(True),
        lambda: nn.Flatten(True),
        lambda: nn.Unflatten(1, (True, 2)),
        lambda: rg.compile(abs, max_programs=True),
        lambda: rg.data.DataLoader(rg.ones(3), True),
        lambda: rg.grad(rg.sum, True)(rg.ones(2)),
        lambda: rg.Generator(True),
        lambda: rg.Generator().manual_seed(True),
        lambda: rg.arange(True, 4),
    ],
)
def test_nor_is_it_one_for_modules_loaders_and_transforms(make):
    with pytest.raises(TypeError, match=r"not True|got True|truth value"):
        make()


# ---- Bytes ----

BYTES = np.array([0, 255, 2, 1], np.uint8)
TRUTHS = [False, True, True, True]


class Lent:
    """Another library's array."""

    def __init__(self, array):
        self.__dlpack__, self.__dlpack_device__ = array.__dlpack__, array.__dlpack_device__


def test_memory_with_other_bytes_is_not_shared():
    with pytest.raises(ValueError, match=r"other bytes than 0 and 1.*rg\.tensor\(array\)"):
        rg.from_numpy(BYTES.view(bool))
    with pytest.raises(BufferError, match=r"other bytes than 0 and 1; write copy=True"):
        rg.from_dlpack(Lent(BYTES.view(bool)))
    for array in (BYTES.view(bool)[::3], np.zeros((0, 3), bool), np.array(True), np.ones((40, 50), bool)[:, ::2]):
        assert rg.from_numpy(array).tolist() == array.tolist()


def test_copies_of_other_bytes_hold_0_and_1(tmp_path):
    np.save(tmp_path / "truths.npy", BYTES.view(bool))
    for t in (
        rg.tensor(BYTES.view(bool)),
        rg.from_dlpack(Lent(BYTES.view(bool)), copy=True),
        rg.tensor(memoryview(BYTES.view(bool))),
        rg.tensor(np.load(tmp_path / "truths.npy")),
        rg.tensor(BYTES.view(bool).reshape(2, 2)).reshape(-1),
    ):
        assert bytes(t) == b"\0\1\1\1"
        assert t.sum().item() == 3
        assert t.prod().item() == 0
        assert t[1:].prod().item() == 1
        assert (t == rg.tensor(TRUTHS)).all().item()
        assert (t & t).tolist() == TRUTHS
        assert t.to("float32").tolist() == [0.0, 1.0, 1.0, 1.0]
        assert t.argmax().item() == 1
        assert t.cumsum(0).tolist() == [0, 1, 2, 3]
        assert rg.sort(t).values.tolist() == TRUTHS
        assert rg.where(t, 1, 0).tolist() == [0, 1, 1, 1]
        assert rg.arange(4)[t].tolist() == [1, 2, 3]
