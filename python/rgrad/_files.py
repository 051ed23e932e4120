"""Writing files so that nobody ever sees half of one."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file that takes the place of `path` when the block ends without an error.

    After an error, Ctrl-C included, the temporary file is gone and `path` is as it was.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


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
