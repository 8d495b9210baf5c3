"""The one writer of a journal: a batch is one write, whole or not at all.

Sync policies: ``os`` leaves the bytes to the operating system (survives the death of the process), ``group`` lets the
caller make everything appended so far durable with one ``sync`` (survives the death of the machine, when the caller
acknowledges only afterwards), ``always`` does that within every append.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from trading_workers.journal.framing import frame_batch, segment_seed
from trading_workers.journal.recovery import Recovery
from trading_workers.journal.segments import JournalUnavailable, Segment, WriterLock, segment_path, sync_directory

SEGMENT_BYTES = 64 * 1024 * 1024


class SyncPolicy(StrEnum):
    OS = "os"
    GROUP = "group"
    ALWAYS = "always"


class JournalWriter:
    """Appends to the journal in ``directory`` from where ``recovery`` says it ends, in a new epoch.

    ``append`` belongs to one thread; ``sync`` may run in another one meanwhile. Raises ``JournalLocked`` when another
    process writes, ``JournalUnavailable`` when the segment cannot be opened.
    """

    def __init__(
        self,
        directory: Path,
        recovery: Recovery,
        *,
        policy: SyncPolicy = SyncPolicy.GROUP,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.directory = directory
        self.policy = policy
        self.epoch = recovery.last_epoch + 1
        self.last_sequence = recovery.last_sequence
        """Written, in the sense of the policy ``os``."""
        self.durable_sequence = recovery.last_sequence
        """On the disk, as far as a ``sync`` has said so."""
        self._segment_bytes = segment_bytes
        self._crc = recovery.crc
        self._offset = recovery.offset
        self._failed: str | None = None
        # Held while the descriptor is in use by a sync, so that a rotation cannot close it meanwhile.
        self._descriptor_lock = threading.Lock()
        self._lock = WriterLock(directory)
        try:
            if recovery.segment is None:
                self._descriptor = self._create_segment(recovery.last_sequence + 1)
            else:
                self._descriptor = self._open_segment(recovery.segment, recovery.offset)
        except OSError as error:
            self._lock.release()
            raise JournalUnavailable(f"the journal cannot be opened for writing: {error}") from error
        except JournalUnavailable:
            self._lock.release()
            raise

    @property
    def failure(self) -> str | None:
        """Why nothing can be written any more; None while it can."""
        return self._failed

    def append(self, records: Sequence[tuple[int, bytes]], now: int) -> int:
        """Write ``records`` (type, payload) as one batch stamped ``now``; return the sequence of the first.

        Raises ``JournalUnavailable``; then none of them is in the journal, and a later append may succeed.
        """
        if self._failed is not None:
            raise JournalUnavailable(self._failed)
        if self._offset >= self._segment_bytes:
            self._rotate()
        first = self.last_sequence + 1
        data, crc = frame_batch(self._crc, first, self.epoch, now, records)
        self._write(data)
        if self.policy is SyncPolicy.ALWAYS:
            self._sync_descriptor()
            self.durable_sequence = first + len(records) - 1
        self._offset += len(data)
        self._crc = crc
        self.last_sequence = first + len(records) - 1
        return first

    def sync(self) -> int:
        """Make everything appended before this call durable and return the last sequence that is.

        Does nothing under the policy ``os``. Raises ``JournalUnavailable``: after a failed sync nobody knows what is on
        the disk, so the writer stays unusable until the journal has been recovered.
        """
        if self._failed is not None:
            raise JournalUnavailable(self._failed)
        target = self.last_sequence
        if self.policy is not SyncPolicy.OS and target > self.durable_sequence:
            self._sync_descriptor()
            self.durable_sequence = max(self.durable_sequence, target)
        return target

    def close(self) -> None:
        """Make everything durable as far as the system can, and let another writer in."""
        with self._descriptor_lock:
            if self._descriptor < 0:
                return
            try:
                os.fsync(self._descriptor)
            finally:
                os.close(self._descriptor)
                self._descriptor = -1
                self._failed = "the journal is closed"
                self._lock.release()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                written = os.write(self._descriptor, view)
                if written == 0:
                    raise OSError(errno.ENOSPC, "the system took no bytes")
                view = view[written:]
        except OSError as error:
            self._take_back(error)
            raise JournalUnavailable(f"the journal cannot be written: {error}") from error

    def _take_back(self, cause: OSError) -> None:
        """Cut what a failed write left. When even that fails, the end of the file is unknown: the writer stops."""
        try:
            os.ftruncate(self._descriptor, self._offset)
            os.lseek(self._descriptor, self._offset, os.SEEK_SET)
        except OSError as error:
            self._failed = f"the journal could not be cut back after a failed write ({cause}): {error}"

    def _sync_descriptor(self) -> None:
        with self._descriptor_lock:
            try:
                os.fdatasync(self._descriptor)
            except OSError as error:
                self._failed = f"the journal could not be made durable: {error}"
                raise JournalUnavailable(self._failed) from error

    def _rotate(self) -> None:
        first = self.last_sequence + 1
        if self.policy is not SyncPolicy.OS:
            self._sync_descriptor()
            self.durable_sequence = self.last_sequence
        try:
            descriptor = self._create_segment(first)
        except OSError as error:
            raise JournalUnavailable(f"a new journal segment cannot be created: {error}") from error
        with self._descriptor_lock:
            os.close(self._descriptor)
            self._descriptor = descriptor

    def _create_segment(self, first_sequence: int) -> int:
        path = segment_path(self.directory, first_sequence)
        # A rotation that failed half-way may have left this name, empty: it holds nothing that was acknowledged.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if os.fstat(descriptor).st_size:
            os.close(descriptor)
            raise JournalUnavailable(f"{path.name} exists already and is not empty")
        try:
            sync_directory(self.directory)
        except OSError:
            os.close(descriptor)
            raise
        self._crc = segment_seed(first_sequence)
        self._offset = 0
        return descriptor

    def _open_segment(self, segment: Segment, offset: int) -> int:
        descriptor = os.open(segment.path, os.O_WRONLY | os.O_CLOEXEC)
        size = os.lseek(descriptor, 0, os.SEEK_END)
        if size != offset:
            os.close(descriptor)
            raise JournalUnavailable(f"{segment.path.name} has {size} bytes, the recovery ended at {offset}")
        return descriptor
