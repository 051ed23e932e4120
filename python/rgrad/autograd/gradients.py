"""Gradients of chosen tensors."""

from collections.abc import Sequence

from rgrad import _core
from rgrad._core import Tensor


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of ``outputs`` with respect to ``inputs``, without changing any tensor's ``grad``.

    Args:
        outputs: One tensor or several; scalars unless ``grad_outputs`` gives their cotangents.
        inputs: Tensors that require gradients: leaves, or intermediate results.
        grad_outputs: One cotangent for each output, of its shape; None means 1.
        retain_graph: Keep the saved tensors for another backward pass; ``create_graph`` if None.
        create_graph: Tape the backward pass, so that the gradients can be differentiated.
        allow_unused: Return None for an input that no output depends on, instead of raising.

    Returns:
        One gradient for each input.

    Raises:
        RuntimeError: An output depends on nothing that requires gradients, an input does not require them or is unused,
            or the graph was freed by an earlier backward pass.
    """
    ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        seeds: list[Tensor | None] = [None] * len(ys)
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    retain = create_graph if retain_graph is None else retain_graph
    found = _core._gradients(ys, xs, seeds, retain, create_graph)
    unused = [i for i, g in enumerate(found) if g is None]
    if unused and not allow_unused:
        raise RuntimeError(
            f"grad: no output depends on input {unused[0]}; pass allow_unused=True to get None for such inputs"
        )
    return tuple(found)
