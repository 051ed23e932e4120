"""Reading untrusted files, and writing files atomically."""

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

# Real data hardly compress to a hundredth of their size. What unpacks to less than this may: sorted labels, images of
# one colour.
_MOST_UNPACKED = 1 << 28
_MOST_RATIO = 100
# Characters of a name or a value in a message.
_MOST_SHOWN = 80

_GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields the path of a temporary file that replaces `path` when the block ends without an error.

    After an error, including Ctrl-C, the temporary file is removed and `path` is unchanged. A replaced file passes on
    its permissions, and a symbolic link stays one.

    Raises:
        OSError: `path` cannot be written, or is a folder, a device or a FIFO.
    """
    aside, target = _core._begin_file(path)
    try:
        yield Path(aside)
        _core._finish_file(aside, target)
    finally:
        Path(aside).unlink(missing_ok=True)


@contextmanager
def understanding(problem: str) -> Iterator[None]:
    """Turns whatever a parser raises about a file's content into one `ValueError`.

    System and memory errors pass through. Callers report what they find themselves outside of the block.

    Args:
        problem: What is wrong with which file: the beginning of the message.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        # Seeking to before the beginning of the file: the content's fault.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{problem}: {reason}") from None


def shortened(text: str) -> str:
    """Text from a file as messages show it: on one line, and truncated if it is long."""
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"


def check_unpacked(what: str, packed: int, unpacked: int) -> None:
    """Rejects decompression bombs.

    Raises:
        ValueError: So few bytes cannot hold so many; the message begins with `what`.
    """
    if unpacked > _MOST_UNPACKED and unpacked > _MOST_RATIO * packed:
        raise ValueError(
            f"{what}: {packed} bytes unpack to {unpacked}, as no data do; unpack them first if they are meant"
        )


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """Opens a file for reading, through gzip if its content is gzipped, whatever its name."""
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
    """Defers Ctrl-C to the end of the block, so that files that belong together are written together."""
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
