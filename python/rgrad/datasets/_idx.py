"""The IDX format, in which MNIST is distributed: a big-endian header, then unsigned bytes."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rgrad._shared.files import check_unpacked, understanding, unpacked

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Reads an array of unsigned bytes with `ndim` dimensions from a file that may be gzipped.

    The header is the magic number `00 00 08 ndim`, then one 32-bit size for each dimension. It is checked before the
    rest is decompressed.

    Raises:
        ValueError: Wrong magic number, more or fewer bytes than the header says, damaged gzip data, or a decompression
            bomb; the message names the file.
    """
    expected = _UNSIGNED_BYTE << 8 | ndim
    header = 4 + 4 * ndim
    packed = path.stat().st_size
    damaged = f"{path}: the gzip data are damaged or truncated"
    with unpacked(path) as file:
        with understanding(damaged):
            start = file.read(header)
        if len(start) < header:
            raise ValueError(f"{path}: truncated: {len(start)} bytes do not hold the header of {header} bytes")
        magic, *shape = struct.unpack(f">{1 + ndim}I", start)
        if magic != expected:
            raise ValueError(
                f"{path}: not the expected IDX file: its magic number is {magic:#010x}, not {expected:#010x}"
            )
        size, sizes = math.prod(shape), "×".join(map(str, shape))
        says = f"the header says {sizes} bytes, the file holds"
        # Deflate packs no more than 1032 bytes into one.
        if size > 1032 * packed:
            raise ValueError(f"{path}: truncated: {says} {packed}")
        check_unpacked(str(path), packed, size)
        with understanding(damaged):
            content = file.read(size)
            rest = file.read(1)
    if len(content) < size:
        raise ValueError(f"{path}: truncated: {says} {len(content)}")
    if rest:
        raise ValueError(f"{path}: too long: {says} more")
    array: NDArray[Any] = np.frombuffer(content, np.uint8).reshape(shape)
    return array
