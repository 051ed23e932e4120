"""What type checkers know: `make lint` lets mypy check this file, and here it runs."""

from typing import Any, assert_type

import rgrad as rg
from rgrad import Tensor
from rgrad.data import DataLoader, TensorDataset


def double(x: Tensor, times: int = 1) -> tuple[Tensor, int]:
    return x * 2, times


class Scale:
    @rg.compile
    def forward(self, x: Tensor) -> Tensor:
        return x * 3


def test_compiled_functions_return_what_the_function_returns() -> None:
    step = rg.compile(double)
    y, times = assert_type(step(rg.ones(2), times=3), tuple[Tensor, int])
    assert (y.tolist(), times) == ([2, 2], 3)
    assert_type(rg.compile(max_programs=2)(double)(rg.ones(2)), tuple[Tensor, int])
    scale = Scale()
    assert assert_type(scale.forward(rg.ones(1)), Tensor).item() == 3
    model = rg.compile(rg.nn.Linear(2, 1))
    assert assert_type(model(rg.ones(3, 2)), Tensor).shape == (3, 1)
    # Each is an error, or else mypy would say that the comment is not needed.
    wrong: list[Any] = [
        lambda: step("text"),  # type: ignore[arg-type]
        lambda: step(rg.ones(2), time=3),  # type: ignore[call-arg]
        lambda: scale.forward(3),  # type: ignore[arg-type]
    ]
    assert len(wrong) == 3


def test_epochs_return_what_the_function_returns() -> None:
    @rg.compile
    def step(x: Tensor) -> Tensor:
        return x.sum()

    assert assert_type(step.epoch(rg.ones(4), batch_size=2), Tensor).tolist() == [2, 2]
    assert assert_type(step.steps(DataLoader(rg.ones(4), batch_size=2)), Tensor).tolist() == [2, 2]


def test_switches_decorate_with_and_without_brackets() -> None:
    @rg.no_grad
    def bare(x: int) -> str:
        return f"{x} {rg.is_grad_enabled()}"

    @rg.enable_grad()
    def called(x: int) -> str:
        return f"{x} {rg.is_grad_enabled()}"

    assert assert_type(bare(1), str) == "1 False"
    with rg.no_grad():
        assert assert_type(called(1), str) == "1 True"


def test_loaders_know_their_batches() -> None:
    x = rg.ones(4, 2)
    for batch in DataLoader(x, batch_size=2):
        assert_type(batch, Tensor)
    for pair in DataLoader((x, [1, 2, 3, 4])):
        assert_type(pair, tuple[Tensor, ...])
    assert_type(DataLoader(TensorDataset(x), 2, True), DataLoader[tuple[Tensor, ...]])
    lengths = DataLoader([[1], [2, 3]], batch_size=2, collate_fn=lambda samples: [len(sample) for sample in samples])
    assert [assert_type(batch, list[int]) for batch in lengths] == [[1, 2]]
