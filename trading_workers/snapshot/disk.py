"""A worker's own copy of the documents it last applied, so that it can start with nothing else alive."""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger("trading_workers.snapshot")

_SUFFIX = ".json"
_LONGEST_NAME = 100


class DiskCopies:
    """One file per document in `folder`. A file is replaced in one step: a reader sees the old document or the new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read_all(self) -> list[bytes]:
        """Every copy, unverified. A file that cannot be read is reported and left out."""
        found = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                found.append(path.read_bytes())
            except OSError as error:
                log.error("the disk copy %s cannot be read: %s", path.name, error.strerror)
        return found

    def write(self, name: str, raw: bytes) -> None:
        """Keep `raw` as the document `name`; on the disk when this returns.

        Raises OSError, and ValueError for a name that is no file name.
        """
        if not name or len(name) > _LONGEST_NAME or not all(each.isalnum() or each in "_-" for each in name):
            raise ValueError(f"{name!r} cannot name a document")
        path = self._folder / f"{name}{_SUFFIX}"
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
