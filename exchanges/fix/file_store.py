"""Message store in one append-only file. Every change is one write of framed records, so that it survives kill -9 of the process.

File: 8 bytes "TSFIX001", then records. Record header, 16 bytes little-endian: payload length u32, CRC-32C u32 (over kind, number
and payload), kind u8, three zero bytes, number u32; then the payload. Kinds: 1 outgoing message (payload: its bytes), 2 next
expected number, 3 reset, 4 outgoing messages from `number` on (payload: how many u32, length of each u32, then their bytes).
A record that is cut off or damaged ends the file: what follows is copied to `<file>.torn` and cut off.
Power loss is another matter than the death of a process: with `sync=True` every change is also flushed to the disk before it
counts.
"""

import fcntl
import logging
import mmap
import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from google_crc32c import extend
from google_crc32c import value as crc32c

from exchanges.fix.store import Frame, StoreError, require_consecutive

log = logging.getLogger("exchanges.fix")

_MAGIC = b"TSFIX001"
_HEADER = struct.Struct("<IIB3xI")
_CHECKED = struct.Struct("<BI")
_OUTGOING, _NEXT_TARGET, _RESET, _BATCH = 1, 2, 3, 4
_MAX_PAYLOAD = 16 * 1024 * 1024


class FileStore:
    """A `MessageStore` that outlives its process. One process at a time may have it open; numbers go up to 2³²-1."""

    def __init__(self, path: Path | str, sync: bool = False) -> None:
        """Opens or creates the file. Raises StoreError when it is another kind of file or is in use, OSError when it cannot be
        opened.
        """
        self.path = Path(path)
        self.next_sender = 1
        self.next_target = 1
        self._sync = sync
        self._kept_target = 1
        #: Place and length of the bytes of message number index + 1 in the file.
        self._starts = array("Q")
        self._lengths = array("L")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock()
            self._size = self._recover()
        except BaseException:
            os.close(self._file)
            raise

    def append_outgoing(self, frames: Sequence[Frame]) -> None:
        require_consecutive(frames, self.next_sender)
        if not frames:
            return
        target, first, lengths = self._target_record(), frames[0][0], [len(frame) for _, frame in frames]
        if len(frames) == 1:
            kind, head, payload = _OUTGOING, b"", frames[0][1]
        else:
            kind, head = _BATCH, struct.pack(f"<{len(frames) + 1}I", len(frames), *lengths)
            payload = b"".join([head, *[frame for _, frame in frames]])
        start = self._size + len(target) + _HEADER.size + len(head)
        self._append(b"".join((target, _record_header(kind, first, payload), payload)))
        self._kept_target = self.next_target
        self._placed(start, lengths)

    def outgoing(self, begin: int, end: int) -> Iterator[Frame]:
        for number in range(max(begin, 1), min(end, self.next_sender - 1) + 1):
            yield number, os.pread(self._file, self._lengths[number - 1], self._starts[number - 1])

    def set_next_target(self, number: int) -> None:
        self.next_target = number

    def commit(self) -> None:
        if self.next_target != self._kept_target:
            self._append(self._target_record())
            self._kept_target = self.next_target

    def reset(self) -> None:
        """Starts the file anew: old messages cannot come back at a number of the new session."""
        try:
            os.ftruncate(self._file, len(_MAGIC))
            self._size = len(_MAGIC)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be reset: {error}") from error
        self._append(_record_header(_RESET, 0, b""))
        self._forget()

    def close(self) -> None:
        self.commit()
        os.close(self._file)

    def _forget(self) -> None:
        del self._starts[:], self._lengths[:]
        self.next_sender = self.next_target = self._kept_target = 1

    def _placed(self, start: int, lengths: Sequence[int]) -> None:
        """The next messages lie one after another from `start` on."""
        self._starts.extend(accumulate(lengths[:-1], initial=start))
        self._lengths.extend(lengths)
        self.next_sender += len(lengths)

    def _target_record(self) -> bytes:
        """Record of the next expected number; empty when the file has it."""
        return b"" if self.next_target == self._kept_target else _record_header(_NEXT_TARGET, self.next_target, b"")

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"{self.path} is in use by another process") from error

    def _append(self, data: bytes) -> None:
        """One write at the end. When it fails the file is cut back, so that a later write does not follow half a record."""
        try:
            written = os.pwrite(self._file, data, self._size)
            if written != len(data):
                raise OSError(f"only {written} of {len(data)} bytes were written")
            if self._sync:
                os.fdatasync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise StoreError(f"{self.path} cannot be written: {error}") from error
        self._size += len(data)

    def _recover(self) -> int:
        """Read the file; returns its good size, to which it has been cut."""
        size = os.fstat(self._file).st_size
        if size == 0:
            os.pwrite(self._file, _MAGIC, 0)
            return len(_MAGIC)
        if os.pread(self._file, len(_MAGIC), 0) != _MAGIC:
            raise StoreError(f"{self.path} is not a FIX message store")
        place = len(_MAGIC)
        with mmap.mmap(self._file, size, access=mmap.ACCESS_READ) as content:
            while place < size:
                next_place = self._read_record(content, place, size)
                if next_place is None:
                    break
                place = next_place
        if place < size:
            self._cut(place, size)
        return place

    def _read_record(self, content: mmap.mmap, place: int, size: int) -> int | None:
        """Take one record over; returns the place after it, None when it is damaged or incomplete."""
        start = place + _HEADER.size
        if start > size:
            return None
        header: tuple[int, int, int, int] = _HEADER.unpack_from(content, place)
        length, checksum, kind, number = header
        if length > _MAX_PAYLOAD or start + length > size:
            return None
        payload = content[start : start + length]
        if crc32c(_CHECKED.pack(kind, number) + payload) != checksum:
            return None
        if kind in (_OUTGOING, _BATCH) and number != self.next_sender:
            return None
        if kind == _OUTGOING:
            self._placed(start, [length])
        elif kind == _BATCH:
            count = int.from_bytes(payload[:4], "little")
            lengths = struct.unpack_from(f"<{count}I", payload, 4)
            self._placed(start + 4 + 4 * count, lengths)
        elif kind == _NEXT_TARGET:
            self.next_target = self._kept_target = number
        elif kind == _RESET:
            self._forget()
        else:
            return None
        return start + length

    def _cut(self, place: int, size: int) -> None:
        torn = self.path.with_name(self.path.name + ".torn")
        torn.write_bytes(os.pread(self._file, size - place, place))
        os.ftruncate(self._file, place)
        log.warning("%s: %d bytes after the last complete record at %d were moved to %s", self.path, size - place, place, torn.name)


def _record_header(kind: int, number: int, payload: bytes) -> bytes:
    return _HEADER.pack(len(payload), extend(crc32c(_CHECKED.pack(kind, number)), payload), kind, number)
