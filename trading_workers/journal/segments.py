"""The journal's folder: segment files named by the sequence of their first record, and the lock of the one writer."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

SUFFIX = ".journal"
LOCK_NAME = "writer.lock"


class JournalError(Exception):
    """Anything that keeps a journal from being used."""


class JournalUnavailable(JournalError):
    """Nothing was written (or made durable), and nothing may be acknowledged."""


class JournalLocked(JournalError):
    """Another process writes this journal."""


class JournalBehind(JournalError):
    """The journal ends before records that a reader has already seen: they were lost with the machine."""


class JournalDamaged(JournalError):
    """Acknowledged records cannot be read back. Nothing repairs this by itself."""

    def __init__(self, path: Path, offset: int, why: str) -> None:
        super().__init__(
            f"{path.name} is damaged at offset {offset}: {why}. "
            "Records that were acknowledged would be lost: restore the file from a copy before starting."
        )
        self.path = path
        self.offset = offset
        self.why = why


class Segment(NamedTuple):
    path: Path
    first_sequence: int


def segment_path(directory: Path, first_sequence: int) -> Path:
    return directory / f"{first_sequence:020d}{SUFFIX}"


def list_segments(directory: Path) -> list[Segment]:
    """Segments in order; an absent folder has none. Raises ``JournalDamaged`` for a name that is no number."""
    segments = []
    for path in directory.glob(f"*{SUFFIX}"):
        if not path.stem.isdecimal():
            raise JournalDamaged(path, 0, "the name is not the sequence of a first record")
        segments.append(Segment(path, int(path.stem)))
    return sorted(segments, key=lambda segment: segment.first_sequence)


def sync_directory(directory: Path) -> None:
    """Make the folder's entries durable: a new file's name is lost in a power cut otherwise."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class WriterLock:
    """Held by whoever may change the journal. The system releases it when its process dies."""

    def __init__(self, directory: Path) -> None:
        """Raises ``JournalLocked``."""
        directory.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise JournalLocked(f"another process writes the journal in {directory.name}") from None

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
