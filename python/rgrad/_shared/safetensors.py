"""Safetensors files with metadata: tensors, and strings about them, in a file that holds no code."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgrad import _core
from rgrad._core import Tensor
from rgrad._shared.files import replacing

_DTYPES = {"float32": "F32", "float64": "F64", "int64": "I64", "int32": "I32", "uint8": "U8", "bool": "BOOL"}
_MOST_HEADER = 100_000_000  # as the format demands


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a file atomically.

    Raises:
        ValueError: A tensor is called `__metadata__`, which the format reserves.
        OSError: The file cannot be written.
    """
    if "__metadata__" in tensors:
        raise ValueError("save: the file format keeps the name '__metadata__' for itself; choose another")
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    arrays = []
    offset = 0
    # Widest first, so that every tensor is aligned to its elements.
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize):
        array = tensor.detach().contiguous().numpy()
        end = offset + array.nbytes
        header[name] = {
            "dtype": _DTYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        arrays.append(array)
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as aside, aside.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays:
            file.write(array.tobytes() if array.ndim == 0 else array.data)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a file.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged.
        TypeError: A tensor has a dtype that rgrad does not support.
    """
    tensors = _core.load(path)  # which checks the header
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(min(size, _MOST_HEADER)))
    return tensors, header.get("__metadata__", {})
