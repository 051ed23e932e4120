"""MNIST: finding its four files, and reading them into tensors."""

import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgrad.datasets._dataset import Dataset, pixels
from rgrad.datasets._download import download
from rgrad.datasets._idx import read_idx

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# The md5 of each decompressed file, so that it is the same however a mirror compressed it.
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}

_CLASSES = 10


def mnist(root: str | os.PathLike[str] | None = None) -> Dataset:
    """The MNIST handwritten digits: 60,000 training and 10,000 test images of 28×28 pixels from 0 to 1.

    The four IDX files, gzipped or not, are read from `root` if it is given; else from the subfolder `mnist` of the
    environment variable `RGRAD_DATA`; else from the user's cache, into which they are first downloaded if necessary
    (11 MB). A `root` may also hold other data in the same format, such as Fashion-MNIST.

    Args:
        root: Folder with the files.

    Raises:
        FileNotFoundError: `root` lacks a file.
        ConnectionError: The files are not on this machine, and no mirror can be reached.
        ValueError: A file is damaged, or does not match the others; the message names it.
    """
    folder = Path(root) if root is not None else _find_folder()
    train_x, train_y = _read_part(folder, "train")
    test_x, test_y = _read_part(folder, "t10k")
    if train_x.shape[1:] != test_x.shape[1:]:
        raise ValueError(f"{folder}: the images have two sizes, {train_x.shape[1:]} and {test_x.shape[1:]}")
    rows, columns = train_x.shape[1:]
    return Dataset.from_arrays(
        "mnist",
        (pixels(train_x, 255), train_y, pixels(test_x, 255), test_y),
        class_names=[str(digit) for digit in range(_CLASSES)],
        image_shape=(rows, columns),
    )


def _find_folder() -> Path:
    if data := os.environ.get("RGRAD_DATA"):
        folder = Path(data) / "mnist"
        if all(_path(folder, name) for name in MD5):
            return folder
    cache = _cache_folder()
    missing = [name for name in MD5 if not _path(cache, name)]
    if missing:
        cache.mkdir(parents=True, exist_ok=True)
    for name in missing:
        try:
            download(f"{name}.gz", cache, MIRRORS, MD5[name])
        except (ConnectionError, ValueError) as error:
            advice = f"put the four files of MNIST into {cache}, or into the folder mnist of what RGRAD_DATA names"
            raise type(error)(f"{error}; or else {advice}") from None
    return cache


def _cache_folder() -> Path:
    """The user's cache folder on this platform."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rgrad" / "mnist"


def _path(folder: Path, name: str) -> Path | None:
    """The path of a file under its usual names: as distributed, decompressed, or with a dot, as some tools name it."""
    plain = (name, name.replace("-idx", ".idx"))
    return next((path for stem in plain for path in (folder / f"{stem}.gz", folder / stem) if path.is_file()), None)


def _read_part(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    arrays = []
    for name, ndim in ((f"{part}-images-idx3-ubyte", 3), (f"{part}-labels-idx1-ubyte", 1)):
        path = _path(folder, name)
        if path is None:
            raise FileNotFoundError(f"{folder} holds neither {name}.gz nor {name}")
        arrays.append(read_idx(path, ndim))
        if arrays[-1].size == 0:
            raise ValueError(f"{path}: it holds no samples")
    images, labels = arrays
    if len(images) != len(labels):
        raise ValueError(f"{path}: {len(labels)} labels do not fit {len(images)} images")
    if labels.max() >= _CLASSES:
        row = int(np.argmax(labels >= _CLASSES))
        raise ValueError(f"{path}: label {labels[row]} at row {row} is not one of the {_CLASSES} digits")
    return images, labels
