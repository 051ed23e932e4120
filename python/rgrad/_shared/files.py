"""Reading files that may hold anything, and writing files so that nobody ever sees half of one."""

import errno
import gzip
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO, cast

from rgrad import _core

# Data that take a hundredth of their size when packed are hardly data. What unpacks to less than this may be: labels
# in order, images of one colour.
_MOST_UNPACKED = 1 << 28
_MOST_RATIO = 100
# Characters of a name or a value in a message.
_MOST_SHOWN = 80

_GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file that takes the place of `path` when the block ends without an error.

    After an error, Ctrl-C included, the temporary file is gone and `path` is as it was. A file that is replaced passes
    on its permissions, and a symbolic link stays one.

    Raises:
        OSError: `path` may not be written, or is a folder, a device or a FIFO.
    """
    aside, target = _core._begin_file(path)
    try:
        yield Path(aside)
        _core._finish_file(aside, target)
    finally:
        Path(aside).unlink(missing_ok=True)


@contextmanager
def understanding(problem: str) -> Iterator[None]:
    """Turn whatever a library raises that cannot understand a file's content into one `ValueError`.

    Errors of the system and of memory pass. What the callers find wrong themselves they say outside of the block.

    Args:
        problem: the file, and what it is not; the message begins with it.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        # A place before the beginning of the file is the content's fault.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{problem}: {reason}") from None


def shortened(text: str) -> str:
    """Text of a file as messages show it: on one line, and not all of it if it is long."""
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"


def check_unpacked(what: str, packed: int, unpacked: int) -> None:
    """Refuse data that fill memory from next to nothing.

    Raises:
        ValueError: so few bytes cannot be worth so many; the message begins with `what`.
    """
    if unpacked > _MOST_UNPACKED and unpacked > _MOST_RATIO * packed:
        raise ValueError(
            f"{what}: {packed} bytes unpack to {unpacked}, as no data do; unpack them first if they are meant"
        )


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, through gzip if it is packed so, whatever its name."""
    with path.open("rb") as file:
        start = file.read(len(_GZIP_MAGIC))
        file.seek(0)
        if start != _GZIP_MAGIC:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as content:
            yield cast(BinaryIO, content)


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Let the block end before Ctrl-C raises `KeyboardInterrupt`: files that belong together are written together."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals only ever interrupt the main thread
        return
    pressed = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
