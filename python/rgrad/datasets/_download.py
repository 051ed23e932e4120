"""Downloading a file from one of several mirrors, with a checksum."""

import hashlib
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from rgrad._shared.files import replacing, understanding, unpacked
from rgrad._shared.progress import Progress

_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 16


def download(name: str, folder: Path, mirrors: Sequence[str], md5: str) -> None:
    """Downloads `name` into `folder` from the first mirror that delivers it intact.

    Args:
        name: Name of the file, appended to the URL of a mirror.
        folder: An existing folder, in which the file appears once it is complete and verified.
        mirrors: URLs that end in a slash, in the order in which to try them.
        md5: Checksum of the content, decompressed if the file is gzipped.

    Raises:
        ValueError: No mirror delivered the file, and at least one delivered something else.
        ConnectionError: No mirror delivered anything.
    """
    failures: list[str] = []
    kind: type[Exception] = ConnectionError
    for mirror in mirrors:
        try:
            with replacing(folder / name) as aside:
                _fetch(mirror + name, aside)
                _check(aside, md5)
            return
        except ValueError as error:
            kind = ValueError
            failures.append(f"{mirror} sent something else ({error})")
        except (OSError, HTTPException) as error:
            failures.append(f"{mirror} did not answer as it should ({error})")
    raise kind(f"cannot download {name}: {'; '.join(failures)}")


def _fetch(url: str, path: Path) -> None:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response, path.open("wb") as file:
        announced = int(response.headers.get("Content-Length") or 0)
        with Progress(f"download {url}", announced, "B") as progress:
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                progress.update(len(chunk))
    if announced and path.stat().st_size != announced:
        raise ConnectionError(f"{path.stat().st_size} of {announced} bytes came")


def _check(path: Path, md5: str) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with understanding("the gzip data are damaged"), unpacked(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != md5:
        raise ValueError(f"wrong checksum: md5 {digest.hexdigest()}, not {md5}")
