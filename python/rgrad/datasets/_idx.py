"""The IDX format, in which MNIST is distributed: a big-endian header, then unsigned bytes."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


def read_bytes(path: Path) -> bytes:
    """Return what the file holds, decompressed if it is gzipped, whatever its name.

    Raises:
        ValueError: the compressed data are damaged or end too early.
    """
    content = path.read_bytes()
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: the gzip data are damaged or truncated ({error})") from None


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Read an array of unsigned bytes with `ndim` dimensions.

    The header is the magic number `00 00 08 ndim`, then one 32-bit size for each dimension.

    Raises:
        ValueError: another magic number, or more or fewer bytes than the header says; the message names the file.
    """
    content = read_bytes(path)
    expected = _UNSIGNED_BYTE << 8 | ndim
    header = 4 + 4 * ndim
    if len(content) < header:
        raise ValueError(f"{path}: truncated: {len(content)} bytes do not hold the header of {header} bytes")
    magic, *shape = struct.unpack(f">{1 + ndim}I", content[:header])
    if magic != expected:
        raise ValueError(f"{path}: not the expected IDX file: its magic number is {magic:#010x}, not {expected:#010x}")
    size = len(content) - header
    if size != math.prod(shape):
        sizes = "×".join(map(str, shape))
        what = "truncated" if size < math.prod(shape) else "too long"
        raise ValueError(f"{path}: {what}: the header says {sizes} bytes, the file holds {size}")
    array: NDArray[Any] = np.frombuffer(content, np.uint8, offset=header).reshape(shape)
    return array
