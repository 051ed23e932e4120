"""NPZ files: plain arrays by name, read without trusting what the file says of itself."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from rgrad._shared.files import check_unpacked, understanding

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class Archive:
    """The arrays of an open NPZ file. Members are read when they are asked for.

    Raises:
        ValueError: it is no NPZ file; the message names it.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path, self._size = path, path.stat().st_size
        with understanding(f"{path} is not an NPZ file of plain arrays"):
            self._zip = zipfile.ZipFile(file)
        self.names = [name.removesuffix(".npy") for name in self._zip.namelist()]

    def read(self, names: Iterable[str]) -> dict[str, NDArray[Any]]:
        """The arrays of these names.

        Raises:
            ValueError: one is damaged, holds no plain elements, or is not as large as its header says.
        """
        return {name: self._member(name) for name in names}

    def _member(self, name: str) -> NDArray[Any]:
        place = f"{self.path}, array {name}"
        not_plain = f"{self.path} is not an NPZ file of plain arrays: {name}"
        with understanding(not_plain):
            info = self._zip.getinfo(self._zip.namelist()[self.names.index(name)])
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # LZMA takes as much memory as the file says before it unpacks anything.
                raise ValueError(f"it is packed by method {info.compress_type}, and NumPy stores or deflates")
            member = self._zip.open(info)
        with member:
            with understanding(not_plain):
                shape, is_fortran, dtype = _header(member)
                begin = member.tell()
            if dtype.hasobject or dtype.kind not in "biufSU":
                raise ValueError(f"{not_plain} has elements of {dtype}")
            size = math.prod(shape) * dtype.itemsize
            if min(shape, default=0) < 0 or size != info.file_size - begin:
                raise ValueError(
                    f"{place}: the header says {shape} of {dtype}, and {info.file_size - begin} bytes follow"
                )
            check_unpacked(place, min(info.compress_size, self._size), size)
            with understanding(not_plain):
                content = member.read(size)
                member.read(1)  # to the end, where the checksum is compared
        if len(content) < size:
            raise ValueError(f"{place}: truncated: {size} bytes were announced, and there are {len(content)}")
        with understanding(not_plain):
            flat = np.frombuffer(content, dtype) if size else np.empty(0, dtype)
            if dtype.kind == "U" and size:
                letters = np.frombuffer(content, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
                if ((letters > 0x10FFFF) | ((letters >= 0xD800) & (letters < 0xE000))).any():
                    raise ValueError("its names are not in Unicode")
            return flat.reshape(shape[::-1]).T if is_fortran else flat.reshape(shape)


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(member)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the format is for elements that are no numbers")
    try:
        return _HEADERS[version](member)
    except (MemoryError, RecursionError):
        # Python's parser, on brackets in brackets.
        raise ValueError("its header cannot be understood") from None
